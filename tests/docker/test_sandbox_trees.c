/* Files and trees in containers, between them, and where there is not even a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/docker/sandbox_support.h"

#define BIG ((uint64_t)20 << 20)

static struct corral_docker_options own_options(void)
{
	return (struct corral_docker_options) { 0 };
}

CHECKED(files_are_those_of_the_commands)
CHECKED(directories_are_made_and_looked_at)
CHECKED(stream_becomes_a_file_or_nothing)

static void tree_goes_from_one_sandbox_into_another(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	f->on.other = sandbox(f, (struct corral_docker_options) { 0 });
	check_tree_goes_from_one_sandbox_into_another(&f->on);
	f->on.other = NULL;
}

static char *listing(struct fixture *f, struct corral_backend *b, const char *dir)
{
	struct corral_execute x = { .command = "find . -type f -exec md5sum {} + | sort; "
		                               "find . -printf '%P %y %m %l\\n' | sort",
		                    .guest_dir = dir,
		                    .output_bytes = 1 << 20,
		                    .timeout_ms = 60000 };
	struct corral_executed e = execute_in(f, b, &x);
	char *text = corral_buf_take(&e.out);

	assert_int_equal(e.exit_code, 0);
	corral_executed_done(&e);
	return text;
}

static void carry(struct fixture *f, struct corral_backend *from, const char *path,
                  struct corral_backend *to, const char *new_path)
{
	struct archive a = { .bytes = CORRAL_BUF_INIT };
	const struct corral_files_sink sink = { archive_put, &a };
	const struct corral_files_source source = { archive_get, &a };
	struct corral_files_copied out = { 0 }, in = { 0 };

	OK(f, corral_backend_tar_out(from, path, &sink, &out, &f->on.err));
	assert_true(out.entries >= 210 && out.skipped == 0);
	OK(f, corral_backend_tar_in(to, new_path, &source, &in, &f->on.err));
	assert_int_equal(in.bytes, out.bytes);
	assert_int_equal(in.skipped, 0);
	corral_buf_done(&a.bytes);
}

static void two_hundred_files_go_there_and_back(void **state)
{
	corral_autofree char *first = NULL, *there = NULL, *back = NULL;
	struct fixture *f = *state;
	struct corral_backend *b;

	if (missing(f))
		return;
	assert_shell(
	        &f->on,
	        "mkdir t && cd t && i=0; while test $i -lt 200; do d=$((i % 10)); mkdir -p d$d; "
	        "head -c $((i * 37)) /dev/urandom >d$d/f$i; i=$((i + 1)); done; chmod 700 d3; "
	        "chmod 640 d3/f3; ln -s d1/f1 l",
	        0, "");
	first = listing(f, f->on.b, "/workspace/t");
	assert_true(strlen(first) > 200 * 34);
	b = sandbox(f, (struct corral_docker_options) { .user = "1000:1000" });
	carry(f, f->on.b, "t", b, "sub/t");
	there = listing(f, b, "/workspace/sub/t");
	assert_string_equal(first, there);
	carry(f, b, "sub/t", f->on.b, "back");
	back = listing(f, f->on.b, "/workspace/back");
	assert_string_equal(first, back);
}

struct pattern {
	uint64_t at, wrong;
};

static char pattern_at(uint64_t at)
{
	return (char)((at * 2654435761u) >> 13);
}

static long pattern_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct pattern *p = ctx;
	size_t n = BIG - p->at < size ? (size_t)(BIG - p->at) : size;

	(void)err;
	for (size_t i = 0; i < n; i++)
		((char *)data)[i] = pattern_at(p->at++);
	return (long)n;
}

static int pattern_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct pattern *p = ctx;

	(void)err;
	for (size_t i = 0; i < len; i++)
		p->wrong += ((const char *)data)[i] != pattern_at(p->at++);
	return 0;
}

static void twenty_megabytes_go_there_and_back(void **state)
{
	struct pattern in = { 0 }, out = { 0 };
	const struct corral_files_source source = { pattern_get, &in };
	const struct corral_files_sink sink = { pattern_put, &out };
	struct fixture *f = *state;

	if (missing(f))
		return;
	OK(f, corral_backend_write_stream(f->on.b, "big", 0644, &source, &f->on.err));
	assert_shell(&f->on, "cp big copy; stat -c %s copy", 0, "20971520\n");
	OK(f, corral_backend_read_stream(f->on.b, "copy", 0, UINT64_MAX, &sink, &f->on.err));
	assert_int_equal(out.at, BIG);
	assert_int_equal(out.wrong, 0);
}

/* A guest may kill what it likes of its own user's; the next operation begins anew. */
static void file_server_that_was_killed_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct corral_files_rows rows = { 0 };

	if (missing(f))
		return;
	OK(f, corral_backend_write(f->on.b, "x", "1", 1, &f->on.err));
	assert_shell(&f->on,
	             "for p in /proc/[0-9]*; do test \"$(tr '\\0' ' ' <$p/cmdline)\" = "
	             "'/.corral/corral-inside files ' && kill -9 ${p#/proc/} && echo killed; done; "
	             "true",
	             0, "killed\n");
	nap(100);
	for (int i = 0; i < 3 && corral_backend_ls(f->on.b, ".", &rows, &f->on.err) < 0; i++)
		nap(50);
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
	assert_true(corral_backend_is_alive(f->on.b));
}

/* --- One program and nothing else --- */

static void image_without_a_shell_serves(void **state)
{
	char *const argv[] = { (char *)"/program", (char *)"exit", (char *)"3", NULL };
	struct corral_files_edit edit = { "two", 3, "TWO", 3, false };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_buf text = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_executed e;
	struct corral_backend *b;
	uint64_t n;

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { .image = corral_test_image_scratch() });
	e = execute_in(f, b, &(struct corral_execute) { .argv = argv, .timeout_ms = 60000 });
	assert_int_equal(e.exit_code, 3);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_EXIT);
	corral_executed_done(&e);
	e = execute_in(f, b,
	               &(struct corral_execute) {
	                       .command = "true", .timeout_ms = 60000, .separate = true });
	assert_int_equal(e.exit_code, 127);
	assert_says(e.err.data, "'/bin/sh'");
	corral_executed_done(&e);
	OK(f, corral_backend_write(b, "dir/a.txt", "one\ntwo\n", 8, &f->on.err));
	OK(f, corral_backend_edit(b, "dir/a.txt", &edit, &n, &f->on.err));
	OK(f, corral_backend_read_bytes(b, "/workspace/dir/a.txt", 0, &text, &f->on.err));
	assert_text(&text, "one\nTWO\n");
	corral_buf_done(&text);
	OK(f, corral_backend_ls(b, "/", &rows, &f->on.err));
	assert_true(rows.n >= 2);
	corral_files_rows_done(&rows);
	OK(f, corral_backend_grep(b, &(struct corral_files_grep) { .pattern = "T.O", .path = "." },
	                          &found, &f->on.err));
	assert_int_equal(found.n, 1);
	corral_files_matches_done(&found);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(files_are_those_of_the_commands),
		ROW(directories_are_made_and_looked_at),
		ROW(stream_becomes_a_file_or_nothing),
		ROW(tree_goes_from_one_sandbox_into_another),
		ROW(two_hundred_files_go_there_and_back),
		ROW(twenty_megabytes_go_there_and_back),
		ROW(file_server_that_was_killed_is_replaced),
		ROW(image_without_a_shell_serves),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, all_setup, all_teardown);
}
