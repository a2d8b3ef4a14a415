/*
 * Sessions as a whole: made, marked, removed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/quota.h"

static int runtime_number(struct registry *g, const struct corral_runtime *rt, int64_t *ret,
                          struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r = corral_runtime_write(rt, &text, err);

	if (r == 0 && text.failed)
		r = corral_error_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = registry_do(g, REGISTRY_RUNTIME_ADD, REGISTRY_VALUES(REGISTRY_T(text.data)),
		                err);
	if (r >= 0)
		r = registry_one(g, REGISTRY_RUNTIME_NUMBER, REGISTRY_VALUES(REGISTRY_T(text.data)),
		                 ret, err);
	return r < 0 ? r : 0;
}

static int order_check(const struct corral_session_order *o, struct corral_error *err)
{
	int r = o->id ? corral_session_id_check(o->id, err) : 0;

	if (r == 0 && o->tenant && *o->tenant)
		r = session_name_check("tenant", o->tenant, err);
	if (r == 0 && o->isolation == CORRAL_ISOLATION_AUTO)
		r = corral_error_set(err, EINVAL, "isolation: 'auto' is to be decided before");
	if (r == 0 && store_has_disk(o->runtime) && o->isolation != CORRAL_ISOLATION_NATIVE)
		r = corral_error_set(err, EOPNOTSUPP,
		                     "disk_backing: only native sessions have an image file, and "
		                     "this would be a container");
	return r;
}

/* A limit that no sandbox of it could have, each of its commands would fail for: kernel/launch.c.
 * Those of a sandbox that lasts for one command keep nothing but its workspace. */
static int limits_check(const struct corral_session_store *s, const struct corral_session_order *o,
                        struct corral_error *err)
{
	static const enum corral_limit of_disk[] = { CORRAL_LIMIT_DISK, CORRAL_LIMIT_DISK_INODES };
	const struct corral_config *c = o->runtime->sandbox;
	struct corral_error why = { 0 };

	if (o->isolation != CORRAL_ISOLATION_NATIVE || store_has_disk(o->runtime) ||
	    o->runtime->scope == CORRAL_SCOPE_CALL)
		return 0;
	for (size_t i = 0; i < CORRAL_COUNT(of_disk); i++)
		if ((c->limits_asked & of_disk[i]) &&
		    corral_quota_possible(s->own.layers_fd, &why) < 0)
			return corral_quota_refuse(corral_limit_name(of_disk[i]), &why, err);
	return 0;
}

static int session_add(struct store_change *c, const struct corral_session_order *o, const char *id,
                       struct store_draft *draft, struct corral_error *err)
{
	struct registry *g = c->store->registry;
	int64_t found, runtime = 0, layer = 0;
	int r = registry_one(g, REGISTRY_SESSION_EXISTS, REGISTRY_VALUES(REGISTRY_T(id)), &found,
	                     err);

	if (r > 0)
		return corral_error_set(err, EEXIST, "Session exists: %s", id);
	if (r == 0)
		r = runtime_number(g, o->runtime, &runtime, err);
	if (r == 0)
		r = store_layer_make(c, 0, o->runtime, &layer, err);
	if (r == 0)
		r = store_session_make_dir(c, id, draft->store ? 0 : layer, err);
	if (r == 0 && draft->store)
		r = store_draft_place(draft, id, err);
	if (r == 0 && o->isolation == CORRAL_ISOLATION_NATIVE)
		r = store_image_begin(c->store, id, o->runtime, err);
	if (r < 0)
		return r;
	r = registry_do(g, REGISTRY_SESSION_ADD,
	                REGISTRY_VALUES(REGISTRY_T(id), REGISTRY_T(o->tenant ? o->tenant : ""),
	                                REGISTRY_N(runtime),
	                                REGISTRY_T(corral_isolation_name(o->isolation)),
	                                REGISTRY_T(o->reason ? o->reason : ""),
	                                REGISTRY_N(o->history), REGISTRY_N(corral_wall_ms()),
	                                REGISTRY_N(layer)),
	                err);
	return r < 0 ? r : 0;
}

static int create(struct corral_session_store *s, const struct corral_session_order *o,
                  const char *id, struct corral_error *err)
{
	store_autodraft struct store_draft draft = STORE_DRAFT_INIT;
	store_autochange struct store_change change = { 0 };
	int r = 0;

	/* Nobody waits for that. */
	if (store_has_disk(o->runtime))
		r = store_draft_make(s, o->runtime, &draft, err);
	if (r == 0)
		r = store_change_begin(&change, s, draft.store ? &draft.place : &s->own, err);
	if (r == 0)
		r = session_add(&change, o, id, &draft, err);
	return r < 0 ? r : store_change_commit(&change, err);
}

int corral_session_store_create(struct corral_session_store *s,
                                const struct corral_session_order *order,
                                struct corral_session_record *ret, struct corral_error *err)
{
	char id[CORRAL_SESSION_ID_SIZE];
	int r = order_check(order, err);

	if (r == 0)
		r = limits_check(s, order, err);
	if (r < 0)
		return r;
	if (order->id)
		(void)snprintf(id, sizeof(id), "%s", order->id);
	else
		r = session_id_make(id, err);
	if (r == 0)
		r = create(s, order, id, err);
	return r < 0 || !ret ? r : corral_session_store_find(s, id, ret, err);
}

/* One column of one session. */
static int mark(struct corral_session_store *s, const char *id, enum registry_question q,
                int64_t value, struct corral_error *err)
{
	int r = corral_session_id_check(id, err);

	if (r == 0)
		r = registry_begin(s->registry, REGISTRY_WRITE, err);
	if (r < 0)
		return r;
	r = registry_do(s->registry, q, REGISTRY_VALUES(REGISTRY_T(id), REGISTRY_N(value)), err);
	if (r > 0)
		return registry_commit(s->registry, err);
	registry_rollback(s->registry);
	return r < 0 ? r : corral_error_set(err, ENOENT, "No such session: %s", id);
}

int corral_session_store_touch(struct corral_session_store *s, const char *id, int64_t now_ms,
                               struct corral_error *err)
{
	return mark(s, id, REGISTRY_SESSION_TOUCH, now_ms, err);
}

int corral_session_store_set_closed(struct corral_session_store *s, const char *id, bool closed,
                                    struct corral_error *err)
{
	return mark(s, id, REGISTRY_SESSION_CLOSED, closed, err);
}

int corral_session_store_set_data(struct corral_session_store *s, const char *id, uint64_t data,
                                  struct corral_error *err)
{
	return mark(s, id, REGISTRY_SESSION_DATA, (int64_t)data, err);
}

static int session_drop(struct store_session *e, struct store_change *c, struct corral_error *err)
{
	const struct registry_value *id = REGISTRY_VALUES(REGISTRY_T(e->id));
	struct registry *g = e->store->registry;
	int r;

	r = store_states_drop(c, REGISTRY_STATES_DROP, id, err);
	if (r >= 0)
		r = registry_do(g, REGISTRY_SESSION_DROP, id, err);
	if (r >= 0)
		r = store_layer_drop(c, e->layer, err);
	(void)snprintf(c->session, sizeof(c->session), "%s", e->id);
	return r < 0 ? r : 0;
}

static int remove_one(struct corral_session_store *s, const char *id, struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	store_autochange struct store_change change = { 0 };
	corral_autofd int top_fd = -1;
	int r = store_session_open_any(s, id, &session, err);

	/* A disk that cannot be opened goes as well: nobody else can open it either. */
	if (r == 0 && (!session.has_disk || session.disk.path))
		r = store_layer_lock(store_place_of(&session), session.layer, LOCK_EX, id, &top_fd,
		                     err);
	/* Layers of a disk go with it. */
	if (r == 0)
		r = store_change_begin(&change, s, session.has_disk ? NULL : &s->own, err);
	if (r < 0)
		return r;
	if (top_fd >= 0)
		store_layer_freeze(top_fd, true);
	r = session_drop(&session, &change, err);
	if (r == 0)
		r = store_change_commit(&change, err);
	if (r == 0)
		session.kept_layer = 0;
	return r;
}

int corral_session_store_remove(struct corral_session_store *s, const char *id,
                                struct corral_error *err)
{
	int r = remove_one(s, id, err);

	/* Removing is what makes room, and takes some in the registry's log. */
	if (r == -ENOSPC && store_reserve_give(s))
		r = remove_one(s, id, err);
	return r;
}
