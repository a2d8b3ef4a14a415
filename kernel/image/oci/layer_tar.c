#include "kernel/image/oci/layer_tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/layer.h"
#include "kernel/image/oci/tar_header.h"
#include "kernel/image/oci/unpack/report.h"

#define XATTRS_MAX (64u << 10) /* of the kernel: names in a list, and one value */
#define FLUSH_SIZE (256u << 10)
#define READ_SIZE  (128u << 10)
#define LINKS_MIN  1024u
/* Of first names that are remembered: as much memory as anybody can make this take. */
#define LINKS_BYTES_MAX (128u << 20)

/* The first name of each file that may have more. */
struct first {
	dev_t dev;
	ino_t ino;
	char *path; /* NULL: an empty slot */
};

struct writer {
	const struct corral_layer_tar *t;
	struct corral_error *err;
	struct corral_buf out; /* not yet handed on */
	struct corral_buf path;
	const char **implied; /* of gone, sorted */
	size_t n_implied;
	struct first *firsts; /* a hash table */
	size_t n_firsts, firsts_size, firsts_bytes;
	uint64_t bytes, entries; /* of contents; so far */
	char *names, *value, *data;
	bool squash;
};

static int fail(struct writer *w, int code, const char *doing)
{
	return corral_error_sys(w->err, code, "%s '%.200s'", doing,
	                        w->path.len ? w->path.data : "/");
}

static int flush(struct writer *w, size_t least)
{
	int r;

	if (w->out.failed)
		return corral_error_set(w->err, ENOMEM, "out of memory");
	if (w->out.len < least || !w->out.len)
		return 0;
	r = w->t->put(w->t->ctx, w->out.data, w->out.len, w->err);
	w->out.len = 0;
	return r;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- what is gone ---- */

static void whiteout_put(struct writer *w, char kind, const char *path)
{
	corral_autobuf struct corral_buf name = CORRAL_BUF_INIT;
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;

	if (kind == 'O')
		corral_buf_fmt(&name, "%s%s.wh..wh..opq", path, *path ? "/" : "");
	else
		corral_buf_fmt(&name, "%.*s.wh.%s", (int)(base - path), path, base);
	if (name.failed) {
		w->out.failed = true;
		return;
	}
	tar_header(&w->out, &(struct tar_entry) { .type = '0', .path = name.data, .mode = 0600 });
}

/* Sorted by the path, which the letter stands in front of. */
static int by_gone_path(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	int r = strcmp(x + 1, y + 1);

	return r ? r : x[0] - y[0];
}

static int gone_put(struct writer *w)
{
	corral_autofree const char **all = NULL;
	struct corral_image_gone g = { 0 };
	size_t at = 0, n = 0, k = 0;
	int r;

	while ((r = corral_image_gone_next(w->t->gone, w->t->gone_len, &at, &g, w->err)) > 0)
		n++;
	if (r < 0)
		return r;
	all = calloc(n + 1, sizeof(*all));
	w->implied = calloc(n + 1, sizeof(*w->implied));
	if (!all || !w->implied)
		return corral_error_set(w->err, ENOMEM, "out of memory");
	for (at = 0; k < n && corral_image_gone_next(w->t->gone, w->t->gone_len, &at, &g, NULL) > 0;
	     k++)
		all[k] = g.guest_path - 1;
	if (n)
		qsort(all, n, sizeof(*all), by_gone_path);
	for (k = 0; k < n; k++) {
		if (k && by_gone_path(&all[k], &all[k - 1]) == 0)
			continue;
		if (all[k][0] == 'I')
			w->implied[w->n_implied++] = all[k] + 1;
		else
			whiteout_put(w, all[k][0], all[k] + 1);
		r = flush(w, FLUSH_SIZE);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_implied(const struct writer *w, const char *path)
{
	return w->n_implied && bsearch(&path, w->implied, w->n_implied, sizeof(path), by_text);
}

/* ---- files with several names ---- */

static struct first *slot_of(struct first *table, size_t size, const struct stat *st)
{
	size_t i = (size_t)((uint64_t)st->st_ino * 0x9e3779b97f4a7c15ull >> 20) & (size - 1);

	while (table[i].path && (table[i].ino != st->st_ino || table[i].dev != st->st_dev))
		i = (i + 1) & (size - 1);
	return &table[i];
}

static int firsts_grow(struct writer *w)
{
	size_t size = w->firsts_size ? w->firsts_size * 2 : LINKS_MIN;
	struct first *table = calloc(size, sizeof(*table));

	if (!table)
		return corral_error_set(w->err, ENOMEM, "out of memory");
	for (size_t i = 0; i < w->firsts_size; i++)
		if (w->firsts[i].path) {
			struct stat st = { .st_ino = w->firsts[i].ino, .st_dev = w->firsts[i].dev };

			*slot_of(table, size, &st) = w->firsts[i];
		}
	free(w->firsts);
	w->firsts = table;
	w->firsts_size = size;
	return 0;
}

/* *ret: the name that this file was written under, NULL when this is the first. */
static int first_name(struct writer *w, const struct stat *st, const char **ret)
{
	struct first *f;

	size_t len = w->path.len + 1 + 2 * sizeof(*f);

	*ret = NULL;
	if (st->st_nlink < 2)
		return 0;
	if (w->n_firsts * 2 >= w->firsts_size && firsts_grow(w) < 0)
		return -ENOMEM;
	f = slot_of(w->firsts, w->firsts_size, st);
	if (f->path) {
		*ret = f->path;
		return 0;
	}
	if (len > LINKS_BYTES_MAX - w->firsts_bytes)
		return corral_error_set(w->err, EFBIG,
		                        "more files of several names than an image may have: "
		                        "'%.200s'",
		                        w->path.data);
	w->firsts_bytes += len;
	*f = (struct first) { st->st_dev, st->st_ino, strdup(w->path.data) };
	if (!f->path)
		return corral_error_set(w->err, ENOMEM, "out of memory");
	w->n_firsts++;
	return 0;
}

/* ---- entries ---- */

static bool is_kept(const char *name)
{
	if (strncmp(name, "user.", 5) == 0)
		return strncmp(name, "user.overlay.", 13) != 0;
	return strcmp(name, "security.capability") == 0 ||
	       strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

static int attributes_add(struct writer *w, int fd, struct corral_buf *records)
{
	corral_autofree const char **list = NULL;
	ssize_t n = flistxattr(fd, w->names, XATTRS_MAX), len;
	size_t count = 0;

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : fail(w, errno, "read the attributes of");
	for (const char *name = w->names; name < w->names + n; name += strlen(name) + 1)
		count += is_kept(name);
	if (!count)
		return 0;
	list = calloc(count, sizeof(*list));
	if (!list)
		return corral_error_set(w->err, ENOMEM, "out of memory");
	count = 0;
	for (const char *name = w->names; name < w->names + n; name += strlen(name) + 1)
		if (is_kept(name))
			list[count++] = name;
	qsort(list, count, sizeof(*list), by_text);
	for (size_t i = 0; i < count; i++) {
		char key[XATTR_NAME_MAX + 16];

		len = fgetxattr(fd, list[i], w->value, XATTRS_MAX);
		if (len < 0)
			return fail(w, errno, "read the attributes of");
		(void)snprintf(key, sizeof(key), "SCHILY.xattr.%s", list[i]);
		tar_record(records, key, w->value, (size_t)len);
	}
	return 0;
}

static struct tar_entry entry_of(const struct writer *w, const struct stat *st, char type)
{
	return (struct tar_entry) { .type = type,
		                    .path = w->path.data,
		                    .mode = st->st_mode & 07777,
		                    .uid = w->squash ? 0 : st->st_uid,
		                    .gid = w->squash ? 0 : st->st_gid,
		                    .mtime = st->st_mtim.tv_sec };
}

static int header_put(struct writer *w, struct tar_entry *e, int fd)
{
	corral_autobuf struct corral_buf records = CORRAL_BUF_INIT;
	int r;

	w->bytes = e->size > UINT64_MAX - w->bytes ? UINT64_MAX : w->bytes + e->size;
	r = corral_image_bounds_check(w->t->bounds, w->bytes, ++w->entries, w->err);
	if (r < 0)
		return corral_error_wrap(w->err, r, "'%.200s'", w->path.len ? w->path.data : "/");
	r = corral_image_bounds_look(w->t->bounds, w->err);
	if (r == 0 && fd >= 0)
		r = attributes_add(w, fd, &records);
	if (r < 0)
		return r;
	e->records = records.data;
	e->records_len = records.len;
	w->out.failed = w->out.failed || records.failed;
	tar_header(&w->out, e);
	return flush(w, FLUSH_SIZE);
}

static int content_put(struct writer *w, int fd, uint64_t size)
{
	for (uint64_t left = size; left;) {
		ssize_t n = read(fd, w->data, left < READ_SIZE ? (size_t)left : READ_SIZE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(w, errno, "read");
		if (n == 0)
			return fail(w, EIO, "it became shorter: read");
		corral_buf_add(&w->out, w->data, (size_t)n);
		left -= (uint64_t)n;
		r = flush(w, FLUSH_SIZE);
		if (r == 0)
			r = corral_image_bounds_look(w->t->bounds, w->err);
		if (r < 0)
			return r;
	}
	tar_padding(&w->out, size);
	return 0;
}

static int regular_put(struct writer *w, int dir_fd, const char *name)
{
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *first = NULL;
	struct tar_entry e;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(w, errno, "open");
	if (!S_ISREG(st.st_mode))
		return fail(w, EIO, "it became something else: read");
	r = first_name(w, &st, &first);
	if (r < 0)
		return r;
	e = entry_of(w, &st, first ? '1' : '0');
	e.link = first;
	e.size = first ? 0 : (uint64_t)st.st_size;
	r = header_put(w, &e, first ? -1 : fd);
	return r < 0 || first ? r : content_put(w, fd, e.size);
}

static int link_put(struct writer *w, int dir_fd, const char *name, const struct stat *st)
{
	char target[CORRAL_UNPACK_PATH_MAX + 2];
	struct tar_entry e = entry_of(w, st, '2');
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(w, errno, "read the link");
	target[n] = '\0';
	e.mode = 0777;
	e.link = target;
	return header_put(w, &e, -1);
}

static int directory_put(struct writer *w, int fd_taken, unsigned int depth);

static int entry_put(struct writer *w, int dir_fd, const char *name, unsigned int depth)
{
	struct tar_entry e;
	struct stat st;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(w, errno, "look at");
	if (strncmp(name, ".wh.", 4) == 0)
		return corral_error_set(w->err, EINVAL,
		                        "'%.200s' has a name that layers keep for whiteouts",
		                        w->path.data);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return regular_put(w, dir_fd, name);
	case S_IFLNK:
		return link_put(w, dir_fd, name, &st);
	case S_IFIFO:
		e = entry_of(w, &st, '6');
		return header_put(w, &e, -1);
	case S_IFSOCK:
		return 0;
	case S_IFDIR:
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? fail(w, errno, "open") : directory_put(w, fd, depth + 1);
	default:
		return w->t->skip_devices ? 0
		                          : corral_error_set(w->err, EINVAL, "'%.200s' is a device",
		                                             w->path.data);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct children {
	char **v;
	size_t n, size;
};

static void children_done(struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i]);
	free(c->v);
}

static int child_add(struct children *c, const char *name)
{
	if (c->n == c->size) {
		size_t size = c->size ? 2 * c->size : 64;
		char **more = reallocarray(c->v, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->v = more;
		c->size = size;
	}
	c->v[c->n] = strdup(name);
	return c->v[c->n] ? (int)(c->n++, 0) : -ENOMEM;
}

/* No more than an image may have: a directory of somebody's may have any number. */
static int children_read(struct writer *w, DIR *dir, struct children *ret)
{
	const struct dirent *e;
	int r = 0;

	while (r == 0 && (errno = 0, e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = child_add(ret, e->d_name);
		if (r < 0)
			return corral_error_set(w->err, ENOMEM, "out of memory");
		r = corral_image_bounds_check(w->t->bounds, w->bytes, w->entries + ret->n, w->err);
		if (r == 0)
			r = corral_image_bounds_look(w->t->bounds, w->err);
	}
	if (r == 0 && errno)
		return fail(w, errno, "read");
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return r;
}

static int children_list(struct writer *w, int fd, struct children *ret)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *dir = own < 0 ? NULL : fdopendir(own);

	if (!dir) {
		r = fail(w, errno, "read");
		if (own >= 0)
			(void)close(own);
		return r;
	}
	r = children_read(w, dir, ret);
	(void)closedir(dir);
	return r;
}

static int children_put(struct writer *w, int fd, unsigned int depth)
{
	corral_auto(children_done) struct children list = { NULL, 0, 0 };
	size_t len = w->path.len;
	int r = children_list(w, fd, &list);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		corral_buf_fmt(&w->path, "%s%s", len ? "/" : "", list.v[i]);
		if (w->path.failed)
			r = corral_error_set(w->err, ENOMEM, "out of memory");
		else
			r = entry_put(w, fd, list.v[i], depth);
		w->path.len = len;
		w->path.data[len] = '\0';
	}
	return r;
}

static int directory_put(struct writer *w, int fd_taken, unsigned int depth)
{
	corral_autofd int fd = fd_taken;
	corral_autofree char *name = NULL;
	struct stat st;
	int r = 0;

	if (depth > CORRAL_UNPACK_DEPTH_MAX || w->path.len > CORRAL_UNPACK_PATH_MAX)
		return corral_error_set(w->err, EINVAL, "'%.100s...' lies too deep", w->path.data);
	if (fstat(fd, &st) < 0)
		return fail(w, errno, "look at");
	if (!is_implied(w, w->path.len ? w->path.data : "")) {
		struct tar_entry e = entry_of(w, &st, '5');

		if (asprintf(&name, "%s/", w->path.len ? w->path.data : ".") < 0) {
			name = NULL;
			return corral_error_set(w->err, ENOMEM, "out of memory");
		}
		e.path = name;
		r = header_put(w, &e, fd);
	}
	return r < 0 ? r : children_put(w, fd, depth);
}

int corral_layer_tar_write(const struct corral_layer_tar *t, struct corral_error *err)
{
	struct writer w = { .t = t, .err = err, .squash = geteuid() != 0 };
	int fd = openat(t->tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return corral_error_sys(err, errno, "open what is to be archived");
	w.names = malloc(2 * (size_t)XATTRS_MAX + READ_SIZE);
	corral_buf_add(&w.path, "", 0);
	if (!w.names) {
		(void)close(fd);
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	w.value = w.names + XATTRS_MAX;
	w.data = w.value + XATTRS_MAX;
	r = gone_put(&w);
	if (r == 0)
		r = directory_put(&w, fd, 0);
	else
		(void)close(fd);
	if (r == 0) {
		tar_end(&w.out);
		r = flush(&w, 0);
	}
	for (size_t i = 0; i < w.firsts_size; i++)
		free(w.firsts[i].path);
	free(w.firsts);
	free(w.implied);
	free(w.names);
	corral_buf_done(&w.out);
	corral_buf_done(&w.path);
	return r;
}

int corral_layer_tar_of(const char *layer_path, struct corral_image_bounds *bounds,
                        int (*put)(void *ctx, const void *data, size_t len,
                                   struct corral_error *err),
                        void *ctx, struct corral_error *err)
{
	corral_autobuf struct corral_buf gone = CORRAL_BUF_INIT;
	corral_autofd int layer = -1, tree = -1, gone_fd = -1;
	struct corral_layer_tar t = { .bounds = bounds, .put = put, .ctx = ctx };
	int r;

	layer = open(layer_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (layer < 0)
		return corral_error_sys(err, errno, "open layer '%.200s'", layer_path);
	tree = openat(layer, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	gone_fd = openat(layer, "gone", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (tree < 0 || (gone_fd < 0 && errno != ENOENT))
		return corral_error_sys(err, errno, "open what is in layer '%.200s'", layer_path);
	r = gone_fd < 0 ? 0 : corral_buf_read_fd(&gone, gone_fd, CORRAL_IMAGE_GONE_MAX);
	if (r < 0)
		return corral_error_sys(err, -r, "read what is gone by layer '%.200s'", layer_path);
	t.tree_fd = tree;
	t.gone = gone.data;
	t.gone_len = gone.len;
	return corral_layer_tar_write(&t, err);
}

struct hash {
	struct corral_digest *digest;
	uint64_t bytes;
};

static int hash_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct hash *h = ctx;

	(void)err;
	corral_digest_add(h->digest, data, len);
	h->bytes += len;
	return 0;
}

int corral_layer_tar_digest(const char *layer_path, struct corral_image_bounds *bounds,
                            char ret[CORRAL_DIGEST_SIZE], uint64_t *ret_bytes,
                            struct corral_error *err)
{
	corral_auto(corral_digest_freep) struct corral_digest *d = NULL;
	struct hash h = { 0 };
	int r = corral_digest_new(&d, err);

	if (r < 0)
		return r;
	h.digest = d;
	r = corral_layer_tar_of(layer_path, bounds, hash_put, &h, err);
	if (r < 0)
		return r;
	corral_digest_end(d, ret);
	if (ret_bytes)
		*ret_bytes = h.bytes;
	return 0;
}
