/*
 * The fence around a process that reads what a guest sends, from when all is set up: no new
 * privileges, no capability but those named, an empty bounding set, no file by any name (Landlock,
 * where the kernel has it), small limits, and the few system calls of policy/profiles/relay.json.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_CONFINE_H
#define CORRAL_KERNEL_NETWORK_HELPER_CONFINE_H

#include <stdint.h>

#include "kernel/base/error.h"

/* What a sandbox's published ports and questions take at most, and some. */
#define CORRAL_NET_FDS_MAX 16384

/* All but the system calls, which are the whole process' matter; caps: those that are kept, one bit
 * each. For each thread. */
int corral_net_confine_thread(uint64_t caps, struct corral_error *err);
/* The same and the system calls, of every thread of the process. */
int corral_net_confine(uint64_t caps, struct corral_error *err);
/* As many descriptors as the hard limit allows, of those: a process is told that it may have more
 * by its soft limit alone. */
void corral_net_fds_raise(void);

#endif
