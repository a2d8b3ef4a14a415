/*
 * Inside the backends: one command in a live sandbox, with its streams, its deadline and its ways
 * to be ended.
 */
#ifndef CORRAL_BACKENDS_EXECUTE_H
#define CORRAL_BACKENDS_EXECUTE_H

#include "backends/sandbox.h"
#include "kernel/process.h"

/* What a command is started in, and what then runs, as far as its streams and its end matter:
 * kernel/process.h for a sandbox. */
struct corral_execute_ops {
	/* -ENOENT, -EACCES, -ENOEXEC, ...: it cannot be executed. *ret is given to close. */
	int (*start)(void *place, const struct corral_command *command, void **ret,
	             struct corral_error *err);
	int (*event_fd)(const void *process);
	/* 1 when it has ended and so has its tree, 0, -errno. Where start did not wait for it, also
	 * why it cannot be executed, with the receipt's exec_error. */
	int (*dispatch)(void *process, struct corral_error *err);
	int (*signal)(void *process, int signo);
	/* Ends its tree; the receipt is complete then. */
	void (*kill)(void *process, enum corral_reason reason);
	const struct corral_receipt *(*receipt)(const void *process);
	void (*count_output)(void *process, uint64_t bytes); /* or NULL */
	void (*close)(void *process);                        /* takes NULL */
};

/*
 * env: what x layers over; stop_fd: readable when it is to be ended politely; -1. Returns as
 * corral_backend_execute() does.
 */
int corral_execute_with(const struct corral_execute_ops *ops, void *place,
                        const struct corral_execute *x, char *const *env, int stop_fd,
                        struct corral_executed *ret, struct corral_error *err);

/* The same in a sandbox, whose environment is env. */
int corral_execute_in(struct corral_sandbox *s, const struct corral_execute *x, char *const *env,
                      int stop_fd, struct corral_executed *ret, struct corral_error *err);

/* Whether it is over before it has begun: no time left, cancelled, or stopped. ret then says so. */
bool corral_execute_is_over(const struct corral_execute *x, bool stopped,
                            struct corral_executed *ret);

/* Both lists as one, in which later values win; the array alone is the caller's to free. NULL
 * without memory. */
char **corral_environment_merge(char *const *base, char *const *over);

#endif
