/*
 * From a runtime to the image that its containers are started from.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/build.h"
#include "backends/docker/build_once.h"
#include "backends/docker/dockerfile.h"
#include "backends/docker/http.h"
#include "backends/docker/image.h"
#include "backends/docker/pull.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"

/* Images that one build removes at most; the next one takes the rest. */
#define PRUNED_MAX 64

static void json_freep(json_t **v)
{
	json_decref(*v);
}

/* By its tag, or by its id when a newer build took the tag from it. Those in use stay. */
static void superseded_remove(struct corral_docker_engine *e, const json_t *image, const char *tag)
{
	static const char ours[] = CORRAL_DOCKER_RUNTIME_REPOSITORY ":";
	const json_t *tags = json_object_get(image, "RepoTags");
	const char *id = json_string_value(json_object_get(image, "Id"));
	struct corral_error err = { 0 };
	bool has_tag = false;
	int r = 0;

	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *name = json_string_value(json_array_get(tags, i));

		if (!name || strcmp(name, "<none>:<none>") == 0)
			continue;
		has_tag = true;
		/* Podman puts "localhost/" in front. */
		if (strncmp(name, "localhost/", 10) == 0)
			name += 10;
		if (strncmp(name, ours, sizeof(ours) - 1) == 0 && strcmp(name, tag) != 0)
			r = corral_docker_image_remove(e, name, &err);
	}
	if (!has_tag && id)
		r = corral_docker_image_remove(e, id, &err);
	if (r < 0)
		corral_trace(CORRAL_TRACE_BACKEND, "docker: a superseded image stays: %s",
		             err.text);
}

/* What the image just built replaces. That it cannot be removed is no failure of the build. */
static void prune(struct corral_docker_engine *e, const struct corral_runtime *r, const char *tag)
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
	for (size_t i = 0; i < json_array_size(images) && i < PRUNED_MAX; i++)
		superseded_remove(e, json_array_get(images, i), tag);
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
		prune(w->engine, w->runtime, w->tag);
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
