/* A file's content: as numbered lines for people and models, or as it is. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/content.h"
#include "kernel/files/internal.h"

/* Lines after the slice are counted in so many bytes; beyond, "more than" is said. */
#define COUNT_MAX (256u << 20)
/* The slice's bytes that are kept: enough for the characters that are shown, whatever they are. */
#define KEEP_MAX (4u * CORRAL_FILES_READ_CHARS + 4096)

struct numbered {
	uint64_t offset, end; /* the lines [offset, end) are wanted */
	uint64_t line;        /* complete lines so far */
	bool in_line;         /* bytes came since the last line's end */
	bool held_cr;         /* a "\r" that is shown unless a "\n" follows */
	uint64_t chars;       /* of the whole slice as rendered */
	struct corral_buf out;
};

static void keep(struct numbered *n, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		n->chars += ((unsigned char)data[i] & 0xc0) != 0x80;
	if (n->out.len < KEEP_MAX)
		corral_buf_add(&n->out, data, len < KEEP_MAX ? len : KEEP_MAX);
}

static void begin_line(struct numbered *n)
{
	char label[40];
	int len = snprintf(label, sizeof(label), "%s%6" PRIu64 "\t",
	                   n->line > n->offset ? "\n" : "", n->line + 1);

	keep(n, label, (size_t)len);
}

/* Part of one line that is wanted, without its end. */
static void add_part(struct numbered *n, const char *data, size_t len, bool ends)
{
	bool cr;

	if (!n->in_line)
		begin_line(n);
	if (n->held_cr && (len || !ends))
		keep(n, "\r", 1);
	cr = len && data[len - 1] == '\r';
	n->held_cr = cr && !ends;
	keep(n, data, len - cr);
}

static void add_data(struct numbered *n, const char *data, size_t len)
{
	const char *end = data + len;

	while (data < end) {
		const char *newline = memchr(data, '\n', (size_t)(end - data));
		const char *stop = newline ? newline : end;

		if (n->line >= n->offset && n->line < n->end)
			add_part(n, data, (size_t)(stop - data), newline != NULL);
		n->in_line = !newline;
		n->line += newline != NULL;
		if (newline)
			n->held_cr = false;
		data = stop + (newline != NULL);
	}
}

static const char *thousands(uint64_t value, char text[32])
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, value), k = 0;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			text[k++] = ',';
		text[k++] = digits[i];
	}
	text[k] = '\0';
	return text;
}

/* The slice as valid UTF-8, cut when it is too long. */
static int render(struct numbered *n, bool cuttable, struct corral_buf *ret,
                  struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	uint64_t chars = 0;
	char number[32];

	corral_utf8_add(&text, n->out.data ? n->out.data : "", n->out.len);
	if (text.failed || n->out.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (n->chars > CORRAL_FILES_READ_CHARS && !cuttable)
		return corral_error_set(
		        err, EFBIG,
		        "The requested range is too large to return (%s chars, limit 200,000). "
		        "Read a smaller slice with a lower `limit`, or use `grep` to locate the "
		        "part you "
		        "need.",
		        thousands(n->chars, number));
	if (n->chars > CORRAL_FILES_READ_CHARS) {
		size_t i = 0;

		for (; i < text.len; i++) {
			chars += ((unsigned char)text.data[i] & 0xc0) != 0x80;
			if (chars > CORRAL_FILES_READ_CHARS)
				break;
		}
		corral_buf_add(ret, text.data, i);
		corral_buf_str(ret, "\n\n... (truncated at 200,000 chars — pass a smaller "
		                    "`limit`/`offset` or use `grep` to read the rest)");
	} else {
		corral_buf_add(ret, text.data, text.len);
	}
	return ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

static int scan(struct files_content *c, const char *path, struct numbered *n,
                const struct corral_files_stop *stop, bool *ret_complete, struct corral_error *err)
{
	corral_autofree char *chunk = malloc(CORRAL_FILES_CHUNK);
	uint64_t after = 0;
	bool first = true;

	if (!chunk)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret_complete = false;
	while (after < COUNT_MAX) {
		long got = files_content_read(c, chunk, CORRAL_FILES_CHUNK);
		int r;

		if (got < 0)
			return files_fail(err, (int)-got, path);
		if (got == 0) {
			*ret_complete = true;
			return 0;
		}
		if (first && !c->lines_before &&
		    memchr(chunk, '\0',
		           got < CORRAL_FILES_SNIFF ? (size_t)got : CORRAL_FILES_SNIFF))
			return corral_error_set(err, EILSEQ,
			                        "'%s' is binary; read it as bytes instead", path);
		first = false;
		add_data(n, chunk, (size_t)got);
		if (n->line >= n->end)
			after += (size_t)got;
		r = files_stopped(stop, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int files_text_read(struct files_content *c, const char *path, uint64_t offset, uint64_t limit,
                    const struct corral_files_stop *stop, struct corral_buf *ret,
                    struct corral_error *err)
{
	struct numbered n = { .offset = offset, .line = c->lines_before, .out = CORRAL_BUF_INIT };
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	bool complete;
	uint64_t total;
	int r;

	n.end = limit > UINT64_MAX - offset ? UINT64_MAX : offset + limit;
	r = scan(c, path, &n, stop, &complete, err);
	/* An empty file has one empty line. */
	if (r == 0 && !n.line && !n.in_line && n.offset == 0 && n.end)
		begin_line(&n);
	if (r == 0 && n.held_cr)
		keep(&n, "\r", 1);
	total = n.line + (n.in_line || !n.line) + c->lines_after;
	if (r == 0 && offset >= total)
		r = corral_error_set(err, ERANGE,
		                     "Offset %" PRIu64 " exceeds file length (%" PRIu64 " lines)",
		                     offset, total);
	if (r == 0)
		r = render(&n, offset == 0 && limit == CORRAL_FILES_READ_LINES, &text, err);
	if (r == 0 && total > n.end && n.chars <= CORRAL_FILES_READ_CHARS)
		corral_buf_fmt(&text, "\n\n... (%s%" PRIu64 " more lines)",
		               complete ? "" : "more than ", total - n.end);
	corral_buf_done(&n.out);
	if (r < 0)
		return r;
	if (text.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	corral_buf_done(ret);
	*ret = text;
	memset(&text, 0, sizeof(text));
	return 0;
}

int corral_files_read(const struct corral_files *f, const char *path, uint64_t offset,
                      uint64_t limit, const struct corral_files_stop *stop, struct corral_buf *ret,
                      struct corral_error *err)
{
	struct files_content c;
	corral_autofd int fd = -1;
	struct stat st;

	fd = files_open_regular(f, path, stop, &st, err);
	if (fd < 0)
		return corral_take_fd(&fd);
	c = files_content_open(fd);
	return files_text_read(&c, path, offset, limit, stop, ret, err);
}

int corral_files_read_bytes(const struct corral_files *f, const char *path, uint64_t offset,
                            uint64_t length, uint64_t max, const struct corral_files_stop *stop,
                            const struct corral_files_sink *sink, struct corral_error *err)
{
	corral_autofree char *chunk = NULL;
	corral_autofd int fd = -1;
	uint64_t done = 0;
	struct stat st;
	size_t size;
	int r = 0;

	fd = files_open_regular(f, path, stop, &st, err);
	if (fd < 0)
		return corral_take_fd(&fd);
	if (max && length == UINT64_MAX && offset == 0 && (uint64_t)st.st_size > max)
		return files_too_large(err, (uint64_t)st.st_size, max);
	/* An offset that no file can have is past the end of any. */
	if (offset > INT64_MAX)
		return 0;
	if (offset && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return files_fail(err, errno, path);
	size = st.st_size > 0 && st.st_size < CORRAL_FILES_CHUNK ? (size_t)st.st_size + 1
	                                                         : CORRAL_FILES_CHUNK;
	if (size < 4096)
		size = 4096;
	chunk = malloc(size);
	if (!chunk)
		return corral_error_set(err, ENOMEM, "out of memory");
	while (r == 0 && done < length) {
		size_t want = length - done < size ? (size_t)(length - done) : size;
		long got = files_read(fd, chunk, want);

		if (got < 0)
			return files_fail(err, (int)-got, path);
		if (got == 0)
			break;
		done += (uint64_t)got;
		if (max && done > max)
			return corral_error_set(err, EFBIG,
			                        "File exceeds the %" PRIu64 "-byte read limit",
			                        max);
		r = sink->put(sink->ctx, chunk, (size_t)got, err);
		if (r == 0)
			r = files_stopped(stop, err);
	}
	return r;
}
