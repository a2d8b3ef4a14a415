#include "kernel/network/helper/guard.h"

#include <arpa/inet.h>

#include "kernel/network/helper/beyond.h"
#include "kernel/network/helper/filter.h"
#include "kernel/network/helper/host.h"
#include "kernel/network/helper/nft_words.h"
#include "kernel/network/helper/pasta.h"

void corral_net_guard_rules(const struct corral_prefix *own, size_t n, struct corral_nft_batch *b)
{
	struct corral_prefix resolver = { .address.family = 4, .len = 32 };

	(void)inet_pton(AF_INET, CORRAL_NET_PASTA_DNS, resolver.address.bytes);
	corral_nft_batch_begin(b, "corral-guard", 1);
	corral_nft_table_add(b, 0);
	/* After the rules of an allowlist, which know what they refused. */
	corral_nft_chain_hook(b, "out", "filter", NF_INET_LOCAL_OUT, 10, NF_ACCEPT);
	RULE(b, "out", IS_LINK(OIFNAME, "lo"), ACCEPT);
	/* Only the resolver asks there, within its limits; no guest may set a mark. */
	RULE(b, "out", IS(MARK, CORRAL_FILTER_MARK_OWN), TO(&resolver), IS(L4PROTO, IPPROTO_UDP),
	     IS(DPORT, 53), ACCEPT);
	/* Neighbours are found by it. */
	RULE(b, "out", ONE_OF(ICMP6_TYPE, 133, 134, 135, 136), ACCEPT);
	corral_net_beyond_refuse(b, "out", &PROHIBIT);
	for (size_t i = 0; i < n; i++)
		RULE(b, "out", TO(&own[i]), PROHIBIT);
}

int corral_net_guard_compose(struct corral_nft_batch *ret, struct corral_error *err)
{
	corral_autofree struct corral_prefix *own = NULL;
	size_t n = 0;
	int r = corral_net_host_own(&own, &n, err);

	if (r == 0)
		corral_net_guard_rules(own, n, ret);
	return r;
}

int corral_net_guard_open(struct corral_nft_batch *rules, struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r = corral_nft_open(&fd, err);

	if (r == 0)
		r = corral_nft_batch_send(rules, fd, err);
	return r < 0 ? corral_error_wrap(err, r, "keep the sandbox from the host's own services")
	             : 0;
}
