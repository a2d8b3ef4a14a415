#include "kernel/etc_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/fnv.h"

#define DEPTH_MAX   8
#define ENTRIES_MAX 4096                /* of one path */
#define BYTES_MAX   ((uint64_t)8 << 20) /* of one path */
/* A second change within the tick of a time stamp leaves the stamp as it was. */
#define SETTLED_SEC 2

struct copier {
	struct corral_etc_copy *copy;
	uint64_t bytes;
	unsigned int n;
	time_t now;
	int errno_here; /* of writing: nothing of any path can be copied */
};

/* One name in both trees. The paths are the same in both. */
struct place {
	int from_fd, to_fd; /* directories */
	const char *name;   /* in from_fd, and in to_fd */
	const char *path;   /* of the host, absolute */
};

/* Of one entry; the order of a directory's is not told, so they are added up. */
static uint64_t digest_begin(const char *path, const struct stat *st)
{
	const uint32_t facts[] = { st->st_mode, st->st_uid, st->st_gid };

	return corral_fnv(corral_fnv(CORRAL_FNV_BEGIN, path, strlen(path) + 1), facts,
	                  sizeof(facts));
}

static void source_line(struct corral_buf *out, const char *path, const struct stat *st)
{
	corral_buf_fmt(out, "%jx %jx %o %jd %jd.%09ld %jd.%09ld %s\n", (uintmax_t)st->st_dev,
	               (uintmax_t)st->st_ino, st->st_mode, (intmax_t)st->st_size,
	               (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
	               (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec, path);
}

/* A line is a line of its own: no name with a newline is copied. */
static void source_add(struct copier *c, const char *path, const struct stat *st)
{
	source_line(&c->copy->sources, path, st);
	/* One of the future is no better, nor worse, than one long past: another clock's. */
	if (llabs((long long)st->st_ctim.tv_sec - c->now) <= SETTLED_SEC)
		c->copy->is_settled = false;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       !memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) &&
	       !memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim));
}

static int cannot_write(struct copier *c)
{
	c->errno_here = errno;
	return -errno;
}

static bool is_owned(const struct stat *st)
{
	return st->st_uid == geteuid() && st->st_gid == getegid();
}

/* Of a file or a directory, when nothing is written to it any more. */
static int facts_set(struct copier *c, int fd, const struct stat *st)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };

	if ((!is_owned(st) && fchown(fd, st->st_uid, st->st_gid) < 0) ||
	    fchmod(fd, st->st_mode & 0777) < 0 || futimens(fd, times) < 0)
		return cannot_write(c);
	return 0;
}

static int link_copy(struct copier *c, const struct place *p, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(p->from_fd, p->name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, p->to_fd, p->name) < 0)
		return cannot_write(c);
	if (!is_owned(st) &&
	    fchownat(p->to_fd, p->name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot_write(c);
	c->copy->digest += corral_fnv(digest_begin(p->path, st), target, (size_t)n);
	return 0;
}

/* Of access (acl(5)): its group's bits are no group's. */
static bool has_list(int fd)
{
	return fgetxattr(fd, "system.posix_acl_access", NULL, 0) > 0;
}

static int bytes_copy(struct copier *c, int from, int to, uint64_t *digest)
{
	char block[16384];
	ssize_t n;

	while ((n = read(from, block, sizeof(block))) > 0) {
		c->bytes += (uint64_t)n;
		if (c->bytes > BYTES_MAX)
			return -EFBIG;
		*digest = corral_fnv(*digest, block, (size_t)n);
		if (write(to, block, (size_t)n) != n)
			return cannot_write(c);
	}
	return n < 0 ? -errno : 0;
}

static int file_copy(struct copier *c, const struct place *p, int flags)
{
	corral_autofd int from = -1, to = -1;
	struct stat before, after;
	uint64_t digest;
	int r;

	/* One that was put in its place must not make us wait. */
	from = openat(p->from_fd, p->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
	if (from < 0 || fstat(from, &before) < 0)
		return -errno;
	if (!S_ISREG(before.st_mode) || has_list(from))
		return -EOPNOTSUPP;
	to = openat(p->to_fd, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return cannot_write(c);
	digest = digest_begin(p->path, &before);
	r = bytes_copy(c, from, to, &digest);
	if (r < 0)
		return r;
	if (fstat(from, &after) < 0 || !is_same(&before, &after))
		return -EAGAIN;
	r = facts_set(c, to, &before);
	if (r < 0)
		return r;
	source_add(c, p->path, &before);
	c->copy->digest += digest;
	return 0;
}

static void dir_closep(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int directory_copy(struct copier *c, const struct place *p, int flags, unsigned int depth);

static int entry_copy(struct copier *c, int from, int to, const char *parent, const char *name,
                      unsigned int depth)
{
	char path[PATH_MAX];
	const struct place p = { from, to, name, path };
	struct stat st;

	if (++c->n > ENTRIES_MAX || depth > DEPTH_MAX || strchr(name, '\n') ||
	    snprintf(path, sizeof(path), "%s/%s", parent, name) >= (int)sizeof(path))
		return -E2BIG;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFLNK:
		return link_copy(c, &p, &st);
	case S_IFREG:
		return file_copy(c, &p, O_NOFOLLOW);
	case S_IFDIR:
		return directory_copy(c, &p, O_NOFOLLOW, depth);
	default:
		return -EOPNOTSUPP;
	}
}

static int directory_copy(struct copier *c, const struct place *p, int flags, unsigned int depth)
{
	corral_auto(dir_closep) DIR *dir = NULL;
	corral_autofd int to = -1;
	struct stat before, after;
	int fd = openat(p->from_fd, p->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags), r = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	if (fstat(fd, &before) < 0)
		return -errno;
	if (has_list(fd))
		return -EOPNOTSUPP;
	/* The skeleton has some as the places for mounts. */
	if (mkdirat(p->to_fd, p->name, 0700) < 0 && errno != EEXIST)
		return cannot_write(c);
	to = openat(p->to_fd, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return cannot_write(c);
	for (const struct dirent *d = readdir(dir); d && r == 0; d = readdir(dir))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = entry_copy(c, fd, to, p->path, d->d_name, depth + 1);
	if (r < 0)
		return r;
	if (fstat(fd, &after) < 0 || !is_same(&before, &after))
		return -EAGAIN;
	r = facts_set(c, to, &before);
	if (r < 0)
		return r;
	source_add(c, p->path, &before);
	c->copy->digest += digest_begin(p->path, &before);
	return 0;
}

/* Of path, whose last name is for its copy. */
static int parents_make(struct copier *c, int root_fd, const char *path)
{
	char part[PATH_MAX];

	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(end - path - 1), path + 1);
		if (mkdirat(root_fd, part, 0755) < 0) {
			if (errno != EEXIST)
				return cannot_write(c);
		} else if (fchmodat(root_fd, part, 0755, 0) < 0) {
			return cannot_write(c);
		}
	}
	return 0;
}

/* The path itself may be a link to where the system has it. */
static int path_copy(struct copier *c, int root_fd, const char *path, bool is_dir)
{
	const char *name = strrchr(path, '/') + 1;
	corral_autofd int from = -1, to = -1;
	char parent[PATH_MAX];
	struct place p = { .name = name, .path = path };
	int r = parents_make(c, root_fd, path);

	if (r < 0)
		return r;
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(name - path), path);
	from = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	(void)snprintf(parent, sizeof(parent), "./%.*s", (int)(name - path - 1), path + 1);
	to = openat(root_fd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		return cannot_write(c);
	p.from_fd = from;
	p.to_fd = to;
	if (is_dir)
		return directory_copy(c, &p, 0, 0);
	/* The skeleton has it as the place for a mount. */
	if (unlinkat(to, name, 0) < 0 && errno != ENOENT)
		return cannot_write(c);
	return file_copy(c, &p, 0);
}

int corral_etc_copy(int root_fd, const struct corral_etc *etc, struct corral_etc_copy *ret,
                    struct corral_error *err)
{
	struct copier c = { .copy = ret, .now = time(NULL) };

	*ret = (struct corral_etc_copy) { .sources = CORRAL_BUF_INIT, .is_settled = true };
	for (unsigned int i = 0; i < etc->n_bind; i++) {
		const size_t before = ret->sources.len;
		const uint64_t digest = ret->digest;
		int r;

		c.bytes = c.n = 0;
		r = path_copy(&c, root_fd, etc->bind[i], etc->bind_is_dir[i]);
		if (c.errno_here) {
			corral_etc_copy_done(ret);
			return corral_error_sys(err, c.errno_here, "copy '%s'", etc->bind[i]);
		}
		if (r == 0) {
			ret->has |= 1u << i;
			continue;
		}
		/* Bound, as it is on the host, whatever becomes of it; but for what was changing.
		 */
		if (r == -EAGAIN || r == -ENOENT)
			ret->is_settled = false;
		ret->digest = digest;
		if (ret->sources.data)
			ret->sources.data[ret->sources.len = before] = '\0';
	}
	if (ret->sources.failed) {
		corral_etc_copy_done(ret);
		return corral_error_set(err, ENOMEM, "copy of the host's /etc: out of memory");
	}
	return 0;
}

void corral_etc_copy_done(struct corral_etc_copy *c)
{
	corral_buf_done(&c->sources);
}

bool corral_etc_sources_same(const char *sources)
{
	corral_autobuf struct corral_buf now = CORRAL_BUF_INIT;

	for (const char *line = sources; *line;) {
		const char *end = strchr(line, '\n'), *slash = strchr(line, '/');
		char path[PATH_MAX];
		struct stat st;

		if (!end || !slash || slash > end || (size_t)(end - slash) >= sizeof(path))
			return false;
		(void)snprintf(path, sizeof(path), "%.*s", (int)(end - slash), slash);
		/* Links were followed at the beginning of a path alone; another link in place of
		 * what was read changes its directory. */
		if (stat(path, &st) < 0)
			return false;
		now.len = 0;
		source_line(&now, path, &st);
		if (now.failed || now.len != (size_t)(end + 1 - line) ||
		    memcmp(now.data, line, now.len) != 0)
			return false;
		line = end + 1;
	}
	return true;
}
