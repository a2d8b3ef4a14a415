/*
 * Digests of blobs and layers: "sha256:" and 64 hex digits.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_DIGEST_H
#define CORRAL_KERNEL_IMAGE_OCI_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/image/bounds.h"

#define CORRAL_DIGEST_SIZE 72 /* with its NUL */

bool corral_digest_is_valid(const char *text);

struct corral_digest; /* one in the making */
int corral_digest_new(struct corral_digest **ret, struct corral_error *err);
void corral_digest_free(struct corral_digest *d);
static inline void corral_digest_freep(struct corral_digest **d)
{
	corral_digest_free(*d);
}
void corral_digest_add(struct corral_digest *d, const void *data, size_t len);
/* The rest of a file from its offset; *ret_size (may be NULL) is how much that was. tick (or NULL)
 * is called between its parts. */
int corral_digest_add_fd(struct corral_digest *d, int fd, const struct corral_image_tick *tick,
                         uint64_t *ret_size, struct corral_error *err);
/* "sha256:..."; nothing may be added afterwards. "", which equals no digest, where libcrypto ran
 * out of memory. */
void corral_digest_end(struct corral_digest *d, char ret[CORRAL_DIGEST_SIZE]);
/* The same of some bytes. */
void corral_digest_of(const void *data, size_t len, char ret[CORRAL_DIGEST_SIZE]);

#endif
