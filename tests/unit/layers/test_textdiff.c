/* kernel/layers/textdiff.c: hunks that make one text of the other, and look as those of diff -u. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/layers/textdiff.h"

#define TURNS 1500

/* A line of a text, or of hunks: up to its newline. */
static size_t line_len(const char *p)
{
	size_t n = strcspn(p, "\n");

	return p[n] ? n + 1 : n;
}

/* Holds the hunks' lines against before, number by number; what they make of it is appended to ret.
 */
static void apply(const char *before, const char *hunks, struct corral_buf *ret)
{
	size_t at = 0, made = 0;

	while (*hunks) {
		size_t first, old_n = 1, first_new, new_n = 1;
		int used = 0;

		if (sscanf(hunks, "@@ -%zu,%zu +%zu%n", &first, &old_n, &first_new, &used) != 3 &&
		    sscanf(hunks, "@@ -%zu +%zu%n", &first, &first_new, &used) != 2)
			fail_msg("no head: %.60s", hunks);
		hunks += used;
		if (*hunks == ',')
			assert_int_equal(sscanf(hunks, ",%zu%n", &new_n, &used), 1);
		hunks += strcspn(hunks, "\n") + 1;
		/* An empty side is told by the line before it. */
		for (first -= old_n ? 1 : 0; at < first; at++, made++) {
			corral_buf_add(ret, before, line_len(before));
			before += line_len(before);
		}
		assert_int_equal(made, first_new - (new_n ? 1 : 0));
		while (old_n || new_n) {
			size_t n = line_len(hunks), text = n - 1;
			char sign = *hunks;
			bool open = hunks[n] == '\\';

			text -= open ? 1 : 0;
			if (sign != '+') {
				if (line_len(before) != text ||
				    memcmp(before, hunks + 1, text) != 0)
					fail_msg("not there: %.*s", (int)n, hunks);
				before += text;
				old_n--;
				at++;
			}
			if (sign != '-') {
				corral_buf_add(ret, hunks + 1, text);
				new_n--;
				made++;
			}
			hunks += n;
			if (open)
				hunks += line_len(hunks);
		}
	}
	corral_buf_str(ret, before);
}

static void assert_makes(const char *a, const char *b, struct corral_buf *hunks)
{
	corral_autobuf struct corral_buf made = CORRAL_BUF_INIT;

	assert_int_equal(corral_textdiff(a, strlen(a), b, strlen(b), hunks), 0);
	corral_buf_str(&made, "");
	apply(a, hunks->data ? hunks->data : "", &made);
	if (strcmp(made.data, b) != 0)
		fail_msg("made '%s' of '%s', not '%s': %s", made.data, a, b, hunks->data);
}

static void hunks_look_as_those_of_diff(void **state)
{
	static const struct {
		const char *before, *after, *hunks;
	} rows[] = {
		{ "a\nb\n", "a\nb\n", "" },
		{ "", "", "" },
		{ "", "a\n", "@@ -0,0 +1 @@\n+a\n" },
		{ "a\n", "", "@@ -1 +0,0 @@\n-a\n" },
		{ "a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n" },
		{ "a\n", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n" },
		{ "a\nb", "c\nb", "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
		  "@@ -7,3 +7,4 @@\n 7\n 8\n 9\n+10\n" },
		{ "x\n1\n2\n3\n4\n5\n6\n7\ny\n", "1\n2\n3\n4\n5\n6\n7\n",
		  "@@ -1,4 +1,3 @@\n-x\n 1\n 2\n 3\n@@ -6,4 +5,3 @@\n 5\n 6\n 7\n-y\n" },
		{ "x\n1\n2\n3\n4\n5\n6\ny\n", "1\n2\n3\n4\n5\n6\n",
		  "@@ -1,8 +1,6 @@\n-x\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_autobuf struct corral_buf hunks = CORRAL_BUF_INIT;

		assert_makes(rows[i].before, rows[i].after, &hunks);
		assert_string_equal(hunks.data ? hunks.data : "", rows[i].hunks);
	}
}

static void text_random(struct corral_buf *out, unsigned int lines, unsigned int words)
{
	unsigned int n = (unsigned int)rand() % (lines + 1);

	corral_buf_str(out, "");
	for (unsigned int i = 0; i < n; i++)
		corral_buf_fmt(out, "%u\n", (unsigned int)rand() % words);
	if (out->len && rand() % 4 == 0)
		out->data[--out->len] = '\0';
}

static size_t edits_of(const char *hunks)
{
	size_t n = 0;

	for (const char *p = hunks; *p; p += line_len(p))
		n += *p == '-' || *p == '+';
	return n;
}

static void any_text_becomes_the_other(void **state)
{
	(void)state;
	srand(1);
	for (int turn = 0; turn < TURNS; turn++) {
		corral_autobuf struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT,
		                                 hunks = CORRAL_BUF_INIT;
		unsigned int lines = turn % 50 ? 30 : 3000, words = 1 + (unsigned int)turn % 40;

		text_random(&a, lines, words);
		text_random(&b, lines, words);
		assert_makes(a.data, b.data, &hunks);
	}
}

/* The shortest, as long as it is looked for: by the longest common sequence, counted the slow way.
 */
static void no_line_more_than_needed_is_told(void **state)
{
	static size_t common[64][64];

	(void)state;
	srand(2);
	for (int turn = 0; turn < TURNS / 3; turn++) {
		char a[64] = "", b[64] = "";
		size_t n = (size_t)rand() % 30, m = (size_t)rand() % 30;
		corral_autobuf struct corral_buf hunks = CORRAL_BUF_INIT;

		for (size_t i = 0; i < n; i++) {
			a[2 * i] = (char)('a' + rand() % 4);
			a[2 * i + 1] = '\n';
		}
		for (size_t i = 0; i < m; i++) {
			b[2 * i] = (char)('a' + rand() % 4);
			b[2 * i + 1] = '\n';
		}
		for (size_t i = n + 1; i-- > 0;)
			for (size_t k = m + 1; k-- > 0;)
				common[i][k] = i == n || k == m       ? 0
				               : a[2 * i] == b[2 * k] ? common[i + 1][k + 1] + 1
				               : common[i + 1][k] > common[i][k + 1]
				                       ? common[i + 1][k]
				                       : common[i][k + 1];
		assert_makes(a, b, &hunks);
		assert_int_equal(edits_of(hunks.data ? hunks.data : ""), n + m - 2 * common[0][0]);
	}
}

static void more_edits_than_are_looked_for_replace_all(void **state)
{
	corral_autobuf struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT,
	                                 hunks = CORRAL_BUF_INIT;
	clock_t begin = clock();

	(void)state;
	for (int i = 0; i < 50000; i++) {
		corral_buf_fmt(&a, "%d\n", i);
		corral_buf_fmt(&b, "%d\n", i % 2 ? i : -i - 1);
	}
	assert_makes(a.data, b.data, &hunks);
	assert_int_equal(edits_of(hunks.data), 2 * 50000 - 2);
	assert_true(clock() - begin < 5 * CLOCKS_PER_SEC);
}

static int patched(const char *dir)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(dir) < 0)
			_exit(98);
		(void)execlp("patch", "patch", "-s", "--posix", "-o", "out", "a", "p",
		             (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void file_write(const char *dir, const char *name, const char *head, const char *text)
{
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(head, f) >= 0 && fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void patch_takes_them(void **state)
{
	char dir[] = "/tmp/corral-test-XXXXXX", path[64], text[1 << 16];
	static const char *const names[] = { "a", "p", "out", "out.orig", "out.rej" };

	(void)state;
	assert_non_null(mkdtemp(dir));
	srand(3);
	for (int turn = 0; turn < 30; turn++) {
		corral_autobuf struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT,
		                                 hunks = CORRAL_BUF_INIT;
		FILE *f;
		size_t n;
		int r;

		text_random(&a, 100, 20);
		text_random(&b, 100, 20);
		assert_makes(a.data, b.data, &hunks);
		if (!hunks.len || !a.len || !b.len)
			continue;
		file_write(dir, "a", "", a.data);
		file_write(dir, "p", "--- a/x\n+++ b/x\n", hunks.data);
		r = patched(dir);
		if (r == 99) {
			print_message("no patch(1) here\n");
			break;
		}
		assert_int_equal(r, 0);
		(void)snprintf(path, sizeof(path), "%s/out", dir);
		f = fopen(path, "re");
		assert_non_null(f);
		n = fread(text, 1, sizeof(text) - 1, f);
		assert_int_equal(fclose(f), 0);
		text[n] = '\0';
		assert_string_equal(text, b.data);
	}
	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void what_is_no_text_is_known(void **state)
{
	(void)state;
	assert_true(corral_textdiff_is_text("", 0));
	assert_true(corral_textdiff_is_text(NULL, 0));
	assert_true(corral_textdiff_is_text("gr\xc3\xbc\xc3\x9f", 6));
	assert_false(corral_textdiff_is_text("a\0b", 3));
	assert_false(corral_textdiff_is_text("\xff", 1));
	assert_false(corral_textdiff_is_text("a\xc3", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hunks_look_as_those_of_diff),
		cmocka_unit_test(any_text_becomes_the_other),
		cmocka_unit_test(no_line_more_than_needed_is_told),
		cmocka_unit_test(more_edits_than_are_looked_for_replace_all),
		cmocka_unit_test(patch_takes_them),
		cmocka_unit_test(what_is_no_text_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
