/*
 * Between the caller's terminal and a command while it runs: signals are handed on, and where there
 * is a terminal or a limit on output, bytes are carried. Otherwise the command holds the caller's
 * own descriptors and nothing here is in the way of a single byte. Who runs the command is the
 * owner's business.
 */
#ifndef CORRAL_TOOLS_RELAY_H
#define CORRAL_TOOLS_RELAY_H

#include "kernel/receipt.h"
#include "tools/pump.h"
#include "tools/signals.h"
#include "tools/tty.h"

#define CORRAL_RELAY_PUMPS_MAX 2

/* What is done to the command; all may come after its end, and then do nothing. */
struct corral_relay_ops {
	void (*signal)(void *owner, int signo);
	void (*kill)(void *owner, enum corral_reason reason);
	void (*count_output)(void *owner, uint64_t bytes);
	/* Of its terminal; NULL: the descriptor that begin was given is one itself. */
	void (*resize)(void *owner, uint16_t rows, uint16_t cols);
	/* As corral_sandbox_dispatch(): 1 when it has ended, 0, -errno. */
	int (*dispatch)(void *owner, struct corral_error *err);
};

struct corral_relay {
	const struct corral_relay_ops *ops;
	void *owner;
	struct corral_signals signals;
	struct corral_tty terminal;
	struct corral_streams streams;
	struct corral_pump pumps[CORRAL_RELAY_PUMPS_MAX];
	int pipes[CORRAL_RELAY_PUMPS_MAX]; /* our ends, when output is counted */
	size_t n_pumps;
	struct corral_pump input; /* of a terminal that is not lent */
	int input_fd;             /* the pipe's end that is ours; -1 without */
	bool tty, limited;
	int tty_fd; /* borrowed */
	uint64_t budget, passed, counted;
	uint64_t interrupted_ms;
	bool end_sent, killed, hung_up, opened;
};

/* Nothing of it is in use yet; closing it is fine. */
void corral_relay_init(struct corral_relay *r, const struct corral_relay_ops *ops, void *owner);

/* From now on signals are collected: before anything is built. */
int corral_relay_open(struct corral_relay *r, struct corral_error *err);

/*
 * Before the command starts. output_bytes: at most so many may pass, 0 for any number. lends: a
 * terminal of the caller's may be the command's own; whoever gets it there keeps it as long as it
 * lives, and reads what is typed. Descriptors that the command is to write to: the caller's own, or
 * pipes, in ret_write_fds as well, which the caller closes when the command has them.
 */
int corral_relay_prepare(struct corral_relay *r, bool tty, uint64_t output_bytes, bool lends,
                         int fds[2], int ret_write_fds[2], struct corral_error *err);
/* The same for standard input: *ret_fd is it, or, where it is a terminal, a pipe of what is typed,
 * in *ret_read_fd as well. */
int corral_relay_input(struct corral_relay *r, int *ret_fd, int *ret_read_fd,
                       struct corral_error *err);
/* When it has started; tty_fd is the master of its terminal. */
int corral_relay_begin(struct corral_relay *r, int tty_fd, struct corral_error *err);

/* Until the command has ended. event_fd: readable when dispatch has something to do. */
int corral_relay_loop(struct corral_relay *r, int event_fd, struct corral_error *err);
/* What the command wrote before its end. A slow reader is waited for; an interrupt is not. */
void corral_relay_drain(struct corral_relay *r);

/* Output went beyond the limit, whether or not the command had ended by itself meanwhile. */
bool corral_relay_cut(const struct corral_relay *r);
/* 0, or why output could not be written; a reader that has gone is none. */
int corral_relay_error(const struct corral_relay *r);

/* The terminal is the caller's again, as it was. */
void corral_relay_restore(struct corral_relay *r);
void corral_relay_close(struct corral_relay *r);

#endif
