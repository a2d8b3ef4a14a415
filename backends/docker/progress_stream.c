#include "backends/docker/progress_stream.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

/* Bytes of a terminal's sequence that begins here: ESC "[" parameters and a letter, or ESC and one
 * more. */
static size_t escape_len(const char *text, size_t len)
{
	size_t n = 2;

	if (len < 2 || text[1] != '[')
		return len < 2 ? len : 2;
	while (n < len && text[n] >= 0x20 && text[n] < 0x40)
		n++;
	return n < len ? n + 1 : n;
}

void corral_docker_text_clean(const char *text, size_t len, char *to, size_t size)
{
	size_t at = 0, n = 0;

	while (at < len) {
		unsigned char c = (unsigned char)text[at];
		int step = corral_utf8_step((const unsigned char *)text + at, len - at);
		bool c1 = step == 2 && c == 0xc2 && (unsigned char)text[at + 1] < 0xa0;
		const char *put = step < 0 ? "\xef\xbf\xbd" : text + at;
		size_t put_len = step < 0 ? 3 : (size_t)step;

		if (c == 0x1b) {
			at += escape_len(text + at, len - at);
			continue;
		}
		at += (size_t)(step < 0 ? -step : step);
		if (c < 0x20 || c == 0x7f || c1) {
			if (c != '\t' && c != '\n')
				continue;
			put = " ";
			put_len = 1;
		}
		if (n + put_len >= size)
			break;
		memcpy(to + n, put, put_len);
		n += put_len;
	}
	to[n] = '\0';
}

void corral_docker_progress_stream_init(struct corral_docker_progress_stream *s,
                                        const struct corral_docker_progress *progress)
{
	memset(s, 0, sizeof(*s));
	s->progress = progress;
}

void corral_docker_progress_stream_done(struct corral_docker_progress_stream *s)
{
	corral_buf_done(&s->line);
	corral_buf_done(&s->output);
}

static int tell(const struct corral_docker_progress_stream *s, const char *text, uint64_t current,
                uint64_t total, struct corral_error *err)
{
	if (!s->progress || !*text)
		return 0;
	if (s->progress->tell(s->progress->ctx, text, current, total) == 0)
		return 0;
	return corral_error_set(err, ECANCELED, "canceled");
}

/* Whole lines fall out in front as new ones come. */
static void tail_add(struct corral_docker_progress_stream *s, const char *line)
{
	size_t need = strlen(line) + 1, have = strlen(s->tail);
	const char *keep = s->tail;

	if (need > CORRAL_DOCKER_PROGRESS_TAIL_MAX) {
		line += need - CORRAL_DOCKER_PROGRESS_TAIL_MAX;
		/* No character is cut in its middle. */
		while (((unsigned char)*line & 0xc0) == 0x80)
			line++;
		need = strlen(line) + 1;
	}
	while (*keep && have - (size_t)(keep - s->tail) + need > CORRAL_DOCKER_PROGRESS_TAIL_MAX) {
		const char *next = strchr(keep, '\n');

		keep = next ? next + 1 : s->tail + have;
	}
	have -= (size_t)(keep - s->tail);
	memmove(s->tail, keep, have);
	memcpy(s->tail + have, line, need - 1);
	s->tail[have + need - 1] = '\n';
	s->tail[have + need] = '\0';
}

/* "Step 2/3 : RUN make", as engines announce it; Podman's says STEP. */
static void step_keep(struct corral_docker_progress_stream *s, const char *line)
{
	if (strncasecmp(line, "step ", strlen("step ")) != 0)
		return;
	line += strlen("step ");
	line += strspn(line, "0123456789/ ");
	if (*line != ':')
		return;
	line += 1 + strspn(line + 1, " ");
	corral_docker_text_clean(line, strlen(line), s->step, sizeof(s->step));
}

static int output_line(struct corral_docker_progress_stream *s, struct corral_error *err)
{
	char text[CORRAL_DOCKER_PROGRESS_TEXT_MAX + 1];

	if (!s->output.len)
		return 0;
	corral_docker_text_clean(s->output.data, s->output.len, text, sizeof(text));
	corral_buf_done(&s->output);
	if (!*text)
		return 0;
	step_keep(s, text);
	tail_add(s, text);
	return tell(s, text, 0, 0, err);
}

/* Pieces of a build's output, cut anywhere. A line that is drawn anew is a line each time. */
static int output_add(struct corral_docker_progress_stream *s, const char *text, size_t len,
                      struct corral_error *err)
{
	while (len > 0) {
		size_t n = 0;
		int r;

		while (n < len && text[n] != '\n' && text[n] != '\r')
			n++;
		/* Of a line without end, its start is what will be shown. */
		if (s->output.len < CORRAL_DOCKER_PROGRESS_LINE_MAX)
			corral_buf_add(&s->output, text, n);
		if (s->output.failed)
			return corral_error_set(err, ENOMEM, "out of memory");
		if (n == len)
			return 0;
		r = output_line(s, err);
		if (r < 0)
			return r;
		text += n + 1;
		len -= n + 1;
	}
	return 0;
}

static uint64_t count_get(const json_t *detail, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(detail, name));

	return n > 0 ? (uint64_t)n : 0;
}

/* "9f1b6a0f2d3c: Downloading" */
static int status_tell(const struct corral_docker_progress_stream *s, const json_t *v,
                       const json_t *status, struct corral_error *err)
{
	const json_t *id = json_object_get(v, "id"), *detail = json_object_get(v, "progressDetail");
	char text[CORRAL_DOCKER_PROGRESS_TEXT_MAX + 1];
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	if (json_is_string(id) && json_string_length(id)) {
		corral_buf_add(&b, json_string_value(id), json_string_length(id));
		corral_buf_str(&b, ": ");
	}
	corral_buf_add(&b, json_string_value(status), json_string_length(status));
	if (b.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	corral_docker_text_clean(b.data ? b.data : "", b.len, text, sizeof(text));
	return tell(s, text, count_get(detail, "current"), count_get(detail, "total"), err);
}

/* Of the command that failed, as Docker says it in a member, and Podman at the end of its text. */
static unsigned int exit_code(const json_t *v, const char *text, size_t len)
{
	static const char before[] = "exit status ";
	json_int_t code = json_integer_value(json_object_get(v, "code"));
	size_t digits = 0;

	while (digits < len && digits < 3 && strchr("0123456789", text[len - 1 - digits]))
		digits++;
	if (!code && digits && len - digits >= strlen(before) &&
	    !memcmp(text + len - digits - strlen(before), before, strlen(before)))
		code = strtol(text + len - digits, NULL, 10);
	return code > 0 && code < 256 ? (unsigned int)code : 0;
}

static void error_keep(struct corral_docker_progress_stream *s, const json_t *v)
{
	const json_t *detail = json_object_get(v, "errorDetail");
	const json_t *text = json_object_get(detail, "message");

	if (!json_is_string(text))
		text = json_object_get(v, "error");
	/* The first is the cause. */
	if (s->error[0])
		return;
	if (json_is_string(text)) {
		corral_docker_text_clean(json_string_value(text), json_string_length(text),
		                         s->error, sizeof(s->error));
		s->exit_code = exit_code(detail, json_string_value(text), json_string_length(text));
	}
	if (!s->error[0])
		(void)snprintf(s->error, sizeof(s->error), "the engine did not say why");
}

static int object_take(struct corral_docker_progress_stream *s, const json_t *v,
                       struct corral_error *err)
{
	const json_t *stream = json_object_get(v, "stream"), *status = json_object_get(v, "status");

	if (!json_is_object(v))
		return corral_error_set(err, EPROTO, "the engine's progress is no JSON object");
	if (json_object_get(v, "errorDetail") || json_object_get(v, "error"))
		error_keep(s, v);
	else if (json_is_string(stream))
		return output_add(s, json_string_value(stream), json_string_length(stream), err);
	else if (json_is_string(status))
		return status_tell(s, v, status, err);
	return 0;
}

/* The objects of a line. */
static int line_take(struct corral_docker_progress_stream *s, struct corral_error *err)
{
	const char *at = s->line.data;
	size_t left = s->line.len;
	int r = 0;

	while (r == 0) {
		corral_auto(json_freep) json_t *v = NULL;
		json_error_t problem;

		while (left > 0 && (*at == ' ' || *at == '\t' || *at == '\r')) {
			at++;
			left--;
		}
		if (!left)
			break;
		v = json_loadb(at, left, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &problem);
		if (!v || problem.position <= 0 || (size_t)problem.position > left)
			return corral_error_set(err, EPROTO, "the engine's progress is no JSON");
		at += problem.position;
		left -= (size_t)problem.position;
		r = object_take(s, v, err);
	}
	s->line.len = 0;
	return r;
}

int corral_docker_progress_stream_feed(struct corral_docker_progress_stream *s, const void *data,
                                       size_t len, struct corral_error *err)
{
	const char *at = data;

	while (len > 0) {
		const char *end = memchr(at, '\n', len);
		size_t n = end ? (size_t)(end - at) : len;
		int r = 0;

		if (n > CORRAL_DOCKER_PROGRESS_LINE_MAX - s->line.len)
			return corral_error_set(err, EMSGSIZE,
			                        "a line of the engine's progress is longer than "
			                        "%u bytes",
			                        CORRAL_DOCKER_PROGRESS_LINE_MAX);
		corral_buf_add(&s->line, at, n);
		if (s->line.failed)
			return corral_error_set(err, ENOMEM, "out of memory");
		if (!end)
			return 0;
		r = line_take(s, err);
		if (r < 0)
			return r;
		at += n + 1;
		len -= n + 1;
	}
	return 0;
}

int corral_docker_progress_stream_end(struct corral_docker_progress_stream *s,
                                      struct corral_error *err)
{
	int r = s->line.len ? line_take(s, err) : 0;

	return r < 0 ? r : output_line(s, err);
}
