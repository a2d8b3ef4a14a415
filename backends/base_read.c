/*
 * Content, piece by piece: each answer has the file's size and inode number with it, so that two
 * files which had the name one after the other are not taken for one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base_shell.h"
#include "kernel/files/client.h"
#include "kernel/files/content.h"

#define TRIES     5
#define SLICE_MAX (1u << 20)

/* s: the size, i: what tells the file from others; with C, its content as well. */
static const char look[] = "reg \"$p\"\n"
                           "s=$(stat -L -c %s \"$p\")||s=$(wc -c <\"$p\");s=$((s))\n"
                           "i=$(ls -Ldi \"$p\");i=${i#\"${i%%[0-9]*}\"};i=${i%%[!0-9]*}\n"
                           "c=;[ \"$C\" ]&&{ c=$(cksum <\"$p\");c=${c%% *};}\n";

struct piece {
	uint64_t size;
	char inode[32], sum[32];
	struct corral_buf data;
};

/* The next word of an answer, cut to what fits. */
static void word(const char **at, char *ret, size_t size)
{
	size_t len = strcspn(*at, " ");

	(void)snprintf(ret, size, "%.*s", (int)(len < size ? len : size - 1), *at);
	*at += len + ((*at)[len] == ' ');
}

/* The k-th piece, and the content's sum if that is asked for. */
static int piece_get(struct corral_base *s, const char *path, uint64_t k, bool sum,
                     uint64_t deadline_nsec, struct piece *ret, struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	char size[32];
	const char *at;
	int r;

	corral_base_let(&script, "p", path);
	corral_buf_fmt(&script, "C=%s\n%s", sum ? "c" : "", look);
	/* Files of /proc have no size, and are short of what a read asks for. */
	corral_buf_fmt(&script,
	               "printf '=%%s %%s %%s ' \"$s\" \"$i\" \"$c\"\n"
	               "if [ \"$s\" = 0 ];then cat \"$p\"|tail -c +%llu|head -c %zu|enc\n"
	               "else dd bs=%zu skip=%llu count=1 <\"$p\"|enc;fi\n",
	               (unsigned long long)k * s->piece + 1, s->piece, s->piece,
	               (unsigned long long)k);
	r = corral_base_ask(s, &script, deadline_nsec, &a, err);
	if (r < 0)
		return r;
	if (a.code)
		return corral_base_fail(&a, path, err);
	at = a.text.data;
	word(&at, size, sizeof(size));
	word(&at, ret->inode, sizeof(ret->inode));
	word(&at, ret->sum, sizeof(ret->sum));
	ret->size = strtoull(size, NULL, 10);
	ret->data.len = 0;
	r = corral_base_decode(&a, at, strlen(at), &ret->data, err);
	if (r == 0 && ret->data.len > s->piece)
		r = corral_error_set(err, EIO, "the shell gave more than it was asked for");
	return r;
}

/* What of the piece is wanted, to the sink. */
static int put(const struct corral_files_sink *sink, const struct piece *p, uint64_t begin,
               uint64_t offset, uint64_t end, struct corral_error *err)
{
	uint64_t from = offset > begin ? offset - begin : 0;
	uint64_t to = end - begin < p->data.len ? end - begin : p->data.len;
	int r = 0;

	while (r == 0 && from < to) {
		size_t n =
		        to - from < CORRAL_FILES_CHUNK ? (size_t)(to - from) : CORRAL_FILES_CHUNK;

		r = sink->put(sink->ctx, p->data.data + from, n, err);
		from += n;
	}
	return r;
}

static int fetch(struct corral_base *s, const char *path, uint64_t offset, uint64_t end,
                 uint64_t max, uint64_t deadline_nsec, const struct corral_files_sink *sink,
                 char *id, struct piece *p, struct corral_error *err)
{
	uint64_t first = offset / s->piece, begin;
	char inode[sizeof(p->inode)] = "";
	int r;

	for (uint64_t k = first;; k++) {
		begin = k * s->piece;
		r = piece_get(s, path, k, id && k == first, deadline_nsec, p, err);
		if (r < 0)
			return r;
		if (k == first) {
			uint64_t left = offset < p->size ? p->size - offset : 0;

			left = left < end - offset ? left : end - offset;
			if (max && left > max)
				return files_too_large(err, p->size, max);
			(void)snprintf(inode, sizeof(inode), "%s", p->inode);
			if (id)
				(void)snprintf(id, CORRAL_BASE_ID_SIZE, "%s-%s-%llu", p->inode,
				               p->sum, (unsigned long long)p->size);
		}
		if (strcmp(inode, p->inode) != 0)
			return -EAGAIN;
		if (p->size > begin && p->data.len != s->piece && p->data.len != p->size - begin)
			return -EAGAIN;
		if (max && begin + p->data.len > offset && begin + p->data.len - offset > max &&
		    end - offset > max)
			return corral_error_set(err, EFBIG, "File exceeds the %llu-byte read limit",
			                        (unsigned long long)max);
		r = put(sink, p, begin, offset, end, err);
		if (r < 0)
			return r;
		if (p->data.len < s->piece || begin + p->data.len >= end ||
		    (p->size && begin + p->data.len >= p->size))
			return 0;
	}
}

int corral_base_fetch(struct corral_base *s, const char *path, uint64_t offset, uint64_t length,
                      uint64_t max, uint64_t deadline_nsec, const struct corral_files_sink *sink,
                      char *id, struct corral_error *err)
{
	struct piece p = { 0 };
	int r = corral_base_check(path, err);

	/* An offset that no file can have is past the end of any, but the file is to be there. */
	if (offset > INT64_MAX) {
		offset = 0;
		length = 0;
	}
	if (r == 0)
		r = fetch(s, path, offset,
		          length > UINT64_MAX - offset ? UINT64_MAX : offset + length, max,
		          deadline_nsec, sink, id, &p, err);
	corral_buf_done(&p.data);
	return r;
}

static int changing(const char *path, struct corral_error *err)
{
	return corral_error_set(err, EIO, "'%s' changed while it was read", path);
}

static int buf_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct corral_buf *b = ctx;

	corral_buf_add(b, data, len);
	return b->failed ? files_fail(err, ENOMEM, "") : 0;
}

int corral_base_whole(struct corral_base *s, const char *path, uint64_t max, uint64_t deadline_nsec,
                      struct corral_buf *ret, char *id, struct corral_error *err)
{
	const struct corral_files_sink sink = { buf_put, ret };
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		ret->len = 0;
		r = corral_base_fetch(s, path, 0, UINT64_MAX, max, deadline_nsec, &sink, id, err);
	}
	return r == -EAGAIN ? changing(path, err) : r;
}

int corral_base_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                            uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                            struct corral_error *err)
{
	struct corral_base *s = to_base(b);
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	uint64_t deadline = corral_base_deadline(CORRAL_FILES_COPY_TIMEOUT_MS);
	int r;

	/* With a maximum it is to be had at once: all of it or nothing. */
	if (max && !offset && length == UINT64_MAX) {
		r = corral_base_whole(s, path, max, deadline, &data, NULL, err);
		for (size_t at = 0; r == 0 && at < data.len; at += CORRAL_FILES_CHUNK)
			r = sink->put(sink->ctx, data.data + at,
			              data.len - at < CORRAL_FILES_CHUNK ? data.len - at
			                                                 : CORRAL_FILES_CHUNK,
			              err);
		return r;
	}
	r = corral_base_fetch(s, path, offset, length, max, deadline, sink, NULL, err);
	return r == -EAGAIN ? changing(path, err) : r;
}

/* Lines of a file that is larger than a piece: counted there, and only those that are wanted come.
 */
static int slice(struct corral_base *s, const char *path, uint64_t offset, uint64_t limit,
                 uint64_t deadline_nsec, struct corral_buf *data, struct files_content *ret,
                 struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	uint64_t total, got = 0, from = offset < INT64_MAX / 2 ? offset : INT64_MAX / 2;
	char lines[32], ends[32];
	const char *at;
	int r;

	corral_base_let(&script, "p", path);
	corral_buf_fmt(&script,
	               "reg \"$p\"\nn=$(wc -l <\"$p\");u=$(tail -c 1 <\"$p\"|wc -l)\n"
	               "printf '=%%s %%s ' $((n)) $((u))\n"
	               "tail -n +%llu <\"$p\"|head -n %llu|head -c %u|enc\n",
	               (unsigned long long)from + 1,
	               (unsigned long long)(limit < INT64_MAX / 2 ? limit : INT64_MAX / 2),
	               SLICE_MAX);
	r = corral_base_ask(s, &script, deadline_nsec, &a, err);
	if (r < 0)
		return r;
	if (a.code)
		return corral_base_fail(&a, path, err);
	at = a.text.data;
	word(&at, lines, sizeof(lines));
	word(&at, ends, sizeof(ends));
	r = corral_base_decode(&a, at, strlen(at), data, err);
	if (r < 0)
		return r;
	total = strtoull(lines, NULL, 10) + (ends[0] == '0');
	for (size_t i = 0; i < data->len; i++)
		got += data->data[i] == '\n';
	got += data->len && data->data[data->len - 1] != '\n';
	*ret = files_content_memory(data->data ? data->data : "", data->len);
	ret->lines_before = got ? offset : total;
	ret->lines_after = got && total > offset + got ? total - offset - got : 0;
	return 0;
}

int corral_base_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                     struct corral_buf *ret, struct corral_error *err)
{
	struct corral_base *s = to_base(b);
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	uint64_t deadline = corral_base_deadline(CORRAL_FILES_COPY_TIMEOUT_MS);
	struct files_content c;
	struct piece p = { 0 };
	int r = corral_base_check(path, err);

	if (r < 0)
		return r;
	r = piece_get(s, path, 0, false, deadline, &p, err);
	if (r == 0 && p.data.len < s->piece) {
		c = files_content_memory(p.data.data ? p.data.data : "", p.data.len);
		r = files_text_read(&c, path, offset, limit, NULL, ret, err);
	} else if (r == 0 &&
	           memchr(p.data.data, '\0',
	                  p.data.len < CORRAL_FILES_SNIFF ? p.data.len : CORRAL_FILES_SNIFF)) {
		r = corral_error_set(err, EILSEQ, "'%s' is binary; read it as bytes instead", path);
	} else if (r == 0) {
		r = slice(s, path, offset, limit, deadline, &data, &c, err);
		if (r == 0)
			r = files_text_read(&c, path, offset, limit, NULL, ret, err);
	}
	corral_buf_done(&p.data);
	return r;
}
