/*
 * What the holder of a sandbox and the commands that ask it for something say to each other: one
 * JSON object in each message of a SOCK_SEQPACKET socket, and descriptors beside it. Each side
 * checks what it hears as if from a stranger: the other may be a corral of another version, or no
 * corral at all.
 */
#ifndef CORRAL_TOOLS_TALK_H
#define CORRAL_TOOLS_TALK_H

#include <jansson.h>
#include <stdint.h>

#include "kernel/base/error.h"

#define CORRAL_TALK_MAX     (64u << 10) /* bytes of one message */
#define CORRAL_TALK_FDS_MAX 5u

struct corral_talk {
	json_t *words; /* an object */
	int fds[CORRAL_TALK_FDS_MAX];
	unsigned int n_fds;
};

/* Takes words, also when it fails; NULL is out of memory. -EAGAIN: the other side does not read.
 * -EPIPE: it is gone. */
int corral_talk_send(int socket_fd, json_t *words, const int *fds, unsigned int n_fds,
                     struct corral_error *err);

/*
 * 1: a message, to be given to corral_talk_done(). 0: the other side is gone. -EAGAIN without a
 * text, with MSG_DONTWAIT. -EPROTO: what came is no message.
 */
int corral_talk_receive(int socket_fd, int flags, struct corral_talk *ret,
                        struct corral_error *err);
/* The same, within timeout_ms: -ETIMEDOUT. */
int corral_talk_await(int socket_fd, int timeout_ms, struct corral_talk *ret,
                      struct corral_error *err);
void corral_talk_done(struct corral_talk *t);

/* The one of that number, which is the caller's from now on; -1 without. */
int corral_talk_take_fd(struct corral_talk *t, unsigned int i);

/* NULL, or fallback, when there is none of that kind. Numbers lie between 0 and INT64_MAX. */
const char *corral_talk_text(const json_t *words, const char *key);
int64_t corral_talk_number(const json_t *words, const char *key, int64_t fallback);

#endif
