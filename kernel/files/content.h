/*
 * What a file holds, open or in memory, and what files.h does with it once it has been found: so
 * that whoever keeps files elsewhere than in a directory reads, edits and searches them alike.
 */
#ifndef CORRAL_KERNEL_FILES_CONTENT_H
#define CORRAL_KERNEL_FILES_CONTENT_H

#include "kernel/files/files.h"

struct files_content {
	int fd; /* -1: in memory */
	const char *data;
	size_t len, at;
	/* Of a text that is a slice of a longer one: how many lines are before and behind it. */
	uint64_t lines_before, lines_after;
};

static inline struct files_content files_content_open(int fd)
{
	return (struct files_content) { .fd = fd };
}

static inline struct files_content files_content_memory(const char *data, size_t len)
{
	return (struct files_content) { .fd = -1, .data = data, .len = len };
}

/* Opens what the path names; never blocks on a FIFO when O_NONBLOCK is given. -errno without text.
 */
int files_open_at(const struct corral_files *f, const char *path, int open_flags);

/* Up to size bytes; 0 at the end, -errno. */
long files_content_read(struct files_content *c, void *data, size_t size);

/* As corral_files_read() does; path is for its errors. */
int files_text_read(struct files_content *c, const char *path, uint64_t offset, uint64_t limit,
                    const struct corral_files_stop *stop, struct corral_buf *ret,
                    struct corral_error *err);

/* As corral_files_edit() does, of text in memory into out. *ret_n is set on 0, -ENOMSG and
 * -ENOTUNIQ. */
int files_text_edit(const char *data, size_t len, const char *path,
                    const struct corral_files_edit *edit, struct corral_buf *out, uint64_t *ret_n,
                    struct corral_error *err);

/*
 * The sentence for what was done with path and failed: an errno, or the stop's word. Returns -code.
 */
int files_fail(struct corral_error *err, int code, const char *path);
/* -EFBIG: a file of size bytes is more than max. */
int files_too_large(struct corral_error *err, uint64_t size, uint64_t max);

#endif
