/*
 * The end of sessions. What runs in one is ended with it: commands that others wait for return, and
 * only then is its backend closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sessions/manager_state.h"
#include "kernel/base/clock.h"

#define THREADS 8
/* So much later than the store has it is worth a write. */
#define TELL_MS 1000

/* With the lock held. Whether the operations that were in it have ended. */
static bool wait_idle(struct session *s)
{
	const struct timespec until = corral_clock_after(SESSION_PATIENCE_MS);
	int r = 0;

	while (s->busy && r == 0)
		r = pthread_cond_timedwait(&s->changed, &s->m->lock, &until);
	return !s->busy;
}

static int in_store(const struct session *s, enum session_release how, int64_t active_ms,
                    struct corral_error *err)
{
	struct corral_session_store *store = s->m->o.store;

	switch (how) {
	case SESSION_PURGE:
		return corral_session_store_remove(store, s->id, err);
	case SESSION_CLOSE:
		(void)corral_session_store_touch(store, s->id, active_ms, NULL);
		return corral_session_store_set_closed(store, s->id, true, err);
	case SESSION_LEAVE:
		return corral_session_store_touch(store, s->id, active_ms, err);
	}
	return 0;
}

/* With the lock held, and let go meanwhile: its backend, closed if that can be. */
static int close_backend(struct session *s, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	struct corral_backend *b = s->backend;
	int r = 0;

	if (!b)
		return 0;
	(void)pthread_mutex_unlock(&m->lock);
	r = corral_backend_end(b, err);
	(void)pthread_mutex_lock(&m->lock);
	if (wait_idle(s)) {
		s->backend = NULL;
		(void)pthread_mutex_unlock(&m->lock);
		corral_backend_close(b);
		(void)pthread_mutex_lock(&m->lock);
	} else {
		/* Who leaves last closes it. */
		m->n_left++;
	}
	if (s->backend && r == 0) {
		r = corral_error_set(err, ETIMEDOUT, "operations go on %d s after its end",
		                     SESSION_PATIENCE_MS / 1000);
	}
	return r;
}

int session_release(struct session *s, enum session_release how, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	const bool nothing_stays = how == SESSION_PURGE || !m->o.store;
	int64_t active_ms;
	int r, after = 0;

	(void)pthread_mutex_lock(&m->lock);
	session_ref(s);
	s->gone = true;
	m->n_leaving += s->resident;
	(void)pthread_cond_broadcast(&s->changed);
	r = close_backend(s, err);
	m->n_leaving -= s->resident;
	session_place_give(s);
	active_ms = s->active_ms;
	(void)pthread_mutex_unlock(&m->lock);
	if (nothing_stays)
		after = session_forget(s, r < 0 ? NULL : err);
	r = r < 0 ? r : after;
	after = m->o.store ? in_store(s, how, active_ms, r < 0 ? NULL : err) : 0;
	r = r < 0 ? r : after;
	(void)pthread_mutex_lock(&m->lock);
	session_remove(s);
	session_let_go(s);
	session_unref(s);
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

/* With the lock held: it, held, or NULL. */
static struct session *claim(struct corral_session_manager *m, const char *id)
{
	struct session *s;

	while ((s = session_find(m, id)) && s->held) {
		session_ref(s);
		session_wait(s);
		session_unref(s);
	}
	if (s)
		session_hold(s);
	return s;
}

/* One that nobody has open, for its files to be removed. */
static int claim_stored(struct corral_session_manager *m, const char *id, struct session **ret,
                        struct corral_error *err)
{
	struct corral_session_record record = { 0 };
	int r = corral_session_store_find(m->o.store, id, &record, err);
	enum corral_isolation isolation = record.isolation;

	corral_session_record_done(&record);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	(void)pthread_mutex_lock(&m->lock);
	*ret = claim(m, id);
	if (!*ret)
		r = session_add(m, id, NULL, ret, err);
	if (r == 0 && !(*ret)->made) {
		(*ret)->maker = m->o.custom                            ? m->o.custom
		                : isolation == CORRAL_ISOLATION_DOCKER ? m->o.docker
		                                                       : NULL;
		(*ret)->isolation = isolation;
	}
	(void)pthread_mutex_unlock(&m->lock);
	return r < 0 ? r : 1;
}

static void told(const struct corral_session_manager *m, const char *id, int *ret_stop)
{
	int r = m->o.on_release ? m->o.on_release(m->o.ctx, id) : 0;

	if (ret_stop)
		*ret_stop = r;
}

int corral_session_manager_release(struct corral_session_manager *m, const char *id,
                                   unsigned int flags, struct corral_error *err)
{
	const bool purge = flags & CORRAL_SESSION_PURGE;
	struct session *s;
	int r = corral_session_id_check(id, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&m->lock);
	s = claim(m, id);
	(void)pthread_mutex_unlock(&m->lock);
	if (!s && purge && m->o.store) {
		r = claim_stored(m, id, &s, err);
		if (r < 0)
			return corral_error_wrap(err, r, "session '%s'", id);
	}
	if (!s)
		return 0;
	r = session_release(s, purge ? SESSION_PURGE : SESSION_CLOSE, err);
	told(m, id, NULL);
	return r < 0 ? corral_error_wrap(err, r, "release session '%s'", id) : 1;
}

/* --- Those that have been idle --- */

/* When who stays was active last, for the store: what a crash leaves is then not older than a pass.
 * Each one once. */
static void tell_store(struct corral_session_manager *m)
{
	char id[CORRAL_SESSION_ID_SIZE];
	int64_t active_ms = 0;

	do {
		*id = '\0';
		(void)pthread_mutex_lock(&m->lock);
		for (size_t i = 0; i < m->n && !*id; i++) {
			struct session *s = m->sessions[i];

			if (!s->made || s->gone || s->active_ms - s->told_ms < TELL_MS)
				continue;
			memcpy(id, s->id, sizeof(id));
			active_ms = s->told_ms = s->active_ms;
		}
		(void)pthread_mutex_unlock(&m->lock);
		if (*id)
			(void)corral_session_store_touch(m->o.store, id, active_ms, NULL);
	} while (*id);
}

static int take_idle(struct corral_session_manager *m, int64_t max_idle_ms, struct session **ret)
{
	struct session *found = NULL;

	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->n && !m->closing; i++) {
		struct session *s = m->sessions[i];

		if (session_is_idle(s, max_idle_ms) &&
		    (!found || s->idle_since_ms < found->idle_since_ms))
			found = s;
	}
	if (found)
		session_hold(found);
	(void)pthread_mutex_unlock(&m->lock);
	*ret = found;
	return found != NULL;
}

int corral_session_manager_cleanup(struct corral_session_manager *m, int64_t max_idle_ms,
                                   struct corral_error *err)
{
	bool failed = false;
	struct session *s;
	int n = 0, stop = 0;

	if (max_idle_ms < 0)
		max_idle_ms = m->o.idle_timeout_ms;
	if (m->o.store)
		tell_store(m);
	if (max_idle_ms < 0)
		return 0;
	while (stop == 0 && take_idle(m, max_idle_ms, &s)) {
		char id[CORRAL_SESSION_ID_SIZE];

		memcpy(id, s->id, sizeof(id));
		if (session_release(s, SESSION_CLOSE, failed ? NULL : err) < 0 && !failed) {
			failed = true;
			(void)corral_error_wrap(err, -EIO, "release session '%s'", id);
		}
		n++;
		told(m, id, &stop);
	}
	return n;
}

/* --- All of them --- */

struct all {
	struct corral_session_manager *m;
	enum session_release how;
	pthread_mutex_t lock;
	char (*ids)[CORRAL_SESSION_ID_SIZE];
	size_t n, next;
	int released;
	bool failed;
	struct corral_error err;
};

static void release_one(struct all *all, const char *id)
{
	struct corral_session_manager *m = all->m;
	struct corral_error err = { 0 };
	struct session *s;
	int r;

	(void)pthread_mutex_lock(&m->lock);
	s = claim(m, id);
	(void)pthread_mutex_unlock(&m->lock);
	if (!s)
		return;
	r = session_release(s, all->how, &err);
	if (all->how != SESSION_LEAVE)
		told(m, id, NULL);
	(void)pthread_mutex_lock(&all->lock);
	all->released++;
	if (r < 0 && !all->failed) {
		all->failed = true;
		(void)corral_error_wrap(&err, r, "release session '%s'", id);
		all->err = err;
	}
	(void)pthread_mutex_unlock(&all->lock);
}

static void *work(void *ctx)
{
	struct all *all = ctx;

	for (;;) {
		size_t i;

		(void)pthread_mutex_lock(&all->lock);
		i = all->next++;
		(void)pthread_mutex_unlock(&all->lock);
		if (i >= all->n)
			return NULL;
		release_one(all, all->ids[i]);
	}
}

static int ids_get(struct corral_session_manager *m, struct all *all, struct corral_error *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&m->lock);
	all->ids = calloc(m->n ? m->n : 1, sizeof(*all->ids));
	if (!all->ids)
		r = corral_error_set(err, ENOMEM, "release all sessions: out of memory");
	for (size_t i = 0; r == 0 && i < m->n; i++)
		memcpy(all->ids[all->n++], m->sessions[i]->id, sizeof(*all->ids));
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

int manager_release_all(struct corral_session_manager *m, enum session_release how,
                        struct corral_error *err)
{
	struct all all = { .m = m, .how = how };
	pthread_t threads[THREADS];
	size_t n = 0;
	int r = ids_get(m, &all, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_init(&all.lock, NULL);
	while (n < THREADS && n + 1 < all.n && pthread_create(&threads[n], NULL, work, &all) == 0)
		n++;
	/* This one helps, and is enough where there are no others to be had. */
	(void)work(&all);
	while (n)
		(void)pthread_join(threads[--n], NULL);
	(void)pthread_mutex_destroy(&all.lock);
	free(all.ids);
	if (all.failed && err)
		*err = all.err;
	return all.released;
}

int corral_session_manager_shutdown(struct corral_session_manager *m, struct corral_error *err)
{
	return manager_release_all(m, SESSION_CLOSE, err);
}
