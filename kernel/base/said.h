/*
 * What somebody hostile said, made fit to be shown to people.
 */
#ifndef CORRAL_KERNEL_BASE_SAID_H
#define CORRAL_KERNEL_BASE_SAID_H

#include <stddef.h>

#include "kernel/base/buf.h"

/*
 * Appends the text as one line of at most max bytes: valid UTF-8, blanks for whatever separates
 * lines or words, "?" for other control characters, without blanks at its ends; "..." when it had
 * to be cut. b->failed when memory ran out.
 */
void corral_said(struct corral_buf *b, const char *text, size_t len, size_t max);

#endif
