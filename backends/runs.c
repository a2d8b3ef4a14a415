#include "backends/runs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define STOP_S 5u

void corral_runs_init(struct corral_runs *r)
{
	(void)pthread_mutex_init(&r->lock, NULL);
	corral_cond_init(&r->changed);
	r->first = NULL;
}

void corral_runs_done(struct corral_runs *r)
{
	(void)pthread_mutex_destroy(&r->lock);
	(void)pthread_cond_destroy(&r->changed);
}

/* id NULL: any. */
static struct corral_run *find(const struct corral_runs *r, const char *id)
{
	struct corral_run *run = r->first;

	while (run && id && (!run->id || strcmp(run->id, id) != 0))
		run = run->next;
	return run;
}

int corral_runs_enlist(struct corral_runs *r, struct corral_run *run, const char *id, bool always,
                       struct corral_error *err)
{
	*run = (struct corral_run) { .id = id, .stop_fd = -1 };
	if (!id && !always)
		return 0;
	run->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (run->stop_fd < 0)
		return corral_error_sys(err, errno, "eventfd");
	pthread_mutex_lock(&r->lock);
	if (id && find(r, id)) {
		pthread_mutex_unlock(&r->lock);
		corral_fd_closep(&run->stop_fd);
		return corral_error_set(err, EEXIST, "run '%.64s' is running already", id);
	}
	run->next = r->first;
	r->first = run;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

void corral_runs_delist(struct corral_runs *r, struct corral_run *run)
{
	if (run->stop_fd < 0)
		return;
	pthread_mutex_lock(&r->lock);
	for (struct corral_run **at = &r->first; *at; at = &(*at)->next)
		if (*at == run) {
			*at = run->next;
			break;
		}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	corral_fd_closep(&run->stop_fd);
}

/* Asks all of that name, and waits until there are none; whether there are. */
static bool stop(struct corral_runs *r, const char *id)
{
	struct timespec until = corral_clock_after(STOP_S * UINT64_C(1000));
	bool goes_on;
	int waited = 0;

	pthread_mutex_lock(&r->lock);
	for (struct corral_run *run = r->first; run; run = run->next)
		if (!id || (run->id && !strcmp(run->id, id)))
			(void)eventfd_write(run->stop_fd, 1);
	while (find(r, id) && waited == 0)
		waited = pthread_cond_timedwait(&r->changed, &r->lock, &until);
	goes_on = find(r, id) != NULL;
	pthread_mutex_unlock(&r->lock);
	return goes_on;
}

int corral_runs_stop(struct corral_runs *r, const char *id, struct corral_error *err)
{
	return stop(r, id) ? corral_error_set(err, ETIMEDOUT,
	                                      "run '%.64s' goes on %u s after it was stopped", id,
	                                      STOP_S)
	                   : 0;
}

int corral_runs_stop_all(struct corral_runs *r, struct corral_error *err)
{
	return stop(r, NULL)
	               ? corral_error_set(err, ETIMEDOUT,
	                                  "commands go on %u s after they were stopped", STOP_S)
	               : 0;
}
