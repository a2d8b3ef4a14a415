/*
 * What the files of the store share.
 *
 * Locks, in the order in which they are taken:
 *
 *     sessions/ID     flock(2), exclusive, by who changes which layers that session has
 *     layers/N        exclusive: the sandbox that writes there (kernel/keep.h), who freezes it, who
 *                     takes it away; shared: sandboxes and readers that have it beneath
 *     layers/N/w2     shared, by readers of one that may be written to
 *     the registry    from begin to the end of a transaction; nothing is waited for under it
 *
 * Directories are made and renamed while the registry is locked for writing, so what it does not
 * name at such a moment is nobody's.
 */
#ifndef CORRAL_BACKENDS_SESSIONS_STORE_STATE_H
#define CORRAL_BACKENDS_SESSIONS_STORE_STATE_H

#include <dirent.h>

#include "backends/sessions/registry.h"
#include "backends/sessions/session_id.h"
#include "backends/sessions/store.h"

/* Commands of a session that can be taken back, and checkpoints that it can have. */
#define STORE_COMMANDS_MAX    256
#define STORE_CHECKPOINTS_MAX 1024
/* Of a command, as it is kept. */
#define STORE_TEXT_MAX 4096

/*
 * Where layers lie: those of most sessions in the store itself, so that they can share them; those
 * of one that has a disk of its own on that, all of them and nobody else's. Nothing goes from one
 * place to another.
 */
struct store_place {
	int root_fd, layers_fd, trash_fd;
	char *path; /* of the root */
};

struct corral_session_store {
	char *root;
	int root_fd, layers_fd, sessions_fd, trash_fd;
	struct store_place own; /* the same descriptors and path, borrowed */
	struct registry *registry;
	struct corral_image_store *images; /* borrowed; NULL: none */
};

/* store_change.c: a transaction that makes or drops directories. */
struct store_change {
	struct corral_session_store *store; /* NULL: none */
	const struct store_place *place;    /* of its layers, borrowed; NULL: they go with it all */
	bool takes_reserve;                 /* of a disk that is full, as it makes room on it */
	bool is_full;                       /* there was no room on it for a layer */
	bool begun;
	char session[CORRAL_SESSION_ID_SIZE]; /* "": none; its directory was made or is to go */
	int64_t *layers;                      /* the same of layers */
	size_t n_layers, layers_size;
};
#define store_autochange corral_auto(store_change_end)
int store_change_begin(struct store_change *c, struct corral_session_store *s,
                       const struct store_place *place, struct corral_error *err);
/* One that neither makes nor drops any. */
int store_change_begin_light(struct store_change *c, struct corral_session_store *s,
                             const struct store_place *place, struct corral_error *err);
/* A layer was made, or the registry is to forget it. Without memory it is for the next clean. */
void store_change_note(struct store_change *c, int64_t layer);
int store_change_commit(struct store_change *c, struct corral_error *err);
/* Rolls back what was not committed; whatever was noted and is not in the registry goes to the
 * trash. Keeps errno. */
void store_change_end(struct store_change *c);

/* store.c: for who removes on a full file system; false when it is given already. */
bool store_reserve_give(const struct corral_session_store *s);

/* store_image.c */
struct store_session;
/* The image of a session of that runtime, which it keeps from now on: *ret (may be NULL) is NULL
 * where its root is no image's. */
/* The same of one that begins: what one of that name had is nothing to it. */
int store_image_begin(struct corral_session_store *s, const char *id,
                      const struct corral_runtime *rt, struct corral_error *err);
int store_image_keep(struct corral_session_store *s, const char *id,
                     const struct corral_runtime *rt, struct corral_image **ret,
                     struct corral_error *err);
/* The same image as that of another session. */
int store_image_keep_too(struct corral_session_store *s, const char *id, const char *of,
                         struct corral_error *err);
/* Of a configuration that names it. */
int store_image_apply(struct store_session *e, struct corral_config *c, struct corral_error *err);
/* Its root, for readers, as long as *ret_fd is open; both as they were where there is none. */
int store_image_root(const struct store_session *e, char **ret_path, int *ret_fd,
                     struct corral_error *err);

/* store_trash.c */
/* Away with it, in constant time, from a directory of that place; 0 as well when it is not there.
 */
int store_trash_put(const struct store_place *at, int dir_fd, const char *name);
/* The same of a layer: -EBUSY when a sandbox or a reader has it. */
int store_trash_layer(const struct store_place *at, int64_t number);
/* Removes until that time (corral_now_nsec(); 0: all of it). True when there was anything. */
bool store_trash_empty(const struct store_place *at, uint64_t deadline_nsec,
                       struct corral_session_cleaned *told);
/* Of a place, within a transaction: layers that the registry does not name. */
int store_stray_layers(struct corral_session_store *s, const struct store_place *at,
                       struct corral_error *err);
/* Of a directory, with a position of its own; the caller's to close. NULL and errno. */
DIR *store_dir_read(int dir_fd);
/* The next name in it that is neither "." nor ".."; NULL at the end. */
const char *store_dir_next(DIR *dir);
/* Of a layer's directory; 0 for what is none. */
int64_t store_layer_number(const char *name);
/* Directories that the registry does not name. */
int store_strays_put(struct corral_session_store *s, struct corral_error *err);

/* store_layers.c */
struct store_numbers {
	int64_t *items; /* the topmost first */
	size_t n, size;
};
#define store_autonumbers corral_auto(store_numbers_done)
void store_numbers_done(struct store_numbers *n);
int store_numbers_add(struct store_numbers *n, int64_t number, struct corral_error *err);

/* "12"; "PLACE/layers/12/NAME", NULL without memory. */
void store_layer_name(int64_t number, char ret[24]);
char *store_layer_path(const struct store_place *at, int64_t number, const char *name);
/* A new one on parent (0: on nothing), empty, for that runtime's user. */
int store_layer_make(struct store_change *c, int64_t parent, const struct corral_runtime *rt,
                     int64_t *ret, struct corral_error *err);
/* Whether it is as store_layer_make() left it: 1, 0, -errno. */
int store_layer_is_new(const struct store_place *at, int64_t number, int64_t parent,
                       const struct corral_runtime *rt, struct corral_error *err);
/* Forgets it and those beneath that nothing needs any more. */
int store_layer_drop(struct store_change *c, int64_t number, struct corral_error *err);
/* Within a transaction. 0: none of them. */
int store_layer_chain(struct corral_session_store *s, int64_t top, struct store_numbers *ret,
                      struct corral_error *err);
/* Nobody writes to it as long as *ret_fd is open. -EBUSY: "Session 'ID' is running: ...". */
int store_layer_lock(const struct store_place *at, int64_t number, int operation, const char *id,
                     int *ret_fd, struct corral_error *err);
/* No sandbox writes to a frozen one, whatever its policy was made from. */
void store_layer_freeze(int layer_fd, bool frozen);

/* store_session.c: one session, to be changed. */
struct store_session {
	struct corral_session_store *store;
	char id[CORRAL_SESSION_ID_SIZE];
	int fd; /* of sessions/ID, locked */
	int64_t layer, parent;
	unsigned int depth;
	int64_t kept_layer; /* as the registry has it; 0: nothing of it is left */
	unsigned int kept_depth;
	int64_t head, command;
	bool history;
	struct corral_runtime *runtime; /* NULL: of one with a fault; see below */
	bool has_disk;                  /* of its own */
	struct store_place disk;        /* opened; path NULL: it could not be, of "any" alone */
};
#define store_autosession corral_auto(store_session_close)
/* Of its layers, as long as it is open. */
static inline const struct store_place *store_place_of(const struct store_session *e)
{
	return e->has_disk ? &e->disk : &e->store->own;
}
/* -ENOENT. Others who change it wait. */
int store_session_open(struct corral_session_store *s, const char *id, struct store_session *ret,
                       struct corral_error *err);
/* Also one whose runtime cannot be read, for what needs none. */
int store_session_open_any(struct corral_session_store *s, const char *id,
                           struct store_session *ret, struct corral_error *err);
/* With no sandbox over it, whose lock ret_top_fd has then, and a change of it begun. */
int store_session_begin(struct corral_session_store *s, const char *id, struct store_session *ret,
                        int *ret_top_fd, struct store_change *ret_change, struct corral_error *err);
/* Its directory is then as the registry has it, also where somebody was killed. */
void store_session_close(struct store_session *e);
int store_session_commit(struct store_session *e, struct store_change *c, struct corral_error *err);
/* Its directory, in a transaction that adds it to the registry. layer: all it has, or 0. */
int store_session_make_dir(struct store_change *c, const char *id, int64_t layer,
                           struct corral_error *err);
/* For one more layer; before the topmost is locked. -EMLINK: there is none, and merging gives none.
 */
int store_session_room(struct store_session *e, struct corral_error *err);
/* The same, and no sandbox over it as long as *ret_top_fd is open. */
int store_session_room_and_lock(struct store_session *e, int *ret_top_fd, struct corral_error *err);

/*
 * What a state is to name: *ret_layer 0 when nothing was changed yet. An empty topmost layer stays;
 * any other is frozen in that change, and a new one put on it. The caller holds top_fd.
 */
int store_session_settle(struct store_session *e, struct store_change *c, int top_fd,
                         int64_t *ret_layer, struct corral_error *err);
/* Back to that layer (0: nothing), with a new one on it; what it had goes. */
int store_session_go(struct store_session *e, struct store_change *c, int top_fd, int64_t layer,
                     int64_t head, struct corral_error *err);
/* Within a transaction: 1 and the state of that name, or 0. */
int store_state_find(struct corral_session_store *s, const char *id, const char *name,
                     int64_t *ret_layer, int64_t *ret_head, struct corral_error *err);
/* -ENOENT, with the names of those that there are. */
int store_state_missing(struct corral_session_store *s, const char *id, const char *name,
                        struct corral_error *err);
/* Forgets what that question takes away, and its layers. */
int store_states_drop(struct store_change *c, enum registry_question q,
                      const struct registry_value *values, struct corral_error *err);

/*
 * store_disk.c: sessions/ID/disk.img, a disk of its own (kernel/disk.h).
 *
 * One is made, or copied, in the trash, in a directory that is locked meanwhile, so that whoever is
 * killed leaves what the next one removes; and comes into its session's directory within the
 * transaction that adds the session.
 */
#define STORE_DISK "disk.img"
/* Whether a session of it has one. */
static inline bool store_has_disk(const struct corral_runtime *rt)
{
	return rt->disk_backing == CORRAL_DISK_IMAGE;
}
struct store_draft {
	const struct corral_session_store *store;
	char name[32]; /* in the trash */
	int dir_fd;    /* locked; -1: there is none */
	struct store_place place;
};
#define STORE_DRAFT_INIT                                                                 \
	{                                                                                \
		.dir_fd = -1, .place = {.root_fd = -1, .layers_fd = -1, .trash_fd = -1 } \
	}
#define store_autodraft corral_auto(store_draft_end)
/* Empty, as large as the runtime says. */
int store_draft_make(const struct corral_session_store *s, const struct corral_runtime *rt,
                     struct store_draft *ret, struct corral_error *err);
/* What the session has, which nobody writes to. */
int store_draft_copy(struct store_session *from, struct store_draft *ret, struct corral_error *err);
/* Into that session's directory, which was made: all of it is on disk then. */
int store_draft_place(struct store_draft *d, const char *id, struct corral_error *err);
void store_draft_end(struct store_draft *d);
/* Of the session, which is locked: removes for a moment what is in its trash, and has its reserve.
 */
int store_disk_open(struct store_session *e, struct corral_error *err);
/* For what comes to write there: all that nobody has any more goes, within a second or so. */
void store_disk_tidy(struct store_session *e);
void store_place_close(struct store_place *p);
/* Whether somebody has that layer of a session with a disk locked. */
bool store_disk_is_running(const struct corral_session_store *s, const char *id, int64_t layer);

/* store_running.c: which of these some process has locked; ret has room for n. */
void store_layers_locked(const struct corral_session_store *s, const int64_t *layers, size_t n,
                         bool *ret);

/* store_record.c */
struct store_ids {
	char (*items)[CORRAL_SESSION_ID_SIZE]; /* sorted */
	size_t n, size;
};
void store_ids_done(struct store_ids *n);
/* Within a transaction. */
int store_ids_get(struct corral_session_store *s, struct store_ids *ret, struct corral_error *err);

/* store_stack.c: the session is locked until it returns. */
int store_stack_fill(const struct store_session *e, const struct store_numbers *layers,
                     struct corral_session_stack *ret, struct corral_error *err);

/* Where layers are merged, in the session's directory. */
#define STORE_MERGE "merge"
/* store_merge.c: fewer layers; *ret_n (may be NULL) grows by how many are one then. -EBUSY while it
 * runs. -EMLINK for what a guest made so that it cannot be merged, which is not tried twice. */
int store_session_merge(struct store_session *e, unsigned int *ret_n, struct corral_error *err);
/* What somebody who was killed left of that. */
int store_merge_remove(const struct store_session *e);

#endif
