/* Way out: the host's network: its interfaces, and services that listen on its loopback only. */
/* Stopped by: an own network namespace with nothing but its own loopback. Argument: a port of the
 * host's. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int serve(int fd)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		                    .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);

	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return untried("no listener");
	printf("%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	for (;;)
		(void)close(accept(fd, NULL, NULL));
}

static int only_loopback_in(const char *path)
{
	char text[16384], *line, *rest = text;

	if (read_text(path, text, sizeof(text)) < 0)
		return HELD;
	for (int n = 0; (line = strsep(&rest, "\n")); n++) {
		char name[64];

		/* Two lines of headings. */
		if (n >= 2 && sscanf(line, " %63[^:]:", name) == 1 && strcmp(name, "lo"))
			return escaped("%s has the interface %s", path, name);
	}
	return HELD;
}

ESCAPE(host_network_seen)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		                    .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	struct if_nameindex *interfaces;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (run->host)
		return serve(fd);
	if (run->argc) {
		addr.sin_port = htons((uint16_t)strtol(run->argv[0], NULL, 10));
		CHECK(refused("connect to the host's loopback",
		              connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ECONNREFUSED,
		              ENETUNREACH, EBADF));
	}
	addr.sin_addr.s_addr = inet_addr("192.0.2.1");
	addr.sin_port = htons(9);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(refused("a route to elsewhere", connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
	              ENETUNREACH, EBADF));
	CHECK(only_loopback_in("/proc/net/dev"));
	CHECK(only_loopback_in("/proc/1/net/dev"));
	interfaces = if_nameindex();
	for (struct if_nameindex *i = interfaces; i && i->if_index; i++)
		if (strcmp(i->if_name, "lo"))
			return escaped("interface %s", i->if_name);
	return HELD;
}
