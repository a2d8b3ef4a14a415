#include "backends/docker/owner.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

#define START_FIELD 20 /* starttime, counted behind the command's name: proc_pid_stat(5) */

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

/* Clock ticks since the boot; 0 when there is no such process, or none that still runs. */
static unsigned long long start_of(int pid)
{
	char path[40], line[1024];
	unsigned long long ticks = 0;
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_line(path, line, sizeof(line)))
		return 0;
	/* The name may have anything in it. */
	at = strrchr(line, ')');
	if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
		return 0;
	for (int i = 0; at && i < START_FIELD; i++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %llu", &ticks) != 1)
		return 0;
	return ticks;
}

static void place_make(char *ret, size_t size)
{
	char boot[64] = "?";
	struct stat ns = { 0 };

	(void)read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	(void)stat("/proc/self/ns/pid", &ns);
	(void)snprintf(ret, size, "%.36s:%llu", boot, (unsigned long long)ns.st_ino);
}

void corral_docker_owner_make(char ret[CORRAL_DOCKER_OWNER_SIZE])
{
	char place[80];

	place_make(place, sizeof(place));
	(void)snprintf(ret, CORRAL_DOCKER_OWNER_SIZE, "%s:%d:%llu", place, (int)getpid(),
	               start_of((int)getpid()));
}

bool corral_docker_owner_is_gone(const char *owner)
{
	unsigned long long start = 0;
	char place[80];
	size_t n;
	int pid = 0;

	place_make(place, sizeof(place));
	n = strlen(place);
	if (strncmp(owner, place, n) != 0 || sscanf(owner + n, ":%d:%llu", &pid, &start) != 2 ||
	    pid <= 0 || !start)
		return false;
	return start_of(pid) != start;
}
