/*
 * What a program inside a sandbox can do by its network, in words that a test can compare. Static,
 * so that it runs in any root.
 *
 *     connect ADDRESS PORT     what was sent there and then, or the errno's name
 *     resolve udp|tcp NAME     the IPv4 address that the resolver of /etc/resolv.conf says
 *     send FROM ADDRESS PORT   one datagram, from an address that may be nobody's ("-": its own)
 *     serve TCP UDP            answers in capital letters, and says "up" first
 *     flood ADDRESS PORT N     one datagram each from N ports of its own
 *     begin ADDRESS PORT N     N connections, each ended before the next: how many the host refused
 *     ask udp|tcp OP TYPE      the code that the resolver answers to such a question; by tcp two of
 *                              them are asked at once, and both codes said
 *     give PATH                gives a stream socket of its network to whoever listens at the path
 *     asks N                   N questions by udp at once: how many were refused, and answered
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

static socklen_t address_of(const char *text, int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		return sizeof(*four);
	}
	if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
		exit(2);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons((uint16_t)port);
	return sizeof(*six);
}

static int tell_error(int code)
{
	printf("%s\n", strerrorname_np(code));
	return 0;
}

static int connect_to(char **argv)
{
	const struct timeval patience = { .tv_sec = 4 };
	struct sockaddr_storage to;
	socklen_t len = address_of(argv[0], atoi(argv[1]), &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[256];
	ssize_t n;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, len) < 0)
		return tell_error(errno);
	n = recv(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return tell_error(errno);
	text[n] = '\0';
	printf("said %s\n", text);
	return 0;
}

static size_t question(const char *name, unsigned char *q)
{
	static const unsigned char head[] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	size_t at = sizeof(head);

	memcpy(q, head, sizeof(head));
	while (*name) {
		size_t n = strcspn(name, ".");

		q[at++] = (unsigned char)n;
		memcpy(q + at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	memcpy(q + at, (const unsigned char[]) { 0, 0, 1, 0, 1 }, 5);
	return at + 5;
}

static int resolve(char **argv)
{
	const struct timeval patience = { .tv_sec = 8 };
	int tcp = !strcmp(argv[0], "tcp"), fd;
	unsigned char q[512], a[1024];
	struct sockaddr_storage to;
	char server[64] = "", line[128];
	size_t len = question(argv[1], q + 2);
	socklen_t to_len;
	ssize_t n;
	FILE *conf = fopen("/etc/resolv.conf", "re");

	while (conf && fgets(line, sizeof(line), conf))
		(void)sscanf(line, "nameserver %63s", server);
	to_len = address_of(server, 53, &to);
	fd = socket(to.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	q[0] = 0;
	q[1] = (unsigned char)len;
	if (connect(fd, (struct sockaddr *)&to, to_len) < 0 ||
	    send(fd, tcp ? q : q + 2, tcp ? len + 2 : len, 0) < 0)
		return tell_error(errno);
	n = recv(fd, a, sizeof(a), tcp ? MSG_WAITALL : 0);
	if (n < 0)
		return tell_error(errno);
	if (n < (tcp ? 14 : 12))
		return tell_error(EPROTO);
	if ((a[tcp ? 5 : 3] & 15) != 0)
		printf("rcode %d\n", a[tcp ? 5 : 3] & 15);
	else
		printf("%u.%u.%u.%u\n", a[n - 4], a[n - 3], a[n - 2], a[n - 1]);
	return 0;
}

static int send_from(char **argv)
{
	struct sockaddr_storage from, to;
	socklen_t to_len = address_of(argv[1], atoi(argv[2]), &to);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	if (strcmp(argv[0], "-") != 0) {
		socklen_t len = address_of(argv[0], 0, &from);

		if (to.ss_family == AF_INET6)
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one));
		else
			(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&from, len) < 0)
			return tell_error(errno);
	}
	if (sendto(fd, argv[0], strlen(argv[0]), 0, (struct sockaddr *)&to, to_len) < 0)
		return tell_error(errno);
	printf("sent\n");
	return 0;
}

static int flood(char **argv)
{
	struct sockaddr_storage to;
	socklen_t len = address_of(argv[0], atoi(argv[1]), &to);
	int n = atoi(argv[2]), sent = 0;

	for (int i = 0; i < n; i++) {
		struct sockaddr_in from = { .sin_family = AF_INET,
			                    .sin_port = htons((uint16_t)(10000 + i)) };
		int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		(void)bind(fd, (struct sockaddr *)&from, sizeof(from));
		sent += sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len) == 1;
		(void)close(fd);
	}
	printf("sent %d\n", sent);
	(void)fflush(stdout);
	return 0;
}

static int resolver_open(int type)
{
	const struct timeval patience = { .tv_sec = 3 };
	struct sockaddr_storage to;
	socklen_t len = address_of("127.0.0.53", 53, &to);
	int fd = socket(to.ss_family, type | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, len) < 0)
		exit(tell_error(errno));
	return fd;
}

static int ask(char **argv)
{
	int tcp = !strcmp(argv[0], "tcp"), fd = resolver_open(tcp ? SOCK_STREAM : SOCK_DGRAM);
	unsigned char q[1024], a[2048];
	size_t len = question("www.example.org", q + 2);

	q[0] = 0;
	q[1] = (unsigned char)len;
	q[4] = (unsigned char)(1 | atoi(argv[1]) << 3);
	q[len - 1] = (unsigned char)atoi(argv[2]);
	memcpy(q + 2 + len, q, 2 + len);
	if (send(fd, tcp ? q : q + 2, tcp ? 2 * (len + 2) : len, 0) < 0)
		return tell_error(errno);
	for (int i = 0; i <= tcp; i++) {
		ssize_t n = recv(fd, a, tcp ? 2 : sizeof(a), tcp ? MSG_WAITALL : 0);

		if (n == 2 && tcp)
			n = recv(fd, a, (size_t)(a[0] << 8 | a[1]), MSG_WAITALL);
		if (n < 12)
			return tell_error(n < 0 ? errno : EPIPE);
		printf("code %d\n", a[3] & 15);
	}
	return 0;
}

static int asks(char **argv)
{
	int n = atoi(argv[0]), count[2] = { 0, 0 }, fd = resolver_open(SOCK_DGRAM);
	unsigned char q[512], a[2048];
	size_t len = question("www.example.org", q);
	const struct timeval patience = { .tv_usec = 500000 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < n; i++) {
		(void)send(fd, q, len, 0);
		while (recv(fd, a, sizeof(a), MSG_DONTWAIT) >= 12)
			count[(a[3] & 15) == 0]++;
	}
	while (recv(fd, a, sizeof(a), 0) >= 12)
		count[(a[3] & 15) == 0]++;
	printf("refused %d answered %d\n", count[0], count[1]);
	return 0;
}

static void shout(char *text, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++)
		text[i] = (char)toupper((unsigned char)text[i]);
}

static void serve_one(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char text[4096];
	ssize_t n;

	if (fork() == 0) {
		while ((n = recv(fd, text, sizeof(text), 0)) > 0) {
			shout(text, n);
			for (ssize_t at = 0, m; at < n; at += m)
				if ((m = send(fd, text + at, (size_t)(n - at), MSG_NOSIGNAL)) < 0)
					_exit(1);
		}
		_exit(0);
	}
	(void)close(fd);
}

static int serve(char **argv)
{
	struct sockaddr_storage at;
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };
	char text[4096];

	for (int i = 0; i < 2; i++) {
		socklen_t len = address_of(i ? "0.0.0.0" : "127.0.0.1", atoi(argv[i]), &at);

		pfd[i].fd = socket(AF_INET, (i ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
		if (bind(pfd[i].fd, (struct sockaddr *)&at, len) < 0)
			return tell_error(errno);
	}
	(void)listen(pfd[0].fd, 256);
	printf("up\n");
	(void)fflush(stdout);
	for (;;) {
		(void)poll(pfd, 2, -1);
		if (pfd[0].revents)
			serve_one(pfd[0].fd);
		if (pfd[1].revents) {
			socklen_t len = sizeof(at);
			ssize_t n = recvfrom(pfd[1].fd, text, sizeof(text), 0,
			                     (struct sockaddr *)&at, &len);

			shout(text, n);
			(void)sendto(pfd[1].fd, text, (size_t)n, 0, (struct sockaddr *)&at, len);
		}
	}
}

static int begin(char **argv)
{
	struct sockaddr_storage to;
	socklen_t len = address_of(argv[0], atoi(argv[1]), &to);
	int refused = 0;

	for (int i = 0; i < atoi(argv[2]); i++) {
		int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		refused += connect(fd, (struct sockaddr *)&to, len) < 0 && errno == EHOSTUNREACH;
		(void)close(fd);
	}
	printf("refused %d\n", refused);
	return 0;
}

static int give(const char *path)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct iovec iov = { (char *)(uintptr_t) "x", 1 };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = sizeof(control) };
	int out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	memset(&control, 0, sizeof(control));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	if (connect(out, (struct sockaddr *)&to, sizeof(to)) < 0 || sendmsg(out, &m, 0) != 1)
		return tell_error(errno);
	printf("given\n");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "connect"))
		return connect_to(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "resolve"))
		return resolve(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "send"))
		return send_from(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "flood"))
		return flood(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "begin"))
		return begin(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "give"))
		return give(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "asks"))
		return asks(argv + 2);
	return 2;
}
