/* PID 1 of the container: whoever loses its parent comes to it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/docker/inside/program.h"

/* True for one that ends us. */
static int signal_take(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			return 1;
	return 0;
}

/* Whoever holds it says nothing on it: what can be read there is its end. */
static int input_ended(void)
{
	char said[64];
	ssize_t n = read(STDIN_FILENO, said, sizeof(said));

	return n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
}

int inside_idle(int tied)
{
	struct pollfd fds[] = { { .events = POLLIN },
		                { .fd = tied ? STDIN_FILENO : -1, .events = POLLIN } };
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	fds[0].fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fds[0].fd < 0)
		return 1;
	for (;;) {
		/* First, as something may have died before the mask was set. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && signal_take(fds[0].fd))
			return 0;
		if (fds[1].revents && input_ended())
			return 0;
	}
}
