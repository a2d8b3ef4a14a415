/* What is particular to files in memory: documents in and out, the budget, refused names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/local.h"
#include "backends/state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

struct fixture {
	struct corral_backend *b;
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
	OK(f, corral_state_backend_new(NULL, &f->b, &f->err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->b);
	free(f);
	return 0;
}

static void import(struct fixture *f, const char *json)
{
	OK(f, corral_state_backend_import(f->b, json, strlen(json), &f->err));
}

static char *export(struct fixture *f)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	OK(f, corral_state_backend_export(f->b, &b, &f->err));
	return corral_buf_take(&b);
}

static void assert_file(struct fixture *f, const char *path, const void *data, size_t len)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	OK(f, corral_backend_read_bytes(f->b, path, 0, &b, &f->err));
	assert_int_equal(b.len, len);
	if (len)
		assert_memory_equal(b.data, data, len);
	corral_buf_done(&b);
}

#define TEXT_DOCUMENT                                                                           \
	"{\"/a.txt\": {\"content\": [\"one\", \"two\", \"\"], "                                 \
	"\"created_at\": \"2026-01-01T00:00:00+00:00\", "                                       \
	"\"modified_at\": \"2026-01-02T03:04:05.678901+00:00\"}, "                              \
	"\"/d/bin\": {\"content\": [\"/wD+\"], \"created_at\": \"2026-01-01T00:00:00+00:00\", " \
	"\"modified_at\": \"2026-01-01T00:00:00+00:00\", \"encoding\": \"base64\"}}"

static void document_comes_back_as_it_went_in(void **state)
{
	struct fixture *f = *state;
	struct corral_files_stat st;
	char *json;

	import(f, TEXT_DOCUMENT);
	assert_file(f, "/a.txt", "one\ntwo\n", 8);
	assert_file(f, "d/bin", "\xff\x00\xfe", 3);
	OK(f, corral_backend_stat(f->b, "/a.txt", 0, &st, &f->err));
	assert_int_equal(st.mtime_nsec, 1767323045678901000);
	OK(f, corral_backend_stat(f->b, "/d", 0, &st, &f->err));
	assert_int_equal(st.type, CORRAL_FILES_DIRECTORY);
	json = export(f);
	assert_string_equal(json, TEXT_DOCUMENT);
	free(json);
}

static void older_documents_are_read(void **state)
{
	struct fixture *f = *state;

	/* Without times, another zone, base64 in pieces, no first slash. */
	import(f, "{\"x\": {\"content\": []}, \"/y\": {\"content\": [\"aGVs\", \"bG8=\"], "
	          "\"encoding\": \"base64\", \"modified_at\": null}, "
	          "\"/z\": {\"content\": [\"a\"], \"created_at\": \"2026-01-01T01:00:00+01:00\", "
	          "\"modified_at\": \"2026-01-01T00:00:00Z\", \"encoding\": null}}");
	assert_file(f, "/x", "", 0);
	assert_file(f, "/y", "hello", 5);
	{
		char *json = export(f);

		assert_non_null(strstr(json, "\"/z\": {\"content\": [\"a\"], \"created_at\": "
		                             "\"2026-01-01T00:00:00+00:00\""));
		free(json);
	}
}

static void f18_lone_surrogates_become_the_bytes_they_were(void **state)
{
	struct fixture *f = *state;
	char *json;

	/* The private characters beside them, written and escaped, stay what they are. */
	import(f, "{\"/old\": {\"content\": [\"a\\udcff\\uDC80\", \"\xee\x80\x80\\ue100\"]}, "
	          "\"/pair\": {\"content\": [\"\\ud83d\\ude00 \\\\udcff\"]}}");
	assert_file(f, "/old", "a\xff\x80\n\xee\x80\x80\xee\x84\x80", 10);
	assert_file(f, "/pair", "\xf0\x9f\x98\x80 \\udcff", 11);
	json = export(f);
	assert_true(corral_utf8_valid(json, strlen(json)));
	assert_non_null(strstr(json, "\"encoding\": \"base64\""));
	assert_null(strstr(json, "\"a\\udc"));
	free(json);
	FAILS(f,
	      corral_state_backend_import(f->b, "{\"/x\": {\"content\": [\"\\ud800\"]}}", 32,
	                                  &f->err),
	      EINVAL, "files: line 1: ");
	assert_true(corral_backend_exists(f->b, "/old"));
}

static void every_byte_goes_through_a_document(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[256];
	char name[16], *json;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	/* All lengths of the last group, text with NUL, all values. */
	for (size_t len = 0; len < 5; len++) {
		(void)snprintf(name, sizeof(name), "/b%zu", len);
		OK(f, corral_backend_write(f->b, name, bytes + 251, len, &f->err));
	}
	OK(f, corral_backend_write(f->b, "/all", bytes, sizeof(bytes), &f->err));
	OK(f, corral_backend_write(f->b, "/nul", "a\0b\n\"\\\t\x7f", 8, &f->err));
	OK(f, corral_backend_write(f->b, "/\"q\\", "\n\n", 2, &f->err));
	json = export(f);
	import(f, "{}");
	assert_false(corral_backend_exists(f->b, "/all"));
	import(f, json);
	for (size_t len = 0; len < 5; len++) {
		(void)snprintf(name, sizeof(name), "/b%zu", len);
		assert_file(f, name, bytes + 251, len);
	}
	assert_file(f, "/all", bytes, sizeof(bytes));
	assert_file(f, "/nul", "a\0b\n\"\\\t\x7f", 8);
	assert_file(f, "/\"q\\", "\n\n", 2);
	free(json);
}

static void bad_document_changes_nothing(void **state)
{
	static const struct {
		const char *json, *words;
	} bad[] = {
		{ "", "files: line 1: " },
		{ "[]", "files: not an object of paths" },
		{ "{\"/x\": 1}", "files['/x']: not a file" },
		{ "{\"/\": {\"content\": []}}", "files['/']: not a file" },
		{ "{\"/x\": {}}", "files['/x'].content: not a list" },
		{ "{\"/x\": {\"content\": \"text\"}}", "files['/x'].content: not a list" },
		{ "{\"/x\": {\"content\": [\"a\", 1]}}", "files['/x'].content[1]: not a string" },
		{ "{\"/x\": {\"content\": [], \"encoding\": \"hex\"}}",
		  "files['/x'].encoding: base64 is the only one" },
		{ "{\"/x\": {\"content\": [\"a\"], \"encoding\": \"base64\"}}",
		  "files['/x'].content: not base64" },
		{ "{\"/x\": {\"content\": [\"aa=a\"], \"encoding\": \"base64\"}}",
		  "files['/x'].content: not base64" },
		{ "{\"/x\": {\"content\": [\"aGk=\", \"aGk=\"], \"encoding\": \"base64\"}}",
		  "files['/x'].content: not base64" },
		{ "{\"/x\": {\"content\": [], \"created_at\": \"yesterday\"}}",
		  "files['/x'].created_at: not an ISO 8601 time" },
		{ "{\"/x\": {\"content\": [], \"modified_at\": \"2026-13-01T00:00:00Z\"}}",
		  "files['/x'].modified_at: not an ISO 8601 time" },
		{ "{\"/a/../x\": {\"content\": []}}",
		  "files['/a/../x']: Path cannot contain '..'" },
		{ "{\"/x\": {\"content\": []}, \"/x/y\": {\"content\": []}}",
		  "a file and a directory" },
		{ "{\"/x\": {\"content\": []}, \"x\": {\"content\": []}}", "there are two of it" },
	};
	struct fixture *f = *state;

	import(f, TEXT_DOCUMENT);
	for (size_t i = 0; i < CORRAL_COUNT(bad); i++) {
		char *json;

		FAILS(f,
		      corral_state_backend_import(f->b, bad[i].json, strlen(bad[i].json), &f->err),
		      EINVAL, bad[i].words);
		json = export(f);
		assert_string_equal(json, TEXT_DOCUMENT);
		free(json);
	}
}

static void budget_is_kept(void **state)
{
	const struct corral_state_options o = { .max_bytes = 10000 };
	struct corral_files_edit edit = { "x", 1, "yyyyyyyyyy", 10, true };
	struct corral_error err = { 0 };
	struct fixture *f = *state;
	struct corral_backend *b = f->b;
	char data[9000], name[16];
	unsigned int n = 0;
	uint64_t used, occurrences;

	memset(data, 'x', sizeof(data));
	OK(f, corral_state_backend_new(&o, &f->b, &f->err));
	OK(f, corral_backend_write(f->b, "/d/a", data, 5000, &f->err));
	used = corral_state_backend_bytes(f->b);
	FAILS(f, corral_backend_write(f->b, "/e/b", data, 5000, &f->err), ENOSPC,
	      "No space left: the files would be over 10000 bytes");
	FAILS(f, corral_backend_write(f->b, "/d/a", data, 6000, &f->err), ENOSPC, "No space left");
	FAILS(f, corral_backend_edit(f->b, "/d/a", &edit, &occurrences, &f->err), ENOSPC,
	      "No space left");
	/* So long a document is not even read. */
	FAILS(f, corral_state_backend_import(f->b, "{}", 80000000, &f->err), ENOSPC,
	      "No space left");
	assert_int_equal(corral_state_backend_bytes(f->b), used);
	assert_file(f, "/d/a", data, 5000);
	assert_false(corral_backend_exists(f->b, "/e"));
	/* Names cost as well, and what is taken away is free again. */
	do
		(void)snprintf(name, sizeof(name), "/%u", n);
	while (corral_backend_write(f->b, name, "", 0, &err) == 0 && ++n < 1000);
	assert_true(n > 10 && n < 100);
	assert_int_equal(err.code, ENOSPC);
	while (n)
		OK(f, ((void)snprintf(name, sizeof(name), "/%u", --n),
		       corral_backend_remove(f->b, name, 0, &f->err)));
	OK(f, corral_backend_remove(f->b, "/d", CORRAL_FILES_RECURSIVE, &f->err));
	assert_int_equal(corral_state_backend_bytes(f->b), 0);
	OK(f, corral_backend_write(f->b, "/b", data, sizeof(data), &f->err));
	corral_backend_close(f->b);
	f->b = b;
}

static void names_that_no_document_holds_are_refused(void **state)
{
	struct fixture *f = *state;

	FAILS(f, corral_backend_write(f->b, "a/../b", "x", 1, &f->err), EINVAL,
	      "Path cannot contain '..'");
	FAILS(f, corral_backend_write(f->b, "~/x", "x", 1, &f->err), EINVAL,
	      "Path cannot start with '~'");
	FAILS(f, corral_backend_write(f->b, "C:\\x", "x", 1, &f->err), EINVAL,
	      "Windows absolute paths are not allowed");
	FAILS(f, corral_backend_write(f->b, "a\xff", "x", 1, &f->err), EILSEQ,
	      "Path is not valid UTF-8");
	/* Dots within a name are dots. */
	OK(f, corral_backend_write(f->b, "a..b/...", "x", 1, &f->err));
	assert_file(f, "/a..b/...", "x", 1);
	assert_int_equal(corral_state_backend_bytes(f->b), 2 * 128 + 5 + 9 + 1);
}

static void trees_move_whole_or_not_at_all(void **state)
{
	const struct corral_state_options o = { .max_bytes = 1000 };
	struct fixture *f = *state;
	struct corral_backend *b = f->b;
	char *before, *after, to[300] = "/";

	OK(f, corral_backend_write(f->b, "/a/b", "1", 1, &f->err));
	OK(f, corral_backend_write(f->b, "/a-b", "2", 1, &f->err));
	OK(f, corral_backend_write(f->b, "/c/d", "3", 1, &f->err));
	FAILS(f, corral_backend_rename(f->b, "/a", "/a/b/c", 0, &f->err), EINVAL, "/a");
	FAILS(f, corral_backend_rename(f->b, "/a", "/c", 0, &f->err), ENOTEMPTY, "not empty");
	FAILS(f, corral_backend_rename(f->b, "/a", "/a-b", 0, &f->err), ENOENT, "'/a' not found");
	FAILS(f, corral_backend_rename(f->b, "/a-b", "/c", 0, &f->err), EISDIR,
	      "'/c' is a directory");
	OK(f, corral_backend_rename(f->b, "/a", "/a", 0, &f->err));
	OK(f, corral_backend_rename(f->b, "/a", "/z/y", 0, &f->err));
	assert_file(f, "/z/y/b", "1", 1);
	assert_file(f, "/a-b", "2", 1);
	OK(f, corral_state_backend_new(&o, &f->b, &f->err));
	OK(f, corral_backend_write(f->b, "/a/b", "1", 1, &f->err));
	OK(f, corral_backend_write(f->b, "/a/c", "1", 1, &f->err));
	before = export(f);
	memset(to + 1, 'x', 250);
	/* Longer names do not fit. */
	FAILS(f, corral_backend_rename(f->b, "/a", to, 0, &f->err), ENOSPC, "No space left");
	after = export(f);
	assert_string_equal(before, after);
	free(before);
	free(after);
	corral_backend_close(f->b);
	f->b = b;
}

static void *edit_often(void *arg)
{
	struct fixture *f = arg;
	const struct corral_files_edit more = { "\n", 1, "x\n", 2, false };
	const struct corral_files_grep grep = { .pattern = "." };

	for (int i = 0; i < 200; i++) {
		struct corral_files_matches found = { 0 };
		uint64_t n;

		(void)corral_backend_edit(f->b, "/f", &more, &n, NULL);
		(void)corral_backend_grep(f->b, &grep, &found, NULL);
		corral_files_matches_done(&found);
		(void)corral_backend_write(f->b, "/d/other", "y", 1, NULL);
		(void)corral_backend_remove(f->b, "/d", CORRAL_FILES_RECURSIVE, NULL);
	}
	return NULL;
}

static void no_edit_is_lost_among_threads(void **state)
{
	struct fixture *f = *state;
	struct corral_buf b = CORRAL_BUF_INIT;
	pthread_t threads[4];

	OK(f, corral_backend_write(f->b, "/f", "\n", 1, &f->err));
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, edit_often, f), 0);
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		(void)pthread_join(threads[i], NULL);
	OK(f, corral_backend_read_bytes(f->b, "/f", 0, &b, &f->err));
	assert_int_equal(b.len, 1 + 200 * CORRAL_COUNT(threads));
	corral_buf_done(&b);
}

static void other_backends_have_no_documents(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_backend *local = NULL;
	const struct corral_local_options o = { .root_dir = "/tmp" };

	OK(f, corral_local_backend_new(&o, &local, &f->err));
	FAILS(f, corral_state_backend_export(local, &b, &f->err), EINVAL,
	      "the local backend has no documents");
	FAILS(f, corral_state_backend_import(local, "{}", 2, &f->err), EINVAL, "no documents");
	corral_backend_close(local);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(document_comes_back_as_it_went_in),
		ROW(older_documents_are_read),
		ROW(f18_lone_surrogates_become_the_bytes_they_were),
		ROW(every_byte_goes_through_a_document),
		ROW(bad_document_changes_nothing),
		ROW(budget_is_kept),
		ROW(names_that_no_document_holds_are_refused),
		ROW(trees_move_whole_or_not_at_all),
		ROW(no_edit_is_lost_among_threads),
		ROW(other_backends_have_no_documents),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
