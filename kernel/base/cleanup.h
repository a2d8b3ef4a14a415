/*
 * Ownership by declaration: a variable declared with one of these cleans up after itself on every
 * return. Hand the value on with corral_take_fd() or corral_take_ptr(). Cleanup keeps errno.
 */
#ifndef CORRAL_KERNEL_BASE_CLEANUP_H
#define CORRAL_KERNEL_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#define corral_auto(fn) __attribute__((cleanup(fn)))
#define corral_autofd   corral_auto(corral_fd_closep) /* int, -1 when empty */
#define corral_autofree corral_auto(corral_freep)     /* any malloc()ed pointer */

/*
 * Never retried: Linux has released the number even on EINTR, and a second close would hit another
 * thread's file (close(2), NOTES).
 */
static inline void corral_fd_closep(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd);
		errno = saved;
		*fd = -1;
	}
}

static inline void corral_freep(void *p)
{
	int saved = errno;

	free(*(void **)p);
	*(void **)p = NULL;
	errno = saved;
}

static inline int corral_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define corral_take_ptr(p)                             \
	({                                             \
		__typeof__(*(p)) corral_taken_ = *(p); \
		*(p) = NULL;                           \
		corral_taken_;                         \
	})

#define CORRAL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#ifdef __cplusplus
}
#endif

#endif
