#include "kernel/base/sigpipe.h"

#include <errno.h>
#include <time.h>

static sigset_t pipe_alone(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	return set;
}

void corral_sigpipe_hold(struct corral_sigpipe *s)
{
	const sigset_t set = pipe_alone();
	sigset_t pending;
	int saved = errno;

	s->is_held = false;
	/* One that is pending already is somebody else's, and blocked by him. */
	if (sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE))
		s->is_held = pthread_sigmask(SIG_BLOCK, &set, &s->before) == 0;
	errno = saved;
}

void corral_sigpipe_release(const struct corral_sigpipe *s)
{
	const struct timespec now = { 0, 0 };
	const sigset_t set = pipe_alone();
	int saved = errno;

	if (!s->is_held)
		return;
	while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
		;
	(void)pthread_sigmask(SIG_SETMASK, &s->before, NULL);
	errno = saved;
}
