#include "kernel/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static int mount_attributes(int fd, uint64_t attr, int userns_fd, bool recursive)
{
	/*
	 * A copy is a peer of what it was copied from: where the host's mounts are shared, as
	 * systemd makes them, a mount below this one would appear on the host
	 * (mount_namespaces(7)). Guarded by tests/real/test_mounts.c.
	 */
	struct mount_attr a = { .attr_set = attr, .propagation = MS_PRIVATE };

	if (userns_fd >= 0) {
		a.attr_set |= MOUNT_ATTR_IDMAP;
		a.userns_fd = (uint64_t)userns_fd;
	}
	return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
	               &a, sizeof(a)) < 0
	               ? -errno
	               : 0;
}

/*
 * Who owns it on disk is the guest's user inside, and what the guest makes belongs to that owner on
 * disk; other ids of the disk are nobody's inside. Where owner and user have the same number, the
 * sandbox's own map says the same.
 */
static int owner_userns(int fd, const struct corral_ids *ids, const struct corral_policy *p,
                        bool read_only, int *ret_fd, struct corral_error *err)
{
	struct corral_id_extent uid, gid;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "stat");
	/* A file capability set by the namespace's root is stored as that of the owner on disk, and
	 * the host's root is obeyed there. */
	if (st.st_uid == 0 && !read_only && (p->caps >> CAP_SETFCAP & 1))
		return corral_error_set(
		        err, EPERM,
		        "it belongs to root, and with CAP_SETFCAP the guest could leave programs "
		        "with "
		        "capabilities of the host there: --cap-drop setfcap, or another owner");
	/* That map says the same of the owner, and more of others, which matters to who has their
	 * groups. */
	if (st.st_uid == p->guest_uid && st.st_gid == p->guest_gid && p->n_groups == 0) {
		*ret_fd = fcntl(ids->userns_fd, F_DUPFD_CLOEXEC, 10);
		return *ret_fd < 0 ? corral_error_sys(err, errno, "keep the user namespace") : 0;
	}
	uid = (struct corral_id_extent) { st.st_uid, ids->base + p->guest_uid, 1 };
	gid = (struct corral_id_extent) { st.st_gid, ids->base + p->guest_gid, 1 };
	return corral_userns_open(0, &uid, 1, &gid, 1, ret_fd, err);
}

int corral_source_open(const struct corral_slot *slot, const struct corral_host *host,
                       const struct corral_ids *ids, const struct corral_policy *p, int *ret_fd,
                       struct corral_error *err)
{
	corral_autofd int fd = -1, owner_fd = -1;
	/* What lies below would keep its flags, as only mount_setattr(2) changes those of a tree:
	 * it stays out. */
	bool recursive = slot->recursive && (host->features & CORRAL_HOST_MOUNT_SETATTR);
	int userns_fd = -1, r;

	fd = (int)syscall(SYS_open_tree, AT_FDCWD, slot->host_path,
	                  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
	if (fd < 0)
		return corral_error_sys(err, errno, "%s '%s'", slot->label, slot->host_path);
	if (slot->map == CORRAL_MAP_RANGE)
		userns_fd = ids->userns_fd;
	if (slot->map == CORRAL_MAP_OWNER) {
		r = owner_userns(fd, ids, p, (slot->attr & MOUNT_ATTR_RDONLY) != 0, &owner_fd, err);
		if (r < 0)
			return corral_error_wrap(err, r, "%s '%s'", slot->label, slot->host_path);
		userns_fd = owner_fd;
	}
	if (host->features & CORRAL_HOST_MOUNT_SETATTR) {
		r = mount_attributes(fd, slot->attr, userns_fd, slot->recursive);
		/*
		 * Not every file system can be id-mapped. Read-only, the guest then sees what
		 * everybody on the host may see: less, not more.
		 */
		if (r == -EINVAL && userns_fd >= 0 && (slot->attr & MOUNT_ATTR_RDONLY))
			r = mount_attributes(fd, slot->attr, -1, slot->recursive);
		if (r == -EINVAL && userns_fd >= 0)
			return corral_error_set(
			        err, EINVAL,
			        "%s '%s': a file system at or below it cannot be id-mapped, so the "
			        "guest could not own its files: use another directory, or "
			        "--ro-bind",
			        slot->label, slot->host_path);
		if (r < 0)
			return corral_error_sys(err, -r, "attributes of %s '%s'", slot->label,
			                        slot->host_path);
	}
	*ret_fd = corral_take_fd(&fd);
	return 0;
}
