/*
 * A manifest or a configuration from a registry: what is taken of it is within bounds, a manifest's
 * words can be printed, and one of its entries is chosen or none.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/digest.h"
#include "kernel/image/oci/manifest.h"
#include "tests/fuzz/fuzz.h"

static void check_word(const char *text)
{
	for (; *text; text++)
		assert(*text > ' ' && *text < 0x7f);
}

static void check_descriptor(const struct corral_descriptor *d)
{
	assert(corral_digest_is_valid(d->digest));
	assert(d->size <= INT64_MAX);
	check_word(d->media_type);
	check_word(d->os);
	check_word(d->arch);
	check_word(d->variant);
	check_word(d->name);
}

static void check_config(const char *text, size_t size)
{
	struct corral_image *i = calloc(1, sizeof(*i));
	struct corral_error err = { 0 };
	int r = corral_image_config_parse(text, size, i, &err);

	assert(r == 0 || (err.code == -r && strncmp(err.text, "configuration", 13) == 0));
	assert(i->n_layers <= CORRAL_IMAGE_LAYERS_MAX && i->created_ms >= 0);
	for (size_t k = 0; k < i->n_layers; k++)
		assert(corral_digest_is_valid(i->layers[k]));
	for (size_t k = 0; k < i->n_env; k++)
		assert(i->env[k][0] != '=' && strchr(i->env[k], '='));
	corral_image_free(i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const platforms[] = { NULL, "linux/arm64", "arm/v7", "linux/amd64/v4" };
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	struct corral_error err = { 0 };
	int r;

	check_config(size ? (const char *)data : "", size);
	r = corral_manifest_parse(size ? (const char *)data : "", size, NULL, &m, &err);

	assert(r == 0 || (err.code == -r && strncmp(err.text, "manifest", 8) == 0));
	if (r < 0)
		return 0;
	assert(m->is_index ? !m->n_layers : !m->n_entries);
	if (!m->is_index)
		check_descriptor(&m->config);
	for (size_t i = 0; i < m->n_entries; i++)
		check_descriptor(&m->entries[i]);
	assert(m->n_layers <= CORRAL_IMAGE_LAYERS_MAX);
	for (size_t i = 0; i < m->n_layers; i++)
		check_descriptor(&m->layers[i]);
	for (size_t i = 0; i < CORRAL_COUNT(platforms); i++) {
		const struct corral_descriptor *d = NULL;

		r = corral_manifest_choose(m, platforms[i], &d, &err);
		assert(r == -ENOENT ||
		       (r == 0 && d >= m->entries && d < m->entries + m->n_entries));
	}
	return 0;
}
