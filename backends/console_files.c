/*
 * Reading and changing files. What a call saw is remembered, and a change of what has changed
 * meanwhile is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backends/console_image.h"
#include "backends/console_state.h"
#include "backends/hashline.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

void console_ls(struct console_call *c)
{
	const char *path = c->a->path.data;
	struct corral_files_rows rows = { 0 };
	struct corral_error err = { 0 };

	if (corral_backend_ls(c->backend, path, &rows, &err) < 0 && err.code != ENOENT) {
		console_fail_with(c, &err);
		corral_files_rows_done(&rows);
		return;
	}
	if (!rows.n)
		console_say(c, "Directory '%s' is empty or does not exist", path);
	else
		console_say(c, "Contents of %s:", path);
	for (size_t i = 0; i < rows.n; i++) {
		const struct corral_files_row *row = &rows.rows[i];

		if (row->stat.type == CORRAL_FILES_DIRECTORY)
			console_say(c, "\n  %s/", row->name);
		else if (row->stat.type == CORRAL_FILES_REGULAR)
			console_say(c, "\n  %s (%llu bytes)", row->name,
			            (unsigned long long)row->stat.size);
		else
			console_say(c, "\n  %s", row->name);
	}
	corral_files_rows_done(&rows);
}

/* What is given to a model as it is, and how such a file begins. */
static const struct {
	const char *extension, *media_type, *kind, *begins;
} binaries[] = {
	{ "png", "image/png", "Image", "\x89PNG" },
	{ "jpg", "image/jpeg", "Image", "\xff\xd8\xff" },
	{ "jpeg", "image/jpeg", "Image", "\xff\xd8\xff" },
	{ "gif", "image/gif", "Image", "GIF8" },
	{ "webp", "image/webp", "Image", "RIFF" },
	{ "pdf", "application/pdf", "Document", "%PDF" },
};

static int binary_of(const struct console_call *c, const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < CORRAL_COUNT(binaries); i++)
		if (!strcasecmp(dot + 1, binaries[i].extension))
			return (binaries[i].kind[0] == 'I' ? c->t->o.tools.image_support
			                                   : c->t->o.tools.document_support)
			               ? (int)i
			               : -1;
	return -1;
}

/* One that cannot be made smaller is given as it is: the model may still make something of it. */
static void fit(struct console_call *c, const char *path)
{
	struct corral_console_result *result = c->result;
	const struct corral_cancel *cancel = c->control ? c->control->cancel : NULL;
	struct corral_error err = { 0 };
	int r = console_image_fit(c->t->o.image_program, result->media_type, cancel, &result->data,
	                          &err);

	if (r > 0)
		console_say(c, "'%s' was scaled down to at most %d pixels a side", path,
		            CORRAL_CONSOLE_IMAGE_EDGE);
	else if (r == -ENOENT)
		console_say(c, "'%s' is as it is in the file, however large: %s", path, err.text);
	else if (r < 0)
		console_say(c, "'%s' could not be looked at, and is as it is in the file: %s", path,
		            err.text);
}

static void read_binary(struct console_call *c, const char *path, int which)
{
	uint64_t max = c->t->o.binary_max ? c->t->o.binary_max : CORRAL_CONSOLE_BINARY_MAX;
	struct corral_files_stat st = { 0 };
	struct corral_error err = { 0 };
	int r = corral_backend_stat(c->backend, path, 0, &st, &err);

	if (r == 0 && st.size > max) {
		console_say(c, "Error: %s '%s' too large (%.1fMB, max %.1fMB)",
		            binaries[which].kind, path, (double)st.size / (1 << 20),
		            (double)max / (1 << 20));
		c->result->failed = true;
		return;
	}
	if (r == 0)
		r = corral_backend_read_bytes(c->backend, path, max, &c->result->data, &err);
	if (r < 0 && err.code != ENOENT) {
		console_fail_with(c, &err);
	} else if (r < 0 || !c->result->data.len) {
		console_say(c, "Error: %s file '%s' not found or empty", binaries[which].kind,
		            path);
		c->result->failed = true;
	} else if (strncmp(c->result->data.data, binaries[which].begins,
	                   strlen(binaries[which].begins)) != 0) {
		console_say(c, "Error: '%s' is no %s, whatever its name says", path,
		            binaries[which].media_type);
		c->result->data.len = 0;
		c->result->failed = true;
	} else {
		c->result->media_type = binaries[which].media_type;
		if (binaries[which].kind[0] == 'I')
			fit(c, path);
	}
}

/* Remembers what the file holds now. One that is too large for that is not guarded. */
static void note(struct console_call *c, const char *path)
{
	corral_autobuf struct corral_buf now = CORRAL_BUF_INIT;

	if (corral_backend_read_bytes(c->backend, path, 0, &now, NULL) == 0)
		console_seen_note(c->t, path, now.data, now.len);
}

static void read_hashline(struct console_call *c, const char *path, uint64_t offset, uint64_t limit)
{
	corral_autobuf struct corral_buf bytes = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	int r = corral_backend_read_bytes(c->backend, path, 0, &bytes, &err);

	if (r == -ENOENT) {
		console_say(c,
		            "Error: File '%s' not found. Check the path with `ls` or `glob`, then "
		            "read it again.",
		            path);
		c->result->failed = c->result->fixable = true;
		return;
	}
	if (r == 0)
		r = corral_hashline_render(bytes.data ? bytes.data : "", bytes.len, offset, limit,
		                           &c->result->text, &err);
	if (r < 0)
		console_fail_with(c, &err);
	else
		console_seen_note(c->t, path, bytes.data, bytes.len);
}

void console_read(struct console_call *c)
{
	const char *path = c->a->path.data;
	uint64_t offset = (uint64_t)c->a->offset, limit = (uint64_t)c->a->limit;
	struct corral_error err = { 0 };
	int which = binary_of(c, path);

	if (which >= 0) {
		read_binary(c, path, which);
	} else if (c->t->o.tools.hashline) {
		read_hashline(c, path, offset, limit);
	} else if (corral_backend_read(c->backend, path, offset, limit, &c->result->text, &err) <
	           0) {
		console_fail_with(c, &err);
	} else {
		note(c, path);
	}
}

/* As Unicode breaks lines; "\r\n" is one end. */
static uint64_t count_lines(const char *text, size_t len)
{
	uint64_t n = 0;
	bool open = false;

	for (size_t i = 0; i < len; i++) {
		unsigned char u = (unsigned char)text[i];
		size_t end = 0;

		if (u == '\r' && i + 1 < len && text[i + 1] == '\n')
			end = 2;
		else if ((u >= '\n' && u <= '\r') || (u >= 0x1c && u <= 0x1e))
			end = 1;
		else if (u == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] == 0x85)
			end = 2;
		else if (u == 0xe2 && i + 2 < len && (unsigned char)text[i + 1] == 0x80 &&
		         ((unsigned char)text[i + 2] & 0xfe) == 0xa8)
			end = 3;
		open = !end;
		n += end != 0;
		i += end ? end - 1 : 0;
	}
	return n + open;
}

void console_write(struct console_call *c)
{
	const char *path = c->a->path.data, *content = c->a->content.data;
	pthread_mutex_t *lock = console_file_lock(c->t, path);
	struct corral_error err = { 0 };
	size_t len = c->a->content.len;
	int r;

	pthread_mutex_lock(lock);
	r = corral_backend_write(c->backend, path, content, len, &err);
	if (r == 0)
		console_seen_note(c->t, path, content, len);
	pthread_mutex_unlock(lock);
	if (r < 0)
		console_fail_with(c, &err);
	else
		console_say(c, "Wrote %llu lines to %s",
		            (unsigned long long)count_lines(content, len), path);
}

/* 0, or -ESTALE after having said so. Under the file's lock. */
static int check_seen(struct console_call *c, const char *path)
{
	corral_autobuf struct corral_buf now = CORRAL_BUF_INIT;

	if (!console_seen_has(c->t, path) ||
	    corral_backend_read_bytes(c->backend, path, 0, &now, NULL) < 0 ||
	    !console_seen_differs(c->t, path, now.data, now.len))
		return 0;
	console_say(c,
	            "Error: '%s' changed since you last read it. Read it again before editing so "
	            "your change applies to the current contents.",
	            path);
	c->result->failed = c->result->fixable = true;
	return -ESTALE;
}

/* The whole sentence, however long the text that was looked for. */
static void say_edit_failed(struct console_call *c, const struct corral_files_edit *edit,
                            uint64_t occurrences, const struct corral_error *err)
{
	corral_autofree char *text = NULL;

	if (err->code == ENOMSG || err->code == ENOTUNIQ)
		text = corral_files_edit_text(edit, err->code == ENOMSG ? 0 : occurrences);
	if (text)
		console_fail(c, true, text);
	else
		console_fail_with(c, err);
}

void console_edit(struct console_call *c)
{
	const char *path = c->a->path.data;
	const struct corral_files_edit edit = {
		.old_text = c->a->old_string.data,
		.old_len = c->a->old_string.len,
		.new_text = c->a->new_string.data,
		.new_len = c->a->new_string.len,
		.replace_all = c->a->replace_all,
	};
	pthread_mutex_t *lock = console_file_lock(c->t, path);
	struct corral_error err = { 0 };
	uint64_t n = 0;

	if (!edit.old_len) {
		console_fail(c, true, "old_string is empty: give the text that is to be replaced");
		return;
	}
	pthread_mutex_lock(lock);
	if (check_seen(c, path) == 0) {
		if (corral_backend_edit(c->backend, path, &edit, &n, &err) < 0) {
			say_edit_failed(c, &edit, n, &err);
		} else {
			note(c, path);
			console_say(c, "Edited %s: replaced %llu occurrence(s)", path,
			            (unsigned long long)n);
		}
	}
	pthread_mutex_unlock(lock);
}

static int hashline_apply(struct console_call *c, const char *path, struct corral_buf *summary,
                          struct corral_error *err)
{
	corral_autobuf struct corral_buf old = CORRAL_BUF_INIT, new = CORRAL_BUF_INIT;
	const struct corral_hashline_edit edit = {
		.start_line = c->a->start_line,
		.start_hash = c->a->start_hash.data,
		.has_end = c->a->has_end_line || c->a->end_hash.data,
		.end_line = c->a->has_end_line ? c->a->end_line : c->a->start_line,
		.end_hash = c->a->end_hash.data,
		.insert_after = c->a->insert_after,
		.new_content = c->a->new_content.data,
		.new_len = c->a->new_content.len,
	};
	int r = corral_backend_read_bytes(c->backend, path, CORRAL_FILES_EDIT_MAX, &old, err);

	if (r == 0 && !corral_utf8_valid(old.data ? old.data : "", old.len))
		return corral_error_set(
		        err, EILSEQ, "'%s' is not UTF-8: an edit by lines would change its bytes",
		        path);
	if (r == 0)
		r = corral_hashline_apply(old.data ? old.data : "", old.len, &edit, &new, summary,
		                          err);
	if (r == 0)
		r = corral_backend_write(c->backend, path, new.data ? new.data : "", new.len, err);
	if (r == 0)
		console_seen_note(c->t, path, new.data, new.len);
	return r;
}

void console_hashline_edit(struct console_call *c)
{
	const char *path = c->a->path.data;
	corral_autobuf struct corral_buf summary = CORRAL_BUF_INIT;
	pthread_mutex_t *lock = console_file_lock(c->t, path);
	struct corral_error err = { 0 };
	int r;

	pthread_mutex_lock(lock);
	r = hashline_apply(c, path, &summary, &err);
	pthread_mutex_unlock(lock);
	if (r < 0)
		console_fail_with(c, &err);
	else
		console_say(c, "Edited %s: %s", path, summary.data ? summary.data : "");
}
