/*
 * Into namespaces and back, for the doctor's steps: clone3 with the id map handshake of a launch.
 * Everything here runs in a child of a caller that may have threads: system calls only.
 */
#ifndef CORRAL_KERNEL_DOCTOR_ENTER_H
#define CORRAL_KERNEL_DOCTOR_ENTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "kernel/doctor_steps.h"

typedef void corral_doctor_inside(const struct corral_doctor_context *ctx,
                                  struct corral_doctor_outcome *out);

/* Runs inside() in a child with these CLONE_NEW* flags; CLONE_NEWUSER is added without privilege.
 */
void corral_doctor_enter(const struct corral_doctor_context *ctx, unsigned long flags,
                         corral_doctor_inside *inside, struct corral_doctor_outcome *out);

/* The same in a user namespace in which ids 0..65535 are a range of the host's. */
void corral_doctor_enter_range(const struct corral_doctor_context *ctx,
                               corral_doctor_inside *inside, struct corral_doctor_outcome *out);

/* A descriptor of a user namespace with such a range, or -1 with *out filled. */
int corral_doctor_open_range(const struct corral_doctor_context *ctx,
                             struct corral_doctor_outcome *out);

/* fork without libc's locks; the child dies with its parent. */
pid_t corral_doctor_fork(void);
/* The wait status of a child, or -1. */
int corral_doctor_reap(pid_t pid);
/* errno and the call that gave it. */
void corral_doctor_fail(struct corral_doctor_outcome *out, const char *call);

#endif
