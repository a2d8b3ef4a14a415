/*
 * Sessions of one process: a stable id each with a sandbox behind it, made on first use, hibernated
 * when idle, woken on demand, native or in a container as its runtime says.
 *
 * Theory of operation: a session's backend (native, Docker, or somebody's own) makes its sandbox
 * with the first call that needs it, and again after an end; so hibernation is
 * corral_backend_end(), and waking is the next call. What callers hold are leases: backends of
 * their own in front of it, through which each operation is counted, waits for a place among the
 * resident, and marks the session as active. Evicted is only who has no operation in flight, the
 * least recently active first, and who has background processes (which it loses) only when nobody
 * else can go. What merely looks or stops (is_alive, stop, usage, the list of background processes)
 * wakes nobody, and is no activity. One lock for the table, held over no call that can wait; one
 * for each session while it is opened, released or changed.
 *
 * What outlives a sandbox: with a store all of a native session's files, of scope "call" its work
 * directory; without one the work directory alone, as long as the manager lives. A container keeps
 * what is in it. Processes end, and with them what lay in memory.
 *
 * A sandbox that went by itself is noticed by the operation that meets it, which says so with
 * -EPIPE; the next one has a new sandbox. A lease whose session was released answers -EPIPE to
 * everything.
 */
#ifndef CORRAL_BACKENDS_SESSIONS_MANAGER_H
#define CORRAL_BACKENDS_SESSIONS_MANAGER_H

#include "backends/sandbox.h"
#include "backends/sessions/store.h"
#include "kernel/sandbox.h"
#include "policy/runtime_catalogue.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_SESSION_IDLE_MS    3600000
#define CORRAL_SESSION_CLEANUP_MS 300000

/* What a backend is to be made of. Borrowed; the runtime outlives the backend. */
struct corral_session_make {
	const char *id;
	const struct corral_runtime *runtime;
	/* Of the host: what the work directory is to be; NULL: that is the backend's matter. */
	const char *workspace_path;
};
/* A backend that makes its sandbox when it is first needed. */
struct corral_session_maker {
	int (*make)(void *ctx, const struct corral_session_make *what, struct corral_backend **ret,
	            struct corral_error *err);
	/* Whether it could, now: -errno with the reason. NULL: always. */
	int (*look)(void *ctx, struct corral_error *err);
	/* It is not only to be ended but to leave nothing: a named container goes. NULL: closing
	 * the backend does that. */
	int (*forget)(void *ctx, const char *id, struct corral_error *err);
	void *ctx;
};

/*
 * Brings the image here that a runtime's native sandboxes are made from, into the store that the
 * sessions' images are of: fetched, or built upon its base_image (kernel/image/oci/build.h). Called
 * for a new session, where neither is there nor a container can be had in its place; with no lock
 * held, and once for all who ask for that runtime at the same moment: they wait, and share its
 * failure. It may take its time, in which the sessions that wait count for every ceiling, and tells
 * by itself how it goes on.
 */
struct corral_session_image_maker {
	int (*make)(void *ctx, const struct corral_runtime *runtime, struct corral_error *err);
	void *ctx;
};

/* Zero and NULL are the usual value of every field. Borrowed for the manager's life. */
struct corral_session_manager_options {
	/* Where sessions and their files outlive the manager; NULL: they end with it. */
	struct corral_session_store *store;
	/* Of runtimes whose root is an image's, natively; those of a store are its own to say
	 * (corral_session_store_set_images()). NULL: none. */
	struct corral_image_store *images;
	/* NULL: without its image no session is made, and the error is what to type. */
	const struct corral_session_image_maker *image_maker;
	const struct corral_runtime_catalogue *catalogue; /* NULL: the built-in runtimes */
	const char *default_runtime;                      /* NULL: CORRAL_RUNTIME_DEFAULT */
	struct corral_launcher *launcher; /* NULL: one of the manager's own, opened when needed */
	const struct corral_session_maker *docker; /* corral_docker_session_maker(); NULL: none */
	const struct corral_session_maker
	        *custom;             /* makes all of them, whatever the runtime says */
	int64_t idle_timeout_ms;     /* 0: CORRAL_SESSION_IDLE_MS; negative: never */
	unsigned int max_resident;   /* with a sandbox at the same time; 0: no ceiling */
	unsigned int max_open;       /* sessions that this manager has open; 0: no ceiling */
	unsigned int max_of_tenant;  /* the same for each tenant */
	int64_t evict_idle_after_ms; /* who was active since then keeps its sandbox */
	/* After a session was released, outside of every lock. Not 0 ends a pass of cleaning. */
	int (*on_release)(void *ctx, const char *id);
	void *ctx;
};

struct corral_session_manager;

/* With a store, its sessions that are not closed are there at once, hibernated. */
int corral_session_manager_new(const struct corral_session_manager_options *o,
                               struct corral_session_manager **ret, struct corral_error *err);
/* Ends the cleanup loop, hibernates every session (closes them without a store), which ends what
 * runs in them, and waits for leases' calls to return, at most some seconds. Leases that are left
 * say so, and are still to be closed; launcher, store and makers must outlive terminals that are
 * open. Takes NULL. */
void corral_session_manager_free(struct corral_session_manager *m);

enum corral_session_open_flags {
	CORRAL_SESSION_NEW = 1u << 0,      /* -EEXIST when it is there */
	CORRAL_SESSION_EXISTING = 1u << 1, /* -ENOENT when it is not */
	CORRAL_SESSION_START = 1u << 2,    /* its sandbox as well, now */
};
struct corral_session_ask {
	const char *id;      /* NULL: a new one of its own */
	const char *runtime; /* NULL: the default, or what the session has */
	const char *tenant;
	unsigned int flags;
	/*
	 * Of a new one: each command can be taken back. It then ends the sandbox of the one before
	 * and wakes another over a new layer, which costs a wake and a write of the registry for
	 * each, takes one command at a time, and leaves no process from one to the next.
	 * -EOPNOTSUPP but for native sessions of scope "session" in a store.
	 */
	bool history;
};
/*
 * The session of that id, made when there is none, as a lease that the caller gives back with
 * corral_backend_close(). Calls for one id wait for each other, those for different ids do not. It
 * is made with the isolation that its runtime and this host allow (policy/isolation.h).
 *
 * -EINVAL: no id; -ENOENT: unknown runtime (or, EXISTING, session); -EEXIST, also when the session
 * has another runtime: "Session ID is open on runtime 'a', not 'b'. Close it before changing
 * runtime."; -EUSERS: "Session limit of N reached. Release an idle session before opening
 * another."; whatever its start says. A failed one leaves nothing.
 */
int corral_session_manager_get_or_create(struct corral_session_manager *m,
                                         const struct corral_session_ask *ask,
                                         struct corral_backend **ret, struct corral_error *err);

enum corral_session_release_flags {
	CORRAL_SESSION_PURGE = 1u << 0, /* with its files */
};
/*
 * Ends it, with what runs in it, and lets it go; with a store its files stay, and get_or_create
 * takes it up again. 1 when it was there, 0 when not; PURGE finds those as well that are in the
 * store alone. It is gone also when that fails: -errno with what could not be done.
 */
int corral_session_manager_release(struct corral_session_manager *m, const char *id,
                                   unsigned int flags, struct corral_error *err);
/* Its sandbox goes, the session stays. -EBUSY with operations in flight. 0 as well when it has
 * none.
 */
int corral_session_manager_hibernate(struct corral_session_manager *m, const char *id,
                                     struct corral_error *err);

/*
 * Releases every session that has been idle for longer than max_idle_ms (negative: than
 * idle_timeout_ms), and returns how many. Idle means that no operation is in flight and none has
 * ended since. A failure of one does not keep others from it: err then has the first.
 */
int corral_session_manager_cleanup(struct corral_session_manager *m, int64_t max_idle_ms,
                                   struct corral_error *err);
/* That, every interval_ms (0: CORRAL_SESSION_CLEANUP_MS), on a thread; fine when it runs already.
 */
int corral_session_manager_cleanup_start(struct corral_session_manager *m, int64_t interval_ms,
                                         struct corral_error *err);
void corral_session_manager_cleanup_stop(struct corral_session_manager *m);
/* Releases all of them side by side; how many there were, and in err the first that failed. New
 * ones can be made afterwards. */
int corral_session_manager_shutdown(struct corral_session_manager *m, struct corral_error *err);

struct corral_session_info {
	char id[CORRAL_SESSION_ID_SIZE], tenant[CORRAL_SESSION_ID_SIZE];
	char runtime[64];
	enum corral_isolation isolation;
	char reason[512];
	bool resident;     /* has a sandbox */
	unsigned int busy; /* operations in flight */
	int64_t created_ms, active_ms;
};
/* A copy of the table, by id; *ret is from malloc(). */
int corral_session_manager_list(struct corral_session_manager *m, struct corral_session_info **ret,
                                size_t *ret_n, struct corral_error *err);
/* -ENOENT. Has no side effect. */
int corral_session_manager_describe(struct corral_session_manager *m, const char *id,
                                    struct corral_session_info *ret, struct corral_error *err);
size_t corral_session_manager_count(struct corral_session_manager *m);
bool corral_session_manager_contains(struct corral_session_manager *m, const char *id);

/*
 * What store.h has for a session, for one of this manager's: waits for operations in flight (-EBUSY
 * after timeout_ms), ends its sandbox, does it, and lets go; its next call wakes it. Native ones
 * with a store alone: -EOPNOTSUPP.
 */
int corral_session_manager_checkpoint(struct corral_session_manager *m, const char *id,
                                      const char *name, char ret_name[CORRAL_SESSION_ID_SIZE],
                                      int timeout_ms, struct corral_error *err);
int corral_session_manager_restore(struct corral_session_manager *m, const char *id,
                                   const char *name, int timeout_ms, struct corral_error *err);
int corral_session_manager_undo(struct corral_session_manager *m, const char *id, unsigned int n,
                                int timeout_ms, struct corral_error *err);
/* The new one is a session of this manager, under every ceiling; it is its source's tenant's, and
 * of its runtime. */
int corral_session_manager_fork(struct corral_session_manager *m, const char *id, const char *from,
                                const struct corral_session_ask *ask, int timeout_ms,
                                struct corral_backend **ret, struct corral_error *err);
/* One command, and then what it changed. */
struct corral_session_watch {
	/* n_after is not looked at; changes_max 0: CORRAL_SESSION_CHANGES. */
	struct corral_layers_diff_options options;
	int (*told)(void *ctx, const struct corral_change *change);
	void *ctx;
	/* Given back. */
	bool ran;               /* there is a receipt, also when an error came afterwards */
	unsigned int n_changes; /* told */
	bool cut;               /* there are more than changes_max */
};
#define CORRAL_SESSION_CHANGES 10000
/*
 * corral_backend_execute() in the session of that id, which told gets the changes of once the
 * command has ended. It costs an end of the sandbox before it and one after it; what others do in
 * the session meanwhile is among the changes. Not 0 from told ends it, and comes back. Sessions
 * without layers and those that are not there as above; -EMLINK: see corral_session_command().
 */
int corral_session_manager_execute(struct corral_session_manager *m, const char *id,
                                   const struct corral_execute *x,
                                   struct corral_session_watch *watch, struct corral_executed *ret,
                                   struct corral_error *err);
int corral_session_manager_diff(struct corral_session_manager *m, const char *id,
                                const struct corral_session_span *span,
                                const struct corral_layers_diff_options *options, int timeout_ms,
                                int (*told)(void *ctx, const struct corral_change *change),
                                void *ctx, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
