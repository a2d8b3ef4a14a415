/* kernel/network/helper: what it works out before it touches anything. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/network/helper/host.h"
#include "kernel/network/helper/nameservers.h"
#include "kernel/network/helper/server.h"

/* The readers take their text apart. */
static char *fresh(char text[512], const char *from)
{
	assert_true(strlen(from) < 512);
	memcpy(text, from, strlen(from) + 1);
	return text;
}

static uint32_t ip(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return ntohl(a.s_addr);
}

static void range_is_one_that_no_route_has_a_part_of(void **state)
{
	const struct corral_net_route inside[] = { { ip("192.168.0.0"), 16 },
		                                   { ip("10.213.255.255"), 32 } };
	const struct corral_net_route around[] = { { ip("10.0.0.0"), 8 } };
	const struct corral_net_route all[] = { { ip("10.0.0.0"), 8 }, { ip("100.64.0.0"), 10 } };
	const struct corral_net_route everything[] = { { 0, 0 } };

	(void)state;
	assert_int_equal(corral_net_range_choose(NULL, 0), ip("10.213.0.0"));
	assert_int_equal(corral_net_range_choose(inside, 1), ip("10.213.0.0"));
	assert_int_equal(corral_net_range_choose(inside, 2), ip("10.87.0.0"));
	assert_int_equal(corral_net_range_choose(around, 1), ip("100.87.0.0"));
	assert_int_equal(corral_net_range_choose(all, 2), 0);
	assert_int_equal(corral_net_range_choose(everything, 1), 0);
}

static void nameservers_are_those_of_the_file(void **state)
{
	struct corral_net_nameservers n;
	char text[512];

	(void)state;
	corral_net_nameservers_parse(
	        fresh(text, "# nameserver 1.1.1.1\nsearch x\nnameserver 192.0.2.1\n"
	                    "nameserver\t2001:db8::1\nnameserver nonsense\nnameserver "
	                    "192.0.2.2 \nnameserver 192.0.2.3\n"),
	        &n);
	assert_int_equal(n.n, CORRAL_NET_NAMESERVERS_MAX);
	assert_int_equal(((struct sockaddr_in *)&n.address[0])->sin_addr.s_addr,
	                 htonl(ip("192.0.2.1")));
	assert_int_equal(((struct sockaddr_in *)&n.address[0])->sin_port, htons(53));
	assert_int_equal(n.address[1].ss_family, AF_INET6);
	assert_int_equal(((struct sockaddr_in *)&n.address[2])->sin_addr.s_addr,
	                 htonl(ip("192.0.2.2")));
	/* resolv.conf(5): one on this machine where none is named. */
	corral_net_nameservers_parse(fresh(text, "options edns0\n"), &n);
	assert_int_equal(n.n, 1);
	assert_int_equal(((struct sockaddr_in *)&n.address[0])->sin_addr.s_addr,
	                 htonl(ip("127.0.0.1")));
}

static void request_leads_nowhere_outside_of_itself(void **state)
{
	struct {
		struct corral_net_connect head;
		struct corral_net_publish publish[2];
		char path[8];
	} m, good = { .head = { .head = { CORRAL_NET_CONNECT, sizeof(m) },
		                .way = CORRAL_NET_VETH,
		                .publish = sizeof(m.head),
		                .n_publish = 2 },
		      .publish = { { .kind = 0, .host_port = 1, .guest_port = 2 },
		                   { .kind = 2,
		                     .guest_port = 2,
		                     .path = offsetof(__typeof__(m), path) } },
		      .path = "/run/s" };

	(void)state;
	assert_true(corral_net_request_ok(&good, sizeof(good)));
	assert_string_equal(corral_net_request_text(&good.head, good.publish[1].path), "/run/s");
	assert_false(corral_net_request_ok(&good, sizeof(good) - 1));
	assert_false(corral_net_request_ok(&good, 4));
	m = good;
	m.head.n_publish = 3;
	assert_false(corral_net_request_ok(&m, sizeof(m)));
	m = good;
	m.head.n_publish = 0x20000000;
	assert_false(corral_net_request_ok(&m, sizeof(m)));
	m = good;
	m.head.publish = 0xfffffff0;
	assert_false(corral_net_request_ok(&m, sizeof(m)));
	m = good;
	m.publish[1].path = sizeof(m);
	assert_false(corral_net_request_ok(&m, sizeof(m)));
	m = good;
	m.publish[1].path = 0;
	assert_false(corral_net_request_ok(&m, sizeof(m)));
	m = good;
	memset(m.path, 'x', sizeof(m.path));
	assert_false(corral_net_request_ok(&m, sizeof(m)));
	m = good;
	m.head.egress = sizeof(m) - 4;
	m.head.egress_len = 8;
	assert_false(corral_net_request_ok(&m, sizeof(m)));
	m = good;
	m.head.way = 3;
	assert_false(corral_net_request_ok(&m, sizeof(m)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range_is_one_that_no_route_has_a_part_of),
		cmocka_unit_test(nameservers_are_those_of_the_file),
		cmocka_unit_test(request_leads_nowhere_outside_of_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
