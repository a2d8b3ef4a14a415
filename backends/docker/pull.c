#include "backends/docker/pull.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/auth.h"
#include "backends/docker/http.h"
#include "backends/docker/progress_stream.h"
#include "kernel/base/cleanup.h"

/* Of a refusal's text, where the credentials are to be told of, too. */
#define REFUSAL_MAX 200

static void secret_freep(char **secret)
{
	corral_registry_secret_free(*secret);
}

/*
 * Engines hand on a registry's words below statuses of their own choice, so the words decide.
 * "denied" comes first: a registry that hides what it has says "denied or does not exist".
 */
int corral_docker_pull_meaning(const char *text, int otherwise)
{
	static const struct {
		const char *words;
		int code;
	} known[] = {
		{ "denied", -EACCES },
		{ "unauthorized", -EACCES },
		{ "authentication required", -EACCES },
		{ "no basic auth credentials", -EACCES },
		{ "incorrect username or password", -EACCES },
		{ "403 forbidden", -EACCES },
		{ "manifest unknown", -ENOENT },
		{ "name unknown", -ENOENT },
		{ "not found", -ENOENT },
		{ "no such image", -ENOENT },
		{ "no matching manifest", -ENOENT },
	};

	for (size_t i = 0; i < CORRAL_COUNT(known); i++)
		if (strcasestr(text, known[i].words))
			return known[i].code;
	return otherwise;
}

static int put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	return corral_docker_progress_stream_feed(ctx, data, len, err);
}

static void path_add(struct corral_buf *b, const struct corral_image_reference *r,
                     const char *platform)
{
	corral_buf_str(b, "/images/create?fromImage=");
	corral_docker_escape(b, r->name);
	/* Without it, all tags would come. */
	corral_buf_str(b, "&tag=");
	corral_docker_escape(b, r->digest ? r->digest : r->tag);
	if (platform) {
		corral_buf_str(b, "&platform=");
		corral_docker_escape(b, platform);
	}
}

/* What was said, with what its reader would like to know. */
static int refuse(const struct corral_image_reference *r, const struct corral_registry_auth *auth,
                  const char *text, int otherwise, struct corral_error *err)
{
	int code = corral_docker_pull_meaning(text, otherwise);
	char start[REFUSAL_MAX + 1];

	if (code != -EACCES)
		return corral_error_set(err, -code, "registry %s: %s", r->registry, text);
	corral_docker_text_clean(text, strlen(text), start, sizeof(start));
	return corral_error_set(err, EACCES, "registry %s: %s (asked %s)", r->registry, start,
	                        auth->note[0] ? auth->note : "without credentials");
}

static int create(struct corral_docker_engine *e, const struct corral_image_reference *r,
                  const struct corral_registry_auth *auth, const char *header,
                  const struct corral_docker_image_options *o, struct corral_error *err)
{
	struct corral_docker_progress_stream stream;
	const struct corral_files_sink sink = { put, &stream };
	const char *const headers[] = { header, NULL };
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	struct corral_docker_answer answer = { 0 };
	struct corral_error refused = { 0 };
	struct corral_docker_request q = {
		.method = "POST",
		.headers = headers,
		.sink = &sink,
		.timeout_ms = o->timeout_ms ? o->timeout_ms : CORRAL_DOCKER_IMAGE_TIMEOUT_MS,
	};
	int result;

	path_add(&path, r, o->platform);
	if (path.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	q.path = path.data;
	corral_docker_progress_stream_init(&stream, o->progress);
	result = corral_docker_call(e, &q, &answer, err);
	if (result == 0 && answer.status >= 400) {
		result = corral_docker_refused(&answer, &refused);
		result = refuse(r, auth, refused.text, result, err);
	} else if (result == 0) {
		result = corral_docker_progress_stream_end(&stream, err);
		if (stream.error[0] && result == 0)
			result = refuse(r, auth, stream.error, -EIO, err);
	}
	corral_docker_answer_done(&answer);
	corral_docker_progress_stream_done(&stream);
	return result;
}

int corral_docker_pull(struct corral_docker_engine *e, const struct corral_image_reference *r,
                       const struct corral_docker_image_options *o, struct corral_error *err)
{
	corral_auto(corral_registry_auth_done) struct corral_registry_auth auth = { 0 };
	corral_auto(secret_freep) char *header = NULL;
	int result;

	result = corral_registry_auth_find(o->config_dir, r->registry, &auth, err);
	if (result == 0)
		result = corral_docker_auth_header(&auth, &header, err);
	if (result == 0)
		result = create(e, r, &auth, header, o, err);
	return result < 0 ? corral_error_wrap(err, result, r->digest ? "pull %s@%s" : "pull %s:%s",
	                                      r->name, r->digest ? r->digest : r->tag)
	                  : 0;
}
