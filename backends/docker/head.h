/*
 * Inside the Docker backend: the head of an answer on a connection that we speak HTTP on
 * ourselves, and the body of one that says no.
 */
#ifndef CORRAL_BACKENDS_DOCKER_HEAD_H
#define CORRAL_BACKENDS_DOCKER_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"

/* Bytes of one head. */
#define DOCKER_HIJACK_HEAD_MAX (16u << 10)

struct docker_head {
	long status;
	bool is_json, is_chunked;
	int64_t length; /* of the body; -1: not said */
};

/* The bytes that the head takes, 0 while it is not whole, -EPROTO for what is none (or too long).
 */
long docker_head_parse(const char *data, size_t len, struct docker_head *ret);

/*
 * What has come of the body of such a head, appended without its framing. 1: that is all of it, 0:
 * there is more to come, -EPROTO. eof: nothing more will come.
 */
int docker_head_body(const struct docker_head *h, const char *data, size_t len, bool eof,
                     struct corral_buf *ret);

#endif
