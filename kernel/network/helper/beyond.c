#include "kernel/network/helper/beyond.h"

#include <string.h>

#include "kernel/base/cleanup.h"

void corral_net_prefix_put(struct corral_buf *b, const struct corral_prefix *p, bool translated)
{
	static const uint8_t well_known[12] = { 0, 0x64, 0xff, 0x9b };
	struct corral_prefix to = *p;
	char text[CORRAL_ADDRESS_TEXT_SIZE];

	if (translated) {
		to = (struct corral_prefix) { .address.family = 6, .len = (uint8_t)(p->len + 96) };
		memcpy(to.address.bytes, well_known, sizeof(well_known));
		memcpy(to.address.bytes + 12, p->address.bytes, 4);
	}
	corral_buf_str(b, corral_prefix_text(&to, text));
}

static void refuse(struct corral_buf *b, const struct corral_prefix *list, size_t n, int family,
                   bool translated, const char *verdict)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (list[i].address.family != (translated ? 4 : family))
			continue;
		corral_buf_str(b, any ? ", " : family == 4 ? "ip daddr { " : "ip6 daddr { ");
		any = true;
		corral_net_prefix_put(b, &list[i], translated);
	}
	if (any)
		corral_buf_fmt(b, " } %s\n", verdict);
}

void corral_net_prefixes_refuse(struct corral_buf *b, const struct corral_prefix *list, size_t n,
                                const char *verdict)
{
	refuse(b, list, n, 4, false, verdict);
	refuse(b, list, n, 6, false, verdict);
	refuse(b, list, n, 6, true, verdict);
}

void corral_net_beyond_refuse(struct corral_buf *b, const char *verdict)
{
	struct corral_prefix fixed[16];
	size_t n = 0;

	while (n < CORRAL_COUNT(fixed) && corral_egress_beyond_at(n, &fixed[n]))
		n++;
	corral_net_prefixes_refuse(b, fixed, n, verdict);
	corral_buf_fmt(b, "ip6 daddr ::ffff:0:0/96 %s\n", verdict);
}
