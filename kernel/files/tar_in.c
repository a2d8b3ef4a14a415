/*
 * An archive unpacked beneath a directory. The archive is hostile as much as the directory may be:
 * each entry's parents are opened one by one without following links, so that neither a link of the
 * archive nor one that was there before leads anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/internal.h"
#include "kernel/files/tar.h"
#include "kernel/files/tar_sparse.h"

struct unpacker {
	const struct corral_files_source *source;
	const struct corral_files_stop *stop;
	struct corral_error *err;
	struct corral_files_copied done;
	int base_fd;
	char *buf; /* CORRAL_FILES_CHUNK */
	size_t at, len;
	/* The directory of the entry before, as most are in the same. */
	int last_fd;
	struct corral_buf last_dir;
	/* What extended headers said of the next entry. */
	struct corral_buf name, link;
	bool have_name, have_link, have_size, sparse_name, sparse;
	uint64_t size;
	struct files_tar_sparse holes; /* with sparse */
};

static int bad(struct unpacker *u, const char *what)
{
	return corral_error_set(u->err, EBADMSG, "Not a readable archive: %s", what);
}

static int fill(struct unpacker *u)
{
	long got = u->source->get(u->source->ctx, u->buf, CORRAL_FILES_CHUNK, u->err);
	int r = files_stopped(u->stop, u->err);

	if (got < 0)
		return (int)got;
	u->at = 0;
	u->len = (size_t)got;
	return r;
}

/* Up to len bytes, where they are; 0 at the end of the source. */
static long some(struct unpacker *u, uint64_t len, const char **ret)
{
	size_t have;

	if (u->at == u->len) {
		int r = fill(u);

		if (r < 0)
			return r;
	}
	have = u->len - u->at;
	if (have > len)
		have = (size_t)len;
	*ret = u->buf + u->at;
	u->at += have;
	return (long)have;
}

/* 1, or 0 at the end of the source, if that is where a block would begin. */
static int exactly(struct unpacker *u, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const char *part;
		long n = some(u, len - done, &part);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return done ? bad(u, "it is cut short") : 0;
		memcpy((char *)data + done, part, (size_t)n);
		done += (size_t)n;
	}
	return 1;
}

static int skip(struct unpacker *u, uint64_t len)
{
	while (len) {
		const char *part;
		long n = some(u, len, &part);

		if (n <= 0)
			return n ? (int)n : bad(u, "it is cut short");
		len -= (uint64_t)n;
	}
	return 0;
}

/* Octal, or GNU's base 256 where the first bit is set. */
static bool number(const char *field, size_t size, uint64_t *ret)
{
	const unsigned char *s = (const unsigned char *)field;
	uint64_t value = 0;
	size_t i = 0;

	if (s[0] & 0x80) {
		value = s[0] & 0x3f;
		for (i = 1; i < size; i++) {
			if (value >> 55)
				return false;
			value = value << 8 | s[i];
		}
		*ret = value;
		return !(s[0] & 0x40) && value <= INT64_MAX;
	}
	while (i < size && s[i] == ' ')
		i++;
	for (; i < size && s[i] >= '0' && s[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(s[i] - '0');
	*ret = value;
	return i == size || s[i] == ' ' || !s[i];
}

static int sparse_result(struct unpacker *u, int r)
{
	if (r == -ENOMEM)
		return corral_error_set(u->err, ENOMEM, "out of memory");
	return r < 0 ? bad(u, "the map of a sparse file is broken") : 0;
}

/* Extents of an old header, until one is empty. */
static int old_extents(struct unpacker *u, const char *at, size_t n)
{
	for (size_t i = 0; i < n; i++, at += 24) {
		uint64_t offset, len;
		int r;

		if (!at[0] || !at[12])
			return 0;
		if (!number(at, 12, &offset) || !number(at + 12, 12, &len))
			return sparse_result(u, -EBADMSG);
		r = files_tar_sparse_add(&u->holes, offset, len);
		if (r < 0)
			return sparse_result(u, r);
	}
	return 0;
}

/* The map of an entry of type S: in its header, and in blocks behind it. */
static int old_map(struct unpacker *u, const struct files_tar_header *h)
{
	const char *block = (const char *)h;
	char next[FILES_TAR_BLOCK];
	bool more = block[FILES_TAR_OLD_MORE];
	int r;

	u->sparse = u->holes.has_size = true;
	if (!number(block + FILES_TAR_OLD_SIZE, 12, &u->holes.size))
		return sparse_result(u, -EBADMSG);
	r = old_extents(u, block + FILES_TAR_OLD_EXTENTS, 4);
	/* Each block has one at least, so their number is bounded. */
	while (r == 0 && more) {
		size_t before = u->holes.n;

		r = exactly(u, next, sizeof(next));
		if (r <= 0)
			return r ? r : bad(u, "it is cut short");
		r = old_extents(u, next, FILES_TAR_OLD_NEXT_MAX);
		if (r == 0 && u->holes.n == before)
			r = sparse_result(u, -EBADMSG);
		more = next[FILES_TAR_OLD_NEXT];
	}
	return r;
}

/* Where a map of version 1.0 is read: blocks of the entry's content. */
struct map_text {
	char block[FILES_TAR_BLOCK];
	size_t at;
	uint64_t left; /* of the content */
};

static int map_number(struct unpacker *u, struct map_text *t, uint64_t *ret)
{
	bool any = false;

	for (*ret = 0;; any = true) {
		char c;
		int r;

		if (t->at == sizeof(t->block)) {
			if (t->left < sizeof(t->block))
				return sparse_result(u, -EBADMSG);
			r = exactly(u, t->block, sizeof(t->block));
			if (r <= 0)
				return r ? r : bad(u, "it is cut short");
			t->left -= sizeof(t->block);
			t->at = 0;
		}
		c = t->block[t->at++];
		if (c == '\n' && any)
			return 0;
		if (c < '0' || c > '9' || *ret > INT64_MAX / 10 - 10)
			return sparse_result(u, -EBADMSG);
		*ret = *ret * 10 + (uint64_t)(c - '0');
	}
}

/* Of the content's size bytes, what is left behind the map. */
static int map_read(struct unpacker *u, uint64_t size, uint64_t *ret_left)
{
	struct map_text t = { .at = sizeof(t.block), .left = size };
	uint64_t n, offset, len;
	int r = map_number(u, &t, &n);

	if (r == 0 && n > FILES_TAR_EXTENTS_MAX)
		r = sparse_result(u, -EBADMSG);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		r = map_number(u, &t, &offset);
		if (r == 0)
			r = map_number(u, &t, &len);
		if (r == 0)
			r = sparse_result(u, files_tar_sparse_add(&u->holes, offset, len));
	}
	*ret_left = t.left;
	return r;
}

static int pax_record(struct unpacker *u, const char *key, size_t key_len, const char *value,
                      size_t len)
{
	if (key_len == 15 && !memcmp(key, "GNU.sparse.name", 15)) {
		/* The other one is for those who know nothing of holes. */
		u->sparse_name = true;
		key_len = 4;
		key = "path";
	} else if (key_len == 4 && !memcmp(key, "path", 4) && u->sparse_name) {
		return 0;
	}
	if (key_len == 4 && !memcmp(key, "path", 4)) {
		u->name.len = 0;
		corral_buf_add(&u->name, value, len);
		u->have_name = true;
	} else if (key_len == 8 && !memcmp(key, "linkpath", 8)) {
		u->link.len = 0;
		corral_buf_add(&u->link, value, len);
		u->have_link = true;
	} else if (key_len == 4 && !memcmp(key, "size", 4)) {
		u->size = 0;
		for (size_t i = 0; i < len; i++) {
			if (value[i] < '0' || value[i] > '9' || u->size > INT64_MAX / 10 - 10)
				return bad(u, "a size is no number");
			u->size = u->size * 10 + (uint64_t)(value[i] - '0');
		}
		u->have_size = true;
	} else if (key_len > 11 && !memcmp(key, "GNU.sparse.", 11)) {
		u->sparse = true;
		return sparse_result(u, files_tar_sparse_record(&u->holes, key + 11, key_len - 11,
		                                                value, len));
	}
	return 0;
}

static int pax(struct unpacker *u, const char *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		size_t len = 0, start = at;
		const char *equals;
		int r;

		while (at < size && data[at] >= '0' && data[at] <= '9' && len < FILES_TAR_PAX_MAX)
			len = len * 10 + (size_t)(data[at++] - '0');
		if (at == size || data[at] != ' ' || len > size - start || len < at - start + 4 ||
		    data[start + len - 1] != '\n')
			return bad(u, "an extended header is broken");
		at++;
		equals = memchr(data + at, '=', start + len - at);
		if (!equals)
			return bad(u, "an extended header is broken");
		r = pax_record(u, data + at, (size_t)(equals - data) - at, equals + 1,
		               (size_t)(data + start + len - 1 - (equals + 1)));
		if (r < 0)
			return r;
		at = start + len;
	}
	return 0;
}

/* A header that tells of the next: pax or GNU's long names. */
static int extended(struct unpacker *u, char type, uint64_t size)
{
	corral_autofree char *data = NULL;
	size_t len;
	int r;

	if (size > FILES_TAR_PAX_MAX)
		return bad(u, "an extended header is too large");
	data = malloc(size + 1);
	if (!data)
		return corral_error_set(u->err, ENOMEM, "out of memory");
	r = size ? exactly(u, data, size) : 1;
	if (r <= 0)
		return r ? r : bad(u, "it is cut short");
	r = skip(u, files_tar_padding(size));
	if (r < 0 || type == 'g')
		return r;
	if (type == 'x')
		return pax(u, data, size);
	len = strnlen(data, size);
	return pax_record(u, type == 'L' ? "path" : "linkpath", type == 'L' ? 4 : 8, data, len);
}

/* Bytes of the name without the slashes and "." in front and the slashes behind. */
static const char *trimmed(const char *name, size_t *ret_len)
{
	size_t len;

	while (*name == '/' || (name[0] == '.' && (name[1] == '/' || !name[1])))
		name++;
	len = strlen(name);
	while (len && name[len - 1] == '/')
		len--;
	*ret_len = len;
	return name;
}

/* The descriptor of the directory that dir names below the base; made where missing. Borrowed. */
static int parent_of(struct unpacker *u, const char *dir, size_t len, const char *entry)
{
	corral_autofd int fd = -1;
	size_t at = 0;

	if (u->last_fd >= 0 && u->last_dir.len == len && !memcmp(u->last_dir.data, dir, len))
		return u->last_fd;
	fd = fcntl(u->base_fd, F_DUPFD_CLOEXEC, 0);
	while (fd >= 0 && at < len) {
		size_t part = 0;
		char name[256];
		int next;

		while (at + part < len && dir[at + part] != '/')
			part++;
		if (part >= sizeof(name))
			return corral_error_sys(u->err, ENAMETOOLONG, "Archive entry '%s'", entry);
		memcpy(name, dir + at, part);
		name[part] = '\0';
		at += part + 1;
		if (!part || !strcmp(name, "."))
			continue;
		if (!strcmp(name, ".."))
			return corral_error_set(u->err, EINVAL,
			                        "Archive entry '%s' leaves the directory", entry);
		if (mkdirat(fd, name, 0777) < 0 && errno != EEXIST)
			return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && (errno == ELOOP || errno == ENOTDIR))
			return corral_error_set(
			        u->err, ENOTDIR,
			        "Archive entry '%s' goes through what is no directory", entry);
		(void)close(fd);
		fd = next;
	}
	if (fd < 0)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	corral_fd_closep(&u->last_fd);
	u->last_dir.len = 0;
	corral_buf_add(&u->last_dir, dir, len);
	if (u->last_dir.failed)
		return corral_error_set(u->err, ENOMEM, "out of memory");
	u->last_fd = corral_take_fd(&fd);
	return u->last_fd;
}

/* The entry's directory and last name; 1, or 0 when it is the base itself. */
static int place(struct unpacker *u, const char *entry, int *ret_fd, char ret_name[256])
{
	size_t len, dir;
	const char *name = trimmed(entry, &len);
	int fd;

	dir = len;
	while (dir && name[dir - 1] != '/')
		dir--;
	if (!len || (len - dir == 1 && name[dir] == '.'))
		return 0;
	if (len - dir == 2 && name[dir] == '.' && name[dir + 1] == '.')
		return corral_error_set(u->err, EINVAL, "Archive entry '%s' leaves the directory",
		                        entry);
	if (len >= CORRAL_FILES_PATH_MAX || len - dir > 255)
		return corral_error_sys(u->err, ENAMETOOLONG, "Archive entry '%.200s'", entry);
	memcpy(ret_name, name + dir, len - dir);
	ret_name[len - dir] = '\0';
	fd = parent_of(u, name, dir ? dir - 1 : 0, entry);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 1;
}

/* Long runs of zeros become holes again. */
static int extent(struct unpacker *u, int fd, uint64_t size, const char *entry)
{
	uint64_t left = size;

	while (left) {
		const char *part;
		long n = some(u, left, &part);
		int r;

		if (n <= 0)
			return n ? (int)n : bad(u, "it is cut short");
		left -= (uint64_t)n;
		if (n >= 4096 && files_all_zero(part, (size_t)n))
			r = lseek(fd, n, SEEK_CUR) < 0 ? -errno : 0;
		else
			r = files_write_all(fd, part, (size_t)n);
		if (r < 0)
			return corral_error_sys(u->err, -r, "Archive entry '%s'", entry);
	}
	return 0;
}

/* What is between the extents is a hole. */
static int extents(struct unpacker *u, int fd, uint64_t stored, const char *entry)
{
	int r = u->holes.in_data ? map_read(u, stored, &stored) : 0;

	if (r == 0 && (!u->holes.has_size || !files_tar_sparse_fits(&u->holes, stored)))
		r = sparse_result(u, -EBADMSG);
	for (size_t i = 0; r == 0 && i < u->holes.n; i++) {
		const struct files_tar_extent *e = &u->holes.v[i];

		if (!e->len)
			continue;
		if (lseek(fd, (off_t)e->offset, SEEK_SET) < 0)
			return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
		r = extent(u, fd, e->len, entry);
	}
	return r;
}

static int content(struct unpacker *u, int fd, uint64_t size, const char *entry)
{
	int r = u->sparse ? extents(u, fd, size, entry) : extent(u, fd, size, entry);
	uint64_t whole = u->sparse ? u->holes.size : size;

	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)whole) < 0)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	u->done.bytes += whole;
	return skip(u, files_tar_padding(size));
}

static int clear_way(struct unpacker *u, int dir_fd, const char *name, const char *entry)
{
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	return 0;
}

static int unpack_file(struct unpacker *u, int dir_fd, const char *name, const char *entry,
                       const struct files_tar_header *h, uint64_t size)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = 0 } };
	corral_autofd int fd = -1;
	uint64_t mode = 0644, mtime = 0;
	int r = clear_way(u, dir_fd, name, entry);

	if (r < 0)
		return r;
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	r = content(u, fd, size, entry);
	if (r < 0)
		return r;
	(void)number(h->mode, sizeof(h->mode), &mode);
	if (fchmod(fd, mode & 0777) < 0)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	if (number(h->mtime, sizeof(h->mtime), &mtime)) {
		times[1].tv_sec = (time_t)mtime;
		(void)futimens(fd, times);
	}
	return 0;
}

static int unpack_dir(struct unpacker *u, int dir_fd, const char *name, const char *entry,
                      const struct files_tar_header *h)
{
	corral_autofd int fd = -1;
	bool made = mkdirat(dir_fd, name, 0777) == 0;
	uint64_t mode = 0755;

	if (!made && errno != EEXIST)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	/* One that was there keeps its mode: who may enter it is not the archive's to say. */
	if (!made)
		return 0;
	(void)number(h->mode, sizeof(h->mode), &mode);
	if (fchmod(fd, (mode & 0777) | 0700) < 0 && errno != EPERM)
		return corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	return 0;
}

static int unpack_hard_link(struct unpacker *u, const char *name, const char *entry,
                            const char *target)
{
	corral_autofd int from_fd = -1;
	char from[256], again[256];
	int fd, r;

	r = place(u, target, &fd, from);
	if (r <= 0)
		return r ? r : bad(u, "a hard link to a directory");
	from_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	/* The target's directory has taken the place of the entry's. */
	r = place(u, entry, &fd, again);
	if (r <= 0)
		return r ? r : bad(u, "a hard link without a name");
	r = clear_way(u, fd, name, entry);
	if (r == 0 && linkat(from_fd, from, fd, name, 0) < 0)
		r = corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
	return r;
}

static int unpack(struct unpacker *u, const struct files_tar_header *h, const char *entry,
                  const char *target, uint64_t size)
{
	char name[256];
	int fd, r;

	r = place(u, entry, &fd, name);
	if (r < 0)
		return r;
	if (r == 0)
		return skip(u, size + files_tar_padding(size));
	u->done.entries++;
	switch (h->type) {
	case '0':
	case '\0':
	case '7':
	case 'S':
		/* Before pax, a directory was a file whose name ended with a slash. */
		if (entry[strlen(entry) - 1] == '/')
			return unpack_dir(u, fd, name, entry, h);
		return unpack_file(u, fd, name, entry, h, size);
	case '5':
		r = unpack_dir(u, fd, name, entry, h);
		break;
	case '1':
		r = unpack_hard_link(u, name, entry, target);
		break;
	case '2':
		r = clear_way(u, fd, name, entry);
		if (r == 0 && symlinkat(target, fd, name) < 0)
			r = corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
		break;
	case '6':
		r = clear_way(u, fd, name, entry);
		if (r == 0 && mkfifoat(fd, name, 0600) < 0)
			r = corral_error_sys(u->err, errno, "Archive entry '%s'", entry);
		break;
	default:
		u->done.entries--;
		u->done.skipped++;
		break;
	}
	return r < 0 ? r : skip(u, size + files_tar_padding(size));
}

/* A name of the header: up to size bytes, maybe without a NUL. */
static void field(struct corral_buf *b, const char *text, size_t size)
{
	corral_buf_add(b, text, strnlen(text, size));
}

/* One entry; 1 to go on, 0 at the end. */
static int entry(struct unpacker *u)
{
	struct files_tar_header h;
	uint64_t sum, size;
	int r;

	r = exactly(u, &h, sizeof(h));
	if (r <= 0)
		return r;
	if (files_all_zero((const char *)&h, sizeof(h)))
		return 0;
	if (!number(h.checksum, sizeof(h.checksum), &sum) || sum != files_tar_sum(&h))
		return bad(u, "a header's checksum is wrong");
	if (!number(h.size, sizeof(h.size), &size))
		return bad(u, "a size is no number");
	if (strchr("xgLK", h.type) && h.type) {
		r = extended(u, h.type, size);
		return r < 0 ? r : 1;
	}
	if (u->have_size)
		size = u->size;
	if (size > INT64_MAX - FILES_TAR_BLOCK)
		return bad(u, "a size is too large");
	if (!u->have_name) {
		u->name.len = 0;
		if (!memcmp(h.magic, "ustar\0", 6) && h.prefix[0]) {
			field(&u->name, h.prefix, sizeof(h.prefix));
			corral_buf_str(&u->name, "/");
		}
		field(&u->name, h.name, sizeof(h.name));
	}
	if (!u->have_link) {
		u->link.len = 0;
		field(&u->link, h.link, sizeof(h.link));
	}
	if (u->name.failed || u->link.failed)
		return corral_error_set(u->err, ENOMEM, "out of memory");
	if (!u->name.len || memchr(u->name.data, '\0', u->name.len) ||
	    memchr(u->link.data, '\0', u->link.len))
		return bad(u, "an entry without a name");
	/* Only files have content here; what a link says of a size is of no use. */
	if (strchr("12", h.type) && h.type)
		size = 0;
	r = h.type == 'S' ? old_map(u, &h) : 0;
	if (r == 0)
		r = unpack(u, &h, u->name.data, u->link.data, size);
	u->have_name = u->have_link = u->have_size = u->sparse_name = u->sparse = false;
	files_tar_sparse_done(&u->holes);
	return r < 0 ? r : 1;
}

/* The writer of a stream must not find it closed: what follows the end is taken and dropped. */
static int drain(struct unpacker *u)
{
	int r;

	do {
		r = fill(u);
	} while (r == 0 && u->len);
	return r;
}

int corral_files_tar_in(const struct corral_files *f, const char *path,
                        const struct corral_files_stop *stop,
                        const struct corral_files_source *source, struct corral_files_copied *ret,
                        struct corral_error *err)
{
	struct corral_error own = { 0 };
	struct unpacker u = { .source = source,
		              .stop = stop,
		              .err = err ? err : &own,
		              .last_fd = -1,
		              .base_fd = -1 };
	int r;

	r = files_make_dirs(f, path, &u.base_fd);
	if (r < 0)
		return files_fail(err, -r, path);
	u.buf = malloc(CORRAL_FILES_CHUNK);
	r = u.buf ? 1 : corral_error_set(err, ENOMEM, "out of memory");
	while (r > 0)
		r = entry(&u);
	if (r == 0)
		r = drain(&u);
	free(u.buf);
	corral_buf_done(&u.last_dir);
	corral_buf_done(&u.name);
	corral_buf_done(&u.link);
	files_tar_sparse_done(&u.holes);
	corral_fd_closep(&u.last_fd);
	corral_fd_closep(&u.base_fd);
	if (r == 0)
		*ret = u.done;
	return r;
}
