/*
 * The client's lower half: messages to and from the server, matched to the calls that wait for
 * them. What is above it, the operations, sees a call as: begin, maybe send chunks, take events
 * until the reply, end.
 */
#ifndef CORRAL_KERNEL_FILES_CLIENT_WIRE_H
#define CORRAL_KERNEL_FILES_CLIENT_WIRE_H

#include <pthread.h>

#include "kernel/files/client.h"
#include "kernel/files/wire.h"

struct files_event {
	struct files_event *next;
	enum corral_files_wire_type type; /* _DATA or _REPLY */
	struct corral_files_answer reply; /* into message */
	const char *data;                 /* of either */
	size_t len;
	char message[];
};

struct files_call {
	struct files_call *next;
	struct corral_files_client *client;
	uint64_t id;
	struct corral_files_stop stop;
	pthread_cond_t moved;
	struct files_event *first, **last;
	bool uploads; /* its request had more to come */
	bool sending; /* and still has */
	bool waiting, replied;
	uint64_t got, granted;   /* chunks of the answer; allowed */
	uint64_t sent, may_send; /* chunks of the upload */
};

/* What a call asks for; texts may be NULL for "". */
struct files_ask {
	enum corral_files_op op;
	unsigned int flags;
	uint64_t n[3];
	const char *text[3];
	const void *data;
	size_t len;
	bool more;
};

/* Sends the request once the client has room for it. On failure nothing needs to be ended. */
int files_call_begin(struct corral_files_client *c, const struct corral_files_bounds *b,
                     const struct files_ask *ask, struct files_call *ret, struct corral_error *err);

/*
 * The next event, which the caller frees; waits for it. For uploads, also 0 with *ret NULL when a
 * chunk may be sent.
 */
int files_call_next(struct files_call *call, struct files_event **ret, struct corral_error *err);

/* One more chunk of the upload. */
int files_call_send(struct files_call *call, const void *data, size_t len, bool last,
                    struct corral_error *err);

/* A chunk was consumed: another may come. */
int files_call_grant(struct files_call *call, struct corral_error *err);

/* In any state; what has not been replied is cancelled. */
void files_call_end(struct files_call *call);

/* Reserves bytes of the client's budget for answers; false when there are none left. Given back
 * with a negative. */
bool files_client_hold(struct corral_files_client *c, int64_t bytes);

#endif
