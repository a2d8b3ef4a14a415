/*
 * Inside corral-unpack: names as archives have them.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_NAME_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/image/oci/unpack/report.h"

#define NAME_SIZE (CORRAL_UNPACK_PATH_MAX + 1)

/*
 * The path relative to the root: without slashes in front, behind or twice, and without ".". "" is
 * the root. -EINVAL: has "..", is too long or too deep.
 */
int name_clean(const char *name, char ret[NAME_SIZE], struct corral_error *err);
/* In a message: printable, cut. */
const char *name_shown(const char *name, char shown[128]);
/* Whether the last component, or one before it, is one that layers keep for whiteouts. */
bool name_is_reserved(const char *component);

#endif
