/*
 * A guest that means harm to the host's network, to its resolver, to whoever comes after it and to
 * the process that serves it; and users of the host who mean harm to a guest.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/capability.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/network/helper/block.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/network_support.h"

#define MAX \
	4096 /* CORRAL_NET_CONNECTIONS_MAX, where the host's table is as large as it mostly is */

/* The places of sandboxes that were killed here are nobody's to find, and theirs not ours. */
static int hostile_open(void **state)
{
	int r = net_open(state);

	if (r == 0 && !net.missing) {
		(void)mkdir("/run/corral", 0700);
		(void)sh("modprobe -q nf_conntrack");
		/* Longer than this test: what is forgotten earlier was made to. Of this network
		 * namespace alone. */
		file_set("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "300");
		assert_int_equal(mount("none", "/run/corral", "tmpfs", MS_NOSUID, "mode=700"), 0);
	}
	return r;
}

static int hostile_close(void **state)
{
	if (!net.missing)
		(void)umount2("/run/corral", MNT_DETACH);
	return net_close(state);
}

/* Connections that this host tracks. */
static unsigned int tracked(void)
{
	FILE *f = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
	unsigned int n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &n), 1);
	(void)fclose(f);
	return n;
}

static bool table_is_small(void)
{
	FILE *f = fopen("/proc/sys/net/netfilter/nf_conntrack_max", "re");
	unsigned int n = 0;

	if (f && fscanf(f, "%u", &n) != 1)
		n = 0;
	if (f)
		(void)fclose(f);
	if (n < 64 * MAX)
		corral_test_skip("net.netfilter.nf_conntrack_max is less than 262144");
	return n < 64 * MAX;
}

static void connections_are_limited_and_nobody_inherits_them(void **state)
{
	struct run r = { 0 };
	unsigned int n;
	pid_t pid;
	int out;

	(void)state;
	if (net_missing() || table_is_small())
		return;
	pid = BEGIN(&out, "run", "--network", "bridge", "--pids", "64", NET_PROBE, "--", "sh", "-c",
	            "/net flood " INTERNET " 7 6000; /net connect " INTERNET
	            " 80; echo done; sleep 60");
	assert_eventually(says(out, "done\n"));
	assert_true(says(out, "sent 6000\n"));
	assert_true(says(out, "EHOSTUNREACH\n"));
	n = tracked();
	if (n < MAX - 100 || n > MAX + 100)
		fail_msg("%u connections are tracked", n);
	/* Another has its own share. */
	BRIDGE(&r, "connect", INTERNET, "80");
	assert_out(&r, "said " HOST "\n");
	/* And with its end they are forgotten. */
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	assert_eventually(tracked() < 100);
	(void)close(out);
	run_done(&r);
	assert_eventually(net_is_clean());
}

/* Also where the guest's own namespace tracks them, whose table is the kernel's memory. */
static void connections_are_limited_under_a_list(void **state)
{
	struct run r = { 0 };
	unsigned int n = 0, left_out = 0;
	const char *at;

	(void)state;
	if (net_missing() || table_is_small())
		return;
	RUN(&r, "--json", "2", "--allow", INTERNET ":7/udp", "--pids", "64", NET_PROBE, "--", "sh",
	    "-c",
	    "/net flood " INTERNET
	    " 7 6000 >/dev/null; cat /proc/sys/net/netfilter/nf_conntrack_count");
	if (sscanf(r.out, "%u", &n) != 1 || n < MAX - 100 || n > MAX + 100)
		fail_msg("'%s': %u connections are tracked (%s)", r.out, n, r.err);
	/* And the receipt knows what was refused for that. */
	at = strstr(r.err, "\"denials_dropped\":");
	if (!at || sscanf(at, "\"denials_dropped\":%u", &left_out) != 1 ||
	    left_out < 6000 - MAX - 200)
		fail_msg("%s", r.err);
	run_done(&r);
}

static void nobody_inherits_of_one_that_was_killed(void **state)
{
	pid_t pid, helper, child;
	struct run r = { 0 };
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, "run", "--network", "bridge", NET_PROBE, "--", "sh", "-c",
	            "/net flood " INTERNET " 7 60; echo done; sleep 60");
	assert_eventually(says(out, "done\n"));
	helper = net_process_of(pid, false);
	child = net_process_of(pid, true);
	(void)kill(helper, SIGSTOP);
	(void)kill(child, SIGSTOP);
	(void)kill(helper, SIGKILL);
	(void)kill(child, SIGKILL);
	(void)kill(pid, SIGKILL);
	(void)status_of(pid);
	assert_eventually(net_is_clean());
	/* Fewer than a sandbox may have where the host's table is small. */
	assert_true(tracked() >= 60);
	BRIDGE(&r, "connect", INTERNET, "80");
	assert_out(&r, "said " HOST "\n");
	assert_true(tracked() < 40);
	(void)close(out);
	run_done(&r);
}

/* A port that a peer may still have in TIME-WAIT is given to no other sandbox. */
static void ports_of_what_has_ended_are_not_taken_again(void **state)
{
	struct run r = { 0 };
	unsigned int before;

	(void)state;
	if (net_missing())
		return;
	before = tracked();
	RUN(&r, "--network", "bridge", NET_PROBE, "--", "sh", "-c",
	    "for i in 1 2 3 4 5 6 7 8 9 10; do /net connect " INTERNET
	    " 80; done; /net flood " INTERNET " 7 100 >/dev/null; echo done");
	assert_non_null(strstr(r.out, "done\n"));
	assert_eventually(net_is_clean());
	if (tracked() < before + 10 || tracked() > before + 40)
		fail_msg("%u connections are tracked, %u were", tracked(), before);
	run_done(&r);
}

/* Those that have ended are in no count, and in the host's table all the same. Here of a port that
 * nobody listens at. */
static void connections_are_not_begun_without_end(void **state)
{
	const uint64_t began_ms = corral_now_ms();
	unsigned int refused = 0, at_most;
	struct run r = { 0 };

	(void)state;
	if (net_missing() || table_is_small())
		return;
	RUN(&r, "--network", "bridge", NET_PROBE, "--", "/net", "begin", INTERNET, "81", "9000");
	if (sscanf(r.out, "refused %u", &refused) != 1)
		fail_msg("%s%s", r.out, r.err);
	at_most = MAX + MAX / 16 * (unsigned int)((corral_now_ms() - began_ms) / 1000 + 1);
	if (at_most < 9000 && refused < 9000 - at_most)
		fail_msg("%u of 9000 were refused, and %u should be", refused, 9000 - at_most);
	run_done(&r);
}

/* And that of all sandboxes together, each with a corral-net and a table of its own: half of the
 * host's table is not theirs. Each of these keeps to its own limit. */
static void connections_of_all_together_are_limited(void **state)
{
	enum { EACH = 20000 };
	const struct corral_net_share all = corral_net_share(64 * MAX, CORRAL_NET_TIME_WAIT_S);
	unsigned int begun = 0, at_most;
	pid_t pids[5];
	int out[CORRAL_COUNT(pids)];
	struct run r = { 0 };
	uint64_t began_ms;

	(void)state;
	if (net_missing() || table_is_small())
		return;
	began_ms = corral_now_ms();
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		pids[i] = BEGIN(&out[i], "run", "--network", "bridge", NET_PROBE, "--", "/net",
		                "begin", INTERNET, "81", "20000");
	nap(1000);
	/* Whoever has no part in it is not shut out meanwhile. */
	RUN(&r, "--network", "bridge", NET_PROBE, "--", "sh", "-c",
	    "for i in 1 2 3 4 5 6 7 8 9 10; do /net connect " INTERNET " 80 || exit 1; done");
	assert_int_equal(r.status, 0);
	run_done(&r);
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++) {
		char text[64];

		assert_int_equal(status_of(pids[i]), 0);
		text_at(out[i], "refused ", "\n", text, sizeof(text));
		begun += EACH - (unsigned int)strtoul(text, NULL, 10);
		(void)close(out[i]);
	}
	/* In the table's own words: a second is as long as the kernel's ticks say. */
	at_most = all.at_once + (unsigned int)CORRAL_COUNT(pids) * all.own +
	          (all.a_second + (unsigned int)CORRAL_COUNT(pids) * all.own_a_second) *
	                  (unsigned int)((corral_now_ms() - began_ms) / 1000 + 1);
	if (begun > at_most)
		fail_msg("%u were begun, and %u should be", begun, at_most);
	assert_eventually(net_is_clean());
}

/* Of those that have ended, the seconds that the one which stays longest still has; -1: none. */
static int ended_stay_s(void)
{
	FILE *f = fopen("/proc/net/nf_conntrack", "re");
	char line[512];
	int longest = -1;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		int s;

		if (strstr(line, " TIME_WAIT ") && sscanf(line, "%*s %*d tcp %*d %d", &s) == 1 &&
		    s > longest)
			longest = s;
	}
	(void)fclose(f);
	return longest;
}

/* Not the host's two minutes, and not less than the peer's own one, until which it would not take
 * that port from another. */
static void what_has_ended_stays_as_long_as_at_the_peer(void **state)
{
	int s, out;
	pid_t pid;

	(void)state;
	if (net_missing())
		return;
	if (access("/proc/net/nf_conntrack", R_OK) < 0) {
		corral_test_skip("this kernel has no /proc/net/nf_conntrack");
		return;
	}
	file_set("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", "300");
	pid = BEGIN(&out, "run", "--network", "bridge", NET_PROBE, "--", "sh", "-c",
	            "/net connect " INTERNET " 80; echo done; sleep 60");
	assert_eventually(says(out, "done\n"));
	assert_eventually(ended_stay_s() >= 0);
	s = ended_stay_s();
	if (s > CORRAL_NET_TIME_WAIT_S || s < CORRAL_NET_TIME_WAIT_S - 30)
		fail_msg("%d seconds", s);
	file_set("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", "120");
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	(void)close(out);
	assert_eventually(net_is_clean());
}

static int socket_take(int listener)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = sizeof(control) };
	int from = accept(listener, NULL, NULL), fd;

	assert_true(from >= 0);
	assert_int_equal(recvmsg(from, &m, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	(void)close(from);
	return fd;
}

/* Who else has a socket of a sandbox's network reaches nothing by it when that has ended: neither
 * what the rules refused before, which are gone, nor what they let pass. */
static void socket_that_a_guest_gave_away_reaches_nobody(void **state)
{
	const struct timeval patience = { .tv_sec = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char dir[96];
	struct run r = { 0 };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd, code;

	(void)state;
	if (net_missing()) {
		(void)close(listener);
		return;
	}
	(void)snprintf(dir, sizeof(dir), "%s:/d", net.dir);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/give", net.dir);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(chmod(at.sun_path, 0777), 0);
	assert_int_equal(listen(listener, 4), 0);
	for (int i = 0; i < 2; i++) {
		RUN(&r, "--network", "bridge", NET_PROBE, "--ro-bind", dir, "--", "/net", "give",
		    "/d/give");
		assert_out(&r, "given\n");
		fd = socket_take(listener);
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		                            sizeof(patience)),
		                 0);
		to.sin_port = htons(i ? 80 : 8000);
		assert_int_equal(inet_pton(AF_INET, i ? INTERNET : HOST, &to.sin_addr), 1);
		code = connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
		if (!code)
			fail_msg("%s was reached", i ? INTERNET : HOST);
		(void)close(fd);
	}
	(void)close(listener);
	(void)unlink(at.sun_path);
	run_done(&r);
	assert_eventually(net_is_clean());
}

/* Of the internet, from the port that guests have sent to. */
static void datagram_from_internet(const char *to, int port)
{
	char path[64];
	pid_t pid = fork();

	if (pid == 0) {
		struct sockaddr_in at = { .sin_family = AF_INET,
			                  .sin_port = htons((uint16_t)port) };
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)net.internet);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
			_exit(1);
		fd = net_socket(INTERNET, 7, SOCK_DGRAM);
		(void)inet_pton(AF_INET, to, &at.sin_addr);
		_exit(sendto(fd, "to the host", 11, 0, (struct sockaddr *)&at, sizeof(at)) != 11);
	}
	assert_int_equal(status_of(pid), 0);
}

/* A connection that the guest begins from the port of a service makes none of the service's packets
 * its own. */
static void guest_takes_no_port_of_the_hosts(void **state)
{
	const struct timeval patience = { .tv_sec = 3 };
	char text[32] = "";
	pid_t pid;
	int out, fd;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, "run", "--network", "bridge", NET_PROBE, "--", "sh", "-c",
	            "/net flood " INTERNET " 7 1; echo done; sleep 60");
	assert_eventually(says(out, "done\n"));
	assert_true(says(out, "sent 1\n"));
	/* The first that it floods from. */
	fd = net_socket(HOST, 10000, SOCK_DGRAM);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	datagram_from_internet(HOST, 10000);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 11);
	(void)close(fd);
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	(void)close(out);
	assert_eventually(net_is_clean());
}

static void whoever_reads_what_a_guest_sends_can_do_nothing_else(void **state)
{
	static const struct {
		const char *network, *option, *value;
		bool keeper;
	} rows[] = {
		{ "bridge", "--hostname", "box", false },
		{ "bridge", "--publish", "5010:7000", false },
		{ "none", "--publish", "5011:7000", false },
		{ "allow", "--allow", INTERNET ":80", true },
	};

	(void)state;
	if (net_missing())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		pid_t pid, child, keeper;
		int out;

		pid = BEGIN(&out, "run", "--network", rows[i].network, rows[i].option,
		            rows[i].value, "--", "sh", "-c", "echo up; sleep 60");
		assert_eventually(says(out, "up\n"));
		child = net_process_of(pid, true);
		assert_true(child > 0);
		assert_confined(child, 0);
		keeper = net_process_of(child, false);
		assert_int_equal(keeper > 0, rows[i].keeper);
		if (rows[i].keeper) {
			assert_confined(keeper, 1ull << CAP_NET_ADMIN);
			/* One does not live without the other. */
			(void)kill(keeper, SIGKILL);
			assert_eventually(kill(child, 0) < 0 && errno == ESRCH);
		}
		(void)kill(pid, SIGTERM);
		(void)status_of(pid);
		assert_eventually(net_is_clean());
		(void)close(out);
	}
}

static void resolver_is_asked_plain_questions_alone(void **state)
{
	static const struct {
		const char *by, *op, *type, *out;
	} rows[] = {
		{ "udp", "0", "1", "code 0\n" },
		{ "udp", "0", "16", "code 0\n" },
		{ "udp", "0", "255", "code 5\n" },
		{ "udp", "5", "6", "code 4\n" },
		{ "udp", "0", "252", "code 5\n" },
		{ "tcp", "0", "1", "code 0\ncode 0\n" },
		{ "tcp", "0", "252", "code 5\ncode 5\n" },
		{ "tcp", "0", "251", "code 5\ncode 5\n" },
		{ "tcp", "4", "6", "code 4\ncode 4\n" },
		{ "tcp", "0", "255", "code 5\ncode 5\n" },
	};
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		BRIDGE(&r, "ask", rows[i].by, rows[i].op, rows[i].type);
		if (strcmp(r.out, rows[i].out) != 0)
			fail_msg("%s %s %s: %s%s", rows[i].by, rows[i].op, rows[i].type, r.out,
			         r.err);
	}
	run_done(&r);
}

static void resolver_is_not_flooded(void **state)
{
	struct run r = { 0 };
	unsigned int refused = 0, answered = 0;
	uint64_t began_ms = corral_now_ms();

	(void)state;
	if (net_missing())
		return;
	BRIDGE(&r, "asks", "6000");
	assert_int_equal(sscanf(r.out, "refused %u answered %u", &refused, &answered), 2);
	/* What the socket had no room for was neither. Who is slow may ask for all of them. */
	if ((!refused && !corral_test_slow()) || answered > 400 + (corral_now_ms() - began_ms) / 5)
		fail_msg("%u were refused, %u answered", refused, answered);
	BRIDGE(&r, "resolve", "udp", "www.example.org");
	assert_out(&r, INTERNET "\n");
	run_done(&r);
}

/* As that user: errno of a connection, or 0. */
static int dial_as(uid_t uid, const char *address, int port)
{
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		(void)alarm(5);
		if (uid && setuid(uid) < 0)
			_exit(99);
		fd = dial(AF_INET, address, port);
		_exit(fd < 0 ? errno : 0);
	}
	return status_of(pid);
}

static void users_of_the_host_do_not_reach_a_guest(void **state)
{
	char address[64];
	pid_t pid;
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, "run", "--network", "bridge", "--", "sh", "-c",
	            "ip -o -4 addr show dev eth0; echo up; sleep 60");
	assert_eventually(says(out, "up\n"));
	text_at(out, "inet ", "/31", address, sizeof(address));
	/* Nobody listens there: a refusal would be the guest's own word. */
	assert_int_equal(dial_as(0, address, 7000), EHOSTUNREACH);
	assert_int_equal(dial_as(NOBODY, address, 7000), EHOSTUNREACH);
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	(void)close(out);
	assert_eventually(net_is_clean());
}

static void sockets_at_paths_are_nobody_elses_to_lead_astray(void **state)
{
	char place[160], text[400];
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	(void)snprintf(text, sizeof(text),
	               "mkdir %s/real %s/open && ln -s real %s/link && chmod 777 %s/open", net.dir,
	               net.dir, net.dir, net.dir);
	assert_int_equal(sh(text), 0);
	(void)snprintf(place, sizeof(place), "unix:%s/link/s:7000", net.dir);
	RUN(&r, "--publish", place, "--", "true");
	assert_error(&r, "symbolic link on the way");
	(void)snprintf(place, sizeof(place), "unix:%s/open/s:7000", net.dir);
	RUN(&r, "--publish", place, "--", "true");
	assert_error(&r, "everybody may replace what is in");
	(void)snprintf(place, sizeof(place), "unix:%s/real/s:7000", net.dir);
	RUN(&r, "--publish", place, "--", "true");
	assert_status(&r, 0);
	run_done(&r);
}

static void program_that_others_may_write_is_not_run(void **state)
{
	char text[700], binary[128];
	const char *argv[] = { binary, "run", "--network", "bridge", "--", "true", NULL };
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	(void)snprintf(binary, sizeof(binary), "%s/bin/corral", net.dir);
	(void)snprintf(text, sizeof(text),
	               "mkdir -m 755 %s/bin && cp " CORRAL_BINARY " \"$(dirname " CORRAL_BINARY
	               ")/corral-net\" %s/bin/ && chmod 755 %s/bin/*",
	               net.dir, net.dir, net.dir);
	assert_int_equal(sh(text), 0);
	run_argv(&r, argv);
	assert_status(&r, 0);
	for (int what = 0; what < 3; what++) {
		static const char *const bad[] = { "chmod o+w bin/corral-net",
			                           "chown 65534 bin/corral-net", "chmod g+w bin" };
		static const char *const good[] = { "chmod o-w bin/corral-net",
			                            "chown 0 bin/corral-net", "chmod g-w bin" };

		(void)snprintf(text, sizeof(text), "cd %s && %s", net.dir, bad[what]);
		assert_int_equal(sh(text), 0);
		run_argv(&r, argv);
		assert_error(&r, "is not run: it and its directory must belong to root or to you");
		(void)snprintf(text, sizeof(text), "cd %s && %s", net.dir, good[what]);
		assert_int_equal(sh(text), 0);
	}
	run_argv(&r, argv);
	assert_status(&r, 0);
	run_done(&r);
}

/* Killed, say, when the host has no memory. */
static void nothing_runs_without_the_network_that_it_was_to_have(void **state)
{
	char text[700], binary[128];
	const char *argv[] = { binary,   "run", "--network", "allow",  "--allow",
		               INTERNET, "--",  "echo",      "it ran", NULL };
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	(void)snprintf(binary, sizeof(binary), "%s/ends/corral", net.dir);
	(void)snprintf(text, sizeof(text),
	               "cd %s && mkdir -m 755 ends && cp " CORRAL_BINARY " ends/ && "
	               "printf '#!/bin/sh\\nsleep 0.3\\n' >ends/corral-net && chmod 755 ends/*",
	               net.dir);
	assert_int_equal(sh(text), 0);
	run_argv(&r, argv);
	assert_error(&r, "corral-net ended while it connected the sandbox");
	assert_null(strstr(r.out, "it ran"));
	run_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_limited_and_nobody_inherits_them),
		cmocka_unit_test(connections_are_limited_under_a_list),
		cmocka_unit_test(nobody_inherits_of_one_that_was_killed),
		cmocka_unit_test(ports_of_what_has_ended_are_not_taken_again),
		cmocka_unit_test(connections_are_not_begun_without_end),
		cmocka_unit_test(connections_of_all_together_are_limited),
		cmocka_unit_test(what_has_ended_stays_as_long_as_at_the_peer),
		cmocka_unit_test(socket_that_a_guest_gave_away_reaches_nobody),
		cmocka_unit_test(guest_takes_no_port_of_the_hosts),
		cmocka_unit_test(whoever_reads_what_a_guest_sends_can_do_nothing_else),
		cmocka_unit_test(resolver_is_asked_plain_questions_alone),
		cmocka_unit_test(resolver_is_not_flooded),
		cmocka_unit_test(users_of_the_host_do_not_reach_a_guest),
		cmocka_unit_test(sockets_at_paths_are_nobody_elses_to_lead_astray),
		cmocka_unit_test(program_that_others_may_write_is_not_run),
		cmocka_unit_test(nothing_runs_without_the_network_that_it_was_to_have),
	};

	return cmocka_run_group_tests(tests, hostile_open, hostile_close);
}
