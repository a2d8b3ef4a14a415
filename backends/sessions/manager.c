#include "backends/sessions/manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sessions/manager_state.h"
#include "kernel/base/clock.h"

/* With the lock held. */
static bool is_there(const struct session *s)
{
	return s->made && !s->gone;
}

static void describe(const struct session *s, struct corral_session_info *ret)
{
	*ret = (struct corral_session_info) {
		.isolation = s->isolation,
		.resident = s->resident,
		.busy = s->busy,
		.created_ms = s->created_ms,
		.active_ms = s->active_ms,
	};
	memcpy(ret->id, s->id, sizeof(ret->id));
	memcpy(ret->tenant, s->tenant, sizeof(ret->tenant));
	memcpy(ret->reason, s->reason, sizeof(ret->reason));
	(void)snprintf(ret->runtime, sizeof(ret->runtime), "%s", s->runtime->name);
}

int corral_session_manager_list(struct corral_session_manager *m, struct corral_session_info **ret,
                                size_t *ret_n, struct corral_error *err)
{
	struct corral_session_info *rows;
	size_t n = 0;

	(void)pthread_mutex_lock(&m->lock);
	rows = calloc(m->n ? m->n : 1, sizeof(*rows));
	for (size_t i = 0; rows && i < m->n; i++)
		if (is_there(m->sessions[i]))
			describe(m->sessions[i], &rows[n++]);
	(void)pthread_mutex_unlock(&m->lock);
	if (!rows)
		return corral_error_set(err, ENOMEM, "list sessions: out of memory");
	*ret = rows;
	*ret_n = n;
	return 0;
}

int corral_session_manager_describe(struct corral_session_manager *m, const char *id,
                                    struct corral_session_info *ret, struct corral_error *err)
{
	const struct session *s;

	(void)pthread_mutex_lock(&m->lock);
	s = session_find(m, id);
	if (s && is_there(s))
		describe(s, ret);
	else
		s = NULL;
	(void)pthread_mutex_unlock(&m->lock);
	return s ? 0 : corral_error_set(err, ENOENT, "No such session: %s", id);
}

size_t corral_session_manager_count(struct corral_session_manager *m)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->n; i++)
		n += is_there(m->sessions[i]);
	(void)pthread_mutex_unlock(&m->lock);
	return n;
}

bool corral_session_manager_contains(struct corral_session_manager *m, const char *id)
{
	struct corral_session_info info;

	return corral_session_manager_describe(m, id, &info, NULL) == 0;
}

int corral_session_manager_hibernate(struct corral_session_manager *m, const char *id,
                                     struct corral_error *err)
{
	struct session *s;
	int r;

	(void)pthread_mutex_lock(&m->lock);
	while ((s = session_find(m, id)) && s->held) {
		session_ref(s);
		session_wait(s);
		session_unref(s);
	}
	if (!s) {
		r = corral_error_set(err, ENOENT, "No such session: %s", id);
	} else if (s->busy) {
		r = corral_error_set(err, EBUSY, "session '%s': %u operations are in flight", id,
		                     s->busy);
	} else {
		session_ref(s);
		session_hold(s);
		r = session_end(s, err);
		session_let_go(s);
		session_unref(s);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

/* --- The loop --- */

static void *loop(void *ctx)
{
	struct corral_session_manager *m = ctx;

	(void)pthread_mutex_lock(&m->lock);
	while (!m->loop_stopping) {
		const struct timespec next = corral_clock_after((uint64_t)m->interval_ms);
		int r = 0;

		while (!m->loop_stopping && r == 0)
			r = pthread_cond_timedwait(&m->loop_changed, &m->lock, &next);
		if (m->loop_stopping)
			break;
		(void)pthread_mutex_unlock(&m->lock);
		/* What fails now may go well in the next pass. */
		(void)corral_session_manager_cleanup(m, -1, NULL);
		(void)pthread_mutex_lock(&m->lock);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return NULL;
}

int corral_session_manager_cleanup_start(struct corral_session_manager *m, int64_t interval_ms,
                                         struct corral_error *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&m->loop_lock);
	if (!m->looping) {
		m->interval_ms = interval_ms > 0 ? interval_ms : CORRAL_SESSION_CLEANUP_MS;
		m->loop_stopping = false;
		r = pthread_create(&m->loop, NULL, loop, m);
		m->looping = r == 0;
	}
	(void)pthread_mutex_unlock(&m->loop_lock);
	return r ? corral_error_sys(err, r, "start the cleanup of sessions") : 0;
}

void corral_session_manager_cleanup_stop(struct corral_session_manager *m)
{
	(void)pthread_mutex_lock(&m->loop_lock);
	if (m->looping) {
		(void)pthread_mutex_lock(&m->lock);
		m->loop_stopping = true;
		(void)pthread_cond_broadcast(&m->loop_changed);
		(void)pthread_mutex_unlock(&m->lock);
		(void)pthread_join(m->loop, NULL);
		m->looping = false;
	}
	(void)pthread_mutex_unlock(&m->loop_lock);
}

/* --- Itself --- */

/* One that somebody had open when the last manager went. */
static int load_one(struct corral_session_manager *m, struct corral_session_record *record,
                    struct corral_error *err)
{
	int64_t slept = corral_wall_ms() - record->active_ms;
	struct session *s;
	int r = session_add(m, record->id, record->tenant, &s, err);

	if (r < 0)
		return r;
	session_adopt(s, record);
	s->active_ms = s->told_ms = record->active_ms;
	s->idle_since_ms -= slept > 0 ? slept : 0;
	s->made = true;
	s->held = false;
	return 0;
}

static int load(struct corral_session_manager *m, struct corral_error *err)
{
	struct corral_session_record *records = NULL;
	size_t n = 0;
	int r = corral_session_store_list(m->o.store, &records, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		/* Whoever asks for one with a fault is told of it. */
		if (!records[i].closed && !records[i].fault)
			r = load_one(m, &records[i], err);
	corral_session_records_free(records, n);
	return r;
}

void manager_destroy(struct corral_session_manager *m)
{
	manager_made_done(m);
	corral_runtime_catalogue_close(m->own_catalogue);
	(void)pthread_mutex_destroy(&m->lock);
	(void)pthread_mutex_destroy(&m->make_lock);
	(void)pthread_mutex_destroy(&m->loop_lock);
	(void)pthread_cond_destroy(&m->changed);
	(void)pthread_cond_destroy(&m->loop_changed);
	(void)pthread_cond_destroy(&m->image_changed);
	free(m->sessions);
	free(m);
}

int corral_session_manager_new(const struct corral_session_manager_options *o,
                               struct corral_session_manager **ret, struct corral_error *err)
{
	struct corral_session_manager *m = calloc(1, sizeof(*m));
	int r = 0;

	if (!m)
		return corral_error_set(err, ENOMEM, "session manager: out of memory");
	m->o = *o;
	if (!m->o.idle_timeout_ms)
		m->o.idle_timeout_ms = CORRAL_SESSION_IDLE_MS;
	m->refs = 1;
	m->dir_fd = -1;
	m->launcher = o->launcher;
	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_mutex_init(&m->make_lock, NULL);
	(void)pthread_mutex_init(&m->loop_lock, NULL);
	corral_cond_init(&m->changed);
	corral_cond_init(&m->loop_changed);
	corral_cond_init(&m->image_changed);
	m->catalogue = o->catalogue;
	if (!m->catalogue) {
		r = corral_runtime_catalogue_open(NULL, &m->own_catalogue, err);
		m->catalogue = m->own_catalogue;
	}
	if (r == 0 && o->store)
		r = load(m, err);
	if (r < 0) {
		corral_session_manager_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void corral_session_manager_free(struct corral_session_manager *m)
{
	bool last, closed;

	if (!m)
		return;
	corral_session_manager_cleanup_stop(m);
	(void)pthread_mutex_lock(&m->lock);
	m->closing = true;
	(void)pthread_mutex_unlock(&m->lock);
	(void)manager_release_all(m, SESSION_LEAVE, NULL);
	(void)pthread_mutex_lock(&m->lock);
	closed = !m->n_left;
	last = --m->refs == 0;
	(void)pthread_mutex_unlock(&m->lock);
	if (closed && !last)
		manager_made_done(m);
	/* Leases that are left say that it is closed; the last of them frees it. */
	if (last)
		manager_destroy(m);
}
