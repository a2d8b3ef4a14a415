/* Background processes and terminals in a container. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/docker/sandbox_support.h"

static struct corral_docker_options own_options(void)
{
	return (struct corral_docker_options) { 0 };
}

CHECKED(background_processes_outlive_the_call)
CHECKED(terminal_is_a_terminal)
CHECKED(terminal_is_resized_and_signalled)

static void pause_holds_everything_and_usage_is_told(void **state)
{
	struct fixture *f = *state;

	if (!missing(f))
		assert_true(check_pause_holds_everything_and_usage_is_told(&f->on));
}

static unsigned long number_of(const struct corral_background *g)
{
	return strtoul(g->shell_id + 3, NULL, 10);
}

static void background_process_has_its_pid_inside(void **state)
{
	struct fixture *f = *state;
	struct corral_background g;
	char line[80], wanted[16];

	if (missing(f))
		return;
	OK(f, corral_backend_background_start(f->on.b, "exec sleep 100", &g, &f->on.err));
	assert_true(g.pid > 1);
	(void)snprintf(line, sizeof(line), "cut -d' ' -f1 /proc/%d/stat; kill -9 %d", g.pid, g.pid);
	(void)snprintf(wanted, sizeof(wanted), "%d\n", g.pid);
	assert_shell(&f->on, line, 0, wanted);
}

static void wait_ended(struct fixture *f, struct corral_background *g)
{
	struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT;
	char id[CORRAL_SHELL_ID_SIZE];

	memcpy(id, g->shell_id, sizeof(id));
	for (int ms = 0; ms < PATIENCE_MS && g->running; ms += 10) {
		nap(10);
		OK(f, corral_backend_background_read(f->on.b, id, &a, &b, g, &f->on.err));
	}
	corral_buf_done(&a);
	corral_buf_done(&b);
	assert_false(g->running);
}

/* With all that it started, in whatever session that is. */
static void kill_ends_the_whole_tree(void **state)
{
	struct fixture *f = *state;
	struct corral_background g;

	if (missing(f))
		return;
	OK(f, corral_backend_background_start(f->on.b,
	                                      "trap '' TERM; (setsid sleep 4718 &); sleep 4718", &g,
	                                      &f->on.err));
	nap(200);
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[8]'",
	             0, "1\n");
	assert_int_equal(corral_backend_background_kill(f->on.b, g.shell_id, &f->on.err), 1);
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[8]'",
	             1, "0\n");
	wait_ended(f, &g);
	assert_true(g.has_exit_code);
	assert_int_equal(g.exit_code, -SIGKILL);
}

/* What it wrote is in files of the guest's: a guest that meddles with them hurts itself. */
static void output_that_the_guest_takes_away_is_no_output(void **state)
{
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_background g;
	char id[CORRAL_SHELL_ID_SIZE];

	if (missing(f))
		return;
	OK(f, corral_backend_background_start(f->on.b, "echo first; sleep 100", &g, &f->on.err));
	memcpy(id, g.shell_id, sizeof(id));
	for (int ms = 0; ms < PATIENCE_MS && out.len < 6; ms += 10) {
		OK(f, corral_backend_background_read(f->on.b, id, &out, &err_out, &g, &f->on.err));
		nap(10);
	}
	assert_text(&out, "first\n");
	corral_buf_done(&out);
	assert_shell(&f->on, "for f in /tmp/.corral-*/*.out; do : >$f; done", 0, "");
	OK(f, corral_backend_background_read(f->on.b, id, &out, &err_out, &g, &f->on.err));
	assert_int_equal(out.len, 0);
	assert_shell(&f->on, "rm -r /tmp/.corral-*", 0, "");
	OK(f, corral_backend_background_read(f->on.b, id, &out, &err_out, &g, &f->on.err));
	assert_int_equal(out.len, 0);
	assert_true(g.running);
	assert_int_equal(corral_backend_background_kill(f->on.b, id, &f->on.err), 1);
	/* And another finds its place again. */
	OK(f, corral_backend_background_start(f->on.b, "echo second", &g, &f->on.err));
	memcpy(id, g.shell_id, sizeof(id));
	wait_ended(f, &g);
	assert_int_equal(g.exit_code, 0);
	corral_buf_done(&out);
	corral_buf_done(&err_out);
}

static void background_ends_with_the_sandbox_and_ids_go_on(void **state)
{
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_background g, after;
	struct corral_background_list list = { 0 };
	struct corral_backend *b;

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { 0 });
	OK(f, corral_backend_background_start(b, "sleep 100", &g, &f->on.err));
	assert_string_equal(g.shell_id, "bg_1");
	OK(f, corral_backend_end(b, &f->on.err));
	assert_false(corral_backend_is_alive(b));
	FAILS(f, corral_backend_background_read(b, g.shell_id, &out, &err_out, &g, &f->on.err),
	      ESRCH, "No such background shell: bg_1");
	OK(f, corral_backend_background_list(b, &list, &f->on.err));
	assert_int_equal(list.n, 0);
	assert_int_equal(corral_backend_background_kill(b, "bg_1", &f->on.err), 0);
	assert_false(corral_backend_is_alive(b));
	OK(f, corral_backend_background_start(b, "sleep 100", &after, &f->on.err));
	assert_int_equal(number_of(&after), 2);
	OK(f, corral_backend_background_kill_all(b, &f->on.err));
	corral_background_list_done(&list);
	corral_buf_done(&out);
	corral_buf_done(&err_out);
}

static void closing_a_terminal_ends_what_runs_on_it(void **state)
{
	char *const argv[] = {
		(char *)"sh", (char *)"-c",
		(char *)"trap '' HUP TERM; echo ready; (setsid sleep 4719 &); sleep 4719", NULL
	};
	const struct corral_terminal_options o = { .argv = argv, .rows = 24, .cols = 80 };
	struct fixture *f = *state;
	struct corral_terminal *t = NULL;
	int status = -1;

	if (missing(f))
		return;
	OK(f, corral_backend_terminal_open(f->on.b, &o, &t, &f->on.err));
	read_until(t, "ready");
	assert_int_equal(corral_terminal_wait(t, 100, &status, &f->on.err), -ETIMEDOUT);
	corral_terminal_close(t);
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[9]'",
	             1, "0\n");
}

static void terminal_without_a_program_is_the_shell(void **state)
{
	char *const env[] = { (char *)"WHO=terminal", NULL };
	const struct corral_terminal_options o = {
		.rows = 24, .cols = 80, .env = env, .guest_dir = "/usr"
	};
	static const char line[] = "echo $WHO $KEEP $PWD; kill -9 $$\n";
	struct fixture *f = *state;
	struct corral_terminal *t = NULL;
	int status = -1;

	if (missing(f))
		return;
	OK(f, corral_backend_terminal_open(f->on.b, &o, &t, &f->on.err));
	assert_int_equal(write(corral_terminal_fd(t), line, sizeof(line) - 1), sizeof(line) - 1);
	read_until(t, "terminal yes /usr");
	assert_int_equal(corral_terminal_wait(t, PATIENCE_MS, &status, &f->on.err), 0);
	assert_int_equal(status, 137);
	corral_terminal_close(t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(background_processes_outlive_the_call),
		ROW(background_process_has_its_pid_inside),
		ROW(kill_ends_the_whole_tree),
		ROW(output_that_the_guest_takes_away_is_no_output),
		ROW(background_ends_with_the_sandbox_and_ids_go_on),
		ROW(pause_holds_everything_and_usage_is_told),
		ROW(terminal_is_a_terminal),
		ROW(terminal_is_resized_and_signalled),
		ROW(closing_a_terminal_ends_what_runs_on_it),
		ROW(terminal_without_a_program_is_the_shell),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, all_setup, all_teardown);
}
