/*
 * .gitignore files as gitignore(5) has them: the last rule that matches decides, those of a deeper
 * directory before those above; "!" takes back, "/" anchors, a "/" at the end means directories.
 * Whether there is a repository does not matter. A level lives as long as those below it are in
 * use.
 */
#ifndef CORRAL_KERNEL_FILES_IGNORE_H
#define CORRAL_KERNEL_FILES_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

struct files_ignore;

/*
 * The directory's .gitignore, on top of above (NULL: none). base is the length of the directory's
 * path with the slash behind, as paths come to files_ignore_has(). Without such a file *ret is
 * above itself.
 */
int files_ignore_load(int dir_fd, size_t base, struct files_ignore *above,
                      struct files_ignore **ret);

/* The same of the text of such a file. */
int files_ignore_parse(const char *text, size_t len, size_t base, struct files_ignore *above,
                       struct files_ignore **ret);

/* Frees the levels from i up to above, which stays. */
void files_ignore_free(struct files_ignore *i, const struct files_ignore *above);

/* path: from the root of all levels; its last name is `name`. */
bool files_ignore_has(const struct files_ignore *i, const char *path, const char *name,
                      bool is_dir);

#endif
