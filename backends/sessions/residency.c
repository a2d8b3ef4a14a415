/*
 * Who has a sandbox. A place is taken before one is made, and given back after it has ended, so
 * that there are never more of them than the ceiling says.
 *
 * Evicted is the session that was active least recently, of those with no operation in flight. One
 * with background processes loses them, so it goes last: only when every other is busy or asleep.
 */
#include <errno.h>

#include "backends/sessions/manager_state.h"

void session_place_give(struct session *s)
{
	if (s->resident)
		s->m->n_resident--;
	s->resident = s->background = s->suspect = false;
	(void)pthread_cond_broadcast(&s->m->changed);
}

static void tell_store(struct session *s, int64_t active_ms)
{
	/* A label for people; what cannot be written now is written the next time. */
	if (s->m->o.store)
		(void)corral_session_store_touch(s->m->o.store, s->id, active_ms, NULL);
}

int session_end(struct session *s, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	int64_t active_ms = s->active_ms;
	int r;

	if (!s->backend || !s->resident)
		return 0;
	m->n_leaving++;
	(void)pthread_mutex_unlock(&m->lock);
	r = corral_backend_end(s->backend, err);
	tell_store(s, active_ms);
	(void)pthread_mutex_lock(&m->lock);
	m->n_leaving--;
	s->told_ms = active_ms;
	if (r == 0)
		session_place_give(s);
	else
		(void)pthread_cond_broadcast(&m->changed);
	return r < 0 ? corral_error_wrap(err, r, "session '%s'", s->id) : 0;
}

static bool goes_before(const struct session *a, const struct session *b)
{
	if (!b || a->background != b->background)
		return !b || !a->background;
	return a->idle_since_ms < b->idle_since_ms;
}

static struct session *victim(const struct corral_session_manager *m)
{
	const int64_t until = session_now_ms() - m->o.evict_idle_after_ms;
	struct session *found = NULL;

	for (size_t i = 0; i < m->n; i++) {
		struct session *s = m->sessions[i];

		if (s->resident && !s->held && !s->busy && !s->gone && s->idle_since_ms <= until &&
		    goes_before(s, found))
			found = s;
	}
	return found;
}

static int evict(struct session *s, struct corral_error *err)
{
	int r;

	session_ref(s);
	session_hold(s);
	r = session_end(s, err);
	/* To the end of the queue, so that it does not stand in the way of others for ever. */
	if (r < 0)
		session_stamp(s);
	session_let_go(s);
	session_unref(s);
	return r;
}

int session_place_take(struct session *s, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	struct corral_error why = { 0 };
	size_t failed = 0;

	while (!s->resident && m->o.max_resident && m->n_resident >= m->o.max_resident) {
		struct session *found = victim(m);

		if (found && failed <= m->n)
			failed += evict(found, &why) < 0;
		else if (!found && m->n_leaving)
			(void)pthread_cond_wait(&m->changed, &m->lock);
		else if (why.code)
			return corral_error_set(err, why.code, "make room: %s", why.text);
		else
			return corral_error_set(err, EUSERS,
			                        "Session limit of %u reached. Release an idle "
			                        "session before opening another.",
			                        m->o.max_resident);
	}
	if (!s->resident) {
		s->resident = true;
		m->n_resident++;
	}
	return 0;
}
