/*
 * The blocks of a tar archive, as POSIX (pax) and GNU have them; written by hand since a library
 * for all formats there are would be larger than the rest of the server.
 */
#ifndef CORRAL_KERNEL_FILES_TAR_H
#define CORRAL_KERNEL_FILES_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILES_TAR_BLOCK   512
#define FILES_TAR_PAX_MAX (1u << 20) /* bytes of one extended header */

struct files_tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
	char type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8];
	char prefix[155], pad[12];
};

_Static_assert(sizeof(struct files_tar_header) == FILES_TAR_BLOCK, "a block");

/* Bytes that fill up the last block. */
static inline size_t files_tar_padding(uint64_t size)
{
	return (size_t)(-size & (FILES_TAR_BLOCK - 1));
}

/* The sum of all bytes, with the checksum's own taken for blanks. */
static inline unsigned int files_tar_sum(const struct files_tar_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned int sum = 0;

	for (size_t i = 0; i < FILES_TAR_BLOCK; i++) {
		bool own = i >= offsetof(struct files_tar_header, checksum) &&
		           i < offsetof(struct files_tar_header, checksum) + 8;

		sum += own ? ' ' : p[i];
	}
	return sum;
}

#endif
