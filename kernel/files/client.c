/* The operations as questions to a server, and its answers taken apart. */
#include "kernel/files/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/files/client_wire.h"
#include "kernel/files/internal.h"

/* Bytes of a whole answer that becomes rows, matches or text. */
#define BODY_MAX (64u << 20)

/* One exchange: what goes up, where the answer's data goes, what the reply said. */
struct exchange {
	struct files_ask ask;
	const struct corral_files_source *source; /* after the request's own data */
	char *chunk;                              /* for it; CORRAL_FILES_CHUNK */
	struct corral_files_sink sink;            /* put NULL: data is no answer to this */
	uint64_t max;                             /* of its bytes */
	int code;
	unsigned int flags;
	uint64_t n[3];
};

/* What the guest's side says goes to people: no control characters, valid UTF-8. */
static int say_error(const struct files_event *e, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	corral_utf8_add(&text, e->reply.text, e->reply.text_len);
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
			text.data[i] = '?';
	}
	return corral_error_set(err, -e->reply.code, "%s",
	                        text.len && !text.failed ? text.data : "failed");
}

static int put(struct exchange *x, const char *data, size_t len, struct corral_error *err)
{
	if (!len)
		return 0;
	if (!x->sink.put || len > x->max)
		return corral_error_set(err, EPROTO, "file server: sent more than was asked for");
	x->max -= len;
	return x->sink.put(x->sink.ctx, data, len, err);
}

/* Sends what the source gives next; nothing, as the last, at its end. */
static int upload(struct exchange *x, struct files_call *call, struct corral_error *err)
{
	long got = x->source->get(x->source->ctx, x->chunk, CORRAL_FILES_CHUNK, err);

	return got < 0 ? (int)got : files_call_send(call, x->chunk, (size_t)got, !got, err);
}

static int step(struct exchange *x, struct files_call *call, struct files_event *e,
                struct corral_error *err)
{
	int r;

	if (!e)
		return upload(x, call, err);
	if (e->type == CORRAL_FILES_REPLY && e->reply.code < 0)
		return say_error(e, err);
	if (e->type == CORRAL_FILES_REPLY && call->sending)
		return corral_error_set(err, EPROTO, "file server: was content before it had all");
	r = put(x, e->data, e->len, err);
	if (r == 0 && e->type == CORRAL_FILES_DATA)
		r = files_call_grant(call, err);
	return r;
}

/* Asks and hears the whole answer. */
static int run(struct corral_files_client *c, const struct corral_files_bounds *b,
               struct exchange *x, struct corral_error *err)
{
	struct files_call call;
	bool replied = false;
	int r;

	r = files_call_begin(c, b, &x->ask, &call, err);
	if (r < 0)
		return r;
	while (r == 0 && !replied) {
		struct files_event *e = NULL;

		r = files_call_next(&call, &e, err);
		if (r == 0)
			r = step(x, &call, e, err);
		if (e && e->type == CORRAL_FILES_REPLY) {
			replied = true;
			x->code = e->reply.code;
			x->flags = e->reply.flags;
			memcpy(x->n, e->reply.n, sizeof(x->n));
		}
		free(e);
	}
	files_call_end(&call);
	return r;
}

/* Data kept as bytes, counted against what the client may hold. */
struct keep {
	struct corral_files_client *client;
	struct corral_buf buf;
	int64_t held;
};

static int keep_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct keep *k = ctx;

	if (!files_client_hold(k->client, (int64_t)len))
		return corral_error_set(err, ENOBUFS, "The answers of this sandbox are too large");
	k->held += (int64_t)len;
	corral_buf_add(&k->buf, data, len);
	return k->buf.failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

static void keep_done(struct keep *k)
{
	(void)files_client_hold(k->client, -k->held);
	corral_buf_done(&k->buf);
}

/* Asks for an answer that is kept as a whole. */
static int run_kept(struct corral_files_client *c, const struct corral_files_bounds *b,
                    struct exchange *x, uint64_t max, struct keep *ret, struct corral_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->client = c;
	x->sink.put = keep_put;
	x->sink.ctx = ret;
	x->max = max;
	return run(c, b, x, err);
}

static int say_decoded(int r, struct corral_error *err)
{
	if (r == -ENOMEM)
		return corral_error_set(err, ENOMEM, "out of memory");
	return r < 0 ? corral_error_set(err, EPROTO,
	                                "file server: sent an answer that no server gives")
	             : 0;
}

static int run_rows(struct corral_files_client *c, const struct corral_files_bounds *b,
                    struct exchange *x, struct corral_files_rows *ret, struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	struct keep k;
	int r = run_kept(c, b, x, BODY_MAX, &k, err);

	if (r == 0)
		r = say_decoded(corral_files_rows_decode(k.buf.data, k.buf.len, &rows), err);
	keep_done(&k);
	if (r < 0)
		return r;
	rows.truncated = x->flags & CORRAL_FILES_REPLY_TRUNCATED;
	rows.incomplete = x->flags & CORRAL_FILES_REPLY_INCOMPLETE;
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

int corral_files_client_exists(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, struct corral_error *err)
{
	struct exchange x = { .ask = { .op = CORRAL_FILES_OP_EXISTS, .text = { path } } };
	int r = run(c, b, &x, err);

	return r < 0 ? r : x.n[0] == 1;
}

int corral_files_client_stat(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *path, unsigned int flags, struct corral_files_stat *ret,
                             struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_STAT, .flags = flags, .text = { path } },
	};
	struct corral_files_stat st;
	struct keep k;
	int r = run_kept(c, b, &x, sizeof(struct corral_files_wire_row), &k, err);

	if (r == 0)
		r = say_decoded(corral_files_stat_decode(k.buf.data, k.buf.len, &st), err);
	keep_done(&k);
	if (r == 0)
		*ret = st;
	return r;
}

int corral_files_client_ls(struct corral_files_client *c, const struct corral_files_bounds *b,
                           const char *path, unsigned int flags, struct corral_files_rows *ret,
                           struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_LS, .flags = flags, .text = { path } },
	};

	return run_rows(c, b, &x, ret, err);
}

int corral_files_client_glob(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *pattern, const char *path, unsigned int flags,
                             struct corral_files_rows *ret, struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_GLOB, .flags = flags, .text = { path, pattern } },
	};

	return run_rows(c, b, &x, ret, err);
}

int corral_files_client_read(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *path, uint64_t offset, uint64_t limit,
                             struct corral_buf *ret, struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_READ, .n = { offset, limit }, .text = { path } },
	};
	struct keep k;
	int r = run_kept(c, b, &x, 4ull * CORRAL_FILES_READ_CHARS + 4096, &k, err);

	if (r == 0 && !corral_utf8_valid(k.buf.data, k.buf.len))
		r = say_decoded(-EPROTO, err);
	/* Of no bytes, it is still a text. */
	corral_buf_add(&k.buf, "", 0);
	if (r == 0 && k.buf.failed)
		r = corral_error_set(err, ENOMEM, "out of memory");
	if (r == 0) {
		corral_buf_done(ret);
		*ret = k.buf;
		memset(&k.buf, 0, sizeof(k.buf));
	}
	keep_done(&k);
	return r;
}

int corral_files_client_read_bytes(struct corral_files_client *c,
                                   const struct corral_files_bounds *b, const char *path,
                                   uint64_t offset, uint64_t length, uint64_t max,
                                   const struct corral_files_sink *sink, struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_READ_BYTES,
		         .n = { offset, length, max },
		         .text = { path } },
		.sink = *sink,
		.max = max && max < length ? max : length,
	};

	return run(c, b, &x, err);
}

/* An exchange whose data comes from a source: as much as fits goes with the request. */
static int run_source(struct corral_files_client *c, const struct corral_files_bounds *b,
                      struct exchange *x, const struct corral_files_source *source,
                      struct corral_error *err)
{
	corral_autofree char *chunk = malloc(CORRAL_FILES_CHUNK);
	long got = 1;

	if (!chunk)
		return corral_error_set(err, ENOMEM, "out of memory");
	while (got && x->ask.len < CORRAL_FILES_CHUNK) {
		got = source->get(source->ctx, chunk + x->ask.len, CORRAL_FILES_CHUNK - x->ask.len,
		                  err);
		if (got < 0)
			return (int)got;
		x->ask.len += (size_t)got;
	}
	x->ask.data = x->chunk = chunk; /* free again once the request is sent */
	x->ask.more = got != 0;
	x->source = source;
	return run(c, b, x, err);
}

int corral_files_client_write(struct corral_files_client *c, const struct corral_files_bounds *b,
                              const char *path, unsigned int mode,
                              const struct corral_files_source *source, uint64_t *ret_size,
                              struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_WRITE, .n = { mode }, .text = { path } },
	};
	int r = run_source(c, b, &x, source, err);

	if (r == 0 && ret_size)
		*ret_size = x.n[0];
	return r;
}

/* Memory as a source. */
struct memory {
	const struct iovec_part {
		const char *data;
		size_t len;
	} * parts;
	size_t n, i, at;
};

static long memory_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct memory *m = ctx;
	size_t len;

	(void)err;
	while (m->i < m->n && m->at == m->parts[m->i].len) {
		m->i++;
		m->at = 0;
	}
	if (m->i == m->n)
		return 0;
	len = m->parts[m->i].len - m->at;
	if (len > size)
		len = size;
	memcpy(data, m->parts[m->i].data + m->at, len);
	m->at += len;
	return (long)len;
}

int corral_files_client_edit(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const char *path, const struct corral_files_edit *edit,
                             uint64_t *ret_occurrences, struct corral_error *err)
{
	struct iovec_part parts[2] = { { edit->old_text, edit->old_len },
		                       { edit->new_text, edit->new_len } };
	struct memory m = { .parts = parts, .n = 2 };
	struct corral_files_source source = { memory_get, &m };
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_EDIT,
		         .n = { edit->old_len, edit->new_len, edit->replace_all },
		         .text = { path } },
	};
	corral_autofree char *why = NULL;
	int r;

	if (edit->old_len > CORRAL_FILES_EDIT_MAX || edit->new_len > CORRAL_FILES_EDIT_MAX)
		return corral_error_set(err, EFBIG, "The text is too large");
	r = run_source(c, b, &x, &source, err);
	if (r == 0 || x.code == -ENOMSG || x.code == -ENOTUNIQ)
		*ret_occurrences = x.n[0];
	if (x.code == -ENOMSG || x.code == -ENOTUNIQ) {
		/* The text is ours, not the server's. */
		why = corral_files_edit_text(edit, x.code == -ENOMSG ? 0 : x.n[0]);
		return corral_error_set(err, -x.code, "%s", why ? why : "out of memory");
	}
	return r;
}

int corral_files_client_grep(struct corral_files_client *c, const struct corral_files_bounds *b,
                             const struct corral_files_grep *grep, struct corral_files_matches *ret,
                             struct corral_error *err)
{
	corral_auto(corral_files_matches_done) struct corral_files_matches found = { 0 };
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_GREP,
		         .flags = grep->flags,
		         .n = { grep->max_matches, grep->glob != NULL },
		         .text = { grep->path, grep->pattern, grep->glob } },
	};
	struct keep k;
	int r = run_kept(c, b, &x, BODY_MAX, &k, err);

	if (r == 0)
		r = say_decoded(corral_files_matches_decode(k.buf.data, k.buf.len, &found), err);
	keep_done(&k);
	if (r < 0)
		return r;
	found.truncated = x.flags & CORRAL_FILES_REPLY_TRUNCATED;
	found.incomplete = x.flags & CORRAL_FILES_REPLY_INCOMPLETE;
	*ret = found;
	memset(&found, 0, sizeof(found));
	return 0;
}

int corral_files_client_mkdir(struct corral_files_client *c, const struct corral_files_bounds *b,
                              const char *path, struct corral_error *err)
{
	struct exchange x = { .ask = { .op = CORRAL_FILES_OP_MKDIR, .text = { path } } };

	return run(c, b, &x, err);
}

int corral_files_client_remove(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, unsigned int flags, struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_REMOVE, .flags = flags, .text = { path } },
	};

	return run(c, b, &x, err);
}

int corral_files_client_rename(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, const char *new_path, unsigned int flags,
                               struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_RENAME, .flags = flags, .text = { path, new_path } },
	};

	return run(c, b, &x, err);
}

static void copied_from(const struct exchange *x, struct corral_files_copied *ret)
{
	ret->entries = x->n[0];
	ret->bytes = x->n[1];
	ret->skipped = x->n[2];
}

int corral_files_client_tar_out(struct corral_files_client *c, const struct corral_files_bounds *b,
                                const char *path, const struct corral_files_sink *sink,
                                struct corral_files_copied *ret, struct corral_error *err)
{
	struct exchange x = {
		.ask = { .op = CORRAL_FILES_OP_TAR_OUT, .text = { path } },
		.sink = *sink,
		.max = UINT64_MAX,
	};
	int r = run(c, b, &x, err);

	if (r == 0)
		copied_from(&x, ret);
	return r;
}

int corral_files_client_tar_in(struct corral_files_client *c, const struct corral_files_bounds *b,
                               const char *path, const struct corral_files_source *source,
                               struct corral_files_copied *ret, struct corral_error *err)
{
	struct exchange x = { .ask = { .op = CORRAL_FILES_OP_TAR_IN, .text = { path } } };
	int r = run_source(c, b, &x, source, err);

	if (r == 0)
		copied_from(&x, ret);
	return r;
}
