/*
 * An evaluator for the classic BPF that seccomp uses, of our own: the second opinion on what
 * libseccomp emitted, and guest init's way to find the errno of a refused call. Understands what
 * seccomp allows (seccomp(2)); everything else evaluates to KILL_PROCESS, as the kernel would not
 * have loaded it. Freestanding: no libc calls.
 */
#ifndef CORRAL_KERNEL_BASE_BPF_H
#define CORRAL_KERNEL_BASE_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* The action (SECCOMP_RET_*, with its data) for this call. */
uint32_t corral_bpf_eval(const struct sock_filter *insns, size_t n,
                         const struct seccomp_data *data);

#endif
