/*
 * Sessions by the command line: files stay, whatever becomes of the sandbox over them. What is kept
 * of earlier states, and told of changes, is in test_session_files_cli.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "kernel/quota.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/session.h"
#include "tests/real/session_support.h"

#define MANY   5
#define NOBODY 65534

/* The record of a session's sandbox: list --json of `corral sandbox`. */
static json_t *sandbox_of(const char *id)
{
	CORRAL(&said, "sandbox", "list", "--json");
	assert_status(&said, 0);
	return object_with(said.out, ARGS("session", id, "session_root", session_root));
}

static void files_stay_and_the_sandbox_does_not(void)
{
	json_t *o;

	session_sh("stay", "echo 1 > f; mkdir /data; echo 2 > /data/x; echo 3 > /tmp/t", "");
	/* Of the same sandbox. */
	session_sh("stay", "cat f /data/x /tmp/t", "1\n2\n3\n");
	o = sandbox_of("stay");
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "session_root")), session_root);
	json_decref(o);
	assert_true(session_state_is("stay", "running"));
	assert_session("", "hibernate", "stay");
	assert_true(session_state_is("stay", "hibernated"));
	session_sh("stay", "cat f /data/x; ls -A /tmp", "1\n2\n");
	/* It is a sandbox like others, and called by its session. */
	CORRAL(&said, "sandbox", "stop", "stay");
	assert_status(&said, 0);
	assert_null(sandbox_of("stay"));
	session_sh("stay", "cat f", "1\n");
}

/* A full disk behind the pipe, say: its name is what one needs to be rid of it. */
static void one_whose_id_nobody_could_read_does_not_stay(void)
{
	corral_autofree char *before = NULL;

	session_sh("told", "true", "");
	SESSION(&said, "list", "-q");
	before = strdup(said.out);
	for (const char *const *words = ARGS("create", "fork"); *words; words++) {
		run_argv(&said,
		         ARGS("sh", "-c", "\"$0\" session \"$1\" --root \"$2\" $3 >/dev/full",
		              CORRAL_BINARY, *words, session_root,
		              strcmp(*words, "fork") ? "" : "-f told"));
		assert_error(&said, "print the session's id: No space left on device");
	}
	SESSION(&said, "list", "-q");
	assert_string_equal(said.out, before);
	assert_session("", "rm", "-f", "told");
}

/* Each of its commands would say so; it is said before it is there. Where the file system can keep
 * the limit, test_quota.c has it. */
static void disk_that_cannot_be_limited_is_no_session(void)
{
	struct corral_error err = { 0 };
	corral_autofd int fd = open(session_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	if (corral_quota_possible(fd, &err) == 0)
		return;
	SESSION(&said, "create", "--disk", "1G", "limited");
	assert_error(&said, "limit 'disk' cannot be enforced here: what is kept lies on the host's "
	                    "disk (");
	assert_says(said.err, "--disk-backing image, or leave that limit out\n");
	assert_says(said.err, err.text);
	SESSION(&said, "show", "limited");
	assert_status(&said, 125);
	SESSION(&said, "create", "--pids", "99", "unlimited");
	assert_status(&said, 0);
	assert_session("", "rm", "unlimited");
}

static void killed_holder_loses_nothing(void)
{
	pid_t pid;
	json_t *o;

	SESSION(&said, "exec", "-d", "kill", "--", "sh", "-c", "echo 1 > f; exec sleep 100");
	assert_status(&said, 0);
	session_sh("kill", "while ! grep -q 1 f; do sleep 0.01; done", "");
	o = sandbox_of("kill");
	pid = (pid_t)json_integer_value(json_object_get(o, "holder_pid"));
	json_decref(o);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	/* Whatever of it is still dying is waited for. */
	session_sh("kill", "cat f", "1\n");
}

static void commands_are_as_those_of_exec(void)
{
	struct session s;

	SESSION(&said, "exec", "--json", "9", "as", "--", "sh", "-c", "exit 3");
	assert_status(&said, 3);
	assert_string_equal(receipt_text(&said, "reason"), "exit");
	SESSION(&said, "exec", "--timeout", "200ms", "as", "--", "sleep", "60");
	assert_status(&said, 124);
	SESSION(&said, "exec", "-e", "A=1", "-w", "/tmp", "as", "--", "sh", "-c", "echo $A; pwd");
	assert_status(&said, 0);
	assert_string_equal(said.out, "1\n/tmp\n");
	run_argv(&said, ARGS("sh", "-c", "echo in | \"$0\" session exec --root \"$1\" -i as -- cat",
	                     CORRAL_BINARY, session_root));
	assert_string_equal(said.out, "in\n");
	session_start(&s,
	              ARGS("session", "shell", "--root", session_root, "-e", "PS1=ready> ", "as"));
	session_type(&s, "tty; stty size; exit 4\n");
	assert_shows(&s, "33 111");
	assert_int_equal(session_end(&s), 4);
}

static void first_use_by_many_at_once_makes_one(void)
{
	pid_t pids[MANY];
	char line[64];
	json_t *o;

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(line, sizeof(line), "echo %d >> f", i);
		pids[i] = BEGIN(NULL, "session", "exec", "--root", session_root, "many", "--", "sh",
		                "-c", line);
	}
	for (int i = 0; i < MANY; i++) {
		int status = status_of(pids[i]);

		/* Emulated, the one that makes it may take longer than the others wait. */
		if (status == 125 && corral_test_slow()) {
			(void)snprintf(line, sizeof(line), "echo %d >> f", i);
			session_sh("many", line, "");
			status = 0;
		}
		assert_int_equal(status, 0);
	}
	session_sh("many", "sort f", "0\n1\n2\n3\n4\n");
	o = sandbox_of("many"); /* and that there is one */
	assert_non_null(o);
	json_decref(o);
}

static void running_commands_are_ended_by_force_alone(void)
{
	char advice[400];

	SESSION(&said, "exec", "-d", "busy", "--", "sleep", "100");
	assert_says(said.err, "bg_1");
	/* What is told to be typed has the directory that was named. */
	(void)snprintf(advice, sizeof(advice), "corral session hibernate --root %s -f busy",
	               session_root);
	assert_session_error(advice, "checkpoint", "busy");
	assert_session_error("'sleep 100' runs in it", "checkpoint", "busy");
	assert_session_error("'sleep 100' runs in it", "rm", "busy");
	assert_session("c1\n", "checkpoint", "-f", "busy");
	assert_null(sandbox_of("busy"));
}

static void idle_session_hibernates_by_itself(void)
{
	SESSION(&said, "exec", "--idle", "300ms", "idle", "--", "sh", "-c", "echo 1 > f");
	assert_status(&said, 0);
	nap(500);
	assert_eventually(session_state_is("idle", "hibernated"));
	session_sh("idle", "cat f", "1\n");
}

static void files_are_copied_in_and_out(void)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/copied", session_dir);
	session_sh("copy", "echo out > f", "");
	assert_session("", "hibernate", "copy");
	assert_session("", "cp", "copy:f", path);
	assert_session("", "cp", path, "copy:/workspace/g");
	session_sh("copy", "cat g", "out\n");
	assert_session_error("not found", "cp", "copy:nothing", path);
	assert_session_error("nothing/here", "cp", "/nothing/here", "none-for-this:f");
	assert_session_error(" shows those that there are", "show", "none-for-this");
	/* Copying out makes no session. */
	assert_session_error(" shows those that there are", "cp", "nobody:f", path);
	assert_session_error(" shows those that there are", "show", "nobody");
	(void)unlink(path);
}

static void each_command_has_a_sandbox_of_its_own_where_its_runtime_says_so(void)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/call.json", session_dir);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs("{\"name\":\"each\",\"scope\":\"call\"}", f);
	(void)fclose(f);
	assert_session("call\n", "create", "--runtime", path, "call");
	session_sh("call", "echo 1 > f; mkdir /data; touch /tmp/t", "");
	session_sh("call", "cat f; ls -A /tmp; ls -d /data 2>/dev/null || true", "1\n");
	assert_null(sandbox_of("call"));
	assert_session_error("have no checkpoints", "checkpoint", "call");
	assert_session_error("leave --detach out", "exec", "-d", "call", "--", "true");
	assert_session_error("of which no states are kept", "create", "--history", "--runtime",
	                     path);
	(void)unlink(path);
}

static void shell_without_a_terminal_ends_with_its_input(void)
{
	assert_session("", "shell", "--idle", "0", "lines");
	assert_session("", "rm", "lines");
}

static void one_id_in_two_places_is_never_guessed(void)
{
	char other[300], id[32], both[48];

	(void)snprintf(other, sizeof(other), "%s/other", session_dir);
	(void)snprintf(id, sizeof(id), "both-%d", (int)getpid());
	(void)snprintf(both, sizeof(both), "'%s' may be ", id);
	session_sh(id, "true", "");
	CORRAL(&said, "session", "exec", "--root", other, "--idle", "60", id, "--", "true");
	assert_status(&said, 0);
	CORRAL(&said, "sandbox", "ps", id);
	assert_error(&said, both);
	CORRAL(&said, "sandbox", "stop", id);
	assert_status(&said, 125);
	CORRAL(&said, "session", "rm", "--root", other, id);
	assert_status(&said, 0);
	CORRAL(&said, "sandbox", "ps", id);
	assert_status(&said, 0);
}

static void limits_said_at_first_are_kept(void)
{
	json_t *o;

	if (!enforces("memory"))
		return;
	SESSION(&said, "exec", "--memory", "200M", "--open-files", "77", "--network", "host",
	        "small", "--", "sh", "-c", "ulimit -n; wc -l </proc/net/dev");
	assert_status(&said, 0);
	assert_int_equal(strncmp(said.out, "77\n", 3), 0);
	assert_session("", "hibernate", "small");
	session_sh("small", "ulimit -n", "77\n");
	/* The same again is nothing new, another is a mistake. */
	SESSION(&said, "exec", "--open-files", "77", "small", "--", "true");
	assert_status(&said, 0);
	assert_session_error("was made with another --open-files", "exec", "--open-files", "78",
	                     "small", "--", "true");
	assert_session_error("was made with another --network", "exec", "--network", "none",
	                     "small", "--", "true");
	assert_session_error("was made with another --pids", "exec", "--pids", "9", "small", "--",
	                     "true");
	SESSION(&said, "show", "small");
	assert_says(said.out, "limits       memory 200M, open-files 77\nnetwork      host\n");
	assert_session("tight\n", "create", "--timeout", "300ms", "--pids", "50", "tight");
	SESSION(&said, "exec", "tight", "--", "sleep", "60");
	assert_status(&said, 124);
	SESSION(&said, "show", "--json", "tight");
	o = json_loads(said.out, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(
	                         json_object_get(json_object_get(o, "description"), "limits"),
	                         "pids")),
	                 50);
	json_decref(o);
}

/* What a new session cannot have leaves none behind. */
static void session_that_could_not_begin_is_not_there(void)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/never.json", session_dir);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs("{\"name\":\"never\",\"mounts\":[{\"type\":\"ro-bind\",\"source\":\"/nowhere\","
	            "\"target\":\"/x\"}]}",
	            f);
	(void)fclose(f);
	assert_session_error("/nowhere", "exec", "--runtime", path, "never", "--", "true");
	assert_session_error("no session 'never'", "show", "never");
	(void)unlink(path);
}

static void who_looks_makes_nothing(void)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/typo", session_dir);
	CORRAL(&said, "session", "list", "--root", path);
	assert_error(&said, "No such file or directory: name another directory with --root");
	CORRAL(&said, "session", "show", "--root", path, "x");
	assert_error(&said, "No such file or directory");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(mkdir(path, 0700), 0);
	CORRAL(&said, "session", "list", "-q", "--root", path);
	assert_status(&said, 0);
	assert_string_equal(said.out, "");
	CORRAL(&said, "session", "cp", "--root", path, "x:f", "-");
	assert_error(&said, "no session 'x'");
	CORRAL(&said, "session", "fork", "--root", path, "x", "y");
	assert_error(&said, "there are none yet");
	assert_int_equal(rmdir(path), 0);
}

static void terminal_is_told_of_a_new_one(void)
{
	struct session s;

	session_start(&s, ARGS("session", "exec", "--root", session_root, "fresh", "--", "true"));
	assert_shows(&s, "corral: session 'fresh' is new");
	assert_int_equal(session_end(&s), 0);
	session_start(&s, ARGS("session", "exec", "--root", session_root, "fresh", "--", "echo",
	                       "old one"));
	assert_shows(&s, "old one");
	assert_null(strstr(s.text, "is new"));
	assert_int_equal(session_end(&s), 0);
}

static void broken_runtime_is_one_line_of_the_list(void)
{
	char path[300], etc[320];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/config/corral/runtimes", session_dir);
	run_argv(&said, ARGS("mkdir", "-p", path));
	(void)snprintf(etc, sizeof(etc), "%s/bad.json", path);
	f = fopen(etc, "we");
	assert_non_null(f);
	(void)fputs("{\"packages\":7}", f);
	(void)fclose(f);
	(void)snprintf(path, sizeof(path), "%s/config", session_dir);
	assert_int_equal(setenv("XDG_CONFIG_HOME", path, 1), 0);
	CORRAL(&said, "runtime", "list");
	assert_status(&said, 0);
	assert_says(said.out, "broken: packages: ");
	assert_says(said.out, "\nhost ");
	CORRAL(&said, "plan", "--runtime", "host", "true");
	assert_status(&said, 0);
	CORRAL(&said, "plan", "--runtime", "bad", "true");
	assert_error(&said, "bad.json: packages: ");
	assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
	run_argv(&said, ARGS("rm", "-r", path));
}

static void wrong_words_are_told_with_a_way_out(void)
{
	assert_session_error("corral session list --root /", "show", "nobody");
	assert_session_error("are expected", "create", "a/b");
	assert_session("one\n", "create", "one");
	assert_session_error("is there already", "create", "one");
	assert_session_error("is of runtime 'host', not 'go'", "exec", "--runtime", "go", "one",
	                     "--", "true");
	assert_session_error("stand before all else", "exec", "one", "--idle", "5", "true");
	assert_session_error("see corral session list --help\n", "list", "-a");
	CORRAL(&said, "ls", "--session", "one");
	assert_error(&said, "corral session exec one true wakes a session");
	CORRAL(&said, "session", "stop");
	assert_error(&said, "write corral session hibernate");
	CORRAL(&said, "session", "list", "--root", "/proc/none");
	assert_error(&said, "name another directory with --root");
}

static void others_sessions_are_refused(void)
{
	pid_t pid;

	if (!is_root()) {
		skip_without_root("another user");
		return;
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(2);
		(void)execl(CORRAL_BINARY, "corral", "session", "list", "--root", session_root,
		            (char *)NULL);
		_exit(3);
	}
	assert_int_equal(status_of(pid), 125);
}

static void nothing_is_left(void)
{
	session_nothing_left();
}

/* usage: real.test_session_cli [PATTERN] */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(files_stay_and_the_sandbox_does_not),
		SESSION_TEST(one_whose_id_nobody_could_read_does_not_stay),
		SESSION_TEST(disk_that_cannot_be_limited_is_no_session),
		SESSION_TEST(killed_holder_loses_nothing),
		SESSION_TEST(commands_are_as_those_of_exec),
		SESSION_TEST(first_use_by_many_at_once_makes_one),
		SESSION_TEST(running_commands_are_ended_by_force_alone),
		SESSION_TEST(idle_session_hibernates_by_itself),
		SESSION_TEST(files_are_copied_in_and_out),
		SESSION_TEST(each_command_has_a_sandbox_of_its_own_where_its_runtime_says_so),
		SESSION_TEST(shell_without_a_terminal_ends_with_its_input),
		SESSION_TEST(one_id_in_two_places_is_never_guessed),
		SESSION_TEST(limits_said_at_first_are_kept),
		SESSION_TEST(session_that_could_not_begin_is_not_there),
		SESSION_TEST(who_looks_makes_nothing),
		SESSION_TEST(terminal_is_told_of_a_new_one),
		SESSION_TEST(broken_runtime_is_one_line_of_the_list),
		SESSION_TEST(wrong_words_are_told_with_a_way_out),
		SESSION_TEST(others_sessions_are_refused),
		SESSION_TEST(nothing_is_left),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, session_setup, session_teardown);
}
