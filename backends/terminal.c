#include "backends/backend_ops.h"

#include <errno.h>
#include <stdlib.h>

int corral_terminal_fd(const struct corral_terminal *t)
{
	return t->ops->fd(t);
}

int corral_terminal_event_fd(const struct corral_terminal *t)
{
	return t->ops->event_fd(t);
}

int corral_terminal_resize(struct corral_terminal *t, uint16_t rows, uint16_t cols,
                           struct corral_error *err)
{
	return t->ops->resize(t, rows, cols, err);
}

int corral_terminal_signal(struct corral_terminal *t, int signo, struct corral_error *err)
{
	return t->ops->signal(t, signo, err);
}

int corral_terminal_wait(struct corral_terminal *t, int timeout_ms, int *ret_status,
                         struct corral_error *err)
{
	return t->ops->wait(t, timeout_ms, ret_status, err);
}

void corral_terminal_close(struct corral_terminal *t)
{
	if (t)
		t->ops->close(t);
}

/* --- One that somebody waits for the end of --- */

struct follower {
	struct corral_terminal base;
	struct corral_terminal *inner;
	void (*closed)(void *ctx);
	void *ctx;
};

static struct follower *to_follower(const struct corral_terminal *t)
{
	return (struct follower *)(uintptr_t)t;
}

static int follower_fd(const struct corral_terminal *t)
{
	return corral_terminal_fd(to_follower(t)->inner);
}

static int follower_event_fd(const struct corral_terminal *t)
{
	return corral_terminal_event_fd(to_follower(t)->inner);
}

static int follower_resize(struct corral_terminal *t, uint16_t rows, uint16_t cols,
                           struct corral_error *err)
{
	return corral_terminal_resize(to_follower(t)->inner, rows, cols, err);
}

static int follower_signal(struct corral_terminal *t, int signo, struct corral_error *err)
{
	return corral_terminal_signal(to_follower(t)->inner, signo, err);
}

static int follower_wait(struct corral_terminal *t, int timeout_ms, int *ret_status,
                         struct corral_error *err)
{
	return corral_terminal_wait(to_follower(t)->inner, timeout_ms, ret_status, err);
}

static void follower_close(struct corral_terminal *base)
{
	struct follower *t = to_follower(base);

	corral_terminal_close(t->inner);
	t->closed(t->ctx);
	free(t);
}

int corral_terminal_follow_take(struct corral_terminal *inner, void (*closed)(void *ctx), void *ctx,
                                struct corral_terminal **ret, struct corral_error *err)
{
	static const struct corral_terminal_ops ops = {
		.fd = follower_fd,
		.event_fd = follower_event_fd,
		.resize = follower_resize,
		.signal = follower_signal,
		.wait = follower_wait,
		.close = follower_close,
	};
	struct follower *t = malloc(sizeof(*t));

	if (!t) {
		corral_terminal_close(inner);
		closed(ctx);
		return corral_error_set(err, ENOMEM, "terminal: out of memory");
	}
	*t = (struct follower) { { &ops }, inner, closed, ctx };
	*ret = &t->base;
	return 0;
}
