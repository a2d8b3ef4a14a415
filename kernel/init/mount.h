/*
 * Mount objects: see mount.c. attr are MOUNT_ATTR_* bits. Every function returns 0, a descriptor,
 * or -errno.
 */
#ifndef CORRAL_KERNEL_INIT_MOUNT_H
#define CORRAL_KERNEL_INIT_MOUNT_H

#include "kernel/init/init.h"

struct fs_option {
	const char *key;
	const char *value; /* NULL: a flag, or a descriptor */
	int fd;            /* above 0: the value is this descriptor (new API only) */
};

/* A new file system on target_fd, or attached nowhere (-1, new API only). Its descriptor; -EAGAIN:
 * mounted by mount(2), to be opened by path. */
long mount_new(struct init *in, const char *type, const struct fs_option *options, unsigned int n,
               uint64_t attr, int target_fd);
/* The same on a guest path, which is made if missing; always a descriptor. */
long mount_new_at(struct init *in, const char *type, const struct fs_option *options,
                  unsigned int n, uint64_t attr, const char *guest_path, uint32_t uid,
                  uint32_t gid);
/* A detached copy of what is at path below dir_fd. */
long mount_clone(struct init *in, int dir_fd, const char *path, int recursive);
/* Puts a detached mount on target_fd, which is guest_path. */
long mount_attach(struct init *in, int object, uint64_t set, uint64_t clear, int recursive,
                  int target_fd, const char *guest_path);
long mount_attach_at(struct init *in, int object, uint64_t set, uint64_t clear, int recursive,
                     const char *guest_path, uint32_t uid, uint32_t gid, int is_file);
long mount_move(int object, int target_fd);
/* Of what has no file system beneath that would keep them: CORRAL_WIRE_MOUNT_SETATTR. */
long mount_attributes(int object, uint64_t set, uint64_t clear, int recursive);

#endif
