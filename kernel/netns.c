#include "kernel/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static int loopback_up(struct corral_error *err)
{
	corral_autofd int fd = -1;
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, "lo", 3);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EAFNOSUPPORT)
		return 0;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return corral_error_sys(err, errno, "bring loopback up");
	return 0;
}

int corral_netns_open(int *ret_fd, struct corral_error *err)
{
	corral_autofd int own = -1, fd = -1;
	int r;

	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return corral_error_sys(err, errno, "open '/proc/thread-self/ns/net'");
	if (unshare(CLONE_NEWNET) < 0)
		return corral_error_sys(err, errno, "create a network namespace");
	r = loopback_up(err);
	if (r == 0) {
		fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = corral_error_sys(err, errno, "open '/proc/thread-self/ns/net'");
	}
	if (setns(own, CLONE_NEWNET) < 0)
		return corral_error_set(err, ENOTRECOVERABLE,
		                        "return to the caller's network namespace");
	if (r < 0)
		return r;
	*ret_fd = corral_take_fd(&fd);
	return 0;
}
