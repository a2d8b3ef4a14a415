#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"

#define LINK "workspace"

static int no_such(const char *id, struct corral_error *err)
{
	return corral_error_set(err, ENOENT, "No such session: %s", id);
}

/* Somebody took it away by hand: there is nothing in it that cannot be made anew. */
static int dir_again(struct corral_session_store *s, const char *id, struct corral_error *err)
{
	int64_t found;
	int r = registry_begin(s->registry, REGISTRY_WRITE, err);

	if (r < 0)
		return r;
	r = registry_one(s->registry, REGISTRY_SESSION_EXISTS, REGISTRY_VALUES(REGISTRY_T(id)),
	                 &found, err);
	if (r == 0)
		r = no_such(id, err);
	if (r > 0)
		r = mkdirat(s->sessions_fd, id, 0700) < 0 && errno != EEXIST
		            ? corral_error_sys(err, errno, "create 'sessions/%s'", id)
		            : 0;
	registry_rollback(s->registry);
	return r;
}

/* The lock of who removes it goes with the directory: then there may be another of that name. */
static int dir_lock(struct corral_session_store *s, const char *id, int *ret_fd,
                    struct corral_error *err)
{
	for (;;) {
		corral_autofd int fd =
		        openat(s->sessions_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct stat locked, named;
		int r;

		if (fd < 0 && errno == ENOENT) {
			r = dir_again(s, id, err);
			if (r < 0)
				return r;
			continue;
		}
		if (fd < 0)
			return corral_error_sys(err, errno, "open 'sessions/%s'", id);
		while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
			;
		if (r < 0 || fstat(fd, &locked) < 0)
			return corral_error_sys(err, errno, "lock session '%s'", id);
		if (fstatat(s->sessions_fd, id, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    named.st_ino == locked.st_ino && named.st_dev == locked.st_dev) {
			*ret_fd = corral_take_fd(&fd);
			return 0;
		}
	}
}

static int now_get(struct store_session *e, bool any, struct corral_error *err)
{
	const enum registry_question q = REGISTRY_SESSION_NOW;
	struct registry *g = e->store->registry;
	corral_autofree char *text = NULL;
	struct corral_error why = { 0 };
	int r = registry_begin(g, REGISTRY_READ, err);

	if (r < 0)
		return r;
	r = registry_ask(g, q, REGISTRY_VALUES(REGISTRY_T(e->id)), err);
	if (r == 0)
		r = registry_next(g, q, err);
	if (r > 0) {
		e->layer = registry_number(g, q, 0);
		e->parent = registry_number(g, q, 1);
		e->depth = (unsigned int)registry_number(g, q, 2);
		e->kept_layer = e->layer;
		e->kept_depth = e->depth;
		e->head = registry_number(g, q, 3);
		e->command = registry_number(g, q, 4);
		e->history = registry_number(g, q, 5) != 0;
		text = strdup(registry_text(g, q, 6));
	}
	registry_stop(g, q);
	registry_rollback(g);
	if (r < 0)
		return r;
	if (r == 0)
		return no_such(e->id, err);
	if (!text)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = corral_runtime_parse(text, strlen(text), &e->runtime, &why);
	if (r == 0 || (any && r != -ENOMEM))
		return 0;
	return corral_error_set(err, r == -ENOMEM ? ENOMEM : EIO,
	                        "Session '%s': what registry.db says of its runtime cannot be "
	                        "read: %s",
	                        e->id, why.text);
}

/* Also of one whose runtime cannot be read. */
static int disk_get(struct store_session *e, bool any, struct corral_error *err)
{
	int r;

	e->has_disk = e->runtime ? store_has_disk(e->runtime)
	                         : faccessat(e->fd, STORE_DISK, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	r = e->has_disk ? store_disk_open(e, any ? NULL : err) : 0;
	return any ? 0 : r;
}

static int session_open(struct corral_session_store *s, const char *id, bool any,
                        struct store_session *ret, struct corral_error *err)
{
	store_autosession struct store_session e = {
		.store = s, .fd = -1, .disk = { .root_fd = -1, .layers_fd = -1, .trash_fd = -1 }
	};
	int r = corral_session_id_check(id, err);

	if (r < 0)
		return r;
	(void)snprintf(e.id, sizeof(e.id), "%s", id);
	r = dir_lock(s, id, &e.fd, err);
	if (r == 0)
		r = now_get(&e, any, err);
	if (r == 0)
		r = disk_get(&e, any, err);
	if (r < 0)
		return r;
	*ret = e;
	memset(&e, 0, sizeof(e));
	return 0;
}

int store_session_open(struct corral_session_store *s, const char *id, struct store_session *ret,
                       struct corral_error *err)
{
	return session_open(s, id, false, ret, err);
}

int store_session_open_any(struct corral_session_store *s, const char *id,
                           struct store_session *ret, struct corral_error *err)
{
	return session_open(s, id, true, ret, err);
}

int store_session_begin(struct corral_session_store *s, const char *id, struct store_session *ret,
                        int *ret_top_fd, struct store_change *ret_change, struct corral_error *err)
{
	int r = store_session_open(s, id, ret, err);

	if (r == 0)
		r = store_layer_lock(store_place_of(ret), ret->layer, LOCK_EX, id, ret_top_fd, err);
	return r < 0 ? r : store_change_begin(ret_change, s, store_place_of(ret), err);
}

/* Somebody was killed between freezing it and telling the registry. */
static void thaw(const struct store_session *e)
{
	corral_autofd int fd = -1;
	struct stat st;
	char name[24];

	store_layer_name(e->kept_layer, name);
	fd = openat(store_place_of(e)->layers_fd, name,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && !(st.st_mode & 0200))
		store_layer_freeze(fd, false);
}

static void link_target(int64_t layer, char ret[64])
{
	(void)snprintf(ret, 64, "../../layers/%lld/u2", (long long)layer);
}

/* There for one layer, absent for more, and for what lies on a disk. */
static void link_mend(const struct store_session *e)
{
	char target[64], now[64];
	ssize_t n = readlinkat(e->fd, LINK, now, sizeof(now) - 1);
	bool wanted = e->kept_depth == 1 && !e->has_disk, there = n >= 0 || errno != ENOENT;

	link_target(e->kept_layer, target);
	now[n < 0 ? 0 : n] = '\0';
	if (wanted && strcmp(now, target) == 0)
		return;
	if (there)
		(void)unlinkat(e->fd, LINK, 0);
	if (wanted)
		(void)!symlinkat(target, e->fd, LINK);
}

void store_session_close(struct store_session *e)
{
	if (!e->store)
		return;
	if (e->kept_layer) {
		thaw(e);
		link_mend(e);
	}
	if (e->has_disk)
		store_place_close(&e->disk);
	corral_fd_closep(&e->fd);
	corral_runtime_free(e->runtime);
	memset(e, 0, sizeof(*e));
	e->fd = -1;
}

int store_session_commit(struct store_session *e, struct store_change *c, struct corral_error *err)
{
	int r = store_change_commit(c, err);

	if (r == 0) {
		e->kept_layer = e->layer;
		e->kept_depth = e->depth;
	}
	return r;
}

int store_session_make_dir(struct store_change *c, const char *id, int64_t layer,
                           struct corral_error *err)
{
	struct corral_session_store *s = c->store;
	corral_autofd int fd = -1;
	char target[64];
	int r;

	(void)snprintf(c->session, sizeof(c->session), "%s", id);
	r = mkdirat(s->sessions_fd, id, 0700) < 0 ? -errno : 0;
	/* Left over: the registry is locked, and does not name it. */
	if (r == -EEXIST && (r = store_trash_put(&s->own, s->sessions_fd, id)) == 0)
		r = mkdirat(s->sessions_fd, id, 0700) < 0 ? -errno : 0;
	if (r < 0)
		return corral_error_sys(err, -r, "create 'sessions/%s'", id);
	fd = openat(s->sessions_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	link_target(layer, target);
	/* Nothing waits for the disk: it can be made anew, and is (dir_again()). */
	if (fd < 0 || (layer && symlinkat(target, fd, LINK) < 0))
		return corral_error_sys(err, errno, "write 'sessions/%s'", id);
	return 0;
}

int store_session_room(struct store_session *e, struct corral_error *err)
{
	struct corral_error why = { 0 };
	int r;

	/* One is put on what there is. */
	if (e->depth < CORRAL_LAYERS_MAX)
		return 0;
	r = store_session_merge(e, NULL, &why);
	if (r == -EMLINK)
		return corral_error_set(err, EMLINK,
		                        "Session '%s' has %u layers, as many as there can be, and "
		                        "they cannot be merged: take back what it did last, or go "
		                        "back to a checkpoint: %.200s",
		                        e->id, e->depth, why.text);
	return r < 0 ? corral_error_set(err, -r, "%s", why.text) : 0;
}

int store_session_room_and_lock(struct store_session *e, int *ret_top_fd, struct corral_error *err)
{
	int r = store_session_room(e, err);

	return r < 0 ? r
	             : store_layer_lock(store_place_of(e), e->layer, LOCK_EX, e->id, ret_top_fd,
	                                err);
}

static int now_move(struct store_session *e, struct store_change *c, int64_t parent, int64_t head,
                    struct corral_error *err)
{
	int64_t layer = 0;
	int r = store_layer_make(c, parent, e->runtime, &layer, err);

	if (r == 0)
		r = registry_do(e->store->registry, REGISTRY_SESSION_MOVE,
		                REGISTRY_VALUES(REGISTRY_T(e->id), REGISTRY_N(layer),
		                                REGISTRY_N(head)),
		                err);
	if (r < 0)
		return r;
	/* Nothing may be written through it to a frozen layer. */
	(void)unlinkat(e->fd, LINK, 0);
	e->layer = layer;
	e->parent = parent;
	e->head = head;
	return 0;
}

int store_session_settle(struct store_session *e, struct store_change *c, int top_fd,
                         int64_t *ret_layer, struct corral_error *err)
{
	int64_t was = e->layer;
	int r = store_layer_is_new(store_place_of(e), e->layer, e->parent, e->runtime, err);

	if (r < 0)
		return r;
	if (r > 0) {
		*ret_layer = e->parent;
		return 0;
	}
	store_layer_freeze(top_fd, true);
	r = now_move(e, c, was, e->head, err);
	if (r < 0) {
		store_layer_freeze(top_fd, false);
		return r;
	}
	e->depth++;
	*ret_layer = was;
	return 0;
}

int store_session_go(struct store_session *e, struct store_change *c, int top_fd, int64_t layer,
                     int64_t head, struct corral_error *err)
{
	int64_t was = e->layer, depth = 0;
	int r;

	c->takes_reserve = e->has_disk;
	/* Who was about to start over it learns it. */
	store_layer_freeze(top_fd, true);
	r = now_move(e, c, layer, head, err);

	if (r == 0)
		r = registry_one(e->store->registry, REGISTRY_LAYER_DEPTH,
		                 REGISTRY_VALUES(REGISTRY_N(e->layer)), &depth, err);
	if (r < 0)
		return r;
	e->depth = (unsigned int)depth;
	r = store_layer_drop(c, was, err);
	/* Commands that led there alone, and what was before them. */
	return r < 0 ? r
	             : store_states_drop(c, REGISTRY_STATES_LOST,
	                                 REGISTRY_VALUES(REGISTRY_T(e->id)), err);
}

int store_states_drop(struct store_change *c, enum registry_question q,
                      const struct registry_value *values, struct corral_error *err)
{
	store_autonumbers struct store_numbers layers = { 0 };
	struct registry *g = c->store->registry;
	int r = registry_ask(g, q, values, err), n;

	while (r == 0 && (r = registry_next(g, q, err)) > 0)
		r = store_numbers_add(&layers, registry_number(g, q, 0), err);
	registry_stop(g, q);
	n = (int)layers.n;
	for (int i = 0; r == 0 && i < n; i++)
		r = store_layer_drop(c, layers.items[i], err);
	return r < 0 ? r : n;
}
