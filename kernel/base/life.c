#include "kernel/base/life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/* Counted behind the command's name: proc_pid_stat(5). */
#define THREADS_FIELD 18 /* num_threads */
#define START_FIELD   20 /* starttime */

static bool read_line(const char *path, char *ret, size_t size)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n <= 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* The field so many behind the command's name, which may have anything in it. */
static bool field(const char *line, int n, unsigned long long *ret)
{
	const char *at = strrchr(line, ')');

	for (int i = 0; at && i < n; i++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, " %llu", ret) == 1;
}

int corral_life_began(int pid, unsigned long long *ret_ticks)
{
	unsigned long long threads;
	char path[40], line[1024];
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_line(path, line, sizeof(line)))
		return kill(pid, 0) < 0 && errno == ESRCH ? 0 : -1;
	at = strrchr(line, ')');
	if (!at || at[1] != ' ' || !field(line, THREADS_FIELD, &threads) ||
	    !field(line, START_FIELD, ret_ticks))
		return -1;
	/* One whose first thread alone has ended looks the same, but for the count. */
	return (at[2] == 'Z' || at[2] == 'X') && threads <= 1 ? 0 : 1;
}

bool corral_life_boot(char ret[CORRAL_BOOT_ID_SIZE])
{
	if (read_line("/proc/sys/kernel/random/boot_id", ret, CORRAL_BOOT_ID_SIZE))
		return true;
	(void)snprintf(ret, CORRAL_BOOT_ID_SIZE, "?");
	return false;
}
