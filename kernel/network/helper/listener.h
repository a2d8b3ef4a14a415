/*
 * A listener whose connections are taken one at a time. Where no descriptor is left for one more it
 * rests for a moment: its readiness would be told again and again, for nothing.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_LISTENER_H
#define CORRAL_KERNEL_NETWORK_HELPER_LISTENER_H

#include "kernel/network/helper/loop.h"

/* Embedded in what listens; found again by its address. */
struct corral_net_listener {
	struct corral_net_watch watch;
	struct corral_net_tick tick;
	struct corral_net_loop *loop;
	bool ticks, rests;
	void (*taken)(struct corral_net_listener *l, int take_fd);
};

/* fd listens and does not block, and stays the caller's. */
int corral_net_listener_open(struct corral_net_listener *l, struct corral_net_loop *loop, int fd,
                             void (*taken)(struct corral_net_listener *l, int take_fd),
                             struct corral_error *err);
/* Whether accept(2) failed for want of what others may give back. */
bool corral_net_listener_is_want(int code);

#endif
