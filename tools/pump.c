#include "tools/pump.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void corral_pump_init(struct corral_pump *p, int from, int to)
{
	p->from = from;
	p->to = to;
	p->budget = NULL;
	p->passed = NULL;
	p->cut = p->at_end = false;
	p->start = p->len = 0;
	p->error = 0;
}

bool corral_pump_done(const struct corral_pump *p)
{
	return p->at_end && p->len == 0;
}

void corral_pump_want(const struct corral_pump *p, struct pollfd *ret)
{
	*ret = (struct pollfd) { .fd = -1 };
	if (p->len)
		*ret = (struct pollfd) { .fd = p->to, .events = POLLOUT };
	else if (!p->at_end)
		*ret = (struct pollfd) { .fd = p->from, .events = POLLIN };
}

static void fill(struct corral_pump *p)
{
	ssize_t n = read(p->from, p->data, sizeof(p->data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* EIO is how the master of a terminal says that the last of the other side has gone. */
	if (n <= 0) {
		p->at_end = true;
		return;
	}
	p->start = 0;
	p->len = (size_t)n;
	if (p->budget && p->len > *p->budget) {
		p->len = (size_t)*p->budget;
		p->cut = true;
	}
	if (p->budget)
		*p->budget -= p->len;
	/* A reader that has gone: the bytes are dropped, and the source is read to its end. */
	if (p->to < 0)
		p->len = 0;
}

static void drain(struct corral_pump *p)
{
	ssize_t n = write(p->to, p->data + p->start, p->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		p->error = errno;
		p->to = -1;
		p->len = 0;
		return;
	}
	if (p->passed)
		*p->passed += (uint64_t)n;
	p->start += (size_t)n;
	p->len -= (size_t)n;
}

void corral_pump_step(struct corral_pump *p, const struct pollfd *polled)
{
	if (polled->fd < 0 || !polled->revents)
		return;
	if (p->len)
		drain(p);
	else if (!p->at_end)
		fill(p);
}
