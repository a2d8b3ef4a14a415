/*
 * Archives of images are as hostile as their layers: a sandbox unpacks them (kernel/image/oci/
 * unpack_tree.h) into a directory of the store's partial/, whichever way they are compressed, from
 * a pipe as well; what is taken from there is looked for beneath it, hashed and parsed with bounds.
 * Directories are read in place, in the same way. A layer is then unpacked like any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/oci/archive.h"
#include "kernel/image/oci/archive_blob.h"
#include "kernel/image/oci/archive_layers.h"
#include "kernel/image/oci/archive_manifest.h"
#include "kernel/image/oci/manifest.h"
#include "kernel/image/oci/manifest_json.h"
#include "kernel/image/oci/naming.h"
#include "kernel/image/oci/unpack_tree.h"
#include "kernel/image/reference.h"
#include "policy/json_words.h"

#define INDEXES_MAX 4 /* in each other */
#define IMAGES_MAX  256
#define NAMES_MAX   256
#define PATH_BYTES  4096

struct load {
	struct corral_image_store *s;
	const struct corral_unpack_options *o;
	const char *name, *platform;
	int (*told)(void *ctx, const struct corral_image *i);
	void *ctx;
	int dir_fd; /* of what the archive holds */
	size_t images;
	struct corral_progress_tick tick;
	struct corral_image_bounds bounds; /* of the image at hand */
};

/* What an image may have, from the beginning. */
static void bounds_begin(struct load *l)
{
	l->tick = (struct corral_progress_tick) { l->o->progress, "archive", "read" };
	corral_image_bounds_init(&l->bounds, &l->o->limits.image, corral_image_store_fd(l->s));
	l->bounds.tick = (struct corral_image_tick) { corral_progress_tick, &l->tick };
}

static int told(struct load *l, struct corral_image *i, struct corral_error *err)
{
	l->images++;
	if (l->told && l->told(l->ctx, i) != 0)
		return corral_error_set(err, ECANCELED, "canceled");
	return 0;
}

/* Everything is in the store but the image itself. */
static int commit(struct load *l, const char *id, const char *config_digest, struct corral_image *i,
                  char **blobs_taken, char *const *names, size_t n_names, struct corral_error *err)
{
	struct corral_unpack_options o = *l->o;
	int r;

	i->blobs = blobs_taken;
	i->id = strdup(id);
	i->config_id = strdup(config_digest);
	if (!i->id || !i->config_id)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t k = 0; k < n_names; k++) {
		r = corral_image_name_may_be(l->s, names[k], err);
		if (r < 0)
			return r;
	}
	o.bounds = &l->bounds;
	r = corral_archive_layers_unpack(l->s, i->blobs, i->layers, i->n_layers, &o, err);
	if (r == 0 && !n_names)
		r = corral_image_commit(l->s, i, NULL, &l->bounds, err);
	for (size_t k = 0; r == 0 && k < n_names; k++)
		r = corral_naming_commit(l->s, i, names[k], k > 0, &l->bounds, l->o->progress, err);
	return r < 0 ? r : told(l, i, err);
}

static void texts_free(char **texts, size_t n)
{
	for (size_t i = 0; texts && i < n; i++)
		free(texts[i]);
	free(texts);
}

/* What an archive calls an image counts when it is a name; else it has none. */
static int name_of(const struct load *l, const char *said, char **ret, struct corral_error *err)
{
	*ret = NULL;
	if (l->name)
		return corral_image_reference_full(l->name, ret, err);
	if (*said)
		(void)corral_image_reference_full(said, ret, NULL);
	return 0;
}

static int config_parse(struct load *l, const char *digest, struct corral_image **ret,
                        struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = calloc(1, sizeof(*i));
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r;

	if (!i)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = corral_archive_blob_read(l->s, digest, CORRAL_MANIFEST_MAX, &text, err);
	if (r == 0)
		r = corral_image_config_parse(text.data ? text.data : "", text.len, i, err);
	if (r == 0)
		r = corral_manifest_platform_check(l->platform, i, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&i);
	return 0;
}

/* ---- OCI layouts ---- */

static int layout_blob(struct load *l, const struct corral_descriptor *d, struct corral_error *err)
{
	char path[32 + CORRAL_DIGEST_SIZE], is[CORRAL_DIGEST_SIZE];
	corral_autofd int fd = -1;
	int r;

	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", d->digest + strlen("sha256:"));
	r = corral_archive_open(l->dir_fd, path, &fd, err);
	/* The store may have it, and then an archive need not. */
	if (r == -ENOENT && corral_image_blob_open(l->s, d->digest, &fd, NULL) == 0)
		return 0;
	return r < 0 ? r : corral_archive_blob_put(l->s, fd, d->digest, &l->bounds, is, NULL, err);
}

static int layout_image(struct load *l, const struct corral_descriptor *d,
                        const struct corral_manifest *m, const char *said, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *name = NULL;
	char **blobs;
	int r;

	bounds_begin(l);
	r = layout_blob(l, d, err);

	if (r == 0)
		r = layout_blob(l, &m->config, err);
	if (r == 0)
		r = config_parse(l, m->config.digest, &i, err);
	if (r != 0)
		return r;
	if (i->n_layers != m->n_layers)
		return corral_error_set(err, EBADMSG,
		                        "the configuration names %zu layers, and the manifest %zu",
		                        i->n_layers, m->n_layers);
	r = name_of(l, said, &name, err);
	for (size_t k = 0; r == 0 && k < m->n_layers; k++)
		r = layout_blob(l, &m->layers[k], err);
	if (r < 0)
		return r;
	blobs = calloc(m->n_layers + 1, sizeof(*blobs));
	for (size_t k = 0; blobs && k < m->n_layers; k++) {
		blobs[k] = strdup(m->layers[k].digest);
		if (!blobs[k]) {
			texts_free(blobs, k);
			blobs = NULL;
		}
	}
	if (!blobs)
		return corral_error_set(err, ENOMEM, "out of memory");
	return commit(l, d->digest, m->config.digest, i, blobs, &name, name ? 1 : 0, err);
}

static int layout_manifest(struct load *l, const struct corral_descriptor *d,
                           struct corral_manifest **ret, struct corral_error *err)
{
	char path[32 + CORRAL_DIGEST_SIZE], is[CORRAL_DIGEST_SIZE];
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r;

	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", d->digest + strlen("sha256:"));
	r = corral_archive_read(l->dir_fd, path, CORRAL_MANIFEST_MAX, &text, err);
	if (r < 0)
		return r;
	corral_digest_of(text.data ? text.data : "", text.len, is);
	if (strcmp(is, d->digest) != 0)
		return corral_error_set(err, EBADMSG, "manifest %.19s is not what its name says",
		                        d->digest);
	return corral_manifest_parse(text.data ? text.data : "", text.len,
	                             *d->media_type ? d->media_type : NULL, ret, err);
}

/* An entry of the layout's index, which may be an index of platforms. */
static int layout_entry(struct load *l, const struct corral_descriptor *d, const char *said,
                        unsigned int depth, struct corral_error *err)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	const struct corral_descriptor *chosen = NULL;
	int r;

	if (depth > INDEXES_MAX)
		return corral_error_set(err, EINVAL, "more than %d indexes in each other",
		                        INDEXES_MAX);
	r = layout_manifest(l, d, &m, err);
	if (r < 0)
		return r;
	if (!m->is_index)
		return layout_image(l, d, m, said, err);
	r = corral_manifest_choose(m, l->platform, &chosen, err);
	return r < 0 ? r : layout_entry(l, chosen, said, depth + 1, err);
}

/* Whether its entries are one image for several platforms. */
static bool is_one_image(const struct corral_manifest *m)
{
	for (size_t i = 0; i < m->n_entries; i++)
		if (!*m->entries[i].arch || strcmp(m->entries[i].name, m->entries[0].name) != 0)
			return false;
	return m->n_entries > 1;
}

static bool is_before(const struct corral_manifest *m, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(m->entries[k].digest, m->entries[i].digest) == 0 &&
		    strcmp(m->entries[k].name, m->entries[i].name) == 0)
			return true;
	return false;
}

static int layout_load(struct load *l, const struct corral_buf *index, struct corral_error *err)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	const struct corral_descriptor *chosen = NULL;
	int r = corral_manifest_parse(index->data, index->len, NULL, &m, err);

	if (r < 0)
		return corral_error_wrap(err, r, "index.json");
	if (!m->is_index || m->n_entries > IMAGES_MAX)
		return corral_error_set(err, EINVAL, "index.json: no index of at most %d images",
		                        IMAGES_MAX);
	if (is_one_image(m)) {
		r = corral_manifest_choose(m, l->platform, &chosen, err);
		return r < 0 ? r : layout_entry(l, chosen, chosen->name, 0, err);
	}
	if (l->name && m->n_entries != 1)
		return corral_error_set(err, EINVAL,
		                        "there are %zu images in it: they cannot all be '%.200s'",
		                        m->n_entries, l->name);
	for (size_t i = 0; r == 0 && i < m->n_entries; i++)
		if (strcmp(m->entries[i].arch, "unknown") != 0 && !is_before(m, i))
			r = layout_entry(l, &m->entries[i], m->entries[i].name, 0, err);
	return r;
}

/* ---- docker save ---- */

struct saved {
	char *config;
	char **tags, **layers;
	size_t n_tags, n_layers;
};

static void saved_done(struct saved *s)
{
	free(s->config);
	texts_free(s->tags, s->n_tags);
	texts_free(s->layers, s->n_layers);
}

static int saved_parse(const json_t *o, struct saved *s, struct corral_error *err)
{
	int r;

	if (!json_is_object(o))
		return corral_json_wrong_kind(o, "an object", err);
	r = corral_manifest_text(o, "Config", PATH_BYTES, &s->config, err);
	if (r == 0)
		r = corral_manifest_texts(o, "RepoTags", NAMES_MAX, PATH_BYTES, &s->tags,
		                          &s->n_tags, err);
	if (r == 0)
		r = corral_manifest_texts(o, "Layers", CORRAL_IMAGE_LAYERS_MAX, PATH_BYTES,
		                          &s->layers, &s->n_layers, err);
	return r;
}

static int saved_blobs(struct load *l, const struct saved *s, struct corral_archive_layer *layers,
                       char **digests, struct corral_error *err)
{
	for (size_t k = 0; k < s->n_layers; k++) {
		corral_autofd int fd = -1;
		int r = corral_archive_open(l->dir_fd, s->layers[k], &fd, err);

		digests[k] = calloc(1, CORRAL_DIGEST_SIZE);
		if (!digests[k])
			return corral_error_set(err, ENOMEM, "out of memory");
		if (r == 0)
			r = corral_archive_blob_put(l->s, fd, NULL, &l->bounds, digests[k],
			                            &layers[k].size, err);
		if (r < 0)
			return r;
		layers[k].digest = digests[k];
		layers[k].ending = corral_archive_ending(fd);
	}
	return 0;
}

/* Such an archive has no manifest as registries have it: the image gets one of ours. */
static int saved_image(struct load *l, const struct saved *s, char **digests, char *const *names,
                       size_t n_names, bool *taken, struct corral_error *err)
{
	corral_autofree struct corral_archive_layer *layers =
	        calloc(s->n_layers + 1, sizeof(*layers));
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	char config[CORRAL_DIGEST_SIZE], id[CORRAL_DIGEST_SIZE];
	corral_autofd int fd = -1;
	uint64_t size = 0;
	int r = layers ? corral_archive_open(l->dir_fd, s->config, &fd, err)
	               : corral_error_set(err, ENOMEM, "out of memory");

	bounds_begin(l);
	if (r == 0)
		r = corral_archive_blob_put(l->s, fd, NULL, &l->bounds, config, &size, err);
	if (r == 0)
		r = config_parse(l, config, &i, err);
	if (r != 0)
		return r;
	if (i->n_layers != s->n_layers)
		return corral_error_set(err, EBADMSG,
		                        "the configuration names %zu layers, and manifest.json %zu",
		                        i->n_layers, s->n_layers);
	r = saved_blobs(l, s, layers, digests, err);
	if (r == 0)
		r = corral_archive_manifest_write(config, size, layers, s->n_layers, &text, err);
	if (r == 0)
		r = corral_archive_text_put(l->s, text.data, text.len, id, err);
	if (r < 0)
		return r;
	*taken = true;
	return commit(l, id, config, i, digests, names, n_names, err);
}

static int saved_entry(struct load *l, const json_t *o, struct corral_error *err)
{
	corral_auto(saved_done) struct saved s = { 0 };
	char **digests = NULL, **names = NULL;
	bool taken = false;
	size_t n = 0;
	int r = saved_parse(o, &s, err);

	if (r < 0)
		return r;
	digests = calloc(s.n_layers + 1, sizeof(*digests));
	names = calloc(s.n_tags + 1, sizeof(*names));
	if (!digests || !names)
		r = corral_error_set(err, ENOMEM, "out of memory");
	for (size_t k = 0; r == 0 && k < (l->name ? 1 : s.n_tags); k++) {
		r = name_of(l, l->name ? "" : s.tags[k], &names[n], err);
		n += r == 0 && names[n];
	}
	if (r == 0)
		r = saved_image(l, &s, digests, names, n, &taken, err);
	if (!taken)
		texts_free(digests, s.n_layers);
	texts_free(names, n);
	return r;
}

static int saved_load(struct load *l, const struct corral_buf *text, struct corral_error *err)
{
	json_error_t at;
	json_auto_t *list = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, &at);
	const json_t *o;
	size_t i;
	int r;

	if (!list)
		return corral_error_set(err, EINVAL, "manifest.json: no JSON: line %d, column %d",
		                        at.line, at.column);
	if (!json_is_array(list) || json_array_size(list) > IMAGES_MAX)
		return corral_error_set(err, EINVAL, "manifest.json: no array of at most %d images",
		                        IMAGES_MAX);
	if (l->name && json_array_size(list) != 1)
		return corral_error_set(err, EINVAL,
		                        "there are %zu images in it: they cannot all be '%.200s'",
		                        json_array_size(list), l->name);
	json_array_foreach(list, i, o)
	{
		r = saved_entry(l, o, err);
		if (r < 0)
			return corral_json_place(err, r, "manifest.json[%zu]", i);
	}
	return 0;
}

/* ---- both ---- */

static int load(struct load *l, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r = corral_archive_read(l->dir_fd, "index.json", CORRAL_MANIFEST_MAX, &text, err);

	if (r == 0)
		r = layout_load(l, &text, err);
	else if (r == -ENOENT) {
		r = corral_archive_read(l->dir_fd, "manifest.json", CORRAL_MANIFEST_MAX, &text,
		                        err);
		if (r == -ENOENT)
			return corral_error_set(err, EINVAL,
			                        "it holds no image: neither index.json nor "
			                        "manifest.json is in it (a root alone is for "
			                        "'corral image import')");
		if (r == 0)
			r = saved_load(l, &text, err);
	}
	if (r == 0 && !l->images)
		return corral_error_set(err, EINVAL, "there is no image in it");
	return r;
}

/* An archive's content, in a directory that goes with *ret_making. */
static int outer_unpack(struct load *l, int fd, struct corral_image_layer_making **ret_making,
                        struct corral_error *err)
{
	corral_autofree char *path = NULL;
	struct corral_unpack_options o = *l->o;
	struct corral_unpacked unpacked;
	int r = corral_image_layer_begin(l->s, NULL, NULL, ret_making, err);

	if (r < 0)
		return r;
	/* As much as one image may be, whatever it holds. */
	bounds_begin(l);
	o.bounds = &l->bounds;
	r = corral_unpack_tree(fd, corral_image_layer_making_path(*ret_making), "archive", &o,
	                       &unpacked, err);
	if (r < 0)
		return corral_error_wrap(err, r, "archive");
	if (asprintf(&path, "%s/tree", corral_image_layer_making_path(*ret_making)) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	l->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return l->dir_fd < 0 ? corral_error_sys(err, errno, "open '%s'", path) : 0;
}

int corral_image_load(struct corral_image_store *s, int fd, const char *name, const char *platform,
                      const struct corral_unpack_options *o,
                      int (*told_fn)(void *ctx, const struct corral_image *i), void *ctx,
                      struct corral_error *err)
{
	struct load l = { .s = s,
		          .o = o,
		          .name = name,
		          .platform = platform,
		          .told = told_fn,
		          .ctx = ctx,
		          .dir_fd = -1 };
	struct corral_image_layer_making *m = NULL;
	corral_autofd int hold_fd = -1;
	struct stat st;
	int r = corral_image_store_hold(s, &hold_fd, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "look at the archive");
	if (S_ISDIR(st.st_mode)) {
		l.dir_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = l.dir_fd < 0 ? corral_error_sys(err, errno, "open the directory") : 0;
	} else {
		r = outer_unpack(&l, fd, &m, err);
	}
	if (r == 0)
		r = load(&l, err);
	corral_fd_closep(&l.dir_fd);
	corral_image_layer_abandon(m);
	corral_fd_closep(&hold_fd);
	if (corral_image_bounds_is_full(r))
		corral_image_store_sweep(s);
	return r;
}
