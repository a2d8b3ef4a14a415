#include "backends/backend_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define READ_BYTES_MAX (8u << 20)

static void uuid_make(char *ret, size_t size)
{
	unsigned char b[16] = { 0 };

	(void)!getrandom(b, sizeof(b), 0);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 9562: version 4, variant 10 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret, size,
	               "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
	               b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
	               b[13], b[14], b[15]);
}

int corral_backend_init(struct corral_backend *b, const struct corral_backend_ops *ops,
                        const char *id, struct corral_error *err)
{
	b->ops = ops;
	atomic_init(&b->busy, 0);
	atomic_init(&b->last_activity_ms, corral_wall_ms());
	if (!id) {
		uuid_make(b->id, sizeof(b->id));
		return 0;
	}
	if (!*id || strlen(id) >= sizeof(b->id))
		return corral_error_set(err, EINVAL, "id: 1 to %zu characters", sizeof(b->id) - 1);
	(void)snprintf(b->id, sizeof(b->id), "%s", id);
	return 0;
}

void corral_backend_enter(struct corral_backend *b)
{
	(void)atomic_fetch_add(&b->busy, 1);
	atomic_store(&b->last_activity_ms, corral_wall_ms());
}

void corral_backend_leave(struct corral_backend *b)
{
	atomic_store(&b->last_activity_ms, corral_wall_ms());
	(void)atomic_fetch_sub(&b->busy, 1);
}

int corral_backend_lacks(const struct corral_backend *b, bool has, const char *what,
                         struct corral_error *err)
{
	return has ? 0
	           : corral_error_set(err, EOPNOTSUPP, "the %s backend has no %s", b->ops->kind,
	                              what);
}

bool corral_backend_can(const struct corral_backend *b, enum corral_backend_cap cap)
{
	return (b->ops->caps & cap) != 0;
}

const char *corral_backend_kind(const struct corral_backend *b)
{
	return b->ops->kind;
}

const char *corral_backend_id(const struct corral_backend *b)
{
	return b->id;
}

const char *corral_backend_root_path(const struct corral_backend *b)
{
	return b->ops->root_path ? b->ops->root_path(b) : "";
}

int64_t corral_backend_last_activity_ms(const struct corral_backend *b)
{
	return atomic_load(&b->last_activity_ms);
}

unsigned int corral_backend_busy(const struct corral_backend *b)
{
	return atomic_load(&b->busy);
}

void corral_backend_close(struct corral_backend *b)
{
	if (b)
		b->ops->close(b);
}

bool corral_backend_exists(struct corral_backend *b, const char *path)
{
	bool answer;

	corral_backend_enter(b);
	answer = b->ops->exists(b, path);
	corral_backend_leave(b);
	return answer;
}

/* One call, counted. */
#define CALL(r, b, op, ...)                           \
	do {                                          \
		corral_backend_enter(b);              \
		(r) = (b)->ops->op((b), __VA_ARGS__); \
		corral_backend_leave(b);              \
	} while (0)

int corral_backend_stat(struct corral_backend *b, const char *path, unsigned int flags,
                        struct corral_files_stat *ret, struct corral_error *err)
{
	int r;

	CALL(r, b, stat, path, flags, ret, err);
	return r;
}

int corral_backend_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                      struct corral_error *err)
{
	int r;

	CALL(r, b, ls, path, ret, err);
	return r;
}

int corral_backend_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                        struct corral_buf *ret, struct corral_error *err)
{
	int r;

	CALL(r, b, read, path, offset, limit ? limit : CORRAL_FILES_READ_LINES, ret, err);
	return r;
}

int corral_backend_read_for(struct corral_backend *b, const char *path, uint64_t offset,
                            uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                            struct corral_error *err)
{
	int r;

	CALL(r, b, read_stream, path, offset, length, max, sink, err);
	return r;
}

int corral_backend_write_for(struct corral_backend *b, const char *path, unsigned int mode,
                             bool known, const struct corral_files_source *source,
                             struct corral_error *err)
{
	int r;

	CALL(r, b, write_stream, path, mode, known, source, err);
	return r;
}

static int buf_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct corral_buf *b = ctx;

	corral_buf_add(b, data, len);
	return b->failed ? corral_error_set(err, ENOMEM, "read: out of memory") : 0;
}

int corral_backend_read_bytes(struct corral_backend *b, const char *path, uint64_t max,
                              struct corral_buf *ret, struct corral_error *err)
{
	const struct corral_files_sink sink = { buf_put, ret };

	return corral_backend_read_for(b, path, 0, UINT64_MAX, max ? max : READ_BYTES_MAX, &sink,
	                               err);
}

struct bytes {
	const char *data;
	size_t len;
};

static long bytes_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct bytes *b = ctx;
	size_t n = b->len < size ? b->len : size;

	(void)err;
	if (n)
		memcpy(data, b->data, n);
	b->data += n;
	b->len -= n;
	return (long)n;
}

int corral_backend_write(struct corral_backend *b, const char *path, const void *data, size_t len,
                         struct corral_error *err)
{
	struct bytes bytes = { data, len };
	const struct corral_files_source source = { bytes_get, &bytes };

	return corral_backend_write_for(b, path, 0, true, &source, err);
}

int corral_backend_edit(struct corral_backend *b, const char *path,
                        const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                        struct corral_error *err)
{
	uint64_t none;
	int r;

	CALL(r, b, edit, path, edit, ret_occurrences ? ret_occurrences : &none, err);
	return r;
}

int corral_backend_glob(struct corral_backend *b, const char *pattern, const char *path,
                        unsigned int flags, struct corral_files_rows *ret, struct corral_error *err)
{
	int r;

	CALL(r, b, glob, pattern, path, flags, ret, err);
	return r;
}

int corral_backend_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                        struct corral_files_matches *ret, struct corral_error *err)
{
	int r;

	CALL(r, b, grep, grep, ret, err);
	return r;
}

int corral_backend_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	int r;

	CALL(r, b, mkdir, path, err);
	return r;
}

int corral_backend_remove(struct corral_backend *b, const char *path, unsigned int flags,
                          struct corral_error *err)
{
	int r;

	CALL(r, b, remove, path, flags, err);
	return r;
}

int corral_backend_rename(struct corral_backend *b, const char *path, const char *new_path,
                          unsigned int flags, struct corral_error *err)
{
	int r;

	CALL(r, b, rename, path, new_path, flags, err);
	return r;
}

int corral_backend_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                               uint64_t length, const struct corral_files_sink *sink,
                               struct corral_error *err)
{
	return corral_backend_read_for(b, path, offset, length, 0, sink, err);
}

int corral_backend_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                                const struct corral_files_source *source, struct corral_error *err)
{
	return corral_backend_write_for(b, path, mode, false, source, err);
}

int corral_backend_tar_out(struct corral_backend *b, const char *path,
                           const struct corral_files_sink *sink, struct corral_files_copied *ret,
                           struct corral_error *err)
{
	int r = corral_backend_lacks(b, corral_backend_can(b, CORRAL_BACKEND_CAN_ARCHIVE),
	                             "archives", err);

	if (r == 0)
		CALL(r, b, tar_out, path, sink, ret, err);
	return r;
}

int corral_backend_tar_in(struct corral_backend *b, const char *path,
                          const struct corral_files_source *source, struct corral_files_copied *ret,
                          struct corral_error *err)
{
	int r = corral_backend_lacks(b, corral_backend_can(b, CORRAL_BACKEND_CAN_ARCHIVE),
	                             "archives", err);

	if (r == 0)
		CALL(r, b, tar_in, path, source, ret, err);
	return r;
}
