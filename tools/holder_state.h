/*
 * Inside the holder: what it has, and who is connected.
 */
#ifndef CORRAL_TOOLS_HOLDER_STATE_H
#define CORRAL_TOOLS_HOLDER_STATE_H

#include "kernel/process.h"
#include "tools/holder.h"
#include "tools/talk.h"

#define CORRAL_HOLDER_CLIENTS_MAX 256u

struct corral_holder_client {
	bool used;
	int fd;                         /* -1: it has left, and its command goes on */
	struct corral_process *process; /* NULL: none runs */
	struct corral_limits limits;    /* its own: time and output */
	uint64_t deadline_ms;           /* 0: none */
	bool detached;                  /* the command outlives the connection */
	bool doomed;                    /* to be killed as soon as it is not frozen */
	enum corral_reason doom;
};

struct corral_holder {
	struct corral_sandboxes dir;
	char id[CORRAL_SANDBOX_ID_SIZE];
	const struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct corral_sandbox *sandbox;
	int lock_fd, listen_fd, signals_fd;
	struct corral_holder_client clients[CORRAL_HOLDER_CLIENTS_MAX];
	uint64_t idle_ms, idle_since_ms;
	uint64_t stop_at_ms; /* 0: it is not being stopped */
	uint64_t look_at_ms; /* when to see whether anybody can still find us */
	bool paused, gone;
};

unsigned int corral_holder_running(const struct corral_holder *h);

/* Until its end; then everything has been given back. */
void corral_holder_loop(struct corral_holder *h);

/* SIGTERM to every command, and the end at the latest after grace_ms. */
void corral_holder_stop(struct corral_holder *h, uint64_t grace_ms);

/* holder_answer.c: does what a message of the client's asks for. -errno: the client is to be let
 * go. */
int corral_holder_answer(struct corral_holder *h, struct corral_holder_client *c,
                         struct corral_talk *t);
/* Takes words; a client that does not read what it is sent has left. */
int corral_holder_say(struct corral_holder_client *c, json_t *words, const int *fds,
                      unsigned int n_fds);
int corral_holder_refuse(struct corral_holder_client *c, const struct corral_error *why);

/* holder_exec.c */
int corral_holder_exec(struct corral_holder *h, struct corral_holder_client *c,
                       struct corral_talk *t);
/* Its command has ended: the client hears how. */
void corral_holder_concluded(struct corral_holder *h, struct corral_holder_client *c);
/* Ends its command, now or when it is let go on. */
void corral_holder_doom(struct corral_holder *h, struct corral_holder_client *c,
                        enum corral_reason reason);

#endif
