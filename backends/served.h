/*
 * Inside the backends: files by way of a server that runs where they are. It is started by the
 * first operation, shared by those that come while it lives, and started anew when it is gone, for
 * the guest may kill it. And the file operations of such backends, as backend_ops.h has them.
 */
#ifndef CORRAL_BACKENDS_SERVED_H
#define CORRAL_BACKENDS_SERVED_H

#include <pthread.h>

#include "backends/backend_ops.h"
#include "kernel/files/client.h"

/* A server as the backend made it; given to close by its last user. */
struct corral_served {
	unsigned int refs; /* the slot's */
	struct corral_files_client *client;
	void *server;
	void (*close)(struct corral_served *s); /* ends client and server; not s */
};

struct corral_served_slot {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct corral_served *now;
	bool starting;
};

void corral_served_init(struct corral_served_slot *slot);
/* Nobody may be in a call. */
void corral_served_done(struct corral_served_slot *slot);
/* Who comes while one is started waits for it. start fills client, server and close. */
int corral_served_acquire(struct corral_served_slot *slot,
                          int (*start)(void *place, struct corral_served *s,
                                       struct corral_error *err),
                          void *place, struct corral_served **ret, struct corral_error *err);
void corral_served_release(struct corral_served_slot *slot, struct corral_served *s);
/* The same after an operation that ended with r: a server that was silent for the whole of its time
 * may have been stopped, which a guest may do, and gets no more to do. */
void corral_served_release_after(struct corral_served_slot *slot, struct corral_served *s, int r);

/* One operation, from visit_begin to visit_end of the backend's ops. */
struct corral_visit {
	struct corral_files_client *client;
	struct corral_backend *instead; /* which does it, rather than the client; or NULL */
	/* The backend's. */
	void *box;
	struct corral_served *served;
};

bool corral_served_exists(struct corral_backend *b, const char *path);
int corral_served_stat(struct corral_backend *b, const char *path, unsigned int flags,
                       struct corral_files_stat *ret, struct corral_error *err);
int corral_served_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                     struct corral_error *err);
int corral_served_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                       struct corral_buf *ret, struct corral_error *err);
int corral_served_edit(struct corral_backend *b, const char *path,
                       const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                       struct corral_error *err);
int corral_served_glob(struct corral_backend *b, const char *pattern, const char *path,
                       unsigned int flags, struct corral_files_rows *ret, struct corral_error *err);
int corral_served_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                       struct corral_files_matches *ret, struct corral_error *err);
int corral_served_mkdir(struct corral_backend *b, const char *path, struct corral_error *err);
int corral_served_remove(struct corral_backend *b, const char *path, unsigned int flags,
                         struct corral_error *err);
int corral_served_rename(struct corral_backend *b, const char *path, const char *new_path,
                         unsigned int flags, struct corral_error *err);
int corral_served_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                              uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                              struct corral_error *err);
int corral_served_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                               bool known, const struct corral_files_source *source,
                               struct corral_error *err);
int corral_served_tar_out(struct corral_backend *b, const char *path,
                          const struct corral_files_sink *sink, struct corral_files_copied *ret,
                          struct corral_error *err);
int corral_served_tar_in(struct corral_backend *b, const char *path,
                         const struct corral_files_source *source, struct corral_files_copied *ret,
                         struct corral_error *err);

#endif
