/*
 * A file's content changed at once: what is new goes to a file without a name in the same directory
 * (O_TMPFILE; one with a temporary name where the file system has no such thing), gets a temporary
 * name when it is complete, and is renamed over the old. Where that cannot be, the target is
 * written.
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

static void name_temp(struct files_replace *r)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number = (uint64_t)(uintptr_t)r ^ (uint64_t)getpid() << 32;
	(void)snprintf(r->temp, sizeof(r->temp), ".corral-%016llx.tmp", (unsigned long long)number);
}

static int open_named(struct files_replace *r, unsigned int mode)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		name_temp(r);
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

static int open_temp(struct files_replace *r, unsigned int mode)
{
	r->fd = openat(r->parent.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (r->fd < 0)
		return open_named(r, mode);
	r->unnamed = true;
	name_temp(r);
	return 0;
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
                       const struct corral_files_stop *stop, struct files_replace *r,
                       struct corral_error *err)
{
	struct stat st;
	int code;

	r->fd = -1;
	r->parent.fd = -1;
	r->temp[0] = '\0';
	r->unnamed = false;
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
	code = files_gate(stop, r->parent.fd, r->parent.name, path, err);
	if (code < 0)
		return code;
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

/* What from holds, to what r->fd is now; closes from. */
static int copy_from(struct files_replace *r, int from)
{
	corral_autofree char *chunk = malloc(CORRAL_FILES_CHUNK);
	int code = chunk ? 0 : -ENOMEM;
	long got;

	if (code == 0 && lseek(from, 0, SEEK_SET) < 0)
		code = -errno;
	while (code == 0 && (got = files_read(from, chunk, CORRAL_FILES_CHUNK)) != 0)
		code = got < 0 ? (int)got : files_write_all(r->fd, chunk, (size_t)got);
	(void)close(from);
	return code;
}

/* The temporary file's content into the target: it is a mount point, which no rename replaces. */
static int copy_over(struct files_replace *r)
{
	int from = r->fd, code;

	r->fd = -1;
	code = open_in_place(r);
	if (code < 0)
		(void)close(from);
	else
		code = copy_from(r, from);
	(void)unlinkat(r->parent.fd, r->temp, 0);
	r->temp[0] = '\0';
	return code;
}

/* Gives the unnamed file its temporary name: by /proc, or as newer kernels can without, or by
 * copying. */
static int give_name(struct files_replace *r)
{
	int from = r->fd, code;
	struct stat st;
	char proc[64];

	r->unnamed = false;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", from);
	if (linkat(AT_FDCWD, proc, r->parent.fd, r->temp, AT_SYMLINK_FOLLOW) == 0 ||
	    linkat(from, "", r->parent.fd, r->temp, AT_EMPTY_PATH) == 0)
		return 0;
	r->fd = -1;
	code = fstat(from, &st) < 0 ? -errno : open_named(r, st.st_mode & 0777);
	if (code < 0) {
		(void)close(from);
		return code;
	}
	code = fchmod(r->fd, st.st_mode & 01777) < 0 ? -errno : 0;
	if (code == 0)
		return copy_from(r, from);
	(void)close(from);
	return code;
}

int files_replace_commit(struct files_replace *r, const char *path, struct corral_error *err)
{
	int code = 0;

	if (!r->temp[0])
		return 0;
	if (r->unnamed)
		code = give_name(r);
	if (code < 0)
		return files_fail(err, -code, path);
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
	if (r->temp[0] && !r->unnamed)
		(void)unlinkat(r->parent.fd, r->temp, 0);
	corral_fd_closep(&r->fd);
	corral_fd_closep(&r->parent.fd);
}

static int write_source(struct files_replace *replace, const char *path,
                        const struct corral_files_stop *stop,
                        const struct corral_files_source *source, uint64_t *ret_size,
                        struct corral_error *err)
{
	corral_autofree char *chunk = malloc(CORRAL_FILES_CHUNK);
	long got;

	if (!chunk)
		return corral_error_set(err, ENOMEM, "out of memory");
	while ((got = source->get(source->ctx, chunk, CORRAL_FILES_CHUNK, err)) > 0) {
		int r = files_write_all(replace->fd, chunk, (size_t)got);

		if (r < 0)
			return files_fail(err, -r, path);
		*ret_size += (uint64_t)got;
		r = files_stopped(stop, err);
		if (r < 0)
			return r;
	}
	return (int)got;
}

int corral_files_write(const struct corral_files *f, const char *path, unsigned int mode,
                       const struct corral_files_stop *stop,
                       const struct corral_files_source *source, uint64_t *ret_size,
                       struct corral_error *err)
{
	struct files_replace replace;
	uint64_t size = 0;
	int r;

	r = files_replace_open(f, path, mode, stop, &replace, err);
	if (r == 0)
		r = write_source(&replace, path, stop, source, &size, err);
	if (r == 0)
		r = files_replace_commit(&replace, path, err);
	files_replace_done(&replace);
	if (r == 0 && ret_size)
		*ret_size = size;
	return r;
}
