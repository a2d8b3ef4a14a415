/*
 * Who the guest is on the host. As root each sandbox gets a range of 65536 ids that no other live
 * sandbox has, held by a lock that goes with its process (fcntl(2), open file description locks),
 * and a user namespace that maps it. Without root: the caller's own id, or ranges of /etc/subuid
 * through newuidmap(1).
 */
#ifndef CORRAL_KERNEL_IDS_H
#define CORRAL_KERNEL_IDS_H

#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/error.h"

#define CORRAL_IDS_COUNT 65536u
/* Above what distributions hand out to users and to systemd-nspawn(1), below 2^31, where old tools
 * stop. */
#define CORRAL_IDS_FIRST 0x70000000u
#define CORRAL_IDS_SLOTS 4000u

struct corral_id_extent {
	uint32_t inside, outside, count;
};

struct corral_ids {
	uint32_t base; /* first id on the host */
	int lease_fd;  /* while it is open, nobody else gets the range */
	int userns_fd; /* maps 0..65535 to it; -1 until corral_ids_map() */
};

/* -EBUSY when all are taken; -EACCES or the like when the runtime directory cannot be had. */
int corral_ids_open(const char *runtime_dir, struct corral_ids *ret, struct corral_error *err);
/* Makes the namespace, if it is not there yet: apart from the lease, since only the base is needed
 * before a clone. */
int corral_ids_map(struct corral_ids *ids, struct corral_error *err);
void corral_ids_close(struct corral_ids *ids);

/*
 * A user namespace with this map for uids and gids, kept alive by its descriptor alone. owner: the
 * host user to whom the kernel counts what its users take of the host (inotify instances, message
 * queues); 0: the caller.
 */
int corral_userns_open(uint32_t owner, const struct corral_id_extent *uids, unsigned int n_uids,
                       const struct corral_id_extent *gids, unsigned int n_gids, int *ret_fd,
                       struct corral_error *err);

/* Maps one id inside, the caller's outside, for a process that waits in its new namespace. */
int corral_ids_map_single(pid_t pid, uint32_t host_uid, uint32_t host_gid,
                          struct corral_error *err);

/* Maps 0 to the caller and 1.. to its subordinate ids, by newuidmap and newgidmap. */
int corral_ids_map_subids(pid_t pid, uint32_t host_uid, uint32_t host_gid,
                          struct corral_error *err);

#endif
