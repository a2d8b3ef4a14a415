/*
 * Manifests and configurations of images: OCI and Docker's schema 2, as bytes of somebody hostile,
 * to checked data. Pure.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_MANIFEST_H
#define CORRAL_KERNEL_IMAGE_OCI_MANIFEST_H

#include "kernel/image/store.h"

#define CORRAL_MANIFEST_MAX (4u << 20)

struct corral_descriptor {
	char *media_type, *digest; /* a valid digest */
	uint64_t size;
	char *os, *arch, *variant; /* of an index's entries; "" without */
	char *name; /* "io.containerd.image.name" or else "org.opencontainers.image.ref.name" among
	               its annotations, "" */
};

struct corral_manifest {
	bool is_index; /* of entries, else of one image */
	struct corral_descriptor *entries;
	size_t n_entries;
	struct corral_descriptor config;
	struct corral_descriptor *layers; /* the lowest first */
	size_t n_layers;
};
/* media_type: as the sender had it, or NULL. Schema 1 and what is no image are -EOPNOTSUPP, said in
 * so many words. */
int corral_manifest_parse(const char *text, size_t len, const char *media_type,
                          struct corral_manifest **ret, struct corral_error *err);
void corral_manifest_free(struct corral_manifest *m);
static inline void corral_manifest_freep(struct corral_manifest **m)
{
	corral_manifest_free(*m);
}
/* platform: "linux/arm64/v8", "arm64", NULL: this host's. The entry that fits best, which may be an
 * index itself (media_type); one that names no platform fits when no other does. -ENOENT names
 * those that there are. */
int corral_manifest_choose(const struct corral_manifest *m, const char *platform,
                           const struct corral_descriptor **ret, struct corral_error *err);
/* Whether one image alone is for that platform (NULL: any is): its configuration says. -ENOENT as
 * above. */
int corral_manifest_platform_check(const char *platform, const struct corral_image *i,
                                   struct corral_error *err);
/* A configuration's text into all fields of an image that it knows: platform, env, user, ...,
 * layers (diff ids), created_ms; they are empty before, and corral_image_free()'s to free, also
 * when this fails. -EINVAL with the place; -EOPNOTSUPP: for another system than Linux. */
int corral_image_config_parse(const char *text, size_t len, struct corral_image *i,
                              struct corral_error *err);

#endif
