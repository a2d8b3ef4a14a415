/*
 * Inside kernel/image/oci: headers of tar archives, as POSIX has them (ustar, and pax where that is
 * too narrow).
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_TAR_HEADER_H
#define CORRAL_KERNEL_IMAGE_OCI_TAR_HEADER_H

#include <stdint.h>

#include "kernel/base/buf.h"

#define TAR_BLOCK 512u

struct tar_entry {
	char type;        /* '0' file, '1' hard link, '2' symbolic link, '5' directory, '6' FIFO */
	const char *path; /* "usr/bin/" for a directory */
	const char *link; /* or NULL */
	unsigned int mode;
	uint32_t uid, gid;
	uint64_t size;
	int64_t mtime;
	/* Further records of its pax header, as tar_record() makes them. */
	const char *records;
	size_t records_len;
};

/* Appends "LEN KEY=VALUE\n". */
void tar_record(struct corral_buf *b, const char *key, const void *value, size_t len);
/* Appends all that comes before an entry's content. */
void tar_header(struct corral_buf *b, const struct tar_entry *e);
/* Appends what fills up the last block of so many bytes. */
void tar_padding(struct corral_buf *b, uint64_t size);
/* The end of an archive. */
void tar_end(struct corral_buf *b);

#endif
