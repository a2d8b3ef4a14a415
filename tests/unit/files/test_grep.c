/* kernel/files/grep.c, search.c, ignore.c: which files, which lines, and at what cost. */
#include "tests/unit/files/files_support.h"

#include <time.h>

static struct corral_files_matches grep(struct tree *t, const struct corral_files_grep *g)
{
	struct corral_files_matches found = { 0 };

	assert_int_equal(corral_files_grep(t->open, g, NULL, &found, &t->err), 0);
	return found;
}

/* "path:line:text|..." */
static char *shown(struct tree *t, const struct corral_files *f, const struct corral_files_grep *g)
{
	struct corral_files_matches found = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;

	if (corral_files_grep(f, g, NULL, &found, &t->err) < 0)
		return strdup(t->err.text);
	for (size_t i = 0; i < found.n; i++)
		corral_buf_fmt(&b, "%s:%d:%s|", found.matches[i].path,
		               (int)found.matches[i].line_number, found.matches[i].line);
	corral_files_matches_done(&found);
	return corral_buf_take(&b);
}

static void assert_grep(struct tree *t, const char *pattern, const char *path, const char *glob,
                        unsigned int flags, const char *expected)
{
	const struct corral_files *views[] = { t->open, t->confined, t->walked };
	struct corral_files_grep g = { pattern, path, glob, flags, 0 };

	for (size_t i = 0; i < CORRAL_COUNT(views); i++) {
		char *got = shown(t, views[i], &g);

		assert_string_equal(got, expected);
		free(got);
	}
}

static void lines_come_in_order_of_path_then_line(void **state)
{
	struct tree *t = *state;

	tree_text(t, "b", "x\nfoo 1\n\nfoo 2");
	tree_text(t, "a.c", "foo");
	tree_dir(t, "a");
	tree_text(t, "a/z", "no\nfoo\n");
	assert_grep(t, "foo", "", NULL, 0, "a.c:1:foo|a/z:2:foo|b:2:foo 1|b:4:foo 2|");
	assert_grep(t, "foo", "/", NULL, 0, "a.c:1:foo|a/z:2:foo|b:2:foo 1|b:4:foo 2|");
	assert_grep(t, "foo", "a", NULL, 0, "a/z:2:foo|");
	assert_grep(t, "foo", "./b", NULL, 0, "./b:2:foo 1|./b:4:foo 2|");
	assert_grep(t, "foo$", "", NULL, 0, "a.c:1:foo|a/z:2:foo|");
	assert_grep(t, "foo 2", NULL, NULL, 0, "b:4:foo 2|");
	assert_grep(t, "none", "", NULL, 0, "");
	assert_grep(t, "x", "gone", NULL, 0, "Path 'gone' not found");
	assert_int_equal(t->err.code, ENOENT);
}

/* Each of these, searched piece by piece, must answer as line by line. */
static void expressions_see_one_line_at_a_time(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "one\n\n  two\nthree one\n \nfour\n");
	assert_grep(t, "one\\s*two", "", NULL, 0, "");
	assert_grep(t, "one[^x]*three", "", NULL, 0, "");
	assert_grep(t, "\\s+two", "", NULL, 0, "a:3:  two|");
	assert_grep(t, "^\\s*$", "", NULL, 0, "a:2:|a:5: |");
	assert_grep(t, "[^x]*", "", NULL, 0,
	            "a:1:one|a:2:|a:3:  two|a:4:three one|a:5: |a:6:four|");
	assert_grep(t, "\\Aone", "", NULL, 0, "a:1:one|");
	assert_grep(t, "one\\z", "", NULL, 0, "a:1:one|a:4:three one|");
	assert_grep(t, "one(?!\\n)", "", NULL, 0, "a:1:one|a:4:three one|");
	assert_grep(t, "(?<!e )one", "", NULL, 0, "a:1:one|");
	assert_grep(t, "^$|four", "", NULL, 0, "a:2:|a:6:four|");
	assert_grep(t, "(?s)one.two", "", NULL, 0, "");
	assert_grep(t, "e\\s++$", "", NULL, 0, "");
	assert_grep(t, "(?i)FOUR", "", NULL, 0, "a:6:four|");
	assert_grep(t, "FOUR", "", NULL, CORRAL_FILES_IGNORE_CASE, "a:6:four|");
}

static void crlf_ends_are_not_part_of_lines(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "one\r\ntwo;\r\n");
	assert_grep(t, ";$", "", NULL, 0, "a:2:two;|");
	assert_grep(t, "one", "", NULL, 0, "a:1:one|");
}

static void characters_are_utf8_and_bytes_that_are_none_do_no_harm(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "caf\xc3\xa9\ncaf\xe9 x\n\xc3\x89t\xc3\xa9\n");
	assert_grep(t, "^caf.$", "", NULL, 0, "a:1:caf\xc3\xa9|");
	assert_grep(t, "x", "", NULL, 0, "a:2:caf\xef\xbf\xbd x|");
	assert_grep(t, "\\w{4}", "", NULL, 0, "a:1:caf\xc3\xa9|");
	assert_grep(t, "\xc3\xa9t\xc3\xa9", "", NULL, CORRAL_FILES_IGNORE_CASE,
	            "a:3:\xc3\x89t\xc3\xa9|");
	assert_grep(t, "caf.* x", "", NULL, 0, "a:2:caf\xef\xbf\xbd x|");
}

static void joined_classes_have_what_each_has(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "a\tb c\n\x01\n\t\n_\n");
	assert_grep(t, "[^[:print:][:space:]]", "", NULL, 0, "a:2:\x01|");
	assert_grep(t, "^[[:graph:]\\s]+$", "", NULL, 0, "a:1:a\tb c|a:3:\t|a:4:_|");
	assert_grep(t, "^[[:^graph:]\\w]$", "", NULL, 0, "a:2:\x01|a:3:\t|a:4:_|");
}

static void bad_expression_is_einval(void **state)
{
	struct tree *t = *state;
	struct corral_files_grep g = { "a(b", "", NULL, 0, 0 };
	struct corral_files_matches found;

	assert_int_equal(corral_files_grep(t->open, &g, NULL, &found, &t->err), -EINVAL);
	assert_string_equal(t->err.text,
	                    "Invalid regex pattern: missing closing parenthesis at position 3");
	g.pattern = "-e --help";
	assert_int_equal(corral_files_grep(t->open, &g, NULL, &found, &t->err), 0);
	corral_files_matches_done(&found);
}

static void binary_and_special_files_are_passed_over(void **state)
{
	struct tree *t = *state;

	tree_file(t, "bin", "foo\0foo\n", 8);
	tree_text(t, "a", "foo\n");
	tree_link(t, "a", "l");
	tree_link(t, ".", "loop");
	assert_int_equal(mkfifoat(t->fd, "fifo", 0644), 0);
	assert_grep(t, "foo", "", NULL, 0, "a:1:foo|");
	assert_grep(t, "foo", "bin", NULL, 0, "");
	assert_grep(t, "foo", "l", NULL, 0, "l:1:foo|");
	assert_grep(t, "foo", "loop", NULL, 0, "loop/a:1:foo|");
	assert_grep(t, "foo", "fifo", NULL, 0, "'fifo' is not a regular file");
}

static void glob_filters_by_base_name_or_path(void **state)
{
	struct tree *t = *state;

	tree_make(t, "foo", "a.py", "src/", "src/a.py", "src/a.js", "src/x/", "src/x/a.py");
	assert_grep(t, "foo", "", "*.py", 0, "a.py:1:foo|src/a.py:1:foo|src/x/a.py:1:foo|");
	assert_grep(t, "foo", "", "src/*.{py,js}", 0, "src/a.js:1:foo|src/a.py:1:foo|");
	assert_grep(t, "foo", "src", "x/*", 0, "src/x/a.py:1:foo|");
	assert_grep(t, "foo", "", "**/x/*.py", 0, "src/x/a.py:1:foo|");
}

static void hidden_and_build_directories_are_ignored_when_asked(void **state)
{
	struct tree *t = *state;
	const unsigned int hidden = CORRAL_FILES_IGNORE_HIDDEN;

	tree_make(t, "foo", ".git/", ".git/a", "build/", "build/a", "node_modules/",
	          "node_modules/a", "src/", "src/build", ".hidden");
	assert_grep(t, "foo", "", NULL, hidden, "src/build:1:foo|");
	assert_grep(
	        t, "foo", "", NULL, 0,
	        ".git/a:1:foo|.hidden:1:foo|build/a:1:foo|node_modules/a:1:foo|src/build:1:foo|");
	/* Named outright, they are searched. */
	assert_grep(t, "foo", "build", NULL, hidden, "build/a:1:foo|");
	assert_grep(t, "foo", ".git", NULL, hidden, ".git/a:1:foo|");
	assert_grep(t, "foo", ".hidden", NULL, hidden, ".hidden:1:foo|");
}

static void gitignore_files_are_honoured_at_every_level(void **state)
{
	struct tree *t = *state;
	struct corral_files_grep g = { "foo", "", NULL, CORRAL_FILES_NO_GITIGNORE, 0 };
	struct corral_files_matches all;

	tree_text(t, ".gitignore",
	          "# comment\n*.log\r\n!keep.log\n/only\nout/\ndoc/*.txt\n**/gen/x\nsp \\ "
	          "\n\n[bad\n");
	tree_make(t, "foo", "a.log", "keep.log", "only", "out/", "out/a", "d/", "d/only", "d/out/",
	          "d/out/a", "d/gen/", "d/gen/x", "d/a.log", "d/b.log", "d/y", "doc/", "doc/a.txt",
	          "doc/sub/", "doc/sub/a.txt");
	tree_text(t, "d/.gitignore", "!b.log\n/y\n");
	assert_grep(t, "foo", "", NULL, 0,
	            "d/b.log:1:foo|d/only:1:foo|doc/sub/a.txt:1:foo|keep.log:1:foo|");
	/* Also those above the search path. */
	assert_grep(t, "foo", "d", NULL, 0, "d/b.log:1:foo|d/only:1:foo|");
	assert_grep(t, "foo", "a.log", NULL, 0, "a.log:1:foo|");
	all = grep(t, &g);
	assert_int_equal(all.n, 12);
	corral_files_matches_done(&all);
}

static void ceiling_gives_the_first_and_says_so(void **state)
{
	struct tree *t = *state;
	struct corral_files_grep g = { "foo", "", NULL, 0, 25 };
	char name[32];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "f%03d", i);
		tree_text(t, name, "foo\nfoo\n");
	}
	for (int i = 0; i < 5; i++) {
		struct corral_files_matches found = grep(t, &g);

		assert_int_equal(found.n, 25);
		assert_true(found.truncated);
		assert_string_equal(found.matches[24].path, "f012");
		assert_int_equal(found.matches[24].line_number, 1);
		corral_files_matches_done(&found);
	}
	for (g.max_matches = 601; g.max_matches-- > 599;) {
		struct corral_files_matches found = grep(t, &g);

		assert_int_equal(found.n, g.max_matches);
		assert_int_equal(found.truncated, g.max_matches < 600);
		corral_files_matches_done(&found);
	}
	g.max_matches = 0;
	{
		struct corral_files_matches found = grep(t, &g);

		assert_int_equal(found.n, 600);
		assert_false(found.truncated || found.incomplete);
		corral_files_matches_done(&found);
	}
}

static void catastrophic_expressions_end(void **state)
{
	struct tree *t = *state;
	/* The last two are expensive to compile, not to match. */
	static const char *const patterns[] = { "(a+)+$",
		                                "(a*)*b",
		                                "(a|a)*c",
		                                "(?=(a+)+$)b|(a+)+d",
		                                "^(([a-z])+.)+[A-Z]([a-z])+$",
		                                "(?:(?:(?:a{1,90}){1,90}){1,90}){1,90}",
		                                "(?:\\w{500}x?){60}" };
	clock_t began = clock(); /* others may have the processor meanwhile */
	struct corral_files_matches found = { 0 };
	char line[201];

	memset(line, 'a', 200);
	line[199] = '!';
	line[200] = '\n';
	for (int i = 0; i < 300; i++) {
		int fd = openat(t->fd, "a", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

		assert_int_equal(write(fd, line, sizeof(line)), sizeof(line));
		(void)close(fd);
	}
	for (size_t i = 0; i < CORRAL_COUNT(patterns); i++) {
		struct corral_files_grep g = { patterns[i], "", NULL, 0, 0 };
		int r = corral_files_grep(t->open, &g, NULL, &found, &t->err);

		assert_true(r == 0 || r == -E2BIG || r == -EINVAL);
		if (r == -E2BIG)
			assert_string_equal(t->err.text, "Regex pattern is too expensive to match");
		if (r == 0)
			corral_files_matches_done(&found);
	}
	/* A tenth of a second, and several without our match limit. */
	assert_true(clock() - began < 3 * CLOCKS_PER_SEC);
}

static void long_lines_are_cut_and_found_once(void **state)
{
	struct tree *t = *state;
	struct corral_files_grep g = { "foo", "", NULL, 0, 0 };
	struct corral_files_matches found;
	size_t len = 5u << 20;
	char *big = malloc(len);

	memset(big, 'x', len);
	for (size_t i = 100; i + 3 < len; i += 100000)
		tree_put(big + i, "foo");
	tree_put(big + len - 5, "\nfoo\n");
	tree_file(t, "a", big, len);
	free(big);
	found = grep(t, &g);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.matches[0].line_number, 1);
	assert_true(found.matches[0].cut);
	assert_int_equal(found.matches[0].line_len, CORRAL_FILES_LINE_MAX);
	assert_int_equal(found.matches[1].line_number, 2);
	assert_string_equal(found.matches[1].line, "foo");
	corral_files_matches_done(&found);
}

static void holes_of_sparse_files_are_skipped(void **state)
{
	struct tree *t = *state;
	struct corral_files_grep g = { "foo", "", NULL, 0, 0 };
	struct corral_files_matches found;
	char head[CORRAL_FILES_SNIFF];
	corral_autofd int fd = -1;
	clock_t began = clock(); /* others may have the processor meanwhile */

	memset(head, 'x', sizeof(head));
	tree_put(head, "foo\n");
	head[sizeof(head) - 1] = '\n';
	tree_file(t, "a", head, sizeof(head));
	fd = openat(t->fd, "a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 10ll << 30), 0);
	assert_int_equal(pwrite(fd, "\nfoo\n", 5, 9ll << 30), 5);
	found = grep(t, &g);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.matches[1].line_len, 3);
	corral_files_matches_done(&found);
	assert_true(clock() - began < 5 * CLOCKS_PER_SEC);
}

static void proc_can_be_searched(void **state)
{
	struct tree *t = *state;
	struct corral_files_grep g = { "^Name:", "/proc/self/status", NULL, 0, 0 };
	struct corral_files_matches found = grep(t, &g);

	assert_int_equal(found.n, 1);
	corral_files_matches_done(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(lines_come_in_order_of_path_then_line),
		tree_test(expressions_see_one_line_at_a_time),
		tree_test(crlf_ends_are_not_part_of_lines),
		tree_test(characters_are_utf8_and_bytes_that_are_none_do_no_harm),
		tree_test(joined_classes_have_what_each_has),
		tree_test(bad_expression_is_einval),
		tree_test(binary_and_special_files_are_passed_over),
		tree_test(glob_filters_by_base_name_or_path),
		tree_test(hidden_and_build_directories_are_ignored_when_asked),
		tree_test(gitignore_files_are_honoured_at_every_level),
		tree_test(ceiling_gives_the_first_and_says_so),
		tree_test(catastrophic_expressions_end),
		tree_test(long_lines_are_cut_and_found_once),
		tree_test(holes_of_sparse_files_are_skipped),
		tree_test(proc_can_be_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
