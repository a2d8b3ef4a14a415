#include "backends/docker/owner.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/life.h"

/* False when it cannot be told from others. */
static bool place_make(char *ret, size_t size)
{
	char boot[CORRAL_BOOT_ID_SIZE];
	struct stat ns = { 0 };
	bool known = corral_life_boot(boot) && stat("/proc/self/ns/pid", &ns) == 0;

	(void)snprintf(ret, size, "%s:%llu", boot, (unsigned long long)ns.st_ino);
	return known;
}

void corral_docker_owner_make(char ret[CORRAL_DOCKER_OWNER_SIZE])
{
	unsigned long long start = 0;
	char place[80];

	/* Without a start, or a place, nobody will take it for gone. */
	(void)place_make(place, sizeof(place));
	(void)corral_life_began((int)getpid(), &start);
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
	r = corral_life_began(pid, &now);
	return r == 0 || (r > 0 && now != start);
}
