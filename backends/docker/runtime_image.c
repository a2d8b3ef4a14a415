/*
 * From a runtime to the image that its containers are started from.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/docker/build.h"
#include "backends/docker/build_once.h"
#include "backends/docker/dockerfile.h"
#include "backends/docker/http.h"
#include "backends/docker/image.h"
#include "backends/docker/pull.h"
#include "kernel/image/reference.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"

/* Tags that one build removes at most; the next one takes the rest. */
#define PRUNED_MAX 64

static void json_freep(json_t **v)
{
	json_decref(*v);
}

/* Whether it is one of this runtime's tags, but not this one: all of it is the same up to the
 * digest. Podman lists them as "docker.io/library/..." or "localhost/...". */
static bool is_superseded(const char *name, const char *tag)
{
	struct corral_image_reference r;
	const char *ours = strchr(tag, ':') + 1, *path;
	size_t len = strlen(ours), same = len - CORRAL_DOCKER_TAG_HEX;
	bool yes;

	if (corral_image_reference_init(&r, name, NULL) < 0)
		return false;
	path = r.path && strncmp(r.path, "library/", 8) == 0 ? r.path + 8 : r.path;
	yes = path && r.tag && !r.digest && strcmp(path, CORRAL_DOCKER_RUNTIME_REPOSITORY) == 0 &&
	      (strcmp(r.registry, "docker.io") == 0 || strcmp(r.registry, "localhost") == 0) &&
	      strlen(r.tag) == len && strncmp(r.tag, ours, same) == 0 &&
	      strspn(r.tag + same, "0123456789abcdef") == CORRAL_DOCKER_TAG_HEX &&
	      strcmp(r.tag, ours) != 0;
	corral_image_reference_done(&r);
	return yes;
}

/* Its tags alone: with the last of them the engine removes what nothing else refers to. Those in
 * use stay. Returns how many it tried, of at most max. */
static size_t untag(struct corral_docker_engine *e, const json_t *image, const char *tag,
                    size_t max)
{
	const json_t *tags = json_object_get(image, "RepoTags");
	struct corral_error err = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(tags) && n < max; i++) {
		const char *name = json_string_value(json_array_get(tags, i));

		if (!name || !is_superseded(name, tag))
			continue;
		n++;
		if (corral_docker_image_remove(e, name, &err) < 0)
			corral_trace(CORRAL_TRACE_BACKEND, "docker: a superseded image stays: %s",
			             err.text);
	}
	return n;
}

static bool is_older(const json_t *image, int64_t age_sec)
{
	json_int_t created = json_integer_value(json_object_get(image, "Created"));

	return created > 0 && (int64_t)time(NULL) - created >= age_sec;
}

void corral_docker_superseded_remove(struct corral_docker_engine *e, const struct corral_runtime *r,
                                     const char *tag, int64_t age_sec)
{
	corral_autobuf struct corral_buf label = CORRAL_BUF_INIT, path = CORRAL_BUF_INIT;
	corral_auto(json_freep) json_t *filters = NULL, *images = NULL;
	corral_autofree char *text = NULL;
	struct corral_error err = { 0 };

	corral_buf_fmt(&label, CORRAL_DOCKER_RUNTIME_LABEL "=%s", r->name);
	if (label.failed)
		return;
	filters = json_pack("{s[s]}", "label", label.data);
	text = filters ? json_dumps(filters, JSON_COMPACT) : NULL;
	if (!text)
		return;
	corral_buf_str(&path, "/images/json?filters=");
	corral_docker_escape(&path, text);
	if (path.failed)
		return;
	if (corral_docker_do(e, "GET", path.data, NULL, &images, &err) < 0) {
		corral_trace(CORRAL_TRACE_BACKEND, "docker: images are not listed: %s", err.text);
		return;
	}
	for (size_t i = 0, n = 0; i < json_array_size(images) && n < PRUNED_MAX; i++)
		if (is_older(json_array_get(images, i), age_sec))
			n += untag(e, json_array_get(images, i), tag, PRUNED_MAX - n);
}

struct wanted {
	struct corral_docker_engine *engine;
	const struct corral_runtime *runtime;
	const struct corral_docker_image_options *options;
	const char *tag;
};

static int wanted_build(void *ctx, struct corral_error *err)
{
	const struct wanted *w = ctx;
	int r;

	/* Looked for here and not before, so that who waited for a build finds it. */
	if (w->runtime->cache_image) {
		r = corral_docker_image_inspect(w->engine, w->tag, NULL, err);
		if (r != -ENOENT)
			return r;
	}
	r = corral_docker_image_ensure(w->engine, w->runtime->base_image, w->options, err);
	if (r < 0)
		return corral_error_wrap(err, r, "runtime '%.60s'", w->runtime->name);
	r = corral_docker_build(w->engine, w->runtime, w->tag, w->options, err);
	if (r == 0)
		corral_docker_superseded_remove(w->engine, w->runtime, w->tag,
		                                CORRAL_DOCKER_SUPERSEDED_AGE_S);
	return r;
}

static int ready_made(struct corral_docker_engine *e, const char *image,
                      const struct corral_docker_image_options *o, char **ret,
                      struct corral_error *err)
{
	int r = corral_docker_image_ensure(e, image, o, err);

	if (r < 0)
		return r;
	*ret = strdup(image);
	return *ret ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

int corral_docker_runtime_image(struct corral_docker_engine *e, const struct corral_runtime *r,
                                const struct corral_docker_image_options *o, char **ret_name,
                                struct corral_error *err)
{
	corral_autofree char *tag = NULL;
	const char *image = r->image || r->base_image ? r->image : o->fallback_image;
	struct wanted wanted = { e, r, o, NULL };
	int result;

	if (image)
		return ready_made(e, image, o, ret_name, err);
	if (!r->base_image)
		return corral_error_set(err, EINVAL,
		                        "runtime '%.60s' has neither an image nor a base_image",
		                        r->name);
	result = corral_docker_runtime_tag(r, o->platform, &tag, err);
	if (result < 0)
		return result;
	wanted.tag = tag;
	result = corral_docker_build_once(e, tag, o->progress,
	                                  o->timeout_ms ? o->timeout_ms
	                                                : CORRAL_DOCKER_IMAGE_TIMEOUT_MS,
	                                  wanted_build, &wanted, err);
	if (result == 0)
		*ret_name = corral_take_ptr(&tag);
	return result;
}
