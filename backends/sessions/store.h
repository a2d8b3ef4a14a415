/*
 * Sessions on disk: what there is of them while nothing runs, and after any crash.
 *
 *     ROOT/registry.db    SQLite, write-ahead log: sessions, layers, checkpoints, commands
 *     ROOT/layers/N/      what a sandbox changed (kernel/layers/layers.h); the topmost of a session
 *                         is written to, all others are frozen, and may be shared
 *     ROOT/sessions/ID/   of that session's alone; "workspace" in it is a link to its files as long
 *                         as they are one layer's. Where its runtime says so (disk_backing),
 *                         "disk.img" in it is a disk of its own (kernel/disk.h), on which all of
 *                         its layers lie instead
 *     ROOT/trash/         on its way out
 *
 * The registry is the truth. A layer is made before the registry names it, and taken away after the
 * registry forgot it; what a crash leaves between is removed by whoever opens the store next. Each
 * change of the registry is one transaction. Several processes may have the same store open, and
 * several threads one handle.
 *
 * A session whose topmost layer is locked (the sandbox that writes there holds the lock, see
 * kernel/keep.h) is running; whatever freezes, drops or replaces that layer is then -EBUSY: end the
 * sandbox first.
 */
#ifndef CORRAL_BACKENDS_SESSIONS_STORE_H
#define CORRAL_BACKENDS_SESSIONS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/image/store.h"
#include "kernel/layers/layers.h"
#include "policy/config.h"
#include "policy/isolation.h"
#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* At most 64 of A-Z a-z 0-9 _ . -, the first a letter or digit. */
#define CORRAL_SESSION_ID_SIZE 65
/* Layers above which a session's are merged before it is woken. */
#define CORRAL_SESSION_LAYERS_MERGE 12

struct corral_session_store;

/* Makes what is missing; root must be the caller's alone (-EPERM). Removes what a crash left, and
 * for some milliseconds what is in the trash. Not to be carried across fork(2). */
int corral_session_store_open(const char *root, struct corral_session_store **ret,
                              struct corral_error *err);
/* The same for who only looks: makes nothing. -ENOENT: nobody keeps sessions there, or there is no
 * such directory. */
int corral_session_store_open_existing(const char *root, struct corral_session_store **ret,
                                       struct corral_error *err);
/* Takes NULL. */
void corral_session_store_close(struct corral_session_store *s);
/* Where the images are that native sessions run on, which keep them: borrowed, and set before
 * anything else. Without, there are none. */
void corral_session_store_set_images(struct corral_session_store *s,
                                     struct corral_image_store *images);
/* Borrowed; absolute. */
const char *corral_session_store_root(const struct corral_session_store *s);

/* -EINVAL with what an id is made of. "." and ".." are none. */
int corral_session_id_check(const char *id, struct corral_error *err);

struct corral_session_record {
	char id[CORRAL_SESSION_ID_SIZE];
	char tenant[CORRAL_SESSION_ID_SIZE]; /* "" without: a label for ceilings */
	struct corral_runtime *runtime;      /* owned, and shared (corral_runtime_share()): as it
	                                        was when the session was made */
	enum corral_isolation isolation;     /* never AUTO */
	char *reason;                        /* owned: why that one */
	bool history; /* before each command there is a checkpoint, so that it can be undone */
	bool closed;  /* nobody has it open; its files are there */
	bool running; /* some process has a sandbox over it */
	int64_t created_ms, active_ms; /* wall clock, since 1970 */
	unsigned int n_layers;
	uint64_t data; /* owner's: of whoever keeps more about it (a token's hash, say) */
	/* Owned: of one that the registry has, and nobody can use, as what it says of the runtime
	 * cannot be read: why. runtime is NULL then. Else NULL. */
	char *fault;
};
void corral_session_record_done(struct corral_session_record *r);

struct corral_session_order {
	const char *id;                       /* NULL: "s-" and 16 hexadecimal digits */
	const struct corral_runtime *runtime; /* copied */
	enum corral_isolation isolation;      /* as chosen */
	const char *reason, *tenant;          /* NULL: "" */
	bool history;
};
/* -EEXIST: "Session exists: ID". -ENOENT: the image of its runtime is not there. ret may be NULL.
 */
int corral_session_store_create(struct corral_session_store *s,
                                const struct corral_session_order *order,
                                struct corral_session_record *ret, struct corral_error *err);
/* -ENOENT: "No such session: ID"; -EIO: its fault. */
int corral_session_store_find(struct corral_session_store *s, const char *id,
                              struct corral_session_record *ret, struct corral_error *err);
/* The same, with its fault as well. */
int corral_session_store_find_any(struct corral_session_store *s, const char *id,
                                  struct corral_session_record *ret, struct corral_error *err);
/* All of them, those with a fault as well, by id; freed with corral_session_records_free(). */
int corral_session_store_list(struct corral_session_store *s, struct corral_session_record **ret,
                              size_t *ret_n, struct corral_error *err);
void corral_session_records_free(struct corral_session_record *records, size_t n);

int corral_session_store_touch(struct corral_session_store *s, const char *id, int64_t now_ms,
                               struct corral_error *err);
int corral_session_store_set_closed(struct corral_session_store *s, const char *id, bool closed,
                                    struct corral_error *err);
int corral_session_store_set_data(struct corral_session_store *s, const char *id, uint64_t data,
                                  struct corral_error *err);
/* With all its files, also one with a fault. -EBUSY while it runs. */
int corral_session_store_remove(struct corral_session_store *s, const char *id,
                                struct corral_error *err);

/*
 * What its native sandbox is made from: corral_runtime_config() with keep, layers and
 * keep_work_dir, having merged layers when there are many; of scope "call", with its workspace
 * alone. The caller's. A disk of its own is mounted as long as that, or a policy made from it, is
 * there.
 */
int corral_session_store_config(struct corral_session_store *s, const char *id,
                                struct corral_config **ret, struct corral_error *err);
/* The workspace as a directory of the host, for a sandbox that is not ours to build (a container's
 * bind mount): the link's target. -EBUSY when it is more than one layer's, or on a disk of its own.
 * *ret is from malloc(). */
int corral_session_store_workspace(struct corral_session_store *s, const char *id, char **ret,
                                   struct corral_error *err);

/* States of a session's files that have a name. */
struct corral_checkpoint {
	char name[CORRAL_SESSION_ID_SIZE];
	int64_t at_ms;
	uint64_t layer;       /* its topmost */
	unsigned int command; /* made before that one; 0: by somebody, with that name */
	char *text;           /* owned: of the command; NULL */
};
struct corral_checkpoints {
	struct corral_checkpoint *items; /* the oldest first */
	size_t n;
};
void corral_checkpoints_done(struct corral_checkpoints *c);

/*
 * Keeps the session's files as they are, in constant time: its layer is frozen, an empty one put on
 * it. name NULL: "c1", "c2", ... -EEXIST for a name that is taken; -EMLINK when it has no room for
 * another layer (see corral_session_command()).
 */
int corral_session_checkpoint(struct corral_session_store *s, const char *id, const char *name,
                              char ret_name[CORRAL_SESSION_ID_SIZE], struct corral_error *err);
int corral_session_checkpoints(struct corral_session_store *s, const char *id,
                               struct corral_checkpoints *ret, struct corral_error *err);
/* Back to it; what was changed since is lost, later checkpoints stay, and commands that can be
 * taken back are those that led to it. -ENOENT. */
int corral_session_restore(struct corral_session_store *s, const char *id, const char *name,
                           struct corral_error *err);
int corral_session_checkpoint_drop(struct corral_session_store *s, const char *id, const char *name,
                                   struct corral_error *err);
/* A new session that begins with that checkpoint's files, or with what id has now (from NULL): in
 * constant time, but of one with a disk of its own, which is copied, and which must not be running
 * in either case (-EBUSY). */
int corral_session_fork(struct corral_session_store *s, const char *id, const char *from,
                        const char *new_id, struct corral_session_record *ret,
                        struct corral_error *err);

/*
 * With history (else -EOPNOTSUPP): to be called before each command, with no sandbox over it. Gives
 * the command its number (1, 2, ...). An empty topmost layer is not frozen, so reading commands
 * cost none. 0: there is no state before this one, and taking back the one before takes back both,
 * as the session has all the layers that it can have, and a guest made what cannot be merged (links
 * without number, names without end), or filled its disk. It goes on so until undo or restore gives
 * it room.
 */
int corral_session_command(struct corral_session_store *s, const char *id, const char *text,
                           unsigned int *ret_number, struct corral_error *err);
/* Takes back the last n commands. *ret_text (if not NULL): of the first of them, from malloc().
 * -ENOENT when there are not so many. */
int corral_session_undo(struct corral_session_store *s, const char *id, unsigned int n,
                        char **ret_text, struct corral_error *err);

struct corral_session_span {
	const char *since;    /* a checkpoint; NULL: from its beginning */
	const char *until;    /* NULL: to now */
	unsigned int command; /* or what that one changed; 0: not */
};
/* See corral_layers_diff(); options->n_after is not looked at. Of a session that is not running:
 * exact; else -EBUSY when it reaches to now. */
int corral_session_diff(struct corral_session_store *s, const char *id,
                        const struct corral_session_span *span,
                        const struct corral_layers_diff_options *options,
                        int (*told)(void *ctx, const struct corral_change *change), void *ctx,
                        struct corral_error *err);

/* The stack of its layers, for readers: corral_layers_list() and others. Free with the function
 * below. */
struct corral_session_stack {
	struct corral_layer_stack stack;
	char **paths;
	char *guest_work_dir, *rootfs, *work_dir_base;
	int image_fd;                    /* and 1; 0: rootfs is no image's */
	int disk_fd;                     /* and 1; 0: paths are the host's, else by that one */
	int lock_fds[CORRAL_LAYERS_MAX]; /* they are not taken away meanwhile */
};
int corral_session_stack_open(struct corral_session_store *s, const char *id,
                              struct corral_session_stack *ret, struct corral_error *err);
void corral_session_stack_close(struct corral_session_stack *k);

struct corral_session_cleaned {
	unsigned int layers, merged, failed;
	uint64_t bytes;
};
/* Removes layers that no session and no checkpoint has any more, merges those of sessions that have
 * many, and empties the trash. What somebody still reads or runs over stays until the next time. */
int corral_session_store_clean(struct corral_session_store *s, struct corral_session_cleaned *ret,
                               struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
