#include "backends/docker/build.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/auth.h"
#include "backends/docker/dockerfile.h"
#include "backends/docker/http.h"
#include "backends/docker/progress_stream.h"
#include "backends/docker/pull.h"
#include "kernel/image/reference.h"
#include "kernel/base/cleanup.h"

/* Of an engine's own word for the failure, its end: it names the whole command before the number.
 */
#define REASON_MAX 120

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static void secret_freep(char **secret)
{
	corral_registry_secret_free(*secret);
}

static void archive_freep(struct archive **a)
{
	(void)archive_write_free(*a);
}

static void entry_freep(struct archive_entry **e)
{
	archive_entry_free(*e);
}

static la_ssize_t archive_put(struct archive *a, void *ctx, const void *data, size_t len)
{
	struct corral_buf *b = ctx;

	corral_buf_add(b, data, len);
	if (b->failed) {
		archive_set_error(a, ENOMEM, "out of memory");
		return -1;
	}
	return (la_ssize_t)len;
}

/* The build's whole context: one file. */
static int context_make(struct corral_buf *b, const struct corral_buf *dockerfile,
                        struct corral_error *err)
{
	corral_auto(archive_freep) struct archive *a = archive_write_new();
	corral_auto(entry_freep) struct archive_entry *entry = archive_entry_new();

	if (!a || !entry)
		return corral_error_set(err, ENOMEM, "out of memory");
	archive_entry_set_pathname(entry, "Dockerfile");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)dockerfile->len);
	if (archive_write_set_format_ustar(a) != ARCHIVE_OK ||
	    archive_write_open(a, b, NULL, archive_put, NULL) != ARCHIVE_OK ||
	    archive_write_header(a, entry) != ARCHIVE_OK ||
	    archive_write_data(a, dockerfile->data, dockerfile->len) !=
	            (la_ssize_t)dockerfile->len ||
	    archive_write_close(a) != ARCHIVE_OK)
		return corral_error_set(err, EIO, "build context: %s", archive_error_string(a));
	return 0;
}

static void parameter_add(struct corral_buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	corral_buf_fmt(b, "&%s=", name);
	corral_docker_escape(b, value);
}

static int path_make(struct corral_buf *b, const struct corral_runtime *r, const char *tag,
                     const struct corral_docker_image_options *o, struct corral_error *err)
{
	corral_auto(json_freep) json_t *labels =
	        json_pack("{ss}", CORRAL_DOCKER_RUNTIME_LABEL, r->name);
	corral_autofree char *text = labels ? json_dumps(labels, JSON_COMPACT) : NULL;

	if (!text)
		return corral_error_set(err, ENOMEM, "out of memory");
	corral_buf_str(b, "/build?version=1&dockerfile=Dockerfile&rm=1&forcerm=1");
	parameter_add(b, "t", tag);
	parameter_add(b, "labels", text);
	parameter_add(b, "networkmode", o->build_network);
	parameter_add(b, "platform", o->platform);
	return b->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

/* The base image is there, but the engine may want to look at its registry all the same. */
static int header_make(const struct corral_runtime *r, const struct corral_docker_image_options *o,
                       char **ret, struct corral_error *err)
{
	corral_auto(corral_image_reference_done) struct corral_image_reference base = { 0 };
	corral_auto(corral_registry_auth_done) struct corral_registry_auth auth = { 0 };
	int result = corral_image_reference_init(&base, r->base_image, err);

	if (result < 0 || base.is_id)
		return result;
	result = corral_registry_auth_find(o->config_dir, base.registry, &auth, err);
	return result < 0 ? result : corral_docker_auth_config_header(&auth, ret, err);
}

/* Of the last lines as many as find room. */
static int failed_with(const char *tag, const char *tail, const char *dots, const char *reason,
                       struct corral_error *err)
{
	size_t room =
	        sizeof(err->text) - sizeof("Building  failed:\n...") - strlen(tag) - strlen(reason);

	while (strlen(tail) > room)
		tail = strchr(tail, '\n') + 1;
	return corral_error_set(err, EIO, "Building %s failed:\n%s%s%s", tag, tail, dots, reason);
}

static int failed(const char *tag, const struct corral_docker_progress_stream *s,
                  struct corral_error *err)
{
	const char *reason = s->error;
	size_t len = strlen(reason);
	char ours[sizeof(s->step) + 40];

	if (s->step[0] && s->exit_code) {
		(void)snprintf(ours, sizeof(ours), "step '%s': exit code %u", s->step,
		               s->exit_code);
		return failed_with(tag, s->tail, "", ours, err);
	}
	if (len > REASON_MAX) {
		reason += len - REASON_MAX;
		/* No character is cut in its middle. */
		while (((unsigned char)*reason & 0xc0) == 0x80)
			reason++;
	}
	return failed_with(tag, s->tail, reason == s->error ? "" : "...", reason, err);
}

static int post(struct corral_docker_engine *e, const struct corral_docker_request *q,
                const char *tag, struct corral_docker_progress_stream *stream,
                struct corral_error *err)
{
	struct corral_docker_answer answer = { 0 };
	int r = corral_docker_call(e, q, &answer, err);

	if (r == 0 && answer.status >= 400) {
		r = corral_docker_refused(&answer, err);
		r = corral_error_wrap(err, r, "Building %s failed", tag);
	} else if (r == 0) {
		r = corral_docker_progress_stream_end(stream, err);
		if (r == 0 && stream->error[0])
			r = failed(tag, stream, err);
	}
	corral_docker_answer_done(&answer);
	return r;
}

static int put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	return corral_docker_progress_stream_feed(ctx, data, len, err);
}

int corral_docker_build(struct corral_docker_engine *e, const struct corral_runtime *r,
                        const char *tag, const struct corral_docker_image_options *o,
                        struct corral_error *err)
{
	corral_autobuf struct corral_buf dockerfile = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf context = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	corral_auto(secret_freep) char *header = NULL;
	struct corral_docker_progress_stream stream;
	const struct corral_files_sink sink = { put, &stream };
	const char *headers[] = { NULL, NULL };
	int result;

	result = corral_docker_dockerfile_add(&dockerfile, r, err);
	if (result == 0)
		result = context_make(&context, &dockerfile, err);
	if (result == 0)
		result = path_make(&path, r, tag, o, err);
	if (result == 0)
		result = header_make(r, o, &header, err);
	if (result < 0)
		return result;
	headers[0] = header;
	corral_docker_progress_stream_init(&stream, o->progress);
	result = post(e,
	              &(struct corral_docker_request) {
	                      .method = "POST",
	                      .path = path.data,
	                      .body = &context,
	                      .content_type = "application/x-tar",
	                      .headers = headers,
	                      .sink = &sink,
	                      .timeout_ms = o->timeout_ms ? o->timeout_ms
	                                                  : CORRAL_DOCKER_IMAGE_TIMEOUT_MS,
	              },
	              tag, &stream, err);
	corral_docker_progress_stream_done(&stream);
	return result;
}
