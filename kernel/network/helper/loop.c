#include "kernel/network/helper/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

int corral_net_loop_init(struct corral_net_loop *l, struct corral_error *err)
{
	*l = (struct corral_net_loop) { .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (l->epoll_fd < 0)
		return corral_error_sys(err, errno, "create an epoll descriptor");
	return 0;
}

void corral_net_loop_done(struct corral_net_loop *l)
{
	corral_fd_closep(&l->epoll_fd);
}

int corral_net_loop_watch(struct corral_net_loop *l, struct corral_net_watch *w, uint32_t events,
                          struct corral_error *err)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == w->events)
		return 0;
	if (epoll_ctl(l->epoll_fd, op, w->fd, &ev) < 0)
		return corral_error_sys(err, errno, "watch a descriptor");
	w->events = events;
	return 0;
}

void corral_net_loop_tick(struct corral_net_loop *l, struct corral_net_tick *t)
{
	t->next = l->ticks;
	l->ticks = t;
}

void corral_net_loop_run(struct corral_net_loop *l)
{
	uint64_t next_ms = corral_now_ms() + CORRAL_NET_TICK_MS, now_ms;

	while (!l->ends) {
		struct epoll_event ev;
		int wait_ms = -1, n;

		now_ms = corral_now_ms();
		if (l->ticks && now_ms >= next_ms) {
			for (struct corral_net_tick *t = l->ticks; t; t = t->next)
				t->tick(t, now_ms);
			next_ms = now_ms + CORRAL_NET_TICK_MS;
		}
		if (l->ticks)
			wait_ms = (int)(next_ms - now_ms);
		n = epoll_wait(l->epoll_fd, &ev, 1, wait_ms);
		if (n < 0 && errno != EINTR)
			return;
		if (n == 1) {
			struct corral_net_watch *w = ev.data.ptr;

			w->ready(w, ev.events);
		}
	}
}
