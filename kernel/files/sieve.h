/*
 * What a search passes over: hidden names and the usual build directories when it is told to, what
 * a glob does not admit, what .gitignore files exclude.
 */
#ifndef CORRAL_KERNEL_FILES_SIEVE_H
#define CORRAL_KERNEL_FILES_SIEVE_H

#include "kernel/files/files.h"
#include "kernel/files/glob.h"
#include "kernel/files/ignore.h"

struct files_sieve {
	struct files_glob *glob; /* NULL: all */
	bool by_path;            /* the glob has a "/": it is about paths, not names */
	unsigned int flags;      /* of enum corral_files_op_flags */
};

/* Of grep's flags and glob. The caller gives it to files_sieve_done(), also after a failure. */
int files_sieve_init(struct files_sieve *s, const struct corral_files_grep *grep,
                     struct corral_error *err);
void files_sieve_done(struct files_sieve *s);

/*
 * Whether a search goes into the directory, or through the file. path: from the root of all
 * .gitignore files; below: the part of it that is below the search path; name: its last part.
 */
bool files_sieve_passes(const struct files_sieve *s, const char *path, const char *below,
                        const char *name, bool is_dir, const struct files_ignore *ignore);

#endif
