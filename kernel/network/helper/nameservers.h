/*
 * Whom the host asks for addresses: resolv.conf(5).
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NAMESERVERS_H
#define CORRAL_KERNEL_NETWORK_HELPER_NAMESERVERS_H

#include <stddef.h>
#include <sys/socket.h>

#define CORRAL_NET_NAMESERVERS_MAX 3

struct corral_net_nameservers {
	struct sockaddr_storage address[CORRAL_NET_NAMESERVERS_MAX]; /* with port 53 */
	socklen_t address_len[CORRAL_NET_NAMESERVERS_MAX];
	unsigned int n;
};

/* The host's file; one on loopback when it names none, as resolvers take it. */
void corral_net_nameservers_read(struct corral_net_nameservers *ret);
/* Of its text, which is changed. Pure but for the numbers of links. */
void corral_net_nameservers_parse(char *text, struct corral_net_nameservers *ret);
void corral_net_nameservers_add(struct corral_net_nameservers *to, const char *address);

#endif
