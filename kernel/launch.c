/*
 * The birth of a sandbox, in the caller: what can be made while guest init is being executed is
 * made then, on the other core.
 *
 *     lease ids, begin the cgroup, clone3                 ──> the child executes guest init
 *     compile the plan and send it                             it waits for the plan
 *     open layers and sources, send them                  ──> it runs the steps, each as soon as
 * its descriptors are there complete the cgroup, make namespaces, send them     ──> wait for READY
 * <── and says so, or which step failed
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/attach.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"
#include "kernel/confined.h"
#include "kernel/host_reason.h"
#include "kernel/quota.h"
#include "kernel/sandbox_state.h"
#include "kernel/source.h"

#define READY_TIMEOUT_MS 30000
/* For guest init to read what it is sent. */
#define SEND_TIMEOUT_S 5

static void stage_add(struct corral_sandbox *s, enum corral_stage stage, uint64_t *since)
{
	uint64_t now = corral_now_nsec();

	s->course.receipt.stage_usec[stage] += (now - *since) / 1000;
	*since = now;
}

static uint32_t limits_wanted(const struct corral_limits *l)
{
	return (l->memory_bytes ? CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP : 0u) |
	       (l->cpu_millis ? CORRAL_LIMIT_CPUS : 0u) |
	       (l->cpu_weight && l->cpu_weight != 100 ? CORRAL_LIMIT_CPU_WEIGHT : 0u) |
	       (l->pids ? CORRAL_LIMIT_PIDS : 0u) | (l->disk_bytes ? CORRAL_LIMIT_DISK : 0u) |
	       (l->disk_inodes ? CORRAL_LIMIT_DISK_INODES : 0u) |
	       (l->file_size_bytes ? CORRAL_LIMIT_FILE_SIZE : 0u) |
	       (l->open_files ? CORRAL_LIMIT_OPEN_FILES : 0u) |
	       (l->timeout_ms ? CORRAL_LIMIT_TIMEOUT : 0u) |
	       (l->output_bytes ? CORRAL_LIMIT_OUTPUT : 0u);
}

static int limit_refuse(enum corral_limit limit, const char *reason, struct corral_error *err)
{
	return corral_error_set(err, EOPNOTSUPP, "limit '%s' cannot be enforced here: %s",
	                        corral_limit_name(limit),
	                        reason ? reason : "this kernel has no control for it");
}

/* What was asked for by name holds or is an error; a default that cannot hold is told in the
 * receipt. */
static int limits_judge(struct corral_sandbox *s, const struct corral_policy *p,
                        const struct corral_plan_facts *f, struct corral_error *err)
{
	uint32_t wanted = limits_wanted(&p->limits), lost;

	s->course.receipt.limits_enforced =
	        (wanted & ~(uint32_t)CORRAL_LIMITS_BY_CGROUP) |
	        (s->has_cgroup ? s->cgroup.enforced : 0) |
	        (corral_plan_limits_processes(f) ? wanted & CORRAL_LIMIT_PIDS : 0);
	if (s->confined || (p->keep_path && !s->disk_quota && s->disk_fd < 0))
		s->course.receipt.limits_enforced &= ~(uint32_t)CORRAL_CONFINED_NO_LIMITS;
	lost = wanted & ~s->course.receipt.limits_enforced;
	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++) {
		enum corral_limit limit = 1u << i;

		if (!(lost & p->limits_asked & limit))
			continue;
		return limit_refuse(limit,
		                    limit & CORRAL_CONFINED_NO_LIMITS
		                            ? "it takes a file system of its own, and this host "
		                              "refuses mounts"
		                            : corral_cgroup_host_reason(s->launcher->cgroups,
		                                                        limit),
		                    err);
	}
	s->course.receipt.limits_lost = lost;
	return 0;
}

static int cgroup_begin(struct corral_sandbox *s, struct corral_plan_facts *f,
                        struct corral_error *err)
{
	int r;

	if (!f->has_cgroup)
		return 0;
	r = corral_cgroup_begin(s->launcher->cgroups, &s->limits, f->into_cgroup, &s->cgroup, err);
	if (r < 0)
		return corral_error_wrap(err, r, "make the control group");
	s->has_cgroup = true;
	f->n_join = s->cgroup.n_joins_to_be;
	return 0;
}

static int cgroup_complete(struct corral_sandbox *s, const struct corral_policy *p,
                           const struct corral_plan_facts *f, struct corral_error *err)
{
	int r = 0;

	if (s->has_cgroup)
		r = corral_cgroup_complete(&s->cgroup, &s->limits, err);
	if (r < 0)
		return corral_error_wrap(err, r, "make the control group");
	r = limits_judge(s, p, f, err);
	if (r == 0 && s->has_cgroup)
		r = corral_cgroup_oom_fd(&s->cgroup, &s->oom_fd, err);
	return r;
}

static int child_clone(struct corral_sandbox *s, uint64_t clone_flags,
                       const struct corral_plan_facts *f, int peer, struct corral_error *err)
{
	char why[240] = "", remedy[280] = "";
	sigset_t all, old;
	long pid;

	s->child = (struct corral_child) {
		.clone_flags = clone_flags,
		.cgroup_fd = s->has_cgroup && f->into_cgroup ? s->cgroup.v2_fd : -1,
		.launchpad_fd = f->launchpad ? s->launcher->launchpad_fd : -1,
		.socket_fd = peer,
		.image_fd = s->launcher->image_fd,
		.wait_go = f->scheme == CORRAL_ID_SINGLE || f->scheme == CORRAL_ID_SUBIDS,
		.argv = { (char *)(uintptr_t) "corral-init", NULL },
	};
	/* No handler of the caller's may run in the child, which shares its memory. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = corral_child_start(&s->child, s->stack, &s->pidfd);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0 && s->confined)
		return corral_error_sys(err, (int)-pid, "start guest init");
	if (pid < 0) {
		corral_host_explain(f->scheme == CORRAL_ID_RANGE ? "mount-namespace"
		                                                 : "user-namespace",
		                    (int)-pid, why, sizeof(why), remedy, sizeof(remedy));
		(void)corral_error_sys(err, (int)-pid, "create namespaces (%s)",
		                       f->scheme == CORRAL_ID_RANGE ? "as root"
		                                                    : "with a user namespace");
		if (err && why[0]) {
			size_t len = strlen(err->text);

			(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s%s%s", why,
			               remedy[0] ? ": " : "", remedy);
		}
		return corral_confined_offer(s, (int)pid, err);
	}
	s->pid = (pid_t)pid;
	return 0;
}

static int ids_map(struct corral_sandbox *s, enum corral_id_scheme scheme, struct corral_error *err)
{
	const struct corral_host *h = &s->launcher->host;
	int r;

	switch (scheme) {
	case CORRAL_ID_RANGE:
	case CORRAL_ID_HOST:
		return 0;
	case CORRAL_ID_SINGLE:
		r = corral_ids_map_single(s->pid, h->uid, h->gid, err);
		break;
	case CORRAL_ID_SUBIDS:
		r = corral_ids_map_subids(s->pid, h->uid, h->gid, err);
		break;
	default:
		return -EINVAL;
	}
	if (r < 0)
		return corral_confined_offer(s, corral_error_wrap(err, r, "map ids"), err);
	return corral_wire_send(s->socket_fd, "g", 1, NULL, 0, err);
}

/*
 * The namespace of whoever has a network, before guest init is told to go: from then on nobody
 * looks into it. As root one that was made for this, which nobody else has had.
 */
static int netns_open(struct corral_sandbox *s, const struct corral_plan_facts *f,
                      struct corral_error *err)
{
	char path[64];

	if (f->netns_ready)
		return corral_launcher_take_netns(s->launcher, &s->netns_fd, err);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)s->pid);
	s->netns_fd = open(path, O_RDONLY | O_CLOEXEC);
	return s->netns_fd < 0 ? corral_error_sys(err, errno, "open '%s'", path) : 0;
}

/* What is -EPIPE elsewhere is guest init's end, of which it is asked why: that corral-net has ended
 * it does not know, and would go on without a network. */
static int network_result(int r, struct corral_error *err)
{
	if (r != -EPIPE)
		return r;
	if (err)
		err->code = ECONNABORTED;
	return -ECONNABORTED;
}

static int network_begin(struct corral_sandbox *s, const struct corral_policy *p,
                         struct corral_error *err)
{
	s->has_ports = p->n_publish > 0;
	s->has_list = p->network == CORRAL_NETWORK_ALLOW;
	return network_result(corral_network_begin(s->launcher->network, p,
	                                           corral_launcher_is_root(s->launcher),
	                                           s->netns_fd, &s->network, err),
	                      err);
}

static int network_await(struct corral_sandbox *s, struct corral_error *err)
{
	return network_result(corral_network_await(&s->network, err), err);
}

static int slot_open(struct corral_sandbox *s, const struct corral_slot *slot,
                     const struct corral_policy *p, int *ret_fd, bool *ret_owned,
                     struct corral_error *err)
{
	int r;

	*ret_owned = false;
	switch (slot->kind) {
	case CORRAL_SLOT_JOIN:
		*ret_fd = s->cgroup.join_fd[slot->index];
		return 0;
	case CORRAL_SLOT_USERNS:
		*ret_fd = s->ids.userns_fd;
		return 0;
	case CORRAL_SLOT_LEASE:
		*ret_fd = s->ids.lease_fd;
		return 0;
	case CORRAL_SLOT_IMAGE:
		*ret_fd = p->rootfs_lease_fd;
		return 0;
	case CORRAL_SLOT_NETNS:
		*ret_owned = true;
		if (s->netns_fd >= 0) {
			/* Guest init waits for this descriptor, and so an ordinary user's for its
			 * network. Root's goes on to what does not need one; the command waits. */
			r = s->network.waits && s->ids.lease_fd < 0 ? network_await(s, err) : 0;
			if (r == 0)
				*ret_fd = corral_take_fd(&s->netns_fd);
			return r;
		}
		return corral_confined_offer(s,
		                             corral_launcher_take_netns(s->launcher, ret_fd, err),
		                             err);
	case CORRAL_SLOT_SOURCE:
		*ret_owned = true;
		return corral_source_open(slot, &s->launcher->host, &s->ids, p, ret_fd, err);
	}
	return -EINVAL;
}

/*
 * The plan goes first; its descriptors follow in its order, the sources as soon as they are there,
 * so that guest init builds the root while the groups and namespaces that it enters later are made.
 */
static int plan_send(struct corral_sandbox *s, const struct corral_plan *plan,
                     const struct corral_policy *p, const struct corral_plan_facts *f,
                     struct corral_error *err)
{
	const struct corral_wire_head more = { CORRAL_WIRE_DESCRIPTORS, sizeof(more) };
	int fds[CORRAL_WIRE_FDS_MAX];
	bool owned[CORRAL_WIRE_FDS_MAX] = { false }, completed = false;
	unsigned int n = 0, sent = 0;
	int r;

	r = corral_wire_send(s->socket_fd, plan->message, plan->map_size, NULL, 0, err);
	if (r == 0 && s->ids.lease_fd >= 0)
		r = corral_confined_offer(s, corral_ids_map(&s->ids, err), err);
	while (r == 0) {
		bool early = n < plan->n_slots && plan->slots[n].kind == CORRAL_SLOT_SOURCE;

		if (!early && !completed) {
			if (n)
				r = corral_wire_send(s->socket_fd, &more, sizeof(more), fds, n,
				                     err);
			sent = n;
			if (r == 0)
				r = cgroup_complete(s, p, f, err);
			completed = true;
		}
		if (r < 0 || n == plan->n_slots)
			break;
		r = slot_open(s, &plan->slots[n], p, &fds[n], &owned[n], err);
		n += r == 0;
	}
	if (r == 0 && n > sent)
		r = corral_wire_send(s->socket_fd, &more, sizeof(more), fds + sent, n - sent, err);
	/* A step has failed already: what guest init said about it is read next. */
	if (r == -EPIPE)
		r = 0;
	while (n--)
		if (owned[n])
			(void)close(fds[n]);
	return r;
}

/* Guest init ended without a word: the status says how far the child came. */
static int silent_end(struct corral_sandbox *s, struct corral_error *err)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED | WNOWAIT) == 0 &&
	    info.si_code == CLD_EXITED) {
		switch (info.si_status) {
		case 121:
			return corral_error_set(err, EPERM,
			                        "enter the launchpad's mount namespace");
		case 123:
			return corral_error_set(
			        err, EPERM,
			        "execute guest init from a sealed memfd: look for "
			        "vm.memfd_noexec=2, which forbids it: sysctl vm.memfd_noexec=0");
		default:
			break;
		}
	}
	if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
		return corral_error_set(err, ECHILD,
		                        "guest init was killed by signal %d while it built the "
		                        "sandbox (out of memory, or a limit too small to start in)",
		                        info.si_status);
	return corral_error_set(err, ECHILD, "guest init ended with status %d before it was ready",
	                        info.si_status);
}

static void plan_freep(struct corral_plan **p)
{
	corral_plan_free(*p);
}

int corral_sandbox_ready(struct corral_sandbox *s, struct corral_error *err)
{
	corral_auto(plan_freep) struct corral_plan *plan = corral_take_ptr(&s->plan);
	union {
		struct corral_wire_head head;
		struct corral_wire_ready ready;
		struct corral_wire_number number;
	} m;
	struct pollfd pfd = { .fd = s->socket_fd, .events = POLLIN };
	ssize_t n;
	int fd, r;

	do {
		r = poll(&pfd, 1, READY_TIMEOUT_MS);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return corral_error_set(err, ETIMEDOUT,
		                        "guest init was not ready after 30 s: a step hangs (a dead "
		                        "network mount?)");
	n = corral_wire_receive(s->socket_fd, &m, sizeof(m), &fd, 0);
	corral_fd_closep(&fd);
	if (n == 0)
		return silent_end(s, err);
	if (n < 0)
		return corral_error_sys(err, (int)-n, "hear from guest init");
	if (m.head.type == CORRAL_WIRE_FAILED && (size_t)n >= sizeof(m.number)) {
		int code = m.number.error > 0 && m.number.error < 4096 ? m.number.error : EIO;

		r = corral_plan_explain(plan, m.number.n, code, m.number.detail, err);
		return corral_confined_offer_step(s, plan, m.number.n, r, err);
	}
	if (m.head.type != CORRAL_WIRE_READY || (size_t)n != sizeof(m.ready))
		return corral_error_set(err, EPROTO, "guest init said something unexpected");
	if (m.ready.started_nsec > s->cloned_nsec)
		s->course.receipt.stage_usec[CORRAL_STAGE_INIT] +=
		        (m.ready.started_nsec - s->cloned_nsec) / 1000;
	s->course.receipt.stage_usec[CORRAL_STAGE_ROOT] +=
	        (m.ready.stage_nsec[CORRAL_STAGE_ROOT] + m.ready.stage_nsec[CORRAL_STAGE_PREPARE]) /
	        1000;
	s->course.receipt.stage_usec[CORRAL_STAGE_CONFINE] +=
	        m.ready.stage_nsec[CORRAL_STAGE_CONFINE] / 1000;
	return 0;
}

/* Protected callers (a service with OOMScoreAdjust=-1000) must not pass that on. */
static void oom_reset(const struct corral_sandbox *s)
{
	corral_autofd int fd = -1;
	char path[64];

	if (!s->launcher->reset_oom)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)s->pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "0", 1);
}

static int events_open(struct corral_sandbox *s, struct corral_error *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	const int fds[] = { s->socket_fd, s->pidfd, s->oom_fd };

	s->event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->event_fd < 0)
		return corral_error_sys(err, errno, "create an epoll descriptor");
	for (size_t i = 0; i < CORRAL_COUNT(fds); i++) {
		ev.data.fd = fds[i];
		if (fds[i] >= 0 && epoll_ctl(s->event_fd, EPOLL_CTL_ADD, fds[i], &ev) < 0)
			return corral_error_sys(err, errno, "watch the sandbox");
	}
	return 0;
}

/* The policy may go before the sandbox: its environment is copied into one block. */
static int environment_keep(struct corral_sandbox *s, const struct corral_policy *p,
                            struct corral_error *err)
{
	size_t size = (p->n_env + 1) * sizeof(char *), at;
	char *text;

	for (size_t i = 0; i < p->n_env; i++)
		size += strlen(p->env[i]) + 1;
	s->env = malloc(size);
	if (!s->env)
		return corral_error_set(err, ENOMEM, "create the sandbox: out of memory");
	text = (char *)(s->env + p->n_env + 1);
	for (size_t i = 0; i < p->n_env; i++) {
		at = strlen(p->env[i]) + 1;
		memcpy(text, p->env[i], at);
		s->env[i] = text;
		text += at;
	}
	s->env[p->n_env] = NULL;
	return 0;
}

static int policy_keep(struct corral_sandbox *s, const struct corral_policy *p,
                       struct corral_error *err)
{
	s->work_dir = strdup(p->work_dir);
	s->stack = aligned_alloc(16, CORRAL_CHILD_STACK_SIZE);
	if (!s->work_dir || !s->stack)
		return corral_error_set(err, ENOMEM, "create the sandbox: out of memory");
	s->limits = p->limits;
	return environment_keep(s, p, err);
}

static int sockets_open(struct corral_sandbox *s, int *ret_peer, struct corral_error *err)
{
	const struct timeval patience = { .tv_sec = SEND_TIMEOUT_S };
	int pair[2], high;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "create a socket to guest init");
	s->socket_fd = pair[0];
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	high = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
	(void)close(pair[1]);
	if (high < 0)
		return corral_error_sys(err, errno, "create a socket to guest init");
	*ret_peer = high;
	return 0;
}

/*
 * What is kept lies on the host's disk, where a limit is the file system's to keep: for all layers
 * of a stack together, and whatever else stands on them, or each layer would be a way to have it
 * anew. A disk of their own is as large as the limit.
 */
static int keep_limit(struct corral_sandbox *s, const struct corral_policy *p,
                      struct corral_error *err)
{
	static const enum corral_limit of_disk[] = { CORRAL_LIMIT_DISK, CORRAL_LIMIT_DISK_INODES };
	struct corral_error why = { 0 };
	int r = 0;

	if ((!p->limits.disk_bytes && !p->limits.disk_inodes) || s->disk_fd >= 0)
		return 0;
	if (s->keep.n_layers)
		r = corral_quota_join(s->keep.fd, s->keep.layer_fds[0], &why);
	if (r == 0)
		r = corral_quota_limit(s->keep.fd, p->limits.disk_bytes, p->limits.disk_inodes,
		                       &why);
	s->disk_quota = r == 0;
	if (s->disk_quota)
		return 0;
	for (size_t i = 0; i < CORRAL_COUNT(of_disk); i++)
		if (p->limits_asked & of_disk[i])
			return corral_quota_refuse(corral_limit_name(of_disk[i]), &why, err);
	s->limits.disk_bytes = s->limits.disk_inodes = 0;
	return 0;
}

static int disk_hold(struct corral_sandbox *s, const struct corral_policy *p,
                     struct corral_error *err)
{
	if (!p->has_disk)
		return 0;
	s->disk_fd = fcntl(p->disk_fd, F_DUPFD_CLOEXEC, 10);
	return s->disk_fd < 0 ? corral_error_sys(err, errno, "hold the disk") : 0;
}

static int keep_open(struct corral_sandbox *s, const struct corral_policy *p,
                     const struct corral_plan_facts *f, struct corral_error *err)
{
	int r = corral_keep_open(p, f, &s->keep, err);

	return r < 0 ? r : keep_limit(s, p, err);
}

static int prepare(struct corral_sandbox *s, const struct corral_policy *p,
                   struct corral_plan_facts *f, int *ret_peer, struct corral_error *err)
{
	int r;

	r = corral_sources_look(p, err);
	if (r == 0)
		r = policy_keep(s, p, err);
	if (r == 0)
		r = disk_hold(s, p, err);
	if (r == 0)
		r = corral_launcher_facts(s->launcher, p, f, err);
	if (s->confined) {
		f->scheme = CORRAL_ID_HOST;
		f->launchpad = f->netns_ready = false;
	}
	if (r == 0 && p->keep_path && !s->confined)
		r = keep_open(s, p, f, err);
	if (r == 0 && f->scheme == CORRAL_ID_RANGE) {
		r = corral_launcher_take_ids(s->launcher, &s->ids, err);
		f->base = s->ids.base;
	}
	if (r == 0)
		r = cgroup_begin(s, f, err);
	if (r == 0)
		r = sockets_open(s, ret_peer, err);
	return r;
}

static int launch(struct corral_sandbox *s, const struct corral_policy *p, struct corral_error *err)
{
	corral_autofd int peer = -1;
	struct corral_plan_facts f = { 0 };
	uint64_t t = corral_now_nsec();
	bool has_network = corral_policy_has_network(p);
	struct corral_connected connected;
	int r;

	if (has_network)
		corral_network_prepare(s->launcher->network, p,
		                       corral_launcher_is_root(s->launcher));
	r = prepare(s, p, &f, &peer, err);
	if (r < 0)
		return r;
	stage_add(s, CORRAL_STAGE_PREPARE, &t);
	r = child_clone(s, corral_plan_clone_flags(p, &f), &f, peer, err);
	s->cloned_nsec = t;
	stage_add(s, CORRAL_STAGE_CLONE, &t);
	corral_fd_closep(&peer);
	/* Before it is told what to build. */
	if (r == 0)
		corral_keep_own(&s->keep, s->pid);
	if (r == 0 && has_network && corral_launcher_take_connected(s->launcher, p, &connected)) {
		s->netns_fd = connected.netns_fd;
		s->network = connected.network;
		has_network = false;
	}
	if (r == 0 && has_network)
		r = netns_open(s, &f, err);
	/* As root at once: its connection is made while the root is. */
	if (r == 0 && has_network && f.scheme == CORRAL_ID_RANGE)
		r = network_begin(s, p, err);
	s->network.sends_frames = corral_network_sends_frames(p);
	if (r == 0)
		r = corral_plan_compile(p, &f, &s->plan, err);
	stage_add(s, CORRAL_STAGE_PLAN, &t);
	if (r == 0)
		r = ids_map(s, f.scheme, err);
	if (r == 0 && has_network && f.scheme != CORRAL_ID_RANGE)
		r = network_begin(s, p, err);
	if (r == 0)
		r = plan_send(s, s->plan, p, &f, err);
	if (r == 0 && s->network.waits)
		r = network_await(s, err);
	stage_add(s, CORRAL_STAGE_PREPARE, &t);
	/* It may have failed while we were still sending: its last word is in the socket. */
	if (r == -EPIPE && s->plan)
		return corral_sandbox_ready(s, err);
	if (r < 0)
		return r;
	oom_reset(s);
	s->course.receipt.layers = s->plan->layers;
	s->course.receipt.tier = s->confined ? CORRAL_TIER_CONFINED : CORRAL_TIER_FULL;
	s->course.receipt.network = p->network;
	(void)snprintf(s->course.receipt.address, sizeof(s->course.receipt.address), "%s",
	               s->network.address);
	r = events_open(s, err);
	if (r == 0)
		r = corral_keep_begin(&s->keep, p, f.etc, err);
	/* Who accepts less must hear of a failed step here, where less can still be tried. */
	if (r == 0 && (s->allow_weaker || !(s->launcher->flags & CORRAL_LAUNCHER_ONE_SHOT)))
		r = corral_sandbox_ready(s, err);
	return r;
}

static int open_tier(struct corral_launcher *l, const struct corral_policy *p, bool confined,
                     struct corral_sandbox **ret, bool *ret_refused, struct corral_error *err)
{
	struct corral_sandbox *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return corral_error_set(err, ENOMEM, "create the sandbox: out of memory");
	s->launcher = l;
	(void)pthread_mutex_init(&s->lock, NULL);
	s->scratch_free_bytes = p->limits.disk_bytes;
	s->socket_fd = s->pidfd = s->event_fd = s->timer_fd = s->oom_fd = s->tty_fd = -1;
	s->keep = (struct corral_keep)CORRAL_KEEP_INIT;
	s->disk_fd = -1;
	s->ids = (struct corral_ids) { 0, -1, -1 };
	s->network = (struct corral_network)CORRAL_NETWORK_INIT;
	s->netns_fd = -1;
	s->confined = confined;
	s->allow_weaker = p->allow_weaker;
	r = launch(s, p, err);
	if (r < 0) {
		*ret_refused = s->refused;
		corral_sandbox_end(s);
		corral_keep_undo(&s->keep);
		corral_sandbox_wipe(s);
		return r;
	}
	s->made = s->course.receipt;
	corral_trace(CORRAL_TRACE_SPAWN, "sandbox ready: pid %d", (int)s->pid);
	*ret = s;
	return 0;
}

int corral_sandbox_make(struct corral_launcher *l, const struct corral_policy *p,
                        struct corral_sandbox **ret)
{
	struct corral_error err = { 0 };
	bool refused;
	int r = open_tier(l, p, false, ret, &refused, &err);

	if (r < 0)
		corral_trace(CORRAL_TRACE_SPAWN, "none made ahead: %s", err.text);
	return r;
}

/* The limits of whoever takes it, in the place of those that it was made with. */
static int limits_adopt(struct corral_sandbox *s, const struct corral_policy *p,
                        struct corral_error *err)
{
	bool same = corral_limits_same_group(&s->limits, &p->limits);
	struct corral_plan_facts f;
	int r = corral_launcher_facts(s->launcher, p, &f, err);

	if (r == 0 && !same)
		r = s->has_cgroup ? corral_cgroup_limit(&s->cgroup, &p->limits, err) : -EAGAIN;
	s->limits = p->limits;
	return r == 0 ? limits_judge(s, p, &f, err) : r;
}

/* One that stands ready becomes the caller's: what is not the sandbox's own comes from the caller's
 * policy. */
static int adopt(struct corral_launcher *l, const struct corral_policy *p,
                 struct corral_sandbox **ret)
{
	uint64_t t = corral_now_nsec();
	struct corral_sandbox *s = corral_warm_take(l, p);
	struct corral_error err = { 0 };

	if (!s)
		return -EAGAIN;
	free(s->env);
	s->env = NULL;
	/* What is wrong with a workspace or a limit is told by the one that is made for it. */
	if (environment_keep(s, p, &err) < 0 || limits_adopt(s, p, &err) < 0 ||
	    (p->workspace_path && (s->confined || corral_attach_workspace(s, p, &err) < 0))) {
		corral_trace(CORRAL_TRACE_SPAWN, "none that stood ready will do: %s", err.text);
		corral_sandbox_close(s, NULL);
		return -EAGAIN;
	}
	memset(s->course.receipt.stage_usec, 0, sizeof(s->course.receipt.stage_usec));
	stage_add(s, CORRAL_STAGE_PREPARE, &t);
	s->made = s->course.receipt;
	*ret = s;
	return 0;
}

int corral_sandbox_open(struct corral_launcher *l, const struct corral_policy *p,
                        struct corral_sandbox **ret, struct corral_error *err)
{
	struct corral_policy less;
	struct corral_error first = { 0 };
	bool refused = false;
	int r;

	if (adopt(l, p, ret) == 0)
		return 0;
	r = open_tier(l, p, false, ret, &refused, &first);
	if (r == 0)
		return 0;
	if (!refused || !p->allow_weaker) {
		if (err)
			*err = first;
		return r;
	}
	/* Not the caller's to see: with less, this may yet succeed. */
	corral_trace(CORRAL_TRACE_SPAWN, "no full isolation: %s", first.text);
	r = corral_confined_policy_init(&less, p, &l->host, err);
	if (r == 0)
		r = open_tier(l, &less, true, ret, &refused, err);
	corral_confined_policy_done(&less);
	return r;
}
