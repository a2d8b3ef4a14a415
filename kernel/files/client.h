/*
 * Files inside a sandbox, asked for from the host: the operations of files.h over a file server's
 * socket, for many threads at once. Whoever answers is hostile: an answer is used only as far as it
 * is proven well-formed and within its ceilings, and nothing it does or leaves undone keeps a call
 * longer than its timeout. An answer that no honest server gives breaks the client for good
 * (-EPROTO), as does its end (-EPIPE).
 *
 * Errors are the operation's own (files.h), with control characters of their text replaced, or
 * -ETIMEDOUT, -ECANCELED, -EPROTO, -EPIPE.
 */
#ifndef CORRAL_KERNEL_FILES_CLIENT_H
#define CORRAL_KERNEL_FILES_CLIENT_H

#include "kernel/files/files.h"

#define CORRAL_FILES_TIMEOUT_MS        30000
#define CORRAL_FILES_SEARCH_TIMEOUT_MS 120000
#define CORRAL_FILES_COPY_TIMEOUT_MS   600000 /* archives */
/* Bytes of answers that all calls of one client may hold before they are decoded. */
#define CORRAL_FILES_HELD_MAX (128u << 20)

struct corral_files_client;

/* Bounds of one call; NULL where it is asked for is all defaults. */
struct corral_files_bounds {
	int64_t timeout_ms;    /* negative: the operation's default; 0 expires at once */
	const bool *cancelled; /* looked at while waiting, some twenty times a second */
};

/* Takes sock, a connected SOCK_SEQPACKET. */
int corral_files_client_new_take(int sock, struct corral_files_client **ret,
                                 struct corral_error *err);
/* No call may be under way. The server ends with its socket. */
void corral_files_client_free(struct corral_files_client *c);

/* 0 while the server may be spoken to, else why not: -EPROTO, -EPIPE. */
int corral_files_client_state(struct corral_files_client *c);

/* A new file with the server's program, sealed, to be started with the other end of the socket as
 * stdin. */
int corral_files_server_memfd(int *ret_fd, struct corral_error *err);

/* 1, 0, or -errno when the server did not say. */
int corral_files_client_exists(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, struct corral_error *err);
int corral_files_client_stat(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *path, unsigned int flags, struct corral_files_stat *ret,
                             struct corral_error *err);
int corral_files_client_ls(struct corral_files_client *c, const struct corral_files_bounds *b,
                           const char *path, unsigned int flags, struct corral_files_rows *ret,
                           struct corral_error *err);
int corral_files_client_read(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *path, uint64_t offset, uint64_t limit,
                             struct corral_buf *ret, struct corral_error *err);
int corral_files_client_read_bytes(struct corral_files_client *c,
                                   const struct corral_files_bounds *b, const char *path,
                                   uint64_t offset, uint64_t length, uint64_t max,
                                   const struct corral_files_sink *sink, struct corral_error *err);
int corral_files_client_write(struct corral_files_client *c, const struct corral_files_bounds *b,
                              const char *path, unsigned int mode,
                              const struct corral_files_source *source, uint64_t *ret_size,
                              struct corral_error *err);
int corral_files_client_edit(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *path, const struct corral_files_edit *edit,
                             uint64_t *ret_occurrences, struct corral_error *err);
int corral_files_client_glob(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *pattern, const char *path, unsigned int flags,
                             struct corral_files_rows *ret, struct corral_error *err);
int corral_files_client_grep(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const struct corral_files_grep *grep, struct corral_files_matches *ret,
                             struct corral_error *err);
int corral_files_client_mkdir(struct corral_files_client *c, const struct corral_files_bounds *b,
                              const char *path, struct corral_error *err);
int corral_files_client_remove(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, unsigned int flags, struct corral_error *err);
int corral_files_client_rename(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, const char *new_path, unsigned int flags,
                               struct corral_error *err);
int corral_files_client_tar_out(struct corral_files_client *c, const struct corral_files_bounds *b,
                                const char *path, const struct corral_files_sink *sink,
                                struct corral_files_copied *ret, struct corral_error *err);
int corral_files_client_tar_in(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, const struct corral_files_source *source,
                               struct corral_files_copied *ret, struct corral_error *err);

#endif
