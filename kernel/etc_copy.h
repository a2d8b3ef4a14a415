/*
 * What corral_etc_scan() found of the host's /etc, copied into the layer that composed roots begin
 * with. Files of the host itself would be one file to every sandbox: a lock (flock(2)) or a watch
 * (inotify(7)) of one guest's would meet the others', and a watch on the loader's cache tell it of
 * each program that the host starts.
 */
#ifndef CORRAL_KERNEL_ETC_COPY_H
#define CORRAL_KERNEL_ETC_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/etc.h"

struct corral_etc_copy {
	uint32_t has;    /* bit i: etc->bind[i] is in the copy, whole */
	uint64_t digest; /* of names, modes, owners and contents */
	/* What was read, a line each as corral_etc_sources_same() takes them: as long as none of it
	 * changes, neither does the copy. */
	struct corral_buf sources;
	bool is_settled; /* false: something had changed just before, and its time tells no more */
};

/*
 * Below root_fd, each path at the same place, whose parents are made. What is too large, or changes
 * meanwhile, or holds what is neither file, link nor directory, is not there or not whole, and its
 * bit is not set. -errno when nothing could be written. ret is the caller's to end.
 */
int corral_etc_copy(int root_fd, const struct corral_etc *etc, struct corral_etc_copy *ret,
                    struct corral_error *err);
void corral_etc_copy_done(struct corral_etc_copy *c);

/* Whether the host's files are still what they were: some forty stats. */
bool corral_etc_sources_same(const char *sources);

#endif
