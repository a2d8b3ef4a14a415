/*
 * An engine that stops answering in the middle of something: what waits for it is told so within
 * the engine's patience, and what does not need the answer goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "backends/docker/docker.h"
#include "backends/docker/inside.h"
#include "backends/docker/volume.h"
#include "kernel/base/base64.h"
#include "kernel/base/clock.h"
#include "tests/unit/backends/docker/fake.h"

#define PATIENCE_MS 300
/* Several answers are waited for, one after the other, and the machine may be busy. */
#define BOUND_MS 6000

#define ID "0123456789abcdef"

struct fixture {
	struct fake fake;
	struct corral_docker_engine *engine;
	struct corral_backend *b;
	struct corral_error err;
};

static int setup_with(void **state, int64_t patience_ms)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct corral_docker_engine_options o = { .call_timeout_ms = patience_ms };

	if (!f)
		return -1;
	*state = f;
	fake_start(&f->fake);
	o.host = f->fake.host;
	return corral_docker_engine_open(&o, &f->engine, &f->err);
}

static int setup(void **state)
{
	return setup_with(state, PATIENCE_MS);
}

/* For what is to be done while something hangs, on however slow a machine. */
static int patient_setup(void **state)
{
	return setup_with(state, 3000);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->b);
	corral_docker_engine_close(f->engine);
	fake_stop(&f->fake);
	free(f);
	return 0;
}

static void hang(struct fixture *f, const char *method, const char *path)
{
	fake_raw(&f->fake, method, path, "", FAKE_HANG);
}

/* Our program, as the engine tells of files. */
static void inside_is_there(struct fixture *f)
{
	struct corral_buf stat = CORRAL_BUF_INIT, text = CORRAL_BUF_INIT, head = CORRAL_BUF_INIT;
	const void *data;
	size_t len;

	corral_docker_inside_image(&data, &len);
	corral_buf_fmt(&stat, "{\"name\":\"corral-inside\",\"size\":%zu}", len);
	corral_base64_encode(&text, stat.data, stat.len);
	corral_buf_fmt(&head,
	               "HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: %s\r\n"
	               "Content-Length: 0\r\n\r\n",
	               text.data);
	fake_raw(&f->fake, "HEAD", "/containers/" ID "/archive", head.data, FAKE_KEEP);
	corral_buf_done(&stat);
	corral_buf_done(&text);
	corral_buf_done(&head);
}

/* One of ours, with the volume of our program in it. */
static void running_box(struct fixture *f)
{
	struct corral_buf text = CORRAL_BUF_INIT;
	char volume[CORRAL_DOCKER_VOLUME_SIZE];

	corral_docker_volume_name(volume);
	corral_buf_fmt(&text,
	               "{\"Id\":\"" ID "\",\"State\":{\"Status\":\"running\",\"Running\":true},"
	               "\"Config\":{\"Labels\":{\"corral\":\"container\",\"corral.self\":\"box\"}},"
	               "\"Name\":\"/box\",\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"%s\","
	               "\"Destination\":\"" CORRAL_DOCKER_INSIDE_DIR "\",\"RW\":false}]}",
	               volume);
	fake_json(&f->fake, "GET", "/containers/*", 200, text.data);
	corral_buf_done(&text);
}

/* A container "box" that runs, in an engine with its image. */
static void box(struct fixture *f)
{
	const struct corral_docker_options o = { .image = "x:latest", .container_name = "box" };
	struct corral_buf image = CORRAL_BUF_INIT;

	corral_buf_fmt(
	        &image,
	        "{\"Id\":\"sha256:%064d\",\"Architecture\":\"%s\",\"Os\":\"linux\","
	        "\"Size\":1,\"Created\":\"2024-01-01T00:00:00Z\",\"RepoTags\":[\"x:latest\"]}",
	        1, corral_docker_inside_arch());
	fake_json(&f->fake, "GET", "/images/*", 200, image.data);
	corral_buf_done(&image);
	running_box(f);
	inside_is_there(f);
	fake_json(&f->fake, "GET", "/containers/json", 200, "[]");
	fake_json(&f->fake, "POST", "/containers/" ID "/exec", 201, "{\"Id\":\"abcdef\"}");
	fake_json(&f->fake, "POST", "/containers/" ID "/stop", 200, "{}");
	if (corral_docker_sandbox_new(f->engine, &o, &f->b, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static void assert_timed_out(struct fixture *f, int r, uint64_t begin_ms)
{
	uint64_t took = corral_now_ms() - begin_ms;

	if (r != -ETIMEDOUT)
		fail_msg("%d and not -ETIMEDOUT: %s", r, f->err.text);
	assert_int_equal(f->err.code, ETIMEDOUT);
	assert_true(took >= PATIENCE_MS && took < BOUND_MS);
	memset(&f->err, 0, sizeof(f->err));
}

static int execute(struct fixture *f)
{
	const struct corral_execute x = { .command = "true", .timeout_ms = 60000 };
	struct corral_executed e;
	int r = corral_backend_execute(f->b, &x, &e, &f->err);

	corral_executed_done(&e);
	return r;
}

/* On the same engine, what has nothing to do with it. */
static void assert_others_go_on(struct fixture *f)
{
	struct corral_docker_rows rows = { 0 };
	struct corral_error err = { 0 };

	for (int i = 0; i < 10; i++) {
		if (corral_docker_list(f->engine, &rows, &err) < 0)
			fail_msg("%s", err.text);
		corral_docker_rows_done(&rows);
	}
}

static void start_of_an_exec_that_hangs_times_out(void **state)
{
	const struct corral_terminal_options o = { .rows = 24, .cols = 80 };
	struct corral_terminal *t = NULL;
	struct corral_background g;
	struct corral_files_rows rows = { 0 };
	struct fixture *f = *state;
	uint64_t begin;

	box(f);
	hang(f, "POST", "/exec/*");
	begin = corral_now_ms();
	assert_timed_out(f, execute(f), begin);
	begin = corral_now_ms();
	assert_timed_out(f, corral_backend_ls(f->b, ".", &rows, &f->err), begin);
	begin = corral_now_ms();
	assert_timed_out(f, corral_backend_background_start(f->b, "true", &g, &f->err), begin);
	begin = corral_now_ms();
	assert_timed_out(f, corral_backend_terminal_open(f->b, &o, &t, &f->err), begin);
	assert_int_equal(corral_backend_busy(f->b), 0);
	assert_int_equal(corral_backend_end(f->b, &f->err), 0);
	assert_int_equal(fake_count(&f->fake, "POST", "/containers/" ID "/stop"), 1);
}

/* The answer that says whether it runs does not come: then nobody says that it died. */
static void inspection_that_hangs_times_out(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = corral_now_ms();

	box(f);
	hang(f, "GET", "/containers/box/json");
	assert_timed_out(f, corral_backend_start(f->b, &f->err), begin);
	assert_false(corral_backend_is_alive(f->b));
	begin = corral_now_ms();
	assert_timed_out(f, execute(f), begin);
	assert_others_go_on(f);
}

static void inspection_that_hangs_later_is_no_death(void **state)
{
	struct fixture *f = *state;
	uint64_t begin;

	box(f);
	if (corral_backend_start(f->b, &f->err) < 0)
		fail_msg("%s", f->err.text);
	hang(f, "POST", "/exec/*");
	hang(f, "GET", "/containers/" ID "/json");
	begin = corral_now_ms();
	assert_timed_out(f, execute(f), begin);
	assert_true(corral_backend_is_alive(f->b));
}

static void archive_that_hangs_times_out(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = corral_now_ms();

	box(f);
	hang(f, "HEAD", "/containers/" ID "/archive");
	assert_timed_out(f, corral_backend_start(f->b, &f->err), begin);
	begin = corral_now_ms();
	assert_timed_out(f, execute(f), begin);
	assert_others_go_on(f);
	/* And is well again, as soon as the engine is. */
	inside_is_there(f);
	if (corral_backend_start(f->b, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static void stop_that_hangs_ends_all_the_same(void **state)
{
	struct fixture *f = *state;
	uint64_t begin;

	box(f);
	if (corral_backend_start(f->b, &f->err) < 0)
		fail_msg("%s", f->err.text);
	hang(f, "POST", "/containers/" ID "/stop");
	begin = corral_now_ms();
	(void)corral_backend_end(f->b, &f->err);
	assert_true(corral_now_ms() - begin < BOUND_MS);
	assert_false(corral_backend_is_alive(f->b));
}

struct hanging {
	struct fixture *f;
	atomic_bool over;
};

static void *execute_thread(void *arg)
{
	struct hanging *h = arg;
	int r = execute(h->f);

	atomic_store(&h->over, true);
	return (void *)(intptr_t)r;
}

static void others_go_on_while_one_hangs(void **state)
{
	struct fixture *f = *state;
	struct hanging h = { f, false };
	pthread_t thread;
	void *r;

	box(f);
	hang(f, "POST", "/exec/*");
	assert_int_equal(pthread_create(&thread, NULL, execute_thread, &h), 0);
	for (int i = 0; i < 500 && fake_count(&f->fake, "POST", "/exec/*") == 0; i++) {
		const struct timespec look = { .tv_nsec = 2000000 };

		(void)nanosleep(&look, NULL);
	}
	assert_others_go_on(f);
	assert_true(corral_backend_is_alive(f->b));
	/* Had they waited for it, it would be over. */
	assert_false(atomic_load(&h.over));
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, -ETIMEDOUT);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(start_of_an_exec_that_hangs_times_out),
		ROW(inspection_that_hangs_times_out),
		ROW(inspection_that_hangs_later_is_no_death),
		ROW(archive_that_hangs_times_out),
		ROW(stop_that_hangs_ends_all_the_same),
		cmocka_unit_test_setup_teardown(others_go_on_while_one_hangs, patient_setup,
		                                teardown),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
