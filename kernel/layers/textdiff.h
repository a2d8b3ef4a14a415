/*
 * The difference of two texts, line by line, as `diff -u` has it: the hunks, without a head.
 */
#ifndef CORRAL_KERNEL_LAYERS_TEXTDIFF_H
#define CORRAL_KERNEL_LAYERS_TEXTDIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/buf.h"

/* Lines that may come and go for the difference to be looked for; beyond that what lies between the
 * first and the last different line is told as replaced. Time and memory are its square. */
#define CORRAL_TEXTDIFF_EDITS_MAX 1000

/* UTF-8 without NUL: what people read. */
bool corral_textdiff_is_text(const char *data, size_t len);

/* Appends the hunks, with three lines around; nothing where both are the same. -ENOMEM. */
int corral_textdiff(const char *before, size_t before_len, const char *after, size_t after_len,
                    struct corral_buf *out);

#endif
