/*
 * One directory's names in the order of the paths they begin: sorted by bytes, a directory as if
 * its name ended with a slash, so that a walk that goes down as it meets them meets every path in
 * order.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/internal.h"

#define NAMES_BYTES_MAX (128u << 20) /* of one directory */
#define READ_SIZE       (32u << 10)

static int by_path(const void *a, const void *b)
{
	const struct files_name *x = a, *y = b;
	const unsigned char *p = (const unsigned char *)x->name,
	                    *q = (const unsigned char *)y->name;
	int c, d;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	c = *p ? *p : x->type == DT_DIR ? '/' : 0;
	d = *q ? *q : y->type == DT_DIR ? '/' : 0;
	return c - d;
}

static unsigned char type_of(int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_FIFO; /* gone: nothing to open */
	return (unsigned char)IFTODT(st.st_mode);
}

static int add(struct files_names *n, size_t *size, int dir_fd, const struct dirent64 *e)
{
	struct files_name *name;

	if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
		return 0;
	if (n->n == *size) {
		size_t want = *size ? *size * 2 : 64;

		name = reallocarray(n->v, want, sizeof(*n->v));
		if (!name)
			return -ENOMEM;
		n->v = name;
		*size = want;
	}
	name = &n->v[n->n];
	name->name = files_arena_dup(n->arena, e->d_name, strlen(e->d_name));
	if (!name->name)
		return -ENOMEM;
	name->type = e->d_type == DT_UNKNOWN ? type_of(dir_fd, e->d_name) : e->d_type;
	n->n++;
	return 0;
}

int files_names_read(int dir_fd, const struct corral_files_stop *stop, struct files_names *ret)
{
	corral_autofree char *buf = malloc(READ_SIZE);
	size_t size = 0;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	ret->arena = files_arena_new();
	if (!buf || !ret->arena)
		return -ENOMEM;
	for (;;) {
		ssize_t got = getdents64(dir_fd, buf, READ_SIZE);

		if (got < 0) {
			/* What was read so far is still good. */
			ret->truncated = true;
			if (!ret->n)
				return -errno;
			break;
		}
		if (got == 0)
			break;
		for (ssize_t at = 0; r == 0 && at < got;) {
			const struct dirent64 *e = (const void *)(buf + at);

			r = add(ret, &size, dir_fd, e);
			at += e->d_reclen;
		}
		if (r == 0)
			r = files_stopped(stop, NULL);
		if (r < 0)
			return r;
		if (files_arena_used(ret->arena) > NAMES_BYTES_MAX) {
			ret->truncated = true;
			break;
		}
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_path);
	return 0;
}

void files_names_done(struct files_names *n)
{
	free(n->v);
	files_arena_free(n->arena);
	memset(n, 0, sizeof(*n));
}

int files_open_dir(int dir_fd, const char *name, bool opens_closed, mode_t *ret_mode)
{
	corral_autofd int place = -1;
	char proc[64];
	struct stat st;
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	*ret_mode = FILES_MODE_KEPT;
	if (!opens_closed)
		return fd < 0 ? -errno : fd;
	if (fd >= 0) {
		/* Root needs no permission; an owner also that to go through. */
		if (geteuid() == 0 || (fstat(fd, &st) == 0 && (st.st_mode & 0700) == 0700))
			return fd;
		(void)close(fd);
	} else if (errno != EACCES) {
		return -errno;
	}
	place = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0 || fstat(place, &st) < 0)
		return -errno;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", place);
	if (chmod(proc, (st.st_mode & 07777) | 0700) < 0)
		return -errno;
	fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_mode = st.st_mode & 07777;
	return fd;
}
