/*
 * What a sandbox's child of corral-net waits for: descriptors, and the passing of time.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_LOOP_H
#define CORRAL_KERNEL_NETWORK_HELPER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"

/* Embedded in what waits; found again by its address. */
struct corral_net_watch {
	int fd;
	uint32_t events; /* EPOLL*, as watched now; 0: not watched */
	void (*ready)(struct corral_net_watch *w, uint32_t events);
};

/* Called about every CORRAL_NET_TICK_MS while the loop runs. */
struct corral_net_tick {
	void (*tick)(struct corral_net_tick *t, uint64_t now_ms);
	struct corral_net_tick *next;
};
#define CORRAL_NET_TICK_MS 250

struct corral_net_loop {
	int epoll_fd;
	bool ends; /* set by a handler: the loop returns */
	struct corral_net_tick *ticks;
};

int corral_net_loop_init(struct corral_net_loop *l, struct corral_error *err);
void corral_net_loop_done(struct corral_net_loop *l);
/* From now on for these events; 0: no more. One event is handled at a time, so that a handler may
 * free any watch. */
int corral_net_loop_watch(struct corral_net_loop *l, struct corral_net_watch *w, uint32_t events,
                          struct corral_error *err);
void corral_net_loop_tick(struct corral_net_loop *l, struct corral_net_tick *t);
/* Until ends. */
void corral_net_loop_run(struct corral_net_loop *l);

#endif
