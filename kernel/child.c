#include "kernel/child.h"

#include <linux/close_range.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>

#include "kernel/init/sys.h"
#include "kernel/init/wire.h"

#define NO_SANITIZE \
	__attribute__((no_sanitize("address", "undefined", "thread"), no_stack_protector))
#define SIGCHLD_ 17
#define WALL_    0x40000000

/*
 * Two ways into the kernel that return twice, the second time on another stack: the child calls
 * fn(arg) there.
 */
long corral_child_clone3(struct clone_args *args, size_t size, void (*fn)(void *), void *arg);
long corral_child_clone(unsigned long flags, void *stack, int *pidfd, void (*fn)(void *),
                        void *arg);

#if defined(__x86_64__)
__asm__(".pushsection .text.corral_child_clone3,\"ax\",@progbits\n"
        ".hidden corral_child_clone3\n"
        ".globl corral_child_clone3\n"
        ".type corral_child_clone3,@function\n"
        "corral_child_clone3:\n"
        "	mov %rdx, %r8\n"
        "	mov %rcx, %r9\n"
        "	mov $435, %eax\n"
        "	syscall\n"
        "	test %rax, %rax\n"
        "	jnz 1f\n"
        "	xor %ebp, %ebp\n"
        "	mov %r9, %rdi\n"
        "	call *%r8\n"
        "	hlt\n"
        "1:	ret\n"
        ".hidden corral_child_clone\n"
        ".globl corral_child_clone\n"
        ".type corral_child_clone,@function\n"
        "corral_child_clone:\n" /* rdi flags, rsi stack, rdx pidfd, rcx fn, r8 arg */
        "	and $-16, %rsi\n"
        "	sub $16, %rsi\n"
        "	mov %rcx, 0(%rsi)\n"
        "	mov %r8, 8(%rsi)\n"
        "	xor %r10d, %r10d\n"
        "	xor %r8d, %r8d\n"
        "	mov $56, %eax\n"
        "	syscall\n"
        "	test %rax, %rax\n"
        "	jnz 1f\n"
        "	xor %ebp, %ebp\n"
        "	pop %rax\n"
        "	pop %rdi\n"
        "	call *%rax\n"
        "	hlt\n"
        "1:	ret\n"
        ".popsection\n");
#elif defined(__aarch64__)
__asm__(".pushsection .text.corral_child_clone3,\"ax\",@progbits\n"
        ".hidden corral_child_clone3\n"
        ".globl corral_child_clone3\n"
        ".type corral_child_clone3,@function\n"
        "corral_child_clone3:\n"
        "	mov x10, x2\n"
        "	mov x11, x3\n"
        "	mov x8, #435\n"
        "	svc #0\n"
        "	cbnz x0, 1f\n"
        "	mov x29, #0\n"
        "	mov x0, x11\n"
        "	blr x10\n"
        "	brk #1\n"
        "1:	ret\n"
        ".hidden corral_child_clone\n"
        ".globl corral_child_clone\n"
        ".type corral_child_clone,@function\n"
        "corral_child_clone:\n"
        "	mov x10, x3\n"
        "	mov x11, x4\n"
        "	and x1, x1, #-16\n"
        "	mov x3, #0\n"
        "	mov x4, #0\n"
        "	mov x8, #220\n"
        "	svc #0\n"
        "	cbnz x0, 1f\n"
        "	mov x29, #0\n"
        "	mov x0, x11\n"
        "	blr x10\n"
        "	brk #1\n"
        "1:	ret\n"
        ".popsection\n");
#endif

_Noreturn NO_SANITIZE static void child_die(long status)
{
	for (;;)
		(void)sys1(__NR_exit_group, status);
}

/*
 * O_CLOEXEC acts at the exec, which may be far: until then our copies of the caller's ends of
 * sockets, its own and those of its other sandboxes, would keep their death from being seen, and we
 * would wait for a dead caller for ever. The table is a copy: only ours closes.
 */
NO_SANITIZE static void others_close(const struct corral_child *c)
{
	unsigned int low = (unsigned int)c->socket_fd, high = (unsigned int)c->image_fd;

	if (low > high) {
		low = (unsigned int)c->image_fd;
		high = (unsigned int)c->socket_fd;
	}
	(void)sys3(__NR_close_range, 3, low - 1, 0);
	if (high - low > 1)
		(void)sys3(__NR_close_range, low + 1, high - 1, 0);
	(void)sys3(__NR_close_range, high + 1, ~0u, 0);
}

/* In the child. Whatever fails here shows as an end of the socket without a word; the status says
 * which. */
NO_SANITIZE static void child_run(void *arg)
{
	struct corral_child *c = arg;
	char go;

	if (c->wait_go)
		others_close(c);
	if (c->wait_go && SYS_(__NR_recvfrom, c->socket_fd, &go, 1, 0, 0, 0) != 1)
		child_die(120);
	if (c->launchpad_fd >= 0 && (sys2(__NR_setns, c->launchpad_fd, CLONE_NEWNS) < 0 ||
	                             sys1(__NR_unshare, CLONE_NEWNS) < 0))
		child_die(121);
	if (sys3(__NR_dup3, c->socket_fd, CORRAL_WIRE_FD, 0) < 0)
		child_die(122);
	/* What the guest inherits is said in the plan; this is the second fence (CVE-2024-21626).
	 */
	(void)sys3(__NR_close_range, CORRAL_WIRE_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	(void)sys5(__NR_execveat, c->image_fd, "", c->argv, c->envp, AT_EMPTY_PATH);
	child_die(123);
}

NO_SANITIZE static long clone_with(uint64_t flags, int cgroup_fd, void *stack, int *ret_pidfd,
                                   void (*fn)(void *), void *arg)
{
	struct clone_args args = {
		.flags = flags | CLONE_VM | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
		         (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD_,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = CORRAL_CHILD_STACK_SIZE,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};
	/* The size that 5.3 knows, unless the cgroup field (5.7) is needed. */
	long r = corral_child_clone3(&args,
	                             cgroup_fd >= 0 ? CLONE_ARGS_SIZE_VER2 : CLONE_ARGS_SIZE_VER0,
	                             fn, arg);

	/* EPERM also from filters that do not know the call; where it is the namespaces that are
	 * refused, clone() says so again. */
	if (r == -ENOSYS || (r == -EPERM && cgroup_fd < 0)) {
		if (cgroup_fd >= 0)
			return -EOPNOTSUPP;
		/* Handlers go with the exec, ignored signals by guest init itself. */
		r = corral_child_clone((unsigned long)flags | CLONE_VM | CLONE_PIDFD | SIGCHLD_,
		                       (char *)stack + CORRAL_CHILD_STACK_SIZE, ret_pidfd, fn, arg);
	}
	return r;
}

NO_SANITIZE long corral_child_start(struct corral_child *c, void *stack, int *ret_pidfd)
{
	return clone_with(c->clone_flags, c->cgroup_fd, stack, ret_pidfd, child_run, c);
}

struct holder {
	int launchpad, ready_fd;
	int parent; /* its pid, in the namespace that we share */
};

/* A namespace with one mount: an empty read-only tmpfs as root, nothing of the host's below it. */
NO_SANITIZE static long launchpad_make(void)
{
	long r;

	r = sys5(__NR_mount, "none", "/", 0, 16384 | 1 << 18 /* MS_REC|MS_PRIVATE */, 0);
	if (r >= 0)
		r = sys5(__NR_mount, "corral", "/sys", "tmpfs", 2 | 4 | 8,
		         "size=4k,nr_inodes=3,mode=0555");
	if (r >= 0)
		r = sys1(__NR_chdir, "/sys");
	if (r >= 0)
		r = sys3(__NR_mkdirat, -100, "sys", 0555); /* where guest init mounts its scratch */
	if (r >= 0)
		r = sys2(__NR_pivot_root, ".", ".");
	if (r >= 0)
		r = sys2(__NR_umount2, ".", 2 /* MNT_DETACH */);
	if (r >= 0)
		r = sys1(__NR_chdir, "/");
	/* It stays on /sys of every guest started from it. */
	if (r >= 0)
		r = sys5(__NR_mount, 0, "/", 0,
		         32 | 4096 | 1 | 2 | 4 | 8 /* MS_REMOUNT|MS_BIND|MS_RDONLY|... */, 0);
	return r;
}

NO_SANITIZE static void holder_run(void *arg)
{
	struct holder *h = arg;
	int code = 0;

	/* A caller killed right now would leave us waiting for ever; the second line is for one
	 * that died before the first. */
	(void)sys5(__NR_prctl, PR_SET_PDEATHSIG, 9 /* SIGKILL */, 0, 0, 0);
	if (sys0(__NR_getppid) != h->parent)
		child_die(124);
	if (h->launchpad)
		code = (int)-launchpad_make();
	if (h->ready_fd >= 0)
		(void)sys3(__NR_write, h->ready_fd, &code, sizeof(code));
	/* Nor may our copies keep the ends of the caller's sockets open. */
	(void)sys3(__NR_close_range, 3, ~0u, 0);
	for (;;)
		(void)sys4(__NR_ppoll, 0, 0, 0, 0);
}

NO_SANITIZE long corral_child_hold(uint64_t clone_flags, int launchpad, int ready_fd, void *stack,
                                   int *ret_pidfd)
{
	/* Beyond this call the child reads it, so it lies on the child's stack, at the far end. */
	struct holder *h = stack;

	h->launchpad = launchpad;
	h->ready_fd = ready_fd;
	h->parent = (int)sys0(__NR_getpid);
	return clone_with(clone_flags, -1, stack, ret_pidfd, holder_run, h);
}

struct attachment {
	int pidfd, mount_fd;
	const char *guest_path;
	long result;
};

NO_SANITIZE static void attach_run(void *arg)
{
	struct attachment *a = arg;

	a->result = sys2(__NR_setns, a->pidfd, CLONE_NEWNS);
	if (a->result >= 0)
		a->result = sys5(__NR_move_mount, a->mount_fd, "", AT_FDCWD, a->guest_path,
		                 MOVE_MOUNT_F_EMPTY_PATH);
	child_die(0);
}

NO_SANITIZE long corral_child_attach(int pidfd, int mount_fd, const char *guest_path, void *stack)
{
	struct attachment *a = stack;
	int child_fd = -1;
	long pid;

	a->pidfd = pidfd;
	a->mount_fd = mount_fd;
	a->guest_path = guest_path;
	a->result = -ECHILD; /* if it is killed before it begins */
	pid = clone_with(CLONE_VFORK, -1, stack, &child_fd, attach_run, a);
	if (pid < 0)
		return pid;
	while (sys4(__NR_wait4, pid, 0, WALL_, 0) == -EINTR)
		;
	(void)sys1(__NR_close, child_fd);
	return a->result < 0 ? a->result : 0;
}
