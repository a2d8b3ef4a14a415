/*
 * Disks made by mkfs.ext4, copied, and what is kept in reserve on them.
 *
 * mkfs.ext4 runs once for each, for some milliseconds, over an empty file of ours that is all it is
 * given; the raw clone without an exit signal keeps it from a caller that waits for children of its
 * own (as kernel/doctor.c does).
 */
#include "kernel/disk_make.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/disk.h"
#include "kernel/layers/layers.h"

#define MIB (UINT64_C(1) << 20)
/* In MiB: enough that changes of names do not wait for each other, and small beside any limit. */
#define JOURNAL_MB 8
/* ext4 keeps up to 16 MiB for its own accounts; and bitmaps and tables of groups. */
#define OWN_BYTES  (24 * MIB)
#define INODE_SIZE 256
/* Directories of layers, which are no guest's files. */
#define OWN_INODES 128
#define BYTES_MAX  (UINT64_C(8) << 40)

#define RESERVE           "reserve"
#define RESERVE_FILES_MIN 16
#define RESERVE_FILES_MAX 512
#define RESERVE_MIN       (256u << 10)
/* The root, lost+found, and directories of the first layers; and inodes, with ext4's own. */
#define RESERVE_NOT_IT (256u << 10)
#define OWN_USED       48

const char *disk_mkfs_path(void)
{
	static const char *const paths[] = { "/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4",
		                             "/usr/bin/mkfs.ext4", "/usr/local/sbin/mkfs.ext4" };

	for (size_t i = 0; i < CORRAL_COUNT(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* After a raw clone of a process that may have threads: system calls alone. */
_Noreturn static void mkfs_child(const char *path, char *const *argv, int file_fd, int said_fd)
{
	char *const env[] = { NULL };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_DFL);
	/* Above those that are given. */
	file_fd = fcntl(file_fd, F_DUPFD_CLOEXEC, 10);
	said_fd = fcntl(said_fd, F_DUPFD_CLOEXEC, 10);
	if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
	    dup2(said_fd, STDERR_FILENO) < 0 || dup2(file_fd, 3) < 0)
		_exit(126);
	(void)execve(path, argv, env);
	_exit(127);
}

static int mkfs_run(char *const *argv, int file_fd, struct corral_error *err)
{
	corral_autofd int pidfd = -1, from = -1, to = -1;
	const char *path = disk_mkfs_path();
	siginfo_t info = { .si_status = -1 };
	char said[200];
	int ends[2], r;
	ssize_t n;
	long pid;

	if (!path)
		return corral_error_set(err, EOPNOTSUPP,
		                        "there is no mkfs.ext4: install e2fsprogs");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "make a pipe");
	from = ends[0];
	to = ends[1];
	pid = syscall(SYS_clone, CLONE_PIDFD, NULL, &pidfd, NULL, 0);
	if (pid == 0)
		mkfs_child(path, argv, file_fd, to);
	if (pid < 0)
		return corral_error_sys(err, errno, "start '%s'", path);
	corral_fd_closep(&to);
	while ((n = read(from, said, sizeof(said) - 1)) < 0 && errno == EINTR)
		;
	said[n < 0 ? 0 : n] = '\0';
	said[strcspn(said, "\n")] = '\0';
	/* What it says beyond that is not waited for: it gets SIGPIPE. */
	corral_fd_closep(&from);
	while ((r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL)) < 0 && errno == EINTR)
		;
	if (r < 0)
		return corral_error_sys(err, errno, "wait for '%s'", path);
	if (info.si_code != CLD_EXITED || info.si_status != 0)
		return corral_error_set(err, EIO, "'%s' failed (%d): %s", path, info.si_status,
		                        said);
	return 0;
}

int corral_disk_make(int dir_fd, const char *name, uint64_t bytes, uint64_t inodes,
                     struct corral_error *err)
{
	corral_autofd int fd = -1;
	char files[24], journal[24];
	/* All that could be otherwise in the host's mke2fs.conf is said. Nothing is written that is
	 * zero in an empty file already. */
	const char *const argv[] = {
		"mkfs.ext4",
		"-q",
		"-F",
		"-b4096",
		"-I256",
		"-m0",
		"-N",
		files,
		"-J",
		journal,
		"-O",
		"^resize_inode,^orphan_file,has_journal,extent,flex_bg,metadata_csum,64bit,"
		"sparse_super,large_file,huge_file,dir_nlink,extra_isize,dir_index",
		"-e",
		"remount-ro",
		"-E",
		"lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
		"/proc/self/fd/3",
		NULL,
	};
	uint64_t size;
	int r;

	if (!bytes || bytes > BYTES_MAX)
		return corral_error_set(err, EINVAL, "a disk of %llu bytes: between 1 and 8T",
		                        (unsigned long long)bytes);
	if (!inodes)
		inodes = bytes / 16384;
	inodes += OWN_INODES;
	size = bytes + bytes / 64 + inodes * INODE_SIZE + JOURNAL_MB * MIB + OWN_BYTES;
	(void)snprintf(files, sizeof(files), "%llu", (unsigned long long)inodes);
	(void)snprintf(journal, sizeof(journal), "size=%d", JOURNAL_MB);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)((size + 4095) & ~UINT64_C(4095))) < 0)
		return corral_error_sys(err, errno, "create disk '%s'", name);
	r = mkfs_run((char *const *)(uintptr_t)argv, fd, err);
	return r < 0 ? corral_error_wrap(err, r, "make disk '%s'", name) : 0;
}

/* --- Copies --- */

static int bytes_copy(int from, int to, off_t at, off_t end)
{
	char *buf = NULL;
	int r = 0;

	while (at < end) {
		off_t out = at;
		ssize_t n = copy_file_range(from, &at, to, &out, (size_t)(end - at), 0);

		if (n > 0)
			continue;
		if (n < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP &&
		    errno != ENOSYS)
			return -errno;
		break;
	}
	if (at < end && !(buf = malloc(MIB)))
		return -ENOMEM;
	while (r == 0 && at < end) {
		ssize_t n = pread(from, buf,
		                  (size_t)(end - at < (off_t)MIB ? end - at : (off_t)MIB), at);

		if (n > 0 && pwrite(to, buf, (size_t)n, at) == n)
			at += n;
		else
			r = n == 0 ? -EIO : errno ? -errno : -ENOSPC;
	}
	free(buf);
	return r;
}

/* Holes stay holes. */
static int data_copy(int from, int to, off_t size)
{
	off_t at = 0, end;
	int r = 0;

	if (ftruncate(to, size) < 0)
		return -errno;
	while (r == 0 && at < size) {
		at = lseek(from, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno;
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0)
			return -errno;
		r = bytes_copy(from, to, at, end);
		at = end;
	}
	return r;
}

int corral_disk_copy(int dir_fd, const char *name, int root_fd, int to_dir_fd, const char *to_name,
                     struct corral_error *err)
{
	corral_autofd int from = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	/* That of a mount is O_PATH. */
	corral_autofd int root = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	corral_autofd int to = -1;
	struct stat st;
	int r = 0;

	if (from < 0 || fstat(from, &st) < 0)
		return corral_error_sys(err, errno, "open disk '%s'", name);
	to = openat(to_dir_fd, to_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return corral_error_sys(err, errno, "create disk '%s'", to_name);
	/* Then it is as after a loss of power of one that nobody wrote to: the copy's journal is
	 * replayed when that is mounted. */
	if (syncfs(root) < 0)
		r = -errno;
	if (r == 0 && ioctl(to, FICLONE, from) < 0)
		r = data_copy(from, to, st.st_size);
	return r < 0 ? corral_error_sys(err, -r, "copy disk '%s'", name) : 0;
}

/* --- The reserve --- */

void corral_disk_reserve_give(int root_fd)
{
	(void)corral_layer_remove(root_fd, RESERVE, NULL);
}

static void reserve_fill(int root_fd, uint64_t size, uint64_t files)
{
	corral_autofd int dir = -1, fd = -1;

	if (mkdirat(root_fd, RESERVE, 0700) < 0)
		return;
	dir = openat(root_fd, RESERVE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	fd = openat(dir, "room", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* Nothing of it is written to the host. */
	if (fd >= 0)
		(void)fallocate(fd, 0, 0, (off_t)size);
	for (unsigned int i = 0; i < files; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%u", i);
		(void)mknodat(dir, name, S_IFREG | 0600, 0);
	}
}

/* Of the disk's files those beyond the limit, within bounds. */
static uint64_t reserve_files(const struct statvfs *fs, uint64_t inodes)
{
	uint64_t more = inodes && fs->f_files > inodes + OWN_USED ? fs->f_files - inodes - OWN_USED
	                                                          : RESERVE_FILES_MIN;

	return more < RESERVE_FILES_MIN   ? RESERVE_FILES_MIN
	       : more > RESERVE_FILES_MAX ? RESERVE_FILES_MAX
	                                  : more;
}

void corral_disk_reserve_take(int root_fd, uint64_t bytes, uint64_t inodes)
{
	struct statvfs fs;
	uint64_t kept, all, size, left, files;

	if (faccessat(root_fd, RESERVE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    fstatvfs(root_fd, &fs) < 0)
		return;
	/* What ext4 keeps for itself is counted as neither free nor used. */
	kept = (fs.f_bfree - fs.f_bavail) * fs.f_frsize;
	all = fs.f_blocks * fs.f_frsize - kept;
	left = fs.f_bavail * fs.f_frsize;
	size = all > bytes + RESERVE_NOT_IT ? all - bytes - RESERVE_NOT_IT : 0;
	if (size < RESERVE_MIN)
		size = RESERVE_MIN;
	files = reserve_files(&fs, inodes);
	/* Of a full one only what was given back. */
	if (left >= size && fs.f_favail >= files)
		reserve_fill(root_fd, size, files);
}
