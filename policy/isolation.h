/*
 * How the sandboxes of a runtime are contained on this host: natively, or by a Docker engine. Pure:
 * what the host can do comes as facts, so that the choice can be tested over a table of hosts.
 */
#ifndef CORRAL_POLICY_ISOLATION_H
#define CORRAL_POLICY_ISOLATION_H

#include <stdbool.h>

#include "kernel/base/error.h"
#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Texts are sentences without a full stop, borrowed; NULL where the answer is yes. */
struct corral_isolation_facts {
	bool native;        /* this host contains a sandbox with every fence that it is to have */
	bool native_weaker; /* with fewer, which takes the runtime's allow_weaker */
	const char *native_why; /* why not */
	bool rootfs;            /* its root filesystem can be had natively */
	const char *rootfs_why;
	bool limits; /* the limits that it names are enforced natively */
	const char *limits_why;
	bool docker; /* an engine answers */
	const char *docker_why;
};

struct corral_isolation_choice {
	enum corral_isolation isolation; /* never AUTO */
	bool weaker;                     /* native, with fewer fences */
	char reason[512];                /* one sentence, for people */
};

/* Whether a sandbox of it can be had in that way, and with fewer fences; *ret_why (set when not,
 * may be NULL) is a sentence without a full stop, static or the facts'. */
bool corral_isolation_native(const struct corral_runtime *rt,
                             const struct corral_isolation_facts *facts, bool *ret_weaker,
                             const char **ret_why);
bool corral_isolation_docker(const struct corral_runtime *rt,
                             const struct corral_isolation_facts *facts, const char **ret_why);

/*
 * isolation "native" and "docker" are taken at their word, and fail with the reason where that is
 * impossible. "auto" is native when the host can contain that runtime at the level that its policy
 * demands, and has its root filesystem; else Docker; else -EOPNOTSUPP with both reasons in one
 * sentence.
 */
int corral_isolation_choose(const struct corral_runtime *rt,
                            const struct corral_isolation_facts *facts,
                            struct corral_isolation_choice *ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
