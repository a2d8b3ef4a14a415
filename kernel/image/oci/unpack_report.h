/*
 * Inside kernel/image/oci: what corral-unpack said, believed as far as it is well formed.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_REPORT_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/image/oci/unpack/report.h"

struct corral_unpack_report {
	char partial[CORRAL_REPORT_RECORD_MAX]; /* of a record, so far */
	size_t len;
	uint64_t total;
	struct corral_buf gone;         /* the layer's file gone, in the making */
	struct corral_buf capabilities; /* "HEX:PATH", each ended by NUL */
	bool done;
	uint64_t entries;
	struct corral_error error; /* what it says went wrong; code 0: nothing */
};

/* Some more bytes. -EBADMSG: nobody of ours says such a thing. */
int corral_unpack_report_add(struct corral_unpack_report *r, const char *data, size_t len,
                             struct corral_error *err);
/* What it began to say and did not end, as text that can be printed: the words of whoever stopped
 * it from saying more. */
void corral_unpack_report_rest(const struct corral_unpack_report *r, char ret[128]);
void corral_unpack_report_done(struct corral_unpack_report *r);

#endif
