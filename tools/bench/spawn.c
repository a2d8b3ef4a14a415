#include "tools/bench/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

char *const bench_shell_argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)"true", NULL };

int bench_spawn_init(posix_spawn_file_actions_t *quiet, struct corral_error *err)
{
	int r = posix_spawn_file_actions_init(quiet);

	if (r == 0)
		r = posix_spawn_file_actions_addopen(quiet, 0, "/dev/null", O_RDWR, 0);
	for (int fd = 1; r == 0 && fd <= 2; fd++)
		r = posix_spawn_file_actions_adddup2(quiet, 0, fd);
	return r ? corral_error_sys(err, r, "prepare posix_spawn") : 0;
}

int bench_spawn_shell(const posix_spawn_file_actions_t *quiet, struct corral_error *err)
{
	int status = 0, r;
	pid_t pid;

	r = posix_spawn(&pid, bench_shell_argv[0], quiet, NULL, bench_shell_argv, environ);
	if (r != 0)
		return corral_error_sys(err, r, "posix_spawn");
	if (waitpid(pid, &status, 0) < 0)
		return corral_error_sys(err, errno, "wait for the shell");
	return status ? corral_error_set(err, EIO, "the shell ended with %#x", status) : 0;
}
