#include "backends/call_state.h"

#include <string.h>

void corral_call_closer_init(struct corral_call_closer *l)
{
	*l = (struct corral_call_closer) { 0 };
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->changed, NULL);
}

static void *run(void *ctx)
{
	struct corral_call_closer *l = ctx;

	(void)pthread_mutex_lock(&l->lock);
	while (!l->stopping || l->n) {
		struct corral_backend *b;

		if (!l->n) {
			(void)pthread_cond_wait(&l->changed, &l->lock);
			continue;
		}
		b = l->waiting[0];
		memmove(l->waiting, l->waiting + 1, --l->n * sizeof(*l->waiting));
		(void)pthread_mutex_unlock(&l->lock);
		corral_backend_close(b);
		(void)pthread_mutex_lock(&l->lock);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

void corral_call_closer_take(struct corral_call_closer *l, struct corral_backend *b)
{
	bool taken;

	(void)pthread_mutex_lock(&l->lock);
	if (!l->started)
		l->started = pthread_create(&l->thread, NULL, run, l) == 0;
	taken = l->started && l->n < CORRAL_CALL_CLOSING_MAX;
	if (taken)
		l->waiting[l->n++] = b;
	(void)pthread_cond_signal(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
	if (!taken)
		corral_backend_close(b);
}

void corral_call_closer_done(struct corral_call_closer *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->stopping = true;
	(void)pthread_cond_signal(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
	if (l->started)
		(void)pthread_join(l->thread, NULL);
	(void)pthread_mutex_destroy(&l->lock);
	(void)pthread_cond_destroy(&l->changed);
}
