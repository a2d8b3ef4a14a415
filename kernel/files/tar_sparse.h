/*
 * Where in a file the content of an archive's entry belongs: what is between is a hole. GNU tar has
 * four ways to say it: in a header of its own (type S), and in pax headers as the versions 0.0, 0.1
 * and 1.0. We write 1.0, which GNU tar, libarchive and Go's archive/tar read.
 */
#ifndef CORRAL_KERNEL_FILES_TAR_SPARSE_H
#define CORRAL_KERNEL_FILES_TAR_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"

#define FILES_TAR_EXTENTS_MAX 65536u /* of one file */

/* In an old header of type S, and in the blocks that go on with it. */
#define FILES_TAR_OLD_EXTENTS  386 /* in the header, four of them */
#define FILES_TAR_OLD_MORE     482 /* more blocks follow */
#define FILES_TAR_OLD_SIZE     483
#define FILES_TAR_OLD_NEXT_MAX 21 /* in a block */
#define FILES_TAR_OLD_NEXT     504

struct files_tar_extent {
	uint64_t offset, len;
};

struct files_tar_sparse {
	struct files_tar_extent *v;
	size_t n, room;
	uint64_t size; /* of the whole file */
	bool has_size, has_offset,
	        in_data; /* in_data: version 1.0, the map is before the content */
	uint64_t offset; /* of version 0.0, whose length is yet to come */
};

/* -E2BIG, -ENOMEM */
int files_tar_sparse_add(struct files_tar_sparse *s, uint64_t offset, uint64_t len);

/* A pax record "GNU.sparse.KEY", but for its name. -EBADMSG, or as above. */
int files_tar_sparse_record(struct files_tar_sparse *s, const char *key, size_t key_len,
                            const char *value, size_t len);

/* Whether the extents follow each other within the file, and are as much as was stored. */
bool files_tar_sparse_fits(const struct files_tar_sparse *s, uint64_t stored);

/*
 * The extents of an open file of that size, when it has holes worth telling of; *s stays empty when
 * it has none, or more than are told of, or the file system does not say. -ENOMEM.
 */
int files_tar_sparse_look(struct files_tar_sparse *s, int fd, uint64_t size);
/* The map as version 1.0 has it, in whole blocks. */
void files_tar_sparse_map(const struct files_tar_sparse *s, struct corral_buf *ret);

/* Back to empty. */
void files_tar_sparse_done(struct files_tar_sparse *s);

#endif
