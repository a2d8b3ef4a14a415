/* Whom a runtime's commands run as where it says a name: what its root on this host says of it. */
#ifndef CORRAL_TOOLS_RUNTIME_ACCOUNT_H
#define CORRAL_TOOLS_RUNTIME_ACCOUNT_H

#include <stdint.h>

#include "kernel/image/store.h"
#include "policy/runtime.h"

struct corral_runtime_account {
	char user[300]; /* as the runtime says it */
	uint32_t guest_uid, guest_gid;
};

/*
 * As a native run would find it. images: NULL without a store. 1 with ret; 0 where there is nothing
 * to look up: the runtime says no name, an engine alone may run it, or its root is not here (yet),
 * which others tell. -EINVAL: there is none such.
 */
int corral_runtime_account_find(struct corral_image_store *images, const struct corral_runtime *rt,
                                struct corral_runtime_account *ret, struct corral_error *err);

#endif
