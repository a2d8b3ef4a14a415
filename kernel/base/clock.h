/*
 * The monotonic clock, which no administrator sets back, and waits that are measured by it.
 */
#ifndef CORRAL_KERNEL_BASE_CLOCK_H
#define CORRAL_KERNEL_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

uint64_t corral_now_nsec(void);
uint64_t corral_now_ms(void);
/* By the wall clock, since 1970: for people, and for what outlives the machine's uptime. */
int64_t corral_wall_ms(void);

/* Its waits take what corral_clock_after() gives. */
void corral_cond_init(pthread_cond_t *c);
struct timespec corral_clock_after(uint64_t ms);

#endif
