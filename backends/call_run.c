/* Which commands run, each in the sandbox that is its own; and how another thread ends them. */
#include <errno.h>
#include <string.h>

#include "backends/call_state.h"
#include "kernel/base/clock.h"

#define STOP_MS 5000u
#define END_MS  20000u
/* A command that was asked to end may only now begin: it is asked again. */
#define AGAIN_MS 50u

static bool is_called(const struct corral_call_run *run, const char *id)
{
	return run->id && !strcmp(run->id, id);
}

static struct corral_call_run *find(const struct corral_call *c, const char *id)
{
	struct corral_call_run *run = c->first;

	while (run && !is_called(run, id))
		run = run->next;
	return run;
}

int corral_call_begin(struct corral_call *c, struct corral_call_run *run, struct corral_error *err)
{
	struct corral_backend *b = NULL;
	bool taken, ended;
	int r;

	(void)pthread_mutex_lock(&c->lock);
	taken = run->id && find(c, run->id);
	if (!taken) {
		run->next = c->first;
		c->first = run;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (taken)
		return corral_error_set(err, EEXIST, "run '%.64s' is running already", run->id);
	r = c->make(c->ctx, &b, err);
	(void)pthread_mutex_lock(&c->lock);
	run->b = b;
	ended = run->ended;
	(void)pthread_mutex_unlock(&c->lock);
	if (r == 0 && ended)
		r = corral_error_set(err, EPIPE, "the sandbox was ended before its command began");
	if (r < 0)
		corral_call_finish(c, run);
	return r;
}

void corral_call_finish(struct corral_call *c, struct corral_call_run *run)
{
	(void)pthread_mutex_lock(&c->lock);
	while (run->users)
		(void)pthread_cond_wait(&c->changed, &c->lock);
	for (struct corral_call_run **at = &c->first; *at; at = &(*at)->next)
		if (*at == run) {
			*at = run->next;
			break;
		}
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	if (run->b && c->closes_behind)
		corral_call_closer_take(&c->closer, run->b);
	else
		corral_backend_close(run->b);
}

bool corral_call_is_stopped(struct corral_call *c, const struct corral_call_run *run)
{
	bool stopped;

	(void)pthread_mutex_lock(&c->lock);
	stopped = run->stopped;
	(void)pthread_mutex_unlock(&c->lock);
	return stopped;
}

/* With the lock held, which is let go meanwhile: so much is left of the list as there is then. */
static int in_its_sandbox(struct corral_call *c, struct corral_call_run *run,
                          int (*what)(struct corral_backend *b, const char *id,
                                      struct corral_error *err),
                          struct corral_error *err)
{
	int r;

	run->users++;
	(void)pthread_mutex_unlock(&c->lock);
	r = what(run->b, run->id, err);
	(void)pthread_mutex_lock(&c->lock);
	run->users--;
	(void)pthread_cond_broadcast(&c->changed);
	return r;
}

int corral_call_stop(struct corral_call *c, const char *run_id, struct corral_error *err)
{
	const uint64_t until = corral_now_ms() + STOP_MS;
	struct corral_call_run *run;

	(void)pthread_mutex_lock(&c->lock);
	while ((run = find(c, run_id)) && corral_now_ms() < until) {
		const struct timespec again = corral_clock_after(AGAIN_MS);

		run->stopped = true;
		if (run->b)
			(void)in_its_sandbox(c, run, corral_backend_stop, NULL);
		if (find(c, run_id) == run)
			(void)pthread_cond_timedwait(&c->changed, &c->lock, &again);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return !run ? 0
	            : corral_error_set(err, ETIMEDOUT,
	                               "run '%.64s' goes on %u s after it was stopped", run_id,
	                               STOP_MS / 1000);
}

static int end_one(struct corral_backend *b, const char *id, struct corral_error *err)
{
	(void)id;
	return corral_backend_end(b, err);
}

static struct corral_call_run *not_ended(const struct corral_call *c)
{
	struct corral_call_run *run = c->first;

	while (run && run->ended)
		run = run->next;
	return run;
}

int corral_call_end_all(struct corral_call *c, struct corral_error *err)
{
	const struct timespec until = corral_clock_after(END_MS);
	struct corral_call_run *run;
	bool goes_on;
	int waited = 0, r = 0;

	(void)pthread_mutex_lock(&c->lock);
	/* Those that come meanwhile begin anew, and are not ours to wait for; but who can tell. */
	while ((run = not_ended(c))) {
		run->ended = true;
		if (run->b) {
			int one = in_its_sandbox(c, run, end_one, r < 0 ? NULL : err);

			r = r < 0 ? r : one;
		}
	}
	while (c->first && waited == 0)
		waited = pthread_cond_timedwait(&c->changed, &c->lock, &until);
	goes_on = c->first != NULL;
	(void)pthread_mutex_unlock(&c->lock);
	if (r == 0 && goes_on)
		r = corral_error_set(err, ETIMEDOUT, "commands go on %u s after their end",
		                     END_MS / 1000);
	return r;
}
