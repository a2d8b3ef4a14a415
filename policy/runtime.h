/*
 * A runtime: a named environment as its author describes it. JSON in, checked data out; the struct
 * owns every string in it. With an image that is taken as it is, packages, setup commands and the
 * user mean nothing, as they do without a base_image: descriptions in the field carry them along.
 */
#ifndef CORRAL_POLICY_RUNTIME_H
#define CORRAL_POLICY_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The greatest user that an engine takes. */
#define CORRAL_RUNTIME_UID_MAX 2147483647u
/* Of packages, of commands, of variables; each text is at most so many bytes long. */
#define CORRAL_RUNTIME_ITEMS_MAX 1024
#define CORRAL_RUNTIME_TEXT_MAX  (32u << 10)

enum corral_package_manager {
	CORRAL_PACKAGES_PIP,
	CORRAL_PACKAGES_NPM,
	CORRAL_PACKAGES_APT,
	CORRAL_PACKAGES_CARGO,
};
const char *corral_package_manager_name(enum corral_package_manager manager);

struct corral_runtime {
	char *name;
	char *description; /* "" without */
	char *image;       /* NULL; ready-made, started as it is */
	char *base_image;  /* NULL; built upon */
	char **packages;   /* only with base_image */
	size_t n_packages;
	enum corral_package_manager package_manager;
	char **setup_commands; /* run before the packages, one build step each */
	size_t n_setup_commands;
	char **env_vars; /* "K=V", in the order of the description */
	size_t n_env_vars;
	char *work_dir;   /* "/workspace" without */
	bool cache_image; /* true without: an image built before is used again */
	bool has_run_as_uid;
	/* Built around an unprivileged user of that number, at most
	 * CORRAL_RUNTIME_UID_MAX. */
	uint32_t run_as_uid;
};

/*
 * JSON text to a checked runtime. Unknown keys, wrong types and values that the contract refuses
 * are -EINVAL with the place in the text: "packages[1]: Invalid package name: 'a b'".
 */
int corral_runtime_parse(const char *json, size_t len, struct corral_runtime **ret,
                         struct corral_error *err);
/* Takes NULL. */
void corral_runtime_free(struct corral_runtime *r);

#ifdef __cplusplus
}
#endif

#endif
