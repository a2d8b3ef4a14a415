/*
 * A plan in words: what `corral plan` prints, and what a failed step is called in an error.
 */
#include <errno.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/base/cleanup.h"
#include "kernel/host_reason.h"
#include "policy/caps.h"
#include "kernel/plan_build.h"

static const struct {
	const char *name;
	const char *what; /* the word that kernel/host_reason.h knows it by, or NULL */
} kinds[CORRAL_STEP_KIND_END] = {
	[CORRAL_STEP_JOIN_CGROUP] = { "join-cgroup", NULL },
	[CORRAL_STEP_UNSHARE] = { "unshare", "cgroup-namespace" },
	[CORRAL_STEP_SETNS] = { "network", "network-namespace" },
	[CORRAL_STEP_LOOPBACK] = { "loopback", "network-namespace" },
	[CORRAL_STEP_HOSTNAME] = { "hostname", "uts-namespace" },
	[CORRAL_STEP_PRIVATE] = { "private", "mount" },
	[CORRAL_STEP_SCRATCH] = { "scratch", "mount" },
	[CORRAL_STEP_SKELETON] = { "skeleton", NULL },
	[CORRAL_STEP_LAYER] = { "layer", "mount" },
	[CORRAL_STEP_OVERLAY] = { "overlay", "overlay" },
	[CORRAL_STEP_ROOT] = { "root", "mount" },
	[CORRAL_STEP_BIND] = { "bind", "mount" },
	[CORRAL_STEP_SCRATCH_BIND] = { "bind", "mount" },
	[CORRAL_STEP_FILE] = { "file", "mount" },
	[CORRAL_STEP_TMPFS] = { "tmpfs", "mount" },
	[CORRAL_STEP_DEVICES] = { "devices", "mount" },
	[CORRAL_STEP_PROC] = { "proc", "mount-proc" },
	[CORRAL_STEP_DEVPTS] = { "devpts", "devpts" },
	[CORRAL_STEP_MASK] = { "mask", "mount" },
	[CORRAL_STEP_PIVOT] = { "pivot-root", "pivot-root" },
	[CORRAL_STEP_SESSION] = { "session", "keyring" },
	[CORRAL_STEP_USERNS] = { "user-namespace", "user-namespace" },
	[CORRAL_STEP_IDS] = { "drop-ids", "id-map" },
	[CORRAL_STEP_RLIMITS] = { "rlimits", NULL },
	[CORRAL_STEP_CAPS] = { "capabilities", "no-new-privs" },
	[CORRAL_STEP_LANDLOCK] = { "landlock", "landlock" },
	[CORRAL_STEP_SECCOMP] = { "seccomp", "seccomp" },
};

static const struct {
	uint64_t flag;
	const char *name;
} namespaces[] = {
	{ CLONE_NEWUSER, "user" },   { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "pid" },
	{ CLONE_NEWIPC, "ipc" },     { CLONE_NEWUTS, "uts" },  { CLONE_NEWCGROUP, "cgroup" },
	{ CLONE_NEWNET, "network" },
};

static void groups_add(struct corral_buf *out, const struct corral_plan *p,
                       const struct corral_step *s)
{
	const char *blob = (const char *)p->message + s->blob;
	uint32_t n = s->blob_len / (uint32_t)sizeof(uint32_t), gid;

	corral_buf_str(out, n ? n == 1 ? "group" : "groups" : "no other groups");
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&gid, blob + i * sizeof(gid), sizeof(gid));
		corral_buf_fmt(out, " %u", gid);
	}
	if (s->flags & CORRAL_STEP_NO_GROUPS)
		corral_buf_fmt(out, ": the %u of its /etc/group take a range of ids", s->n[1]);
	else if (s->n[1])
		corral_buf_fmt(out, "; without %u of its /etc/group above 65535", s->n[1]);
}

static void namespaces_add(struct corral_buf *out, uint64_t flags)
{
	const char *comma = "";

	for (size_t i = 0; i < CORRAL_COUNT(namespaces); i++)
		if (flags & namespaces[i].flag) {
			corral_buf_fmt(out, "%s%s", comma, namespaces[i].name);
			comma = ", ";
		}
}

static void attributes_add(struct corral_buf *out, uint64_t attr)
{
	corral_buf_fmt(out, " (%s, nosuid%s%s)",
	               attr & MOUNT_ATTR_RDONLY ? "read-only" : "read-write",
	               attr & MOUNT_ATTR_NODEV ? ", nodev" : "",
	               attr & MOUNT_ATTR_NOEXEC ? ", noexec" : "");
}

/* The bytes as people count them. */
static void size_add(struct corral_buf *out, uint64_t bytes)
{
	static const char units[] = " KMGT";
	int u = 0;

	for (; bytes && bytes % 1024 == 0 && u < 4; u++)
		bytes /= 1024;
	corral_buf_fmt(out, "%llu%.*s", (unsigned long long)bytes, u ? 1 : 0, units + u);
}

static void room_add(struct corral_buf *out, uint64_t bytes, uint32_t inodes)
{
	if (bytes)
		size_add(out, bytes);
	else
		corral_buf_str(out, "no limit of");
	corral_buf_str(out, " bytes, ");
	if (inodes)
		corral_buf_fmt(out, "%u inodes", inodes);
	else
		corral_buf_str(out, "no limit of inodes");
}

static const char *source_of(const struct corral_plan *p, const struct corral_step *s)
{
	if (s->fd >= 0 && (unsigned int)s->fd < p->n_slots && p->slots[s->fd].host_path)
		return p->slots[s->fd].host_path;
	return corral_plan_text(p, s->s[0]);
}

static uint64_t attributes_of(const struct corral_plan *p, const struct corral_step *s)
{
	return s->fd >= 0 && (unsigned int)s->fd < p->n_slots ? p->slots[s->fd].attr : s->attr;
}

static const char *mapped_of(const struct corral_plan *p, const struct corral_step *s)
{
	if (s->fd < 0 || (unsigned int)s->fd >= p->n_slots)
		return "";
	switch (p->slots[s->fd].map) {
	case CORRAL_MAP_NONE:
		return "";
	case CORRAL_MAP_RANGE:
		return ", id-mapped";
	case CORRAL_MAP_OWNER:
		return ", id-mapped: its owner is the guest's user";
	}
	return "";
}

static void rlimits_add(struct corral_buf *out, const struct corral_plan *p,
                        const struct corral_step *s)
{
	static const char *const names[] = {
		[RLIMIT_CORE] = "core",         [RLIMIT_NOFILE] = "nofile",
		[RLIMIT_FSIZE] = "fsize",       [RLIMIT_MEMLOCK] = "memlock",
		[RLIMIT_RTPRIO] = "rtprio",     [RLIMIT_NICE] = "nice",
		[RLIMIT_MSGQUEUE] = "msgqueue", [RLIMIT_SIGPENDING] = "sigpending",
		[RLIMIT_NPROC] = "nproc",
	};
	const uint64_t *pair = (const void *)((const char *)p->message + s->blob);
	const char *comma = "";

	for (uint32_t i = 0; i + 16 <= s->blob_len; i += 16, pair += 2) {
		if (pair[0] >= CORRAL_COUNT(names) || !names[pair[0]] || pair[1] == UINT64_MAX)
			continue;
		corral_buf_fmt(out, "%s%s %llu", comma, names[pair[0]],
		               (unsigned long long)pair[1]);
		comma = ", ";
	}
}

static void describe(const struct corral_plan *p, const struct corral_step *s,
                     struct corral_buf *out)
{
	switch ((enum corral_step_kind)s->kind) {
	case CORRAL_STEP_JOIN_CGROUP:
		corral_buf_fmt(out, "the sandbox's control group, hierarchy %u",
		               s->fd >= 0 ? p->slots[s->fd].index + 1 : 1);
		break;
	case CORRAL_STEP_UNSHARE:
		namespaces_add(out, s->attr);
		break;
	case CORRAL_STEP_SETNS:
		corral_buf_fmt(out, "%s namespace made for this sandbox, loopback up",
		               s->n[0] == CORRAL_NETWORK_NONE ? "an empty" : "the");
		if (s->n[0] != CORRAL_NETWORK_NONE)
			corral_buf_fmt(out, ", connected by corral-net (%s)",
			               corral_network_name((enum corral_network_mode)s->n[0]));
		if (s->n[1])
			corral_buf_fmt(out, ", %u of its ports published", s->n[1]);
		break;
	case CORRAL_STEP_LOOPBACK:
		corral_buf_str(out, "lo up");
		break;
	case CORRAL_STEP_HOSTNAME:
		corral_buf_str(out, corral_plan_text(p, s->s[0]));
		break;
	case CORRAL_STEP_PRIVATE:
		corral_buf_str(out, "no mount to or from the host (recursive, private)");
		break;
	case CORRAL_STEP_SCRATCH:
		corral_buf_str(out, "tmpfs for all that is written, ");
		room_add(out, s->attr, s->n[0]);
		break;
	case CORRAL_STEP_SKELETON:
		corral_buf_str(out, "directories, links and a composed /etc");
		break;
	case CORRAL_STEP_LAYER:
		corral_buf_fmt(out, "%s", source_of(p, s));
		attributes_add(out, attributes_of(p, s));
		corral_buf_str(out, mapped_of(p, s));
		break;
	case CORRAL_STEP_OVERLAY:
		corral_buf_fmt(out, "on %s: ", s->s[0] ? corral_plan_text(p, s->s[0]) : "/");
		if (s->attr)
			corral_buf_fmt(out, "%llu frozen layer%s%s", (unsigned long long)s->attr,
			               s->attr > 1 ? "s" : "", s->s[2] ? " on " : "");
		corral_buf_fmt(out, "%s below, what is written in %s", corral_plan_text(p, s->s[2]),
		               s->flags & CORRAL_STEP_KEPT ? "the directory of --keep"
		                                           : "the scratch");
		attributes_add(out, MOUNT_ATTR_NODEV);
		break;
	case CORRAL_STEP_ROOT:
		corral_buf_str(out, s->n[0]                       ? "the overlay"
		                    : s->flags & CORRAL_STEP_KEPT ? "a directory of --keep"
		                                                  : "composed, in the scratch");
		break;
	case CORRAL_STEP_BIND:
		corral_buf_fmt(out, "%s on %s", corral_plan_text(p, s->s[2]),
		               corral_plan_text(p, s->s[1]));
		attributes_add(out, attributes_of(p, s));
		corral_buf_str(out, mapped_of(p, s));
		break;
	case CORRAL_STEP_SCRATCH_BIND:
		corral_buf_fmt(out, "%s on %s",
		               s->flags & CORRAL_STEP_KEPT ? "a directory of --keep"
		                                           : "an empty directory of the scratch",
		               corral_plan_text(p, s->s[1]));
		attributes_add(out, s->attr);
		break;
	case CORRAL_STEP_FILE:
		corral_buf_fmt(out, "%u bytes in memory on %s", s->blob_len,
		               corral_plan_text(p, s->s[1]));
		attributes_add(out, s->attr);
		break;
	case CORRAL_STEP_TMPFS:
		corral_buf_fmt(out, "on %s, ", corral_plan_text(p, s->s[0]));
		room_add(out, s->attr, s->n[0]);
		corral_buf_str(out, " (read-write, nosuid, nodev)");
		break;
	case CORRAL_STEP_DEVICES:
		corral_buf_fmt(out,
		               "on /dev: null zero full random urandom tty, %s (read-only, nosuid, "
		               "noexec)",
		               s->flags & CORRAL_STEP_MKNOD ? "made here" : "bound from the host");
		break;
	case CORRAL_STEP_PROC:
		corral_buf_str(out, "its own on /proc (read-only, nosuid, nodev, noexec)");
		break;
	case CORRAL_STEP_DEVPTS:
		corral_buf_str(out, "its own on /dev/pts (64 terminals, nosuid, noexec)");
		break;
	case CORRAL_STEP_MASK:
		corral_buf_fmt(out, "%s is empty", corral_plan_text(p, s->s[0]));
		break;
	case CORRAL_STEP_PIVOT:
		corral_buf_str(out, "the host's root is gone");
		break;
	case CORRAL_STEP_SESSION:
		corral_buf_str(out,
		               "own session and keyring; signals, umask and scheduling as new");
		break;
	case CORRAL_STEP_USERNS:
		if (s->fd >= 0)
			corral_buf_str(out, "65536 ids of its own, entered last: the mounts belong "
			                    "to the outside");
		else if (s->n[0] > 1)
			corral_buf_str(out,
			               "one below, the same ids: the mounts belong to the outside");
		else
			corral_buf_fmt(
			        out,
			        "one below, you are %u:%u inside: the mounts belong to the outside",
			        s->uid, s->gid);
		break;
	case CORRAL_STEP_IDS:
		corral_buf_fmt(out, "uid %u gid %u, ", s->uid, s->gid);
		groups_add(out, p, s);
		break;
	case CORRAL_STEP_RLIMITS:
		rlimits_add(out, p, s);
		break;
	case CORRAL_STEP_CAPS:
		if (s->attr) {
			corral_buf_str(out, "all dropped but");
			for (unsigned int cap = 0; cap < 64; cap++)
				if (s->attr >> cap & 1 && corral_caps_name(cap))
					corral_buf_fmt(out, " %s", corral_caps_name(cap));
			corral_buf_str(out, "; no_new_privs");
		} else {
			corral_buf_str(out, "all dropped from every set; no_new_privs");
		}
		break;
	case CORRAL_STEP_LANDLOCK:
		if (s->flags & CORRAL_STEP_NO_ROOT) {
			corral_buf_fmt(out,
			               "nothing of the host's files but what is listed%s (ABI %u)",
			               s->n[0] >= 6 ? ", no signal to the outside" : "", s->n[0]);
			break;
		}
		corral_buf_fmt(out, "no device nodes, no change of mounts%s (ABI %u)",
		               s->n[0] >= 6 ? ", no signal or abstract socket of the outside" : "",
		               s->n[0]);
		break;
	case CORRAL_STEP_SECCOMP:
		corral_buf_fmt(out, "%zu instructions, refusals %s",
		               s->blob_len / sizeof(struct sock_filter),
		               s->flags & CORRAL_STEP_NOTIFY ? "told by name"
		                                             : "not told (no user notification)");
		break;
	case CORRAL_STEP_KIND_END:
		break;
	}
}

const char *corral_plan_kind(const struct corral_plan *p, size_t i)
{
	if (i == 0)
		return "clone";
	return kinds[p->message->steps[i - 1].kind].name;
}

void corral_plan_describe(const struct corral_plan *p, size_t i, struct corral_buf *out)
{
	if (i == 0 && !p->clone_flags) {
		corral_buf_str(out, "guest init, in the caller's own namespaces");
		return;
	}
	if (i == 0) {
		corral_buf_str(out, "guest init in new namespaces: ");
		namespaces_add(out, p->clone_flags);
		return;
	}
	describe(p, &p->message->steps[i - 1], out);
}

static const char *not_plain_reason(const struct corral_step *s, int code)
{
	/* In a user namespace mounts of the host's are locked to each other: mount_namespaces(7).
	 */
	if (s->kind == CORRAL_STEP_LAYER && code == EINVAL)
		return "it has mounts below it, which an ordinary user cannot leave out: name a "
		       "directory without any";
	if (code != ENOTDIR)
		return NULL;
	if (s->kind == CORRAL_STEP_PROC)
		return "'/proc' of the root file system is not a directory: a link or file there "
		       "is refused";
	if (s->kind == CORRAL_STEP_DEVICES)
		return "'/dev' of the root file system is not a directory: a link or file there is "
		       "refused";
	return NULL;
}

/* Which path of the confined tier's list a fault is about; NULL for all else. */
static const char *allowed_path(const struct corral_plan *p, const struct corral_step *s,
                                int detail)
{
	const char *blob = (const char *)p->message + s->blob;

	if (s->kind != CORRAL_STEP_LANDLOCK || !(s->flags & CORRAL_STEP_NO_ROOT) || detail < 1)
		return NULL;
	for (uint32_t at = 0; at < s->blob_len;) {
		const struct corral_wire_allow *a = (const void *)(blob + at);

		if (--detail == 0)
			return a->path;
		at += a->size;
	}
	return NULL;
}

/* Sentences for what a caller can get wrong about a mount point; NULL for all else. */
static const char *mount_point_reason(const struct corral_step *s, int code, int detail)
{
	if (s->kind != CORRAL_STEP_BIND && s->kind != CORRAL_STEP_TMPFS &&
	    s->kind != CORRAL_STEP_SCRATCH_BIND)
		return NULL;
	if (detail == 1)
		return NULL;
	switch (code) {
	case EXDEV:
		return "it does not exist in the directory bound there, and corral creates nothing "
		       "in a "
		       "directory of the host: create it, or choose another place";
	case ELOOP:
		return "the path goes through a symbolic link that leads out of the sandbox's root "
		       "or to "
		       "nowhere: choose a place without links";
	case ENOTDIR:
		return "a part of the path is not a directory, or one of source and place is a "
		       "file and the "
		       "other a directory";
	default:
		return NULL;
	}
}

int corral_plan_explain(const struct corral_plan *p, uint32_t step, int code, int detail,
                        struct corral_error *err)
{
	corral_autobuf struct corral_buf what = CORRAL_BUF_INIT;
	char why[240], remedy[280];
	const struct corral_step *s;
	const char *reason;

	if (step >= p->message->n_steps)
		return corral_error_set(err, EPROTO, "guest init named a step that does not exist");
	s = &p->message->steps[step];
	describe(p, s, &what);
	reason = mount_point_reason(s, code, detail);
	if (reason)
		return corral_error_set(err, code, "step %u (%s): mount at '%s': %s", step + 1,
		                        kinds[s->kind].name,
		                        corral_plan_text(p, s->kind == CORRAL_STEP_TMPFS ? s->s[0]
		                                                                         : s->s[1]),
		                        reason);
	reason = not_plain_reason(s, code);
	if (reason)
		return corral_error_set(err, code, "step %u (%s): %s", step + 1,
		                        kinds[s->kind].name, reason);
	reason = allowed_path(p, s, detail);
	if (reason)
		return corral_error_sys(err, code, "step %u (%s): allow '%.200s'", step + 1,
		                        kinds[s->kind].name, reason);
	why[0] = remedy[0] = '\0';
	if (kinds[s->kind].what)
		corral_host_explain(kinds[s->kind].what, code, why, sizeof(why), remedy,
		                    sizeof(remedy));
	(void)corral_error_sys(err, code, "step %u (%s): %.160s", step + 1, kinds[s->kind].name,
	                       what.data ? what.data : "");
	if (err && why[0]) {
		size_t len = strlen(err->text);

		(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s%s%s", why,
		               remedy[0] ? ": " : "", remedy);
	}
	return -code;
}
