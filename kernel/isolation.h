/*
 * What policy/isolation.h wants to know of native isolation, found by doing: for one runtime, on
 * this host.
 */
#ifndef CORRAL_KERNEL_ISOLATION_H
#define CORRAL_KERNEL_ISOLATION_H

#include "kernel/image/store.h"
#include "kernel/sandbox.h"
#include "policy/isolation.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_isolation_look {
	/* Its texts are those below; docker is left false, for whoever has an engine. */
	struct corral_isolation_facts facts;
	char native_why[CORRAL_ERROR_TEXT_SIZE], rootfs_why[CORRAL_ERROR_TEXT_SIZE],
	        limits_why[CORRAL_ERROR_TEXT_SIZE];
};

/*
 * Makes a sandbox, and more of them only where that fails: with the host's own root, and what the
 * runtime says of network, ids and limits. Its root is looked for, and its mounts are not tried:
 * what is wrong with those is no matter of the host's. Where its root cannot be had, nothing is
 * made. launcher: NULL where none could be opened, for which trouble is the reason. images: where
 * runtimes' images are; NULL: nowhere.
 */
void corral_isolation_look(struct corral_launcher *launcher, const struct corral_error *trouble,
                           struct corral_image_store *images, const struct corral_runtime *rt,
                           struct corral_isolation_look *ret);

#ifdef __cplusplus
}
#endif

#endif
