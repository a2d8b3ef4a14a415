/*
 * kernel/network/helper/filter.h and resolver.h in a live kernel: a network namespace that stands
 * for the guest's, in which this process is, another for the world, and a third process that
 * answers for the list. From inside a sandbox: test_allow.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/network/helper/dns_message.h"
#include "kernel/network/helper/filter.h"
#include "kernel/network/helper/resolver.h"
#include "tests/real/world.h"
#include "tests/support.h"

#define RESOLVER "127.0.0.53"
/* What is refused is refused at once; the machine may be busy. */
#define AT_ONCE_MS corral_test_most_ms(1000)

static struct world world;
static const char *missing;
static int guest_ns = -1;

/* --- the process that answers for the list ------------------------------------------------- */

struct guard {
	int pid, control;
};

/* What a test that failed leaves behind. */
static struct guard current;

static int world_socket(void *context, int family, int type, struct corral_error *err)
{
	int fd;

	(void)context;
	(void)err;
	if (setns(world.ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return setns(guest_ns, CLONE_NEWNET) < 0 ? -errno : fd;
}

static int lease(void *context, const char *name, uint64_t sets,
                 const struct corral_address *addresses, size_t n, uint32_t ttl_s,
                 struct corral_error *err)
{
	return corral_filter_lease(context, name, sets, addresses, n, ttl_s, err);
}

static void report(struct corral_filter *f, struct corral_resolver *r, int fd)
{
	static struct corral_ledger ledger;
	struct corral_error err = { 0 };

	memset(&ledger, 0, sizeof(ledger));
	corral_resolver_report(r, &ledger);
	if (corral_filter_report(f, &ledger, &err) < 0)
		(void)fprintf(stderr, "%s\n", err.text);
	(void)!write(fd, &ledger, sizeof(ledger));
}

static void __attribute__((noreturn)) guard_run(const char *const *texts, size_t n, int control)
{
	static const struct corral_resolver_ops ops = { world_socket, lease };
	struct corral_egress *e = NULL;
	struct corral_filter_fds fds;
	struct corral_filter *f = NULL;
	struct corral_resolver *r = NULL;
	struct corral_upstream up[CORRAL_RESOLVER_UPSTREAMS_MAX];
	struct corral_error err = { 0 };
	int udp = -1, tcp = -1;
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (corral_egress_compile((char *const *)(uintptr_t)texts, n, &e, &err) < 0 ||
	    corral_filter_install(e, &fds, &err) < 0 || corral_filter_new(&fds, e, &f, &err) < 0 ||
	    corral_resolver_listen(RESOLVER, &udp, &tcp, &err) < 0 ||
	    corral_resolver_new(e, &ops, f, up,
	                        corral_resolver_upstreams("nameserver " WORLD_FAR "\n", up, 3), udp,
	                        tcp, &r, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	(void)!write(control, "1", 1);
	for (;;) {
		struct pollfd p[] = { { .fd = corral_resolver_fd(r), .events = POLLIN },
			              { .fd = control, .events = POLLIN } };

		(void)poll(p, 2, -1);
		if (p[0].revents)
			corral_resolver_step(r);
		if (p[1].revents && read(control, &byte, 1) == 1)
			report(f, r, control);
		else if (p[1].revents)
			break;
	}
	corral_resolver_free(r);
	corral_filter_free(f);
	corral_egress_free(e);
	_exit(0);
}

static void tables_remove(void)
{
	int pid = fork();

	if (pid == 0) {
		execlp("nft", "nft", "delete table inet corral", (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

static struct guard guard_start(const char *const *texts, size_t n)
{
	struct guard g;
	int pair[2];
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	g.pid = fork();
	if (g.pid == 0) {
		(void)close(pair[0]);
		guard_run(texts, n, pair[1]);
	}
	(void)close(pair[1]);
	g.control = pair[0];
	current = g;
	if (read(g.control, &byte, 1) != 1)
		fail_msg("nobody answers for the list");
	return g;
}
#define GUARD(...)                                         \
	guard_start((const char *const[]) { __VA_ARGS__ }, \
	            sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *))

static void guard_stop(struct guard *g)
{
	(void)close(g->control);
	(void)waitpid(g->pid, NULL, 0);
	tables_remove();
	current.pid = 0;
}

static int left_behind(void **state)
{
	(void)state;
	if (current.pid > 0) {
		(void)kill(current.pid, SIGKILL);
		guard_stop(&current);
	}
	return 0;
}

static const struct corral_ledger *ledger_of(const struct guard *g)
{
	static struct corral_ledger l;
	size_t have = 0;
	ssize_t n;

	assert_int_equal(write(g->control, "r", 1), 1);
	while (have < sizeof(l) && (n = read(g->control, (char *)&l + have, sizeof(l) - have)) > 0)
		have += (size_t)n;
	assert_int_equal(have, sizeof(l));
	assert_int_equal(corral_ledger_check(&l), 0);
	return &l;
}

/* --- the guest ----------------------------------------------------------------------------- */

static socklen_t place(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

static int open_to(const char *text, int type, uint16_t port, int *ret_errno)
{
	const struct timeval patience = { .tv_sec = 3 };
	struct sockaddr_storage to;
	socklen_t len = place(text, port, &to);
	int fd = socket(to.ss_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*ret_errno = connect(fd, (struct sockaddr *)&to, len) < 0 ? errno : 0;
	return fd;
}

/* 0 when the other side said hello, else the errno. */
static int tcp(const char *text, uint16_t port)
{
	char buf[16] = "";
	int error, fd = open_to(text, SOCK_STREAM, port, &error);

	if (!error && recv(fd, buf, sizeof(buf), 0) <= 0)
		error = errno ? errno : EPIPE;
	(void)close(fd);
	return error;
}

static int udp(const char *text, uint16_t port)
{
	char buf[16];
	int error, fd = open_to(text, SOCK_DGRAM, port, &error);

	if (!error && send(fd, "ping", 4, 0) != 4)
		error = errno;
	if (!error && recv(fd, buf, sizeof(buf), 0) != 4)
		error = errno;
	(void)close(fd);
	return error;
}

static int echo(const char *text)
{
	struct icmphdr h = { .type = ICMP_ECHO };
	char buf[64];
	struct sockaddr_storage to;
	socklen_t len = place(text, 0, &to);
	const struct timeval patience = { .tv_sec = 3 };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP), error = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	h.checksum = htons(0xf7ff);
	if (sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&to, len) < 0)
		error = errno;
	else if (recv(fd, buf, sizeof(buf), 0) < 0)
		error = errno;
	(void)close(fd);
	return error;
}

static void refused_at_once(int error, uint64_t since_ms, const char *what, int port)
{
	if (error != ECONNREFUSED && error != EPERM && error != EACCES && error != EHOSTUNREACH)
		fail_msg("%s, port %d: %s", what, port, error ? strerror(error) : "answered");
	if (corral_now_ms() - since_ms > AT_ONCE_MS)
		fail_msg("%s, port %d: refused, but late", what, port);
}

static void no_tcp(const char *text, uint16_t port)
{
	uint64_t now = corral_now_ms();

	refused_at_once(tcp(text, port), now, text, port);
}

static void no_udp(const char *text, uint16_t port)
{
	uint64_t now = corral_now_ms();

	refused_at_once(udp(text, port), now, text, port);
}

static void has_tcp(const char *text, uint16_t port)
{
	int error = tcp(text, port);

	if (error)
		fail_msg("%s, port %d: %s", text, port, strerror(error));
}

/* The question, written and sent by hand, to whomever. -errno, or its code. */
static int resolve_at(const char *server, const char *name, unsigned int type, bool by_tcp,
                      struct corral_dns_answer *ret)
{
	struct corral_dns_question q = { .type = (uint16_t)type, .class = 1 };
	uint8_t buf[2 + 8192];
	int error, fd = open_to(server, by_tcp ? SOCK_STREAM : SOCK_DGRAM, 53, &error);
	size_t len;
	ssize_t n = -1;

	assert_true(corral_dns_name_from_text(name, &q.name));
	len = corral_dns_query_write(&q, 4711, buf + 2);
	buf[0] = (uint8_t)(len >> 8);
	buf[1] = (uint8_t)len;
	if (!error && send(fd, by_tcp ? buf : buf + 2, by_tcp ? len + 2 : len, MSG_NOSIGNAL) > 0)
		n = recv(fd, by_tcp ? buf : buf + 2, by_tcp ? 2 : 8192, 0);
	if (n > 0 && by_tcp)
		n = recv(fd, buf + 2, (size_t)(buf[0] << 8 | buf[1]), MSG_WAITALL);
	error = error ? error : n < 0 ? errno : n == 0 ? EPIPE : 0;
	(void)close(fd);
	if (error)
		return -error;
	assert_int_equal(corral_dns_answer_parse(buf + 2, (size_t)n, &q, 4711, ret), 0);
	return ret->code;
}

static int resolve(const char *name, unsigned int type, struct corral_dns_answer *ret)
{
	return resolve_at(RESOLVER, name, type, false, ret);
}

static void assert_resolves(const char *name, const char *address)
{
	struct corral_dns_answer a = { .n_addresses = 0 };
	char text[CORRAL_ADDRESS_TEXT_SIZE];

	assert_int_equal(resolve(name, strchr(address, ':') ? 28 : 1, &a), 0);
	if (!a.n_addresses)
		fail_msg("%s has no address", name);
	assert_string_equal(corral_address_text(&a.addresses[0], text), address);
}

static void assert_no_name(const char *name)
{
	struct corral_dns_answer a;
	uint64_t now = corral_now_ms();

	assert_int_equal(resolve(name, 1, &a), CORRAL_DNS_NXDOMAIN);
	assert_true(corral_now_ms() - now < AT_ONCE_MS);
}

static bool can(void)
{
	if (!missing)
		return true;
	if (!corral_test_needs_root("a network that is the test's"))
		corral_test_skip("%s", missing);
	return false;
}

/* --- the tests ----------------------------------------------------------------------------- */

static void an_empty_list_reaches_nothing(void **state)
{
	struct guard g;

	(void)state;
	if (!can())
		return;
	has_tcp(WORLD_ALLOWED, 80); /* before there is a filter */
	g = guard_start(NULL, 0);
	assert_no_name("allowed.example");
	no_tcp(WORLD_ALLOWED, 80);
	no_tcp(WORLD_ALLOWED6, 80);
	no_udp(WORLD_ALLOWED, 443);
	no_udp(WORLD_ALLOWED6, 443);
	no_tcp(WORLD_FAR, 22);
	guard_stop(&g);
}

static void a_name_opens_its_ports_once_it_was_asked_for(void **state)
{
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("allowed.example");
	no_tcp(WORLD_ALLOWED, 80);
	assert_resolves("allowed.example", WORLD_ALLOWED);
	has_tcp(WORLD_ALLOWED, 80);
	has_tcp(WORLD_ALLOWED, 443);
	no_tcp(WORLD_ALLOWED, 22);
	no_tcp(WORLD_ALLOWED, 8080);
	no_udp(WORLD_ALLOWED, 443);
	no_tcp(WORLD_DENIED, 80);
	no_tcp(WORLD_ALLOWED6, 80);
	assert_resolves("allowed.example", WORLD_ALLOWED6);
	has_tcp(WORLD_ALLOWED6, 80);
	no_tcp(WORLD_DENIED6, 80);
	/* In IPv6's clothes it is the same packet. */
	has_tcp("::ffff:" WORLD_ALLOWED, 80);
	no_tcp("::ffff:" WORLD_DENIED, 80);
	assert_no_name("www.allowed.example");
	assert_no_name("denied.example");
	guard_stop(&g);
}

static void names_are_told_apart_by_their_letters_alone(void **state)
{
	struct corral_dns_answer a;
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("*.allowed.example", "xn--bcher-kva.example", "alias.example:80");
	assert_no_name("allowed.example");
	assert_resolves("WWW.Allowed.EXAMPLE", WORLD_ALLOWED);
	assert_resolves("xn--BCHER-kva.example", WORLD_ALLOWED);
	assert_no_name("b\xc3\xbc"
	               "cher.example");
	assert_no_name("xwww-allowed.example");
	assert_no_name("www.allowed.example.evil");
	/* The name asked for decides, whatever it is an alias of. */
	assert_resolves("alias.example", WORLD_DENIED);
	has_tcp(WORLD_DENIED, 80);
	no_tcp(WORLD_DENIED, 443);
	assert_no_name("denied.example");
	/* There is such a name, and nothing but addresses. */
	assert_int_equal(resolve("www.allowed.example", 16, &a), 0);
	assert_int_equal(resolve("www.allowed.example", 65, &a), 0);
	assert_int_equal(a.n_addresses, 0);
	assert_int_equal(resolve("1.0.1.11.in-addr.arpa", 12, &a), CORRAL_DNS_NXDOMAIN);
	guard_stop(&g);
}

static void no_other_name_server_is_reached(void **state)
{
	struct corral_dns_answer a;
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("allowed.example:*");
	assert_resolves("allowed.example", WORLD_ALLOWED);
	has_tcp(WORLD_ALLOWED, 22);
	assert_int_equal(udp(WORLD_ALLOWED, 5000), 0);
	no_tcp(WORLD_ALLOWED, 853);
	assert_true(resolve_at(WORLD_ALLOWED, "denied.example", 1, false, &a) < 0);
	assert_true(resolve_at(WORLD_ALLOWED, "denied.example", 1, true, &a) < 0);
	assert_true(resolve_at(WORLD_FAR, "denied.example", 1, false, &a) < 0);
	assert_int_equal(resolve_at(RESOLVER, "allowed.example", 1, true, &a), 0);
	assert_int_equal(a.n_addresses, 1);
	guard_stop(&g);
	g = GUARD(WORLD_FAR ":53/udp", WORLD_FAR ":853");
	assert_int_equal(resolve_at(WORLD_FAR, "denied.example", 1, false, &a), 0);
	assert_true(resolve_at(WORLD_FAR, "denied.example", 1, true, &a) < 0);
	has_tcp(WORLD_FAR, 853);
	guard_stop(&g);
}

static void a_name_that_leads_inside_is_refused(void **state)
{
	static const char *const names[] = { "rebind.example", "metadata.example" };
	static const char *const names6[] = { "rebind.example", "mapped.example",
		                              "translated.example" };
	struct corral_dns_answer a;
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("*.example:*", "rebind.example:80", "0.0.0.0/0:22");
	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		assert_int_equal(resolve(names[i], 1, &a), 0);
		assert_int_equal(a.n_addresses, 0);
	}
	for (size_t i = 0; i < CORRAL_COUNT(names6); i++) {
		assert_int_equal(resolve(names6[i], 28, &a), 0);
		assert_int_equal(a.n_addresses, 0);
	}
	no_tcp(WORLD_PRIVATE, 80);
	no_tcp(WORLD_PRIVATE, 22);
	no_tcp(WORLD_METADATA, 80);
	no_tcp("::ffff:" WORLD_PRIVATE, 80);
	has_tcp(WORLD_DENIED, 22);
	assert_int_equal(resolve("mixed.example", 1, &a), 0);
	assert_int_equal(a.n_addresses, 1);
	has_tcp(WORLD_ALLOWED, 80);
	guard_stop(&g);
	/* Unless an address entry names it. */
	g = GUARD("rebind.example", WORLD_PRIVATE ":80");
	assert_resolves("rebind.example", WORLD_PRIVATE);
	has_tcp(WORLD_PRIVATE, 80);
	no_tcp(WORLD_PRIVATE, 443);
	guard_stop(&g);
}

static void address_entries_need_no_name(void **state)
{
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("11.1.0.0/31:80", "[" WORLD_DENIED6 "]:443", WORLD_DENIED ":443/udp",
	          WORLD_DENIED ":8000-9000", WORLD_FAR ":*");
	has_tcp(WORLD_ALLOWED, 80);
	no_tcp(WORLD_ALLOWED, 443);
	no_tcp(WORLD_DENIED, 80);
	has_tcp(WORLD_DENIED6, 443);
	no_tcp(WORLD_DENIED6, 80);
	assert_int_equal(udp(WORLD_DENIED, 443), 0);
	no_tcp(WORLD_DENIED, 443);
	has_tcp(WORLD_DENIED, 8080);
	assert_int_equal(echo(WORLD_FAR), 0);
	refused_at_once(echo(WORLD_DENIED), corral_now_ms(), "echo", 0);
	guard_stop(&g);
}

/* What only a raw socket can send, or an option that anybody may set. */
static void nothing_odd_passes(void **state)
{
	static const uint8_t route[] = { 0x83, 7, 4, 11, 1, 0, 1, 0 };
	struct sockaddr_storage to;
	struct guard g;
	/* One of two fragments of UDP: the header is not even in it. */
	uint8_t packet[28] = { 0x45, 0, 0, 28, 0x12, 0x34, 0x00, 0x03, 64, 17 };
	socklen_t len;
	int fd;

	(void)state;
	if (!can())
		return;
	g = GUARD(WORLD_ALLOWED ":*", "[" WORLD_ALLOWED6 "]:*");
	(void)inet_pton(AF_INET, WORLD_NEAR, packet + 12);
	(void)inet_pton(AF_INET, WORLD_ALLOWED, packet + 16);
	len = place(WORLD_ALLOWED, 0, &to);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	assert_true(fd >= 0);
	/* A single one waits for the others in vain; with none missing it is put together first. */
	(void)!sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, len);
	packet[6] = 0;
	packet[7] = 0;
	packet[9] = 132; /* SCTP */
	assert_true(sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, len) < 0);
	(void)close(fd);

	/* Routed by its source, by way of the one that is allowed. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route)) == 0) {
		len = place(WORLD_DENIED, 5000, &to);
		assert_true(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len) < 0);
	}
	(void)close(fd);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, (const uint8_t[8]) { 0, 0, 1, 4 }, 8) == 0) {
		len = place(WORLD_ALLOWED6, 5000, &to);
		assert_true(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len) < 0);
	}
	(void)close(fd);
	assert_int_equal(udp(WORLD_ALLOWED6, 5000), 0);
	guard_stop(&g);
}

static void a_mark_of_ones_own_opens_nothing(void **state)
{
	int error, fd, mark = 0x636f7272;
	struct sockaddr_storage to;
	struct guard g;
	socklen_t len;

	(void)state;
	if (!can())
		return;
	g = GUARD("allowed.example");
	assert_resolves("allowed.example", WORLD_ALLOWED);
	assert_int_equal(kill(g.pid, SIGKILL), 0);
	assert_int_equal(waitpid(g.pid, NULL, 0), g.pid);
	len = place(WORLD_ALLOWED, 80, &to);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	error = connect(fd, (struct sockaddr *)&to, len) < 0 ? errno : 0;
	refused_at_once(error, corral_now_ms(), "a mark", 80);
	(void)close(fd);
	guard_stop(&g);
}

/* Over loopback anybody may send from any address of IPv6's: what he sends there is no answer then.
 */
static void nothing_is_the_answer_to_what_never_came(void **state)
{
	struct sockaddr_storage own, theirs;
	socklen_t own_len, their_len;
	int in, out, one = 1;
	struct guard g;
	char buf[8];

	(void)state;
	if (!can())
		return;
	g = GUARD("[" WORLD_DENIED6 "]:443");
	own_len = place(WORLD_NEAR6, 5000, &own);
	their_len = place(WORLD_DENIED6, 9999, &theirs);
	in = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	out = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(in, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)), 0);
	assert_int_equal(bind(in, (struct sockaddr *)&theirs, their_len), 0);
	assert_int_equal(bind(out, (struct sockaddr *)&own, own_len), 0);
	assert_int_equal(sendto(in, "x", 1, 0, (struct sockaddr *)&own, own_len), 1);
	assert_int_equal(recv(out, buf, sizeof(buf), 0), 1);
	assert_int_equal(sendto(out, "secret", 6, 0, (struct sockaddr *)&theirs, their_len), -1);
	assert_int_equal(errno, EPERM);
	(void)close(in);
	(void)close(out);
	guard_stop(&g);
}

static void its_death_closes_all(void **state)
{
	struct corral_dns_answer a;
	char buf[16];
	int error, fd;
	uint64_t now;
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("allowed.example", WORLD_DENIED ":80");
	assert_resolves("allowed.example", WORLD_ALLOWED);
	fd = open_to(WORLD_ALLOWED, SOCK_STREAM, 80, &error);
	assert_int_equal(error, 0);
	assert_int_equal(send(fd, "stay", 4, 0), 4);
	usleep(100000);
	assert_int_equal(send(fd, "1", 1, 0), 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 1);
	assert_int_equal(kill(g.pid, SIGKILL), 0);
	assert_int_equal(waitpid(g.pid, NULL, 0), g.pid);
	/* What was open, what could be opened, what needed no name, and names. */
	now = corral_now_ms();
	(void)!send(fd, "2", 1, MSG_NOSIGNAL);
	assert_true(recv(fd, buf, sizeof(buf), 0) <= 0);
	assert_true(corral_now_ms() - now < AT_ONCE_MS);
	no_tcp(WORLD_ALLOWED, 80);
	no_tcp(WORLD_DENIED, 80);
	no_udp(WORLD_DENIED, 443);
	assert_true(resolve("allowed.example", 1, &a) < 0);
	(void)close(fd);
	guard_stop(&g);
}

static void nothing_comes_in(void **state)
{
	struct sockaddr_storage at;
	struct guard g;
	int error, fd;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len;

	(void)state;
	if (!can())
		return;
	len = place("0.0.0.0", 7777, &at);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	g = GUARD(WORLD_FAR ":*");
	fd = world_socket(NULL, AF_INET, SOCK_STREAM, NULL);
	len = place(WORLD_NEAR, 7777, &at);
	(void)connect(fd, (struct sockaddr *)&at, len);
	usleep(200000);
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_NONBLOCK), -1);
	(void)close(fd);
	/* From within, loopback is free. */
	fd = open_to("127.0.0.1", SOCK_STREAM, 7777, &error);
	assert_int_equal(error, 0);
	(void)close(fd);
	(void)close(listener);
	guard_stop(&g);
}

static void answers_are_cut_to_size(void **state)
{
	struct corral_dns_answer a;
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("many.example", "forever.example", "short.example");
	assert_int_equal(resolve("forever.example", 1, &a), 0);
	assert_int_equal(a.ttl_s, 3600);
	assert_int_equal(resolve("short.example", 1, &a), 0);
	assert_int_equal(a.ttl_s, 0);
	has_tcp(WORLD_ALLOWED, 80);
	/* By UDP upstream it is too long for the world, by TCP it is not. */
	assert_int_equal(resolve("many.example", 1, &a), 0);
	assert_int_equal(a.n_addresses, CORRAL_DNS_ADDRESSES_MAX);
	guard_stop(&g);
}

static void what_does_not_answer_fails_before_the_client_gives_up(void **state)
{
	struct corral_dns_question q = { .type = 1, .class = 1 };
	struct corral_dns_answer a;
	uint8_t buf[512];
	uint64_t now;
	struct guard g;
	int error, fd;
	ssize_t n;

	(void)state;
	if (!can())
		return;
	g = GUARD("silent.example", "allowed.example");
	fd = open_to(RESOLVER, SOCK_DGRAM, 53, &error);
	assert_true(corral_dns_name_from_text("silent.example", &q.name));
	now = corral_now_ms();
	/* Others are served meanwhile, however many there are. */
	for (uint16_t i = 0; i < 200; i++)
		assert_true(send(fd, buf, corral_dns_query_write(&q, i, buf), 0) > 0);
	usleep(50000);
	assert_int_equal(resolve_at(RESOLVER, "allowed.example", 1, true, &a), CORRAL_DNS_SERVFAIL);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval) { .tv_sec = 6 },
	                 sizeof(struct timeval));
	for (unsigned int i = 0; i < 200; i++) {
		n = recv(fd, buf, sizeof(buf), 0);
		assert_true(n > 12);
		assert_int_equal(buf[3] & 0xf, CORRAL_DNS_SERVFAIL);
	}
	assert_true(corral_now_ms() - now < 5000 || corral_test_slow());
	(void)close(fd);
	assert_resolves("allowed.example", WORLD_ALLOWED);
	guard_stop(&g);
}

static void garbage_harms_nobody(void **state)
{
	uint8_t buf[600];
	struct guard g;
	int error, fd, tcp_fds[40];

	(void)state;
	if (!can())
		return;
	g = GUARD("allowed.example");
	fd = open_to(RESOLVER, SOCK_DGRAM, 53, &error);
	srand(1);
	for (unsigned int i = 0; i < 500; i++) {
		for (size_t k = 0; k < sizeof(buf); k++)
			buf[k] = (uint8_t)rand();
		(void)!send(fd, buf, (size_t)rand() % sizeof(buf), 0);
	}
	for (size_t i = 0; i < CORRAL_COUNT(tcp_fds); i++) {
		tcp_fds[i] = open_to(RESOLVER, SOCK_STREAM, 53, &error);
		(void)!send(tcp_fds[i], buf, i * 7 % sizeof(buf), MSG_NOSIGNAL);
	}
	usleep(1100000); /* more questions are taken again after that */
	assert_resolves("allowed.example", WORLD_ALLOWED);
	for (size_t i = 0; i < CORRAL_COUNT(tcp_fds); i++)
		(void)close(tcp_fds[i]);
	(void)close(fd);
	guard_stop(&g);
}

static const struct corral_refusal *refusal_find(const struct corral_ledger *l, const char *text)
{
	char buf[CORRAL_REFUSAL_TEXT_SIZE];

	for (uint32_t i = 0; i < l->n_refusals; i++)
		if (!strcmp(corral_refusal_text(l, &l->refusals[i], buf), text))
			return &l->refusals[i];
	for (uint32_t i = 0; i < l->n_refusals; i++)
		print_message("%s\n", corral_refusal_text(l, &l->refusals[i], buf));
	fail_msg("'%s' is not among what was refused", text);
	return NULL;
}

static void the_ledger_tells_all(void **state)
{
	static const struct {
		const char *text, *remedy;
	} rows[] = {
		{ "denied.example", "--allow denied.example" },
		{ "allowed.example:8080/tcp (" WORLD_ALLOWED ")", "--allow allowed.example:8080" },
		{ WORLD_DENIED ":80/tcp", "--allow " WORLD_DENIED ":80" },
		{ "[" WORLD_DENIED6 "]:443/udp", "--allow [" WORLD_DENIED6 "]:443/udp" },
		{ "rebind.example (" WORLD_PRIVATE ")", "--allow " WORLD_PRIVATE },
		{ WORLD_DENIED "/icmp", "--allow " WORLD_DENIED ":*" },
		{ "allowed.example:53/tcp (" WORLD_ALLOWED ")", "--allow " WORLD_ALLOWED ":53" },
	};
	const struct corral_ledger *l;
	const struct corral_contact *c;
	char buf[CORRAL_REFUSAL_TEXT_SIZE];
	struct corral_dns_answer a;
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("allowed.example", "rebind.example");
	assert_resolves("allowed.example", WORLD_ALLOWED);
	for (unsigned int i = 0; i < 3; i++)
		has_tcp(WORLD_ALLOWED, 80);
	assert_no_name("denied.example");
	assert_no_name("denied.example");
	no_tcp(WORLD_ALLOWED, 8080);
	no_tcp(WORLD_ALLOWED, 53);
	no_tcp(WORLD_DENIED, 80);
	no_udp(WORLD_DENIED6, 443);
	(void)echo(WORLD_DENIED);
	assert_int_equal(resolve("rebind.example", 1, &a), 0);
	l = ledger_of(&g);
	assert_int_equal(l->n_contacts, 1);
	c = &l->contacts[0];
	assert_string_equal(corral_ledger_name(l, c->name), "allowed.example");
	assert_int_equal(c->port, 80);
	assert_int_equal(c->protocol, IPPROTO_TCP);
	assert_int_equal(c->connections, 3);
	assert_true(c->sent_bytes > 3ul * 60 && c->sent_bytes < 3000);
	assert_true(c->received_bytes > 3ul * 60 && c->received_bytes < 3000);
	assert_int_equal(refusal_find(l, "denied.example")->count, 2);
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		assert_string_equal(corral_refusal_remedy(l, refusal_find(l, rows[i].text), buf),
		                    rows[i].remedy);
	assert_int_equal(l->n_refusals, CORRAL_COUNT(rows));
	guard_stop(&g);
}

static void send_udp(const char *text, uint16_t port)
{
	int error, fd = open_to(text, SOCK_DGRAM, port, &error);

	assert_int_equal(error, 0);
	assert_int_equal(send(fd, "ping", 4, 0), 4);
	(void)close(fd);
}

static void the_ledger_is_bounded(void **state)
{
	const struct corral_ledger *l;
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("allowed.example");
	for (unsigned int i = 0; i < 150; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n%u.denied.example", i);
		assert_no_name(name);
		no_tcp(WORLD_DENIED, (uint16_t)(1000 + i));
	}
	l = ledger_of(&g);
	assert_int_equal(l->n_refusals, CORRAL_REFUSALS_MAX);
	/* 64 of the names and 64 of the addresses were counted apart, and 32 of these are told;
	 * what was not is told as well. */
	assert_in_range(l->refusals_dropped, 300 - CORRAL_REFUSALS_MAX, 100000);
	guard_stop(&g);
	g = GUARD(WORLD_ALLOWED ":*");
	for (unsigned int i = 0; i < 300; i++)
		send_udp(WORLD_ALLOWED, (uint16_t)(2000 + i));
	l = ledger_of(&g);
	assert_int_equal(l->n_contacts, CORRAL_CONTACTS_MAX);
	assert_in_range(l->contacts_dropped, 300 - CORRAL_CONTACTS_MAX, 300);
	guard_stop(&g);
}

/* An address that was let go of and is asked for again is open again, and no later than that. */
static void addresses_are_renewed(void **state)
{
	struct guard g;

	(void)state;
	if (!can())
		return;
	g = GUARD("short.example", "allowed.example", "forever.example");
	for (unsigned int i = 0; i < 3; i++) {
		assert_resolves("short.example", WORLD_ALLOWED);
		assert_resolves("forever.example", WORLD_ALLOWED);
		assert_resolves("allowed.example", WORLD_ALLOWED);
		has_tcp(WORLD_ALLOWED, 80);
	}
	guard_stop(&g);
}

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0)
		missing = "needs root";
	else if (access("/usr/sbin/nft", X_OK) < 0 && access("/sbin/nft", X_OK) < 0)
		missing = "nft(8) is needed";
	else if (unshare(CLONE_NEWNET) < 0)
		missing = "no network namespace can be made";
	else if (!world_open(&world, &missing))
		return 0;
	else
		guest_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close(&world);
	corral_fd_closep(&guest_ns);
	return 0;
}

#define T(f) cmocka_unit_test_teardown(f, left_behind)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_list_reaches_nothing),
		T(a_name_opens_its_ports_once_it_was_asked_for),
		T(names_are_told_apart_by_their_letters_alone),
		T(no_other_name_server_is_reached),
		T(a_name_that_leads_inside_is_refused),
		T(address_entries_need_no_name),
		T(nothing_odd_passes),
		T(a_mark_of_ones_own_opens_nothing),
		T(nothing_is_the_answer_to_what_never_came),
		T(its_death_closes_all),
		T(nothing_comes_in),
		T(answers_are_cut_to_size),
		T(what_does_not_answer_fails_before_the_client_gives_up),
		T(garbage_harms_nobody),
		T(the_ledger_tells_all),
		T(the_ledger_is_bounded),
		T(addresses_are_renewed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
