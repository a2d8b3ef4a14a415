#include "kernel/network/helper/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/datagrams.h"
#include "kernel/network/helper/listener.h"
#include "kernel/network/helper/path_socket.h"
#include "kernel/network/helper/server.h"
#include "kernel/network/helper/stream.h"
#include "policy/publish.h"

#define BACKLOG 128

struct port {
	struct corral_net_listener
	        listener; /* or the datagrams' own descriptor, until they start */
	struct corral_net_child *child;
	const struct corral_net_publish *publish;
	struct corral_net_datagrams *datagrams; /* UDP */
};

struct corral_net_ports {
	unsigned int n;
	struct port ports[];
};

static void place_text(const struct corral_net_connect *request, const struct corral_net_publish *p,
                       char ret[CORRAL_PUBLISH_TEXT_SIZE])
{
	struct corral_publish full = { .kind = (enum corral_publish_kind)p->kind,
		                       .is_ipv6 = p->is_ipv6 != 0,
		                       .host_port = p->host_port,
		                       .guest_port = p->guest_port };

	memcpy(full.host_address, p->host_address, sizeof(full.host_address));
	full.host_path = (char *)(uintptr_t)corral_net_request_text(request, p->path);
	corral_publish_text(&full, ret);
}

static socklen_t host_address(const struct corral_net_publish *p, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (p->is_ipv6) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(p->host_port);
		memcpy(&six->sin6_addr, p->host_address, sizeof(six->sin6_addr));
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(p->host_port);
	memcpy(&four->sin_addr, p->host_address, sizeof(four->sin_addr));
	return sizeof(*four);
}

static int refused(const struct corral_net_publish *p, int code, struct corral_error *err)
{
	switch (code) {
	case EACCES:
		return corral_error_set(
		        err, code,
		        "listen on port %u of the host: low ports are root's (below "
		        "net.ipv4.ip_unprivileged_port_start): take one from 1024 on",
		        p->host_port);
	case EADDRINUSE:
		return corral_error_set(err, code,
		                        "listen on port %u of the host: somebody does already: "
		                        "ss -ltunp 'sport = :%u'",
		                        p->host_port, p->host_port);
	case EADDRNOTAVAIL:
		return corral_error_set(err, code,
		                        "listen on port %u of the host: it has no such address",
		                        p->host_port);
	default:
		return corral_error_sys(err, code, "listen on port %u of the host", p->host_port);
	}
}

static int port_listen(struct port *port, struct corral_error *err)
{
	const struct corral_net_publish *p = port->publish;
	const char *path = corral_net_request_text(port->child->request, p->path);
	int family = p->path ? AF_UNIX : p->is_ipv6 ? AF_INET6 : AF_INET, one = 1, r = 0;
	int type = p->kind == CORRAL_PUBLISH_UDP ? SOCK_DGRAM : SOCK_STREAM;
	struct sockaddr_storage address;
	socklen_t len;

	port->listener.watch.fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->listener.watch.fd < 0)
		return corral_error_sys(err, errno, "create a socket");
	if (p->kind == CORRAL_PUBLISH_UNIX) {
		r = corral_net_path_bind(path, port->listener.watch.fd, err);
	} else {
		len = host_address(p, &address);
		/* A server that has just ended is no reason to wait. Not for datagrams, where it
		 * would let another have the same port. */
		if (type == SOCK_STREAM)
			(void)setsockopt(port->listener.watch.fd, SOL_SOCKET, SO_REUSEADDR, &one,
			                 sizeof(one));
		if (family == AF_INET6)
			(void)setsockopt(port->listener.watch.fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
			                 sizeof(one));
		if (bind(port->listener.watch.fd, (struct sockaddr *)&address, len) < 0)
			r = refused(p, errno, err);
	}
	if (r == 0 && type == SOCK_STREAM && listen(port->listener.watch.fd, BACKLOG) < 0)
		r = corral_error_sys(err, errno, "listen");
	return r;
}

int corral_net_ports_open(struct corral_net_child *c, struct corral_error *err)
{
	const struct corral_net_connect *request = c->request;
	const struct corral_net_publish *list =
	        (const void *)((const char *)request + request->publish);
	char place[CORRAL_PUBLISH_TEXT_SIZE];
	int r;

	if (!request->n_publish)
		return 0;
	c->ports = calloc(1, sizeof(*c->ports) + request->n_publish * sizeof(struct port));
	if (!c->ports)
		return corral_error_set(err, ENOMEM, "publish: out of memory");
	for (uint32_t i = 0; i < request->n_publish; i++) {
		struct port *port = &c->ports->ports[c->ports->n++];

		*port = (struct port) { .child = c, .publish = &list[i], .listener.watch.fd = -1 };
		r = port_listen(port, err);
		if (r < 0) {
			place_text(request, &list[i], place);
			return corral_error_wrap(err, r, "publish '%s'", place);
		}
	}
	return 0;
}

static void connection_take(struct corral_net_listener *l, int take_fd)
{
	struct port *port = (struct port *)l;

	corral_net_stream_open(port->child, take_fd, port->publish->guest_port);
}

int corral_net_ports_start(struct corral_net_child *c, struct corral_error *err)
{
	int r = 0;

	for (unsigned int i = 0; c->ports && r == 0 && i < c->ports->n; i++) {
		struct port *port = &c->ports->ports[i];

		if (port->publish->kind == CORRAL_PUBLISH_UDP) {
			r = corral_net_datagrams_open(c, port->listener.watch.fd,
			                              port->publish->guest_port, &port->datagrams,
			                              err);
			port->listener.watch.fd = -1;
			continue;
		}
		r = corral_net_listener_open(&port->listener, &c->loop, port->listener.watch.fd,
		                             connection_take, err);
	}
	return r;
}

void corral_net_ports_close(struct corral_net_child *c)
{
	for (unsigned int i = 0; c->ports && i < c->ports->n; i++)
		corral_fd_closep(&c->ports->ports[i].listener.watch.fd);
}

void corral_net_ports_sweep(const struct corral_net_connect *request)
{
	const struct corral_net_publish *list =
	        (const void *)((const char *)request + request->publish);

	for (uint32_t i = 0; i < request->n_publish; i++)
		if (list[i].path)
			corral_net_path_sweep(corral_net_request_text(request, list[i].path));
}
