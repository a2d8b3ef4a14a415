/*
 * The caller's end of corral-net (wire.h): a helper that a launcher starts with the first sandbox
 * that has a network, and one socket for each sandbox's.
 */
#ifndef CORRAL_KERNEL_NETWORK_NETWORK_H
#define CORRAL_KERNEL_NETWORK_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/network/wire.h"
#include "policy/policy.h"

struct corral_network_helper;

/* One sandbox's. The helper takes the network away when the socket is closed. */
struct corral_network {
	int socket_fd; /* -1 without */
	int table_fd;  /* while this is open the host's rules for it are in force, also when all of
	                  corral-net was killed; -1 without */
	bool waits;    /* has not answered yet */
	/* What is inside may send frames past all rules (packet(7)), also by a socket that it gave
	 * away: its link is removed with its end, which takes a while. */
	bool sends_frames;
	char address[CORRAL_NET_ADDRESS_MAX];
};
#define CORRAL_NETWORK_INIT                     \
	{                                       \
		.socket_fd = -1, .table_fd = -1 \
	}

/* Nothing is started before it is needed. Threads may share it. */
int corral_network_helper_new(struct corral_network_helper **ret, struct corral_error *err);
/* Has it end once its networks are away, and does not wait: for whoever needs it no more. */
void corral_network_helper_let_go(struct corral_network_helper *h);
/* Ends it, and with it all networks that are left. Takes NULL. */
void corral_network_helper_free(struct corral_network_helper *h);

/* Starts what a first sandbox of p would have to wait for, and does not wait; what goes wrong is
 * said by corral_network_begin(). */
void corral_network_prepare(struct corral_network_helper *h, const struct corral_policy *p,
                            bool is_root);
/*
 * Asks for what p says, for a network namespace that only this sandbox has, and does not wait.
 * -ENOENT when corral-net is not installed, -EACCES when others than root or the caller may write
 * it.
 */
int corral_network_begin(struct corral_network_helper *h, const struct corral_policy *p,
                         bool is_root, int netns_fd, struct corral_network *ret,
                         struct corral_error *err);
bool corral_network_sends_frames(const struct corral_policy *p);
/* Waits for the answer: the helper's own words when there is no network to be had. */
int corral_network_await(struct corral_network *n, struct corral_error *err);
/* Under network "allow": whom the guest talked to since it was made, and what it was refused. */
int corral_network_report(struct corral_network *n, struct corral_ledger *ret,
                          struct corral_error *err);
/* False when its process has died. */
bool corral_network_is_alive(const struct corral_network *n);
/* Has it taken away, and does not wait; corral_network_end() follows. No process may be left in the
 * namespace, as what keeps it from the host may go before the link does. */
void corral_network_let_go(const struct corral_network *n);
/* Takes it away, where nobody is left in it; with ports published, waits until they are free again.
 */
void corral_network_end(struct corral_network *n, bool has_ports);

/* Where corral-net is: of the size of PATH_MAX. False when it is nowhere. */
bool corral_network_program(char *ret, size_t size);

#endif
