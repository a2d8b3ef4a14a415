/*
 * Which addresses are open, for which ports, until when and as whose: what the filter of network
 * "allow" remembers. Pure.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_LEASES_H
#define CORRAL_KERNEL_NETWORK_HELPER_LEASES_H

#include <stddef.h>
#include <stdint.h>

#include "policy/egress.h"

/* Open at a time: names that resolve to more are refused. */
#define CORRAL_FILTER_LEASES_MAX 1024

/* One address for one set of ports, whichever names it was asked for under. Kept beyond its end
 * while there is room, for the ledger's names. */
struct corral_lease {
	struct corral_address address;
	uint8_t set;
	uint64_t until_ms;
	char *name; /* of the first of them */
};

struct corral_leases {
	struct corral_lease *list;
	size_t n, size;
};

void corral_leases_done(struct corral_leases *l);
struct corral_lease *corral_leases_find(const struct corral_leases *l,
                                        const struct corral_address *a, unsigned int set);
/*
 * A place for one more, that of the one which ended first where there is no other: nobody else gets
 * it before corral_leases_settle(). -ENOSPC when all are still open, -ENOMEM.
 */
int corral_leases_take(struct corral_leases *l, const struct corral_address *a, unsigned int set,
                       const char *name, uint64_t now_ms);
/* It is open until then, or longer where it was; 0: it could not be opened. */
void corral_leases_settle(struct corral_leases *l, const struct corral_address *a, unsigned int set,
                          uint64_t until_ms);
/* The latest name that the address was opened as, or NULL. */
const char *corral_leases_name(const struct corral_leases *l, const struct corral_address *a);

#endif
