/* The profile of what unpacks images: its program comes out of the build, as the default one. */
#include <stdio.h>

#include "policy/seccomp.h"
#include "policy/seccomp_builtin.h"

void corral_seccomp_unpacking(struct corral_seccomp *ret)
{
	*ret = (struct corral_seccomp) {
		/* Never written to: corral_seccomp_done() leaves builtin programs alone. */
		.insns = (struct sock_filter *)(uintptr_t)corral_seccomp_unpack,
		.n_insns = corral_seccomp_unpack_n,
		.builtin = true,
		.name = "unpack",
	};
	(void)snprintf(ret->digest, sizeof(ret->digest), "%s", corral_seccomp_unpack_digest);
}
