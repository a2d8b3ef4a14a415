/*
 * Paths inside a sandbox, as somebody writes them: checked and normalised as text. Nothing here
 * looks at a file system; what the path meets inside is the kernel's question.
 */
#ifndef CORRAL_POLICY_GUEST_PATH_H
#define CORRAL_POLICY_GUEST_PATH_H

#include <stdbool.h>

#include "kernel/base/error.h"

/*
 * Absolute, without "..", control characters, doubled or trailing slashes and "."; at most 4095
 * bytes. *ret is the caller's to free. -EINVAL says what is wrong and names the path.
 */
int corral_guest_path_normalise(const char *path, char **ret, struct corral_error *err);

/* Whether path is dir or lies below it; both normalised. */
bool corral_guest_path_within(const char *path, const char *dir);

/*
 * -EINVAL for places that corral itself owns: the root, and /proc, /sys, /dev with everything
 * below. allow_shm lets /dev/shm through.
 */
int corral_guest_path_free(const char *path, bool allow_shm, struct corral_error *err);

#endif
