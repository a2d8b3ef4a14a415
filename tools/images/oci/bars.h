/*
 * How a pull or a load goes on, on standard error: on a terminal one line for each layer, drawn
 * anew as it changes; elsewhere a line for what happens; nothing when it shall be quiet. An
 * interrupt ends what is told of, and a second one us.
 */
#ifndef CORRAL_TOOLS_IMAGES_OCI_BARS_H
#define CORRAL_TOOLS_IMAGES_OCI_BARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/image/oci/progress.h"

#define CORRAL_BARS_MAX  160 /* names that are told of; more have no line of their own */
#define CORRAL_BAR_BYTES 200 /* of a line */

struct corral_bar {
	char name[32];
	const char *doing; /* static */
	uint64_t current, total;
};

struct corral_error;

struct corral_bars {
	struct corral_progress progress; /* to be given to who works; its ctx is this */
	bool is_quiet, is_terminal;
	struct corral_bar bars[CORRAL_BARS_MAX];
	size_t n;
	size_t drawn[CORRAL_BARS_MAX + 1]; /* columns of the lines that are on the terminal */
	size_t n_drawn;
	uint64_t drawn_ms;
};

void corral_bars_init(struct corral_bars *b, bool is_quiet);
/* The terminal is as before. */
void corral_bars_done(struct corral_bars *b);
/* Forgets them all, too: for the next image. */
void corral_bars_clear(struct corral_bars *b);

/* From now on the first SIGINT, SIGTERM or SIGHUP makes progress cancel, and the next one ends the
 * process at once. Those that are ignored stay so. */
void corral_bars_interruptible(void);
/* Which one came, or 0. */
int corral_bars_interrupted(void);

/* The terminal is as before; r, or where it is of such a signal, which is told of, the exit status.
 */
int corral_bars_end(struct corral_bars *b, int r, const struct corral_error *err);

/* One line as it is drawn: at most `columns` of them, no newline. Pure. */
void corral_bar_text(const struct corral_bar *bar, size_t columns, char ret[CORRAL_BAR_BYTES]);

#endif
