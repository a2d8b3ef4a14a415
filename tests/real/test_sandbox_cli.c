/*
 * Sandboxes that stay, by the command line: made once, given command after command, and gone
 * without a trace, whoever of those who have a part in them dies first.
 *
 * Theory of operation: the test makes itself the reaper of its descendants
 * (PR_SET_CHILD_SUBREAPER), so that holders become its children, and what is left at the end is
 * found among them. An ordinary user's sandboxes are in a runtime directory of the test's own;
 * root's are beside all others of this host.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/session.h"

#define ID_LEN 12
#define NOBODY 65534

struct box {
	char id[ID_LEN + 1];
	pid_t holder_pid, init_pid;
};

/* Of the test that is running: what corral said last, and its sandbox. */
static struct run said;
static struct box box;

/* What list --json tells of it, or NULL. */
static json_t *listed(const char *id)
{
	struct run r = { 0 };
	json_t *found;

	CORRAL(&r, "sandbox", "list", "--json");
	assert_status(&r, 0);
	found = object_with(r.out, ARGS("id", id));
	run_done(&r);
	return found;
}

static bool is_listed(const char *id)
{
	json_t *o = listed(id);

	json_decref(o);
	return o != NULL;
}

/* Those of the test that is running, for a failed one to leave nothing behind either. */
static char made[16][ID_LEN + 1];
static size_t n_made;

static int remove_made(void **state)
{
	struct run r = { 0 };

	(void)state;
	while (n_made) {
		CORRAL(&r, "sandbox", "rm", "-f", made[--n_made]);
		run_done(&r);
	}
	return 0;
}

static void make(struct box *b, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX + 1] = { "sandbox", "create", NULL };
	struct run r = { 0 };
	json_t *o;

	for (size_t n = 2; *args && n < RUN_ARGS_MAX; args++)
		argv[n++] = *args;
	corral_argv(&r, argv);
	assert_status(&r, 0);
	assert_int_equal(strlen(r.out), ID_LEN + 1);
	assert_int_equal(strspn(r.out, "0123456789abcdef"), ID_LEN);
	(void)snprintf(b->id, sizeof(b->id), "%s", r.out);
	assert_true(n_made < CORRAL_COUNT(made));
	(void)snprintf(made[n_made++], sizeof(made[0]), "%s", b->id);
	o = listed(b->id);
	assert_non_null(o);
	b->holder_pid = (pid_t)json_integer_value(json_object_get(o, "holder_pid"));
	b->init_pid = (pid_t)json_integer_value(json_object_get(o, "init_pid"));
	assert_true(b->holder_pid > 0 && b->init_pid > 0);
	json_decref(o);
	run_done(&r);
}

/* Not __VA_OPT__, which linters do not know. */
#define OPTIONS(...) ((const char *const[]) { NULL, ##__VA_ARGS__, NULL } + 1)
#define MAKE(b, ...) make((b), OPTIONS(__VA_ARGS__))

static bool is_gone(pid_t pid)
{
	(void)waitpid(pid, NULL, WNOHANG); /* a holder is our child, since its maker has ended */
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* Processes, files: nothing of it is there. */
static void assert_gone(const struct box *b)
{
	static const char *const ends[] = { "json", "sock", "new" };
	char path[600];

	assert_eventually(is_gone(b->holder_pid));
	assert_eventually(is_gone(b->init_pid));
	for (size_t i = 0; i < CORRAL_COUNT(ends); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s.%s", fixture.dir, b->id, ends[i]);
		if (access(path, F_OK) == 0)
			fail_msg("%s is there", path);
	}
}

static void end(const struct box *b)
{
	struct run r = { 0 };

	CORRAL(&r, "sandbox", "rm", "-f", b->id);
	assert_status(&r, 0);
	assert_string_equal(r.err, "");
	run_done(&r);
	assert_gone(b);
}

/* Processes in it whose command line is `line`. */
static int count_in(const struct box *b, const char *line)
{
	struct run r = { 0 };
	json_t *list;
	int n = 0;

	CORRAL(&r, "sandbox", "ps", "--json", b->id);
	assert_status(&r, 0);
	list = json_loads(r.out, 0, NULL);
	assert_true(json_array_size(list) >= 1); /* guest init */
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *command =
		        json_string_value(json_object_get(json_array_get(list, i), "command"));

		n += command && !strcmp(command, line);
	}
	json_decref(list);
	run_done(&r);
	return n;
}

static void assert_exec(const struct box *b, const char *line, int status, const char *out)
{
	struct run r = { 0 };

	CORRAL(&r, "exec", b->id, "--", "sh", "-c", line);
	assert_status(&r, status);
	if (out)
		assert_string_equal(r.out, out);
	run_done(&r);
}

struct test {
	void (*body)(void);
	const char *const *create; /* with these words it is given a sandbox; NULL: none */
};

static void test_play(void **state)
{
	const struct test *t = *state;

	if (fixture.missing) {
		corral_test_skip("a working `corral run`");
		return;
	}
	if (t->create)
		make(&box, t->create);
	t->body();
	if (t->create)
		end(&box);
	run_done(&said);
}

static void what_a_command_leaves_the_next_one_finds(void)
{
	MAKE(&box);
	assert_exec(&box, "echo one >/tmp/a; echo two >b; exit 5", 5, "");
	assert_exec(&box, "cat /tmp/a /workspace/b", 0, "one\ntwo\n");
	CORRAL(&said, "sandbox", "exec", box.id, "cat", "b"); /* the longer name, without -- */
	assert_status(&said, 0);
	assert_string_equal(said.out, "two\n");
	CORRAL(&said, "sandbox", "list", "-q");
	assert_says(said.out, box.id);
	CORRAL(&said, "sandbox", "stop", box.id);
	assert_status(&said, 0);
	assert_string_equal(said.err, "");
	assert_gone(&box);
	assert_false(is_listed(box.id));
	CORRAL(&said, "exec", box.id, "--", "true");
	assert_error(&said, "is alive: corral sandbox list shows");
	assert_error(&said, "true wakes a session");
}

static void sandbox_that_cannot_be_is_an_error_and_leaves_nothing(void)
{
	CORRAL(&said, "sandbox", "create", "--rootfs", "/nonexistent", "--name", "never");
	assert_error(&said, "/nonexistent");
	assert_string_equal(said.out, "");
	CORRAL(&said, "sandbox", "list");
	assert_null(strstr(said.out, "never"));
	CORRAL(&said, "sandbox", "create", "--memory", "lots");
	assert_error(&said, "--memory");
	CORRAL(&said, "sandbox", "create", "sleep", "1");
	assert_error(&said, "'sleep' is one word too many");
	CORRAL(&said, "sandbox", "create", "--tty");
	assert_error(&said, "--tty");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Sandboxes of that name that are alive. */
static int count_named(const char *name)
{
	struct run r = { 0 };
	json_t *list;
	int n = 0;

	CORRAL(&r, "sandbox", "list", "--json");
	list = json_loads(r.out, 0, NULL);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *own =
		        json_string_value(json_object_get(json_array_get(list, i), "name"));

		n += own && !strcmp(own, name);
	}
	json_decref(list);
	run_done(&r);
	return n;
}

/* On a host that refuses namespaces, as most containers are. */
static void weaker_one_stands_with_consent(void)
{
#define REFUSING                                                                                \
	CORRAL_TEST_DENY, "--errno", "ENOSYS", "clone3", "--", CORRAL_TEST_DENY, "--errno",     \
	        "EPERM", "clone@0&0x10000000,clone@0&0x20000000,unshare,setns,mount,open_tree", \
	        "--", CORRAL_BINARY, "sandbox", "create"
	run_argv(&said, ARGS(REFUSING));
	assert_error(&said, "--allow-weaker");
	run_argv(&said, ARGS(REFUSING, "--allow-weaker"));
	if (said.status != 0) {
		corral_test_skip("the weaker tier: %s", said.err);
		return;
	}
	box = (struct box) { .id = "" };
	(void)snprintf(box.id, sizeof(box.id), "%s", said.out);
	(void)snprintf(made[n_made++], sizeof(made[0]), "%s", box.id);
	assert_exec(&box, "echo 1; exit 3", 3, "1\n");
	CORRAL(&said, "sandbox", "stop", box.id);
	assert_status(&said, 0);
	assert_false(is_listed(box.id));
}

static void sandbox_that_nobody_was_told_of_does_not_stay(void)
{
	int fds[2];
	pid_t pid;

	/* A pipe that is full: its maker stands right before the telling. */
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(fds[1], "", 1) == 1)
		;
	assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)alarm(RUN_DEADLINE_S);
		(void)execl(CORRAL_BINARY, CORRAL_BINARY, "sandbox", "create", "--name",
		            "zz-untold", (char *)NULL);
		_exit(99);
	}
	assert_eventually(count_named("zz-untold") == 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(status_of(pid), 128 + SIGKILL);
	assert_eventually(count_named("zz-untold") == 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
	run_argv(&said, ARGS("sh", "-c", "\"$0\" sandbox create --name zz-untold >/dev/full",
	                     CORRAL_BINARY));
	assert_error(&said, "print the sandbox's id: No space left");
	assert_eventually(count_named("zz-untold") == 0);
}

static void holder_has_nothing_of_its_makers(void)
{
	int marked = memfd_create("of-the-maker", MFD_CLOEXEC);
	char path[300], target[256];
	struct dirent *entry;
	DIR *dir;

	assert_int_equal(fcntl(marked, F_SETFD, 0), 0); /* to be inherited */
	MAKE(&box);
	(void)close(marked);
	assert_int_equal(getsid(box.holder_pid), box.holder_pid);
	(void)snprintf(path, sizeof(path), "/proc/%d/cwd", box.holder_pid);
	memset(target, 0, sizeof(target));
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/");
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", box.holder_pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		memset(target, 0, sizeof(target));
		if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) <= 0)
			continue;
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '2' && !entry->d_name[1])
			assert_string_equal(target, "/dev/null");
		/* Output of run_argv() is a memfd; its own is of guest init. */
		if (strstr(target, "memfd:out") || strstr(target, "memfd:err") ||
		    strstr(target, "of-the-maker") || !strncmp(target, "pipe:", 5))
			fail_msg("descriptor %s is %s", entry->d_name, target);
	}
	(void)closedir(dir);
	end(&box);
}

static void exit_statuses_are_those_of_run(void)
{
	assert_exec(&box, "exit 0", 0, "");
	assert_exec(&box, "exit 42", 42, "");
	assert_exec(&box, "kill -TERM $$", 128 + SIGTERM, "");
	CORRAL(&said, "exec", box.id, "--", "no-such-program");
	assert_status(&said, 127);
	assert_says(said.err, "corral: 'no-such-program': no such program");
	CORRAL(&said, "exec", box.id, "--", "/etc/passwd");
	assert_status(&said, 126);
	assert_says(said.err, "not executable");
	CORRAL(&said, "exec", "--timeout", "300ms", box.id, "--", "sh", "-c",
	       "echo before; sleep 4242 & sleep 4243");
	assert_status(&said, 124);
	assert_string_equal(said.out, "before\n");
	assert_says(said.err, "corral: timed out after 0.3 s");
	assert_int_equal(count_in(&box, "sleep 4242") + count_in(&box, "sleep 4243"), 0);
	CORRAL(&said, "exec", "--output", "10", box.id, "--", "sh", "-c",
	       "echo 123456789012345; sleep 60");
	assert_status(&said, 128 + SIGKILL);
	assert_string_equal(said.out, "1234567890");
	assert_says(said.err, "more output than 10 B");
	CORRAL(&said, "exec", box.id, "--");
	assert_error(&said, "no command given");
	CORRAL(&said, "exec", box.id);
	assert_error(&said, "too few words");
	CORRAL(&said, "exec", box.id, "-i", "cat"); /* what follows the sandbox is the command */
	assert_status(&said, 127);
}

static void limits_of_create_hold_for_each_command(void)
{
	assert_exec(&box, "sleep 60", 124, "");
	assert_exec(&box, "echo 1234567", 128 + SIGKILL, "12345");
	CORRAL(&said, "exec", "--timeout", "0", "--output", "0", box.id, "--", "sh", "-c",
	       "sleep 2.5; echo 1234567");
	assert_status(&said, 0);
	assert_string_equal(said.out, "1234567\n");
}

static void file_that_is_for_run_makes_one_too(void)
{
	char *dir = dir_make(), path[700];

	file_make(dir, "run.json",
	          "{\"command\":[\"ls\"],\"tty\":true,\"env\":{\"A\":\"1\"},"
	          "\"limits\":{\"output\":5}}");
	(void)snprintf(path, sizeof(path), "%s/run.json", dir);
	MAKE(&box, "--config", path);
	dir_remove(dir);
	assert_exec(&box, "echo $A; test -t 1", 1, "1\n");
	assert_exec(&box, "echo 1234567", 128 + SIGKILL, "12345");
	end(&box);
}

static void command_has_the_callers_own_streams(void)
{
	CORRAL(&said, "exec", box.id, "--", "sh", "-c",
	       "readlink /proc/self/fd/1; readlink /proc/self/fd/2 >&2");
	assert_status(&said, 0);
	/* The memory that this test collects in: nothing stands between. */
	assert_says(said.out, "memfd:out");
	assert_says(said.err, "memfd:err");
	run_argv(&said,
	         ARGS("sh", "-c", "head -c 1000000 /dev/zero | \"$0\" exec -i \"$1\" -- wc -c",
	              CORRAL_BINARY, box.id));
	assert_string_equal(said.out, "1000000\n");
	run_argv(&said, ARGS("sh", "-c", "echo not for it | \"$0\" exec \"$1\" -- wc -c",
	                     CORRAL_BINARY, box.id));
	assert_string_equal(said.out, "0\n");
	/* Bytes that are no text, and more of them than fit into a message. */
	run_argv(&said,
	         ARGS("sh", "-c",
	              "\"$0\" exec --env \"$(printf 'X=\\377')\" \"$1\" -- sh -c 'printf %s "
	              "\"$X\" | od -An -tx1; "
	              "printf %s \"$0\" | wc -c' \"$(head -c 100000 /dev/zero | tr '\\0' a)\"",
	              CORRAL_BINARY, box.id));
	assert_status(&said, 0);
	assert_string_equal(said.out, " ff\n100000\n");
}

static void environment_and_directory_are_the_commands_own(void)
{
	CORRAL(&said, "exec", "--env", "B=3", "-e", "C=4", "-e", "C=5", box.id, "--", "sh", "-c",
	       "echo $A $B $C $PWD $HOME; env | grep -c ^B=");
	assert_string_equal(said.out, "1 3 5 /tmp /root\n1\n");
	CORRAL(&said, "exec", "-w", "/usr", box.id, "--", "pwd");
	assert_string_equal(said.out, "/usr\n");
	CORRAL(&said, "exec", "-w", "/nowhere", box.id, "--", "pwd");
	assert_status(&said, 127);
	assert_says(said.err, "/nowhere");
}

static void two_commands_at_once_see_each_other(void)
{
	pid_t first, second;
	char *text;
	int out;

	first = BEGIN(&out, "exec", box.id, "--", "sh", "-c",
	              "until test -e /tmp/go; do sleep 0.02; done; cat /tmp/go; exit 3");
	second = BEGIN(NULL, "exec", box.id, "--", "sleep", "4244");
	assert_eventually(count_in(&box, "sleep 4244") == 1);
	assert_exec(&box, "echo gone >/tmp/tmp; mv /tmp/tmp /tmp/go", 0, "");
	assert_int_equal(status_of(first), 3);
	text = support_text(out);
	assert_string_equal(text, "gone\n");
	free(text);
	assert_int_equal(count_in(&box, "sleep 4244"), 1);
	assert_int_equal(kill(second, SIGTERM), 0);
	assert_int_equal(status_of(second), 128 + SIGTERM);
	assert_int_equal(count_in(&box, "sleep 4244"), 0);
}

static void signals_reach_the_command(void)
{
	pid_t pid;
	char *text;
	int out;

	pid = BEGIN(
	        &out, "exec", box.id, "--", "sh", "-c",
	        "trap 'echo usr1; exit 9' USR1; touch /tmp/ready; while :; do sleep 0.05; done");
	assert_exec(&box, "until test -e /tmp/ready; do sleep 0.02; done", 0, "");
	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_int_equal(status_of(pid), 9);
	text = support_text(out);
	assert_says(text, "usr1\n");
	free(text);
	/* One that is deaf, and a person who means it. */
	pid = BEGIN(NULL, "exec", box.id, "--", "sh", "-c",
	            "trap '' INT TERM; touch /tmp/deaf; while :; do sleep 0.05; done");
	assert_exec(&box, "until test -e /tmp/deaf; do sleep 0.02; done", 0, "");
	assert_int_equal(kill(pid, SIGINT), 0);
	nap(100);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(status_of(pid), 128 + SIGKILL);
}

static void command_of_a_killed_client_ends_and_nothing_else(void)
{
	pid_t killed, other;

	killed = BEGIN(NULL, "exec", box.id, "--", "sh", "-c", "setsid sleep 4245 & sleep 4246");
	other = BEGIN(NULL, "exec", box.id, "--", "sleep", "4247");
	assert_eventually(count_in(&box, "sleep 4245") == 1 && count_in(&box, "sleep 4246") == 1 &&
	                  count_in(&box, "sleep 4247") == 1);
	assert_int_equal(kill(killed, SIGKILL), 0);
	assert_int_equal(status_of(killed), 128 + SIGKILL);
	assert_eventually(count_in(&box, "sleep 4245") == 0 && count_in(&box, "sleep 4246") == 0);
	assert_int_equal(count_in(&box, "sleep 4247"), 1);
	/* One that is stopped keeps nobody waiting. */
	assert_int_equal(kill(other, SIGSTOP), 0);
	assert_exec(&box, "echo alive", 0, "alive\n");
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(status_of(other), 128 + SIGKILL);
	assert_eventually(count_in(&box, "sleep 4247") == 0);
}

static void stopped_client_hears_of_the_end_when_it_goes_on(void)
{
	pid_t pid;

	pid = BEGIN(NULL, "exec", box.id, "--", "sh", "-c",
	            "until test -e /tmp/go; do sleep 0.02; done; exit 6");
	assert_eventually(
	        count_in(&box, "sh -c until test -e /tmp/go; do sleep 0.02; done; exit 6") == 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_exec(&box, "touch /tmp/go", 0, "");
	assert_eventually(
	        count_in(&box, "sh -c until test -e /tmp/go; do sleep 0.02; done; exit 6") == 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(status_of(pid), 6);
}

/* --- Terminals ----------------------------------------------------------------------------------
 */

static void terminal_is_real_and_follows_the_callers(void)
{
	struct winsize size = { .ws_row = 40, .ws_col = 90 };
	struct session s;

	session_start(&s, ARGS("exec", "-it", box.id, "--", "/probe", "terminal"));
	assert_shows(&s, "ready=yes\n");
	assert_fact(s.text, "isatty", "111");
	assert_fact(s.text, "rows", "33");
	assert_fact(s.text, "columns", "111");
	assert_fact(s.text, "foreground", "yes");
	assert_fact(s.text, "dev_tty", "ok");
	assert_int_equal(ioctl(s.master, TIOCSWINSZ, &size), 0);
	assert_shows(&s, "resized=40x90\n");
	session_type(&s, "\003"); /* Ctrl-C */
	assert_shows(&s, "heard=2");
	assert_int_equal(session_end(&s), 7);
}

static void keys_arrive_and_the_terminal_has_a_name(void)
{
	struct session s;

	session_start(&s, ARGS("exec", "-t", box.id, "--", "sh", "-c",
	                       "read x; echo \"<$x>\" \"[$TERM]\"; cat; exit 5"));
	session_type(&s, "one two\n");
	assert_shows(&s, "<one two> [");
	assert_null(strstr(s.text, "[]"));
	session_type(&s, "three\n\004");
	assert_int_equal(session_end(&s), 5);
	assert_says(s.text, "three\nthree\n");
	/* Whoever closes the window takes along what ran in it. */
	session_start(&s, ARGS("exec", "-t", box.id, "--", "sleep", "4248"));
	assert_eventually(count_in(&box, "sleep 4248") == 1);
	(void)close(s.master);
	(void)status_of(s.pid);
	assert_eventually(count_in(&box, "sleep 4248") == 0);
}

/* --- The end ------------------------------------------------------------------------------------
 */

static void killed_holder_takes_everything_along(void)
{
	pid_t pid;
	char *text;
	int out;

	MAKE(&box, "--name", "doomed");
	pid = BEGIN(&out, "exec", box.id, "--", "sleep", "4249");
	assert_eventually(count_in(&box, "sleep 4249") == 1);
	assert_int_equal(kill(box.holder_pid, SIGKILL), 0);
	assert_int_equal(status_of(pid), 125);
	text = support_text(out);
	assert_says(text, "was killed, and the sandbox with it");
	free(text);
	assert_eventually(is_gone(box.init_pid));
	/* Any command clears away what is left. */
	CORRAL(&said, "exec", "doomed", "--", "true");
	assert_error(&said, "no sandbox 'doomed' is alive");
	assert_gone(&box);
	MAKE(&box, "--name", "doomed");
	end(&box);
}

static void holder_that_nobody_can_find_ends(void)
{
	char path[600];

	MAKE(&box);
	(void)snprintf(path, sizeof(path), "%s/%s.json", fixture.dir, box.id);
	assert_int_equal(unlink(path), 0);
	assert_gone(&box);
}

static void killed_guest_init_ends_its_holder(void)
{
	pid_t pid;

	MAKE(&box);
	pid = BEGIN(NULL, "exec", box.id, "--", "sleep", "4250");
	assert_eventually(count_in(&box, "sleep 4250") == 1);
	assert_int_equal(kill(box.init_pid, SIGKILL), 0);
	assert_int_equal(status_of(pid), 128 + SIGKILL);
	assert_gone(&box);
}

static void stopped_holder_is_told_of_and_can_be_removed(void)
{
	json_t *o;

	assert_int_equal(kill(box.holder_pid, SIGSTOP), 0);
	o = listed(box.id);
	assert_string_equal(json_string_value(json_object_get(o, "status")), "no answer");
	json_decref(o);
	CORRAL(&said, "exec", box.id, "--", "true");
	assert_error(&said, "is stopped or busy");
}

static void stop_asks_first_and_then_kills(void)
{
	pid_t polite, deaf;
	char *text;
	int out;

	MAKE(&box, "--name", "to-be-stopped");
	polite = BEGIN(&out, "exec", box.id, "--", "sh", "-c",
	               "trap 'echo bye; exit 4' TERM; touch /tmp/p; while :; do sleep 0.05; done");
	deaf = BEGIN(NULL, "exec", box.id, "--", "sh", "-c",
	             "trap '' TERM; touch /tmp/d; while :; do sleep 0.05; done");
	assert_exec(&box, "until test -e /tmp/p -a -e /tmp/d; do sleep 0.02; done", 0, "");
	CORRAL(&said, "sandbox", "rm", "to-be-stopped");
	assert_error(&said, "is alive: corral sandbox stop to-be-stopped ends it");
	CORRAL(&said, "sandbox", "stop", "-t", "500ms", "to-be-stopped");
	assert_status(&said, 0);
	assert_int_equal(status_of(polite), 4);
	text = support_text(out);
	assert_says(text, "bye\n");
	free(text);
	assert_int_equal(status_of(deaf), 128 + SIGKILL);
	assert_gone(&box);
	/* As does SIGTERM. */
	MAKE(&box);
	assert_int_equal(kill(box.holder_pid, SIGTERM), 0);
	assert_gone(&box);
}

static void idle_sandbox_ends_and_a_busy_one_does_not(void)
{
	/* Longer than between two commands, and shorter than the first of them. */
	MAKE(&box, "--idle", corral_test_slow() ? "20s" : "1500ms");
	assert_exec(&box,
	            corral_test_slow() ? "sleep 30; echo still here" : "sleep 2.5; echo still here",
	            0, "still here\n");
	assert_exec(&box, "echo and here", 0, "and here\n");
	assert_gone(&box);
}

static void paused_sandbox_stands_still(void)
{
	pid_t pid;

	MAKE(&box);
	CORRAL(&said, "sandbox", "pause", box.id);
	if (said.status == 125 && strstr(said.err, "control group")) {
		end(&box);
		skip_without_root("a control group");
		return;
	}
	assert_status(&said, 0);
	CORRAL(&said, "exec", box.id, "--", "true");
	assert_error(&said, "it is paused: corral sandbox resume");
	CORRAL(&said, "sandbox", "resume", box.id);
	assert_status(&said, 0);
	/* Long enough for several starts of corral before the pause. */
	pid = BEGIN(NULL, "exec", "--timeout", corral_test_slow() ? "40s" : "3s", box.id, "--",
	            "sh", "-c", "touch /tmp/s; sleep 4251");
	assert_eventually(count_in(&box, "sleep 4251") == 1);
	CORRAL(&said, "sandbox", "pause", box.id);
	assert_status(&said, 0);
	nap(corral_test_slow() ? 42000 : 3200);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(count_in(&box, "sleep 4251"), 1);
	CORRAL(&said, "sandbox", "resume", box.id);
	assert_status(&said, 0);
	assert_int_equal(status_of(pid), 124);
	assert_exec(&box, "echo alive", 0, "alive\n");
	CORRAL(&said, "sandbox", "pause", box.id);
	CORRAL(&said, "sandbox", "stop", box.id);
	assert_status(&said, 0);
	assert_gone(&box);
	/* What stands still cannot see that its holder was killed: whoever clears away after that
	 * lets it go on. */
	MAKE(&box);
	CORRAL(&said, "sandbox", "pause", box.id);
	assert_status(&said, 0);
	assert_int_equal(kill(box.holder_pid, SIGKILL), 0);
	/* Nobody has asked for the holder yet, and still it counts as dead. */
	CORRAL(&said, "run", "--", "true");
	assert_status(&said, 0);
	assert_eventually(is_gone(box.init_pid));
	assert_eventually(is_gone(box.holder_pid));
	assert_false(is_listed(box.id));
	assert_gone(&box);
}

/* --- Hostile neighbours within a sandbox --------------------------------------------------------
 */

static bool has_python(void)
{
	CORRAL(&said, "exec", box.id, "--", "python3", "-c", "");
	if (said.status != 0)
		corral_test_skip("python3, to be hostile in");
	return said.status == 0;
}

/* What stops every process that it sees would stop a command before its exec: guest init must not
 * wait for that, but end with its holder. */
static void guest_that_stops_everything_holds_nobody_up(void)
{
	MAKE(&box);
	if (!has_python())
		return;
	CORRAL(&said, "exec", "-d", box.id, "--", "sleep", "1");
	CORRAL(&said, "exec", "-d", box.id, "--", "python3", "-c",
	       "import os, signal\nwhile True: os.kill(-1, signal.SIGSTOP)");
	assert_status(&said, 0);
	nap(1500);
	for (int i = 0; i < 6; i++) {
		time_t begin = time(NULL);

		CORRAL(&said, "exec", "--timeout", "300ms", box.id, "--", "ls", "/");
		/* It ran, or ran out of time, or was stopped so long before its exec that it was
		 * killed there (126), or later and took the sandbox with it. */
		if (said.status != 0 && (said.status < 124 || said.status > 126) &&
		    said.status != 128 + SIGKILL)
			fail_msg("status %d: %s", said.status, said.err);
		assert_true(time(NULL) - begin < 15);
	}
	end(&box);
}

static void killed_supervisor_leaves_nothing(void)
{
	MAKE(&box);
	CORRAL(&said, "exec", "-d", box.id, "--", "sleep", "4261");
	assert_status(&said, 0);
	CORRAL(&said, "exec", "--timeout", "2s", box.id, "--", "sh", "-c",
	       "setsid sleep 4262 & kill -9 $PPID; sleep 4263");
	assert_eventually(count_in(&box, "sleep 4262") + count_in(&box, "sleep 4263") == 0);
	/* Others are none of its business. */
	assert_int_equal(count_in(&box, "sleep 4261"), 1);
	end(&box);
}

/* A command that was there before opens anew what the next one was given. */
static void streams_of_one_command_are_nothing_to_another(void)
{
	char *dir = dir_make(), path[700];

	MAKE(&box);
	if (!has_python())
		return;
	CORRAL(&said, "exec", "-d", box.id, "--", "python3", "-c",
	       "import os, glob, stat, time\n"
	       "while True:\n"
	       "  for p in glob.glob('/proc/[0-9]*/fd/[012]'):\n"
	       "    if p.split('/')[2] == str(os.getpid()): continue\n"
	       "    try:\n"
	       "      fd = os.open(p, os.O_RDWR)\n"
	       "      if stat.S_ISREG(os.fstat(fd).st_mode): open('/tmp/got', 'a').write(p)\n"
	       "      os.close(fd)\n"
	       "    except OSError: pass\n"
	       "  time.sleep(0.001)");
	assert_status(&said, 0);
	file_make(dir, "input", "words\n");
	(void)snprintf(path, sizeof(path), "%s/input", dir);
	/* As anybody may. */
	assert_int_equal(chmod(path, 0666), 0);
	run_argv(&said, ARGS("sh", "-c", "exec \"$0\" exec -i \"$1\" -- sleep 1 <\"$2\" >>\"$2\"",
	                     CORRAL_BINARY, box.id, path));
	assert_status(&said, 0);
	assert_exec(&box, "cat /tmp/got 2>/dev/null; true", 0, "");
	dir_remove(dir);
	end(&box);
}

/* Whoever gets a terminal keeps it: what stays in the sandbox would read every key from then on. */
static void terminal_is_lent_to_nobody_who_stays(void)
{
	char line[400];

	MAKE(&box);
	(void)snprintf(line, sizeof(line),
	               "%s exec %s -- sh -c 'test -t 0 || test -t 1 || test -t 2 || echo none'",
	               CORRAL_BINARY, box.id);
	run_argv(&said, ARGS("script", "-qec", line, "/dev/null"));
	assert_says(said.out, "none");
	end(&box);
}

/* --- Names and looks ----------------------------------------------------------------------------
 */

static void names_and_beginnings_of_them_are_enough(void)
{
	static const char *const wrong[] = { "", "-x", ".x", "a/b", "a b", "\xc3\xa4" };
	struct box a;
	char beginning[ID_LEN];
	char longest[66];

	MAKE(&a, "--name", "zz-test.alpha");
	MAKE(&box, "--name", "zz-test.beta_2");
	CORRAL(&said, "exec", "zz-test.a", "--", "echo", "alpha");
	assert_string_equal(said.out, "alpha\n");
	CORRAL(&said, "exec", "zz-test.", "--", "true");
	assert_error(&said, "'zz-test.' may be zz-test.alpha, zz-test.beta_2: write more");
	(void)snprintf(beginning, sizeof(beginning), "%.*s", ID_LEN - 1, box.id);
	CORRAL(&said, "exec", beginning, "--", "echo", "beta");
	assert_string_equal(said.out, "beta\n");
	CORRAL(&said, "exec", "", "--", "true");
	assert_error(&said, "empty");
	CORRAL(&said, "sandbox", "create", "--name", "zz-test.alpha");
	assert_error(&said, "has the name 'zz-test.alpha' already");
	memset(longest, 'l', sizeof(longest) - 1);
	longest[64] = '\0';
	CORRAL(&said, "sandbox", "create", "--name", longest);
	assert_error(&said, "--name");
	for (size_t i = 0; i < CORRAL_COUNT(wrong); i++) {
		CORRAL(&said, "sandbox", "create", "--name", wrong[i]);
		assert_error(&said, "--name: name");
	}
	CORRAL(&said, "sandbox", "rm", "-f", "zz-test.alpha", "zz-test.none", "zz-test.beta_2");
	assert_error(&said, "no sandbox 'zz-test.none' is alive");
	assert_gone(&a);
	assert_gone(&box);
}

static void name_is_given_to_one_of_many_at_once(void)
{
	pid_t pids[6];
	int n = 0;

	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		pids[i] = BEGIN(NULL, "sandbox", "create", "--name", "zz-only-one");
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++) {
		int status = status_of(pids[i]);

		assert_true(status == 0 || status == 125);
		n += status == 0;
	}
	assert_int_equal(n, 1);
	CORRAL(&said, "sandbox", "rm", "-f", "zz-only-one");
	assert_status(&said, 0);
	assert_eventually(waitpid(-1, NULL, WNOHANG) < 0);
}

static void processes_and_use_are_seen_from_outside(void)
{
	json_t *list, *o;

	CORRAL(&said, "exec", "-d", box.id, "--", "sh", "-c",
	       "head -c 3000000 /dev/zero >/tmp/x; exec sleep 4252");
	assert_status(&said, 0);
	assert_string_equal(said.out, "");
	assert_eventually(count_in(&box, "sleep 4252") == 1);
	CORRAL(&said, "sandbox", "ps", box.id);
	assert_says(said.out, "PID  ");
	assert_says(said.out, "sleep 4252\n");
	CORRAL(&said, "sandbox", "ps", "--json", box.id);
	list = json_loads(said.out, 0, NULL);
	o = json_array_get(list, json_array_size(list) - 1);
	assert_string_equal(json_string_value(json_object_get(o, "command")), "sleep 4252");
	assert_true(json_integer_value(json_object_get(o, "pid")) > 1);
	assert_true(json_integer_value(json_object_get(o, "pid")) <
	            json_integer_value(json_object_get(o, "host_pid")));
	assert_int_equal(json_integer_value(json_object_get(o, "uid")), 0);
	assert_true(json_integer_value(json_object_get(o, "rss_bytes")) > 0);
	json_decref(list);
	assert_exec(&box, "true", 0, ""); /* the disk is looked at when a command ends */
	CORRAL(&said, "sandbox", "stats", "--json", box.id);
	list = json_loads(said.out, 0, NULL);
	assert_int_equal(json_array_size(list), 1);
	o = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(o, "id")), box.id);
	assert_true(json_integer_value(json_object_get(o, "pids")) >= 2);
	assert_in_range(json_integer_value(json_object_get(o, "disk_bytes")), 3000000, 4000000);
	if (is_root()) {
		assert_true(json_integer_value(json_object_get(o, "memory_bytes")) > 3000000);
		assert_int_equal(json_integer_value(json_object_get(o, "memory_limit_bytes")),
		                 1 << 30);
		assert_true(json_is_real(json_object_get(o, "cpu_percent")));
	}
	json_decref(list);
	CORRAL(&said, "sandbox", "stats");
	assert_says(said.out, box.id);
}

static void receipt_tells_of_the_command(void)
{
	CORRAL(&said, "exec", "--json", "9", box.id, "--", "sh", "-c", "unshare -U true; exit 3");
	assert_status(&said, 3);
	assert_string_equal(receipt_text(&said, "reason"), "exit");
	assert_int_equal(receipt_number(&said, "exit_status"), 3);
	assert_true(receipt_lists(&said, "layers", "seccomp"));
	assert_int_equal(json_array_size(json_object_get(said.receipt, "denials")), 1);
	CORRAL(&said, "exec", "--json", "9", "--output", "1K", box.id, "--", "echo", "12345");
	assert_int_equal(receipt_number(&said, "output_bytes"), 6);
	CORRAL(&said, "exec", "--json", "9", box.id, "--", "no-such-program");
	assert_string_equal(receipt_text(&said, "exec_error"), "ENOENT");
	CORRAL(&said, "exec", "--json", "9", "no-such-sandbox", "--", "true");
	assert_status(&said, 125);
	assert_string_equal(receipt_text(&said, "reason"), "error");
	assert_says(receipt_text(&said, "error"), "no-such-sandbox");
}

static void detached_command_stays_and_holds_no_pipe(void)
{
	json_t *logs;
	char *dir;

	/* The shell would wait for the end of the pipe. */
	run_argv(&said, ARGS("sh", "-c", "x=$(\"$0\" exec -d \"$1\" -- sleep 4253); echo \"[$x]\"",
	                     CORRAL_BINARY, box.id));
	assert_string_equal(said.out, "[bg_1]\n");
	assert_int_equal(count_in(&box, "sleep 4253"), 1);
	dir = dir_make();
	run_argv(&said, ARGS("sh", "-c",
	                     "\"$0\" exec -d \"$1\" -- echo into a file "
	                     "2>&1 >\"$2/log\" | cat",
	                     CORRAL_BINARY, box.id, dir));
	assert_status(&said, 0);
	assert_string_equal(said.out, "bg_2\n");
	run_argv(&said, ARGS("sh", "-c",
	                     "until test -s \"$0/log\"; do sleep 0.02; done; cat \"$0/log\"", dir));
	assert_string_equal(said.out, "into a file\n");
	dir_remove(dir);
	CORRAL(&said, "sandbox", "logs", box.id, "bg_2");
	assert_status(&said, 0);
	assert_says(said.err, "stdout: went elsewhere");
	assert_null(strstr(said.err, "stderr: went elsewhere"));
	CORRAL(&said, "sandbox", "logs", "--json", box.id, "bg_2");
	logs = json_loads(said.out, 0, NULL);
	assert_true(json_is_null(json_object_get(logs, "stdout")));
	assert_string_equal(json_string_value(json_object_get(logs, "stderr")), "");
	json_decref(logs);
	CORRAL(&said, "exec", "-dt", box.id, "--", "true");
	assert_error(&said, "--detach");
	CORRAL(&said, "exec", "-d", "--output", "5", box.id, "--", "true");
	assert_error(&said, "--output");
}

/* Until what the shell wrote holds this part. */
static bool logs_say(const char *shell, const char *part)
{
	CORRAL(&said, "sandbox", "logs", box.id, shell);
	assert_status(&said, 0);
	return strstr(said.out, part) != NULL;
}

/* corral exec -d with pipes for both streams: what we collect in are files, where output would
 * stay.
 */
#define DETACH(...)                                                                                \
	run_argv(&said,                                                                            \
	         ARGS("sh", "-c", "{ \"$0\" exec -d \"$@\" 2>&1 >&3 3>&- | cat >&2; } 3>&1 | cat", \
	              CORRAL_BINARY, box.id, "--", __VA_ARGS__))

static void output_of_detached_commands_can_be_read(void)
{
	json_t *list;

	DETACH("sh", "-c", "echo one; echo two >&2; sleep 600");
	assert_string_equal(said.out, "bg_1\n");
	assert_eventually(logs_say("bg_1", "one\n"));
	assert_eventually((logs_say("bg_1", "one\n"), !strcmp(said.err, "two\n")));
	DETACH("/bin/sh", "-c", "echo last; exit 7");
	assert_string_equal(said.out, "bg_2\n");
	assert_eventually((run_argv(&said, ARGS(CORRAL_BINARY, "sandbox", "logs", box.id)),
	                   strstr(said.out, "exit 7")));
	assert_says(said.out, "running");
	assert_says(said.out, "echo last; exit 7");
	/* What has ended is there still. */
	assert_true(logs_say("bg_2", "last\n"));
	CORRAL(&said, "sandbox", "logs", "--json", box.id);
	list = json_loads(said.out, 0, NULL);
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "exit_code")),
	                 7);
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "running")));
	json_decref(list);
	CORRAL(&said, "sandbox", "logs", box.id, "bg_3");
	assert_error(&said, "No such background shell: bg_3");
	CORRAL(&said, "exec", "-d", box.id, "--", "/no/such");
	assert_status(&said, 127);
	CORRAL(&said, "sandbox", "logs", box.id, "bg_3");
	assert_error(&said, "No such background shell: bg_3");
}

static void much_output_keeps_its_end(void)
{
	DETACH("sh", "-c",
	       "head -c 9000000 /dev/zero | tr '\\0' x; echo; echo the end; sleep 4254");
	assert_string_equal(said.out, "bg_1\n");
	assert_eventually(
	        (run_argv(&said, ARGS("sh", "-c",
	                              "\"$0\" sandbox logs \"$1\" bg_1 | tail -c 8; \"$0\" sandbox "
	                              "logs \"$1\" bg_1 2>/dev/null | wc -c",
	                              CORRAL_BINARY, box.id)),
	         !strncmp(said.out, "the end\n", 8) && strtol(said.out + 8, NULL, 10) < 4300000));
	assert_true(strtol(said.out + 8, NULL, 10) >= 4 << 20);
	run_argv(&said, ARGS("sh", "-c", "\"$0\" sandbox logs \"$1\" bg_1 >/dev/null",
	                     CORRAL_BINARY, box.id));
	assert_says(said.err, "stdout: the first ");
}

static void more_shells_than_are_kept_push_out_the_oldest(void)
{
	char first[20];

	run_argv(&said,
	         ARGS("sh", "-c",
	              "i=0; while [ $i -lt 66 ]; do \"$0\" exec -d \"$1\" -- true >/dev/null "
	              "|| exit; i=$((i + 1)); done",
	              CORRAL_BINARY, box.id));
	assert_status(&said, 0);
	CORRAL(&said, "sandbox", "logs", box.id, "bg_66");
	assert_status(&said, 0);
	(void)snprintf(first, sizeof(first), "bg_%d", 1);
	CORRAL(&said, "sandbox", "logs", box.id, first);
	assert_error(&said, "No such background shell: bg_1");
}

/* --- Copies -------------------------------------------------------------------------------------
 */

static void files_and_trees_are_copied_both_ways(void)
{
	char *dir, in[700], out[700];

	dir = dir_make();
	(void)snprintf(in, sizeof(in), "%s/tree", dir);
	(void)snprintf(out, sizeof(out), "%s/back", dir);
	assert_int_equal(mkdir(in, 0755), 0);
	file_make(in, "one", "1\n");
	file_make(in, "two", "22\n");
	CORRAL(&said, "sandbox", "cp", in, "zz-cp:"); /* into the work directory, which is there */
	assert_status(&said, 0);
	assert_exec(&box, "cat tree/one tree/two", 0, "1\n22\n");
	CORRAL(&said, "sandbox", "cp", in,
	       "zz-cp:/tmp/other"); /* under another name, as it is not */
	assert_status(&said, 0);
	assert_exec(&box, "ls /tmp/other", 0, "one\ntwo\n");
	assert_exec(
	        &box,
	        "chmod 750 tree/one; ln -s one tree/link; mkdir tree/sub; echo 333 >tree/sub/three",
	        0, "");
	CORRAL(&said, "sandbox", "cp", "zz-cp:tree", out);
	assert_status(&said, 0);
	run_argv(&said,
	         ARGS("sh", "-c",
	              "cd \"$0\" && cat one sub/three && readlink link && stat -c %a one", out));
	assert_string_equal(said.out, "1\n333\none\n750\n");
	CORRAL(&said, "sandbox", "cp", "zz-cp:tree/two", in);
	assert_status(&said, 0);
	CORRAL(&said, "sandbox", "cp", "zz-cp:/tmp/other/.", out);
	assert_status(&said, 0);
	run_argv(&said,
	         ARGS("sh", "-c", "\"$0\" sandbox cp zz-cp:tree - | tar t | sort | tr '\\n' ' '",
	              CORRAL_BINARY));
	assert_string_equal(said.out, "./ link one sub/ sub/three two ");
	run_argv(&said,
	         ARGS("sh", "-c", "tar c -C \"$1\" one two | \"$0\" sandbox cp - zz-cp:/tmp/tar",
	              CORRAL_BINARY, in));
	assert_status(&said, 0);
	assert_exec(&box, "cat /tmp/tar/two", 0, "22\n");
	dir_remove(dir);
}

static void copies_that_cannot_be_are_errors_and_leave_what_was(void)
{
	char *dir, file[700];

	dir = dir_make();
	file_make(dir, "file", "as it was\n");
	(void)snprintf(file, sizeof(file), "%s/file", dir);
	CORRAL(&said, "sandbox", "cp", "a", "b");
	assert_error(&said, "one of the two has to be in a sandbox");
	CORRAL(&said, "sandbox", "cp", "zz-none:a", "b");
	assert_error(&said, "no sandbox 'zz-none' is alive");
	run_argv(&said, ARGS("sh", "-c", "\"$0\" sandbox cp \"$1:none\" \"$2\"", CORRAL_BINARY,
	                     box.id, file));
	assert_error(&said, "in the sandbox: File 'none' not found");
	run_argv(&said,
	         ARGS("sh", "-c", "\"$0\" sandbox cp /none \"$1:x\"", CORRAL_BINARY, box.id));
	assert_error(&said, "File '/none' not found");
	run_argv(&said, ARGS("sh", "-c", "\"$0\" sandbox cp \"$1:/dev/zero\" \"$2\"", CORRAL_BINARY,
	                     box.id, file));
	assert_error(&said, "neither a file nor a directory");
	run_argv(&said, ARGS("sh", "-c", "\"$0\" sandbox cp \"$1:/tmp\" \"$2\"", CORRAL_BINARY,
	                     box.id, file));
	assert_error(&said, "is a file, and '/tmp' a directory");
	/* More than fits. */
	assert_exec(&box, "echo old >x", 0, "");
	run_argv(&said,
	         ARGS("sh", "-c",
	              "head -c 5000000 /dev/zero >\"$2/big\" && \"$0\" sandbox cp \"$2/big\" "
	              "\"$1:x\"",
	              CORRAL_BINARY, box.id, dir));
	assert_error(&said, "in the sandbox: ");
	assert_exec(&box, "cat x", 0, "old\n");
	run_argv(&said, ARGS("cat", file));
	assert_string_equal(said.out, "as it was\n");
	dir_remove(dir);
}

/* --- Strangers ----------------------------------------------------------------------------------
 */

/* A connection of whoever this process is now; -1 when there is none to be had. */
static int connect_raw(const struct box *b)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	assert_true((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock",
	                             fixture.dir, b->id) < sizeof(address.sun_path));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Sends a message, and gives what comes back: its length, 0 when the holder hangs up. */
static ssize_t say_raw(int fd, const void *text, size_t len, const int *fds, unsigned int n_fds,
                       char *answer, size_t size)
{
	char control[CMSG_SPACE(sizeof(int) * 32)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)text, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (n_fds) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)control;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		return 0;
	if (poll(&pfd, 1, PATIENCE_MS) <= 0)
		return -1;
	n = recv(fd, answer, size - 1, 0);
	answer[n > 0 ? n : 0] = '\0';
	return n > 0 ? n : 0;
}

static void nonsense_is_refused_and_does_no_harm(void)
{
	static const char *const texts[] = {
		"",
		"x",
		"[]",
		"{\"op\":1}",
		"{\"op\":\"none\"}",
		"{\"op\":\"exec\"}",
		"{\"op\":\"exec\",\"fds\":[]}",
		"{\"op\":\"exec\",\"argv\":1,\"fds\":[\"words\"]}",
		"{\"op\":\"exec\",\"argv\":-1,\"fds\":\"words\"}",
		"{\"op\":\"status\",\"op\":\"stop\"}",
		"\xff\xfe",
	};
	static char big[100000];
	char answer[4096];
	int many[32];
	int fd;

	for (size_t i = 0; i < CORRAL_COUNT(texts); i++) {
		fd = connect_raw(&box);
		assert_true(fd >= 0);
		if (say_raw(fd, texts[i], strlen(texts[i]), NULL, 0, answer, sizeof(answer)) > 0)
			assert_says(answer, "\"type\":\"error\"");
		(void)close(fd);
	}
	memset(big, ' ', sizeof(big));
	fd = connect_raw(&box);
	if (say_raw(fd, big, sizeof(big), NULL, 0, answer, sizeof(answer)) > 0)
		assert_says(answer, "\"type\":\"error\"");
	(void)close(fd);
	for (size_t i = 0; i < CORRAL_COUNT(many); i++)
		many[i] = STDERR_FILENO;
	fd = connect_raw(&box);
	if (say_raw(fd, "{\"op\":\"status\"}", 15, many, CORRAL_COUNT(many), answer,
	            sizeof(answer)) > 0)
		assert_says(answer, "\"type\":\"error\"");
	(void)close(fd);
	/* Words in a file that could change, or that do not end, or are another number than is
	 * told. */
	{
		static const char ask[] = "{\"op\":\"exec\",\"argv\":2,\"fds\":[\"words\"]}";
		int words = memfd_create("words", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		assert_int_equal(write(words, "true", 5), 5);
		fd = connect_raw(&box);
		assert_true(say_raw(fd, ask, sizeof(ask) - 1, &words, 1, answer, sizeof(answer)) >
		            0);
		assert_says(answer, "sealed");
		(void)close(fd);
		assert_int_equal(fcntl(words, F_ADD_SEALS,
		                       F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
		                 0);
		fd = connect_raw(&box);
		assert_true(say_raw(fd, ask, sizeof(ask) - 1, &words, 1, answer, sizeof(answer)) >
		            0);
		assert_says(answer, "other numbers");
		(void)close(fd);
		(void)close(words);
	}
	assert_exec(&box, "echo alive", 0, "alive\n");
}

static void other_users_are_refused(void)
{
	struct stat parent, own;
	char path[600];
	pid_t pid;
	int status;

	if (!is_root()) {
		skip_without_root("another user");
		return;
	}
	MAKE(&box);
	/* Even where the directory lets them by. */
	assert_int_equal(stat("/run/corral", &parent), 0);
	assert_int_equal(stat(fixture.dir, &own), 0);
	assert_int_equal(own.st_mode & 07777, 0700);
	(void)snprintf(path, sizeof(path), "%s/%s.sock", fixture.dir, box.id);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(chmod(fixture.dir, 0711), 0);
	assert_int_equal(chmod("/run/corral", 0711), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char answer[256];
		int fd;

		if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(2);
		fd = connect_raw(&box);
		if (fd < 0)
			_exit(3);
		_exit(say_raw(fd, "{\"op\":\"status\"}", 15, NULL, 0, answer, sizeof(answer)) != 0);
	}
	status = status_of(pid);
	assert_int_equal(chmod("/run/corral", parent.st_mode & 07777), 0);
	assert_int_equal(chmod(fixture.dir, 0700), 0);
	assert_int_equal(status, 0);
	end(&box);
}

static void directory_that_is_not_the_users_alone_is_refused(void)
{
	char path[700];
	char *dir;

	if (is_root()) {
		print_message("root's directory is where nobody else can make one\n");
		skip();
		return;
	}
	dir = dir_make();
	(void)snprintf(path, sizeof(path), "%s/corral", dir);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/corral/sandboxes", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	CORRAL(&said, "sandbox", "list");
	assert_error(&said, "is not this user's alone");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	CORRAL(&said, "sandbox", "create");
	assert_error(&said, "corral/sandboxes");
	assert_int_equal(setenv("XDG_RUNTIME_DIR", fixture.runtime_dir, 1), 0);
	dir_remove(dir);
}

static void what_dead_ones_left_is_cleared_away(void)
{
	static const char *const left[] = { "000000000001.json", "000000000001.sock",
		                            "000000000002.json", "000000000003.new",
		                            "000000000004.json" };
	char path[600];

	CORRAL(&said, "sandbox", "list");
	assert_status(&said, 0);
	file_make(fixture.dir, left[0],
	          "{\"id\":\"000000000001\",\"name\":\"zz-dead\",\"holder_pid\":1,\"init_pid\":1}");
	file_make(fixture.dir, left[1], "");
	file_make(fixture.dir, left[2], "this is no JSON");
	file_make(fixture.dir, left[3], "");
	file_make(
	        fixture.dir, left[4],
	        "{\"id\":\"000000000004\",\"name\":\"zz-dead2\",\"holder_pid\":1,\"init_pid\":1}");
	file_make(fixture.dir, "zz-not-ours", "");
	CORRAL(&said, "sandbox", "rm", "zz-dead2"); /* the one command that needs not -f for it */
	assert_status(&said, 0);
	CORRAL(&said, "sandbox", "list");
	assert_status(&said, 0);
	assert_null(strstr(said.out, "zz-dead"));
	for (size_t i = 0; i < CORRAL_COUNT(left); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", fixture.dir, left[i]);
		if (access(path, F_OK) == 0)
			fail_msg("%s is there", path);
	}
	(void)snprintf(path, sizeof(path), "%s/zz-not-ours", fixture.dir);
	assert_int_equal(unlink(path), 0);
}

static void wrong_words_are_told_with_a_way_out(void **state)
{
	const struct fixture *f = *state;
	struct run r = { 0 };

	(void)f;
	CORRAL(&r, "sandbox");
	assert_status(&r, 125);
	assert_says(r.err, "Usage: corral sandbox");
	CORRAL(&r, "sandbox", "crate");
	assert_error(&r, "did you mean 'create'?");
	CORRAL(&r, "sandbox", "ls");
	assert_error(&r, "write corral sandbox list");
	CORRAL(&r, "sandbox", "list", "extra");
	assert_error(&r, "'extra' is one word too many");
	CORRAL(&r, "sandbox", "stop");
	assert_error(&r, "too few words");
	CORRAL(&r, "sandbox", "stop", "x", "-t", "1");
	assert_error(&r, "'-t': options stand before all else");
	CORRAL(&r, "sandbox", "list", "--jsno");
	assert_error(&r, "did you mean --json?");
	CORRAL(&r, "exec", "--help");
	assert_status(&r, 0);
	assert_says(r.out, "--workdir");
	CORRAL(&r, "sandbox", "create", "--help");
	assert_says(r.out, "--idle");
	CORRAL(&r, "help", "sandbox");
	assert_says(r.out, "Usage: corral sandbox");
	CORRAL(&r, "help", "image", "list");
	assert_says(r.out, "Usage: corral image list");
	/* What comes after run is nobody's to run. */
	CORRAL(&r, "help", "run", "echo");
	assert_says(r.out, "Usage: corral run");
	run_done(&r);
}

static void nothing_is_left(void)
{
	/* What the killed ones left in the control groups goes with the next. */
	MAKE(&box);
	end(&box);
	assert_nothing_left();
}

/* clang-format off */
#define ROW(name, create) \
	{ #name, test_play, NULL, remove_made, &(struct test) { (name), (create) } }
/* clang-format on */
#define TEST(name)            ROW(name, NULL)
#define IN_SANDBOX(name, ...) ROW(name, OPTIONS(__VA_ARGS__))

/* usage: real.test_sandbox_cli [PATTERN] */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_command_leaves_the_next_one_finds),
		TEST(sandbox_that_cannot_be_is_an_error_and_leaves_nothing),
		TEST(weaker_one_stands_with_consent),
		TEST(sandbox_that_nobody_was_told_of_does_not_stay),
		TEST(holder_has_nothing_of_its_makers),
		IN_SANDBOX(exit_statuses_are_those_of_run),
		IN_SANDBOX(limits_of_create_hold_for_each_command, "--timeout", "2s", "--output",
		           "5"),
		TEST(file_that_is_for_run_makes_one_too),
		IN_SANDBOX(command_has_the_callers_own_streams),
		IN_SANDBOX(environment_and_directory_are_the_commands_own, "--env", "A=1", "--env",
		           "B=2", "--workdir", "/tmp"),
		IN_SANDBOX(two_commands_at_once_see_each_other),
		IN_SANDBOX(signals_reach_the_command),
		IN_SANDBOX(command_of_a_killed_client_ends_and_nothing_else),
		IN_SANDBOX(stopped_client_hears_of_the_end_when_it_goes_on),
		IN_SANDBOX(terminal_is_real_and_follows_the_callers, PROBE),
		IN_SANDBOX(keys_arrive_and_the_terminal_has_a_name),
		TEST(killed_holder_takes_everything_along),
		TEST(holder_that_nobody_can_find_ends),
		TEST(killed_guest_init_ends_its_holder),
		IN_SANDBOX(stopped_holder_is_told_of_and_can_be_removed),
		TEST(stop_asks_first_and_then_kills),
		TEST(idle_sandbox_ends_and_a_busy_one_does_not),
		TEST(paused_sandbox_stands_still),
		TEST(guest_that_stops_everything_holds_nobody_up),
		TEST(killed_supervisor_leaves_nothing),
		TEST(streams_of_one_command_are_nothing_to_another),
		TEST(terminal_is_lent_to_nobody_who_stays),
		TEST(names_and_beginnings_of_them_are_enough),
		TEST(name_is_given_to_one_of_many_at_once),
		IN_SANDBOX(processes_and_use_are_seen_from_outside),
		IN_SANDBOX(receipt_tells_of_the_command),
		IN_SANDBOX(detached_command_stays_and_holds_no_pipe),
		IN_SANDBOX(output_of_detached_commands_can_be_read),
		IN_SANDBOX(much_output_keeps_its_end),
		IN_SANDBOX(more_shells_than_are_kept_push_out_the_oldest),
		IN_SANDBOX(files_and_trees_are_copied_both_ways, "--name", "zz-cp"),
		IN_SANDBOX(copies_that_cannot_be_are_errors_and_leave_what_was, "--disk", "2M"),
		IN_SANDBOX(nonsense_is_refused_and_does_no_harm),
		TEST(other_users_are_refused),
		TEST(directory_that_is_not_the_users_alone_is_refused),
		TEST(what_dead_ones_left_is_cleared_away),
		cmocka_unit_test(wrong_words_are_told_with_a_way_out),
		TEST(nothing_is_left),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, cli_setup, cli_teardown);
}
