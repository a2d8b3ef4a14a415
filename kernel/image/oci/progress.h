/*
 * How something long goes on. Called by one thread at a time, not more than some times a second for
 * one name.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_PROGRESS_H
#define CORRAL_KERNEL_IMAGE_OCI_PROGRESS_H

#include <stdint.h>

#include "kernel/image/bounds.h"

struct corral_progress {
	/* what: "4f4fb700ef54" (a layer), "manifest", a line of a build's output; doing: static,
	 * "wait", "other" (another fetches it: bytes are what that has), "download", "unpack",
	 * "there", "done", "log"; bytes: 0 where they are not known.
	 * Not 0 cancels (-ECANCELED). Text is printable. */
	int (*tell)(void *ctx, const char *what, const char *doing, uint64_t current,
	            uint64_t total);
	void *ctx;
};

/* The same as a tick: -ECANCELED when it says so. */
struct corral_progress_tick {
	const struct corral_progress *progress; /* or NULL */
	const char *what, *doing;
};
int corral_progress_tick(void *ctx, struct corral_error *err);

/* Of what is said in a line of its own; not 0 cancels. progress may be NULL. */
int corral_progress_say(const struct corral_progress *p, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

#endif
