/*
 * Guest init is behind the filter as well: what it does for commands a profile must allow, or it
 * would hang, or leave processes behind, and nobody would know why.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "kernel/base/bpf.h"
#include "kernel/base/cleanup.h"
#include "policy/seccomp.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#define FORK   17u                        /* SIGCHLD */
#define SHARED (0x100u | 0x200000u | 17u) /* CLONE_VM, CLONE_CHILD_CLEARTID, SIGCHLD */

static const struct {
	int nr;
	const char *name;
	uint64_t args[3];
} needed[] = {
	/* once, when it stands ready */
	{ SYS_close_range, "close_range", { 0, 2 } },
	{ SYS_openat, "openat", { 0 } },
	{ SYS_dup3, "dup3", { 0, 1 } },
	{ SYS_close, "close", { 4 } },
	{ SYS_signalfd4, "signalfd4", { 0 } },
	{ SYS_madvise, "madvise", { 0 } },
	{ SYS_clock_gettime, "clock_gettime", { 1 } },
	/* for each command */
	{ SYS_ppoll, "ppoll", { 0 } },
	{ SYS_recvmsg, "recvmsg", { 3 } },
	{ SYS_sendmsg, "sendmsg", { 3 } },
	{ SYS_fcntl, "fcntl", { 3 } },
	{ SYS_clone, "clone", { SHARED } },
	{ SYS_futex, "futex", { 0 } },
	{ SYS_clone, "clone", { FORK } },
	{ SYS_rt_sigprocmask, "rt_sigprocmask", { 0 } },
	{ SYS_setsid, "setsid", { 0 } },
	{ SYS_chdir, "chdir", { 0 } },
	{ SYS_execve, "execve", { 0 } },
	{ SYS_read, "read", { 4 } },
	{ SYS_wait4, "wait4", { 0 } },
	{ SYS_statfs, "statfs", { 0 } },
	{ SYS_getrusage, "getrusage", { UINT64_MAX } },
	{ SYS_kill, "kill", { UINT64_MAX, 9 } },
	{ SYS_exit_group, "exit_group", { 0 } },
	/* for several at once */
	{ SYS_mmap, "mmap", { 0 } },
	{ SYS_munmap, "munmap", { 0 } },
	{ SYS_prctl, "prctl", { PR_SET_CHILD_SUBREAPER, 1 } },
	{ SYS_getdents64, "getdents64", { 0 } },
	{ SYS_lseek, "lseek", { 0 } },
	{ SYS_getpid, "getpid", { 0 } },
	{ SYS_prctl, "prctl", { PR_SET_PDEATHSIG, 15 } },
	{ SYS_rt_sigqueueinfo, "rt_sigqueueinfo", { 2 } },
	{ SYS_pidfd_open, "pidfd_open", { 2 } },
	{ SYS_pidfd_send_signal, "pidfd_send_signal", { 4, 9 } },
	{ SYS_execveat, "execveat", { 4 } },
	/* for refusals by name */
	{ SYS_ioctl, "ioctl", { 5, SECCOMP_IOCTL_NOTIF_RECV } },
	{ SYS_ioctl, "ioctl", { 5, SECCOMP_IOCTL_NOTIF_SEND } },
};

int corral_seccomp_check_needs(const struct corral_seccomp *s, struct corral_error *err)
{
	for (size_t i = 0; i < CORRAL_COUNT(needed); i++) {
		struct seccomp_data call = { .nr = needed[i].nr, .arch = OWN_ARCH };
		uint32_t action;

		for (unsigned int k = 0; k < CORRAL_COUNT(needed[i].args); k++)
			call.args[k] = needed[i].args[k];
		action = corral_bpf_eval(s->insns, s->n_insns, &call) & SECCOMP_RET_ACTION_FULL;
		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
			return corral_error_set(
			        err, EINVAL,
			        "it does not allow '%s', which the sandbox's own init needs to "
			        "start and end commands: allow it",
			        needed[i].name);
	}
	return 0;
}
