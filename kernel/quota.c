#include "kernel/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/* Blocks of quotactl(2) are of 1024 bytes whatever the file system's are. */
#define BLOCK 1024u

/* By the directory's own file system, without its device's name: Linux 5.14, quotactl_fd(2). */
static int quota_call(int dir_fd, unsigned int command, uint32_t project, struct if_dqblk *block)
{
	return (int)syscall(SYS_quotactl_fd, dir_fd, QCMD(command, PRJQUOTA), project, block);
}

static int cannot(struct corral_error *err, int code)
{
	switch (code) {
	case ENOSYS:
		return corral_error_set(err, EOPNOTSUPP, "quotas take Linux 5.14");
	case EPERM:
	case EACCES:
		return corral_error_set(err, EOPNOTSUPP, "only the host's root sets quotas");
	case ESRCH:
	case EOPNOTSUPP:
	case ENOTTY:
	case EINVAL:
		return corral_error_set(err, EOPNOTSUPP,
		                        "its file system counts nothing of a directory: mount it "
		                        "with prjquota (ext4, XFS)");
	default:
		return corral_error_sys(err, code, "set a quota");
	}
}

/* The directory's project; 0 without. */
static int project_get(int dir_fd, struct fsxattr *ret, struct corral_error *err)
{
	return ioctl(dir_fd, FS_IOC_FSGETXATTR, ret) < 0 ? cannot(err, errno) : 0;
}

static int project_set(int dir_fd, uint32_t project, struct corral_error *err)
{
	struct fsxattr attr = { 0 };
	int r = project_get(dir_fd, &attr, err);

	if (r < 0)
		return r;
	attr.fsx_projid = project;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(dir_fd, FS_IOC_FSSETXATTR, &attr) < 0 ? cannot(err, errno) : 0;
}

/* And what is right in it, which was made before it had a project. */
static int project_give(int dir_fd, uint32_t project, struct corral_error *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	const struct dirent *entry;
	DIR *dir;

	r = project_set(dir_fd, project, err);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int code = errno;

		if (fd >= 0)
			(void)close(fd);
		return r < 0 ? r : corral_error_sys(err, code, "set a quota");
	}
	while (r == 0 && (entry = readdir(dir))) {
		corral_autofd int in = -1;

		if (entry->d_name[0] == '.')
			continue;
		in = openat(dirfd(dir), entry->d_name,
		            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (in >= 0)
			r = project_set(in, project, err);
	}
	(void)closedir(dir);
	return r;
}

/* From the inode's number, out of the way of whoever counts projects from 1. Where inodes have more
 * bits than this, or somebody took the number all the same, what is counted there already tells. */
static int project_new(int dir_fd, uint32_t *ret, struct corral_error *err)
{
	struct if_dqblk block = { 0 };
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return corral_error_sys(err, errno, "set a quota");
	*ret = (uint32_t)st.st_ino | 0x40000000u;
	/* Left of a directory that had the number before is no more than a limit. */
	if (quota_call(dir_fd, Q_GETQUOTA, *ret, &block) == 0 && block.dqb_curspace)
		return corral_error_set(err, EOPNOTSUPP, "its project %u is somebody else's", *ret);
	return 0;
}

int corral_quota_limit(int dir_fd, uint64_t bytes, uint64_t inodes, struct corral_error *err)
{
	struct if_dqblk block = { .dqb_bhardlimit = (bytes + BLOCK - 1) / BLOCK,
		                  .dqb_ihardlimit = inodes,
		                  .dqb_valid = QIF_LIMITS };
	struct fsxattr attr = { 0 };
	uint32_t project;
	int r = project_get(dir_fd, &attr, err);

	if (r < 0)
		return r;
	project = attr.fsx_projid;
	if (!project)
		r = project_new(dir_fd, &project, err);
	if (r == 0 && quota_call(dir_fd, Q_SETQUOTA, project, &block) < 0)
		r = cannot(err, errno);
	if (r == 0 && !attr.fsx_projid)
		r = project_give(dir_fd, project, err);
	return r;
}

int corral_quota_possible(int dir_fd, struct corral_error *err)
{
	struct if_dqblk block = { 0 };
	struct fsxattr attr = { 0 };
	int r = project_get(dir_fd, &attr, err);

	/* XFS knows nothing of a project that has no limit yet (ENOENT). */
	if (r == 0 && quota_call(dir_fd, Q_GETQUOTA, attr.fsx_projid, &block) < 0 &&
	    errno != ENOENT)
		r = cannot(err, errno);
	return r;
}

int corral_quota_refuse(const char *limit_name, const struct corral_error *why,
                        struct corral_error *err)
{
	return corral_error_set(err, EOPNOTSUPP,
	                        "limit '%s' cannot be enforced here: what is kept lies on the "
	                        "host's disk (%.150s): make a session with --disk-backing image, "
	                        "or leave that limit out",
	                        limit_name, why->text);
}

int corral_quota_join(int dir_fd, int from_fd, struct corral_error *err)
{
	struct fsxattr attr = { 0 }, from = { 0 };
	int r = project_get(dir_fd, &attr, err);

	if (r == 0)
		r = project_get(from_fd, &from, err);
	if (r < 0 || !from.fsx_projid || attr.fsx_projid == from.fsx_projid)
		return r;
	return project_give(dir_fd, from.fsx_projid, err);
}

int corral_quota_get(int dir_fd, struct corral_quota *ret, struct corral_error *err)
{
	struct if_dqblk block = { 0 };
	struct fsxattr attr = { 0 };
	int r = project_get(dir_fd, &attr, err);

	if (r < 0)
		return r;
	if (!attr.fsx_projid || quota_call(dir_fd, Q_GETQUOTA, attr.fsx_projid, &block) < 0)
		return cannot(err, attr.fsx_projid ? errno : ESRCH);
	*ret = (struct corral_quota) { .bytes = block.dqb_curspace,
		                       .bytes_limit = block.dqb_bhardlimit * BLOCK,
		                       .inodes = block.dqb_curinodes,
		                       .inodes_limit = block.dqb_ihardlimit };
	return 0;
}
