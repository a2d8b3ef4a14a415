#include "kernel/network/helper/answers.h"

#include <errno.h>
#include <netlink/msg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kernel/base/cleanup.h"

/* More than the kernel puts into one message of a dump. */
#define RECEIVE_MAX (64u << 10)

int corral_net_answers(int fd, void (*see)(void *context, struct nlmsghdr *h), void *context)
{
	corral_autofree uint8_t *buf = malloc(RECEIVE_MAX);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = recv(fd, buf, RECEIVE_MAX, 0);
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = nlmsg_data(h);

			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EPROTO : e->error;
			see(context, h);
		}
	}
}
