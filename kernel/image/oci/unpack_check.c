#include "kernel/image/oci/unpack_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/unpack/report.h"

#define STRICT (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

struct look {
	uint64_t files, files_max;
};

static int entry_type(int dir_fd, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return (int)IFTODT(st.st_mode);
}

static int check(struct look *l, int fd_taken, unsigned int depth, struct corral_error *err);

static int check_entry(struct look *l, int dir_fd, const struct dirent *e, unsigned int depth,
                       struct corral_error *err)
{
	int type = entry_type(dir_fd, e), fd;

	if (type < 0)
		return corral_error_sys(err, -type, "look at what was unpacked");
	if (++l->files > l->files_max)
		return corral_error_set(err, EFBIG, "more than %llu files",
		                        (unsigned long long)l->files_max);
	switch (type) {
	case DT_REG:
	case DT_LNK:
	case DT_FIFO:
		return 0;
	case DT_DIR:
		break;
	default:
		return corral_error_set(err, EINVAL,
		                        "it came to hold a device or a socket, which no image may "
		                        "have");
	}
	fd = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? corral_error_sys(err, errno, "look at what was unpacked")
	              : check(l, fd, depth + 1, err);
}

static int check(struct look *l, int fd_taken, unsigned int depth, struct corral_error *err)
{
	DIR *d;
	struct dirent *e;
	int r = 0;

	if (depth > CORRAL_UNPACK_DEPTH_MAX || !(d = fdopendir(fd_taken))) {
		(void)close(fd_taken);
		return depth > CORRAL_UNPACK_DEPTH_MAX
		               ? corral_error_set(err, EINVAL, "more than %u directories deep",
		                                  CORRAL_UNPACK_DEPTH_MAX)
		               : corral_error_set(err, ENOMEM, "out of memory");
	}
	while (r == 0 && (errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = check_entry(l, dirfd(d), e, depth, err);
	if (r == 0 && errno)
		r = corral_error_sys(err, errno, "look at what was unpacked");
	(void)closedir(d);
	return r;
}

int corral_unpack_check(int tree_fd, uint64_t files_max, uint64_t *ret_files,
                        struct corral_error *err)
{
	struct look l = { .files_max = files_max };
	int fd = openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return corral_error_sys(err, errno, "look at what was unpacked");
	r = check(&l, fd, 0, err);
	*ret_files = l.files;
	return r;
}

static int capability_set(int tree_fd, const char *hex, const char *path, struct corral_error *err)
{
	struct open_how how = { .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		                .resolve = STRICT };
	corral_autofd int fd = (int)syscall(SYS_openat2, tree_fd, path, &how, sizeof(how));
	unsigned char value[64];
	unsigned int byte;
	struct stat st;
	size_t n = 0;

	/* It is of no use to anybody who asks for it by a name that is not there. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return corral_error_set(err, EBADMSG, "what unpacks it broke down");
	for (; *hex != ':' && n < sizeof(value) && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		value[n++] = (unsigned char)byte;
	/* What the kernel takes for none is no reason to have no image. */
	if (fsetxattr(fd, "security.capability", value, n, 0) < 0 && errno != EINVAL &&
	    errno != EOPNOTSUPP && errno != EPERM)
		return corral_error_sys(err, errno, "store a file's capabilities");
	return 0;
}

int corral_unpack_capabilities(int tree_fd, const char *records, size_t len,
                               struct corral_error *err)
{
	for (const char *at = records; at < records + len; at += strlen(at) + 1) {
		int r = capability_set(tree_fd, at, strchr(at, ':') + 1, err);

		if (r < 0)
			return r;
	}
	return 0;
}
