/*
 * The one dialect of globs, for every backend, and for what grep and .gitignore files filter by:
 *
 *   *        any characters but "/"          ?        one character but "/"
 *   **       as a whole segment: zero or more directories; at the end: everything below
 *   [a-z]    one of these                    [!a-z]   one that is not ("^" as well)
 *   {a,b}    either, nested at will          \x       x itself
 *
 * Wildcards match no leading dot of a name, and "**" enters no hidden directory, unless
 * FILES_GLOB_HIDDEN is given; a segment that begins with a dot itself matches. Case counts. What is
 * malformed, "[" without "]" or "{" without "}", stands for itself. Leading "/" and "./" are
 * dropped. A character is one of UTF-8, or one byte that is none.
 */
#ifndef CORRAL_KERNEL_FILES_GLOB_H
#define CORRAL_KERNEL_FILES_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/error.h"

enum files_glob_flags {
	FILES_GLOB_HIDDEN = 1u << 0,
	FILES_GLOB_NO_BRACES = 1u << 1,
};

struct files_glob_segment {
	const char *text;
	bool any_depth; /* "**" */
	bool literal;   /* nothing in it but itself */
	bool dot;       /* begins with a dot */
};

struct files_glob_pattern {
	struct files_glob_segment *segments;
	size_t n;
	size_t first_state; /* of n + 1: a number for each place in each pattern */
};

struct files_glob {
	struct files_glob_pattern *patterns; /* one for each way through the braces */
	size_t n;
	size_t n_states;
	unsigned int flags;
	char **texts; /* n of them, cut into segments */
};

/* -EINVAL: empty, or with a ".." segment; -E2BIG: longer or with more alternatives than allowed. */
int files_glob_compile(const char *pattern, unsigned int flags, struct files_glob **ret,
                       struct corral_error *err);
void files_glob_free(struct files_glob *g);

/* A name without "/" against one segment that is not "**". */
bool files_glob_name(const struct files_glob_segment *s, const char *name, bool hidden);

/* A whole relative path. Linear in its length for each "**", however many there are. */
bool files_glob_path(const struct files_glob *g, const char *path);

#endif
