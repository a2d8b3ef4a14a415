#include "backends/served.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/base/clock.h"

void corral_served_init(struct corral_served_slot *slot)
{
	(void)pthread_mutex_init(&slot->lock, NULL);
	corral_cond_init(&slot->changed);
	slot->now = NULL;
	slot->starting = false;
}

void corral_served_release(struct corral_served_slot *slot, struct corral_served *s)
{
	bool last;

	(void)pthread_mutex_lock(&slot->lock);
	last = --s->refs == 0;
	(void)pthread_mutex_unlock(&slot->lock);
	if (!last)
		return;
	s->close(s);
	free(s);
}

void corral_served_release_after(struct corral_served_slot *slot, struct corral_served *s, int r)
{
	bool dropped;

	(void)pthread_mutex_lock(&slot->lock);
	dropped = r == -ETIMEDOUT && slot->now == s;
	if (dropped)
		slot->now = NULL;
	(void)pthread_mutex_unlock(&slot->lock);
	if (dropped)
		corral_served_release(slot, s);
	corral_served_release(slot, s);
}

void corral_served_done(struct corral_served_slot *slot)
{
	if (slot->now)
		corral_served_release(slot, slot->now);
	slot->now = NULL;
	(void)pthread_cond_destroy(&slot->changed);
	(void)pthread_mutex_destroy(&slot->lock);
}

static int begin(int (*start)(void *place, struct corral_served *s, struct corral_error *err),
                 void *place, struct corral_served **ret, struct corral_error *err)
{
	struct corral_served *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return corral_error_set(err, ENOMEM, "start the file server: out of memory");
	r = start(place, s, err);
	if (r < 0) {
		free(s);
		return r;
	}
	s->refs = 1;
	*ret = s;
	return 0;
}

int corral_served_acquire(struct corral_served_slot *slot,
                          int (*start)(void *place, struct corral_served *s,
                                       struct corral_error *err),
                          void *place, struct corral_served **ret, struct corral_error *err)
{
	struct corral_served *dead = NULL, *fresh = NULL;
	int r = 0;

	(void)pthread_mutex_lock(&slot->lock);
	while (slot->starting)
		(void)pthread_cond_wait(&slot->changed, &slot->lock);
	if (slot->now && corral_files_client_state(slot->now->client) < 0) {
		dead = slot->now;
		slot->now = NULL;
	}
	if (!slot->now) {
		slot->starting = true;
		(void)pthread_mutex_unlock(&slot->lock);
		if (dead)
			corral_served_release(slot, dead);
		r = begin(start, place, &fresh, err);
		(void)pthread_mutex_lock(&slot->lock);
		slot->starting = false;
		slot->now = fresh;
		(void)pthread_cond_broadcast(&slot->changed);
	}
	if (r == 0) {
		slot->now->refs++;
		*ret = slot->now;
	}
	(void)pthread_mutex_unlock(&slot->lock);
	return r;
}
