/*
 * Inside the Docker backend: one request to the engine and its answer.
 */
#ifndef CORRAL_BACKENDS_DOCKER_HTTP_H
#define CORRAL_BACKENDS_DOCKER_HTTP_H

#include <jansson.h>

#include "backends/docker/engine.h"
#include "kernel/base/buf.h"
#include "kernel/files/files.h"

/* Of an answer that is kept whole; more of it is -EMSGSIZE. */
#define CORRAL_DOCKER_ANSWER_MAX (32u << 20)

struct corral_docker_request {
	const char *method; /* "GET", ... */
	const char *path;   /* behind the version: "/containers/json?all=1", escaped already */
	/* At most one of the three. */
	const json_t *json;                       /* the body; borrowed */
	const struct corral_buf *body;            /* "application/x-tar" unless content_type says */
	const struct corral_files_source *source; /* the same, streamed in chunks */
	const char *content_type;
	const char *const *headers; /* more of them, "Name: value"; NULL-terminated */
	/* Where a successful answer's body goes; NULL: it is kept in the answer. An error of the
	 * sink's ends the call and is what the call returns. */
	const struct corral_files_sink *sink;
	int64_t timeout_ms; /* 0: the engine's; negative: none, but see idle_ms */
	int64_t idle_ms;    /* ends it when no byte moved for so long; 0: not */
	int cancel_fd;      /* with use_cancel: readable ends the call with -ECANCELED */
	bool use_cancel;
};

struct corral_docker_answer {
	long status; /* 200, 404, ... */
	struct corral_buf body;
	json_t *json; /* of the body when it says to be JSON and is; else NULL */
	struct corral_buf
	        stat; /* X-Docker-Container-Path-Stat, decoded from base64; empty without */
};

void corral_docker_answer_done(struct corral_docker_answer *a);

/*
 * 0 with any status that the engine answered: who calls knows which of them mean something.
 * -errno when there was no answer: -ECONNREFUSED (nobody listens, also when the socket is gone:
 * never -ENOENT, which would be taken for what was asked about), -EACCES, -ETIMEDOUT, -ECANCELED,
 * -EPIPE (cut off in the middle), -EPROTO (no HTTP, or JSON that is none), -EMSGSIZE. A request
 * that a stale connection swallowed before anything was answered is sent once more where that is
 * harmless. a is the caller's to give to done() in either case.
 */
int corral_docker_call(struct corral_docker_engine *e, const struct corral_docker_request *q,
                       struct corral_docker_answer *a, struct corral_error *err);

/*
 * The same for callers to whom only success matters: statuses of 400 and above become errors with
 * the engine's own message, valid UTF-8 without control characters and of bounded length: 404
 * -ENOENT, 409 -EBUSY, 400 -EINVAL, 401 and 403 -EACCES, 501 -EOPNOTSUPP, 503 and other 5xx -EIO.
 * ret_json may be NULL; else a new reference, -EPROTO when the answer is no JSON.
 */
int corral_docker_do(struct corral_docker_engine *e, const char *method, const char *path,
                     const json_t *json, json_t **ret_json, struct corral_error *err);
/* The error of such a status, for those who made the call themselves. Returns -errno. */
int corral_docker_refused(const struct corral_docker_answer *a, struct corral_error *err);

/* Appends text as it may stand in a path or a query: everything but [A-Za-z0-9._~-] in %XX. */
void corral_docker_escape(struct corral_buf *b, const char *text);

/*
 * A connection that the engine gave up being HTTP on (exec start, attach): bytes both ways.
 * Used by one thread at a time. Reads and writes do not block.
 */
struct corral_docker_stream;

/* POSTs json to path with "Upgrade: tcp"; statuses are errors as of corral_docker_do(). */
int corral_docker_stream_open(struct corral_docker_engine *e, const char *path, const json_t *json,
                              struct corral_docker_stream **ret, struct corral_error *err);
/* The same over a connected socket of the caller's, which it takes: a test's, or a pair's. */
int corral_docker_stream_new_take(int fd, struct corral_docker_stream **ret,
                                  struct corral_error *err);
/* To be polled; over TLS there may be more to read when poll sees nothing, so read until -EAGAIN
 * first. Borrowed. */
int corral_docker_stream_fd(const struct corral_docker_stream *s);
/* Bytes, 0 at the end, -EAGAIN, -EPIPE and others. What was not written for -EAGAIN has to be what
 * is written next (over TLS, where bytes may be half on their way, others are -EINVAL). */
long corral_docker_stream_read(struct corral_docker_stream *s, void *data, size_t size);
long corral_docker_stream_write(struct corral_docker_stream *s, const void *data, size_t len);
/* No more will be written; the other side sees the end (over TLS it cannot, and -EOPNOTSUPP). */
int corral_docker_stream_shut(struct corral_docker_stream *s);
/* Takes NULL. */
void corral_docker_stream_close(struct corral_docker_stream *s);

#endif
