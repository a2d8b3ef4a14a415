/*
 * How much a layer holds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/layers/view.h"

/* Inodes of several names that were counted: a table with open addresses, half empty at least. */
struct seen {
	ino_t *v; /* 0: free */
	size_t n, size;
};

struct usage {
	struct seen seen;
	uint64_t bytes, files, names;
	const struct corral_layer_watch *watch; /* or NULL */
	bool trusted;
};

static ino_t *place_of(const struct seen *s, ino_t ino)
{
	size_t at = (size_t)((uint64_t)ino * 0x9e3779b97f4a7c15ull >> 20);

	while (s->v[at & (s->size - 1)] && s->v[at & (s->size - 1)] != ino)
		at++;
	return &s->v[at & (s->size - 1)];
}

static int grow(struct seen *s)
{
	struct seen more = { .size = s->size ? s->size * 2 : 256, .n = s->n };

	more.v = calloc(more.size, sizeof(*more.v));
	if (!more.v)
		return -ENOMEM;
	for (size_t i = 0; i < s->size; i++)
		if (s->v[i])
			*place_of(&more, s->v[i]) = s->v[i];
	free(s->v);
	*s = more;
	return 0;
}

/* 1 when it was there; a layer lies on one file system. */
static int seen_add(struct seen *s, ino_t ino)
{
	ino_t *place;

	if (2 * (s->n + 1) > s->size && grow(s) < 0)
		return -ENOMEM;
	place = place_of(s, ino);
	if (*place == ino)
		return 1;
	*place = ino;
	s->n++;
	return 0;
}

static int count(struct usage *u, int dir_fd, const char *name, struct stat *st)
{
	int r = 0;

	if (fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		r = seen_add(&u->seen, st->st_ino);
	if (r != 0)
		return r < 0 ? r : 0;
	u->bytes += (uint64_t)st->st_blocks * 512;
	u->files += !S_ISDIR(st->st_mode) && !mark_whiteout(dir_fd, name, st, u->trusted);
	return 0;
}

/* What goes while it is counted, since somebody writes there still, ends nothing. */
static int unless_gone(int r, const struct corral_error *why, struct corral_error *err)
{
	if (r >= 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return r >= 0 ? r : 0;
	return corral_error_set(err, -r, "%s", why->text);
}

static int part_count(struct usage *u, int part_fd, struct corral_error *err)
{
	corral_auto(trail_done) struct trail t = { 0 };
	struct corral_error why = { 0 };
	int r = trail_init(&t, &part_fd, 1, 0, false, err);

	if (r == 0)
		r = trail_read(&t, 1, err);
	while (r == 0) {
		const char *name = trail_next(&t);
		struct stat st = { 0 };

		if (!name && !t.depth)
			break;
		if (!name) {
			r = unless_gone(trail_up(&t, &why), &why, err);
			continue;
		}
		/* Of a directory that went. */
		if (trail_fd(&t, 0) < 0)
			continue;
		r = count(u, trail_fd(&t, 0), name, &st);
		if (r < 0)
			return corral_error_sys(err, -r, "count '%.300s'", name);
		u->names++;
		r = u->watch ? u->watch->call(u->watch->ctx, u->bytes, u->names, err) : 0;
		if (r < 0)
			return r;
		if (!S_ISDIR(st.st_mode))
			continue;
		/* What a guest made deeper hides nothing from whoever looks whether it is too much.
		 */
		if (t.depth == TRAIL_DEPTH_MAX && u->watch)
			return corral_error_set(err, EFBIG, "directories lie deeper than %d",
			                        TRAIL_DEPTH_MAX);
		if (t.depth == TRAIL_DEPTH_MAX)
			continue;
		r = unless_gone(trail_down(&t, name, 1, &why), &why, err);
		if (r == 0 && trail_fd(&t, 0) >= 0)
			r = unless_gone(trail_read(&t, 1, &why), &why, err);
	}
	return r;
}

int corral_tree_usage(const char *path, const struct corral_layer_watch *watch, uint64_t *ret_bytes,
                      uint64_t *ret_files, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct usage u = { .trusted = geteuid() == 0, .watch = watch };
	int r = fd < 0 ? corral_error_sys(err, errno, "open '%.200s'", path)
	               : part_count(&u, fd, err);

	free(u.seen.v);
	if (r < 0)
		return r;
	*ret_bytes = u.bytes;
	*ret_files = u.files;
	return 0;
}

int corral_layer_usage(const char *path, uint64_t *ret_bytes, uint64_t *ret_files,
                       struct corral_error *err)
{
	struct usage u = { .trusted = geteuid() == 0 };
	corral_autofd int layer = -1;
	int r = layer_open(path, &layer, err);

	for (int part = 0; r == 0 && part < CORRAL_LAYER_PARTS; part++) {
		corral_autofd int fd = -1;

		r = layer_part_open(layer, path, (enum corral_layer_part)part, &fd, err);
		if (r == 0 && fd >= 0)
			r = part_count(&u, fd, err);
	}
	free(u.seen.v);
	if (r < 0)
		return corral_error_wrap(err, r, "layer '%s'", path);
	*ret_bytes = u.bytes;
	*ret_files = u.files;
	return 0;
}

int corral_layer_is_empty(const char *path, struct corral_error *err)
{
	corral_autofd int layer = -1;
	int r = layer_open(path, &layer, err), empty = 1;

	for (int part = 0; r == 0 && empty == 1 && part < CORRAL_LAYER_PARTS; part++) {
		corral_autofd int fd = -1;
		ssize_t n = 0, at = 0;
		char names[1024];

		r = layer_part_open(layer, path, (enum corral_layer_part)part, &fd, err);
		/* "." and ".." come first, or late, or not at all. */
		while (r == 0 && fd >= 0 && empty == 1 &&
		       (n = getdents64(fd, names, sizeof(names))) > 0)
			for (at = 0; at < n;) {
				const struct dirent64 *e = (const void *)(names + at);

				empty &= !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
				at += e->d_reclen;
			}
		if (n < 0)
			return corral_error_sys(err, errno, "layer '%s'", path);
	}
	return r < 0 ? r : empty;
}
