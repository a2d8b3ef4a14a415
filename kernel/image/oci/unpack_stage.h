/*
 * Inside kernel/image/oci: one sandbox with corral-unpack in it, and the pipes to it.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_STAGE_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_STAGE_H

#include "kernel/image/oci/unpack.h"
#include "kernel/image/oci/unpack_report.h"

/* Where the tree is inside. */
#define CORRAL_UNPACK_GUEST_TREE "/workspace"

struct corral_unpack_stage {
	struct corral_sandbox *sandbox;
	int in_fd;     /* to its standard input; -1 once that is closed */
	int out_fd;    /* from its standard output, -1 without or once that ended */
	int report_fd; /* from its standard error, -1 once that ended */
	bool ended;
	struct corral_unpack_report report;
};

/* tree_path: what it may write to, or NULL: then its standard output is read. argv: of the program,
 * without its name. All descriptors of ours do not block. */
int corral_unpack_stage_open(struct corral_unpack_stage *s, const struct corral_unpack_options *o,
                             const char *tree_path, char *const *argv, uint64_t file_size_max,
                             struct corral_error *err);
void corral_unpack_stage_close(struct corral_unpack_stage *s);
/* Reads of the report what there is. */
int corral_unpack_stage_listen(struct corral_unpack_stage *s, struct corral_error *err);
/* Of one that has ended: 0, or what went wrong. */
int corral_unpack_stage_result(struct corral_unpack_stage *s, struct corral_error *err);

#endif
