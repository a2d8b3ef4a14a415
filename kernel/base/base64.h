/* Base64 with padding (RFC 4648, section 4). */
#ifndef CORRAL_KERNEL_BASE_BASE64_H
#define CORRAL_KERNEL_BASE_BASE64_H

#include <stddef.h>

#include "kernel/base/buf.h"

/* Appends the text; b->failed when memory ran out. */
void corral_base64_encode(struct corral_buf *b, const void *data, size_t len);

/* Appends the bytes: strict, but for white space. 0, or -EINVAL without a text. */
int corral_base64_decode(const char *text, size_t len, struct corral_buf *ret);

#endif
