/*
 * corral-net: connects the sandboxes of the launcher that started it. It has no options, and is of
 * no use by hand: descriptor 3 is the launcher's socket (kernel/network/wire.h).
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/network/helper/server.h"

int main(void)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct stat st;

	if (fstat(CORRAL_NET_FD, &st) < 0 || !S_ISSOCK(st.st_mode) ||
	    getsockopt(CORRAL_NET_FD, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		(void)fprintf(stderr, "corral-net is started by corral, for a sandbox with a "
		                      "network: corral run --network bridge -- COMMAND\n");
		return 2;
	}
	/* Whoever made the socket has ended before we began. */
	if (peer.pid != getppid())
		return 1;
	return corral_net_serve(CORRAL_NET_FD);
}
