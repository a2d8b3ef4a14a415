/*
 * The signals that corral hands on to the command instead of dying of them. Taken before anything
 * is built, so that an interrupt at any moment still leaves nothing behind.
 */
#ifndef CORRAL_TOOLS_SIGNALS_H
#define CORRAL_TOOLS_SIGNALS_H

#include "kernel/base/error.h"

struct corral_signals {
	int fd; /* readable when one is waiting; -1 when empty */
};

/*
 * Blocks and collects them. Those that were ignored when corral started stay ignored (nohup(1)
 * means it), for the command as well. SIGPIPE becomes an error of write().
 */
int corral_signals_open(struct corral_signals *s, struct corral_error *err);
void corral_signals_close(struct corral_signals *s);

/* The next one, or 0 when none is waiting. */
int corral_signals_next(struct corral_signals *s);

#endif
