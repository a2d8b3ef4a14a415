/*
 * Functions that make bounds and errors somebody else's problem. Forced into every file of ours by
 * the build (-include), after the system headers that declare them.
 */
#ifndef CORRAL_KERNEL_BASE_BANNED_H
#define CORRAL_KERNEL_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fortified headers define some of them as macros, which cannot be poisoned. */
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets atoi atol atoll system popen tmpnam \
        mktemp

#endif
