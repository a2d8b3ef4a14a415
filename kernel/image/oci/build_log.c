#include "kernel/image/oci/build_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/utf8.h"

void build_log_init(struct build_log *l, int fd, const struct corral_progress *progress)
{
	memset(l, 0, sizeof(*l));
	l->fd = fd;
	l->progress = progress;
}

static void file_put(struct build_log *l, const char *text, size_t len)
{
	static const char full[] = "[the log ends here: it is too long]\n";

	if (l->fd < 0 || l->is_full)
		return;
	if (l->written + len > BUILD_LOG_MAX) {
		l->is_full = true;
		text = full;
		len = strlen(full);
	}
	/* A log that cannot be written is no reason to stop what it tells of. */
	if (write(l->fd, text, len) != (ssize_t)len)
		l->is_full = true;
	l->written += len;
}

static void tail_put(struct build_log *l, const char *text, size_t len)
{
	while (l->tail_len + len > sizeof(l->tail) - 1) {
		const char *end = memchr(l->tail, '\n', l->tail_len);
		size_t gone = end ? (size_t)(end - l->tail) + 1 : l->tail_len;

		memmove(l->tail, l->tail + gone, l->tail_len - gone);
		l->tail_len -= gone;
	}
	memcpy(l->tail + l->tail_len, text, len);
	l->tail_len += len;
	l->tail[l->tail_len] = '\0';
}

/* C1 controls, which terminals obey as they do those of ASCII, and what turns the direction of
 * text. */
static bool steers(const unsigned char *at, int step)
{
	if (step == 2)
		return at[0] == 0xc2 && at[1] < 0xa0;
	if (step != 3 || at[0] != 0xe2)
		return false;
	return (at[1] == 0x80 &&
	        (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xaa && at[2] <= 0xae))) ||
	       (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
}

/* What is no character, or more than one, becomes '?', in place. */
static void clean(char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		int step = corral_utf8_step((const unsigned char *)text + at, len - at);

		if (step <= 0)
			text[at] = '?';
		else if (steers((const unsigned char *)text + at, step))
			memset(text + at, '?', (size_t)step);
		at += step > 0 ? (size_t)step : 1;
	}
}

static void line_end(struct build_log *l)
{
	clean(l->line, l->len);
	l->line[l->len] = '\0';
	if (l->progress && !l->canceled &&
	    l->progress->tell(l->progress->ctx, l->line, "log", 0, 0) != 0)
		l->canceled = true;
	l->line[l->len] = '\n';
	file_put(l, l->line, l->len + 1);
	if (l->len)
		tail_put(l, l->line, l->len + 1);
	l->len = 0;
	l->after_return = false;
}

/* A line that is too long is cut between characters. */
static void line_cut(struct build_log *l)
{
	size_t keep = l->len;
	char rest[8];

	while (keep > l->len - 4 && ((unsigned char)l->line[keep - 1] & 0xc0) == 0x80)
		keep--;
	if (keep == l->len || (unsigned char)l->line[keep - 1] < 0xc0)
		keep = l->len;
	else
		keep--;
	l->len -= keep;
	memcpy(rest, l->line + keep, l->len);
	{
		size_t left = l->len;

		l->len = keep;
		line_end(l);
		memcpy(l->line, rest, left);
		l->len = left;
	}
}

void build_log_feed(struct build_log *l, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = data[i];

		if (c == '\n') {
			line_end(l);
			continue;
		}
		if (c == '\r') {
			l->after_return = true;
			continue;
		}
		if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
			continue;
		if (l->after_return)
			l->len = 0;
		l->after_return = false;
		l->line[l->len++] = c;
		if (l->len == BUILD_LINE_MAX)
			line_cut(l);
	}
}

void build_log_flush(struct build_log *l)
{
	if (l->len)
		line_end(l);
}

void build_log_say(struct build_log *l, const char *fmt, ...)
{
	char text[BUILD_LINE_MAX];
	va_list ap;

	build_log_flush(l);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	build_log_feed(l, text, strlen(text));
	line_end(l);
}

void build_log_forget(struct build_log *l)
{
	l->tail_len = 0;
	l->tail[0] = '\0';
}

const char *build_log_tail(struct build_log *l, size_t size)
{
	const char *tail = l->tail;

	if (l->tail_len && l->tail[l->tail_len - 1] == '\n')
		l->tail[l->tail_len - 1] = '\0';
	while (strlen(tail) >= size) {
		const char *end = strchr(tail, '\n');

		if (!end)
			return "";
		tail = end + 1;
	}
	return tail;
}
