/* The table of a manager's sessions, and operations in one of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sessions/manager_state.h"
#include "kernel/base/clock.h"

int64_t session_now_ms(void)
{
	return (int64_t)corral_now_ms();
}

/* Where it is, or would be. */
static size_t place_of(const struct corral_session_manager *m, const char *id, bool *ret_there)
{
	size_t low = 0, high = m->n;

	*ret_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(m->sessions[middle]->id, id);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct session *session_find(const struct corral_session_manager *m, const char *id)
{
	bool there;
	size_t at = place_of(m, id, &there);

	return there ? m->sessions[at] : NULL;
}

void session_stamp(struct session *s)
{
	s->active_ms = corral_wall_ms();
	s->idle_since_ms = session_now_ms();
}

int session_add(struct corral_session_manager *m, const char *id, const char *tenant,
                struct session **ret, struct corral_error *err)
{
	struct session *s = calloc(1, sizeof(*s));
	bool there;
	size_t at;

	if (s && m->n == m->size) {
		size_t size = m->size ? 2 * m->size : 16;
		struct session **more = realloc(m->sessions, size * sizeof(struct session *));

		if (!more) {
			free(s);
			s = NULL;
		} else {
			m->sessions = more;
			m->size = size;
		}
	}
	if (!s)
		return corral_error_set(err, ENOMEM, "session '%s': out of memory", id);
	s->m = m;
	m->refs++;
	s->refs = 1;
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	(void)snprintf(s->tenant, sizeof(s->tenant), "%s", tenant ? tenant : "");
	corral_cond_init(&s->changed);
	s->held = true;
	session_stamp(s);
	s->created_ms = s->told_ms = s->active_ms;
	at = place_of(m, id, &there);
	memmove(m->sessions + at + 1, m->sessions + at, (m->n - at) * sizeof(struct session *));
	m->sessions[at] = s;
	m->n++;
	*ret = s;
	return 0;
}

void session_remove(struct session *s)
{
	struct corral_session_manager *m = s->m;
	bool there;
	size_t at = place_of(m, s->id, &there);

	if (!there || m->sessions[at] != s)
		return;
	m->n--;
	memmove(m->sessions + at, m->sessions + at + 1, (m->n - at) * sizeof(struct session *));
	(void)pthread_cond_broadcast(&m->changed);
	session_unref(s);
}

void session_ref(struct session *s)
{
	s->refs++;
}

void session_unref(struct session *s)
{
	if (--s->refs)
		return;
	/* Not the last of the manager: the caller is in it. */
	s->m->refs--;
	corral_runtime_free(s->runtime);
	(void)pthread_cond_destroy(&s->changed);
	free(s);
}

void session_get(struct session *s)
{
	(void)pthread_mutex_lock(&s->m->lock);
	session_ref(s);
	(void)pthread_mutex_unlock(&s->m->lock);
}

void session_put(struct session *s)
{
	struct corral_session_manager *m = s->m;
	bool last;

	(void)pthread_mutex_lock(&m->lock);
	session_unref(s);
	last = !m->refs;
	(void)pthread_mutex_unlock(&m->lock);
	if (last)
		manager_destroy(m);
}

void session_wait(struct session *s)
{
	(void)pthread_cond_wait(&s->changed, &s->m->lock);
}

void session_hold(struct session *s)
{
	s->held = true;
}

/* The last to leave one that is gone closes what operations kept from being closed. */
static void reap(struct session *s)
{
	struct corral_backend *b = s->backend;

	if (!s->gone || s->held || s->busy || !b)
		return;
	s->backend = NULL;
	(void)pthread_mutex_unlock(&s->m->lock);
	corral_backend_close(b);
	(void)pthread_mutex_lock(&s->m->lock);
	s->m->n_left--;
}

void session_let_go(struct session *s)
{
	s->held = false;
	(void)pthread_cond_broadcast(&s->changed);
	reap(s);
}

int session_gone(const struct session *s, struct corral_error *err)
{
	return s->m->closing
	               ? corral_error_set(err, EPIPE, "session '%s': its manager is closed", s->id)
	               : corral_error_set(err, EPIPE, "session '%s' was released: open it again",
	                                  s->id);
}

bool session_is_idle(const struct session *s, int64_t longer_than_ms)
{
	return s->made && !s->gone && !s->held && !s->busy &&
	       session_now_ms() - s->idle_since_ms > longer_than_ms;
}

int session_enter(struct session *s, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	int r = 0;

	(void)pthread_mutex_lock(&m->lock);
	for (;;) {
		if (s->gone || m->closing) {
			r = session_gone(s, err);
			break;
		}
		if (s->held) {
			session_wait(s);
			continue;
		}
		if (s->resident)
			break;
		session_hold(s);
		r = session_place_take(s, err);
		session_let_go(s);
		if (r < 0)
			break;
	}
	if (r == 0) {
		s->busy++;
		session_stamp(s);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

int session_peek(struct session *s, struct corral_error *err)
{
	int r;

	(void)pthread_mutex_lock(&s->m->lock);
	while (s->held && !s->gone)
		session_wait(s);
	r = s->gone || s->m->closing ? session_gone(s, err) : s->resident;
	if (r > 0)
		s->busy++;
	(void)pthread_mutex_unlock(&s->m->lock);
	return r;
}

/* What a backend says of a loss asks for a start, which nobody has to do here. */
static void say_lost(const struct session *s, struct corral_error *err)
{
	static const char asks[] = ": start it again";
	size_t len, end = sizeof(asks) - 1;

	if (!err)
		return;
	len = strnlen(err->text, sizeof(err->text) - 1);
	if (len > end && !strcmp(err->text + len - end, asks))
		err->text[len - end] = '\0';
	(void)corral_error_wrap(err, -EPIPE, "session '%s'", s->id);
	len = strnlen(err->text, sizeof(err->text) - 1);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": the next call has a new one");
}

/* With the lock held. An operation failed, and none is in flight: no sandbox, no place. */
static void settle(struct session *s)
{
	struct corral_session_manager *m = s->m;

	s->suspect = false;
	session_hold(s);
	(void)pthread_mutex_unlock(&m->lock);
	if (corral_backend_is_alive(s->backend)) {
		(void)pthread_mutex_lock(&m->lock);
	} else {
		(void)pthread_mutex_lock(&m->lock);
		/* What it says of a loss was said. */
		(void)session_end(s, NULL);
	}
	session_let_go(s);
}

static void leave(struct session *s, int r, bool used, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;

	if (r == -EPIPE && !corral_backend_is_alive(s->backend))
		say_lost(s, err);
	(void)pthread_mutex_lock(&m->lock);
	s->busy--;
	if (used)
		session_stamp(s);
	s->suspect |= r < 0;
	if (!s->busy && s->suspect && s->resident && !s->held && !s->gone)
		settle(s);
	if (!s->busy)
		(void)pthread_cond_broadcast(&s->changed);
	reap(s);
	(void)pthread_mutex_unlock(&m->lock);
}

void session_leave(struct session *s, int r, struct corral_error *err)
{
	leave(s, r, true, err);
}

void session_unpeek(struct session *s, int r, struct corral_error *err)
{
	leave(s, r, false, err);
}
