/* kernel/files/glob.c and find.c: the one dialect, and the walk that follows it. */
#include "tests/unit/files/files_support.h"

#include <time.h>

#include "kernel/files/glob.h"

static bool matches(const char *pattern, const char *path)
{
	struct files_glob *g;
	bool yes;

	assert_int_equal(files_glob_compile(pattern, 0, &g, NULL), 0);
	yes = files_glob_path(g, path);
	files_glob_free(g);
	return yes;
}

static void stars_stay_within_a_segment(void **state)
{
	(void)state;
	assert_true(matches("*.c", "a.c"));
	assert_false(matches("*.c", "d/a.c"));
	assert_true(matches("d/*.c", "d/a.c"));
	assert_true(matches("a*b*c", "aXbXbc"));
	assert_false(matches("a*b*c", "aXbXb"));
	assert_true(matches("?", "\xc3\xa9"));
	assert_true(matches("?", "\xff"));
	assert_false(matches("?", "ab"));
	assert_true(matches("/a", "a"));
	assert_true(matches("./a/./b", "a/b"));
}

static void double_star_is_zero_or_more_directories(void **state)
{
	(void)state;
	assert_true(matches("**/*.c", "a.c"));
	assert_true(matches("**/*.c", "x/y/a.c"));
	assert_true(matches("x/**/a.c", "x/a.c"));
	assert_true(matches("x/**/y/**/a.c", "x/1/y/2/3/a.c"));
	assert_false(matches("x/**/y/**/a.c", "x/1/2/3/a.c"));
	assert_true(matches("x/**", "x/1/2"));
	assert_false(matches("x/**", "x"));
	assert_true(matches("**", "a"));
	assert_true(matches("**/b/**/c", "a/b/a/b/c"));
	/* Not a whole segment: as one star. */
	assert_true(matches("a**c", "abc"));
	assert_false(matches("a**c", "a/c"));
}

static void classes_negate_and_range(void **state)
{
	(void)state;
	assert_true(matches("[a-c]x", "bx"));
	assert_false(matches("[a-c]x", "dx"));
	assert_true(matches("[!a-c]x", "dx"));
	assert_false(matches("[!a]x", "ax"));
	assert_true(matches("[^a]x", "bx"));
	assert_true(matches("[]a]", "]"));
	assert_true(matches("[a-]", "-"));
	assert_true(matches("[\\]]", "]"));
	assert_true(matches("[\xc3\xa0-\xc3\xaf]", "\xc3\xa9"));
	/* Malformed: itself. */
	assert_true(matches("[a", "[a"));
	assert_true(matches("[!", "[!"));
	assert_true(matches("\\*", "*"));
	assert_false(matches("\\*", "a"));
	assert_true(matches("a\\", "a\\"));
}

static void braces_nest_and_malformed_ones_are_themselves(void **state)
{
	(void)state;
	assert_true(matches("*.{js,ts}", "a.ts"));
	assert_false(matches("*.{js,ts}", "a.rs"));
	assert_true(matches("{a,b{c,d{e,f}}}", "bdf"));
	assert_true(matches("{a,b{c,d{e,f}}}", "bc"));
	assert_false(matches("{a,b{c,d{e,f}}}", "b"));
	assert_true(matches("{src,lib/x}/*.c", "lib/x/a.c"));
	assert_true(matches("a{,b}", "a"));
	assert_true(matches("a{,b}", "ab"));
	assert_true(matches("{a}", "{a}"));
	assert_true(matches("{a,b", "{a,b"));
	assert_true(matches("a}", "a}"));
	assert_true(matches("\\{a,b}", "{a,b}"));
	assert_true(matches("[{]a,b}", "{a,b}"));
}

static void wildcards_match_no_leading_dot(void **state)
{
	struct files_glob *g;

	(void)state;
	assert_false(matches("*", ".a"));
	assert_false(matches("?a", ".a"));
	assert_false(matches("[.]a", ".a"));
	assert_true(matches(".*", ".a"));
	assert_true(matches("\\.a", ".a"));
	assert_false(matches("**/a", ".d/a"));
	assert_true(matches("**/.d/a", "x/.d/a"));
	assert_int_equal(files_glob_compile("**/*", FILES_GLOB_HIDDEN, &g, NULL), 0);
	assert_true(files_glob_path(g, ".d/.a"));
	files_glob_free(g);
}

static void impossible_patterns_are_refused(void **state)
{
	struct corral_error err = { 0 };
	struct files_glob *g;
	char many[300] = "";

	(void)state;
	assert_int_equal(files_glob_compile("", 0, &g, &err), -EINVAL);
	assert_string_equal(err.text, "Unacceptable pattern: ''");
	assert_int_equal(files_glob_compile("/", 0, &g, &err), -EINVAL);
	assert_int_equal(files_glob_compile("a/../b", 0, &g, &err), -EINVAL);
	for (size_t i = 0; i < 11; i++)
		memcpy(many + 5 * i, "{a,b}", 6);
	assert_int_equal(files_glob_compile(many, 0, &g, &err), -E2BIG);
	assert_non_null(strstr(err.text, "has too many alternatives"));
	many[50] = '\0';
	assert_int_equal(files_glob_compile(many, 0, &g, &err), 0);
	assert_int_equal(g->n, 1024);
	files_glob_free(g);
	/* Deep rather than many: as much a danger to the stack. */
	for (size_t i = 0; i < 65; i++)
		tree_put(many + 3 * i, "{a,");
	memset(many + 195, '}', 65);
	many[260] = '\0';
	assert_int_equal(files_glob_compile(many, 0, &g, &err), -E2BIG);
	many[259] = '\0';
	assert_int_equal(files_glob_compile(many, 0, &g, &err), 0);
	assert_int_equal(g->n, 65);
	files_glob_free(g);
}

static void many_stars_take_no_time(void **state)
{
	/* Of the processor's: others may have that meanwhile. */
	clock_t began = clock();
	char pattern[401], name[256], path[2001];

	(void)state;
	for (size_t i = 0; i < 200; i++)
		memcpy(pattern + 2 * i, "a*", 3);
	pattern[399] = 'b';
	memset(name, 'a', 255);
	name[255] = '\0';
	assert_false(matches(pattern, name));
	for (size_t i = 0; i < 133; i++)
		memcpy(pattern + 3 * i, "**/", 4);
	pattern[398] = 'b';
	for (size_t i = 0; i < 1000; i++)
		memcpy(path + 2 * i, "a/", 3);
	path[1999] = '\0';
	assert_false(matches(pattern, path));
	/* Braces that never close, before some that do, and brackets likewise. */
	memset(path, '{', 1900);
	for (size_t i = 0; i < 10; i++)
		tree_put(path + 1900 + 5 * i, "{a,b}");
	path[1950] = '\0';
	assert_false(matches(path, "x"));
	memset(path, '[', 1950);
	assert_false(matches(path, name));
	assert_true(clock() - began < CLOCKS_PER_SEC);
}

static char *found(struct tree *t, const struct corral_files *f, const char *pattern,
                   const char *path, unsigned int flags)
{
	struct corral_files_rows rows = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;

	if (corral_files_glob(f, pattern, path, flags, NULL, &rows, &t->err) < 0)
		return strdup(t->err.text);
	for (size_t i = 0; i < rows.n; i++) {
		corral_buf_str(&b, rows.rows[i].path);
		corral_buf_str(&b, " ");
	}
	corral_files_rows_done(&rows);
	return corral_buf_take(&b);
}

static void assert_found(struct tree *t, const char *pattern, const char *path, unsigned int flags,
                         const char *expected)
{
	const struct corral_files *views[] = { t->open, t->confined, t->walked };

	for (size_t i = 0; i < CORRAL_COUNT(views); i++) {
		char *got = found(t, views[i], pattern, path, flags);
		char *names = found(t, views[i], pattern, path, flags | CORRAL_FILES_NAMES);

		assert_string_equal(got, expected);
		assert_string_equal(names, expected);
		free(got);
		free(names);
	}
}

static void fill(struct tree *t)
{
	tree_text(t, "a.py", "1");
	tree_make(t, "", "b.js", ".h.py", "src/", "src/a.py", "src.py", "src/deep/",
	          "src/deep/x.ts", ".hid/", ".hid/h.py");
	tree_link(t, "..", "src/up");
	tree_link(t, "src", "link");
	tree_link(t, "a.py", "l.py");
	tree_link(t, "gone", "d.py");
	assert_int_equal(mkfifoat(t->fd, "fifo.py", 0644), 0);
}

static void files_are_found_sorted_by_path(void **state)
{
	struct tree *t = *state;

	fill(t);
	assert_found(t, "*.py", "", 0, "a.py l.py src.py ");
	assert_found(t, "**/*.py", ".", 0, "a.py l.py src.py src/a.py ");
	assert_found(t, "**/*.{js,ts}", "/", 0, "b.js src/deep/x.ts ");
	assert_found(t, "*.py", "src", 0, "src/a.py ");
	assert_found(t, "*.py", "./src/", 0, "./src/a.py ");
	assert_found(t, "src", "", 0, "");
	assert_found(t, "src/**", "", 0, "src/a.py src/deep/x.ts ");
	assert_found(t, "*.py", "", CORRAL_FILES_HIDDEN, ".h.py a.py l.py src.py ");
	assert_found(t, "**/h.py", "", CORRAL_FILES_HIDDEN, ".hid/h.py ");
	assert_found(t, ".hid/*", "", 0, ".hid/h.py ");
	/* A named link is gone through, "**" goes through none. */
	assert_found(t, "link/*.py", "", 0, "link/a.py ");
	assert_found(t, "*/a.py", "", 0, "link/a.py src/a.py ");
	assert_found(t, "none/*", "", 0, "");
	assert_found(t, "*", "none", 0, "File 'none' not found");
}

static void names_alone_are_not_looked_at(void **state)
{
	struct tree *t = *state;
	struct corral_files_rows rows = { 0 };

	fill(t);
	assert_int_equal(corral_files_glob(t->confined, "{a,l}.py", "", CORRAL_FILES_NAMES, NULL,
	                                   &rows, &t->err),
	                 0);
	assert_int_equal(rows.n, 2);
	for (size_t i = 0; i < rows.n; i++) {
		const struct corral_files_stat *st = &rows.rows[i].stat;

		assert_int_equal(st->type, CORRAL_FILES_REGULAR);
		assert_int_equal(st->is_link, i == 1);
		assert_int_equal(st->size, 0);
		assert_int_equal(st->mtime_nsec, 0);
	}
	corral_files_rows_done(&rows);
}

static void unreadable_directory_is_passed_over(void **state)
{
	struct tree *t = *state;
	struct corral_files_rows rows = { 0 };

	fill(t);
	assert_int_equal(fchmodat(t->fd, "src", 0, 0), 0);
	assert_int_equal(fchmodat(t->fd, ".", 0755, 0), 0);
	be_nobody();
	assert_int_equal(corral_files_glob(t->open, "**/*.js", "", 0, NULL, &rows, &t->err), 0);
	be_oneself();
	assert_int_equal(fchmodat(t->fd, "src", 0755, 0), 0);
	assert_int_equal(rows.n, 1);
	assert_true(rows.incomplete);
	corral_files_rows_done(&rows);
}

#ifndef TREE_FILES
#define TREE_FILES 20000
#endif

static void large_tree_is_found_and_can_be_stopped(void **state)
{
	struct tree *t = *state;
	struct corral_files_rows rows = { 0 };
	struct corral_files_stop stop = { .deadline_nsec = 1 };
	char name[64];

	/* Names of one file: an inode each would only cost time. */
	tree_text(t, "one", "x");
	for (int i = 0; i < TREE_FILES; i++) {
		(void)snprintf(name, sizeof(name), "d%03d", i / 100);
		if (i % 100 == 0)
			tree_dir(t, name);
		(void)snprintf(name, sizeof(name), "d%03d/f%d", i / 100, i);
		assert_int_equal(linkat(t->fd, "one", t->fd, name, 0), 0);
	}
	assert_int_equal(corral_files_glob(t->confined, "**", "", 0, NULL, &rows, &t->err), 0);
	assert_int_equal(rows.n, TREE_FILES + 1);
	assert_false(rows.truncated || rows.incomplete);
	corral_files_rows_done(&rows);
	assert_int_equal(corral_files_glob(t->confined, "**", "", 0, &stop, &rows, &t->err),
	                 -ETIMEDOUT);
	assert_string_equal(t->err.text, "timed out");
	assert_int_equal(corral_files_remove(t->open, "d000", CORRAL_FILES_RECURSIVE, NULL,
	                                     &t->err),
	                 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stars_stay_within_a_segment),
		cmocka_unit_test(double_star_is_zero_or_more_directories),
		cmocka_unit_test(classes_negate_and_range),
		cmocka_unit_test(braces_nest_and_malformed_ones_are_themselves),
		cmocka_unit_test(wildcards_match_no_leading_dot),
		cmocka_unit_test(impossible_patterns_are_refused),
		cmocka_unit_test(many_stars_take_no_time),
		tree_test(files_are_found_sorted_by_path),
		tree_test(names_alone_are_not_looked_at),
		tree_test(unreadable_directory_is_passed_over),
		tree_test(large_tree_is_found_and_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
