#include "kernel/disk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/disk_make.h"

/* Another may have taken the free device that we were told of. */
#define TRIES_MAX   64
#define PATH_SIZE   32
#define CLAIM_TRIES 20
#define ATTR        (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME)

/* --- The loop device --- */

static bool is_of(int loop_fd, const struct stat *file)
{
	struct loop_info64 info;

	return ioctl(loop_fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file->st_ino &&
	       info.lo_device == file->st_dev && !info.lo_offset && !info.lo_sizelimit &&
	       !(info.lo_flags & LO_FLAGS_READ_ONLY);
}

/*
 * The device that has the file already: 1. It stays as long as *ret_fd is open, and is looked for
 * among all, as whoever made it may be dead. Where it is seen at all is its name in /dev.
 */
static int loop_find(const struct stat *file, int *ret_fd, char path[PATH_SIZE])
{
	DIR *dir = opendir("/dev");
	const struct dirent *entry;
	int found = 0;

	while (dir && !found && (entry = readdir(dir))) {
		corral_autofd int fd = -1;

		if (strncmp(entry->d_name, "loop", 4) != 0 ||
		    !isdigit((unsigned char)entry->d_name[4]) || strlen(entry->d_name) > 16)
			continue;
		(void)snprintf(path, PATH_SIZE, "/dev/%.16s", entry->d_name);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || !is_of(fd, file))
			continue;
		*ret_fd = corral_take_fd(&fd);
		found = 1;
	}
	if (dir)
		(void)closedir(dir);
	return found;
}

static int loop_make(int file_fd, int *ret_fd, char path[PATH_SIZE], struct corral_error *err)
{
	corral_autofd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	const struct loop_config config = {
		.fd = (uint32_t)file_fd,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};

	if (control < 0)
		return corral_error_sys(err, errno, "open /dev/loop-control");
	for (int i = 0; i < TRIES_MAX; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		corral_autofd int fd = -1;

		if (number < 0)
			return corral_error_sys(err, errno, "a free loop device");
		(void)snprintf(path, PATH_SIZE, "/dev/loop%d", number);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return corral_error_sys(err, errno, "open '%s'", path);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			*ret_fd = corral_take_fd(&fd);
			return 0;
		}
		if (errno != EBUSY)
			return corral_error_sys(err, errno, "configure '%s'", path);
	}
	return corral_error_set(err, EBUSY, "no loop device is free for long enough");
}

/* --- The mount --- */

/* The kernel's own words are in the descriptor: "e ext4: Can't find ext4 filesystem". */
static int mount_error(int fs_fd, int code, const char *what, struct corral_error *err)
{
	char text[160];
	ssize_t n = read(fs_fd, text, sizeof(text) - 1);

	if (n <= 2)
		return corral_error_sys(err, code, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return corral_error_sys(err, code, "%s: %s", what, text + 2);
}

/* What shares a file system that is mounted already has the options of the first. */
static int mount_loop(const char *path, int *ret_fd, struct corral_error *err)
{
	/* What is deleted inside is given back to the host; what was never written is zero anyway.
	 */
	static const char *const flags[] = { "discard", "noinit_itable" };
	corral_autofd int fs = (int)syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC);
	long r = 0;

	if (fs < 0)
		return corral_error_sys(err, errno, "ext4");
	r = syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", path, 0);
	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(flags); i++)
		r = syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, flags[i], NULL, 0);
	if (r == 0)
		r = syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return mount_error(fs, errno, "mount", err);
	*ret_fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, ATTR);
	return *ret_fd < 0 ? mount_error(fs, errno, "mount", err) : 0;
}

/* What sandboxes have is cloned from it. */
static int clone_check(int mount_fd, struct corral_error *err)
{
	corral_autofd int fd = (int)syscall(SYS_open_tree, mount_fd, "",
	                                    AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno == EINVAL)
		return corral_error_set(err, EOPNOTSUPP, "it takes Linux 6.15");
	return corral_error_sys(err, errno, "clone a mount");
}

/*
 * Nobody else looks for the device, or makes it, meanwhile. By a file description of its own: that
 * which a loop device has stays as long as the device.
 */
static int lock(int dir_fd, const char *name, int *ret_fd, struct stat *st,
                struct corral_error *err)
{
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0 || fstat(fd, st) < 0)
		return corral_error_sys(err, errno, "open it");
	if (!S_ISREG(st->st_mode))
		return corral_error_set(err, EINVAL, "it is no regular file");
	while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (r < 0)
		return corral_error_sys(err, errno, "lock it");
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

/*
 * For the loop device, which keeps the file's description and so the lock as long as it is there
 * (fcntl(2), "Open file description locks"): who does not see that device, as in a container with a
 * /dev of its own, must not make a second one, as two file systems over one file destroy it. One
 * that is just being let go takes a moment.
 */
static int claim(int file_fd, struct corral_error *err)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000000l };

	for (int i = 0;; i++) {
		struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		if (fcntl(file_fd, F_OFD_SETLK, &whole) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return corral_error_sys(err, errno, "claim it");
		if (i == CLAIM_TRIES)
			return corral_error_set(
			        err, EBUSY, "a loop device has it that this /dev does not show");
		(void)nanosleep(&pause, NULL);
	}
}

static int file_open(int dir_fd, const char *name, const struct stat *st, int *ret_fd,
                     struct corral_error *err)
{
	corral_autofd int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat now;
	int r;

	if (fd < 0 || fstat(fd, &now) < 0)
		return corral_error_sys(err, errno, "open it");
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino || now.st_nlink != 1)
		return corral_error_set(err, EINVAL, "it has another name, or was replaced");
	r = claim(fd, err);
	if (r == 0)
		*ret_fd = corral_take_fd(&fd);
	return r;
}

static int open_locked(int dir_fd, const char *name, const struct stat *st, int *ret_fd,
                       struct corral_error *err)
{
	corral_autofd int loop = -1, mount = -1, file = -1;
	char path[PATH_SIZE];
	int r = loop_find(st, &loop, path);

	if (r == 0) {
		r = file_open(dir_fd, name, st, &file, err);
		if (r == 0)
			r = loop_make(file, &loop, path, err);
	}
	if (r >= 0)
		r = mount_loop(path, &mount, err);
	if (r == 0)
		r = clone_check(mount, err);
	if (r == 0)
		*ret_fd = corral_take_fd(&mount);
	return r;
}

int corral_disk_open(int dir_fd, const char *name, int *ret_fd, struct corral_error *err)
{
	corral_autofd int lock_fd = -1;
	struct stat st;
	int r = lock(dir_fd, name, &lock_fd, &st, err);

	if (r == 0)
		r = open_locked(dir_fd, name, &st, ret_fd, err);
	return r < 0 ? corral_error_wrap(err, r, "disk '%s'", name) : 0;
}

bool corral_disk_is_open(int dir_fd, const char *name)
{
	corral_autofd int lock_fd = -1, loop = -1;
	char path[PATH_SIZE];
	struct stat st;

	return lock(dir_fd, name, &lock_fd, &st, NULL) == 0 && loop_find(&st, &loop, path) > 0;
}

int corral_disk_usage(int fd, struct corral_disk_usage *ret)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return -errno;
	*ret = (struct corral_disk_usage) {
		.free_bytes = fs.f_bavail * fs.f_frsize,
		.free_inodes = fs.f_favail,
		.used_bytes = (fs.f_blocks - fs.f_bfree) * fs.f_frsize,
	};
	return 0;
}

void corral_disk_trim(int root_fd)
{
	corral_autofd int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fstrim_range all = { .len = UINT64_MAX };

	/* Blocks are free when the journal's transaction is over, and no sooner. */
	if (fd >= 0 && syncfs(fd) == 0)
		(void)ioctl(fd, FITRIM, &all);
}

int corral_disk_possible(struct corral_error *err)
{
	corral_autofd int control = -1, fs = -1, mount = -1;

	if (geteuid() != 0)
		return corral_error_set(err, EOPNOTSUPP, "it takes root");
	fs = (int)syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC);
	if (fs < 0 && errno == ENODEV)
		return corral_error_set(err, EOPNOTSUPP, "this kernel has no ext4");
	if (fs < 0)
		return corral_error_set(err, EOPNOTSUPP, "it takes the host's own root: %s",
		                        strerror(errno));
	corral_fd_closep(&fs);
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return corral_error_set(err, EOPNOTSUPP, "/dev/loop-control: %s", strerror(errno));
	if (!disk_mkfs_path())
		return corral_error_set(err, EOPNOTSUPP,
		                        "there is no mkfs.ext4: install e2fsprogs");
	fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, ATTR);
	if (mount < 0)
		return corral_error_set(err, EOPNOTSUPP, "mounts are refused: %s", strerror(errno));
	return clone_check(mount, err);
}
