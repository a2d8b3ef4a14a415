/* A file or a tree as an archive, in the order of the paths. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/internal.h"
#include "kernel/files/tar.h"
#include "kernel/files/tar_links.h"
#include "kernel/files/tar_sparse.h"

#define SIZE_MAX_OCTAL 077777777777ull

struct packer {
	const struct corral_files_sink *sink;
	const struct corral_files_stop *stop;
	struct corral_error *err;
	struct corral_files_copied done;
	char *buf; /* CORRAL_FILES_CHUNK, so that the sink sees few calls */
	size_t len;
	struct corral_buf name;
	struct files_tar_links links;
};

static int flush(struct packer *p)
{
	int r = p->len ? p->sink->put(p->sink->ctx, p->buf, p->len, p->err) : 0;

	p->len = 0;
	return r < 0 ? r : files_stopped(p->stop, p->err);
}

/* NULL data: zeros. */
static int emit(struct packer *p, const void *data, size_t len)
{
	while (len) {
		size_t part = CORRAL_FILES_CHUNK - p->len;
		int r;

		if (part > len)
			part = len;
		if (data)
			memcpy(p->buf + p->len, data, part);
		else
			memset(p->buf + p->len, 0, part);
		p->len += part;
		data = data ? (const char *)data + part : NULL;
		len -= part;
		if (p->len < CORRAL_FILES_CHUNK)
			continue;
		r = flush(p);
		if (r < 0)
			return r;
	}
	return 0;
}

static void octal(char *field, size_t size, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%0*" PRIo64, (int)size - 1, value);
	/* What does not fit is told by an extended header, or not at all. */
	if (strlen(text) >= size)
		(void)snprintf(text, sizeof(text), "%0*d", (int)size - 1, 0);
	memcpy(field, text, size - 1);
	field[size - 1] = '\0';
}

/* "LEN key=value\n", where LEN counts itself. */
static void pax_record(struct corral_buf *b, const char *key, const char *value, size_t len)
{
	size_t body = strlen(key) + len + 3, digits = 1;
	char label[32];

	for (size_t most = 10; body + digits >= most; most *= 10)
		digits++;
	(void)snprintf(label, sizeof(label), "%zu ", body + digits);
	corral_buf_str(b, label);
	corral_buf_str(b, key);
	corral_buf_str(b, "=");
	corral_buf_add(b, value, len);
	corral_buf_str(b, "\n");
}

static int emit_header(struct packer *p, struct files_tar_header *h)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	octal(h->checksum, 7, files_tar_sum(h));
	h->checksum[7] = ' ';
	return emit(p, h, sizeof(*h));
}

/* holes: NULL, or the extents that are stored of the file, whose map is in front of the content. */
static int emit_pax(struct packer *p, const char *name, const char *link, uint64_t size,
                    const struct files_tar_sparse *holes)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct files_tar_header h = { 0 };
	char number[32];
	int r;

	if (strlen(name) > sizeof(h.name))
		pax_record(&b, "path", name, strlen(name));
	if (link && strlen(link) > sizeof(h.link))
		pax_record(&b, "linkpath", link, strlen(link));
	(void)snprintf(number, sizeof(number), "%" PRIu64, size);
	if (size > SIZE_MAX_OCTAL)
		pax_record(&b, "size", number, strlen(number));
	if (holes) {
		pax_record(&b, "GNU.sparse.major", "1", 1);
		pax_record(&b, "GNU.sparse.minor", "0", 1);
		pax_record(&b, "GNU.sparse.name", name, strlen(name));
		(void)snprintf(number, sizeof(number), "%" PRIu64, holes->size);
		pax_record(&b, "GNU.sparse.realsize", number, strlen(number));
	}
	if (b.failed)
		return corral_error_set(p->err, ENOMEM, "out of memory");
	if (!b.len)
		return 0;
	memcpy(h.name, "PaxHeader", 10);
	octal(h.mode, sizeof(h.mode), 0644);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), b.len);
	octal(h.mtime, sizeof(h.mtime), 0);
	h.type = 'x';
	r = emit_header(p, &h);
	if (r == 0)
		r = emit(p, b.data, b.len);
	return r < 0 ? r : emit(p, NULL, files_tar_padding(b.len));
}

static int emit_entry(struct packer *p, const char *name, const struct stat *st, char type,
                      const char *link, uint64_t size, const struct files_tar_sparse *holes)
{
	struct files_tar_header h = { 0 };
	size_t len = strlen(name);
	int r = emit_pax(p, name, link, size, holes);

	if (r < 0)
		return r;
	/* Fields that are full end without a NUL. */
	memcpy(h.name, name, len < sizeof(h.name) ? len : sizeof(h.name));
	octal(h.mode, sizeof(h.mode), st->st_mode & 07777);
	octal(h.uid, sizeof(h.uid), st->st_uid);
	octal(h.gid, sizeof(h.gid), st->st_gid);
	octal(h.size, sizeof(h.size), size);
	octal(h.mtime, sizeof(h.mtime), st->st_mtim.tv_sec > 0 ? (uint64_t)st->st_mtim.tv_sec : 0);
	h.type = type;
	if (link) {
		len = strlen(link);
		memcpy(h.link, link, len < sizeof(h.link) ? len : sizeof(h.link));
	}
	p->done.entries++;
	return emit_header(p, &h);
}

/* Exactly as many bytes as were told of, whatever becomes of the file meanwhile. */
static int emit_extent(struct packer *p, int fd, uint64_t size)
{
	corral_autofree char *chunk = malloc(CORRAL_FILES_CHUNK);
	uint64_t left = size;
	int r = 0;

	if (!chunk)
		return corral_error_set(p->err, ENOMEM, "out of memory");
	while (r == 0 && left) {
		size_t want = left < CORRAL_FILES_CHUNK ? (size_t)left : CORRAL_FILES_CHUNK;
		long got = files_read(fd, chunk, want);

		if (got <= 0) {
			got = (long)want;
			memset(chunk, 0, want);
		}
		r = emit(p, chunk, (size_t)got);
		left -= (uint64_t)got;
	}
	return r;
}

static int emit_file(struct packer *p, const char *name, int fd, const struct stat *st)
{
	corral_auto(files_tar_sparse_done) struct files_tar_sparse holes = { 0 };
	corral_autobuf struct corral_buf map = CORRAL_BUF_INIT;
	uint64_t size = (uint64_t)st->st_size, stored = size;
	int r = 0;

	p->done.bytes += size;
	if ((uint64_t)st->st_blocks * 512 < size)
		r = files_tar_sparse_look(&holes, fd, size);
	if (r == 0 && holes.n) {
		files_tar_sparse_map(&holes, &map);
		stored = map.len;
		for (size_t i = 0; i < holes.n; i++)
			stored += holes.v[i].len;
	}
	if (r < 0 || map.failed)
		return corral_error_set(p->err, ENOMEM, "out of memory");
	r = emit_entry(p, name, st, '0', NULL, stored, holes.n ? &holes : NULL);
	if (r == 0 && holes.n)
		r = emit(p, map.data, map.len);
	for (size_t i = 0; r == 0 && i < holes.n; i++)
		if (lseek(fd, (off_t)holes.v[i].offset, SEEK_SET) < 0)
			r = corral_error_sys(p->err, errno, "read '%.200s'", name);
		else
			r = emit_extent(p, fd, holes.v[i].len);
	if (r == 0 && !holes.n) {
		(void)lseek(fd, 0, SEEK_SET);
		r = emit_extent(p, fd, size);
	}
	return r < 0 ? r : emit(p, NULL, files_tar_padding(stored));
}

static int pack_file(struct packer *p, int dir_fd, const char *name)
{
	corral_autofd int fd =
	        openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	const char *before = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		p->done.skipped++;
		return 0;
	}
	/* A thousand names of one file are not a thousand files on the other side. */
	if (st.st_nlink > 1)
		before = files_tar_link(&p->links, &st, p->name.data);
	if (before)
		return emit_entry(p, p->name.data, &st, '1', before, 0, NULL);
	return emit_file(p, p->name.data, fd, &st);
}

static int pack_other(struct packer *p, int dir_fd, const char *name)
{
	char target[CORRAL_FILES_PATH_MAX];
	struct stat st;
	ssize_t n = 0;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st.st_mode) && !S_ISFIFO(st.st_mode)) ||
	    (S_ISLNK(st.st_mode) &&
	     (n = readlinkat(dir_fd, name, target, sizeof(target) - 1)) < 0)) {
		p->done.skipped++;
		return 0;
	}
	target[n] = '\0';
	return emit_entry(p, p->name.data, &st, S_ISLNK(st.st_mode) ? '2' : '6', n ? target : NULL,
	                  0, NULL);
}

/* The directory itself, as name says, then what is in it. */
static int pack_dir(struct packer *p, int dir_fd, unsigned int depth)
{
	corral_auto(files_names_done) struct files_names names = { 0 };
	size_t base = p->name.len;
	struct stat st;
	int r;

	if (fstat(dir_fd, &st) < 0)
		return files_fail(p->err, errno, p->name.data);
	r = emit_entry(p, depth ? p->name.data : "./", &st, '5', NULL, 0, NULL);
	if (r < 0)
		return r;
	r = files_names_read(dir_fd, p->stop, &names);
	if (r == -ENOMEM)
		return corral_error_set(p->err, ENOMEM, "out of memory");
	p->done.skipped += r < 0 || names.truncated;
	r = files_stopped(p->stop, p->err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		const char *name = names.v[i].name;
		corral_autofd int fd = -1;

		p->name.len = base;
		corral_buf_str(&p->name, name);
		if (names.v[i].type == DT_DIR)
			corral_buf_str(&p->name, "/");
		if (p->name.failed)
			return corral_error_set(p->err, ENOMEM, "out of memory");
		if (names.v[i].type == DT_REG) {
			r = pack_file(p, dir_fd, name);
			continue;
		}
		if (names.v[i].type != DT_DIR) {
			r = pack_other(p, dir_fd, name);
			continue;
		}
		fd = openat(dir_fd, name,
		            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || depth == CORRAL_FILES_DEPTH_MAX)
			p->done.skipped++;
		else
			r = pack_dir(p, fd, depth + 1);
	}
	return r;
}

int corral_files_tar_out(const struct corral_files *f, const char *path,
                         const struct corral_files_stop *stop, const struct corral_files_sink *sink,
                         struct corral_files_copied *ret, struct corral_error *err)
{
	struct packer p = { .sink = sink, .stop = stop, .err = err };
	corral_autofd int fd = files_open_at(f, path, O_RDONLY | O_NONBLOCK);
	const char *slash = strrchr(path, '/');
	struct corral_error own = { 0 };
	struct stat st;
	int r;

	if (!err)
		p.err = &own;
	if (fd < 0)
		return files_fail(err, -fd, path);
	if (fstat(fd, &st) < 0)
		return files_fail(err, errno, path);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return corral_error_set(err, EINVAL, "'%s' is not a regular file", path);
	p.buf = malloc(CORRAL_FILES_CHUNK);
	corral_buf_str(&p.name, "");
	if (!p.buf || p.name.failed)
		r = corral_error_set(err, ENOMEM, "out of memory");
	else if (S_ISDIR(st.st_mode))
		r = pack_dir(&p, fd, 0);
	else
		r = emit_file(&p, slash ? slash + 1 : path, fd, &st);
	if (r == 0)
		r = emit(&p, NULL, 2 * (size_t)FILES_TAR_BLOCK);
	if (r == 0)
		r = flush(&p);
	free(p.buf);
	corral_buf_done(&p.name);
	files_tar_links_done(&p.links);
	if (r == 0)
		*ret = p.done;
	return r;
}
