/*
 * Inside the directory of sandboxes: reading all records of it.
 */
#ifndef CORRAL_TOOLS_SANDBOXES_SCAN_H
#define CORRAL_TOOLS_SANDBOXES_SCAN_H

#include "tools/sandboxes.h"

enum corral_scan_flags {
	CORRAL_SCAN_LIVE = 1u << 0,
	CORRAL_SCAN_DEAD = 1u << 1,
	CORRAL_SCAN_CLEAN = 1u << 2, /* removes what dead ones left; with the directory locked */
};

/* Records of those kinds, the oldest first. *ret_stale, if not NULL: there is something to be
 * cleaned. */
int corral_sandboxes_scan(const struct corral_sandboxes *s, unsigned int flags,
                          struct corral_record **ret, size_t *ret_n, bool *ret_stale,
                          struct corral_error *err);

#endif
