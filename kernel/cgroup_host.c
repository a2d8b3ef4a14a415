/*
 * Finds where groups of ours can live, once per process.
 *
 * The usual places are tried first: reading /proc/self/mountinfo costs a millisecond on a host with
 * a thousand mounts, and fstatfs() tells a control group from anything else. Only where something
 * is missing are the kernel's texts read. On each hierarchy the mounted root comes first, as root
 * wants it; then, on v2, a parent that was delegated to us (ours is a leaf somebody made for the
 * purpose), then our own group.
 *
 * v2 has one more turn: a group that holds processes cannot hand controllers to children. When our
 * own group is all we have, was delegated, and holds this process alone, we move into a leaf below
 * it, and back when the host is closed.
 */
#include "kernel/cgroup_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"

#define TOP         "/sys/fs/cgroup"
#define SCOPE       "systemd-run --user --scope -p Delegate=yes -- corral ..."
#define LIMITS_MASK (1u << CORRAL_CGROUP_MEMORY | 1u << CORRAL_CGROUP_PIDS)

const char *const corral_cgroup_ctl_names[CORRAL_CGROUP_CTLS] = { "memory", "pids", "cpu",
	                                                          "freezer" };

/* What discovery has read so far; each text is read at most once, and only when needed. */
struct look {
	struct corral_cgroup_host *h;
	int top_fd; /* -1 when there is nothing */
	bool top_is_v2;
	char *mountinfo, *own;
	bool sweep_v2;
};

static void look_done(struct look *k)
{
	corral_fd_closep(&k->top_fd);
	free(k->mountinfo);
	free(k->own);
}

static void why_set(struct corral_cgroup_host *h, unsigned int ctl, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

static void why_set(struct corral_cgroup_host *h, unsigned int ctl, const char *fmt, ...)
{
	va_list ap;

	if (ctl >= CORRAL_CGROUP_LIMITERS)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(h->why[ctl], sizeof(h->why[ctl]), fmt, ap);
	va_end(ap);
}

/* Empty when it cannot be read: then there is nothing to be found in it either. */
static const char *text_get(char **text, const char *path, size_t max)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;

	if (!*text) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && corral_buf_read_fd(&b, fd, max) < 0)
			corral_buf_done(&b);
		*text = corral_buf_take(&b);
	}
	return *text ? *text : "";
}

static const char *own_get(struct look *k)
{
	return text_get(&k->own, "/proc/self/cgroup", 1u << 20);
}

static const char *mountinfo_get(struct look *k)
{
	return text_get(&k->mountinfo, "/proc/self/mountinfo", CORRAL_CGROUP_MOUNTINFO_MAX);
}

static long magic_of(const char *controller)
{
	return controller ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC;
}

/* Opens the mount that the kernel names; path and root of it go to ret. */
static int mounted(struct look *k, const char *controller, struct corral_cgroup_mount *ret)
{
	int r = corral_cgroup_parse_mount(mountinfo_get(k), controller, ret);

	return r < 0 ? r : corral_cgroup_open_dir(AT_FDCWD, ret->point, magic_of(controller));
}

/*
 * Our own group below the mount. The usual mounts show the whole of what our cgroup namespace has;
 * where the path does not lead anywhere, it shows a part, and mountinfo says which.
 */
static int own_open(struct look *k, int mount_fd, const char *controller, const char **ret_below,
                    char *own, size_t size)
{
	corral_autofree char *root = NULL;
	struct statx sx;
	int fd, r = corral_cgroup_parse_own(own_get(k), controller, own, size);

	if (r < 0)
		return r;
	*ret_below = own + strspn(own, "/");
	fd = corral_cgroup_walk(mount_fd, *ret_below, magic_of(controller));
	if (fd != -ENOENT)
		return fd;
	root = malloc(CORRAL_CGROUP_PATH_MAX);
	if (!root)
		return -ENOMEM;
	if (statx(mount_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (!(sx.stx_mask & STATX_MNT_ID)) /* before 5.8 */
		return -ENOENT;
	r = corral_cgroup_parse_root(mountinfo_get(k), sx.stx_mnt_id, root, CORRAL_CGROUP_PATH_MAX);
	if (r == 0)
		r = corral_cgroup_parse_below(own, root, ret_below);
	return r < 0 ? r : corral_cgroup_walk(mount_fd, *ret_below, magic_of(controller));
}

/* Makes our parent group there, or sees whether we may use the one that is. */
static int parent_try(int base_fd, bool *ret_found)
{
	for (unsigned int i = 0; i < CORRAL_CGROUP_RETRIES_MAX; i++) {
		if (mkdirat(base_fd, CORRAL_CGROUP_PARENT, 0755) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		if (faccessat(base_fd, CORRAL_CGROUP_PARENT, W_OK | X_OK, AT_EACCESS) == 0) {
			*ret_found = true;
			return 0;
		}
		if (errno != ENOENT) /* else its last user removed it a moment ago */
			return -errno;
	}
	return -EBUSY;
}

/* Without controllers to hand on no parent is needed: the operator's, or none. */
static int seat_try(int base_fd, const char **ret_prefix)
{
	struct stat st;

	*ret_prefix = CORRAL_CGROUP_NESTED;
	if (fstatat(base_fd, CORRAL_CGROUP_PARENT, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_uid == geteuid() &&
	    faccessat(base_fd, CORRAL_CGROUP_PARENT, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	*ret_prefix = CORRAL_CGROUP_FLAT;
	return faccessat(base_fd, ".", W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int v1_mount_open(struct look *k, enum corral_cgroup_ctl ctl)
{
	/* systemd mounts cpu and cpuacct as one, and makes "cpu" a link to it. */
	static const char *const usual[CORRAL_CGROUP_CTLS][3] = {
		[CORRAL_CGROUP_MEMORY] = { "memory" },
		[CORRAL_CGROUP_PIDS] = { "pids" },
		[CORRAL_CGROUP_CPU] = { "cpu", "cpu,cpuacct", "cpuacct,cpu" },
		[CORRAL_CGROUP_FREEZER] = { "freezer" },
	};
	const char *controller = corral_cgroup_ctl_names[ctl];
	corral_autofree struct corral_cgroup_mount *m = NULL;
	char own[CORRAL_CGROUP_PATH_MAX];

	for (unsigned int i = 0; i < 3 && usual[ctl][i] && k->top_fd >= 0; i++) {
		int fd = corral_cgroup_open_dir(k->top_fd, usual[ctl][i], CGROUP_SUPER_MAGIC);

		if (fd >= 0)
			return fd;
	}
	if (corral_cgroup_parse_own(own_get(k), controller, own, sizeof(own)) == -ENOENT)
		return -ENOENT;
	m = malloc(sizeof(*m));
	return m ? mounted(k, controller, m) : -ENOMEM;
}

static void v1_refused(struct corral_cgroup_host *h, enum corral_cgroup_ctl ctl, int r)
{
	const char *name = corral_cgroup_ctl_names[ctl];

	if (r == -EROFS)
		why_set(h, ctl,
		        "the %s hierarchy (cgroup v1) is mounted read-only, as in a container; "
		        "start the container with a writable one: docker run --privileged ...",
		        name);
	else if (r == -EACCES || r == -EPERM)
		why_set(h, ctl,
		        "the %s hierarchy is cgroup v1, which only root may write; run corral as "
		        "root, or boot with systemd.unified_cgroup_hierarchy=1 and use: " SCOPE,
		        name);
	else
		why_set(h, ctl, "the %s hierarchy (cgroup v1) refused a group: %s", name,
		        strerrordesc_np(-r) ? strerrordesc_np(-r) : "unknown error");
}

static bool same_dir(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* 1 when the controller lives on a v1 hierarchy, usable or not; 0 when there is none. */
static int v1_find(struct look *k, enum corral_cgroup_ctl ctl)
{
	struct corral_cgroup_host *h = k->h;
	corral_autofd int fd = v1_mount_open(k, ctl);
	char own[CORRAL_CGROUP_PATH_MAX];
	const char *below;
	int r;

	if (fd < 0)
		return 0;
	r = seat_try(fd, &h->v1_prefix[ctl]);
	if (r == -EACCES || r == -EPERM || r == -EROFS) {
		corral_autofd int own_fd =
		        own_open(k, fd, corral_cgroup_ctl_names[ctl], &below, own, sizeof(own));

		if (own_fd >= 0 && *below && seat_try(own_fd, &h->v1_prefix[ctl]) == 0) {
			(void)close(fd);
			fd = corral_take_fd(&own_fd);
			r = 0;
		}
	}
	if (r < 0) {
		v1_refused(h, ctl, r);
		return 1;
	}
	for (unsigned int i = 0; i < ctl && !h->v1_twin[ctl]; i++)
		h->v1_twin[ctl] = h->v1_base[i] >= 0 && same_dir(h->v1_base[i], fd);
	h->v1_base[ctl] = corral_take_fd(&fd);
	h->ctl[ctl] = &corral_cgroup_v1_ops;
	return 1;
}

/* Ours to divide: owned by us, or marked by systemd (which may keep the directory root's). */
static bool marked_delegated(int fd)
{
	char value[2];

	return (fgetxattr(fd, "user.delegate", value, sizeof(value)) == 1 ||
	        fgetxattr(fd, "trusted.delegate", value, sizeof(value)) == 1) &&
	       value[0] == '1';
}

static bool owned(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid();
}

/* Moves this process below its own group and enables there what was asked for; or changes nothing.
 */
static int v2_make_room(struct corral_cgroup_host *h, int base_fd, uint32_t ctls)
{
	static const char procs[] = CORRAL_CGROUP_SUPERVISOR "/cgroup.procs";
	int r;

	if (!owned(base_fd) && !marked_delegated(base_fd))
		return -EPERM;
	r = corral_cgroup_alone(base_fd);
	if (r <= 0)
		return r < 0 ? r : -EBUSY;
	if (mkdirat(base_fd, CORRAL_CGROUP_SUPERVISOR, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = corral_cgroup_write(base_fd, procs, "0");
	if (r == 0) {
		h->v2_moved = true;
		r = corral_cgroup_v2_prepare(base_fd, ctls, &h->v2_undo);
		if (r == 0)
			return 0;
		if (!h->v2_undo && corral_cgroup_write(base_fd, "cgroup.procs", "0") == 0)
			h->v2_moved = false;
	}
	if (!h->v2_moved)
		(void)unlinkat(base_fd, CORRAL_CGROUP_SUPERVISOR, AT_REMOVEDIR);
	return r;
}

struct v2_seat {
	int fd; /* -1: none yet */
	const char *prefix;
	uint32_t have; /* controllers that groups there will have */
	uint32_t offer;
	int refused; /* why controllers that it has could not be handed on; 0 */
};

/*
 * One candidate for the base on the v2 tree. Takes the place of what was found before when it has
 * more to give. -errno when not even a group can be made there.
 */
static int v2_try(struct look *k, int base_fd, uint32_t want, bool own, struct v2_seat *best)
{
	struct corral_cgroup_host *h = k->h;
	struct v2_seat seat = { .fd = -1, .prefix = CORRAL_CGROUP_NESTED };
	bool found = true, flat;
	int r = want ? parent_try(base_fd, &found) : seat_try(base_fd, &seat.prefix);

	if (r < 0)
		return r;
	flat = strcmp(seat.prefix, CORRAL_CGROUP_FLAT) == 0;
	seat.offer = want & corral_cgroup_v2_set(base_fd, "cgroup.controllers");
	r = flat ? 0 : corral_cgroup_v2_prepare(base_fd, seat.offer & LIMITS_MASK, NULL);
	if (r == -EBUSY && own) /* all that it offers, since it must not be asked again */
		r = v2_make_room(h, base_fd, seat.offer);
	seat.refused = r;
	seat.have = corral_cgroup_v2_set(base_fd, CORRAL_CGROUP_PARENT "/cgroup.subtree_control");
	if (best->fd >= 0 && (best->have || !seat.have)) {
		if (!found)
			(void)unlinkat(base_fd, CORRAL_CGROUP_PARENT, AT_REMOVEDIR);
		return 0;
	}
	seat.fd = fcntl(base_fd, F_DUPFD_CLOEXEC, 3);
	if (seat.fd < 0)
		return -errno;
	if (best->fd >= 0) {
		if (!k->sweep_v2 && !same_dir(best->fd, base_fd))
			(void)unlinkat(best->fd, CORRAL_CGROUP_PARENT, AT_REMOVEDIR);
		(void)close(best->fd);
	}
	k->sweep_v2 = found;
	*best = seat;
	return 0;
}

/* A parent is ours when we moved below it before, or when it was delegated as a whole. */
static bool parent_is_ours(int parent_fd, const char *below)
{
	const char *leaf = strrchr(below, '/');

	leaf = leaf ? leaf + 1 : below;
	return owned(parent_fd) &&
	       (strcmp(leaf, CORRAL_CGROUP_SUPERVISOR) == 0 || marked_delegated(parent_fd));
}

static int v2_try_own(struct look *k, int mount_fd, uint32_t want, struct v2_seat *seat, char *own,
                      size_t size)
{
	corral_autofd int own_fd = -1, parent_fd = -1;
	const char *below, *slash;
	int r;

	own_fd = own_open(k, mount_fd, NULL, &below, own, size);
	if (own_fd < 0)
		return own_fd;
	if (*below) {
		char parent[CORRAL_CGROUP_PATH_MAX];

		slash = strrchr(below, '/');
		(void)snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - below) : 0,
		               below);
		parent_fd = corral_cgroup_walk(mount_fd, parent, CGROUP2_SUPER_MAGIC);
		if (parent_fd >= 0 && parent_is_ours(parent_fd, below) &&
		    v2_try(k, parent_fd, want, false, seat) == 0 && seat->have)
			return 0;
	}
	r = v2_try(k, own_fd, want, true, seat);
	return r < 0 && seat->fd >= 0 ? 0 : r;
}

static void v2_refused(struct corral_cgroup_host *h, unsigned int ctl, int r, const char *own)
{
	if (r == -EROFS)
		why_set(h, ctl,
		        "the cgroup v2 tree is mounted read-only, as in a container; start the "
		        "container with a writable one: docker run --privileged ...");
	else if ((r == -EACCES || r == -EPERM) && geteuid() == 0)
		why_set(h, ctl,
		        "the cgroup v2 tree cannot be written even by root here, as in an "
		        "unprivileged container; delegate one to it, or: docker run --privileged "
		        "...");
	else if (r == -EACCES || r == -EPERM)
		why_set(h, ctl,
		        "cgroup %.120s is not delegated to this user; start corral in one "
		        "that is: " SCOPE,
		        own);
	else if (r == -EBUSY && geteuid() == 0)
		why_set(h, ctl,
		        "cgroup %.40s holds other processes, so that it cannot hand on its "
		        "controllers; move them below it: cd " TOP "%.40s && mkdir -p init && for "
		        "p in $(cat cgroup.procs); do echo $p > init/cgroup.procs; done",
		        own, strcmp(own, "/") == 0 ? "" : own);
	else if (r == -EBUSY)
		why_set(h, ctl,
		        "cgroup %.120s holds other processes, so that it cannot hand on its "
		        "controllers; start corral alone in one: " SCOPE,
		        own);
	else
		why_set(h, ctl, "the cgroup v2 tree refused a group: %s",
		        strerrordesc_np(-r) ? strerrordesc_np(-r) : "unknown error");
}

static void v2_lacks(struct corral_cgroup_host *h, unsigned int ctl, const char *own)
{
	const char *name = corral_cgroup_ctl_names[ctl];

	if (geteuid() == 0)
		why_set(h, ctl,
		        "this kernel offers no %s controller here; boot with cgroup_enable=%s, or "
		        "enable it in the cgroup.subtree_control of the group above",
		        name, name);
	else
		why_set(h, ctl,
		        "the %s controller is not delegated to cgroup %.60s; as root: mkdir -p "
		        "/etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu "
		        "memory pids\\n' >/etc/systemd/system/user@.service.d/corral.conf && "
		        "systemctl daemon-reload, then log in again",
		        name, own);
}

/* The base on the v2 tree, for the controllers in want (those that v1 does not have). */
static void v2_find(struct look *k, uint32_t want)
{
	struct corral_cgroup_host *h = k->h;
	struct v2_seat seat = { .fd = -1 };
	corral_autofree struct corral_cgroup_mount *m = malloc(sizeof(*m));
	corral_autofd int fd = -1;
	char own[CORRAL_CGROUP_PATH_MAX] = "/";
	int r = -ENOENT;

	if (k->top_is_v2)
		fd = fcntl(k->top_fd, F_DUPFD_CLOEXEC, 3);
	else if (k->top_fd >= 0)
		fd = corral_cgroup_open_dir(k->top_fd, "unified", CGROUP2_SUPER_MAGIC);
	if (fd < 0 && m)
		fd = mounted(k, NULL, m);
	if (fd >= 0) {
		r = v2_try(k, fd, want, false, &seat);
		/* What cannot be had at the mounted root may be had in our own group. */
		if (r < 0 || seat.refused < 0) {
			int own_r = v2_try_own(k, fd, want, &seat, own, sizeof(own));

			if (seat.fd >= 0)
				r = 0;
			else if (r == -EACCES || r == -EPERM)
				r = own_r == -EROFS ? own_r : r;
		}
	}
	for (unsigned int i = 0; i < CORRAL_CGROUP_LIMITERS; i++) {
		if (!(want & 1u << i))
			continue;
		if (fd < 0)
			why_set(h, i,
			        "no control groups with a %s controller are mounted; as root: "
			        "mount "
			        "-t cgroup2 cgroup2 " TOP,
			        corral_cgroup_ctl_names[i]);
		else if (r < 0 || (seat.refused < 0 && !(seat.have & 1u << i)))
			v2_refused(h, i, r < 0 ? r : seat.refused, own);
		else if (!(seat.offer & 1u << i))
			v2_lacks(h, i, own);
		else
			h->ctl[i] = &corral_cgroup_v2_ops;
	}
	h->v2_base = seat.fd;
	h->v2_prefix = seat.prefix;
	h->v2_ctls = seat.have & LIMITS_MASK;
}

static bool group_has(const struct corral_cgroup_host *h, enum corral_cgroup_ctl ctl,
                      const char *v1_file, const char *v2_file)
{
	bool v1 = h->ctl[ctl] == &corral_cgroup_v1_ops;
	char path[96];

	(void)snprintf(path, sizeof(path), "%s%s", v1 ? "" : CORRAL_CGROUP_PARENT "/",
	               v1 ? v1_file : v2_file);
	return faccessat(v1 ? h->v1_base[ctl] : h->v2_base, path, F_OK, AT_EACCESS) == 0;
}

static void abilities_find(struct corral_cgroup_host *h)
{
	char text[512];

	if (h->ctl[CORRAL_CGROUP_MEMORY]) {
		h->can |= CORRAL_LIMIT_MEMORY;
		if (group_has(h, CORRAL_CGROUP_MEMORY, "memory.memsw.limit_in_bytes",
		              "memory.swap.max"))
			h->can |= CORRAL_LIMIT_MEMORY_SWAP;
		else
			h->no_swap = corral_cgroup_slurp(AT_FDCWD, "/proc/swaps", text,
			                                 sizeof(text)) >= 0 &&
			             !corral_cgroup_parse_swaps(text);
		if (h->no_swap)
			h->can |= CORRAL_LIMIT_MEMORY_SWAP;
	}
	if (h->ctl[CORRAL_CGROUP_PIDS])
		h->can |= CORRAL_LIMIT_PIDS;
	if (h->ctl[CORRAL_CGROUP_CPU]) {
		h->can |= CORRAL_LIMIT_CPU_WEIGHT;
		/* v2's group may not have the controller yet, so there is no file to look for. */
		if (h->ctl[CORRAL_CGROUP_CPU] == &corral_cgroup_v2_ops ||
		    group_has(h, CORRAL_CGROUP_CPU, "cpu.cfs_quota_us", ""))
			h->can |= CORRAL_LIMIT_CPUS;
	}
}

static void kind_find(struct corral_cgroup_host *h)
{
	bool v1 = false;

	for (unsigned int i = 0; i < CORRAL_CGROUP_LIMITERS; i++)
		v1 = v1 || h->ctl[i] == &corral_cgroup_v1_ops;
	if (h->v2_base >= 0) {
		h->kind = v1 ? CORRAL_CGROUP_HYBRID : CORRAL_CGROUP_V2;
		h->tree = &corral_cgroup_v2_ops;
	} else if (v1) {
		h->kind = CORRAL_CGROUP_V1;
		h->tree = &corral_cgroup_v1_ops;
	}
}

static void discover(struct look *k)
{
	struct corral_cgroup_host *h = k->h;
	struct statfs fs;
	uint32_t want = 0;

	k->top_fd = corral_cgroup_open_dir(AT_FDCWD, TOP, 0);
	k->top_is_v2 =
	        k->top_fd >= 0 && fstatfs(k->top_fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
	for (unsigned int i = 0; i < CORRAL_CGROUP_LIMITERS; i++)
		if (k->top_is_v2 || !v1_find(k, i))
			want |= 1u << i;
	v2_find(k, want);
	kind_find(h);
	if (h->kind == CORRAL_CGROUP_V1)
		(void)v1_find(k, CORRAL_CGROUP_FREEZER);
	abilities_find(h);

	h->sweep_v2 = k->sweep_v2;
}

void corral_cgroup_host_sweep(struct corral_cgroup_host *h)
{
	struct corral_cgroup_owners owners = { .next = 0 };

	h->sweep_again = h->v2_base >= 0 && h->sweep_v2 && corral_cgroup_sweep(h->v2_base, &owners);
	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		if (h->v1_base[i] >= 0 && !h->v1_twin[i])
			h->sweep_again |= corral_cgroup_sweep(h->v1_base[i], &owners);
}

int corral_cgroup_host_open(struct corral_cgroup_host **ret, struct corral_error *err)
{
	static const char *const kinds[] = { "none", "v1", "v2", "hybrid" };
	struct corral_cgroup_host *h = calloc(1, sizeof(*h));
	corral_auto(look_done) struct look k = { .h = h, .top_fd = -1 };
	struct timespec ts;

	if (!h)
		return corral_error_sys(err, ENOMEM, "cgroups of this host");
	h->v2_base = -1;
	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		h->v1_base[i] = -1;
	/* Keeps names apart where pid namespaces share a tree; a guess costs no more than a retry.
	 */
	if (getrandom(&h->salt, sizeof(h->salt), GRND_NONBLOCK) < 0)
		h->salt = (uint32_t)corral_cgroup_now_usec();
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	h->opened_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	discover(&k);
	corral_trace(CORRAL_TRACE_CGROUP, "host has %s, can %#x", kinds[h->kind], h->can);
	*ret = h;
	return 0;
}

/* Back to where we came from: only what we enabled ourselves, and only when nobody else stayed. */
static void v2_move_back(struct corral_cgroup_host *h)
{
	for (unsigned int i = 0; i < CORRAL_CGROUP_LIMITERS; i++) {
		char text[16];

		if (!(h->v2_undo & 1u << i))
			continue;
		(void)snprintf(text, sizeof(text), "-%s", corral_cgroup_ctl_names[i]);
		(void)corral_cgroup_write(h->v2_base, "cgroup.subtree_control", text);
	}
	if (corral_cgroup_write(h->v2_base, "cgroup.procs", "0") == 0)
		(void)unlinkat(h->v2_base, CORRAL_CGROUP_SUPERVISOR, AT_REMOVEDIR);
}

/*
 * Takes the parent on v2 away, unless others have groups in it. What a killed owner left may have
 * been busy dying at the first sweep: one more look, which only they pay for who find something
 * there.
 */
static bool parent_remove(int base_fd)
{
	struct corral_cgroup_owners owners = { .next = 0 };

	if (unlinkat(base_fd, CORRAL_CGROUP_PARENT, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return true;
	(void)corral_cgroup_sweep(base_fd, &owners);
	return unlinkat(base_fd, CORRAL_CGROUP_PARENT, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

void corral_cgroup_host_close(struct corral_cgroup_host *h)
{
	if (!h)
		return;
	if (h->sweep_again)
		corral_cgroup_host_sweep(h);
	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		corral_fd_closep(&h->v1_base[i]);
	/* Where it holds controllers it is ours; elsewhere the operator's. */
	if (h->v2_base >= 0 && h->kind == CORRAL_CGROUP_V2 && parent_remove(h->v2_base) &&
	    h->v2_moved && corral_cgroup_listed(h->v2_base) == 0)
		v2_move_back(h);
	corral_fd_closep(&h->v2_base);
	free(h);
}

enum corral_cgroup_kind corral_cgroup_host_kind(const struct corral_cgroup_host *h)
{
	return h->kind;
}

uint32_t corral_cgroup_host_can(const struct corral_cgroup_host *h)
{
	return h->can;
}

const char *corral_cgroup_host_reason(const struct corral_cgroup_host *h, enum corral_limit limit)
{
	static const struct {
		enum corral_limit limit;
		enum corral_cgroup_ctl ctl;
		const char *otherwise; /* the controller is there, and still cannot */
	} table[] = {
		{ CORRAL_LIMIT_MEMORY, CORRAL_CGROUP_MEMORY, "" },
		{ CORRAL_LIMIT_MEMORY_SWAP, CORRAL_CGROUP_MEMORY,
		  "this kernel does not account for swap; boot with swapaccount=1, or: swapoff "
		  "-a" },
		{ CORRAL_LIMIT_CPUS, CORRAL_CGROUP_CPU,
		  "this kernel was built without CONFIG_CFS_BANDWIDTH; use one that has it" },
		{ CORRAL_LIMIT_CPU_WEIGHT, CORRAL_CGROUP_CPU, "" },
		{ CORRAL_LIMIT_PIDS, CORRAL_CGROUP_PIDS, "" },
	};

	for (size_t i = 0; i < CORRAL_COUNT(table); i++) {
		if (table[i].limit != limit || (h->can & limit))
			continue;
		return h->ctl[table[i].ctl] ? table[i].otherwise : h->why[table[i].ctl];
	}
	return NULL;
}
