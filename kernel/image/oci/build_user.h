/*
 * Inside kernel/image/oci: who an image's user is.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_USER_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_USER_H

#include <stdint.h>

#include "kernel/base/error.h"

struct build_user {
	uint32_t uid, gid;
	char home[256]; /* "" where nobody says */
};
/* text: "", "1000", "node", "1000:1000", "node:staff", by the passwd and group of the root. */
int build_user_find(int root_fd, const char *text, struct build_user *ret,
                    struct corral_error *err);

#endif
