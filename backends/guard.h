/*
 * Who may do what, asked by a backend before it does it. Whoever gives a guard decides; the backend
 * promises that it asks about what is really opened, and that nothing of a refused file is read,
 * written, or told.
 */
#ifndef CORRAL_BACKENDS_GUARD_H
#define CORRAL_BACKENDS_GUARD_H

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum corral_backend_op {
	CORRAL_BACKEND_OP_READ = 1,
	CORRAL_BACKEND_OP_WRITE, /* also to make, remove and rename */
	CORRAL_BACKEND_OP_EDIT,
	CORRAL_BACKEND_OP_LS,
	CORRAL_BACKEND_OP_GLOB,
	CORRAL_BACKEND_OP_GREP,
	CORRAL_BACKEND_OP_EXECUTE,
};

/* "read", "write", ...: as permission rules name it. Static. */
const char *corral_backend_op_name(enum corral_backend_op op);

struct corral_backend_guard {
	/*
	 * 0 to go on; -errno (-EACCES) with the sentence that the caller is to see.
	 *
	 * written: the path as the caller wrote it, or the command's text for execute. NULL when
	 * the caller did not name it but a listing or a search came upon it: a refusal then hides
	 * it, and its text is not used. err may be NULL.
	 * resolved: the absolute path, links gone through; NULL for execute.
	 *
	 * A search asks about every file whose content it would look at, for grep and for read. It
	 * asks from several threads at once.
	 */
	int (*check)(void *ctx, enum corral_backend_op op, const char *written,
	             const char *resolved, struct corral_error *err);
	void *ctx;
};

#ifdef __cplusplus
}
#endif

#endif
