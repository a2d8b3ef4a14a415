/*
 * What the store does with a session's layers, for one that may be running: nobody is in it, its
 * sandbox ends, the layers become others, and the next call wakes it over those.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sessions/manager_state.h"
#include "backends/sessions/session_id.h"
#include "kernel/base/clock.h"

/* With the lock held. Holds it once nobody is in it. */
static int hold_idle(struct session *s, int64_t timeout_ms, struct corral_error *err)
{
	const struct timespec until = corral_clock_after(timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
	int waited = 0;

	while ((s->held || s->busy) && !s->gone && waited == 0)
		waited = pthread_cond_timedwait(&s->changed, &s->m->lock, &until);
	if (s->gone || s->m->closing)
		return session_gone(s, err);
	if (s->held || s->busy)
		return corral_error_set(err, EBUSY, "session '%s': %u operations are in flight",
		                        s->id, s->busy);
	session_hold(s);
	return 0;
}

/* With the lock held: nobody is in it, and it has no sandbox. */
static int quiesce(struct session *s, int64_t timeout_ms, struct corral_error *err)
{
	int r = hold_idle(s, timeout_ms, err);

	if (r < 0)
		return r;
	r = session_end(s, err);
	if (r < 0)
		session_let_go(s);
	return r;
}

static int layers_check(const struct session *s, struct corral_error *err)
{
	if (s->m->o.store && !s->m->o.custom && s->isolation == CORRAL_ISOLATION_NATIVE &&
	    s->runtime->scope == CORRAL_SCOPE_SESSION)
		return 0;
	return corral_error_set(err, EOPNOTSUPP,
	                        "session '%s' has no layers: those are of native sessions of scope "
	                        "'session' in a store",
	                        s->id);
}

/* Held, with a reference, and without a sandbox. */
static int change_begin(struct corral_session_manager *m, const char *id, int timeout_ms,
                        struct session **ret, struct corral_error *err)
{
	struct session *s;
	int r;

	(void)pthread_mutex_lock(&m->lock);
	s = session_find(m, id);
	/* Reservations are not waited for: whoever has one may be waiting for us. */
	if (!s || !s->made) {
		r = corral_error_set(err, ENOENT, "No such session: %s", id);
	} else {
		session_ref(s);
		r = layers_check(s, err);
		if (r == 0)
			r = quiesce(s, timeout_ms, err);
		if (r == 0)
			*ret = s;
		else
			session_unref(s);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

/* changed: its sandbox is to be made from what it has now. */
static int change_end(struct session *s, bool changed, int r, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;

	if (changed && s->backend) {
		int made = session_remake(s, r < 0 ? NULL : err);

		r = r < 0 ? r : made;
	}
	(void)pthread_mutex_lock(&m->lock);
	session_let_go(s);
	session_unref(s);
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

/* Its place is kept meanwhile. */
static int command_begin(struct session *s, const char *text, unsigned int *ret_number,
                         struct corral_error *err)
{
	struct corral_session_store *store = s->m->o.store;
	int r = corral_backend_end(s->backend, err);

	if (r == 0 && s->history) {
		r = corral_session_command(store, s->id, text, ret_number, err);
	} else if (r == 0) {
		/* One that was killed has left it. */
		(void)corral_session_checkpoint_drop(store, s->id, SESSION_MARK, NULL);
		r = corral_session_checkpoint(store, s->id, SESSION_MARK, NULL, err);
	}
	return r < 0 ? r : session_remake(s, err);
}

int session_enter_command(struct session *s, const char *text, int64_t timeout_ms,
                          unsigned int *ret_number, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	int r;

	if (timeout_ms < 0 || timeout_ms > SESSION_PATIENCE_MS)
		timeout_ms = SESSION_PATIENCE_MS;
	(void)pthread_mutex_lock(&m->lock);
	r = hold_idle(s, timeout_ms, err);
	if (r < 0) {
		(void)pthread_mutex_unlock(&m->lock);
		return r;
	}
	r = session_place_take(s, err);
	(void)pthread_mutex_unlock(&m->lock);
	if (r == 0)
		r = command_begin(s, text, ret_number, err);
	(void)pthread_mutex_lock(&m->lock);
	if (r == 0) {
		s->busy++;
		s->background = false;
		session_stamp(s);
	} else {
		(void)session_end(s, NULL);
	}
	session_let_go(s);
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

int corral_session_manager_checkpoint(struct corral_session_manager *m, const char *id,
                                      const char *name, char ret_name[CORRAL_SESSION_ID_SIZE],
                                      int timeout_ms, struct corral_error *err)
{
	struct session *s;
	int r = change_begin(m, id, timeout_ms, &s, err);

	if (r < 0)
		return r;
	r = corral_session_checkpoint(m->o.store, id, name, ret_name, err);
	return change_end(s, r == 0, r, err);
}

int corral_session_manager_restore(struct corral_session_manager *m, const char *id,
                                   const char *name, int timeout_ms, struct corral_error *err)
{
	struct session *s;
	int r = change_begin(m, id, timeout_ms, &s, err);

	if (r < 0)
		return r;
	r = corral_session_restore(m->o.store, id, name, err);
	return change_end(s, r == 0, r, err);
}

int corral_session_manager_undo(struct corral_session_manager *m, const char *id, unsigned int n,
                                int timeout_ms, struct corral_error *err)
{
	struct session *s;
	int r = change_begin(m, id, timeout_ms, &s, err);

	if (r < 0)
		return r;
	r = corral_session_undo(m->o.store, id, n, NULL, err);
	return change_end(s, r == 0, r, err);
}

int corral_session_manager_diff(struct corral_session_manager *m, const char *id,
                                const struct corral_session_span *span,
                                const struct corral_layers_diff_options *options, int timeout_ms,
                                int (*told)(void *ctx, const struct corral_change *change),
                                void *ctx, struct corral_error *err)
{
	struct session *s;
	int r = change_begin(m, id, timeout_ms, &s, err);

	if (r < 0)
		return r;
	r = corral_session_diff(m->o.store, id, span, options, told, ctx, err);
	return change_end(s, false, r, err);
}

/* --- One command with what it changed --- */

struct watched {
	struct corral_session_watch *watch;
	const char *id;
	unsigned int number; /* of its history; 0: from SESSION_MARK on */
};

static int change_told(void *ctx, const struct corral_change *change)
{
	struct corral_session_watch *watch = ctx;
	int r = watch->told(watch->ctx, change);

	watch->n_changes += r == 0;
	return r;
}

/* Held, without a sandbox. */
static int changes_tell(struct corral_session_manager *m, const struct watched *w,
                        struct corral_error *err)
{
	const struct corral_session_span span = { .since = w->number ? NULL : SESSION_MARK,
		                                  .command = w->number };
	struct corral_layers_diff_options options = w->watch->options;
	int r;

	if (!options.changes_max)
		options.changes_max = CORRAL_SESSION_CHANGES;
	r = corral_session_diff(m->o.store, w->id, &span, &options, change_told, w->watch, err);
	w->watch->cut = r == -E2BIG && w->watch->n_changes == options.changes_max;
	return w->watch->cut ? 0 : r;
}

/* With a reference, of one that has layers. */
static int layered_get(struct corral_session_manager *m, const char *id, struct session **ret,
                       struct corral_error *err)
{
	struct session *s;
	int r;

	(void)pthread_mutex_lock(&m->lock);
	s = session_find(m, id);
	r = s && s->made ? layers_check(s, err)
	                 : corral_error_set(err, ENOENT, "No such session: %s", id);
	if (r == 0) {
		session_ref(s);
		*ret = s;
	}
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

static int watched_run(struct session *s, const struct corral_execute *x, struct watched *w,
                       struct corral_executed *ret, struct corral_error *err)
{
	int r = session_enter_command(s, x->command ? x->command : x->argv[0], x->timeout_ms,
	                              &w->number, err);

	if (r < 0)
		return r;
	if (s->history && !w->number)
		r = corral_error_set(err, EMLINK,
		                     "session '%s': it has as many layers as there can be, and "
		                     "they cannot be merged, so what this command alone changes "
		                     "could not be told: undo or restore gives it room",
		                     s->id);
	else
		r = corral_backend_execute(s->backend, x, ret, err);
	w->watch->ran = r == 0;
	session_leave(s, r, err);
	return r;
}

int corral_session_manager_execute(struct corral_session_manager *m, const char *id,
                                   const struct corral_execute *x,
                                   struct corral_session_watch *watch, struct corral_executed *ret,
                                   struct corral_error *err)
{
	struct watched w = { .watch = watch, .id = id };
	struct session *s, *held;
	int r;

	watch->ran = watch->cut = false;
	watch->n_changes = 0;
	memset(ret, 0, sizeof(*ret));
	r = layered_get(m, id, &s, err);
	if (r < 0)
		return r;
	r = watched_run(s, x, &w, ret, err);
	if (r == 0) {
		r = change_begin(m, id, SESSION_PATIENCE_MS, &held, err);
		if (r == 0)
			r = change_end(held, false, changes_tell(m, &w, err), err);
	}
	if (!s->history)
		(void)corral_session_checkpoint_drop(m->o.store, id, SESSION_MARK, NULL);
	session_put(s);
	return r;
}

/* --- One more of them --- */

/* The source's layers are frozen in it, so that it needs a new policy as well. */
static int fork_stored(struct corral_session_manager *m, const char *id, const char *from,
                       struct session *s, int timeout_ms, struct corral_error *err)
{
	struct corral_session_record record = { 0 };
	struct session *source;
	int r = change_begin(m, id, timeout_ms, &source, err);

	if (r < 0)
		return r;
	r = corral_session_fork(m->o.store, id, from, s->id, &record, err);
	if (r == 0) {
		(void)pthread_mutex_lock(&m->lock);
		session_adopt(s, &record);
		(void)pthread_mutex_unlock(&m->lock);
	}
	corral_session_record_done(&record);
	return change_end(source, r == 0, r, err);
}

int corral_session_manager_fork(struct corral_session_manager *m, const char *id, const char *from,
                                const struct corral_session_ask *ask, int timeout_ms,
                                struct corral_backend **ret, struct corral_error *err)
{
	struct corral_session_ask fresh = *ask;
	char new_id[CORRAL_SESSION_ID_SIZE], tenant[CORRAL_SESSION_ID_SIZE] = "";
	const struct session *source;
	enum session_begun begun = SESSION_NOTHING;
	struct session *s = NULL;
	int r = ask->id ? corral_session_id_check(ask->id, err) : session_id_make(new_id, err);

	if (r < 0)
		return r;
	if (ask->id)
		(void)snprintf(new_id, sizeof(new_id), "%s", ask->id);
	fresh.flags |= CORRAL_SESSION_NEW;
	(void)pthread_mutex_lock(&m->lock);
	source = session_find(m, id);
	if (source)
		(void)snprintf(tenant, sizeof(tenant), "%s", source->tenant);
	/* It is its source's tenant's, whatever was asked for. */
	fresh.tenant = tenant;
	r = session_claim(m, new_id, &fresh, &s, err);
	(void)pthread_mutex_unlock(&m->lock);
	if (r < 0)
		return r;
	r = fork_stored(m, id, from, s, timeout_ms, err);
	if (r == 0) {
		begun = SESSION_CREATED;
		r = session_finish(s, ask, ret, err);
	}
	if (r < 0)
		session_fail(s, false, begun);
	return r;
}
