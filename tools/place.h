/*
 * One of the two sides of a copy: this host's files, with the rights of whoever called us, or a
 * sandbox's, with the guest's: those are asked for of a file server that runs in the sandbox as any
 * other command would.
 */
#ifndef CORRAL_TOOLS_PLACE_H
#define CORRAL_TOOLS_PLACE_H

#include <stdbool.h>

#include "kernel/files/client.h"
#include "tools/sandboxes.h"

struct corral_place {
	struct corral_files *local;        /* or NULL */
	struct corral_files_client *guest; /* or NULL */
	int holder_fd;                     /* of a guest's: its file server lives no longer */
};

int corral_place_open_local(struct corral_place *p, struct corral_error *err);
int corral_place_open_guest(struct corral_place *p, const struct corral_sandboxes *s,
                            const struct corral_record *r, struct corral_error *err);
void corral_place_close(struct corral_place *p);

/* Follows links. -ENOENT: there is no such file. */
int corral_place_stat(const struct corral_place *p, const char *path, struct corral_files_stat *ret,
                      struct corral_error *err);
/* A directory as an archive, or a file as its bytes. */
int corral_place_give(const struct corral_place *p, const char *path, bool is_tree,
                      const struct corral_files_sink *sink, struct corral_files_copied *copied,
                      struct corral_error *err);
/* The same the other way: a tree is unpacked beneath path, a file replaced, or made with that mode.
 */
int corral_place_take(const struct corral_place *p, const char *path, bool is_tree,
                      unsigned int mode, const struct corral_files_source *source,
                      struct corral_files_copied *copied, struct corral_error *err);

#endif
