/*
 * Guest init: PID 1 of its sandbox, a static program of its own that starts from a sealed memfd.
 *
 * Theory of operation: it begins as root of the host (or of a fresh user namespace), in fresh
 * namespaces, with one socket as descriptor 3. It receives one message with the plan and its
 * descriptors, runs the steps, says READY or which step FAILED, and from then on has no privilege:
 * it waits for commands to start, reaps, answers refused calls, and ends with its caller, whose
 * death is the end of the socket. When it ends, the kernel kills everything in the pid namespace.
 *
 * Everything up to serve() runs before the first guest code does. Nothing here allocates.
 */
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/socket.h>
#include <linux/uio.h>

#include "kernel/init/init.h"

#define MSG_CMSG_CLOEXEC 0x40000000
#define SOL_SOCKET_      1
#define SCM_RIGHTS_      1

/* glibc's <sys/socket.h> cannot be had without its other headers: the kernel's layout (msg(7)). */
struct kernel_msghdr {
	void *name;
	int name_len;
	struct iovec *iov;
	size_t n_iov;
	void *control;
	size_t control_len;
	unsigned int flags;
};

struct kernel_cmsghdr {
	size_t len;
	int level, type;
};

static _Alignas(4096) char message[CORRAL_WIRE_MAX];
static HOT struct init state;

_Noreturn void init_main(void *stack);

const char *init_text(const struct init *in, uint32_t offset)
{
	return offset ? (const char *)in->launch + offset : "";
}

/*
 * Descriptors come in the order in which the plan needs them, in as many messages as the caller
 * likes: it goes on making them while the first steps run.
 */
int init_fd(struct init *in, int slot)
{
	while (slot >= 0 && (unsigned int)slot >= in->n_fds) {
		struct corral_wire_head head;
		unsigned int n = 0;
		int more[CORRAL_WIRE_FDS_MAX];
		long r = wire_receive(&head, sizeof(head), more, &n);

		if (r <= 0)
			die(0); /* the caller is gone */
		if (r != sizeof(head) || head.type != CORRAL_WIRE_DESCRIPTORS || !n ||
		    in->n_fds + n > CORRAL_WIRE_FDS_MAX)
			return -1;
		memcpy(in->fds + in->n_fds, more, n * sizeof(more[0]));
		in->n_fds += n;
	}
	return slot >= 0 ? in->fds[slot] : -1;
}

long wire_receive(void *buf, size_t size, int *fds, unsigned int *ret_n_fds)
{
	static HOT char
	        control[sizeof(struct kernel_cmsghdr) + CORRAL_WIRE_FDS_MAX * sizeof(int) + 8];
	struct iovec iov = { buf, size };
	struct kernel_msghdr msg = { 0, 0, &iov, 1, control, sizeof(control), 0 };
	struct kernel_cmsghdr *c = (struct kernel_cmsghdr *)(void *)control;
	unsigned int n = 0;
	long r;

	do {
		r = sys3(__NR_recvmsg, CORRAL_WIRE_FD, &msg, MSG_CMSG_CLOEXEC);
	} while (r == -4 /* EINTR */);
	if (r > 0 && msg.control_len >= sizeof(*c) && c->level == SOL_SOCKET_ &&
	    c->type == SCM_RIGHTS_) {
		n = (unsigned int)((c->len - sizeof(*c)) / 4);
		if (n > CORRAL_WIRE_FDS_MAX)
			n = CORRAL_WIRE_FDS_MAX;
		memcpy(fds, c + 1, n * sizeof(*fds));
	}
	*ret_n_fds = n;
	return r;
}

long wire_send(int to, const void *buf, size_t size, int fd)
{
	struct {
		struct kernel_cmsghdr head;
		int fd, pad;
	} control = { { sizeof(struct kernel_cmsghdr) + 4, SOL_SOCKET_, SCM_RIGHTS_ }, fd, 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, size };
	struct kernel_msghdr msg = {
		0, 0, &iov, 1, fd >= 0 ? &control : 0, fd >= 0 ? sizeof(control) : 0, 0
	};
	long r;

	do {
		r = sys3(__NR_sendmsg, to, &msg, 0x4000 /* MSG_NOSIGNAL */);
	} while (r == -4 /* EINTR */);
	return r;
}

static void say_failed(struct init *in, uint32_t step, long code)
{
	struct corral_wire_number m = {
		{ CORRAL_WIRE_FAILED, sizeof(m) }, step, (int32_t)-code, in->detail, 0
	};

	(void)wire_send(CORRAL_WIRE_FD, &m, sizeof(m), -1);
}

static void say_ready(struct init *in)
{
	struct corral_wire_ready m;

	memset(&m, 0, sizeof(m));
	m.head.type = CORRAL_WIRE_READY;
	m.head.size = sizeof(m);
	m.started_nsec = in->started_nsec;
	memcpy(m.stage_nsec, in->stage_nsec, sizeof(m.stage_nsec));
	m.landlock = in->landlock;
	m.notify = in->listener_fd >= 0;
	(void)wire_send(CORRAL_WIRE_FD, &m, sizeof(m), -1);
}

static void run_plan(struct init *in)
{
	const struct corral_wire_launch *launch = in->launch;
	uint64_t last = now_nsec(), next;
	uint32_t i;

	for (i = 0; i < launch->n_steps; i++) {
		const struct corral_step *step = &launch->steps[i];
		long r = step_run(in, step);

		if (r < 0) {
			say_failed(in, i, r);
			die(1);
		}
		if (i + 1 == launch->n_steps || launch->steps[i + 1].stage != step->stage) {
			next = now_nsec();
			in->stage_nsec[step->stage < 10 ? step->stage : 0] += next - last;
			last = next;
		}
	}
}

_Noreturn void init_main(void *stack)
{
	struct init *in = &state;
	uint64_t all = ~0ull;
	long r;

	(void)stack;
	in->started_nsec = now_nsec();
	/* The caller's would be on every directory that the root is made of. */
	(void)sys1(__NR_umask, 022);
	/*
	 * Before anything else: whoever gets into this pid namespace must not read or trace us
	 * (CVE-2016-9962). The mm belongs to the user namespace of the exec, so as root no
	 * capability inside helps either.
	 */
	(void)sys5(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)sys5(__NR_prctl, PR_SET_NAME, "corral-init", 0, 0, 0);
	(void)sys4(__NR_rt_sigprocmask, SIG_BLOCK, &all, 0, 8);
	/* Whoever holds it speaks for us, so no command may inherit it; it came through our own
	 * exec. */
	(void)sys3(__NR_fcntl, CORRAL_WIRE_FD, F_SETFD, FD_CLOEXEC);
	in->scratch_fd = in->root_fd = in->proc_self_fd = in->listener_fd = -1;
	populate(message, 8192); /* a plan is some 5 kB */
	r = wire_receive(message, sizeof(message), in->fds, &in->n_fds);
	in->launch = (const struct corral_wire_launch *)(void *)message;
	if (r < (long)sizeof(*in->launch) || in->launch->head.type != CORRAL_WIRE_LAUNCH ||
	    in->launch->head.size != (uint32_t)r)
		die(1);
	in->features = in->launch->features;
	in->confined = (in->features & CORRAL_WIRE_CONFINED) != 0;
	in->ruleset_fd = in->proc_fd = -1;
	run_plan(in);
	/*
	 * The end of the socket tells the same, but not to who is stuck. Of a thread, not of a
	 * process (prctl(2)), and lost with a change of ids. The confined tier has a tree to end
	 * first.
	 */
	if (in->features & CORRAL_WIRE_ONE_THREAD && !in->confined)
		(void)sys5(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

	/* The plan holds paths of the host: forget it, and hand its pages back. No descriptor stays
	 * but the socket, the listener, and the lock on our range of ids. */
	(void)sys3(__NR_close_range, 0, CORRAL_WIRE_FD - 1, 0);
	/* Never without: what comes next would take these numbers. */
	if (sys4(__NR_openat, -100, "/dev/null", 02, 0) != 0)
		die(1);
	(void)sys3(__NR_dup3, 0, 1, 0);
	(void)sys3(__NR_dup3, 0, 2, 0);
	if (in->scratch_fd >= 0)
		(void)sys1(__NR_close, in->scratch_fd);
	if (in->root_fd >= 0)
		(void)sys1(__NR_close, in->root_fd);
	if (in->proc_self_fd >= 0)
		(void)sys1(__NR_close, in->proc_self_fd);
	in->scratch_fd = in->root_fd = in->proc_self_fd = -1;
	in->n_fds = 0;
	memset(message, 0, in->launch->head.size);
	(void)sys3(__NR_madvise, message, sizeof(message), 4 /* MADV_DONTNEED */);
	in->launch = 0;
	say_ready(in);
	serve(in);
}
