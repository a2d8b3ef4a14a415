#include "backends/backend_ops.h"

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
