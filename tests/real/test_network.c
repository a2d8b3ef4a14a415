/*
 * A sandbox with a network of its own, as it is seen from inside, on a host and an internet that
 * the test makes (network_support.h): what it reaches, and what it does not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/network_support.h"

static void guest_reaches_what_the_host_reaches(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	/* In the host's name: nobody else knows the way to a sandbox. */
	BRIDGE(&r, "connect", INTERNET, "80");
	assert_out(&r, "said " HOST "\n");
	if (strcmp(receipt_text(&r, "network"), "bridge") != 0)
		fail_msg("the receipt's network is '%s'", receipt_text(&r, "network"));
	assert_true(receipt_lists(&r, "layers", "network-namespace"));
	BRIDGE(&r, "connect", INTERNET6, "80");
	assert_out(&r, "said " HOST6 "\n");
	BRIDGE(&r, "connect", INTERNET, "81");
	assert_out(&r, "ECONNREFUSED\n");
	run_done(&r);
}

static void names_are_asked_of_the_hosts_own_resolver(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	/* Which is on loopback, where no guest comes. */
	BRIDGE(&r, "resolve", "udp", "www.example.org");
	assert_out(&r, INTERNET "\n");
	BRIDGE(&r, "resolve", "tcp", "www.example.org");
	assert_out(&r, INTERNET "\n");
	BRIDGE(&r, "connect", "127.0.0.1", "8000");
	assert_out(&r, "ECONNREFUSED\n");
	run_done(&r);
}

static void guest_does_not_reach_the_host(void **state)
{
	static const char *const addresses[] = {
		HOST,
		HOST6,
		/* What corral takes for itself, given to a sandbox or not: the host has no route to
		 * it but that to everything. */
		"10.213.0.0",
		"10.213.0.126",
		"fd63:6f72:7261::",
		"fd63:6f72:7261::7e",
		"169.254.169.254",
		"169.254.0.1",
		"fe80::1",
	};
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(addresses); i++) {
		BRIDGE(&r, "connect", addresses[i], "8000");
		if (!strncmp(r.out, "said", 4))
			fail_msg("%s: %s", addresses[i], r.out);
		/* Refused, and not left to hang. */
		if (!strcmp(r.out, "ETIMEDOUT\n") || !strcmp(r.out, "EINPROGRESS\n") ||
		    !strcmp(r.out, "EAGAIN\n"))
			fail_msg("%s hangs: %s", addresses[i], r.out);
	}
	run_done(&r);
}

static void guest_has_no_power_over_its_network(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	RUN(&r, "--network", "bridge", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", NET_PROBE,
	    "--", "sh", "-c",
	    "(ip link set eth0 down; ip addr add 10.9.9.9/32 dev eth0; ip route del default;"
	    " ip link add d0 type veth peer name d1; ip link set eth0 address 02:00:00:00:00:07)"
	    " 2>/dev/null && echo done; ip -o link | wc -l; ip -o -4 addr show dev eth0 | wc -l;"
	    " /net connect " INTERNET " 80");
	assert_out(&r, "2\n1\nsaid " HOST "\n");
	run_done(&r);
}

/* Whether it is installed or not. */
static void root_is_told_to_do_without_pasta(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	RUN(&r, "--network", "pasta", "--", "true");
	assert_refused(&r, "network 'pasta' is for ordinary users: as root, 'bridge' is the same");
	run_done(&r);
}

/* What has come until now, and what comes in a moment: one text. */
static void heard(char *ret, size_t size)
{
	struct pollfd pfd = { .fd = net.heard_fd, .events = POLLIN };
	size_t len = 0;

	while (poll(&pfd, 1, 300) == 1 && len < size - 1) {
		ssize_t n = recv(net.heard_fd, ret + len, size - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	ret[len] = '\0';
}

static void no_address_but_its_own_leaves(void **state)
{
	char text[256];
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	heard(text, sizeof(text));
	BRIDGE(&r, "send", "-", INTERNET6, "9");
	assert_out(&r, "sent\n");
	heard(text, sizeof(text));
	assert_string_equal(text, "-");
	/* The guest's kernel lets it out; the host does not. */
	BRIDGE(&r, "send", "2001:db8:9::9", INTERNET6, "9");
	assert_out(&r, "sent\n");
	BRIDGE(&r, "send", "fd63:6f72:7261::7", INTERNET6, "9");
	heard(text, sizeof(text));
	assert_string_equal(text, "");
	run_done(&r);
}

static void sandboxes_do_not_reach_each_other(void **state)
{
	struct run r = { 0 };
	char address[64];
	int out;
	pid_t one;

	(void)state;
	if (net_missing())
		return;
	one = BEGIN(&out, "run", "--network", "bridge", "--", "sh", "-c",
	            "ip -o -4 addr show dev eth0; echo up; sleep 60");
	assert_eventually(says(out, "up\n"));
	text_at(out, "inet ", "/31", address, sizeof(address));
	/* Nobody listens there: a refusal would be the other sandbox's own word. */
	BRIDGE(&r, "connect", address, "7000");
	assert_out(&r, "EHOSTUNREACH\n");
	(void)kill(one, SIGTERM);
	(void)status_of(one);
	(void)close(out);
	run_done(&r);
	assert_eventually(net_is_clean());
}

static void mtu_is_that_of_the_uplink(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	assert_int_equal(sh("ip link set up0 mtu 1400"), 0);
	RUN(&r, "--network", "bridge", "--", "sh", "-c",
	    "ip link show eth0 | grep -o 'mtu [0-9]*'");
	assert_out(&r, "mtu 1400\n");
	assert_int_equal(sh("ip link set up0 mtu 1500"), 0);
	run_done(&r);
}

static void host_that_does_not_forward_is_told_how(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	file_set("/proc/sys/net/ipv4/ip_forward", "0");
	BRIDGE(&r, "connect", INTERNET, "80");
	file_set("/proc/sys/net/ipv4/ip_forward", "1");
	assert_error(&r, "sysctl -w net.ipv4.ip_forward=1");
	run_done(&r);
}

static void firewall_that_drops_what_is_forwarded_is_named(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	assert_int_equal(sh("nft 'add table ip wall; add chain ip wall FORWARD { type filter hook "
	                    "forward priority 0; policy drop; }'"),
	                 0);
	BRIDGE(&r, "connect", INTERNET, "80");
	assert_error(&r, "firewall (table ip wall) drops what is forwarded");
	/* With what it asks for it works. */
	assert_int_equal(sh("nft 'add rule ip wall FORWARD iifname \"crl*\" accept; add rule ip "
	                    "wall FORWARD oifname \"crl*\" ct state established accept'"),
	                 0);
	BRIDGE(&r, "connect", INTERNET, "80");
	assert_out(&r, "said " HOST "\n");
	assert_int_equal(sh("nft delete table ip wall"), 0);
	run_done(&r);
}

static void routes_of_the_host_are_not_taken(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	assert_int_equal(sh("ip route add 10.128.0.0/9 via 198.51.100.1"), 0);
	RUN(&r, "--network", "bridge", "--", "sh", "-c",
	    "ip -o -4 addr show dev eth0 | grep -o '10[0-9]*\\.[0-9]*' | head -n 1");
	assert_out(&r, "10.87\n");
	assert_int_equal(
	        sh("ip route del 10.128.0.0/9 && ip route add 10.0.0.0/8 via 198.51.100.1"), 0);
	RUN(&r, "--network", "bridge", "--", "sh", "-c",
	    "ip -o -4 addr show dev eth0 | grep -o '10[0-9]*\\.[0-9]*' | head -n 1");
	assert_out(&r, "100.87\n");
	assert_int_equal(sh("ip route del 10.0.0.0/8"), 0);
	run_done(&r);
}

static void files_of_a_root_are_its_own(void **state)
{
	char root[128], text[1400];
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	(void)snprintf(root, sizeof(root), "%s/root", net.dir);
	(void)snprintf(text, sizeof(text),
	               "mkdir -p %s/etc %s/proc %s/dev %s/bin && echo mine > %s/etc/resolv.conf && "
	               "cp " CORRAL_TEST_NET " %s/bin/net && cp \"$(command -v busybox)\" %s/bin/",
	               root, root, root, root, root, root, root);
	if (sh(text) != 0) {
		corral_test_skip("busybox is needed for a root");
		return;
	}
	RUN(&r, "--network", "bridge", "--rootfs", root, "--hostname", "box", "--", "/bin/busybox",
	    "cat", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname");
	assert_out(&r, "nameserver 127.0.0.53\n127.0.0.1\tlocalhost\n::1\tlocalhost "
	               "ip6-localhost\n127.0.1.1\tbox\nbox\n");
	RUN(&r, "--network", "bridge", "--rootfs", root, "--", "/bin/net", "resolve", "udp", "a.b");
	assert_out(&r, INTERNET "\n");
	(void)snprintf(text, sizeof(text),
	               "test \"$(cat %s/etc/resolv.conf)\" = mine && ! test -e %s/etc/hosts", root,
	               root);
	assert_int_equal(sh(text), 0);
	run_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_reaches_what_the_host_reaches),
		cmocka_unit_test(names_are_asked_of_the_hosts_own_resolver),
		cmocka_unit_test(guest_does_not_reach_the_host),
		cmocka_unit_test(guest_has_no_power_over_its_network),
		cmocka_unit_test(root_is_told_to_do_without_pasta),
		cmocka_unit_test(no_address_but_its_own_leaves),
		cmocka_unit_test(sandboxes_do_not_reach_each_other),
		cmocka_unit_test(mtu_is_that_of_the_uplink),
		cmocka_unit_test(host_that_does_not_forward_is_told_how),
		cmocka_unit_test(firewall_that_drops_what_is_forwarded_is_named),
		cmocka_unit_test(routes_of_the_host_are_not_taken),
		cmocka_unit_test(files_of_a_root_are_its_own),
	};

	return cmocka_run_group_tests(tests, net_open, net_close);
}
