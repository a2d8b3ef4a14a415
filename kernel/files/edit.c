/* Exact replacement in text: counted first, written at once, nothing else touched. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/content.h"
#include "kernel/files/internal.h"

static int read_whole(int fd, const char *path, uint64_t size_known,
                      const struct corral_files_stop *stop, struct corral_buf *ret,
                      struct corral_error *err)
{
	corral_autofree char *chunk = NULL;

	if (size_known > CORRAL_FILES_EDIT_MAX)
		return files_too_large(err, size_known, CORRAL_FILES_EDIT_MAX);
	chunk = malloc(CORRAL_FILES_CHUNK);
	if (!chunk)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (;;) {
		long got = files_read(fd, chunk, CORRAL_FILES_CHUNK);
		int r = files_stopped(stop, err);

		if (r < 0)
			return r;
		if (got < 0)
			return files_fail(err, (int)-got, path);
		if (got == 0)
			break;
		corral_buf_add(ret, chunk, (size_t)got);
		if (ret->len > CORRAL_FILES_EDIT_MAX)
			return corral_error_set(err, EFBIG, "File exceeds the %u-byte read limit",
			                        CORRAL_FILES_EDIT_MAX);
	}
	corral_buf_add(ret, "", 0);
	return ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

/* The next place of the old text from `at` on, or NULL. Empty: every character's beginning, and the
 * end. */
static const char *next_place(const struct corral_buf *text, const char *at,
                              const struct corral_files_edit *e)
{
	size_t left = (size_t)(text->data + text->len - at);

	if (e->old_len)
		return memmem(at, left, e->old_text, e->old_len);
	return at;
}

/* Where to look on after a place; NULL when there is nothing after it. */
static const char *after_place(const struct corral_buf *text, const char *place,
                               const struct corral_files_edit *e)
{
	size_t left = (size_t)(text->data + text->len - place);

	if (e->old_len)
		return place + e->old_len;
	return left ? place + corral_utf8_step((const unsigned char *)place, left) : NULL;
}

static uint64_t count(const struct corral_buf *text, const struct corral_files_edit *e)
{
	const char *at = text->data;
	uint64_t n = 0;

	while (at && (at = next_place(text, at, e))) {
		n++;
		at = after_place(text, at, e);
	}
	return n;
}

static void replace(const struct corral_buf *text, const struct corral_files_edit *e,
                    struct corral_buf *out)
{
	const char *from = text->data, *at = text->data, *end = text->data + text->len;

	while (at && (at = next_place(text, at, e))) {
		corral_buf_add(out, from, (size_t)(at - from));
		corral_buf_add(out, e->new_text, e->new_len);
		from = at + e->old_len;
		at = after_place(text, at, e);
	}
	corral_buf_add(out, from, (size_t)(end - from));
}

/* "\n" that has no "\r" before it gets one. */
static void to_crlf(const char *data, size_t len, struct corral_buf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' && (!i || data[i - 1] != '\r'))
			corral_buf_add(out, "\r", 1);
		corral_buf_add(out, data + i, 1);
	}
}

static int apply(const struct corral_buf *text, const struct corral_files_edit *edit,
                 struct corral_buf *out, uint64_t *ret_n, struct corral_error *err)
{
	corral_autobuf struct corral_buf old = CORRAL_BUF_INIT, new = CORRAL_BUF_INIT;
	struct corral_files_edit e = *edit;
	uint64_t n = count(text, &e);

	if (!n && e.old_len && text->len && memchr(e.old_text, '\n', e.old_len) &&
	    memmem(text->data, text->len, "\r\n", 2)) {
		to_crlf(e.old_text, e.old_len, &old);
		to_crlf(e.new_text, e.new_len, &new);
		if (old.failed || new.failed)
			return corral_error_set(err, ENOMEM, "out of memory");
		e.old_text = old.data;
		e.old_len = old.len;
		e.new_text = new.data ? new.data : "";
		e.new_len = new.len;
		n = count(text, &e);
	}
	*ret_n = n;
	if (!n || (n > 1 && !e.replace_all)) {
		corral_autofree char *why = corral_files_edit_text(edit, n);

		return corral_error_set(err, n ? ENOTUNIQ : ENOMSG, "%s",
		                        why ? why : "out of memory");
	}
	if (e.new_len > e.old_len &&
	    text->len + n * (e.new_len - e.old_len) > 2ull * CORRAL_FILES_EDIT_MAX)
		return corral_error_set(err, EFBIG, "The edited file would be too large");
	replace(text, &e, out);
	if (out->failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	return 0;
}

int files_text_edit(const char *data, size_t len, const char *path,
                    const struct corral_files_edit *edit, struct corral_buf *out, uint64_t *ret_n,
                    struct corral_error *err)
{
	const struct corral_buf text = { .data = (char *)(uintptr_t)data, .len = len };

	if (edit->old_len > CORRAL_FILES_EDIT_MAX || edit->new_len > CORRAL_FILES_EDIT_MAX)
		return corral_error_set(err, EFBIG, "The text is too large");
	if (len > CORRAL_FILES_EDIT_MAX)
		return files_too_large(err, len, CORRAL_FILES_EDIT_MAX);
	if (!corral_utf8_valid(data, len))
		return corral_error_set(err, EILSEQ,
		                        "'%s' is not valid UTF-8 text and cannot be edited", path);
	return apply(&text, edit, out, ret_n, err);
}

int corral_files_edit(const struct corral_files *f, const char *path,
                      const struct corral_files_edit *edit, const struct corral_files_stop *stop,
                      uint64_t *ret_occurrences, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT, out = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	struct files_replace target;
	struct stat st;
	uint64_t n = 0;
	int r;

	fd = files_open_regular(f, path, stop, &st, err);
	if (fd < 0)
		return corral_take_fd(&fd);
	r = read_whole(fd, path, (uint64_t)st.st_size, stop, &text, err);
	if (r < 0)
		return r;
	r = files_text_edit(text.data, text.len, path, edit, &out, &n, err);
	if (r == -ENOMSG || r == -ENOTUNIQ)
		*ret_occurrences = n;
	if (r < 0)
		return r;
	r = files_replace_open(f, path, 0, stop, &target, err);
	if (r == 0) {
		r = files_write_all(target.fd, out.data, out.len);
		r = r < 0 ? files_fail(err, -r, path) : files_replace_commit(&target, path, err);
	}
	files_replace_done(&target);
	if (r == 0)
		*ret_occurrences = edit->replace_all ? n : 1;
	return r;
}
