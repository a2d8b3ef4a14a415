/*
 * Manifests and indexes as checked data. What kind it is, is said three times (by whoever sends it,
 * in it, by what is in it), and all three must agree: else the bytes of one digest are one image
 * to us and another to the next reader.
 */
#include "kernel/image/oci/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/manifest_json.h"
#include "policy/json_words.h"

#define ENTRIES_MAX    1024
#define MEDIA_TYPE_MAX 255
#define PLATFORM_MAX   32
#define NAME_MAX_BYTES 512

enum kind { KIND_UNKNOWN, KIND_INDEX, KIND_IMAGE, KIND_SCHEMA_1 };

static const struct {
	const char *media_type;
	enum kind kind;
} kinds[] = {
	{ "application/vnd.oci.image.index.v1+json", KIND_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", KIND_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", KIND_IMAGE },
	{ "application/vnd.docker.distribution.manifest.v2+json", KIND_IMAGE },
	{ "application/vnd.docker.distribution.manifest.v1+json", KIND_SCHEMA_1 },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", KIND_SCHEMA_1 },
};

static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
};

static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
	"application/octet-stream", /* of old Docker clients */
	"",
};

static void descriptor_done(struct corral_descriptor *d)
{
	free(d->media_type);
	free(d->digest);
	free(d->os);
	free(d->arch);
	free(d->variant);
	free(d->name);
}

static void descriptors_free(struct corral_descriptor *d, size_t n)
{
	for (size_t i = 0; d && i < n; i++)
		descriptor_done(&d[i]);
	free(d);
}

void corral_manifest_free(struct corral_manifest *m)
{
	if (!m)
		return;
	descriptors_free(m->entries, m->n_entries);
	descriptors_free(m->layers, m->n_layers);
	descriptor_done(&m->config);
	free(m);
}

/* A header's "type; charset=utf-8" as well. */
static enum kind kind_of(const char *media_type)
{
	size_t len = media_type ? strcspn(media_type, "; \t") : 0;

	for (size_t i = 0; i < CORRAL_COUNT(kinds); i++)
		if (strlen(kinds[i].media_type) == len &&
		    strncasecmp(kinds[i].media_type, media_type, len) == 0)
			return kinds[i].kind;
	return KIND_UNKNOWN;
}

static int size_parse(const json_t *o, uint64_t *ret, struct corral_error *err)
{
	const json_t *v = corral_manifest_member(o, "size");

	if (!v)
		return corral_error_set(err, EINVAL, ".size: is missing");
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return corral_error_set(err, EINVAL, ".size: no number of bytes");
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int platform_parse(const json_t *o, struct corral_descriptor *d, struct corral_error *err)
{
	const json_t *p = corral_manifest_member(o, "platform");
	int r;

	if (p && !json_is_object(p))
		return corral_json_place(err, corral_json_wrong_kind(p, "an object", err),
		                         ".platform");
	r = corral_manifest_word(p, "os", PLATFORM_MAX, &d->os, err);
	if (r == 0)
		r = corral_manifest_word(p, "architecture", PLATFORM_MAX, &d->arch, err);
	if (r == 0)
		r = corral_manifest_word(p, "variant", PLATFORM_MAX, &d->variant, err);
	return r < 0 ? corral_json_place(err, r, ".platform") : 0;
}

/* The full name that containerd writes, rather than the tag beside it. A name that is none is as
 * good as no name. */
static int name_parse(const json_t *o, struct corral_descriptor *d, struct corral_error *err)
{
	static const char *const keys[] = { "io.containerd.image.name",
		                            "org.opencontainers.image.ref.name" };
	const json_t *annotations = corral_manifest_member(o, "annotations");

	for (size_t i = 0; i < CORRAL_COUNT(keys); i++) {
		int r = corral_manifest_word(annotations, keys[i], NAME_MAX_BYTES, &d->name, err);

		if (r == -ENOMEM)
			return r;
		if (r == 0 && d->name[0])
			return 0;
	}
	free(d->name);
	d->name = strdup("");
	return d->name ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

static int descriptor_parse(const json_t *o, struct corral_descriptor *d, struct corral_error *err)
{
	int r;

	if (!o)
		return corral_error_set(err, EINVAL, "is missing");
	if (!json_is_object(o))
		return corral_json_wrong_kind(o, "an object", err);
	r = corral_manifest_digest(corral_manifest_member(o, "digest"), &d->digest, err);
	if (r < 0)
		return corral_json_place(err, r, ".digest");
	r = corral_manifest_word(o, "mediaType", MEDIA_TYPE_MAX, &d->media_type, err);
	if (r == 0)
		r = size_parse(o, &d->size, err);
	if (r == 0)
		r = platform_parse(o, d, err);
	return r < 0 ? r : name_parse(o, d, err);
}

static int descriptors_parse(const json_t *o, const char *key, size_t max,
                             struct corral_descriptor **ret, size_t *ret_n,
                             struct corral_error *err)
{
	const json_t *list = corral_manifest_member(o, key), *item;
	size_t i;

	if (list && !json_is_array(list))
		return corral_json_place(err, corral_json_wrong_kind(list, "an array", err), ".%s",
		                         key);
	if (json_array_size(list) > max)
		return corral_error_set(err, EINVAL, ".%s: more than %zu of them", key, max);
	*ret = calloc(json_array_size(list) + 1, sizeof(**ret));
	if (!*ret)
		return corral_error_set(err, ENOMEM, "out of memory");
	json_array_foreach(list, i, item)
	{
		int r;

		*ret_n = i + 1;
		r = descriptor_parse(item, &(*ret)[i], err);
		if (r < 0)
			return corral_json_place(err, r, ".%s[%zu]", key, i);
	}
	return 0;
}

static bool is_among(const char *text, const char *const *known, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, known[i]) == 0)
			return true;
	return false;
}

/* What a layer is compressed by is found in itself; that it is one is said by its type. */
static bool is_layer_type(const char *type)
{
	static const char *const endings[] = { "", "+gzip", ".gzip", "+zstd", ".zstd" };

	for (size_t i = 0; i < CORRAL_COUNT(layer_types); i++) {
		size_t len = strlen(layer_types[i]);

		if (strncmp(type, layer_types[i], len) == 0 &&
		    is_among(type + len, endings, CORRAL_COUNT(endings)))
			return true;
	}
	return !type[0]; /* an unlabelled one is found out when it is unpacked */
}

static int image_check(const struct corral_manifest *m, struct corral_error *err)
{
	if (!is_among(m->config.media_type, config_types, CORRAL_COUNT(config_types)))
		return corral_error_set(err, EOPNOTSUPP,
		                        "this is no image: its configuration is a '%s'",
		                        m->config.media_type);
	for (size_t i = 0; i < m->n_layers; i++)
		if (!is_layer_type(m->layers[i].media_type))
			return corral_error_set(
			        err, EOPNOTSUPP,
			        "this is no image that can be run here: layers[%zu] is a '%s'", i,
			        m->layers[i].media_type);
	return 0;
}

static int kind_check(const json_t *o, const char *media_type, enum kind *ret,
                      struct corral_error *err)
{
	corral_autofree char *own = NULL;
	bool has_entries = corral_manifest_member(o, "manifests");
	bool has_layers =
	        corral_manifest_member(o, "layers") || corral_manifest_member(o, "config");
	const json_t *version = corral_manifest_member(o, "schemaVersion");
	enum kind said = kind_of(media_type), kind;
	int r;

	r = corral_manifest_word(o, "mediaType", MEDIA_TYPE_MAX, &own, err);
	if (r < 0)
		return r;
	kind = kind_of(own);
	if (kind == KIND_SCHEMA_1 || (kind == KIND_UNKNOWN && said == KIND_SCHEMA_1) ||
	    (json_is_integer(version) && json_integer_value(version) == 1))
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "this is a manifest of schema 1, which no longer is in use: push "
		        "the image again by a newer client");
	if (own[0] && kind == KIND_UNKNOWN)
		return corral_error_set(err, EOPNOTSUPP, "this is no image but a '%s'", own);
	if (!json_is_integer(version) || json_integer_value(version) != 2)
		return corral_error_set(err, EINVAL, ".schemaVersion: is not 2");
	if (has_entries && has_layers)
		return corral_error_set(err, EINVAL, "an index and an image at once");
	if (!has_entries && !has_layers)
		return corral_error_set(err, EINVAL, "neither an index nor an image");
	if (kind == KIND_UNKNOWN)
		kind = said;
	if (said != KIND_UNKNOWN && said != kind)
		return corral_error_set(err, EINVAL, ".mediaType: '%s' was sent as something else",
		                        own);
	if (kind != KIND_UNKNOWN && (kind == KIND_INDEX) != has_entries)
		return corral_error_set(err, EINVAL, "its media type says %s, and it is none",
		                        kind == KIND_INDEX ? "an index" : "an image");
	*ret = has_entries ? KIND_INDEX : KIND_IMAGE;
	return 0;
}

static int parse(const char *text, size_t len, const char *media_type, struct corral_manifest **ret,
                 struct corral_error *err)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	json_auto_t *o = NULL;
	enum kind kind = KIND_UNKNOWN;
	int r;

	if (len > CORRAL_MANIFEST_MAX)
		return corral_error_set(err, EFBIG, "a manifest of more than %u bytes",
		                        CORRAL_MANIFEST_MAX);
	r = corral_manifest_json(text, len, &o, err);
	if (r == 0)
		r = kind_check(o, media_type, &kind, err);
	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return corral_error_set(err, ENOMEM, "out of memory");
	m->is_index = kind == KIND_INDEX;
	if (m->is_index) {
		r = descriptors_parse(o, "manifests", ENTRIES_MAX, &m->entries, &m->n_entries, err);
	} else {
		r = descriptor_parse(corral_manifest_member(o, "config"), &m->config, err);
		if (r < 0)
			return corral_json_place(err, r, ".config");
		r = descriptors_parse(o, "layers", CORRAL_IMAGE_LAYERS_MAX, &m->layers,
		                      &m->n_layers, err);
		if (r == 0)
			r = image_check(m, err);
	}
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&m);
	return 0;
}

int corral_manifest_parse(const char *text, size_t len, const char *media_type,
                          struct corral_manifest **ret, struct corral_error *err)
{
	int r = parse(text, len, media_type, ret, err);

	return r < 0 ? corral_json_place(err, r, "manifest") : 0;
}
