#include "kernel/network/helper/listener.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

bool corral_net_listener_is_want(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

static void wake(struct corral_net_tick *t, uint64_t now_ms)
{
	struct corral_net_listener *l =
	        (void *)((char *)t - offsetof(struct corral_net_listener, tick));

	(void)now_ms;
	if (l->rests && corral_net_loop_watch(l->loop, &l->watch, EPOLLIN, NULL) == 0)
		l->rests = false;
}

static void ready(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_listener *l = (struct corral_net_listener *)w;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		l->taken(l, fd);
		return;
	}
	if (!corral_net_listener_is_want(errno))
		return;
	(void)corral_net_loop_watch(l->loop, &l->watch, 0, NULL);
	l->rests = true;
	if (!l->ticks)
		corral_net_loop_tick(l->loop, &l->tick);
	l->ticks = true;
}

int corral_net_listener_open(struct corral_net_listener *l, struct corral_net_loop *loop, int fd,
                             void (*taken)(struct corral_net_listener *l, int take_fd),
                             struct corral_error *err)
{
	l->watch.fd = fd;
	l->watch.ready = ready;
	l->tick.tick = wake;
	l->loop = loop;
	l->taken = taken;
	return corral_net_loop_watch(loop, &l->watch, EPOLLIN, err);
}
