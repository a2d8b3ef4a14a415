/*
 * How much a tree holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/layer.h"
#include "kernel/layers/trail.h"

/* A name of a file that has several, of which one counts: found at the end, by sorting. */
struct many {
	ino_t ino;
	uint64_t bytes;
};

struct usage {
	struct many *many;
	size_t n, size;
	uint64_t bytes, files;
};

static int many_add(struct usage *u, const struct stat *st)
{
	if (u->n == u->size) {
		size_t size = u->size ? u->size * 2 : 64;
		struct many *more = reallocarray(u->many, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		u->many = more;
		u->size = size;
	}
	u->many[u->n++] = (struct many) { st->st_ino, (uint64_t)st->st_blocks * 512 };
	return 0;
}

static int by_number(const void *a, const void *b)
{
	ino_t x = ((const struct many *)a)->ino, y = ((const struct many *)b)->ino;

	return x < y ? -1 : x > y;
}

static void many_count(struct usage *u)
{
	if (u->n)
		qsort(u->many, u->n, sizeof(*u->many), by_number);
	for (size_t i = 0; i < u->n; i++) {
		if (i && u->many[i - 1].ino == u->many[i].ino)
			continue;
		u->bytes += u->many[i].bytes;
		u->files++;
	}
}

static int count(struct usage *u, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		return many_add(u, st);
	u->bytes += (uint64_t)st->st_blocks * 512;
	u->files += !S_ISDIR(st->st_mode);
	return 0;
}

static int walk(struct usage *u, int fd, struct corral_error *err)
{
	corral_auto(trail_done) struct trail t = { 0 };
	int r = trail_init(&t, &fd, 1, 0, true, err);

	if (r == 0)
		r = trail_read(&t, 1, err);
	while (r == 0) {
		const char *name = trail_next(&t);
		struct stat st = { 0 };

		if (!name && !t.depth)
			break;
		if (!name) {
			r = trail_up(&t, err);
			continue;
		}
		if (fstatat(trail_fd(&t, 0), name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return corral_error_sys(err, errno, "look at '%.300s'", name);
		}
		if (count(u, &st) < 0)
			return corral_error_set(err, ENOMEM, "out of memory");
		if (S_ISDIR(st.st_mode)) {
			r = trail_down(&t, name, 1, err);
			if (r == 0)
				r = trail_read(&t, 1, err);
		}
	}
	return r;
}

int corral_image_tree_usage(const char *path, uint64_t *ret_bytes, uint64_t *ret_files,
                            struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct usage u = { .many = NULL };
	int r = fd < 0 ? corral_error_sys(err, errno, "open '%.200s'", path) : walk(&u, fd, err);

	if (r == 0) {
		many_count(&u);
		*ret_bytes = u.bytes;
		*ret_files = u.files;
	}
	free(u.many);
	return r;
}
