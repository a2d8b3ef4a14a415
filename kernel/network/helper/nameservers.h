/*
 * Whom the host asks for addresses: resolv.conf(5).
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NAMESERVERS_H
#define CORRAL_KERNEL_NETWORK_HELPER_NAMESERVERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "kernel/base/error.h"

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

/*
 * What the host asks, told to processes that may open no file: a page of memory that corral-net
 * writes and its children read.
 */
struct corral_net_names_page {
	_Atomic uint32_t turn; /* odd while it is being written */
	struct corral_net_nameservers servers;
};

/* The writer's, and a descriptor of which others have a view that cannot write. */
int corral_net_names_page_new(struct corral_net_names_page **ret, int *ret_fd,
                              struct corral_error *err);
const struct corral_net_names_page *corral_net_names_page_view(int fd);
void corral_net_names_page_free(struct corral_net_names_page *p);
/* Looks at the host's file; true when it says something else than before. */
bool corral_net_names_page_renew(struct corral_net_names_page *p);
void corral_net_names_page_read(const struct corral_net_names_page *p,
                                struct corral_net_nameservers *ret);

#endif
