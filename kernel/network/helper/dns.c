#include "kernel/network/helper/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/network/helper/dns_message.h"
#include "kernel/network/helper/dns_tcp.h"
#include "kernel/network/helper/nameservers.h"
#include "kernel/network/helper/pasta.h"
#include "kernel/network/helper/rate.h"

#define DNS_PORT    53
#define HEADER_SIZE 12
#define ANSWER_MAX  65536

struct question {
	struct corral_net_watch watch; /* a socket of its own, so that its port cannot be guessed */
	struct corral_net_dns *dns;
	struct sockaddr_in from;
	unsigned int server; /* which was asked last */
	uint64_t asked_ms;
	size_t len;
	uint8_t bytes[CORRAL_DNS_QUERY_MAX];
};

struct corral_net_dns {
	struct corral_net_watch watch; /* UDP */
	struct corral_net_tick tick;
	struct corral_net_child *child;
	struct corral_net_nameservers servers;
	struct corral_net_rate rate;
	struct question questions[CORRAL_NET_QUESTIONS_MAX];
	uint8_t answer[ANSWER_MAX];
};

int corral_net_dns_listen(struct corral_net_child *c, int type, struct corral_error *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	corral_autofd int fd = -1;
	int one = 1;

	(void)inet_pton(AF_INET, CORRAL_NET_RESOLVER, &at.sin_addr);
	fd = corral_net_socket(c, CORRAL_NET_GUEST, AF_INET, type, err);
	if (fd < 0)
		return fd;
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 16) < 0))
		return corral_error_sys(err, errno, "listen for the sandbox's questions of names");
	return corral_take_fd(&fd);
}

static void servers_look(struct corral_net_dns *d)
{
	if (d->child->no_return) {
		/* pasta knows them, and hears of them here. */
		d->servers.n = 0;
		corral_net_nameservers_add(&d->servers, CORRAL_NET_PASTA_DNS);
		return;
	}
	corral_net_names_page_read(d->child->names, &d->servers);
}

bool corral_net_dns_may_ask(struct corral_net_dns *d)
{
	return corral_net_rate_take(&d->rate, corral_now_ms());
}

static void question_close(struct question *q)
{
	(void)corral_net_loop_watch(&q->dns->child->loop, &q->watch, 0, NULL);
	corral_fd_closep(&q->watch.fd);
}

/* The question itself with two fields changed: it is an answer, and the server failed. */
static void question_fail(struct question *q)
{
	q->bytes[2] |= 0x80;
	q->bytes[3] = (uint8_t)((q->bytes[3] & 0xf0) | 2);
	(void)sendto(q->dns->watch.fd, q->bytes, q->len, 0, (struct sockaddr *)&q->from,
	             sizeof(q->from));
	question_close(q);
}

/* Of server number q->server, or of the next that can be asked at all. */
static void question_ask(struct question *q)
{
	struct corral_net_dns *d = q->dns;

	for (; q->server < d->servers.n; q->server++) {
		const struct sockaddr *to = (void *)&d->servers.address[q->server];

		if (q->watch.fd >= 0)
			question_close(q);
		q->watch.fd = corral_net_socket(d->child, CORRAL_NET_HOST, to->sa_family,
		                                SOCK_DGRAM, NULL);
		if (q->watch.fd >= 0 &&
		    connect(q->watch.fd, to, d->servers.address_len[q->server]) == 0 &&
		    send(q->watch.fd, q->bytes, q->len, 0) == (ssize_t)q->len &&
		    corral_net_loop_watch(&d->child->loop, &q->watch, EPOLLIN, NULL) == 0) {
			q->asked_ms = corral_now_ms();
			return;
		}
	}
	question_fail(q);
}

static void answer_carry(struct corral_net_watch *w, uint32_t events)
{
	struct question *q = (struct question *)w;
	struct corral_net_dns *d = q->dns;
	ssize_t n = recv(w->fd, d->answer, sizeof(d->answer), 0);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		/* Refused: nobody there. */
		q->server++;
		question_ask(q);
		return;
	}
	if (n < HEADER_SIZE || memcmp(d->answer, q->bytes, 2) != 0 || !(d->answer[2] & 0x80))
		return;
	(void)sendto(d->watch.fd, d->answer, (size_t)n, 0, (struct sockaddr *)&q->from,
	             sizeof(q->from));
	question_close(q);
}

static struct question *place_find(struct corral_net_dns *d)
{
	for (size_t i = 0; i < CORRAL_NET_QUESTIONS_MAX; i++)
		if (d->questions[i].watch.fd < 0)
			return &d->questions[i];
	return NULL;
}

static void answer_code(struct corral_net_dns *d, const struct sockaddr_in *to,
                        const struct corral_dns_question *q, int code)
{
	const struct corral_dns_answer a = { .code = (uint8_t)code };
	size_t len = corral_dns_answer_write(q, &a, NULL, d->answer, CORRAL_DNS_QUERY_MAX);

	(void)sendto(d->watch.fd, d->answer, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void question_take(struct corral_net_watch *w, uint32_t events)
{
	struct corral_net_dns *d = (struct corral_net_dns *)w;
	struct corral_dns_question parsed;
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);
	struct question *q = NULL;
	ssize_t n;
	int code;

	(void)events;
	n = recvfrom(w->fd, d->answer, sizeof(d->answer), 0, (struct sockaddr *)&from, &len);
	code = n < 0 ? -EBADMSG : corral_dns_may_forward(d->answer, (size_t)n, &parsed);
	if (code < 0)
		return;
	if (code == CORRAL_DNS_NOERROR) {
		q = corral_net_dns_may_ask(d) ? place_find(d) : NULL;
		code = q ? code : CORRAL_DNS_REFUSED;
	}
	if (!q) {
		answer_code(d, &from, &parsed, code);
		return;
	}
	servers_look(d);
	q->from = from;
	q->server = 0;
	q->len = (size_t)n;
	memcpy(q->bytes, d->answer, q->len);
	question_ask(q);
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* pasta carries datagrams to the host's resolver alone, so of the host's servers the first that can
 * be reached through it like any other. */
int corral_net_dns_dial(struct corral_net_dns *d)
{
	struct corral_net_nameservers servers;
	corral_autofd int fd = -1;

	corral_net_names_page_read(d->child->names, &servers);
	for (unsigned int i = 0; i < servers.n; i++) {
		const struct sockaddr *to = (void *)&servers.address[i];

		if (d->child->no_return && is_loopback(&servers.address[i]))
			continue;
		fd = corral_net_socket(d->child, CORRAL_NET_HOST, to->sa_family, SOCK_STREAM, NULL);
		if (fd >= 0 &&
		    (connect(fd, to, servers.address_len[i]) == 0 || errno == EINPROGRESS))
			return corral_take_fd(&fd);
		corral_fd_closep(&fd);
	}
	return -1;
}

static void patience(struct corral_net_tick *t, uint64_t now_ms)
{
	struct corral_net_dns *d = (void *)((char *)t - offsetof(struct corral_net_dns, tick));

	for (size_t i = 0; i < CORRAL_NET_QUESTIONS_MAX; i++) {
		struct question *q = &d->questions[i];

		if (q->watch.fd < 0 || now_ms - q->asked_ms < CORRAL_NET_QUESTION_MS)
			continue;
		q->server++;
		question_ask(q);
	}
}

int corral_net_dns_open(struct corral_net_child *c, struct corral_error *err)
{
	struct corral_net_dns *d = calloc(1, sizeof(*d));
	int listener, r;

	if (!d)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	c->dns = d;
	d->child = c;
	d->watch.ready = question_take;
	d->tick.tick = patience;
	corral_net_rate_init(&d->rate, CORRAL_NET_QUESTIONS_PER_SECOND, corral_now_ms());
	for (size_t i = 0; i < CORRAL_NET_QUESTIONS_MAX; i++) {
		d->questions[i].dns = d;
		d->questions[i].watch.fd = -1;
		d->questions[i].watch.ready = answer_carry;
	}
	d->watch.fd = r = corral_net_dns_listen(c, SOCK_DGRAM, err);
	if (r < 0)
		return r;
	r = corral_net_loop_watch(&c->loop, &d->watch, EPOLLIN, err);
	if (r < 0)
		return r;
	corral_net_loop_tick(&c->loop, &d->tick);
	/* It lives as long as the process. */
	listener = corral_net_dns_listen(c, SOCK_STREAM, err);
	return listener < 0 ? listener : corral_net_dns_tcp_open(d, c, listener, err);
}
