/*
 * Inside the holder: what it has, and who is connected.
 */
#ifndef CORRAL_TOOLS_HOLDER_STATE_H
#define CORRAL_TOOLS_HOLDER_STATE_H

#include "kernel/process.h"
#include "tools/holder.h"
#include "tools/talk.h"

#define CORRAL_HOLDER_CLIENTS_MAX 256u
#define CORRAL_HOLDER_SHELLS_MAX  64u /* detached commands whose output is kept */
#define CORRAL_HOLDER_NAME_SIZE   240 /* of a command, for people */

struct corral_holder_shell {
	unsigned int number; /* "bg_N"; 0: no shell */
	char command[CORRAL_HOLDER_NAME_SIZE];
	int pid; /* in the sandbox */
	bool running;
	int exit_code;     /* negative: minus the signal */
	uint64_t ended_at; /* counted, not timed */
	int fds[2];        /* to read what it wrote; -1: that went elsewhere */
	int64_t from[2];   /* what is before has been given back */
};

struct corral_holder_client {
	bool used;
	int fd;                         /* -1: it has left, and its command goes on */
	struct corral_process *process; /* NULL: none runs */
	char command[CORRAL_HOLDER_NAME_SIZE];
	struct corral_holder_shell *shell; /* of the command, when its output is kept */
	struct corral_limits limits;       /* its own: time and output */
	uint64_t deadline_ms;              /* 0: none */
	bool detached;                     /* the command outlives the connection */
	bool doomed;                       /* to be killed as soon as it is not frozen */
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
	struct corral_holder_shell shells[CORRAL_HOLDER_SHELLS_MAX];
	unsigned int last_shell;
	uint64_t shells_ended;
	uint64_t trim_at_ms; /* 0: nobody writes */
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

/* holder_shells.c */
/* stdio: those that are -1 become files of ours; the caller closes them. -EAGAIN: all are running.
 */
int corral_holder_shell_begin(struct corral_holder *h, char *const *argv, int stdio[3],
                              struct corral_holder_shell **ret, struct corral_error *err);
void corral_holder_shell_drop(struct corral_holder_shell *s);
void corral_holder_shell_ended(struct corral_holder *h, struct corral_holder_shell *s,
                               const struct corral_receipt *r);
bool corral_holder_shells_trim(struct corral_holder *h);
/* Answers to "shells", "shell" and "shell_kill". */
int corral_holder_shells(struct corral_holder *h, struct corral_holder_client *c,
                         const struct corral_talk *t);
int corral_holder_shell_show(struct corral_holder *h, struct corral_holder_client *c,
                             const struct corral_talk *t);
int corral_holder_shell_kill(struct corral_holder *h, struct corral_holder_client *c,
                             const struct corral_talk *t);

#endif
