/* corral mcp: the console tools for any client of the Model Context Protocol, on stdin and stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/commands.h"
#include "tools/docker_exec.h"
#include "tools/mcp.h"
#include "tools/message.h"
#include "tools/options.h"
#include "tools/place_backend.h"
#include "tools/runtime_use.h"

/* An end that gives back what was made. */
static int signals_collect(struct corral_error *err)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	int fd;

	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < CORRAL_COUNT(ends); i++)
		sigaddset(&set, ends[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return corral_error_sys(err, errno, "block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? corral_error_sys(err, errno, "signalfd") : fd;
}

/*
 * What is printed by mistake must not end up between messages: they have descriptors of their own,
 * and 0 and 1 lead nowhere.
 */
static int streams_take(int *ret_in, int *ret_out, struct corral_error *err)
{
	corral_autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	*ret_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	*ret_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (null_fd < 0 || *ret_in < 0 || *ret_out < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return corral_error_sys(err, errno, "keep the streams of the protocol");
	return 0;
}

/* Below us, as in a build tree, or where it is installed, as is corral-docker; NULL when it is not.
 * The caller frees. */
static char *image_program(void)
{
	static const char *const places[] = { "image/corral-image", "corral-image",
		                              CORRAL_LIBEXEC_FROM_BIN "/corral/corral-image" };
	corral_autofree char *own = realpath("/proc/self/exe", NULL);
	char *slash = own ? strrchr(own, '/') : NULL, *path;

	if (!slash)
		return NULL;
	*slash = '\0';
	for (size_t i = 0; i < CORRAL_COUNT(places); i++) {
		if (asprintf(&path, "%s/%s", own, places[i]) < 0)
			return NULL;
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static int serve(struct corral_options *o, struct corral_error *err)
{
	corral_auto(corral_place_backend_done) struct corral_place_backend place = { 0 };
	struct corral_console_toolset_options console = { .tools = CORRAL_CONSOLE_OPTIONS_DEFAULT };
	struct corral_mcp_options mcp = { 0 };
	corral_autofree char *image = o->images ? image_program() : NULL;
	corral_autofd int in_fd = -1, out_fd = -1, stop_fd = -1;
	int r = streams_take(&in_fd, &out_fd, err);

	if (r < 0)
		return r;
	stop_fd = signals_collect(err);
	if (stop_fd < 0)
		return stop_fd;
	r = corral_place_backend_open(o, stop_fd, &place, err);
	if (r < 0)
		return r;
	console.tools.include_execute = !o->no_execute;
	console.tools.require_execute_approval =
	        false; /* whether to ask is the client's to decide */
	console.tools.hashline = o->hashline;
	console.tools.image_support = o->images;
	console.image_program = image;
	console.tools.document_support = o->documents;
	console.tools.permissions = place.permissions;
	console.timeout_max_ms = (int64_t)o->config->limits.timeout_ms;
	console.output_bytes = o->config->limits.output_bytes;
	console.restarts = !o->local && !o->session;
	console.backend = place.backend;
	console.guarded = place.guarded;
	r = corral_console_toolset_new(&console, &mcp.toolset, err);
	if (r < 0)
		return r;
	mcp.in_fd = in_fd;
	mcp.out_fd = out_fd;
	mcp.stop_fd = stop_fd;
	mcp.instructions = corral_console_system_prompt(corral_console_toolset_schema(mcp.toolset));
	r = corral_mcp_serve(&mcp, err);
	corral_console_toolset_free(mcp.toolset);
	return r;
}

int corral_cmd_mcp(int argc, char **argv)
{
	struct corral_options options;
	struct corral_error err = { 0 };
	int r;

	r = corral_docker_exec_wanted(CORRAL_OPTION_MCP, argc, argv, &err);
	if (r < 0)
		return corral_complain(&err);
	r = corral_options_init(&options, &err);
	options.use_runtime = corral_runtime_use;
	if (r == 0)
		r = corral_options_parse(&options, CORRAL_OPTION_MCP, argc, argv, &err);
	if (r == 0 && options.help) {
		(void)fputs(
		        "Usage: corral mcp [options]\n"
		        "Offers tools for files and commands to a client of the Model Context "
		        "Protocol,\n"
		        "on standard input and output: in a fresh sandbox, or where the options "
		        "say. It ends with its input.\n",
		        stdout);
		corral_options_print(stdout, CORRAL_OPTION_MCP);
	} else if (r == 0 && options.config->n_argv) {
		r = corral_error_set(&err, EINVAL, "mcp: '%.64s' is one word too many",
		                     options.config->argv[0]);
	} else if (r == 0) {
		r = corral_docker_exec_runtime(&options, argv, &err);
		if (r == 0)
			r = serve(&options, &err);
	}
	corral_options_done(&options);
	return r < 0 ? corral_complain(&err) : 0;
}
