/*
 * New sessions that begin with the files of others: on the same layers, or, of a session with a
 * disk of its own, on a copy of that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* Its directory and its layer are there: what is known of it. */
static int fork_record(const struct store_session *from, const char *new_id, int64_t own,
                       struct corral_error *err)
{
	int r = store_image_keep_too(from->store, new_id, from->id, err);

	return r < 0 ? r
	             : registry_do(from->store->registry, REGISTRY_SESSION_FORK,
	                           REGISTRY_VALUES(REGISTRY_T(new_id), REGISTRY_T(from->id),
	                                           REGISTRY_N(corral_wall_ms()), REGISTRY_N(own)),
	                           err);
}

/* The new session on that layer, within the change. */
static int fork_add(struct store_session *from, struct store_change *c, int64_t layer,
                    const char *new_id, struct corral_error *err)
{
	int64_t own = 0;
	int r = store_layer_make(c, layer, from->runtime, &own, err);

	if (r == 0)
		r = store_session_make_dir(c, new_id, layer ? 0 : own, err);
	if (r == 0)
		r = fork_record(from, new_id, own, err);
	return r < 0 ? r : 0;
}

/* --- Of a session with a disk --- */

static bool is_among(const struct store_numbers *n, int64_t number)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->items[i] == number)
			return true;
	return false;
}

/* Layers of the source that the new session does not begin with. */
static void others_drop(const struct store_place *at, const struct store_numbers *own)
{
	DIR *dir = store_dir_read(at->layers_fd);
	const char *name;

	while (dir && (name = store_dir_next(dir)))
		if (!is_among(own, store_layer_number(name)))
			(void)store_trash_put(at, at->layers_fd, name);
	if (dir)
		(void)closedir(dir);
}

/* The same layers by new numbers, from the lowest on; *ret_top: the last. */
static int layers_rename(struct store_change *c, const struct store_numbers *chain,
                         struct store_numbers *ret, int64_t *ret_top, struct corral_error *err)
{
	for (size_t i = chain->n; i > 0; i--) {
		char name[24], to[24];
		int r = registry_one(c->store->registry, REGISTRY_LAYER_ADD,
		                     REGISTRY_VALUES(REGISTRY_L(*ret_top)), ret_top, err);

		if (r >= 0)
			r = store_numbers_add(ret, *ret_top, err);
		if (r < 0)
			return r;
		store_layer_name(chain->items[i - 1], name);
		store_layer_name(*ret_top, to);
		if (renameat(c->place->layers_fd, name, c->place->layers_fd, to) < 0)
			return corral_error_sys(err, errno, "rename layer %s to %s", name, to);
	}
	return 0;
}

/* In the copy: what it begins with, within the change. from NULL: the topmost is its own to go on
 * with. */
static int copy_fill(struct store_session *e, struct store_change *c, const char *from,
                     int64_t *ret_own, struct corral_error *err)
{
	store_autonumbers struct store_numbers chain = { 0 }, own = { 0 };
	struct corral_session_store *s = e->store;
	int64_t layer = e->layer, head, top = 0;
	int r = from ? store_state_find(s, e->id, from, &layer, &head, err) : 1;

	if (r == 0)
		return store_state_missing(s, e->id, from, err);
	if (r > 0)
		r = layer ? store_layer_chain(s, layer, &chain, err) : 0;
	if (r == 0)
		r = layers_rename(c, &chain, &own, &top, err);
	if (r == 0 && from) {
		r = store_layer_make(c, top, e->runtime, &top, err);
		if (r == 0)
			r = store_numbers_add(&own, top, err);
	}
	if (r < 0)
		return r;
	others_drop(c->place, &own);
	*ret_own = top;
	return 0;
}

static int copy_add(struct store_session *e, struct store_change *c, struct store_draft *draft,
                    const char *from, const char *new_id, struct corral_error *err)
{
	struct registry *g = e->store->registry;
	int64_t own = 0, found;
	int r = registry_one(g, REGISTRY_SESSION_EXISTS, REGISTRY_VALUES(REGISTRY_T(new_id)),
	                     &found, err);

	if (r > 0)
		return corral_error_set(err, EEXIST, "Session exists: %s", new_id);
	if (r == 0)
		r = copy_fill(e, c, from, &own, err);
	if (r == 0)
		r = store_session_make_dir(c, new_id, 0, err);
	if (r == 0)
		r = store_draft_place(draft, new_id, err);
	if (r == 0)
		r = fork_record(e, new_id, own, err);
	return r < 0 ? r : 0;
}

/* The copy is made before anybody waits for the registry, and begins as what nobody writes to. */
static int fork_disk(struct store_session *e, const char *from, const char *new_id,
                     struct corral_error *err)
{
	store_autodraft struct store_draft draft = STORE_DRAFT_INIT;
	store_autochange struct store_change change = { 0 };
	corral_autofd int top_fd = -1;
	int r = store_layer_lock(store_place_of(e), e->layer, LOCK_EX, e->id, &top_fd, err);

	if (r == 0)
		r = store_draft_copy(e, &draft, err);
	if (r == 0)
		r = store_change_begin(&change, e->store, &draft.place, err);
	/* A full one is copied as it is, and what the copy does not keep goes from it. */
	change.takes_reserve = true;
	if (r == 0)
		r = copy_add(e, &change, &draft, from, new_id, err);
	return r < 0 ? r : store_change_commit(&change, err);
}

/* --- Of any other --- */

static int fork_of(struct store_session *e, struct store_change *c, int top_fd, const char *from,
                   const char *new_id, struct corral_error *err)
{
	int64_t layer = 0, head, found;
	int r = registry_one(e->store->registry, REGISTRY_SESSION_EXISTS,
	                     REGISTRY_VALUES(REGISTRY_T(new_id)), &found, err);

	if (r > 0)
		return corral_error_set(err, EEXIST, "Session exists: %s", new_id);
	if (r == 0 && !from)
		r = store_session_settle(e, c, top_fd, &layer, err);
	else if (r == 0 && (r = store_state_find(e->store, e->id, from, &layer, &head, err)) == 0)
		r = store_state_missing(e->store, e->id, from, err);
	return r < 0 ? r : fork_add(e, c, layer, new_id, err);
}

static int fork_shared(struct store_session *e, const char *from, const char *new_id,
                       struct corral_error *err)
{
	store_autochange struct store_change change = { 0 };
	corral_autofd int top_fd = -1;
	int r = from ? 0 : store_session_room_and_lock(e, &top_fd, err);

	if (r == 0)
		r = store_change_begin(&change, e->store, store_place_of(e), err);
	if (r == 0)
		r = fork_of(e, &change, top_fd, from, new_id, err);
	return r < 0 ? r : store_session_commit(e, &change, err);
}

int corral_session_fork(struct corral_session_store *s, const char *id, const char *from,
                        const char *new_id, struct corral_session_record *ret,
                        struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	char made[CORRAL_SESSION_ID_SIZE];
	int r = new_id ? corral_session_id_check(new_id, err) : session_id_make(made, err);

	if (!new_id)
		new_id = made;
	if (r == 0)
		r = store_session_open(s, id, &session, err);
	if (r == 0)
		r = session.has_disk ? fork_disk(&session, from, new_id, err)
		                     : fork_shared(&session, from, new_id, err);
	return r < 0 || !ret ? r : corral_session_store_find(s, new_id, ret, err);
}
