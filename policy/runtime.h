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

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "policy/config.h"

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

/* How a sandbox of it is contained. */
enum corral_isolation {
	CORRAL_ISOLATION_AUTO, /* native where this host can, else Docker: policy/isolation.h */
	CORRAL_ISOLATION_NATIVE,
	CORRAL_ISOLATION_DOCKER,
};
/* "auto", "native", "docker"; static. */
const char *corral_isolation_name(enum corral_isolation isolation);

/* How long one lives. */
enum corral_scope {
	CORRAL_SCOPE_SESSION, /* commands share processes, /tmp and what was installed */
	CORRAL_SCOPE_CALL,    /* each command gets a fresh one, with the same workspace */
};
const char *corral_scope_name(enum corral_scope scope);

/* Where what a session keeps lies, and so what can hold its limits of disk. */
enum corral_disk_backing {
	CORRAL_DISK_HOST, /* on the host's file system, whose project quotas do where it has them */
	CORRAL_DISK_IMAGE, /* in an image file of that size, the session's own (kernel/disk.h) */
};
/* "host", "image"; static. */
const char *corral_disk_backing_name(enum corral_disk_backing backing);

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

	/* What follows is corral's own, and no part of the digest by which built images are named.
	 */
	enum corral_isolation isolation;       /* AUTO without */
	enum corral_scope scope;               /* SESSION without */
	enum corral_disk_backing disk_backing; /* HOST without; of native sessions in a store */
	/*
	 * Where native gets its root, as image and base_image say what Docker takes; one that names
	 * both runs on either. NULL: natively that is the image's, without one the host's; "host";
	 * or a directory of the host's, taken as it is: nothing is installed in it.
	 */
	char *rootfs;
	/*
	 * limits, network, ids, user, hostname, seccomp, cap_add, cap_drop, mounts and
	 * allow_weaker, with the keys and the meaning of a configuration; owned, and never NULL.
	 * Host paths are absolute, and a user is not named beside run_as_uid.
	 */
	struct corral_config *sandbox;
	/* Of one that was read from a file that somebody named, the name of that file as it was
	 * given: what the command line calls it. NULL else, and no part of what is written. */
	char *path;
	int n_shared; /* owners but one: corral_runtime_share() */
};

/*
 * JSON text to a checked runtime. Unknown keys, wrong types and values that the contract refuses
 * are -EINVAL with the place in the text: "packages[1]: Invalid package name: 'a b'".
 */
int corral_runtime_parse(const char *json, size_t len, struct corral_runtime **ret,
                         struct corral_error *err);
/* Takes NULL. Of a shared one, the last. */
void corral_runtime_free(struct corral_runtime *r);
/* For corral_auto(). */
static inline void corral_runtime_freep(struct corral_runtime **p)
{
	corral_runtime_free(*p);
}
/* The same again, to be freed as well: for who changes nothing in it. */
struct corral_runtime *corral_runtime_share(struct corral_runtime *r);
int corral_runtime_dup(const struct corral_runtime *r, struct corral_runtime **ret,
                       struct corral_error *err);

/* All of it as JSON that corral_runtime_parse() takes, appended; keys at their usual value are left
 * out. */
int corral_runtime_write(const struct corral_runtime *r, struct corral_buf *ret,
                         struct corral_error *err);

/*
 * What a native sandbox of it is made from, the caller's own: the environment that every sandbox
 * has (policy/environment.h) under the runtime's, its work directory, user, root and all of
 * r->sandbox. Where that root is an image's, the configuration names it
 * (corral_runtime_image_name()) for kernel/image/apply.h to find.
 */
int corral_runtime_config(const struct corral_runtime *r, struct corral_config **ret,
                          struct corral_error *err);
/* r->sandbox alone, over what is in c: for containers, whose image and user Docker makes of the
 * runtime itself. */
int corral_runtime_sandbox(const struct corral_runtime *r, struct corral_config *c,
                           struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
