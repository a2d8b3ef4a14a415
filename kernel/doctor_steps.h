/*
 * The steps that the doctor tries, as a table: each a function that runs in a child of its own,
 * does the step for real and says which call failed. For kernel/doctor.c alone.
 */
#ifndef CORRAL_KERNEL_DOCTOR_STEPS_H
#define CORRAL_KERNEL_DOCTOR_STEPS_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/doctor.h"
#include "kernel/host.h"
#include "kernel/host_facts.h"

/* Travels from the child to the doctor through a pipe; the texts are literals, which a forked child
 * has at the same addresses. */
struct corral_doctor_outcome {
	int code;         /* errno; 0 when it works */
	const char *call; /* what failed: "mount(overlay)"; NULL when it works */
	const char *what; /* overrides the step's own key into corral_host_reason(); NULL */
	int64_t value;    /* for steps that find a number */
};

struct corral_doctor_context {
	struct corral_host host;
	struct corral_host_facts facts;
	bool privileged;
	int cgroup_fd; /* an empty group of ours on the v2 tree, -1 without */
	char runtime_dir[64];
};

enum corral_doctor_step_flags {
	CORRAL_DOCTOR_IN_USERNS = 1u << 0, /* without privilege it needs a user namespace first */
	CORRAL_DOCTOR_SKIP_USER = 1u << 1, /* only tried with privilege */
};

struct corral_doctor_step {
	const char *name;                 /* of the row */
	const char *what;                 /* key into corral_host_reason() */
	enum corral_doctor_status failed; /* the row's status when it does not work */
	unsigned int flags;
	const char *lost;
	/* In a child: only system calls and what signal-safety(7) allows. Fills *out when it fails.
	 */
	void (*attempt)(const struct corral_doctor_context *ctx, struct corral_doctor_outcome *out);
};

extern const struct corral_doctor_step corral_doctor_steps[];
extern const size_t corral_doctor_step_count;

#endif
