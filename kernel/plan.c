#include "kernel/plan_build.h"

#include <errno.h>
#include <linux/mount.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kernel/base/cleanup.h"
#include "kernel/keep.h"
#include "kernel/network/wire.h"
#include "kernel/receipt.h"
#include "kernel/plan_steps.h"
#include "kernel/skeleton.h"

/*
 * Where a host path comes from: as root with the new mount API from a detached copy that the caller
 * made, with all attributes (and the id map) on it; otherwise by path in the child's copy of the
 * host's mounts.
 */
static void source_put(struct corral_build *b, struct corral_step *s, const char *host_path,
                       const char *label, enum corral_slot_map map, uint64_t attr, bool recursive)
{
	struct corral_slot *slot;

	if (is_root(b) && has(b, CORRAL_HOST_NEW_MOUNT_API)) {
		slot = slot_add(b, CORRAL_SLOT_SOURCE, &s->fd);
		slot->host_path = host_path;
		slot->label = label;
		slot->map = has(b, CORRAL_HOST_ID_MAPPED) ? map : CORRAL_MAP_NONE;
		slot->attr = attr;
		slot->recursive = recursive;
		if (slot->map != CORRAL_MAP_NONE)
			b->plan->layers |= CORRAL_LAYER_ID_MAPPED;
		if (has(b, CORRAL_HOST_MOUNT_SETATTR))
			attr = 0;
	} else {
		s->s[0] = text_put(b, host_path);
	}
	s->attr = attr;
	s->flags |= recursive ? CORRAL_STEP_RECURSIVE : 0;
}

static void bind_add(struct corral_build *b, const char *host_path, const char *guest_path,
                     const char *label, enum corral_slot_map map, bool read_only, bool recursive)
{
	struct corral_step *s = step_add(b, CORRAL_STEP_BIND);

	source_put(b, s, host_path, label, map, read_only ? ATTR_RO : ATTR_PLAIN, recursive);
	s->s[1] = text_put(b, guest_path);
	s->s[2] = text_put(b, host_path);
}

/* Mounts on mounts that are attached nowhere, and layers of an overlay among them: Linux 6.15. */
static uint16_t detached(const struct corral_build *b)
{
	const struct corral_host *h = b->facts->host;

	return b->facts->launchpad && b->policy->rootfs_is_host && !b->policy->keep_path &&
	                       (h->kernel_major > 6 ||
	                        (h->kernel_major == 6 && h->kernel_minor >= 15))
	               ? CORRAL_STEP_DETACHED
	               : 0;
}

uint64_t corral_plan_clone_flags(const struct corral_policy *p, const struct corral_plan_facts *f)
{
	uint64_t flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;

	if (f->scheme == CORRAL_ID_HOST)
		return 0;
	flags |= f->launchpad ? 0 : CLONE_NEWNS;
	flags |= f->scheme == CORRAL_ID_RANGE ? 0 : CLONE_NEWUSER;
	flags |= f->n_join ? 0 : CLONE_NEWCGROUP;
	flags |= p->network != CORRAL_NETWORK_HOST && !f->netns_ready ? CLONE_NEWNET : 0;
	return flags;
}

static void enter_steps(struct corral_build *b)
{
	struct corral_plan *plan = b->plan;
	struct corral_step *s;

	plan->clone_flags = corral_plan_clone_flags(b->policy, b->facts);
	plan->layers |= CORRAL_LAYER_PID_NS | CORRAL_LAYER_IPC_NS | CORRAL_LAYER_UTS_NS |
	                CORRAL_LAYER_MOUNT_NS | CORRAL_LAYER_CGROUP_NS;
	if (b->policy->network != CORRAL_NETWORK_HOST)
		plan->layers |= CORRAL_LAYER_NET_NS;
	if (plan->clone_flags & CLONE_NEWNET)
		(void)step_add(b, CORRAL_STEP_LOOPBACK);
	s = step_add(b, CORRAL_STEP_HOSTNAME);
	s->s[0] = text_put(b, b->policy->hostname);
	(void)step_add(b, CORRAL_STEP_PRIVATE);
}

/*
 * What the caller makes while the root is being built comes after it. A cgroup namespace shows as
 * its root the group that its maker is in: so after the last move.
 */
static void late_steps(struct corral_build *b)
{
	const struct corral_plan_facts *f = b->facts;
	struct corral_step *s;

	for (unsigned int i = 0; i < f->n_join; i++) {
		s = step_add(b, CORRAL_STEP_JOIN_CGROUP);
		slot_add(b, CORRAL_SLOT_JOIN, &s->fd)->index = i;
	}
	if (f->n_join) {
		s = step_add(b, CORRAL_STEP_UNSHARE);
		s->attr = CLONE_NEWCGROUP;
	}
	/* With a network also where it has the namespace already: it comes when it is connected. */
	if (b->policy->network != CORRAL_NETWORK_HOST &&
	    (f->netns_ready || corral_policy_has_network(b->policy))) {
		s = step_add(b, CORRAL_STEP_SETNS);
		s->attr = CLONE_NEWNET;
		s->n[0] = b->policy->network;
		s->n[1] = (uint32_t)b->policy->n_publish;
		(void)slot_add(b, CORRAL_SLOT_NETNS, &s->fd);
	}
}

#define OWN_INODES      40
#define NETWORK_INODES  4
#define SKELETON_INODES 56

static void scratch_step(struct corral_build *b)
{
	struct corral_step *s = step_add(b, CORRAL_STEP_SCRATCH);

	s->attr = b->policy->limits.disk_bytes;
	/* What the sandbox itself puts there is not the program's. */
	if (b->policy->limits.disk_inodes)
		s->n[0] = (uint32_t)b->policy->limits.disk_inodes +
		          (b->facts->template_path ? OWN_INODES : OWN_INODES + SKELETON_INODES) +
		          (corral_policy_has_network(b->policy) ? NETWORK_INODES : 0);
	s->flags |= detached(b);
}

/* The numbers of what is attached as layers: the root's lowest, the host's /usr, frozen ones. */
enum { LAYER_ROOT, LAYER_USR, LAYER_FROZEN };
/* Of an image's root, which has its own /usr. */
#define LAYER_WORK_DIR LAYER_USR
#define LAYER_NONE     (~0u)

/*
 * The directory of the host that keeps the changes, with frozen ones beneath it: below overlays, or
 * as root and work directory themselves; or (an ordinary user's who keeps no more) as the root.
 */
static uint16_t keep_steps(struct corral_build *b)
{
	const struct corral_policy *p = b->policy;
	struct corral_step *s;

	if (!p->keep_path)
		return 0;
	s = step_add(b, CORRAL_STEP_LAYER);
	s->flags |= CORRAL_STEP_KEPT;
	s->n[0] = corral_keep_has_parts(p, is_root(b)) ? 0 : 1;
	source_put(b, s, p->keep_path, "--keep", CORRAL_MAP_RANGE, ATTR_PLAIN, false);
	for (size_t i = 0; i < p->n_layers; i++) {
		s = step_add(b, CORRAL_STEP_LAYER);
		s->n[0] = LAYER_FROZEN + (uint32_t)i;
		source_put(b, s, p->layer_paths[i], "layer", CORRAL_MAP_RANGE, ATTR_RO, false);
	}
	return CORRAL_STEP_KEPT;
}

/* On guest_path, or (NULL) as the root: what is written over what is kept frozen over one layer. */
static struct corral_step *overlay_add(struct corral_build *b, uint32_t layer, uint32_t part,
                                       const char *guest_path, const char *what, uint16_t kept)
{
	struct corral_step *s = step_add(b, CORRAL_STEP_OVERLAY);

	s->n[0] = layer;
	s->n[1] = part;
	s->attr = kept ? b->policy->n_layers : 0;
	if (guest_path)
		s->s[0] = text_put(b, guest_path);
	if (what)
		s->s[2] = text_put(b, what);
	s->flags |= kept | (is_root(b) ? 0 : CORRAL_STEP_USERXATTR);
	return s;
}

static void skeleton_add(struct corral_build *b, const struct corral_buf *entries, uint16_t kept)
{
	struct corral_step *s = step_add(b, CORRAL_STEP_SKELETON);

	b->text.failed |= entries->failed;
	s->flags |= kept;
	blob_put(b, s, entries->data, entries->len);
}

/* Directories, links and small files: made for this sandbox, or a layer that was made once. */
static void composed_root_steps(struct corral_build *b, uint16_t kept)
{
	corral_autobuf struct corral_buf entries = CORRAL_BUF_INIT;
	struct corral_step *s;

	if (!b->facts->template_path) {
		corral_skeleton_build(&entries, b->policy, b->facts->etc);
		skeleton_add(b, &entries, kept);
		step_add(b, CORRAL_STEP_ROOT)->flags |= detached(b);
		return;
	}
	corral_skeleton_beside_template(&entries, b->policy);
	s = step_add(b, CORRAL_STEP_LAYER);
	s->flags |= detached(b);
	source_put(b, s, b->facts->template_path, "layer", CORRAL_MAP_RANGE, ATTR_RO, false);
	s = overlay_add(b, LAYER_ROOT, 0, NULL, "a composed root", kept);
	s->flags |= detached(b);
	/* No change of the guest's, so it is not told as one, and goes with the next version. */
	s->flags |= b->policy->keep_work_dir ? CORRAL_STEP_BENEATH : 0;
	if (entries.len)
		blob_put(b, s, entries.data, entries.len);
	s = step_add(b, CORRAL_STEP_ROOT);
	s->n[0] = 1;
}

/* An ordinary user's, whose skeleton was put into the lowest of the layers by kernel/keep.c. */
static void kept_root_steps(struct corral_build *b, uint16_t kept)
{
	struct corral_step *s;

	if (b->policy->n_layers) {
		(void)overlay_add(b, LAYER_NONE, 0, NULL, NULL, kept);
		s = step_add(b, CORRAL_STEP_ROOT);
		s->n[0] = 1;
		return;
	}
	s = step_add(b, CORRAL_STEP_ROOT);
	s->flags |= kept;
	s->s[0] = text_put(b, "k/u0");
}

/* Files that come and go are no business of an overlay's. */
static void temporary_step(struct corral_build *b)
{
	struct corral_step *s = step_add(b, CORRAL_STEP_SCRATCH_BIND);

	s->s[0] = text_put(b, "t");
	s->s[1] = text_put(b, "/tmp");
	s->attr = ATTR_PLAIN;
	s->flags |= CORRAL_STEP_WRITABLE | CORRAL_STEP_STICKY;
	s->n[0] = s->n[1] = b->facts->base;
}

static void host_root_steps(struct corral_build *b)
{
	const struct corral_etc *etc = b->facts->etc;
	uint16_t kept = keep_steps(b);
	struct corral_step *s;

	if (!is_root(b) && b->policy->keep_work_dir)
		kept_root_steps(b, kept);
	else
		composed_root_steps(b, kept);
	if (is_root(b)) {
		s = step_add(b, CORRAL_STEP_LAYER);
		s->flags |= detached(b);
		s->n[0] = LAYER_USR;
		source_put(b, s, "/usr", "layer", CORRAL_MAP_RANGE, ATTR_RO, false);
		s = overlay_add(b, LAYER_USR, 1, "/usr", "/usr", kept);
		s->flags |= detached(b);
	} else {
		/*
		 * With one id the guest owns nothing below /usr and could change nothing in an
		 * overlay, which would only add its code to what a guest can reach.
		 */
		bind_add(b, "/usr", "/usr", "layer", CORRAL_MAP_NONE, true, true);
	}
	for (unsigned int i = 0; i < etc->n_top_dirs; i++)
		bind_add(b, etc->top_dirs[i], etc->top_dirs[i], "layer", CORRAL_MAP_RANGE, true,
		         !is_root(b));
	for (unsigned int i = 0; i < etc->n_bind; i++)
		if (!(b->facts->template_has & 1u << i))
			bind_add(b, etc->bind[i], etc->bind[i], "host file", CORRAL_MAP_RANGE, true,
			         !is_root(b));
	/* The host's own configuration of what lies in /usr/local. */
	s = step_add(b, CORRAL_STEP_MASK);
	s->s[0] = text_put(b, "/usr/local/etc");
	if (b->facts->template_path || kept)
		temporary_step(b);
}

static void dir_root_steps(struct corral_build *b)
{
	uint16_t kept = keep_steps(b);
	struct corral_step *s = step_add(b, CORRAL_STEP_LAYER);

	source_put(b, s, b->policy->rootfs_path, b->policy->rootfs_is_image ? "image" : "--rootfs",
	           CORRAL_MAP_RANGE, ATTR_RO, false);
	s->s[2] = text_put(b, b->policy->rootfs_path);
	(void)overlay_add(b, LAYER_ROOT, 0, NULL, b->policy->rootfs_path, kept);
	s = step_add(b, CORRAL_STEP_ROOT);
	s->n[0] = 1;
	if (kept)
		temporary_step(b);
}

/*
 * Docker's list, and what newer ones add; and locks, as those that belong to an open file have no
 * process by which a pid namespace could leave them out: ours on ranges of ids are such. What is
 * only to be read-only is so by /proc being read-only.
 */
static const char *const masked[] = {
	"/proc/acpi",        "/proc/asound", "/proc/interrupts", "/proc/kcore",
	"/proc/keys",        "/proc/kmsg",   "/proc/locks",      "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi",   "/proc/timer_list", "/proc/timer_stats",
};

static void kernel_fs_steps(struct corral_build *b)
{
	struct corral_step *s;

	(void)step_add(b, CORRAL_STEP_PROC);
	for (size_t i = 0; i < CORRAL_COUNT(masked); i++) {
		s = step_add(b, CORRAL_STEP_MASK);
		s->s[0] = text_put(b, masked[i]);
	}
	s = step_add(b, CORRAL_STEP_DEVICES);
	s->flags |= is_root(b) ? CORRAL_STEP_MKNOD : 0;
	s = step_add(b, CORRAL_STEP_SCRATCH_BIND);
	s->s[0] = text_put(b, "s");
	s->s[1] = text_put(b, "/dev/shm");
	s->attr = ATTR_PLAIN | MOUNT_ATTR_NOEXEC;
	s = step_add(b, CORRAL_STEP_DEVPTS);
	/* Terminals belong to group 5 where that exists; with one id, to the guest. */
	s->n[0] = b->facts->scheme == CORRAL_ID_SINGLE ? ~0u : b->facts->base + 5;
}

static void mount_add(struct corral_build *b, const struct corral_config_mount *m)
{
	struct corral_step *s;

	if (m->kind != CORRAL_MOUNT_TMPFS) {
		bind_add(b, m->host_path, m->guest_path,
		         m->kind == CORRAL_MOUNT_BIND ? "--bind" : "--ro-bind", CORRAL_MAP_OWNER,
		         m->kind == CORRAL_MOUNT_RO_BIND, true);
		return;
	}
	s = step_add(b, CORRAL_STEP_TMPFS);
	s->s[0] = text_put(b, m->guest_path);
	s->attr = m->size_bytes ? m->size_bytes : b->policy->limits.disk_bytes;
	s->n[0] = (uint32_t)b->policy->limits.disk_inodes;
	s->n[1] =
	        !strcmp(m->guest_path, "/tmp") || !strcmp(m->guest_path, "/var/tmp") ? 01777 : 0755;
	s->uid += b->facts->scheme == CORRAL_ID_SINGLE ? 0 : b->policy->guest_uid;
	s->gid += b->facts->scheme == CORRAL_ID_SINGLE ? 0 : b->policy->guest_gid;
}

static void work_dir_step(struct corral_build *b)
{
	const struct corral_policy *p = b->policy;
	struct corral_step *s;

	if (p->bare_work_dir)
		return;
	if (p->workspace_path) {
		bind_add(b, p->workspace_path, p->work_dir, "--workspace", CORRAL_MAP_OWNER, false,
		         true);
	} else if (p->work_dir_base) {
		s = step_add(b, CORRAL_STEP_LAYER);
		s->n[0] = LAYER_WORK_DIR;
		source_put(b, s, p->work_dir_base, "image", CORRAL_MAP_RANGE, ATTR_RO, false);
		s->s[2] = text_put(b, p->work_dir_base);
		(void)overlay_add(b, LAYER_WORK_DIR, 2, p->work_dir, p->work_dir_base,
		                  CORRAL_STEP_KEPT);
	} else if (p->keep_work_dir && p->n_layers) {
		(void)overlay_add(b, LAYER_NONE, 2, p->work_dir, NULL, CORRAL_STEP_KEPT);
	} else if (p->keep_work_dir) {
		s = step_add(b, CORRAL_STEP_SCRATCH_BIND);
		s->s[0] = text_put(b, "k/u2");
		s->s[1] = text_put(b, p->work_dir);
		s->attr = ATTR_PLAIN;
		s->flags |= CORRAL_STEP_KEPT;
	} else {
		/* In the scratch, under the one limit; its own directory, since the root may belong
		 * to somebody else. */
		s = step_add(b, CORRAL_STEP_SCRATCH_BIND);
		s->s[0] = text_put(b, "h");
		s->s[1] = text_put(b, p->work_dir);
		s->attr = ATTR_PLAIN;
		s->flags |= CORRAL_STEP_WRITABLE;
		if (b->facts->scheme != CORRAL_ID_SINGLE) {
			s->n[0] = b->facts->base + p->guest_uid;
			s->n[1] = b->facts->base + p->guest_gid;
		}
	}
}

static void file_add(struct corral_build *b, const char *name, const char *guest_path,
                     const char *text)
{
	struct corral_step *s = step_add(b, CORRAL_STEP_FILE);

	s->s[0] = text_put(b, name);
	s->s[1] = text_put(b, guest_path);
	s->attr = ATTR_PLAIN;
	blob_put(b, s, text, strlen(text));
}

/*
 * Over whatever the root has there, which is of another network. The names of a composed root are
 * in its skeleton already.
 */
static void network_steps(struct corral_build *b)
{
	const struct corral_policy *p = b->policy;
	char hosts[256];

	if (p->network != CORRAL_NETWORK_BRIDGE && p->network != CORRAL_NETWORK_ALLOW)
		return;
	file_add(b, "n0", "/etc/resolv.conf", "nameserver " CORRAL_NET_RESOLVER "\n");
	if (p->rootfs_is_host)
		return;
	corral_skeleton_hosts(p->hostname, hosts, sizeof(hosts));
	file_add(b, "n1", "/etc/hosts", hosts);
	(void)snprintf(hosts, sizeof(hosts), "%s\n", p->hostname);
	file_add(b, "n2", "/etc/hostname", hosts);
}

static void user_mount_steps(struct corral_build *b)
{
	const struct corral_policy *p = b->policy;

	work_dir_step(b);
	if (p->network == CORRAL_NETWORK_HOST) {
		bind_add(b, "/etc/resolv.conf", "/etc/resolv.conf", "host file", CORRAL_MAP_NONE,
		         true, false);
		b->steps[b->n_steps - 1].flags |= CORRAL_STEP_OPTIONAL;
	}
	network_steps(b);
	for (size_t i = 0; i < p->n_mounts; i++)
		mount_add(b, &p->mounts[i]);
}

bool corral_plan_counts_processes(const struct corral_plan_facts *f)
{
	const struct corral_host *h = f->host;

	switch (f->scheme) {
	case CORRAL_ID_RANGE:
		return true;
	case CORRAL_ID_SINGLE:
		return h->kernel_major > 5 || (h->kernel_major == 5 && h->kernel_minor >= 14);
	case CORRAL_ID_HOST:
		/* Others of the same user count as well: a start may be refused, but a fork bomb is
		 * bounded. */
		return true;
	case CORRAL_ID_SUBIDS:
		return false;
	}
	return false;
}

bool corral_plan_limits_processes(const struct corral_plan_facts *f)
{
	/* The kernel lets its own root have as many as it likes, whatever capabilities that has
	 * lost. */
	return f->scheme == CORRAL_ID_SINGLE && !f->cgroup_pids && f->host->uid != 0 &&
	       corral_plan_counts_processes(f);
}

void corral_plan_rlimits(struct corral_build *b)
{
	const struct corral_limits *l = &b->policy->limits;
	uint64_t pairs[18];
	size_t n = 0;
	struct corral_step *s = step_add(b, CORRAL_STEP_RLIMITS);

#define RLIMIT_PUT(which, value) (pairs[n++] = (which), pairs[n++] = (value))
	/*
	 * 1, not 0: a core pattern that is a pipe ignores 0, but 1 means "do not dump" to it
	 * (core(5)); the seccomp profile keeps the guest from setting it back.
	 */
	RLIMIT_PUT(RLIMIT_CORE, 1);
	RLIMIT_PUT(RLIMIT_NOFILE, l->open_files ? l->open_files : 1048576);
	RLIMIT_PUT(RLIMIT_FSIZE, l->file_size_bytes ? l->file_size_bytes : UINT64_MAX);
	RLIMIT_PUT(RLIMIT_MEMLOCK, 8u << 20);
	/*
	 * Where ids are the sandbox's own, processes are counted for it alone (of its own range, or
	 * in its user namespace since 5.14): a fence against fork bombs that needs no control
	 * group. A little wider than the limit where a control group has that, as it tells when it
	 * was reached.
	 */
	if (l->pids && corral_plan_counts_processes(b->facts))
		RLIMIT_PUT(RLIMIT_NPROC,
		           corral_plan_limits_processes(b->facts) ? l->pids : l->pids + 16);
	RLIMIT_PUT(RLIMIT_RTPRIO, 0);
	RLIMIT_PUT(RLIMIT_NICE, 0);
	RLIMIT_PUT(RLIMIT_MSGQUEUE, 819200);
	RLIMIT_PUT(RLIMIT_SIGPENDING, 8192);
#undef RLIMIT_PUT
	blob_put(b, s, pairs, n * sizeof(pairs[0]));
	b->plan->layers |= CORRAL_LAYER_RLIMITS;
}

/*
 * Groups of the guest's beside its first: with one id alone there are none, and setgroups(2) is
 * denied for good. After the namespace is entered, where they mean the sandbox's own numbers, and
 * before the ids and the capabilities go, which it takes.
 */
static void groups_put(struct corral_build *b, struct corral_step *s)
{
	const struct corral_policy *p = b->policy;

	if (b->facts->scheme == CORRAL_ID_SINGLE) {
		s->n[1] = p->n_groups + p->n_groups_beyond;
		s->flags |= s->n[1] ? CORRAL_STEP_NO_GROUPS : 0;
		return;
	}
	s->n[1] = p->n_groups_beyond;
	if (p->n_groups)
		blob_put(b, s, p->guest_groups, p->n_groups * sizeof(p->guest_groups[0]));
}

static void confine_steps(struct corral_build *b)
{
	const struct corral_policy *p = b->policy;
	struct corral_plan *plan = b->plan;
	struct corral_step *s;
	int16_t lease = -1, image = -1;

	(void)step_add(b, CORRAL_STEP_SESSION);
	plan->layers |= CORRAL_LAYER_KEYRING | CORRAL_LAYER_USER_NS;
	s = step_add(b, CORRAL_STEP_USERNS);
	s->uid = p->guest_uid;
	s->gid = p->guest_gid;
	if (is_root(b)) {
		(void)slot_add(b, CORRAL_SLOT_USERNS, &s->fd);
		(void)slot_add(b, CORRAL_SLOT_LEASE, &lease);
		plan->layers |= CORRAL_LAYER_ID_RANGE;
	} else {
		s->n[0] = b->facts->scheme == CORRAL_ID_SUBIDS ? 65536 : 1;
	}
	if (p->rootfs_is_image)
		(void)slot_add(b, CORRAL_SLOT_IMAGE, &image);
	plan->layers |= CORRAL_LAYER_MOUNTS_LOCKED;
	s = step_add(b, CORRAL_STEP_IDS);
	s->uid = p->guest_uid;
	s->gid = p->guest_gid;
	s->fd = lease; /* stays open until guest init is gone, and with it the last process of these
	                  ids */
	s->n[0] = (uint32_t)(image + 1); /* and with it the last that uses the root */
	groups_put(b, s);
	s = step_add(b, CORRAL_STEP_CAPS);
	s->attr = p->caps;
	plan->layers |= CORRAL_LAYER_CAPS | CORRAL_LAYER_NO_NEW_PRIVS | CORRAL_LAYER_SECCOMP;
	if (has(b, CORRAL_HOST_LANDLOCK)) {
		s = step_add(b, CORRAL_STEP_LANDLOCK);
		s->n[0] = (uint32_t)b->facts->host->landlock_abi;
		plan->layers |= CORRAL_LAYER_LANDLOCK;
	}
	/* Late: a small limit of open files would hinder the steps before. */
	corral_plan_rlimits(b);
	s = step_add(b, CORRAL_STEP_SECCOMP);
	blob_put(b, s, p->seccomp.insns, p->seccomp.n_insns * sizeof(struct sock_filter));
	s->flags |= has(b, CORRAL_HOST_USER_NOTIF) ? CORRAL_STEP_NOTIFY : 0;
}

static uint32_t absolute(uint32_t offset, uint32_t start)
{
	return offset ? offset - 1 + start : 0;
}

static uint32_t wire_features(const struct corral_build *b)
{
	return (b->facts->scheme == CORRAL_ID_HOST ? CORRAL_WIRE_CONFINED : 0) |
	       (b->facts->one_thread ? CORRAL_WIRE_ONE_THREAD : 0) |
	       (has(b, CORRAL_HOST_NEW_MOUNT_API) ? CORRAL_WIRE_NEW_MOUNT_API : 0) |
	       (has(b, CORRAL_HOST_MOUNT_SETATTR) ? CORRAL_WIRE_MOUNT_SETATTR : 0) |
	       (has(b, CORRAL_HOST_OPENAT2) ? CORRAL_WIRE_OPENAT2 : 0);
}

/* One mapping: head, steps, texts; read-only from now on. */
static int seal(struct corral_build *b, struct corral_error *err)
{
	size_t steps_size = b->n_steps * sizeof(struct corral_step);
	uint32_t start =
	        (uint32_t)((sizeof(struct corral_wire_launch) + steps_size + 7) & ~(size_t)7);
	size_t size = start + b->text.len;
	struct corral_plan *plan = b->plan;
	struct corral_wire_launch *m;

	if (b->text.failed)
		return corral_error_set(err, ENOMEM, "compile the plan: out of memory");
	if (b->overflow || size > CORRAL_WIRE_MAX)
		return corral_error_set(
		        err, E2BIG,
		        "too many mounts for one sandbox: bind a directory that holds them");
	m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
	         0);
	if (m == MAP_FAILED)
		return corral_error_sys(err, errno, "compile the plan");
	m->head.type = CORRAL_WIRE_LAUNCH;
	m->head.size = (uint32_t)size;
	m->features = wire_features(b);
	m->n_steps = b->n_steps;
	memcpy(m->steps, b->steps, steps_size);
	if (b->text.len)
		memcpy((char *)m + start, b->text.data, b->text.len);
	for (uint32_t i = 0; i < b->n_steps; i++) {
		for (int k = 0; k < 3; k++)
			m->steps[i].s[k] = absolute(m->steps[i].s[k], start);
		m->steps[i].blob = absolute(m->steps[i].blob, start);
	}
	(void)mprotect(m, size, PROT_READ);
	plan->message = m;
	plan->map_size = size;
	return 0;
}

static bool needs_id_mapped(const struct corral_policy *p)
{
	if (p->workspace_path)
		return true;
	for (size_t i = 0; i < p->n_mounts; i++)
		if (p->mounts[i].kind == CORRAL_MOUNT_BIND)
			return true;
	return false;
}

static int full_steps(struct corral_build *b)
{
	b->stage = CORRAL_STAGE_PREPARE;
	enter_steps(b);
	b->stage = CORRAL_STAGE_ROOT;
	scratch_step(b);
	if (b->policy->rootfs_is_host)
		host_root_steps(b);
	else
		dir_root_steps(b);
	kernel_fs_steps(b);
	user_mount_steps(b);
	step_add(b, CORRAL_STEP_PIVOT)->flags |= detached(b);
	b->plan->layers |= CORRAL_LAYER_ROOT | (b->facts->has_cgroup ? CORRAL_LAYER_CGROUP : 0);
	b->stage = CORRAL_STAGE_CONFINE;
	late_steps(b);
	confine_steps(b);
	return 0;
}

int corral_plan_compile(const struct corral_policy *p, const struct corral_plan_facts *f,
                        struct corral_plan **ret, struct corral_error *err)
{
	struct corral_build *b;
	int r;

	if (f->scheme == CORRAL_ID_RANGE && !(f->host->features & CORRAL_HOST_ID_MAPPED) &&
	    needs_id_mapped(p))
		return corral_error_set(err, EOPNOTSUPP,
		                        "a directory of the host cannot be writable in a sandbox "
		                        "with ids of its own "
		                        "before Linux 5.19 (id-mapped mounts): run as an ordinary "
		                        "user, or use --ro-bind");
	r = corral_keep_check(p, f, err);
	if (r < 0)
		return r;
	b = malloc(sizeof(*b));
	if (b) {
		memset(b, 0, offsetof(struct corral_build, steps));
		b->text = (struct corral_buf)CORRAL_BUF_INIT;
		b->plan = calloc(1, sizeof(*b->plan));
	}
	if (!b || !b->plan) {
		free(b);
		return corral_error_set(err, ENOMEM, "compile the plan: out of memory");
	}
	b->policy = p;
	b->facts = f;
	r = f->scheme == CORRAL_ID_HOST ? corral_plan_confined(b, err) : full_steps(b);
	if (r == 0)
		r = seal(b, err);
	corral_buf_done(&b->text);
	if (r < 0)
		corral_plan_free(b->plan);
	else
		*ret = b->plan;
	free(b);
	return r;
}

void corral_plan_free(struct corral_plan *p)
{
	if (!p)
		return;
	if (p->message)
		(void)munmap(p->message, p->map_size);
	free(p);
}

size_t corral_plan_count(const struct corral_plan *p)
{
	return p->message->n_steps + 1u;
}

const char *corral_plan_text(const struct corral_plan *p, uint32_t offset)
{
	return offset ? (const char *)p->message + offset : "";
}
