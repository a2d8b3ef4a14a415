#include "backends/docker/image.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/http.h"
#include "backends/docker/progress_stream.h"
#include "backends/docker/pull.h"
#include "kernel/image/reference.h"
#include "kernel/base/cleanup.h"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

void corral_docker_image_done(struct corral_docker_image *i)
{
	free(i->id);
	free(i->arch);
	free(i->os);
	free(i->user);
	free(i->work_dir);
	memset(i, 0, sizeof(*i));
}

/* A field's text as it may be shown and compared; "" when there is none. */
static char *field_dup(const json_t *v, const char *name)
{
	const json_t *text = json_object_get(v, name);
	size_t len = json_string_length(text);
	char clean[4096];

	corral_docker_text_clean(json_is_string(text) ? json_string_value(text) : "", len, clean,
	                         sizeof(clean));
	return strdup(clean);
}

static int image_fill(struct corral_docker_image *i, const json_t *v, struct corral_error *err)
{
	const json_t *config = json_object_get(v, "Config");
	json_int_t size = json_integer_value(json_object_get(v, "Size"));

	memset(i, 0, sizeof(*i));
	i->id = field_dup(v, "Id");
	i->arch = field_dup(v, "Architecture");
	i->os = field_dup(v, "Os");
	i->user = field_dup(config, "User");
	i->work_dir = field_dup(config, "WorkingDir");
	i->size_bytes = size > 0 ? (uint64_t)size : 0;
	if (!i->id || !i->arch || !i->os || !i->user || !i->work_dir) {
		corral_docker_image_done(i);
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	if (!*i->id) {
		corral_docker_image_done(i);
		return corral_error_set(err, EPROTO, "the engine's image has no id");
	}
	return 0;
}

/* The path of an image, checked to be one. */
static int path_make(struct corral_buf *b, const char *name, const char *verb,
                     struct corral_error *err)
{
	struct corral_image_reference r;
	int result = corral_image_reference_init(&r, name, err);

	if (result < 0)
		return result;
	corral_image_reference_done(&r);
	corral_buf_str(b, "/images/");
	corral_docker_escape(b, name);
	corral_buf_str(b, verb);
	return b->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

int corral_docker_image_inspect(struct corral_docker_engine *e, const char *name,
                                struct corral_docker_image *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	corral_auto(json_freep) json_t *v = NULL;
	int r = path_make(&path, name, "/json", err);

	if (r == 0) {
		r = corral_docker_do(e, "GET", path.data, NULL, &v, err);
		if (r < 0)
			r = corral_error_wrap(err, r, "image '%s'", name);
	}
	return r == 0 && ret ? image_fill(ret, v, err) : r;
}

int corral_docker_image_remove(struct corral_docker_engine *e, const char *name,
                               struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	int r = path_make(&path, name, "?force=0&noprune=0", err);

	if (r < 0)
		return r;
	r = corral_docker_do(e, "DELETE", path.data, NULL, NULL, err);
	return r < 0 ? corral_error_wrap(err, r, "remove image '%s'", name) : 0;
}

/* "linux/arm64" or "linux/arm64/v8" of an image that says "linux" and "arm64". */
static bool is_platform(const struct corral_docker_image *i, const char *platform)
{
	size_t os = strlen(i->os), arch = strlen(i->arch);

	return strncmp(platform, i->os, os) == 0 && platform[os] == '/' &&
	       strncmp(platform + os + 1, i->arch, arch) == 0 &&
	       (!platform[os + 1 + arch] || platform[os + 1 + arch] == '/');
}

/* 0, -ENOENT when it is not there as it is wanted. */
static int is_there(struct corral_docker_engine *e, const char *name, const char *platform,
                    struct corral_error *err)
{
	struct corral_docker_image i = { 0 };
	int r = corral_docker_image_inspect(e, name, &i, err);

	if (r == 0 && platform && !is_platform(&i, platform))
		r = corral_error_set(err, ENOENT, "image '%s' is there for %s/%s, not for %s", name,
		                     i.os, i.arch, platform);
	corral_docker_image_done(&i);
	return r;
}

int corral_docker_image_ensure(struct corral_docker_engine *e, const char *name,
                               const struct corral_docker_image_options *o,
                               struct corral_error *err)
{
	corral_auto(corral_image_reference_done) struct corral_image_reference reference = { 0 };
	int r = corral_image_reference_init(&reference, name, err);

	if (r < 0)
		return r;
	if (o->pull != CORRAL_DOCKER_PULL_ALWAYS || reference.is_id) {
		r = is_there(e, name, o->platform, err);
		if (r != -ENOENT || o->pull == CORRAL_DOCKER_PULL_NEVER || reference.is_id)
			return r;
	}
	return corral_docker_pull(e, &reference, o, err);
}
