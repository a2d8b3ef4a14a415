#include "tests/real/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/dns_message.h"

int world_patience_ms = 30;
static unsigned int *questions; /* shared with the world */

static int run(const char *command)
{
	int status = 0, pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* --- names --------------------------------------------------------------------------------- */

static const struct record {
	const char *name, *a, *aaaa, *alias;
	uint32_t ttl_s;
} zone[] = {
	{ "allowed.example", WORLD_ALLOWED, WORLD_ALLOWED6, NULL, 60 },
	{ "www.allowed.example", WORLD_ALLOWED, WORLD_ALLOWED6, NULL, 60 },
	{ "xn--bcher-kva.example", WORLD_ALLOWED, NULL, NULL, 60 },
	{ "denied.example", WORLD_DENIED, WORLD_DENIED6, NULL, 60 },
	{ "alias.example", WORLD_DENIED, WORLD_DENIED6, "denied.example", 60 },
	{ "rebind.example", WORLD_PRIVATE, "fd00::9", NULL, 60 },
	{ "metadata.example", WORLD_METADATA, NULL, NULL, 60 },
	{ "mapped.example", NULL, "::ffff:" WORLD_PRIVATE, NULL, 60 },
	{ "translated.example", NULL, "64:ff9b::a09:909", NULL, 60 },
	{ "forever.example", WORLD_ALLOWED, NULL, NULL, INT32_MAX },
	{ "short.example", WORLD_ALLOWED, NULL, NULL, 0 },
};

static bool answer_fill(const char *name, const struct corral_dns_question *q,
                        struct corral_dns_answer *a)
{
	uint8_t bytes[16];

	if (!strcmp(name, "many.example") && q->type == CORRAL_DNS_A) {
		for (uint8_t i = 0; i < CORRAL_DNS_ADDRESSES_MAX; i++)
			a->addresses[i] = corral_address_of((const uint8_t[]) { 11, 2, 0, i }, 4);
		a->n_addresses = CORRAL_DNS_ADDRESSES_MAX;
		a->ttl_s = 60;
		return true;
	}
	if (!strcmp(name, "mixed.example") && q->type == CORRAL_DNS_A) {
		(void)inet_pton(AF_INET, WORLD_PRIVATE, bytes);
		a->addresses[0] = corral_address_of(bytes, 4);
		(void)inet_pton(AF_INET, WORLD_ALLOWED, bytes);
		a->addresses[1] = corral_address_of(bytes, 4);
		a->n_addresses = 2;
		a->ttl_s = 60;
		return true;
	}
	for (size_t i = 0; i < CORRAL_COUNT(zone); i++) {
		const char *text = q->type == CORRAL_DNS_A      ? zone[i].a
		                   : q->type == CORRAL_DNS_AAAA ? zone[i].aaaa
		                                                : NULL;

		if (strcmp(zone[i].name, name) != 0)
			continue;
		a->ttl_s = zone[i].ttl_s;
		if (zone[i].alias && corral_dns_name_from_text(zone[i].alias, &a->chain[0].target))
			a->n_chain = 1;
		if (text &&
		    inet_pton(q->type == CORRAL_DNS_A ? AF_INET : AF_INET6, text, bytes) == 1)
			a->addresses[a->n_addresses++] =
			        corral_address_of(bytes, q->type == CORRAL_DNS_A ? 4 : 16);
		return true;
	}
	return false;
}

/* 0: no answer. */
static size_t name_answer(const uint8_t *data, size_t len, uint8_t *buf, size_t size)
{
	struct corral_dns_answer a = { .code = CORRAL_DNS_NOERROR };
	struct corral_dns_question q;
	char name[CORRAL_EGRESS_NAME_SIZE];

	if (corral_dns_question_parse(data, len, &q) < 0)
		return 0;
	(void)__atomic_add_fetch(questions, 1, __ATOMIC_RELAXED);
	corral_dns_name_text(&q.name, name);
	if (!strcmp(name, "silent.example"))
		return 0;
	if (!answer_fill(name, &q, &a))
		a.code = CORRAL_DNS_NXDOMAIN;
	return corral_dns_answer_write(&q, &a, NULL, buf, size);
}

/* --- services ------------------------------------------------------------------------------ */

enum service { HELLO, ECHO, NAMES_UDP, NAMES_TCP };

static const struct {
	int type;
	uint16_t port;
	enum service service;
} services[] = {
	{ SOCK_STREAM, 22, HELLO },  { SOCK_STREAM, 80, HELLO },    { SOCK_STREAM, 443, HELLO },
	{ SOCK_STREAM, 853, HELLO }, { SOCK_STREAM, 8080, HELLO },  { SOCK_DGRAM, 443, ECHO },
	{ SOCK_DGRAM, 5000, ECHO },  { SOCK_DGRAM, 53, NAMES_UDP }, { SOCK_STREAM, 53, NAMES_TCP },
};

static int service_open(int type, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), off = 0, on = 1;

	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Datagrams are answered from the address they were sent to. */
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 64) < 0))
		_exit(3);
	return fd;
}

/* A client that says nothing first is greeted as well. */
static void hello(int fd)
{
	static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"
	                           "Connection: close\r\n\r\nhello\n";
	static const char redirection[] =
	        "HTTP/1.1 302 Found\r\nLocation: http://denied.example/\r\n"
	        "Content-Length: 0\r\nConnection: close\r\n\r\n";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[2048] = "";
	ssize_t n = poll(&p, 1, world_patience_ms) == 1 ? recv(fd, buf, sizeof(buf) - 1, 0) : 0;

	if (n > 0 && !strncmp(buf, "GET /to-denied", 14))
		(void)!send(fd, redirection, sizeof(redirection) - 1, MSG_NOSIGNAL);
	else if (n > 0 && !strncmp(buf, "GET ", 4))
		(void)!send(fd, page, sizeof(page) - 1, MSG_NOSIGNAL);
	else if (n > 0 && !strncmp(buf, "stay", 4))
		/* A connection that lives: echoes until the other side ends it. */
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
			(void)!send(fd, buf, (size_t)n, MSG_NOSIGNAL);
	else
		(void)!send(fd, "hello\n", 6, MSG_NOSIGNAL);
}

static void names_tcp(int fd)
{
	uint8_t in[2 + CORRAL_DNS_QUERY_MAX], out[2 + 6144];
	size_t have = 0, len;
	ssize_t n;

	while ((n = recv(fd, in + have, sizeof(in) - have, 0)) > 0) {
		have += (size_t)n;
		if (have < 2 || have < 2 + (size_t)(in[0] << 8 | in[1]))
			continue;
		len = name_answer(in + 2, have - 2, out + 2, sizeof(out) - 2);
		out[0] = (uint8_t)(len >> 8);
		out[1] = (uint8_t)len;
		(void)!send(fd, out, len + 2, MSG_NOSIGNAL);
		have = 0;
	}
}

static void datagram(int fd, enum service service)
{
	uint8_t in[2048], out[1400];
	char control[256];
	struct sockaddr_in6 from;
	struct iovec iov = { in, sizeof(in) };
	struct msghdr m = { .msg_name = &from,
		            .msg_namelen = sizeof(from),
		            .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = control,
		            .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return;
	iov.iov_len = (size_t)n;
	if (service == NAMES_UDP) {
		iov.iov_base = out;
		iov.iov_len = name_answer(in, (size_t)n, out, 900);
	}
	if (iov.iov_len)
		(void)!sendmsg(fd, &m, 0);
}

static void connection(int listener, enum service service)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)alarm(30);
		if (service == HELLO)
			hello(fd);
		else
			names_tcp(fd);
		/* Read to the end: a reset would take the answer with it. */
		(void)shutdown(fd, SHUT_WR);
		for (char byte[64]; recv(fd, byte, sizeof(byte), 0) > 0;)
			;
		_exit(0);
	}
	(void)close(fd);
}

static void __attribute__((noreturn)) serve(int ready_fd)
{
	struct pollfd p[CORRAL_COUNT(services)];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	if (unshare(CLONE_NEWNET) < 0)
		_exit(2);
	for (size_t i = 0; i < CORRAL_COUNT(services); i++)
		p[i] = (struct pollfd) { .fd = service_open(services[i].type, services[i].port),
			                 .events = POLLIN };
	(void)!write(ready_fd, "1", 1);
	for (;;) {
		(void)poll(p, CORRAL_COUNT(p), -1);
		for (size_t i = 0; i < CORRAL_COUNT(services); i++) {
			if (!p[i].revents)
				continue;
			if (services[i].type == SOCK_DGRAM)
				datagram(p[i].fd, services[i].service);
			else
				connection(p[i].fd, services[i].service);
		}
	}
}

static bool links_make(int pid)
{
	char command[2048];

	(void)snprintf(
	        command, sizeof(command),
	        "set -e; ip link set lo up; ip link add world0 type veth peer name near0 netns %d; "
	        "ip addr add " WORLD_NEAR "/24 dev world0; "
	        "ip addr add " WORLD_NEAR6 "/64 dev world0 nodad; ip link set world0 up; "
	        "nsenter -t %d -n sh -c 'set -e; ip link set lo up; "
	        "ip addr add " WORLD_FAR "/24 dev near0; ip addr add " WORLD_FAR6
	        "/64 dev near0 nodad; ip link set near0 up; "
	        "for a in " WORLD_ALLOWED "/32 " WORLD_DENIED "/32 " WORLD_PRIVATE
	        "/32 " WORLD_METADATA "/32 " WORLD_ALLOWED6 "/128 " WORLD_DENIED6
	        "/128; do ip addr add $a dev lo; done'; "
	        "ip route add default via " WORLD_FAR "; ip -6 route add default via " WORLD_FAR6,
	        pid, pid);
	return run(command) == 0;
}

bool world_open(struct world *ret, const char **ret_why)
{
	char path[64], byte;
	int ready[2];

	*ret = (struct world) { .pid = -1, .ns_fd = -1 };
	*ret_why = "ip(8) and nsenter(1) are needed";
	if (run("command -v ip >/dev/null && command -v nsenter >/dev/null") != 0)
		return false;
	questions = mmap(NULL, sizeof(*questions), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*ret_why = "no world can be made";
	if (questions == MAP_FAILED || pipe2(ready, O_CLOEXEC) < 0)
		return false;
	ret->pid = fork();
	if (ret->pid == 0)
		serve(ready[1]);
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) == 1) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", ret->pid);
		ret->ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	(void)close(ready[0]);
	if (ret->ns_fd >= 0 && links_make(ret->pid)) {
		*ret_why = NULL;
		return true;
	}
	world_close(ret);
	return false;
}

void world_close(struct world *w)
{
	if (w->pid > 0) {
		(void)kill(w->pid, SIGKILL);
		(void)waitpid(w->pid, NULL, 0);
		/* With the namespace goes the pair of links. */
	}
	corral_fd_closep(&w->ns_fd);
	w->pid = -1;
}

unsigned int world_questions(void)
{
	return __atomic_load_n(questions, __ATOMIC_RELAXED);
}
