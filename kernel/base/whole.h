/*
 * Writing all of it, whatever signals and full pipes make of single calls.
 */
#ifndef CORRAL_KERNEL_BASE_WHOLE_H
#define CORRAL_KERNEL_BASE_WHOLE_H

#include <stddef.h>
#include <stdint.h>

/* 0 or -errno, no error text since only the caller knows what the file is. Of a descriptor that
 * blocks. */
int corral_whole_write(int fd, const void *data, size_t len);
int corral_whole_write_at(int fd, const void *data, size_t len, int64_t offset);

#endif
