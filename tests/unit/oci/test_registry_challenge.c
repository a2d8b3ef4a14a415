/* kernel/image/oci/registry_challenge.h, and addresses that servers name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/registry_challenge.h"
#include "kernel/image/oci/registry_http.h"
#include "kernel/image/oci/registry_server.h"
#include "kernel/image/oci/registry_token.h"

static void challenges_are_read(void **state)
{
	static const struct {
		const char *text;
		bool is_bearer;
		const char *realm, *service, *code;
	} rows[] = {
		{ "Basic realm=\"x\"", false, "x", "", "" },
		{ "basic", false, "", "", "" },
		{ "BASIC realm=x, charset=\"UTF-8\"", false, "x", "", "" },
		{ "Bearer realm=\"https://a/t\",service=\"a b\",scope=\"repository:x:pull,push\"",
		  true, "https://a/t", "a b", "" },
		{ "bearer Realm = \"https://a/t\" , Service=s, error=\"invalid_token\"", true,
		  "https://a/t", "s", "invalid_token" },
		{ "Bearer realm=https://a/t?x=1,service=s", true, "https://a/t?x=1", "s", "" },
		{ "Bearer realm=\"https://a/\\\"t\"", true, "https://a/\"t", "", "" },
		/* Several, in one header or more: a token before a password. */
		{ "Basic realm=\"x\", Bearer realm=\"https://a\"", true, "https://a", "", "" },
		{ "Bearer realm=\"https://a\", Basic realm=\"x\"", true, "https://a", "", "" },
		{ "Bearer realm=\"https://a\", Bearer realm=\"https://b\"", true, "https://a", "",
		  "" },
		{ "Negotiate, Basic realm=\"x\"", false, "x", "", "" },
		{ "Negotiate TlRMTVNTUAAB==, Basic realm=\"x\"", false, "x", "", "" },
		{ "Digest realm=\"d\", nonce=\"n\", , Basic realm=\"x\"", false, "x", "", "" },
		/* One that cannot be followed is none. */
		{ "Bearer service=\"s\", Basic realm=\"x\"", false, "x", "", "" },
		{ "Bearer realm=\"https://a b\", Basic realm=\"x\"", false, "x", "", "" },
		/* The first of a name counts. */
		{ "Bearer realm=\"https://a\", realm=\"https://b\"", true, "https://a", "", "" },
		{ ", ,Basic realm=\"\",", false, "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_registry_challenge c = { 0 };
		struct corral_error err = { 0 };

		if (corral_registry_challenge_parse(rows[i].text, strlen(rows[i].text), &c, &err))
			fail_msg("%s: %s", rows[i].text, err.text);
		if (c.is_bearer != rows[i].is_bearer || strcmp(c.realm, rows[i].realm) != 0 ||
		    strcmp(c.service, rows[i].service) != 0 || strcmp(c.code, rows[i].code) != 0)
			fail_msg("%s: %d '%s' '%s' '%s'", rows[i].text, c.is_bearer, c.realm,
			         c.service, c.code);
		corral_registry_challenge_done(&c);
	}
}

static void challenges_that_are_none_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		",",
		"Negotiate",
		"Digest realm=\"x\"",
		"Bearer",
		"Bearer realm=\"\"",
		"Bearer realm=\"https://a b\"",
		"Basic realm=\"x",
		"Basic realm=\"x\\",
		"Basic realm=\"a\x01\"",
		"Basic;realm=x",
		"\"x\"",
		"=",
		"Basic realm=x; y",
		"\x80",
	};
	char *long_one = malloc(CORRAL_REGISTRY_CHALLENGE_MAX + 32);
	struct corral_registry_challenge c = { 0 };
	struct corral_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		if (corral_registry_challenge_parse(rows[i], strlen(rows[i]), &c, &err) != -EPROTO)
			fail_msg("'%s' was taken", rows[i]);
	assert_non_null(long_one);
	memset(long_one, 'x', CORRAL_REGISTRY_CHALLENGE_MAX + 31);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the text goes on */
	memcpy(long_one, "Basic realm=\"", 13);
	assert_int_equal(corral_registry_challenge_parse(long_one, 4000, &c, &err), -EPROTO);
	assert_int_equal(corral_registry_challenge_parse(long_one,
	                                                 CORRAL_REGISTRY_CHALLENGE_MAX + 1, &c,
	                                                 &err),
	                 -EPROTO);
	free(long_one);
}

static void tokens_are_read(void **state)
{
	static const struct {
		const char *text, *header;
		uint64_t lifetime_ms;
	} rows[] = {
		{ "{\"token\":\"a.b-c\"}", "Authorization: Bearer a.b-c", 50000 },
		{ "{\"access_token\":\"x\",\"expires_in\":300}", "Authorization: Bearer x",
		  290000 },
		{ "{\"token\":\"\",\"access_token\":\"x\"}", "Authorization: Bearer x", 50000 },
		{ "{\"token\":\"x\",\"access_token\":\"y\",\"expires_in\":4}",
		  "Authorization: Bearer x", 3000 },
		{ "{\"token\":\"x\",\"expires_in\":-1}", "Authorization: Bearer x", 50000 },
		{ "{\"token\":\"x\",\"expires_in\":99999999999}", "Authorization: Bearer x",
		  86390000 },
	};
	static const char *const none[] = { "",
		                            "[]",
		                            "{}",
		                            "{\"token\":7}",
		                            "{\"token\":\"a b\"}",
		                            "{\"token\":\"a\\r\\nX: y\"}",
		                            "{\"token\":\"\xc3\xa4\"}" };
	char *header = NULL;
	uint64_t lifetime_ms = 0;

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		assert_int_equal(corral_registry_token_parse(rows[i].text, strlen(rows[i].text),
		                                             &header, &lifetime_ms, NULL),
		                 0);
		assert_string_equal(header, rows[i].header);
		assert_int_equal(lifetime_ms, rows[i].lifetime_ms);
		corral_registry_secret_free(header);
	}
	for (size_t i = 0; i < CORRAL_COUNT(none); i++)
		assert_int_equal(corral_registry_token_parse(none[i], strlen(none[i]), &header,
		                                             &lifetime_ms, NULL),
		                 -EPROTO);
}

static void ranges_are_what_was_asked_for(void **state)
{
	(void)state;
	assert_true(corral_registry_range_is("bytes 100-199/200", 100, 200));
	assert_true(corral_registry_range_is("bytes 100-150/200", 100, 200));
	assert_true(corral_registry_range_is("Bytes 100-199/*", 100, 200));
	assert_false(corral_registry_range_is("bytes 0-199/200", 100, 200));
	assert_false(corral_registry_range_is("bytes 100-199/300", 100, 200));
	assert_false(corral_registry_range_is("bytes 100-200/200", 100, 200));
	assert_false(corral_registry_range_is("bytes 100-99/200", 100, 200));
	assert_false(corral_registry_range_is("bytes */200", 100, 200));
	assert_false(corral_registry_range_is("bytes 99999999999999999999-1/200", 100, 200));
	assert_false(corral_registry_range_is("items 100-199/200", 100, 200));
	assert_false(corral_registry_range_is("", 100, 200));
	assert_false(corral_registry_range_is(NULL, 100, 200));
}

static struct corral_registry_origin origin(const char *url)
{
	struct corral_registry_origin o = { 0 };
	struct corral_error err = { 0 };

	if (corral_registry_origin_of(url, &o, &err) < 0)
		fail_msg("%s: %s", url, err.text);
	return o;
}

static void addresses_are_of_the_web(void **state)
{
	static const char *const none[] = {
		"file:///etc/shadow",
		"ftp://h/x",
		"https://joe:x@h/",
		"https://joe@h/",
		"",
		"https://",
		"//h/x",
		"https://h:0/",
		"https://h:99999/",
		"gopher://127.0.0.1/",
		"unix:/x",
		"https://h:x/",
	};
	struct corral_registry_origin o;

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(none); i++)
		if (corral_registry_origin_of(none[i], &o, NULL) != -EINVAL)
			fail_msg("'%s' was taken", none[i]);
	o = origin("https://Host.TLD/x");
	assert_true(o.is_tls);
	assert_int_equal(o.port, 443);
	assert_false(o.is_loopback);
	o = origin("http://127.0.0.1:5000/v2/");
	assert_false(o.is_tls);
	assert_int_equal(o.port, 5000);
	assert_true(o.is_loopback);
	assert_true(origin("http://localhost").is_loopback);
	assert_true(origin("http://[::1]:80/").is_loopback);
	assert_true(origin("http://127.1.2.3/").is_loopback);
	assert_false(origin("http://127.0.0.1.evil.tld/").is_loopback);
	assert_false(origin("http://localhost.evil.tld/").is_loopback);
	assert_false(origin("http://128.0.0.1/").is_loopback);
}

static void nobody_is_sent_where_it_is_less_safe(void **state)
{
	static const char *const insecure[] = { "lax.tld", "lax2.tld:5000", NULL };
	static const struct {
		const char *from, *to;
		int code;
	} rows[] = {
		{ "https://a", "https://b", 0 },
		{ "https://a", "http://a", -EPERM },
		{ "https://a", "http://lax.tld", -EPERM },
		{ "https://a", "https://127.0.0.1", -EPERM },
		{ "https://a", "https://localhost", -EPERM },
		{ "https://a", "https://[::1]", -EPERM },
		{ "http://lax.tld", "http://127.0.0.1", -EPERM },
		{ "http://lax.tld", "http://lax2.tld:5000", 0 },
		{ "http://lax.tld", "http://lax2.tld", -EPERM },
		{ "http://lax.tld:80", "http://lax.tld:81", 0 },
		{ "http://lax.tld", "http://b", -EPERM },
		{ "http://lax.tld", "https://b", 0 },
		{ "http://127.0.0.1", "http://127.0.0.2:81", 0 },
		{ "http://127.0.0.1", "http://b", -EPERM },
		{ "https://127.0.0.1", "http://127.0.0.1", -EPERM },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_registry_origin from = origin(rows[i].from), to = origin(rows[i].to);

		if (corral_registry_may_follow(&from, &to, insecure, NULL) != rows[i].code)
			fail_msg("from %s to %s", rows[i].from, rows[i].to);
	}
}

/* "https://a! http://b?": ! has its certificate looked at, ? is another way to the one before, ~
 * may be told secrets. */
static void servers(const char *registry, const char *mirror, const char *mirror2,
                    const char *insecure, const char *expect)
{
	const char *const mirrors[] = { mirror ? mirror : mirror2, mirror ? mirror2 : NULL, NULL };
	const char *const lax[] = { insecure, NULL };
	struct corral_registry_servers s = { 0 };
	struct corral_error err = { 0 };
	corral_autobuf struct corral_buf is = CORRAL_BUF_INIT;

	if (corral_registry_servers_list(registry, mirrors, lax, &s, &err) < 0)
		fail_msg("%s: %s", registry, err.text);
	for (size_t i = 0; i < s.n; i++)
		corral_buf_fmt(&is, "%s%s%s%s%s%s%s", i ? " " : "", s.items[i].base,
		               *s.items[i].prefix ? "/" : "", s.items[i].prefix,
		               s.items[i].is_unverified ? "" : "!",
		               s.items[i].is_otherwise ? "?" : "",
		               corral_registry_may_be_told(&s.items[i].at, s.items[i].is_unverified)
		                       ? "~"
		                       : "");
	assert_string_equal(is.data, expect);
	corral_registry_servers_done(&s);
}

static void servers_are_tried_in_their_order(void **state)
{
	(void)state;
	servers("docker.io", NULL, NULL, NULL, "https://registry-1.docker.io!~");
	servers("h.tld:5000", NULL, NULL, NULL, "https://h.tld:5000!~");
	servers("127.0.0.1:5000", NULL, NULL, NULL,
	        "https://127.0.0.1:5000~ http://127.0.0.1:5000?~");
	servers("h.tld", NULL, NULL, "h.tld", "https://h.tld!~ https://h.tld? http://h.tld?");
	servers("h.tld:1", NULL, NULL, "h.tld:2", "https://h.tld:1!~");
	servers("docker.io", "docker.io=m.tld", "h.tld=n.tld", NULL,
	        "https://m.tld!~ https://registry-1.docker.io!~");
	servers("docker.io", "docker.io=https://m.tld:1/team/hub", "docker.io=localhost:2", NULL,
	        "https://m.tld:1/team/hub/!~ https://localhost:2~ http://localhost:2?~ "
	        "https://registry-1.docker.io!~");
	servers("docker.io", "docker.io=http://127.0.0.1:3", NULL, NULL,
	        "http://127.0.0.1:3~ https://registry-1.docker.io!~");
}

static void mirrors_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{ "m.tld", -EINVAL },
		{ "=m.tld", -EINVAL },
		{ "docker.io=", -EINVAL },
		{ "docker.io=ftp://m.tld", -EINVAL },
		{ "docker.io=joe@m.tld", -EINVAL },
		{ "docker.io=m.tld/../x", -EINVAL },
		{ "docker.io=m.tld/x?y", -EINVAL },
		{ "docker.io=m.tld:x", -EINVAL },
		{ "docker.io=http://m.tld", -EPERM },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		const char *const mirrors[] = { rows[i].text, NULL };
		struct corral_registry_servers s = { 0 };
		struct corral_error err = { 0 };

		if (corral_registry_servers_list("docker.io", mirrors, NULL, &s, &err) !=
		    rows[i].code)
			fail_msg("'%s': %s", rows[i].text, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_are_read),
		cmocka_unit_test(challenges_that_are_none_are_refused),
		cmocka_unit_test(tokens_are_read),
		cmocka_unit_test(ranges_are_what_was_asked_for),
		cmocka_unit_test(addresses_are_of_the_web),
		cmocka_unit_test(nobody_is_sent_where_it_is_less_safe),
		cmocka_unit_test(servers_are_tried_in_their_order),
		cmocka_unit_test(mirrors_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
