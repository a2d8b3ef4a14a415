/* What corral says about itself: one line on stderr, whatever the text was made of. */
#ifndef CORRAL_TOOLS_MESSAGE_H
#define CORRAL_TOOLS_MESSAGE_H

#include "kernel/base/error.h"

/* Control characters, which would move a terminal's cursor, become '?'. */
void corral_text_clean(char *text);

/* "corral: text", cleaned, so that a hostile name stays one line. */
void corral_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for an error; returns the exit status of corral's own failures. */
int corral_complain(const struct corral_error *err);

/*
 * What one of us starts for itself hands its error on, so that it is told once, and where all else
 * is told (run's receipt): the variable names a file in memory, which the text goes to instead of
 * standard error. NULL: nobody listens.
 */
#define CORRAL_COMPLAINTS_FD "CORRAL_COMPLAINTS_FD"
void corral_complaints_hand_on(const char *fd_text);

#endif
