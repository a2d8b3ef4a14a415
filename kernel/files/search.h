/*
 * Lines of one file that match a regular expression: the part of grep that knows PCRE2.
 */
#ifndef CORRAL_KERNEL_FILES_SEARCH_H
#define CORRAL_KERNEL_FILES_SEARCH_H

#include "kernel/files/content.h"

struct files_pattern;  /* compiled; shared by threads */
struct files_searcher; /* one thread's buffers and limits */

/* -EINVAL: "Invalid regex pattern: ..." */
int files_pattern_new(const char *text, bool ignore_case, struct files_pattern **ret,
                      struct corral_error *err);
void files_pattern_free(struct files_pattern *p);

struct files_searcher *files_searcher_new(const struct files_pattern *p);
void files_searcher_free(struct files_searcher *s);

/*
 * Whether there are more matches than a grep gives is known once one more was looked for: the limit
 * of its searches, and what comes of all of them, with that one away again.
 */
uint64_t files_matches_wanted(const struct corral_files_grep *grep);
void files_matches_cut(const struct corral_files_grep *grep, struct corral_files_matches *found);

/*
 * Adds the content's lines that match, at most max of them, to ret. A binary file has none. -errno
 * when it cannot be read or the stop says so; -E2BIG when lines were too expensive to match too
 * often.
 */
int files_search(struct files_searcher *s, struct files_content *c, const char *path,
                 size_t path_len, uint64_t max, const struct corral_files_stop *stop,
                 struct corral_files_matches *ret);

#endif
