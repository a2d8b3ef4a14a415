/*
 * Seccomp profiles: the OCI/moby JSON format in, classic BPF out. libseccomp compiles (binary
 * tree), and so does a tree over ranges of our own, which installs faster; an evaluator of our own
 * checks every decision of both, and the flatter of those that are true to the profile is used. The
 * result is cached by digest, since compiling costs milliseconds and loading does not. The built-in
 * profile is compiled when corral is built.
 *
 * What a profile means where its entries overlap: entries with args that match decide before
 * entries without, the more severe action before the milder, then the order of the file. Calls
 * without any entry get the default action.
 *
 * What a program does: foreign architectures die (SECCOMP_RET_KILL_PROCESS), numbers that the
 * profile's author could not know answer ENOSYS, known and denied ones EPERM, socket families
 * EAFNOSUPPORT, clone3 and openat2 ENOSYS.
 */
#ifndef CORRAL_POLICY_SECCOMP_H
#define CORRAL_POLICY_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_SECCOMP_INSNS_MAX 4096u /* the kernel's own ceiling, BPF_MAXINSNS */

struct corral_seccomp {
	struct sock_filter *insns; /* owned, unless builtin */
	uint16_t n_insns;
	bool builtin;
	char digest[65]; /* SHA-256 of the profile's text, lower-case hex */
	char name[64];   /* "default", or the file's base name */
};

/*
 * The built-in profile; costs nothing. caps: the capabilities the sandbox keeps (see
 * policy/caps.h); calls that a profile allows only with a capability (moby's "includes.caps") are
 * compiled in when it is kept, which for the default profile with added capabilities means a
 * compilation (or the cache).
 */
int corral_seccomp_default(uint64_t caps, const char *cache_dir, struct corral_seccomp *ret,
                           struct corral_error *err);

/* The built-in profile of what unpacks images (kernel/image/oci/unpack.h); costs nothing. */
void corral_seccomp_unpacking(struct corral_seccomp *ret);

/*
 * A profile from JSON text. name is for messages ("my.json"). cache_dir: NULL or a directory of the
 * caller's own; a cache entry is used only if it is a regular file owned by the caller, not
 * writable by others, whole and its own digest true; a directory that is missing or not the
 * caller's own means no cache. -EINVAL with the place for what is wrong:
 * unknown action, unknown syscall name ("syscalls[3].names[7]: no syscall 'opne'"; names that exist
 * only on other architectures are ignored as moby does), argument out of range.
 */
int corral_seccomp_load(const char *json, size_t len, const char *name, uint64_t caps,
                        const char *cache_dir, struct corral_seccomp *ret,
                        struct corral_error *err);

/*
 * Whether the program lets guest init do its work, which is behind it like every command. -EINVAL
 * with the name of the first call that it refuses.
 */
int corral_seccomp_check_needs(const struct corral_seccomp *s, struct corral_error *err);

void corral_seccomp_done(struct corral_seccomp *s);

/*
 * Holds the program against the profile: every call number from 0 to 1023 and beyond, every
 * architecture, boundary values of every argument that the profile looks at. 0, or -EBADMSG with
 * the first decision that differs.
 */
int corral_seccomp_verify(const char *json, size_t len, uint64_t caps,
                          const struct sock_filter *insns, size_t n_insns,
                          struct corral_error *err);

/* One refused call, explained: which rule of ours refused, and what would allow it. */
struct corral_denial_text {
	char call[96];    /* "bpf", "socket(AF_ALG)", "ioctl(TIOCSTI)", "clone(CLONE_NEWUSER)" */
	const char *rule; /* "kernel-surface", "namespaces", "socket-family", "terminal", ... static
	                     text */
	const char *remedy; /* "--seccomp FILE with a profile that allows bpf", ...; static text */
};
void corral_seccomp_explain(const struct seccomp_data *data, struct corral_denial_text *ret);

#ifdef __cplusplus
}
#endif

#endif
