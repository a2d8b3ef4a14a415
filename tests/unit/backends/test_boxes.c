/* The one live sandbox behind a backend: who makes it, who closes it, and what an end waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "backends/boxes.h"

struct fixture {
	struct corral_backend owner;
	struct corral_boxes boxes;
	atomic_int open, made;
};

static struct fixture *of(struct corral_backend *b)
{
	return (struct fixture *)b;
}

static int box_open(struct corral_backend *b, struct corral_box **ret, struct corral_error *err)
{
	struct corral_box *box = calloc(1, sizeof(*box));

	(void)err;
	assert_non_null(box);
	of(b)->open++;
	of(b)->made++;
	*ret = box;
	return 0;
}

static void box_close(struct corral_backend *b, struct corral_box *box)
{
	(void)box;
	of(b)->open--;
}

static bool dead;

static bool box_has_ended(struct corral_box *box)
{
	(void)box;
	return dead;
}

static const struct corral_background_ops no_backgrounds;
static const struct corral_box_ops ops = {
	.what = "box",
	.gone = "the box is gone",
	.backgrounds = &no_backgrounds,
	.open = box_open,
	.has_ended = box_has_ended,
	.close = box_close,
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	dead = false;
	corral_boxes_init(&f->boxes, &ops, &f->owner);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->open, 0);
	corral_boxes_done(&f->boxes);
	free(f);
	return 0;
}

static struct corral_box *acquire(struct fixture *f)
{
	struct corral_box *box = NULL;

	assert_int_equal(corral_boxes_acquire(&f->boxes, &box, NULL), 0);
	return box;
}

static void end(struct fixture *f)
{
	uint64_t last;
	struct corral_box *box = corral_boxes_take(&f->boxes, &last);

	if (box)
		corral_boxes_release(&f->boxes, box);
	assert_int_equal(corral_boxes_wait(&f->boxes, last, NULL), 0);
}

static void it_is_made_once_and_closed_by_the_last(void **state)
{
	struct fixture *f = *state;
	struct corral_box *a = acquire(f), *b = acquire(f);
	uint64_t last;

	assert_ptr_equal(a, b);
	assert_int_equal(f->made, 1);
	assert_ptr_equal(corral_boxes_take(&f->boxes, &last), a);
	corral_boxes_release(&f->boxes, a);
	corral_boxes_release(&f->boxes, a);
	assert_int_equal(f->open, 1);
	corral_boxes_release(&f->boxes, b);
	assert_int_equal(f->open, 0);
	assert_int_equal(corral_boxes_wait(&f->boxes, last, NULL), 0);
	end(f);
}

struct waiter {
	struct fixture *f;
	uint64_t last;
	int r;
	atomic_bool done;
};

static void *wait_for(void *arg)
{
	struct waiter *w = arg;

	w->r = corral_boxes_wait(&w->f->boxes, w->last, NULL);
	w->done = true;
	return NULL;
}

static void nap(void)
{
	(void)nanosleep(&(struct timespec) { .tv_nsec = 50000000 }, NULL);
}

/* Others that begin anew all the time do not hold up the end of what was before. */
static void an_end_waits_for_what_was_before_it_alone(void **state)
{
	struct fixture *f = *state;
	struct corral_box *older = acquire(f), *old, *new;
	struct waiter w = { .f = f };
	pthread_t thread;

	assert_ptr_equal(corral_boxes_take(&f->boxes, &w.last), older);
	corral_boxes_release(&f->boxes, older);
	old = acquire(f);
	assert_ptr_equal(corral_boxes_take(&f->boxes, &w.last), old);
	corral_boxes_release(&f->boxes, old);
	assert_int_equal(pthread_create(&thread, NULL, wait_for, &w), 0);
	new = acquire(f);
	assert_int_equal(f->open, 3);
	corral_boxes_release(&f->boxes, old);
	nap();
	assert_false(w.done);
	corral_boxes_release(&f->boxes, older);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(w.r, 0);
	assert_int_equal(f->open, 1);
	corral_boxes_release(&f->boxes, new);
	end(f);
}

static void one_that_went_by_itself_is_told_until_somebody_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct corral_box *box = acquire(f);
	struct corral_error err = { 0 };

	corral_boxes_release(&f->boxes, box);
	dead = true;
	assert_int_equal(corral_boxes_acquire(&f->boxes, &box, &err), -EPIPE);
	assert_string_equal(err.text, "the box is gone: start it again");
	assert_int_equal(f->open, 0);
	dead = false;
	assert_int_equal(corral_boxes_acquire(&f->boxes, &box, &err), -EPIPE);
	corral_boxes_begin_anew(&f->boxes);
	corral_boxes_release(&f->boxes, acquire(f));
	assert_int_equal(f->made, 2);
	end(f);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(it_is_made_once_and_closed_by_the_last),
		ROW(an_end_waits_for_what_was_before_it_alone),
		ROW(one_that_went_by_itself_is_told_until_somebody_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
