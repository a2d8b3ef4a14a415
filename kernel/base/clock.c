#include "kernel/base/clock.h"

uint64_t corral_now_nsec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t corral_wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t corral_now_ms(void)
{
	return corral_now_nsec() / 1000000;
}

void corral_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t monotonic;

	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(c, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

struct timespec corral_clock_after(uint64_t ms)
{
	uint64_t nsec = corral_now_nsec() + ms * 1000000;

	return (struct timespec) { .tv_sec = (time_t)(nsec / 1000000000u),
		                   .tv_nsec = (long)(nsec % 1000000000u) };
}
