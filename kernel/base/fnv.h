/*
 * FNV-1a, 64 bits: tells contents apart that nobody has a reason to make alike. Not for what a
 * stranger chooses.
 */
#ifndef CORRAL_KERNEL_BASE_FNV_H
#define CORRAL_KERNEL_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

#define CORRAL_FNV_BEGIN 0xcbf29ce484222325ull

/* Of what h is of, followed by data. */
static inline uint64_t corral_fnv(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

#endif
