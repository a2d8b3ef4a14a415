/*
 * Background commands of a sandbox that stays, by way of its holder: started with corral exec -d,
 * or by whoever works in it, and all seen by all of them.
 */
#ifndef CORRAL_TOOLS_SHELLS_H
#define CORRAL_TOOLS_SHELLS_H

#include "backends/sandbox.h"
#include "tools/sandboxes.h"

/* What one of them has written, as far as it is still kept; -1: it went elsewhere. */
struct corral_shell_files {
	int fds[2];      /* the caller's to close */
	int64_t from[2]; /* what is before this is gone */
};

/* Runs the line by sh, and returns when it has been started. command is left NULL. */
int corral_shells_start(const struct corral_sandboxes *s, const struct corral_record *r,
                        const char *line, struct corral_background *ret, struct corral_error *err);

/* The caller's to give to corral_background_list_done(). */
int corral_shells_list(const struct corral_sandboxes *s, const struct corral_record *r,
                       struct corral_background_list *ret, struct corral_error *err);

/* -ESRCH: there is none of that name. */
int corral_shells_open(const struct corral_sandboxes *s, const struct corral_record *r,
                       const char *shell_id, struct corral_background *ret,
                       struct corral_shell_files *ret_files, struct corral_error *err);

/* 1: it was running. 0: it had ended, or is unknown. */
int corral_shells_kill(const struct corral_sandboxes *s, const struct corral_record *r,
                       const char *shell_id, struct corral_error *err);

/* Appends what was written from *at on, at most max bytes, and moves *at behind it. */
int corral_shell_read(const struct corral_shell_files *f, int which, int64_t *at, size_t max,
                      struct corral_buf *ret, struct corral_error *err);

#endif
