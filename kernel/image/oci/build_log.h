/*
 * Inside kernel/image/oci: what a build prints, line by line: to whoever watches, into a file of
 * bounded size, and the last of it for the message of a failure.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_LOG_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/image/oci/progress.h"

#define BUILD_LOG_MAX  (8u << 20) /* of a file; what comes later is not kept */
#define BUILD_LINE_MAX 1000       /* longer ones go on in the next */
#define BUILD_TAIL_MAX 1200

struct build_log {
	int fd;                                 /* borrowed; -1: none */
	const struct corral_progress *progress; /* or NULL */
	uint64_t written;
	bool is_full, canceled;
	char line[BUILD_LINE_MAX + 8];
	size_t len;
	bool after_return;         /* what comes begins the line anew */
	char tail[BUILD_TAIL_MAX]; /* whole lines, each with its end */
	size_t tail_len;
};

void build_log_init(struct build_log *l, int fd, const struct corral_progress *progress);
/* Bytes of a command. Control characters are left out; of what a carriage return writes over, the
 * last is kept. */
void build_log_feed(struct build_log *l, const char *data, size_t len);
/* The end of a command: a line without an end is one. */
void build_log_flush(struct build_log *l);
/* A line of ours. */
void build_log_say(struct build_log *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A new step: the tail is of this one. */
void build_log_forget(struct build_log *l);
/* As many of the last lines as fit size bytes, without the last one's end; borrowed. */
const char *build_log_tail(struct build_log *l, size_t size);

#endif
