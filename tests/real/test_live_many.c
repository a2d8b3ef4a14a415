/*
 * Many threads on some live sandboxes at once: every answer is the one that belongs to its call.
 * CORRAL_TEST_OPERATIONS=1000 makes it that many of each thread.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "tests/support.h"
#include "tests/real/library_support.h"

#define THREADS    64
#define SANDBOXES  16
#define OPERATIONS 30
/* Emulated, so many at once are themselves what makes all of them late, and who does not answer a
 * kill in time takes its sandbox along. */
#define SLOW_THREADS   8
#define SLOW_SANDBOXES 2

struct many {
	struct corral_backend *boxes[SANDBOXES];
	int n_threads, n_boxes, operations;
	atomic_int failures;
};

struct worker {
	struct many *many;
	struct corral_backend *b;
	int id;
	unsigned int seed;
	char path[32], text[64]; /* its own file, and what it last wrote */
	char said[256];          /* why it failed */
};

/* No cmocka within the threads: its assertions belong to the main one. */
static bool expect(struct worker *w, bool fine, const char *what, const char *detail)
{
	if (!fine && !w->said[0])
		(void)snprintf(w->said, sizeof(w->said), "%s: %.200s", what, detail);
	return fine;
}

static bool write_own(struct worker *w, int n)
{
	struct corral_error err = { 0 };

	(void)snprintf(w->text, sizeof(w->text), "thread %d wrote %d\n", w->id, n);
	return expect(w, corral_backend_write(w->b, w->path, w->text, strlen(w->text), &err) == 0,
	              "write", err.text);
}

static bool read_own(struct worker *w)
{
	corral_autobuf struct corral_buf buf = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	int r = corral_backend_read_bytes(w->b, w->path, 0, &buf, &err);

	return expect(w, r == 0, "read", err.text) &&
	       expect(w, buf.len == strlen(w->text) && memcmp(buf.data, w->text, buf.len) == 0,
	              "read gave another text than was written", w->text);
}

static bool execute_own(struct worker *w, int n)
{
	struct corral_error err = { 0 };
	struct corral_executed e;
	char command[128], expected[64];
	const struct corral_execute x = { .command = command, .timeout_ms = 60000 };
	bool fine;

	(void)snprintf(command, sizeof(command), "echo %d.%d; exit %d", w->id, n, n % 50);
	(void)snprintf(expected, sizeof(expected), "%d.%d\n", w->id, n);
	fine = expect(w, corral_backend_execute(w->b, &x, &e, &err) == 0, "execute", err.text);
	fine = fine && expect(w,
	                      e.exit_code == n % 50 && e.out.len == strlen(expected) &&
	                              memcmp(e.out.data, expected, e.out.len) == 0,
	                      "execute gave another's output", expected);
	corral_executed_done(&e);
	return fine;
}

static bool time_out(struct worker *w)
{
	const struct corral_execute x = { .command = "sleep 100 & sleep 100", .timeout_ms = 5 };
	struct corral_error err = { 0 };
	struct corral_executed e;
	bool fine = expect(w, corral_backend_execute(w->b, &x, &e, &err) == 0, "timeout", err.text);

	fine = fine && expect(w, e.timed_out && e.exit_code == CORRAL_EXECUTE_TIMED_OUT,
	                      "a command did not time out", "");
	corral_executed_done(&e);
	return fine;
}

static bool search_own(struct worker *w)
{
	const struct corral_files_grep grep = { .pattern = "wrote", .path = w->path };
	struct corral_files_matches matches = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_error err = { 0 };
	bool fine;

	fine = expect(w, corral_backend_grep(w->b, &grep, &matches, &err) == 0, "grep", err.text) &&
	       expect(w, matches.n == 1, "grep did not find the one line", w->path);
	fine = fine &&
	       expect(w, corral_backend_ls(w->b, w->path, &rows, &err) == 0, "ls", err.text) &&
	       expect(w, rows.n == 1 && strcmp(rows.rows[0].name, w->path) == 0,
	              "ls gave another row", w->path);
	corral_files_matches_done(&matches);
	corral_files_rows_done(&rows);
	return fine;
}

static bool background_own(struct worker *w)
{
	struct corral_background bg = { 0 };
	struct corral_error err = { 0 };

	return expect(w, corral_backend_background_start(w->b, "sleep 100", &bg, &err) == 0,
	              "background", err.text) &&
	       expect(w, corral_backend_background_kill(w->b, bg.shell_id, &err) == 1,
	              "a background process was not there to be killed", err.text);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	bool fine = write_own(w, 0);
	int i;

	for (i = 1; fine && i < w->many->operations; i++)
		switch (rand_r(&w->seed) % 16) {
		case 0:
			fine = time_out(w);
			break;
		case 1:
			fine = background_own(w);
			break;
		case 2:
		case 3:
			fine = search_own(w);
			break;
		case 4:
		case 5:
		case 6:
		case 7:
			fine = execute_own(w, i);
			break;
		case 8:
		case 9:
		case 10:
		case 11:
			fine = write_own(w, i);
			break;
		default:
			fine = read_own(w);
		}
	if (!fine)
		atomic_fetch_add(&w->many->failures, 1);
	return NULL;
}

static void every_answer_belongs_to_its_call(void **state)
{
	static struct worker workers[THREADS];
	const char *operations = getenv("CORRAL_TEST_OPERATIONS");
	struct many many = { .n_threads = corral_test_slow() ? SLOW_THREADS : THREADS,
		             .n_boxes = corral_test_slow() ? SLOW_SANDBOXES : SANDBOXES,
		             .operations = operations ? (int)strtol(operations, NULL, 10)
		                                      : corral_test_times(OPERATIONS) };
	struct corral_launcher *launcher = NULL;
	struct corral_policy *policy;
	struct corral_error err = { 0 };
	pthread_t threads[THREADS];
	int i;

	(void)state;
	if (corral_launcher_open(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, &launcher, &err) <
	    0) {
		corral_test_skip("native isolation: %s", err.text);
		return;
	}
	policy = policy_of("{}");
	for (i = 0; i < many.n_boxes; i++)
		if (corral_native_sandbox_new(launcher, policy, NULL, &many.boxes[i], &err) < 0)
			fail_msg("sandbox %d: %s", i, err.text);
	for (i = 0; i < many.n_threads; i++) {
		workers[i] = (struct worker) { .many = &many,
			                       .b = many.boxes[i % many.n_boxes],
			                       .id = i,
			                       .seed = (unsigned int)i };
		(void)snprintf(workers[i].path, sizeof(workers[i].path), "file-%d", i);
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < many.n_threads; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		if (workers[i].said[0])
			print_error("thread %d: %s\n", i, workers[i].said);
	}
	for (i = 0; i < many.n_boxes; i++)
		corral_backend_close(many.boxes[i]);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
	assert_int_equal(many.failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_belongs_to_its_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
