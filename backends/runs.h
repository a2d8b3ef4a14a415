/*
 * Inside the backends: the commands that run under a name, so that another thread can end one.
 */
#ifndef CORRAL_BACKENDS_RUNS_H
#define CORRAL_BACKENDS_RUNS_H

#include <pthread.h>
#include <stdbool.h>

#include "kernel/base/error.h"

struct corral_run {
	struct corral_run *next;
	const char *id; /* NULL: nobody will ask for it */
	int stop_fd;    /* readable when it is to end; -1 without a name */
};

struct corral_runs {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct corral_run *first;
};

void corral_runs_init(struct corral_runs *r);
void corral_runs_done(struct corral_runs *r);

/*
 * The run lies with the caller, who takes it out after its end. -EEXIST: one of that name runs.
 * Without a name nothing is done, but for `always`: corral_runs_stop_all() then ends it as well.
 */
int corral_runs_enlist(struct corral_runs *r, struct corral_run *run, const char *id, bool always,
                       struct corral_error *err);
void corral_runs_delist(struct corral_runs *r, struct corral_run *run);

/* Asks the run of that name to end and waits for it, at most some seconds; none is fine. */
int corral_runs_stop(struct corral_runs *r, const char *id, struct corral_error *err);
int corral_runs_stop_all(struct corral_runs *r, struct corral_error *err);

#endif
