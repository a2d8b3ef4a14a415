/*
 * Why this host refused a step, and the line that mends it: the sentences behind the errors of a
 * launch and the rows of `corral doctor`. Decided from errno and facts, never from the text of
 * somebody's message.
 */
#ifndef CORRAL_KERNEL_HOST_REASON_H
#define CORRAL_KERNEL_HOST_REASON_H

#include <stddef.h>

#include "kernel/host_facts.h"

/*
 * what: the step that failed: "user-namespace", "mount-namespace", "pid-namespace",
 * "ipc-namespace", "uts-namespace", "cgroup-namespace", "network-namespace", "network-helper",
 * "network-forwarding", "network-pasta", "network-tun", "id-map", "newuidmap", "mount",
 * "mount-proc", "overlay", "id-mapped", "devpts", "mqueue", "pivot-root", "mount-api",
 * "mount-setattr", "openat2", "clone3", "clone-into-cgroup", "seccomp", "user-notification",
 * "landlock", "keyring", "no-new-privs", "memfd-exec". code: its errno, positive. Both texts are
 * always terminated, and empty when the cause is not known; a remedy is a line to type or to add.
 */
void corral_host_reason(const struct corral_host_facts *f, const char *what, int code, char *why,
                        size_t why_size, char *remedy, size_t remedy_size);

/* The same from the facts of this moment; reads about a dozen files. */
void corral_host_explain(const char *what, int code, char *why, size_t why_size, char *remedy,
                         size_t remedy_size);

#endif
