#include "tools/bench/idle_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

#define SETTLE_MS   100
#define SETTLE_MAX  80
#define SETTLED_KB  512
#define SETTLED_RUN 10

static int available_kb(long long *ret, struct corral_error *err)
{
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");
	int found = 0;

	if (!f)
		return corral_error_sys(err, errno, "open /proc/meminfo");
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "MemAvailable: %lld kB", ret) == 1;
	(void)fclose(f);
	return found ? 0 : corral_error_set(err, EIO, "no MemAvailable in /proc/meminfo");
}

/*
 * Namespaces, mounts and cgroups are taken apart by the kernel's own workers after the last process
 * is gone, and per-CPU counts are folded in late: wait until the figure rests.
 */
int bench_settled_kb(long long *ret, struct corral_error *err)
{
	const struct timespec pause = { .tv_nsec = SETTLE_MS * 1000000L };
	long long before = 0, now = 0;
	int i, quiet = 0, r;

	r = available_kb(&before, err);
	for (i = 0; i < SETTLE_MAX && quiet < SETTLED_RUN && r == 0; i++) {
		(void)nanosleep(&pause, NULL);
		r = available_kb(&now, err);
		quiet = llabs(now - before) < SETTLED_KB ? quiet + 1 : 0;
		before = now;
	}
	*ret = before;
	return r;
}

static int round_kb(struct corral_launcher *launcher, const struct corral_policy *policy,
                    struct corral_sandbox **boxes, uint64_t n, double *ret_kb,
                    struct corral_error *err)
{
	long long before = 0, during = 0;
	uint64_t i, opened = 0;
	int r;

	r = bench_settled_kb(&before, err);
	while (r == 0 && opened < n) {
		r = corral_sandbox_open(launcher, policy, &boxes[opened], err);
		if (r < 0)
			(void)corral_error_wrap(err, r, "sandbox %llu",
			                        (unsigned long long)opened + 1);
		else
			opened++;
	}
	if (r == 0)
		r = bench_settled_kb(&during, err);
	for (i = 0; i < opened; i++)
		corral_sandbox_close(boxes[i], NULL);
	if (r == 0)
		*ret_kb = (double)(before - during) / (double)n;
	return r;
}

int bench_idle_memory(struct corral_launcher *launcher, const struct corral_policy *policy,
                      uint64_t n, double ret_kb[BENCH_IDLE_ROUNDS], struct corral_error *err)
{
	corral_autofree struct corral_sandbox **boxes = NULL;
	double warm_kb = 0;
	int r, round;

	boxes = calloc(n, sizeof(*boxes));
	if (!boxes)
		return corral_error_sys(err, ENOMEM, "%llu sandboxes", (unsigned long long)n);
	r = round_kb(launcher, policy, boxes, n, &warm_kb, err);
	for (round = 0; round < BENCH_IDLE_ROUNDS && r == 0; round++)
		r = round_kb(launcher, policy, boxes, n, &ret_kb[round], err);
	return r;
}
