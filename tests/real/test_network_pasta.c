/*
 * The same for an ordinary user, whose network is pasta's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/capability.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/network_support.h"

static char own_binary[160];

/* Programs, a device and a place that an ordinary user can get at. */
static bool pasta_missing(void)
{
	char text[1400];

	if (net_missing())
		return true;
	if (sh("command -v pasta >/dev/null") != 0) {
		corral_test_skip("pasta (package passt) is not installed");
		return true;
	}
	(void)snprintf(own_binary, sizeof(own_binary), "%s/corral", net.dir);
	/* The one that is looked for comes last: what failed once is tried again, and fails. */
	(void)snprintf(
	        text, sizeof(text),
	        "test -e %s || { cp \"$(dirname " CORRAL_BINARY
	        ")/corral-net\" %s/ && cp " CORRAL_TEST_NET
	        " %s/net && mkdir -p %s/dev && mount -t tmpfs none %s/dev && mknod -m 666 "
	        "%s/dev/tun c 10 200 && mount --bind %s/dev/tun /dev/net/tun && cp " CORRAL_BINARY
	        " %s && chmod 755 %s/*; }",
	        own_binary, net.dir, net.dir, net.dir, net.dir, net.dir, net.dir, own_binary,
	        net.dir);
	if (sh(text) != 0) {
		corral_test_skip("/dev/net/tun is not to be had");
		return true;
	}
	return false;
}

/* With the options of a network, and then the words of net_probe.c. */
static void as_nobody(struct run *r, const char *const *options, const char *const *args)
{
	char probe[160];
	const char *argv[RUN_ARGS_MAX] = { "setpriv",       "--reuid=65534",
		                           "--regid=65534", "--clear-groups",
		                           own_binary,      "run",
		                           "--json",        "9",
		                           "--ro-bind",     probe };
	size_t n = 10;

	(void)snprintf(probe, sizeof(probe), "%s/net:/net", net.dir);
	for (; *options; options++)
		argv[n++] = *options;
	argv[n++] = "--";
	argv[n++] = "/net";
	for (; *args; args++)
		argv[n++] = *args;
	argv[n] = NULL;
	run_argv(r, argv);
}

#define NOBODYS(r, ...) as_nobody((r), ARGS("--network", "bridge"), ARGS(__VA_ARGS__))

static void user_has_a_network_by_pasta(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (pasta_missing())
		return;
	NOBODYS(&r, "connect", INTERNET, "80");
	assert_out(&r, "said " HOST "\n");
	NOBODYS(&r, "connect", INTERNET6, "80");
	assert_out(&r, "said " HOST6 "\n");
	NOBODYS(&r, "resolve", "udp", "www.example.org");
	assert_out(&r, INTERNET "\n");
	/* Of the resolver alone, which has a limit. */
	NOBODYS(&r, "send", "-", "169.254.1.1", "53");
	assert_out(&r, "EPERM\n");
	run_done(&r);
}

static void user_does_not_reach_the_host_by_pasta(void **state)
{
	static const char *const addresses[] = {
		HOST,
		HOST6,
		"10.77.0.1",
		"127.0.0.1",
		"169.254.169.254",
		"198.51.100.1",
		"10.78.0.1",
		"10.79.0.7",
		"10.79.0.9",
		"2001:db8:78::1",
		"2001:db8:79::7",
	};
	/* Of those on "lo", and of what is local without being an address, each is the host's. */
	static const char *const own[] = { "10.78.0.1:8000", "10.79.0.7:8000",
		                           "[2001:db8:78::1]:8000", "[2001:db8:79::7]:8000" };
	struct run r = { 0 };

	(void)state;
	if (pasta_missing())
		return;
	assert_int_equal(sh("ip link add o0 type veth peer name o1; ip addr add 10.77.0.1/24 dev "
	                    "o0; ip link set o0 up; ip addr add 10.78.0.1/32 dev lo; "
	                    "ip -6 addr add 2001:db8:78::1/128 dev lo; "
	                    "ip addr add 10.79.0.9/32 dev lo; "
	                    "ip route add local 10.79.0.0/24 dev lo; "
	                    "ip -6 route add local 2001:db8:79::/64 dev lo"),
	                 0);
	/* It is there. */
	for (int i = 7; i <= 9; i += 2) {
		int fd = dial(AF_INET, i == 7 ? "10.79.0.7" : "10.79.0.9", 8000);

		assert_true(fd >= 0);
		(void)close(fd);
	}
	for (size_t i = 0; i < CORRAL_COUNT(addresses); i++) {
		NOBODYS(&r, "connect", addresses[i], "8000");
		if (!strncmp(r.out, "said", 4) || r.status != 0)
			fail_msg("%s: %s%s", addresses[i], r.out, r.err);
	}
	for (size_t i = 0; i < CORRAL_COUNT(own); i++) {
		as_nobody(&r, ARGS("--allow", own[i]), ARGS("connect", "10.78.0.1", "8000"));
		assert_refused(&r, "is the host's own");
	}
	as_nobody(&r, ARGS("--allow", "10.64.0.0/10:8000"), ARGS("connect", "10.79.0.7", "8000"));
	assert_out(&r, "ECONNREFUSED\n");
	assert_int_equal(sh("ip link del o0; ip addr del 10.78.0.1/32 dev lo; "
	                    "ip -6 addr del 2001:db8:78::1/128 dev lo; "
	                    "ip addr del 10.79.0.9/32 dev lo; "
	                    "ip route del local 10.79.0.0/24 dev lo; "
	                    "ip -6 route del local 2001:db8:79::/64 dev lo"),
	                 0);
	run_done(&r);
}

/* The list is held to in the guest's namespace, whatever carries its packets. */
static void users_allowlist_holds_by_pasta(void **state)
{
	/* The world's addresses are for documentation, and so reached by an address entry alone. */
	static const char *const list[] = { "--allow", "www.example.org:80", "--allow",
		                            INTERNET ":80", NULL };
	static const struct {
		const char *what, *where, *port, *wanted;
	} rows[] = {
		{ "connect", INTERNET, "80", "said " HOST "\n" },
		{ "connect", INTERNET, "81", "ECONNREFUSED\n" },
		{ "connect", INTERNET6, "80", "ECONNREFUSED\n" },
		{ "connect", "203.0.113.6", "80", "ECONNREFUSED\n" },
		{ "connect", "169.254.169.254", "80", "ECONNREFUSED\n" },
		{ "connect", "169.254.1.1", "53", "ECONNREFUSED\n" },
		{ "resolve", "udp", "www.example.org", INTERNET "\n" },
		{ "resolve", "tcp", "www.example.org", INTERNET "\n" },
		{ "resolve", "udp", "www.example.net", "rcode 3\n" },
	};
	struct run r = { 0 };
	json_t *contact, *denial;

	(void)state;
	if (pasta_missing())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		as_nobody(&r, list, ARGS(rows[i].what, rows[i].where, rows[i].port));
		if (r.status != 0 || strcmp(r.out, rows[i].wanted) != 0)
			fail_msg("%s %s %s: %s%s", rows[i].what, rows[i].where, rows[i].port, r.out,
			         r.err);
		contact = json_array_get(json_object_get(r.receipt, "contacts"), 0);
		denial = json_array_get(json_object_get(r.receipt, "denials"), 0);
		/* What came through is a contact, what did not a denial, and nothing is both. */
		assert_true(!contact == (i != 0));
		assert_true(!denial == (i == 0 || *rows[i].wanted == '2'));
	}
	run_done(&r);
}

/* In a namespace that is the guest's own they would be power over the rules. */
static void capabilities_over_its_rules_are_refused(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (pasta_missing())
		return;
	as_nobody(&r, ARGS("--network", "bridge", "--cap-add", "net_admin"), ARGS("x"));
	assert_refused(&r, "leave them out of cap_add");
	as_nobody(&r, ARGS("--network", "pasta", "--cap-add", "net_raw"), ARGS("x"));
	assert_refused(&r, "leave them out of cap_add");
	as_nobody(&r, ARGS("--allow", INTERNET, "--cap-add", "net_raw"), ARGS("x"));
	assert_refused(&r, "leave them out of cap_add");
	run_done(&r);
}

static void users_ports_are_published(void **state)
{
	(void)state;
	if (pasta_missing())
		return;
	ports_are_published("bridge", NOBODY, own_binary);
	ports_are_published("none", NOBODY, own_binary);
}

static void pasta_ends_with_everything_else(void **state)
{
	const char *argv[] = { "setpriv",
		               "--reuid=65534",
		               "--regid=65534",
		               "--clear-groups",
		               own_binary,
		               "run",
		               "--network",
		               "bridge",
		               "--",
		               "sh",
		               "-c",
		               "echo up; sleep 60",
		               NULL };
	pid_t pid, child;
	int out;

	(void)state;
	if (pasta_missing())
		return;
	for (int who = 0; who < 3; who++) {
		out = memfd_create("out", MFD_CLOEXEC);
		pid = fork();
		if (pid == 0) {
			(void)dup2(out, 1);
			(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
			_exit(99);
		}
		assert_eventually(says(out, "up\n"));
		child = net_process_of(pid, who == 2);
		assert_true(child > 0);
		assert_confined(net_process_of(pid, true), 1ull << CAP_NET_ADMIN);
		(void)kill(who == 0 ? pid : child, SIGKILL);
		if (who == 0) {
			(void)status_of(pid);
			assert_eventually(waitpid(child, NULL, WNOHANG) != 0);
		}
		/* Of this network namespace: others' are not ours to count. */
		assert_eventually(
		        sh("for p in $(pidof pasta pasta.avx2); do test \"$(readlink "
		           "/proc/$p/ns/net)\" = \"$(readlink /proc/self/ns/net)\" && exit 1; "
		           "done; exit 0") == 0);
		if (who) {
			(void)kill(pid, SIGTERM);
			(void)status_of(pid);
		}
		(void)close(out);
	}
}

/* Its questions to the host's name server are marked, which takes a capability over the sandbox's
 * own network. */
static void user_has_an_allowlist_by_pasta(void **state)
{
	char probe[160];
	const char *argv[] = { "setpriv",
		               "--reuid=65534",
		               "--regid=65534",
		               "--clear-groups",
		               own_binary,
		               "run",
		               "--allow",
		               "www.example.org:80",
		               "--allow",
		               INTERNET ":80",
		               "--ro-bind",
		               probe,
		               "--",
		               "sh",
		               "-c",
		               "/net connect " INTERNET
		               " 80; /net resolve udp www.example.org; /net "
		               "resolve tcp www.example.org; /net connect " INTERNET
		               " 22; echo up; sleep 60",
		               NULL };
	pid_t pid;
	int out;

	(void)state;
	if (pasta_missing())
		return;
	(void)snprintf(probe, sizeof(probe), "%s/net:/net", net.dir);
	out = memfd_create("out", MFD_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		(void)dup2(out, 1);
		(void)dup2(out, 2);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	assert_eventually(says(out, "up\n"));
	if (!says(out, "said " HOST "\n" INTERNET "\n" INTERNET "\nECONNREFUSED\n")) {
		char text[600] = "";

		(void)!pread(out, text, sizeof(text) - 1, 0);
		fail_msg("%s", text);
	}
	assert_confined(net_process_of(pid, true), 1ull << CAP_NET_ADMIN);
	assert_confined(net_process_of(net_process_of(pid, true), false), 1ull << CAP_NET_ADMIN);
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	(void)close(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_has_a_network_by_pasta),
		cmocka_unit_test(user_does_not_reach_the_host_by_pasta),
		cmocka_unit_test(users_allowlist_holds_by_pasta),
		cmocka_unit_test(capabilities_over_its_rules_are_refused),
		cmocka_unit_test(users_ports_are_published),
		cmocka_unit_test(user_has_an_allowlist_by_pasta),
		cmocka_unit_test(pasta_ends_with_everything_else),
	};

	return cmocka_run_group_tests(tests, net_open, net_close);
}
