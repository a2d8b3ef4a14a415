/*
 * The steps that build the guest's root. Everything the guest writes lives in one tmpfs, the
 * scratch, with one limit of bytes and one of inodes; its directories are
 *
 *     r      the guest's root (or where the root overlay is mounted)
 *     d, s   /dev, /dev/shm
 *     h, t   the work directory, /tmp
 *     u0 w0  upper and work of the overlay on the root, u1 w1 of the one on /usr
 *     l0 l1  where layers are attached: the lowest of these two; and from l2 on, the nearest first,
 *            directories as k is, which were kept earlier and are frozen
 *     k      a directory of the host with u0, w0, u1 and w1 in it, where changes are kept, and u2
 *            and w2, where the work directory is
 *     b      what the root has beneath what is kept, and above l0
 *     n*     files of a network: resolv.conf and its like
 *     e, f   an empty directory and an empty file, to hide things behind
 *
 * The scratch itself stays with the old root when that goes, so the guest sees only what was bound
 * from it.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "kernel/init/mount.h"
#include "kernel/init/root.h"

#define AT_FDCWD_   (-100)
#define O_PATH_     010000000
#define O_CLOEXEC_  02000000
#define O_WRONLY_   01
#define O_CREAT_    0100
#define O_EXCL_     0200
#define MNT_DETACH_ 2

static const char *number(char *buf, size_t size, uint64_t n)
{
	(void)text_add_number(buf, size, 0, n);
	return buf;
}

long dir_make(struct init *in, const char *name, uint32_t mode, uint32_t uid, uint32_t gid)
{
	long r = sys3(__NR_mkdirat, in->scratch_fd, name, mode);

	if (r < 0)
		return r;
	return uid || gid ? sys5(__NR_fchownat, in->scratch_fd, name, uid, gid, 0) : 0;
}

/*
 * Somewhere on the host's root whose content is not wanted any more, since it goes away with that
 * root. Not "/" itself: what is stacked there would have to be detached by itself after the pivot,
 * and each detachment waits for a grace period.
 */
static long scratch_attach(struct init *in, const struct fs_option *options, unsigned int n)
{
	static const char *const places[] = { "/sys", "/mnt", "/media", "/tmp" };
	const uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	long target, r = -ENOENT;

	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		target = sys4(__NR_openat, AT_FDCWD_, places[i], O_PATH_ | O_CLOEXEC_, 0);
		if (target < 0)
			continue;
		r = mount_new(in, "tmpfs", options, n, attr, (int)target);
		(void)sys1(__NR_close, target);
		return r == -EAGAIN
		               ? sys4(__NR_openat, AT_FDCWD_, places[i], O_PATH_ | O_CLOEXEC_, 0)
		               : r;
	}
	return r;
}

long step_scratch(struct init *in, const struct corral_step *s)
{
	char size[24], inodes[24];
	struct fs_option options[4] = { { "mode", "0755", 0 } };
	unsigned int n = 1;
	long r;

	if (s->attr)
		options[n++] =
		        (struct fs_option) { "size", number(size, sizeof(size), s->attr), 0 };
	if (s->n[0])
		options[n++] = (struct fs_option) { "nr_inodes",
			                            number(inodes, sizeof(inodes), s->n[0]), 0 };
	/* While the host's proc is in sight; the guest's own is read-only. */
	in->proc_self_fd = (int)sys4(__NR_openat, AT_FDCWD_, "/proc/self", O_PATH_ | O_CLOEXEC_, 0);
	r = s->flags & CORRAL_STEP_DETACHED
	            ? mount_new(in, "tmpfs", options, n, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, -1)
	            : scratch_attach(in, options, n);
	if (r < 0)
		return r;
	in->scratch_fd = (int)r;
	made_add(in, in->scratch_fd);
	/* Relative paths are the scratch's from here on: overlay takes its layers by path. */
	r = sys1(__NR_fchdir, in->scratch_fd);
	if (r >= 0)
		r = dir_make(in, "r", 0755, s->uid, s->gid);
	if (r >= 0)
		r = dir_make(in, "d", 0755, s->uid, s->gid);
	if (r >= 0)
		r = dir_make(in, "s", 01777, 0, 0);
	if (r >= 0)
		r = sys3(__NR_fchmodat, in->scratch_fd, "s", 01777);
	if (r >= 0)
		r = dir_make(in, "e", 0555, 0, 0);
	if (r >= 0) {
		r = sys4(__NR_openat, in->scratch_fd, "f",
		         O_WRONLY_ | O_CREAT_ | O_EXCL_ | O_CLOEXEC_, 0444);
		if (r >= 0)
			(void)sys1(__NR_close, r);
	}
	return r < 0 ? r : 0;
}

/*
 * The directory that the entry is to be in, and its name there. What is kept is of a guest's
 * making: a link in the place of a directory would lead out to wherever it says, as the root is
 * still to be entered. Guarded by tests/real/test_keep.c.
 */
static long parent_open(int dir, const char *path, const char **ret_name)
{
	char part[256];
	long at = sys3(__NR_fcntl, dir, F_DUPFD_CLOEXEC, 4), next;

	for (;;) {
		size_t n = 0;

		while (path[n] && path[n] != '/')
			n++;
		if (at < 0 || !path[n])
			break;
		if (n >= sizeof(part)) {
			(void)sys1(__NR_close, at);
			return -ENAMETOOLONG;
		}
		memcpy(part, path, n);
		part[n] = '\0';
		path += n + 1;
		next = sys4(__NR_openat, at, part,
		            O_PATH_ | O_NOFOLLOW_ | O_DIRECTORY_ | O_CLOEXEC_, 0);
		(void)sys1(__NR_close, at);
		at = next;
	}
	*ret_name = path;
	return at;
}

static long entry_make(int dir, const struct corral_wire_entry *e, const char *path)
{
	const char *data = e->path + e->path_len + 1;
	long fd, r;

	switch (e->kind) {
	case 'd':
		return sys3(__NR_mkdirat, dir, path, e->mode);
	case 'l':
		return sys3(__NR_symlinkat, data, dir, path);
	case 'f':
		fd = sys4(__NR_openat, dir, path, O_WRONLY_ | O_CREAT_ | O_EXCL_ | O_CLOEXEC_,
		          e->mode);
		if (fd < 0)
			return fd;
		r = e->data_len ? sys3(__NR_write, fd, data, e->data_len) : 0;
		(void)sys1(__NR_close, fd);
		return r < 0 ? r : r < e->data_len ? -ENOSPC : 0;
	default:
		return -EINVAL;
	}
}

static long kept_entry_make(int dir, const struct corral_wire_entry *e)
{
	const char *name;
	long parent = parent_open(dir, e->path, &name), r;

	if (parent < 0)
		return parent;
	r = entry_make((int)parent, e, name);
	(void)sys1(__NR_close, parent);
	return r == -EEXIST ? 0 : r;
}

/*
 * As the guest's own ids by setfsuid(2): one call instead of a chown for each entry. The directory
 * belongs to them, so no capability is needed, and those that setfsuid takes come back with the 0.
 */
long entries_make(struct init *in, const struct corral_step *s, const char *name)
{
	const char *blob = init_text(in, s->blob), *end = blob + s->blob_len;
	int index = 0;
	long dir, r = 0;

	dir = sys4(__NR_openat, in->scratch_fd, name, O_PATH_ | O_CLOEXEC_, 0);
	if (dir < 0)
		return dir;
	(void)sys1(__NR_umask, 0);
	(void)sys1(__NR_setfsgid, s->gid);
	(void)sys1(__NR_setfsuid, s->uid);
	while (r >= 0 && blob < end) {
		const struct corral_wire_entry *e = (const void *)blob;

		in->detail = index++;
		r = s->flags & CORRAL_STEP_KEPT ? kept_entry_make((int)dir, e)
		                                : entry_make((int)dir, e, e->path);
		blob += e->size;
	}
	(void)sys1(__NR_setfsuid, 0);
	(void)sys1(__NR_setfsgid, 0);
	(void)sys1(__NR_umask, 022);
	(void)sys1(__NR_close, dir);
	return r < 0 ? r : 0;
}

long step_skeleton(struct init *in, const struct corral_step *s)
{
	return entries_make(in, s, "r");
}

int object_is_file(int fd)
{
	struct statx sx;

	return sys5(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 &&
	       (sx.stx_mode & S_IFMT) != S_IFDIR;
}

static long root_bind(struct init *in, const char *name, uint16_t flags)
{
	long object, target, r;

	object = mount_clone(in, in->scratch_fd, name, 0);
	if (object < 0)
		return object;
	target =
	        sys4(__NR_openat, flags & CORRAL_STEP_DETACHED ? AT_FDCWD_ : in->scratch_fd,
	             flags & CORRAL_STEP_DETACHED ? LAUNCHPAD_PLACE : "r", O_PATH_ | O_CLOEXEC_, 0);
	if (target < 0)
		return target;
	if (in->features & CORRAL_WIRE_NEW_MOUNT_API) {
		r = mount_move((int)object, (int)target);
		in->root_fd = (int)object;
	} else {
		char from[32], to[32];

		r = sys5(__NR_mount, text_fd_path(from, (int)object), text_fd_path(to, (int)target),
		         0, 4096 /* MS_BIND */, 0);
		(void)sys1(__NR_close, object);
		if (r >= 0) {
			in->root_fd = (int)sys4(__NR_openat, in->scratch_fd, "r",
			                        O_PATH_ | O_CLOEXEC_, 0);
			r = in->root_fd < 0 ? in->root_fd : 0;
		}
	}
	(void)sys1(__NR_close, target);
	return r;
}

/*
 * A directory of the host as the root: mount points may be made in this mount, though its file
 * system holds other things of the host's as well.
 */
long kept_root_bind(struct init *in, const char *name, uint16_t flags)
{
	long r = root_bind(in, name, flags);

	if (r >= 0 && in->features & CORRAL_WIRE_MOUNT_SETATTR)
		r = mount_attributes(in->root_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0);
	if (r >= 0)
		made_mount_is(in, in->root_fd);
	return r;
}

long scratch_bind(struct init *in, const struct corral_step *s, const char *name,
                  const char *guest_path, uint64_t attr)
{
	long object = mount_clone(in, in->scratch_fd, name, 0), r;

	if (object < 0)
		return object;
	r = mount_attach_at(in, (int)object, attr, 0, 0, guest_path, s->uid, s->gid, 0);
	(void)sys1(__NR_close, object);
	return r;
}

long step_root(struct init *in, const struct corral_step *s)
{
	if (s->flags & CORRAL_STEP_KEPT)
		return kept_root_bind(in, init_text(in, s->s[0]), s->flags);
	if (!s->n[0])
		return root_bind(in, "r", s->flags);
	if (!in->made_mount)
		made_add(in, in->root_fd);
	return in->root_fd < 0 ? -EBADF : 0;
}

long step_bind(struct init *in, const struct corral_step *s)
{
	int recursive = (s->flags & CORRAL_STEP_RECURSIVE) != 0;
	long object, r;

	object = s->fd >= 0 ? init_fd(in, s->fd)
	                    : mount_clone(in, AT_FDCWD_, init_text(in, s->s[0]), recursive);
	if (object == -ENOENT && (s->flags & CORRAL_STEP_OPTIONAL))
		return 0;
	if (object < 0) {
		in->detail = 1; /* the source */
		return object;
	}
	r = mount_attach_at(in, (int)object, s->attr, 0, recursive, init_text(in, s->s[1]), s->uid,
	                    s->gid, object_is_file((int)object));
	if (s->fd < 0)
		(void)sys1(__NR_close, object);
	return r;
}

long step_scratch_bind(struct init *in, const struct corral_step *s)
{
	long r = 0;

	/* A directory of the guest's user, made for this; or of everybody's. */
	if (s->flags & CORRAL_STEP_WRITABLE)
		r = dir_make(in, init_text(in, s->s[0]), 0755, s->n[0], s->n[1]);
	if (r >= 0 && s->flags & CORRAL_STEP_STICKY)
		r = sys3(__NR_fchmodat, in->scratch_fd, init_text(in, s->s[0]), 01777);
	return r < 0 ? r
	             : scratch_bind(in, s, init_text(in, s->s[0]), init_text(in, s->s[1]), s->attr);
}

/* In memory, so that nothing is written to a root that is somebody's directory. */
long step_file(struct init *in, const struct corral_step *s)
{
	const char *name = init_text(in, s->s[0]);
	long fd, object, r;

	fd = sys4(__NR_openat, in->scratch_fd, name, O_WRONLY_ | O_CREAT_ | O_EXCL_ | O_CLOEXEC_,
	          0644);
	if (fd < 0)
		return fd;
	r = sys3(__NR_write, fd, init_text(in, s->blob), s->blob_len);
	(void)sys1(__NR_close, fd);
	if (r != (long)s->blob_len)
		return r < 0 ? r : -ENOSPC;
	r = sys5(__NR_fchownat, in->scratch_fd, name, s->uid, s->gid, 0);
	if (r < 0)
		return r;
	object = mount_clone(in, in->scratch_fd, name, 0);
	if (object < 0)
		return object;
	r = mount_attach_at(in, (int)object, s->attr, 0, 0, init_text(in, s->s[1]), s->uid, s->gid,
	                    1);
	(void)sys1(__NR_close, object);
	return r;
}

long step_tmpfs(struct init *in, const struct corral_step *s)
{
	char size[24], inodes[24], uid[24], gid[24], mode[8];
	struct fs_option options[6];
	unsigned int n = 0, m = s->n[1] & 07777;
	long r;

	mode[0] = (char)('0' + (m >> 9));
	mode[1] = (char)('0' + (m >> 6 & 7));
	mode[2] = (char)('0' + (m >> 3 & 7));
	mode[3] = (char)('0' + (m & 7));
	mode[4] = '\0';
	options[n++] = (struct fs_option) { "mode", mode, 0 };
	if (s->attr)
		options[n++] =
		        (struct fs_option) { "size", number(size, sizeof(size), s->attr), 0 };
	if (s->n[0])
		options[n++] = (struct fs_option) { "nr_inodes",
			                            number(inodes, sizeof(inodes), s->n[0]), 0 };
	options[n++] = (struct fs_option) { "uid", number(uid, sizeof(uid), s->uid), 0 };
	options[n++] = (struct fs_option) { "gid", number(gid, sizeof(gid), s->gid), 0 };
	r = mount_new_at(in, "tmpfs", options, n, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	                 init_text(in, s->s[0]), s->uid, s->gid);
	if (r < 0)
		return r;
	made_add(in, (int)r);
	(void)sys1(__NR_close, r);
	return 0;
}

static const struct {
	const char *name;
	uint32_t rdev; /* as mknod(2) takes it: major << 8 | minor */
} nodes[] = {
	{ "null", 1 << 8 | 3 },   { "zero", 1 << 8 | 5 },    { "full", 1 << 8 | 7 },
	{ "random", 1 << 8 | 8 }, { "urandom", 1 << 8 | 9 }, { "tty", 5 << 8 },
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};

/*
 * A host's node is bound only if it is the device that its name promises: somebody may have swapped
 * it (CVE-2025-31133 is about trusting /dev/null by name).
 */
static long node_bind(struct init *in, int dev, unsigned int i)
{
	char host_path[32], guest_path[32];
	struct statx sx;
	long object, r;

	(void)text_add(host_path, sizeof(host_path),
	               text_add(host_path, sizeof(host_path), 0, "/dev/"), nodes[i].name);
	(void)text_add(guest_path, sizeof(guest_path),
	               text_add(guest_path, sizeof(guest_path), 0, "/dev/"), nodes[i].name);
	object = mount_clone(in, AT_FDCWD_, host_path, 0);
	if (object < 0)
		return object;
	r = sys5(__NR_statx, object, "", AT_EMPTY_PATH, STATX_TYPE, &sx);
	if (r >= 0 && ((sx.stx_mode & S_IFMT) != S_IFCHR ||
	               (sx.stx_rdev_major << 8 | sx.stx_rdev_minor) != nodes[i].rdev))
		r = -ENODEV;
	if (r >= 0) {
		r = sys4(__NR_openat, dev, nodes[i].name,
		         O_WRONLY_ | O_CREAT_ | O_EXCL_ | O_CLOEXEC_, 0666);
		if (r >= 0)
			(void)sys1(__NR_close, r);
	}
	if (r >= 0)
		r = mount_attach_at(in, (int)object, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, 0,
		                    guest_path, 0, 0, 1);
	(void)sys1(__NR_close, object);
	return r;
}

static long dev_fill(struct init *in, const struct corral_step *s, int dev)
{
	long r = 0;

	(void)sys1(__NR_umask, 0);
	for (unsigned int i = 0; i < sizeof(links) / sizeof(links[0]) && r >= 0; i++)
		r = sys3(__NR_symlinkat, links[i].target, dev, links[i].name);
	if (r >= 0)
		r = sys3(__NR_mkdirat, dev, "pts", 0755);
	if (r >= 0)
		r = sys3(__NR_mkdirat, dev, "shm", 0755);
	for (unsigned int i = 0; i < sizeof(nodes) / sizeof(nodes[0]) && r >= 0; i++) {
		in->detail = (int)i;
		if (s->flags & CORRAL_STEP_MKNOD)
			r = sys4(__NR_mknodat, dev, nodes[i].name, S_IFCHR | 0666, nodes[i].rdev);
	}
	(void)sys1(__NR_umask, 022);
	return r < 0 ? r : 0;
}

/*
 * /proc and /dev of a root that somebody else made must be directories, or absent: through a link
 * the mounts that the other fences rest on would land elsewhere (CVE-2019-19921, CVE-2026-41579).
 */
static long plain_directory(struct init *in, const char *name)
{
	struct statx sx;
	long r = sys5(__NR_statx, in->root_fd, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &sx);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : (sx.stx_mode & S_IFMT) == S_IFDIR ? 0 : -ENOTDIR;
}

long step_devices(struct init *in, const struct corral_step *s)
{
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, clear = 0;
	long dev, object, r = plain_directory(in, "dev");

	if (r < 0)
		return r;
	dev = sys4(__NR_openat, in->scratch_fd, "d", O_PATH_ | O_CLOEXEC_, 0);
	if (dev < 0)
		return dev;
	r = dev_fill(in, s, (int)dev);
	if (r >= 0 && (s->flags & CORRAL_STEP_MKNOD))
		clear = MOUNT_ATTR_NODEV;
	object = r < 0 ? r : mount_clone(in, in->scratch_fd, "d", 0);
	if (object >= 0) {
		r = mount_attach_at(in, (int)object, set, clear, 0, "/dev", s->uid, s->gid, 0);
		(void)sys1(__NR_close, object);
	} else {
		r = object;
	}
	for (unsigned int i = 0; i < sizeof(nodes) / sizeof(nodes[0]) && r >= 0; i++) {
		in->detail = (int)i;
		if (!(s->flags & CORRAL_STEP_MKNOD))
			r = node_bind(in, (int)dev, i);
	}
	(void)sys1(__NR_close, dev);
	return r;
}

long step_proc(struct init *in, const struct corral_step *s)
{
	const uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	long r = plain_directory(in, "proc");

	if (r < 0)
		return r;
	/*
	 * Read-only as a whole: nothing of /proc/sys, sysrq-trigger, irq, bus or fs can be written,
	 * and no write of a confused process can be led there (CVE-2025-52881).
	 */
	r = mount_new_at(in, "proc", 0, 0, attr | MOUNT_ATTR_RDONLY, "/proc", s->uid, s->gid);
	if (r < 0)
		return r;
	(void)sys1(__NR_close, r);
	return 0;
}

long step_devpts(struct init *in, const struct corral_step *s)
{
	char gid[24];
	struct fs_option options[5] = {
		{ "newinstance", 0, 0 },
		{ "ptmxmode", "0666", 0 },
		{ "mode", "0620", 0 },
		{ "max", "64", 0 },
	};
	unsigned int n = 4;
	long r;

	if (s->n[0] != ~0u)
		options[n++] = (struct fs_option) { "gid", number(gid, sizeof(gid), s->n[0]), 0 };
	r = mount_new_at(in, "devpts", options, n, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	                 "/dev/pts", s->uid, s->gid);
	if (r < 0)
		return r;
	(void)sys1(__NR_close, r);
	return 0;
}

long step_mask(struct init *in, const struct corral_step *s)
{
	const uint64_t attr =
	        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	long target, object, r;
	int is_file;

	target = guest_open(in, init_text(in, s->s[0]), 0, 0, 0, 0);
	if (target == -ENOENT || target == -ENOTDIR)
		return 0; /* this kernel has nothing there to hide */
	if (target < 0)
		return target;
	is_file = object_is_file((int)target);
	object = mount_clone(in, in->scratch_fd, is_file ? "f" : "e", 0);
	r = object;
	if (object >= 0) {
		r = mount_attach(in, (int)object, attr, 0, 0, (int)target, init_text(in, s->s[0]));
		(void)sys1(__NR_close, object);
	}
	(void)sys1(__NR_close, target);
	return r < 0 ? r : 0;
}

/*
 * Whatever is stacked on the new root would be a way out: ".." of "/" steps onto it. So the guest's
 * root is asked, not trusted.
 */
static long root_is_alone(void)
{
	struct statx root, above;
	long r;

	r = sys5(__NR_statx, AT_FDCWD_, "/", 0, STATX_TYPE | STATX_INO, &root);
	if (r >= 0)
		r = sys5(__NR_statx, AT_FDCWD_, "/..", 0, STATX_TYPE | STATX_INO, &above);
	if (r < 0)
		return r;
	return root.stx_ino == above.stx_ino && root.stx_dev_major == above.stx_dev_major &&
	                       root.stx_dev_minor == above.stx_dev_minor
	               ? 0
	               : -ENOTRECOVERABLE;
}

/*
 * pivot_root(".", "."): the old root ends up on top of the new one and is detached there, so no
 * directory for it is needed (pivot_root(2), NOTES). The scratch lies below the old root and goes
 * with it.
 */
long step_pivot(struct init *in, const struct corral_step *s)
{
	long r;

	r = sys1(__NR_fchdir, in->root_fd);
	if (s->flags & CORRAL_STEP_DETACHED) {
		/*
		 * The launchpad holds nothing: one empty directory, read-only. It can stay, on
		 * /sys, where nothing else is; to detach it would wait for a grace period, the
		 * longest single step of all.
		 */
		if (r >= 0)
			r = sys2(__NR_pivot_root, ".", "sys");
		if (r >= 0)
			r = sys1(__NR_chdir, "/");
		return r < 0 ? r : root_is_alone();
	}
	if (r >= 0)
		r = sys2(__NR_pivot_root, ".", ".");
	if (r >= 0)
		r = sys2(__NR_umount2, ".", MNT_DETACH_);
	if (r >= 0)
		r = sys1(__NR_chdir, "/");
	return r < 0 ? r : root_is_alone();
}
