/* Whose a path is, and that nobody sees that there are several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/composite.h"
#include "backends/sandbox.h"
#include "backends/state.h"
#include "kernel/base/cleanup.h"

/* Everything, /a, /a/b/c and /x. */
struct fixture {
	struct corral_backend *b, *all, *a, *abc, *x;
	struct corral_error err;
};

#define OK(f, call)                                               \
	do {                                                      \
		if ((call) < 0)                                   \
			fail_msg("%s: %s", #call, (f)->err.text); \
	} while (0)

#define FAILS(f, call, number, words)                                         \
	do {                                                                  \
		memset(&(f)->err, 0, sizeof((f)->err));                       \
		assert_int_equal((call), -(number));                          \
		if (!strstr((f)->err.text, (words)))                          \
			fail_msg("'%s' has no '%s'", (f)->err.text, (words)); \
	} while (0)

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	OK(f, corral_state_backend_new(NULL, &f->all, &f->err));
	OK(f, corral_state_backend_new(NULL, &f->a, &f->err));
	OK(f, corral_state_backend_new(NULL, &f->abc, &f->err));
	OK(f, corral_state_backend_new(NULL, &f->x, &f->err));
	{
		const struct corral_composite_route routes[] = {
			{ "/a/", f->a },
			{ "a//b/./c", f->abc },
			{ "/x", f->x },
		};
		const struct corral_composite_options o = { "an-id", f->all, routes, 3 };

		OK(f, corral_composite_backend_new(&o, &f->b, &f->err));
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->b);
	corral_backend_close(f->all);
	corral_backend_close(f->a);
	corral_backend_close(f->abc);
	corral_backend_close(f->x);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *path)
{
	OK(f, corral_backend_write(f->b, path, "text\n", 5, &f->err));
}

/* The rows' paths with spaces between; directories end with a slash. */
static void assert_rows(struct corral_files_rows *rows, const char *wanted)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	for (size_t i = 0; i < rows->n; i++)
		corral_buf_fmt(&b, "%s%s%s", i ? " " : "", rows->rows[i].path,
		               rows->rows[i].stat.type == CORRAL_FILES_DIRECTORY ? "/" : "");
	assert_string_equal(b.data ? b.data : "", wanted);
	corral_buf_done(&b);
	corral_files_rows_done(rows);
}

static void assert_ls(struct fixture *f, const char *path, const char *wanted)
{
	struct corral_files_rows rows = { 0 };

	OK(f, corral_backend_ls(f->b, path, &rows, &f->err));
	assert_rows(&rows, wanted);
}

static void assert_glob(struct fixture *f, const char *pattern, const char *path,
                        const char *wanted)
{
	struct corral_files_rows rows = { 0 };

	OK(f, corral_backend_glob(f->b, pattern, path, 0, &rows, &f->err));
	assert_rows(&rows, wanted);
}

static void assert_grep(struct fixture *f, const char *path, const char *glob, unsigned int flags,
                        uint64_t max, const char *wanted)
{
	const struct corral_files_grep grep = {
		.pattern = "tex", .path = path, .glob = glob, .flags = flags, .max_matches = max
	};
	struct corral_files_matches found = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;

	OK(f, corral_backend_grep(f->b, &grep, &found, &f->err));
	for (size_t i = 0; i < found.n; i++)
		corral_buf_fmt(&b, "%s%s", i ? " " : "", found.matches[i].path);
	assert_string_equal(b.data ? b.data : "", wanted);
	corral_buf_done(&b);
	corral_files_matches_done(&found);
}

static void longest_prefix_decides(void **state)
{
	struct fixture *f = *state;

	put(f, "/f");
	put(f, "/abc");
	put(f, "/a/f");
	put(f, "/a/b/f");
	put(f, "/a/b/c/f");
	put(f, "a/b/cd");
	put(f, "x/~tilde");
	assert_true(corral_backend_exists(f->all, "/f"));
	assert_true(corral_backend_exists(f->all, "/abc"));
	assert_true(corral_backend_exists(f->a, "/f"));
	assert_true(corral_backend_exists(f->a, "/b/f"));
	assert_true(corral_backend_exists(f->a, "/b/cd"));
	assert_true(corral_backend_exists(f->abc, "/f"));
	assert_true(corral_backend_exists(f->x, "/~tilde"));
	assert_true(corral_backend_exists(f->b, "/x/~tilde"));
	assert_string_equal(corral_backend_id(f->b), "an-id");
	assert_string_equal(corral_backend_kind(f->b), "composite");
	assert_int_equal(corral_backend_busy(f->a), 0);
}

static void listings_show_routes_as_directories(void **state)
{
	struct corral_files_stat st;
	struct fixture *f = *state;

	assert_ls(f, "/", "/a/ /x/");
	assert_ls(f, "/a/b", "/a/b/c/");
	put(f, "/f");
	put(f, "/a/f");
	put(f, "/a/b/f");
	/* What the backend above has in a route's place is hidden. */
	OK(f, corral_backend_write(f->all, "/a", "hidden", 6, &f->err));
	OK(f, corral_backend_write(f->all, "/x/hidden", "hidden", 6, &f->err));
	assert_ls(f, ".", "/a/ /x/ /f");
	assert_ls(f, "/a", "/a/b/ /a/f");
	assert_ls(f, "/a/b/", "/a/b/c/ /a/b/f");
	assert_ls(f, "/x", "");
	assert_ls(f, "/a/f", "/a/f");
	OK(f, corral_backend_stat(f->b, "/a", 0, &st, &f->err));
	assert_int_equal(st.type, CORRAL_FILES_DIRECTORY);
	OK(f, corral_backend_stat(f->b, "/x", 0, &st, &f->err));
	assert_false(corral_backend_exists(f->b, "/a"));
	assert_false(corral_backend_exists(f->b, "/x/hidden"));
}

static void searches_go_through_all_beneath(void **state)
{
	struct fixture *f = *state;

	put(f, "/f.md");
	put(f, "/a/f.md");
	put(f, "/a/b/g.txt");
	put(f, "/a/b/c/f.md");
	put(f, "/a/b/c/.h.md");
	put(f, "/x/f.md");
	OK(f, corral_backend_write(f->all, "/x/hidden.md", "text", 4, &f->err));
	assert_glob(f, "**/*.md", "/", "/a/b/c/f.md /a/f.md /f.md /x/f.md");
	assert_glob(f, "*.md", "/", "/f.md");
	assert_glob(f, "a/**", "", "/a/b/c/f.md /a/b/g.txt /a/f.md");
	assert_glob(f, "{a,x}/*.md", ".", "/a/f.md /x/f.md");
	assert_glob(f, "**/*.md", "/a/b", "/a/b/c/f.md");
	assert_glob(f, "**", "/x", "/x/f.md");
	assert_grep(f, "/", NULL, 0, 0,
	            "/a/b/c/.h.md /a/b/c/f.md /a/b/g.txt /a/f.md /f.md /x/f.md");
	assert_grep(f, NULL, "*.md", CORRAL_FILES_IGNORE_HIDDEN, 0,
	            "/a/b/c/f.md /a/f.md /f.md /x/f.md");
	assert_grep(f, "/a", "b/**", 0, 0, "/a/b/c/.h.md /a/b/c/f.md /a/b/g.txt");
	assert_grep(f, "/a/b", "c/f.md", 0, 0, "/a/b/c/f.md");
	assert_grep(f, "/", NULL, 0, 2, "/a/b/c/.h.md /a/b/c/f.md");
	assert_grep(f, "/a/f.md", NULL, 0, 0, "/a/f.md");
}

static void hidden_routes_are_passed_over(void **state)
{
	struct fixture *f = *state;
	const struct corral_composite_route routes[] = { { "/.mem", f->a } };
	const struct corral_composite_options o = { NULL, f->all, routes, 1 };
	struct corral_backend *b = f->b;

	OK(f, corral_composite_backend_new(&o, &f->b, &f->err));
	put(f, "/f");
	put(f, "/.mem/f");
	assert_grep(f, "/", NULL, CORRAL_FILES_IGNORE_HIDDEN, 0, "/f");
	assert_grep(f, "/.mem", NULL, CORRAL_FILES_IGNORE_HIDDEN, 0, "/.mem/f");
	assert_glob(f, "**", "/", "/f");
	corral_backend_close(f->b);
	f->b = b;
}

static void errors_have_the_caller_s_path(void **state)
{
	const struct corral_files_grep grep = { .pattern = "x", .path = "/a/none" };
	struct corral_files_matches found = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_rows rows = { 0 };
	struct fixture *f = *state;

	FAILS(f, corral_backend_read(f->b, "/a/none", 0, 0, &b, &f->err), ENOENT,
	      "File '/a/none' not found");
	FAILS(f, corral_backend_ls(f->b, "/a//b/none/", &rows, &f->err), ENOENT,
	      "File '/a//b/none/' not found");
	FAILS(f, corral_backend_grep(f->b, &grep, &found, &f->err), ENOENT,
	      "Path '/a/none' not found");
	FAILS(f, corral_backend_write(f->b, "/a/b", "x", 1, &f->err), EISDIR,
	      "'/a/b' is a directory");
	FAILS(f, corral_backend_read(f->b, "/a/../x", 0, 0, &b, &f->err), EINVAL,
	      "Path cannot contain '..'");
}

static void nothing_moves_between_backends(void **state)
{
	struct fixture *f = *state;

	put(f, "/f");
	put(f, "/a/b/f");
	FAILS(f, corral_backend_rename(f->b, "/f", "/a/f", 0, &f->err), EOPNOTSUPP,
	      "'/f' and '/a/f' are on different file systems");
	FAILS(f, corral_backend_rename(f->b, "/a/b", "/a/z", 0, &f->err), EBUSY,
	      "'/a/b' holds other backends and stays");
	FAILS(f, corral_backend_remove(f->b, "/a/b", CORRAL_FILES_RECURSIVE, &f->err), EBUSY,
	      "holds other backends and stays");
	FAILS(f, corral_backend_remove(f->b, "/x", CORRAL_FILES_RECURSIVE, &f->err), EBUSY,
	      "'/x' is the root and stays");
	OK(f, corral_backend_rename(f->b, "/a/b/f", "/a/g", 0, &f->err));
	assert_true(corral_backend_exists(f->a, "/g"));
}

static void bad_routes_are_refused(void **state)
{
	struct fixture *f = *state;
	struct corral_composite_route routes[] = { { "/p", f->a }, { "p/", f->x } };
	struct corral_composite_options o = { NULL, f->all, routes, 2 };
	struct corral_backend *b = NULL;

	FAILS(f, corral_composite_backend_new(&o, &b, &f->err), EEXIST,
	      "route 'p/' is there twice");
	routes[1].prefix = "/";
	FAILS(f, corral_composite_backend_new(&o, &b, &f->err), EINVAL,
	      "route '/' is the root, which the fallback has");
	routes[1].prefix = "/../q";
	FAILS(f, corral_composite_backend_new(&o, &b, &f->err), EINVAL,
	      "route '/../q': Path cannot contain '..'");
	routes[1] = (struct corral_composite_route) { "/q", NULL };
	FAILS(f, corral_composite_backend_new(&o, &b, &f->err), EINVAL, "route '/q': no backend");
	o.fallback = NULL;
	FAILS(f, corral_composite_backend_new(&o, &b, &f->err), EINVAL, "no backend");
	assert_null(b);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(longest_prefix_decides),          ROW(listings_show_routes_as_directories),
		ROW(searches_go_through_all_beneath), ROW(hidden_routes_are_passed_over),
		ROW(errors_have_the_caller_s_path),   ROW(nothing_moves_between_backends),
		ROW(bad_routes_are_refused),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
