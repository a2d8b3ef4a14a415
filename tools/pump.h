/*
 * Carries bytes from one descriptor to another inside somebody's poll loop, one small buffer at a
 * time: a reader that is slow makes the writer wait, and nothing is lost or piles up.
 */
#ifndef CORRAL_TOOLS_PUMP_H
#define CORRAL_TOOLS_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At most PIPE_BUF: after POLLOUT that much goes into a pipe without blocking. */
#define CORRAL_PUMP_SIZE 4096

struct corral_pump {
	int from, to;     /* borrowed; -1: ended there */
	uint64_t *budget; /* NULL, or bytes that may still pass, shared with other pumps */
	uint64_t *passed; /* NULL, or where passed bytes are counted */
	bool cut;         /* the budget ended: what comes now is read and dropped */
	bool at_end;      /* the source ended or broke */
	int error;        /* why nothing can be written any more; EPIPE: the reader has gone */
	char data[CORRAL_PUMP_SIZE];
	size_t start, len;
};

void corral_pump_init(struct corral_pump *p, int from, int to);
/* Nothing will pass any more. */
bool corral_pump_done(const struct corral_pump *p);
/* What to poll for; fd is -1 (which poll ignores) when done. */
void corral_pump_want(const struct corral_pump *p, struct pollfd *ret);
/* After poll: moves what can be moved without waiting. */
void corral_pump_step(struct corral_pump *p, const struct pollfd *polled);

#endif
