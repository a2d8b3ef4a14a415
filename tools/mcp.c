#include "tools/mcp.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/mcp_state.h"
#include "tools/write_all.h"

#define TICK_MS    1000
#define GRACE_MS   5000 /* at the end of input */
#define READ_BYTES 65536u

/* The newest first; a client that asks for none of these gets it, and may leave. */
static const char *const versions[] = { "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" };

static const char *const level_names[] = { "debug", "info",     "notice", "warning",
	                                   "error", "critical", "alert",  "emergency" };

void corral_mcp_send_text(struct corral_mcp *m, const char *text, size_t len)
{
	pthread_mutex_lock(&m->lock);
	if (!m->broken)
		m->broken = -corral_write_all(m->options->out_fd, text, len);
	pthread_mutex_unlock(&m->lock);
}

void corral_mcp_send(struct corral_mcp *m, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(message);
	if (!text)
		return; /* out of memory: the caller of the tool hears nothing, as of a dead server
		         */
	text[len] = '\n';
	corral_mcp_send_text(m, text, len + 1);
	free(text);
}

/* To whoever asked. */
static void answer(struct corral_mcp *m, const struct corral_mcp_asked *asked, json_t *message)
{
	char *text;

	if (!asked || !asked->batch) {
		corral_mcp_send(m, message);
		return;
	}
	text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (text)
		corral_mcp_batch_add(asked->batch, text, strlen(text));
	free(text);
}

void corral_mcp_reply(struct corral_mcp *m, const struct corral_mcp_asked *asked, json_t *result)
{
	if (!result) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_INTERNAL_ERROR, "out of memory");
		return;
	}
	answer(m, asked,
	       json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", asked->id, "result", result));
}

void corral_mcp_refuse(struct corral_mcp *m, const struct corral_mcp_asked *asked, int code,
                       const char *fmt, ...)
{
	char text[CORRAL_ERROR_TEXT_SIZE];
	json_t *error;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Whatever was quoted may have been cut within a character. */
	error = json_pack("{s:i, s:s+}", "code", code, "message", "", text);
	if (!error)
		error = json_pack("{s:i, s:s}", "code", code, "message", "invalid request");
	answer(m, asked,
	       json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id",
	                 asked && asked->id ? json_incref((json_t *)(uintptr_t)asked->id)
	                                    : json_null(),
	                 "error", error));
}

void corral_mcp_notify(struct corral_mcp *m, const char *method, json_t *params)
{
	if (params)
		corral_mcp_send(m, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method,
		                             "params", params));
}

void corral_mcp_log(struct corral_mcp *m, enum corral_mcp_level level, const char *fmt, ...)
{
	char text[CORRAL_ERROR_TEXT_SIZE];
	va_list ap;

	if ((int)level < m->level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	corral_mcp_notify(m, "notifications/message",
	                  json_pack("{s:s, s:s, s:s}", "level", level_names[level], "logger",
	                            "corral", "data", text));
}

static void initialize(struct corral_mcp *m, const struct corral_mcp_asked *asked,
                       const json_t *params)
{
	const char *wanted = json_string_value(json_object_get(params, "protocolVersion"));
	const char *version = versions[0];
	json_t *result;

	if (!wanted) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_PARAMS, "protocolVersion: missing");
		return;
	}
	for (size_t i = 0; i < CORRAL_COUNT(versions); i++)
		if (!strcmp(versions[i], wanted))
			version = versions[i];
	m->initialized = true;
	m->batches = !strcmp(version, "2025-03-26");
	result =
	        json_pack("{s:s, s:{s:{s:b}, s:{}}, s:{s:s, s:s, s:s}}", "protocolVersion", version,
	                  "capabilities", "tools", "listChanged", 0, "logging", "serverInfo",
	                  "name", "corral", "title", "corral", "version", CORRAL_VERSION);
	if (result && m->options->instructions)
		(void)json_object_set_new(result, "instructions",
		                          json_string(m->options->instructions));
	corral_mcp_reply(m, asked, result);
}

static void set_level(struct corral_mcp *m, const struct corral_mcp_asked *asked,
                      const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "level"));

	for (size_t i = 0; name && i < CORRAL_COUNT(level_names); i++)
		if (!strcmp(level_names[i], name)) {
			m->level = (int)i;
			corral_mcp_reply(m, asked, json_object());
			return;
		}
	corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_PARAMS,
	                  "level: one of debug, info, notice, warning, error, critical, alert, "
	                  "emergency");
}

static void request(struct corral_mcp *m, const char *method, const struct corral_mcp_asked *asked,
                    json_t *params)
{
	if (!strcmp(method, "ping"))
		corral_mcp_reply(m, asked, json_object());
	else if (!strcmp(method, "initialize"))
		initialize(m, asked, params);
	else if (!m->initialized)
		corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_REQUEST, "'%.64s' before 'initialize'",
		                  method);
	else if (!strcmp(method, "tools/list"))
		corral_mcp_reply(m, asked, corral_mcp_tools_list(m));
	else if (!strcmp(method, "tools/call"))
		corral_mcp_call_begin(m, asked, params);
	else if (!strcmp(method, "logging/setLevel"))
		set_level(m, asked, params);
	else
		corral_mcp_refuse(m, asked, CORRAL_MCP_NO_METHOD, "no method '%.64s'", method);
}

static bool is_of_the_protocol(const json_t *root)
{
	const char *version = json_string_value(json_object_get(root, "jsonrpc"));

	return version && !strcmp(version, "2.0");
}

static void one(struct corral_mcp *m, json_t *root, struct corral_mcp_batch *batch)
{
	json_t *id = json_object_get(root, "id"), *params = json_object_get(root, "params");
	const char *method = json_string_value(json_object_get(root, "method"));
	const struct corral_mcp_asked known = { id, batch }, unknown = { NULL, batch };
	const struct corral_mcp_asked *asked = &known;

	if (id && !json_is_string(id) && !json_is_number(id)) {
		corral_mcp_refuse(m, &unknown, CORRAL_MCP_BAD_REQUEST,
		                  "id: neither a string nor a number");
	} else if (!is_of_the_protocol(root)) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_REQUEST,
		                  "not a message of JSON-RPC 2.0");
	} else if (method && params && !json_is_object(params)) {
		if (id)
			corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_PARAMS, "params: not an object");
	} else if (method && id) {
		request(m, method, asked, params);
	} else if (method) {
		if (!strcmp(method, "notifications/cancelled"))
			corral_mcp_call_cancel(m, json_object_get(params, "requestId"));
	} else if (!json_object_get(root, "result") && !json_object_get(root, "error")) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_REQUEST, "method: missing");
	}
	/* We ask nothing, so no answer is for us. */
}

static void several(struct corral_mcp *m, json_t *list)
{
	struct corral_mcp_batch *batch;

	if (!m->batches) {
		corral_mcp_refuse(m, NULL, CORRAL_MCP_BAD_REQUEST,
		                  "a batch: only version 2025-03-26 of the protocol has them");
		return;
	}
	if (!json_array_size(list) || json_array_size(list) > CORRAL_MCP_BATCH_MAX) {
		corral_mcp_refuse(m, NULL, CORRAL_MCP_BAD_REQUEST,
		                  "a batch of 1 to %u messages is expected", CORRAL_MCP_BATCH_MAX);
		return;
	}
	batch = corral_mcp_batch_new(m);
	if (!batch) {
		corral_mcp_refuse(m, NULL, CORRAL_MCP_INTERNAL_ERROR, "out of memory");
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		one(m, json_array_get(list, i), batch);
	corral_mcp_batch_drop(batch);
}

static void message(struct corral_mcp *m, const char *text, size_t len)
{
	json_error_t where;
	/* A NUL is a tool's to refuse, whose answer has an id. */
	json_t *root = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);

	if (!root) {
		corral_mcp_refuse(m, NULL, CORRAL_MCP_PARSE_ERROR, "not JSON: %s (byte %d)",
		                  where.text, where.position);
		return;
	}
	if (json_is_array(root))
		several(m, root);
	else
		one(m, root, NULL);
	json_decref(root);
}

/* What has come of messages, and how much of a line that is too long has been dropped. */
struct input {
	struct corral_buf text;
	size_t searched;
	bool dropping;
};

static void lines(struct corral_mcp *m, struct input *in)
{
	size_t begin = 0;
	const char *end;

	while (in->text.len > in->searched &&
	       (end = memchr(in->text.data + in->searched, '\n', in->text.len - in->searched))) {
		size_t len = (size_t)(end - (in->text.data + begin));

		if (in->dropping)
			in->dropping = false;
		else if (len && !(len == 1 && in->text.data[begin] == '\r'))
			message(m, in->text.data + begin, len);
		begin += len + 1;
		in->searched = begin;
	}
	if (begin) {
		memmove(in->text.data, in->text.data + begin, in->text.len - begin);
		in->text.len -= begin;
	}
	if (in->text.len > CORRAL_MCP_LINE_MAX) {
		if (!in->dropping)
			corral_mcp_refuse(m, NULL, CORRAL_MCP_BAD_REQUEST,
			                  "a message of more than %zu bytes", CORRAL_MCP_LINE_MAX);
		in->dropping = true;
	}
	if (in->dropping)
		in->text.len = 0;
	in->searched = in->text.len;
}

int corral_mcp_serve(const struct corral_mcp_options *o, struct corral_error *err)
{
	corral_autofree struct corral_mcp *m = calloc(1, sizeof(*m));
	corral_autofree char *piece = malloc(READ_BYTES);
	struct pollfd fds[] = { { .fd = o->in_fd, .events = POLLIN },
		                { .fd = o->stop_fd, .events = POLLIN } };
	struct input in = { .text = CORRAL_BUF_INIT };
	bool stopped = false;
	int r = 0;

	if (!m || !piece)
		return corral_error_sys(err, ENOMEM, "serve");
	m->options = o;
	m->level = CORRAL_MCP_WARNING;
	(void)pthread_mutex_init(&m->lock, NULL);
	while (!m->broken) {
		int n = poll(fds, 2, corral_mcp_calls_tend(m) ? TICK_MS : -1);
		ssize_t got;

		stopped = n > 0 && fds[1].revents;
		if (stopped)
			break;

		if (n < 0 && errno != EINTR)
			r = corral_error_sys(err, errno, "wait for messages");
		if (n <= 0 && r == 0)
			continue;
		got = r == 0 ? read(o->in_fd, piece, READ_BYTES) : 0;
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			r = corral_error_sys(err, errno, "read messages");
		if (got <= 0)
			break;
		corral_buf_add(&in.text, piece, (size_t)got);
		if (in.text.failed) {
			r = corral_error_sys(err, ENOMEM, "read messages");
			break;
		}
		lines(m, &in);
	}
	/* Whoever writes requests into a pipe and closes it wants their answers. */
	corral_mcp_calls_end(m, stopped || m->broken ? 0 : GRACE_MS);
	corral_buf_done(&in.text);
	(void)pthread_mutex_destroy(&m->lock);
	if (r == 0 && m->broken && m->broken != EPIPE)
		r = corral_error_sys(err, m->broken, "standard output");
	return r;
}
