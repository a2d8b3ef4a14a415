/*
 * What caller and guest init say to each other over their seqpacket socket, and the plan's form on
 * it. Both ends come from one build, so the structs travel as they are. Everything that guest init
 * sends is treated by the caller as said by the guest: lengths are checked, enumerations bounded,
 * texts never printed unescaped.
 */
#ifndef CORRAL_KERNEL_INIT_WIRE_H
#define CORRAL_KERNEL_INIT_WIRE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>

#define CORRAL_WIRE_FD      3            /* init's end of the socket */
#define CORRAL_WIRE_FDS_MAX 96           /* descriptors with one message; SCM_MAX_FD is 253 */
#define CORRAL_WIRE_MAX     (192u << 10) /* one message; below the default net.core.wmem_default */
#define CORRAL_WIRE_DENIALS 32

enum corral_step_kind {
	CORRAL_STEP_JOIN_CGROUP = 1, /* fd: file that takes "0" */
	CORRAL_STEP_UNSHARE,         /* attr: CLONE_NEW* */
	CORRAL_STEP_SETNS,           /* fd, attr: CLONE_NEW* */
	CORRAL_STEP_LOOPBACK,        /* bring lo up */
	CORRAL_STEP_HOSTNAME,        /* s[0] */
	CORRAL_STEP_PRIVATE,         /* no propagation to or from the host */
	CORRAL_STEP_SCRATCH,  /* tmpfs for all that is written: n[0] inodes, attr bytes, id of its
	                         root: uid */
	CORRAL_STEP_SKELETON, /* blob: directories, links, files; created as uid */
	CORRAL_STEP_LAYER,    /* attach fd or s[0] as layer n[0] of the overlays to come */
	CORRAL_STEP_OVERLAY,  /* pair n[1] of upper and work over attr frozen layers' and layer n[0]
	                         (~0: none), on s[0]; blob: what upper has at once */
	CORRAL_STEP_ROOT, /* the guest's root is there: n[0] 1 when it is the overlay made before,
	                     else directory s[0] of the scratch, or "r" */
	CORRAL_STEP_BIND, /* fd or s[0] (host path) on s[1]; attr: MOUNT_ATTR_*; flags */
	CORRAL_STEP_SCRATCH_BIND, /* directory s[0] of the scratch on s[1]; attr */
	CORRAL_STEP_FILE,         /* a file s[0] of the scratch with blob in it, on s[1]; attr */
	CORRAL_STEP_TMPFS,        /* on s[0]; attr: bytes; n[0]: inodes; n[1]: mode; uid */
	CORRAL_STEP_DEVICES, /* the minimal /dev: nodes made (flags & CORRAL_STEP_MKNOD) or bound
	                        from the host */
	CORRAL_STEP_PROC,    /* own proc, read-only */
	CORRAL_STEP_DEVPTS,  /* own devpts; n[0]: gid of terminals or ~0 */
	CORRAL_STEP_MASK,    /* s[0]: nothing to see here */
	CORRAL_STEP_PIVOT,   /* the host's root goes */
	CORRAL_STEP_SESSION, /* own session, own keyring, signals and umask as new */
	CORRAL_STEP_USERNS,  /* enter fd, or (fd < 0) one below the current that maps uid to itself
	                      */
	CORRAL_STEP_IDS, /* uid, gid; blob: gid_t[] of all other groups; n[0]: of a descriptor to
	                    keep, and 1; n[1]: groups left out, for people */
	CORRAL_STEP_RLIMITS,  /* blob: pairs of resource and value */
	CORRAL_STEP_CAPS,     /* attr: what stays, of every set */
	CORRAL_STEP_LANDLOCK, /* n[0]: abi; with CORRAL_STEP_NO_ROOT, blob: corral_wire_allow[],
	                         n[1]: no TCP */
	CORRAL_STEP_SECCOMP,  /* blob: sock_filter[]; flags & CORRAL_STEP_NOTIFY: refusals by user
	                         notification */
	CORRAL_STEP_KIND_END,
};

enum corral_step_flags {
	CORRAL_STEP_RECURSIVE = 1u << 0,
	CORRAL_STEP_MKNOD = 1u << 1,
	CORRAL_STEP_NOTIFY = 1u << 2,
	CORRAL_STEP_OPTIONAL = 1u << 3,  /* ENOENT is fine */
	CORRAL_STEP_IS_FILE = 1u << 4,   /* a mount point, if missing, is a file */
	CORRAL_STEP_USERXATTR = 1u << 5, /* overlay in a user namespace */
	CORRAL_STEP_WRITABLE = 1u << 6,
	CORRAL_STEP_DETACHED =
	        1u << 8, /* from a launchpad: the scratch is attached nowhere (6.15) */
	CORRAL_STEP_NO_ROOT = 1u << 7, /* confined tier: no root of its own */
	CORRAL_STEP_STICKY = 1u << 9,  /* a directory as /tmp is */
	CORRAL_STEP_KEPT = 1u << 10,   /* of a directory of the host that outlives the sandbox: what
	                                  is there stays */
	CORRAL_STEP_BENEATH = 1u << 11,   /* blob goes beneath what is kept instead of into it */
	CORRAL_STEP_NO_GROUPS = 1u << 12, /* there are none, where they were asked for */
};

struct corral_step {
	uint16_t kind;
	uint16_t flags;
	int16_t fd;     /* slot among the descriptors that came along, -1 none */
	uint16_t stage; /* enum corral_stage, for timing */
	uint32_t uid, gid;
	uint32_t n[2];
	uint32_t s[3]; /* texts: offsets into the message, 0 none */
	uint32_t blob, blob_len;
	uint32_t pad;
	uint64_t attr;
};

/* How the kernel's features are used: forced rungs arrive here. */
enum corral_wire_features {
	CORRAL_WIRE_NEW_MOUNT_API = 1u << 0,
	CORRAL_WIRE_MOUNT_SETATTR = 1u << 1,
	CORRAL_WIRE_OPENAT2 = 1u << 2,
	CORRAL_WIRE_ONE_THREAD = 1u << 4, /* the caller is one thread, with whose end ours comes */
	CORRAL_WIRE_CONFINED = 1u << 3,   /* the weaker tier: guest init is no PID 1, and the host's
	                                     processes are in reach */
};

enum corral_wire_type {
	CORRAL_WIRE_LAUNCH = 1,  /* to init: a plan */
	CORRAL_WIRE_DESCRIPTORS, /* to init: more of the plan's descriptors */
	CORRAL_WIRE_START,       /* to init: a command */
	CORRAL_WIRE_SIGNAL,      /* to init: n = signal for the command's main process */
	CORRAL_WIRE_KILL,  /* to init: end the command's tree; n = 1: its supervisor did not hear */
	CORRAL_WIRE_READY, /* to the caller */
	CORRAL_WIRE_FAILED,      /* step n failed with error */
	CORRAL_WIRE_STARTED,     /* n = its pid inside; with the terminal's master, if any */
	CORRAL_WIRE_NOT_STARTED, /* error; with QUIET in place of EXITED */
	CORRAL_WIRE_EXITED,      /* the command's main process and its tree are gone */
};

struct corral_wire_head {
	uint32_t type;
	uint32_t size; /* of the whole message */
};

struct corral_wire_launch {
	struct corral_wire_head head;
	uint32_t features;
	uint32_t n_steps;
	struct corral_step steps[];
};

enum corral_start_flags {
	CORRAL_START_TTY = 1u << 0,
	CORRAL_START_LAST = 1u << 4,  /* guest init ends with this command */
	CORRAL_START_STDIN = 1u << 1, /* which of the three descriptors came along */
	CORRAL_START_STDOUT = 1u << 2,
	CORRAL_START_STDERR = 1u << 3,
	CORRAL_START_REPORT =
	        1u << 5, /* the first descriptor: a socket for what is said of this command */
	CORRAL_START_PROGRAM = 1u << 6,    /* the next: what is executed, instead of argv[0] */
	CORRAL_START_BACKGROUND = 1u << 7, /* beside others: under a supervisor of its own */
	CORRAL_START_QUIET = 1u << 8, /* no STARTED: nobody waits for it. Not with a terminal */
};

struct corral_wire_start {
	struct corral_wire_head head;
	uint32_t flags;
	uint32_t id; /* for SIGNAL and KILL; 0 without a report socket */
	uint16_t tty_rows, tty_cols;
	uint32_t argv, n_argv; /* offset of NUL-separated texts */
	uint32_t env, n_env;
	uint32_t path; /* the guest's PATH to look argv[0] up in, offset */
	uint32_t dir;
};

struct corral_wire_number {
	struct corral_wire_head head;
	uint32_t n;
	int32_t error;
	int32_t detail; /* FAILED: which object of the step, where there are several */
	uint32_t id;    /* SIGNAL, KILL: which command */
};

struct corral_wire_ready {
	struct corral_wire_head head;
	uint64_t started_nsec;     /* CLOCK_MONOTONIC at init's first instruction */
	uint64_t stage_nsec[10];   /* spent, by enum corral_stage */
	uint32_t landlock, notify; /* 1 when in force */
};

struct corral_wire_denial {
	struct seccomp_data call;
	uint32_t error;
	uint32_t count;
};

struct corral_wire_exited {
	struct corral_wire_head head;
	int32_t status; /* as wait(2) gives it */
	uint32_t n_denials;
	uint64_t exec_nsec, end_nsec,
	        gone_nsec; /* CLOCK_MONOTONIC: started, main ended, tree gone */
	uint64_t user_usec, system_usec, maxrss_kb;
	uint64_t written_bytes;
	uint64_t scratch_free_bytes, scratch_free_inodes; /* ~0 without a scratch */
	uint64_t denials_dropped;
	struct corral_wire_denial denials[CORRAL_WIRE_DENIALS];
};

/* What the confined tier allows beneath a path of the host; Landlock's own bits (landlock(7)), by
 * number for older headers. */
#define CORRAL_ALLOW_READ      0x000dull /* execute, read files and directories */
#define CORRAL_ALLOW_WRITE     0x17b2ull /* write, remove and make all but device nodes */
#define CORRAL_ALLOW_ABI_1     0x1fffull
#define CORRAL_ALLOW_REFER     (1ull << 13)
#define CORRAL_ALLOW_TRUNCATE  (1ull << 14)
#define CORRAL_ALLOW_IOCTL_DEV (1ull << 15)
#define CORRAL_ALLOW_OF_FILES  (0x0007ull | CORRAL_ALLOW_TRUNCATE | CORRAL_ALLOW_IOCTL_DEV)

enum corral_allow_flags {
	CORRAL_ALLOW_OPTIONAL = 1u << 0,  /* ENOENT is fine */
	CORRAL_ALLOW_DIRECTORY = 1u << 1, /* ENOTDIR for all else */
};

struct corral_wire_allow {
	uint32_t size; /* of the entry, a multiple of 8 */
	uint32_t flags;
	uint64_t access;
	char path[];
};

/* One entry of a skeleton: type, mode, then path NUL, then content. */
struct corral_wire_entry {
	uint16_t size; /* of the entry, a multiple of 4 */
	uint16_t mode;
	uint16_t path_len, data_len; /* without NUL */
	char kind;                   /* 'd' directory, 'l' link to data, 'f' file with data */
	char path[];                 /* path NUL data NUL */
};

#endif
