#include "kernel/network/helper/child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/allow.h"
#include "kernel/network/helper/confine.h"
#include "kernel/network/helper/dns.h"
#include "kernel/network/helper/far_side.h"
#include "kernel/network/helper/filter.h"
#include "kernel/network/helper/link.h"
#include "kernel/network/helper/pasta.h"
#include "kernel/network/helper/ports.h"
#include "policy/config.h"

/* Into the user namespace that the guest's network belongs to, where it is not our own. */
static int userns_enter(struct corral_net_child *c, struct corral_error *err)
{
	corral_autofd int owner = ioctl(c->guest_ns_fd, NS_GET_USERNS);
	struct stat theirs, ours;

	/* Of an outer one nothing is told: then it is ours, or nothing works. */
	if (owner < 0 && errno == EPERM)
		return 0;
	if (owner < 0 || fstat(owner, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
		return corral_error_sys(err, errno, "look whose the sandbox's network is");
	if (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev)
		return 0;
	if (setns(owner, CLONE_NEWUSER) < 0)
		return corral_error_sys(err, errno, "enter the sandbox's user namespace");
	c->no_return = true;
	return 0;
}

int corral_net_enter(struct corral_net_child *c, enum corral_net_side side,
                     struct corral_error *err)
{
	int r;

	if (c->side == side)
		return 0;
	if (c->confined || (side == CORRAL_NET_HOST && c->no_return))
		return corral_error_set(err, EOPNOTSUPP, "there is no way to the other network");
	if (side == CORRAL_NET_GUEST) {
		r = userns_enter(c, err);
		if (r < 0)
			return r;
	}
	if (setns(side == CORRAL_NET_HOST ? c->host_ns_fd : c->guest_ns_fd, CLONE_NEWNET) < 0)
		return corral_error_sys(err, errno, "enter the %s's network",
		                        side == CORRAL_NET_HOST ? "host" : "sandbox");
	c->side = side;
	return 0;
}

int corral_net_socket(struct corral_net_child *c, enum corral_net_side side, int family, int type,
                      struct corral_error *err)
{
	const int mark = CORRAL_FILTER_MARK_OWN;
	int fd, r = 0;

	if (c->far && side != c->side) {
		fd = corral_net_far_side_socket(c->far, family,
		                                type | SOCK_CLOEXEC | SOCK_NONBLOCK);
		return fd < 0 ? corral_error_sys(err, -fd, "create a socket") : fd;
	}
	if (!c->no_return)
		r = corral_net_enter(c, side, err);
	if (r < 0)
		return r;
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return corral_error_sys(err, errno, "create a socket");
	/* From within the guest's namespace, where there is no way back: its rules know our
	 * questions to a name server by that. */
	if (side == CORRAL_NET_HOST && c->no_return &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
		r = corral_error_sys(err, errno, "mark a question to a name server");
		(void)close(fd);
		return r;
	}
	return fd;
}

/* No port of the sandbox's own network is anybody's privilege: there is nobody else. After the
 * resolver has its. */
static void ports_for_all(void)
{
	corral_autofd int fd =
	        open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "0", 1);
}

static int names_open(struct corral_net_child *c, struct corral_error *err)
{
	if (c->request->way == CORRAL_NET_APART)
		return 0;
	if (c->request->mode == CORRAL_NETWORK_ALLOW)
		return corral_net_allow_open(c, err);
	return corral_net_dns_open(c, err);
}

static int connect_guest(struct corral_net_child *c, struct corral_error *err)
{
	c->ready = (struct corral_net_ready) { .head = { CORRAL_NET_READY, sizeof(c->ready) },
		                               .way = c->request->way };
	switch ((enum corral_net_way)c->request->way) {
	case CORRAL_NET_APART:
		return corral_net_enter(c, CORRAL_NET_GUEST, err);
	case CORRAL_NET_VETH:
		(void)inet_ntop(AF_INET, &c->place.guest, c->ready.address,
		                sizeof(c->ready.address));
		if (c->place.has_ipv6)
			(void)inet_ntop(AF_INET6, &c->place.guest6, c->ready.address6,
			                sizeof(c->ready.address6));
		c->ready.mtu = c->place.mtu;
		return corral_net_link_open(c, err);
	case CORRAL_NET_PASTA:
		return corral_net_pasta_open(c, err);
	}
	return -EINVAL;
}

/* The last that takes a privilege. */
static int confine(struct corral_net_child *c, struct corral_error *err)
{
	uint64_t caps = 0;
	int r = 0;

	if (c->request->way == CORRAL_NET_VETH) {
		if (c->request->n_publish)
			r = corral_net_far_side_open(c->guest_ns_fd, &c->far, err);
		if (r == 0)
			r = corral_net_enter(c, CORRAL_NET_HOST, err);
		if (r < 0)
			return r;
	}
	/* For SO_MARK, in the sandbox's own user namespace. */
	if (c->no_return && c->request->way == CORRAL_NET_PASTA)
		caps = 1ull << CAP_NET_ADMIN;
	corral_fd_closep(&c->guest_ns_fd);
	corral_fd_closep(&c->host_ns_fd);
	c->confined = true;
	return corral_net_confine(caps, err);
}

/* What the host sees first: a port that is taken is an error before anything of the guest's is
 * there. */
static int open_all(struct corral_net_child *c, struct corral_error *err)
{
	int r = corral_net_loop_init(&c->loop, err);

	if (r == 0)
		r = corral_net_ports_open(c, err);
	if (r == 0 && c->request->mode == CORRAL_NETWORK_ALLOW)
		r = corral_net_allow_prepare(c, err);
	if (r == 0)
		r = connect_guest(c, err);
	if (r == 0)
		r = names_open(c, err);
	if (r == 0)
		r = corral_net_enter(c, CORRAL_NET_GUEST, err);
	if (r < 0)
		return r;
	ports_for_all();
	return corral_net_ports_start(c, err);
}

static void caller_ended(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_child *c =
	        (void *)((char *)w - offsetof(struct corral_net_child, caller));
	struct corral_net_head m = { .type = 0 };

	(void)events;
	/* Otherwise the end of it is all there is to hear. */
	if (recv(w->fd, &m, sizeof(m), MSG_DONTWAIT) <= 0)
		c->loop.ends = true;
	else if (m.type == CORRAL_NET_GONE)
		c->gone = c->loop.ends = true;
	else if (m.type == CORRAL_NET_REPORT && c->allow)
		corral_net_allow_report(c);
}

/* Of a caller that ended its launcher with the sandbox, whose end we saw first. */
static bool caller_said_gone(const struct corral_net_child *c)
{
	struct corral_net_head m = { .type = 0 };
	bool gone = c->gone;

	while (!gone && recv(c->caller.fd, &m, sizeof(m), MSG_DONTWAIT) > 0)
		gone = m.type == CORRAL_NET_GONE;
	return gone;
}

static void server_ended(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_child *c =
	        (void *)((char *)w - offsetof(struct corral_net_child, server));

	(void)events;
	c->loop.ends = true;
}

static int ends_watch(struct corral_net_child *c, struct corral_error *err)
{
	int r;

	c->caller.ready = caller_ended;
	c->server.ready = server_ended;
	r = corral_net_loop_watch(&c->loop, &c->caller, EPOLLIN, err);
	return r < 0 ? r : corral_net_loop_watch(&c->loop, &c->server, EPOLLIN, err);
}

/* The link by name, on the host's side: what the guest has of it goes as well. */
static void close_all(struct corral_net_child *c)
{
	corral_net_ports_close(c);
	corral_net_pasta_close(c);
	/* Then that is for corral-net, which sees us end. */
	if (c->confined)
		return;
	corral_net_ports_sweep(c->request);
	if (c->request->way == CORRAL_NET_VETH && corral_net_enter(c, CORRAL_NET_HOST, NULL) == 0)
		corral_net_link_remove(c->place.link);
}

static void say_failed(int socket_fd, int r, const struct corral_error *err)
{
	struct corral_net_failed m = { .head = { CORRAL_NET_FAILED, sizeof(m) }, .error = -r };

	memcpy(m.text, err->text, sizeof(m.text));
	(void)send(socket_fd, &m, sizeof(m), MSG_NOSIGNAL);
}

/* With the host's rules for this link, which are to outlive us if we are killed. */
static int say_ready(struct corral_net_child *c)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &c->ready, sizeof(c->ready) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	if (c->request->way == CORRAL_NET_VETH && c->place.table_fd >= 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &c->place.table_fd, sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	return sendmsg(c->caller.fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int corral_net_child_run(const struct corral_net_connect *request, int socket_fd, int guest_ns_fd,
                         int server_fd, const struct corral_net_place *place,
                         const struct corral_net_names_page *names)
{
	struct corral_net_child c = {
		.request = request,
		.place = *place,
		.guest_ns_fd = guest_ns_fd,
		.host_ns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
		.side = CORRAL_NET_HOST,
		.caller.fd = socket_fd,
		.server.fd = server_fd,
		.pasta.fd = -1,
		.names = names,
	};
	struct corral_error err = { 0 };
	int r = open_all(&c, &err);

	if (r == 0)
		r = ends_watch(&c, &err);
	if (r == 0)
		r = confine(&c, &err);
	if (r == 0 && say_ready(&c) == 0)
		corral_net_loop_run(&c.loop);
	/* Before it is said that it failed: whoever hears of it may try again at once. */
	close_all(&c);
	if (r < 0) {
		say_failed(socket_fd, r, &err);
		return 1;
	}
	return caller_said_gone(&c) ? CORRAL_NET_CHILD_GONE : 0;
}
