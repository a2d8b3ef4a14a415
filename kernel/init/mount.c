/*
 * Mounts by descriptor: a mount object is made or cloned, gets its attributes, and is moved onto an
 * opened mount point. On kernels without the new mount API (or where an outer filter refuses it)
 * the same functions use mount(2) through /proc/self/fd.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "kernel/init/mount.h"

#define MS_RDONLY_     1
#define MS_NOSUID_     2
#define MS_NODEV_      4
#define MS_NOEXEC_     8
#define MS_REMOUNT_    32
#define MS_NOATIME_    1024
#define MS_NODIRATIME_ 2048
#define MS_BIND_       4096
#define MS_REC_        16384
#define MS_PRIVATE_    (1 << 18)
#define MS_RELATIME_   (1 << 21)

static unsigned long flags_of(uint64_t attr)
{
	unsigned long flags = 0;

	flags |= attr & MOUNT_ATTR_RDONLY ? MS_RDONLY_ : 0;
	flags |= attr & MOUNT_ATTR_NOSUID ? MS_NOSUID_ : 0;
	flags |= attr & MOUNT_ATTR_NODEV ? MS_NODEV_ : 0;
	flags |= attr & MOUNT_ATTR_NOEXEC ? MS_NOEXEC_ : 0;
	return flags;
}

static long fs_configure(int fs, const char *key, const char *value, int fd)
{
	if (fd > 0)
		return sys5(__NR_fsconfig, fs, FSCONFIG_SET_FD, key, 0, fd);
	if (value)
		return sys5(__NR_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
	return sys5(__NR_fsconfig, fs, FSCONFIG_SET_FLAG, key, 0, 0);
}

static long fs_make(const struct fs_option *options, unsigned int n, const char *type,
                    uint64_t attr)
{
	long fs, r;

	fs = sys2(__NR_fsopen, type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return fs;
	r = fs_configure((int)fs, "source", "corral", -1);
	for (unsigned int i = 0; i < n && r >= 0; i++)
		r = fs_configure((int)fs, options[i].key, options[i].value, options[i].fd);
	if (r >= 0)
		r = sys5(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	if (r >= 0)
		r = sys3(__NR_fsmount, fs, FSMOUNT_CLOEXEC, attr);
	(void)sys1(__NR_close, fs);
	return r;
}

long mount_move(int object, int target_fd)
{
	return sys5(__NR_move_mount, object, "", target_fd, "",
	            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* The mount that is now on top of a guest path (or, with reopen NULL, of a path of the host). */
static long reopen_top(struct init *in, const char *guest_path)
{
	return guest_open(in, guest_path, 0, 0, 0, 0);
}

/* Flags that must stay when a mount from the outside is remounted in a user namespace
 * (mount_namespaces(7)). */
static unsigned long flags_locked(int fd)
{
	struct {
		long type, bsize, blocks, bfree, bavail, files, ffree;
		long fsid;
		long namelen, frsize, flags, spare[4];
	} st;
	unsigned long keep = 0;

	memset(&st, 0, sizeof(st));
	if (sys2(__NR_fstatfs, fd, &st) < 0)
		return 0;
	keep |= (unsigned long)st.flags & (MS_RDONLY_ | MS_NOSUID_ | MS_NODEV_ | MS_NOEXEC_);
	keep |= st.flags & 1024 ? MS_NOATIME_ : 0;    /* ST_NOATIME */
	keep |= st.flags & 2048 ? MS_NODIRATIME_ : 0; /* ST_NODIRATIME */
	keep |= st.flags & 4096 ? MS_RELATIME_ : 0;   /* ST_RELATIME */
	return keep;
}

static long old_remount(struct init *in, const char *guest_path, uint64_t set, uint64_t clear)
{
	char path[32];
	long top, r;

	top = reopen_top(in, guest_path);
	if (top < 0)
		return top;
	r = sys5(__NR_mount, 0, text_fd_path(path, (int)top), 0,
	         MS_REMOUNT_ | MS_BIND_ | flags_of(set) |
	                 (flags_locked((int)top) & ~flags_of(clear)),
	         0);
	(void)sys1(__NR_close, top);
	return r;
}

long mount_new(struct init *in, const char *type, const struct fs_option *options, unsigned int n,
               uint64_t attr, int target_fd)
{
	static char data[2048];
	char path[32];
	size_t len = 0;
	long object, r;

	if (in->features & CORRAL_WIRE_NEW_MOUNT_API) {
		object = fs_make(options, n, type, attr);
		if (object < 0)
			return object;
		r = target_fd >= 0 ? mount_move((int)object, target_fd) : 0;
		if (r < 0) {
			(void)sys1(__NR_close, object);
			return r;
		}
		return object;
	}
	data[0] = '\0';
	for (unsigned int i = 0; i < n; i++) {
		len = text_add(data, sizeof(data), len, i ? "," : "");
		len = text_add(data, sizeof(data), len, options[i].key);
		len = text_add(data, sizeof(data), len, options[i].value ? "=" : "");
		len = text_add(data, sizeof(data), len, options[i].value ? options[i].value : "");
	}
	if (len >= sizeof(data))
		return -ENAMETOOLONG;
	r = sys5(__NR_mount, "corral", text_fd_path(path, target_fd), type, flags_of(attr), data);
	return r < 0 ? r : -EAGAIN; /* the caller opens the top by path */
}

long mount_new_at(struct init *in, const char *type, const struct fs_option *options,
                  unsigned int n, uint64_t attr, const char *guest_path, uint32_t uid, uint32_t gid)
{
	long target, object;

	target = guest_open(in, guest_path, 1, uid, gid, 0);
	if (target < 0)
		return target;
	object = mount_new(in, type, options, n, attr, (int)target);
	(void)sys1(__NR_close, target);
	return object == -EAGAIN ? reopen_top(in, guest_path) : object;
}

long mount_clone(struct init *in, int dir_fd, const char *path, int recursive)
{
	/* What lies below would keep its flags, as only mount_setattr(2) changes those of a tree:
	 * it stays out. */
	if (!(in->features & CORRAL_WIRE_MOUNT_SETATTR))
		recursive = 0;
	if (in->features & CORRAL_WIRE_NEW_MOUNT_API)
		return sys3(__NR_open_tree, dir_fd, path,
		            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) |
		                    (*path ? 0 : AT_EMPTY_PATH));
	return sys4(__NR_openat, dir_fd, *path ? path : ".", 010000000 | 02000000, 0); /* O_PATH */
}

long mount_attributes(int object, uint64_t set, uint64_t clear, int recursive)
{
	struct mount_attr attr = { set, clear, 0, 0 };

	if (!set && !clear)
		return 0;
	return sys5(__NR_mount_setattr, object, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
	            &attr, sizeof(attr));
}

long mount_attach(struct init *in, int object, uint64_t set, uint64_t clear, int recursive,
                  int target_fd, const char *guest_path)
{
	char from[32], to[32];
	long r;

	if (!(in->features & CORRAL_WIRE_NEW_MOUNT_API)) {
		/*
		 * A recursive bind would leave submounts with the flags they have, as mount(2)
		 * cannot remount a tree: without this API only the directory itself is bound.
		 */
		r = sys5(__NR_mount, text_fd_path(from, object), text_fd_path(to, target_fd), 0,
		         MS_BIND_, 0);
		return r < 0 ? r : old_remount(in, guest_path, set, clear);
	}
	if (in->features & CORRAL_WIRE_MOUNT_SETATTR) {
		r = mount_attributes(object, set, clear, recursive);
		return r < 0 ? r : mount_move(object, target_fd);
	}
	r = mount_move(object, target_fd);
	/* Made in the host's mount namespace, it may be a peer of a mount there. */
	if (r >= 0)
		r = sys5(__NR_mount, 0, text_fd_path(from, object), 0, MS_REC_ | MS_PRIVATE_, 0);
	return r < 0 ? r : old_remount(in, guest_path, set, clear);
}

static int is_directory(int fd)
{
	struct statx sx;

	return sys5(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 &&
	       (sx.stx_mode & S_IFMT) == S_IFDIR;
}

long mount_attach_at(struct init *in, int object, uint64_t set, uint64_t clear, int recursive,
                     const char *guest_path, uint32_t uid, uint32_t gid, int is_file)
{
	long target, r;

	target = guest_open(in, guest_path, 1, uid, gid, is_file);
	if (target < 0)
		return target;
	r = mount_attach(in, object, set, clear, recursive, (int)target, guest_path);
	/* How move_mount(2) says that one is a file and the other a directory; mount(2) has the
	 * better word. */
	if (r == -EINVAL && is_directory((int)target) == is_file)
		r = -ENOTDIR;
	(void)sys1(__NR_close, target);
	return r;
}
