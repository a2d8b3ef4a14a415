/*
 * Layers become one tree: one after the other, the lowest first, is linked over what is there.
 *
 * What a directory is to be like is told by the layer that has an entry of it, when the walk leaves
 * it. One that this layer says nothing of keeps what it is like, its times as well, though its
 * content changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/bounds.h"
#include "kernel/image/layer.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/trail.h"

enum { LAYER, ROOT, TREES };

#define XATTRS_MAX (64u << 10) /* of the kernel: names in a list, and one value */

/* Of each directory on the trail. */
struct place {
	struct stat before; /* what the root's was like */
};

/* A layer may have one file under as many names as there can be: then each name would be a file. */
#define COPIES_MAX (256u << 20)

struct flattener {
	uint64_t copied; /* bytes on disk, of what could not be linked */
	struct trail trail;
	int root_fd;
	const char **implied; /* directories that the layer has no entry of, sorted */
	size_t n_implied;
	char *names, *value; /* XATTRS_MAX each */
	bool is_root;
	struct corral_image_bounds *bounds;
	uint64_t seen; /* names, of all layers */
	struct corral_error *err;
};

int corral_image_gone_next(const char *data, size_t len, size_t *at, struct corral_image_gone *ret,
                           struct corral_error *err)
{
	const char *path, *end, *part;

	if (*at == len)
		return 0;
	end = memchr(data + *at, '\0', len - *at);
	if (!end || !strchr("DOI", data[*at]) || data[*at] == '\0')
		return corral_error_set(err, EINVAL, "its list of what is gone is broken");
	path = data + *at + 1;
	for (part = path; *path; part++) {
		size_t n = strcspn(part, "/");

		if (n == 0 || n > NAME_MAX || (n == 1 && part[0] == '.') ||
		    (n == 2 && part[0] == '.' && part[1] == '.'))
			return corral_error_set(err, EINVAL,
			                        "its list of what is gone names '%.200s'", path);
		part += n;
		if (!*part)
			break;
	}
	/* The root stays, whatever is in it. */
	if (!*path && data[*at] == 'D')
		return corral_error_set(err, EINVAL, "its list of what is gone names the root");
	ret->kind = data[*at];
	ret->guest_path = path;
	*at = (size_t)(end - data) + 1;
	return 1;
}

static int fail(struct flattener *f, int code, const char *doing, const char *name)
{
	return corral_error_sys(f->err, code, "%s '%.200s%s%.200s'", doing,
	                        f->trail.path.len ? f->trail.path.data : "",
	                        f->trail.path.len ? "/" : "", name);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_implied(const struct flattener *f)
{
	const char *path = f->trail.path.data;

	return f->n_implied &&
	       bsearch(&path, f->implied, f->n_implied, sizeof(*f->implied), by_text);
}

/* ---- what goes ---- */

/* The directory that a path lies in, which may not be there: -ENOENT. No link on the way. */
static int parent_open(const struct flattener *f, const char *guest_path, const char **ret_name)
{
	const char *slash = strrchr(guest_path, '/');
	corral_autofree char *dir = NULL;

	*ret_name = slash ? slash + 1 : guest_path;
	if (!slash)
		return store_open_beneath(f->root_fd, ".", O_RDONLY | O_DIRECTORY);
	dir = strndup(guest_path, (size_t)(slash - guest_path));
	return dir ? store_open_beneath(f->root_fd, dir, O_RDONLY | O_DIRECTORY) : -ENOMEM;
}

static bool is_not_there(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

static int gone_apply_one(struct flattener *f, const struct corral_image_gone *g)
{
	const char *name = g->guest_path;
	corral_autofd int fd = -1;
	struct stat st;
	int r;

	fd = g->kind == 'D' ? parent_open(f, g->guest_path, &name)
	     : *name        ? store_open_beneath(f->root_fd, name, O_RDONLY | O_DIRECTORY)
	                    : store_open_beneath(f->root_fd, ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return is_not_there(fd) ? 0 : fail(f, -fd, "take away", g->guest_path);
	if (fstat(fd, &st) < 0)
		return fail(f, errno, "look at", g->guest_path);
	r = g->kind == 'D' ? corral_layer_remove(fd, name, f->err) : store_clear(fd, f->err);
	if (r < 0)
		return r;
	return futimens(fd, (struct timespec[]) { st.st_atim, st.st_mtim }) < 0
	               ? fail(f, errno, "set the times of", g->guest_path)
	               : 0;
}

static int gone_apply(struct flattener *f, const struct corral_buf *gone)
{
	struct corral_image_gone g = { 0 };
	size_t at = 0, n = 0;
	int r;

	while ((r = corral_image_gone_next(gone->data, gone->len, &at, &g, f->err)) > 0)
		n += g.kind == 'I';
	if (r == 0 && n) {
		f->implied = calloc(n, sizeof(*f->implied));
		if (!f->implied)
			return corral_error_set(f->err, ENOMEM, "out of memory");
	}
	for (at = 0; r == 0;) {
		if (corral_image_gone_next(gone->data, gone->len, &at, &g, NULL) <= 0)
			break;
		if (g.kind == 'I')
			f->implied[f->n_implied++] = g.guest_path;
		else
			r = gone_apply_one(f, &g);
	}
	if (f->n_implied)
		qsort(f->implied, f->n_implied, sizeof(*f->implied), by_text);
	return r;
}

/* ---- directories ---- */

static int xattrs_drop(struct flattener *f, int from, int to)
{
	ssize_t n = flistxattr(to, f->names, XATTRS_MAX);

	for (const char *name = f->names; n > 0 && name < f->names + n; name += strlen(name) + 1)
		if (fgetxattr(from, name, NULL, 0) < 0 && errno == ENODATA &&
		    fremovexattr(to, name) < 0 && errno != ENODATA && errno != EPERM)
			return fail(f, errno, "take attributes from", "");
	return 0;
}

static int xattrs_copy(struct flattener *f, int from, int to)
{
	ssize_t n = flistxattr(from, f->names, XATTRS_MAX);

	if (n < 0 && errno != ENOTSUP)
		return fail(f, errno, "read the attributes of", "");
	for (const char *name = f->names; n > 0 && name < f->names + n; name += strlen(name) + 1) {
		ssize_t len = fgetxattr(from, name, f->value, XATTRS_MAX);

		if (len < 0)
			return fail(f, errno, "read the attributes of", "");
		if (fsetxattr(to, name, f->value, (size_t)len, 0) < 0)
			return fail(f, errno, "set the attributes of", "");
	}
	return 0;
}

/* All that a file or directory has but its content. */
static int likeness_copy(struct flattener *f, int from, int to)
{
	struct stat st;
	int r;

	if (fstat(from, &st) < 0)
		return fail(f, errno, "look at", "");
	if (f->is_root && fchown(to, st.st_uid, st.st_gid) < 0)
		return fail(f, errno, "give an owner to", "");
	r = xattrs_copy(f, from, to);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode) && !f->is_root)
		st.st_mode |= 0700;
	/* After the owner, whose change takes set-id bits away. */
	if (fchmod(to, st.st_mode & 07777) < 0)
		return fail(f, errno, "set the mode of", "");
	if (futimens(to, (struct timespec[]) { st.st_atim, st.st_mtim }) < 0)
		return fail(f, errno, "set the times of", "");
	return 0;
}

static int directory_leave(struct flattener *f)
{
	const struct place *p = trail_own(&f->trail);
	int from = trail_fd(&f->trail, LAYER), to = trail_fd(&f->trail, ROOT), r;

	/* A directory that is new has no nlink yet. */
	if (is_implied(f) && p->before.st_nlink) {
		if (futimens(to, (struct timespec[]) { p->before.st_atim, p->before.st_mtim }) < 0)
			return fail(f, errno, "set the times of", "");
		return 0;
	}
	r = p->before.st_nlink ? xattrs_drop(f, from, to) : 0;
	return r < 0 ? r : likeness_copy(f, from, to);
}

static int directory_enter(struct flattener *f, const char *name)
{
	int to = trail_fd(&f->trail, ROOT), r;
	struct stat st = { 0 };

	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return fail(f, errno, "look at", name);
		st.st_nlink = 0;
	} else if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(to, name, 0) < 0)
			return fail(f, errno, "replace", name);
		st.st_nlink = 0;
	}
	if (!st.st_nlink && mkdirat(to, name, 0700) < 0)
		return fail(f, errno, "create", name);
	r = trail_down(&f->trail, name, 1u << LAYER | 1u << ROOT, f->err);
	if (r < 0)
		return r;
	((struct place *)trail_own(&f->trail))->before = st;
	if (trail_mask(&f->trail) != (1u << LAYER | 1u << ROOT))
		return fail(f, EACCES, "read", "");
	return trail_read(&f->trail, 1u << LAYER, f->err);
}

/* ---- files ---- */

static int bytes_copy(int from, int to)
{
	struct stat st;
	off_t at = 0, end;

	if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
		return -errno;
	/* Holes stay holes. */
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || lseek(to, at, SEEK_SET) < 0)
			return -errno;
		while (at < end) {
			off_t to_at = at;
			ssize_t n = copy_file_range(from, &at, to, &to_at, (size_t)(end - at), 0);

			if (n < 0 && errno != EINTR)
				return -errno;
			if (n == 0)
				return 0;
		}
	}
	return errno == ENXIO ? 0 : -errno;
}

/* As many names as a file of this filesystem may have: a second one that is the same. */
static int file_copy(struct flattener *f, const char *name)
{
	int from_dir = trail_fd(&f->trail, LAYER), to_dir = trail_fd(&f->trail, ROOT), r;
	corral_autofd int from = -1, to = -1;
	struct stat st;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(f, errno, "look at", name);
	if (!S_ISREG(st.st_mode))
		return fail(f, EMLINK, "link", name);
	f->copied += (uint64_t)st.st_blocks * 512 + 4096;
	if (f->copied > COPIES_MAX)
		return fail(f, EFBIG, "copy what has too many names to be linked", name);
	from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		return fail(f, errno, "copy", name);
	r = bytes_copy(from, to);
	return r < 0 ? fail(f, -r, "copy", name) : likeness_copy(f, from, to);
}

static int file_put(struct flattener *f, const char *name)
{
	int from = trail_fd(&f->trail, LAYER), to = trail_fd(&f->trail, ROOT), r;

	if (linkat(from, name, to, name, 0) == 0)
		return 0;
	if (errno == EEXIST) {
		r = corral_layer_remove(to, name, f->err);
		if (r < 0)
			return r;
		if (linkat(from, name, to, name, 0) == 0)
			return 0;
	}
	return errno == EMLINK ? file_copy(f, name) : fail(f, errno, "link", name);
}

static int visit(struct flattener *f, const char *name)
{
	struct stat st;
	int r = corral_image_bounds_check(f->bounds, 0, ++f->seen, f->err);

	if (r == 0)
		r = corral_image_bounds_look(f->bounds, f->err);
	if (r < 0)
		return r;
	if (fstatat(trail_fd(&f->trail, LAYER), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(f, errno, "look at", name);
	if (S_ISDIR(st.st_mode))
		return directory_enter(f, name);
	if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
		return corral_error_set(f->err, EINVAL, "'%.200s%s%.200s' is a device",
		                        f->trail.path.len ? f->trail.path.data : "",
		                        f->trail.path.len ? "/" : "", name);
	return file_put(f, name);
}

static int walk(struct flattener *f)
{
	int r = 0;

	while (r == 0) {
		const char *name = trail_next(&f->trail);

		if (name) {
			r = visit(f, name);
			continue;
		}
		r = directory_leave(f);
		if (!f->trail.depth)
			break;
		if (r == 0)
			r = trail_up(&f->trail, f->err);
	}
	return r;
}

static int layer_put(struct flattener *f, const char *path, bool is_lowest)
{
	corral_autofd int layer = -1, tree = -1, gone_fd = -1;
	corral_autobuf struct corral_buf gone = CORRAL_BUF_INIT;
	struct stat before;
	int r;

	layer = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (layer < 0)
		return corral_error_sys(f->err, errno, "open");
	tree = openat(layer, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return corral_error_sys(f->err, errno, "open its tree");
	gone_fd = openat(layer, "gone", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (gone_fd < 0 && errno != ENOENT)
		return corral_error_sys(f->err, errno, "open its list of what is gone");
	r = gone_fd < 0 ? 0 : corral_buf_read_fd(&gone, gone_fd, CORRAL_IMAGE_GONE_MAX);
	if (r < 0)
		return corral_error_sys(f->err, -r, "read its list of what is gone");
	if (fstat(f->root_fd, &before) < 0)
		return corral_error_sys(f->err, errno, "look at the root");
	/* That of the lowest layer is as good as any for a root that nobody told of. */
	if (is_lowest)
		before.st_nlink = 0;
	r = trail_init(&f->trail, (int[]) { tree, f->root_fd }, TREES, sizeof(struct place), true,
	               f->err);
	if (r == 0)
		r = gone_apply(f, &gone);
	if (r == 0) {
		((struct place *)trail_own(&f->trail))->before = before;
		r = trail_read(&f->trail, 1u << LAYER, f->err);
	}
	if (r == 0)
		r = walk(f);
	trail_done(&f->trail);
	free(f->implied);
	f->implied = NULL;
	f->n_implied = 0;
	return r;
}

int corral_image_flatten(const char *const *layers, size_t n, const char *path,
                         struct corral_image_bounds *bounds, struct corral_error *err)
{
	struct flattener f = {
		.root_fd = -1, .is_root = geteuid() == 0, .bounds = bounds, .err = err
	};
	int r = 0;

	f.names = malloc(2 * (size_t)XATTRS_MAX);
	f.value = f.names ? f.names + XATTRS_MAX : NULL;
	if (!f.names)
		return corral_error_set(err, ENOMEM, "root '%.200s': out of memory", path);
	if (mkdir(path, 0755) < 0)
		r = corral_error_sys(err, errno, "create '%.200s'", path);
	if (r == 0)
		f.root_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0 && f.root_fd < 0)
		r = corral_error_sys(err, errno, "open '%.200s'", path);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = layer_put(&f, layers[i], i == 0);
		if (r < 0)
			(void)corral_error_wrap(err, r, "layer '%.200s'", layers[i]);
	}
	corral_fd_closep(&f.root_fd);
	free(f.names);
	return r;
}
