/*
 * Inside the local backend: its directories, whose a path is, and who asks the guard.
 */
#ifndef CORRAL_BACKENDS_LOCAL_DIRS_H
#define CORRAL_BACKENDS_LOCAL_DIRS_H

#include <pthread.h>

#include "backends/backend_ops.h"
#include "backends/local.h"
#include "backends/local_process.h"
#include "backends/runs.h"
#include "kernel/cgroup.h"

struct corral_local_dir {
	char *path;    /* as the kernel names it */
	char *written; /* absolute, as it was given */
	struct corral_files *files;
};

struct corral_local_background;

struct corral_local {
	struct corral_backend base;
	struct corral_backend_ops ops; /* with what this one is able to */
	char *root;
	int root_fd;
	struct corral_local_dir *dirs;
	size_t n_dirs;
	struct corral_backend_guard guard;
	char **env;
	struct corral_runs runs;
	bool no_cgroup;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool cgroups_looked_for;
	struct corral_cgroup_host *cgroups; /* NULL: none to be had */
	struct corral_local_background *backgrounds;
	unsigned int last_background;
};

static inline struct corral_local *to_local(struct corral_backend *b)
{
	return (struct corral_local *)b;
}

/* A path of the caller's, and what is asked about it. */
struct corral_local_place {
	struct corral_local *local;
	const struct corral_local_dir *dir;
	const char *written;
	char path[CORRAL_FILES_PATH_MAX]; /* absolute, "." and ".." taken out */
	char rest[CORRAL_FILES_PATH_MAX]; /* of dir's view */
	enum corral_backend_op op;
	bool moves; /* content comes under another name: to be read as well */
	const struct corral_local_place *other; /* rename: where to; or NULL */
	struct corral_files_gate gate;
	struct corral_files_stop stop;
};

/*
 * Opens the directories of the options. On failure what was opened stays for
 * corral_local_dirs_close().
 */
int corral_local_dirs_open(struct corral_local *l, const struct corral_local_options *o,
                           struct corral_error *err);
void corral_local_dirs_close(struct corral_local *l);

/* -EXDEV with the contract's sentence when the path is in none of the directories. */
int corral_local_find(struct corral_local *l, const char *path, struct corral_local_place *ret,
                      struct corral_error *err);
/* The same, and the guard's word on it; the place's stop is then to be given to the operation, so
 * that the guard is asked about what is opened. */
int corral_local_ask(struct corral_local *l, enum corral_backend_op op, const char *path,
                     int timeout_ms, struct corral_local_place *ret, struct corral_error *err);
/* What became of an operation, in the caller's words. */
int corral_local_told(int r, const struct corral_local_place *p, struct corral_error *err);
/* Whether a listing may show it. */
bool corral_local_shows(struct corral_local *l, enum corral_backend_op op, const char *path,
                        bool is_link);

/* local_files.c: the ops on files. */
void corral_local_files_ops(struct corral_backend_ops *ops);
/* local_execute.c, local_background.c: the ops, and what the second takes of the first. */
struct corral_local_launch corral_local_launch_of(struct corral_local *l);
void corral_local_execute_ops(struct corral_backend_ops *ops);
void corral_local_background_ops(struct corral_backend_ops *ops);

#endif
