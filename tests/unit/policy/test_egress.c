/* policy/egress.h: what an allowlist says, and whom it does not mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/egress.h"

static struct corral_egress_entry entry(const char *text)
{
	struct corral_egress_entry e;
	struct corral_error err = { 0 };

	if (corral_egress_entry_parse(text, &e, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return e;
}

static struct corral_egress *list(const char *const *texts, size_t n)
{
	struct corral_egress *e = NULL;
	struct corral_error err = { 0 };

	if (corral_egress_compile((char *const *)(uintptr_t)texts, n, &e, &err) < 0)
		fail_msg("%s", err.text);
	return e;
}
#define LIST(...)                                   \
	list((const char *const[]) { __VA_ARGS__ }, \
	     sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *))

static struct corral_address address(const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return corral_address_of(bytes, 4);
	assert_int_equal(inet_pton(AF_INET6, text, bytes), 1);
	return corral_address_of(bytes, 16);
}

/* "1-65535 tcp udp echo" */
static void assert_ports(const char *text, const char *expected)
{
	struct corral_egress_entry e = entry(text);
	char said[128] = "";

	for (uint8_t i = 0; i < e.ports.n; i++) {
		const struct corral_ports *p = &e.ports.ranges[i];
		size_t len = strlen(said);

		(void)snprintf(said + len, sizeof(said) - len, "%s%u-%u%s%s%s", i ? ", " : "",
		               p->first, p->last, p->protocols & CORRAL_EGRESS_TCP ? " tcp" : "",
		               p->protocols & CORRAL_EGRESS_UDP ? " udp" : "",
		               p->protocols & CORRAL_EGRESS_ECHO ? " echo" : "");
	}
	assert_string_equal(said, expected);
}

static void ports_are_read(void **state)
{
	(void)state;
	assert_ports("example.org", "80-80 tcp, 443-443 tcp");
	assert_ports("1.1.1.1", "80-80 tcp, 443-443 tcp");
	assert_ports("2001:4860::1", "80-80 tcp, 443-443 tcp");
	assert_ports("example.org:22", "22-22 tcp");
	assert_ports("example.org:443/udp", "443-443 udp");
	assert_ports("*.example.org:8000-8100/tcp", "8000-8100 tcp");
	assert_ports("example.org:*", "1-65535 tcp udp echo");
	assert_ports("example.org:*/udp", "1-65535 udp");
	assert_ports("10.0.0.0/8:5432", "5432-5432 tcp");
	assert_ports("[2001:4860::/32]:1-2/udp", "1-2 udp");
}

static void hosts_are_read(void **state)
{
	static const struct {
		const char *text;
		enum corral_egress_kind kind;
		const char *host;
	} rows[] = {
		{ "Example.ORG.", CORRAL_EGRESS_NAME, "example.org" },
		{ "*.Example.org", CORRAL_EGRESS_BELOW, "example.org" },
		{ "xn--bcher-kva.example:443", CORRAL_EGRESS_NAME, "xn--bcher-kva.example" },
		{ "_srv.example.org", CORRAL_EGRESS_NAME, "_srv.example.org" },
		{ "host:1", CORRAL_EGRESS_NAME, "host" },
		{ "8.8.8.8:53/udp", CORRAL_EGRESS_ADDRESS, "8.8.8.8" },
		{ "10.1.0.0/16", CORRAL_EGRESS_ADDRESS, "10.1.0.0/16" },
		{ "0.0.0.0/0", CORRAL_EGRESS_ADDRESS, "0.0.0.0/0" },
		{ "[2606:4700::1111]:443", CORRAL_EGRESS_ADDRESS, "2606:4700::1111" },
		{ "[2606:4700::1111]", CORRAL_EGRESS_ADDRESS, "2606:4700::1111" },
		{ "::/0", CORRAL_EGRESS_ADDRESS, "::/0" },
		/* An IPv4 address is one in whatever clothes. */
		{ "::ffff:9.9.9.9", CORRAL_EGRESS_ADDRESS, "9.9.9.9" },
		{ "[64:ff9b::909:900/120]:80", CORRAL_EGRESS_ADDRESS, "9.9.9.0/24" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_egress_entry e = entry(rows[i].text);
		char text[CORRAL_ADDRESS_TEXT_SIZE];

		assert_int_equal(e.kind, rows[i].kind);
		if (e.kind == CORRAL_EGRESS_ADDRESS)
			assert_string_equal(corral_prefix_text(&e.prefix, text), rows[i].host);
		else
			assert_string_equal(e.name, rows[i].host);
	}
}

static void what_means_nothing_is_refused_with_the_remedy(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "empty" },
		{ "*", "every name" },
		{ "*:443", "every name" },
		{ "a.*.org", "in front" },
		{ "*.", "1 to 253" },
		{ "exa mple.org", "letters" },
		{ "a..b", "between dots" },
		{ ".example.org", "between dots" },
		{ "b\u00fccher.example", "xn--" },
		{ "https://example.org/x", "host alone" },
		{ "example.org/path", "no address" },
		{ "example.org:", "no port" },
		{ "example.org:0", "no port" },
		{ "example.org:65536", "no port" },
		{ "example.org:9-1", "greater" },
		{ "example.org:1-2-3", "no port" },
		{ "example.org:80/sctp", "'/tcp' or '/udp'" },
		{ "example.org:53", "address alone" },
		{ "example.org:853", "address alone" },
		{ "1.2.3", "no address" },
		{ "1.2.3.4.5", "no address" },
		{ "1234567", "no address" },
		{ "10.0.0.1/8", "network is 10.0.0.0/8" },
		{ "10.0.0.0/33", "0 to 32" },
		{ "2001:db8::/129", "0 to 128" },
		{ "[2001:db8::1", "in brackets" },
		{ "[2001:db8::1]x", "in brackets" },
		{ "[1.2.3.4]:80", "only IPv6" },
		{ "[example.org]:80", "only IPv6" },
		{ "127.0.0.1:80", "sandbox's own" },
		{ "[::1]:80", "sandbox's own" },
		{ "::ffff:127.0.0.1", "sandbox's own" },
		{ "169.254.169.254:80", "network 'host' alone" },
		{ "169.254.0.0/17", "network 'host' alone" },
		{ "::ffff:169.254.1.1", "network 'host' alone" },
		{ "100.100.100.200", "network 'host' alone" },
		{ "fe80::1", "network 'host' alone" },
		{ "fd00:ec2::254", "network 'host' alone" },
		{ "0.0.0.0", "network 'host' alone" },
		{ "224.0.0.1", "multicast" },
		{ "255.255.255.255", "multicast" },
		{ "ff02::1", "multicast" },
	};
	char longer[CORRAL_EGRESS_TEXT_MAX + 2];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_egress_entry e;
		struct corral_error err = { 0 };

		if (corral_egress_entry_parse(rows[i].text, &e, &err) != -EINVAL)
			fail_msg("'%s' is taken", rows[i].text);
		if (!strstr(err.text, rows[i].why))
			fail_msg("'%s': '%s' says nothing of '%s'", rows[i].text, err.text,
			         rows[i].why);
	}
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(corral_egress_entry_parse(longer, &(struct corral_egress_entry) { 0 },
	                                           NULL),
	                 -EINVAL);
}

static void the_place_is_named(void **state)
{
	static const char *const texts[] = { "example.org", "a:b" };
	struct corral_egress *e = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_egress_compile((char *const *)(uintptr_t)texts, 2, &e, &err),
	                 -EINVAL);
	assert_null(e);
	assert_string_equal(err.text, "allow[1]: 'a:b': 'b' is no port: 1 to 65535, or '*'");
}

static void names_are_matched_whole(void **state)
{
	struct corral_egress *e =
	        LIST("example.org", "*.cdn.example.net:443", "a.cdn.example.net:80");

	(void)state;
	assert_int_equal(e->n_sets, 3);
	assert_int_equal(corral_egress_name_sets(e, "example.org"), 1);
	assert_int_equal(corral_egress_name_sets(e, "www.example.org"), 0);
	assert_int_equal(corral_egress_name_sets(e, "badexample.org"), 0);
	assert_int_equal(corral_egress_name_sets(e, "example.org.evil.net"), 0);
	assert_int_equal(corral_egress_name_sets(e, "org"), 0);
	assert_int_equal(corral_egress_name_sets(e, ""), 0);
	assert_int_equal(corral_egress_name_sets(e, "cdn.example.net"), 0);
	assert_int_equal(corral_egress_name_sets(e, ".cdn.example.net"), 0);
	assert_int_equal(corral_egress_name_sets(e, "xcdn.example.net"), 0);
	assert_int_equal(corral_egress_name_sets(e, "b.cdn.example.net"), 2);
	assert_int_equal(corral_egress_name_sets(e, "x.y.cdn.example.net"), 2);
	assert_int_equal(corral_egress_name_sets(e, "a.cdn.example.net"), 6);
	corral_egress_free(e);
}

static void addresses_inside_are_special(void **state)
{
	static const struct {
		const char *address, *why;
	} rows[] = {
		{ "8.8.8.8", NULL },
		{ "172.15.255.255", NULL },
		{ "172.32.0.1", NULL },
		{ "100.128.0.1", NULL },
		{ "2606:4700::1111", NULL },
		{ "::ffff:8.8.8.8", NULL },
		{ "64:ff9b::808:808", NULL },
		{ "10.1.2.3", "private" },
		{ "172.16.0.1", "private" },
		{ "172.31.255.255", "private" },
		{ "192.168.1.1", "private" },
		{ "127.0.0.1", "loopback" },
		{ "0.0.0.0", "of this network" },
		{ "100.64.0.1", "shared by a carrier" },
		{ "169.254.169.254", "link-local, where clouds keep their metadata" },
		{ "224.0.0.1", "multicast" },
		{ "255.255.255.255", "reserved" },
		{ "::", "reserved" },
		{ "::1", "reserved" },
		{ "::ffff:10.0.0.1", "private" },
		{ "::ffff:127.0.0.1", "loopback" },
		{ "64:ff9b::a9fe:a9fe", "link-local, where clouds keep their metadata" },
		{ "64:ff9b:1::a00:1", "translated locally" },
		{ "::10.0.0.1", "reserved" },
		{ "2002:a00:1::1", "an IPv4 address in a tunnel" },
		{ "2001:0:1::1", "reserved" },
		{ "fd00::1", "private" },
		{ "fe80::1", "link-local" },
		{ "fec0::1", "site-local" },
		{ "ff02::1", "multicast" },
		{ "203.0.114.1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_address a = address(rows[i].address);
		const char *why = corral_egress_special(NULL, &a);

		if (!why != !rows[i].why || (why && strcmp(why, rows[i].why) != 0))
			fail_msg("%s: %s", rows[i].address, why ? why : "public");
	}
}

static void assert_listed(const struct corral_egress *e, const char *text, bool expected)
{
	struct corral_address a = address(text);

	if (corral_egress_address_listed(e, &a) != expected)
		fail_msg("%s", text);
}

/* The whole internet is not the host's own neighbourhood. */
static void only_an_entry_within_a_special_range_names_it(void **state)
{
	struct corral_egress *e = LIST("0.0.0.0/0", "::/0", "10.1.0.0/16", "100.64.0.0/10");
	struct corral_prefix own = { .len = 0 };

	(void)state;
	assert_int_equal(corral_address_parse("10.1.0.1", &own, NULL), 0);
	assert_int_equal(corral_egress_own(e, &own, NULL), 0);
	assert_int_equal(corral_address_parse("9.9.9.9", &own, NULL), 0);
	assert_int_equal(corral_egress_own(e, &own, NULL), 0);
	assert_listed(e, "8.8.8.8", true);
	assert_listed(e, "::ffff:8.8.8.8", true);
	assert_listed(e, "2606:4700::1111", true);
	assert_listed(e, "10.1.2.3", true);
	assert_listed(e, "64:ff9b::a01:203", true);
	assert_listed(e, "10.1.0.1", false); /* the host's */
	assert_listed(e, "9.9.9.9", false);
	assert_listed(e, "10.2.0.1", false);
	assert_listed(e, "64:ff9b::a02:1", false);
	assert_listed(e, "100.64.0.1", true);
	assert_listed(e, "100.100.100.200", false);
	assert_listed(e, "64:ff9b::6464:64c8", false);
	assert_listed(e, "169.254.169.254", false);
	assert_listed(e, "169.254.169.253", false);
	assert_listed(e, "192.168.0.1", false);
	assert_listed(e, "fd00::1", false);
	assert_listed(e, "2002:a00:1::1", false);
	corral_egress_free(e);

	e = LIST("10.1.0.1:80");
	assert_int_equal(corral_address_parse("10.1.0.1", &own, NULL), 0);
	assert_int_equal(corral_egress_own(e, &own, NULL), 0);
	/* Whom nobody reaches no entry opens. */
	assert_listed(e, "10.1.0.1", false);
	assert_int_equal(corral_egress_own(e, &own, NULL), 0);
	assert_int_equal(e->n_own, 1);
	corral_egress_free(e);
}

static void an_empty_list_lists_nothing(void **state)
{
	struct corral_egress *e = list(NULL, 0);

	(void)state;
	assert_int_equal(corral_egress_name_sets(e, "example.org"), 0);
	assert_listed(e, "8.8.8.8", false);
	corral_egress_free(e);
}

static void holes_are_those_inside_and_not_within_another(void **state)
{
	struct corral_egress *e = list(NULL, 0);
	struct corral_prefix own = { .len = 0 }, of = { .len = 0 }, holes[64];
	char text[CORRAL_ADDRESS_TEXT_SIZE];
	int n;

	(void)state;
	assert_int_equal(corral_address_parse("10.1.0.1", &own, NULL), 0);
	assert_int_equal(corral_egress_own(e, &own, NULL), 0);
	assert_int_equal(corral_address_parse("10.0.0.0/8", &of, NULL), 0);
	n = corral_egress_holes(e, &of, holes, 64);
	assert_int_equal(n, 1);
	assert_string_equal(corral_prefix_text(&holes[0], text), "10.1.0.1");
	assert_int_equal(corral_address_parse("10.1.0.1", &of, NULL), 0);
	assert_int_equal(corral_egress_holes(e, &of, holes, 64), 0);
	assert_int_equal(corral_address_parse("0.0.0.0/0", &of, NULL), 0);
	n = corral_egress_holes(e, &of, holes, 64);
	assert_true(n > 10);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < n; k++)
			assert_false(i != k && corral_prefix_has(&holes[i], &holes[k].address));
	assert_int_equal(corral_egress_holes(e, &of, holes, 3), -E2BIG);
	corral_egress_free(e);
}

static void names_from_outside_are_normalised(void **state)
{
	char name[CORRAL_EGRESS_NAME_SIZE];
	char longest[256];

	(void)state;
	assert_int_equal(corral_egress_name_normalise("EXAMPLE.org.", name, NULL), 0);
	assert_string_equal(name, "example.org");
	assert_int_equal(corral_egress_name_normalise("a..", name, NULL), -EINVAL);
	assert_int_equal(corral_egress_name_normalise(".", name, NULL), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	longest[253] = '\0';
	assert_int_equal(corral_egress_name_normalise(longest, name, NULL), 0);
	longest[253] = 'a';
	longest[254] = '\0';
	assert_int_equal(corral_egress_name_normalise(longest, name, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_read),
		cmocka_unit_test(hosts_are_read),
		cmocka_unit_test(what_means_nothing_is_refused_with_the_remedy),
		cmocka_unit_test(the_place_is_named),
		cmocka_unit_test(names_are_matched_whole),
		cmocka_unit_test(addresses_inside_are_special),
		cmocka_unit_test(only_an_entry_within_a_special_range_names_it),
		cmocka_unit_test(an_empty_list_lists_nothing),
		cmocka_unit_test(holes_are_those_inside_and_not_within_another),
		cmocka_unit_test(names_from_outside_are_normalised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
