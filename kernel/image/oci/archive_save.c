/*
 * Images as one archive: an OCI layout, and for Docker's sake manifest.json beside it, as newer
 * Docker writes it as well, which both read. It is the same bytes for the same images: files in the
 * order of their names, of root, without times.
 *
 * A layer's archive is the blob that came, or one made of its tree (layer_tar.h) where the layer
 * was made here. Where neither is what the image's manifest says, the image gets a manifest of
 * ours.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/whole.h"
#include "kernel/image/oci/archive.h"
#include "kernel/image/oci/archive_blob.h"
#include "kernel/image/oci/archive_manifest.h"
#include "kernel/image/oci/layer_tar.h"
#include "kernel/image/oci/manifest.h"
#include "kernel/image/oci/tar_header.h"

#define TELL_MS 100

/* A file of blobs/. */
struct item {
	char digest[CORRAL_DIGEST_SIZE];
	uint64_t size;
	char *text;       /* it, or */
	char *layer_path; /* what it is made of, or NULL: a blob of the store */
};

struct saved {
	const struct corral_image *image;
	char id[CORRAL_DIGEST_SIZE]; /* of the manifest that is saved */
	uint64_t manifest_size;
	char (*layers)[CORRAL_DIGEST_SIZE];
};

struct save {
	struct corral_image_store *s;
	int fd;
	const struct corral_progress *progress;
	struct item *items;
	size_t n, size;
	struct saved *images;
	size_t n_images;
	uint64_t told_ms, current, total;
	const char *what;
	struct corral_progress_tick tick;
	struct corral_image_bounds bounds; /* of a layer that is archived again: its tick */
};

static void save_done(struct save *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->items[i].text);
		free(v->items[i].layer_path);
	}
	free(v->items);
	for (size_t i = 0; v->images && i < v->n_images; i++)
		free(v->images[i].layers);
	free(v->images);
}

/* ---- what there is to be ---- */

/* Takes text and layer_path. */
static int item_add(struct save *v, const char *digest, uint64_t size, char *text, char *layer_path,
                    struct corral_error *err)
{
	corral_autofree char *t = text, *l = layer_path;

	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->items[i].digest, digest) == 0)
			return 0;
	if (v->n == v->size) {
		size_t more = v->size ? v->size * 2 : 64;
		struct item *items = realloc(v->items, more * sizeof(*items));

		if (!items)
			return corral_error_set(err, ENOMEM, "out of memory");
		v->items = items;
		v->size = more;
	}
	v->items[v->n] = (struct item) { .size = size,
		                         .text = corral_take_ptr(&t),
		                         .layer_path = corral_take_ptr(&l) };
	memcpy(v->items[v->n++].digest, digest, CORRAL_DIGEST_SIZE);
	return 0;
}

static int blob_size(struct corral_image_store *s, const char *digest, uint64_t *ret,
                     const char **ret_ending)
{
	corral_autofd int fd = -1;
	struct stat st;
	int r = corral_image_blob_open(s, digest, &fd, NULL);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	if (ret_ending)
		*ret_ending = corral_archive_ending(fd);
	return 0;
}

static int layer_add(struct save *v, const struct corral_image *i, size_t k,
                     char ret_digest[CORRAL_DIGEST_SIZE], struct corral_archive_layer *ret,
                     struct corral_error *err)
{
	corral_autofree char *path = NULL;
	int r = *i->blobs[k] ? blob_size(v->s, i->blobs[k], &ret->size, &ret->ending) : -ENOENT;

	ret->digest = ret_digest;
	if (r == 0) {
		memcpy(ret_digest, i->blobs[k], CORRAL_DIGEST_SIZE);
		return item_add(v, ret_digest, ret->size, NULL, NULL, err);
	}
	if (r != -ENOENT)
		return corral_error_sys(err, -r, "open blob %.19s", i->blobs[k]);
	if (asprintf(&path, "%s/layers/%s", corral_image_store_path(v->s),
	             i->layers[k] + strlen("sha256:")) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	r = corral_layer_tar_digest(path, &v->bounds, ret_digest, &ret->size, err);
	if (r < 0)
		return r;
	/* Another archive than ours was unpacked to it. */
	if (strcmp(ret_digest, i->layers[k]) != 0)
		return corral_error_set(err, ENOENT,
		                        "the archive of layer %.19s is not there any more, and it "
		                        "was not made here: fetch the image again",
		                        i->layers[k]);
	ret->ending = "";
	return item_add(v, ret_digest, ret->size, NULL, corral_take_ptr(&path), err);
}

/* Whether the manifest that is there speaks of the layers as they are saved. */
static bool manifest_serves(struct save *v, const struct corral_image *i, const struct saved *d,
                            struct corral_buf *text)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	bool serves;

	if (corral_archive_blob_read(v->s, i->id, CORRAL_MANIFEST_MAX, text, NULL) < 0 ||
	    !text->data || corral_manifest_parse(text->data, text->len, NULL, &m, NULL) < 0)
		return false;
	serves = !m->is_index && m->n_layers == i->n_layers &&
	         strcmp(m->config.digest, i->config_id) == 0;
	for (size_t k = 0; serves && k < m->n_layers; k++)
		serves = strcmp(m->layers[k].digest, d->layers[k]) == 0;
	return serves;
}

static int manifest_add(struct save *v, const struct corral_image *i, struct saved *d,
                        uint64_t config_size, const struct corral_archive_layer *layers,
                        struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r = 0;

	if (!manifest_serves(v, i, d, &text)) {
		text.len = 0;
		r = corral_archive_manifest_write(i->config_id, config_size, layers, i->n_layers,
		                                  &text, err);
	}
	if (r < 0)
		return r;
	corral_digest_of(text.data, text.len, d->id);
	d->manifest_size = text.len;
	return item_add(v, d->id, d->manifest_size, corral_buf_take(&text), NULL, err);
}

static int image_add(struct save *v, const struct corral_image *i, struct corral_error *err)
{
	corral_autofree struct corral_archive_layer *layers =
	        calloc(i->n_layers + 1, sizeof(*layers));
	struct saved *d = &v->images[v->n_images++];
	uint64_t config_size = 0;
	int r;

	d->image = i;
	d->layers = calloc(i->n_layers + 1, sizeof(*d->layers));
	if (!layers || !d->layers)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = blob_size(v->s, i->config_id, &config_size, NULL);
	if (r < 0)
		return corral_error_sys(err, -r, "its configuration");
	r = item_add(v, i->config_id, config_size, NULL, NULL, err);
	for (size_t k = 0; r == 0 && k < i->n_layers; k++)
		r = layer_add(v, i, k, d->layers[k], &layers[k], err);
	return r < 0 ? r : manifest_add(v, i, d, config_size, layers, err);
}

/* ---- texts ---- */

static int text_of(json_t *v_taken, struct corral_buf *ret, struct corral_error *err)
{
	corral_autofree char *text =
	        v_taken ? json_dumps(v_taken, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(v_taken);
	if (!text)
		return corral_error_set(err, ENOMEM, "out of memory");
	corral_buf_str(ret, text);
	return ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

static const char *tag_of(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *colon = strrchr(slash ? slash : name, ':');

	return colon ? colon + 1 : name;
}

static json_t *index_entry(const struct saved *d, const char *name)
{
	const struct corral_image *i = d->image;
	json_t *e = json_pack("{s:s,s:s,s:I}", "mediaType",
	                      "application/vnd.oci.image.manifest.v1+json", "digest", d->id, "size",
	                      (json_int_t)d->manifest_size);
	json_t *platform = json_pack("{s:s,s:s}", "os", i->os && *i->os ? i->os : "linux",
	                             "architecture", i->arch && *i->arch ? i->arch : "unknown");

	if (i->variant && *i->variant)
		(void)json_object_set_new(platform, "variant", json_string(i->variant));
	if (i->arch && *i->arch)
		(void)json_object_set(e, "platform", platform);
	json_decref(platform);
	if (name)
		(void)json_object_set_new(e, "annotations",
		                          json_pack("{s:s,s:s}", "io.containerd.image.name", name,
		                                    "org.opencontainers.image.ref.name",
		                                    tag_of(name)));
	return e;
}

/* A manifest that came says what it is; its entry must say the same. */
static void media_type_set(const struct save *v, const struct saved *d, json_t *entry)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->items[i].digest, d->id) == 0 && v->items[i].text) {
			json_auto_t *m = json_loads(v->items[i].text, 0, NULL);
			const json_t *type = json_object_get(m, "mediaType");

			if (json_is_string(type))
				(void)json_object_set_new(entry, "mediaType",
				                          json_string(json_string_value(type)));
		}
}

static int index_write(const struct save *v, struct corral_buf *ret, struct corral_error *err)
{
	json_t *all = json_pack("{s:i,s:s,s:[]}", "schemaVersion", 2, "mediaType",
	                        "application/vnd.oci.image.index.v1+json", "manifests");
	json_t *list = json_object_get(all, "manifests");

	for (size_t i = 0; i < v->n_images; i++) {
		const struct saved *d = &v->images[i];

		for (size_t k = 0; k < (d->image->n_names ? d->image->n_names : 1); k++) {
			json_t *e = index_entry(d, d->image->n_names ? d->image->names[k] : NULL);

			media_type_set(v, d, e);
			(void)json_array_append_new(list, e);
		}
	}
	return text_of(all, ret, err);
}

static json_t *path_of(const char *digest)
{
	return json_sprintf("blobs/sha256/%s", digest + strlen("sha256:"));
}

static int manifest_json_write(const struct save *v, struct corral_buf *ret,
                               struct corral_error *err)
{
	json_t *all = json_array();

	for (size_t i = 0; i < v->n_images; i++) {
		const struct saved *d = &v->images[i];
		json_t *tags = json_array(), *layers = json_array();

		for (size_t k = 0; k < d->image->n_names; k++)
			(void)json_array_append_new(tags, json_string(d->image->names[k]));
		for (size_t k = 0; k < d->image->n_layers; k++)
			(void)json_array_append_new(layers, path_of(d->layers[k]));
		(void)json_array_append_new(all, json_pack("{s:o,s:o,s:o}", "Config",
		                                           path_of(d->image->config_id), "RepoTags",
		                                           tags, "Layers", layers));
	}
	return text_of(all, ret, err);
}

/* ---- writing ---- */

static int put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct save *v = ctx;
	uint64_t now;
	int r;

	v->current += len;
	r = corral_whole_write(v->fd, data, len);
	if (r < 0)
		return corral_error_sys(err, -r, "write the archive");
	now = corral_now_ms();
	if (!v->progress || now - v->told_ms < TELL_MS)
		return 0;
	v->told_ms = now;
	if (v->progress->tell(v->progress->ctx, v->what, "write", v->current, v->total) != 0)
		return corral_error_set(err, ECANCELED, "canceled");
	return 0;
}

static int header_put(struct save *v, char type, const char *path, uint64_t size,
                      struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	tar_header(&b, &(struct tar_entry) { .type = type,
	                                     .path = path,
	                                     .mode = type == '5' ? 0755 : 0644,
	                                     .size = size });
	return b.failed ? corral_error_set(err, ENOMEM, "out of memory")
	                : put(v, b.data, b.len, err);
}

static int padding_put(struct save *v, uint64_t size, struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	tar_padding(&b, size);
	return b.len ? put(v, b.data, b.len, err) : 0;
}

static int text_put(struct save *v, const char *path, const char *text, size_t len,
                    struct corral_error *err)
{
	int r = header_put(v, '0', path, len, err);

	if (r == 0)
		r = put(v, text, len, err);
	return r < 0 ? r : padding_put(v, len, err);
}

static int blob_put(struct save *v, const struct item *item, struct corral_error *err)
{
	corral_autofree char *data = malloc(256u << 10);
	corral_autofd int fd = -1;
	int r = corral_image_blob_open(v->s, item->digest, &fd, err);

	if (r == 0 && !data)
		r = corral_error_set(err, ENOMEM, "out of memory");
	for (uint64_t left = item->size; r == 0 && left;) {
		ssize_t n = read(fd, data, left < (256u << 10) ? (size_t)left : 256u << 10);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return corral_error_sys(err, n ? errno : EIO, "read blob %.19s",
			                        item->digest);
		left -= (uint64_t)n;
		r = put(v, data, (size_t)n, err);
	}
	return r;
}

static int item_put(struct save *v, const struct item *item, struct corral_error *err)
{
	char path[32 + CORRAL_DIGEST_SIZE];
	int r;

	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", item->digest + strlen("sha256:"));
	if (item->text)
		return text_put(v, path, item->text, item->size, err);
	r = header_put(v, '0', path, item->size, err);
	if (r == 0)
		r = item->layer_path ? corral_layer_tar_of(item->layer_path, NULL, put, v, err)
		                     : blob_put(v, item, err);
	return r < 0 ? r : padding_put(v, item->size, err);
}

static int by_digest(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->digest, ((const struct item *)b)->digest);
}

static int write_all(struct save *v, enum corral_image_format format, struct corral_error *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	corral_autobuf struct corral_buf index = CORRAL_BUF_INIT, manifest = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf end = CORRAL_BUF_INIT;
	int r = index_write(v, &index, err);

	if (r == 0 && format == CORRAL_IMAGE_DOCKER_ARCHIVE)
		r = manifest_json_write(v, &manifest, err);
	qsort(v->items, v->n, sizeof(*v->items), by_digest);
	for (size_t i = 0; i < v->n; i++)
		v->total += v->items[i].size;
	if (r == 0)
		r = header_put(v, '5', "blobs/", 0, err);
	if (r == 0)
		r = header_put(v, '5', "blobs/sha256/", 0, err);
	for (size_t i = 0; r == 0 && i < v->n; i++)
		r = item_put(v, &v->items[i], err);
	if (r == 0)
		r = text_put(v, "index.json", index.data, index.len, err);
	if (r == 0 && manifest.len)
		r = text_put(v, "manifest.json", manifest.data, manifest.len, err);
	if (r == 0)
		r = text_put(v, "oci-layout", layout, strlen(layout), err);
	tar_end(&end);
	return r < 0 ? r : put(v, end.data, end.len, err);
}

int corral_image_save(struct corral_image_store *s, const struct corral_image *const *images,
                      size_t n, enum corral_image_format format, int fd,
                      const struct corral_progress *progress, struct corral_error *err)
{
	struct save v = { .s = s, .fd = fd, .progress = progress, .what = "archive" };
	corral_autofd int hold_fd = -1;
	int r = corral_image_store_hold(s, &hold_fd, err);

	if (r < 0)
		return r;
	/* What is in the store is within some limit already. */
	v.tick = (struct corral_progress_tick) { progress, v.what, "write" };
	corral_image_bounds_init(&v.bounds,
	                         &(struct corral_image_limits) { UINT64_MAX, UINT64_MAX }, -1);
	v.bounds.tick = (struct corral_image_tick) { corral_progress_tick, &v.tick };
	v.n_images = 0;
	v.images = calloc(n + 1, sizeof(*v.images));
	if (!v.images)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < n; i++)
		r = image_add(&v, images[i], err);
	if (r == 0)
		r = write_all(&v, format, err);
	save_done(&v);
	return r;
}
