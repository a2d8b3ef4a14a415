/*
 * The image that a runtime's native sessions are made from, where it is not there yet: brought by
 * the manager's caller, once for all who ask at the same moment.
 */
#include <errno.h>

#include "backends/sessions/manager_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"

/* Of whoever has it made, on his stack. Under the manager's lock, but for r and err until done. */
struct session_image_turn {
	const struct corral_runtime *runtime; /* the catalogue's */
	struct session_image_turn *next;
	unsigned int waiting;
	bool done;
	int r;
	struct corral_error err;
};

bool session_image_is_missing(struct corral_session_manager *m, const struct corral_runtime *rt)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;

	return m->o.image_maker && !m->o.custom && manager_images(m) &&
	       rt->isolation != CORRAL_ISOLATION_DOCKER &&
	       corral_image_of_runtime(manager_images(m), rt, &image, NULL) == -ENOENT;
}

/* With the lock held. */
static int share(struct corral_session_manager *m, struct session_image_turn *t,
                 struct corral_error *err)
{
	int r;

	t->waiting++;
	while (!t->done)
		(void)pthread_cond_wait(&m->image_changed, &m->lock);
	r = t->r;
	if (r < 0 && err)
		*err = t->err;
	if (--t->waiting == 0)
		(void)pthread_cond_broadcast(&m->image_changed);
	return r;
}

int session_image_make(struct corral_session_manager *m, const struct corral_runtime *rt,
                       struct corral_error *err)
{
	const struct corral_session_image_maker *maker = m->o.image_maker;
	struct session_image_turn own = { .runtime = rt }, *t, **at;
	int r;

	(void)pthread_mutex_lock(&m->lock);
	for (t = m->image_turns; t && t->runtime != rt; t = t->next)
		;
	if (t) {
		r = share(m, t, err);
		(void)pthread_mutex_unlock(&m->lock);
		return r;
	}
	own.next = m->image_turns;
	/* cppcheck-suppress autoVariables; off the list before this ends */
	m->image_turns = &own;
	(void)pthread_mutex_unlock(&m->lock);
	r = maker->make(maker->ctx, rt, &own.err);
	(void)pthread_mutex_lock(&m->lock);
	own.r = r;
	own.done = true;
	for (at = &m->image_turns; *at != &own; at = &(*at)->next)
		;
	*at = own.next;
	(void)pthread_cond_broadcast(&m->image_changed);
	while (own.waiting)
		(void)pthread_cond_wait(&m->image_changed, &m->lock);
	(void)pthread_mutex_unlock(&m->lock);
	if (r < 0 && err)
		*err = own.err;
	return r;
}
