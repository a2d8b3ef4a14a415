/*
 * What each kind of entry becomes. What is created, is created anew (O_EXCL): nothing that an entry
 * before made is written through, be it a file with other names or a link to somewhere.
 */
#include "kernel/image/oci/unpack/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/whole.h"
#include "kernel/image/oci/unpack/dirs.h"
#include "kernel/image/oci/unpack/meta.h"
#include "kernel/image/oci/unpack/name.h"
#include "kernel/image/oci/unpack/place.h"
#include "kernel/image/oci/unpack/stream.h"

#define CAPABILITIES_MAX     65536u
#define CAPABILITY_SIZE_MAX  64u
#define WHITEOUT             ".wh."
#define WHITEOUT_OPAQUE      ".wh..wh..opq"
#define WHITEOUT_OF_THE_TOOL ".wh..wh."

struct capability {
	char *path;
	unsigned char value[CAPABILITY_SIZE_MAX];
	size_t size;
};

struct extract {
	const struct extract_options *o;
	struct archive *a;
	struct report *report;
	struct place place;
	struct dirs dirs;
	struct capability *capabilities;
	size_t n_capabilities;
	struct spot spot, target;
};

static int implied(void *ctx, const char *path, struct corral_error *err)
{
	struct extract *x = ctx;

	return dirs_add_take(&x->dirs, path, NULL, err);
}

/* What is gone has no capabilities; a file made there later may be another one. */
static void gone(void *ctx, const char *path)
{
	struct extract *x = ctx;
	size_t n = 0, len = strlen(path);

	for (size_t i = 0; i < x->n_capabilities; i++) {
		struct capability *c = &x->capabilities[i];

		if (strncmp(c->path, path, len) == 0 && (!c->path[len] || c->path[len] == '/'))
			free(c->path);
		else
			x->capabilities[n++] = *c;
	}
	x->n_capabilities = n;
}

static int capability_add(struct extract *x, const char *path, const struct meta *m,
                          struct corral_error *err)
{
	struct capability *c;

	if (m->capability_size > CAPABILITY_SIZE_MAX)
		return corral_error_set(err, EINVAL, "capabilities of %zu bytes",
		                        m->capability_size);
	if (x->n_capabilities == CAPABILITIES_MAX)
		return corral_error_set(err, EFBIG, "more than %u files with capabilities",
		                        CAPABILITIES_MAX);
	c = realloc(x->capabilities, (x->n_capabilities + 1) * sizeof(*c));
	if (!c)
		return corral_error_set(err, ENOMEM, "out of memory");
	x->capabilities = c;
	c += x->n_capabilities;
	c->path = strdup(path);
	if (!c->path)
		return corral_error_set(err, ENOMEM, "out of memory");
	memcpy(c->value, m->capability, m->capability_size);
	c->size = m->capability_size;
	x->n_capabilities++;
	return 0;
}

static void capabilities_report(struct extract *x)
{
	for (size_t i = 0; i < x->n_capabilities; i++) {
		const struct capability *c = &x->capabilities[i];
		char text[CAPABILITY_SIZE_MAX * 2 + NAME_SIZE + 2];
		size_t n = 0;

		for (size_t k = 0; k < c->size; k++)
			n += (size_t)snprintf(text + n, 3, "%02x", c->value[k]);
		text[n++] = ':';
		memcpy(text + n, c->path, strlen(c->path) + 1);
		report_add(x->report, CORRAL_REPORT_CAPABILITY, text);
	}
}

/* Calls make until nothing is in its way: once more, after that was taken away. */
#define ANEW(x, for_directory, call)                                                      \
	({                                                                                \
		int anew_ = (call) < 0 ? -errno : 0;                                      \
		if (anew_ == -EEXIST) {                                                   \
			anew_ = place_clear(&(x)->place, &(x)->spot, for_directory, err); \
			if (anew_ < 0)                                                    \
				return anew_;                                             \
			if (anew_ == 0)                                                   \
				anew_ = (call) < 0 ? -errno : 0;                          \
		}                                                                         \
		anew_;                                                                    \
	})

static int content(struct extract *x, struct archive_entry *e, int fd, struct corral_error *err)
{
	int64_t size = archive_entry_size(e), offset, end = 0;
	const void *data;
	size_t len;
	int r;

	if (size == 0)
		return 0;
	while ((r = archive_read_data_block(x->a, &data, &len, &offset)) == ARCHIVE_OK) {
		if (offset < end || (int64_t)len > INT64_MAX - offset)
			return corral_error_set(err, EBADMSG, "its parts are out of order");
		r = corral_whole_write_at(fd, data, len, offset);
		if (r < 0)
			return corral_error_sys(err, -r, "write");
		end = offset + (int64_t)len;
	}
	if (r != ARCHIVE_EOF)
		return stream_error(x->a, err);
	/* It ends in a hole. */
	if (end < size && ftruncate(fd, size) < 0)
		return corral_error_sys(err, errno, "size of %" PRId64, size);
	return 0;
}

static int regular(struct extract *x, struct archive_entry *e, const struct meta *m,
                   struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r = ANEW(x, false,
	             fd = openat(x->spot.dir_fd, x->spot.name,
	                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));

	if (r < 0)
		return corral_error_sys(err, -r, "create");
	r = content(x, e, fd, err);
	if (r == 0)
		r = meta_apply(m, fd, x->o->squash, err);
	if (r == 0 && m->capability && !x->o->squash)
		r = capability_add(x, x->spot.path, m, err);
	return r;
}

static int directory(struct extract *x, struct meta *m, struct corral_error *err)
{
	int r = ANEW(x, true, mkdirat(x->spot.dir_fd, x->spot.name, 0700));

	if (r < 0)
		return corral_error_sys(err, -r, "make directory");
	return dirs_add_take(&x->dirs, x->spot.path, m, err);
}

static int symbolic_link(struct extract *x, struct archive_entry *e, const struct meta *m,
                         struct corral_error *err)
{
	const char *target = archive_entry_symlink(e);
	int r;

	if (!target || !*target || strlen(target) > CORRAL_UNPACK_PATH_MAX)
		return corral_error_set(err, EINVAL,
		                        "a symbolic link to nothing, or to more than "
		                        "%u bytes",
		                        CORRAL_UNPACK_PATH_MAX);
	r = ANEW(x, false, symlinkat(target, x->spot.dir_fd, x->spot.name));
	if (r < 0)
		return corral_error_sys(err, -r, "make symbolic link");
	return meta_apply_at(m, x->spot.dir_fd, x->spot.name, x->o->squash, err);
}

static int fifo(struct extract *x, const struct meta *m, struct corral_error *err)
{
	int r = ANEW(x, false,
	             mknodat(x->spot.dir_fd, x->spot.name, S_IFIFO | (m->mode & 01777), 0));

	if (r < 0)
		return corral_error_sys(err, -r, "make FIFO");
	return meta_apply_at(m, x->spot.dir_fd, x->spot.name, x->o->squash, err);
}

static int same_file(int a_fd, const char *a, int b_fd, const char *b)
{
	struct stat x, y;

	return fstatat(a_fd, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b_fd, b, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_ino == y.st_ino;
}

/* A name more for a file of this layer; what the entry says of its owner and so on was said by the
 * file's own. */
static int hard_link(struct extract *x, const char *path, const char *to, struct corral_error *err)
{
	char target[NAME_SIZE], shown[128];
	corral_autofd int dir_fd = -1;
	struct stat st;
	int r = name_clean(to, target, err);

	if (r < 0)
		return corral_error_wrap(err, r, "a hard link");
	r = *target ? place_find(&x->place, target, false, &x->target, err) : -EISDIR;
	if (r == 0 && fstatat(x->target.dir_fd, x->target.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == -ENOENT || r == -EINVAL)
		return corral_error_set(err, EINVAL,
		                        "a hard link to '%s', which its layer does not have",
		                        name_shown(target, shown));
	if (r == -EISDIR || (r == 0 && S_ISDIR(st.st_mode)))
		return corral_error_set(err, EINVAL, "a hard link to a directory");
	if (r < 0)
		return corral_error_sys(err, -r, "a hard link to '%s'", name_shown(target, shown));
	/* Finding the place of the link closes that of its target. */
	dir_fd = fcntl(x->target.dir_fd, F_DUPFD_CLOEXEC, 3);
	if (dir_fd < 0)
		return corral_error_sys(err, errno, "keep a directory open");
	r = place_find(&x->place, path, true, &x->spot, err);
	if (r < 0)
		return r;
	if (same_file(dir_fd, x->target.name, x->spot.dir_fd, x->spot.name))
		return 0;
	r = ANEW(x, false, linkat(dir_fd, x->target.name, x->spot.dir_fd, x->spot.name, 0));
	return r < 0 ? corral_error_sys(err, -r, "make a hard link to '%s'",
	                                name_shown(target, shown))
	             : 0;
}

/*
 * ".wh.NAME" and ".wh..wh..opq". They say something of the layers beneath, so their directory need
 * not be there; when it is, it is by its real path that they speak of it.
 */
static int whiteout(struct extract *x, const char *path, const char *name, struct corral_error *err)
{
	const char *of = name + strlen(WHITEOUT);
	bool is_opaque = strcmp(name, WHITEOUT_OPAQUE) == 0;
	size_t dir_len;

	/* Of aufs, whose own affair that is. */
	if (!is_opaque && strncmp(name, WHITEOUT_OF_THE_TOOL, strlen(WHITEOUT_OF_THE_TOOL)) == 0)
		return 0;
	if (!is_opaque && (!*of || strcmp(of, ".") == 0 || strcmp(of, "..") == 0))
		return corral_error_set(err, EINVAL, "a whiteout of nothing");
	if (place_find(&x->place, path, false, &x->spot, NULL) == 0)
		path = x->spot.path;
	dir_len = strlen(path) - strlen(name);
	memcpy(x->target.path, path, dir_len);
	if (is_opaque) {
		x->target.path[dir_len ? dir_len - 1 : 0] = '\0';
		report_add(x->report, CORRAL_REPORT_OPAQUE, x->target.path);
	} else {
		memcpy(x->target.path + dir_len, of, strlen(of) + 1);
		report_add(x->report, CORRAL_REPORT_GONE, x->target.path);
	}
	return 0;
}

static int entry_make(struct extract *x, struct archive_entry *e, const char *path, struct meta *m,
                      struct corral_error *err)
{
	mode_t type = archive_entry_filetype(e);
	int r;

	switch (type) {
	case AE_IFSOCK:
		return 0;
	case AE_IFBLK:
	case AE_IFCHR:
		return corral_error_set(err, EINVAL, "a device node, which no image may have");
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFLNK:
	case AE_IFIFO:
		break;
	default:
		return corral_error_set(err, EINVAL, "an entry of unknown kind");
	}
	if (!*path)
		return type == AE_IFDIR ? dirs_add_take(&x->dirs, "", m, err)
		                        : corral_error_set(err, EINVAL, "the root is no directory");
	r = place_find(&x->place, path, true, &x->spot, err);
	if (r < 0)
		return r;
	if (type == AE_IFREG)
		return regular(x, e, m, err);
	if (type == AE_IFDIR)
		return directory(x, m, err);
	return type == AE_IFLNK ? symbolic_link(x, e, m, err) : fifo(x, m, err);
}

static int entry(struct extract *x, struct archive_entry *e, struct corral_error *err)
{
	const char *raw = archive_entry_pathname(e), *link = archive_entry_hardlink(e);
	char path[NAME_SIZE], shown[128];
	struct meta m = { 0 };
	const char *name;
	int r;

	if (!raw)
		return corral_error_set(err, EINVAL, "an entry whose name cannot be read");
	r = name_clean(raw, path, err);
	if (r < 0)
		return r;
	name = strrchr(path, '/');
	name = name ? name + 1 : path;
	if (strncmp(name, WHITEOUT, strlen(WHITEOUT)) == 0) {
		r = whiteout(x, path, name, err);
	} else if (link) {
		r = *path ? hard_link(x, path, link, err)
		          : corral_error_set(err, EINVAL, "the root is no directory");
	} else {
		r = meta_read(e, x->o->squash, &m, err);
		if (r == 0)
			r = entry_make(x, e, path, &m, err);
		meta_done(&m);
	}
	if (r == -ENAMETOOLONG || r == -ELOOP)
		r = -EINVAL;
	return r < 0 ? corral_error_wrap(err, r, "'%s'", name_shown(raw, shown)) : 0;
}

static int entries(struct extract *x, uint64_t *ret_n, struct corral_error *err)
{
	struct archive_entry *e;
	uint64_t n = 0;
	int r;

	while ((r = archive_read_next_header(x->a, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		if (++n > x->o->entries_max)
			return corral_error_set(err, EFBIG, "more than %" PRIu64 " entries",
			                        x->o->entries_max);
		r = entry(x, e, err);
		if (r < 0)
			return r;
	}
	if (r != ARCHIVE_EOF)
		return stream_error(x->a, err);
	*ret_n = n;
	return 0;
}

static int run(struct extract *x, int tar_fd, uint64_t *ret_n, struct corral_error *err)
{
	int r = stream_open_tar(tar_fd, &x->a, err);

	/* The root itself is there without an entry. */
	if (r == 0)
		r = dirs_add_take(&x->dirs, "", NULL, err);
	if (r == 0)
		r = entries(x, ret_n, err);
	return r < 0 ? r : dirs_finish(&x->dirs, &x->place, x->o->squash, x->report, err);
}

int extract(int tar_fd, int root_fd, const struct extract_options *o, struct report *report,
            struct corral_error *err)
{
	corral_autofree struct extract *x = calloc(1, sizeof(*x));
	mode_t mask = umask(0);
	char count[32];
	uint64_t n = 0;
	int r;

	if (!x)
		return corral_error_set(err, ENOMEM, "out of memory");
	x->o = o;
	x->report = report;
	r = place_open(&x->place, root_fd, err);
	x->place.made = implied;
	x->place.gone = gone;
	x->place.ctx = x;
	if (r == 0)
		r = run(x, tar_fd, &n, err);
	if (r == 0) {
		capabilities_report(x);
		(void)snprintf(count, sizeof(count), "%" PRIu64, n);
		report_add(report, CORRAL_REPORT_DONE, count);
	}
	for (size_t i = 0; i < x->n_capabilities; i++)
		free(x->capabilities[i].path);
	free(x->capabilities);
	stream_closep(&x->a);
	dirs_done(&x->dirs);
	place_close(&x->place);
	(void)umask(mask);
	return r;
}
