/*
 * The background processes of a session's backend: those of its sandbox, whoever started them. How
 * far each has been read is this side's to know.
 */
#ifndef CORRAL_TOOLS_SESSION_SHELLS_H
#define CORRAL_TOOLS_SESSION_SHELLS_H

#include <pthread.h>

#include "backends/base.h"
#include "tools/sandboxes.h"

#define CORRAL_SESSION_SHELLS_MAX 64u /* whose reading is known; the holder keeps no more */

struct corral_session_shells {
	char id[CORRAL_SANDBOX_ID_SIZE]; /* of the sandbox */
	pthread_mutex_t lock;
	struct corral_session_reading {
		char shell_id[CORRAL_SHELL_ID_SIZE];
		int64_t at[2];
		uint64_t used_at;
	} readings[CORRAL_SESSION_SHELLS_MAX];
	uint64_t reads;
};

void corral_session_shells_init(struct corral_session_shells *s);
void corral_session_shells_done(struct corral_session_shells *s);

/* Their ctx begins with the struct above. */
extern const struct corral_base_background corral_session_background;

#endif
