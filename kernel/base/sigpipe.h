/*
 * Writing where the reader may be gone, without the signal that ends a process: for libraries,
 * which may not ignore SIGPIPE for whoever uses them, and for pipes and TLS, which have no
 * MSG_NOSIGNAL. Of the calling thread alone.
 */
#ifndef CORRAL_KERNEL_BASE_SIGPIPE_H
#define CORRAL_KERNEL_BASE_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct corral_sigpipe {
	sigset_t before;
	bool is_held;
};

/* Until the release, what would raise SIGPIPE is EPIPE alone. Both leave errno as it is. */
void corral_sigpipe_hold(struct corral_sigpipe *s);
void corral_sigpipe_release(const struct corral_sigpipe *s);

#endif
