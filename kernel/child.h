/*
 * The moment around clone3(): a child that shares the caller's memory, so that its price does not
 * depend on the caller's size, has a stack of its own, and does nothing but make raw system calls
 * until it has become guest init. In kernel/child.c nothing else is allowed: no libc function, not
 * even errno, since the caller's threads go on meanwhile (signal-safety(7), nptl(7)). Guarded by
 * tests/checks/imports.sh, which holds the object file's imports against a list.
 */
#ifndef CORRAL_KERNEL_CHILD_H
#define CORRAL_KERNEL_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct corral_child {
	uint64_t clone_flags; /* CLONE_NEW*; CLONE_VM, CLONE_PIDFD and CLONE_CLEAR_SIGHAND come by
	                         themselves */
	int cgroup_fd;        /* -1, or a directory for CLONE_INTO_CGROUP */
	int launchpad_fd;     /* -1, or a mount namespace of one mount to start from */
	int socket_fd;        /* init's end; above 3 */
	int image_fd;         /* what to execute; above 3 */
	int wait_go; /* wait for a message of one byte before the exec: id maps are being written */
	char *argv[2], *envp[1];
};

#define CORRAL_CHILD_STACK_SIZE 16384

/*
 * Starts the child; all signals must be blocked. stack: CORRAL_CHILD_STACK_SIZE bytes that stay
 * until the child has executed or ended. The pid with *ret_pidfd, or -errno. clone3 is required:
 * the kernel has it since 5.3, and an outer filter that hides it answers ENOSYS, in which case
 * clone() is used, without CLONE_INTO_CGROUP (-EOPNOTSUPP when cgroup_fd was given).
 */
long corral_child_start(struct corral_child *c, void *stack, int *ret_pidfd);

/*
 * A child that waits in fresh namespaces to be looked at (its /proc/PID/ns) and then killed. With
 * launchpad, its mount namespace is emptied down to one mount first; ready_fd gets 4 bytes, 0 or an
 * errno.
 */
long corral_child_hold(uint64_t clone_flags, int launchpad, int ready_fd, void *stack,
                       int *ret_pidfd);

/*
 * Attaches a detached mount at a path of another process's mount namespace, which the caller's user
 * namespace has to own: a child enters it for that alone, and is reaped. All signals must be
 * blocked; stack as above. 0 or -errno.
 */
long corral_child_attach(int pidfd, int mount_fd, const char *guest_path, void *stack);

#endif
