/*
 * The doctor's attempts at what confines a process from within: no_new_privs, seccomp, Landlock, an
 * executable of sealed memory. For the table in kernel/doctor_steps.c.
 */
#ifndef CORRAL_KERNEL_DOCTOR_CONFINE_H
#define CORRAL_KERNEL_DOCTOR_CONFINE_H

#include "kernel/doctor_steps.h"

void corral_doctor_try_no_new_privs(const struct corral_doctor_context *ctx,
                                    struct corral_doctor_outcome *out);
void corral_doctor_try_seccomp(const struct corral_doctor_context *ctx,
                               struct corral_doctor_outcome *out);
void corral_doctor_try_listener(const struct corral_doctor_context *ctx,
                                struct corral_doctor_outcome *out);
/* Leaves the ABI in out->value. */
void corral_doctor_try_landlock(const struct corral_doctor_context *ctx,
                                struct corral_doctor_outcome *out);
void corral_doctor_try_memfd(const struct corral_doctor_context *ctx,
                             struct corral_doctor_outcome *out);

#endif
