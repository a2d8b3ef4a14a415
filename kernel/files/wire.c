#include "kernel/files/wire.h"

#include <errno.h>
#include <string.h>

#include "kernel/files/internal.h"

int corral_files_request_parse(const void *message, size_t size, struct corral_files_asked *ret)
{
	struct corral_files_request q;
	const char *at = (const char *)message + sizeof(q);
	size_t left;

	if (size < sizeof(q))
		return -EBADMSG;
	memcpy(&q, message, sizeof(q));
	left = size - sizeof(q);
	if (q.head.type != CORRAL_FILES_REQUEST || q.head.size != size ||
	    q.op < CORRAL_FILES_OP_EXISTS || q.op >= CORRAL_FILES_OP_END ||
	    (q.flags & ~(uint32_t)CORRAL_FILES_OP_FLAGS_ALL) || q.more > 1)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < 3; i++) {
		size_t len = q.text_len[i];

		if (len > CORRAL_FILES_PATH_MAX || len >= left || at[len] || memchr(at, '\0', len))
			return -EBADMSG;
		ret->text[i] = at;
		at += len + 1;
		left -= len + 1;
	}
	if (q.data_len != left || left > CORRAL_FILES_CHUNK)
		return -EBADMSG;
	ret->id = q.head.id;
	ret->op = q.op;
	ret->flags = q.flags;
	ret->timeout_ms = q.timeout_ms;
	memcpy(ret->n, q.n, sizeof(ret->n));
	ret->data = at;
	ret->data_len = left;
	ret->more = q.more;
	return 0;
}

int corral_files_reply_parse(const void *message, size_t size, struct corral_files_answer *ret)
{
	struct corral_files_reply a;
	const char *at = (const char *)message + sizeof(a);

	if (size < sizeof(a))
		return -EPROTO;
	memcpy(&a, message, sizeof(a));
	size -= sizeof(a);
	if (a.code > 0 || a.code < -4095 || a.text_len >= CORRAL_ERROR_TEXT_SIZE ||
	    a.text_len > size || a.data_len != size - a.text_len || a.data_len > CORRAL_FILES_CHUNK)
		return -EPROTO;
	ret->code = a.code;
	ret->flags = a.flags;
	memcpy(ret->n, a.n, sizeof(ret->n));
	ret->text = at;
	ret->text_len = a.text_len;
	ret->data = at + a.text_len;
	ret->data_len = a.data_len;
	return 0;
}

static void row_from(const struct corral_files_stat *stat, size_t path_len,
                     struct corral_files_wire_row *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = stat->size;
	ret->mtime_nsec = stat->mtime_nsec;
	ret->mode = stat->mode;
	ret->uid = stat->uid;
	ret->gid = stat->gid;
	ret->type = stat->type;
	ret->is_link = stat->is_link;
	ret->path_len = (uint32_t)path_len;
}

static int row_to(const struct corral_files_wire_row *w, struct corral_files_stat *ret)
{
	if (w->type < CORRAL_FILES_REGULAR || w->type >= CORRAL_FILES_TYPE_END || w->is_link > 1 ||
	    w->mode > 07777 || w->size > INT64_MAX)
		return -EPROTO;
	memset(ret, 0, sizeof(*ret));
	ret->size = w->size;
	ret->mtime_nsec = w->mtime_nsec;
	ret->mode = w->mode;
	ret->uid = w->uid;
	ret->gid = w->gid;
	ret->type = w->type;
	ret->is_link = w->is_link;
	return 0;
}

void corral_files_stat_encode(const struct corral_files_stat *stat, struct corral_buf *out)
{
	struct corral_files_wire_row row;

	row_from(stat, 0, &row);
	corral_buf_add(out, &row, sizeof(row));
}

int corral_files_stat_decode(const char *data, size_t len, struct corral_files_stat *ret)
{
	struct corral_files_wire_row row;

	if (len != sizeof(row))
		return -EPROTO;
	memcpy(&row, data, sizeof(row));
	return row.path_len ? -EPROTO : row_to(&row, ret);
}

void corral_files_rows_encode(const struct corral_files_rows *rows, struct corral_buf *out)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct corral_files_wire_row row;

		row_from(&rows->rows[i].stat, strlen(rows->rows[i].path), &row);
		corral_buf_add(out, &row, sizeof(row));
		corral_buf_add(out, rows->rows[i].path, row.path_len);
	}
}

int corral_files_rows_decode(const char *data, size_t len, struct corral_files_rows *ret)
{
	while (len) {
		struct corral_files_wire_row row;
		struct corral_files_stat stat;
		int r;

		if (len < sizeof(row))
			return -EPROTO;
		memcpy(&row, data, sizeof(row));
		data += sizeof(row);
		len -= sizeof(row);
		if (!row.path_len || row.path_len > len || row.path_len > CORRAL_FILES_SHOWN_MAX ||
		    memchr(data, '\0', row.path_len))
			return -EPROTO;
		r = row_to(&row, &stat);
		if (r == 0)
			r = corral_files_rows_add(ret, data, row.path_len, &stat);
		if (r < 0)
			return r == -EFBIG ? -EPROTO : r;
		data += row.path_len;
		len -= row.path_len;
	}
	return 0;
}

void corral_files_matches_encode(const struct corral_files_matches *matches, struct corral_buf *out)
{
	const char *before = NULL;

	for (size_t i = 0; i < matches->n; i++) {
		const struct corral_files_match *m = &matches->matches[i];
		struct corral_files_wire_match w = {
			.line_number = m->line_number,
			.path_len = m->path == before ? 0 : (uint32_t)strlen(m->path),
			.line_len = (uint32_t)m->line_len,
			.cut = m->cut,
		};

		before = m->path;
		corral_buf_add(out, &w, sizeof(w));
		corral_buf_add(out, m->path, w.path_len);
		corral_buf_add(out, m->line, m->line_len);
	}
}

int corral_files_matches_decode(const char *data, size_t len, struct corral_files_matches *ret)
{
	const char *path = NULL;
	size_t path_len = 0;

	while (len) {
		struct corral_files_wire_match w;
		int r;

		if (len < sizeof(w))
			return -EPROTO;
		memcpy(&w, data, sizeof(w));
		data += sizeof(w);
		len -= sizeof(w);
		if (w.path_len > len || w.path_len > CORRAL_FILES_SHOWN_MAX ||
		    w.line_len > len - w.path_len || w.line_len > 4 * CORRAL_FILES_LINE_MAX ||
		    w.cut > 1 || !w.line_number || memchr(data, '\0', w.path_len) ||
		    (!path && !w.path_len) || ret->n == CORRAL_FILES_MATCHES_MAX)
			return -EPROTO;
		if (w.path_len) {
			path = data;
			path_len = w.path_len;
		}
		data += w.path_len;
		if (!corral_utf8_valid(data, w.line_len))
			return -EPROTO;
		r = corral_files_matches_add(ret, path, path_len, w.line_number, data, w.line_len,
		                             w.cut);
		if (r < 0)
			return r == -EFBIG ? -EPROTO : r;
		data += w.line_len;
		len -= w.path_len + w.line_len;
	}
	return 0;
}
