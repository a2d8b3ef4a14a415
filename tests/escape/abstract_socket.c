/* Way out: abstract sockets of the host's services have no file and no file's rights
 * (CVE-2020-15257). */
/* Stopped by: an own network namespace; on the host's, Landlock from ABI 6 on. Argument: the name
 * of a socket that listens on the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int serve(int fd, const struct sockaddr_un *addr, socklen_t len)
{
	if (bind(fd, (const struct sockaddr *)addr, len) < 0 || listen(fd, 8) < 0)
		return untried("no listener");
	printf("ready\n");
	fflush(stdout);
	for (;;)
		(void)close(accept(fd, NULL, NULL));
}

ESCAPE(abstract_socket)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connected;
	const char *name = run->argc ? run->argv[0] : "corral-escape";
	socklen_t len;

	strncpy(addr.sun_path + 1, name, sizeof(addr.sun_path) - 2);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(addr.sun_path + 1));
	if (run->host)
		return serve(fd, &addr, len);
	/* No AF_UNIX at all is held as well. */
	if (fd < 0)
		return refused("socket(AF_UNIX)", fd, EPERM, EAFNOSUPPORT);
	connected = connect(fd, (const struct sockaddr *)&addr, len);
	/* On the host's own network only Landlock is left, and it can since ABI 6 (Linux 6.12). */
	if (connected == 0 && getenv("ON_HOST_NETWORK") && syscall(444, NULL, 0, 1) < 6)
		return untried("this kernel's Landlock is older than ABI 6");
	return refused("connect", connected, ECONNREFUSED, EPERM, EACCES);
}
