#include "backends/hashline.h"

#include <errno.h>
#include <inttypes.h>
#include <md5.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "kernel/files/files.h"

/* Where a content's lines are, without the "\n" that may close the last one. */
struct lines {
	const char *data;
	size_t len;
	uint64_t n;
	bool closed; /* by a "\n" */
};

static struct lines lines_of(const char *content, size_t len)
{
	struct lines l = { content, len, 1, len && content[len - 1] == '\n' };

	l.len -= l.closed;
	for (const char *p = content, *end = content + l.len;
	     p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		l.n++;
	return l;
}

/* The line at *at, without its "\n"; *at moves behind that. */
static const char *line_next(const struct lines *l, size_t *at, size_t *ret_len)
{
	const char *line = l->data + *at;
	const char *end = l->len > *at ? memchr(line, '\n', l->len - *at) : NULL;

	*ret_len = end ? (size_t)(end - line) : l->len - *at;
	*at += *ret_len + (end ? 1 : 0);
	return line;
}

/* Where line number n begins; one beyond the last begins at the end. */
static size_t line_start(const struct lines *l, uint64_t n)
{
	size_t at = 0, len;

	for (uint64_t i = 1; i < n; i++)
		(void)line_next(l, &at, &len);
	return at;
}

int corral_hashline_hash(const char *line, size_t len, char ret[CORRAL_HASHLINE_HASH_SIZE],
                         struct corral_error *err)
{
	static const char digits[] = "0123456789abcdef";
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	uint8_t sum[MD5_DIGEST_LENGTH];
	MD5_CTX md5;

	if (!corral_utf8_valid(line, len)) {
		corral_utf8_add(&text, line, len);
		if (text.failed)
			return corral_error_sys(err, ENOMEM, "hash of a line");
		line = text.data;
		len = text.len;
	}
	MD5Init(&md5);
	MD5Update(&md5, (const uint8_t *)line, len);
	MD5Final(sum, &md5);
	ret[0] = digits[sum[0] >> 4];
	ret[1] = digits[sum[0] & 15];
	ret[2] = '\0';
	return 0;
}

int corral_hashline_render(const char *content, size_t len, uint64_t offset, uint64_t limit,
                           struct corral_buf *ret, struct corral_error *err)
{
	const struct lines l = lines_of(content, len);
	uint64_t end;
	size_t at;

	if (offset >= l.n)
		return corral_error_set(err, ERANGE,
		                        "Offset %" PRIu64 " exceeds file length (%" PRIu64
		                        " lines)",
		                        offset, l.n);
	if (!limit)
		limit = CORRAL_FILES_READ_LINES;
	end = limit < l.n - offset ? offset + limit : l.n;
	at = line_start(&l, offset + 1);
	for (uint64_t i = offset; i < end; i++) {
		char hash[CORRAL_HASHLINE_HASH_SIZE];
		size_t line_len;
		const char *line = line_next(&l, &at, &line_len);
		int r = corral_hashline_hash(line, line_len, hash, err);

		if (r < 0)
			return r;
		corral_buf_fmt(ret, "%s%" PRIu64 ":%s|", i > offset ? "\n" : "", i + 1, hash);
		corral_utf8_add(ret, line, line_len);
	}
	if (end < l.n)
		corral_buf_fmt(ret, "\n\n... (%" PRIu64 " more lines)", l.n - end);
	return ret->failed ? corral_error_sys(err, ENOMEM, "hashline") : 0;
}

static int hash_check(const struct lines *l, uint64_t number, const char *given,
                      struct corral_error *err)
{
	size_t at = line_start(l, number), len;
	const char *line = line_next(l, &at, &len);
	char hash[CORRAL_HASHLINE_HASH_SIZE];
	int r = corral_hashline_hash(line, len, hash, err);

	if (r < 0 || !strcmp(hash, given))
		return r;
	return corral_error_set(err, ESTALE,
	                        "Hash mismatch at line %" PRIu64 ": expected '%.100s', got '%s'. "
	                        "File may have changed \xe2\x80\x94 re-read it first.",
	                        number, given, hash);
}

/* The first refusal there is. */
static int edit_check(const struct lines *l, const struct corral_hashline_edit *e,
                      struct corral_error *err)
{
	int r;

	if (e->start_line < 1 || (uint64_t)e->start_line > l->n)
		return corral_error_set(err, ERANGE,
		                        "Line %" PRId64 " out of range (file has %" PRIu64
		                        " lines)",
		                        e->start_line, l->n);
	if (e->insert_after && (e->has_end || e->end_hash))
		return corral_error_set(err, EINVAL,
		                        "end_line/end_hash cannot be combined with insert_after");
	r = hash_check(l, (uint64_t)e->start_line, e->start_hash, err);
	if (r < 0)
		return r;
	if (e->has_end && e->end_line < e->start_line)
		return corral_error_set(err, EINVAL,
		                        "end_line (%" PRId64 ") must be >= start_line (%" PRId64
		                        ")",
		                        e->end_line, e->start_line);
	if (e->has_end && (uint64_t)e->end_line > l->n)
		return corral_error_set(err, ERANGE,
		                        "End line %" PRId64 " out of range (file has %" PRIu64
		                        " lines)",
		                        e->end_line, l->n);
	if (!e->end_hash)
		return 0;
	return hash_check(l, (uint64_t)(e->has_end ? e->end_line : e->start_line), e->end_hash,
	                  err);
}

/* Lines that a piece of content has: none when it is empty. */
static uint64_t count(const char *content, size_t len)
{
	uint64_t n = len ? 1 : 0;

	for (size_t i = 0; i < len; i++)
		n += content[i] == '\n';
	return n;
}

static void summarise(const struct corral_hashline_edit *e, uint64_t removed, uint64_t added,
                      struct corral_buf *b)
{
	if (e->insert_after)
		corral_buf_fmt(b, "Inserted %" PRIu64 " line(s) after line %" PRId64, added,
		               e->start_line);
	else if (!added)
		corral_buf_fmt(b, "Deleted %" PRIu64 " line(s) at line %" PRId64, removed,
		               e->start_line);
	else if (added == removed)
		corral_buf_fmt(b, "Replaced %" PRIu64 " line(s) at line %" PRId64, removed,
		               e->start_line);
	else
		corral_buf_fmt(b,
		               "Replaced %" PRIu64 " line(s) with %" PRIu64
		               " line(s) at line %" PRId64,
		               removed, added, e->start_line);
}

/* Lines in front, new ones, lines behind, each with a "\n" between. */
static void join(const struct lines *l, uint64_t before, uint64_t behind,
                 const struct corral_hashline_edit *e, struct corral_buf *ret)
{
	size_t first = line_start(l, before + 1), last = line_start(l, behind);
	bool any = before > 0;

	/* All that is in front of the first line to go, without the "\n" that ends it. */
	if (before)
		corral_buf_add(ret, l->data, before == l->n ? l->len : first - 1);
	if (e->new_len) {
		corral_buf_str(ret, any ? "\n" : "");
		corral_buf_add(ret, e->new_content, e->new_len);
		any = true;
	}
	if (behind <= l->n) {
		corral_buf_str(ret, any ? "\n" : "");
		corral_buf_add(ret, l->data + last, l->len - last);
	}
	corral_buf_str(ret, l->closed ? "\n" : "");
}

int corral_hashline_apply(const char *content, size_t len, const struct corral_hashline_edit *edit,
                          struct corral_buf *ret, struct corral_buf *ret_summary,
                          struct corral_error *err)
{
	const struct lines l = lines_of(content, len);
	uint64_t start, end, removed;
	int r = edit_check(&l, edit, err);

	if (r < 0)
		return r;
	start = (uint64_t)edit->start_line;
	end = edit->has_end ? (uint64_t)edit->end_line : start;
	removed = edit->insert_after ? 0 : end - start + 1;
	join(&l, edit->insert_after ? start : start - 1, end + 1, edit, ret);
	summarise(edit, removed, count(edit->new_content, edit->new_len), ret_summary);
	return ret->failed || ret_summary->failed ? corral_error_sys(err, ENOMEM, "hashline") : 0;
}
