/*
 * A tree of text files made for a measurement: the same bytes each time, names and sizes as source
 * trees have them.
 */
#ifndef CORRAL_TOOLS_BENCH_TREE_H
#define CORRAL_TOOLS_BENCH_TREE_H

#include <stdint.h>

#include "kernel/base/error.h"

/* What is in it to be found, beside words that are made up: one line in about 70, ... */
#define BENCH_TREE_FREQUENT "synchronize"
/* ... one file in 2,000. */
#define BENCH_TREE_RARE "quagmire_handle"

struct bench_tree {
	uint64_t files, dirs, bytes;
};

/* Fills the empty directory with so many files, 3 kB each on average. */
int bench_tree_make(const char *dir, uint64_t n_files, struct bench_tree *ret,
                    struct corral_error *err);
/* The directory with all that is in it; never leaves its file system. */
void bench_tree_remove(const char *dir);

#endif
