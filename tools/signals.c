#include "tools/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static const int taken[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP, SIGCONT, SIGWINCH,
};

int corral_signals_open(struct corral_signals *s, struct corral_error *err)
{
	struct sigaction action;
	sigset_t set;

	s->fd = -1;
	sigemptyset(&set);
	for (size_t i = 0; i < CORRAL_COUNT(taken); i++)
		if (sigaction(taken[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, taken[i]);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A limit on files of the caller's (ulimit -f) is an error with words, too. */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return corral_error_sys(err, errno, "block signals");
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return corral_error_sys(err, errno, "signalfd");
	return 0;
}

void corral_signals_close(struct corral_signals *s)
{
	corral_fd_closep(&s->fd);
}

int corral_signals_next(struct corral_signals *s)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}
