/*
 * Inside kernel/image/oci: the same image is not built twice at the same moment, whoever asks for
 * it: threads of one process or several. The turn is a locked file of the store's partial/, which
 * is gone when it is over, and holds meanwhile why a build failed, for those who waited for it.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_ONCE_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_ONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/image/oci/progress.h"

struct build_turn {
	char *path;
	int fd;
	bool waited; /* somebody else had it before */
};

/*
 * Waits until nobody else has it. Whoever had it may have left the image, so look for that with the
 * turn; or failed, which is this one's failure then. -ECANCELED, -ETIMEDOUT (deadline_ms:
 * corral_now_ms()).
 */
int build_turn_take(const char *path, const char *tag, const struct corral_progress *progress,
                    uint64_t deadline_ms, struct build_turn *ret, struct corral_error *err);
/* r, failure: what came of it. One that was given up (-ECANCELED, -ETIMEDOUT) is nobody else's; nor
 * is that of a limit or of the disk, since others may have larger ones. */
void build_turn_end(struct build_turn *t, int r, const struct corral_error *failure);

#endif
