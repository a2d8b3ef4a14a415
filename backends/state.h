/*
 * Files in memory, with documents in JSON as the way in and out: for agents whose files live in a
 * conversation's state, for scratch space, for tests.
 *
 * Paths are virtual: "/" is the root, a relative path begins there, there are no links, and results
 * have whole paths. ".." as a part of a path, a "~" at its beginning and drive letters are refused
 * (-EINVAL), names that are no UTF-8 as well (-EILSEQ), since no document could hold them. Any
 * other bytes are fine as content.
 */
#ifndef CORRAL_BACKENDS_STATE_H
#define CORRAL_BACKENDS_STATE_H

#include "backends/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_STATE_BYTES (64u << 20) /* the budget, unless another is given */

struct corral_state_options {
	const char *id; /* NULL: a random UUID */
	/*
	 * What content, paths and 128 bytes for each file or directory may come to, together with
	 * what is being written; 0: CORRAL_STATE_BYTES. More is -ENOSPC, and nothing has changed.
	 */
	uint64_t max_bytes;
};

/* options may be NULL. */
int corral_state_backend_new(const struct corral_state_options *options,
                             struct corral_backend **ret, struct corral_error *err);

/*
 * All files as one JSON object, appended to ret:
 *
 *   {"/a.txt": {"content": ["line", ...], "created_at": "2026-01-01T00:00:00+00:00",
 *               "modified_at": "...", "encoding": "base64"}, ...}
 *
 * content is the text cut at each newline or, with the encoding, base64 in one piece or several:
 * what is no UTF-8. Times are UTC, with microseconds when there are any. Directories are told by
 * the files in them alone. -EINVAL when b is no state backend.
 */
int corral_state_backend_export(struct corral_backend *b, struct corral_buf *ret,
                                struct corral_error *err);

/*
 * The files of such a document instead of all that are there; all of them or, after an error, none.
 * Times may be missing. Lone surrogates, as which older documents hold bytes that are no text,
 * become those bytes. -EINVAL with the place for what is no such document, -ENOSPC.
 */
int corral_state_backend_import(struct corral_backend *b, const char *json, size_t len,
                                struct corral_error *err);

/* What is used of the budget, in bytes. */
uint64_t corral_state_backend_bytes(struct corral_backend *b);

#ifdef __cplusplus
}
#endif

#endif
