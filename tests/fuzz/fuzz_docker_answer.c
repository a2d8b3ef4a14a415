/*
 * What an engine answers where we speak HTTP ourselves: a head, which is the same however it is
 * cut, and the reason of a refusal, which is one line of valid UTF-8.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backends/docker/answer.h"
#include "backends/docker/head.h"
#include "backends/docker/http.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_head(const char *data, size_t size, long n, const struct docker_head *h)
{
	struct docker_head again;

	assert(n == -EPROTO || (n >= 0 && (size_t)n <= size));
	assert(n <= (long)DOCKER_HIJACK_HEAD_MAX);
	if (n <= 0)
		return;
	assert(h->status >= 100 && h->status <= 999 && h->length >= -1);
	/* What is behind it has no part in it, and nothing less of it is one. */
	assert(docker_head_parse(data, (size_t)n, &again) == n);
	assert(again.status == h->status && again.length == h->length);
	assert(docker_head_parse(data, (size_t)n - 1, &again) <= 0);
}

static void check_refusal(const struct docker_head *h, const char *body, size_t size)
{
	corral_auto(corral_docker_answer_done) struct corral_docker_answer a = {
		.status = h->status,
	};
	struct corral_error err = { 0 };
	int r = docker_head_body(h, body, size, true, &a.body);

	assert(r == 1 || r == -EPROTO);
	assert(a.body.len <= size);
	if (h->is_json) {
		r = docker_answer_parse(&a, &err);
		assert(r == 0 || r == -EPROTO);
	}
	r = corral_docker_refused(&a, &err);
	assert(r < 0 && err.code == -r);
	assert(strncmp(err.text, "engine: ", 8) == 0);
	assert(corral_utf8_valid(err.text, strlen(err.text)));
	for (const char *at = err.text; *at; at++)
		assert((unsigned char)*at >= ' ' && *at != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";
	struct docker_head h = { 0 };
	long n = docker_head_parse(text, size, &h);

	check_head(text, size, n, &h);
	if (n > 0)
		check_refusal(&h, text + n, size - (size_t)n);
	return 0;
}
