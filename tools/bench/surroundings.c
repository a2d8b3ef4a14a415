#include "tools/bench/surroundings.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNTS_DIR "/mnt"

int bench_mounts_make(uint64_t n, struct corral_error *err)
{
	uint64_t i;

	if (unshare(CLONE_NEWNS) < 0)
		return corral_error_sys(err, errno, "make a mount namespace for --mounts");
	/* Nothing of it may reach the host, nor may the host's mounts change the count. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return corral_error_sys(err, errno, "make mounts private");
	if (mount("bench", MOUNTS_DIR, "tmpfs", 0, "mode=755") < 0)
		return corral_error_sys(err, errno, "mount a tmpfs on " MOUNTS_DIR);
	for (i = 0; i < n; i++) {
		char path[64];
		int r;

		(void)snprintf(path, sizeof(path), MOUNTS_DIR "/%llu", (unsigned long long)i);
		if (mkdir(path, 0755) < 0)
			return corral_error_sys(err, errno, "create '%s'", path);
		if (i % 2)
			r = mount("bench", path, "tmpfs", 0, "size=64k");
		else
			r = mount("/usr", path, NULL, MS_BIND, NULL);
		if (r < 0)
			return corral_error_sys(err, errno, "mount on '%s'", path);
	}
	return 0;
}

int bench_memory_hold(uint64_t bytes, struct corral_error *err)
{
	long page = sysconf(_SC_PAGESIZE);
	volatile char *memory;
	uint64_t i;

	if (!bytes)
		return 0;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return corral_error_sys(err, errno, "map memory for --rss");
	/* Huge pages would hide what copying page tables costs. */
	(void)madvise((void *)memory, bytes, MADV_NOHUGEPAGE);
	for (i = 0; i < bytes; i += (uint64_t)page)
		memory[i] = 1;
	return 0;
}

static void *idle(void *unused)
{
	for (;;)
		(void)pause();
	return unused;
}

int bench_threads_start(uint64_t n, struct corral_error *err)
{
	pthread_attr_t attr;
	uint64_t i;
	int r;

	r = pthread_attr_init(&attr);
	if (r == 0)
		r = pthread_attr_setstacksize(&attr, 65536);
	if (r == 0)
		r = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (i = 0; i < n && r == 0; i++) {
		pthread_t thread;

		r = pthread_create(&thread, &attr, idle, NULL);
	}
	return r == 0 ? 0 : corral_error_sys(err, r, "start idle threads");
}
