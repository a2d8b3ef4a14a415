/*
 * A live sandbox: guest init with its namespaces, waiting for a command. The launcher makes it from
 * a policy.
 *
 * Theory of operation: three processes. The caller holds one seqpacket socket to guest init (PID 1
 * inside, kernel/init/), which it started with clone3; init built the root, confined itself and
 * forks each command. The caller waits for init's messages, a pidfd of init and the command's
 * deadline in one epoll descriptor, and kills through the cgroup and the pid namespace. When the
 * caller dies, init sees the end of the socket and dies, and the pid namespace with it.
 */
#ifndef CORRAL_KERNEL_SANDBOX_H
#define CORRAL_KERNEL_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/error.h"
#include "kernel/receipt.h"
#include "policy/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_launcher;
struct corral_sandbox;
struct corral_plan;

enum corral_launcher_flags {
	/* A thread of the launcher makes network and user namespaces ahead of need and wipes
	   behind: for many sandboxes. */
	CORRAL_LAUNCHER_POOLED = 1u << 0,
	/*
	 * For one command right after opening: corral_sandbox_open() does not wait for guest init,
	 * and what a step of it found wrong is corral_sandbox_start()'s error.
	 */
	CORRAL_LAUNCHER_ONE_SHOT = 1u << 1,
	/*
	 * With CORRAL_LAUNCHER_POOLED: that thread also keeps up to four sandboxes ready for each
	 * of the last four policies that a sandbox was opened for, so that the next one is there at
	 * once. Each serves one opening, as if made for it, and is replaced after a minute. Only
	 * for policies that bind nothing of the host but its /usr and a workspace. That may be
	 * another one each time, and so may the environment and the limits, but for those of
	 * processes, files and disk.
	 */
	CORRAL_LAUNCHER_WARM = 1u << 2,
	/*
	 * The calling thread is the only one of this process, and stays so: the kernel itself then
	 * kills guest init when it ends (PR_SET_PDEATHSIG), whatever that is doing.
	 */
	CORRAL_LAUNCHER_ONE_THREAD = 1u << 3,
};

/*
 * Looks at the host once (kernel/host.h). Threads may share a launcher. -errno when native
 * isolation is impossible here; the text says what is missing and how to mend it.
 */
int corral_launcher_open(unsigned int flags, struct corral_launcher **ret,
                         struct corral_error *err);
/* For who knows already what the first sandbox will be like, or NULL: what that waits for and takes
 * longest, a network's helper, is begun before the host is looked at. */
int corral_launcher_open_for(unsigned int flags, const struct corral_policy *first,
                             struct corral_launcher **ret, struct corral_error *err);
/* Every sandbox of it must be closed before. */
void corral_launcher_close(struct corral_launcher *l);

/* What a launcher has made ahead of need, and what came of it. */
struct corral_pool {
	uint64_t hits, misses; /* openings that could have been served from it: were, were not */
	uint64_t made, failed; /* sandboxes made ahead, and attempts at it */
	uint64_t wasted;       /* made and thrown away: too old, dead, or for nobody any more */
	unsigned int policies; /* that sandboxes are kept for */
	unsigned int ready;    /* sandboxes */
	uint64_t oldest_ms;    /* age of the oldest of them */
	unsigned int net_namespaces, id_ranges; /* ready for sandboxes that are not */
};
void corral_launcher_pool(struct corral_launcher *l, struct corral_pool *ret);

/* The plan that corral_sandbox_open() would execute: pure but for looking at paths. Caller frees
 * with corral_plan_free(). */
int corral_launcher_plan(struct corral_launcher *l, const struct corral_policy *p,
                         struct corral_plan **ret, struct corral_error *err);

/*
 * Builds the sandbox: returns when guest init stands ready behind every fence. -errno: which step
 * failed, on what, and what to do; nothing is left behind. Limits in p->limits_asked that this host
 * cannot enforce are -EOPNOTSUPP.
 */
int corral_sandbox_open(struct corral_launcher *l, const struct corral_policy *p,
                        struct corral_sandbox **ret, struct corral_error *err);

struct corral_command {
	char *const *argv; /* NULL-terminated; argv[0] is looked up in the guest's PATH when it has
	                      no slash */
	char *const *env;  /* NULL: the policy's */
	const char *guest_dir;              /* NULL: the policy's work_dir */
	int stdin_fd, stdout_fd, stderr_fd; /* of the caller; the guest gets copies. -1: /dev/null
	                                       of the guest. Unused with tty */
	bool tty; /* a terminal of the guest's own devpts; see corral_sandbox_tty() */
	uint16_t tty_rows, tty_cols;
	bool last; /* the sandbox ends with this command, which saves a round trip */
	/*
	 * Its start is not waited for, which saves a round trip: that it cannot be executed is then
	 * the error of corral_sandbox_dispatch() or corral_sandbox_wait() (corral_process_...), and
	 * in the receipt's exec_error. The stage "exec" ends where guest init makes the process.
	 * Not heeded with tty.
	 */
	bool no_wait;
	/* With last: when it ends well, the receipt knows nothing of the groups' memory and pids,
	 * which saves opening their files. */
	bool no_statistics;
};

/*
 * Starts a command, one at a time. 0 when it runs; -ENOENT, -EACCES, -ENOEXEC, -ENOTDIR, ... when
 * it cannot be executed (also in the receipt's exec_error), other codes when the sandbox is gone.
 */
int corral_sandbox_start(struct corral_sandbox *s, const struct corral_command *command,
                         struct corral_error *err);

/* The master side of the terminal of a command started with tty, O_CLOEXEC; borrowed. -1 without.
 */
int corral_sandbox_tty(const struct corral_sandbox *s);

/* Readable when corral_sandbox_dispatch() has something to do. Borrowed. */
int corral_sandbox_event_fd(const struct corral_sandbox *s);

/*
 * Handles what has happened, without blocking. 1 when the command has ended, its tree is dead and
 * the receipt is complete; 0 when there is more to wait for; -errno when the sandbox broke.
 */
int corral_sandbox_dispatch(struct corral_sandbox *s, struct corral_error *err);

/* Blocks until the command has ended; for callers without a loop of their own. */
int corral_sandbox_wait(struct corral_sandbox *s, struct corral_error *err);

/* Sends a signal to the command's main process (and, with a tty, as the terminal would, use the
 * tty). 0, -ESRCH after its end. */
int corral_sandbox_signal(struct corral_sandbox *s, int signo, struct corral_error *err);

/* Kills the command's tree at once; its receipt then says why. */
int corral_sandbox_kill(struct corral_sandbox *s, enum corral_reason reason,
                        struct corral_error *err);

/* Of the last command; complete once dispatch answered 1. */
const struct corral_receipt *corral_sandbox_receipt(const struct corral_sandbox *s);
/* For callers that pump the output themselves. */
void corral_sandbox_count_output(struct corral_sandbox *s, uint64_t bytes);

/* Whether guest init lives. */
bool corral_sandbox_is_alive(const struct corral_sandbox *s);
/* Every process in it, at once; what waits for them hears of it. Any thread. */
void corral_sandbox_kill_now(struct corral_sandbox *s);
/*
 * Freezes all its processes, guest init as well, or lets them go on: nothing is answered meanwhile.
 * -EOPNOTSUPP without a control group.
 */
int corral_sandbox_freeze(struct corral_sandbox *s, bool frozen, struct corral_error *err);

struct corral_sandbox_usage {
	struct corral_cgroup_stats group; /* UINT64_MAX: not known here */
	uint64_t disk_bytes; /* of its own writable space, as of the last command's end */
	struct corral_limits limits;
};
void corral_sandbox_usage(struct corral_sandbox *s, struct corral_sandbox_usage *ret);

/* Init's pid on the host, for messages only. */
pid_t corral_sandbox_pid(const struct corral_sandbox *s);

/*
 * Kills everything in it and gives back all it held (with a pooled launcher behind the caller's
 * back). Fills ret_receipt, if not NULL, with the final receipt, stages kill and wipe included,
 * which is the caller's to give to corral_receipt_done().
 * Takes NULL.
 */
void corral_sandbox_close(struct corral_sandbox *s, struct corral_receipt *ret_receipt);

#ifdef __cplusplus
}
#endif

#endif
