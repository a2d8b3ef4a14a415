/* Many threads, several containers, one engine: what each does is done, and seen by it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "tests/docker/sandbox_support.h"

#define CONTAINERS 4
#define THREADS    16
#define OPERATIONS 50

static struct corral_docker_options own_options(void)
{
	return (struct corral_docker_options) { 0 };
}

struct worker {
	struct corral_backend *b;
	unsigned int number;
	pthread_t thread;
	char why[300]; /* "" when all went well */
};

static bool fail_of(struct worker *w, int i, const char *what, const struct corral_error *err)
{
	(void)snprintf(w->why, sizeof(w->why), "thread %u, operation %d: %s: %.200s", w->number, i,
	               what, err->text);
	return false;
}

static bool run_one(struct worker *w, int i, const char *line, const char *wanted)
{
	const struct corral_execute x = { .command = line, .timeout_ms = 60000 };
	struct corral_error err = { 0 };
	struct corral_executed e;
	bool good = corral_backend_execute(w->b, &x, &e, &err) == 0 && e.exit_code == 0 &&
	            e.out.len == strlen(wanted) && memcmp(e.out.data, wanted, e.out.len) == 0;

	corral_executed_done(&e);
	return good || fail_of(w, i, line, &err);
}

static bool write_and_read(struct worker *w, int i, const char *path)
{
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	char line[100], wanted[60];
	bool good;

	(void)snprintf(wanted, sizeof(wanted), "%u %d\n", w->number, i);
	(void)snprintf(line, sizeof(line), "cat %s", path);
	good = corral_backend_write(w->b, path, wanted, strlen(wanted), &err) == 0 &&
	       corral_backend_read_bytes(w->b, path, 0, &text, &err) == 0 &&
	       text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
	corral_buf_done(&text);
	return good ? run_one(w, i, line, wanted) : fail_of(w, i, "write and read", &err);
}

static bool edit_one(struct worker *w, int i, const char *path)
{
	const struct corral_files_edit edit = { "old", 3, "new", 3, false };
	struct corral_files_stat st;
	struct corral_error err = { 0 };
	uint64_t n = 0;

	if (corral_backend_write(w->b, path, "an old one", 10, &err) < 0 ||
	    corral_backend_edit(w->b, path, &edit, &n, &err) < 0 || n != 1 ||
	    corral_backend_remove(w->b, path, 0, &err) < 0)
		return fail_of(w, i, "edit", &err);
	return corral_backend_stat(w->b, path, 0, &st, &err) == -ENOENT ||
	       fail_of(w, i, "stat of what was removed", &err);
}

static bool in_the_background(struct worker *w, int i)
{
	struct corral_error err = { 0 };
	struct corral_background g;

	return (corral_backend_background_start(w->b, "sleep 100", &g, &err) == 0 &&
	        corral_backend_background_kill(w->b, g.shell_id, &err) == 1) ||
	       fail_of(w, i, "background", &err);
}

static bool one_of_each(struct worker *w, int i)
{
	char line[100], wanted[60], path[60];

	(void)snprintf(path, sizeof(path), "dir%u/file", w->number);
	(void)snprintf(line, sizeof(line), "echo %u; echo %d", w->number, i);
	(void)snprintf(wanted, sizeof(wanted), "%u\n%d\n", w->number, i);
	switch (i % 5) {
	case 0:
	case 1:
		return run_one(w, i, line, wanted);
	case 2:
		return write_and_read(w, i, path);
	case 3:
		return edit_one(w, i, path);
	default:
		return i % 10 != 4 || in_the_background(w, i);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < OPERATIONS; i++)
		if (!one_of_each(w, i))
			break;
	return NULL;
}

/* All at once, and none of the containers there before. */
static void sixteen_threads_on_four_containers(void **state)
{
	static struct worker workers[THREADS];
	struct corral_backend *b[CONTAINERS];
	struct fixture *f = *state;

	if (missing(f))
		return;
	for (int i = 0; i < CONTAINERS; i++)
		b[i] = sandbox(f, (struct corral_docker_options) { 0 });
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker) { .b = b[i % CONTAINERS], .number = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_string_equal(workers[i].why, "");
	for (int i = 0; i < CONTAINERS; i++) {
		assert_int_equal(corral_backend_busy(b[i]), 0);
		assert_shell_in(f, b[i],
		                "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c "
		                "'sleep 10[0]'",
		                1, "0\n");
	}
}

struct lives {
	struct corral_backend *b;
	atomic_int done, odd;
};

static void *use(void *arg)
{
	const struct corral_execute x = { .command = "sleep 0.05", .timeout_ms = 60000 };
	struct lives *l = arg;

	while (!atomic_load(&l->done)) {
		struct corral_files_rows rows = { 0 };
		struct corral_error err = { 0 };
		struct corral_executed e;
		int r = corral_backend_execute(l->b, &x, &e, &err);

		/* Either it was done, or its sandbox went. */
		if (r != 0 && r != -EPIPE)
			atomic_store(&l->odd, -r);
		corral_executed_done(&e);
		r = corral_backend_ls(l->b, ".", &rows, &err);
		if (r != 0 && r != -EPIPE)
			atomic_store(&l->odd, -r);
		corral_files_rows_done(&rows);
	}
	return NULL;
}

static void ends_in_the_middle_of_calls_are_survived(void **state)
{
	struct fixture *f = *state;
	struct lives lives = { 0 };
	pthread_t threads[4];

	if (missing(f))
		return;
	lives.b = sandbox(f, (struct corral_docker_options) { 0 });
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, &lives), 0);
	for (int i = 0; i < 3; i++) {
		OK(f, corral_backend_start(lives.b, &f->on.err));
		nap(150);
		/* While others begin anew this one may end the new one as well. */
		OK(f, corral_backend_end(lives.b, &f->on.err));
	}
	atomic_store(&lives.done, 1);
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&lives.odd), 0);
	assert_int_equal(corral_backend_busy(lives.b), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(sixteen_threads_on_four_containers),
		ROW(ends_in_the_middle_of_calls_are_survived),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, all_setup, all_teardown);
}
