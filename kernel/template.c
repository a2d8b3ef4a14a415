#include "kernel/template.h"

#include <dirent.h>
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
#include "kernel/base/fnv.h"
#include "kernel/base/life.h"
#include "kernel/base/trace.h"
#include "kernel/etc_copy.h"
#include "kernel/init/wire.h"
#include "kernel/skeleton.h"

#define F2FS_MAGIC_ 0xF2F52010
#define XFS_MAGIC_  0x58465342

#define ROOT_NAME_LEN (sizeof("root-0123456789abcdef-0123456789abcdef") - 1)
#define CONTENT_LEN   (sizeof("-0123456789abcdef") - 1)
#define SOURCES_HEAD  (sizeof("01234567 0123456789abcdef\n") - 1)
#define SOURCES_MAX   ((size_t)4 << 20)

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

/* Nobody but root can put anything under the name. Of a skeleton, and of this boot: nobody waits
 * for a disk, so after a loss of power a name may be there and what it stands for not. */
static uint64_t skeleton_digest(const struct corral_buf *entries)
{
	char boot[CORRAL_BOOT_ID_SIZE];

	(void)corral_life_boot(boot);
	return corral_fnv(corral_fnv(CORRAL_FNV_BEGIN, entries->data, entries->len), boot,
	                  strlen(boot));
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

/* Under the lock of the runtime directory. */
static int draft_open(const char *draft, struct corral_error *err)
{
	int fd;

	(void)nftw(draft, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (mkdir(draft, 0755) < 0 || chmod(draft, 0755) < 0)
		return corral_error_sys(err, errno, "create '%s'", draft);
	fd = open(draft, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? corral_error_sys(err, errno, "open '%s'", draft) : fd;
}

/* -EAGAIN: it is not there, or about to go. */
static int use(struct corral_template *t)
{
	corral_autofd int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat locked, named;

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &locked) < 0 ||
	    stat(t->path, &named) < 0 || locked.st_ino != named.st_ino)
		return -EAGAIN;
	t->lock_fd = corral_take_fd(&fd);
	return 0;
}

/* Of other versions and other states of the host, if nobody uses them. Under the lock. */
static void prune(const char *runtime_dir, const char *newest, const char *draft)
{
	DIR *dir = opendir(runtime_dir);

	for (const struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
		corral_autofd int fd = -1;
		char path[256 + sizeof(d->d_name)];

		(void)snprintf(path, sizeof(path), "%s/%s", runtime_dir, d->d_name);
		if (strncmp(d->d_name, "root-", 5) != 0 || strlen(d->d_name) != ROOT_NAME_LEN ||
		    !strcmp(path, newest))
			continue;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* Who finds it now cannot lock it, or sees that it has another name. */
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || rename(path, draft) < 0)
			continue;
		(void)nftw(draft, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		if (strncmp(path, newest, strlen(newest) - CONTENT_LEN) == 0)
			continue;
		(void)snprintf(path + strlen(path) - CONTENT_LEN, sizeof(".sources"), ".sources");
		(void)unlink(path);
	}
	if (dir)
		(void)closedir(dir);
}

/* Read as a whole or not at all: it is written under another name. Nobody misses one that could not
 * be written but for the time to make the same again. */
static void sources_write(const char *path, const struct corral_etc_copy *copy)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	char draft[256];

	if (!copy->is_settled)
		return;
	corral_buf_fmt(&text, "%08x %016llx\n", copy->has, (unsigned long long)copy->digest);
	corral_buf_add(&text, copy->sources.data ? copy->sources.data : "", copy->sources.len);
	(void)snprintf(draft, sizeof(draft), "%s.draft", path);
	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || text.failed)
		return;
	if (write(fd, text.data, text.len) != (ssize_t)text.len || rename(draft, path) < 0)
		(void)unlink(draft);
}

/* As sources_path says, if the host is still like that. -EAGAIN: it has to be made. */
static int find(const char *sources_path, const char *prefix, struct corral_template *ret)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open(sources_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	unsigned long long digest;
	unsigned int has;

	if (fd < 0 || corral_buf_read_fd(&text, fd, SOURCES_MAX) < 0 || text.failed ||
	    text.len < SOURCES_HEAD || sscanf(text.data, "%8x %16llx", &has, &digest) != 2 ||
	    !corral_etc_sources_same(text.data + SOURCES_HEAD))
		return -EAGAIN;
	(void)snprintf(ret->path, sizeof(ret->path), "%s-%016llx", prefix, digest);
	if (use(ret) < 0)
		return -EAGAIN;
	ret->sources = strdup(text.data + SOURCES_HEAD);
	ret->has = has;
	return 0;
}

/* Made under another name, so that what has the right one is whole. One maker at a time, who takes
 * away what a killed one left. */
static int make(const char *runtime_dir, const char *prefix, const char *sources_path,
                const struct corral_buf *entries, const struct corral_etc *etc,
                struct corral_template *ret, struct corral_error *err)
{
	corral_autofd int lock = -1, dir = -1;
	struct corral_etc_copy copy;
	char draft[256];
	int r;

	(void)snprintf(draft, sizeof(draft), "%s/draft", runtime_dir);
	lock = open(runtime_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return corral_error_sys(err, errno, "lock '%s'", runtime_dir);
	r = find(sources_path, prefix, ret);
	if (r != -EAGAIN)
		return r;
	dir = draft_open(draft, err);
	if (dir < 0)
		return dir;
	r = corral_template_fill(dir, entries, err);
	if (r == 0)
		r = corral_etc_copy(dir, etc, &copy, err);
	if (r < 0)
		return corral_error_wrap(err, r, "compose '%s'", draft);
	(void)snprintf(ret->path, sizeof(ret->path), "%s-%016llx", prefix,
	               (unsigned long long)copy.digest);
	if (use(ret) < 0) {
		if (rename(draft, ret->path) < 0)
			r = corral_error_sys(err, errno, "rename '%s' to '%s'", draft, ret->path);
		else if (use(ret) < 0)
			r = corral_error_set(err, EAGAIN, "'%s' went away", ret->path);
		else
			corral_trace(CORRAL_TRACE_SPAWN, "made %s", ret->path);
	}
	(void)nftw(draft, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (r == 0) {
		sources_write(sources_path, &copy);
		ret->sources = copy.is_settled ? corral_buf_take(&copy.sources) : NULL;
		prune(runtime_dir, ret->path, draft);
		ret->has = copy.has;
	}
	corral_etc_copy_done(&copy);
	return r;
}

int corral_template_find(const char *runtime_dir, const struct corral_etc *etc,
                         const struct corral_host *host, struct corral_template *ret,
                         struct corral_error *err)
{
	corral_autobuf struct corral_buf entries = CORRAL_BUF_INIT;
	char prefix[160], sources_path[192];
	int r;

	*ret = (struct corral_template) { .lock_fd = -1 };
	if (!can_be_id_mapped(runtime_dir, host))
		return corral_error_set(err, EOPNOTSUPP, "'%s' cannot be id-mapped", runtime_dir);
	corral_skeleton_template(&entries, etc);
	if (entries.failed)
		return corral_error_set(err, ENOMEM, "compose the root: out of memory");
	(void)snprintf(prefix, sizeof(prefix), "%s/root-%016llx", runtime_dir,
	               (unsigned long long)skeleton_digest(&entries));
	(void)snprintf(sources_path, sizeof(sources_path), "%s.sources", prefix);
	r = find(sources_path, prefix, ret);
	if (r == -EAGAIN)
		r = make(runtime_dir, prefix, sources_path, &entries, etc, ret, err);
	if (r < 0)
		corral_template_done(ret);
	return r;
}

static bool is_newer(const struct stat *a, const struct stat *b)
{
	return a->st_ctim.tv_sec != b->st_ctim.tv_sec ? a->st_ctim.tv_sec > b->st_ctim.tv_sec
	                                              : a->st_ctim.tv_nsec > b->st_ctim.tv_nsec;
}

/* Of one place: renaming it to where it is was the last that happened to it. */
static void newest_find(const char *place, uint64_t digest, struct corral_template *ret,
                        struct stat *newest)
{
	int fd = open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char prefix[sizeof("root-0123456789abcdef-")];
	struct stat st;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		corral_fd_closep(&fd);
		return;
	}
	(void)snprintf(prefix, sizeof(prefix), "root-%016llx-", (unsigned long long)digest);
	/* As whoever makes one wants it: nobody else's to write. */
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022)) {
		(void)closedir(dir);
		return;
	}
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		if (strncmp(d->d_name, prefix, strlen(prefix)) != 0 ||
		    strlen(d->d_name) != ROOT_NAME_LEN ||
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
		    (ret->path[0] && !is_newer(&st, newest)))
			continue;
		(void)snprintf(ret->path, sizeof(ret->path), "%s/%.*s", place, (int)ROOT_NAME_LEN,
		               d->d_name);
		*newest = st;
	}
	(void)closedir(dir);
}

int corral_template_newest(const struct corral_etc *etc, struct corral_template *ret)
{
	static const char *const places[] = { CORRAL_TEMPLATE_RUNTIME_DIR,
		                              CORRAL_TEMPLATE_DISK_DIR };
	corral_autobuf struct corral_buf entries = CORRAL_BUF_INIT;
	struct stat newest = { 0 };

	*ret = (struct corral_template) { .lock_fd = -1 };
	corral_skeleton_template(&entries, etc);
	if (entries.failed)
		return -ENOMEM;
	for (size_t i = 0; i < CORRAL_COUNT(places); i++)
		newest_find(places[i], skeleton_digest(&entries), ret, &newest);
	return ret->path[0] && use(ret) == 0 ? 0 : -ENOENT;
}

bool corral_template_is_current(const struct corral_template *t)
{
	return t->sources && corral_etc_sources_same(t->sources);
}

void corral_template_done(struct corral_template *t)
{
	corral_fd_closep(&t->lock_fd);
	free(t->sources);
	t->sources = NULL;
}
