/* kernel/image/oci/manifest.h: manifests and configurations, from well-meaning and hostile hands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/oci/manifest.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

#define OCI    "application/vnd.oci.image.manifest.v1+json"
#define DOCKER "application/vnd.docker.distribution.manifest.v2+json"
#define INDEX  "application/vnd.oci.image.index.v1+json"
#define LIST   "application/vnd.docker.distribution.manifest.list.v2+json"

#define CONFIG                                                                    \
	"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"," \
	"\"digest\":\"" D1 "\",\"size\":7}"
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" D2 "\",\"size\":9}"
#define LAYERS      "\"layers\":[" LAYER("application/vnd.oci.image.layer.v1.tar+gzip") "]"
#define ENTRY(rest) "{\"mediaType\":\"" OCI "\",\"digest\":\"" D1 "\",\"size\":5" rest "}"
#define FOR(os, arch, variant)                                            \
	ENTRY(",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch \
	      "\",\"variant\":\"" variant "\"}")
#define V2 "\"schemaVersion\":2,"

static int parse(const char *text, const char *type, struct corral_manifest **ret,
                 struct corral_error *err)
{
	return corral_manifest_parse(text, strlen(text), type, ret, err);
}

static void an_image_is_its_configuration_and_layers(void **state)
{
	static const char *const types[] = { OCI, NULL, "application/json", OCI "; charset=utf-8" };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(types); i++) {
		corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;

		assert_int_equal(parse("{" V2 CONFIG "," LAYERS ",\"annotations\":null}", types[i],
		                       &m, NULL),
		                 0);
		assert_false(m->is_index);
		assert_string_equal(m->config.digest, D1);
		assert_int_equal(m->config.size, 7);
		assert_int_equal(m->n_layers, 1);
		assert_string_equal(m->layers[0].digest, D2);
		assert_int_equal(m->layers[0].size, 9);
	}
}

static const char docker_image[] =
        "{" V2 "\"mediaType\":\"" DOCKER "\",\"config\":{\"digest\":\"" D1 "\",\"size\":7,"
        "\"mediaType\":\"application/vnd.docker.container.image.v1+json\"},\"layers\":["
        // clang-format off
        LAYER("application/vnd.docker.image.rootfs.diff.tar.gzip") ","
        LAYER("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") "]}";
// clang-format on

static void docker_has_names_of_its_own(void **state)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;

	(void)state;
	assert_int_equal(parse(docker_image, DOCKER, &m, NULL), 0);
	assert_int_equal(m->n_layers, 2);
}

static const struct {
	const char *text, *type;
	int code;
	const char *says;
} refused[] = {
	{ "", NULL, EINVAL, "manifest: no JSON" },
	{ "[]", NULL, EINVAL, "manifest: an array where an object is expected" },
	{ "{}", NULL, EINVAL, "manifest.schemaVersion: is not 2" },
	{ "{" V2 "\"a\":\"\\u0000\"}", NULL, EINVAL, "no JSON" },
	{ "{" V2 "\"schemaVersion\":2}", NULL, EINVAL, "no JSON" },
	{ "{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, EOPNOTSUPP, "schema 1" },
	{ "{\"schemaVersion\":1,\"fsLayers\":[]}",
	  "application/vnd.docker.distribution.manifest.v1+prettyjws", EOPNOTSUPP, "schema 1" },
	{ "{" V2 "\"manifests\":[]," CONFIG "," LAYERS "}", NULL, EINVAL, "at once" },
	{ "{" V2 "\"manifests\":[]}", OCI, EINVAL, "its media type says an image" },
	{ "{" V2 CONFIG "," LAYERS "}", INDEX, EINVAL, "its media type says an index" },
	{ "{" V2 "\"mediaType\":\"" OCI "\"," CONFIG "," LAYERS "}", LIST, EINVAL,
	  "sent as something else" },
	{ "{" V2 "\"mediaType\":\"text/x\"," CONFIG "}", OCI, EOPNOTSUPP, "but a 'text/x'" },
	{ "{" V2 "\"mediaType\":\"a\\nb\"," CONFIG "}", NULL, EINVAL, "cannot be printed" },
	{ "{" V2 LAYERS "}", NULL, EINVAL, "manifest.config: is missing" },
	{ "{" V2 "\"config\":{\"digest\":\"" D1 "\",\"size\":1,\"mediaType\":\"application/"
	  "vnd.cncf.helm.config.v1+json\"}}",
	  NULL, EOPNOTSUPP, "helm" },
	{ "{" V2 CONFIG ",\"layers\":[" LAYER("application/vnd.in-toto+json") "]}", NULL,
	  EOPNOTSUPP, "in-toto" },
	{ "{" V2 CONFIG
	  ",\"layers\":[" LAYER("application/vnd.oci.image.layer.v1.tar+gzip+encrypted") "]}",
	  NULL, EOPNOTSUPP, "encrypted" },
	{ "{" V2 CONFIG ",\"layers\":{}}", NULL, EINVAL, "manifest.layers: an object where" },
	{ "{" V2 CONFIG ",\"layers\":[{\"digest\":\"sha256:../../x\",\"size\":1}]}", NULL, EINVAL,
	  "manifest.layers[0].digest: no digest" },
	{ "{" V2 CONFIG ",\"layers\":[{\"digest\":\"sha512:00\",\"size\":1}]}", NULL, EOPNOTSUPP,
	  "manifest.layers[0].digest: sha512" },
	{ "{" V2 CONFIG ",\"layers\":[{\"digest\":\"" D1 "\"}]}", NULL, EINVAL,
	  "manifest.layers[0].size: is missing" },
	{ "{" V2 CONFIG ",\"layers\":[{\"digest\":\"" D1 "\",\"size\":-1}]}", NULL, EINVAL,
	  "manifest.layers[0].size: no number" },
	{ "{" V2 CONFIG ",\"layers\":[{\"digest\":\"" D1 "\",\"size\":1e3}]}", NULL, EINVAL,
	  "manifest.layers[0].size: no number" },
	{ "{" V2 CONFIG ",\"layers\":[{\"digest\":\"" D1 "\",\"size\":99999999999999999999999}]}",
	  NULL, EINVAL, "no JSON" },
	{ "{" V2 "\"manifests\":[" FOR("li\\u001bnux", "amd64", "") "]}", NULL, EINVAL,
	  "manifest.manifests[0].platform.os: has bytes" },
};

static void what_is_no_manifest_is_refused_with_the_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(refused); i++) {
		struct corral_manifest *m = NULL;
		struct corral_error err = { 0 };
		int r = parse(refused[i].text, refused[i].type, &m, &err);

		if (r != -refused[i].code || m || !strstr(err.text, refused[i].says))
			fail_msg("%s: %d, %s", refused[i].text, r, err.text);
	}
}

static void too_many_layers_are_refused(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_manifest *m = NULL;
	struct corral_error err = { 0 };

	(void)state;
	corral_buf_str(&b, "{" V2 CONFIG ",\"layers\":[");
	for (int i = 0; i <= CORRAL_IMAGE_LAYERS_MAX; i++)
		corral_buf_fmt(&b, "%s" LAYER(""), i ? "," : "");
	corral_buf_str(&b, "]}");
	assert_int_equal(corral_manifest_parse(b.data, b.len, NULL, &m, &err), -EINVAL);
	assert_string_equal(err.text, "manifest.layers: more than 128 of them");
}

static void nested_json_is_bounded(void **state)
{
	corral_autofree char *text = malloc(1 << 20);
	struct corral_manifest *m = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, '[', 1 << 20);
	assert_int_equal(corral_manifest_parse(text, 1 << 20, NULL, &m, NULL), -EINVAL);
	assert_int_equal(corral_manifest_parse(text, CORRAL_MANIFEST_MAX + 1, NULL, &m, NULL),
	                 -EFBIG);
}

static void names_come_from_annotations(void **state)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;

	(void)state;
	assert_int_equal(
	        parse("{" V2 "\"manifests\":[" ENTRY(
	                      ",\"annotations\":{\"org.opencontainers.image.ref.name\":"
	                      "\"v1\"}") "," ENTRY(",\"annotations\":{\"org."
	                                           "opencontainers.image.ref.name\":"
	                                           "\"v1\","
	                                           "\"io.containerd.image.name\":\"docker."
	                                           "io/a/b:v1\"}") "," ENTRY(",\"annotatio"
	                                                                     "ns\":{\"org."
	                                                                     "opencontaine"
	                                                                     "rs.image."
	                                                                     "ref.name\":"
	                                                                     "\"a b\"}") "]}",
	              NULL, &m, NULL),
	        0);
	assert_int_equal(m->n_entries, 3);
	assert_string_equal(m->entries[0].name, "v1");
	assert_string_equal(m->entries[1].name, "docker.io/a/b:v1");
	assert_string_equal(m->entries[2].name, "");
}

/* Digests do not matter here: an entry is told by its place. */
// clang-format off
static const char many[] = "{" V2 "\"manifests\":["
	FOR("linux", "arm", "v5") ","
	FOR("linux", "arm", "v7") ","
	FOR("linux", "arm64", "v8") ","
	FOR("linux", "amd64", "") ","
	FOR("linux", "amd64", "v3") ","
	FOR("unknown", "unknown", "") ","
	FOR("linux", "s390x", "") ","
	FOR("windows", "amd64", "") "]}";
// clang-format on

static const struct {
	const char *platform;
	int entry; /* -1: none */
} choices[] = {
	{ "linux/arm64", 2 },    { "arm64", 2 },          { "aarch64", 2 },
	{ "linux/arm64/v8", 2 }, { "linux/arm64/v9", 2 }, { "linux/arm", 1 },
	{ "linux/arm/v7", 1 },   { "linux/arm/v6", 0 },   { "armhf", 1 },
	{ "armel", 0 },          { "linux/arm/v5", 0 },   { "linux/arm/v4", -1 },
	{ "linux/amd64", 3 },    { "x86_64", 3 },         { "linux/amd64/v1", 3 },
	{ "linux/amd64/v2", 3 }, { "linux/amd64/v3", 4 }, { "linux/amd64/v4", 4 },
	{ "linux/s390x", 6 },    { "linux/s390x/z", 6 },  { "linux/riscv64", -1 },
	{ "windows/amd64", 7 },  { "linux/386", -1 },
};

static void the_best_entry_is_chosen(void **state)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;

	(void)state;
	assert_int_equal(parse(many, LIST, &m, NULL), 0);
	assert_true(m->is_index);
	for (size_t i = 0; i < CORRAL_COUNT(choices); i++) {
		const struct corral_descriptor *d = NULL;
		struct corral_error err = { 0 };
		int r = corral_manifest_choose(m, choices[i].platform, &d, &err);
		int got = r == 0 ? (int)(d - m->entries) : -1;

		if (got != choices[i].entry || (r < 0 && r != -ENOENT))
			fail_msg("%s: %d (%s)", choices[i].platform, got, err.text);
	}
}

static void those_that_there_are_are_named(void **state)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	const struct corral_descriptor *d = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(parse(many, NULL, &m, NULL), 0);
	assert_int_equal(corral_manifest_choose(m, "linux/riscv64", &d, &err), -ENOENT);
	assert_string_equal(err.text, "no image for linux/riscv64: there is linux/arm/v5, "
	                              "linux/arm/v7, linux/arm64/v8, linux/amd64, linux/amd64/v3, "
	                              "linux/s390x, windows/amd64");
	for (const char *const *bad =
	             (const char *const[]) { "", "/", "a//b", "linux/", "a/b/c/d", NULL };
	     *bad; bad++)
		assert_int_equal(corral_manifest_choose(m, *bad, &d, &err), -EINVAL);
}

static void this_host_is_asked_for_by_nothing(void **state)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	const struct corral_descriptor *d = NULL;

	(void)state;
	assert_int_equal(parse(many, NULL, &m, NULL), 0);
	assert_int_equal(corral_manifest_choose(m, NULL, &d, NULL), 0);
#if defined(__x86_64__)
	assert_int_equal(d - m->entries, 3);
#elif defined(__aarch64__)
	assert_int_equal(d - m->entries, 2);
#endif
}

static void an_entry_without_platform_is_better_than_none(void **state)
{
	corral_auto(corral_manifest_freep) struct corral_manifest *m = NULL;
	const struct corral_descriptor *d = NULL;

	(void)state;
	assert_int_equal(parse("{" V2
	                       "\"manifests\":[" ENTRY("") "," FOR("linux", "arm", "v7") "]}",
	                       NULL, &m, NULL),
	                 0);
	assert_int_equal(corral_manifest_choose(m, "linux/amd64", &d, NULL), 0);
	assert_ptr_equal(d, &m->entries[0]);
	assert_int_equal(corral_manifest_choose(m, "linux/arm", &d, NULL), 0);
	assert_ptr_equal(d, &m->entries[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_its_configuration_and_layers),
		cmocka_unit_test(docker_has_names_of_its_own),
		cmocka_unit_test(what_is_no_manifest_is_refused_with_the_place),
		cmocka_unit_test(too_many_layers_are_refused),
		cmocka_unit_test(nested_json_is_bounded),
		cmocka_unit_test(names_come_from_annotations),
		cmocka_unit_test(the_best_entry_is_chosen),
		cmocka_unit_test(those_that_there_are_are_named),
		cmocka_unit_test(this_host_is_asked_for_by_nothing),
		cmocka_unit_test(an_entry_without_platform_is_better_than_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
