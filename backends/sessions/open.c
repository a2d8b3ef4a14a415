/*
 * Opening a session: its id is reserved before anything is waited for, and the reservation counts
 * for every ceiling; what comes of it is a session, or nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/sessions/manager_state.h"
#include "backends/sessions/session_id.h"

static const char limit[] =
        "Session limit of %u reached. Release an idle session before opening another.";

static int exists(const char *id, struct corral_error *err)
{
	return corral_error_set(err, EEXIST, "Session exists: %s", id);
}

static int missing(const char *id, struct corral_error *err)
{
	return corral_error_set(err, ENOENT, "No such session: %s", id);
}

static int runtime_check(const char *id, const char *has, const char *asked,
                         struct corral_error *err)
{
	if (!asked || !strcmp(has, asked))
		return 0;
	return corral_error_set(err, EEXIST,
	                        "Session %s is open on runtime '%s', not '%s'. Close it before "
	                        "changing runtime.",
	                        id, has, asked);
}

/* Those on their way out are no obstacle, but have to be waited for. */
static unsigned int count_open(const struct corral_session_manager *m, const char *tenant,
                               unsigned int *ret_leaving)
{
	unsigned int n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct session *s = m->sessions[i];

		if (tenant && strcmp(s->tenant, tenant) != 0)
			continue;
		n++;
		*ret_leaving += s->gone;
	}
	return n;
}

/* 1: somebody is on the way out. besides: its own reservation, which is counted already. */
static int room_check(const struct corral_session_manager *m, const char *tenant,
                      unsigned int besides, struct corral_error *err)
{
	unsigned int leaving = 0, n;

	n = m->o.max_open ? count_open(m, NULL, &leaving) - besides : 0;
	if (m->o.max_open && n >= m->o.max_open)
		return n - leaving < m->o.max_open
		               ? 1
		               : corral_error_set(err, EUSERS, limit, m->o.max_open);
	leaving = 0;
	n = m->o.max_of_tenant && *tenant ? count_open(m, tenant, &leaving) - besides : 0;
	if (m->o.max_of_tenant && n >= m->o.max_of_tenant)
		return n - leaving < m->o.max_of_tenant
		               ? 1
		               : corral_error_set(err, EUSERS,
		                                  "Tenant '%s' already holds %u of %u sessions. "
		                                  "Release an idle session before opening "
		                                  "another.",
		                                  tenant, n, m->o.max_of_tenant);
	return 0;
}

int session_claim(struct corral_session_manager *m, const char *id,
                  const struct corral_session_ask *ask, struct session **ret,
                  struct corral_error *err)
{
	const char *tenant = ask->tenant ? ask->tenant : "";
	struct session *s;
	int r;

	for (;;) {
		if (m->closing)
			return corral_error_set(err, EPIPE, "the session manager is closed");
		s = session_find(m, id);
		if (s && s->held) {
			session_ref(s);
			session_wait(s);
			session_unref(s);
			continue;
		}
		if (s)
			break;
		r = room_check(m, tenant, 0, err);
		if (r < 0)
			return r;
		if (r == 0) {
			r = session_add(m, id, tenant, ret, err);
			if (r == 0)
				session_ref(*ret);
			return r;
		}
		(void)pthread_cond_wait(&m->changed, &m->lock);
	}
	r = ask->flags & CORRAL_SESSION_NEW
	            ? exists(id, err)
	            : runtime_check(id, s->runtime->name, ask->runtime, err);
	if (r < 0)
		return r;
	session_ref(s);
	session_hold(s);
	*ret = s;
	return 0;
}

/* --- A reservation becomes a session --- */

void session_adopt(struct session *s, struct corral_session_record *record)
{
	(void)snprintf(s->tenant, sizeof(s->tenant), "%s", record->tenant);
	(void)snprintf(s->reason, sizeof(s->reason), "%s", record->reason ? record->reason : "");
	s->isolation = record->isolation;
	s->history = record->history;
	s->created_ms = record->created_ms;
	corral_runtime_free(s->runtime);
	s->runtime = record->runtime;
	record->runtime = NULL;
}

/* It is in the store: closed, so nobody has it open. */
static int take_up(struct session *s, struct corral_session_record *record,
                   const struct corral_session_ask *ask, struct corral_error *err)
{
	int r = ask->flags & CORRAL_SESSION_NEW
	                ? exists(s->id, err)
	                : runtime_check(s->id, record->runtime->name, ask->runtime, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&s->m->lock);
	session_adopt(s, record);
	r = room_check(s->m, s->tenant, 1, err);
	(void)pthread_mutex_unlock(&s->m->lock);
	if (r > 0)
		r = corral_error_set(err, EUSERS, limit, s->m->o.max_of_tenant);
	return r < 0 ? r : corral_session_store_set_closed(s->m->o.store, s->id, false, err);
}

static int history_check(const struct session *s, const struct corral_session_ask *ask,
                         struct corral_error *err)
{
	if (!ask->history)
		return 0;
	if (!s->m->o.store || s->isolation != CORRAL_ISOLATION_NATIVE || s->m->o.custom)
		return corral_error_set(err, EOPNOTSUPP,
		                        "session '%s': history is kept of native sessions in a "
		                        "store alone",
		                        s->id);
	if (s->runtime->scope == CORRAL_SCOPE_CALL)
		return corral_error_set(err, EOPNOTSUPP,
		                        "session '%s': history is kept of runtimes of scope "
		                        "'session' alone",
		                        s->id);
	return 0;
}

/* With its image, which is made where nothing but that is missing. */
static int choose(struct corral_session_manager *m, const struct corral_runtime *rt,
                  struct corral_isolation_choice *ret, struct corral_error *err)
{
	struct corral_error why = { 0 };
	int r = session_choose(m, rt, ret, &why);

	if ((r < 0 || ret->isolation == CORRAL_ISOLATION_NATIVE) &&
	    session_image_is_missing(m, rt)) {
		r = session_image_make(m, rt, err);
		return r < 0 ? corral_error_wrap(err, r, "runtime '%.60s'", rt->name)
		             : session_choose(m, rt, ret, err);
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

static int begin_new(struct session *s, const struct corral_session_ask *ask, bool *ret_stored,
                     struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	struct corral_isolation_choice choice = { 0 };
	struct corral_session_order order = { .id = s->id, .tenant = s->tenant };
	struct corral_runtime *own = NULL;
	const struct corral_runtime *rt;
	int r = corral_runtime_catalogue_get(m->catalogue,
	                                     ask->runtime           ? ask->runtime
	                                     : m->o.default_runtime ? m->o.default_runtime
	                                                            : CORRAL_RUNTIME_DEFAULT,
	                                     &rt, err);

	if (r == 0)
		r = corral_runtime_dup(rt, &own, err);
	if (r < 0)
		return r;
	r = choose(m, rt, &choice, err);
	(void)pthread_mutex_lock(&m->lock);
	s->runtime = own;
	s->isolation = choice.isolation;
	s->history = ask->history;
	(void)snprintf(s->reason, sizeof(s->reason), "%s", choice.reason);
	(void)pthread_mutex_unlock(&m->lock);
	if (r == 0)
		r = history_check(s, ask, err);
	if (r < 0 || !m->o.store)
		return r;
	order.runtime = own;
	order.isolation = choice.isolation;
	order.reason = choice.reason;
	order.history = ask->history;
	r = corral_session_store_create(m->o.store, &order, NULL, err);
	*ret_stored = r == 0;
	return r;
}

static int begin(struct session *s, const struct corral_session_ask *ask, enum session_begun *ret,
                 struct corral_error *err)
{
	struct corral_session_record record = { 0 };
	struct corral_session_store *store = s->m->o.store;
	bool stored = false;
	int r;

	if (store) {
		r = corral_session_store_find(store, s->id, &record, err);
		if (r == 0) {
			r = take_up(s, &record, ask, err);
			*ret = r == 0 ? SESSION_REOPENED : SESSION_NOTHING;
			corral_session_record_done(&record);
			return r;
		}
		if (r != -ENOENT)
			return r;
	}
	if (ask->flags & CORRAL_SESSION_EXISTING)
		return missing(s->id, err);
	r = begin_new(s, ask, &stored, err);
	*ret = stored ? SESSION_CREATED : SESSION_NOTHING;
	return r;
}

static void begin_undo(struct session *s, enum session_begun begun)
{
	switch (begun) {
	case SESSION_CREATED:
		(void)session_forget(s, NULL);
		(void)corral_session_store_remove(s->m->o.store, s->id, NULL);
		break;
	case SESSION_REOPENED:
		(void)corral_session_store_set_closed(s->m->o.store, s->id, true, NULL);
		break;
	case SESSION_NOTHING:
		if (!s->m->o.store)
			(void)session_forget(s, NULL);
		break;
	}
}

static int start(struct session *s, struct corral_error *err)
{
	int r;

	(void)pthread_mutex_lock(&s->m->lock);
	r = session_place_take(s, err);
	(void)pthread_mutex_unlock(&s->m->lock);
	if (r < 0)
		return r;
	r = corral_backend_start(s->backend, err);
	return r < 0 ? corral_error_wrap(err, r, "session '%s'", s->id) : 0;
}

/* Nobody has seen it, and nobody will. */
static void abandon(struct session *s, enum session_begun begun)
{
	struct corral_session_manager *m = s->m;

	corral_backend_close(s->backend);
	begin_undo(s, begun);
	(void)pthread_mutex_lock(&m->lock);
	s->backend = NULL;
	s->gone = true;
	session_place_give(s);
	session_remove(s);
	(void)pthread_mutex_unlock(&m->lock);
}

int session_finish(struct session *s, const struct corral_session_ask *ask,
                   struct corral_backend **ret, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	int r = s->backend ? 0 : session_make(s, err);

	if (r == 0 && (ask->flags & CORRAL_SESSION_START))
		r = start(s, err);
	if (r == 0)
		r = session_lease(s, ret, err);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&m->lock);
	if (!s->made)
		session_stamp(s);
	s->made = true;
	session_let_go(s);
	session_unref(s);
	(void)pthread_mutex_unlock(&m->lock);
	return 0;
}

void session_fail(struct session *s, bool was_made, enum session_begun begun)
{
	struct corral_session_manager *m = s->m;
	bool alive = was_made && s->backend && corral_backend_is_alive(s->backend);

	if (!was_made)
		abandon(s, begun);
	(void)pthread_mutex_lock(&m->lock);
	/* It was to be started, and did not. */
	if (was_made && !alive && !s->busy)
		(void)session_end(s, NULL);
	session_let_go(s);
	session_unref(s);
	(void)pthread_mutex_unlock(&m->lock);
}

int corral_session_manager_get_or_create(struct corral_session_manager *m,
                                         const struct corral_session_ask *ask,
                                         struct corral_backend **ret, struct corral_error *err)
{
	char id[CORRAL_SESSION_ID_SIZE];
	enum session_begun begun = SESSION_NOTHING;
	struct session *s = NULL;
	bool was_made;
	int r = ask->id ? corral_session_id_check(ask->id, err) : session_id_make(id, err);

	if (r == 0 && ask->tenant && *ask->tenant)
		r = session_name_check("tenant", ask->tenant, err);
	if (r < 0)
		return r;
	if (ask->id)
		(void)snprintf(id, sizeof(id), "%s", ask->id);
	(void)pthread_mutex_lock(&m->lock);
	r = session_claim(m, id, ask, &s, err);
	was_made = r == 0 && s->made;
	(void)pthread_mutex_unlock(&m->lock);
	if (r != 0)
		return r;
	if (!was_made)
		r = begin(s, ask, &begun, err);
	if (r == 0)
		r = session_finish(s, ask, ret, err);
	if (r < 0)
		session_fail(s, was_made, begun);
	return r;
}
