#include "kernel/network/helper/beyond.h"

#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/nft_words.h"

struct corral_prefix corral_net_prefix_translated(const struct corral_prefix *p)
{
	static const uint8_t well_known[12] = { 0, 0x64, 0xff, 0x9b };
	struct corral_prefix to = { .address.family = 6, .len = (uint8_t)(p->len + 96) };

	memcpy(to.address.bytes, well_known, sizeof(well_known));
	memcpy(to.address.bytes + sizeof(well_known), p->address.bytes, 4);
	return to;
}

static void refuse(struct corral_nft_batch *b, const char *chain, const struct corral_prefix *list,
                   size_t n, int family, bool translated, const struct corral_nft_term *verdict)
{
	corral_autofree struct corral_prefix *of = calloc(n + 1, sizeof(*of));
	size_t n_of = 0;

	if (!of) {
		b->buf.failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (list[i].address.family == family)
			of[n_of++] = translated ? corral_net_prefix_translated(&list[i]) : list[i];
	if (n_of)
		RULE(b, chain, TO_ONE_OF(of, n_of), *verdict);
}

void corral_net_prefixes_refuse(struct corral_nft_batch *b, const char *chain,
                                const struct corral_prefix *list, size_t n,
                                const struct corral_nft_term *verdict)
{
	refuse(b, chain, list, n, 4, false, verdict);
	refuse(b, chain, list, n, 6, false, verdict);
	refuse(b, chain, list, n, 4, true, verdict);
}

void corral_net_beyond_refuse(struct corral_nft_batch *b, const char *chain,
                              const struct corral_nft_term *verdict)
{
	static const struct corral_prefix mapped = {
		.address = { .family = 6, .bytes = { [10] = 0xff, [11] = 0xff } },
		.len = 96,
	};
	struct corral_prefix fixed[16];
	size_t n = 0;

	while (n < CORRAL_COUNT(fixed) && corral_egress_beyond_at(n, &fixed[n]))
		n++;
	corral_net_prefixes_refuse(b, chain, fixed, n, verdict);
	RULE(b, chain, TO(&mapped), *verdict);
}
