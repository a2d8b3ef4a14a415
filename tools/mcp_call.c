/*
 * Tool calls: each in a thread of its own, from the request to the answer. The table of calls is
 * the reading thread's; what a call's thread and that one share is atomic.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/mcp_state.h"

static void output(void *ctx, size_t bytes)
{
	struct corral_mcp_call *c = ctx;

	(void)atomic_fetch_add(&c->output_bytes, bytes);
}

/* An image or a document, with what there is to say of it, or a text; and whether the tool failed.
 */
static json_t *result_of(const struct corral_console_result *r)
{
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	json_t *content = NULL;

	if (!r->media_type) {
		content = json_pack("{s:s, s:o}", "type", "text", "text",
		                    json_stringn(r->text.data ? r->text.data : "", r->text.len));
	} else {
		corral_base64_encode(&data, r->data.data, r->data.len);
		if (data.failed)
			return NULL;
		if (!strncmp(r->media_type, "image/", 6))
			content = json_pack("{s:s, s:s#, s:s}", "type", "image", "data", data.data,
			                    (int)data.len, "mimeType", r->media_type);
		else
			content = json_pack("{s:s, s:{s:s, s:s, s:s#}}", "type", "resource",
			                    "resource", "uri", "corral:document", "mimeType",
			                    r->media_type, "blob", data.data, (int)data.len);
	}
	if (r->media_type && r->text.len)
		return json_pack("{s:[o, {s:s, s:o}], s:b}", "content", content, "type", "text",
		                 "text", json_stringn(r->text.data, r->text.len), "isError",
		                 r->failed);
	return json_pack("{s:[o], s:b}", "content", content, "isError", r->failed);
}

static json_t *failure(const struct corral_error *err)
{
	return json_pack("{s:[{s:s, s:o}], s:b}", "content", "type", "text", "text",
	                 json_sprintf("Error: %s", err->text[0] ? err->text : "out of memory"),
	                 "isError", 1);
}

static void *call_run(void *arg)
{
	struct corral_mcp_call *c = arg;
	struct corral_mcp *m = c->server;
	const char *name = json_string_value(json_object_get(c->params, "name"));
	json_t *arguments = json_object_get(c->params, "arguments");
	corral_autofree char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : strdup("{}");
	struct corral_console_control control = { c->cancel, output, c };
	struct corral_console_result result = { .text = CORRAL_BUF_INIT, .data = CORRAL_BUF_INIT };
	const struct corral_mcp_asked asked = { c->id, c->batch };
	struct corral_error err = { 0 };
	int r = -ENOMEM;

	if (text)
		r = corral_console_toolset_call(m->options->toolset, name, text, strlen(text),
		                                &control, &result, &err);
	if (r == 0 && result.failed && !c->cancelled)
		corral_mcp_log(m, CORRAL_MCP_NOTICE, "%s: %.300s", name,
		               result.text.data ? result.text.data : "");
	/* Who took it back gets no answer (cancellation, "should not send a response"). */
	if (c->cancelled)
		corral_mcp_log(m, CORRAL_MCP_INFO, "%s: cancelled", name);
	else if (r == -ENOENT)
		corral_mcp_refuse(m, &asked, CORRAL_MCP_BAD_PARAMS, "%s", err.text);
	else if (r < 0)
		corral_mcp_reply(m, &asked, failure(&err));
	else
		corral_mcp_reply(m, &asked, result_of(&result));
	corral_console_result_done(&result);
	corral_mcp_batch_drop(c->batch);
	c->ended = true;
	return NULL;
}

static void call_done(struct corral_mcp_call *c)
{
	json_decref(c->id);
	json_decref(c->params);
	json_decref(c->progress_token);
	corral_cancel_free(c->cancel);
	*c = (struct corral_mcp_call) { 0 };
}

static int call_start(struct corral_mcp_call *c, struct corral_mcp *m,
                      const struct corral_mcp_asked *asked, json_t *params,
                      struct corral_error *err)
{
	json_t *token = json_object_get(json_object_get(params, "_meta"), "progressToken");
	sigset_t all, old;
	int r;

	/* Of its own: a JSON value's count of references is no business of two threads. */
	*c = (struct corral_mcp_call) { .server = m,
		                        .used = true,
		                        .id = json_deep_copy(asked->id),
		                        .batch = asked->batch,
		                        .params = json_deep_copy(params),
		                        .begin_ms = corral_now_ms() };
	if (json_is_string(token) || json_is_number(token))
		c->progress_token = json_deep_copy(token);
	r = corral_cancel_new(&c->cancel, err);
	if (r < 0)
		return r;
	if (!c->id || !c->params)
		return corral_error_sys(err, ENOMEM, "call");
	corral_mcp_batch_hold(c->batch);
	/* Signals are the reading thread's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&c->thread, NULL, call_run, c);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		corral_mcp_batch_drop(c->batch);
	return r ? corral_error_sys(err, r, "start a thread") : 0;
}

static struct corral_mcp_call *find(struct corral_mcp *m, const json_t *id)
{
	for (size_t i = 0; i < CORRAL_COUNT(m->calls); i++)
		if (m->calls[i].used && !m->calls[i].ended && json_equal(m->calls[i].id, id))
			return &m->calls[i];
	return NULL;
}

void corral_mcp_call_begin(struct corral_mcp *m, const struct corral_mcp_asked *asked,
                           json_t *params)
{
	const json_t *arguments = json_object_get(params, "arguments");
	struct corral_error err = { 0 };
	size_t i = 0;

	if (!json_is_string(json_object_get(params, "name"))) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_PARAMS, "name: missing");
		return;
	}
	if (arguments && !json_is_object(arguments)) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_PARAMS, "arguments: not an object");
		return;
	}
	if (find(m, asked->id)) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_BAD_REQUEST,
		                  "id: a request of this one is still running");
		return;
	}
	(void)corral_mcp_calls_tend(m);
	while (i < CORRAL_COUNT(m->calls) && m->calls[i].used)
		i++;
	if (i == CORRAL_COUNT(m->calls)) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_INTERNAL_ERROR,
		                  "%u calls are running: wait for one, or cancel it",
		                  CORRAL_MCP_CALLS_MAX);
		return;
	}
	if (call_start(&m->calls[i], m, asked, params, &err) < 0) {
		corral_mcp_refuse(m, asked, CORRAL_MCP_INTERNAL_ERROR, "%s", err.text);
		call_done(&m->calls[i]);
	}
}

void corral_mcp_call_cancel(struct corral_mcp *m, const json_t *id)
{
	struct corral_mcp_call *c = id ? find(m, id) : NULL;

	if (!c)
		return;
	c->cancelled = true;
	corral_cancel_fire(c->cancel);
}

bool corral_mcp_calls_tend(struct corral_mcp *m)
{
	bool any = false;

	for (size_t i = 0; i < CORRAL_COUNT(m->calls); i++) {
		struct corral_mcp_call *c = &m->calls[i];
		uint64_t seconds;

		if (!c->used)
			continue;
		if (c->ended) {
			(void)pthread_join(c->thread, NULL);
			call_done(c);
			continue;
		}
		any = true;
		seconds = (corral_now_ms() - c->begin_ms) / 1000;
		if (!c->progress_token || c->cancelled || seconds <= c->told_s)
			continue;
		c->told_s = seconds;
		corral_mcp_notify(m, "notifications/progress",
		                  json_pack("{s:O, s:I, s:o}", "progressToken", c->progress_token,
		                            "progress", (json_int_t)seconds, "message",
		                            json_sprintf("running for %llu s, %llu bytes of output",
		                                         (unsigned long long)seconds,
		                                         (unsigned long long)c->output_bytes)));
	}
	return any;
}

void corral_mcp_calls_end(struct corral_mcp *m, int grace_ms)
{
	const struct timespec nap = { .tv_nsec = 10000000 };

	for (; grace_ms > 0 && corral_mcp_calls_tend(m); grace_ms -= 10)
		(void)nanosleep(&nap, NULL);
	for (size_t i = 0; i < CORRAL_COUNT(m->calls); i++)
		if (m->calls[i].used) {
			m->calls[i].cancelled = true;
			corral_cancel_fire(m->calls[i].cancel);
		}
	for (size_t i = 0; i < CORRAL_COUNT(m->calls); i++)
		if (m->calls[i].used) {
			(void)pthread_join(m->calls[i].thread, NULL);
			call_done(&m->calls[i]);
		}
}
