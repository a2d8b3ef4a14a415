/*
 * A file's content changed at once: what is new goes to a temporary file in the same directory,
 * which is then renamed over the old. Where that cannot be, the target itself is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/internal.h"

#define NAMES_TRIED 16

static int open_temp(struct files_replace *r, unsigned int mode)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		uint64_t number;

		if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
			number = (uint64_t)(uintptr_t)r ^ (uint64_t)getpid() << 32 ^ (uint64_t)i;
		(void)snprintf(r->temp, sizeof(r->temp), ".corral-%016llx.tmp",
		               (unsigned long long)number);
		r->fd = openat(r->parent.fd, r->temp,
		               O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (r->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	r->temp[0] = '\0';
	return -errno;
}

/* The target as it is: written in place, since its directory takes no new names. */
static int open_in_place(struct files_replace *r)
{
	struct stat st;

	r->fd = openat(r->parent.fd, r->parent.name,
	               O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	return 0;
}

int files_replace_open(const struct corral_files *f, const char *path, unsigned int mode,
                       struct files_replace *r, struct corral_error *err)
{
	struct stat st;
	int code;

	r->fd = -1;
	r->parent.fd = -1;
	r->temp[0] = '\0';
	r->target_mode = -1;
	code = files_parent(f, path, FILES_PARENT_MAKE | FILES_PARENT_FOLLOW, &r->parent);
	if (code == -EINVAL)
		return corral_error_set(err, EISDIR, "'%s' is a directory", path);
	if (code == -ENOTDIR || code == -EEXIST)
		return corral_error_set(err, ENOTDIR, "'%s': Not a directory", path);
	if (code < 0)
		return files_fail(err, -code, path);
	if (path[0] && path[strlen(path) - 1] == '/')
		return corral_error_set(err, EISDIR, "'%s' is a directory", path);
	if (fstatat(r->parent.fd, r->parent.name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			return files_fail(err, EISDIR, path);
		if (!S_ISREG(st.st_mode))
			return corral_error_set(err, EINVAL, "'%s' is not a regular file", path);
		if (faccessat(r->parent.fd, r->parent.name, W_OK, AT_EACCESS) < 0)
			return files_fail(err, errno, path);
		r->target_mode = (int)(st.st_mode & 01777);
	} else if (errno != ENOENT) {
		return files_fail(err, errno, path);
	}
	code = open_temp(r, mode ? mode & 0777 : 0666);
	if ((code == -EACCES || code == -EPERM || code == -EROFS) && r->target_mode >= 0)
		code = open_in_place(r);
	if (code < 0)
		return files_fail(err, -code, path);
	if (r->temp[0] && r->target_mode >= 0 && fchmod(r->fd, (mode_t)r->target_mode) < 0)
		return files_fail(err, errno, path);
	if (mode && r->temp[0] && r->target_mode < 0 && fchmod(r->fd, mode & 0777) < 0)
		return files_fail(err, errno, path);
	return 0;
}

/* The temporary file's content into the target: it is a mount point, which no rename replaces. */
static int copy_over(struct files_replace *r)
{
	corral_autofree char *chunk = malloc(CORRAL_FILES_CHUNK);
	int from = r->fd, code = 0;
	long got;

	if (!chunk)
		return -ENOMEM;
	code = open_in_place(r);
	if (code == 0 && lseek(from, 0, SEEK_SET) < 0)
		code = -errno;
	while (code == 0 && (got = files_read(from, chunk, CORRAL_FILES_CHUNK)) != 0)
		code = got < 0 ? (int)got : files_write_all(r->fd, chunk, (size_t)got);
	(void)close(from);
	(void)unlinkat(r->parent.fd, r->temp, 0);
	r->temp[0] = '\0';
	return code;
}

int files_replace_commit(struct files_replace *r, const char *path, struct corral_error *err)
{
	int code = 0;

	if (!r->temp[0])
		return 0;
	if (renameat(r->parent.fd, r->temp, r->parent.fd, r->parent.name) == 0)
		r->temp[0] = '\0';
	else if (errno == EBUSY || ((errno == EPERM || errno == EACCES) && r->target_mode >= 0))
		code = copy_over(r);
	else
		code = -errno;
	return code < 0 ? files_fail(err, -code, path) : 0;
}

void files_replace_done(struct files_replace *r)
{
	if (r->temp[0])
		(void)unlinkat(r->parent.fd, r->temp, 0);
	corral_fd_closep(&r->fd);
	corral_fd_closep(&r->parent.fd);
}

int corral_files_write(const struct corral_files *f, const char *path, unsigned int mode,
                       const struct corral_files_stop *stop,
                       const struct corral_files_source *source, uint64_t *ret_size,
                       struct corral_error *err)
{
	corral_auto(files_replace_done) struct files_replace replace;
	corral_autofree char *chunk = NULL;
	uint64_t size = 0;
	int r;

	r = files_replace_open(f, path, mode, &replace, err);
	if (r < 0)
		return r;
	chunk = malloc(CORRAL_FILES_CHUNK);
	if (!chunk)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (;;) {
		long got = source->get(source->ctx, chunk, CORRAL_FILES_CHUNK, err);

		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		r = files_write_all(replace.fd, chunk, (size_t)got);
		if (r < 0)
			return files_fail(err, -r, path);
		size += (uint64_t)got;
		r = files_stopped(stop, err);
		if (r < 0)
			return r;
	}
	r = files_replace_commit(&replace, path, err);
	if (r == 0 && ret_size)
		*ret_size = size;
	return r;
}
