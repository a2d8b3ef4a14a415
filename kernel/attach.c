#include "kernel/attach.h"

#include <linux/mount.h>
#include <signal.h>

#include "kernel/base/cleanup.h"
#include "kernel/child.h"
#include "kernel/plan_steps.h"
#include "kernel/sandbox_state.h"
#include "kernel/source.h"

bool corral_attach_possible(const struct corral_launcher *l)
{
	const uint32_t needed =
	        CORRAL_HOST_NEW_MOUNT_API | CORRAL_HOST_MOUNT_SETATTR | CORRAL_HOST_ID_MAPPED;

	return corral_launcher_is_root(l) && (l->host.features & needed) == needed;
}

int corral_attach_workspace(struct corral_sandbox *s, const struct corral_policy *p,
                            struct corral_error *err)
{
	const struct corral_slot slot = {
		.kind = CORRAL_SLOT_SOURCE,
		.map = CORRAL_MAP_OWNER,
		.recursive = true,
		.attr = ATTR_PLAIN,
		.host_path = p->workspace_path,
		.label = "--workspace",
	};
	corral_autofd int fd = -1;
	sigset_t all, old;
	long r;

	r = corral_source_open(&slot, &s->launcher->host, &s->ids, p, &fd, err);
	if (r < 0)
		return (int)r;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = corral_child_attach(s->pidfd, fd, p->work_dir, s->stack);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? corral_error_sys(err, (int)-r, "attach the workspace '%s'",
	                                p->workspace_path)
	             : 0;
}
