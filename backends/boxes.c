#include "backends/boxes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/clock.h"

/* How long the end of a sandbox waits for the calls that are in it. */
#define END_S 20

void corral_boxes_init(struct corral_boxes *l, const struct corral_box_ops *ops,
                       struct corral_backend *owner)
{
	*l = (struct corral_boxes) { .ops = ops, .owner = owner };
	(void)pthread_mutex_init(&l->lock, NULL);
	corral_cond_init(&l->changed);
}

void corral_boxes_done(struct corral_boxes *l)
{
	(void)pthread_mutex_destroy(&l->lock);
	(void)pthread_cond_destroy(&l->changed);
}

/* With the lock held, as are the next two. */
static void link_in(struct corral_boxes *l, struct corral_box *box)
{
	box->number = ++l->n_made;
	box->older = l->newest;
	if (l->newest)
		l->newest->newer = box;
	l->newest = box;
}

static void unlink_from(struct corral_boxes *l, struct corral_box *box)
{
	if (box->older)
		box->older->newer = box->newer;
	if (box->newer)
		box->newer->older = box->older;
	else
		l->newest = box->older;
}

/* Is one open that was made as the given one or before? */
static bool any_until(const struct corral_boxes *l, uint64_t number)
{
	const struct corral_box *box = l->newest;

	while (box && box->number > number)
		box = box->older;
	return box;
}

void corral_boxes_release(struct corral_boxes *l, struct corral_box *box)
{
	bool last;

	(void)pthread_mutex_lock(&l->lock);
	last = --box->refs == 0;
	(void)pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	corral_served_done(&box->files);
	corral_backgrounds_done(&box->backgrounds);
	l->ops->close(l->owner, box);
	(void)pthread_mutex_lock(&l->lock);
	unlink_from(l, box);
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
	free(box);
}

/* Takes the backend's own hold off the box; with the lock held. Who gets it releases it. */
static struct corral_box *detach(struct corral_boxes *l)
{
	struct corral_box *box = l->box;

	l->box = NULL;
	return box;
}

/* With the lock held, which is let go while it is made. */
static int make(struct corral_boxes *l, struct corral_error *err)
{
	struct corral_box *box = NULL;
	int r;

	l->opening = true;
	(void)pthread_mutex_unlock(&l->lock);
	r = l->ops->open(l->owner, &box, err);
	(void)pthread_mutex_lock(&l->lock);
	l->opening = false;
	(void)pthread_cond_broadcast(&l->changed);
	if (r < 0)
		return r;
	corral_served_init(&box->files);
	corral_backgrounds_init(&box->backgrounds, l->ops->backgrounds);
	box->refs = 1;
	l->box = box;
	link_in(l, box);
	if (l->ops->opened)
		l->ops->opened(l->owner, box);
	return 0;
}

static int say_lost(const char *why, struct corral_error *err)
{
	return corral_error_set(err, EPIPE, "%s: start it again", why);
}

int corral_boxes_acquire(struct corral_boxes *l, struct corral_box **ret, struct corral_error *err)
{
	struct corral_box *dead = NULL;
	int r = 0;

	(void)pthread_mutex_lock(&l->lock);
	while (l->opening)
		(void)pthread_cond_wait(&l->changed, &l->lock);
	if (l->box && l->ops->has_ended(l->box)) {
		(void)snprintf(l->lost, sizeof(l->lost), "%s", l->ops->gone);
		dead = detach(l);
	}
	if (l->lost[0])
		r = say_lost(l->lost, err);
	else if (!l->box)
		r = make(l, err);
	if (r == 0) {
		l->box->refs++;
		*ret = l->box;
	}
	(void)pthread_mutex_unlock(&l->lock);
	if (dead)
		corral_boxes_release(l, dead);
	return r;
}

struct corral_box *corral_boxes_find(struct corral_boxes *l)
{
	struct corral_box *box;

	(void)pthread_mutex_lock(&l->lock);
	box = l->box;
	if (box)
		box->refs++;
	(void)pthread_mutex_unlock(&l->lock);
	return box;
}

int corral_boxes_lose(struct corral_boxes *l, struct corral_box *box, const char *why,
                      struct corral_error *err)
{
	bool mine;

	(void)pthread_mutex_lock(&l->lock);
	mine = l->box == box;
	if (mine) {
		(void)snprintf(l->lost, sizeof(l->lost), "%s", why);
		(void)detach(l);
	}
	(void)pthread_mutex_unlock(&l->lock);
	if (mine)
		corral_boxes_release(l, box);
	return say_lost(why, err);
}

void corral_boxes_begin_anew(struct corral_boxes *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->lost[0] = '\0';
	(void)pthread_mutex_unlock(&l->lock);
}

struct corral_box *corral_boxes_take(struct corral_boxes *l, uint64_t *ret_last)
{
	struct corral_box *box;

	(void)pthread_mutex_lock(&l->lock);
	while (l->opening)
		(void)pthread_cond_wait(&l->changed, &l->lock);
	box = detach(l);
	*ret_last = l->n_made;
	l->lost[0] = '\0';
	(void)pthread_mutex_unlock(&l->lock);
	return box;
}

int corral_boxes_wait(struct corral_boxes *l, uint64_t last, struct corral_error *err)
{
	const struct timespec until = corral_clock_after(END_S * UINT64_C(1000));
	bool closed;
	int r = 0;

	(void)pthread_mutex_lock(&l->lock);
	while (any_until(l, last) && r == 0)
		r = pthread_cond_timedwait(&l->changed, &l->lock, &until);
	closed = !any_until(l, last);
	(void)pthread_mutex_unlock(&l->lock);
	return closed ? 0
	              : corral_error_set(err, ETIMEDOUT,
	                                 "calls are still in the %s %d s after its end",
	                                 l->ops->what, END_S);
}

double corral_boxes_cpu_percent(struct corral_boxes *l, struct corral_box *box, uint64_t cpu_usec)
{
	const uint64_t now = corral_now_nsec() / 1000;
	double answer = -1;

	if (cpu_usec == UINT64_MAX)
		return -1;
	(void)pthread_mutex_lock(&l->lock);
	if (box->cpu_at_usec && now > box->cpu_at_usec && cpu_usec >= box->cpu_usec)
		answer = 100.0 * (double)(cpu_usec - box->cpu_usec) /
		         (double)(now - box->cpu_at_usec);
	box->cpu_usec = cpu_usec;
	box->cpu_at_usec = now;
	(void)pthread_mutex_unlock(&l->lock);
	return answer;
}
