#include "kernel/files/crew.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_SIZE (256u << 10)

void files_crew_init(struct files_crew *c)
{
	cpu_set_t cpus;
	int n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	c->max_threads = (size_t)(n > CORRAL_FILES_THREADS_MAX ? CORRAL_FILES_THREADS_MAX : n) - 1;
	c->last = &c->first;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->work, NULL);
}

void files_crew_done(struct files_crew *c)
{
	(void)pthread_cond_destroy(&c->work);
	(void)pthread_mutex_destroy(&c->lock);
}

/* Under the lock. NULL when there is none, or none is wanted any more. */
static struct files_job *take(struct files_crew *c)
{
	struct files_job *job = c->queue;

	if (!job || c->full || c->failed)
		return NULL;
	c->queue = job->next;
	c->queued--;
	return job;
}

static void *help(void *arg)
{
	struct files_crew *c = arg;
	void *tools = c->tools_new ? c->tools_new(c->ctx) : NULL;
	struct files_job *job;

	/* Without memory the caller does it alone. */
	if (c->tools_new && !tools)
		return NULL;
	(void)pthread_mutex_lock(&c->lock);
	for (;;) {
		job = take(c);
		if (job) {
			(void)pthread_mutex_unlock(&c->lock);
			c->run(c->ctx, tools, job);
			(void)pthread_mutex_lock(&c->lock);
			continue;
		}
		if (c->walked || c->full || c->failed)
			break;
		c->waiting++;
		(void)pthread_cond_wait(&c->work, &c->lock);
		c->waiting--;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (tools)
		c->tools_free(tools);
	return NULL;
}

static void start_helper(struct files_crew *c)
{
	pthread_attr_t attr;

	if (pthread_attr_init(&attr))
		return;
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (pthread_create(&c->threads[c->n_threads], &attr, help, c) == 0)
		c->n_threads++;
	else
		c->max_threads = c->n_threads;
	(void)pthread_attr_destroy(&attr);
}

int files_crew_submit(struct files_crew *c, void *tools, struct files_job *job)
{
	struct files_job *mine = NULL;
	bool more = false;
	int r;

	job->next = NULL;
	(void)pthread_mutex_lock(&c->lock);
	*c->last = job;
	c->last = &job->next;
	if (!c->queue)
		c->queue = job;
	c->queued++;
	if (c->queued >= c->queue_max)
		mine = take(c);
	else if (c->waiting)
		(void)pthread_cond_signal(&c->work);
	else
		more = c->queued > 1 && c->n_threads < c->max_threads;
	(void)pthread_mutex_unlock(&c->lock);
	if (mine)
		c->run(c->ctx, tools, mine);
	if (more)
		start_helper(c);
	(void)pthread_mutex_lock(&c->lock);
	r = c->failed;
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

bool files_crew_full(struct files_crew *c)
{
	bool full;

	(void)pthread_mutex_lock(&c->lock);
	full = c->full;
	(void)pthread_mutex_unlock(&c->lock);
	return full;
}

int files_crew_finish(struct files_crew *c, void *tools, int r)
{
	struct files_job *job;

	(void)pthread_mutex_lock(&c->lock);
	if (r < 0 && !c->failed)
		c->failed = r;
	c->walked = true;
	(void)pthread_cond_broadcast(&c->work);
	while ((job = take(c))) {
		(void)pthread_mutex_unlock(&c->lock);
		c->run(c->ctx, tools, job);
		(void)pthread_mutex_lock(&c->lock);
	}
	(void)pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < c->n_threads; i++)
		(void)pthread_join(c->threads[i], NULL);
	return c->failed;
}

struct files_folder *files_folder_new(int fd)
{
	struct files_folder *folder = malloc(sizeof(*folder));

	if (!folder) {
		(void)close(fd);
		return NULL;
	}
	folder->fd = fd;
	folder->users = 1;
	return folder;
}

void files_folder_put(struct files_folder *folder)
{
	if (--folder->users)
		return;
	(void)close(folder->fd);
	free(folder);
}
