/*
 * The programs that corral turns into, for what it does not bring itself: they lie beside it in a
 * build tree, and in libexec when installed. Users know corral alone.
 */
#ifndef CORRAL_TOOLS_PROGRAM_H
#define CORRAL_TOOLS_PROGRAM_H

#include <stdbool.h>

#include "kernel/base/error.h"

#define CORRAL_PROGRAM_DOCKER  "corral-docker"
#define CORRAL_PROGRAM_SESSION "corral-session"
#define CORRAL_PROGRAM_OCI     "corral-oci"

/*
 * Goes on as that program, with main()'s whole argv and the same environment, directory and
 * descriptors; so nothing may have been read or made before. Does not return, but for errors:
 * -ENOENT when it is not installed, "this corral was built without WHAT: ...".
 */
int corral_program_exec(const char *program, const char *what, char **argv,
                        struct corral_error *err);
bool corral_program_is_installed(const char *program);
/* Its path, the caller's to free. -ENOENT as above. */
int corral_program_find(const char *program, const char *what, char **ret,
                        struct corral_error *err);

#endif
