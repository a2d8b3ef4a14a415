#include "kernel/network/helper/datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define DATAGRAM_MAX 65536

struct peer {
	struct corral_net_watch watch; /* a socket of the guest's side, for this one alone */
	struct corral_net_datagrams *owner;
	struct sockaddr_storage address; /* of whoever sends, on the host */
	socklen_t address_len;
	uint64_t used_ms;
};

struct corral_net_datagrams {
	struct corral_net_watch watch;
	struct corral_net_tick tick;
	struct corral_net_child *child;
	uint16_t guest_port;
	struct peer peers[CORRAL_NET_PEERS_MAX]; /* unused ones have no descriptor */
	char bytes[DATAGRAM_MAX];
};

static void peer_close(struct peer *p)
{
	(void)corral_net_loop_watch(&p->owner->child->loop, &p->watch, 0, NULL);
	corral_fd_closep(&p->watch.fd);
}

static void answer_carry(struct corral_net_watch *w, uint32_t events)
{
	struct peer *p = (struct peer *)w;
	struct corral_net_datagrams *d = p->owner;
	ssize_t n = recv(w->fd, d->bytes, sizeof(d->bytes), 0);

	(void)events;
	/* Nobody there, as the guest's kernel says: nothing to tell by UDP. */
	if (n < 0)
		return;
	p->used_ms = corral_now_ms();
	(void)sendto(d->watch.fd, d->bytes, (size_t)n, 0, (struct sockaddr *)&p->address,
	             p->address_len);
}

static int peer_open(struct corral_net_datagrams *d, struct peer *p)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(d->guest_port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	p->watch.fd = corral_net_socket(d->child, CORRAL_NET_GUEST, AF_INET, SOCK_DGRAM, NULL);
	if (p->watch.fd < 0)
		return -1;
	if (connect(p->watch.fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    corral_net_loop_watch(&d->child->loop, &p->watch, EPOLLIN, NULL) == 0)
		return 0;
	corral_fd_closep(&p->watch.fd);
	return -1;
}

/* Known, or new in an unused place, or in that of the one who has been silent for the longest. */
static struct peer *peer_find(struct corral_net_datagrams *d, const struct sockaddr_storage *from,
                              socklen_t len)
{
	struct peer *place = &d->peers[0];

	for (size_t i = 0; i < CORRAL_NET_PEERS_MAX; i++) {
		struct peer *p = &d->peers[i];

		if (p->watch.fd >= 0 && p->address_len == len && !memcmp(&p->address, from, len))
			return p;
		if (place->watch.fd >= 0 && (p->watch.fd < 0 || p->used_ms < place->used_ms))
			place = p;
	}
	if (place->watch.fd >= 0)
		peer_close(place);
	place->address = *from;
	place->address_len = len;
	return peer_open(d, place) < 0 ? NULL : place;
}

static void question_carry(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_datagrams *d = (struct corral_net_datagrams *)w;
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct peer *p;
	ssize_t n = recvfrom(w->fd, d->bytes, sizeof(d->bytes), 0, (struct sockaddr *)&from, &len);

	(void)events;
	if (n < 0)
		return;
	p = peer_find(d, &from, len);
	if (!p)
		return;
	p->used_ms = corral_now_ms();
	/* The first may hear of an error that belongs to the one before. */
	if (send(p->watch.fd, d->bytes, (size_t)n, 0) < 0 && errno == ECONNREFUSED)
		(void)send(p->watch.fd, d->bytes, (size_t)n, 0);
}

static void idle_close(struct corral_net_tick *t, uint64_t now_ms)
{
	struct corral_net_datagrams *d =
	        (void *)((char *)t - offsetof(struct corral_net_datagrams, tick));

	for (size_t i = 0; i < CORRAL_NET_PEERS_MAX; i++)
		if (d->peers[i].watch.fd >= 0 &&
		    now_ms - d->peers[i].used_ms > CORRAL_NET_PEERS_IDLE_MS)
			peer_close(&d->peers[i]);
}

int corral_net_datagrams_open(struct corral_net_child *c, int fd, uint16_t guest_port,
                              struct corral_net_datagrams **ret, struct corral_error *err)
{
	struct corral_net_datagrams *d = calloc(1, sizeof(*d));

	if (!d) {
		(void)close(fd);
		return corral_error_set(err, ENOMEM, "publish: out of memory");
	}
	d->watch.fd = fd;
	d->watch.ready = question_carry;
	d->tick.tick = idle_close;
	d->child = c;
	d->guest_port = guest_port;
	for (size_t i = 0; i < CORRAL_NET_PEERS_MAX; i++) {
		d->peers[i].owner = d;
		d->peers[i].watch.fd = -1;
		d->peers[i].watch.ready = answer_carry;
	}
	corral_net_loop_tick(&c->loop, &d->tick);
	*ret = d;
	return corral_net_loop_watch(&c->loop, &d->watch, EPOLLIN, err);
}
