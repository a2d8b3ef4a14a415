/*
 * Several messages in one (JSON-RPC 2.0, section 6): answered by one array, once the last of its
 * calls has come to an end. Only the protocol's version of March 2025 has them.
 */
#include <stdlib.h>

#include "kernel/base/cleanup.h"
#include "tools/mcp_state.h"

/* Answers are kept as text: a value's count of references is no business of two threads. */
struct corral_mcp_batch {
	struct corral_mcp *server;
	pthread_mutex_t lock;
	struct corral_buf answers;
	size_t holds; /* the reading thread, and calls that are running */
};

struct corral_mcp_batch *corral_mcp_batch_new(struct corral_mcp *m)
{
	struct corral_mcp_batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->server = m;
	b->holds = 1;
	(void)pthread_mutex_init(&b->lock, NULL);
	return b;
}

void corral_mcp_batch_hold(struct corral_mcp_batch *b)
{
	if (!b)
		return;
	(void)pthread_mutex_lock(&b->lock);
	b->holds++;
	(void)pthread_mutex_unlock(&b->lock);
}

void corral_mcp_batch_add(struct corral_mcp_batch *b, const char *text, size_t len)
{
	(void)pthread_mutex_lock(&b->lock);
	corral_buf_str(&b->answers, b->answers.len ? "," : "[");
	corral_buf_add(&b->answers, text, len);
	(void)pthread_mutex_unlock(&b->lock);
}

void corral_mcp_batch_drop(struct corral_mcp_batch *b)
{
	bool last;

	if (!b)
		return;
	(void)pthread_mutex_lock(&b->lock);
	last = !--b->holds;
	(void)pthread_mutex_unlock(&b->lock);
	if (!last)
		return;
	/* Notifications alone, or calls that were all taken back, have no answer. */
	if (b->answers.len) {
		corral_buf_str(&b->answers, "]\n");
		/* Without memory they hear nothing, as of a dead server. */
		if (!b->answers.failed)
			corral_mcp_send_text(b->server, b->answers.data, b->answers.len);
	}
	corral_buf_done(&b->answers);
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
}
