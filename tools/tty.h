/*
 * The caller's terminal while a command has one of its own: raw, so that every key reaches the
 * guest's line discipline, and given back as it was on every way out.
 */
#ifndef CORRAL_TOOLS_TTY_H
#define CORRAL_TOOLS_TTY_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "kernel/base/error.h"

struct corral_tty {
	bool is_raw;
	struct termios saved;
};

/*
 * How the caller's standard streams are: a command that holds them can change the terminal's modes,
 * and the flags of what others hold as well, such as O_NONBLOCK.
 */
struct corral_streams {
	int flags[3]; /* -1: not open */
	bool has_modes[3];
	struct termios modes[3];
};
void corral_streams_save(struct corral_streams *s);
/* What has changed is as it was. Harmless twice. */
void corral_streams_restore(const struct corral_streams *s);

/* Makes standard input raw; does nothing when it is no terminal. */
int corral_tty_raw(struct corral_tty *t, struct corral_error *err);
/* As it was. Harmless when it never was raw, or twice. */
void corral_tty_restore(struct corral_tty *t);

/* The size of the caller's terminal, of whichever standard stream is one; 24 by 80 without. */
void corral_tty_size(uint16_t *ret_rows, uint16_t *ret_cols);
/* Gives that size to the guest's terminal, whose foreground processes are told by the kernel. */
void corral_tty_resize(int master_fd);

#endif
