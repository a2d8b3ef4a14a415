/* kernel/image/reference.h: an image's name is taken apart as every client does, or refused with
 * a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/image/reference.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void same(const char *got, const char *wanted)
{
	if (!wanted)
		assert_null(got);
	else
		assert_string_equal(got, wanted);
}

static void names_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *name, *registry, *path, *tag, *digest;
	} rows[] = {
		{ "python", "python", "docker.io", "library/python", "latest", NULL },
		{ "python:3.12-slim", "python", "docker.io", "library/python", "3.12-slim", NULL },
		{ "oven/bun:1", "oven/bun", "docker.io", "oven/bun", "1", NULL },
		{ "docker.io/python", "docker.io/python", "docker.io", "library/python", "latest",
		  NULL },
		{ "index.docker.io/a/b", "index.docker.io/a/b", "docker.io", "a/b", "latest",
		  NULL },
		{ "localhost/x", "localhost/x", "localhost", "x", "latest", NULL },
		{ "localhost:5000/x:y", "localhost:5000/x", "localhost:5000", "x", "y", NULL },
		{ "127.0.0.1:5000/a/b__c", "127.0.0.1:5000/a/b__c", "127.0.0.1:5000", "a/b__c",
		  "latest", NULL },
		{ "[::1]:5000/x", "[::1]:5000/x", "[::1]:5000", "x", "latest", NULL },
		{ "host.tld/x---y", "host.tld/x---y", "host.tld", "x---y", "latest", NULL },
		{ "HOST/x", "HOST/x", "HOST", "x", "latest", NULL },
		{ "x@sha256:" HEX64, "x", "docker.io", "library/x", NULL, "sha256:" HEX64 },
		{ "a/x:t@sha256:" HEX64, "a/x", "docker.io", "a/x", "t", "sha256:" HEX64 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct corral_image_reference r;
		struct corral_error err = { 0 };

		if (corral_image_reference_init(&r, rows[i].text, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		same(r.name, rows[i].name);
		same(r.registry, rows[i].registry);
		same(r.path, rows[i].path);
		same(r.tag, rows[i].tag);
		same(r.digest, rows[i].digest);
		assert_false(r.is_id);
		corral_image_reference_done(&r);
	}
}

static void ids_belong_to_no_registry(void **state)
{
	static const char *const ids[] = { "sha256:" HEX64, HEX64 };
	struct corral_image_reference r;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(corral_image_reference_init(&r, ids[i], NULL), 0);
		assert_true(r.is_id);
		assert_null(r.registry);
		corral_image_reference_done(&r);
	}
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"a b",
		"a\nRUN b",
		"a$b",
		"A",
		"a/B",
		"/a",
		"a/",
		"a//b",
		"a___b",
		"a..b",
		"-a",
		"a-",
		".a",
		"a:",
		"a:-x",
		"a:b c",
		"a:b:c",
		"a@",
		"a@sha256:12",
		"a@sha256:" HEX64 "0",
		"a@md5:" HEX64,
		"host:/x",
		"host:123456/x",
		"host:a/x",
		"-h.x/y",
		"h-.x/y",
		"h..x/y",
		".x/y",
		"[::1/x",
		"[g]/x",
		"docker.io/",
		"docker.io/" HEX64,
		"--help",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct corral_image_reference r;
		struct corral_error err = { 0 };

		if (corral_image_reference_init(&r, bad[i], &err) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
		assert_int_equal(err.code, EINVAL);
		assert_null(r.name);
	}
}

static void refusal_names_what_is_wrong_in_one_line(void **state)
{
	struct corral_image_reference r;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_image_reference_init(&r, "py\nthon:a b", &err), -EINVAL);
	assert_string_equal(err.text, "image name 'py?thon:a?b': a tag is at most 128 letters, "
	                              "digits, '_', '.' and '-'");
}

static void long_names_are_refused(void **state)
{
	struct corral_image_reference r;
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[256] = '\0';
	assert_int_equal(corral_image_reference_init(&r, text, NULL), -EINVAL);
	text[255] = '\0';
	assert_int_equal(corral_image_reference_init(&r, text, NULL), 0);
	corral_image_reference_done(&r);
	memset(text, 'a', sizeof(text));
	text[999] = '\0';
	text[1] = ':';
	assert_int_equal(corral_image_reference_init(&r, text, NULL), -EINVAL);
	text[2 + 129] = '\0';
	assert_int_equal(corral_image_reference_init(&r, text, NULL), -EINVAL);
	text[2 + 128] = '\0';
	assert_int_equal(corral_image_reference_init(&r, text, NULL), 0);
	corral_image_reference_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_apart),
		cmocka_unit_test(ids_belong_to_no_registry),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(refusal_names_what_is_wrong_in_one_line),
		cmocka_unit_test(long_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
