/*
 * Standard streams that are files of the host. A descriptor can be opened anew through
 * /proc/self/fd with rights that it was not given: input could be written, an appended log read or
 * overwritten, where the guest's user may do so on disk. Landlock fences by what lies beneath "/"
 * of the sandbox, and these do not: their own rights are added for them alone. Also a command
 * without such streams has its fence: it keeps it from those of others, and from /proc/PID/fd of
 * any other.
 */
#include <asm/stat.h>
#include <linux/audit.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/stat.h>

#include "kernel/base/bpf.h"
#include "kernel/init/init.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#define ACCESS_REFER    (1ull << 13) /* ABI 2; what no ruleset gives, none has */
#define ACCESS_TRUNCATE (1ull << 14) /* LANDLOCK_ACCESS_FS_TRUNCATE, ABI 3 */
#define O_ACCMODE_      3

int call_is_allowed(const struct init *in, int nr, uint64_t second, uint64_t third)
{
	const struct seccomp_data call = { .nr = nr,
		                           .arch = OWN_ARCH,
		                           .args = { 0, second, third } };

	return (corral_bpf_eval(in->filter, in->n_filter, &call) & SECCOMP_RET_ACTION_FULL) ==
	       SECCOMP_RET_ALLOW;
}

/*
 * Asked before, as a command is started while guest init waits for its exec: a call that the
 * profile refuses by notification would wait for guest init in turn.
 */
void streams_prepare(struct init *in)
{
	static const int calls[] = { __NR_fstat,
		                     __NR_fcntl,
		                     __NR_openat,
		                     __NR_close,
		                     __NR_landlock_create_ruleset,
		                     __NR_landlock_add_rule,
		                     __NR_landlock_restrict_self };
	int all = in->landlock_abi >= 2;

	for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]) && all; i++)
		all = call_is_allowed(in, calls[i], calls[i] == __NR_fcntl ? F_GETFL : 0, 0);
	in->fences_streams = all;
}

static int is_file(int fd)
{
	struct stat st;

	return sys2(__NR_fstat, fd, &st) >= 0 && (st.st_mode & S_IFMT) == S_IFREG;
}

/* Before ABI 3 no ruleset can forbid to empty a file: the rest of the fence is there all the same.
 */
static uint64_t truncate_of(const struct init *in)
{
	return in->landlock_abi >= 3 ? ACCESS_TRUNCATE : 0;
}

static uint64_t access_of(const struct init *in, int fd)
{
	long flags = sys3(__NR_fcntl, fd, F_GETFL, 0);
	uint64_t access = 0;

	if (flags < 0)
		return 0;
	if ((flags & O_ACCMODE_) != 1 /* O_WRONLY */)
		access |= LANDLOCK_ACCESS_FS_READ_FILE;
	/* Of one that is appended to, nothing: who opened it so wants what is there to stay. */
	if ((flags & O_ACCMODE_) != 0 && !(flags & 02000 /* O_APPEND */))
		access |= LANDLOCK_ACCESS_FS_WRITE_FILE | truncate_of(in);
	return access;
}

static long allow(long ruleset, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { access, fd };
	long r =
	        access ? sys4(__NR_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)
	               : 0;

	/* A file of memory is on no file system that anybody can name, and no fence is put around
	 * it. */
	return r == -EBADFD ? 0 : r;
}

long streams_fence(const struct init *in, const int *fds, int program)
{
	struct landlock_ruleset_attr attr = { LANDLOCK_ACCESS_FS_READ_FILE |
		                              LANDLOCK_ACCESS_FS_WRITE_FILE | truncate_of(in) |
		                              ACCESS_REFER };
	unsigned int files = 0;
	long ruleset, r;

	if (!in->fences_streams)
		return 0;
	for (unsigned int i = 0; i < 3; i++)
		if (fds[i] >= 0 && is_file(fds[i]))
			files |= 1u << i;
	ruleset = sys3(__NR_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return ruleset;
	r = landlock_root((int)ruleset, attr.handled_access_fs);
	for (unsigned int i = 0; i < 3 && r >= 0; i++)
		if (files & 1u << i)
			r = allow(ruleset, fds[i], access_of(in, fds[i]));
	if (r >= 0 && program >= 0)
		r = allow(ruleset, program, LANDLOCK_ACCESS_FS_READ_FILE);
	if (r >= 0)
		r = sys2(__NR_landlock_restrict_self, ruleset, 0);
	(void)sys1(__NR_close, ruleset);
	return r;
}
