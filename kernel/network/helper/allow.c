#include "kernel/network/helper/allow.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/network/helper/dns.h"
#include "kernel/network/helper/filter.h"
#include "kernel/network/helper/host.h"
#include "kernel/network/helper/keeper.h"
#include "kernel/network/helper/nameservers.h"
#include "kernel/network/helper/pasta.h"
#include "kernel/network/helper/resolver.h"

/* The host's file is looked at again so often, if anybody asks. */
#define REREAD_MS 5000

struct corral_net_allow {
	struct corral_net_watch watch; /* first: found again by its address */
	struct corral_net_child *child;
	struct corral_egress *egress;
	struct corral_net_watch keeper; /* it holds the filter */
	struct corral_resolver *resolver;
	uint64_t read_ms;
};

static int list_read(const struct corral_net_connect *request, struct corral_egress **ret,
                     struct corral_error *err)
{
	corral_autofree char **texts = calloc(request->n_egress + 1, sizeof(*texts));
	char *at = (char *)(uintptr_t)request + request->egress;

	if (!texts)
		return corral_error_sys(err, ENOMEM, "network allow");
	for (uint32_t i = 0; i < request->n_egress; i++, at += strlen(at) + 1)
		texts[i] = at;
	return corral_egress_compile(texts, request->n_egress, ret, err);
}

static int own_add(struct corral_egress *e, const void *address, int family,
                   struct corral_error *err)
{
	const struct corral_prefix own = {
		.address = corral_address_of(address, family == AF_INET ? 4 : 16),
		.len = family == AF_INET ? 32 : 128,
	};

	return corral_egress_own(e, &own, err);
}

static int host_add(struct corral_egress *e, struct corral_error *err)
{
	corral_autofree struct corral_prefix *own = NULL;
	size_t n = 0;
	int r = corral_net_host_own(&own, &n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		r = corral_egress_own(e, &own[i], err);
	return r;
}

/* Sooner than a refusal of each packet, of which the list would say that it is none. */
static int own_check(const struct corral_egress *e, struct corral_error *err)
{
	char text[CORRAL_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < e->n_entries; i++) {
		const struct corral_prefix *p = &e->entries[i].prefix;

		if (e->entries[i].kind == CORRAL_EGRESS_ADDRESS &&
		    p->len == (p->address.family == 4 ? 32 : 128) &&
		    corral_egress_beyond(e, &p->address))
			return corral_error_set(
			        err, EINVAL,
			        "allow[%zu]: %s is the host's own, which is reached "
			        "under network 'host' alone, or by a socket of its "
			        "service that is bound in",
			        i, corral_address_text(&p->address, text));
	}
	return 0;
}

int corral_net_allow_prepare(struct corral_net_child *c, struct corral_error *err)
{
	struct corral_net_allow *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return corral_error_sys(err, ENOMEM, "network allow");
	c->allow = a;
	a->child = c;
	a->watch.fd = a->keeper.fd = -1;
	r = list_read(c->request, &a->egress, err);
	if (r < 0)
		return r;
	r = host_add(a->egress, err);
	if (r == 0)
		r = own_check(a->egress, err);
	if (r == 0 && c->request->way == CORRAL_NET_VETH)
		r = own_add(a->egress, &c->place.host, AF_INET, err);
	if (r == 0 && c->request->way == CORRAL_NET_VETH && c->place.has_ipv6)
		r = own_add(a->egress, &c->place.host6, AF_INET6, err);
	return r;
}

static int upstream_socket(void *context, int family, int type, struct corral_error *err)
{
	const struct corral_net_allow *a = context;

	return corral_net_socket(a->child, CORRAL_NET_HOST, family, type, err);
}

static int lease(void *context, const char *name, uint64_t sets,
                 const struct corral_address *addresses, size_t n, uint32_t ttl_s,
                 struct corral_error *err)
{
	const struct corral_net_allow *a = context;

	return corral_net_keeper_lease(a->keeper.fd, name, sets, addresses, n, ttl_s, err);
}

static const struct corral_resolver_ops ops = { upstream_socket, lease };

static size_t upstreams_look(struct corral_net_allow *a, struct corral_upstream *ret)
{
	struct corral_net_nameservers servers = { .n = 0 };

	a->read_ms = corral_now_ms();
	/* pasta knows them, and hears of them here. */
	if (a->child->no_return)
		corral_net_nameservers_add(&servers, CORRAL_NET_PASTA_DNS);
	else
		corral_net_names_page_read(a->child->names, &servers);
	for (unsigned int i = 0; i < servers.n; i++)
		ret[i] = (struct corral_upstream) { servers.address[i], servers.address_len[i] };
	return servers.n;
}

static void step(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_allow *a = (struct corral_net_allow *)w;
	struct corral_upstream upstreams[CORRAL_NET_NAMESERVERS_MAX];

	(void)events;
	if (corral_now_ms() - a->read_ms > REREAD_MS)
		corral_resolver_ask(a->resolver, upstreams, upstreams_look(a, upstreams));
	corral_resolver_step(a->resolver);
}

static void keeper_ended(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_allow *a =
	        (void *)((char *)w - offsetof(struct corral_net_allow, keeper));

	(void)events;
	a->child->loop.ends = true;
}

/* The filter of the namespace that we are in, held by somebody else. */
static int filter_open(struct corral_net_allow *a, struct corral_error *err)
{
	struct corral_net_child *c = a->child;
	corral_auto(corral_filter_freep) struct corral_filter *filter = NULL;
	struct corral_filter_fds fds = { -1, -1 };
	int r = corral_filter_install(a->egress, &fds, err);

	if (r == 0)
		r = corral_filter_new(&fds, a->egress, &filter, err);
	if (r == 0)
		r = corral_net_keeper_start(filter, c->place.table_fd, &a->keeper.fd, err);
	if (r < 0)
		return r;
	a->keeper.ready = keeper_ended;
	return corral_net_loop_watch(&c->loop, &a->keeper, EPOLLIN, err);
}

int corral_net_allow_open(struct corral_net_child *c, struct corral_error *err)
{
	struct corral_net_allow *a = c->allow;
	struct corral_upstream upstreams[CORRAL_NET_NAMESERVERS_MAX];
	corral_autofd int udp = -1, tcp = -1;
	int r = corral_net_enter(c, CORRAL_NET_GUEST, err);

	if (r == 0)
		r = filter_open(a, err);
	if (r < 0)
		return r;
	udp = corral_net_dns_listen(c, SOCK_DGRAM, err);
	if (udp < 0)
		return udp;
	tcp = corral_net_dns_listen(c, SOCK_STREAM, err);
	if (tcp < 0)
		return tcp;
	r = corral_resolver_new(a->egress, &ops, a, upstreams, upstreams_look(a, upstreams),
	                        corral_take_fd(&udp), corral_take_fd(&tcp), &a->resolver, err);
	if (r < 0)
		return r;
	a->watch.fd = corral_resolver_fd(a->resolver);
	a->watch.ready = step;
	return corral_net_loop_watch(&c->loop, &a->watch, EPOLLIN, err);
}

void corral_net_allow_report(struct corral_net_child *c)
{
	static struct corral_net_ledger m;

	memset(&m, 0, sizeof(m));
	/* What cannot be read is not in it. */
	if (corral_net_keeper_report(c->allow->keeper.fd, &m.ledger, NULL) < 0)
		memset(&m, 0, sizeof(m));
	m.head = (struct corral_net_head) { CORRAL_NET_LEDGER, sizeof(m) };
	corral_resolver_report(c->allow->resolver, &m.ledger);
	(void)send(c->caller.fd, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT);
}
