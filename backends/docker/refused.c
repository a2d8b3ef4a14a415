/* Answers that say no: which error that is, and the engine's reason. */
#include "backends/docker/http.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/said.h"

#define MESSAGE_MAX 400

static int code_of(long status)
{
	switch (status) {
	case 400:
		return EINVAL;
	case 401:
	case 403:
		return EACCES;
	case 404:
		return ENOENT;
	case 409:
		return EBUSY;
	case 501:
		return EOPNOTSUPP;
	default:
		return status >= 500 && status < 600 ? EIO : EPROTO;
	}
}

/* Engines say {"message": "..."}; what stands between, and some of Podman's, is plain text. */
static void add_reason(struct corral_buf *b, const struct corral_docker_answer *a)
{
	const json_t *message = json_object_get(a->json, "message");

	if (json_is_string(message))
		corral_said(b, json_string_value(message), json_string_length(message),
		            MESSAGE_MAX);
	else if (!a->json && a->body.len)
		corral_said(b, a->body.data, a->body.len, MESSAGE_MAX);
}

int corral_docker_refused(const struct corral_docker_answer *a, struct corral_error *err)
{
	corral_autobuf struct corral_buf reason = CORRAL_BUF_INIT;

	add_reason(&reason, a);
	if (reason.failed || !reason.len)
		return corral_error_set(err, code_of(a->status),
		                        "engine: answered %ld and no reason", a->status);
	return corral_error_set(err, code_of(a->status), "engine: %s", reason.data);
}
