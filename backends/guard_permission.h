/* A backend's guard that goes by permission rules. */
#ifndef CORRAL_BACKENDS_GUARD_PERMISSION_H
#define CORRAL_BACKENDS_GUARD_PERMISSION_H

#include <stdbool.h>

#include "backends/guard.h"
#include "policy/permission.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, unchanged for as long as a backend has the guard; so is what it points to. */
struct corral_permission_guard {
	const struct corral_permission_checker *checker;
	/* Where relative paths begin, in commands as well; work_dir NULL: unknown, and then the
	 * paths in commands are not looked at. */
	struct corral_permission_place place;
	bool ask; /* questions go to the checker's callback, else they are answered by its fallback
	           */
};

/*
 * Refusals are -EACCES, and -EPERM where nobody can be asked, with the texts of
 * corral_permission_check() when ask is set, else of corral_permission_enforce(). About what a
 * listing or a search came upon nobody is asked: it is hidden when a rule or a default denies it.
 * What a command does to files is held against read and write too.
 */
struct corral_backend_guard corral_permission_guard(struct corral_permission_guard *g);

#ifdef __cplusplus
}
#endif

#endif
