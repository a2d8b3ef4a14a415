/*
 * Inside the backends: the background processes of one sandbox, by their ids. What a process is,
 * and where its output waits, is the backend's matter.
 */
#ifndef CORRAL_BACKENDS_BACKGROUNDS_H
#define CORRAL_BACKENDS_BACKGROUNDS_H

#include <pthread.h>

#include "backends/sandbox.h"

/* Of one process, by one thread at a time. */
struct corral_background_ops {
	/* /bin/sh -c command; *ret is given to close. */
	int (*start)(void *place, const char *command, const char *shell_id, void **ret,
	             int *ret_pid, struct corral_error *err);
	/* 1 with the exit code (negative: minus the signal) when it has ended. Does not wait. */
	int (*ended)(void *process, int *ret_exit_code);
	/* What is new on stdout (0) or stderr (1), appended; a bounded piece of it. */
	int (*read)(void *process, int which, struct corral_buf *ret, struct corral_error *err);
	/* Ends its tree; ended() then says so. */
	void (*kill)(void *process);
	void (*close)(void *process); /* kills as well */
};

struct corral_background_entry;

struct corral_backgrounds {
	const struct corral_background_ops *ops;
	pthread_mutex_t lock;
	struct corral_background_entry *first; /* the newest */
};

void corral_backgrounds_init(struct corral_backgrounds *l, const struct corral_background_ops *ops);
/* Kills and forgets all; nobody may be in a call. */
void corral_backgrounds_done(struct corral_backgrounds *l);

/* As the calls of backends/sandbox.h promise. number: makes the id, and is never used again. */
int corral_backgrounds_start(struct corral_backgrounds *l, void *place, const char *command,
                             unsigned int number, struct corral_background *ret,
                             struct corral_error *err);
int corral_backgrounds_read(struct corral_backgrounds *l, const char *shell_id,
                            struct corral_buf *out, struct corral_buf *err_out,
                            struct corral_background *ret, struct corral_error *err);
int corral_backgrounds_kill(struct corral_backgrounds *l, const char *shell_id);
int corral_backgrounds_list(struct corral_backgrounds *l, struct corral_background_list *ret,
                            struct corral_error *err);
void corral_backgrounds_kill_all(struct corral_backgrounds *l);
/* -ESRCH with the protocol's text. */
int corral_background_unknown(const char *shell_id, struct corral_error *err);

#endif
