/* Names: is it there, what is it, what is beside it; made, renamed, removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/internal.h"

void files_stat_from(const struct stat *st, struct corral_files_stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->type = S_ISREG(st->st_mode)   ? CORRAL_FILES_REGULAR
	            : S_ISDIR(st->st_mode) ? CORRAL_FILES_DIRECTORY
	            : S_ISLNK(st->st_mode) ? CORRAL_FILES_LINK
	                                   : CORRAL_FILES_OTHER;
	ret->mode = st->st_mode & 07777;
	ret->uid = st->st_uid;
	ret->gid = st->st_gid;
	ret->size = ret->type == CORRAL_FILES_REGULAR ? (uint64_t)st->st_size : 0;
	ret->mtime_nsec = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* stat(2) from the view's root. */
static int stat_at(const struct corral_files *f, const char *path, bool follow, struct stat *st)
{
	corral_autofd int fd = -1;

	if (strlen(path) >= CORRAL_FILES_PATH_MAX)
		return -ENAMETOOLONG;
	if (!(f->flags & CORRAL_FILES_CONFINED))
		return fstatat(f->root_fd, *path ? path : ".", st,
		               follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0
		               ? -errno
		               : 0;
	fd = files_open_at(f, path, O_PATH | (follow ? 0 : O_NOFOLLOW));
	if (fd < 0)
		return corral_take_fd(&fd);
	return fstat(fd, st) < 0 ? -errno : 0;
}

int corral_files_exists(const struct corral_files *f, const char *path)
{
	struct stat st;

	return stat_at(f, path, true, &st) == 0 && S_ISREG(st.st_mode);
}

int corral_files_stat(const struct corral_files *f, const char *path, unsigned int flags,
                      struct corral_files_stat *ret, struct corral_error *err)
{
	struct stat link, st;
	int r;

	r = stat_at(f, path, false, &link);
	if (r < 0)
		return files_fail(err, -r, path);
	files_stat_from(&link, ret);
	if (!S_ISLNK(link.st_mode) || (flags & CORRAL_FILES_NOFOLLOW)) {
		ret->is_link = S_ISLNK(link.st_mode);
		return 0;
	}
	r = stat_at(f, path, true, &st);
	if (r < 0)
		return files_fail(err, -r, path);
	files_stat_from(&st, ret);
	ret->is_link = true;
	return 0;
}

/* What a listing tells of one name; -errno leaves it out. */
static int look_at(const struct corral_files *f, int dir_fd, const char *name, const char *path,
                   unsigned int flags, struct corral_files_stat *ret)
{
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	files_stat_from(&st, ret);
	if (!S_ISLNK(st.st_mode))
		return 0;
	ret->is_link = true;
	if (f->flags & CORRAL_FILES_CONFINED)
		r = stat_at(f, path, true, &st);
	else
		r = fstatat(dir_fd, name, &st, 0) < 0 ? -errno : 0;
	if (r < 0)
		return flags & CORRAL_FILES_LS_LINKS ? 0 : r;
	files_stat_from(&st, ret);
	ret->is_link = true;
	return 0;
}

static int list(const struct corral_files *f, int dir_fd, const char *path, unsigned int flags,
                const struct corral_files_stop *stop, struct corral_files_rows *rows)
{
	corral_auto(files_names_done) struct files_names names = { 0 };
	corral_autobuf struct corral_buf full = CORRAL_BUF_INIT;
	int r = files_names_read(dir_fd, stop, &names);
	size_t base;

	if (r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
		return r;
	rows->incomplete = r < 0 || names.truncated;
	files_shown(&full, path, files_is_root(f, path, false));
	base = full.len;
	for (size_t i = 0; i < names.n; i++) {
		struct corral_files_stat st;

		r = files_stopped(stop, NULL);
		if (r < 0)
			return r;
		full.len = base;
		corral_buf_str(&full, names.v[i].name);
		if (full.failed)
			return -ENOMEM;
		if (look_at(f, dir_fd, names.v[i].name, full.data, flags, &st) < 0)
			continue;
		r = corral_files_rows_add(rows, full.data, full.len, &st);
		if (r < 0)
			return r == -EFBIG ? 0 : r;
	}
	return 0;
}

int corral_files_ls(const struct corral_files *f, const char *path, unsigned int flags,
                    const struct corral_files_stop *stop, struct corral_files_rows *ret,
                    struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	corral_autofd int fd = files_open_at(f, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	struct corral_files_stat st;
	int r;

	if (fd == -ENOTDIR) {
		r = corral_files_stat(f, path, 0, &st, err);
		if (r == 0 && corral_files_rows_add(&rows, path, strlen(path), &st) < 0)
			r = corral_error_set(err, ENOMEM, "out of memory");
	} else if (fd < 0) {
		r = files_fail(err, -fd, path);
	} else {
		r = list(f, fd, path, flags, stop, &rows);
		if (r < 0)
			(void)files_fail(err, -r, path);
	}
	if (r < 0)
		return r;
	corral_files_rows_sort(&rows, true);
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

int corral_files_mkdir(const struct corral_files *f, const char *path, struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r = files_make_dirs(f, path, &fd);

	if (r == -ENOTDIR || r == -EEXIST)
		return corral_error_set(err, ENOTDIR, "'%s': a file is in the way", path);
	return r < 0 ? files_fail(err, -r, path) : 0;
}

int corral_files_rename(const struct corral_files *f, const char *path, const char *new_path,
                        unsigned int flags, const struct corral_files_stop *stop,
                        struct corral_error *err)
{
	corral_autofd int from_fd = -1, to_fd = -1;
	struct files_parent from, to;
	int r;

	r = files_parent(f, path, 0, &from);
	if (r < 0)
		return files_fail(err, -r, path);
	from_fd = from.fd;
	r = files_gate(stop, from.fd, from.name, path, err);
	if (r < 0)
		return r;
	/* A directory must not be made for what is not there. */
	if (faccessat(from_fd, from.name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return files_fail(err, errno, path);
	r = files_parent(f, new_path, FILES_PARENT_MAKE, &to);
	if (r < 0)
		return files_fail(err, -r, new_path);
	to_fd = to.fd;
	r = files_gate(stop, to.fd, to.name, new_path, err);
	if (r < 0)
		return r;
	if (renameat2(from_fd, from.name, to_fd, to.name,
	              flags & CORRAL_FILES_NOREPLACE ? RENAME_NOREPLACE : 0) < 0) {
		int code = errno;

		if (code == EXDEV)
			return corral_error_set(err, EOPNOTSUPP,
			                        "'%s' and '%s' are on different file systems", path,
			                        new_path);
		return files_fail(err, code, code == EEXIST || code == EISDIR ? new_path : path);
	}
	return 0;
}
