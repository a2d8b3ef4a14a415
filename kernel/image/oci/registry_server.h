/*
 * Where an image of a registry may be had: its mirrors in their order, then itself, each by the
 * ways that are allowed. Pure.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_SERVER_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_SERVER_H

#include "kernel/image/oci/registry_http.h"

#define CORRAL_REGISTRY_MIRRORS_MAX 64

struct corral_registry_server {
	char *name;   /* for people and for credentials: "docker.io", "mirror.example:5000" */
	char *base;   /* "https://registry-1.docker.io" */
	char *prefix; /* "" or "team/cache/", before paths */
	struct corral_registry_origin at;
	bool is_unverified; /* its certificate is not looked at, or there is none */
	bool is_mirror;
	/* Another way to the one before: tried when that one cannot be spoken to. */
	bool is_otherwise;
};

struct corral_registry_servers {
	struct corral_registry_server *items;
	size_t n;
};

/*
 * registry: as image names have it. mirrors: "REGISTRY=[SCHEME://]ADDRESS[/PREFIX]"; insecure:
 * "host" or "host:port"; both NULL-terminated, or NULL. -EINVAL names what is wrong in them.
 * Loopback addresses and insecure ones are had by https without a look at the certificate, and by
 * http; insecure ones by proper https before that.
 */
int corral_registry_servers_list(const char *registry, const char *const *mirrors,
                                 const char *const *insecure, struct corral_registry_servers *ret,
                                 struct corral_error *err);
void corral_registry_servers_done(struct corral_registry_servers *s);

/* Whether it may be told secrets: nobody can listen, or pretend to be it. */
bool corral_registry_may_be_told(const struct corral_registry_origin *at, bool is_unverified);

#endif
