/*
 * corral-net itself: takes requests from the launcher that started it, and forks a child for each.
 * Ends with the launcher, by the end of its socket or of its process; its children then end as
 * well, each of which sees that corral-net is gone.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_SERVER_H
#define CORRAL_KERNEL_NETWORK_HELPER_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/network/wire.h"

/* Returns the status to exit with. */
int corral_net_serve(int socket_fd);

/* Whether the message is whole and every offset in it leads into it. Pure. */
bool corral_net_request_ok(const void *message, size_t size);
/* A text of a request that is ok; "" for 0. */
const char *corral_net_request_text(const struct corral_net_connect *c, uint32_t offset);

#endif
