/* `corral session ...`: what its commands do, and what they share. */
#ifndef CORRAL_TOOLS_SESSION_COMMANDS_H
#define CORRAL_TOOLS_SESSION_COMMANDS_H

#include <stdbool.h>

#include "backends/sessions/store.h"
#include "tools/family.h"

int corral_session_create(struct corral_call *call, struct corral_error *err);
int corral_session_list(struct corral_call *call, struct corral_error *err);
int corral_session_show(struct corral_call *call, struct corral_error *err);
int corral_session_exec(struct corral_call *call, struct corral_error *err);
int corral_session_shell(struct corral_call *call, struct corral_error *err);
int corral_session_cp(struct corral_call *call, struct corral_error *err);
int corral_session_fork_it(struct corral_call *call, struct corral_error *err);
int corral_session_checkpoint_it(struct corral_call *call, struct corral_error *err);
int corral_session_checkpoints_list(struct corral_call *call, struct corral_error *err);
int corral_session_drop_it(struct corral_call *call, struct corral_error *err);
int corral_session_restore_it(struct corral_call *call, struct corral_error *err);
int corral_session_diff_it(struct corral_call *call, struct corral_error *err);
int corral_session_undo_it(struct corral_call *call, struct corral_error *err);
int corral_session_hibernate_them(struct corral_call *call, struct corral_error *err);
int corral_session_rm(struct corral_call *call, struct corral_error *err);

/* What all of them begin and end with: the store and the directory of live sandboxes. */
int corral_session_all_open(struct corral_call *call, struct corral_error *err);
void corral_session_all_close(struct corral_call *call);

/* The directory of --root, or that of this user; the caller's. */
int corral_session_root_find(const char *said, char **ret, struct corral_error *err);

/* A new one as the options say; id NULL: of the store's choice. */
int corral_session_make(struct corral_call *call, const char *id, struct corral_session_record *ret,
                        struct corral_error *err);
/* Prints the id of one that is new; one whose id nobody could read does not stay. */
int corral_session_tell_new(struct corral_call *call, const char *id, struct corral_error *err);
/* Limits and network of the options, over what a runtime says. */
int corral_session_limits_put(const struct corral_call *call, struct corral_config *to,
                              struct corral_error *err);
/* Of one that is there: -EEXIST where the options want others than it has. */
int corral_session_limits_check(const struct corral_call *call,
                                const struct corral_session_record *session,
                                struct corral_error *err);
/* Limits that are not as usual: "memory 2G, pids 100"; the caller's. */
char *corral_session_limits_line(const struct corral_runtime *rt);
/* -ENOENT says which command shows those that there are. */
int corral_session_find(struct corral_call *call, const char *id, struct corral_session_record *ret,
                        struct corral_error *err);
/* Also one with a fault, for what removes it. */
int corral_session_find_any(struct corral_call *call, const char *id,
                            struct corral_session_record *ret, struct corral_error *err);
/* The same as the first, and -EOPNOTSUPP for one whose files are not the store's layers: what,
 * "checkpoints", is for others. */
int corral_session_find_layered(struct corral_call *call, const char *id, const char *what,
                                struct corral_session_record *ret, struct corral_error *err);

/* For a command that runs alone in its session, after those that wait already; until *ret_fd is
 * closed. */
int corral_session_turn_take(struct corral_call *call, const char *id, int *ret_fd,
                             struct corral_error *err);
bool corral_session_turn_is_taken(struct corral_call *call, const char *id);

/*
 * Of a session that is a container, which this program turns into corral-docker for: its container
 * is named after it, has the session's workspace, and runs while a command does.
 */
int corral_session_contained_run(struct corral_call *call,
                                 const struct corral_session_record *session, char **argv,
                                 size_t n_argv, struct corral_error *err);
/* The container, in corral-docker. */
int corral_session_contained_remove(const char *id, struct corral_error *err);

/* One change as JSON, and as a line without its newline, cleaned for a terminal; the caller's. */
json_t *corral_session_change_json(const struct corral_change *change);
char *corral_session_change_line(const struct corral_change *change);

#endif
