/* Backends around others: what is told of a call, and which one fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/local.h"
#include "backends/state.h"
#include "backends/wrap.h"
#include "kernel/base/cleanup.h"

struct fixture {
	struct corral_backend *inner, *b;
	char last[500];
	unsigned int n;
	struct corral_error err;
};

static void remember(void *ctx, const char *text)
{
	struct fixture *f = ctx;

	(void)snprintf(f->last, sizeof(f->last), "%s", text);
	f->n++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(corral_state_backend_new(NULL, &f->inner, &f->err), 0);
	assert_int_equal(corral_backend_trace(f->inner, remember, f, &f->b, &f->err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->b);
	corral_backend_close(f->inner);
	free(f);
	return 0;
}

static void assert_told(const struct fixture *f, const char *beginning)
{
	if (strncmp(f->last, beginning, strlen(beginning)) != 0)
		fail_msg("'%s' and not '%s'", f->last, beginning);
}

static void each_call_is_one_line_without_content(void **state)
{
	struct corral_files_grep grep = { .pattern = "pass.*", .path = "d" };
	struct corral_files_matches found = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	char path[200];

	assert_int_equal(corral_backend_write(f->b, "d/f", "password", 8, &f->err), 0);
	assert_told(f, "state: write 'd/f': ok, ");
	assert_int_equal(corral_backend_grep(f->b, &grep, &found, &f->err), 0);
	assert_told(f, "state: grep 'pass.*' d: 1 found, ");
	corral_files_matches_done(&found);
	assert_int_equal(corral_backend_read(f->b, "no\nne\x1b", 0, 0, &b, &f->err), -ENOENT);
	assert_told(f, "state: read 'no?ne?': File 'no?ne?' not found, ");
	assert_false(corral_backend_exists(f->b, "none"));
	assert_told(f, "state: exists 'none': no, ");
	assert_true(corral_backend_exists(f->b, "d/f"));
	assert_told(f, "state: exists 'd/f': ok, ");
	/* Without an error to look into as well. */
	assert_int_equal(corral_backend_read(f->b, "none", 0, 0, &b, NULL), -ENOENT);
	assert_told(f, "state: read 'none': No such file or directory, ");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(corral_backend_mkdir(f->b, path, &f->err), 0);
	assert_non_null(strstr(f->last, "xxx...': ok, "));
	assert_true(strlen(f->last) < 150);
	assert_null(strstr(f->last, "password"));
	assert_int_equal(f->n, 7);
}

static void wrapper_is_what_it_wraps(void **state)
{
	struct corral_local_options o = { .root_dir = "/tmp", .no_cgroup = true };
	const struct corral_execute x = { .command = "exit 3", .timeout_ms = 20000 };
	struct fixture *f = *state;
	struct corral_backend *local = NULL, *b = NULL;
	struct corral_executed e;

	assert_string_equal(corral_backend_kind(f->b), "state");
	assert_string_equal(corral_backend_id(f->b), corral_backend_id(f->inner));
	assert_string_equal(corral_backend_root_path(f->b), "/");
	assert_false(corral_backend_can(f->b, CORRAL_BACKEND_CAN_EXECUTE));
	assert_int_equal(corral_local_backend_new(&o, &local, &f->err), 0);
	assert_int_equal(corral_backend_trace(local, remember, f, &b, &f->err), 0);
	assert_true(corral_backend_can(b, CORRAL_BACKEND_CAN_EXECUTE));
	assert_true(corral_backend_is_alive(b));
	assert_int_equal(corral_backend_execute(b, &x, &e, &f->err), 0);
	assert_int_equal(e.exit_code, 3);
	assert_told(f, "local: execute 'exit 3': ok, ");
	corral_executed_done(&e);
	corral_backend_close(b);
	corral_backend_close(local);
}

static void only_call_n_fails(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *b = NULL;

	assert_int_equal(corral_backend_fail_nth(f->inner, 2, 0, &b, &f->err), -EINVAL);
	assert_null(b);
	assert_int_equal(corral_backend_fail_nth(f->inner, 2, ENOSPC, &b, &f->err), 0);
	assert_int_equal(corral_backend_write(b, "a", "x", 1, &f->err), 0);
	assert_int_equal(corral_backend_write(b, "b", "x", 1, &f->err), -ENOSPC);
	assert_string_equal(f->err.text, "made to fail: call 2, write");
	assert_int_equal(f->err.code, ENOSPC);
	assert_int_equal(corral_backend_write(b, "c", "x", 1, &f->err), 0);
	assert_int_equal(corral_backend_fail_count(b), 3);
	assert_false(corral_backend_exists(f->inner, "b"));
	corral_backend_fail_again(b, 1);
	assert_false(corral_backend_exists(b, "a"));
	assert_true(corral_backend_exists(b, "a"));
	corral_backend_close(b);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(each_call_is_one_line_without_content),
		ROW(wrapper_is_what_it_wraps),
		ROW(only_call_n_fails),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
