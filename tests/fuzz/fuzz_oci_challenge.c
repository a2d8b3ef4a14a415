/* What a registry may send in WWW-Authenticate, and what a token server answers. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/image/oci/registry_auth.h"
#include "kernel/image/oci/registry_challenge.h"
#include "kernel/image/oci/registry_http.h"
#include "kernel/image/oci/registry_token.h"
#include "tests/fuzz/fuzz.h"

static void token(const char *text, size_t size)
{
	uint64_t lifetime_ms = 0;
	char *header = NULL;

	if (corral_registry_token_parse(text, size, &header, &lifetime_ms, NULL) < 0)
		return;
	assert(lifetime_ms > 0 && lifetime_ms <= UINT64_C(86400000));
	for (const char *at = header; *at; at++)
		assert((unsigned char)*at >= ' ' && (unsigned char)*at < 0x7f);
	corral_registry_secret_free(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_registry_challenge c = { 0 };
	struct corral_registry_origin o;
	struct corral_error err = { 0 };
	const char *text = size ? (const char *)data : "";
	int r = corral_registry_challenge_parse(text, size, &c, &err);

	token(text, size);
	if (r < 0) {
		assert(err.code == -r && err.text[0]);
		return 0;
	}
	assert(c.realm && c.service && c.code);
	assert(strlen(c.realm) <= CORRAL_REGISTRY_PARAMETER_MAX);
	if (c.is_bearer) {
		assert(c.realm[0]);
		for (const char *at = c.realm; *at; at++)
			assert((unsigned char)*at > ' ' && (unsigned char)*at < 0x7f);
		if (corral_registry_origin_of(c.realm, &o, NULL) == 0)
			assert(o.port && o.host[0]);
	}
	corral_registry_challenge_done(&c);
	return 0;
}
