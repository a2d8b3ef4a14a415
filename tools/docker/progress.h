/*
 * How a pull or a build goes on, on standard error: one line that is drawn anew on a terminal,
 * lines without numbers elsewhere. Says nothing where nothing is to be done.
 */
#ifndef CORRAL_TOOLS_DOCKER_PROGRESS_H
#define CORRAL_TOOLS_DOCKER_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/docker/image.h"

struct corral_docker_teller {
	struct corral_docker_progress
	        progress;      /* to be given to who pulls; its ctx is the teller */
	atomic_bool cancelled; /* set by anybody: ends it */
	bool terminal, drawn;
	uint64_t drawn_ms;
};

void corral_docker_teller_init(struct corral_docker_teller *t);
/* The terminal's line is empty again. */
void corral_docker_teller_done(struct corral_docker_teller *t);

/*
 * After done, of a failure: of a build, whose last lines are in the error's text, they are shown
 * here, below each other, unless they have been as they came; what is left is one line.
 */
void corral_docker_teller_failed(const struct corral_docker_teller *t, struct corral_error *err);

#endif
