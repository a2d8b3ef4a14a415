/*
 * What the files of the manager share.
 *
 * Locks: the manager's own, held over no call that can wait, and one for each session, "held",
 * which is a word under it: who holds a session is the only one to make, end or close its backend,
 * and to change what it is. Whoever waits for it has a reference, so that it stays as long as
 * anybody does. Nobody who holds a session waits for another that is held, but for those that are
 * on their way out (they wait for nobody).
 */
#ifndef CORRAL_BACKENDS_SESSIONS_MANAGER_STATE_H
#define CORRAL_BACKENDS_SESSIONS_MANAGER_STATE_H

#include <pthread.h>

#include "backends/backend_ops.h"
#include "backends/sessions/manager.h"

/* How long who ends a session waits for the operations that are in it. */
#define SESSION_PATIENCE_MS 20000

/* store_image.c; NULL: it has none. */
struct corral_image_store *store_images(const struct corral_session_store *s);

/* All but the first five are under the manager's lock. */
struct session {
	struct corral_session_manager *m;
	char id[CORRAL_SESSION_ID_SIZE];
	/* The holder's to set, before it is made. */
	struct corral_runtime *runtime;
	const struct corral_session_maker *maker; /* NULL: native */
	bool has_workspace;                       /* of the manager's own */

	unsigned int refs; /* the table's, leases', and of who waits or works */
	char tenant[CORRAL_SESSION_ID_SIZE];
	enum corral_isolation isolation;
	char reason[512];
	bool history;
	struct corral_backend *backend; /* NULL: not made yet, or closed */
	pthread_cond_t changed;
	bool held;
	bool made;       /* or: on its way in, a reservation */
	bool gone;       /* on its way out, or away */
	bool resident;   /* has a place, and perhaps a sandbox */
	bool background; /* may have background processes */
	bool suspect;    /* an operation failed: its sandbox may be gone */
	unsigned int busy;
	int64_t created_ms, active_ms; /* wall clock */
	int64_t idle_since_ms;         /* monotonic */
	int64_t told_ms;               /* active_ms as the store has it */
};

struct manager_choice {
	const struct corral_runtime *runtime; /* the catalogue's */
	struct corral_isolation_choice choice;
};

struct corral_session_manager {
	struct corral_session_manager_options o;
	const struct corral_runtime_catalogue *catalogue;
	struct corral_runtime_catalogue *own_catalogue;
	pthread_mutex_t lock;
	pthread_cond_t changed;    /* a place, or a session that left */
	unsigned int refs;         /* its own, and of every session */
	struct session **sessions; /* by id */
	size_t n, size;
	unsigned int n_resident, n_leaving; /* of the resident: being ended */
	unsigned int n_left;                /* backends that operations kept from being closed */
	bool closing;

	pthread_mutex_t make_lock; /* what is made of when it is first needed */
	struct corral_launcher *launcher;
	bool launcher_is_own;
	struct manager_choice *choices;
	size_t n_choices;
	struct session_image_turn *image_turns; /* image.c; under lock */
	pthread_cond_t image_changed;
	char dir[48]; /* workspaces without a store; "": none yet */
	int dir_fd;

	pthread_mutex_t loop_lock; /* starting and stopping it */
	pthread_t loop;
	bool looping, loop_stopping; /* the latter under lock */
	pthread_cond_t loop_changed;
	int64_t interval_ms;
};

/* --- session.c; with the manager's lock held --- */
int64_t session_now_ms(void); /* monotonic */
/* NULL: not there. */
struct session *session_find(const struct corral_session_manager *m, const char *id);
/* Not there yet, held; the table's reference is its only one. */
int session_add(struct corral_session_manager *m, const char *id, const char *tenant,
                struct session **ret, struct corral_error *err);
void session_remove(struct session *s);
void session_ref(struct session *s);
void session_unref(struct session *s);
void session_wait(struct session *s);
/* Nobody holds it. */
void session_hold(struct session *s);
/* Closes what is left of one that is gone. */
void session_let_go(struct session *s);
int session_gone(const struct session *s, struct corral_error *err);
void session_stamp(struct session *s);
bool session_is_idle(const struct session *s, int64_t longer_than_ms);

/* Without it. References of whoever may outlive the manager. */
void session_get(struct session *s);
void session_put(struct session *s);
/* One operation that needs a sandbox: waits for a place. */
int session_enter(struct session *s, struct corral_error *err);
/* r: as it ended, whose text may be said better. */
void session_leave(struct session *s, int r, struct corral_error *err);
/* One that only looks, or ends something: 1 when there may be a sandbox, to be ended by the other;
 * 0 without. No use of the session, and nothing is woken. */
int session_peek(struct session *s, struct corral_error *err);
void session_unpeek(struct session *s, int r, struct corral_error *err);

/* --- residency.c; with the lock held, which is let go meanwhile --- */
/* For one that the caller holds. */
int session_place_take(struct session *s, struct corral_error *err);
/* The same, without a sandbox in it. */
void session_place_give(struct session *s);
/* Ends its sandbox; the caller holds it. */
int session_end(struct session *s, struct corral_error *err);

/* --- image.c; without it --- */
/* It is what a new session of that runtime lacks, and somebody can make it. */
bool session_image_is_missing(struct corral_session_manager *m, const struct corral_runtime *rt);
/* rt: the catalogue's. */
int session_image_make(struct corral_session_manager *m, const struct corral_runtime *rt,
                       struct corral_error *err);

/* --- make.c; without it, for one that the caller holds --- */
/* Where the images of its sessions are; NULL: there are none. */
struct corral_image_store *manager_images(const struct corral_session_manager *m);
int session_choose(struct corral_session_manager *m, const struct corral_runtime *rt,
                   struct corral_isolation_choice *ret, struct corral_error *err);
int session_make(struct session *s, struct corral_error *err);
/* Its layers are others now. */
int session_remake(struct session *s, struct corral_error *err);
/* Whatever outlives its backend, when nothing is to. */
int session_forget(struct session *s, struct corral_error *err);
/* Launcher and workspaces, once no backend needs them. */
void manager_made_done(struct corral_session_manager *m);

/* --- open.c --- */
/* With the lock held: the session of that id, or a reservation, held and with a reference. */
int session_claim(struct corral_session_manager *m, const char *id,
                  const struct corral_session_ask *ask, struct session **ret,
                  struct corral_error *err);
/* What the store says of it. */
void session_adopt(struct session *s, struct corral_session_record *record);
/* Without it: makes what is missing, and lets go when that went well. */
int session_finish(struct session *s, const struct corral_session_ask *ask,
                   struct corral_backend **ret, struct corral_error *err);
/* In the store, to be undone where its backend cannot be had. */
enum session_begun { SESSION_NOTHING, SESSION_CREATED, SESSION_REOPENED };
/* Lets go of one that did not come to be, or did not start. */
void session_fail(struct session *s, bool was_made, enum session_begun begun);

/* --- lease.c --- */
int session_lease(struct session *s, struct corral_backend **ret, struct corral_error *err);

/* --- change.c --- */
/* In the place of session_enter(): a state to go back to, of its history, whose number ret_number
 * (may be NULL) gets, or without one of the name SESSION_MARK. */
#define SESSION_MARK "0.exec-diff"
int session_enter_command(struct session *s, const char *text, int64_t timeout_ms,
                          unsigned int *ret_number, struct corral_error *err);

/* --- release.c --- */
enum session_release {
	SESSION_CLOSE, /* it ends; its files stay where there is a store */
	SESSION_PURGE, /* nothing stays */
	SESSION_LEAVE, /* its manager goes */
};
/* One that the caller holds; it goes, also when that fails. */
int session_release(struct session *s, enum session_release how, struct corral_error *err);
/* All of them, side by side; how many there were. The text is of the first that failed. */
int manager_release_all(struct corral_session_manager *m, enum session_release how,
                        struct corral_error *err);

/* --- manager.c --- */
/* When nothing refers to it any more. */
void manager_destroy(struct corral_session_manager *m);

#endif
