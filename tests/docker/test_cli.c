/*
 * The command line in containers of a real engine: what users of docker run and of corral run
 * expect, and that nothing of it stays.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "tests/support.h"

#include "backends/docker/http.h"
#include "backends/docker/json.h"
#include "kernel/base/buf.h"
#include "tests/docker/engine_support.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/session.h"

#define NAME       "corral-test-cli"
#define PATIENCE_S 30

/* corral run --docker IMAGE. */
#define IN_IMAGE(r, ...) RUN(r, "--docker", corral_test_image(), __VA_ARGS__)
/* corral WORD... */
#define CORRAL(r, ...) run_argv((r), ARGS(CORRAL_BINARY, __VA_ARGS__))
/* The same as "$@" of a script. */
#define CORRAL_IN_SHELL(r, script, ...) \
	run_argv((r), ARGS("/bin/sh", "-c", (script), "sh", CORRAL_BINARY, __VA_ARGS__))

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(void)
{
	const struct timespec t = { .tv_nsec = 50000000 };

	(void)nanosleep(&t, NULL);
}

/* One line of corral's, and its status; receipts are for those who asked. */
static void assert_one_sentence(const struct run *r, const char *part)
{
	const char *said = r->err ? r->err : "";
	const char *end = strchr(said, '\n');

	assert_status(r, 125);
	if (strncmp(said, "corral: ", 8) != 0 || !end || end[1])
		fail_msg("not one line of corral's: '%s'", said);
	assert_says(said, part);
}

static int teardown(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (getenv("CORRAL_TEST_DOCKER_IMAGE"))
		CORRAL(&r, "docker", "rm", "-f", NAME);
	run_done(&r);
	return 0;
}

/* --- A command with its pipes held by the test --- */

struct piped {
	pid_t pid;
	int in, out;
	char text[32768];
	size_t len;
};

static void piped_start(struct piped *p, const char *const *argv)
{
	int in[2], out[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)alarm(RUN_DEADLINE_S);
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	p->in = in[1];
	p->out = out[0];
}

static void piped_shows(struct piped *p, const char *part)
{
	struct pollfd pfd = { .fd = p->out, .events = POLLIN };

	while (!strstr(p->text, part)) {
		ssize_t n = -1;

		if (p->len < sizeof(p->text) - 1 && poll(&pfd, 1, PATIENCE_S * 1000) > 0)
			n = read(p->out, p->text + p->len, sizeof(p->text) - 1 - p->len);
		if (n <= 0)
			fail_msg("'%s' is not shown: '%s'", part, p->text);
		p->len += (size_t)n;
	}
}

static int piped_end(struct piped *p)
{
	int status;

	if (p->in >= 0)
		(void)close(p->in);
	while (waitpid(p->pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	(void)close(p->out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Containers of that host name, running or not. */
static unsigned int count_called(const char *hostname)
{
	struct corral_docker_engine_options o = { .host = corral_test_engine() };
	corral_autojson json_t *list = NULL;
	struct corral_docker_engine *e = NULL;
	struct corral_error err = { 0 };
	unsigned int n = 0;

	if (corral_docker_engine_open(&o, &e, &err) < 0 ||
	    corral_docker_do(e, "GET", "/containers/json?all=1", NULL, &list, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < json_array_size(list); i++) {
		corral_autojson json_t *one = NULL;
		const char *is;
		char path[160];

		(void)snprintf(path, sizeof(path), "/containers/%.64s/json",
		               json_string_value(json_object_get(json_array_get(list, i), "Id")));
		if (corral_docker_do(e, "GET", path, NULL, &one, NULL) < 0)
			continue;
		is = json_string_value(json_object_get(json_object_get(one, "Config"), "Hostname"));
		n += is && !strcmp(is, hostname);
	}
	corral_docker_engine_close(e);
	return n;
}

static void assert_all_gone(const char *hostname)
{
	double until = now() + PATIENCE_S;

	while (count_called(hostname)) {
		if (now() > until)
			fail_msg("a container is left");
		nap();
	}
}

/* --- corral run --- */

static void command_has_its_streams_and_its_status(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	IN_IMAGE(&r, "--env", "WORD=said", "--hostname", "other", "--", "sh", "-c",
	         "echo $WORD; hostname; pwd; echo aside >&2; exit 7");
	assert_status(&r, 7);
	assert_string_equal(r.out, "said\nother\n/workspace\n");
	assert_string_equal(r.err, "aside\n");
	assert_string_equal(receipt_text(&r, "reason"), "exit");
	run_done(&r);
}

static void commands_that_cannot_run_are_126_and_127_and_signals_128_and_more(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	IN_IMAGE(&r, "--", "no-such-command");
	assert_status(&r, 127);
	assert_says(r.err, "'no-such-command'");
	assert_string_equal(receipt_text(&r, "exec_error"), "ENOENT");
	IN_IMAGE(&r, "--", "/etc/passwd");
	assert_status(&r, 126);
	assert_string_equal(receipt_text(&r, "exec_error"), "EACCES");
	IN_IMAGE(&r, "--", "sh", "-c", "kill -SEGV $$");
	assert_status(&r, 139);
	assert_string_equal(receipt_text(&r, "reason"), "signal");
	assert_string_equal(receipt_text(&r, "signal_name"), "SIGSEGV");
	run_done(&r);
}

static void timeout_is_124_and_takes_the_tree_along(void **state)
{
	struct run r = { 0 };
	double begin = now();

	(void)state;
	if (!corral_test_engine())
		return;
	IN_IMAGE(&r, "--timeout", "1s", "--", "sh", "-c", "trap '' TERM; sleep 100 & sleep 100");
	assert_status(&r, 124);
	assert_says(r.err, "timed out after 1 s");
	assert_string_equal(receipt_text(&r, "reason"), "timeout");
	assert_true(receipt_lists(&r, "limits_enforced", "timeout"));
	assert_true(now() - begin < 60);
	run_done(&r);
}

static void output_beyond_its_limit_is_cut(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	IN_IMAGE(&r, "--output", "10", "--", "sh", "-c", "yes");
	assert_status(&r, 137);
	assert_int_equal(strlen(r.out), 10);
	assert_string_equal(receipt_text(&r, "reason"), "output");
	assert_int_equal(receipt_number(&r, "output_bytes"), 10);
	run_done(&r);
}

static void receipt_tells_what_the_engine_says_of_the_container(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	IN_IMAGE(&r, "--", "true");
	assert_status(&r, 0);
	assert_string_equal(receipt_text(&r, "tier"), "container");
	assert_true(receipt_lists(&r, "layers", "pid-namespace"));
	assert_true(receipt_lists(&r, "layers", "network-namespace"));
	assert_true(receipt_lists(&r, "layers", "no-new-privs"));
	assert_true(receipt_lists(&r, "layers", "seccomp"));
	assert_true(receipt_lists(&r, "limits_enforced", "open_files"));
	assert_true(receipt_lists(&r, "limits_lost", "disk_inodes"));
	assert_false(receipt_lists(&r, "limits_enforced", "cpus"));
	IN_IMAGE(&r, "--network", "host", "--", "true");
	assert_status(&r, 0);
	assert_false(receipt_lists(&r, "layers", "network-namespace"));
	assert_true(receipt_lists(&r, "layers", "capabilities"));
	run_done(&r);
}

static void workspace_is_the_directory_that_was_named(void **state)
{
	struct run r = { 0 };
	char path[600], *dir;

	(void)state;
	if (!corral_test_engine())
		return;
	dir = dir_make();
	file_make(dir, "in.txt", "hello\n");
	IN_IMAGE(&r, "--workspace", dir, "--", "sh", "-c", "tr a-z A-Z <in.txt >out.txt");
	assert_status(&r, 0);
	(void)snprintf(path, sizeof(path), "%s/out.txt", dir);
	CORRAL(&r, "read", "--local", dir, "--bytes", "out.txt");
	assert_string_equal(r.out, "HELLO\n");
	(void)snprintf(path, sizeof(path), "%s:/data", dir);
	IN_IMAGE(&r, "--ro-bind", path, "--tmpfs", "/mem:8M", "--workdir", "/data", "--", "sh",
	         "-c", "cat in.txt; touch new && echo wrote; touch /mem/new && echo memory");
	assert_string_equal(r.out, "hello\nmemory\n");
	(void)snprintf(path, sizeof(path), "%s/none", dir);
	IN_IMAGE(&r, "--workspace", path, "--", "true");
	assert_refused(&r, "No such file or directory");
	run_done(&r);
	dir_remove(dir);
}

static void input_and_output_pass_while_the_command_runs(void **state)
{
	struct piped p;

	(void)state;
	if (!corral_test_engine())
		return;
	piped_start(&p, ARGS(CORRAL_BINARY, "run", "--docker", corral_test_image(), "-i", "--",
	                     "sh", "-c", "echo ready; while read x; do echo got $x; done; exit 3"));
	piped_shows(&p, "ready\n");
	assert_int_equal(write(p.in, "one\n", 4), 4);
	piped_shows(&p, "got one\n");
	assert_int_equal(write(p.in, "two\n", 4), 4);
	piped_shows(&p, "got two\n");
	assert_int_equal(piped_end(&p), 3);
}

static void output_that_cannot_be_written_is_told(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	CORRAL_IN_SHELL(&r, "exec \"$@\" >/dev/full", "run", "--docker", corral_test_image(), "--",
	                "echo", "hi");
	assert_one_sentence(&r, "write standard output: No space left on device");
	CORRAL_IN_SHELL(&r, "exec \"$@\" >&-", "run", "--docker", corral_test_image(), "--", "echo",
	                "hi");
	assert_one_sentence(&r, "write standard output: Bad file descriptor");
	CORRAL_IN_SHELL(&r, "\"$@\" 2>/dev/full; echo $?", "run", "--docker", corral_test_image(),
	                "--", "sh", "-c", "echo hi >&2");
	assert_string_equal(r.out, "125\n");
	/* A reader that has gone is the command's to know. */
	CORRAL_IN_SHELL(&r, "{ \"$@\"; echo $? >&2; } | true", "run", "--docker",
	                corral_test_image(), "--", "sh", "-c", "sleep 1; while echo y; do :; done");
	assert_string_equal(r.err, "141\n");
	run_done(&r);
}

static void network_of_another_container_can_be_shared(void **state)
{
	struct run r = { 0 };
	struct piped p;

	(void)state;
	if (!corral_test_engine())
		return;
	piped_start(&p, ARGS(CORRAL_BINARY, "run", "-i", "--docker", corral_test_image(),
	                     "--container", NAME, "--", "sh", "-c", "hostname; read x"));
	piped_shows(&p, "corral\n");
	CORRAL(&r, "run", "--docker", corral_test_image(), "--network", "container:" NAME, "--",
	       "echo", "shared");
	assert_status(&r, 0);
	assert_string_equal(r.out, "shared\n");
	assert_int_equal(piped_end(&p), 1);
	CORRAL(&r, "docker", "rm", "-f", NAME);
	run_done(&r);
}

static void engine_that_cannot_start_anything_is_told_in_a_sentence(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	CORRAL(&r, "run", "--docker", corral_test_image(), "--container", NAME, "--", "true");
	assert_status(&r, 0);
	CORRAL(&r, "run", "--container", NAME, "--workdir", "/tmp/none", "--", "pwd");
	assert_one_sentence(&r,
	                    "corral: --workdir '/tmp/none': no such directory in the container\n");
	CORRAL(&r, "run", "--container", NAME, "--workdir", "/etc/passwd", "--", "pwd");
	assert_one_sentence(&r, "corral: --workdir '/etc/passwd': Not a directory\n");
	CORRAL(&r, "docker", "rm", "-f", NAME);
	CORRAL(&r, "run", "--docker", corral_test_image(), "--pids", "1", "--", "true");
	assert_one_sentence(&r, "no room for another process (--pids)");
	CORRAL(&r, "run", "--docker", corral_test_image(), "--container", "a b", "--", "true");
	assert_one_sentence(&r, "--container 'a b'");
	run_done(&r);
}

static void signals_are_handed_on_and_a_second_one_kills(void **state)
{
	struct piped p;

	(void)state;
	if (!corral_test_engine())
		return;
	piped_start(&p,
	            ARGS(CORRAL_BINARY, "run", "--docker", corral_test_image(), "--", "sh", "-c",
	                 "trap 'echo hup' HUP; trap 'exit 5' TERM; echo ready; "
	                 "while :; do sleep 0.1; done"));
	piped_shows(&p, "ready\n");
	assert_int_equal(kill(p.pid, SIGHUP), 0);
	piped_shows(&p, "hup\n");
	assert_int_equal(kill(p.pid, SIGTERM), 0);
	assert_int_equal(piped_end(&p), 5);
	piped_start(&p, ARGS(CORRAL_BINARY, "run", "--docker", corral_test_image(), "--", "sh",
	                     "-c", "trap '' INT; echo ready; while :; do sleep 0.1; done"));
	piped_shows(&p, "ready\n");
	assert_int_equal(kill(p.pid, SIGINT), 0);
	nap();
	assert_int_equal(kill(p.pid, SIGINT), 0);
	assert_int_equal(piped_end(&p), 137);
}

static void terminal_is_the_commands_own(void **state)
{
	struct session s;

	(void)state;
	if (!corral_test_engine())
		return;
	session_start(&s, ARGS("run", "-it", "--docker", corral_test_image(), "--", "sh", "-c",
	                       "tty; stty size; read x; stty size; cat; exit 4"));
	assert_shows(&s, "/dev/pts/0\n33 111\n");
	assert_int_equal(ioctl(s.master, TIOCSWINSZ,
	                       &(struct winsize) { .ws_row = 20, .ws_col = 50 }),
	                 0);
	nap();
	session_type(&s, "\n");
	assert_shows(&s, "20 50\n");
	/* The guest's line discipline makes these a signal and an end, not ours. */
	session_type(&s, "echoed\n");
	assert_shows(&s, "echoed\nechoed\n");
	session_type(&s, "\004");
	assert_int_equal(session_end(&s), 4);
}

static void killed_caller_leaves_nothing(void **state)
{
	struct piped p;
	char hostname[40];

	(void)state;
	if (!corral_test_engine())
		return;
	(void)snprintf(hostname, sizeof(hostname), "corral-cli-%d", (int)getpid());
	piped_start(&p, ARGS(CORRAL_BINARY, "run", "--docker", corral_test_image(), "--hostname",
	                     hostname, "--", "sh", "-c", "echo ready; sleep 1000"));
	piped_shows(&p, "ready\n");
	assert_int_equal(count_called(hostname), 1);
	assert_int_equal(kill(p.pid, SIGKILL), 0);
	assert_int_equal(piped_end(&p), 137);
	assert_all_gone(hostname);
	/* And so does one that ends. */
	piped_start(&p, ARGS(CORRAL_BINARY, "run", "--docker", corral_test_image(), "--hostname",
	                     hostname, "--", "true"));
	assert_int_equal(piped_end(&p), 0);
	assert_int_equal(count_called(hostname), 0);
}

/* --- What cannot be --- */

static void missing_image_is_one_sentence(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	/* A registry that nobody is behind. */
	RUN(&r, "--docker", "127.0.0.1:9/no/such:image", "--", "true");
	assert_refused(&r, "pull 127.0.0.1:9/no/such");
	run_done(&r);
}

static void no_engine_is_one_sentence(void **state)
{
	struct run r = { 0 };

	(void)state;
	run_after(&r, ARGS("env", "DOCKER_HOST=unix:///nowhere/docker.sock"),
	          ARGS("--docker", "busybox", "--", "true"));
	assert_refused(&r, "/nowhere/docker.sock");
	run_argv(&r, ARGS("env", "DOCKER_HOST=unix:///nowhere/docker.sock", CORRAL_BINARY, "docker",
	                  "info"));
	assert_one_sentence(&r, "/nowhere/docker.sock");
	run_argv(&r, ARGS("env", "DOCKER_HOST=unix:///nowhere/docker.sock", CORRAL_BINARY, "docker",
	                  "info", "--json"));
	assert_status(&r, 125);
	assert_says(r.out, "\"found\": false");
	run_argv(&r,
	         ARGS("env", "DOCKER_HOST=unix:///nowhere/docker.sock", CORRAL_BINARY, "doctor"));
	assert_says(r.out, "/nowhere/docker.sock: No such file or directory");
	run_done(&r);
}

/* A socket that an ordinary user may not write to. */
static void denied_socket_is_one_sentence(void **state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct run r = { 0 };
	char host[200], *dir;
	int fd;

	(void)state;
	if (!is_root()) {
		skip_without_root("a socket of another user's");
		return;
	}
	dir = dir_make();
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/docker.sock", dir);
	(void)snprintf(host, sizeof(host), "DOCKER_HOST=unix://%s", to.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chmod(to.sun_path, 0600), 0);
	run_argv(&r,
	         ARGS("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env",
	              "HOME=/", host, CORRAL_BINARY, "run", "--docker", "busybox", "--", "true"));
	assert_one_sentence(&r, "permission denied on unix://");
	run_argv(&r, ARGS("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
	                  "env", "HOME=/", host, CORRAL_BINARY, "docker", "list"));
	assert_one_sentence(&r, "permission denied on unix://");
	run_done(&r);
	(void)close(fd);
	dir_remove(dir);
}

/* What takes connections and says nothing: an interrupt is heard all the same. */
static void interrupt_is_heard_while_the_engine_is_silent(void **state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct piped p;
	char host[200], *dir;
	double begin;
	int fd, peer;

	(void)state;
	dir = dir_make();
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/docker.sock", dir);
	(void)snprintf(host, sizeof(host), "DOCKER_HOST=unix://%s", to.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(fd, 8), 0);
	piped_start(&p, ARGS("/usr/bin/env", host, CORRAL_BINARY, "run", "--docker", "busybox",
	                     "--", "true"));
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
	begin = now();
	assert_int_equal(kill(p.pid, SIGTERM), 0);
	assert_int_equal(piped_end(&p), 125);
	assert_true(now() - begin < 15);
	(void)close(peer);
	(void)close(fd);
	dir_remove(dir);
}

static void two_places_are_refused(void **state)
{
	struct run r = { 0 };

	(void)state;
	CORRAL(&r, "ls", "--docker", "busybox", "--local", "/tmp");
	assert_one_sentence(&r, "--local and --docker: leave one of them out");
	CORRAL(&r, "mcp", "--container", NAME, "--session", "dev");
	assert_one_sentence(&r, "--session and --container: leave one of them out");
	CORRAL(&r, "run", "--docker", "busybox", "--docker-runtime", "/dev/null", "--", "true");
	assert_one_sentence(&r, "--docker and --docker-runtime: leave one of them out");
	run_done(&r);
}

static void options_without_a_meaning_are_refused(void **state)
{
	static const char *const rows[][3] = {
		{ "--keep", "/tmp", "--keep and --docker" },
		{ "--rootfs", "host", "--rootfs and --docker" },
		{ "--ids", "single", "--ids and --docker" },
		{ "--allow-weaker", "--", "--allow-weaker and --docker" },
		{ "--clear-env", "--", "--clear-env and --docker" },
		{ "--disk-inodes", "100", "--disk-inodes: containers have no limit" },
	};
	struct run r = { 0 };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		RUN(&r, "--docker", "busybox", rows[i][0], rows[i][1], "true");
		assert_refused(&r, rows[i][2]);
	}
	run_done(&r);
}

/* --- Containers that stay --- */

static void named_container_stays_and_is_found_again(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	RUN(&r, "--container", NAME, "--", "true");
	assert_refused(&r, "there is no container '" NAME "'");
	IN_IMAGE(&r, "--container", NAME, "--", "sh", "-c", "echo kept >/tmp/kept");
	assert_status(&r, 0);
	RUN(&r, "--container", NAME, "--", "cat", "/tmp/kept");
	assert_status(&r, 0);
	assert_string_equal(r.out, "kept\n");
	CORRAL(&r, "docker", "list");
	assert_says(r.out, NAME);
	assert_says(r.out, "exited");
	RUN(&r, "--container", NAME, "--memory", "64M", "--", "true");
	assert_refused(&r, "limit 'memory' was asked for");
	RUN(&r, "--container", NAME, "--network", "host", "--", "true");
	assert_refused(&r, "its network is 'none'");
	CORRAL(&r, "docker", "prune");
	assert_status(&r, 0);
	CORRAL(&r, "docker", "rm", NAME);
	assert_status(&r, 0);
	CORRAL(&r, "docker", "rm", NAME);
	assert_one_sentence(&r, "no container of corral's is called '" NAME "'");
	run_done(&r);
}

static void running_container_is_left_running(void **state)
{
	struct piped p;
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	piped_start(&p, ARGS(CORRAL_BINARY, "run", "-i", "--docker", corral_test_image(),
	                     "--container", NAME, "--", "sh", "-c", "echo ready; read x; echo $x"));
	piped_shows(&p, "ready\n");
	CORRAL(&r, "ls", "--container", NAME, "/");
	assert_status(&r, 0);
	assert_says(r.out, "etc/\n");
	CORRAL(&r, "docker", "list");
	assert_says(r.out, "running");
	CORRAL(&r, "docker", "rm", NAME);
	assert_one_sentence(&r, "is running");
	assert_int_equal(write(p.in, "still there\n", 12), 12);
	piped_shows(&p, "still there\n");
	assert_int_equal(piped_end(&p), 0);
	run_done(&r);
}

static void file_commands_work_in_a_container(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	IN_IMAGE(&r, "--container", NAME, "--", "true");
	assert_status(&r, 0);
	run_argv(&r,
	         ARGS("sh", "-c", "printf 'one\\ntwo\\n' | \"$0\" write --container " NAME " a.txt",
	              CORRAL_BINARY));
	assert_status(&r, 0);
	CORRAL(&r, "edit", "--container", NAME, "a.txt", "two", "three");
	assert_string_equal(r.out, "1\n");
	CORRAL(&r, "read", "--container", NAME, "--bytes", "a.txt");
	assert_string_equal(r.out, "one\nthree\n");
	CORRAL(&r, "glob", "--container", NAME, "*.txt", "/workspace");
	assert_says(r.out, "a.txt");
	CORRAL(&r, "grep", "--container", NAME, "thr", ".");
	assert_says(r.out, ":2:three");
	CORRAL(&r, "read", "--container", NAME, "none.txt");
	assert_one_sentence(&r, "none.txt");
	run_done(&r);
}

/* One call to the engine by hand; body is taken. */
static int tell(const char *method, const char *path, json_t *body)
{
	struct corral_docker_engine_options o = { .host = corral_test_engine() };
	struct corral_docker_engine *e = NULL;
	struct corral_error err = { 0 };
	int r = corral_docker_engine_open(&o, &e, &err);

	if (r == 0)
		r = corral_docker_do(e, method, path, body, NULL, &err);
	json_decref(body);
	corral_docker_engine_close(e);
	return r;
}

#define FOREIGN "corral-test-cli-foreign"

static int foreign_teardown(void **state)
{
	(void)state;
	if (getenv("CORRAL_TEST_DOCKER_IMAGE"))
		(void)tell("DELETE", "/containers/" FOREIGN "?force=1", NULL);
	return 0;
}

static void container_of_somebody_elses_is_taken_as_it_is_by_consent(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	(void)foreign_teardown(state);
	assert_int_equal(tell("POST", "/containers/create?name=" FOREIGN,
	                      json_pack("{s:s,s:[s,s],s:{s:s}}", "Image", corral_test_image(),
	                                "Cmd", "sleep", "1000", "HostConfig", "NetworkMode",
	                                "host")),
	                 0);
	RUN(&r, "--container", FOREIGN, "--", "true");
	assert_refused(&r, "container '" FOREIGN "' has the host's network, keeps new privileges "
	                   "and has more capabilities: --allow-weaker takes it as it is");
	RUN(&r, "--container", FOREIGN, "--allow-weaker", "--", "echo", "taken");
	assert_status(&r, 0);
	assert_string_equal(r.out, "taken\n");
	assert_string_equal(receipt_text(&r, "tier"), "container");
	assert_false(receipt_lists(&r, "layers", "network-namespace"));
	assert_false(receipt_lists(&r, "layers", "no-new-privs"));
	assert_true(receipt_lists(&r, "limits_lost", "memory"));
	CORRAL(&r, "ls", "--container", FOREIGN, "/");
	assert_one_sentence(&r, "--allow-weaker takes it as it is");
	CORRAL(&r, "ls", "--container", FOREIGN, "--allow-weaker", "/");
	assert_status(&r, 0);
	assert_says(r.out, "etc/\n");
	CORRAL(&r, "ls", "--local", "/", "--allow-weaker", ".");
	assert_one_sentence(&r, "--allow-weaker is for a container, and --local is none");
	run_done(&r);
}

static void tools_for_agents_work_in_a_container(void **state)
{
	static const char words[] =
	        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
	        "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{"
	        "\"name\":\"test\",\"version\":\"1\"}}}\n"
	        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
	        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":"
	        "\"write_file\",\"arguments\":{\"path\":\"note.txt\",\"content\":\"said\"}}}\n";
	static const char more[] =
	        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"name\":"
	        "\"execute\",\"arguments\":{\"command\":\"cat note.txt; echo -$(hostname)\"}}"
	        "}\n";
	struct piped p;

	(void)state;
	if (!corral_test_engine())
		return;
	piped_start(&p, ARGS(CORRAL_BINARY, "mcp", "--docker", corral_test_image(), "--hostname",
	                     "toolbox"));
	assert_int_equal(write(p.in, words, strlen(words)), strlen(words));
	piped_shows(&p, "\"id\":2");
	assert_int_equal(write(p.in, more, strlen(more)), strlen(more));
	piped_shows(&p, "said-toolbox");
	assert_int_equal(piped_end(&p), 0);
}

/* A session whose runtime is an image: one container, with files that outlive it on the host. */
static void session_is_a_container_that_runs_while_a_command_does(void **state)
{
	char *dir, root[300], runtime[300], *text = NULL;
	struct run r = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	dir = dir_make();
	(void)snprintf(root, sizeof(root), "%s/sessions", dir);
	(void)snprintf(runtime, sizeof(runtime), "%s/box.json", dir);
	assert_true(asprintf(&text, "{\"name\":\"box\",\"image\":\"%s\"}", corral_test_image()) >
	            0);
	file_make(dir, "box.json", text);
	free(text);
	CORRAL(&r, "session", "exec", "--root", root, "--runtime", runtime, NAME, "--", "sh", "-c",
	       "echo 1 > f; echo 2 > /root/kept; exit 3");
	assert_status(&r, 3);
	CORRAL(&r, "session", "exec", "--root", root, "--json", "9", NAME, "--", "cat", "f",
	       "/root/kept");
	assert_status(&r, 0);
	assert_string_equal(r.out, "1\n2\n");
	assert_string_equal(receipt_text(&r, "tier"), "container");
	CORRAL(&r, "session", "list", "--root", root);
	assert_says(r.out, "hibernated");
	assert_says(r.out, "docker");
	CORRAL(&r, "session", "checkpoint", "--root", root, NAME);
	assert_one_sentence(&r, "only native sessions have checkpoints");
	CORRAL(&r, "session", "rm", "--root", root, NAME);
	assert_status(&r, 0);
	CORRAL(&r, "docker", "list");
	assert_null(strstr(r.out, "corral-session-" NAME));
	run_done(&r);
	dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_has_its_streams_and_its_status),
		cmocka_unit_test(commands_that_cannot_run_are_126_and_127_and_signals_128_and_more),
		cmocka_unit_test(timeout_is_124_and_takes_the_tree_along),
		cmocka_unit_test(output_beyond_its_limit_is_cut),
		cmocka_unit_test(receipt_tells_what_the_engine_says_of_the_container),
		cmocka_unit_test(workspace_is_the_directory_that_was_named),
		cmocka_unit_test(input_and_output_pass_while_the_command_runs),
		cmocka_unit_test(output_that_cannot_be_written_is_told),
		cmocka_unit_test_teardown(network_of_another_container_can_be_shared, teardown),
		cmocka_unit_test_teardown(engine_that_cannot_start_anything_is_told_in_a_sentence,
		                          teardown),
		cmocka_unit_test(signals_are_handed_on_and_a_second_one_kills),
		cmocka_unit_test(terminal_is_the_commands_own),
		cmocka_unit_test(killed_caller_leaves_nothing),
		cmocka_unit_test(missing_image_is_one_sentence),
		cmocka_unit_test(no_engine_is_one_sentence),
		cmocka_unit_test(denied_socket_is_one_sentence),
		cmocka_unit_test(interrupt_is_heard_while_the_engine_is_silent),
		cmocka_unit_test(two_places_are_refused),
		cmocka_unit_test(options_without_a_meaning_are_refused),
		cmocka_unit_test_teardown(named_container_stays_and_is_found_again, teardown),
		cmocka_unit_test_teardown(running_container_is_left_running, teardown),
		cmocka_unit_test(session_is_a_container_that_runs_while_a_command_does),
		cmocka_unit_test_teardown(file_commands_work_in_a_container, teardown),
		cmocka_unit_test_teardown(container_of_somebody_elses_is_taken_as_it_is_by_consent,
		                          foreign_teardown),
		cmocka_unit_test(tools_for_agents_work_in_a_container),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
