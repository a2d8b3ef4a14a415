/*
 * Outcomes made into rows: what was seen, what is lost, why, and the line that mends it; and the
 * rows that are only looked at. For kernel/doctor.c alone.
 */
#ifndef CORRAL_KERNEL_DOCTOR_REASON_H
#define CORRAL_KERNEL_DOCTOR_REASON_H

#include "kernel/cgroup.h"
#include "kernel/doctor.h"
#include "kernel/doctor_steps.h"

/* userns: the row of the user namespace, which others without privilege depend on; NULL for that
 * row itself. */
void corral_doctor_tell_step(const struct corral_doctor_context *ctx,
                             const struct corral_doctor_step *step,
                             const struct corral_doctor_outcome *out,
                             const struct corral_doctor_row *userns, struct corral_doctor_row *ret);

/* Rows "kernel" and "caller". */
void corral_doctor_tell_host(const struct corral_doctor_context *ctx, struct corral_doctor *d);
/* Rows "cgroup" and one for each limit that needs one. cg may be NULL.
 * trouble: why there is none, or why no group could be made; NULL without trouble. */
void corral_doctor_tell_cgroup(const struct corral_cgroup_host *cg, const char *trouble,
                               struct corral_doctor *d);
/* What of the kernel is open to everybody on this host, corral or not. */
void corral_doctor_tell_surface(const struct corral_doctor_context *ctx, struct corral_doctor *d);

/* The next free row, cleared and named. */
struct corral_doctor_row *corral_doctor_add(struct corral_doctor *d, const char *name,
                                            enum corral_doctor_status status);

#endif
