/*
 * The built-in profile: its program comes out of the build (seccomp_compile_main.c), which is why
 * this file alone is no part of what that build tool links.
 */
#include "policy/seccomp.h"

#include <stdio.h>

#include "policy/seccomp_builtin.h"

int corral_seccomp_default(uint64_t caps, const char *cache_dir, struct corral_seccomp *ret,
                           struct corral_error *err)
{
	/* Capabilities that no entry of the profile asks for change nothing. */
	if (caps & corral_seccomp_builtin_caps)
		return corral_seccomp_load(corral_seccomp_builtin_json,
		                           corral_seccomp_builtin_json_len, "default", caps,
		                           cache_dir, ret, err);
	*ret = (struct corral_seccomp) {
		/* Never written to: corral_seccomp_done() leaves builtin programs alone. */
		.insns = (struct sock_filter *)(uintptr_t)corral_seccomp_builtin,
		.n_insns = corral_seccomp_builtin_n,
		.builtin = true,
		.name = "default",
	};
	(void)snprintf(ret->digest, sizeof(ret->digest), "%s", corral_seccomp_builtin_digest);
	return 0;
}
