/* backends/docker/auth.h: what engines are told of credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/auth.h"
#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"

/* The JSON of "Name: base64url". */
static json_t *header_json(const char *header, const char *name)
{
	corral_autobuf struct corral_buf plain = CORRAL_BUF_INIT;
	corral_autofree char *text = strdup(header + strlen(name));
	json_t *v;

	assert_non_null(text);
	assert_int_equal(strncmp(header, name, strlen(name)), 0);
	assert_null(strpbrk(text, "+/\r\n"));
	for (char *c = text; *c; c++)
		*c = (char)(*c == '-' ? '+' : *c == '_' ? '/' : *c);
	assert_int_equal(corral_base64_decode(text, strlen(text), &plain), 0);
	v = json_loadb(plain.data, plain.len, 0, NULL);
	assert_non_null(v);
	return v;
}

static const char *text_at(const json_t *v, const char *name)
{
	const char *text = json_string_value(json_object_get(v, name));

	return text ? text : "";
}

/* Of constants, which the functions under test only read. */
static struct corral_registry_auth auth_of(const char *user, const char *password)
{
	return (struct corral_registry_auth) {
		.server = (char *)(uintptr_t) "h.tld",
		.username = (char *)(uintptr_t)user,
		.password = (char *)(uintptr_t)password,
	};
}

static void headers_are_what_engines_read(void **state)
{
	/* Whose base64 has both characters that the URL's alphabet has not. */
	struct corral_registry_auth a = auth_of("j>>>o?\xc3\xbf???", "s3cret");
	char *header = NULL;
	json_t *v;

	(void)state;
	assert_int_equal(corral_docker_auth_header(&a, &header, NULL), 0);
	v = header_json(header, "X-Registry-Auth: ");
	assert_string_equal(text_at(v, "username"), "j>>>o?\xc3\xbf???");
	assert_string_equal(text_at(v, "password"), "s3cret");
	assert_string_equal(text_at(v, "serveraddress"), "h.tld");
	json_decref(v);
	corral_registry_secret_free(header);

	assert_int_equal(corral_docker_auth_config_header(&a, &header, NULL), 0);
	v = header_json(header, "X-Registry-Config: ");
	assert_string_equal(text_at(json_object_get(v, "h.tld"), "password"), "s3cret");
	json_decref(v);
	corral_registry_secret_free(header);
}

static void nothing_found_makes_no_header(void **state)
{
	struct corral_registry_auth a = auth_of(NULL, NULL);
	char *header = (char *)state;

	assert_int_equal(corral_docker_auth_header(&a, &header, NULL), 0);
	assert_null(header);
	header = (char *)state;
	assert_int_equal(corral_docker_auth_config_header(&a, &header, NULL), 0);
	assert_null(header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_what_engines_read),
		cmocka_unit_test(nothing_found_makes_no_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
