/*
 * What a backend implements. Only backends/backend.c and backends/sandbox.c call these; they check
 * arguments and abilities, so that an op may trust both, and count who is inside. An op that is
 * NULL is -EOPNOTSUPP.
 */
#ifndef CORRAL_BACKENDS_BACKEND_OPS_H
#define CORRAL_BACKENDS_BACKEND_OPS_H

#include <stdatomic.h>

#include "backends/sandbox.h"

#define CORRAL_BACKEND_ID_SIZE 65

struct corral_boxes;
struct corral_visit;

struct corral_backend_ops {
	const char *kind;
	uint32_t caps;
	/* Ends and frees. Required. */
	void (*close)(struct corral_backend *b);
	/* NULL: "", as corral_backend_root_path() has it. */
	const char *(*root_path)(const struct corral_backend *b);

	/* Files. Required, but for streams and archives. Results belong to the caller; -ENOENT is
	 * "no such file", and nothing else is. */
	bool (*exists)(struct corral_backend *b, const char *path);
	int (*stat)(struct corral_backend *b, const char *path, unsigned int flags,
	            struct corral_files_stat *ret, struct corral_error *err);
	int (*ls)(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
	          struct corral_error *err);
	int (*read)(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
	            struct corral_buf *ret, struct corral_error *err);
	int (*edit)(struct corral_backend *b, const char *path,
	            const struct corral_files_edit *edit, uint64_t *ret_occurrences,
	            struct corral_error *err);
	int (*glob)(struct corral_backend *b, const char *pattern, const char *path,
	            unsigned int flags, struct corral_files_rows *ret, struct corral_error *err);
	int (*grep)(struct corral_backend *b, const struct corral_files_grep *grep,
	            struct corral_files_matches *ret, struct corral_error *err);
	int (*mkdir)(struct corral_backend *b, const char *path, struct corral_error *err);
	int (*remove)(struct corral_backend *b, const char *path, unsigned int flags,
	              struct corral_error *err);
	int (*rename)(struct corral_backend *b, const char *path, const char *new_path,
	              unsigned int flags, struct corral_error *err);
	/* max: -EFBIG before anything was put, if the file's size tells; 0 for any size. */
	int (*read_stream)(struct corral_backend *b, const char *path, uint64_t offset,
	                   uint64_t length, uint64_t max, const struct corral_files_sink *sink,
	                   struct corral_error *err);
	/* known: the source has all of it at hand, so it takes no longer than other operations. */
	int (*write_stream)(struct corral_backend *b, const char *path, unsigned int mode,
	                    bool known, const struct corral_files_source *source,
	                    struct corral_error *err);
	/* CORRAL_BACKEND_CAN_ARCHIVE */
	int (*tar_out)(struct corral_backend *b, const char *path,
	               const struct corral_files_sink *sink, struct corral_files_copied *ret,
	               struct corral_error *err);
	int (*tar_in)(struct corral_backend *b, const char *path,
	              const struct corral_files_source *source, struct corral_files_copied *ret,
	              struct corral_error *err);

	/* CORRAL_BACKEND_CAN_EXECUTE. ret is zeroed; either command or argv is set; output_bytes is
	 * set. */
	int (*execute)(struct corral_backend *b, const struct corral_execute *x,
	               struct corral_executed *ret, struct corral_error *err);
	int (*stop)(struct corral_backend *b, const char *run_id, struct corral_error *err);
	/* CORRAL_BACKEND_CAN_BACKGROUND */
	int (*background_start)(struct corral_backend *b, const char *command,
	                        struct corral_background *ret, struct corral_error *err);
	int (*background_read)(struct corral_backend *b, const char *shell_id,
	                       struct corral_buf *out, struct corral_buf *err_out,
	                       struct corral_background *ret, struct corral_error *err);
	int (*background_kill)(struct corral_backend *b, const char *shell_id,
	                       struct corral_error *err);
	int (*background_list)(struct corral_backend *b, struct corral_background_list *ret,
	                       struct corral_error *err);
	int (*background_kill_all)(struct corral_backend *b, struct corral_error *err);
	/* CORRAL_BACKEND_CAN_TERMINAL */
	int (*terminal_open)(struct corral_backend *b, const struct corral_terminal_options *o,
	                     struct corral_terminal **ret, struct corral_error *err);

	/* With CORRAL_BACKEND_CAN_EXECUTE: the life of what is behind it. */
	int (*start)(struct corral_backend *b, struct corral_error *err);
	bool (*is_alive)(struct corral_backend *b);
	int (*end)(struct corral_backend *b, struct corral_error *err);
	/* CORRAL_BACKEND_CAN_PAUSE */
	int (*pause)(struct corral_backend *b, bool paused, struct corral_error *err);
	/* CORRAL_BACKEND_CAN_MEASURE */
	int (*usage)(struct corral_backend *b, struct corral_usage *ret, struct corral_error *err);

	/* Of those with one live sandbox behind them, for boxes.h. */
	struct corral_boxes *(*boxes)(struct corral_backend *b);
	/* Of those with a file server alone, around each operation (served.h); the end may make
	 * another error of r. */
	int (*visit_begin)(struct corral_backend *b, struct corral_visit *v,
	                   struct corral_error *err);
	int (*visit_end)(struct corral_backend *b, struct corral_visit *v, int r,
	                 struct corral_error *err);
};

/* The first member of what terminal_open gives. Promises are those of backends/sandbox.h. */
struct corral_terminal_ops {
	int (*fd)(const struct corral_terminal *t);
	int (*event_fd)(const struct corral_terminal *t);
	int (*resize)(struct corral_terminal *t, uint16_t rows, uint16_t cols,
	              struct corral_error *err);
	int (*signal)(struct corral_terminal *t, int signo, struct corral_error *err);
	int (*wait)(struct corral_terminal *t, int timeout_ms, int *ret_status,
	            struct corral_error *err);
	void (*close)(struct corral_terminal *t);
};

struct corral_terminal {
	const struct corral_terminal_ops *ops;
};

/* The same terminal, and closed() right after its close; takes inner, also when it fails. */
int corral_terminal_follow_take(struct corral_terminal *inner, void (*closed)(void *ctx), void *ctx,
                                struct corral_terminal **ret, struct corral_error *err);

/* The first member of every backend. */
struct corral_backend {
	const struct corral_backend_ops *ops;
	char id[CORRAL_BACKEND_ID_SIZE];
	atomic_llong last_activity_ms;
	atomic_uint busy;
};

/* id NULL: a random UUID. -EINVAL for one that is empty or too long. */
int corral_backend_init(struct corral_backend *b, const struct corral_backend_ops *ops,
                        const char *id, struct corral_error *err);
/* Around every call. */
void corral_backend_enter(struct corral_backend *b);
void corral_backend_leave(struct corral_backend *b);

/* For backends in front of another one, which are to say max and known: its ops, counted. */
int corral_backend_read_for(struct corral_backend *b, const char *path, uint64_t offset,
                            uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                            struct corral_error *err);
int corral_backend_write_for(struct corral_backend *b, const char *path, unsigned int mode,
                             bool known, const struct corral_files_source *source,
                             struct corral_error *err);

/* 0, or -EOPNOTSUPP with a text that names the backend and what it lacks. */
int corral_backend_lacks(const struct corral_backend *b, bool has, const char *what,
                         struct corral_error *err);

#endif
