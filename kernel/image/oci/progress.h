/*
 * How something long goes on. Called by one thread at a time, not more than some times a second for
 * one name.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_PROGRESS_H
#define CORRAL_KERNEL_IMAGE_OCI_PROGRESS_H

#include <stdint.h>

struct corral_progress {
	/* what: "4f4fb700ef54" (a layer), "manifest", a line of a build's output; doing: static,
	 * "wait", "download", "unpack", "there", "done", "log"; bytes: 0 where they are not known.
	 * Not 0 cancels (-ECANCELED). Text is printable. */
	int (*tell)(void *ctx, const char *what, const char *doing, uint64_t current,
	            uint64_t total);
	void *ctx;
};

#endif
