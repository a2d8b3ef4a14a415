/* backends/docker/build_once.h: threads that want the same image share one build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "backends/docker/build_once.h"

#define N_THREADS 6

struct work {
	atomic_int came; /* threads that are about to ask */
	atomic_int built;
	atomic_int first_result; /* of the first build; later ones succeed */
	int result;              /* of all others */
};

struct thread {
	struct work *work;
	const char *tag;
	int result;
	struct corral_error err;
};

static int build(void *ctx, struct corral_error *err)
{
	struct work *w = ctx;
	int r = atomic_exchange(&w->first_result, w->result);

	atomic_fetch_add(&w->built, 1);
	while (w->came < N_THREADS)
		(void)usleep(1000);
	/* Long enough for the last of them to ask. */
	(void)usleep(300000);
	return r < 0 ? corral_error_set(err, -r, "the build says %d", r) : 0;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	atomic_fetch_add(&t->work->came, 1);
	t->result = corral_docker_build_once(NULL, t->tag, NULL, 60000, build, t->work, &t->err);
	return NULL;
}

static void run(struct work *w, struct thread *threads, const char *const *tags)
{
	pthread_t ids[N_THREADS];

	for (size_t i = 0; i < N_THREADS; i++) {
		threads[i] = (struct thread) { .work = w, .tag = tags[i % 2] };
		assert_int_equal(pthread_create(&ids[i], NULL, thread_main, &threads[i]), 0);
	}
	for (size_t i = 0; i < N_THREADS; i++)
		(void)pthread_join(ids[i], NULL);
}

static void same_tag_is_built_once(void **state)
{
	static const char *const tags[] = { "a", "a" };
	struct thread threads[N_THREADS];
	struct work w = { 0 };

	(void)state;
	run(&w, threads, tags);
	assert_int_equal(w.built, 1);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(threads[i].result, 0);
}

static void other_tags_are_built_beside_it(void **state)
{
	static const char *const tags[] = { "a", "b" };
	struct thread threads[N_THREADS];
	struct work w = { 0 };

	(void)state;
	run(&w, threads, tags);
	assert_int_equal(w.built, 2);
}

static void failure_is_shared(void **state)
{
	static const char *const tags[] = { "a", "a" };
	struct thread threads[N_THREADS];
	struct work w = { .first_result = -EIO, .result = -EIO };

	(void)state;
	run(&w, threads, tags);
	assert_int_equal(w.built, 1);
	for (size_t i = 0; i < N_THREADS; i++) {
		assert_int_equal(threads[i].result, -EIO);
		assert_string_equal(threads[i].err.text, "the build says -5");
	}
}

static void build_that_was_given_up_is_begun_anew_by_another(void **state)
{
	static const char *const tags[] = { "a", "a" };
	struct thread threads[N_THREADS];
	struct work w = { .first_result = -ECANCELED };
	int canceled = 0;

	(void)state;
	run(&w, threads, tags);
	assert_int_equal(w.built, 2);
	for (size_t i = 0; i < N_THREADS; i++)
		canceled += threads[i].result == -ECANCELED;
	assert_int_equal(canceled, 1);
}

struct slow {
	atomic_int has_begun, may_end;
};

static int slow_build(void *ctx, struct corral_error *err)
{
	struct slow *s = ctx;

	(void)err;
	s->has_begun = 1;
	while (!s->may_end)
		(void)usleep(10000);
	return 0;
}

static void *slow_main(void *arg)
{
	(void)corral_docker_build_once(NULL, "slow", NULL, 60000, slow_build, arg, NULL);
	return NULL;
}

static int stop(void *ctx, const char *text, uint64_t current, uint64_t total)
{
	(void)current;
	(void)total;
	assert_string_equal(text, "waiting for the build of slow");
	*(int *)ctx += 1;
	return 1;
}

static void who_waits_can_give_up(void **state)
{
	struct slow s = { 0 };
	struct corral_error err = { 0 };
	int asked = 0;
	const struct corral_docker_progress progress = { stop, &asked };
	pthread_t id;

	(void)state;
	assert_int_equal(pthread_create(&id, NULL, slow_main, &s), 0);
	while (!s.has_begun)
		(void)usleep(1000);
	assert_int_equal(corral_docker_build_once(NULL, "slow", &progress, 60000, slow_build, &s,
	                                          &err),
	                 -ECANCELED);
	assert_int_equal(asked, 1);
	assert_int_equal(corral_docker_build_once(NULL, "slow", NULL, 100, slow_build, &s, &err),
	                 -ETIMEDOUT);
	assert_int_equal(err.code, ETIMEDOUT);
	s.may_end = 1;
	(void)pthread_join(id, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_tag_is_built_once),
		cmocka_unit_test(other_tags_are_built_beside_it),
		cmocka_unit_test(failure_is_shared),
		cmocka_unit_test(build_that_was_given_up_is_begun_anew_by_another),
		cmocka_unit_test(who_waits_can_give_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
