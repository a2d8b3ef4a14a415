/*
 * The live sandboxes of one user, as files of a directory that is that user's alone: ID.sock, on
 * which the sandbox's holder listens, and ID.json, its record. There is no daemon that would know
 * better: a sandbox lives while its holder holds a lock on the record, which the kernel lets go
 * when the holder dies, however it dies. Whoever finds an unlocked one takes it away.
 */
#ifndef CORRAL_TOOLS_SANDBOXES_H
#define CORRAL_TOOLS_SANDBOXES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/error.h"
#include "tools/sandbox_name.h"

#define CORRAL_SANDBOX_ID_SIZE 13 /* twelve hexadecimal digits */

struct corral_sandboxes {
	int dir_fd;
	char path[160]; /* for messages */
};

/* Makes the directory where it is missing. -EPERM: somebody else could write there; the text says
 * what to do. */
int corral_sandboxes_open(struct corral_sandboxes *s, struct corral_error *err);
void corral_sandboxes_close(struct corral_sandboxes *s);

/* What is written of a sandbox when it is made, and never changed. */
struct corral_record {
	char id[CORRAL_SANDBOX_ID_SIZE];
	char name[CORRAL_SANDBOX_NAME_SIZE]; /* "" without */
	const char *session;                 /* in words; NULL: of none */
	int64_t created_ms;                  /* wall clock, since 1970 */
	pid_t holder_pid, init_pid;
	json_t *words; /* all of it, with the policy's summary */
};
void corral_record_done(struct corral_record *r);
/* By what people know it best. */
const char *corral_record_called(const struct corral_record *r);

/* The live ones, the oldest first; what dead ones left is removed. */
int corral_sandboxes_list(const struct corral_sandboxes *s, struct corral_record **ret,
                          size_t *ret_n, struct corral_error *err);
void corral_records_free(struct corral_record *records, size_t n);

/* By id, by name, by session, or by the beginning of one when no other begins like it. -ENOENT,
 * -ENOTUNIQ. */
int corral_sandboxes_find(const struct corral_sandboxes *s, const char *word,
                          struct corral_record *ret, struct corral_error *err);
/* Of one that is dead: removes what it left. 1 when there was something, 0 when there is nothing of
 * that name or it lives. */
int corral_sandboxes_clear(const struct corral_sandboxes *s, const char *word);

/* -EEXIST when a live sandbox has that name. */
int corral_sandboxes_name_free(const struct corral_sandboxes *s, const char *name,
                               struct corral_error *err);

/*
 * What killed holders left in the control groups is removed, and what was paused then is let go on
 * to its end. Takes some milliseconds.
 */
void corral_sandboxes_sweep(void);

/* For a holder. Begun: nobody sees it yet, and it counts as alive until ret_lock_fd is closed or
 * its owner dies. */
int corral_sandboxes_begin(const struct corral_sandboxes *s, char ret_id[CORRAL_SANDBOX_ID_SIZE],
                           int *ret_lock_fd, struct corral_error *err);
/* A socket that listens as ID.sock. */
int corral_sandboxes_listen(const struct corral_sandboxes *s, const char *id, int *ret_fd,
                            struct corral_error *err);
/* Its record is complete: from now on everybody sees it. -EEXIST: meanwhile another has that name.
 * Takes words. */
int corral_sandboxes_publish(const struct corral_sandboxes *s, const char *id, const char *name,
                             int lock_fd, json_t *words, struct corral_error *err);
/* The end of it, whatever of it is there. */
void corral_sandboxes_remove(const struct corral_sandboxes *s, const char *id);

/* What is said of a holder that does not answer: -ETIMEDOUT; of one that is gone: -ENOENT. */
int corral_record_silent(const struct corral_record *r, struct corral_error *err);
int corral_record_ended(const struct corral_record *r, struct corral_error *err);

/* A connection to its holder, which runs as the user whose sandboxes these are. */
int corral_sandboxes_connect(const struct corral_sandboxes *s, const struct corral_record *r,
                             int *ret_fd, struct corral_error *err);

#endif
