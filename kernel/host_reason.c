/*
 * A list of causes in the order of how sure and how specific they are; the first that applies
 * tells. Each looks at facts, the step and its errno alone, so that a table of hosts can test it.
 */
#include "kernel/host_reason.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"

enum step_group {
	STEP_NAMESPACE = 1u << 0,  /* makes a namespace; `index` says which */
	STEP_MOUNT = 1u << 1,      /* changes mounts */
	STEP_MAP = 1u << 2,        /* writes an id map */
	STEP_CALL = 1u << 3,       /* is one system call that can be absent */
	STEP_PRIVILEGED = 1u << 4, /* needs a capability in some user namespace */
};

struct step {
	const char *what;
	unsigned int groups;
	int index;                 /* of the namespace, -1 */
	unsigned int major, minor; /* the kernel that has it */
	const char *option;        /* how the kernel's configuration calls it */
};

#define NS   (STEP_NAMESPACE | STEP_PRIVILEGED)
#define MNT  (STEP_MOUNT | STEP_PRIVILEGED)
#define CALL STEP_CALL

static const struct step steps[] = {
	{ "user-namespace", STEP_NAMESPACE, 0, 3, 8, "CONFIG_USER_NS" },
	{ "mount-namespace", NS, 1, 2, 4, NULL },
	{ "pid-namespace", NS, 2, 2, 6, "CONFIG_PID_NS" },
	{ "ipc-namespace", NS, 3, 2, 6, "CONFIG_IPC_NS" },
	{ "uts-namespace", NS, 4, 2, 6, "CONFIG_UTS_NS" },
	{ "cgroup-namespace", NS, 5, 4, 6, "CONFIG_CGROUPS" },
	{ "network-namespace", NS, 6, 2, 6, "CONFIG_NET_NS" },
	{ "network-helper", 0, -1, 0, 0, NULL },
	{ "network-forwarding", 0, -1, 0, 0, NULL },
	{ "network-pasta", 0, -1, 0, 0, NULL },
	{ "network-tun", 0, -1, 0, 0, NULL },
	{ "id-map", STEP_MAP, -1, 3, 8, NULL },
	{ "newuidmap", STEP_MAP, -1, 3, 8, NULL },
	{ "mount", MNT, -1, 2, 6, NULL },
	{ "mount-proc", MNT, -1, 2, 6, "CONFIG_PROC_FS" },
	{ "overlay", MNT, -1, 5, 11, "CONFIG_OVERLAY_FS" },
	{ "id-mapped", MNT | CALL, -1, 5, 19, NULL },
	{ "devpts", MNT, -1, 4, 7, "CONFIG_UNIX98_PTYS" },
	{ "mqueue", MNT, -1, 2, 6, "CONFIG_POSIX_MQUEUE" },
	{ "pivot-root", MNT, -1, 2, 4, NULL },
	{ "mount-api", MNT | CALL, -1, 5, 2, NULL },
	{ "mount-setattr", MNT | CALL, -1, 5, 12, NULL },
	{ "openat2", CALL, -1, 5, 6, NULL },
	{ "clone3", CALL, -1, 5, 3, NULL },
	{ "clone-into-cgroup", CALL, -1, 5, 7, "CONFIG_CGROUPS" },
	{ "no-new-privs", CALL, -1, 3, 5, NULL },
	{ "seccomp", CALL, -1, 3, 17, "CONFIG_SECCOMP_FILTER" },
	{ "user-notification", CALL, -1, 5, 0, "CONFIG_SECCOMP_FILTER" },
	{ "landlock", CALL, -1, 5, 13, "CONFIG_SECURITY_LANDLOCK" },
	{ "keyring", CALL, -1, 2, 6, "CONFIG_KEYS" },
	{ "memfd-exec", CALL, -1, 3, 19, "CONFIG_MEMFD_CREATE" },
};

static const struct step unknown_step = { "", 0, -1, 0, 0, NULL };

struct inquiry {
	const struct corral_host_facts *f;
	const struct step *step;
	int code;
};

struct answer {
	char *why, *remedy;
	size_t why_size, remedy_size;
};

static bool is(const struct inquiry *q, const char *what)
{
	return strcmp(q->step->what, what) == 0;
}

/* EPERM and EACCES: somebody said no. */
static bool refused(const struct inquiry *q)
{
	return q->code == EPERM || q->code == EACCES;
}

__attribute__((format(printf, 2, 3))) static void why(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(a->why, a->why_size, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void remedy(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(a->remedy, a->remedy_size, fmt, ap);
	va_end(ap);
}

static bool cause_network(const struct inquiry *q, struct answer *a)
{
	static const struct {
		const char *what;
		int code; /* 0: any */
		const char *why, *remedy;
	} rows[] = {
		{ "network-helper", 0,
		  "corral-net is neither beside corral nor in its libexec folder",
		  "build corral with -DCORRAL_NETWORK=ON, and install all of it" },
		{ "network-forwarding", 0, "this host does not forward (net.ipv4.ip_forward=0)",
		  "sudo sysctl -w net.ipv4.ip_forward=1" },
		{ "network-pasta", 0, "without root it takes pasta, which is not installed",
		  "sudo apt-get install passt" },
		{ "network-tun", ENOENT, "there is no /dev/net/tun, which pasta opens",
		  "sudo modprobe tun" },
		{ "network-tun", 0, "/dev/net/tun, which pasta opens, is not this user's to open",
		  "sudo chmod 666 /dev/net/tun" },
	};

	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		if (!is(q, rows[i].what) || (rows[i].code && rows[i].code != q->code))
			continue;
		why(a, "%s", rows[i].why);
		remedy(a, "%s", rows[i].remedy);
		return true;
	}
	return false;
}

static bool cause_newuidmap(const struct inquiry *q, struct answer *a)
{
	const struct corral_host_facts *f = q->f;

	if (!is(q, "newuidmap"))
		return false;
	if (!f->has_newuidmap) {
		why(a, "newuidmap and newgidmap are not installed");
		remedy(a, "sudo apt-get install uidmap (Fedora: sudo dnf install shadow-utils)");
	} else if (!f->subuid_count || !f->subgid_count) {
		why(a, "%s has no range of ids in %s", f->user[0] ? f->user : "this user",
		    f->subuid_count ? "/etc/subgid" : "/etc/subuid");
		if (f->user[0])
			remedy(a, "sudo usermod --add-subuids %u-%u --add-subgids %u-%u %s",
			       f->subid_free, f->subid_free + 65535, f->subid_free,
			       f->subid_free + 65535, f->user);
		else
			remedy(a, "echo %u:%u:65536 | sudo tee -a /etc/subuid /etc/subgid", f->uid,
			       f->subid_free);
	} else if (f->no_new_privs) {
		why(a, "no_new_privs is set, so newuidmap gains no privilege");
		remedy(a, "%s",
		       f->container != CORRAL_HOST_BARE
		               ? "start the container without --security-opt no-new-privileges"
		               : "start corral without no_new_privs (a unit: NoNewPrivileges=no)");
	} else if (!f->newuidmap_can) {
		why(a, "newuidmap is neither set-user-ID root nor has file capabilities");
		remedy(a, "sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap");
	} else {
		return false;
	}
	return true;
}

/* One clone3 makes all namespaces, and ENOSPC does not say which of them is used up. */
static bool cause_namespace_limit(const struct inquiry *q, struct answer *a)
{
	const struct corral_host_facts *f = q->f;
	int at = -1;

	if (!(q->step->groups & STEP_NAMESPACE) || (q->code != ENOSPC && q->code != EUSERS))
		return false;
	for (int i = CORRAL_HOST_NAMESPACES - 1; i >= 0; i--)
		if (f->max_namespaces[i] == 0)
			at = i;
	if (at < 0 && q->code == EUSERS) {
		why(a, "user namespaces are nested as deep as the kernel allows (32)");
		remedy(a, "run corral in an outer user namespace");
		return true;
	}
	if (at < 0)
		at = q->step->index;
	if (f->max_namespaces[at] < 0)
		return false;
	if (f->max_namespaces[at] == 0)
		why(a, "user.max_%s_namespaces is 0", corral_host_namespace_name((unsigned int)at));
	else
		why(a, "as many %s namespaces exist as user.max_%s_namespaces (%lld) allows",
		    corral_host_namespace_name((unsigned int)at),
		    corral_host_namespace_name((unsigned int)at), (long long)f->max_namespaces[at]);
	remedy(a, "sudo sysctl -w user.max_%s_namespaces=%lld",
	       corral_host_namespace_name((unsigned int)at),
	       f->max_namespaces[at] > 0 ? 2 * (long long)f->max_namespaces[at] : 15000LL);
	return true;
}

static bool cause_not_built(const struct inquiry *q, struct answer *a)
{
	bool by_list = q->step->index >= 0 && q->f->has_proc &&
	               !(q->f->built_namespaces & (1u << q->step->index));
	bool by_errno = (q->step->groups & STEP_MOUNT) && q->code == ENODEV;

	if (!q->step->option || (!by_list && !by_errno))
		return false;
	if (is(q, "overlay")) {
		why(a, "the kernel has no overlay file system, or its module is not loaded");
		remedy(a, "sudo modprobe overlay && echo overlay | sudo tee "
		          "/etc/modules-load.d/overlay.conf");
		return true;
	}
	why(a, "the kernel was built without %s", q->step->option);
	remedy(a, "boot a kernel with %s=y (those of the distributions have it)", q->step->option);
	return true;
}

static bool cause_userns_clone(const struct inquiry *q, struct answer *a)
{
	if (!is(q, "user-namespace") || !refused(q) || q->f->userns_clone != 0 ||
	    q->f->has_sys_admin)
		return false;
	why(a, "kernel.unprivileged_userns_clone is 0: only root may make user namespaces");
	remedy(a, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
	return true;
}

static bool cause_chroot(const struct inquiry *q, struct answer *a)
{
	if (!(is(q, "user-namespace") || is(q, "pivot-root")) || !q->f->chrooted ||
	    !(q->code == EPERM || q->code == EINVAL))
		return false;
	why(a, "this process runs in a chroot, where the kernel %s",
	    is(q, "pivot-root") ? "has no root mount to pivot"
	                        : "makes no user namespaces (user_namespaces(7))");
	remedy(a, "run corral outside of the chroot, or enter the directory as a root of its own: "
	          "systemd-nspawn -D DIRECTORY");
	return true;
}

/* A path that can stand in a profile without quoting. */
static bool plain_path(const char *path)
{
	if (*path != '/')
		return false;
	for (; *path; path++)
		if (!isalnum((unsigned char)*path) && !strchr("/._+-", *path))
			return false;
	return true;
}

/*
 * Ubuntu 23.10 and later: an unconfined program may make a user namespace, but gets no capability
 * in it, so that the failure shows at the id map, a mount or the loopback interface.
 */
static bool cause_apparmor_userns(const struct inquiry *q, struct answer *a)
{
	const struct corral_host_facts *f = q->f;
	bool ours = strcmp(f->apparmor_profile, "unconfined") == 0 || !f->apparmor_profile[0] ||
	            strncmp(f->apparmor_profile, "unprivileged_userns", 19) == 0;

	if (!f->apparmor_limits_userns || f->has_sys_admin || !ours || !refused(q) ||
	    !(q->step->groups & (STEP_NAMESPACE | STEP_MOUNT | STEP_MAP)))
		return false;
	why(a, "AppArmor keeps user namespaces from programs without a profile "
	       "(kernel.apparmor_restrict_unprivileged_userns=1)");
	if (plain_path(f->exe) && strlen(f->exe) < 100)
		remedy(a,
		       "printf 'abi <abi/4.0>,\\nprofile corral %s flags=(unconfined) "
		       "{\\n  userns,\\n}\\n' | sudo tee /etc/apparmor.d/corral && sudo "
		       "apparmor_parser -r /etc/apparmor.d/corral",
		       f->exe);
	else
		remedy(a, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
	return true;
}

static void tell_container_remedy(const struct inquiry *q, struct answer *a)
{
	switch (q->f->container) {
	case CORRAL_HOST_DOCKER:
		remedy(a, "docker run --security-opt seccomp=unconfined --security-opt "
		          "apparmor=unconfined --security-opt systempaths=unconfined ... (or "
		          "--privileged)");
		break;
	case CORRAL_HOST_PODMAN:
		remedy(a, "podman run --security-opt seccomp=unconfined --security-opt "
		          "apparmor=unconfined --security-opt unmask=ALL ... (or --privileged)");
		break;
	case CORRAL_HOST_KUBERNETES:
		remedy(a, "in the container's securityContext: seccompProfile: {type: Unconfined}, "
		          "appArmorProfile: {type: Unconfined}, procMount: Unmasked (and "
		          "hostUsers: false in the pod)");
		break;
	case CORRAL_HOST_LXC:
		remedy(a, "lxc config set CONTAINER security.nesting=true");
		break;
	case CORRAL_HOST_NSPAWN:
		remedy(a,
		       "systemd-nspawn --system-call-filter=\"@mount @keyring @privileged\" ...");
		break;
	case CORRAL_HOST_OTHER_CONTAINER:
		remedy(a, "start this container without a seccomp filter and with an unmasked "
		          "/proc");
		break;
	case CORRAL_HOST_BARE:
		if (q->f->in_service)
			remedy(a, "in the unit: RestrictNamespaces=no, SystemCallFilter=@mount "
			          "@keyring, NoNewPrivileges=no, RestrictSUIDSGID=no");
		else
			remedy(a,
			       "run corral from outside of the program that installed the "
			       "filter (look for Seccomp: 2 in /proc/PID/status of its parents)");
		break;
	}
}

static const char *container_name(enum corral_host_container container)
{
	static const char *const names[] = {
		[CORRAL_HOST_BARE] = "this host",
		[CORRAL_HOST_DOCKER] = "the Docker container",
		[CORRAL_HOST_PODMAN] = "the Podman container",
		[CORRAL_HOST_KUBERNETES] = "the Kubernetes pod",
		[CORRAL_HOST_LXC] = "the LXC container",
		[CORRAL_HOST_NSPAWN] = "the systemd-nspawn container",
		[CORRAL_HOST_OTHER_CONTAINER] = "the container",
	};

	return names[container];
}

/* A call that the kernel is new enough for, and that all the same is not there. */
static bool refused_by_filter(const struct inquiry *q)
{
	const struct corral_host_facts *f = q->f;
	bool new_enough = f->kernel_major > q->step->major ||
	                  (f->kernel_major == q->step->major && f->kernel_minor >= q->step->minor);

	return f->seccomp_filtered && (q->code == EPERM || (q->code == ENOSYS && new_enough));
}

static bool cause_seccomp(const struct inquiry *q, struct answer *a)
{
	if (!refused_by_filter(q) || is(q, "newuidmap") || is(q, "id-map"))
		return false;
	if (is(q, "mount-proc") && q->f->proc_submount[0])
		return false;
	if (q->f->container != CORRAL_HOST_BARE)
		why(a, "the seccomp filter of %s refuses it", container_name(q->f->container));
	else if (q->f->in_service)
		why(a, "a seccomp filter around this service refuses it");
	else
		why(a, "a seccomp filter around this process refuses it");
	tell_container_remedy(q, a);
	return true;
}

/* The kernel shows a new /proc only to who sees all of the old one (mount_too_revealing()). */
static bool cause_masked_proc(const struct inquiry *q, struct answer *a)
{
	if (!is(q, "mount-proc") || q->code != EPERM || !q->f->proc_submount[0])
		return false;
	why(a, "parts of /proc are masked (%s), and the kernel gives no fuller view inside",
	    q->f->proc_submount);
	if (q->f->container == CORRAL_HOST_BARE)
		remedy(a, "sudo umount %s", q->f->proc_submount);
	else
		tell_container_remedy(q, a);
	return true;
}

static bool cause_apparmor_profile(const struct inquiry *q, struct answer *a)
{
	const char *profile = q->f->apparmor_profile;

	if (!profile[0] || strcmp(profile, "unconfined") == 0 || !refused(q) ||
	    !(q->step->groups & (STEP_NAMESPACE | STEP_MOUNT)))
		return false;
	why(a, "the AppArmor profile '%s' of this process refuses it", profile);
	if (q->f->container != CORRAL_HOST_BARE)
		tell_container_remedy(q, a);
	else
		remedy(a, "sudo aa-complain %s (or allow userns, mount and pivot_root in it)",
		       profile);
	return true;
}

static bool cause_selinux(const struct inquiry *q, struct answer *a)
{
	if (!q->f->selinux_enforcing || q->code != EACCES)
		return false;
	why(a, "SELinux refuses it");
	remedy(a, "sudo ausearch -m avc -ts recent | audit2allow -M corral && sudo semodule -i "
	          "corral.pp");
	return true;
}

static bool cause_cgroup(const struct inquiry *q, struct answer *a)
{
	if (!is(q, "clone-into-cgroup"))
		return false;
	if (refused(q)) {
		why(a, "the cgroup is not delegated to this user");
		remedy(a, "systemd-run --user --scope -p Delegate=yes corral ...");
	} else if (q->code == EBUSY) {
		why(a, "the cgroup hands controllers on to others, so no process may live in it "
		       "(cgroups(7))");
		remedy(a, "systemd-run --user --scope -p Delegate=yes corral ...");
	} else {
		return false;
	}
	return true;
}

static bool cause_memfd(const struct inquiry *q, struct answer *a)
{
	if (!is(q, "memfd-exec") || q->f->memfd_noexec != 2 || !refused(q))
		return false;
	why(a, "vm.memfd_noexec is 2: memory files cannot be executed");
	remedy(a, "sudo sysctl -w vm.memfd_noexec=1");
	return true;
}

static bool cause_landlock(const struct inquiry *q, struct answer *a)
{
	if (!is(q, "landlock") || q->code != EOPNOTSUPP)
		return false;
	why(a, "Landlock is built in but was not enabled at boot");
	remedy(a, "add landlock to the list of lsm= on the kernel's command line "
	          "(/sys/kernel/security/lsm shows the present list)");
	return true;
}

static bool cause_initramfs(const struct inquiry *q, struct answer *a)
{
	if (!is(q, "pivot-root") || q->code != EINVAL || !q->f->root_is_initramfs)
		return false;
	why(a, "the root is the initial ramfs, which the kernel cannot pivot away from");
	remedy(a, "copy it to a tmpfs and go there first: exec switch_root /newroot /init");
	return true;
}

static bool cause_listener(const struct inquiry *q, struct answer *a)
{
	if (!is(q, "user-notification") || q->code != EBUSY)
		return false;
	why(a, "an outer supervisor already listens to a filter of this process, and there can be "
	       "one only");
	remedy(a, "run corral outside of that supervisor");
	return true;
}

static bool cause_old_kernel(const struct inquiry *q, struct answer *a)
{
	const struct corral_host_facts *f = q->f;
	bool old = f->kernel_major < q->step->major ||
	           (f->kernel_major == q->step->major && f->kernel_minor < q->step->minor);

	/* An older overlay works for root, and says EPERM in a user namespace. */
	if (!old || (is(q, "overlay") && f->privileged) ||
	    !(q->code == ENOSYS || q->code == EINVAL || q->code == E2BIG || is(q, "overlay")))
		return false;
	why(a, "it needs Linux %u.%u, this is %u.%u", q->step->major, q->step->minor,
	    f->kernel_major, f->kernel_minor);
	remedy(a, "boot Linux %u.%u or later", q->step->major, q->step->minor);
	return true;
}

static bool cause_absent(const struct inquiry *q, struct answer *a)
{
	if (q->code != ENOSYS)
		return false;
	if (q->step->option) {
		why(a, "the kernel was built without %s", q->step->option);
		remedy(a, "boot a kernel with %s=y (those of the distributions have it)",
		       q->step->option);
	} else {
		why(a, "this kernel (or what plays its part) does not know the call");
		remedy(a, "boot Linux %u.%u or later of a distribution", q->step->major,
		       q->step->minor);
	}
	return true;
}

/* Root in name: a container took the capability, and no user namespace was made to get it back. */
static bool cause_capability(const struct inquiry *q, struct answer *a)
{
	if (!(q->step->groups & STEP_PRIVILEGED) || q->code != EPERM || q->f->has_sys_admin)
		return false;
	why(a, "no CAP_SYS_ADMIN here, and none in a user namespace either");
	if (q->f->container != CORRAL_HOST_BARE)
		tell_container_remedy(q, a);
	else
		remedy(a, "mend user namespaces (corral doctor names the line), or run as root");
	return true;
}

static bool cause_no_proc(const struct inquiry *q, struct answer *a)
{
	if (q->f->has_proc || !(is(q, "id-map") || is(q, "newuidmap") || is(q, "mount-proc")))
		return false;
	why(a, "there is no /proc here");
	remedy(a, "sudo mount -t proc proc /proc");
	return true;
}

typedef bool cause_fn(const struct inquiry *q, struct answer *a);

static cause_fn *const causes[] = {
	cause_network,      cause_no_proc,    cause_newuidmap,       cause_namespace_limit,
	cause_memfd,        cause_landlock,   cause_listener,        cause_not_built,
	cause_userns_clone, cause_chroot,     cause_masked_proc,     cause_initramfs,
	cause_seccomp,      cause_old_kernel, cause_apparmor_userns, cause_apparmor_profile,
	cause_selinux,      cause_cgroup,     cause_capability,      cause_absent,
};

void corral_host_reason(const struct corral_host_facts *f, const char *what, int code,
                        char *why_text, size_t why_size, char *remedy_text, size_t remedy_size)
{
	struct answer a = { why_text, remedy_text, why_size, remedy_size };
	struct inquiry q = { f, &unknown_step, code };

	why(&a, "%s", "");
	remedy(&a, "%s", "");
	for (size_t i = 0; i < CORRAL_COUNT(steps); i++)
		if (strcmp(steps[i].what, what) == 0)
			q.step = &steps[i];
	for (size_t i = 0; i < CORRAL_COUNT(causes); i++)
		if (causes[i](&q, &a))
			return;
}

void corral_host_explain(const char *what, int code, char *why_text, size_t why_size,
                         char *remedy_text, size_t remedy_size)
{
	struct corral_host_facts f;

	corral_host_facts_read(&f);
	corral_host_reason(&f, what, code, why_text, why_size, remedy_text, remedy_size);
}
