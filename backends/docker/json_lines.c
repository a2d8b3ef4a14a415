#include "backends/docker/json_lines.h"

#include <errno.h>
#include <string.h>

int corral_json_lines_end(struct corral_json_lines *l, struct corral_error *err)
{
	json_t *value;
	int r;

	if (!l->line.len || !l->line.data[strspn(l->line.data, " \t\r\n")]) {
		l->line.len = 0;
		return 0;
	}
	value = json_loadb(l->line.data, l->line.len, JSON_DECODE_ANY, NULL);
	l->line.len = 0;
	if (!value)
		return corral_error_set(err, EPROTO, "the engine streamed what is no JSON");
	r = l->told(l->ctx, value, err);
	json_decref(value);
	return r;
}

int corral_json_lines_feed(struct corral_json_lines *l, const void *data, size_t len,
                           struct corral_error *err)
{
	const char *at = data;
	int r = 0;

	while (len && r == 0) {
		const char *end = memchr(at, '\n', len);
		size_t n = end ? (size_t)(end - at) : len;

		if (l->line.len + n > CORRAL_DOCKER_LINE_MAX)
			return corral_error_set(err, EMSGSIZE,
			                        "the engine streamed a line without end");
		corral_buf_add(&l->line, at, n);
		if (l->line.failed)
			return corral_error_set(err, ENOMEM, "the engine's stream: out of memory");
		if (end)
			r = corral_json_lines_end(l, err);
		n += end != NULL;
		at += n;
		len -= n;
	}
	return r;
}

void corral_json_lines_done(struct corral_json_lines *l)
{
	corral_buf_done(&l->line);
}
