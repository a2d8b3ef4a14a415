/* Way out: filters on thousands of sockets: their compiled code counts against one limit of the
 * host's, net.core.bpf_jit_limit, beyond which nobody without CAP_BPF loads a seccomp filter any
 * more. */
/* Stopped by: the seccomp profile, EPERM. */
#include <linux/filter.h>
#include <sys/socket.h>

#include "tests/escape/escape.h"

ESCAPE(socket_filter)
{
	struct sock_filter all = { BPF_RET | BPF_K, 0, 0, ~0u };
	struct sock_fprog prog = { 1, &all };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)run;
	if (fd < 0)
		return untried("no socket");
	CHECK(refused("SO_ATTACH_FILTER",
	              setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)), EPERM));
	CHECK(refused("SO_ATTACH_REUSEPORT_CBPF",
	              setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)),
	              EPERM));
	return refused("SO_ATTACH_BPF", setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)),
	               EPERM);
}
