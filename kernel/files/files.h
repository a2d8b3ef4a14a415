/*
 * File operations beneath a directory: what agents and people do with files, with bounded memory,
 * bounded time and clear errors, whatever the tree holds. The same code runs inside a sandbox with
 * the guest's rights (server.c; the whole root is the guest's, so nothing is confined) and outside
 * beneath one directory (CORRAL_FILES_CONFINED).
 *
 * Paths are bytes without NUL. "", ".", "./", "/." name the view's root; so does "/" when the view
 * is confined, and always for the two searches, glob and grep. Relative paths begin at the root. An
 * absolute path begins at the process's root, or at the view's when confined. Confined, symbolic
 * links are followed as far as they stay beneath the root; what leads out is -EXDEV, "Path '...' is
 * outside the workspace".
 *
 * Errors are made of the path as the caller wrote it, without "Error: " in front: the protocols
 * that want that word add it. -ENOENT is "File '...' not found" and nothing else, -EACCES
 * "Permission denied for '...'". FIFOs, sockets and devices are never opened for their content:
 * -EINVAL.
 *
 * An operation looks at its struct corral_files_stop between system calls: -ECANCELED, -ETIMEDOUT.
 * A view may be used by many threads at once.
 */
#ifndef CORRAL_KERNEL_FILES_FILES_H
#define CORRAL_KERNEL_FILES_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/files/result.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What bounds an operation. Rows and matches beyond these are cut with a flag, files are refused.
 */
#define CORRAL_FILES_ROWS_MAX    500000      /* of one listing or glob */
#define CORRAL_FILES_MATCHES_MAX 100000      /* of one grep; also its default */
#define CORRAL_FILES_RESULT_MAX  (32u << 20) /* bytes of all rows or matches together */
#define CORRAL_FILES_LINE_MAX    (16u << 10) /* bytes of a match's line that are kept */
#define CORRAL_FILES_DEPTH_MAX   256         /* levels that a search or copy descends */
#define CORRAL_FILES_READ_CHARS  200000      /* characters of one numbered read */
#define CORRAL_FILES_READ_LINES  2000        /* the default limit of one */
#define CORRAL_FILES_EDIT_MAX                                                                 \
	(64u << 20)                   /* bytes of a file that can be edited, and of each text \
	                               */
#define CORRAL_FILES_SNIFF       8192 /* a NUL in so many bytes makes a file binary */
#define CORRAL_FILES_PATTERN_MAX 4096 /* bytes of a glob or a regular expression */
#define CORRAL_FILES_BRACES_MAX  1024 /* alternatives that a glob's braces may make */
#define CORRAL_FILES_PATH_MAX    4096
#define CORRAL_FILES_THREADS_MAX 4           /* of one search, with the caller's own */
#define CORRAL_FILES_CHUNK       (64u << 10) /* bytes that a sink or source handles at once */

enum corral_files_flags {
	CORRAL_FILES_CONFINED = 1u << 0,   /* nothing outside the root is reached */
	CORRAL_FILES_NO_OPENAT2 = 1u << 1, /* walk component by component, as without openat2(2) */
};

struct corral_files;

/*
 * Asked about what an operation has opened, before any content is given or taken: nobody can put
 * something else in its place any more. Whoever reads, edits, writes, searches, removes or renames
 * asks.
 */
struct corral_files_gate {
	/*
	 * fd: the file; or, with a name, the directory in which that name is written. path: as the
	 * caller wrote it, NULL for what a search came upon. 0, or -errno with a text, with which
	 * the operation fails, but for a search, which passes over it. Several threads call at
	 * once.
	 */
	int (*pass)(void *ctx, int fd, const char *name, const char *path,
	            struct corral_error *err);
	void *ctx;
};

/* When to give up. NULL where it is asked for means never. */
struct corral_files_stop {
	const bool *cancelled;  /* or NULL; another thread sets it with __atomic_store_n() */
	uint64_t deadline_nsec; /* CLOCK_MONOTONIC; 0 for none */
	const struct corral_files_gate *gate; /* or NULL */
};

/* Takes bytes as they come, at most CORRAL_FILES_CHUNK at a time; 0 or -errno, which ends the
 * operation. */
struct corral_files_sink {
	int (*put)(void *ctx, const void *data, size_t len, struct corral_error *err);
	void *ctx;
};

/* Gives up to size bytes; 0 at the end, or -errno. */
struct corral_files_source {
	long (*get)(void *ctx, void *data, size_t size, struct corral_error *err);
	void *ctx;
};

/* Duplicates root_fd, a directory (O_PATH will do). */
int corral_files_open(int root_fd, unsigned int flags, struct corral_files **ret,
                      struct corral_error *err);
void corral_files_close(struct corral_files *f);

/* 1 for an existing regular file, else 0, for whatever reason. */
int corral_files_exists(const struct corral_files *f, const char *path);

/* Follows a last symbolic link unless CORRAL_FILES_NOFOLLOW is set. */
int corral_files_stat(const struct corral_files *f, const char *path, unsigned int flags,
                      struct corral_files_stat *ret, struct corral_error *err);

/*
 * One directory, directories first, then by bytes; a file's path gives that one row. Rows tell of
 * what a link leads to; links that lead nowhere or outside are left out, but for
 * CORRAL_FILES_LS_LINKS, which shows them as links. An entry that cannot be looked at is left out
 * alone.
 */
int corral_files_ls(const struct corral_files *f, const char *path, unsigned int flags,
                    const struct corral_files_stop *stop, struct corral_files_rows *ret,
                    struct corral_error *err);

/*
 * Numbered text: "%6d\t%s" a line, joined by "\n", from line offset + 1 on, always valid UTF-8
 * (invalid bytes become U+FFFD). Where backends differed before, this holds on all of them:
 * - a line ends with "\n", as for grep and edit; one "\r" before it is not shown, any other is;
 * - the "\n" that ends a file begins no further line; an empty file is one empty line;
 * - a NUL in the first 8 kB: "'...' is binary; read it as bytes instead" (-EILSEQ);
 * - a directory: "'...' is a directory" (-EISDIR);
 * - more lines: "\n\n... (N more lines)"; past the end: "Offset N exceeds file length (M lines)"
 * (-ERANGE);
 * - more than 200,000 characters: cut with a note when neither offset nor limit was given, else
 * -EFBIG.
 */
int corral_files_read(const struct corral_files *f, const char *path, uint64_t offset,
                      uint64_t limit, const struct corral_files_stop *stop, struct corral_buf *ret,
                      struct corral_error *err);

/*
 * The bytes from offset on, at most length of them (UINT64_MAX: to the end). A file that is larger
 * than max (0: any) is -EFBIG before anything was put, if its size tells. Files of /proc are read
 * to their end.
 */
int corral_files_read_bytes(const struct corral_files *f, const char *path, uint64_t offset,
                            uint64_t length, uint64_t max, const struct corral_files_stop *stop,
                            const struct corral_files_sink *sink, struct corral_error *err);

/*
 * Replaces the file's content by all that the source gives: missing parents are made, a temporary
 * file beside it is renamed over it, so that readers see the old or the new and a failure leaves
 * the old. An existing file keeps its mode, a symbolic link is written through. A file we may not
 * write is -EACCES although a rename would get past that; one that cannot be replaced (a mount
 * point, a directory we may not write) is written in place. mode 0 is 0666 less the umask. ret_size
 * may be NULL.
 */
int corral_files_write(const struct corral_files *f, const char *path, unsigned int mode,
                       const struct corral_files_stop *stop,
                       const struct corral_files_source *source, uint64_t *ret_size,
                       struct corral_error *err);

/*
 * Exact replacement, byte by byte, of UTF-8 text: the only occurrence, or all of them with
 * replace_all. An empty old text occurs before each character and at the end. In a file whose lines
 * end with "\r\n", a text that does not occur as it is, is tried again with "\r\n" for its "\n",
 * and so is what replaces it. The number of occurrences is set also on -ENOMSG (none) and -ENOTUNIQ
 * (several), whose whole text corral_files_edit_text() makes.
 */
int corral_files_edit(const struct corral_files *f, const char *path,
                      const struct corral_files_edit *edit, const struct corral_files_stop *stop,
                      uint64_t *ret_occurrences, struct corral_error *err);

/*
 * Regular files whose path below `path` matches, sorted by bytes; links to regular files count. The
 * dialect is that of glob.h. CORRAL_FILES_HIDDEN lets wildcards match names that begin with a dot.
 * Rows have the path that gets back to the file: relative to the root for the root, else `path` and
 * the rest. With CORRAL_FILES_NAMES they tell no more than path, name, type and is_link.
 */
int corral_files_glob(const struct corral_files *f, const char *pattern, const char *path,
                      unsigned int flags, const struct corral_files_stop *stop,
                      struct corral_files_rows *ret, struct corral_error *err);

/*
 * Lines that match a regular expression of PCRE2, ordered by path, then line. Binary files (NUL in
 * the first 8 kB), special files and links met on the way are passed over, and so is what
 * .gitignore files from the root down exclude, and, with CORRAL_FILES_IGNORE_HIDDEN, hidden names
 * and the usual build directories below the path; a file named outright is searched in any case.
 * `glob` (NULL: all) matches base names, or, when it has a "/", the path below the search path. A
 * bad expression is -EINVAL, "Invalid regex pattern: ...".
 */
int corral_files_grep(const struct corral_files *f, const struct corral_files_grep *grep,
                      const struct corral_files_stop *stop, struct corral_files_matches *ret,
                      struct corral_error *err);

/* With parents; a directory that exists is fine. */
int corral_files_mkdir(const struct corral_files *f, const char *path, struct corral_error *err);

/*
 * A file, a link (not what it leads to), an empty directory; a tree with CORRAL_FILES_RECURSIVE.
 * The root itself is refused with -EBUSY.
 */
int corral_files_remove(const struct corral_files *f, const char *path, unsigned int flags,
                        const struct corral_files_stop *stop, struct corral_error *err);

/* As rename(2), with the new path's parents made; CORRAL_FILES_NOREPLACE: -EEXIST. */
int corral_files_rename(const struct corral_files *f, const char *path, const char *new_path,
                        unsigned int flags, const struct corral_files_stop *stop,
                        struct corral_error *err);

/*
 * A file (one entry, its base name) or a tree (entries below `path`, which is "./") as a pax
 * archive. Links are entries, never followed; a further name of a file is a hard link; sockets and
 * devices are left out, and so is what cannot be read: counted. Files with large holes are sparse
 * entries, as version 1.0 of GNU tar's pax format has them.
 */
int corral_files_tar_out(const struct corral_files *f, const char *path,
                         const struct corral_files_stop *stop, const struct corral_files_sink *sink,
                         struct corral_files_copied *ret, struct corral_error *err);

/*
 * Unpacks a ustar, pax or GNU archive beneath the directory `path`, which is made; holes stay
 * holes. Files replace files. No entry leaves that directory: ".." is refused and no link below it
 * is followed. Everything belongs to the caller, without set-id bits; directories stay writable for
 * their owner.
 */
int corral_files_tar_in(const struct corral_files *f, const char *path,
                        const struct corral_files_stop *stop,
                        const struct corral_files_source *source, struct corral_files_copied *ret,
                        struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
