/*
 * States of a session's files: named, gone back to, begun from.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* Names of checkpoints that a message has room for. */
#define NAMES_SHOWN 8

int store_state_missing(struct corral_session_store *s, const char *id, const char *name,
                        struct corral_error *err)
{
	const enum registry_question q = REGISTRY_STATE_NAMES;
	corral_autobuf struct corral_buf names = CORRAL_BUF_INIT;
	int r = registry_ask(s->registry, q, REGISTRY_VALUES(REGISTRY_T(id)), err), n = 0;

	while (r == 0 && (r = registry_next(s->registry, q, err)) > 0) {
		r = n == NAMES_SHOWN;
		corral_buf_fmt(&names, "%s%s", n++ ? ", " : "",
		               r ? "..." : registry_text(s->registry, q, 0));
	}
	registry_stop(s->registry, q);
	if (r < 0)
		return r;
	if (names.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	return corral_error_set(err, ENOENT, "Session '%s' has no checkpoint '%s': it has %s", id,
	                        name, n ? names.data : "none");
}

int store_state_find(struct corral_session_store *s, const char *id, const char *name,
                     int64_t *ret_layer, int64_t *ret_head, struct corral_error *err)
{
	const enum registry_question q = REGISTRY_STATE_FIND;
	int r = registry_ask(s->registry, q, REGISTRY_VALUES(REGISTRY_T(id), REGISTRY_T(name)),
	                     err);

	if (r == 0)
		r = registry_next(s->registry, q, err);
	if (r > 0) {
		*ret_layer = registry_number(s->registry, q, 0);
		*ret_head = registry_number(s->registry, q, 1);
		registry_stop(s->registry, q);
	}
	return r;
}

/* "c1", "c2", ...: after the number of those there are, the first that is free. */
static int name_choose(struct corral_session_store *s, const char *id, const char *wanted,
                       char ret[CORRAL_SESSION_ID_SIZE], struct corral_error *err)
{
	int64_t n = 0, layer, head;
	int r = registry_one(s->registry, REGISTRY_STATE_COUNT, REGISTRY_VALUES(REGISTRY_T(id)), &n,
	                     err);

	if (r >= 0 && n >= STORE_CHECKPOINTS_MAX)
		r = corral_error_set(err, ENOSPC,
		                     "Session '%s' has %d checkpoints, and no more: drop some", id,
		                     STORE_CHECKPOINTS_MAX);
	if (r < 0)
		return r;
	if (wanted)
		(void)snprintf(ret, CORRAL_SESSION_ID_SIZE, "%s", wanted);
	do {
		if (!wanted)
			(void)snprintf(ret, CORRAL_SESSION_ID_SIZE, "c%lld", (long long)++n);
		r = store_state_find(s, id, ret, &layer, &head, err);
	} while (r > 0 && !wanted);
	return r > 0 ? corral_error_set(err, EEXIST, "Session '%s' has a checkpoint '%s' already",
	                                id, ret)
	             : r;
}

static int state_add(struct store_session *e, struct store_change *c, int top_fd, const char *name,
                     struct corral_error *err)
{
	int64_t layer = 0;
	int r = store_session_settle(e, c, top_fd, &layer, err);

	if (r < 0)
		return r;
	r = registry_do(e->store->registry, REGISTRY_STATE_ADD,
	                REGISTRY_VALUES(REGISTRY_T(e->id), REGISTRY_T(name), REGISTRY_N(0),
	                                REGISTRY_N(e->head), REGISTRY_L(layer),
	                                REGISTRY_N(corral_wall_ms()), REGISTRY_T(NULL)),
	                err);
	return r < 0 ? r : 0;
}

int corral_session_checkpoint(struct corral_session_store *s, const char *id, const char *name,
                              char ret_name[CORRAL_SESSION_ID_SIZE], struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	store_autochange struct store_change change = { 0 };
	corral_autofd int top_fd = -1;
	char chosen[CORRAL_SESSION_ID_SIZE];
	int r = name ? session_name_check("checkpoint", name, err) : 0;

	if (r == 0)
		r = store_session_open(s, id, &session, err);
	if (r == 0)
		r = store_session_room_and_lock(&session, &top_fd, err);
	if (r == 0)
		r = store_change_begin(&change, s, store_place_of(&session), err);
	if (r == 0)
		r = name_choose(s, id, name, chosen, err);
	if (r == 0)
		r = state_add(&session, &change, top_fd, chosen, err);
	if (r == 0)
		r = store_session_commit(&session, &change, err);
	if (r == 0 && ret_name)
		memcpy(ret_name, chosen, sizeof(chosen));
	return r;
}

void corral_checkpoints_done(struct corral_checkpoints *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->items[i].text);
	free(c->items);
	memset(c, 0, sizeof(*c));
}

static int checkpoint_add(struct registry *g, struct corral_checkpoints *to,
                          struct corral_error *err)
{
	const enum registry_question q = REGISTRY_STATE_LIST;
	struct corral_checkpoint *one;

	/* Room for a power of two, so that no size need be kept. */
	if ((to->n & (to->n - 1)) == 0) {
		one = reallocarray(to->items, to->n ? 2 * to->n : 1, sizeof(*one));
		if (!one)
			return corral_error_set(err, ENOMEM, "out of memory");
		to->items = one;
	}
	one = &to->items[to->n];
	memset(one, 0, sizeof(*one));
	(void)snprintf(one->name, sizeof(one->name), "%s", registry_text(g, q, 0));
	one->at_ms = registry_number(g, q, 1);
	one->layer = (uint64_t)registry_number(g, q, 2);
	one->command = (unsigned int)registry_number(g, q, 3);
	if (one->command) {
		one->text = strdup(registry_text(g, q, 4));
		if (!one->text)
			return corral_error_set(err, ENOMEM, "out of memory");
	}
	to->n++;
	return 0;
}

int corral_session_checkpoints(struct corral_session_store *s, const char *id,
                               struct corral_checkpoints *ret, struct corral_error *err)
{
	corral_auto(corral_checkpoints_done) struct corral_checkpoints list = { 0 };
	const struct registry_value *session = REGISTRY_VALUES(REGISTRY_T(id));
	struct registry *g = s->registry;
	int64_t found;
	int r = corral_session_id_check(id, err);

	if (r == 0)
		r = registry_begin(g, REGISTRY_READ, err);
	if (r < 0)
		return r;
	r = registry_one(g, REGISTRY_SESSION_EXISTS, session, &found, err);
	if (r == 0)
		r = corral_error_set(err, ENOENT, "No such session: %s", id);
	if (r > 0)
		r = registry_ask(g, REGISTRY_STATE_LIST, session, err);
	while (r == 0 && (r = registry_next(g, REGISTRY_STATE_LIST, err)) > 0)
		r = checkpoint_add(g, &list, err);
	registry_stop(g, REGISTRY_STATE_LIST);
	registry_rollback(g);
	if (r < 0)
		return r;
	*ret = list;
	memset(&list, 0, sizeof(list));
	return 0;
}

/* Within the change. */
static int go_back(struct store_session *e, struct store_change *c, int top_fd, const char *name,
                   struct corral_error *err)
{
	int64_t layer, head;
	int r = store_state_find(e->store, e->id, name, &layer, &head, err);

	if (r == 0)
		return store_state_missing(e->store, e->id, name, err);
	return r < 0 ? r : store_session_go(e, c, top_fd, layer, head, err);
}

int corral_session_restore(struct corral_session_store *s, const char *id, const char *name,
                           struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	store_autochange struct store_change change = { 0 };
	corral_autofd int top_fd = -1;
	int r = store_session_begin(s, id, &session, &top_fd, &change, err);

	if (r == 0)
		r = go_back(&session, &change, top_fd, name, err);
	return r < 0 ? r : store_session_commit(&session, &change, err);
}

int corral_session_checkpoint_drop(struct corral_session_store *s, const char *id, const char *name,
                                   struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	store_autochange struct store_change change = { 0 };
	int r = store_session_open(s, id, &session, err);

	if (r == 0)
		r = store_change_begin(&change, s, store_place_of(&session), err);
	if (r < 0)
		return r;
	r = store_states_drop(&change, REGISTRY_STATE_DROP,
	                      REGISTRY_VALUES(REGISTRY_T(id), REGISTRY_T(name)), err);
	if (r == 0)
		r = store_state_missing(s, id, name, err);
	if (r > 0)
		r = store_states_drop(&change, REGISTRY_STATES_LOST,
		                      REGISTRY_VALUES(REGISTRY_T(id)), err);
	return r < 0 ? r : store_change_commit(&change, err);
}
