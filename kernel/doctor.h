/*
 * What works here, what does not, why, and the line that mends it: every step of a launch tried for
 * real, each in a child of its own with a deadline, within a second in all.
 */
#ifndef CORRAL_KERNEL_DOCTOR_H
#define CORRAL_KERNEL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum corral_doctor_status {
	CORRAL_DOCTOR_OK,
	CORRAL_DOCTOR_DEGRADED, /* runs without it; `lost` says what that costs */
	CORRAL_DOCTOR_MISSING,  /* native isolation is impossible without it */
	CORRAL_DOCTOR_INFO,
};

struct corral_doctor_row {
	const char *name; /* stable word: "user-namespaces", "overlay", "cgroup-memory" */
	enum corral_doctor_status status;
	char found[200]; /* what was seen: "works", "EPERM from clone3(CLONE_NEWUSER)" */
	char lost[200];  /* what is lost without it; empty when ok */
	char why[240]; /* the cause: AppArmor's rule, an outer seccomp filter, a sysctl; empty when
	                  ok or unknown */
	char remedy[280]; /* the exact line to type or to add; empty when ok */
};

#define CORRAL_DOCTOR_ROWS_MAX 48

struct corral_doctor {
	struct corral_doctor_row rows[CORRAL_DOCTOR_ROWS_MAX];
	size_t n_rows;
	bool native_possible;
	unsigned int took_ms;
};

/* Never fails: what could not be tried is a row. Leaves nothing behind. */
void corral_doctor_run(struct corral_doctor *ret);

#ifdef __cplusplus
}
#endif

#endif
