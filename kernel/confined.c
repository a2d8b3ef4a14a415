#include "kernel/confined.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/sandbox_state.h"
#include "policy/guest_path.h"

#define OFFER ": or accept less isolation with --allow-weaker"

/* What a kernel or a filter around us says that does not let us have namespaces or mounts. */
static bool is_refusal(int code)
{
	static const int codes[] = { EPERM, ENOSYS, EINVAL, ENOSPC, EACCES, EUSERS };

	for (size_t i = 0; i < CORRAL_COUNT(codes); i++)
		if (code == codes[i])
			return true;
	return false;
}

/* Steps that fail by the host's will alone, and not by a path or a size that the caller gave. */
static bool is_isolation(enum corral_step_kind kind)
{
	switch (kind) {
	case CORRAL_STEP_UNSHARE:
	case CORRAL_STEP_SETNS:
	case CORRAL_STEP_PRIVATE:
	case CORRAL_STEP_SCRATCH:
	case CORRAL_STEP_OVERLAY:
	case CORRAL_STEP_ROOT:
	case CORRAL_STEP_DEVICES:
	case CORRAL_STEP_PROC:
	case CORRAL_STEP_DEVPTS:
	case CORRAL_STEP_MASK:
	case CORRAL_STEP_PIVOT:
	case CORRAL_STEP_USERNS:
		return true;
	case CORRAL_STEP_JOIN_CGROUP:
	case CORRAL_STEP_LOOPBACK:
	case CORRAL_STEP_HOSTNAME:
	case CORRAL_STEP_SKELETON:
	case CORRAL_STEP_LAYER:
	case CORRAL_STEP_BIND:
	case CORRAL_STEP_SCRATCH_BIND:
	case CORRAL_STEP_FILE:
	case CORRAL_STEP_TMPFS:
	case CORRAL_STEP_SESSION:
	case CORRAL_STEP_IDS:
	case CORRAL_STEP_RLIMITS:
	case CORRAL_STEP_CAPS:
	case CORRAL_STEP_LANDLOCK:
	case CORRAL_STEP_SECCOMP:
	case CORRAL_STEP_KIND_END:
		return false;
	}
	return false;
}

int corral_confined_offer(struct corral_sandbox *s, int r, struct corral_error *err)
{
	size_t len;

	if (r >= 0 || s->confined || !is_refusal(-r))
		return r;
	s->refused = true;
	/* No offer of what cannot be had either; nor half of one. */
	if (!err || s->allow_weaker || s->launcher->host.landlock_abi <= 0)
		return r;
	len = strlen(err->text);
	if (len + sizeof(OFFER) <= sizeof(err->text))
		memcpy(err->text + len, OFFER, sizeof(OFFER));
	return r;
}

int corral_confined_offer_step(struct corral_sandbox *s, const struct corral_plan *plan,
                               uint32_t step, int r, struct corral_error *err)
{
	if (step >= plan->message->n_steps ||
	    !is_isolation((enum corral_step_kind)plan->message->steps[step].kind))
		return r;
	return corral_confined_offer(s, r, err);
}

static int needs(const char *option, struct corral_error *err)
{
	return corral_error_set(
	        err, EOPNOTSUPP,
	        "%s needs namespaces, which this host refuses: leave it out, or do without "
	        "--allow-weaker to see why",
	        option);
}

/* A path means the same inside and outside, or it cannot be had. */
static int same_path(const char *host_path, const char *guest_path, bool *ret,
                     struct corral_error *err)
{
	corral_autofree char *plain = NULL;
	int r = corral_guest_path_normalise(host_path, &plain, err);

	if (r == 0)
		*ret = strcmp(plain, guest_path) == 0;
	return r;
}

/* Where it leads in the end; as it is written where that cannot be said, and the launch will fail
 * for it. */
static char *real_dup(const char *host_path)
{
	char *real = realpath(host_path, NULL);

	return real ? real : strdup(host_path);
}

static int beneath(const char *path, const char *host_dir, bool *ret, struct corral_error *err)
{
	corral_autofree char *dir = real_dup(host_dir);

	if (!dir)
		return corral_error_set(err, ENOMEM, "mounts: out of memory");
	*ret = strcmp(dir, "/") == 0 || corral_guest_path_within(path, dir);
	return 0;
}

/* Landlock adds up what the rules above a file allow: in a writable directory nothing can be
 * read-only. */
static int read_only_check(const struct corral_policy *p, const char *host_path,
                           struct corral_error *err)
{
	corral_autofree char *path = real_dup(host_path);
	const char *writable = p->workspace_path;
	bool lies = false;
	int r = 0;

	if (!path)
		return corral_error_set(err, ENOMEM, "mounts: out of memory");
	if (writable)
		r = beneath(path, writable, &lies, err);
	for (size_t i = 0; r == 0 && !lies && i < p->n_mounts; i++)
		if (p->mounts[i].kind == CORRAL_MOUNT_BIND) {
			writable = p->mounts[i].host_path;
			r = beneath(path, writable, &lies, err);
		}
	if (r == 0 && lies)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "--ro-bind '%.150s' lies in '%.150s', which is writable: read-only there "
		        "needs mounts, which this host refuses",
		        host_path, writable);
	return r;
}

static int mounts_check(const struct corral_policy *p, struct corral_error *err)
{
	bool same = false;
	int r;

	for (size_t i = 0; i < p->n_mounts; i++) {
		const struct corral_config_mount *m = &p->mounts[i];
		const char *option = m->kind == CORRAL_MOUNT_BIND ? "--bind" : "--ro-bind";

		if (m->kind == CORRAL_MOUNT_TMPFS)
			return needs("--tmpfs", err);
		r = same_path(m->host_path, m->guest_path, &same, err);
		if (r < 0)
			return corral_error_wrap(err, r, "%s", option);
		if (!same)
			return corral_error_set(
			        err, EOPNOTSUPP,
			        "%s '%.150s' on '%.150s': another place needs mounts, which this "
			        "host refuses: bind it where it is",
			        option, m->host_path, m->guest_path);
		if (m->kind == CORRAL_MOUNT_RO_BIND)
			r = read_only_check(p, m->host_path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int policy_check(const struct corral_policy *p, const struct corral_host *host,
                        struct corral_error *err)
{
	bool same = true;
	int r = 0;

	if (host->landlock_abi <= 0)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "this host refuses namespaces, and without Landlock nothing is left to "
		        "contain the command with: corral doctor says what mends either");
	if (!p->rootfs_is_host)
		return needs(p->rootfs_is_image ? "--image" : "--rootfs", err);
	if (strcmp(p->hostname, CORRAL_HOSTNAME_DEFAULT) != 0)
		return needs("--hostname", err);
	if (p->keep_path)
		return needs("--keep", err);
	if (p->n_publish)
		return needs("--publish", err);
	if (corral_policy_has_network(p))
		return needs("a network that is neither none nor the host's", err);
	if ((p->guest_uid && p->guest_uid != host->uid) ||
	    (p->guest_gid && p->guest_gid != host->gid))
		return needs("--user other than yourself", err);
	if (p->ids == CORRAL_IDS_RANGE)
		return needs("--ids range", err);
	if (p->caps)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "--cap-add needs namespaces, which this host refuses: here a capability "
		        "would be one over the host");
	if (strcmp(p->work_dir, CORRAL_WORK_DIR_DEFAULT) != 0) {
		if (p->workspace_path)
			r = same_path(p->workspace_path, p->work_dir, &same, err);
		if (r == 0 && (!p->workspace_path || !same))
			return needs("--workdir other than the workspace's own path", err);
	}
	return r < 0 ? r : mounts_check(p, err);
}

/* Defaults that name a place or a name which only the full tier makes. NULL without memory,
 * *ret_drop when it is to go. */
static char *variable_dup(const struct corral_policy *p, const struct corral_host *host,
                          const char *assignment, const char *home, bool *ret_drop)
{
	char *text = NULL;
	bool is_home =
	        strncmp(assignment, "HOME=", 5) == 0 &&
	        (strcmp(assignment + 5, "/root") == 0 || strcmp(assignment + 5, p->work_dir) == 0);

	*ret_drop = strncmp(assignment, "HOSTNAME=", 9) == 0 &&
	            strcmp(assignment + 9, p->hostname) == 0;
	if (*ret_drop)
		return NULL;
	if (!is_home)
		return strdup(host->uid && strcmp(assignment, "USER=root") == 0 ? "USER=user"
		                                                                : assignment);
	if (asprintf(&text, "HOME=%s", home) < 0)
		return NULL;
	return text;
}

static int environment_adapt(struct corral_policy *ret, const struct corral_policy *p,
                             const struct corral_host *host, struct corral_error *err)
{
	bool has_home = false, has_tmpdir = false, drop;

	ret->n_env = 0;
	ret->env = calloc(p->n_env + 2, sizeof(*ret->env));
	for (size_t i = 0; ret->env && i < p->n_env; i++) {
		char *text = variable_dup(p, host, p->env[i], ret->work_dir, &drop);

		if (drop)
			continue;
		if (!text)
			return corral_error_set(err, ENOMEM, "env: out of memory");
		has_home |= strncmp(text, "HOME=", 5) == 0;
		has_tmpdir |= strncmp(text, "TMPDIR=", 7) == 0;
		ret->env[ret->n_env++] = text;
	}
	/* No /tmp of its own: what has an environment at all is told where it can write. */
	if (ret->env && has_home && !has_tmpdir && p->workspace_path &&
	    asprintf(&ret->env[ret->n_env++], "TMPDIR=%s", ret->work_dir) < 0)
		ret->env[--ret->n_env] = NULL;
	return ret->env ? 0 : corral_error_set(err, ENOMEM, "env: out of memory");
}

int corral_confined_policy_init(struct corral_policy *ret, const struct corral_policy *p,
                                const struct corral_host *host, struct corral_error *err)
{
	int r;

	*ret = *p;
	ret->env = NULL;
	ret->work_dir = NULL;
	ret->n_env = 0;
	ret->guest_uid = host->uid;
	ret->guest_gid = host->gid;
	/* As root "single" is refused, as it would be the host's root; which consent was given to
	 * here. */
	ret->ids = CORRAL_IDS_AUTO;
	r = policy_check(p, host, err);
	if (r < 0)
		return r;
	ret->work_dir = strdup(p->workspace_path ? p->workspace_path : "/");
	if (!ret->work_dir)
		return corral_error_set(err, ENOMEM, "work_dir: out of memory");
	return environment_adapt(ret, p, host, err);
}

void corral_confined_policy_done(struct corral_policy *less)
{
	for (size_t i = 0; less->env && i < less->n_env; i++)
		free(less->env[i]);
	free(less->env);
	free(less->work_dir);
}
