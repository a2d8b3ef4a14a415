/* A bucket that fills with time: so many in the long run, and twice a second's worth at once. */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_RATE_H
#define CORRAL_KERNEL_NETWORK_HELPER_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct corral_net_rate {
	uint32_t per_second;
	uint64_t tokens, at_ms; /* thousandths of one */
};

static inline void corral_net_rate_init(struct corral_net_rate *r, uint32_t per_second,
                                        uint64_t now_ms)
{
	*r = (struct corral_net_rate) { per_second, 2000ull * per_second, now_ms };
}

/* Whether one more is allowed, which it then was. */
static inline bool corral_net_rate_take(struct corral_net_rate *r, uint64_t now_ms)
{
	const uint64_t full = 2000ull * r->per_second;

	r->tokens += (now_ms - r->at_ms) * r->per_second;
	r->at_ms = now_ms;
	if (r->tokens > full)
		r->tokens = full;
	if (r->tokens < 1000)
		return false;
	r->tokens -= 1000;
	return true;
}

#endif
