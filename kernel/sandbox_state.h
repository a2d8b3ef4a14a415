/*
 * Inside the kernel: one live sandbox, shared by kernel/launch.c (its birth) and kernel/sandbox.c
 * (its life and end).
 */
#ifndef CORRAL_KERNEL_SANDBOX_STATE_H
#define CORRAL_KERNEL_SANDBOX_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "kernel/base/clock.h"
#include "kernel/child.h"
#include "kernel/keep.h"
#include "kernel/launcher.h"

enum corral_sandbox_phase {
	CORRAL_PHASE_READY, /* no command */
	CORRAL_PHASE_RUNNING,
	CORRAL_PHASE_GONE, /* guest init is dead */
};

/* One command from its start to its end. */
struct corral_course {
	struct corral_receipt receipt;
	uint64_t start_nsec;
	uint64_t output_bytes;
	bool ended;                        /* the receipt is complete */
	bool no_statistics;                /* as the command asked */
	bool no_wait;                      /* nothing was heard of its start */
	char program[200], guest_dir[200]; /* with no_wait, for the text of an error */
	bool has_pending;
	enum corral_reason pending; /* why we killed it */
};

struct corral_sandbox {
	struct corral_launcher *launcher;
	struct corral_limits limits;
	char **env; /* the policy's, own copy in one block */
	char *work_dir;
	struct corral_cgroup cgroup;
	bool has_cgroup;
	bool confined; /* the weaker tier: no pid namespace, so guest init must live to end the tree
	                */
	bool allow_weaker; /* the caller accepts that tier */
	bool refused;      /* the launch failed for want of namespaces or mounts */
	struct corral_ids ids;
	struct corral_network network;
	bool has_ports;
	bool has_list; /* network "allow" */
	struct corral_ledger
	        *told; /* of network.h, with the lock held: what receipts said so far */
	int netns_fd;  /* until guest init has it; -1 without */
	struct corral_keep keep;
	int socket_fd, pidfd, event_fd, timer_fd, oom_fd, tty_fd;
	pid_t pid;
	enum corral_sandbox_phase phase;
	bool disk_quota; /* what is kept has a limit on the host's disk (kernel/quota.h) */
	int disk_fd;     /* of a disk whose size is the limit (kernel/disk.h); -1 without */
	bool grace;
	struct corral_course course; /* of the command that has the main socket */
	struct corral_receipt
	        made;         /* what every command's receipt begins with: how it is contained */
	pthread_mutex_t lock; /* commands beside each other: what follows */
	uint64_t oom_before, pids_before; /* events of the group that a receipt has told already */
	uint64_t scratch_free_bytes;      /* as the last command left it */
	bool oom;                         /* it ran out of memory, and was killed for it */
	atomic_uint next_id;
	struct corral_child child; /* read by the child until it has executed */
	char *stack;
	struct corral_plan *plan; /* until guest init is ready */
	uint64_t cloned_nsec;
};

/* One message from guest init into buf, with a descriptor if one came (*ret_fd -1 otherwise). 0 at
 * its end, -EAGAIN, -errno. */
ssize_t corral_wire_receive(int socket_fd, void *buf, size_t size, int *ret_fd, int flags);
/* Several threads may send on one socket: a message is whole. */
int corral_wire_send(int socket_fd, const void *buf, size_t size, const int *fds,
                     unsigned int n_fds, struct corral_error *err);
/* -EAGAIN where the other would wait for a reader. */
int corral_wire_send_now(int socket_fd, const void *buf, size_t size, struct corral_error *err);

/* kernel/start.c: how a START message differs from the only command's; -1 for what there is none
 * of. */
struct corral_start {
	uint32_t id, flags;
	int report_fd, program_fd;
};
int corral_start_send(struct corral_sandbox *s, const struct corral_command *c,
                      const struct corral_start *how, struct corral_error *err);
/* Whether guest init is to say that it runs. */
bool corral_start_is_heard(const struct corral_command *c);
/* What m says of a program that was to run in guest_dir, in words and in the receipt. Negative. */
int corral_start_failed(const char *program, const char *guest_dir, struct corral_receipt *receipt,
                        const struct corral_wire_number *m, struct corral_error *err);
/* What comes back on socket_fd: its pid inside when it runs, with the terminal's master if it has
 * one. */
int corral_start_wait(struct corral_sandbox *s, const struct corral_command *c, int socket_fd,
                      uint32_t id, struct corral_receipt *receipt, int *ret_tty_fd,
                      struct corral_error *err);

/* kernel/course.c: what stays the same from command to command is how it is contained. */
void corral_course_begin(struct corral_sandbox *s, struct corral_course *c);
void corral_course_started(struct corral_course *c);
/* Asked for, and not waited for. */
void corral_course_asked(const struct corral_sandbox *s, struct corral_course *c,
                         const struct corral_command *command);
/*
 * What guest init says of its end, len bytes, which is believed as far as a guest is; anything else
 * is not heeded. Negative: it could not be executed, which is an end as well.
 */
union corral_wire_end {
	struct corral_wire_exited exited;
	struct corral_wire_number number;
};
int corral_course_heard(struct corral_sandbox *s, struct corral_course *c,
                        const union corral_wire_end *m, size_t len, struct corral_error *err);
/* Guest init is dead: by our hand, out of memory, or by somebody on the host. */
void corral_course_gone(struct corral_sandbox *s, struct corral_course *c);

/* Out of memory, heard of by whoever looked first: all of it is killed. */
void corral_sandbox_oom(struct corral_sandbox *s);
void corral_sandbox_kill_all(struct corral_sandbox *s);
int corral_sandbox_number_send(struct corral_sandbox *s, uint32_t type, uint32_t n, uint32_t id,
                               struct corral_error *err);

/* Waits until guest init stands ready, or says which step failed. */
int corral_sandbox_ready(struct corral_sandbox *s, struct corral_error *err);

/* Kills guest init and waits for it; the kernel takes everything in its pid namespace along. */
void corral_sandbox_end(struct corral_sandbox *s);

#endif
