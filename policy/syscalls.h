/*
 * System calls of this machine's native architecture by name and number: what libseccomp knows,
 * and the newer ones it does not know yet. "Known" is what the author of a profile could have
 * meant; a number that is not known answers ENOSYS, as an older kernel would.
 */
#ifndef CORRAL_POLICY_SYSCALLS_H
#define CORRAL_POLICY_SYSCALLS_H

#include <linux/audit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORRAL_SYSCALLS_MAX 1024u /* numbers from here on are never known */

#define CORRAL_X32_BIT 0x40000000u /* x86_64 only: the x32 ABI behind the same arch word */

#if defined(__x86_64__)
#define CORRAL_NATIVE_ARCH    AUDIT_ARCH_X86_64
#define CORRAL_NATIVE_NAME    "x86_64"
#define CORRAL_NATIVE_GO_NAME "amd64" /* what moby's includes.arches calls it */
#define CORRAL_NATIVE_SCMP    "SCMP_ARCH_X86_64"
#define CORRAL_NATIVE_HAS_X32 1
#elif defined(__aarch64__)
#define CORRAL_NATIVE_ARCH    AUDIT_ARCH_AARCH64
#define CORRAL_NATIVE_NAME    "aarch64"
#define CORRAL_NATIVE_GO_NAME "arm64"
#define CORRAL_NATIVE_SCMP    "SCMP_ARCH_AARCH64"
#define CORRAL_NATIVE_HAS_X32 0
#else
#error "corral runs on x86_64 and aarch64"
#endif

/*
 * The number, below CORRAL_SYSCALLS_MAX. -EOPNOTSUPP: a call, but of another architecture.
 * -ENOENT: no system call of that name anywhere.
 */
int corral_syscall_number(const char *name);

/* Copies the name of a known call into name (cut to size) and returns true; false: not known. */
bool corral_syscall_name(uint32_t nr, char *name, size_t size);

#endif
