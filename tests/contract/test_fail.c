/*
 * What is left when call n fails: the error reaches the caller, nothing has changed, nothing is
 * told in part, and the calls after it work as ever.
 */
#include "tests/contract/backend_support.h"

/* The whole tree as text, to be compared. */
static char *state_of(struct fixture *f, struct corral_backend *b)
{
	struct corral_files_rows rows = { 0 };
	struct corral_buf text = CORRAL_BUF_INIT;

	OK(f, corral_backend_glob(b, "**", at(f, "w"), CORRAL_FILES_HIDDEN, &rows, &f->err));
	for (size_t i = 0; i < rows.n; i++) {
		corral_buf_fmt(&text, "%s: ", rows.rows[i].path);
		OK(f, corral_backend_read_bytes(b, rows.rows[i].path, 0, &text, &f->err));
		corral_buf_str(&text, "\n");
	}
	corral_files_rows_done(&rows);
	return corral_buf_take(&text);
}

static int call_write(struct fixture *f)
{
	return corral_backend_write(f->b, at(f, "w/new/c"), "c", 1, &f->err);
}

static int call_overwrite(struct fixture *f)
{
	return corral_backend_write(f->b, at(f, "w/a"), "two needles", 11, &f->err);
}

static int call_edit(struct fixture *f)
{
	const struct corral_files_edit edit = { "needle", 6, "pin", 3, true };
	uint64_t n;

	return corral_backend_edit(f->b, at(f, "w/b"), &edit, &n, &f->err);
}

static int call_read(struct fixture *f)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	int r = corral_backend_read(f->b, at(f, "w/a"), 0, 0, &b, &f->err);

	assert_int_equal(r < 0, !b.len);
	corral_buf_done(&b);
	return r;
}

static int call_read_bytes(struct fixture *f)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	int r = corral_backend_read_bytes(f->b, at(f, "w/a"), 0, &b, &f->err);

	assert_int_equal(r < 0, !b.len);
	corral_buf_done(&b);
	return r;
}

static int call_ls(struct fixture *f)
{
	struct corral_files_rows rows = { 0 };
	int r = corral_backend_ls(f->b, at(f, "w"), &rows, &f->err);

	assert_int_equal(r < 0, !rows.n);
	corral_files_rows_done(&rows);
	return r;
}

static int call_glob(struct fixture *f)
{
	struct corral_files_rows rows = { 0 };
	int r = corral_backend_glob(f->b, "**", "", 0, &rows, &f->err);

	assert_int_equal(r < 0, !rows.n);
	corral_files_rows_done(&rows);
	return r;
}

static int call_grep(struct fixture *f)
{
	const struct corral_files_grep grep = { .pattern = "." };
	struct corral_files_matches found = { 0 };
	int r = corral_backend_grep(f->b, &grep, &found, &f->err);

	assert_int_equal(r < 0, !found.n);
	corral_files_matches_done(&found);
	return r;
}

static int call_stat(struct fixture *f)
{
	struct corral_files_stat st;

	return corral_backend_stat(f->b, at(f, "w/a"), 0, &st, &f->err);
}

static int call_mkdir(struct fixture *f)
{
	return corral_backend_mkdir(f->b, at(f, "w/made"), &f->err);
}

static int call_rename(struct fixture *f)
{
	char to[512];

	(void)snprintf(to, sizeof(to), "%s", at(f, "w/moved"));
	return corral_backend_rename(f->b, at(f, "w/a"), to, 0, &f->err);
}

static int call_remove(struct fixture *f)
{
	return corral_backend_remove(f->b, at(f, "w/b"), 0, &f->err);
}

static int (*const calls[])(struct fixture *f) = {
	call_write, call_overwrite, call_edit, call_read,  call_read_bytes, call_ls,
	call_glob,  call_grep,      call_stat, call_mkdir, call_rename,     call_remove,
};
#define N_CALLS CORRAL_COUNT(calls)

static void call_n_fails_alone_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *inner = f->b, *failing = NULL;

	if (missing(f))
		return;
	OK(f, corral_backend_fail_nth(inner, 0, EIO, &failing, &f->err));
	f->b = made(f, failing);
	for (unsigned int n = 1; n <= N_CALLS + 1; n++) {
		put(f, "w/a", "needle");
		put(f, "w/b", "needle");
		corral_backend_fail_again(failing, n);
		for (unsigned int i = 1; i <= N_CALLS; i++) {
			char *before = state_of(f, inner), *after, words[64];
			int r;

			memset(&f->err, 0, sizeof(f->err));
			r = calls[i - 1](f);
			after = state_of(f, inner);
			(void)snprintf(words, sizeof(words), "made to fail: call %u, ", n);
			if (i == n) {
				assert_int_equal(r, -EIO);
				assert_int_equal(f->err.code, EIO);
				assert_non_null(strstr(f->err.text, words));
				assert_string_equal(before, after);
			} else if (r < 0) {
				fail_msg("call %u of %u: %s", i, n, f->err.text);
			}
			free(before);
			free(after);
		}
		assert_int_equal(corral_backend_fail_count(failing), N_CALLS);
		corral_backend_fail_again(failing, 0);
		OK(f, corral_backend_remove(f->b, at(f, "w"), CORRAL_FILES_RECURSIVE, &f->err));
	}
}

/* --- Behind a composite --- */

/* A composite whose backends fail, the one or the other, at their call n. */
static void make_failing(struct fixture *f, struct corral_backend *ret[2])
{
	struct corral_composite_route routes[] = { { "/memories/", NULL } };
	struct corral_composite_options o = { .routes = routes, .n_routes = 1 };

	OK(f, corral_backend_fail_nth(make_local(f), 0, EIO, &ret[0], &f->err));
	o.fallback = made(f, ret[0]);
	OK(f, corral_backend_fail_nth(f->b, 0, EIO, &ret[1], &f->err));
	routes[0].backend = made(f, ret[1]);
	OK(f, corral_composite_backend_new(&o, &f->b, &f->err));
	(void)made(f, f->b);
}

static void f09_no_part_of_an_answer_is_told(void **state)
{
	struct corral_files_grep grep = { .pattern = "x", .path = "/" };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_backend *failing[2];
	struct fixture *f = *state;

	make_failing(f, failing);
	put(f, "f", "x\n");
	put(f, "memories/f", "x\n");
	for (unsigned int i = 0; i < 2; i++) {
		corral_backend_fail_again(failing[i], 1);
		FAILS(f, corral_backend_grep(f->b, &grep, &found, &f->err), EIO,
		      "made to fail: call 1, grep");
		assert_int_equal(found.n, 0);
		corral_backend_fail_again(failing[i], 1);
		FAILS(f, corral_backend_glob(f->b, "**", "/", 0, &rows, &f->err), EIO,
		      "made to fail: call 1, glob");
		assert_int_equal(rows.n, 0);
		corral_backend_fail_again(failing[i], 0);
	}
	corral_backend_fail_again(failing[0], 1);
	FAILS(f, corral_backend_ls(f->b, "/", &rows, &f->err), EIO, "made to fail: call 1, ls");
	/* And whole again. */
	assert_ls(f, "", "memories", "f");
	assert_grep_of(f, &grep, (const char *const[]) { "f:1:x", "memories/f:1:x", NULL });
}

#ifdef CORRAL_TEST_DOCKER
#include "tests/docker/contract.h"
#endif

int main(void)
{
#ifdef CORRAL_TEST_DOCKER
	static const struct variant on_docker = { "docker", DOCKER, "", false };
	const struct CMUnitTest with_engine[] = {
		{ "docker: call_n_fails_alone_and_changes_nothing",
		  call_n_fails_alone_and_changes_nothing, fixture_setup, fixture_teardown,
		  (void *)(uintptr_t)&on_docker },
	};

	return cmocka_run_group_tests(with_engine, NULL, NULL);
#endif
	static const struct variant on_local = { "local", LOCAL, "", false };
	static const struct variant on_state = { "state", STATE, "", false };
	static const struct variant on_composite = { "composite", COMPOSITE, "", false };
	static const struct variant routed = { "composite, routed", ROUTED, "memories/", false };
	static const struct variant on_native = { "native", NATIVE, "", false };
	static const struct variant on_base = { "base", BASE, "", false };
#define ROW(words, test, variant)                                                             \
	{                                                                                     \
		words, test, fixture_setup, fixture_teardown, (void *)(uintptr_t) & (variant) \
	}
	const struct CMUnitTest tests[] = {
		ROW("local: call_n_fails_alone_and_changes_nothing",
		    call_n_fails_alone_and_changes_nothing, on_local),
		ROW("state: call_n_fails_alone_and_changes_nothing",
		    call_n_fails_alone_and_changes_nothing, on_state),
		ROW("composite: call_n_fails_alone_and_changes_nothing",
		    call_n_fails_alone_and_changes_nothing, on_composite),
		ROW("composite, routed: call_n_fails_alone_and_changes_nothing",
		    call_n_fails_alone_and_changes_nothing, routed),
		ROW("native: call_n_fails_alone_and_changes_nothing",
		    call_n_fails_alone_and_changes_nothing, on_native),
		ROW("base: call_n_fails_alone_and_changes_nothing",
		    call_n_fails_alone_and_changes_nothing, on_base),
		ROW("f09_no_part_of_an_answer_is_told", f09_no_part_of_an_answer_is_told, on_state),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
