/* Base64 with padding (RFC 4648, section 4). */
#ifndef CORRAL_KERNEL_BASE_BASE64_H
#define CORRAL_KERNEL_BASE_BASE64_H

#include <stddef.h>

#include "kernel/base/buf.h"

/* Appends the text; ret->failed when memory ran out. */
void corral_base64_encode(struct corral_buf *ret, const void *data, size_t len);

/* Appends the bytes. -EINVAL: a character that is none of it, or a length that cannot be; -ENOMEM.
 */
int corral_base64_decode(struct corral_buf *ret, const char *text, size_t len);

#endif
