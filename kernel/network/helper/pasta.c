/*
 * Theory of operation: pasta joins the namespaces of a process that it is told, and that is us. So
 * it is forked first, as it has to begin outside, and waits on a pipe while we enter; then it is
 * executed. It loses the kernel's promise to die with its parent when it joins (prctl(2),
 * PR_SET_PDEATHSIG: with a change of credentials), so whoever outlives us kills it: corral-net, to
 * which it falls.
 */
#include "kernel/network/helper/pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/network/helper/guard.h"

#define PATIENCE_MS 5000
#define LOOK_MS     2

static const char *const places[] = { "/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta" };

static const char *program_find(void)
{
	for (size_t i = 0; i < CORRAL_COUNT(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

_Noreturn static void pasta_become(const char *program, int go_fd, int said_fd)
{
	char pid[16], go;
	char *argv[] = { (char *)(uintptr_t) "pasta", (char *)(uintptr_t) "-f",
		         (char *)(uintptr_t) "-q", (char *)(uintptr_t) "--config-net",
		         /* Nothing of the host's loopback, in neither direction. */
		         (char *)(uintptr_t) "--no-map-gw", (char *)(uintptr_t) "-t",
		         (char *)(uintptr_t) "none", (char *)(uintptr_t) "-u",
		         (char *)(uintptr_t) "none", (char *)(uintptr_t) "-T",
		         (char *)(uintptr_t) "none", (char *)(uintptr_t) "-U",
		         (char *)(uintptr_t) "none", (char *)(uintptr_t) "--dns-forward",
		         (char *)(uintptr_t)CORRAL_NET_PASTA_DNS, pid, NULL };
	char *env[] = { NULL };
	int null_fd;

	(void)snprintf(pid, sizeof(pid), "%d", (int)getppid());
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It takes one that is ignored already for a failure to ignore it. */
	(void)signal(SIGPIPE, SIG_DFL);
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(said_fd, 2) < 0 ||
	    read(go_fd, &go, 1) != 1)
		_exit(1);
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	(void)execve(program, argv, env);
	_exit(127);
}

static bool has_default_route(void)
{
	char line[256], link[32];
	unsigned int to;
	bool found = false;
	FILE *routes = fopen("/proc/thread-self/net/route", "re");

	while (routes && !found && fgets(line, sizeof(line), routes))
		found = sscanf(line, "%31s %x", link, &to) == 2 && to == 0;
	if (routes)
		(void)fclose(routes);
	routes = found ? NULL : fopen("/proc/thread-self/net/ipv6_route", "re");
	while (routes && !found && fgets(line, sizeof(line), routes))
		/* The kernel's own, of lo, refuse. */
		found = !strncmp(line, "00000000000000000000000000000000 00", 35) &&
		        !strstr(line, " lo");
	if (routes)
		(void)fclose(routes);
	return found;
}

/* Its last words, of which the last line says why. */
static int pasta_failed(int said_fd, struct corral_error *err)
{
	char text[512] = "";
	const char *why = text;
	ssize_t n = read(said_fd, text, sizeof(text) - 1);
	size_t len = n > 0 ? (size_t)n : 0;

	text[len] = '\0';
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	for (char *c = text; *c; c++) {
		if (*c == '\n')
			why = c + 1;
		else if (*c < ' ' || *c > '~')
			*c = '?';
	}
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		bool absent = errno == ENOENT;

		return corral_error_set(err, absent ? ENOENT : EACCES, "pasta: %.120s: %s", why,
		                        absent ? "there is no /dev/net/tun: sudo modprobe tun"
		                               : "/dev/net/tun is not this user's to open: sudo "
		                                 "chmod 666 /dev/net/tun");
	}
	/* It takes its addresses from the interface that the default route leaves by. */
	if (!*why || strstr(why, "nterface not usable") || strstr(why, "o interface with"))
		return corral_error_set(
		        err, ENETUNREACH,
		        "pasta: %.120s: it takes a host with a default route (ip route), and this "
		        "one seems to have none",
		        *why ? why : "it ended without a word");
	return corral_error_set(err, EIO, "pasta: %.200s", why);
}

static int ready_await(struct corral_net_child *c, int said_fd, struct corral_error *err)
{
	struct pollfd pfd = { .fd = c->pasta.fd, .events = POLLIN };

	for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms += LOOK_MS) {
		if (has_default_route())
			return 0;
		if (poll(&pfd, 1, LOOK_MS) == 1)
			return pasta_failed(said_fd, err);
	}
	return corral_error_set(err, ETIMEDOUT, "pasta was not ready within %d s",
	                        PATIENCE_MS / 1000);
}

static void pasta_ended(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_child *c = (void *)((char *)w - offsetof(struct corral_net_child, pasta));

	(void)events;
	c->loop.ends = true;
}

static int pasta_start(struct corral_net_child *c, const char *program, int *ret_go, int *ret_said,
                       struct corral_error *err)
{
	int go[2] = { -1, -1 }, said[2] = { -1, -1 }, r = 0;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0)
		r = corral_error_sys(err, errno, "start pasta");
	if (r == 0) {
		c->pasta_pid = fork();
		if (c->pasta_pid == 0) {
			(void)close(go[1]);
			pasta_become(program, go[0], said[1]);
		}
		if (c->pasta_pid < 0)
			r = corral_error_sys(err, errno, "start pasta");
	}
	corral_fd_closep(&go[0]);
	corral_fd_closep(&said[1]);
	if (r == 0) {
		c->pasta.fd = (int)syscall(SYS_pidfd_open, c->pasta_pid, 0);
		if (c->pasta.fd < 0) {
			r = corral_error_sys(err, errno, "watch pasta");
			(void)kill(c->pasta_pid, SIGKILL);
		}
	}
	*ret_go = go[1];
	*ret_said = said[0];
	return r;
}

int corral_net_pasta_open(struct corral_net_child *c, struct corral_error *err)
{
	corral_auto(corral_nft_batch_done) struct corral_nft_batch guard = CORRAL_NFT_BATCH_INIT;
	corral_autofd int go = -1, said = -1;
	const char *program = program_find();
	int r;

	if (!program)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "network 'bridge' without root takes pasta(1), which is not "
		        "installed: apt-get install passt");
	r = corral_net_guard_compose(&guard, err);
	if (r == 0)
		r = pasta_start(c, program, &go, &said, err);
	if (r == 0)
		r = corral_net_enter(c, CORRAL_NET_GUEST, err);
	if (r < 0)
		return r;
	if (!c->no_return)
		return corral_error_set(err, EOPNOTSUPP,
		                        "network 'pasta' is for ordinary users: as root, 'bridge' "
		                        "does without it");
	/* Its way to our namespaces is our /proc, which the change of credentials has closed. */
	(void)prctl(PR_SET_DUMPABLE, 1);
	r = corral_net_guard_open(&guard, err);
	if (r < 0)
		return r;
	if (write(go, "g", 1) != 1)
		return corral_error_sys(err, errno, "start pasta");
	r = ready_await(c, said, err);
	if (r < 0)
		return r;
	c->pasta.ready = pasta_ended;
	return corral_net_loop_watch(&c->loop, &c->pasta, EPOLLIN, err);
}

void corral_net_pasta_close(struct corral_net_child *c)
{
	if (c->pasta_pid <= 0)
		return;
	/* By its descriptor: to no other process can anything be sent from where we are. */
	(void)syscall(SYS_pidfd_send_signal, c->pasta.fd, SIGKILL, NULL, 0);
	while (waitpid(c->pasta_pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->pasta_pid = 0;
}
