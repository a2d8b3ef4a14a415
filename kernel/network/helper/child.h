/*
 * One sandbox's network, in a process of its own that corral-net forked for it.
 *
 * Theory of operation: it connects the guest's network namespace (link.h or pasta.h), opens what is
 * published and the resolver, answers READY, and then relays until the caller's end of its socket
 * is closed, or corral-net dies. Two sides: sockets are made in the network namespace where the
 * process is at that moment, and stay there. As root it goes back and forth. An ordinary user's
 * child has to enter the user namespace of the guest's first init to enter the network namespace,
 * and there is no way back: what it needs on the host it opens before, and from then on it stays in
 * the guest's. Whatever the guest sends is hostile, and bounded.
 *
 * Before it reads the first byte of the guest's it is confined (confine.h), and without any
 * capability: it stays on one side, the host's under CORRAL_NET_VETH and else the guest's, a thread
 * makes the sockets of the other (far_side.h), another process changes the rules of "allow"
 * (keeper.h), the host's name servers are read from a page of corral-net's, and what takes
 * privileges in the end, links and paths, is corral-net's to take away.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_CHILD_H
#define CORRAL_KERNEL_NETWORK_HELPER_CHILD_H

#include <stdbool.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/block.h"
#include "kernel/network/helper/loop.h"
#include "kernel/network/wire.h"

enum corral_net_side {
	CORRAL_NET_HOST,
	CORRAL_NET_GUEST,
};

struct corral_net_allow;
struct corral_net_dns;
struct corral_net_far_side;
struct corral_net_names_page;
struct corral_net_ports;

struct corral_net_child {
	const struct corral_net_connect *request; /* checked by the server */
	struct corral_net_place place;            /* of CORRAL_NET_VETH: names and addresses */
	int host_ns_fd, guest_ns_fd;
	enum corral_net_side side;       /* where the process is */
	bool no_return;                  /* an ordinary user's, once it is in the guest's */
	bool confined;                   /* it stays where it is */
	bool gone;                       /* the caller says that nobody is left inside */
	struct corral_net_far_side *far; /* NULL where it needs none */
	const struct corral_net_names_page *names; /* whom the host asks */
	struct corral_net_loop loop;
	struct corral_net_watch caller; /* the sandbox's socket */
	struct corral_net_watch server; /* readable when corral-net is dead */
	struct corral_net_watch pasta;
	int pasta_pid;
	struct corral_net_ports *ports;
	struct corral_net_dns *dns;
	struct corral_net_allow *allow;
	struct corral_net_ready ready;
};

/* Goes there, if it is not; -EOPNOTSUPP where there is no way back. */
int corral_net_enter(struct corral_net_child *c, enum corral_net_side side,
                     struct corral_error *err);
/*
 * A socket that does not block, of that side, or -errno. Of an ordinary user's child the host's
 * side is reached from the guest's, through pasta.
 */
int corral_net_socket(struct corral_net_child *c, enum corral_net_side side, int family, int type,
                      struct corral_error *err);

/* Besides 0 and 1: the link need not be removed before anything else may happen. */
#define CORRAL_NET_CHILD_GONE 2

/* Does all of the above with a request that was checked; returns the status to exit with. */
int corral_net_child_run(const struct corral_net_connect *request, int socket_fd, int guest_ns_fd,
                         int server_fd, const struct corral_net_place *place,
                         const struct corral_net_names_page *names);

#endif
