/*
 * Inside the kernel: one live sandbox, shared by kernel/launch.c (its birth) and kernel/sandbox.c (its life and end).
 */
#ifndef CORRAL_KERNEL_SANDBOX_STATE_H
#define CORRAL_KERNEL_SANDBOX_STATE_H

#include "kernel/child.h"
#include "kernel/launcher.h"

enum corral_sandbox_phase {
	CORRAL_PHASE_READY,   /* no command */
	CORRAL_PHASE_RUNNING,
	CORRAL_PHASE_GONE,    /* guest init is dead */
};

struct corral_sandbox {
	struct corral_launcher *launcher;
	struct corral_limits limits;
	char **env;          /* the policy's, own copy in one block */
	char *work_dir;
	struct corral_cgroup cgroup;
	bool has_cgroup;
	bool confined;       /* the weaker tier: no pid namespace, so guest init must live to end the tree */
	bool allow_weaker;   /* the caller accepts that tier */
	bool refused;        /* the launch failed for want of namespaces or mounts */
	struct corral_ids ids;
	int socket_fd, pidfd, event_fd, timer_fd, oom_fd, tty_fd;
	pid_t pid;
	enum corral_sandbox_phase phase;
	bool ended;          /* the command's receipt is complete */
	bool has_pending, grace;
	enum corral_reason pending; /* why we killed it */
	uint64_t oom_before, pids_before;
	bool no_statistics; /* as the running command asked */
	uint64_t start_nsec;
	uint64_t output_bytes;
	struct corral_child child; /* read by the child until it has executed */
	char *stack;
	struct corral_plan *plan; /* until guest init is ready */
	uint64_t cloned_nsec;
	struct corral_receipt receipt;
};

uint64_t corral_now_nsec(void);

/* One message from guest init into buf, with a descriptor if one came (*ret_fd -1 otherwise). 0 at its end, -EAGAIN, -errno. */
ssize_t corral_sandbox_receive(struct corral_sandbox *s, void *buf, size_t size, int *ret_fd, int flags);
int corral_sandbox_send(struct corral_sandbox *s, const void *buf, size_t size, const int *fds,
			unsigned int n_fds, struct corral_error *err);

/* Waits until guest init stands ready, or says which step failed. */
int corral_sandbox_ready(struct corral_sandbox *s, struct corral_error *err);

/* Kills guest init and waits for it; the kernel takes everything in its pid namespace along. */
void corral_sandbox_end(struct corral_sandbox *s);

#endif
