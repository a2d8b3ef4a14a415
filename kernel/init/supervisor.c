#include "kernel/init/supervisor.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/wait.h>

#include "kernel/init/command.h"
#include "kernel/init/tree.h"

static struct {
	long pid; /* 0: free */
	uint32_t id;
	int report_fd;
	struct refusals *refusals;
} slots[SUPERVISORS_MAX];
static unsigned int n_slots; /* in use */

static void told_failed(int report_fd, uint32_t id, long error)
{
	struct corral_wire_number m = {
		{ CORRAL_WIRE_NOT_STARTED, sizeof(m) }, 0, (int32_t)-error, 0, id
	};

	(void)wire_send(report_fd, &m, sizeof(m), -1);
}

static long page_map(void)
{
	return sys6(__NR_mmap, 0, sizeof(struct refusals), PROT_READ | PROT_WRITE,
	            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* In the copy. What is said of the command goes where the caller's message to guest init came from.
 */
static _Noreturn void supervise(struct init *in, struct refusals *refusals, int report_fd,
                                const void *request, size_t size, const int *fds,
                                unsigned int n_fds)
{
	in->is_supervisor = 1;
	in->strays = 0;
	in->refusals = refusals;
	command_forget();
	(void)sys5(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* In the confined tier nothing else would end it with guest init. */
	(void)sys5(__NR_prctl, PR_SET_PDEATHSIG, SUPERVISOR_ENDS, 0, 0, 0);
	if (sys3(__NR_dup3, report_fd, CORRAL_WIRE_FD, 02000000) < 0)
		die(1);
	(void)sys1(__NR_close, in->signals_fd);
	if (in->listener_fd >= 0)
		(void)sys1(__NR_close, in->listener_fd);
	in->listener_fd = -1;
	if (!command_start(in, request, size, fds, n_fds))
		die(0);
	serve_one(in);
}

void supervisor_start(struct init *in, const void *request, size_t size, const int *fds,
                      unsigned int n_fds)
{
	const struct corral_wire_start *st = request;
	unsigned int slot = 0;
	long page, pid, report;

	if (!n_fds || size < sizeof(*st))
		return; /* nobody to tell */
	while (slot < SUPERVISORS_MAX && slots[slot].pid)
		slot++;
	if (slot == SUPERVISORS_MAX) {
		told_failed(fds[0], st->id, -EAGAIN);
		return;
	}
	page = page_map();
	report = page < 0 ? page : sys3(__NR_fcntl, fds[0], F_DUPFD_CLOEXEC, 4);
	pid = report < 0 ? report : sys5(__NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		supervise(in, (struct refusals *)page, (int)report, request, size, fds, n_fds);
	if (pid < 0) {
		told_failed(fds[0], st->id, pid);
		if (report >= 0)
			(void)sys1(__NR_close, report);
		if (page >= 0)
			(void)sys2(__NR_munmap, page, sizeof(struct refusals));
		return;
	}
	slots[slot].pid = pid;
	slots[slot].id = st->id;
	slots[slot].report_fd = (int)report;
	slots[slot].refusals = (struct refusals *)page;
	n_slots++;
}

/* It was killed, by the guest or by us: what was its command's comes to us, and goes. */
static void lost(struct init *in, unsigned int slot)
{
	static struct corral_wire_exited m;

	in->strays = 1;
	memset(&m, 0, sizeof(m));
	m.head.type = CORRAL_WIRE_EXITED;
	m.head.size = sizeof(m);
	m.status = SIGKILL;
	m.exec_nsec = m.end_nsec = m.gone_nsec = now_nsec();
	m.written_bytes = m.scratch_free_bytes = m.scratch_free_inodes = ~0ull;
	m.n_denials = slots[slot].refusals->n;
	m.denials_dropped = slots[slot].refusals->dropped;
	memcpy(m.denials, slots[slot].refusals->list, m.n_denials * sizeof(m.denials[0]));
	(void)wire_send(slots[slot].report_fd, &m, sizeof(m), -1);
}

int supervisor_reaped(struct init *in, long pid, int status)
{
	for (unsigned int i = 0; n_slots && i < SUPERVISORS_MAX; i++) {
		if (slots[i].pid != pid)
			continue;
		if (status)
			lost(in, i);
		(void)sys1(__NR_close, slots[i].report_fd);
		(void)sys2(__NR_munmap, slots[i].refusals, sizeof(struct refusals));
		slots[i].pid = 0;
		n_slots--;
		return 1;
	}
	return 0;
}

static long pid_of(uint32_t id)
{
	for (unsigned int i = 0; i < SUPERVISORS_MAX; i++)
		if (slots[i].pid && slots[i].id == id)
			return slots[i].pid;
	return 0;
}

void supervisor_kill(uint32_t id, int hard)
{
	long pid = pid_of(id);

	if (pid)
		(void)sys2(__NR_kill, pid, hard ? SIGKILL : SUPERVISOR_ENDS);
	/* The guest may have stopped it. */
	if (pid && !hard)
		(void)sys2(__NR_kill, pid, SIGCONT);
}

void supervisor_signal(uint32_t id, int signo)
{
	struct {
		int signo, errno_, code, pad;
		int pid, uid;
		uint64_t value;
		char rest[96];
	} info;
	long pid = pid_of(id);

	if (!pid)
		return;
	/* The supervisor itself may have been stopped, by the guest. */
	if (signo == SIGCONT)
		(void)sys2(__NR_kill, pid, SIGCONT);
	memset(&info, 0, sizeof(info));
	info.signo = SUPERVISOR_FORWARD;
	info.code = -1; /* SI_QUEUE */
	info.value = (uint64_t)signo;
	(void)sys3(__NR_rt_sigqueueinfo, pid, SUPERVISOR_FORWARD, &info);
}

unsigned int supervisors_list(long *ret)
{
	unsigned int n = 0;

	for (unsigned int i = 0; n < n_slots && i < SUPERVISORS_MAX; i++)
		if (slots[i].pid)
			ret[n++] = slots[i].pid;
	return n;
}

struct refusals *refusals_of(struct init *in, long pid)
{
	long pids[SUPERVISORS_MAX], above = 0;
	unsigned int n = supervisors_list(pids);

	if (n)
		above = tree_ancestor(in, pid, pids, n);
	for (unsigned int i = 0; above && i < SUPERVISORS_MAX; i++)
		if (slots[i].pid == above)
			return slots[i].refusals;
	return in->refusals;
}
