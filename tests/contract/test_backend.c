/*
 * What every backend promises: one suite, run on a directory, on memory, on both behind a
 * composite, in a sandbox, and by way of a shell; as they are, and traced. What fails at call n is
 * in test_fail.c. The tests f01 to f27 are named after the traps that backends have fallen into
 * before.
 */
#include "tests/contract/backend_support.h"

/* --- Files --- */

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/a/b/c.txt", "one\ntwo\n");
	assert_file(f, "w/a/b/c.txt", "one\ntwo\n");
	put(f, "w/a/b/c.txt", "new");
	assert_file(f, "w/a/b/c.txt", "new");
	assert_true(corral_backend_exists(f->b, at(f, "w/a/b/c.txt")));
	assert_false(corral_backend_exists(f->b, at(f, "w/a/b")));
	assert_false(corral_backend_exists(f->b, at(f, "w/none")));
}

static void missing_file_is_enoent(void **state)
{
	const struct corral_files_edit edit = { "a", 1, "b", 1, false };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_files_stat st;
	struct corral_files_grep grep = { .pattern = "x" };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	uint64_t n = 7;
	char words[600], to[512];

	if (missing(f))
		return;
	put(f, "w/f", "x");
	(void)snprintf(words, sizeof(words), "File '%s' not found", at(f, "w/none"));
	FAILS(f, corral_backend_read(f->b, at(f, "w/none"), 0, 0, &b, &f->err), ENOENT, words);
	FAILS(f, corral_backend_read_bytes(f->b, at(f, "w/none"), 0, &b, &f->err), ENOENT, words);
	FAILS(f, corral_backend_edit(f->b, at(f, "w/none"), &edit, &n, &f->err), ENOENT, words);
	FAILS(f, corral_backend_stat(f->b, at(f, "w/none"), 0, &st, &f->err), ENOENT, words);
	FAILS(f, corral_backend_remove(f->b, at(f, "w/none"), 0, &f->err), ENOENT, words);
	(void)snprintf(to, sizeof(to), "%s", at(f, "w/x"));
	FAILS(f, corral_backend_rename(f->b, at(f, "w/none"), to, 0, &f->err), ENOENT, words);
	/* A file is no directory, also not with a slash. */
	(void)snprintf(words, sizeof(words), "File '%s' not found", at(f, "w/f/none"));
	FAILS(f, corral_backend_read(f->b, at(f, "w/f/none"), 0, 0, &b, &f->err), ENOENT, words);
	FAILS(f, corral_backend_read(f->b, at(f, "w/f/"), 0, 0, &b, &f->err), ENOENT, "not found");
	FAILS(f, corral_backend_stat(f->b, at(f, "w/f/"), 0, &st, &f->err), ENOENT, "not found");
	FAILS(f, corral_backend_ls(f->b, at(f, "w/f/"), &rows, &f->err), ENOENT, "not found");
	grep.path = at(f, "w/f/");
	FAILS(f, corral_backend_grep(f->b, &grep, &found, &f->err), ENOENT, "not found");
	assert_int_equal(b.len, 0);
	assert_int_equal(n, 7);
	corral_buf_done(&b);
}

static void directories_are_no_files(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_files_stat st;

	if (missing(f))
		return;
	put(f, "w/d/f", "x");
	OK(f, corral_backend_mkdir(f->b, at(f, "w/d/deep/er"), &f->err));
	OK(f, corral_backend_mkdir(f->b, at(f, "w/d/deep"), &f->err));
	OK(f, corral_backend_stat(f->b, at(f, "w/d/deep"), 0, &st, &f->err));
	assert_int_equal(st.type, CORRAL_FILES_DIRECTORY);
	FAILS(f, corral_backend_read(f->b, at(f, "w/d"), 0, 0, &b, &f->err), EISDIR,
	      "is a directory");
	FAILS(f, corral_backend_read_bytes(f->b, at(f, "w/d"), 0, &b, &f->err), EISDIR,
	      "is a directory");
	FAILS(f, corral_backend_write(f->b, at(f, "w/d"), "x", 1, &f->err), EISDIR,
	      "is a directory");
	FAILS(f, corral_backend_write(f->b, at(f, "w/new/"), "x", 1, &f->err), EISDIR,
	      "is a directory");
	FAILS(f, corral_backend_write(f->b, at(f, "w/d/f/x"), "x", 1, &f->err), ENOTDIR,
	      "Not a directory");
	FAILS(f, corral_backend_mkdir(f->b, at(f, "w/d/f"), &f->err), ENOTDIR,
	      "a file is in the way");
	FAILS(f, corral_backend_mkdir(f->b, at(f, "w/d/f/x"), &f->err), ENOTDIR,
	      "a file is in the way");
	assert_file(f, "w/d/f", "x");
}

static void names_are_removed_and_changed(void **state)
{
	struct fixture *f = *state;
	char from[512], to[512];

	if (missing(f))
		return;
	put(f, "w/d/a", "1");
	put(f, "w/d/sub/b", "2");
	put(f, "w/x", "3");
	(void)snprintf(from, sizeof(from), "%s", at(f, "w/d"));
	(void)snprintf(to, sizeof(to), "%s", at(f, "w/new/e"));
	FAILS(f, corral_backend_remove(f->b, from, 0, &f->err), ENOTEMPTY, "not empty");
	OK(f, corral_backend_rename(f->b, from, to, 0, &f->err));
	assert_file(f, "w/new/e/sub/b", "2");
	assert_false(corral_backend_exists(f->b, at(f, "w/d/a")));
	(void)snprintf(from, sizeof(from), "%s", at(f, "w/new/e/a"));
	(void)snprintf(to, sizeof(to), "%s", at(f, "w/x"));
	FAILS(f, corral_backend_rename(f->b, from, to, CORRAL_FILES_NOREPLACE, &f->err), EEXIST,
	      "exists");
	OK(f, corral_backend_rename(f->b, from, to, 0, &f->err));
	assert_file(f, "w/x", "1");
	OK(f, corral_backend_remove(f->b, at(f, "w/x"), 0, &f->err));
	OK(f, corral_backend_remove(f->b, at(f, "w/new"), CORRAL_FILES_RECURSIVE, &f->err));
	assert_ls_in(f, "w", (const char *const[]) { NULL });
	FAILS(f, corral_backend_remove(f->b, "", CORRAL_FILES_RECURSIVE, &f->err), EBUSY,
	      "is the root and stays");
}

static long broken_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	unsigned int *left = ctx;

	if (!(*left)--)
		return corral_error_set(err, EIO, "the source has broken");
	memset(data, 'x', size);
	return (long)size;
}

static void broken_source_leaves_the_old_file(void **state)
{
	struct fixture *f = *state;
	unsigned int left = 3;
	const struct corral_files_source source = { broken_get, &left };

	if (missing(f))
		return;
	put(f, "w/f", "old");
	FAILS(f, corral_backend_write_stream(f->b, at(f, "w/f"), 0, &source, &f->err), EIO,
	      "the source has broken");
	assert_file(f, "w/f", "old");
	left = 3;
	FAILS(f, corral_backend_write_stream(f->b, at(f, "w/g"), 0, &source, &f->err), EIO,
	      "the source has broken");
	assert_ls(f, "w", "w/f");
}

static void edit_counts_and_says_so(void **state)
{
	struct corral_files_edit edit = { "a", 1, "bb", 2, false };
	struct fixture *f = *state;
	uint64_t n = 0;

	if (missing(f))
		return;
	put(f, "w/f", "a-a-a\n");
	FAILS(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err), ENOTUNIQ,
	      "String 'a' found 3 times. Use replace_all=True to replace all, or provide more "
	      "context.");
	assert_int_equal(n, 3);
	edit.replace_all = true;
	OK(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err));
	assert_int_equal(n, 3);
	assert_file(f, "w/f", "bb-bb-bb\n");
	edit = (struct corral_files_edit) { "nowhere", 7, "", 0, false };
	FAILS(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err), ENOMSG,
	      "String 'nowhere' not found in file");
	assert_int_equal(n, 0);
	edit = (struct corral_files_edit) { "bb-bb-bb", 8, "\xc3\xa4'\"$(x)\\n", 10, false };
	OK(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err));
	assert_file(f, "w/f", "\xc3\xa4'\"$(x)\\n\n");
}

/* --- Bad input --- */

static void path_that_leads_out_is_refused(void **state)
{
	static const char *const paths[] = { "..", "../x", "w/../../x", "w/../../../../../x" };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;

	/* In a sandbox all is the guest's: ".." is a directory like others. */
	if (missing(f) || IS_GUEST(f->variant->kind))
		return;
	put(f, "w/f", "x");
	for (size_t i = 0; i < CORRAL_COUNT(paths); i++) {
		assert_true(corral_backend_read(f->b, paths[i], 0, 0, &b, &f->err) < 0);
		assert_true(f->err.code == EXDEV || f->err.code == EINVAL);
		assert_true(corral_backend_write(f->b, paths[i], "x", 1, &f->err) < 0);
		assert_true(f->err.code == EXDEV || f->err.code == EINVAL);
		assert_false(corral_backend_exists(f->b, paths[i]));
	}
	assert_int_equal(b.len, 0);
}

static void overlong_paths_patterns_and_texts_are_refused(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct corral_files_matches found = { 0 };
	struct corral_files_grep grep = { .path = "" };
	struct fixture *f = *state;
	char *text = malloc(100001);

	assert_non_null(text);
	if (!missing(f)) {
		memset(text, 'a', 100000);
		text[100000] = '\0';
		grep.pattern = text;
		assert_true(corral_backend_write(f->b, text, "x", 1, &f->err) < 0);
		assert_true(f->err.text[0]);
		assert_false(corral_backend_exists(f->b, text));
		assert_true(corral_backend_glob(f->b, text, "", 0, &rows, &f->err) < 0);
		assert_true(f->err.text[0]);
		assert_true(corral_backend_grep(f->b, &grep, &found, &f->err) < 0);
		assert_true(f->err.text[0]);
		text[300] = '\0'; /* a name of 300 bytes */
		assert_true(corral_backend_write(f->b, text, "x", 1, &f->err) < 0);
		assert_int_equal(f->err.code, ENAMETOOLONG);
	}
	assert_true(rows.n == 0 && found.n == 0);
	free(text);
}

static void invalid_utf8_in_names_is_kept_or_refused(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/ok", "x");
	if (corral_backend_write(f->b, at(f, "w/a\xff\xfe"), "bytes", 5, &f->err) == 0) {
		assert_file(f, "w/a\xff\xfe", "bytes");
		assert_ls(f, "w", "w/a\xff\xfe", "w/ok");
	} else {
		assert_int_equal(f->err.code, EILSEQ);
		assert_string_equal(f->err.text, "Path is not valid UTF-8");
		assert_ls(f, "w", "w/ok");
	}
}

static void invalid_utf8_is_shown_as_such(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/f", "ok \xff here\n");
	assert_read(f, "w/f", 0, 0, "     1\tok \xef\xbf\xbd here");
	assert_grep(f, "here", at(f, "w"), "w/f:1:ok \xef\xbf\xbd here");
	assert_bytes(f, "w/f", "ok \xff here\n", 10);
}

static void endless_line_is_bounded(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_matches found = { 0 };
	struct corral_files_grep grep = { .pattern = "xx" };
	struct fixture *f = *state;
	size_t len = 3u << 20;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, 'x', len);
	if (!missing(f)) {
		put_bytes(f, "w/f", text, len);
		OK(f, corral_backend_read(f->b, at(f, "w/f"), 0, 0, &b, &f->err));
		assert_true(b.len < 201000 && strstr(b.data, "truncated at 200,000 chars"));
		corral_buf_done(&b);
		FAILS(f, corral_backend_read(f->b, at(f, "w/f"), 0, 1, &b, &f->err), EFBIG,
		      "The requested range is too large to return");
		assert_int_equal(b.len, 0);
		grep.path = at(f, "w");
		OK(f, corral_backend_grep(f->b, &grep, &found, &f->err));
		assert_int_equal(found.n, 1);
		assert_true(found.matches[0].cut);
		assert_int_equal(found.matches[0].line_len, CORRAL_FILES_LINE_MAX);
		corral_files_matches_done(&found);
	}
	free(text);
}

static void matches_are_counted_and_cut(void **state)
{
	struct corral_files_matches found = { 0 };
	struct corral_files_grep grep = { .pattern = "^l", .max_matches = 3 };
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/a", "l1\nl2\n");
	put(f, "w/b", "l1\nl2\n");
	grep.path = at(f, "w");
	OK(f, corral_backend_grep(f->b, &grep, &found, &f->err));
	assert_int_equal(found.n, 3);
	assert_true(found.truncated);
	corral_files_matches_done(&found);
	/* As many as there are: nothing is cut. */
	grep.max_matches = 4;
	OK(f, corral_backend_grep(f->b, &grep, &found, &f->err));
	assert_int_equal(found.n, 4);
	assert_false(found.truncated);
	corral_files_matches_done(&found);
	grep.path = at(f, "w/b");
	grep.max_matches = 2;
	OK(f, corral_backend_grep(f->b, &grep, &found, &f->err));
	assert_int_equal(found.n, 2);
	assert_false(found.truncated);
	corral_files_matches_done(&found);
	grep.path = at(f, "w");
	grep.max_matches = 0;
	assert_grep_of(f, &grep,
	               (const char *const[]) { "w/a:1:l1", "w/a:2:l2", "w/b:1:l1", "w/b:2:l2",
	                                       NULL });
}

/* --- The traps --- */

static void f01_every_spelling_of_the_root_is_the_root(void **state)
{
	static const char *const roots[] = { "", ".", "./", "/.", "/" };
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/top.txt", "needle of f01\n");
	for (size_t i = 0; i < CORRAL_COUNT(roots); i++) {
		struct corral_files_grep grep = { .pattern = "needle of f01", .path = roots[i] };
		struct corral_files_rows rows = { 0 };
		char pattern[64];
		bool seen = false;

		(void)snprintf(pattern, sizeof(pattern), "%sw/*.txt", f->variant->base);
		assert_glob_in(f, pattern, roots[i], 0,
		               (const char *const[]) { "w/top.txt", NULL });
		assert_grep_of(f, &grep,
		               (const char *const[]) { "w/top.txt:1:needle of f01", NULL });
		/* An absolute path leaves a sandbox's work directory, in a listing. */
		if (IS_GUEST(f->variant->kind) && roots[i][0] == '/')
			continue;
		OK(f, corral_backend_ls(f->b, roots[i], &rows, &f->err));
		for (size_t k = 0; k < rows.n; k++)
			seen |= !strcmp(rows.rows[k].name, *f->variant->base ? "memories" : "w");
		assert_true(seen);
		corral_files_rows_done(&rows);
	}
}

static void f02_search_from_the_root_stays_in_it(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/x.txt", "x");
	OK(f, corral_backend_glob(f->b, "**/*", "/", 0, &rows, &f->err));
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.rows[0].name, "x.txt");
	corral_files_rows_done(&rows);
}

static void f03_double_star_is_zero_or_more_directories(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/top.py", "");
	put(f, "w/a/one.py", "");
	put(f, "w/a/b/two.py", "");
	put(f, "w/a/b/two.txt", "");
	assert_glob(f, "**/*", "w/a/b/two.py", "w/a/b/two.txt", "w/a/one.py", "w/top.py");
	assert_glob(f, "**/*.py", "w/a/b/two.py", "w/a/one.py", "w/top.py");
	assert_glob(f, "*.py", "w/top.py");
	assert_glob(f, "a/**", "w/a/b/two.py", "w/a/b/two.txt", "w/a/one.py");
	assert_glob(f, "**/b/*.txt", "w/a/b/two.txt");
	assert_glob(f, "a/*.py", "w/a/one.py");
}

static const char *const odd_names[] = {
	"w/ two  spaces ", "w/$(touch x)", "w/'quoted'",  "w/-rf",   "w/a=b",
	"w/a\\b",          "w/don't",      "w/new\nline", "w/x:1:y",
};

static void f06_paths_of_results_get_back_to_the_file(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct fixture *f = *state;
	size_t n = CORRAL_COUNT(odd_names);

	if (missing(f))
		return;
	for (size_t i = 0; i < n; i++)
		put(f, odd_names[i], odd_names[i]);
	OK(f, corral_backend_ls(f->b, at(f, "w"), &rows, &f->err));
	assert_int_equal(rows.n, n);
	for (size_t i = 0; i < n; i++) {
		struct corral_buf b = CORRAL_BUF_INIT;

		assert_string_equal(rows.rows[i].name, odd_names[i] + 2);
		OK(f, corral_backend_read_bytes(f->b, rows.rows[i].path, 0, &b, &f->err));
		assert_string_equal(b.data, odd_names[i]);
		corral_buf_done(&b);
	}
	corral_files_rows_done(&rows);
	OK(f, corral_backend_glob(f->b, "**", at(f, "w"), 0, &rows, &f->err));
	assert_int_equal(rows.n, n);
	for (size_t i = 0; i < n; i++)
		assert_true(corral_backend_exists(f->b, rows.rows[i].path));
	corral_files_rows_done(&rows);
}

static void f07_patterns_are_data(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/f", "I don't\n--pre=touch\n-e x\n$(id) `id`\n");
	assert_grep(f, "don't", at(f, "w"), "w/f:1:I don't");
	assert_grep(f, "--pre=touch", at(f, "w"), "w/f:2:--pre=touch");
	assert_grep(f, "-e", at(f, "w"), "w/f:3:-e x");
	assert_grep(f, "\\$\\(id\\)", at(f, "w"), "w/f:4:$(id) `id`");
	put(f, "w/-n", "x");
	assert_glob(f, "-*", "w/-n");
}

static void f08_one_file_and_hidden_names_are_searched_when_named(void **state)
{
	struct corral_files_grep grep = { .pattern = "x", .flags = CORRAL_FILES_IGNORE_HIDDEN };
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/f", "x\n");
	put(f, "w/.hidden/in", "x\n");
	put(f, "w/.env", "x\n");
	put(f, "w/node_modules/m", "x\n");
	assert_grep(f, "x", at(f, "w/f"), "w/f:1:x");
	grep.path = at(f, "w");
	assert_grep_of(f, &grep, (const char *const[]) { "w/f:1:x", NULL });
	grep.path = at(f, "w/.hidden");
	assert_grep_of(f, &grep, (const char *const[]) { "w/.hidden/in:1:x", NULL });
	grep.path = at(f, "w/.env");
	assert_grep_of(f, &grep, (const char *const[]) { "w/.env:1:x", NULL });
	assert_grep(f, "x", at(f, "w"), "w/.env:1:x", "w/.hidden/in:1:x", "w/f:1:x",
	            "w/node_modules/m:1:x");
}

static void f09_failure_is_no_empty_answer(void **state)
{
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_files_grep grep = { .pattern = "(" };
	struct fixture *f = *state;
	char words[600];

	if (missing(f))
		return;
	put(f, "w/f", "x");
	FAILS(f, corral_backend_grep(f->b, &grep, &found, &f->err), EINVAL,
	      "Invalid regex pattern: ");
	grep.pattern = "x";
	(void)snprintf(words, sizeof(words), "Path '%s' not found", at(f, "w/none"));
	grep.path = at(f, "w/none");
	FAILS(f, corral_backend_grep(f->b, &grep, &found, &f->err), ENOENT, words);
	FAILS(f, corral_backend_ls(f->b, at(f, "w/none"), &rows, &f->err), ENOENT, "not found");
	FAILS(f, corral_backend_glob(f->b, "*", at(f, "w/none"), 0, &rows, &f->err), ENOENT,
	      "not found");
	assert_int_equal(corral_backend_glob(f->b, "", at(f, "w"), 0, &rows, &f->err), -EINVAL);
	assert_int_equal(corral_backend_glob(f->b, "../*", at(f, "w"), 0, &rows, &f->err), -EINVAL);
	assert_true(rows.n == 0 && found.n == 0);
	/* And what is empty is no failure. */
	assert_grep_of(f, &(const struct corral_files_grep) { .pattern = "nowhere" },
	               (const char *const[]) { NULL });
	assert_glob_in(f, "*.none", at(f, "w"), 0, (const char *const[]) { NULL });
}

static void f10_lines_are_numbered_by_their_place(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/f", "1\n2\n3\n4\n5\n");
	assert_read(f, "w/f", 0, 0, "     1\t1\n     2\t2\n     3\t3\n     4\t4\n     5\t5");
	assert_read(f, "w/f", 2, 2, "     3\t3\n     4\t4\n\n... (1 more lines)");
	assert_read(f, "w/f", 4, 10, "     5\t5");
}

static void f11_failed_read_gives_no_bytes(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/f", "0123456789");
	FAILS(f, corral_backend_read_bytes(f->b, at(f, "w/none"), 0, &b, &f->err), ENOENT,
	      "not found");
	FAILS(f, corral_backend_read_bytes(f->b, at(f, "w/f"), 9, &b, &f->err), EFBIG,
	      "File is 10 bytes, over the 9-byte read limit");
	assert_int_equal(b.len, 0);
	OK(f, corral_backend_read_bytes(f->b, at(f, "w/f"), 10, &b, &f->err));
	assert_int_equal(b.len, 10);
	corral_buf_done(&b);
}

static void f12_f13_all_byte_values_come_back(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[1024];

	if (missing(f))
		return;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i ^ (i >> 8));
	put_bytes(f, "w/f", bytes, sizeof(bytes));
	assert_bytes(f, "w/f", bytes, sizeof(bytes));
	put(f, "w/g", "\\n $HOME `id` $(id) 'EOF'\nEOF\n\n");
	assert_file(f, "w/g", "\\n $HOME `id` $(id) 'EOF'\nEOF\n\n");
}

static void f14_empty_file_is_a_file(void **state)
{
	struct corral_files_edit edit = { "", 0, "new", 3, false };
	struct fixture *f = *state;
	struct corral_files_stat st;
	uint64_t n;

	if (missing(f))
		return;
	put(f, "w/f", "");
	assert_true(corral_backend_exists(f->b, at(f, "w/f")));
	assert_file(f, "w/f", "");
	assert_read(f, "w/f", 0, 0, "     1\t");
	OK(f, corral_backend_stat(f->b, at(f, "w/f"), 0, &st, &f->err));
	assert_true(st.type == CORRAL_FILES_REGULAR && st.size == 0);
	OK(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err));
	assert_int_equal(n, 1);
	assert_file(f, "w/f", "new");
}

static void f15_edit_of_what_is_no_utf8_leaves_it(void **state)
{
	const struct corral_files_edit edit = { "a", 1, "b", 1, true };
	struct fixture *f = *state;
	uint64_t n = 7;

	if (missing(f))
		return;
	put_bytes(f, "w/f", "a\xff\xfe", 3);
	FAILS(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err), EILSEQ,
	      "is not valid UTF-8 text and cannot be edited");
	assert_int_equal(n, 7);
	assert_bytes(f, "w/f", "a\xff\xfe", 3);
}

static void f16_line_ends_stay_as_they_are(void **state)
{
	struct corral_files_edit edit = { "two", 3, "2", 1, false };
	struct fixture *f = *state;
	uint64_t n;

	if (missing(f))
		return;
	put(f, "w/f", "one\r\ntwo\r\nthree\r\n");
	assert_file(f, "w/f", "one\r\ntwo\r\nthree\r\n");
	OK(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err));
	assert_file(f, "w/f", "one\r\n2\r\nthree\r\n");
	edit = (struct corral_files_edit) { "2\nthree", 7, "2\n3", 3, false };
	OK(f, corral_backend_edit(f->b, at(f, "w/f"), &edit, &n, &f->err));
	assert_file(f, "w/f", "one\r\n2\r\n3\r\n");
	assert_read(f, "w/f", 0, 0, "     1\tone\n     2\t2\n     3\t3");
}

static void f17_size_is_what_read_bytes_gives(void **state)
{
	static const char *const contents[] = { "", "x", "x\n", "a\nb\nc", "\xff\xfe\xfd" };
	struct corral_files_rows rows = { 0 };
	struct fixture *f = *state;
	char name[16];

	if (missing(f))
		return;
	for (size_t i = 0; i < CORRAL_COUNT(contents); i++) {
		(void)snprintf(name, sizeof(name), "w/%zu", i);
		put(f, name, contents[i]);
	}
	OK(f, corral_backend_ls(f->b, at(f, "w"), &rows, &f->err));
	assert_int_equal(rows.n, CORRAL_COUNT(contents));
	for (size_t i = 0; i < rows.n; i++)
		assert_int_equal(rows.rows[i].stat.size, strlen(contents[i]));
	corral_files_rows_done(&rows);
	OK(f, corral_backend_glob(f->b, "*", at(f, "w"), 0, &rows, &f->err));
	for (size_t i = 0; i < rows.n; i++) {
		assert_int_equal(rows.rows[i].stat.size, strlen(contents[i]));
		assert_true(rows.rows[i].stat.mtime_nsec > 1600000000ll * 1000000000);
	}
	corral_files_rows_done(&rows);
}

static void f19_f20_few_lines_of_a_large_file_are_cheap(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	size_t len = 9u << 20;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, 'x', len);
	for (size_t i = 99; i < len; i += 100)
		text[i] = '\n';
	if (!missing(f)) {
		put_bytes(f, "w/f", text, len);
		OK(f, corral_backend_read(f->b, at(f, "w/f"), 50000, 20, &b, &f->err));
		assert_true(b.len < 3000);
		assert_memory_equal(b.data, " 50001\txxx", 10);
		corral_buf_done(&b);
		FAILS(f, corral_backend_read_bytes(f->b, at(f, "w/f"), 0, &b, &f->err), EFBIG,
		      "over the 8388608-byte read limit");
		assert_int_equal(b.len, 0);
	}
	free(text);
}

static void f21_offset_past_the_end_is_erange(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/f", "1\n2\n");
	FAILS(f, corral_backend_read(f->b, at(f, "w/f"), 2, 0, &b, &f->err), ERANGE,
	      "Offset 2 exceeds file length (2 lines)");
	/* What -1 becomes. */
	FAILS(f, corral_backend_read(f->b, at(f, "w/f"), UINT64_MAX, 0, &b, &f->err), ERANGE,
	      "exceeds file length (2 lines)");
	assert_int_equal(b.len, 0);
}

static void f24_listing_tells_what_is_there(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/z/f", "12345");
	put(f, "w/a  b", "1");
	put(f, "w/.hidden", "1");
	assert_ls(f, "w", "w/z", "w/.hidden", "w/a  b");
	assert_ls(f, "w/", "w/z", "w/.hidden", "w/a  b");
	assert_ls(f, "w/z/f", "w/z/f");
	OK(f, corral_backend_ls(f->b, at(f, "w"), &rows, &f->err));
	assert_int_equal(rows.rows[0].stat.type, CORRAL_FILES_DIRECTORY);
	assert_int_equal(rows.rows[0].stat.size, 0);
	assert_int_equal(rows.rows[2].stat.type, CORRAL_FILES_REGULAR);
	corral_files_rows_done(&rows);
}

static void f25_name_with_an_equals_sign_is_a_name(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/v=1", "x\n");
	assert_read(f, "w/v=1", 0, 0, "     1\tx");
	assert_grep(f, "x", at(f, "w/v=1"), "w/v=1:1:x");
}

static void f27_there_is_one_dialect_of_each(void **state)
{
	struct corral_files_grep grep = { .pattern = "x", .glob = "*.{js,ts}" };
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/a.js", "x\n");
	put(f, "w/b/c.ts", "x\n");
	put(f, "w/b/d.py", "x\n");
	put(f, "w/.h.js", "one\n");
	assert_glob(f, "**/*.{js,ts}", "w/a.js", "w/b/c.ts");
	assert_glob(f, "[ab].js", "w/a.js");
	assert_glob_in(f, "[!a].js", at(f, "w"), 0, (const char *const[]) { NULL });
	assert_glob(f, ".*.js", "w/.h.js");
	assert_glob_in(f, "*.js", at(f, "w"), CORRAL_FILES_HIDDEN,
	               (const char *const[]) { "w/.h.js", "w/a.js", NULL });
	grep.path = at(f, "w");
	assert_grep_of(f, &grep, (const char *const[]) { "w/a.js:1:x", "w/b/c.ts:1:x", NULL });
	grep.glob = "b/*";
	assert_grep_of(f, &grep, (const char *const[]) { "w/b/c.ts:1:x", "w/b/d.py:1:x", NULL });
	put(f, "w/r", "foo1\nbar22\nbaz\n");
	assert_grep(f, "^(foo|bar)\\d+$", at(f, "w"), "w/r:1:foo1", "w/r:2:bar22");
	grep = (struct corral_files_grep) { .pattern = "BAZ", .flags = CORRAL_FILES_IGNORE_CASE };
	grep.path = at(f, "w");
	assert_grep_of(f, &grep, (const char *const[]) { "w/r:3:baz", NULL });
}

static void ignored_and_binary_files_are_passed_over(void **state)
{
	struct corral_files_grep grep = { .pattern = "x", .flags = CORRAL_FILES_NO_GITIGNORE };
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/.gitignore", "*.log\n/out/\n!keep.log\n");
	put(f, "w/a.log", "x\n");
	put(f, "w/keep.log", "x\n");
	put(f, "w/out/f", "x\n");
	put(f, "w/sub/.gitignore", "deep\n");
	put(f, "w/sub/deep/f", "x\n");
	put(f, "w/sub/out/f", "x\n");
	put_bytes(f, "w/bin", "x\0x\n", 4);
	assert_grep(f, "x", at(f, "w"), "w/keep.log:1:x", "w/sub/out/f:1:x");
	assert_grep(f, "x", at(f, "w/sub"), "w/sub/out/f:1:x");
	assert_grep(f, "x", at(f, "w/a.log"), "w/a.log:1:x");
	grep.path = at(f, "w");
	assert_grep_of(f, &grep,
	               (const char *const[]) { "w/a.log:1:x", "w/keep.log:1:x", "w/out/f:1:x",
	                                       "w/sub/deep/f:1:x", "w/sub/out/f:1:x", NULL });
	FAILS(f,
	      corral_backend_read(f->b, at(f, "w/bin"), 0, 0, &(struct corral_buf) { 0 }, &f->err),
	      EILSEQ, "is binary; read it as bytes instead");
}

static void what_it_cannot_do_is_said(void **state)
{
	const struct corral_execute x = { .command = "true", .timeout_ms = 10000 };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	if (corral_backend_can(f->b, CORRAL_BACKEND_CAN_EXECUTE)) {
		OK(f, corral_backend_execute(f->b, &x, &e, &f->err));
		assert_int_equal(e.exit_code, 0);
	} else {
		FAILS(f, corral_backend_execute(f->b, &x, &e, &f->err), EOPNOTSUPP,
		      "has no commands");
	}
	corral_executed_done(&e);
	assert_int_equal(strlen(corral_backend_id(f->b)), 36);
	assert_true(*corral_backend_kind(f->b));
}

static void traced_calls_are_told(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	put(f, "w/f", "x");
	assert_file(f, "w/f", "x");
	assert_int_equal(f->lines, f->variant->traced ? 2 : 0);
}

#define ROW(test)           \
	{                   \
#test, test \
	}
static const struct {
	const char *name;
	void (*run)(void **state);
} rows[] = {
	ROW(what_is_written_is_read),
	ROW(missing_file_is_enoent),
	ROW(directories_are_no_files),
	ROW(names_are_removed_and_changed),
	ROW(broken_source_leaves_the_old_file),
	ROW(edit_counts_and_says_so),
	ROW(path_that_leads_out_is_refused),
	ROW(overlong_paths_patterns_and_texts_are_refused),
	ROW(invalid_utf8_in_names_is_kept_or_refused),
	ROW(invalid_utf8_is_shown_as_such),
	ROW(endless_line_is_bounded),
	ROW(matches_are_counted_and_cut),
	ROW(f01_every_spelling_of_the_root_is_the_root),
	ROW(f02_search_from_the_root_stays_in_it),
	ROW(f03_double_star_is_zero_or_more_directories),
	ROW(f06_paths_of_results_get_back_to_the_file),
	ROW(f07_patterns_are_data),
	ROW(f08_one_file_and_hidden_names_are_searched_when_named),
	ROW(f09_failure_is_no_empty_answer),
	ROW(f10_lines_are_numbered_by_their_place),
	ROW(f11_failed_read_gives_no_bytes),
	ROW(f12_f13_all_byte_values_come_back),
	ROW(f14_empty_file_is_a_file),
	ROW(f15_edit_of_what_is_no_utf8_leaves_it),
	ROW(f16_line_ends_stay_as_they_are),
	ROW(f17_size_is_what_read_bytes_gives),
	ROW(f19_f20_few_lines_of_a_large_file_are_cheap),
	ROW(f21_offset_past_the_end_is_erange),
	ROW(f24_listing_tells_what_is_there),
	ROW(f25_name_with_an_equals_sign_is_a_name),
	ROW(f27_there_is_one_dialect_of_each),
	ROW(ignored_and_binary_files_are_passed_over),
	ROW(what_it_cannot_do_is_said),
	ROW(traced_calls_are_told),
};
#undef ROW

#ifdef CORRAL_TEST_DOCKER
#include "tests/docker/contract.h"
#else
static const struct variant variants[] = {
	{ "local", LOCAL, "", false },
	{ "state", STATE, "", false },
	{ "composite", COMPOSITE, "", false },
	{ "composite, routed", ROUTED, "memories/", false },
	{ "native", NATIVE, "", false },
	{ "call", CALL, "", false },
	{ "base", BASE, "", false },
	{ "local, traced", LOCAL, "", true },
	{ "state, traced", STATE, "", true },
	{ "composite, routed, traced", ROUTED, "memories/", true },
	{ "native, traced", NATIVE, "", true },
	{ "base, traced", BASE, "", true },
};
#endif

/* With an argument: without the base sandbox, to which the kernel's calls make no difference. */
int main(int argc, char **argv)
{
	static char names[CORRAL_COUNT(variants)][CORRAL_COUNT(rows)][100];
	int failed = 0;

	(void)argv;

	for (size_t v = 0; v < CORRAL_COUNT(variants); v++) {
		struct CMUnitTest tests[CORRAL_COUNT(rows)];

		if (argc > 1 && variants[v].kind == BASE)
			continue;
		for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
			(void)snprintf(names[v][i], sizeof(names[v][i]), "%s: %s", variants[v].name,
			               rows[i].name);
			tests[i] = (struct CMUnitTest) {
				.name = names[v][i],
				.test_func = rows[i].run,
				.setup_func = fixture_setup,
				.teardown_func = fixture_teardown,
				.initial_state = (void *)(uintptr_t)&variants[v],
			};
		}
		failed += cmocka_run_group_tests_name(variants[v].name, tests, NULL, NULL);
	}
	return failed;
}
