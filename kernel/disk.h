/*
 * A disk of a given size for who has none that counts: an ext4 file system in a sparse file of the
 * host's, which takes what is written to it, and no more than it was made for.
 *
 * It is mounted through a loop device, and nowhere: the mount is a descriptor, and what is cloned
 * from it into sandboxes. With the last of them, also of a process that was killed, the mount goes,
 * and the loop device with it (LO_FLAGS_AUTOCLEAR). Several processes may have the same disk open:
 * they share one loop device, and so one file system; two devices over one file would garble it.
 *
 * Takes the host's root, Linux 6.15 (before, nothing can be cloned from a mount that is nowhere:
 * open_tree(2)), loop devices, ext4 and mkfs.ext4.
 */
#ifndef CORRAL_KERNEL_DISK_H
#define CORRAL_KERNEL_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether this host has all of that, by doing it. -EOPNOTSUPP: what is missing. */
int corral_disk_possible(struct corral_error *err);

/*
 * A new one for that many bytes and files (0: one for each 16 KiB), beside its own administration,
 * in a file that does not exist yet. -EEXIST. Left half made when it fails.
 */
int corral_disk_make(int dir_fd, const char *name, uint64_t bytes, uint64_t inodes,
                     struct corral_error *err);

/* *ret_fd: its root directory (O_PATH), nosuid and nodev; it is mounted, and can be cloned, as long
 * as that is open. */
int corral_disk_open(int dir_fd, const char *name, int *ret_fd, struct corral_error *err);
/* Whether anybody has it open. */
bool corral_disk_is_open(int dir_fd, const char *name);

/*
 * The same again, in a file that does not exist yet: as fast as the file system of the host shares
 * blocks (FICLONE), else as much as is in it. root_fd: of the first one, to which nobody writes
 * meanwhile. Left half made when it fails.
 */
int corral_disk_copy(int dir_fd, const char *name, int root_fd, int to_dir_fd, const char *to_name,
                     struct corral_error *err);

struct corral_disk_usage {
	uint64_t free_bytes, free_inodes;
	uint64_t used_bytes; /* of the host's file system */
};
/* fd: of anything on it. -errno. */
int corral_disk_usage(int fd, struct corral_disk_usage *ret);

/* Gives the host back what nothing on it takes any more (fstrim_range, FITRIM), once that is
 * written. */
void corral_disk_trim(int root_fd);

/*
 * What is beyond its limit is kept in a directory of its own, "reserve", so that bytes and inodes
 * (0: no matter) are what the guest can have, and somebody who tidies a full one up has room: he
 * gives it, and whoever opens it next takes it again as far as there is room. Both do nothing where
 * that was done.
 */
void corral_disk_reserve_take(int root_fd, uint64_t bytes, uint64_t inodes);
void corral_disk_reserve_give(int root_fd);

#ifdef __cplusplus
}
#endif

#endif
