/*
 * What a registry is told about who asks. It is looked for where the docker command keeps it:
 * config.json of the user's configuration, and the helpers named there.
 *
 * Secrets live in struct corral_registry_auth and in the headers made of it, and nowhere else: no
 * error, note or trace has them.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_AUTH_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_AUTH_H

#include <stdbool.h>

#include "kernel/base/error.h"

/* Of config.json. */
#define CORRAL_REGISTRY_CONFIG_MAX (1u << 20)

struct corral_registry_auth {
	char *server; /* as registries are called there: "https://index.docker.io/v1/" */
	char *username, *password;
	char *identity_token, *registry_token;
	/* Where was looked and what came of it, for errors: "no credentials for 'x' in '...'". */
	char note[400];
};

/*
 * registry: host and port, as image names have it; config_dir may be NULL. 0 with and
 * without credentials: what was broken on the way is in the note, and whoever goes on does it as
 * nobody in particular, as the docker command does. -ENOMEM. The caller gives ret to done().
 */
int corral_registry_auth_find(const char *config_dir, const char *registry,
                              struct corral_registry_auth *ret, struct corral_error *err);
/* Wipes the secrets. */
void corral_registry_auth_done(struct corral_registry_auth *a);
bool corral_registry_auth_is_found(const struct corral_registry_auth *a);

/* Wiped before it is freed. Takes NULL. */
void corral_registry_secret_free(char *secret);

#endif
