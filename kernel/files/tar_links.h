/* Files with several names, met while a tree is packed: the first name has the content. */
#ifndef CORRAL_KERNEL_FILES_TAR_LINKS_H
#define CORRAL_KERNEL_FILES_TAR_LINKS_H

#include <stddef.h>
#include <sys/stat.h>

#define FILES_TAR_LINKS_MAX 65536u /* files; those beyond are packed once for each name */

struct files_tar_links {
	struct files_tar_link *v; /* a hash table; NULL until the first */
	size_t n, size;
};

/*
 * The name under which that file was packed before, or NULL: then this one is remembered, if there
 * is memory.
 */
const char *files_tar_link(struct files_tar_links *l, const struct stat *st, const char *name);
void files_tar_links_done(struct files_tar_links *l);

#endif
