/* policy/publish.c: which ports of a sandbox the host may be asked to reach, and where. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/policy.h"
#include "policy/publish.h"

static void what_is_written_is_what_was_read(void **state)
{
	static const struct {
		const char *text, *again;
	} rows[] = {
		{ "8080:80", "127.0.0.1:8080:80" },
		{ "8080:80/tcp", "127.0.0.1:8080:80" },
		{ "127.0.0.1:53:53/udp", "127.0.0.1:53:53/udp" },
		{ "127.1.2.3:1:65535", "127.1.2.3:1:65535" },
		{ "[::1]:8080:80", "[::1]:8080:80" },
		{ "unix:/run/a:b/s:80", "unix:/run/a:b/s:80" },
	};
	char text[CORRAL_PUBLISH_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_error err = { 0 };
		struct corral_publish p, copy;

		if (corral_publish_parse(rows[i].text, &p, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		corral_publish_text(&p, text);
		assert_string_equal(text, rows[i].again);
		assert_int_equal(corral_publish_dup(&p, &copy, &err), 0);
		assert_true(corral_publish_same_place(&p, &copy));
		corral_publish_done(&p);
		corral_publish_text(&copy, text);
		assert_string_equal(text, rows[i].again);
		corral_publish_done(&copy);
	}
}

static void what_the_host_does_not_lend_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "is not [127.0.0.1:]PORT:GUEST_PORT" },
		{ "80", "is not [127.0.0.1:]PORT:GUEST_PORT" },
		{ "80:80/sctp", "is not [127.0.0.1:]PORT:GUEST_PORT" },
		{ "0:80", "'0' is no port of the host: 1 to 65535" },
		{ "80:0", "'0' is no port of the sandbox: 1 to 65535" },
		{ "80:65536", "is no port of the sandbox" },
		{ "-1:80", "is no port of the host" },
		{ "0.0.0.0:80:80", "is no address of the host's loopback" },
		{ "192.0.2.1:80:80", "is no address of the host's loopback" },
		{ "[::]:80:80", "is no address of the host's loopback" },
		{ "::1:80:80", "is no address of the host's loopback" },
		{ "[::ffff:127.0.0.1]:80:80", "is no address of the host's loopback" },
		{ "localhost:80:80", "is no address of the host's loopback" },
		{ "unix:run/s:80", "begins with '/'" },
		{ "unix:/run/s", "is not [127.0.0.1:]PORT" },
		{ "unix:/run/s:80/udp", "'80/udp': behind a socket is a port of TCP" },
	};
	char longest[200] = "unix:/";

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_error err = { 0 };
		struct corral_publish p;

		assert_int_equal(corral_publish_parse(rows[i].text, &p, &err), -EINVAL);
		if (!strstr(err.text, rows[i].why))
			fail_msg("'%s': %s", rows[i].text, err.text);
	}
	memset(longest + 6, 'x', 120);
	memcpy(longest + 126, ":80", 4);
	assert_int_equal(corral_publish_parse(longest, &(struct corral_publish) { 0 }, NULL),
	                 -EINVAL);
}

static void one_place_is_published_once(void **state)
{
	struct corral_config *c = corral_config_new();
	struct corral_policy *p = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_config_add_publish(c, "80:80", &err), 0);
	assert_int_equal(corral_config_add_publish(c, "80:80/udp", &err), 0);
	assert_int_equal(corral_policy_compile(c, NULL, &p, &err), 0);
	assert_int_equal(p->n_publish, 2);
	assert_true(corral_policy_has_network(p));
	assert_false(corral_policy_interchangeable(p, p));
	corral_policy_free(p);
	assert_int_equal(corral_config_add_publish(c, "127.0.0.1:80:81", &err), 0);
	assert_int_equal(corral_policy_compile(c, NULL, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "publish[2]: the same place of the host as publish[0]"));
	corral_config_free(c);
}

static void host_network_has_nothing_to_publish(void **state)
{
	struct corral_config *c = corral_config_new();
	struct corral_policy *p = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_config_add_publish(c, "80:80", &err), 0);
	assert_int_equal(corral_config_set_network(c, "host", &err), 0);
	assert_int_equal(corral_policy_compile(c, NULL, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "publish: with network 'host'"));
	corral_config_free(c);
}

static void pasta_is_a_way_of_the_bridge(void **state)
{
	struct corral_config *c = corral_config_new();

	(void)state;
	assert_int_equal(corral_config_set_network(c, "pasta", NULL), 0);
	assert_int_equal(c->network, CORRAL_NETWORK_BRIDGE);
	assert_true(c->network_pasta);
	assert_int_equal(corral_config_set_network(c, "bridge", NULL), 0);
	assert_false(c->network_pasta);
	assert_string_equal(corral_network_name(CORRAL_NETWORK_BRIDGE), "bridge");
	assert_null(corral_network_name((enum corral_network_mode)77));
	corral_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_what_was_read),
		cmocka_unit_test(what_the_host_does_not_lend_is_refused),
		cmocka_unit_test(one_place_is_published_once),
		cmocka_unit_test(host_network_has_nothing_to_publish),
		cmocka_unit_test(pasta_is_a_way_of_the_bridge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
