/*
 * Which process a number means: numbers come again, and after a boot so do the times at which
 * processes began.
 */
#ifndef CORRAL_KERNEL_BASE_LIFE_H
#define CORRAL_KERNEL_BASE_LIFE_H

#include <stdbool.h>

#define CORRAL_BOOT_ID_SIZE 37

/*
 * 1 and when it began, in clock ticks since the boot (proc_pid_stat(5)); 0 when there is none, or
 * it has ended and nobody has asked after it yet; -1 when it may not be seen, which others' may be.
 */
int corral_life_began(int pid, unsigned long long *ret_ticks);

/* False where the kernel does not say: ret is "?" then. */
bool corral_life_boot(char ret[CORRAL_BOOT_ID_SIZE]);

#endif
