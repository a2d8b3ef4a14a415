/* Calls told as they end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/wrap_ops.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/trace.h"

#define SHOWN 80 /* bytes of a path, pattern or command */

struct tracer {
	struct corral_wrap wrap;
	void (*line)(void *ctx, const char *text);
	void *ctx;
};

static void show(char *ret, size_t size, const char *text)
{
	(void)snprintf(ret, size, "%.*s%s", SHOWN, text, strlen(text) > SHOWN ? "..." : "");
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ' || *ret == 0x7f)
			*ret = '?';
}

static void tell(struct corral_wrap *w, const struct corral_wrap_call *call, int r,
                 struct corral_error *err)
{
	const struct tracer *t = (const struct tracer *)w;
	uint64_t usec = (corral_now_nsec() - call->began_nsec) / 1000;
	char what[SHOWN + 8], also[SHOWN + 8] = "", outcome[SHOWN + 40], text[400];

	show(what, sizeof(what), call->what);
	if (call->also)
		show(also, sizeof(also), call->also);
	if (r < 0)
		show(outcome, sizeof(outcome), err && err->code ? err->text : strerror(-r));
	else if (call->found != UINT64_MAX)
		(void)snprintf(outcome, sizeof(outcome), "%llu found",
		               (unsigned long long)call->found);
	else
		(void)snprintf(outcome, sizeof(outcome), "%s",
		               !strcmp(call->op, "exists") && !r ? "no" : "ok");
	(void)snprintf(text, sizeof(text), "%s: %s%s%s%s%s%s: %s, %llu.%03llu ms",
	               w->inner->ops->kind, call->op, *what ? " '" : "", what, *what ? "'" : "",
	               *also ? " " : "", also, outcome, (unsigned long long)usec / 1000,
	               (unsigned long long)usec % 1000);
	if (t->line)
		t->line(t->ctx, text);
	else
		corral_trace(CORRAL_TRACE_BACKEND, "%s", text);
}

int corral_backend_trace(struct corral_backend *inner, void (*line)(void *ctx, const char *text),
                         void *ctx, struct corral_backend **ret, struct corral_error *err)
{
	struct tracer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return corral_error_set(err, ENOMEM, "trace: out of memory");
	r = corral_wrap_init(&t->wrap, inner, err);
	if (r < 0) {
		free(t);
		return r;
	}
	t->wrap.after = tell;
	t->line = line;
	t->ctx = ctx;
	*ret = &t->wrap.base;
	return 0;
}
