/* What policy/isolation.h chooses from, on this host and for this user: one look for many
 * runtimes. */
#ifndef CORRAL_TOOLS_ISOLATION_HERE_H
#define CORRAL_TOOLS_ISOLATION_HERE_H

#include "kernel/isolation.h"

struct corral_isolation_here {
	struct corral_launcher *launcher; /* or trouble */
	struct corral_error trouble;
	struct corral_image_store *images; /* NULL: none */
	bool opened, asked, docker;
	char docker_why[CORRAL_ERROR_TEXT_SIZE];
};

/* Zeroed before the first; looks for what no runtime before asked for. Texts live as long as here
 * and ret. */
void corral_isolation_here_look(struct corral_isolation_here *here, const struct corral_runtime *rt,
                                struct corral_isolation_look *ret);
void corral_isolation_here_done(struct corral_isolation_here *here);

/*
 * The choice for one runtime; what cannot change it is not looked at. no_docker: why containers are
 * out of question, or NULL. As corral_isolation_choose(). In the program without the Docker
 * backend, Docker's is the choice where the other program is to be asked.
 */
int corral_isolation_here_choose(const struct corral_runtime *rt, const char *no_docker,
                                 struct corral_isolation_choice *ret, struct corral_error *err);

#endif
