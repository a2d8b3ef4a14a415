#include "backends/local_session.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/* Whether /proc has it in the session, alive. */
static bool in_session(int proc_fd, const char *name, pid_t session)
{
	char path[300], text[512], *at;
	corral_autofd int fd = -1;
	int of_session = 0;
	char state;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/stat", name);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* Its name, in brackets, may hold anything. */
	at = strrchr(text, ')');
	return at && sscanf(at + 1, " %c %*d %*d %d", &state, &of_session) == 2 &&
	       of_session == session && state != 'Z' && state != 'X';
}

static int pid_of(const char *name)
{
	long pid = strspn(name, "0123456789") == strlen(name) ? strtol(name, NULL, 10) : 0;

	return pid > 0 && pid <= INT32_MAX ? (int)pid : 0;
}

unsigned int corral_local_session_kill(pid_t session)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	unsigned int n = 0;

	while (proc && (e = readdir(proc))) {
		int pid = pid_of(e->d_name);
		corral_autofd int fd = -1;

		if (!pid || pid == session || !in_session(dirfd(proc), e->d_name, session))
			continue;
		/* Held first and looked at again: the number may be another's by now. */
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (fd < 0 || !in_session(dirfd(proc), e->d_name, session))
			continue;
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		n++;
	}
	if (proc)
		(void)closedir(proc);
	return n;
}
