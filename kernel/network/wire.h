/*
 * What the caller and corral-net say to each other. Both are of one build, so structs travel as
 * they are, one a message of a seqpacket socket.
 *
 * The launcher has one socket to the helper, on which it may say PREPARE, when a sandbox with links
 * is about to be made, and says CONNECT, with two descriptors: a socket of this sandbox's own, and
 * its network namespace. The helper forks a child for it, which answers on that socket, with READY
 * or FAILED, later with a LEDGER to each REPORT, and whose end of it is the network's: when the
 * caller closes its own, or dies, the child takes the network away and ends. Where the caller says
 * GONE before, no process of the guest's is left, and the link is left to the kernel, which removes
 * it with the namespace and without anybody waiting for it. What keeps the namespace, as sockets do
 * that a guest gave away, sends nothing by it (helper/seal.h).
 */
#ifndef CORRAL_KERNEL_NETWORK_WIRE_H
#define CORRAL_KERNEL_NETWORK_WIRE_H

#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/network/ledger.h"

#define CORRAL_NET_PROGRAM     "corral-net"
#define CORRAL_NET_FD          3 /* the helper's end of the launcher's socket */
#define CORRAL_NET_MESSAGE_MAX (160u << 10)
#define CORRAL_NET_ADDRESS_MAX 46 /* INET6_ADDRSTRLEN */

/* Where the guest finds its resolver: an address of its own loopback, where the child listens.
 * Nothing of the guest's may bind a port below 1024 of that address while it does. */
#define CORRAL_NET_RESOLVER "127.0.0.53"

enum corral_net_type {
	CORRAL_NET_CONNECT = 1, /* to the helper */
	CORRAL_NET_READY,       /* to the caller: the guest may start */
	CORRAL_NET_FAILED,      /* to the caller: there will be no network */
	CORRAL_NET_REPORT,      /* to the child, when it is READY: whom has the guest talked to? */
	CORRAL_NET_LEDGER,      /* to the caller, in answer */
	CORRAL_NET_PREPARE,     /* to the helper: addresses and rules will be needed in a moment */
	CORRAL_NET_GONE,        /* to the child: nobody is left who could send past the rules */
};

/* How it is connected; the mode (enum corral_network_mode) says to what. */
enum corral_net_way {
	CORRAL_NET_APART, /* not at all: ports of its loopback are published, and no more */
	CORRAL_NET_VETH,  /* by a pair of links and the host's NAT: root */
	CORRAL_NET_PASTA, /* by pasta(1): anybody */
};

struct corral_net_head {
	uint32_t type;
	uint32_t size; /* of the whole message */
};

struct corral_net_publish {
	uint32_t kind; /* enum corral_publish_kind */
	uint32_t is_ipv6;
	uint8_t host_address[16];
	uint16_t host_port, guest_port;
	uint32_t path; /* offset of a text, 0 none */
};

struct corral_net_connect {
	struct corral_net_head head;
	uint32_t way;
	uint32_t mode;
	uint32_t publish, n_publish; /* offset of struct corral_net_publish[] */
	/* What CORRAL_NETWORK_ALLOW allows: so many texts, each with its NUL. */
	uint32_t egress, egress_len, n_egress;
};

struct corral_net_ready {
	struct corral_net_head head;
	uint32_t way;
	uint32_t mtu;
	char address[CORRAL_NET_ADDRESS_MAX]; /* the guest's, "" where it has none */
	char address6[CORRAL_NET_ADDRESS_MAX];
};

struct corral_net_ledger {
	struct corral_net_head head;
	struct corral_ledger ledger; /* since the sandbox was made */
};

struct corral_net_failed {
	struct corral_net_head head;
	int32_t error;
	char text[CORRAL_ERROR_TEXT_SIZE];
};

#endif
