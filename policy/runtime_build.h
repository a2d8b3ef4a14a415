/*
 * How a runtime with a base_image is built, whoever builds it: the name that the result has, and
 * the commands that are run, in their order. Pure.
 *
 * Neither in the name nor in any command: the runtime's env_vars. They are given to sandboxes and
 * containers when those start, as they may hold secrets.
 */
#ifndef CORRAL_POLICY_RUNTIME_BUILD_H
#define CORRAL_POLICY_RUNTIME_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/error.h"
#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_RUNTIME_REPOSITORY "corral-runtime"
/* Counts up whenever the same runtime is to be built differently, so that images built before are
 * not taken for it. */
#define CORRAL_RUNTIME_RECIPE 1
/* Digits of the digest in a tag. */
#define CORRAL_RUNTIME_TAG_HEX 12

/*
 * "corral-runtime:{name}-{12 hex digits}": the start of the SHA-256 over what shapes the image.
 * platform may be NULL. *ret is the caller's to free. -EINVAL: there is no base_image.
 */
int corral_runtime_tag(const struct corral_runtime *rt, const char *platform, char **ret,
                       struct corral_error *err);
/* All of that digest: "sha256:" and 64 digits. Those of a tag are few enough that somebody could
 * look for two runtimes that have the same, so what has a runtime's tag is held against this. */
#define CORRAL_RUNTIME_DEFINITION_SIZE 72
int corral_runtime_definition(const struct corral_runtime *rt, const char *platform,
                              char ret[CORRAL_RUNTIME_DEFINITION_SIZE], struct corral_error *err);
/* Whether tag is of the same runtime as ours, and another one: all but the digest is the same. Both
 * are what comes behind "corral-runtime:". */
bool corral_runtime_tag_is_superseded(const char *tag, const char *ours);

/*
 * What a native sandbox's root is to be looked for as in the store of images: its image, or the tag
 * that is built from its base_image. *ret is the caller's to free, or NULL where the root is no
 * image's: a directory's, or the host's.
 */
int corral_runtime_image_name(const struct corral_runtime *rt, char **ret,
                              struct corral_error *err);

enum corral_runtime_step_kind {
	CORRAL_RUNTIME_STEP_SETUP,
	CORRAL_RUNTIME_STEP_PACKAGES,
	CORRAL_RUNTIME_STEP_ACCOUNT,
};
struct corral_runtime_step {
	enum corral_runtime_step_kind kind;
	char **argv;      /* NULL-terminated */
	bool as_root;     /* whoever the base image's user is */
	bool in_work_dir; /* the runtime's, which must be there; else where the image says */
};
struct corral_runtime_steps {
	struct corral_runtime_step *items;
	size_t n;
};
#define CORRAL_RUNTIME_STEPS_INIT \
	{                         \
		NULL, 0           \
	}
/*
 * The setup commands, the packages, the account of run_as_uid. caches: that package managers are
 * given directories for what they download (corral_runtime_cache_env()), which are no part of the
 * image; else they leave nothing of it behind. -EINVAL: there is no base_image.
 */
int corral_runtime_steps(const struct corral_runtime *rt, bool caches,
                         struct corral_runtime_steps *ret, struct corral_error *err);
void corral_runtime_steps_done(struct corral_runtime_steps *s);

/* Where the image's user is the account of run_as_uid: its variables "K=V", NULL-terminated, and
 * what its PATH begins with. */
extern const char *const corral_runtime_account_env[];
#define CORRAL_RUNTIME_ACCOUNT_PATH "/opt/venv/bin"
#define CORRAL_RUNTIME_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * One manager's cache in a build: what is beneath the directory that a build has for it, with ':'
 * between; and the variable by which the manager finds it, which gets guest_dir (a guest path) and
 * then suffix. For apt that is a file which names them: corral_runtime_apt_conf().
 */
struct corral_runtime_cache {
	const char *name, *directories, *variable, *suffix;
};
const struct corral_runtime_cache *corral_runtime_cache(enum corral_package_manager manager);
#define CORRAL_RUNTIME_MANAGERS 4
/* A configuration of apt's by which it keeps what it downloads in "archives" and "lists" of
 * guest_dir. */
void corral_runtime_apt_conf(const char *guest_dir, struct corral_buf *ret);

#ifdef __cplusplus
}
#endif

#endif
