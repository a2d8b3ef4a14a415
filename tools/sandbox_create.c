#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/compile.h"
#include "tools/holder.h"
#include "tools/sandbox_commands.h"

int corral_sandbox_create(struct corral_call *call, struct corral_error *err)
{
	struct corral_config *c = call->options.config;
	struct corral_holder_options o = { .name = call->options.name,
		                           .idle_ms = call->options.idle_ms };
	char id[CORRAL_SANDBOX_ID_SIZE] = "";
	struct corral_policy *policy = NULL;
	int leave_fd = -1, r;

	/* A file that is for corral run as well may name a command and say how it is to be run:
	 * that is for each command of exec. */
	c->tty = c->use_stdin = false;
	r = corral_sandboxes_name_free(&call->sandboxes, o.name, err);
	if (r == 0)
		r = corral_options_compile(&call->options, &policy, err);
	o.policy = policy;
	if (r == 0)
		r = corral_holder_start(&o, id, &leave_fd, err);
	corral_policy_free(policy);
	if (r < 0)
		return r;
	/* A sandbox whose id nobody could read does not stay. */
	if (puts(id) < 0 || fflush(stdout) != 0) {
		r = corral_error_sys(err, errno, "print the sandbox's id");
		(void)close(leave_fd);
		return r;
	}
	return corral_holder_leave(leave_fd, err);
}
