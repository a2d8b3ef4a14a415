/* `corral sandbox ...`: what its commands do. */
#ifndef CORRAL_TOOLS_SANDBOX_COMMANDS_H
#define CORRAL_TOOLS_SANDBOX_COMMANDS_H

#include "tools/family.h"
#include "tools/place.h"

int corral_sandbox_create(struct corral_call *call, struct corral_error *err);
int corral_sandbox_list(struct corral_call *call, struct corral_error *err);
int corral_sandbox_exec(struct corral_call *call, struct corral_error *err);
int corral_sandbox_ps(struct corral_call *call, struct corral_error *err);
int corral_sandbox_stats(struct corral_call *call, struct corral_error *err);
int corral_sandbox_logs(struct corral_call *call, struct corral_error *err);
int corral_sandbox_cp(struct corral_call *call, struct corral_error *err);
int corral_sandbox_pause(struct corral_call *call, struct corral_error *err);
int corral_sandbox_resume(struct corral_call *call, struct corral_error *err);
int corral_sandbox_stop(struct corral_call *call, struct corral_error *err);
int corral_sandbox_rm(struct corral_call *call, struct corral_error *err);

/* Whether cp's first word is the one within a sandbox: what it names is only read. */
bool corral_cp_is_out(const struct corral_call *call);

/*
 * What those of sessions share with these. guest_open: of what stands before the colon; out: it is
 * copied from. All of its part in it is closed with the place.
 */
int corral_cp(struct corral_call *call,
              int (*guest_open)(struct corral_call *call, const char *word, bool out,
                                struct corral_place *guest, struct corral_error *err),
              struct corral_error *err);
/* Asks its commands to end, and kills what has not after grace_ms; 0 as well when it is gone. */
int corral_sandboxes_end(const struct corral_sandboxes *s, const struct corral_record *r,
                         int64_t grace_ms, struct corral_error *err);
/* -EBUSY while a command runs in it; else waits for its end. */
int corral_sandboxes_end_idle(const struct corral_sandboxes *s, const struct corral_record *r,
                              struct corral_error *err);
/* All words are tried; each failure is told of, and makes the whole one. */
int corral_for_each(struct corral_call *call, int (*act)(struct corral_call *call, const char *word,
                                                         struct corral_error *err));

#endif
