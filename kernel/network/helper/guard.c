#include "kernel/network/helper/guard.h"

#include <errno.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/beyond.h"
#include "kernel/network/helper/filter.h"
#include "kernel/network/helper/host.h"
#include "kernel/network/helper/nft.h"
#include "kernel/network/helper/pasta.h"

#define MARK_OWN_TEXT "0x636f7273"

_Static_assert(CORRAL_FILTER_MARK_OWN == 0x636f7273u, "the resolver's mark");

int corral_net_guard_compose(struct corral_buf *ret, struct corral_error *err)
{
	corral_autofree struct corral_prefix *own = NULL;
	char text[CORRAL_ADDRESS_TEXT_SIZE];
	size_t n = 0;
	int r = corral_net_host_own(&own, &n, err);

	if (r < 0)
		return r;
	/* After the rules of an allowlist, which know what they refused. */
	corral_buf_str(
	        ret, "table inet corral-guard {\n chain out { type filter hook output "
	             "priority 10; policy accept;\n  oifname \"lo\" accept\n"
	             /* Only the resolver asks there, within its limits; no guest may set a mark. */
	             "  meta mark " MARK_OWN_TEXT " ip daddr " CORRAL_NET_PASTA_DNS
	             " udp dport 53 accept\n"
	             /* Neighbours are found by it. */
	             "  icmpv6 type { 133, 134, 135, 136 } accept\n");
	corral_net_beyond_refuse(ret, "reject with icmpx admin-prohibited");
	for (size_t i = 0; i < n; i++)
		corral_buf_fmt(ret, "  %s daddr %s reject with icmpx admin-prohibited\n",
		               own[i].address.family == 4 ? "ip" : "ip6",
		               corral_prefix_text(&own[i], text));
	corral_buf_str(ret, " }\n}\n");
	return ret->failed ? corral_error_set(err, ENOMEM, "network: out of memory") : 0;
}

int corral_net_guard_open(const struct corral_buf *rules, struct corral_error *err)
{
	corral_auto(corral_nft_freep) struct corral_nft *nft = NULL;
	int r = corral_nft_new(&nft, err);

	if (r == 0)
		r = corral_nft_run(nft, rules->data, err);
	return r < 0 ? corral_error_wrap(err, r, "keep the sandbox from the host's own services")
	             : 0;
}
