/* Inside the MCP server: what its files share. */
#ifndef CORRAL_TOOLS_MCP_STATE_H
#define CORRAL_TOOLS_MCP_STATE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tools/mcp.h"

#define CORRAL_MCP_LINE_MAX  ((size_t)64 << 20) /* of one message */
#define CORRAL_MCP_CALLS_MAX 32                 /* at the same time */
#define CORRAL_MCP_BATCH_MAX 1000u              /* messages in one */

/* JSON-RPC 2.0, section 5.1 */
#define CORRAL_MCP_PARSE_ERROR    (-32700)
#define CORRAL_MCP_BAD_REQUEST    (-32600)
#define CORRAL_MCP_NO_METHOD      (-32601)
#define CORRAL_MCP_BAD_PARAMS     (-32602)
#define CORRAL_MCP_INTERNAL_ERROR (-32603)

/* Of RFC 5424, in the protocol's order; a client hears from its level on. */
enum corral_mcp_level { CORRAL_MCP_DEBUG, CORRAL_MCP_INFO, CORRAL_MCP_NOTICE, CORRAL_MCP_WARNING };

struct corral_mcp;
struct corral_mcp_batch;

/* A request, as far as its answer goes: on its own, or together with those of its batch. */
struct corral_mcp_asked {
	const json_t *id;               /* NULL: not known */
	struct corral_mcp_batch *batch; /* or NULL */
};

struct corral_mcp_call {
	struct corral_mcp *server;
	bool used;
	pthread_t thread;
	atomic_bool ended;     /* its thread has nothing more to do, and waits to be joined */
	atomic_bool cancelled; /* nobody waits for the answer */
	json_t *id, *params, *progress_token; /* the token may be NULL */
	struct corral_mcp_batch *batch;       /* held until the answer is given, or NULL */
	struct corral_cancel *cancel;
	uint64_t begin_ms, told_s; /* of how many seconds its client was told */
	atomic_ullong output_bytes;
};

struct corral_mcp {
	const struct corral_mcp_options *options;
	bool initialized;
	bool batches; /* the version that was agreed on has them */
	atomic_int level;
	pthread_mutex_t lock;                               /* one line at a time goes out */
	atomic_int broken;                                  /* errno: nobody reads any more */
	struct corral_mcp_call calls[CORRAL_MCP_CALLS_MAX]; /* of the reading thread */
};

/* Each takes the values given to it, and drops them when nobody reads any more. */
void corral_mcp_send(struct corral_mcp *m, json_t *message);
/* A whole line. */
void corral_mcp_send_text(struct corral_mcp *m, const char *text, size_t len);
void corral_mcp_reply(struct corral_mcp *m, const struct corral_mcp_asked *asked, json_t *result);
void corral_mcp_refuse(struct corral_mcp *m, const struct corral_mcp_asked *asked, int code,
                       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void corral_mcp_notify(struct corral_mcp *m, const char *method, json_t *params);
void corral_mcp_log(struct corral_mcp *m, enum corral_mcp_level level, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* tools/mcp_batch.c; NULL for what takes a batch: nothing is done. */
/* The caller's to drop. NULL: out of memory. */
struct corral_mcp_batch *corral_mcp_batch_new(struct corral_mcp *m);
void corral_mcp_batch_hold(struct corral_mcp_batch *b);
/* One answer, without the line's end; b is held by the caller. */
void corral_mcp_batch_add(struct corral_mcp_batch *b, const char *text, size_t len);
/* Sends the answers when nobody holds it any more. */
void corral_mcp_batch_drop(struct corral_mcp_batch *b);

/* tools/mcp_call.c */
/* A request tools/call; the answer comes from another thread. */
void corral_mcp_call_begin(struct corral_mcp *m, const struct corral_mcp_asked *asked,
                           json_t *params);
/* A notification that nobody waits for this one any more; unknown ids are none of its business. */
void corral_mcp_call_cancel(struct corral_mcp *m, const json_t *id);
/* Tells those who asked how it goes, and lets go of what has ended. Whether any is running. */
bool corral_mcp_calls_tend(struct corral_mcp *m);
/* Waits for them, those that take longer than grace_ms cancelled. */
void corral_mcp_calls_end(struct corral_mcp *m, int grace_ms);

/* tools/mcp_tools.c: the answer to tools/list. NULL: out of memory. */
json_t *corral_mcp_tools_list(const struct corral_mcp *m);

#endif
