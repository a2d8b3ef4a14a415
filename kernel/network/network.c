#include "kernel/network/network.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"

/* pasta takes up to five seconds by itself. */
#define ANSWER_MS  15000
#define END_MS     3000
#define PORTS_MS   2000
#define REPORT_MS  2000
#define FDS_NEEDED 2

struct corral_network_helper {
	pthread_mutex_t lock;
	int socket_fd; /* -1: not started, or dead */
	pid_t pid;
	pid_t owner; /* a fork of the launcher's process has a copy of the socket, and no helper */
};

/* Seen from the folder of the running program: in a build tree, and installed. */
static const char *const places[] = { "", CORRAL_LIBEXEC_FROM_BIN "/corral/" };

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Nobody else's work: neither written nor put there by others than root and the caller, with whose
 * rights it is run. In a sticky directory (/tmp) only its owner can replace it. */
static bool is_trusted(const char *path)
{
	char folder[PATH_MAX];
	struct stat file, dir;
	size_t len = (size_t)(strrchr(path, '/') - path);

	if (len >= sizeof(folder))
		return false;
	memcpy(folder, path, len);
	memcpy(folder + len, "/", 2);
	return stat(path, &file) == 0 && S_ISREG(file.st_mode) && is_ours(&file) &&
	       !(file.st_mode & 022) && stat(folder, &dir) == 0 && is_ours(&dir) &&
	       (!(dir.st_mode & 022) || (dir.st_mode & S_ISVTX));
}

/* refused: of the size of PATH_MAX, one that is there and not used, or "". */
static bool program_find(char *ret, size_t size, char *refused)
{
	char folder[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	bool is_path = n > 0 && folder[0] == '/';

	refused[0] = '\0';
	folder[n > 0 ? n : 0] = '\0';
	if (is_path)
		strrchr(folder, '/')[1] = '\0';
	for (size_t i = 0; i <= CORRAL_COUNT(places); i++) {
		const bool last = i == CORRAL_COUNT(places);

		if (!last && !is_path)
			continue;
		/* The last: of a library that another program has loaded. */
		if (snprintf(ret, size, "%s%s" CORRAL_NET_PROGRAM, last ? CORRAL_LIBEXEC : folder,
		             last ? "/corral/" : places[i]) >= (int)size ||
		    access(ret, X_OK) < 0)
			continue;
		if (is_trusted(ret))
			return true;
		if (!refused[0])
			(void)snprintf(refused, PATH_MAX, "%s", ret);
	}
	return false;
}

bool corral_network_program(char *ret, size_t size)
{
	char refused[PATH_MAX];

	return program_find(ret, size, refused);
}

int corral_network_helper_new(struct corral_network_helper **ret, struct corral_error *err)
{
	struct corral_network_helper *h = calloc(1, sizeof(*h));

	if (!h)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	(void)pthread_mutex_init(&h->lock, NULL);
	h->socket_fd = -1;
	*ret = h;
	return 0;
}

/* The process, once its socket is closed. */
static void helper_reap(struct corral_network_helper *h)
{
	struct pollfd pfd = { .fd = -1, .events = POLLIN };

	corral_fd_closep(&h->socket_fd);
	/* Also when somebody in this process waits for every child: then it is not there to be
	 * asked. */
	if (h->pid > 0 && waitpid(h->pid, NULL, WNOHANG) == 0) {
		pfd.fd = (int)syscall(SYS_pidfd_open, h->pid, 0);
		while (poll(&pfd, 1, END_MS) < 0 && errno == EINTR)
			;
		if (pfd.fd >= 0)
			(void)syscall(SYS_pidfd_send_signal, pfd.fd, SIGKILL, NULL, 0);
		(void)waitpid(h->pid, NULL, 0);
		corral_fd_closep(&pfd.fd);
	}
	h->pid = 0;
}

void corral_network_helper_let_go(struct corral_network_helper *h)
{
	pthread_mutex_lock(&h->lock);
	if (h->socket_fd >= 0 && h->owner == getpid())
		(void)shutdown(h->socket_fd, SHUT_WR);
	pthread_mutex_unlock(&h->lock);
}

void corral_network_helper_free(struct corral_network_helper *h)
{
	if (!h)
		return;
	if (h->owner == getpid()) {
		if (h->socket_fd >= 0)
			(void)shutdown(h->socket_fd, SHUT_RDWR);
		helper_reap(h);
	} else {
		corral_fd_closep(&h->socket_fd);
	}
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}

static int actions_add(posix_spawn_file_actions_t *a, int socket_fd)
{
	int r = 0;

	/* First, so that it is not overwritten by what it may itself be the number of. */
	r = r ? r : posix_spawn_file_actions_adddup2(a, socket_fd, CORRAL_NET_FD);
	for (int fd = 0; fd < 3; fd++)
		r = r ? r
		      : posix_spawn_file_actions_addopen(a, fd, "/dev/null",
		                                         fd ? O_WRONLY : O_RDONLY, 0);
	return r ? r : posix_spawn_file_actions_addclosefrom_np(a, CORRAL_NET_FD + 1);
}

/* In a session of its own: the terminal's signals are for the command. */
static int program_start(const char *path, int socket_fd, pid_t *ret)
{
	char *argv[] = { (char *)(uintptr_t)CORRAL_NET_PROGRAM, NULL }, *env[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawn_file_actions_init(&actions))
		return ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return ENOMEM;
	}
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
	                                              POSIX_SPAWN_SETSID);
	r = actions_add(&actions, socket_fd);
	if (!r)
		r = posix_spawn(ret, path, &actions, &attr, argv, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	return r;
}

/* With the lock held. */
static int helper_start(struct corral_network_helper *h, struct corral_error *err)
{
	char path[PATH_MAX], refused[PATH_MAX];
	int pair[2], high, r;

	if (!program_find(path, sizeof(path), refused))
		return refused[0]
		               ? corral_error_set(err, EACCES,
		                                  "'%.200s' is not run: it and its directory must "
		                                  "belong to root or to you, and nobody else may "
		                                  "write them",
		                                  refused)
		               : corral_error_set(err, ENOENT,
		                                  "this corral was built without networks of its "
		                                  "own: there is no " CORRAL_NET_PROGRAM
		                                  " beside it or in " CORRAL_LIBEXEC "/corral");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "create a socket to " CORRAL_NET_PROGRAM);
	/* Not one of the numbers that the actions overwrite. */
	high = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
	(void)close(pair[1]);
	r = high < 0 ? errno : program_start(path, high, &h->pid);
	corral_fd_closep(&high);
	if (r) {
		(void)close(pair[0]);
		h->pid = 0;
		return corral_error_sys(err, r, "start '%.200s'", path);
	}
	h->socket_fd = pair[0];
	h->owner = getpid();
	corral_trace(CORRAL_TRACE_SPAWN, CORRAL_NET_PROGRAM " started: pid %d", (int)h->pid);
	return 0;
}

static int request_send(int socket_fd, const struct corral_buf *request, const int fds[FDS_NEEDED])
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(FDS_NEEDED * sizeof(int))];
	} control;
	struct iovec iov = { request->data, request->len };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = sizeof(control) };

	memset(&control, 0, sizeof(control));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(FDS_NEEDED * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, FDS_NEEDED * sizeof(int));
	return sendmsg(socket_fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void pad(struct corral_buf *b)
{
	static const char zeros[4];

	corral_buf_add(b, zeros, (4 - b->len % 4) % 4);
}

static enum corral_net_way way_of(const struct corral_policy *p, bool is_root)
{
	if (p->network == CORRAL_NETWORK_NONE)
		return CORRAL_NET_APART;
	return is_root && !p->network_pasta ? CORRAL_NET_VETH : CORRAL_NET_PASTA;
}

/* A capability over the namespace in which pasta's sandbox has its rules is one over the rules. */
#define CAPS_NET ((uint64_t)1 << CAP_NET_ADMIN | (uint64_t)1 << CAP_NET_RAW)

bool corral_network_sends_frames(const struct corral_policy *p)
{
	return (p->caps & CAPS_NET) != 0;
}

static int way_check(const struct corral_policy *p, bool is_root, struct corral_error *err)
{
	if (is_root && p->network_pasta)
		return corral_error_set(err, EINVAL,
		                        "network 'pasta' is for ordinary users: as root, 'bridge' "
		                        "is the same without it");
	if (way_of(p, is_root) == CORRAL_NET_PASTA && (p->caps & CAPS_NET))
		return corral_error_set(err, EINVAL,
		                        "network: with CAP_NET_ADMIN or CAP_NET_RAW a sandbox "
		                        "could undo the rules that keep it from the host, which "
		                        "an ordinary user's has inside: leave them out of "
		                        "cap_add");
	return 0;
}

/* Head, ports, the texts that the ports have, and those of an allowlist. */
static void request_compose(const struct corral_policy *p, bool is_root, struct corral_buf *ret)
{
	struct corral_net_connect head = { .head = { CORRAL_NET_CONNECT, 0 },
		                           .way = way_of(p, is_root),
		                           .mode = p->network,
		                           .publish = sizeof(head),
		                           .n_publish = (uint32_t)p->n_publish,
		                           .n_egress = (uint32_t)p->n_allow };
	uint32_t egress, egress_len;
	uint32_t text = (uint32_t)(sizeof(head) + p->n_publish * sizeof(struct corral_net_publish));

	corral_buf_add(ret, &head, sizeof(head));
	for (size_t i = 0; i < p->n_publish; i++) {
		const struct corral_publish *from = &p->publish[i];
		struct corral_net_publish to = { .kind = from->kind,
			                         .is_ipv6 = from->is_ipv6,
			                         .host_port = from->host_port,
			                         .guest_port = from->guest_port };

		memcpy(to.host_address, from->host_address, sizeof(to.host_address));
		if (from->host_path) {
			to.path = text;
			text += (uint32_t)strlen(from->host_path) + 1;
		}
		corral_buf_add(ret, &to, sizeof(to));
	}
	for (size_t i = 0; i < p->n_publish; i++)
		if (p->publish[i].host_path)
			corral_buf_add(ret, p->publish[i].host_path,
			               strlen(p->publish[i].host_path) + 1);
	pad(ret);
	egress = (uint32_t)ret->len;
	for (size_t i = 0; i < p->n_allow; i++)
		corral_buf_add(ret, p->allow[i], strlen(p->allow[i]) + 1);
	egress_len = (uint32_t)ret->len - egress;
	pad(ret);
	if (ret->failed)
		return;
	((struct corral_net_connect *)(void *)ret->data)->egress = egress;
	((struct corral_net_connect *)(void *)ret->data)->egress_len = egress_len;
	((struct corral_net_connect *)(void *)ret->data)->head.size = (uint32_t)ret->len;
}

/* One that died is started again, once. */
static int request_give(struct corral_network_helper *h, const struct corral_buf *request,
                        const int fds[FDS_NEEDED], struct corral_error *err)
{
	int r = -EPIPE;

	for (int tries = 0; tries < 2 && (r == -EPIPE || r == -ECONNRESET); tries++) {
		if (h->owner != getpid())
			corral_fd_closep(&h->socket_fd);
		if (h->socket_fd < 0) {
			if (h->owner != getpid())
				h->pid = 0;
			r = helper_start(h, err);
			if (r < 0)
				return r;
		}
		r = request_send(h->socket_fd, request, fds);
		if (r == -EPIPE || r == -ECONNRESET)
			helper_reap(h);
	}
	return r < 0 ? corral_error_sys(err, -r, "ask " CORRAL_NET_PROGRAM) : 0;
}

void corral_network_prepare(struct corral_network_helper *h, const struct corral_policy *p,
                            bool is_root)
{
	const struct corral_net_head ask = { CORRAL_NET_PREPARE, sizeof(ask) };

	pthread_mutex_lock(&h->lock);
	if (h->socket_fd < 0 && !h->pid && helper_start(h, NULL) == 0 &&
	    way_of(p, is_root) == CORRAL_NET_VETH)
		(void)!send(h->socket_fd, &ask, sizeof(ask), MSG_NOSIGNAL | MSG_DONTWAIT);
	pthread_mutex_unlock(&h->lock);
}

int corral_network_begin(struct corral_network_helper *h, const struct corral_policy *p,
                         bool is_root, int netns_fd, struct corral_network *ret,
                         struct corral_error *err)
{
	corral_autobuf struct corral_buf request = CORRAL_BUF_INIT;
	corral_autofd int ours = -1, theirs = -1;
	int pair[2], r;

	r = way_check(p, is_root, err);
	if (r < 0)
		return r;
	request_compose(p, is_root, &request);
	if (request.failed)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	if (request.len > CORRAL_NET_MESSAGE_MAX)
		return corral_error_set(err, E2BIG,
		                        "network: what was asked for does not fit one "
		                        "message");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "create a socket to " CORRAL_NET_PROGRAM);
	ours = pair[0];
	theirs = pair[1];
	pthread_mutex_lock(&h->lock);
	r = request_give(h, &request, (const int[FDS_NEEDED]) { theirs, netns_fd }, err);
	pthread_mutex_unlock(&h->lock);
	if (r < 0)
		return r;
	ret->socket_fd = corral_take_fd(&ours);
	ret->waits = true;
	return 0;
}

static ssize_t answer_receive(struct corral_network *n, void *buf, size_t size)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(n->socket_fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = len < 0 ? NULL : CMSG_FIRSTHDR(&m);

	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
	    h->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&n->table_fd, CMSG_DATA(h), sizeof(int));
	return len < 0 ? -errno : len;
}

int corral_network_await(struct corral_network *n, struct corral_error *err)
{
	struct pollfd pfd = { .fd = n->socket_fd, .events = POLLIN };
	union {
		struct corral_net_head head;
		struct corral_net_ready ready;
		struct corral_net_failed failed;
	} m = { .head = { 0, 0 } };
	ssize_t len;
	int r;

	do {
		r = poll(&pfd, 1, ANSWER_MS);
	} while (r < 0 && errno == EINTR);
	n->waits = false;
	if (r == 0)
		return corral_error_set(err, ETIMEDOUT,
		                        CORRAL_NET_PROGRAM " has not answered within %d s",
		                        ANSWER_MS / 1000);
	len = answer_receive(n, &m, sizeof(m));
	if (len == (ssize_t)sizeof(m.failed) && m.head.type == CORRAL_NET_FAILED) {
		m.failed.text[sizeof(m.failed.text) - 1] = '\0';
		return corral_error_set(err, m.failed.error > 0 ? m.failed.error : EIO, "%s",
		                        m.failed.text);
	}
	if (len != (ssize_t)sizeof(m.ready) || m.head.type != CORRAL_NET_READY)
		return corral_error_set(err, EPIPE,
		                        CORRAL_NET_PROGRAM " ended while it connected the sandbox");
	m.ready.address[sizeof(m.ready.address) - 1] = '\0';
	memcpy(n->address, m.ready.address, sizeof(n->address));
	corral_trace(CORRAL_TRACE_SPAWN, "network: address %s, mtu %u",
	             n->address[0] ? n->address : "none", m.ready.mtu);
	return 0;
}

int corral_network_report(struct corral_network *n, struct corral_ledger *ret,
                          struct corral_error *err)
{
	const struct corral_net_head ask = { CORRAL_NET_REPORT, sizeof(ask) };
	struct pollfd pfd = { .fd = n->socket_fd, .events = POLLIN };
	struct corral_net_ledger m;
	ssize_t len = -1;
	int r = -1;

	/* One that came too late. */
	while (recv(n->socket_fd, &m, sizeof(m), MSG_DONTWAIT) > 0)
		;
	if (send(n->socket_fd, &ask, sizeof(ask), MSG_NOSIGNAL) == (ssize_t)sizeof(ask)) {
		do {
			r = poll(&pfd, 1, REPORT_MS);
		} while (r < 0 && errno == EINTR);
		len = r == 1 ? recv(n->socket_fd, &m, sizeof(m), MSG_DONTWAIT) : -1;
	}
	if (len != (ssize_t)sizeof(m) || m.head.type != CORRAL_NET_LEDGER ||
	    corral_ledger_check(&m.ledger) < 0)
		return corral_error_set(err, EPIPE,
		                        CORRAL_NET_PROGRAM " does not say whom the sandbox talked "
		                                           "to");
	*ret = m.ledger;
	return 0;
}

bool corral_network_is_alive(const struct corral_network *n)
{
	struct pollfd pfd = { .fd = n->socket_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 0;
}

void corral_network_let_go(const struct corral_network *n)
{
	const struct corral_net_head gone = { CORRAL_NET_GONE, sizeof(gone) };

	if (n->socket_fd < 0)
		return;
	if (!n->sends_frames)
		(void)!send(n->socket_fd, &gone, sizeof(gone), MSG_NOSIGNAL | MSG_DONTWAIT);
	/* Not closed alone: a child of the caller's may hold a copy. */
	(void)shutdown(n->socket_fd, SHUT_WR);
}

void corral_network_end(struct corral_network *n, bool has_ports)
{
	struct pollfd pfd = { .fd = n->socket_fd, .events = POLLIN };
	char byte;

	if (n->socket_fd >= 0) {
		corral_network_let_go(n);
		if (has_ports && poll(&pfd, 1, PORTS_MS) == 1)
			(void)!recv(n->socket_fd, &byte, 1, MSG_DONTWAIT);
		(void)shutdown(n->socket_fd, SHUT_RDWR);
	}
	corral_fd_closep(&n->socket_fd);
	corral_fd_closep(&n->table_fd);
}
