#include "kernel/network/helper/resolver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/network/helper/dns_message.h"
#include "kernel/network/helper/resolver_state.h"

#define IDLE_MS   10000 /* of a guest's connection */
#define PORT      53
#define BACKLOG   16
#define EVENTS    32 /* handled in one step */
#define DATAGRAMS 32 /* read in one go */

static const char not_listed[] = "not on this sandbox's list (network allow)";
static const char not_public[] = "resolves to an address that is not of the public internet";
static const char too_many[] = "too many questions at a time";

/* --- time and events ----------------------------------------------------------------------- */

static void watch(struct corral_resolver *r, int fd, uint32_t events, enum corral_watch_kind kind,
                  size_t index, int op)
{
	struct epoll_event ev = { .events = events,
		                  .data.u64 = (uint64_t)kind << 32 | (uint32_t)index };

	/* Fails without memory alone: that question then ends by its time. */
	(void)epoll_ctl(r->epoll_fd, op, fd, &ev);
}

static void timer_set(struct corral_resolver *r)
{
	uint64_t first = UINT64_MAX, now_ms = corral_now_ms(), in_ms;
	struct itimerspec when = { .it_value = { 0, 0 } };

	for (size_t i = 0; i < CORRAL_RESOLVER_QUERIES_MAX; i++)
		if (r->queries[i].used && r->queries[i].deadline_ms < first)
			first = r->queries[i].deadline_ms;
	for (size_t i = 0; i < CORRAL_RESOLVER_CONNECTIONS_MAX; i++)
		if (r->connections[i].fd >= 0 && r->connections[i].deadline_ms < first)
			first = r->connections[i].deadline_ms;
	/* One that is set too early costs a look; it need not be set anew for each question. */
	if (first == UINT64_MAX || (r->timer_ms > now_ms && r->timer_ms <= first))
		return;
	in_ms = first > now_ms ? first - now_ms : 1;
	when.it_value.tv_sec = (time_t)(in_ms / 1000);
	when.it_value.tv_nsec = (long)(in_ms % 1000) * 1000000;
	if (timerfd_settime(r->timer_fd, 0, &when, NULL) == 0)
		r->timer_ms = now_ms + in_ms;
}

/* A bucket that fills with time. */
static bool rate_allows(struct corral_resolver *r)
{
	uint64_t now_ms = corral_now_ms();

	r->tokens += (now_ms - r->tokens_ms) * CORRAL_RESOLVER_PER_SECOND;
	r->tokens_ms = now_ms;
	if (r->tokens > 2000ul * CORRAL_RESOLVER_PER_SECOND)
		r->tokens = 2000ul * CORRAL_RESOLVER_PER_SECOND;
	if (r->tokens < 1000)
		return false;
	r->tokens -= 1000;
	return true;
}

/* --- what was refused ---------------------------------------------------------------------- */

/* Most programs look up where they came from, and mean nothing by it. */
static bool is_reverse(const char *name)
{
	size_t len = strlen(name);

	return len >= 5 && !strcmp(name + len - 5, ".arpa");
}

static void refused(struct corral_resolver *r, const char *name, unsigned int type,
                    enum corral_refusal_reason reason, const struct corral_address *a)
{
	struct corral_refused_name *n = NULL;

	if (!*name || is_reverse(name))
		return;
	for (size_t i = 0; i < r->n_refused; i++) {
		n = &r->refused[i];
		if (n->reason == reason && !strcmp(n->name, name) &&
		    !memcmp(n->address.bytes, a->bytes, sizeof(a->bytes))) {
			/* Most ask for both families at once, and mean it once. */
			n->count += type != CORRAL_DNS_AAAA || a->family;
			return;
		}
	}
	if (r->n_refused == CORRAL_COUNT(r->refused)) {
		r->refused_dropped++;
		return;
	}
	n = &r->refused[r->n_refused];
	*n = (struct corral_refused_name) { strdup(name), reason, *a,
		                            type != CORRAL_DNS_AAAA || a->family };
	r->n_refused += n->name != NULL;
}

void corral_resolver_report(const struct corral_resolver *r, struct corral_ledger *to)
{
	for (size_t i = 0; i < r->n_refused; i++) {
		const struct corral_refused_name *n = &r->refused[i];
		const struct corral_refusal refusal = {
			.reason = (uint8_t)n->reason,
			.address = n->address,
			.count = n->count ? n->count : 1,
		};

		corral_ledger_add_refusal(to, &refusal, n->name);
	}
	to->refusals_dropped += r->refused_dropped;
}

/* --- the guest's connections --------------------------------------------------------------- */

static void connection_close(struct connection *c)
{
	corral_fd_closep(&c->fd);
	free(c->out);
	c->out = NULL;
	c->generation++;
}

static void connection_watch(struct corral_resolver *r, struct connection *c)
{
	watch(r, c->fd,
	      c->out    ? EPOLLOUT
	      : c->busy ? 0
	                : EPOLLIN,
	      WATCH_CONNECTION, (size_t)(c - r->connections), EPOLL_CTL_MOD);
}

static void connection_write(struct corral_resolver *r, struct connection *c)
{
	while (c->out && c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			connection_close(c);
			return;
		}
		c->out_at += (size_t)n;
	}
	if (c->out && c->out_at == c->out_len) {
		free(c->out);
		c->out = NULL;
		c->busy = false;
		c->deadline_ms = corral_now_ms() + IDLE_MS;
	}
	connection_watch(r, c);
}

static void connection_answer(struct corral_resolver *r, struct connection *c, const uint8_t *data,
                              size_t len)
{
	c->out = malloc(len + 2);
	if (!c->out) {
		connection_close(c);
		return;
	}
	c->out[0] = (uint8_t)(len >> 8);
	c->out[1] = (uint8_t)len;
	memcpy(c->out + 2, data, len);
	c->out_len = len + 2;
	c->out_at = 0;
	connection_write(r, c);
}

/* --- answers ------------------------------------------------------------------------------- */

static void answer(struct corral_resolver *r, const struct origin *from,
                   const struct corral_dns_question *q, const struct corral_dns_answer *a,
                   const char *why)
{
	size_t max = from->connection ? ANSWER_MAX : q->udp_size;
	uint8_t buf[ANSWER_MAX];
	size_t len;

	if (!from->connection && max > CORRAL_DNS_UDP_MAX)
		max = CORRAL_DNS_UDP_MAX;
	len = corral_dns_answer_write(q, a, why, buf, max);
	if (!from->connection)
		(void)sendto(r->udp_fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		             (const struct sockaddr *)&from->address, sizeof(from->address));
	else if (from->connection->generation == from->generation)
		connection_answer(r, from->connection, buf, len);
}

static void answer_code(struct corral_resolver *r, const struct origin *from,
                        const struct corral_dns_question *q, enum corral_dns_code code,
                        const char *why)
{
	const struct corral_dns_answer a = { .code = (uint8_t)code };

	answer(r, from, q, &a, why);
}

static void query_end(struct corral_resolver *r, struct query *q)
{
	corral_fd_closep(&q->fd);
	free(q->in);
	q->in = NULL;
	q->used = false;
	r->n_queries--;
}

/*
 * Takes out what an address entry would have to name and none does. What an entry names is open
 * already; what is left is opened. Returns whether there is an answer.
 */
static bool addresses_open(struct corral_resolver *r, struct query *q, struct corral_dns_answer *a,
                           const char **ret_why)
{
	struct corral_address lease[CORRAL_DNS_ADDRESSES_MAX];
	size_t n_lease = 0;
	uint8_t kept = 0;

	for (uint8_t i = 0; i < a->n_addresses; i++) {
		const struct corral_address *address = &a->addresses[i];

		if (!corral_egress_special(r->egress, address))
			lease[n_lease++] = *address;
		else if (!corral_egress_address_listed(r->egress, address)) {
			refused(r, q->name, q->question.type, CORRAL_REFUSAL_SPECIAL, address);
			*ret_why = not_public;
			continue;
		}
		a->addresses[kept++] = *address;
	}
	if (a->n_addresses && !kept)
		a->n_chain = 0;
	a->n_addresses = kept;
	return !n_lease ||
	       r->ops->lease(r->context, q->name, q->sets, lease, n_lease, a->ttl_s, NULL) == 0;
}

/* The most that a guest should remember is what is remembered here. */
#define TTL_MAX_S 3600u

static void query_answered(struct corral_resolver *r, struct query *q, struct corral_dns_answer *a)
{
	const char *why = NULL;

	/* Who does not answer is not the first to be asked any more. */
	r->first_upstream = q->upstream < r->n_upstreams ? q->upstream : 0;
	if (a->ttl_s > TTL_MAX_S)
		a->ttl_s = TTL_MAX_S;
	if (addresses_open(r, q, a, &why))
		answer(r, &q->from, &q->question, a, why);
	else
		answer_code(r, &q->from, &q->question, CORRAL_DNS_SERVFAIL, NULL);
	query_end(r, q);
}

/* --- upstream ------------------------------------------------------------------------------ */

static int query_send(struct corral_resolver *r, struct query *q)
{
	const struct corral_upstream *to = &r->upstreams[q->upstream];
	uint8_t buf[2 + CORRAL_DNS_QUERY_MAX];
	size_t len;
	int type = q->by_tcp ? SOCK_STREAM : SOCK_DGRAM, fd;

	corral_fd_closep(&q->fd);
	free(q->in);
	q->in = NULL;
	q->in_len = 0;
	if (getrandom(&q->id, sizeof(q->id), 0) != sizeof(q->id))
		return -EIO;
	q->deadline_ms = corral_now_ms() + CORRAL_RESOLVER_TRY_MS;
	fd = r->ops->socket(r->context, to->address.ss_family, type, NULL);
	if (fd < 0)
		return fd;
	q->fd = fd;
	/* Connected, so that nobody else's datagram is an answer; from a port that the kernel chose
	 * at random. */
	if (connect(fd, (const struct sockaddr *)&to->address, to->len) < 0 && errno != EINPROGRESS)
		return -errno;
	if (q->by_tcp) {
		watch(r, fd, EPOLLOUT, WATCH_QUERY, (size_t)(q - r->queries), EPOLL_CTL_ADD);
		return 0;
	}
	len = corral_dns_query_write(&q->question, q->id, buf);
	if (send(fd, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		return errno ? -errno : -EIO;
	watch(r, fd, EPOLLIN, WATCH_QUERY, (size_t)(q - r->queries), EPOLL_CTL_ADD);
	return 0;
}

/* The next server, while there are tries left. */
static void query_retry(struct corral_resolver *r, struct query *q)
{
	while (++q->tries < CORRAL_RESOLVER_TRIES) {
		q->upstream = r->n_upstreams ? (q->upstream + 1) % r->n_upstreams : 0;
		if (r->n_upstreams && query_send(r, q) == 0)
			return;
	}
	answer_code(r, &q->from, &q->question, CORRAL_DNS_SERVFAIL, NULL);
	query_end(r, q);
}

static void query_message(struct corral_resolver *r, struct query *q, const uint8_t *data,
                          size_t len)
{
	struct corral_dns_answer a;

	/* Somebody guesses, or it is broken: the true one may still come. */
	if (corral_dns_answer_parse(data, len, &q->question, q->id, &a) < 0) {
		if (q->by_tcp)
			query_retry(r, q);
		return;
	}
	if (a.truncated && !q->by_tcp) {
		q->by_tcp = true;
		if (query_send(r, q) < 0)
			query_retry(r, q);
		return;
	}
	if (a.truncated || (a.code && a.code != CORRAL_DNS_NXDOMAIN)) {
		query_retry(r, q);
		return;
	}
	query_answered(r, q, &a);
}

static void query_udp(struct corral_resolver *r, struct query *q)
{
	uint8_t buf[UPSTREAM_UDP_MAX];
	ssize_t n = recv(q->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n >= 0)
		query_message(r, q, buf, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		query_retry(r, q);
}

static int query_tcp_write(struct corral_resolver *r, struct query *q)
{
	uint8_t buf[2 + CORRAL_DNS_QUERY_MAX];
	size_t len = corral_dns_query_write(&q->question, q->id, buf + 2);

	/* The first bytes on a new connection: there is room for all of them. */
	buf[0] = (uint8_t)(len >> 8);
	buf[1] = (uint8_t)len;
	if (send(q->fd, buf, len + 2, MSG_NOSIGNAL) != (ssize_t)len + 2)
		return -EIO;
	q->in = malloc(2 + CORRAL_DNS_MESSAGE_MAX);
	if (!q->in)
		return -ENOMEM;
	watch(r, q->fd, EPOLLIN, WATCH_QUERY, (size_t)(q - r->queries), EPOLL_CTL_MOD);
	return 0;
}

/* 1: complete. */
static int query_tcp_read(struct query *q)
{
	for (;;) {
		size_t want = q->in_len < 2 ? 2 : 2 + (size_t)(q->in[0] << 8 | q->in[1]);
		ssize_t n;

		if (q->in_len >= 2 && q->in_len == want)
			return 1;
		n = recv(q->fd, q->in + q->in_len, want - q->in_len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return -EPIPE;
		q->in_len += (size_t)n;
	}
}

static void query_tcp(struct corral_resolver *r, struct query *q)
{
	int result = q->in ? query_tcp_read(q) : query_tcp_write(r, q);

	if (result < 0) {
		query_retry(r, q);
	} else if (result > 0) {
		/* It is freed with the query, which the answer ends. */
		query_message(r, q, q->in + 2, q->in_len - 2);
	}
}

/* --- questions ----------------------------------------------------------------------------- */

static struct query *query_new(struct corral_resolver *r)
{
	for (size_t i = 0; i < CORRAL_RESOLVER_QUERIES_MAX; i++) {
		struct query *q = &r->queries[i];

		if (q->used)
			continue;
		*q = (struct query) { .used = true, .fd = -1 };
		r->n_queries++;
		return q;
	}
	return NULL;
}

static void ask(struct corral_resolver *r, const struct origin *from,
                const struct corral_dns_question *question, const char *name, uint64_t sets)
{
	struct query *q = r->n_upstreams ? query_new(r) : NULL;

	if (!q) {
		answer_code(r, from, question, CORRAL_DNS_SERVFAIL,
		            r->n_upstreams ? too_many : NULL);
		return;
	}
	q->from = *from;
	q->question = *question;
	q->sets = sets;
	q->upstream = r->first_upstream;
	memcpy(q->name, name, strlen(name) + 1);
	if (query_send(r, q) < 0)
		query_retry(r, q);
}

static bool is_localhost(const char *name)
{
	size_t len = strlen(name);

	return !strcmp(name, "localhost") || (len > 10 && !strcmp(name + len - 10, ".localhost"));
}

static void answer_localhost(struct corral_resolver *r, const struct origin *from,
                             const struct corral_dns_question *q)
{
	static const uint8_t v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
	struct corral_dns_answer a = { .n_addresses = 1, .ttl_s = TTL_MAX_S };

	a.addresses[0] = corral_address_of(q->type == CORRAL_DNS_A ? v4 : v6,
	                                   q->type == CORRAL_DNS_A ? 4 : 16);
	a.n_addresses = q->type == CORRAL_DNS_A || q->type == CORRAL_DNS_AAAA;
	answer(r, from, q, &a, NULL);
}

static void question_take(struct corral_resolver *r, const struct origin *from,
                          const uint8_t *guest_message, size_t len)
{
	static const struct corral_address none = { .family = 0 };
	struct corral_dns_question q;
	char name[CORRAL_EGRESS_NAME_SIZE];
	uint64_t sets;
	int result = corral_dns_question_parse(guest_message, len, &q);

	if (result == -EBADMSG) {
		if (from->connection)
			connection_close(from->connection);
		return;
	}
	if (result < 0) {
		answer_code(r, from, &q, result == -EINVAL ? CORRAL_DNS_FORMERR : CORRAL_DNS_NOTIMP,
		            NULL);
		return;
	}
	if (!rate_allows(r)) {
		answer_code(r, from, &q, CORRAL_DNS_REFUSED, too_many);
		return;
	}
	corral_dns_name_text(&q.name, name);
	if (is_localhost(name)) {
		answer_localhost(r, from, &q);
		return;
	}
	sets = corral_egress_name_sets(r->egress, name);
	if (!sets) {
		refused(r, name, q.type, CORRAL_REFUSAL_NAME, &none);
		answer_code(r, from, &q, CORRAL_DNS_NXDOMAIN, not_listed);
	} else if (q.type != CORRAL_DNS_A && q.type != CORRAL_DNS_AAAA) {
		/* There is such a name, and nothing of that kind. */
		answer_code(r, from, &q, CORRAL_DNS_NOERROR, NULL);
	} else {
		ask(r, from, &q, name, sets);
	}
}

static void datagrams_read(struct corral_resolver *r)
{
	uint8_t buf[CORRAL_DNS_QUERY_MAX + 1];

	for (unsigned int i = 0; i < DATAGRAMS; i++) {
		struct origin from = { .connection = NULL };
		socklen_t len = sizeof(from.address);
		ssize_t n = recvfrom(r->udp_fd, buf, sizeof(buf), MSG_DONTWAIT,
		                     (struct sockaddr *)&from.address, &len);

		if (n < 0 && errno != EINTR)
			return;
		if (n >= 0 && len == sizeof(from.address))
			question_take(r, &from, buf, (size_t)n);
	}
}

/* When there are too many, the one that has done nothing for longest makes room. */
static struct connection *connection_place(struct corral_resolver *r)
{
	struct connection *oldest = NULL;

	for (size_t i = 0; i < CORRAL_RESOLVER_CONNECTIONS_MAX; i++) {
		struct connection *c = &r->connections[i];

		if (c->fd < 0)
			return c;
		if (!oldest || c->deadline_ms < oldest->deadline_ms)
			oldest = c;
	}
	connection_close(oldest);
	return oldest;
}

static void connections_accept(struct corral_resolver *r)
{
	struct connection *c;
	int fd = accept4(r->tcp_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	c = connection_place(r);
	*c = (struct connection) { .fd = fd, .generation = c->generation + 1 };
	c->deadline_ms = corral_now_ms() + IDLE_MS;
	watch(r, fd, EPOLLIN, WATCH_CONNECTION, (size_t)(c - r->connections), EPOLL_CTL_ADD);
}

static void connection_read(struct corral_resolver *r, struct connection *c)
{
	size_t want = c->in_len < 2 ? 2 : 2 + (size_t)(c->in[0] << 8 | c->in[1]);
	struct origin from = { .connection = c, .generation = c->generation };
	ssize_t n;

	if (want > sizeof(c->in)) {
		connection_close(c);
		return;
	}
	n = recv(c->fd, c->in + c->in_len, want - c->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_close(c);
		return;
	}
	c->in_len += (size_t)n;
	want = c->in_len < 2 ? 2 : 2 + (size_t)(c->in[0] << 8 | c->in[1]);
	if (c->in_len < 2 || c->in_len < want)
		return;
	c->in_len = 0;
	c->busy = true;
	c->deadline_ms = corral_now_ms() + IDLE_MS;
	question_take(r, &from, c->in + 2, want - 2);
	if (c->fd >= 0 && c->generation == from.generation)
		connection_watch(r, c);
}

/* --- the loop ------------------------------------------------------------------------------ */

static void time_passes(struct corral_resolver *r)
{
	uint64_t now_ms = corral_now_ms(), expirations;

	(void)!read(r->timer_fd, &expirations, sizeof(expirations));
	r->timer_ms = 0;
	for (size_t i = 0; i < CORRAL_RESOLVER_QUERIES_MAX; i++)
		if (r->queries[i].used && r->queries[i].deadline_ms <= now_ms)
			query_retry(r, &r->queries[i]);
	for (size_t i = 0; i < CORRAL_RESOLVER_CONNECTIONS_MAX; i++)
		if (r->connections[i].fd >= 0 && r->connections[i].deadline_ms <= now_ms)
			connection_close(&r->connections[i]);
}

static void handle(struct corral_resolver *r, const struct epoll_event *ev)
{
	enum corral_watch_kind kind = (enum corral_watch_kind)(ev->data.u64 >> 32);
	size_t index = (uint32_t)ev->data.u64;

	switch (kind) {
	case WATCH_UDP:
		datagrams_read(r);
		break;
	case WATCH_TCP:
		connections_accept(r);
		break;
	case WATCH_TIMER:
		time_passes(r);
		break;
	case WATCH_QUERY:
		if (!r->queries[index].used || r->queries[index].fd < 0)
			break;
		if (r->queries[index].by_tcp)
			query_tcp(r, &r->queries[index]);
		else
			query_udp(r, &r->queries[index]);
		break;
	case WATCH_CONNECTION:
		if (r->connections[index].fd < 0)
			break;
		if (ev->events & (EPOLLERR | EPOLLHUP))
			connection_close(&r->connections[index]);
		else if (r->connections[index].out)
			connection_write(r, &r->connections[index]);
		else if (!r->connections[index].busy)
			connection_read(r, &r->connections[index]);
		break;
	}
}

void corral_resolver_step(struct corral_resolver *r)
{
	struct epoll_event event;

	/* One at a time: any of them may close what another is about. */
	for (unsigned int i = 0; i < EVENTS && epoll_wait(r->epoll_fd, &event, 1, 0) == 1; i++)
		handle(r, &event);
	timer_set(r);
}

int corral_resolver_fd(const struct corral_resolver *r)
{
	return r->epoll_fd;
}

void corral_resolver_ask(struct corral_resolver *r, const struct corral_upstream *upstreams,
                         size_t n_upstreams)
{
	if (n_upstreams > CORRAL_RESOLVER_UPSTREAMS_MAX)
		n_upstreams = CORRAL_RESOLVER_UPSTREAMS_MAX;
	if (n_upstreams == r->n_upstreams &&
	    !memcmp(r->upstreams, upstreams, n_upstreams * sizeof(*upstreams)))
		return;
	memcpy(r->upstreams, upstreams, n_upstreams * sizeof(*upstreams));
	r->n_upstreams = n_upstreams;
	r->first_upstream = 0;
}

int corral_resolver_new(const struct corral_egress *e, const struct corral_resolver_ops *ops,
                        void *context, const struct corral_upstream *upstreams, size_t n_upstreams,
                        int take_udp_fd, int take_tcp_fd, struct corral_resolver **ret,
                        struct corral_error *err)
{
	corral_autofd int udp_fd = take_udp_fd, tcp_fd = take_tcp_fd;
	corral_auto(corral_resolver_freep) struct corral_resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return corral_error_sys(err, ENOMEM, "resolver");
	for (size_t i = 0; i < CORRAL_RESOLVER_CONNECTIONS_MAX; i++)
		r->connections[i].fd = -1;
	for (size_t i = 0; i < CORRAL_RESOLVER_QUERIES_MAX; i++)
		r->queries[i].fd = -1;
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r->udp_fd = corral_take_fd(&udp_fd);
	r->tcp_fd = corral_take_fd(&tcp_fd);
	if (r->epoll_fd < 0 || r->timer_fd < 0)
		return corral_error_sys(err, errno, "resolver: descriptors to wait with");
	r->egress = e;
	r->ops = ops;
	r->context = context;
	corral_resolver_ask(r, upstreams, n_upstreams);
	r->tokens = 2000ul * CORRAL_RESOLVER_PER_SECOND;
	r->tokens_ms = corral_now_ms();
	watch(r, r->udp_fd, EPOLLIN, WATCH_UDP, 0, EPOLL_CTL_ADD);
	watch(r, r->tcp_fd, EPOLLIN, WATCH_TCP, 0, EPOLL_CTL_ADD);
	watch(r, r->timer_fd, EPOLLIN, WATCH_TIMER, 0, EPOLL_CTL_ADD);
	*ret = corral_take_ptr(&r);
	return 0;
}

void corral_resolver_free(struct corral_resolver *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < CORRAL_RESOLVER_QUERIES_MAX; i++)
		if (r->queries[i].used)
			query_end(r, &r->queries[i]);
	for (size_t i = 0; i < CORRAL_RESOLVER_CONNECTIONS_MAX; i++)
		connection_close(&r->connections[i]);
	for (size_t i = 0; i < r->n_refused; i++)
		free(r->refused[i].name);
	corral_fd_closep(&r->udp_fd);
	corral_fd_closep(&r->tcp_fd);
	corral_fd_closep(&r->timer_fd);
	corral_fd_closep(&r->epoll_fd);
	free(r);
}

size_t corral_resolver_upstreams(const char *resolv_conf, struct corral_upstream *ret, size_t max)
{
	static const char word[] = "nameserver";
	size_t n = 0;

	for (const char *line = resolv_conf; *line && n < max; line += line[0] == '\n') {
		size_t len = strcspn(line, "\n"), blanks;
		char text[INET6_ADDRSTRLEN + 1] = "";
		struct sockaddr_in *v4 = (struct sockaddr_in *)&ret[n].address;
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret[n].address;
		const char *at = line + sizeof(word) - 1;

		if (len >= sizeof(word) && !strncmp(line, word, sizeof(word) - 1)) {
			blanks = strspn(at, " \t");
			at += blanks;
			if (blanks && strcspn(at, " \t\r\n#;%") < sizeof(text))
				memcpy(text, at, strcspn(at, " \t\r\n#;%"));
			memset(&ret[n], 0, sizeof(ret[n]));
			if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
				v4->sin_family = AF_INET;
				v4->sin_port = htons(PORT);
				ret[n++].len = sizeof(*v4);
			} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
				v6->sin6_family = AF_INET6;
				v6->sin6_port = htons(PORT);
				ret[n++].len = sizeof(*v6);
			}
		}
		line += len;
	}
	return n;
}

int corral_resolver_listen(const char *address, int *ret_udp_fd, int *ret_tcp_fd,
                           struct corral_error *err)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	corral_autofd int udp = -1, tcp = -1;
	int on = 1;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		return corral_error_set(err, EINVAL, "'%.40s' is no address of IPv4", address);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (udp < 0 || tcp < 0 || setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(udp, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    bind(tcp, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(tcp, BACKLOG) < 0)
		return corral_error_sys(err, errno, "listen on %s, port %d", address, PORT);
	*ret_udp_fd = corral_take_fd(&udp);
	*ret_tcp_fd = corral_take_fd(&tcp);
	return 0;
}
