/*
 * One directory by its descriptor: opened, and its names, all at once.
 */
#ifndef CORRAL_KERNEL_FILES_NAMES_H
#define CORRAL_KERNEL_FILES_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct corral_files_arena;
struct corral_files_stop;

/* One directory's names, sorted as their full paths would be: a directory as if it ended with "/".
 */
struct files_name {
	const char *name;
	unsigned char type; /* DT_*, never DT_UNKNOWN */
};

struct files_names {
	struct files_name *v;
	size_t n;
	struct corral_files_arena *arena;
	bool truncated;
};

/* Reads the directory (not O_PATH); fd stays the caller's. */
int files_names_read(int dir_fd, const struct corral_files_stop *stop, struct files_names *ret);
void files_names_done(struct files_names *n);

#define FILES_MODE_KEPT ((mode_t)-1)
/*
 * The directory of that name, for reading; no link is followed. With opens_closed one of the
 * caller's own is made accessible first, and *ret_mode is what it had; else that is
 * FILES_MODE_KEPT. A descriptor or -errno.
 */
int files_open_dir(int dir_fd, const char *name, bool opens_closed, mode_t *ret_mode);

#endif
