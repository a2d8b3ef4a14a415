/*
 * The sandbox of a session while it runs. A session's files are the store's
 * (backends/sessions/store.h); running is a sandbox over them that a holder has, as those of
 * `corral sandbox create` (tools/holder.h), whose record says which session it is of. The holder's
 * lock on the topmost layer is what makes it the only one: of two that wake a session at once one
 * gets -EBUSY, and takes the other's.
 */
#ifndef CORRAL_TOOLS_SESSION_BOX_H
#define CORRAL_TOOLS_SESSION_BOX_H

#include "backends/sessions/store.h"
#include "tools/family.h"

/* Without a command for so long it hibernates, when nobody said otherwise. */
#define CORRAL_SESSION_BOX_IDLE_MS 1800000

struct corral_session_box {
	struct corral_record record;
	int socket_fd; /* a connection to its holder */
	bool is_spare; /* of a session whose commands each get a fresh one */
};

/* Of a native session: the sandbox that it has, or one that is made for it. */
int corral_session_box_open(struct corral_call *call, const struct corral_session_record *session,
                            struct corral_session_box *ret, struct corral_error *err);
/* Lets go of it; one that nobody else will have ends. */
void corral_session_box_close(struct corral_call *call, struct corral_session_box *box);

/* 1 and its record, when it runs; 0 when not. */
int corral_session_box_find(struct corral_call *call, const char *id, struct corral_record *ret,
                            struct corral_error *err);

/* Which of these run, by the sandboxes that there are: those with a fresh one for each command hold
 * no lock. */
int corral_session_boxes_mark(struct corral_call *call, struct corral_session_record *sessions,
                              size_t n, struct corral_error *err);

/* Ends its sandbox; files stay. With commands that run in it -EBUSY, unless it is forced, which
 * ends them. */
int corral_session_hibernate(struct corral_call *call, const char *id, bool force,
                             struct corral_error *err);

/* Hibernates the session and calls act, again when another woke it meanwhile and act said -EBUSY.
 * What act gives back. */
int corral_session_at_rest(struct corral_call *call, const char *id, bool force,
                           int (*act)(struct corral_call *call, void *ctx,
                                      struct corral_error *err),
                           void *ctx, struct corral_error *err);

#endif
