/* corral exec: one command in a sandbox that is there. */
#include "kernel/base/cleanup.h"
#include "tools/exec_run.h"
#include "tools/sandbox_commands.h"

int corral_sandbox_exec(struct corral_call *call, struct corral_error *err)
{
	struct corral_exec_run x = { .options = &call->options,
		                     .name = "exec",
		                     .argv = call->operands + 1,
		                     .n_argv = call->n_operands - 1 };
	struct corral_record record = { .words = NULL };
	corral_autofd int fd = -1;
	int r = corral_sandboxes_find(&call->sandboxes, call->operands[0], &record, err);

	if (r == 0)
		r = corral_exec_run_check(&x, "corral exec [options] SANDBOX -- COMMAND [ARG...]",
		                          err);
	if (r == 0)
		r = corral_sandboxes_connect(&call->sandboxes, &record, &fd, err);
	if (r == 0)
		r = corral_exec_run(&x, &record, fd, err);
	corral_record_done(&record);
	return corral_exec_run_failed(&call->options, r, err);
}
