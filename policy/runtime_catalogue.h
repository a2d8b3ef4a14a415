/*
 * Runtimes by name: the built-in ones, and those that the operator describes, one JSON file each.
 */
#ifndef CORRAL_POLICY_RUNTIME_CATALOGUE_H
#define CORRAL_POLICY_RUNTIME_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is taken where nobody named one: the host's own /usr, nothing to download. */
#define CORRAL_RUNTIME_DEFAULT "host"

struct corral_runtime_entry {
	const struct corral_runtime *runtime; /* borrowed */
	const char *path;                     /* its file; NULL for a built-in one */
};

struct corral_runtime_catalogue;

/* A file that no runtime can be made of. */
struct corral_runtime_fault {
	const char *name, *path; /* borrowed; the name is the file's */
	const char *text;        /* "PATH: packages[1]: ..." */
	int code;                /* errno */
};

/*
 * The built-in ones and what *.json of these directories describe (the later directory wins over
 * the earlier, both over the built-in; a directory that is not there is no mistake). A file's name
 * without .json is the runtime's name. One that cannot be read or parsed, or that somebody other
 * than root and the caller can write to, keeps nobody from the others; it takes the place of what
 * was before it all the same, so that nobody gets another runtime than the one he described. A
 * directory that others can write to is -EPERM: a runtime names mounts and capabilities. dirs:
 * NULL-terminated, or NULL.
 */
int corral_runtime_catalogue_open(const char *const *dirs, struct corral_runtime_catalogue **ret,
                                  struct corral_error *err);
/* Takes NULL. */
void corral_runtime_catalogue_close(struct corral_runtime_catalogue *c);

/* Sorted by name; borrowed. */
size_t corral_runtime_catalogue_count(const struct corral_runtime_catalogue *c);
const struct corral_runtime_entry *corral_runtime_catalogue_at(
        const struct corral_runtime_catalogue *c, size_t i);

/* Files that are none; sorted by name, borrowed. */
size_t corral_runtime_catalogue_faults(const struct corral_runtime_catalogue *c,
                                       const struct corral_runtime_fault **ret);

/* Borrowed. A fault's code and text for its name. -ENOENT: "Unknown runtime 'x'. Available: a, b,
 * c". */
int corral_runtime_catalogue_get(const struct corral_runtime_catalogue *c, const char *name,
                                 const struct corral_runtime **ret, struct corral_error *err);

/* That of a file that the caller names; -EPERM when others than root and he can write to it.
 * Without a name of its own it has the file's. "'PATH': packages[1]: ...". */
int corral_runtime_load(const char *path, struct corral_runtime **ret, struct corral_error *err);

/* A built-in one, the caller's own. -ENOENT with the same text. */
int corral_runtime_get(const char *name, struct corral_runtime **ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
