/*
 * What the files of the control groups share, and nobody else includes: the host as found, the two
 * tables of functions (v1, v2) with their contract, and the parsers, which are pure.
 *
 * A limit belongs to one controller, and a controller lives on a v1 hierarchy of its own or on the
 * v2 tree; so each controller has its own pointer to a table. Freezing, killing and "is anybody
 * there" are done by the v2 tree wherever there is one.
 */
#ifndef CORRAL_KERNEL_CGROUP_OPS_H
#define CORRAL_KERNEL_CGROUP_OPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/cgroup.h"

/*
 * Where this group exists, ours are below it: an operator who made it limits all sandboxes at once.
 * Without it they stand beside each other in the base, as a parent made and removed for each run
 * costs more than the group itself; except on v2 where controllers would have to be enabled for all
 * of the base's children.
 */
#define CORRAL_CGROUP_PARENT "corral"
#define CORRAL_CGROUP_NESTED CORRAL_CGROUP_PARENT "/"
#define CORRAL_CGROUP_FLAT   CORRAL_CGROUP_PARENT "-"
/* Where our own process moves when the group it was started in must become an inner node. */
#define CORRAL_CGROUP_SUPERVISOR "corral-supervisor"

#define CORRAL_CGROUP_PATH_MAX      4096u       /* the kernel's PATH_MAX */
#define CORRAL_CGROUP_MOUNTINFO_MAX (16u << 20) /* some 100,000 mounts */
#define CORRAL_CGROUP_PROCS_MAX     (8u << 20)  /* a million pids */
#define CORRAL_CGROUP_SWEEP_MAX     256u        /* entries looked at for leftovers */
#define CORRAL_CGROUP_RETRIES_MAX   16u         /* lost races against others' rmdir */
#define CORRAL_CGROUP_DEPTH_MAX     64u         /* pieces of our own cgroup's path */

/* Indices into v1_fd. The first three carry limits; the freezer is used only without a v2 tree. */
enum corral_cgroup_ctl {
	CORRAL_CGROUP_MEMORY,
	CORRAL_CGROUP_PIDS,
	CORRAL_CGROUP_CPU,
	CORRAL_CGROUP_FREEZER,
};
#define CORRAL_CGROUP_LIMITERS 3
#define CORRAL_CGROUP_CTLS     4

/* "memory", "pids", "cpu", "freezer". */
extern const char *const corral_cgroup_ctl_names[CORRAL_CGROUP_CTLS];

struct corral_cgroup_ops {
	/*
	 * Sets the limits of one controller and their bits in c->enforced. A limit of zero is left
	 * alone, or taken back where c->enforced says that it was set before. What the kernel has
	 * no file for stays out of enforced; every other failure is -errno with a text.
	 */
	int (*limit[CORRAL_CGROUP_LIMITERS])(struct corral_cgroup *c, const struct corral_limits *l,
	                                     struct corral_error *err);
	/* Fills in what it can; the rest keeps UINT64_MAX. lasting: peaks and events alone. */
	void (*read[CORRAL_CGROUP_LIMITERS])(const struct corral_cgroup *c, bool lasting,
	                                     struct corral_cgroup_stats *ret);
	/* As the public functions of the same names. */
	int (*freeze)(const struct corral_cgroup *c, bool frozen, unsigned int timeout_ms,
	              struct corral_error *err);
	int (*kill)(const struct corral_cgroup *c, struct corral_error *err);
	int (*populated)(const struct corral_cgroup *c, struct corral_error *err);
	/* Blocks until something may have changed, at most for this long. */
	void (*wait)(const struct corral_cgroup *c, unsigned int usec);
};

extern const struct corral_cgroup_ops corral_cgroup_v1_ops;
extern const struct corral_cgroup_ops corral_cgroup_v2_ops;

struct corral_cgroup_host {
	enum corral_cgroup_kind kind;
	uint32_t can;
	const struct corral_cgroup_ops *ctl[CORRAL_CGROUP_CTLS]; /* NULL: not to be had */
	const struct corral_cgroup_ops *tree; /* freezes and kills; NULL with CORRAL_CGROUP_NONE */
	int v1_base[CORRAL_CGROUP_CTLS];      /* directories that hold our groups; -1 */
	const char
	        *v1_prefix[CORRAL_CGROUP_CTLS]; /* of their names: CORRAL_CGROUP_FLAT or _NESTED */
	const char *v2_prefix;
	bool v1_twin[CORRAL_CGROUP_CTLS]; /* shares its hierarchy with an earlier controller */
	int v2_base;
	uint32_t v2_ctls;   /* set of 1u << ctl: those that groups on the v2 tree have at once */
	bool sweep_v2;      /* somebody's leftovers may be there; on v1 always */
	bool sweep_again;   /* one was still busy dying */
	bool v2_moved;      /* we live in CORRAL_CGROUP_SUPERVISOR now */
	uint32_t v2_undo;   /* set of 1u << ctl: enabled in our own cgroup by us */
	bool no_swap;       /* the host has none, so a limit on swap holds by itself */
	uint64_t opened_ms; /* CLOCK_BOOTTIME: a process that started later is not the owner */
	uint32_t salt;
	atomic_uint serial;
	char why[CORRAL_CGROUP_LIMITERS][360];
};

/* cgroup_file.c: files of a group; one open, one call, one close. */
int corral_cgroup_write(int dir_fd, const char *name, const char *text);
int corral_cgroup_write_u64(int dir_fd, const char *name, uint64_t value);
/* The text, cut to size - 1 bytes and terminated; its length or -errno. */
ssize_t corral_cgroup_slurp(int dir_fd, const char *name, char *ret, size_t size);
uint64_t corral_cgroup_slurp_u64(int dir_fd, const char *name); /* UINT64_MAX on any failure */
/* A directory that is certainly a control group: never through a link, and of that magic. */
int corral_cgroup_open_dir(int dir_fd, const char *name, long magic);
/* The same, piece by piece, for a relative path; "" is dir_fd once more. */
int corral_cgroup_walk(int dir_fd, const char *path, long magic);
/* SIGKILL to every process listed in cgroup.procs; how many there were, or -errno. */
int corral_cgroup_kill_listed(int dir_fd);
/* 1 when cgroup.procs of the directory lists somebody, 0 when not, -errno. */
int corral_cgroup_listed(int dir_fd);
/* 1 when it lists exactly this process. */
int corral_cgroup_alone(int dir_fd);
/* Moves all processes listed in one group into another of another hierarchy. */
int corral_cgroup_move(int from_fd, int to_fd);
int64_t corral_cgroup_now_usec(void); /* CLOCK_MONOTONIC */
void corral_cgroup_sleep(unsigned int usec);
/* pids.* has the same files on v1 and v2. */
int corral_cgroup_write_pids(int dir_fd, uint64_t pids);
void corral_cgroup_read_pids(int dir_fd, bool lasting, struct corral_cgroup_stats *ret);
/* Whether the limit is set now, so that a zero means to take it back. */
static inline bool corral_cgroup_is_set(const struct corral_cgroup *c, enum corral_limit limit)
{
	return (c->enforced & limit) != 0;
}
static inline void corral_cgroup_mark(struct corral_cgroup *c, enum corral_limit limit, bool set)
{
	c->enforced = set ? c->enforced | limit : c->enforced & ~(uint32_t)limit;
}
#define CORRAL_CGROUP_WEIGHT_USUAL 100u /* what the kernel gives every group */

/* cgroup_v2.c */
/* Makes "corral" below the base and gives its children these controllers (set of 1u << ctl). */
int corral_cgroup_v2_prepare(int base_fd, uint32_t ctls, uint32_t *ret_base_enabled);
/* The set of controllers named in a file such as cgroup.controllers; 0 when it cannot be read. */
uint32_t corral_cgroup_v2_set(int dir_fd, const char *name);

/* cgroup_sweep.c */
/* "<pid>-<opened_ms>-<serial>-<salt>" into ret. */
void corral_cgroup_name_format(char *ret, size_t size, pid_t pid, uint64_t opened_ms,
                               unsigned int serial, uint32_t salt);
/* 0, or -EINVAL for what is not a name of ours. */
int corral_cgroup_name_parse(const char *name, pid_t *ret_pid, uint64_t *ret_opened_ms);
/*
 * Removes the empty groups of ours in the base and below its "corral" whose owner is gone. True
 * when one had an owner no more, yet processes still: then there is reason to look again. owners
 * begins as zeros, and holds for the bases of one sweep: whoever dies meanwhile is found by the
 * next.
 */
struct corral_cgroup_owners {
	struct {
		pid_t pid;
		uint64_t opened_ms;
	} living[16];
	unsigned int next;
};
bool corral_cgroup_sweep(int base_fd, struct corral_cgroup_owners *owners);

/* cgroup_parse.c: pure, for texts of hostile length and content. */
struct corral_cgroup_mount {
	char root[CORRAL_CGROUP_PATH_MAX];  /* the part of the hierarchy that is mounted */
	char point[CORRAL_CGROUP_PATH_MAX]; /* where, unescaped */
};

/*
 * Our own path from the text of /proc/self/cgroup; controller NULL for the v2 tree. -ENOENT when
 * it has no such line, -EXDEV when the group lies outside of our cgroup namespace or is deleted.
 */
int corral_cgroup_parse_own(const char *text, const char *controller, char *ret, size_t size);

/*
 * The mount of a controller's v1 hierarchy, or of the v2 tree (NULL), from the text of
 * /proc/self/mountinfo. Of several, the one that shows most; of two at one place the last, which is
 * on top. -ENOENT without any.
 */
int corral_cgroup_parse_mount(const char *text, const char *controller,
                              struct corral_cgroup_mount *ret);

/* The mounted root of the mount with this id (statx(2)); 0, -ENOENT or as for unescape. */
int corral_cgroup_parse_root(const char *text, uint64_t mount_id, char *ret, size_t size);

/*
 * Takes the mounted root off our own path: what is left is relative to the mount point and points
 * into own. -EXDEV when own is not below root.
 */
int corral_cgroup_parse_below(const char *own, const char *root, const char **ret);

/* Undoes \ooo of mountinfo. -EINVAL for what the kernel would not write, -ENAMETOOLONG. */
int corral_cgroup_unescape(const char *text, size_t len, char *ret, size_t size);

/* "key 123\n" among other lines: 0 or -ENOENT. */
int corral_cgroup_parse_key(const char *text, const char *key, uint64_t *ret);
/* "123\n"; "max" is UINT64_MAX. 0 or -EINVAL. */
int corral_cgroup_parse_value(const char *text, uint64_t *ret);
/* Whether a word is in a list separated by blanks or commas. */
bool corral_cgroup_parse_word(const char *text, size_t len, const char *word);
/* Field 22 of /proc/pid/stat in milliseconds since boot; 0 or -EINVAL. */
int corral_cgroup_parse_start(const char *text, uint64_t ticks_per_second, uint64_t *ret_ms);
/* Whether the text of /proc/swaps names any swap space. */
bool corral_cgroup_parse_swaps(const char *text);

/* cpu.weight as cpu.shares: 100 is 1024, within what the kernel takes. */
uint64_t corral_cgroup_shares(uint64_t weight);
/* Thousandths of a core as quota and period: 100 ms, and longer where the quota would be < 1 ms. */
void corral_cgroup_bandwidth(uint64_t cpu_millis, uint64_t *ret_quota_us, uint64_t *ret_period_us);

#endif
