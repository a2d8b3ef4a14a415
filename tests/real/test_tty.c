/*
 * --tty: a terminal of the sandbox's own, as large as the caller's, through which a person's keys
 * arrive. The test is the person: it holds the master side of a terminal on whose slave side corral
 * runs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"

struct session {
	pid_t pid;
	int master;
	char text[8192]; /* what has been shown so far */
	size_t len;
};

static void session_start(struct session *s, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX + 1] = { CORRAL_BINARY, "run", "--tty", NULL };
	struct winsize size = { .ws_row = 33, .ws_col = 111 };
	size_t n = 3;

	memset(s, 0, sizeof(*s));
	for (; *args && n < RUN_ARGS_MAX; args++)
		argv[n++] = *args;
	s->pid = forkpty(&s->master, NULL, NULL, &size);
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		(void)alarm(RUN_DEADLINE_S);
		(void)execv(CORRAL_BINARY, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
}

/* Reads on until part has been shown, or the terminal ends. */
static bool session_shows(struct session *s, const char *part)
{
	struct pollfd pfd = { .fd = s->master, .events = POLLIN };
	char piece[sizeof(s->text)];

	while (!strstr(s->text, part)) {
		ssize_t n;

		if (s->len == sizeof(s->text) - 1 || poll(&pfd, 1, 20000) <= 0)
			return false;
		n = read(s->master, piece, sizeof(s->text) - 1 - s->len);
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++) /* lines end with \r\n on a terminal */
			if (piece[i] != '\r')
				s->text[s->len++] = piece[i];
		s->text[s->len] = '\0';
	}
	return true;
}

static void session_type(const struct session *s, const char *keys)
{
	assert_int_equal(write(s->master, keys, strlen(keys)), strlen(keys));
}

static int session_end(struct session *s)
{
	int status;

	(void)session_shows(s, "\001 never shown");
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	(void)close(s->master);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define assert_shows(s, part)                                                        \
	do {                                                                         \
		if (!session_shows((s), (part)))                                     \
			fail_msg("'%s' is not shown: '%.2000s'", (part), (s)->text); \
	} while (0)

static void terminal_is_real_and_has_the_callers_size(void **state)
{
	struct winsize size = { .ws_row = 40, .ws_col = 90 };
	struct session s;

	(void)state;
	if (!can_run())
		return;
	session_start(&s, ARGS(PROBE, "--", "/probe", "terminal"));
	assert_shows(&s, "ready=yes\n");
	assert_fact(s.text, "isatty", "111");
	assert_fact(s.text, "rows", "33");
	assert_fact(s.text, "columns", "111");
	assert_fact(s.text, "foreground", "yes");
	assert_fact(s.text, "dev_tty", "ok");
	/* Its own devpts: the first of it. */
	assert_fact(s.text, "name", "/dev/pts/0");
	assert_int_equal(ioctl(s.master, TIOCSWINSZ, &size), 0);
	assert_shows(&s, "resized=40x90\n");
	session_type(&s, "\003"); /* Ctrl-C */
	/* The echo of the key may come before the end of the line. */
	assert_shows(&s, "heard=2");
	assert_int_equal(session_end(&s), 7);
}

static void keys_arrive_and_end_of_input_ends(void **state)
{
	struct session s;

	(void)state;
	if (!can_run())
		return;
	session_start(&s, ARGS("--", "sh", "-c", "read x; echo \"<$x>\"; cat; exit 5"));
	session_type(&s, "one two\n");
	assert_shows(&s, "<one two>\n");
	session_type(&s, "three\n\004");
	assert_int_equal(session_end(&s), 5);
	assert_says(s.text, "three\nthree\n"); /* echoed, and by cat */
}

static void interrupt_kills_what_does_not_listen(void **state)
{
	struct session s;

	(void)state;
	if (!can_run())
		return;
	session_start(&s, ARGS("--", "sh", "-c", "echo ready; exec sleep 60"));
	assert_shows(&s, "ready\n");
	session_type(&s, "\003");
	assert_int_equal(session_end(&s), 128 + SIGINT);
}

static void callers_terminal_is_given_back_as_it_was(void **state)
{
	struct termios before, after;
	struct session s;
	int slave, master;

	(void)state;
	if (!can_run())
		return;
	/* A slave held open by us, so that it can be asked after the end. */
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(slave, &before), 0);
	memset(&s, 0, sizeof(s));
	s.master = master;
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0) {
		(void)setsid();
		(void)ioctl(slave, TIOCSCTTY, 0);
		for (int fd = 0; fd < 3; fd++)
			(void)dup2(slave, fd);
		(void)alarm(RUN_DEADLINE_S);
		(void)execl(CORRAL_BINARY, CORRAL_BINARY, "run", "-t", "--", "sh", "-c",
		            "stty -echo -icanon min 0; echo ready; sleep 0.1", (char *)NULL);
		_exit(99);
	}
	assert_shows(&s, "ready\n");
	assert_int_equal(waitpid(s.pid, NULL, 0), s.pid);
	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_memory_equal(&before, &after, offsetof(struct termios, c_cc));
	(void)close(slave);
	(void)close(master);
}

static void terminals_of_others_are_not_seen(void **state)
{
	struct session s;

	(void)state;
	if (!can_run())
		return;
	session_start(&s, ARGS("--", "sh", "-c", "ls -1 /dev/pts; tty; exit 3"));
	assert_int_equal(session_end(&s), 3);
	assert_says(s.text, "0\nptmx\n");
	assert_says(s.text, "/dev/pts/0\n");
	assert_null(strstr(s.text, "/dev/pts/1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_is_real_and_has_the_callers_size),
		cmocka_unit_test(keys_arrive_and_end_of_input_ends),
		cmocka_unit_test(interrupt_kills_what_does_not_listen),
		cmocka_unit_test(callers_terminal_is_given_back_as_it_was),
		cmocka_unit_test(terminals_of_others_are_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
