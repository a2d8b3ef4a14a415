/*
 * The store of images: root filesystems, from registries, archives, directories and builds, on this
 * host's disk. What is in it is found by digest; names point at it. This much of it needs no more
 * than the C library and jansson, since every start of a sandbox takes it; what makes images is in
 * kernel/image/oci.
 *
 *     lock               held for moments, by whoever changes what has a name
 *     hold               held shared by whoever makes an image, as long as that takes, and
 *                        exclusively by whoever removes layers and blobs
 *     blobs/sha256/HEX   as they came, verified, read-only: manifests, configurations, layers
 *     layers/HEX/        one layer, unpacked, under the digest of its tar (diff id): tree/, and
 *                        gone: what it does to those beneath (kernel/image/layer.h)
 *     roots/HEX/         the tree of an image, its files hard links to those of layers: tree/,
 *                        layers: their digests, and lock, which whoever uses it holds. HEX is of
 *                        the list of its layers
 *     images/HEX         an image under its manifest's digest: what struct corral_image holds, as
 *                        JSON
 *     names/HASH         a link to "sha256:HEX NAME": the image that NAME means. HASH is of it
 *     pins/HASH.HEX      a link to the path of who keeps that image though it does not run
 *     partial/           in the making: every entry is locked by its maker, and anybody's to
 *                        remove when it is not
 *
 * Whatever has its final name is whole: it was made in partial/, and renamed; what an image is made
 * of was on disk before the image got its name. A store belongs to one user, is closed to all
 * others (0700), and must not be on a network's filesystem.
 */
#ifndef CORRAL_KERNEL_IMAGE_STORE_H
#define CORRAL_KERNEL_IMAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_IMAGE_LAYERS_MAX 128

struct corral_image_store;

/* path: a directory, made (0700) with those above it when create is set; -ENOENT without. -EPERM
 * when it is somebody else's or open to others. Threads may share a store. */
int corral_image_store_open(const char *path, bool create, struct corral_image_store **ret,
                            struct corral_error *err);
/* Takes NULL. */
void corral_image_store_close(struct corral_image_store *s);
static inline void corral_image_store_closep(struct corral_image_store **s)
{
	corral_image_store_close(*s);
}
const char *corral_image_store_path(const struct corral_image_store *s);

/* What an image says of how it is to be run. */
struct corral_image {
	char *id;     /* "sha256:..." of its manifest */
	char **names; /* "docker.io/library/alpine:3.20", sorted */
	size_t n_names;
	char *root_id;   /* HEX of its root, which is there whenever an image is */
	char *config_id; /* "sha256:..." of its configuration, a blob */
	char **layers;   /* diff ids "sha256:...", the lowest first */
	char **blobs;    /* as they came, "sha256:..."; "" where there is none, as for what was
	                    committed here */
	uint64_t *layer_bytes; /* on disk, unpacked */
	size_t n_layers;
	uint64_t size_bytes; /* of all layers */
	int64_t created_ms;  /* as it says itself; 0 without */
	int64_t stored_ms;
	char *os, *arch, *variant;
	char **env; /* "K=V" */
	size_t n_env;
	char *user, *work_dir; /* "" without */
	char **entrypoint, **command;
	size_t n_entrypoint, n_command;
	char **ports; /* "80/tcp" */
	size_t n_ports;
	char **labels; /* "K=V" */
	size_t n_labels;
	char *stop_signal; /* "" without */
	char *built_for;   /* "NAME" of the runtime that it was built for, "" for others */
	char *definition;  /* "sha256:..." of that runtime's (policy/runtime_build.h), "" without */
};
void corral_image_free(struct corral_image *i);
static inline void corral_image_freep(struct corral_image **i)
{
	corral_image_free(*i);
}

/*
 * name: as people write it ("alpine", "alpine:3.20", "reg:5000/a/b@sha256:..."), "sha256:HEX", or
 * at least six digits of an image's digest, behind "sha256:" or not, that stand for one alone.
 * -ENOENT: "there is no image 'alpine' (docker.io/library/alpine:latest) in '...'"; -EINVAL for
 * what is no name; -ENOTUNIQ for digits that stand for several, or are another's name as well.
 */
int corral_image_find(struct corral_image_store *s, const char *name, struct corral_image **ret,
                      struct corral_error *err);

struct corral_images {
	struct corral_image **items; /* sorted by name, then age; one without names last */
	size_t n;
};
/* One that cannot be read does not hide the others: *ret_broken (may be NULL) counts such. */
int corral_images_list(struct corral_image_store *s, struct corral_images *ret, size_t *ret_broken,
                       struct corral_error *err);
void corral_images_done(struct corral_images *i);

/*
 * The root of an image as a host path (a directory that nobody may change), and what keeps it from
 * being removed while it is open: ret_fd is the caller's, O_CLOEXEC, and may be handed to another
 * process; to close it is all. -ENOENT when it went meanwhile.
 */
int corral_image_use(struct corral_image_store *s, const struct corral_image *i,
                     char **ret_root_path, int *ret_fd, struct corral_error *err);

/*
 * Keeps the image while keeper_path (a host path, absolute: a session's directory) is there: a pin
 * whose path is gone is no pin. Again is no mistake. Unpin takes back all of a path's.
 */
int corral_image_pin(struct corral_image_store *s, const struct corral_image *i,
                     const char *keeper_path, struct corral_error *err);
/* The image that it keeps (the first, of several). -ENOENT: none that is there. */
int corral_image_pinned(struct corral_image_store *s, const char *keeper_path,
                        struct corral_image **ret, struct corral_error *err);
int corral_image_unpin(struct corral_image_store *s, const char *keeper_path,
                       struct corral_error *err);

/* Whether an image that comes from elsewhere may have that name: -EINVAL: it is none, or could
 * be digits of an image; -EPERM: it is that of one which was built here for a runtime. */
int corral_image_name_may_be(struct corral_image_store *s, const char *name,
                             struct corral_error *err);
/* Which image ("sha256:...", the caller's) a name means that is to become id's: *ret NULL, and 0,
 * where it means none, or that one. */
int corral_image_name_before(struct corral_image_store *s, const char *name, const char *id,
                             char **ret, struct corral_error *err);
/* One more name of an image; it may have been another's, which keeps its others. -EPERM as with
 * corral_image_commit(): one that was built here keeps its name. */
int corral_image_tag(struct corral_image_store *s, const struct corral_image *i, const char *name,
                     struct corral_error *err);

struct corral_image_removal {
	char **names, **ids; /* what is gone: names, and "sha256:..." of whole images */
	size_t n_names, n_ids;
	uint64_t bytes; /* on disk, blobs and layers */
	/* Of builds: those that are gone, and those that builds use just now. */
	size_t n_caches, n_caches_used;
	uint64_t caches_bytes;
	bool is_busy; /* images are made meanwhile: what those may need stays for a later prune */
};
void corral_image_removal_done(struct corral_image_removal *r);
/*
 * Takes a name away; the image with the last one, or by its digest with all of them. What is in use
 * or pinned stays: -EBUSY, which says by what. Layers and roots that nobody else has go with it.
 */
int corral_image_remove(struct corral_image_store *s, const char *name,
                        struct corral_image_removal *ret, struct corral_error *err);

struct corral_image_prune_options {
	bool all;          /* images that nothing uses, and not only those without a name */
	bool dry_run;      /* tells what would go */
	bool caches;       /* also what was downloaded for builds, that no build uses now */
	int64_t unused_ms; /* only those stored, caches those used, that long ago */
	/* What a killed build of an ordinary user left may belong to ids that only a user namespace
	 * reaches: called for what could not be removed, parent_path/name. NULL: it stays, -EACCES.
	 */
	int (*remove)(void *ctx, const char *parent_path, const char *name,
	              struct corral_error *err);
	void *remove_ctx;
};
/* Never what is in use, pinned or in the making. While images are made, which is waited for some
 * seconds, those with a name stay, and layers. */
int corral_image_prune(struct corral_image_store *s, const struct corral_image_prune_options *o,
                       struct corral_image_removal *ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
