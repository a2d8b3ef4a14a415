#include "kernel/doctor_reason.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/host_reason.h"

/* For a cause that no fact shows: how to find it. */
#define HOW_TO_FIND "sudo dmesg | tail -20, and strace -f corral doctor, show who refuses it"

struct corral_doctor_row *corral_doctor_add(struct corral_doctor *d, const char *name,
                                            enum corral_doctor_status status)
{
	struct corral_doctor_row *row;

	assert(d->n_rows < CORRAL_DOCTOR_ROWS_MAX);
	row = &d->rows[d->n_rows++];
	memset(row, 0, sizeof(*row));
	row->name = name;
	row->status = status;
	return row;
}

static void say(char *ret, size_t size, const char *text)
{
	(void)snprintf(ret, size, "%s", text);
}
#define SAY(field, text) say(field, sizeof(field), text)

static void tell_found(const struct corral_doctor_outcome *out, struct corral_doctor_row *ret)
{
	const char *name = strerrorname_np(out->code);

	if (out->code == ETIMEDOUT)
		(void)snprintf(ret->found, sizeof(ret->found), "%s", out->call);
	else
		(void)snprintf(ret->found, sizeof(ret->found), "%s from %s",
		               name ? name : "an unknown error", out->call);
}

/* A step whose cause is not the kernel's or a fence's, but a directory or an absent group. */
static bool tell_own_reason(const struct corral_doctor_context *ctx,
                            const struct corral_doctor_step *step,
                            const struct corral_doctor_outcome *out, struct corral_doctor_row *ret)
{
	if (strcmp(step->what, "runtime-directory") == 0) {
		(void)snprintf(ret->why, sizeof(ret->why), "%s %s", ctx->runtime_dir,
		               out->code == ENOENT ? "does not exist" : "cannot be written to");
		(void)snprintf(ret->remedy, sizeof(ret->remedy), "mount -t tmpfs none %s",
		               ctx->runtime_dir);
		return true;
	}
	if (strcmp(step->what, "clone-into-cgroup") == 0 && ctx->cgroup_fd < 0) {
		SAY(ret->why, "there is no v2 cgroup that this caller may write (see cgroup)");
		SAY(ret->remedy, "what mends cgroup mends this");
		return true;
	}
	return false;
}

void corral_doctor_tell_step(const struct corral_doctor_context *ctx,
                             const struct corral_doctor_step *step,
                             const struct corral_doctor_outcome *out,
                             const struct corral_doctor_row *userns, struct corral_doctor_row *ret)
{
	const char *what = out->what ? out->what : step->what;

	if (!out->code) {
		ret->status = CORRAL_DOCTOR_OK;
		if (out->value)
			(void)snprintf(ret->found, sizeof(ret->found), "works, ABI %lld",
			               (long long)out->value);
		else
			SAY(ret->found, "works");
		return;
	}
	SAY(ret->lost, step->lost);
	if (userns && userns->status != CORRAL_DOCTOR_OK && !ctx->privileged &&
	    (step->flags & CORRAL_DOCTOR_IN_USERNS)) {
		SAY(ret->found, "cannot be tried without a user namespace");
		SAY(ret->why, "see user-namespaces");
		SAY(ret->remedy, userns->remedy);
		return;
	}
	tell_found(out, ret);
	if (tell_own_reason(ctx, step, out, ret))
		return;
	corral_host_reason(&ctx->facts, what, out->code, ret->why, sizeof(ret->why), ret->remedy,
	                   sizeof(ret->remedy));
	if (!ret->remedy[0])
		SAY(ret->remedy, HOW_TO_FIND);
}

static const char *container_word(enum corral_host_container container)
{
	static const char *const words[] = {
		[CORRAL_HOST_BARE] = "",
		[CORRAL_HOST_DOCKER] = ", in a Docker container",
		[CORRAL_HOST_PODMAN] = ", in a Podman container",
		[CORRAL_HOST_KUBERNETES] = ", in a Kubernetes pod",
		[CORRAL_HOST_LXC] = ", in an LXC container",
		[CORRAL_HOST_NSPAWN] = ", in a systemd-nspawn container",
		[CORRAL_HOST_OTHER_CONTAINER] = ", in a container",
	};

	return words[container];
}

void corral_doctor_tell_host(const struct corral_doctor_context *ctx, struct corral_doctor *d)
{
	const struct corral_host *h = &ctx->host;
	struct corral_doctor_row *row = corral_doctor_add(d, "kernel", CORRAL_DOCTOR_OK);

	(void)snprintf(row->found, sizeof(row->found), "Linux %u.%u", h->kernel_major,
	               h->kernel_minor);
	if (h->kernel_major < 5 || (h->kernel_major == 5 && h->kernel_minor < 10)) {
		row->status = CORRAL_DOCTOR_MISSING;
		SAY(row->lost, "fences that corral takes for granted");
		SAY(row->why, "it is older than 5.10");
		SAY(row->remedy, "boot Linux 5.10 or later");
	}
	row = corral_doctor_add(d, "caller", CORRAL_DOCTOR_INFO);
	if (ctx->privileged)
		(void)snprintf(row->found, sizeof(row->found), "uid %u with root's capabilities%s",
		               h->uid, container_word(ctx->facts.container));
	else
		(void)snprintf(row->found, sizeof(row->found), "uid %u, %s%s", h->uid,
		               h->uid ? "without privilege"
		                      : "root in name, without its capabilities",
		               container_word(ctx->facts.container));
}

static const struct {
	enum corral_limit limit;
	const char *row, *lost;
} cgroup_limits[] = {
	{ CORRAL_LIMIT_MEMORY, "cgroup-memory", "memory of a sandbox has no limit (--memory)" },
	{ CORRAL_LIMIT_MEMORY_SWAP, "cgroup-swap", "a memory limit can be evaded into swap" },
	{ CORRAL_LIMIT_CPUS, "cgroup-cpus", "no limit on processor time (--cpus)" },
	{ CORRAL_LIMIT_CPU_WEIGHT, "cgroup-cpu-weight", "no fair shares of processor time" },
	{ CORRAL_LIMIT_PIDS, "cgroup-pids",
	  "an rlimit holds processes back instead, and receipts cannot tell" },
};

static const char *cgroup_kind_text(enum corral_cgroup_kind kind)
{
	static const char *const texts[] = {
		[CORRAL_CGROUP_NONE] = "none that this caller may write",
		[CORRAL_CGROUP_V1] = "v1",
		[CORRAL_CGROUP_V2] = "v2",
		[CORRAL_CGROUP_HYBRID] = "hybrid: controllers on v1, kill and freeze by v2",
	};

	return texts[kind];
}

/* A reason reads "why; remedy" or is all of one sentence, which then serves as both. */
static void tell_limit_reason(const char *reason, struct corral_doctor_row *row)
{
	const char *cut = reason ? strstr(reason, "; ") : NULL;

	if (!reason)
		reason = "the controller is not to be had here";
	if (cut)
		(void)snprintf(row->why, sizeof(row->why), "%.*s", (int)(cut - reason), reason);
	else
		SAY(row->why, reason);
	if (cut)
		SAY(row->remedy, cut + 2);
	else if (geteuid() == 0)
		SAY(row->remedy,
		    "enable the controller: on v2 echo +NAME > "
		    "/sys/fs/cgroup/cgroup.subtree_control; on v1 mount it; or boot with "
		    "cgroup_enable=memory swapaccount=1");
	else
		SAY(row->remedy, "systemd-run --user --scope -p Delegate=yes corral ...");
}

void corral_doctor_tell_cgroup(const struct corral_cgroup_host *cg, const char *trouble,
                               struct corral_doctor *d)
{
	enum corral_cgroup_kind kind = cg ? corral_cgroup_host_kind(cg) : CORRAL_CGROUP_NONE;
	struct corral_doctor_row *row = corral_doctor_add(d, "cgroup", CORRAL_DOCTOR_OK);
	uint32_t can = cg ? corral_cgroup_host_can(cg) : 0;

	SAY(row->found, cgroup_kind_text(kind));
	if (kind == CORRAL_CGROUP_NONE) {
		row->status = CORRAL_DOCTOR_DEGRADED;
		SAY(row->lost, "no limits on memory, processes and processor time; killed by pid "
		               "namespace alone");
		tell_limit_reason(cg ? corral_cgroup_host_reason(cg, CORRAL_LIMIT_MEMORY) : trouble,
		                  row);
	} else if (trouble) {
		row->status = CORRAL_DOCTOR_DEGRADED;
		SAY(row->lost, "no limits: a group could not be made");
		tell_limit_reason(trouble, row);
	}
	for (size_t i = 0; i < CORRAL_COUNT(cgroup_limits); i++) {
		row = corral_doctor_add(d, cgroup_limits[i].row, CORRAL_DOCTOR_OK);
		if (can & cgroup_limits[i].limit) {
			SAY(row->found, "can be enforced");
			continue;
		}
		row->status = CORRAL_DOCTOR_DEGRADED;
		SAY(row->found, "cannot be enforced");
		SAY(row->lost, cgroup_limits[i].lost);
		tell_limit_reason(cg ? corral_cgroup_host_reason(cg, cgroup_limits[i].limit)
		                     : trouble,
		                  row);
	}
}

/* A number or line of a small file below /proc/sys; false where there is none. */
static bool read_setting(const char *path, char *ret, size_t size)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* Settings that decide what an attacker with any process on this host can reach. */
static const struct {
	const char *row, *path;
	const char *open_values; /* first characters of values that leave it open */
	const char *open, *shut, *remedy;
} surface[] = {
	{ "io-uring", "/proc/sys/kernel/io_uring_disabled", "0",
	  "io_uring is open to every user (refused inside a sandbox)",
	  "io_uring is kept from ordinary users", "sudo sysctl -w kernel.io_uring_disabled=1" },
	{ "unprivileged-bpf", "/proc/sys/kernel/unprivileged_bpf_disabled", "0",
	  "bpf() is open to every user (refused inside a sandbox)",
	  "bpf() is kept from ordinary users",
	  "sudo sysctl -w kernel.unprivileged_bpf_disabled=1" },
	{ "ptrace-scope", "/proc/sys/kernel/yama/ptrace_scope", "0",
	  "every process may trace others of its user (refused inside a sandbox)",
	  "tracing is restricted", "sudo sysctl -w kernel.yama.ptrace_scope=1" },
	{ "core-pattern", "/proc/sys/kernel/core_pattern", "|",
	  "core dumps go to a program of the host, outside of any limit (sandboxes make none)",
	  "core dumps go to files (sandboxes make none)", "" },
	{ "userns-open", "/proc/sys/user/max_user_namespaces", "123456789",
	  "user namespaces, and with them much of the kernel, are open to every user (refused "
	  "inside "
	  "a sandbox)",
	  "user namespaces are off for everybody", "" },
};

void corral_doctor_tell_surface(const struct corral_doctor_context *ctx, struct corral_doctor *d)
{
	char value[128];

	for (size_t i = 0; i < CORRAL_COUNT(surface); i++) {
		struct corral_doctor_row *row =
		        corral_doctor_add(d, surface[i].row, CORRAL_DOCTOR_INFO);
		bool there = read_setting(surface[i].path, value, sizeof(value));
		/* A kernel without the switch has nothing that could shut it. */
		bool open = !there || (value[0] && strchr(surface[i].open_values, value[0]));

		if (strcmp(surface[i].row, "userns-open") == 0 &&
		    (ctx->facts.userns_clone == 0 || ctx->facts.apparmor_limits_userns)) {
			SAY(row->found, "user namespaces are kept from ordinary programs");
			continue;
		}
		SAY(row->found, open ? surface[i].open : surface[i].shut);
		if (open && there)
			SAY(row->remedy, surface[i].remedy);
	}
}
