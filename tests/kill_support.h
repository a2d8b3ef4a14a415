/*
 * Killing in the middle: a child does something under ptrace(2), and is killed when it, or a
 * process it started, is about to do its k-th system call that changes anything, for one k after
 * the other. What goes on afterwards is the others' own affair, as with any kill -9.
 *
 * CORRAL_STORE_KILLS says at how many of these calls (a number, or "all"); otherwise a few, evenly
 * from a place that is another each time.
 */
#ifndef CORRAL_TESTS_KILL_SUPPORT_H
#define CORRAL_TESTS_KILL_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/* Those that change what is on disk, or what others may do with it. */
static const int kill_calls[] = {
	SYS_mkdirat,   SYS_renameat2, SYS_unlinkat,  SYS_linkat,    SYS_symlinkat, SYS_mknodat,
	SYS_pwrite64,  SYS_write,     SYS_ftruncate, SYS_fdatasync, SYS_fsync,     SYS_syncfs,
	SYS_fchmod,    SYS_fchmodat,  SYS_fchown,    SYS_fchownat,  SYS_fallocate, SYS_setxattr,
	SYS_lsetxattr, SYS_fsetxattr, SYS_utimensat, SYS_flock,
#ifdef SYS_renameat
	SYS_renameat,
#endif
#ifdef SYS_unlink
	SYS_unlink,    SYS_rename,    SYS_mkdir,     SYS_rmdir,     SYS_chmod,
#endif
};

/* Of the calling process and those it will start: each of them stops, and every openat(2) that may
 * make a file. */
static inline int kill_calls_stop(void)
{
	struct sock_filter code[2 * CORRAL_COUNT(kill_calls) + 8];
	struct sock_fprog program = { .filter = code };
	size_t n = 0;

#define ADD(...) code[n++] = (struct sock_filter)__VA_ARGS__
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	for (size_t i = 0; i < CORRAL_COUNT(kill_calls); i++) {
		ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)kill_calls[i], 0, 1));
		ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
	}
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3));
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])));
	ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1));
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
#undef ADD
	program.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static inline bool kill_can_trace(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		_exit(kill_calls_stop() < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/*
 * Runs begin(ctx) in a child, which is to call kill_calls_stop() when what counts begins and never
 * returns, and kills that before the k-th call (0: never). Waits for all that it started. How many
 * calls it came to, or -errno; *ret_status is the child's, as waitpid(2) has it.
 */
static inline int kill_run(void (*begin)(void *ctx), void *ctx, unsigned int k, int *ret_status)
{
	const unsigned long options = PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL |
	                              PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	                              PTRACE_O_TRACECLONE;
	unsigned int n = 0;
	int go[2], status;
	pid_t main_pid, pid;
	char byte = 0;

	(void)fflush(NULL);
	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	main_pid = fork();
	if (main_pid == 0) {
		(void)close(go[1]);
		if (read(go[0], &byte, 1) == 1)
			begin(ctx);
		_exit(119);
	}
	(void)close(go[0]);
	if (main_pid < 0 || ptrace(PTRACE_SEIZE, main_pid, NULL, options) < 0) {
		status = -errno;
		(void)close(go[1]);
		return status;
	}
	(void)!write(go[1], &byte, 1);
	(void)close(go[1]);
	for (;;) {
		int event;

		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break;
		if (pid == main_pid && !WIFSTOPPED(status))
			*ret_status = status;
		if (!WIFSTOPPED(status))
			continue;
		event = status >> 16;
		if (event == PTRACE_EVENT_SECCOMP && ++n == k)
			(void)kill(main_pid, SIGKILL);
		/* With the signal that it is about to get; it may be gone meanwhile. */
		(void)ptrace(PTRACE_CONT, pid, NULL, event ? 0L : (long)WSTOPSIG(status));
	}
	return (int)n;
}

/* At how many of that many calls, where no more is said than so many. */
static inline unsigned int kills_wanted(unsigned int calls, unsigned int few)
{
	const char *wanted = getenv("CORRAL_STORE_KILLS");
	unsigned long kills = few;

	if (wanted)
		kills = strcmp(wanted, "all") == 0 ? calls : strtoul(wanted, NULL, 10);
	return kills < calls ? (unsigned int)kills : calls;
}

#endif
