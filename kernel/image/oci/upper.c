/*
 * The tree is changed where it lies, and then given its new name: nothing is copied.
 *
 *     there                     in the layer
 *     a whiteout (char 0:0)     'D' of its path, when the base has that
 *     an opaque directory       'O' of its path, when the base has that as a directory
 *     *.overlay.* attributes    nothing
 *
 * Beneath an opaque directory, and beneath one that the base does not have, there is nothing to
 * take away.
 */
#include "kernel/image/oci/upper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/whole.h"
#include "kernel/image/layer.h"
#include "kernel/layers/layers.h"
#include "kernel/layers/view.h"

#define XATTRS_MAX (64u << 10) /* of the kernel: a list of names */
#define WHITEOUT   ".wh."

/* Of each directory on the trail. */
struct place {
	struct stat st;
	bool below;   /* the base has it, and is seen through it */
	bool touched; /* something in it was removed, so that its times are to be set back */
};

struct taking {
	const struct corral_upper *upper;
	struct trail trail;
	struct corral_buf gone, path; /* path: of the entry at hand */
	struct corral_error *err;
	char *names; /* XATTRS_MAX */
	uint64_t n;
	int base_fd;
	bool trusted;
};

static int fail(struct taking *t, int code, const char *doing)
{
	return corral_error_sys(t->err, code, "%s '/%.300s'", doing,
	                        t->path.data ? t->path.data : "");
}

static struct place *place_of(const struct taking *t)
{
	return trail_own(&t->trail);
}

static int path_set(struct taking *t, const char *name)
{
	t->path.len = 0;
	corral_buf_fmt(&t->path, "%s%s%s", t->trail.path.data, t->trail.path.len ? "/" : "", name);
	return t->path.failed ? corral_error_set(t->err, ENOMEM, "out of memory") : 0;
}

static bool is_listed(const char *const *list, const char *path)
{
	for (; list && *list; list++)
		if (!strcmp(*list, path))
			return true;
	return false;
}

/* 1 when the base has something there; *ret_dir: a directory. What links are on the way lead
 * elsewhere: those are nothing, since the tree has directories there. */
static int base_look(struct taking *t, bool *ret_dir)
{
	const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		                                 RESOLVE_NO_MAGICLINKS };
	corral_autofd int fd =
	        (int)syscall(SYS_openat2, t->base_fd, t->path.data, &how, sizeof(how));
	struct stat st;

	*ret_dir = false;
	/* The last part may be a link itself. */
	if (fd < 0 && errno == ELOOP)
		return 1;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	/* What cannot be looked at may be there. */
	if (fd < 0 && (errno == EACCES || errno == ENAMETOOLONG)) {
		*ret_dir = true;
		return 1;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(t, errno, "look in the base image at");
	*ret_dir = S_ISDIR(st.st_mode);
	return 1;
}

static bool is_mark(const char *name)
{
	return !strncmp(name, "trusted.overlay.", 16) || !strncmp(name, "user.overlay.", 13);
}

/* Both kinds: one is no mark here, but would be where the other user mounts it. */
static int marks_strip(struct taking *t, int dir_fd, const char *name)
{
	char path[320];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	len = llistxattr(path, t->names, XATTRS_MAX);
	if (len < 0)
		return errno == ENOTSUP ? 0 : fail(t, errno, "list the attributes of");
	for (const char *n = t->names; n < t->names + len; n += strlen(n) + 1)
		if (is_mark(n) && lremovexattr(path, n) < 0 && errno != ENODATA)
			return fail(t, errno, "remove an attribute of");
	return 0;
}

static int gone_add(struct taking *t, char kind)
{
	corral_buf_add(&t->gone, &kind, 1);
	corral_buf_add(&t->gone, t->path.data, t->path.len + 1);
	if (t->gone.len > CORRAL_IMAGE_GONE_MAX)
		return corral_error_set(t->err, E2BIG,
		                        "more is removed of the base image than a layer can say");
	return t->gone.failed ? corral_error_set(t->err, ENOMEM, "out of memory") : 0;
}

static int entry_remove(struct taking *t, const char *name)
{
	place_of(t)->touched = true;
	if (unlinkat(trail_fd(&t->trail, 0), name, 0) < 0)
		return fail(t, errno, "remove");
	return 0;
}

static int whiteout_take(struct taking *t, const char *name)
{
	bool dir;
	int r = place_of(t)->below ? base_look(t, &dir) : 0;

	if (r > 0)
		r = gone_add(t, 'D');
	return r < 0 ? r : entry_remove(t, name);
}

/* Made for something to be mounted on: 1 when it is away again. */
static int mount_point_drop(struct taking *t, const char *name, const struct stat *st)
{
	bool dir;
	int r;

	if (!is_listed(t->upper->mount_points, t->path.data))
		return 0;
	if (!S_ISDIR(st->st_mode) && (!S_ISREG(st->st_mode) || st->st_size))
		return 0;
	r = place_of(t)->below ? base_look(t, &dir) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	if (unlinkat(trail_fd(&t->trail, 0), name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) < 0)
		return errno == ENOTEMPTY ? 0 : fail(t, errno, "remove");
	place_of(t)->touched = true;
	return 1;
}

/* As layers of ordinary users have them (kernel/image/layer.h). */
static int access_give(struct taking *t, const char *name, const struct stat *st)
{
	mode_t wanted = S_ISDIR(st->st_mode) ? 0700 : S_ISREG(st->st_mode) ? 0400 : 0;

	if (t->trusted || (st->st_mode & wanted) == wanted)
		return 0;
	if (fchmodat(trail_fd(&t->trail, 0), name, (st->st_mode | wanted) & 07777, 0) < 0)
		return fail(t, errno, "give access to");
	return 0;
}

static int directory_take(struct taking *t, const char *name, const struct stat *st)
{
	char opaque = mark_opaque(trail_fd(&t->trail, 0), name, t->trusted);
	bool dir = false;
	int r = place_of(t)->below ? base_look(t, &dir) : 0;

	if (t->trail.depth >= CORRAL_IMAGE_DEPTH_MAX)
		return corral_error_set(t->err, ENAMETOOLONG,
		                        "'/%.100s...' lies deeper than %d directories",
		                        t->path.data, CORRAL_IMAGE_DEPTH_MAX);
	if (r >= 0 && dir && opaque == 'y') {
		r = gone_add(t, 'O');
		dir = false;
	}
	if (r >= 0)
		r = trail_down(&t->trail, name, 1, t->err);
	if (r < 0)
		return r;
	if (trail_fd(&t->trail, 0) < 0)
		return fail(t, EACCES, "open");
	*place_of(t) = (struct place) { .st = *st, .below = dir };
	return trail_read(&t->trail, 1, t->err);
}

static int visit(struct taking *t, const char *name)
{
	int fd = trail_fd(&t->trail, 0), r = path_set(t, name);
	struct stat st;

	if (r < 0)
		return r;
	r = corral_image_bounds_check(t->upper->bounds, 0, ++t->n, t->err);
	if (r == 0)
		r = corral_image_bounds_look(t->upper->bounds, t->err);
	if (r < 0)
		return r;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(t, errno, "look at");
	if (is_listed(t->upper->dropped, t->path.data)) {
		place_of(t)->touched = true;
		return corral_layer_remove(fd, name, t->err);
	}
	if (mark_whiteout(fd, name, &st, t->trusted))
		return whiteout_take(t, name);
	if (!strncmp(name, WHITEOUT, strlen(WHITEOUT)))
		return corral_error_set(t->err, EINVAL,
		                        "'/%.300s': in a layer such a name means that something "
		                        "was removed: choose another",
		                        t->path.data);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return corral_error_set(t->err, EINVAL, "'/%.300s' is a device", t->path.data);
	if (S_ISSOCK(st.st_mode))
		return entry_remove(t, name);
	r = mount_point_drop(t, name, &st);
	if (r != 0)
		return r < 0 ? r : 0;
	r = access_give(t, name, &st);
	if (r < 0)
		return r;
	return S_ISDIR(st.st_mode) ? directory_take(t, name, &st) : marks_strip(t, fd, name);
}

/* Its own marks come last: they say what its entries' marks mean. */
static int leave(struct taking *t)
{
	const struct place *here = place_of(t);
	const struct timespec times[2] = { here->st.st_atim, here->st.st_mtim };
	int fd = trail_fd(&t->trail, 0), r = path_set(t, "");

	if (r == 0)
		r = marks_strip(t, fd, ".");
	if (r == 0 && here->touched && futimens(fd, times) < 0)
		return fail(t, errno, "set the times of");
	return r;
}

static int walk(struct taking *t)
{
	int r = trail_read(&t->trail, 1, t->err);

	while (r == 0) {
		const char *name = trail_next(&t->trail);

		if (name) {
			r = visit(t, name);
			continue;
		}
		r = leave(t);
		if (r < 0 || !t->trail.depth)
			break;
		r = trail_up(&t->trail, t->err);
	}
	return r;
}

static int root_take(struct taking *t, int root_fd)
{
	int r = trail_init(&t->trail, &root_fd, 1, sizeof(struct place), true, t->err);

	if (r == 0) {
		*place_of(t) = (struct place) { .below = true };
		r = fstat(root_fd, &place_of(t)->st) < 0 ? fail(t, errno, "look at") : walk(t);
	}
	trail_done(&t->trail);
	return r;
}

static int parts_check(int keep_fd, struct corral_error *err)
{
	static const char *const others[] = { "u1", "u2", LAYER_BEGIN };

	for (size_t i = 0; i < CORRAL_COUNT(others); i++)
		if (faccessat(keep_fd, others[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return corral_error_set(err, EINVAL,
			                        "what a sandbox changed becomes a layer only where "
			                        "its root was an image's, and its work directory "
			                        "a part of that");
	return 0;
}

static int gone_write(int layer_fd, const struct corral_buf *gone, struct corral_error *err)
{
	corral_autofd int fd = openat(layer_fd, "gone",
	                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "create 'gone' of the layer");
	r = corral_whole_write(fd, gone->data, gone->len);
	return r < 0 ? corral_error_sys(err, -r, "write 'gone' of the layer") : 0;
}

static int take(struct taking *t, int keep_fd, int layer_fd)
{
	corral_autofd int root_fd = -1;
	int r = parts_check(keep_fd, t->err);

	if (r < 0)
		return r;
	root_fd = openat(keep_fd, "u0", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root_fd < 0)
		return corral_error_sys(t->err, errno, "open 'u0' of '%s'", t->upper->keep_path);
	r = root_take(t, root_fd);
	if (r == 0)
		r = gone_write(layer_fd, &t->gone, t->err);
	if (r == 0 && renameat(keep_fd, "u0", layer_fd, "tree") < 0)
		return corral_error_sys(t->err, errno, "move the layer's tree to its place");
	return r;
}

int corral_upper_take(const struct corral_upper *u, const char *layer_path,
                      struct corral_error *err)
{
	corral_autofd int keep_fd = -1, layer_fd = -1, base_fd = -1;
	corral_autofree char *names = malloc(XATTRS_MAX);
	struct taking t = { .upper = u,
		            .err = err,
		            .names = names,
		            .trusted = geteuid() == 0,
		            .gone = CORRAL_BUF_INIT,
		            .path = CORRAL_BUF_INIT };
	int r = layer_open(u->keep_path, &keep_fd, err);

	if (!names)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return r;
	layer_fd = open(layer_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (layer_fd < 0)
		return corral_error_sys(err, errno, "open '%s'", layer_path);
	base_fd = open(u->base_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base_fd < 0)
		return corral_error_sys(err, errno, "open '%s'", u->base_path);
	t.base_fd = base_fd;
	r = take(&t, keep_fd, layer_fd);
	corral_buf_done(&t.gone);
	corral_buf_done(&t.path);
	return r;
}
