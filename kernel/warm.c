/*
 * Sandboxes made ahead of need, so that opening one costs no more than taking it. Each is used
 * once: what a guest did in it is never seen by another.
 */
#include <poll.h>
#include <string.h>
#include <time.h>

#include "kernel/attach.h"
#include "kernel/base/cleanup.h"
#include "kernel/sandbox_state.h"

/* Killed meanwhile: by the out-of-memory killer, or by somebody on the host. */
static bool is_dead(const struct corral_sandbox *s)
{
	struct pollfd pfd = { .fd = s->pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) != 0;
}

static bool is_old(const struct corral_sandbox *s, uint64_t now)
{
	return now - s->cloned_nsec / 1000000 > CORRAL_WARM_AGE_MS;
}

static struct corral_sandbox *first_take(struct corral_warm *w)
{
	struct corral_sandbox *s = w->boxes[0];

	memmove(w->boxes, w->boxes + 1, --w->n * sizeof(w->boxes[0]));
	return s;
}

static struct corral_warm *find(struct corral_launcher *l, const struct corral_policy *p)
{
	for (unsigned int i = 0; i < CORRAL_WARM_POLICIES; i++)
		if (l->warm[i].policy && corral_policy_interchangeable(l->warm[i].policy, p))
			return &l->warm[i];
	return NULL;
}

/* The place of the one that was not asked for the longest; its sandboxes go with the keeper's next
 * turns. */
static struct corral_warm *replace(struct corral_launcher *l, const struct corral_policy *p)
{
	struct corral_warm *oldest = &l->warm[0];

	for (unsigned int i = 0; i < CORRAL_WARM_POLICIES; i++) {
		if (!l->warm[i].policy) {
			oldest = &l->warm[i];
			break;
		}
		if (l->warm[i].used_ms < oldest->used_ms)
			oldest = &l->warm[i];
	}
	/* Its sandboxes would have to be wiped on the way of this caller: the keeper does it, for
	 * who comes next. */
	if (oldest->n) {
		oldest->used_ms = 0;
		return NULL;
	}
	corral_policy_free((struct corral_policy *)(uintptr_t)oldest->policy);
	*oldest = (struct corral_warm) { .policy = corral_policy_share(p) };
	return oldest;
}

struct corral_sandbox *corral_warm_take(struct corral_launcher *l, const struct corral_policy *p)
{
	struct corral_sandbox *s = NULL;
	struct corral_warm *w;

	if (!(l->flags & CORRAL_LAUNCHER_WARM) || !corral_launcher_keeps(l) ||
	    !corral_policy_interchangeable(p, p) ||
	    (p->workspace_path && !corral_attach_possible(l)))
		return NULL;
	pthread_mutex_lock(&l->lock);
	w = find(l, p);
	if (!w)
		w = replace(l, p);
	l->pool.misses++;
	if (w) {
		w->used_ms = corral_now_ms();
		while (!s && w->n && l->n_wipe < CORRAL_WIPE_QUEUE) {
			s = first_take(w);
			if (is_old(s, w->used_ms) || is_dead(s)) {
				l->wipe[l->n_wipe++] = s;
				l->pool.wasted++;
				s = NULL;
			}
		}
		l->pool.misses -= s != NULL;
		l->pool.hits += s != NULL;
		/* The next one is made when this one is wiped, and not beside its command, which
		 * would wait for the same processors and the same locks of the kernel's. */
		if (w->n < CORRAL_WARM_SANDBOXES / 2)
			pthread_cond_signal(&l->work);
	}
	pthread_mutex_unlock(&l->lock);
	return s;
}

/* The lock is let go: the caller may have taken, or replaced, what was here. */
static void make_one(struct corral_launcher *l, struct corral_warm *w)
{
	const struct corral_policy *p = corral_policy_share(w->policy);
	struct corral_policy bare = *p;
	struct corral_sandbox *s = NULL;
	int r;

	/* Whoever takes it brings a workspace, or has none. */
	bare.workspace_path = NULL;
	pthread_mutex_unlock(&l->lock);
	r = corral_sandbox_make(l, &bare, &s);
	pthread_mutex_lock(&l->lock);
	if (r == 0)
		l->pool.made++;
	else
		l->pool.failed++;
	if (w->policy == p && r < 0)
		w->failed_ms = corral_now_ms();
	if (w->policy == p && r == 0 && w->n < CORRAL_WARM_SANDBOXES && !l->stopping) {
		w->boxes[w->n++] = s;
		s = NULL;
	}
	pthread_mutex_unlock(&l->lock);
	if (s)
		corral_sandbox_wipe(s);
	corral_policy_free((struct corral_policy *)(uintptr_t)p);
	pthread_mutex_lock(&l->lock);
	l->pool.wasted += s != NULL;
}

/* Nobody asked for this policy in a minute. One sandbox each turn, the place with the last. */
static void retire_one(struct corral_launcher *l, struct corral_warm *w)
{
	const struct corral_policy *p = NULL;
	struct corral_sandbox *s = w->n ? first_take(w) : NULL;

	l->pool.wasted += s != NULL;
	if (!w->n) {
		p = w->policy;
		*w = (struct corral_warm) { 0 };
	}
	pthread_mutex_unlock(&l->lock);
	if (s)
		corral_sandbox_wipe(s);
	corral_policy_free((struct corral_policy *)(uintptr_t)p);
	pthread_mutex_lock(&l->lock);
}

bool corral_warm_tend(struct corral_launcher *l, int *ret_wait_ms)
{
	uint64_t now = corral_now_ms(), until = UINT64_MAX;
	struct corral_warm *needy = NULL;

	*ret_wait_ms = -1;
	for (unsigned int i = 0; i < CORRAL_WARM_POLICIES; i++) {
		struct corral_warm *w = &l->warm[i];

		if (!w->policy)
			continue;
		if (now - w->used_ms > CORRAL_WARM_AGE_MS) {
			retire_one(l, w);
			return true;
		}
		if (w->used_ms + CORRAL_WARM_AGE_MS < until)
			until = w->used_ms + CORRAL_WARM_AGE_MS;
		if (now - w->failed_ms > CORRAL_WARM_RETRY_MS && w->n < CORRAL_WARM_SANDBOXES &&
		    (!needy || w->n < needy->n))
			needy = w;
	}
	if (needy) {
		make_one(l, needy);
		return true;
	}
	if (until != UINT64_MAX)
		*ret_wait_ms = (int)(until - now) + 1;
	return false;
}

void corral_warm_clear(struct corral_launcher *l)
{
	for (unsigned int i = 0; i < CORRAL_WARM_POLICIES; i++) {
		struct corral_warm *w = &l->warm[i];

		while (w->n)
			corral_sandbox_wipe(first_take(w));
		corral_policy_free((struct corral_policy *)(uintptr_t)w->policy);
		*w = (struct corral_warm) { 0 };
	}
}

void corral_launcher_pool(struct corral_launcher *l, struct corral_pool *ret)
{
	uint64_t now = corral_now_ms();

	pthread_mutex_lock(&l->lock);
	*ret = l->pool;
	ret->ready = ret->policies = 0;
	ret->oldest_ms = 0;
	for (unsigned int i = 0; i < CORRAL_WARM_POLICIES; i++) {
		const struct corral_warm *w = &l->warm[i];

		ret->policies += w->policy != NULL;
		ret->ready += w->n;
		if (w->n && now - w->boxes[0]->cloned_nsec / 1000000 > ret->oldest_ms)
			ret->oldest_ms = now - w->boxes[0]->cloned_nsec / 1000000;
	}
	ret->net_namespaces = l->n_netns;
	ret->id_ranges = l->n_ids;
	pthread_mutex_unlock(&l->lock);
}
