/*
 * Several threads for one search that walks in order.
 *
 * Theory of operation: the calling thread walks the tree and cuts it into jobs, in the order of
 * their paths. Helpers take jobs from a short queue; when it is full, and when the walk is over,
 * the caller takes them as well, so it never waits for a helper to come into being, and a host that
 * grants no threads is only slower. Jobs are taken in order: once there is enough, all that are
 * still to come are behind it, and the answer is the same as one thread's.
 */
#ifndef CORRAL_KERNEL_FILES_CREW_H
#define CORRAL_KERNEL_FILES_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel/files/files.h"

struct files_job { /* the first member of a job */
	struct files_job *next;
};

struct files_crew {
	/* What one thread needs of its own, or NULL; a helper that gets none does not begin. */
	void *(*tools_new)(void *ctx);
	void (*tools_free)(void *tools);
	/* Does the job, without the lock. */
	void (*run)(void *ctx, void *tools, struct files_job *job);
	void *ctx;
	size_t queue_max;

	pthread_mutex_t lock; /* for what follows, and what run() shares */
	bool full;            /* enough: jobs that nobody has taken yet are not wanted any more */
	int failed;           /* the first failure that ends the search */
	struct files_job *first; /* all jobs, for their results */

	pthread_cond_t work;
	struct files_job **last;
	struct files_job *queue; /* the first that nobody has taken */
	size_t queued, waiting;
	pthread_t threads[CORRAL_FILES_THREADS_MAX];
	size_t n_threads, max_threads;
	bool walked;
};

/* With the members before the lock set. */
void files_crew_init(struct files_crew *c);
/* Takes the job; tools are the calling thread's. What ended the search, or 0. */
int files_crew_submit(struct files_crew *c, void *tools, struct files_job *job);
bool files_crew_full(struct files_crew *c);
/*
 * After the walk, which failed with r or did not: the rest is done, and the threads end. What is
 * still in c->queue then was not done by anyone. Jobs stay the caller's to free.
 */
int files_crew_finish(struct files_crew *c, void *tools, int r);
void files_crew_done(struct files_crew *c);

/* An open directory; the walk and its jobs hold it. */
struct files_folder {
	int fd;
	unsigned int users; /* under the crew's lock */
};

/* Takes the fd, also without memory: NULL. */
struct files_folder *files_folder_new(int fd);
/* Under the lock. */
void files_folder_put(struct files_folder *folder);

#endif
