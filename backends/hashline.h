/*
 * Files by numbered lines that carry a hash of their content, and edits that name lines by both: an
 * edit made for other content than the file has is refused, and never lands on the wrong line.
 *
 * A line of output is "12:5d|hello": number, hash, text. The hash is the first two digits of the
 * MD5 of the line as UTF-8, with U+FFFD for bytes that are none. Lines end with "\n" alone, so a
 * "\r" belongs to its line; one "\n" at the end of the file begins no further line. An empty file
 * has one empty line.
 *
 * Edits keep the bytes of lines that they do not name, whatever these are, and whether the file
 * ends with "\n". Nothing here touches a file.
 */
#ifndef CORRAL_BACKENDS_HASHLINE_H
#define CORRAL_BACKENDS_HASHLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_HASHLINE_HASH_SIZE 3 /* two lower-case digits and NUL */

/* Of one line, without its "\n". 0 or -ENOMEM. */
int corral_hashline_hash(const char *line, size_t len, char ret[CORRAL_HASHLINE_HASH_SIZE],
                         struct corral_error *err);

/*
 * Appends lines from offset (0 is the first) on, at most limit of them (0: 2000), and a word on
 * how many follow. -ERANGE: "Offset 9 exceeds file length (3 lines)".
 */
int corral_hashline_render(const char *content, size_t len, uint64_t offset, uint64_t limit,
                           struct corral_buf *ret, struct corral_error *err);

/* Lines are counted from 1. Without new_content, which is lines joined by "\n", lines are deleted.
 */
struct corral_hashline_edit {
	int64_t start_line;
	const char *start_hash;
	bool has_end; /* else start_line alone */
	int64_t end_line;
	const char *end_hash; /* NULL: not checked; without has_end the one line's own */
	bool insert_after;    /* behind start_line, which stays */
	const char *new_content;
	size_t new_len;
};

/*
 * Appends the new content to ret and what was done to ret_summary: "Replaced 1 line(s) at line 3".
 * Refusals, in this order: -ERANGE "Line 9 out of range (file has 3 lines)"; -EINVAL an end
 * together with insert_after; -ESTALE "Hash mismatch at line 2: expected '5d', got 'd4'. File may
 * have changed — re-read it first."; -EINVAL, -ERANGE, -ESTALE for the end. Nothing is appended
 * then.
 */
int corral_hashline_apply(const char *content, size_t len, const struct corral_hashline_edit *edit,
                          struct corral_buf *ret, struct corral_buf *ret_summary,
                          struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
