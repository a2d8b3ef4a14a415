/*
 * A command's words on their way to the holder: any bytes, and more of them than a message takes,
 * so in a sealed file of memory; each with a NUL behind it.
 */
#ifndef CORRAL_TOOLS_WORDS_H
#define CORRAL_TOOLS_WORDS_H

#include <stddef.h>

#include "kernel/base/error.h"

#define CORRAL_WORDS_MAX ((size_t)256 << 10) /* bytes; guest init takes less */

struct corral_word_list {
	char *const *words;
	size_t n;
};

/* Of several lists, one after the other. */
int corral_words_write(const struct corral_word_list *lists, size_t n_lists, int *ret_fd,
                       struct corral_error *err);

/* All of them: *ret_words ends with NULL and is one block, the caller's to free. -EPROTO: not
 * sealed, too long, ... */
int corral_words_read(int fd, char ***ret_words, size_t *ret_n, struct corral_error *err);

/* A command as one line for people, cut to size: "sh -c" is how a line becomes words. */
void corral_words_line(char *const *argv, char *buf, size_t size);

#endif
