#include "kernel/network/helper/firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/block.h"
#include "kernel/network/helper/nft_batch.h"
#include "kernel/network/helper/nft_field.h"

/* Tables that drop what is forwarded, and sets of one: more are not looked at. */
#define TABLES_MAX 16
#define SETS_MAX   256
#define NAME_SIZE  128 /* NFT_NAME_MAXLEN is 256: who has a longer one is not judged */
#define ROOM       1024
/* A list that was changed meanwhile is asked for again. */
#define TRIES 3

#define PREFIX_LEN (sizeof(CORRAL_NET_LINK_PREFIX) - 1)

struct table {
	uint8_t family;
	char name[NAME_SIZE];
};

struct look {
	int fd;
	uint32_t sequence;
	bool changed; /* while it was listed */
	bool full;    /* there was more than is looked at */
	struct table tables[TABLES_MAX];
	size_t n_tables;
	char sets[SETS_MAX][NAME_SIZE];
	size_t n_sets;
	bool knows_us;
};

/* Into attrs, of max and one; false where there is something else. */
static bool attributes(struct nlmsghdr *h, struct nlattr **attrs, int max)
{
	return nlmsg_parse(h, sizeof(struct nfgenmsg), attrs, max, NULL) >= 0;
}

static bool nested(struct nlattr *nest, struct nlattr **attrs, int max)
{
	return nest && nla_parse_nested(attrs, max, nest, NULL) >= 0;
}

static uint32_t number_of(const struct nlattr *a)
{
	return a && nla_len(a) == sizeof(uint32_t) ? ntohl(nla_get_u32(a)) : UINT32_MAX;
}

static bool name_copy(struct look *l, const struct nlattr *from, char to[NAME_SIZE])
{
	if (!from || nla_strlcpy(to, from, NAME_SIZE) >= NAME_SIZE) {
		l->full = true;
		return false;
	}
	return true;
}

/* Tables of the families that routed packets go through, with a chain that drops them unless a rule
 * says otherwise. */
static void chain_see(void *context, struct nlmsghdr *h)
{
	const struct nfgenmsg *gen = nlmsg_data(h);
	struct nlattr *chain[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct look *l = context;
	struct table *t = &l->tables[l->n_tables];

	l->changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (!attributes(h, chain, NFTA_CHAIN_MAX) ||
	    !nested(chain[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX) ||
	    (gen->nfgen_family != NFPROTO_IPV4 && gen->nfgen_family != NFPROTO_IPV6 &&
	     gen->nfgen_family != NFPROTO_INET) ||
	    number_of(hook[NFTA_HOOK_HOOKNUM]) != NF_INET_FORWARD ||
	    number_of(chain[NFTA_CHAIN_POLICY]) != NF_DROP)
		return;
	if (l->n_tables == TABLES_MAX) {
		l->full = true;
	} else if (name_copy(l, chain[NFTA_CHAIN_TABLE], t->name)) {
		t->family = gen->nfgen_family;
		l->n_tables++;
	}
}

/* A name of ours, or what one begins with, in a value or in any part of a key. */
static bool has_prefix(struct nlattr *data)
{
	struct nlattr *value =
	        data ? nla_find(nla_data(data), nla_len(data), NFTA_DATA_VALUE) : NULL;

	for (int at = 0; value && at + (int)PREFIX_LEN <= nla_len(value); at += 4)
		if (!memcmp((const char *)nla_data(value) + at, CORRAL_NET_LINK_PREFIX, PREFIX_LEN))
			return true;
	return false;
}

/* Whether what an expression has loaded is a link's name: for those behind it. */
static bool loads_name(const char *name, struct nlattr *data)
{
	uint32_t key = data && !strcmp(name, "meta")
	                       ? number_of(nla_find(nla_data(data), nla_len(data), NFTA_META_KEY))
	                       : UINT32_MAX;

	return key == NFT_META_IIFNAME || key == NFT_META_OIFNAME;
}

static void rule_see(void *context, struct nlmsghdr *h)
{
	struct nlattr *list = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_RULE_EXPRESSIONS);
	struct nlattr *element, *e[NFTA_EXPR_MAX + 1];
	struct look *l = context;
	bool is_name = false;
	int left;

	l->changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (!list)
		return;
	nla_for_each_nested(element, list, left)
	{
		const char *name;

		if (!nested(element, e, NFTA_EXPR_MAX) || !e[NFTA_EXPR_NAME])
			continue;
		name = nla_get_string(e[NFTA_EXPR_NAME]);
		if (strcmp(name, "cmp") != 0)
			is_name = loads_name(name, e[NFTA_EXPR_DATA]);
		else if (is_name && e[NFTA_EXPR_DATA])
			l->knows_us |=
			        has_prefix(nla_find(nla_data(e[NFTA_EXPR_DATA]),
			                            nla_len(e[NFTA_EXPR_DATA]), NFTA_CMP_DATA));
	}
}

/* Those that have names of links in their keys. */
static void set_see(void *context, struct nlmsghdr *h)
{
	const uint32_t is_name = corral_nft_field(CORRAL_NFT_IIFNAME)->type;
	struct nlattr *set[NFTA_SET_MAX + 1];
	struct look *l = context;
	uint32_t type;

	l->changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (!attributes(h, set, NFTA_SET_MAX) || !set[NFTA_SET_KEY_TYPE])
		return;
	type = number_of(set[NFTA_SET_KEY_TYPE]);
	while (type && (type & ((1u << CORRAL_NFT_TYPE_BITS) - 1)) != is_name)
		type >>= CORRAL_NFT_TYPE_BITS;
	if (!type)
		return;
	if (l->n_sets == SETS_MAX)
		l->full = true;
	else if (name_copy(l, set[NFTA_SET_NAME], l->sets[l->n_sets]))
		l->n_sets++;
}

static void elements_see(void *context, struct nlmsghdr *h)
{
	struct nlattr *list =
	        nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element, *e[NFTA_SET_ELEM_MAX + 1];
	struct look *l = context;
	int left;

	l->changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (!list)
		return;
	nla_for_each_nested(element, list, left)
	{
		if (nested(element, e, NFTA_SET_ELEM_MAX) && has_prefix(e[NFTA_SET_ELEM_KEY]))
			l->knows_us = true;
	}
}

/* All of a kind; of a table, and of a set in it, where these are said. */
static int list(struct look *l, int type, const struct table *t, const char *set,
                void (*see)(void *context, struct nlmsghdr *h))
{
	struct corral_nft_message m;

	corral_nft_message_begin(&m, type, NLM_F_DUMP, l->sequence++,
	                         t ? t->family : NFPROTO_UNSPEC, ROOM);
	/* NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE. */
	if (t)
		corral_nft_put_string(&m, NFTA_TABLE_NAME, t->name);
	if (set)
		corral_nft_put_string(&m, NFTA_SET_ELEM_LIST_SET, set);
	return corral_nft_message_ask(&m, l->fd, see, l);
}

static int table_look(struct look *l, const struct table *t)
{
	int r = list(l, NFT_MSG_GETRULE, t, NULL, rule_see);

	l->n_sets = 0;
	if (r == 0 && !l->knows_us)
		r = list(l, NFT_MSG_GETSET, t, NULL, set_see);
	for (size_t i = 0; r == 0 && i < l->n_sets && !l->knows_us; i++)
		r = list(l, NFT_MSG_GETSETELEM, t, l->sets[i], elements_see);
	return r;
}

/* 1: it is in the way. 0: it is not, or it cannot be told. */
static int in_the_way(struct look *l, const struct table *t)
{
	for (int i = 0; i < TRIES; i++) {
		int r;

		l->changed = l->full = l->knows_us = false;
		r = table_look(l, t);
		if (r < 0 || l->knows_us || l->full)
			return 0;
		if (!l->changed)
			return 1;
	}
	return 0;
}

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

int corral_net_firewall_look(const char *uplink, struct corral_error *err)
{
	corral_autofree struct look *l = calloc(1, sizeof(*l));
	corral_autofd int fd = -1;

	if (!l || corral_nft_open(&fd, NULL) < 0)
		return 0;
	l->fd = fd;
	l->sequence = 1;
	/* One that is listed twice, as the chains changed meanwhile, is judged twice. */
	if (list(l, NFT_MSG_GETCHAIN, NULL, NULL, chain_see) < 0)
		return 0;
	for (size_t i = 0; i < l->n_tables; i++) {
		const struct table *t = &l->tables[i];

		if (in_the_way(l, t) <= 0)
			continue;
		return corral_error_set(
		        err, EPERM,
		        "network 'bridge': the host's firewall (table %s %.40s) drops what is "
		        "forwarded: let sandboxes through: iptables -I FORWARD -i crl+ -o %.15s "
		        "-j ACCEPT; iptables -I FORWARD -o crl+ -m conntrack --ctstate "
		        "RELATED,ESTABLISHED -j ACCEPT",
		        family_name(t->family), t->name, uplink && *uplink ? uplink : "UPLINK");
	}
	return 0;
}
