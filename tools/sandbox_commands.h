/* `corral sandbox ...`: what its commands do. */
#ifndef CORRAL_TOOLS_SANDBOX_COMMANDS_H
#define CORRAL_TOOLS_SANDBOX_COMMANDS_H

#include "tools/family.h"

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

#endif
