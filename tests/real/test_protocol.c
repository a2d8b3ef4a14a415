/*
 * The parts of a backend's protocol that agents ask for less often: whole trees from one sandbox
 * into another, streams into files, terminals that are resized and signalled, and what a backend
 * says of itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "policy/config.h"
#include "tests/support.h"

#include "tests/sandbox_checks.h"

struct fixture {
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct checked on;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct corral_config *c = corral_config_new();
	const struct corral_native_options named = { .id = "the-first" };

	assert_non_null(f);
	assert_non_null(c);
	if (corral_policy_compile(c, NULL, &f->policy, &f->on.err) < 0)
		fail_msg("%s", f->on.err.text);
	corral_config_free(c);
	if (corral_launcher_open(0, &f->launcher, &f->on.err) == 0) {
		assert_int_equal(corral_native_sandbox_new(f->launcher, f->policy, &named, &f->on.b,
		                                           &f->on.err),
		                 0);
		assert_int_equal(corral_native_sandbox_new(f->launcher, f->policy, NULL,
		                                           &f->on.other, &f->on.err),
		                 0);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->on.b);
	corral_backend_close(f->on.other);
	if (f->launcher)
		corral_launcher_close(f->launcher);
	corral_policy_free(f->policy);
	free(f);
	return 0;
}

static bool missing(const struct fixture *f)
{
	if (!f->launcher)
		corral_test_skip("native isolation: %s", f->on.err.text);
	return !f->launcher;
}

static void it_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	int64_t before;

	if (missing(f))
		return;
	assert_string_equal(corral_backend_kind(f->on.b), "native");
	assert_string_equal(corral_backend_id(f->on.b), "the-first");
	assert_int_equal(strlen(corral_backend_id(f->on.other)), 36);
	before = corral_backend_last_activity_ms(f->on.b);
	assert_false(corral_backend_is_alive(f->on.b));
	assert_shell(&f->on, "sleep 0.02", 0, "");
	assert_true(corral_backend_is_alive(f->on.b));
	assert_true(corral_backend_last_activity_ms(f->on.b) >= before + 20);
	assert_int_equal(corral_backend_busy(f->on.b), 0);
}

static void background_process_has_its_pid_inside(void **state)
{
	struct fixture *f = *state;
	struct corral_background bg;
	char line[64], wanted[16];

	if (missing(f))
		return;
	if (corral_backend_background_start(f->on.b, "exec sleep 100", &bg, &f->on.err) < 0)
		fail_msg("%s", f->on.err.text);
	/* Under a supervisor that is the sandbox's second process. */
	assert_true(bg.pid > 1 && bg.pid < 100);
	(void)snprintf(line, sizeof(line), "cut -d' ' -f1 /proc/%d/stat; kill -9 %d", bg.pid,
	               bg.pid);
	(void)snprintf(wanted, sizeof(wanted), "%d\n", bg.pid);
	assert_shell(&f->on, line, 0, wanted);
}

/* Of tests/sandbox_checks.h. */
CHECKED(directories_are_made_and_looked_at)
CHECKED(stream_becomes_a_file_or_nothing)
CHECKED(tree_goes_from_one_sandbox_into_another)
CHECKED(terminal_is_resized_and_signalled)

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(it_says_what_it_is),
		ROW(background_process_has_its_pid_inside),
		ROW(directories_are_made_and_looked_at),
		ROW(stream_becomes_a_file_or_nothing),
		ROW(tree_goes_from_one_sandbox_into_another),
		ROW(terminal_is_resized_and_signalled),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
