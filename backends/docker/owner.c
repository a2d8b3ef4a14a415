#include "backends/docker/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

/* Of a process: 1 and when it began, in clock ticks since the boot; 0 when there is none, or it has
 * ended and nobody has asked after it yet; -1 when it may not be seen, which others' may be. */
static int start_of(int pid, unsigned long long *ret_start)
{
	unsigned long long threads;
	char path[40], line[1024];
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_line(path, line, sizeof(line)))
		return kill(pid, 0) < 0 && errno == ESRCH ? 0 : -1;
	at = strrchr(line, ')');
	if (!at || at[1] != ' ' || !field(line, THREADS_FIELD, &threads) ||
	    !field(line, START_FIELD, ret_start))
		return -1;
	/* One whose first thread alone has ended looks the same, but for the count. */
	return (at[2] == 'Z' || at[2] == 'X') && threads <= 1 ? 0 : 1;
}

/* False when it cannot be told from others. */
static bool place_make(char *ret, size_t size)
{
	char boot[64] = "?";
	struct stat ns = { 0 };
	bool known = read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) &&
	             stat("/proc/self/ns/pid", &ns) == 0;

	(void)snprintf(ret, size, "%.36s:%llu", boot, (unsigned long long)ns.st_ino);
	return known;
}

void corral_docker_owner_make(char ret[CORRAL_DOCKER_OWNER_SIZE])
{
	unsigned long long start = 0;
	char place[80];

	/* Without a start, or a place, nobody will take it for gone. */
	(void)place_make(place, sizeof(place));
	(void)start_of((int)getpid(), &start);
	(void)snprintf(ret, CORRAL_DOCKER_OWNER_SIZE, "%s:%d:%llu", place, (int)getpid(), start);
}

bool corral_docker_owner_is_gone(const char *owner)
{
	unsigned long long start = 0, now = 0;
	char place[80];
	size_t n;
	int pid = 0, r;

	if (!place_make(place, sizeof(place)))
		return false;
	n = strlen(place);
	if (strncmp(owner, place, n) != 0 || sscanf(owner + n, ":%d:%llu", &pid, &start) != 2 ||
	    pid <= 0 || !start)
		return false;
	r = start_of(pid, &now);
	return r == 0 || (r > 0 && now != start);
}
