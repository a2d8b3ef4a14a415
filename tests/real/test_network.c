/*
 * A sandbox with a network of its own, as it is seen from inside, on a host and an internet that
 * the test makes (network_support.h): what it reaches, what it does not, and that nothing is left
 * of it, whoever dies first.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <sys/un.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/network_support.h"

#define NOBODY         65534
#define BRIDGE(r, ...) RUN((r), "--network", "bridge", NET_PROBE, "--", "/net", __VA_ARGS__)

#define assert_out(r, wanted)                                                              \
	do {                                                                               \
		if (strcmp((r)->out, wanted) != 0)                                         \
			fail_msg("'%s' instead of '%s' (%s)", (r)->out, wanted, (r)->err); \
	} while (0)

static void guest_reaches_what_the_host_reaches(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	/* In the host's name: nobody else knows the way to a sandbox. */
	BRIDGE(&r, "connect", INTERNET, "80");
	assert_out(&r, "said " HOST "\n");
	assert_fact("network=bridge", "network", "bridge");
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
		HOST, HOST6, "10.213.0.0", "169.254.169.254", "169.254.0.1", "fe80::1",
	};
	struct run r = { 0 };
	uint64_t began;

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
	(void)began;
	run_done(&r);
}

static void guest_has_no_power_over_its_network(void **state)
{
	static const char script[] =
	        "ip link set eth0 down; ip addr add 10.9.9.9/32 dev eth0; ip route del default;"
	        "ip link add d0 type veth peer name d1; echo 1 >/proc/sys/net/ipv4/ip_forward;"
	        "ip link set eth0 address 02:00:00:00:00:07";
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	RUN(&r, "--network", "bridge", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--", "sh",
	    "-c", script);
	RUN(&r, "--network", "bridge", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", NET_PROBE,
	    "--", "sh", "-c",
	    "(ip link set eth0 down; ip addr add 10.9.9.9/32 dev eth0; ip route del default;"
	    " ip link add d0 type veth peer name d1; ip link set eth0 address 02:00:00:00:00:07)"
	    " 2>/dev/null && echo done; ip -o link | wc -l; ip -o -4 addr show dev eth0 | wc -l;"
	    " /net connect " INTERNET " 80");
	assert_out(&r, "2\n1\nsaid " HOST "\n");
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

static bool says(int fd, const char *part)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, part) != NULL;
}

static void sandboxes_do_not_reach_each_other(void **state)
{
	struct run r = { 0 };
	int out;
	pid_t one;

	(void)state;
	if (net_missing())
		return;
	one = BEGIN(&out, "run", "--network", "bridge", "--", "sh", "-c",
	            "ip -o -4 addr show dev eth0; echo up; sleep 60");
	assert_eventually(says(out, "up\n"));
	assert_true(says(out, " 10.213.0.1/31 "));
	/* Nobody listens there: a refusal would be the other sandbox's own word. */
	BRIDGE(&r, "connect", "10.213.0.1", "7000");
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
	RUN(&r, "--network", "bridge", "--", "cat", "/sys/class/net/eth0/mtu", "/proc/net/dev");
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
	    "ip -o -4 addr show dev eth0 | grep -o '10[0-9.]*/31'");
	assert_out(&r, "10.87.0.1/31\n");
	assert_int_equal(
	        sh("ip route del 10.128.0.0/9 && ip route add 10.0.0.0/8 via 198.51.100.1"), 0);
	RUN(&r, "--network", "bridge", "--", "sh", "-c",
	    "ip -o -4 addr show dev eth0 | grep -o '10[0-9.]*/31'");
	assert_out(&r, "100.87.0.1/31\n");
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

/* --- Published ports --- */

static int dial(int family, const char *place, int port)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	(void)inet_pton(AF_INET, place, &in.sin_addr);
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", place);
	r = family == AF_UNIX ? connect(fd, (struct sockaddr *)&un, sizeof(un))
	                      : connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (r < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* A megabyte there and back, while it is still being written. */
static void assert_echoes(int fd)
{
	const size_t size = 1 << 20;
	char *back = calloc(1, size);
	size_t got = 0;
	ssize_t n;
	pid_t writer;

	assert_true(fd >= 0);
	writer = fork();
	if (writer == 0) {
		char *text = malloc(size);

		for (size_t i = 0; i < size; i++)
			text[i] = (char)('a' + i % 23);
		for (size_t at = 0; at < size; at += (size_t)n)
			if ((n = send(fd, text + at, size - at, MSG_NOSIGNAL)) < 0)
				_exit(1);
		(void)shutdown(fd, SHUT_WR);
		_exit(0);
	}
	while (got < size && (n = recv(fd, back + got, size - got, 0)) > 0)
		got += (size_t)n;
	assert_int_equal(got, size);
	for (size_t i = 0; i < size; i++)
		if (back[i] != (char)('A' + i % 23))
			fail_msg("byte %zu is %c", i, back[i]);
	/* The end comes through as well. */
	assert_int_equal(recv(fd, back, 1, 0), 0);
	assert_int_equal(status_of(writer), 0);
	(void)close(fd);
	free(back);
}

static void assert_answers(const char *address, int port)
{
	const struct timeval patience = { .tv_sec = 5 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[32] = "";

	(void)inet_pton(AF_INET, address, &to.sin_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "HELLO");
	(void)close(fd);
}

static void ports_are_published(const char *network, uid_t uid, const char *binary)
{
	char path[96], place[160];
	const char *argv[] = { binary,      "run",       "--network", network,
		               "--publish", "5000:7000", "--publish", "127.0.0.2:5001:7001/udp",
		               "--publish", place,       NET_PROBE,   "--",
		               "/net",      "serve",     "7000",      "7001",
		               NULL };
	struct run r = { 0 };
	struct stat st;
	int out = memfd_create("out", MFD_CLOEXEC);
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/s%u", net.dir, (unsigned int)uid);
	(void)snprintf(place, sizeof(place), "unix:%s:7000", path);
	pid = fork();
	if (pid == 0) {
		(void)dup2(out, 1);
		(void)dup2(out, 2);
		if (uid && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(98);
		(void)execv(binary, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	if (!EVENTUALLY(says(out, "up\n"))) {
		char text[600] = "";

		(void)!pread(out, text, sizeof(text) - 1, 0);
		fail_msg("%s", text);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, uid);
	assert_echoes(dial(AF_INET, "127.0.0.1", 5000));
	assert_echoes(dial(AF_UNIX, path, 0));
	assert_answers("127.0.0.2", 5001);
	/* Nowhere but where it was asked for. */
	assert_int_equal(dial(AF_INET, HOST, 5000), -1);
	/* Who is there stays. */
	RUN(&r, "--publish", "5000:7000", "--", "true");
	assert_error(&r, "publish '127.0.0.1:5000:7000'");
	RUN(&r, "--publish", place, "--", "true");
	assert_error(&r, "corral does not replace it");
	assert_echoes(dial(AF_UNIX, path, 0));
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	assert_eventually(access(path, F_OK) < 0 && dial(AF_INET, "127.0.0.1", 5000) < 0);
	(void)close(out);
	run_done(&r);
	assert_eventually(net_is_clean());
}

static void ports_are_published_of_loopback_alone(void **state)
{
	(void)state;
	if (net_missing())
		return;
	ports_are_published("none", 0, CORRAL_BINARY);
}

static void ports_are_published_of_a_bridged_sandbox(void **state)
{
	(void)state;
	if (net_missing())
		return;
	ports_are_published("bridge", 0, CORRAL_BINARY);
}

static void dead_socket_is_replaced_and_a_file_is_not(void **state)
{
	char path[96], place[160];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	(void)snprintf(path, sizeof(path), "%s/dead", net.dir);
	(void)snprintf(place, sizeof(place), "unix:%s:7000", path);
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	(void)close(fd);
	RUN(&r, "--publish", place, "--", "true");
	assert_status(&r, 0);
	assert_int_equal(access(path, F_OK), -1);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "mine", 4), 4);
	(void)close(fd);
	RUN(&r, "--publish", place, "--", "true");
	assert_error(&r, "corral does not replace it");
	assert_int_equal(unlink(path), 0);
	run_done(&r);
}

/* --- Ends --- */

/* The processes of corral-net below that one: the helper, and with child the first of its own. */
static pid_t net_process_of(pid_t caller, bool child)
{
	char path[64], name[32];
	pid_t found = 0, pid;
	FILE *list, *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)caller, (int)caller);
	list = fopen(path, "re");
	while (list && !found && fscanf(list, "%d", &pid) == 1) {
		(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && !strcmp(name, "corral-net\n"))
			found = pid;
		if (f)
			(void)fclose(f);
	}
	if (list)
		(void)fclose(list);
	return found && child ? net_process_of(found, false) : found;
}

#define LONG_LIVED                                                                                \
	"run", "--network", "bridge", NET_PROBE, "--", "sh", "-c",                                \
	        "echo up; while sleep 0.3; do /net connect " HOST " 8000; /net connect " INTERNET \
	        " 80; done"

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void nothing_is_left_when_the_caller_is_killed(void **state)
{
	pid_t pid, helper, child;
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, LONG_LIVED);
	assert_eventually(says(out, "said " HOST "\n"));
	helper = net_process_of(pid, false);
	child = net_process_of(pid, true);
	assert_true(helper > 0 && child > 0);
	(void)kill(pid, SIGKILL);
	(void)status_of(pid);
	/* The helper falls to this process, as the reaper of its own. */
	assert_eventually(waitpid(helper, NULL, WNOHANG) != 0);
	assert_eventually(is_gone(child));
	assert_eventually(net_is_clean());
	(void)close(out);
}

static void connection_goes_with_its_process(void **state)
{
	pid_t pid, child;
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, LONG_LIVED);
	assert_eventually(says(out, "said " HOST "\n"));
	child = net_process_of(pid, true);
	assert_true(child > 0);
	(void)kill(child, SIGKILL);
	/* The link is taken away by corral-net, which saw it die. */
	assert_eventually(says(out, "ENETUNREACH\n"));
	assert_false(says(out, "the host"));
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	assert_eventually(net_is_clean());
	(void)close(out);
}

static void host_is_out_of_reach_whoever_is_killed(void **state)
{
	pid_t pid, helper, child;
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, LONG_LIVED);
	assert_eventually(says(out, "said " HOST "\n"));
	helper = net_process_of(pid, false);
	child = net_process_of(pid, true);
	/* Both, so that nobody is left to take the link away: the caller holds the rules. */
	(void)kill(helper, SIGSTOP);
	(void)kill(child, SIGSTOP);
	(void)kill(child, SIGKILL);
	(void)kill(helper, SIGKILL);
	assert_int_equal(ftruncate(out, 0), 0);
	nap(1500);
	assert_false(says(out, "the host"));
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	assert_eventually(net_is_clean());
	(void)close(out);
}

/* --- Without root --- */

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
	(void)snprintf(
	        text, sizeof(text),
	        "test -e %s || { cp " CORRAL_BINARY " %s && cp \"$(dirname " CORRAL_BINARY
	        ")/corral-net\" %s/ && cp " CORRAL_TEST_NET " %s/net && chmod 755 %s/* && "
	        "mkdir %s/dev && mount -t tmpfs none %s/dev && mknod -m 666 %s/dev/tun c 10 200 "
	        "&& mount --bind %s/dev/tun /dev/net/tun; }",
	        own_binary, own_binary, net.dir, net.dir, net.dir, net.dir, net.dir, net.dir,
	        net.dir);
	if (sh(text) != 0) {
		corral_test_skip("/dev/net/tun is not to be had");
		return true;
	}
	return false;
}

static void as_nobody(struct run *r, const char *const *args)
{
	char probe[160];
	const char *argv[RUN_ARGS_MAX] = {
		"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", own_binary,
		"run",     "--network",     "bridge",        "--ro-bind",      probe,
		"--",      "/net"
	};
	size_t n = 12;

	(void)snprintf(probe, sizeof(probe), "%s/net:/net", net.dir);
	for (; *args; args++)
		argv[n++] = *args;
	argv[n] = NULL;
	run_argv(r, argv);
}

#define NOBODYS(r, ...) as_nobody((r), ARGS(__VA_ARGS__))

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
	run_done(&r);
}

static void user_does_not_reach_the_host_by_pasta(void **state)
{
	static const char *const addresses[] = {
		HOST, HOST6, "10.77.0.1", "127.0.0.1", "169.254.169.254", "198.51.100.1"
	};
	struct run r = { 0 };

	(void)state;
	if (pasta_missing())
		return;
	assert_int_equal(sh("ip link add o0 type veth peer name o1; ip addr add 10.77.0.1/24 dev "
	                    "o0; ip link set o0 up"),
	                 0);
	for (size_t i = 0; i < CORRAL_COUNT(addresses); i++) {
		NOBODYS(&r, "connect", addresses[i], "8000");
		if (!strncmp(r.out, "said", 4) || r.status != 0)
			fail_msg("%s: %s%s", addresses[i], r.out, r.err);
	}
	assert_int_equal(sh("ip link del o0"), 0);
	run_done(&r);
}

static void users_ports_are_published(void **state)
{
	char name[160];

	(void)state;
	if (pasta_missing())
		return;
	(void)name;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_reaches_what_the_host_reaches),
		cmocka_unit_test(names_are_asked_of_the_hosts_own_resolver),
		cmocka_unit_test(guest_does_not_reach_the_host),
		cmocka_unit_test(guest_has_no_power_over_its_network),
		cmocka_unit_test(no_address_but_its_own_leaves),
		cmocka_unit_test(sandboxes_do_not_reach_each_other),
		cmocka_unit_test(mtu_is_that_of_the_uplink),
		cmocka_unit_test(host_that_does_not_forward_is_told_how),
		cmocka_unit_test(firewall_that_drops_what_is_forwarded_is_named),
		cmocka_unit_test(routes_of_the_host_are_not_taken),
		cmocka_unit_test(files_of_a_root_are_its_own),
		cmocka_unit_test(ports_are_published_of_loopback_alone),
		cmocka_unit_test(ports_are_published_of_a_bridged_sandbox),
		cmocka_unit_test(dead_socket_is_replaced_and_a_file_is_not),
		cmocka_unit_test(nothing_is_left_when_the_caller_is_killed),
		cmocka_unit_test(connection_goes_with_its_process),
		cmocka_unit_test(host_is_out_of_reach_whoever_is_killed),
		cmocka_unit_test(user_has_a_network_by_pasta),
		cmocka_unit_test(user_does_not_reach_the_host_by_pasta),
		cmocka_unit_test(users_ports_are_published),
		cmocka_unit_test(pasta_ends_with_everything_else),
	};

	return cmocka_run_group_tests(tests, net_open, net_close);
}
