/* One request: which operation, with which of its words, and what of the result goes into the
 * answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/files/internal.h"
#include "kernel/files/server.h"

bool corral_files_call_is_long(const struct corral_files_asked *asked)
{
	switch (asked->op) {
	case CORRAL_FILES_OP_GLOB:
	case CORRAL_FILES_OP_GREP:
	case CORRAL_FILES_OP_TAR_OUT:
	case CORRAL_FILES_OP_TAR_IN:
		return true;
	case CORRAL_FILES_OP_WRITE:
		return asked->more;
	case CORRAL_FILES_OP_REMOVE:
		return asked->flags & CORRAL_FILES_RECURSIVE;
	case CORRAL_FILES_OP_EXISTS:
	case CORRAL_FILES_OP_STAT:
	case CORRAL_FILES_OP_LS:
	case CORRAL_FILES_OP_READ:
	case CORRAL_FILES_OP_READ_BYTES:
	case CORRAL_FILES_OP_EDIT:
	case CORRAL_FILES_OP_MKDIR:
	case CORRAL_FILES_OP_RENAME:
	case CORRAL_FILES_OP_END:
		break;
	}
	return false;
}

static int put(struct corral_files_call *c, const struct corral_buf *b, struct corral_error *err)
{
	size_t at = 0;
	int r = 0;

	if (b->failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	while (r == 0 && at < b->len) {
		size_t part = b->len - at < CORRAL_FILES_CHUNK ? b->len - at : CORRAL_FILES_CHUNK;

		r = c->sink.put(c->sink.ctx, b->data + at, part, err);
		at += part;
	}
	return r;
}

static void say_found(struct corral_files_call *c, size_t n, bool truncated, bool incomplete)
{
	c->n[0] = n;
	if (truncated)
		c->reply_flags |= CORRAL_FILES_REPLY_TRUNCATED;
	if (incomplete)
		c->reply_flags |= CORRAL_FILES_REPLY_INCOMPLETE;
}

static int put_rows(struct corral_files_call *c, struct corral_files_rows *rows,
                    struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	corral_files_rows_encode(rows, &b);
	say_found(c, rows->n, rows->truncated, rows->incomplete);
	corral_files_rows_done(rows);
	return put(c, &b, err);
}

static int run_ls(struct corral_files_call *c, struct corral_error *err)
{
	struct corral_files_rows rows = { 0 };
	int r = corral_files_ls(c->f, c->asked->text[0], c->asked->flags, &c->stop, &rows, err);

	return r < 0 ? r : put_rows(c, &rows, err);
}

static int run_glob(struct corral_files_call *c, struct corral_error *err)
{
	struct corral_files_rows rows = { 0 };
	int r = corral_files_glob(c->f, c->asked->text[1], c->asked->text[0], c->asked->flags,
	                          &c->stop, &rows, err);

	return r < 0 ? r : put_rows(c, &rows, err);
}

static int run_grep(struct corral_files_call *c, struct corral_error *err)
{
	const struct corral_files_asked *q = c->asked;
	struct corral_files_grep grep = {
		.path = q->text[0],
		.pattern = q->text[1],
		.glob = q->n[1] ? q->text[2] : NULL,
		.flags = q->flags,
		.max_matches = q->n[0],
	};
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_matches found = { 0 };
	int r = corral_files_grep(c->f, &grep, &c->stop, &found, err);

	if (r < 0)
		return r;
	corral_files_matches_encode(&found, &b);
	say_found(c, found.n, found.truncated, found.incomplete);
	corral_files_matches_done(&found);
	return put(c, &b, err);
}

static int run_stat(struct corral_files_call *c, struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_stat st;
	int r = corral_files_stat(c->f, c->asked->text[0], c->asked->flags, &st, err);

	if (r < 0)
		return r;
	corral_files_stat_encode(&st, &b);
	return put(c, &b, err);
}

static int run_read(struct corral_files_call *c, struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	int r = corral_files_read(c->f, c->asked->text[0], c->asked->n[0], c->asked->n[1], &c->stop,
	                          &b, err);

	return r < 0 ? r : put(c, &b, err);
}

/* Both texts come as data, one behind the other, since either may be larger than a message. */
static int run_edit(struct corral_files_call *c, struct corral_error *err)
{
	corral_autobuf struct corral_buf texts = CORRAL_BUF_INIT;
	corral_autofree char *chunk = NULL;
	const uint64_t *n = c->asked->n;
	struct corral_files_edit edit = { .replace_all = n[2] != 0 };
	long got;

	if (n[0] > CORRAL_FILES_EDIT_MAX || n[1] > CORRAL_FILES_EDIT_MAX)
		return corral_error_set(err, EFBIG, "The text is too large");
	chunk = malloc(CORRAL_FILES_CHUNK);
	if (!chunk)
		return corral_error_set(err, ENOMEM, "out of memory");
	while ((got = c->source.get(c->source.ctx, chunk, CORRAL_FILES_CHUNK, err)) > 0) {
		corral_buf_add(&texts, chunk, (size_t)got);
		if (texts.failed || texts.len > n[0] + n[1])
			break;
	}
	if (got < 0)
		return (int)got;
	if (texts.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (texts.len != n[0] + n[1])
		return corral_error_set(err, EBADMSG, "The edit's texts are cut short");
	edit.old_text = texts.data ? texts.data : "";
	edit.old_len = n[0];
	edit.new_text = edit.old_text + n[0];
	edit.new_len = n[1];
	return corral_files_edit(c->f, c->asked->text[0], &edit, &c->stop, &c->n[0], err);
}

static int run_tar(struct corral_files_call *c, struct corral_error *err)
{
	struct corral_files_copied copied = { 0 };
	int r;

	if (c->asked->op == CORRAL_FILES_OP_TAR_OUT)
		r = corral_files_tar_out(c->f, c->asked->text[0], &c->stop, &c->sink, &copied, err);
	else
		r = corral_files_tar_in(c->f, c->asked->text[0], &c->stop, &c->source, &copied,
		                        err);
	c->n[0] = copied.entries;
	c->n[1] = copied.bytes;
	c->n[2] = copied.skipped;
	return r;
}

int corral_files_call_run(struct corral_files_call *c, struct corral_error *err)
{
	const struct corral_files_asked *q = c->asked;
	const char *path = q->text[0];

	switch (q->op) {
	case CORRAL_FILES_OP_EXISTS:
		c->n[0] = (uint64_t)corral_files_exists(c->f, path);
		return 0;
	case CORRAL_FILES_OP_STAT:
		return run_stat(c, err);
	case CORRAL_FILES_OP_LS:
		return run_ls(c, err);
	case CORRAL_FILES_OP_READ:
		return run_read(c, err);
	case CORRAL_FILES_OP_READ_BYTES:
		return corral_files_read_bytes(c->f, path, q->n[0], q->n[1], q->n[2], &c->stop,
		                               &c->sink, err);
	case CORRAL_FILES_OP_WRITE:
		return corral_files_write(c->f, path, (unsigned int)(q->n[0] & 0777), &c->stop,
		                          &c->source, &c->n[0], err);
	case CORRAL_FILES_OP_EDIT:
		return run_edit(c, err);
	case CORRAL_FILES_OP_GLOB:
		return run_glob(c, err);
	case CORRAL_FILES_OP_GREP:
		return run_grep(c, err);
	case CORRAL_FILES_OP_MKDIR:
		return corral_files_mkdir(c->f, path, err);
	case CORRAL_FILES_OP_REMOVE:
		return corral_files_remove(c->f, path, q->flags, &c->stop, err);
	case CORRAL_FILES_OP_RENAME:
		return corral_files_rename(c->f, path, q->text[1], q->flags, &c->stop, err);
	case CORRAL_FILES_OP_TAR_OUT:
	case CORRAL_FILES_OP_TAR_IN:
		return run_tar(c, err);
	case CORRAL_FILES_OP_END:
		break;
	}
	return corral_error_set(err, EBADMSG, "No such operation");
}
