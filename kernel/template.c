#include "kernel/template.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"
#include "kernel/init/wire.h"
#include "kernel/skeleton.h"

#define F2FS_MAGIC_ 0xF2F52010
#define XFS_MAGIC_  0x58465342

/* Those that anybody has /run on; mount_setattr(2) lists more. tmpfs: Linux 6.3. */
static bool can_be_id_mapped(const char *path, const struct corral_host *host)
{
	struct statfs fs;

	if (!(host->features & CORRAL_HOST_ID_MAPPED) || statfs(path, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case TMPFS_MAGIC:
		return host->kernel_major > 6 ||
		       (host->kernel_major == 6 && host->kernel_minor >= 3);
	case EXT4_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case XFS_MAGIC_:
	case F2FS_MAGIC_:
		return true;
	default:
		return false;
	}
}

/* FNV-1a: tells versions apart; nobody but root can put anything under the name. */
static uint64_t digest(const struct corral_buf *b)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < b->len; i++)
		h = (h ^ (unsigned char)b->data[i]) * 0x100000001b3ull;
	return h;
}

static int entry_make(int dir_fd, const struct corral_wire_entry *e)
{
	const char *data = e->path + e->path_len + 1;
	corral_autofd int fd = -1;

	switch (e->kind) {
	case 'd':
		if (mkdirat(dir_fd, e->path, e->mode) < 0 && errno != EEXIST)
			return -errno;
		/* As it is, whatever the caller's umask. */
		return fchmodat(dir_fd, e->path, e->mode, 0) < 0 ? -errno : 0;
	case 'l':
		return symlinkat(data, dir_fd, e->path) < 0 ? -errno : 0;
	case 'f':
		fd = openat(dir_fd, e->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		            e->mode);
		if (fd < 0 || fchmod(fd, e->mode) < 0)
			return -errno;
		return write(fd, data, e->data_len) == e->data_len ? 0 : -EIO;
	default:
		return -EINVAL;
	}
}

int corral_template_fill(int dir_fd, const struct corral_buf *entries, struct corral_error *err)
{
	for (size_t at = 0; at < entries->len;) {
		const struct corral_wire_entry *e = (const void *)(entries->data + at);
		int r = entry_make(dir_fd, e);

		if (r == -EEXIST)
			r = unlinkat(dir_fd, e->path, 0) < 0 ? -errno : entry_make(dir_fd, e);
		if (r < 0)
			return corral_error_sys(err, -r, "create '%s'", e->path);
		at += e->size;
	}
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* Made under another name, so that what has the right one is whole. One maker at a time, who takes
 * away what a killed one left. */
static int make(const char *runtime_dir, const struct corral_buf *entries, const char *path,
                struct corral_error *err)
{
	corral_autofd int lock = -1, dir = -1;
	char draft[256];
	int r;

	(void)snprintf(draft, sizeof(draft), "%s/draft", runtime_dir);
	lock = open(runtime_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return corral_error_sys(err, errno, "lock '%s'", runtime_dir);
	if (access(path, F_OK) == 0)
		return 0;
	(void)nftw(draft, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (mkdir(draft, 0755) < 0 || chmod(draft, 0755) < 0)
		return corral_error_sys(err, errno, "create '%s'", draft);
	dir = open(draft, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return corral_error_sys(err, errno, "open '%s'", draft);
	r = corral_template_fill(dir, entries, err);
	if (r < 0)
		return corral_error_wrap(err, r, "compose '%s'", draft);
	if (rename(draft, path) < 0)
		return corral_error_sys(err, errno, "rename '%s' to '%s'", draft, path);
	corral_trace(CORRAL_TRACE_SPAWN, "made %s", path);
	return 0;
}

int corral_template_find(const char *runtime_dir, const struct corral_etc *etc,
                         const struct corral_host *host, char *ret, size_t size,
                         struct corral_error *err)
{
	corral_autobuf struct corral_buf entries = CORRAL_BUF_INIT;
	int r;

	if (!can_be_id_mapped(runtime_dir, host))
		return corral_error_set(err, EOPNOTSUPP, "'%s' cannot be id-mapped", runtime_dir);
	corral_skeleton_template(&entries, etc);
	if (entries.failed)
		return corral_error_set(err, ENOMEM, "compose the root: out of memory");
	(void)snprintf(ret, size, "%s/root-%016llx", runtime_dir,
	               (unsigned long long)digest(&entries));
	if (access(ret, F_OK) == 0)
		return 0;
	r = make(runtime_dir, &entries, ret, err);
	if (r < 0)
		ret[0] = '\0';
	return r;
}
