/*
 * Guest init's own state, on its stack and in its few static pages. No heap.
 */
#ifndef CORRAL_KERNEL_INIT_INIT_H
#define CORRAL_KERNEL_INIT_INIT_H

#include "kernel/init/sys.h"
#include "kernel/init/wire.h"

#define INIT_MADE_MAX 40

/* Of open(2), where architectures differ. */
#if defined(__aarch64__)
#define O_NOFOLLOW_  0100000
#define O_DIRECTORY_ 040000
#else
#define O_NOFOLLOW_  0400000
#define O_DIRECTORY_ 0200000
#endif

struct refusals;

struct init {
	const struct corral_wire_launch *launch; /* the message, until the root stands */
	int fds[CORRAL_WIRE_FDS_MAX];
	unsigned int n_fds;
	uint32_t features;
	int layer_fd;     /* with CORRAL_STEP_DETACHED: the layer of the overlay to come */
	int scratch_fd;   /* the scratch file system's root; cwd as well while building */
	int root_fd;      /* the guest's root while building */
	int proc_self_fd; /* the host's /proc/self, to write id maps through after it is out of
	                     sight */
	int detail;
	/* File systems made here: mount points may be created on them, and nowhere else. */
	uint64_t made[INIT_MADE_MAX];
	unsigned int n_made;
	uint64_t made_mount; /* the same of one mount, whose file system is the host's; 0: none */
	uint64_t stage_nsec[10], started_nsec;
	uint32_t landlock, landlock_abi;
	int fences_streams; /* kernel and profile allow it */
	int proc_fd;        /* processes below us, as they are seen here */
	/* the confined tier, kernel/init/confined.c */
	int confined;
	int ruleset_fd;
	int no_signals;      /* Landlock cannot fence signals here */
	unsigned int sweeps; /* for the tree that is being ended */
	int is_supervisor;
	int strays; /* orphans of a supervisor that was killed are about */
	int signals_fd;
	/* denials */
	int listener_fd;
	struct sock_filter *filter; /* as compiled, with errnos */
	uint32_t n_filter;
	struct refusals *refusals; /* of the command that this process runs itself */
};

/* The text at an offset of the launch message; "" for 0. */
const char *init_text(const struct init *in, uint32_t offset);
int init_fd(struct init *in, int slot);

/* main.c: the socket to the caller. One message with its descriptors: its size, 0 at the end,
 * -errno. */
long wire_receive(void *buf, size_t size, int *fds, unsigned int *ret_n_fds);
long wire_send(int to, const void *buf, size_t size, int fd);

/* step.c: runs one step; 0 or -errno, with in->detail. */
long step_run(struct init *in, const struct corral_step *step);

/* mount.c */
long guest_open(struct init *in, const char *guest_path, int create, uint32_t uid, uint32_t gid,
                int is_file);
void made_add(struct init *in, int fd);
void made_mount_is(struct init *in, int fd);
void maker_is(uint32_t uid, uint32_t gid);
long step_scratch(struct init *in, const struct corral_step *s);
long step_skeleton(struct init *in, const struct corral_step *s);
long step_layer(struct init *in, const struct corral_step *s);
long step_overlay(struct init *in, const struct corral_step *s);
long step_root(struct init *in, const struct corral_step *s);
long step_bind(struct init *in, const struct corral_step *s);
long step_scratch_bind(struct init *in, const struct corral_step *s);
long step_file(struct init *in, const struct corral_step *s);
long step_tmpfs(struct init *in, const struct corral_step *s);
long step_devices(struct init *in, const struct corral_step *s);
long step_proc(struct init *in, const struct corral_step *s);
long step_devpts(struct init *in, const struct corral_step *s);
long step_mask(struct init *in, const struct corral_step *s);
long step_pivot(struct init *in, const struct corral_step *s);

/* confine.c */
long step_session(struct init *in, const struct corral_step *s);
long step_userns(struct init *in, const struct corral_step *s);
long step_ids(struct init *in, const struct corral_step *s);
long step_rlimits(struct init *in, const struct corral_step *s);
long step_caps(struct init *in, const struct corral_step *s);
long step_landlock(struct init *in, const struct corral_step *s);
/* Gives a ruleset these rights beneath "/". */
long landlock_root(int ruleset, uint64_t access);
long step_seccomp(struct init *in, const struct corral_step *s);

/* confined.c: the fence is made, and each command enters it. */
long confined_landlock(struct init *in, const struct corral_step *s);
long confined_enter(const struct init *in);
/* Ends all descendants, and returns when they are gone. */
void confined_end(struct init *in);

/* streams.c: in a command before its exec; the standard streams and the program as they were handed
 * over, -1 for none. */
long streams_fence(const struct init *in, const int *fds, int program);
/* Whether the profile lets a call with these arguments through. One that it refuses by notification
 * would wait for guest init, which must not wait for itself. */
int call_is_allowed(const struct init *in, int nr, uint64_t second, uint64_t third);
void streams_prepare(struct init *in);

/* deny.c: answers one notification from the listener. */
void deny_answer(struct init *in);

/* serve.c: commands, until the caller is gone. */
_Noreturn void serve(struct init *in);
/* In a supervisor: one command, until its tree is gone. */
_Noreturn void serve_one(struct init *in);

/* The page in which a supervisor finds what was refused to its command. */
struct refusals {
	uint32_t n;
	uint32_t pad;
	uint64_t dropped;
	struct corral_wire_denial list[CORRAL_WIRE_DENIALS];
};
/* supervisor.c: whose command a process belongs to; the list for the one that guest init runs
 * itself when nobody else's. */
struct refusals *refusals_of(struct init *in, long pid);

/* spawn.c: runs fn(arg) in a child that shares memory, whose last use of it, by exec or exit, sets
 * *tid to 0 and wakes a futex there; pid or -errno. */
long spawn_shared(void (*fn)(void *), void *arg, void *stack_top, unsigned long flags, int *tid);
_Noreturn void die(int status);

#endif
