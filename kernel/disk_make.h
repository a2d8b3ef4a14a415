/* Inside kernel/disk*.c. */
#ifndef CORRAL_KERNEL_DISK_MAKE_H
#define CORRAL_KERNEL_DISK_MAKE_H

/* Of mkfs.ext4, static; NULL where there is none. */
const char *disk_mkfs_path(void);

#endif
