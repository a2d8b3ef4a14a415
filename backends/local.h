/*
 * A directory of this machine as a backend, with the rights of the process that asks.
 *
 * Files: beneath the root directory, and beneath further ones that are allowed. A relative path
 * begins at the root directory, an absolute one is the machine's, and so are those of results; "",
 * ".", "./", "/." and "/" name the root directory. Every path is opened by openat2(2) beneath its
 * directory: a link or ".." that leads out, also one that is put there during the call, is refused
 * (-EXDEV), and so are the magic links of /proc. A link to a directory may lead into another one
 * that is allowed. Writes replace the file at once: whoever reads sees the old or the new.
 *
 * Commands: /bin/sh in the root directory, with all the rights of the process: nothing confines
 * them, they are a convenience among people who trust each other. Each gets a session of its own
 * and, where kernel/cgroup.h has one to give, a control group. At its end, by itself or by a
 * deadline, everything in these is killed before the call returns. WITHOUT a control group a
 * process that has left the session, by setsid(2) in a double fork as daemons do, escapes that and
 * goes on: corral_local_backend_kills_all() tells. Starting one costs a fork(2) of the caller.
 */
#ifndef CORRAL_BACKENDS_LOCAL_H
#define CORRAL_BACKENDS_LOCAL_H

#include "backends/guard.h"
#include "backends/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_LOCAL_BACKGROUND_BYTES (16u << 20) /* of a stream kept until it is read */

struct corral_local_options {
	const char *id;       /* NULL: a random UUID */
	const char *root_dir; /* made with its parents; NULL: the first allowed one, else the
	                         process's working directory */
	/* NULL: the root directory. Given, it is the whole list: the root directory is not in it by
	 * itself. They are made as well. */
	const char *const *allowed_dirs;
	size_t n_allowed_dirs;
	bool no_execute; /* files alone */
	/*
	 * Commands stay in the caller's control group, and under what limits that has, where
	 * otherwise they get one of their own beside it.
	 */
	bool no_cgroup;
	char *const *env; /* of commands, "K=V"; copied; NULL: the process's own */
	/*
	 * Asked before anything is done; check NULL: nobody. With a guard there are no archives
	 * (CORRAL_BACKEND_CAN_ARCHIVE). Commands are asked about as texts: they are not confined.
	 */
	struct corral_backend_guard guard;
};

/* options may be NULL. -ENOTDIR, -EACCES, ... when a directory cannot be opened or made. */
int corral_local_backend_new(const struct corral_local_options *options,
                             struct corral_backend **ret, struct corral_error *err);

/* Whether the end of a command is the end of all that it started: there are control groups. False
 * for other kinds of backend. */
bool corral_local_backend_kills_all(struct corral_backend *b);

#ifdef __cplusplus
}
#endif

#endif
