/*
 * Inside kernel/image/oci: how many builds of a store run at once. Each holds one of the files
 * build-slot-N locked as long as its commands may run: together they are not to take the host.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_SLOT_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_SLOT_H

#include "kernel/image/oci/progress.h"

struct build_slot {
	int fd; /* locked */
};
#define BUILD_SLOT_INIT \
	{               \
		-1      \
	}

/* Waits for one of n (0: as many as is usual), and says so every few seconds. -ECANCELED,
 * -ETIMEDOUT. */
int build_slot_take(const char *store_path, unsigned int n, const struct corral_progress *progress,
                    uint64_t deadline_ms, struct build_slot *ret, struct corral_error *err);
void build_slot_give(struct build_slot *s);
/* What one of n may have of this host's memory: three quarters are for all of them. */
uint64_t build_slot_memory(unsigned int n);

#endif
