#include "kernel/network/helper/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/block.h"
#include "kernel/network/helper/child.h"
#include "kernel/network/helper/confine.h"
#include "kernel/network/helper/link.h"
#include "kernel/network/helper/nameservers.h"
#include "kernel/network/helper/ports.h"
#include "kernel/network/helper/seal.h"
#include "policy/egress.h"
#include "policy/publish.h"

#define RUNTIME_DIR "/run/corral"
#define BLOCKS_MAX  16
#define REQUEST_FDS 2
/* The host's file of name servers is looked at again so often, while anybody may ask. */
#define REREAD_MS 5000

struct served {
	pid_t pid;
	struct corral_net_block *block; /* NULL without a place */
	unsigned int index;
	struct corral_net_connect *request; /* for what it leaves */
	/* Copies of what it has: to the caller the network ends when both are closed, and the link
	 * is there until it was asked what came over it. */
	int socket_fd, guest_fd;
};

struct server {
	int socket_fd, caller_fd, signal_fd; /* caller_fd: a pidfd */
	int life[2]; /* children hold the reading end, and see ours of it close */
	struct corral_net_names_page *names;
	int names_fd;
	struct corral_net_block *blocks[BLOCKS_MAX];
	unsigned int n_blocks;
	struct served *served;
	unsigned int n_served;
};

/* --- Requests --- */

static bool within(const struct corral_net_connect *c, uint32_t at, uint64_t size)
{
	return at >= sizeof(*c) && at % 4 == 0 && at + size <= c->head.size;
}

/* So many texts, and no more. */
static bool egress_ok(const struct corral_net_connect *c, const void *message)
{
	const char *at = (const char *)message + c->egress, *end = at + c->egress_len;
	uint32_t n = 0;

	if (c->n_egress > CORRAL_EGRESS_MAX)
		return false;
	for (; c->egress_len && at < end; n++) {
		at = memchr(at, 0, (size_t)(end - at));
		if (!at)
			return false;
		at++;
	}
	return n == c->n_egress;
}

bool corral_net_request_ok(const void *message, size_t size)
{
	const struct corral_net_connect *c = message;
	const struct corral_net_publish *p;

	if (size < sizeof(*c) || size > CORRAL_NET_MESSAGE_MAX || c->head.size != size ||
	    c->head.type != CORRAL_NET_CONNECT || c->way > CORRAL_NET_PASTA)
		return false;
	if (c->n_publish > CORRAL_PUBLISH_MAX ||
	    (c->n_publish && !within(c, c->publish, c->n_publish * sizeof(*p))) ||
	    (c->egress_len && !within(c, c->egress, c->egress_len)) || !egress_ok(c, message))
		return false;
	p = (const void *)((const char *)message + c->publish);
	for (uint32_t i = 0; i < c->n_publish; i++) {
		if (p[i].kind > CORRAL_PUBLISH_UNIX)
			return false;
		if ((p[i].kind == CORRAL_PUBLISH_UNIX) != (p[i].path != 0))
			return false;
		if (p[i].path && (p[i].path < sizeof(*c) || p[i].path >= size ||
		                  !memchr((const char *)message + p[i].path, 0, size - p[i].path)))
			return false;
	}
	return true;
}

const char *corral_net_request_text(const struct corral_net_connect *c, uint32_t offset)
{
	return offset ? (const char *)c + offset : "";
}

/* A message with its descriptors: its size, 0 at the end, or -errno. */
static ssize_t receive(int socket_fd, void *buf, size_t size, int fds[REQUEST_FDS])
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(REQUEST_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(socket_fd, &m, MSG_CMSG_CLOEXEC);

	fds[0] = fds[1] = -1;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(h),
			       h->cmsg_len - CMSG_LEN(0) < sizeof(int) * REQUEST_FDS
			               ? h->cmsg_len - CMSG_LEN(0)
			               : sizeof(int) * REQUEST_FDS);
	return m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : n;
}

static void say_failed(int socket_fd, int r, const struct corral_error *err)
{
	struct corral_net_failed m = { .head = { CORRAL_NET_FAILED, sizeof(m) }, .error = -r };

	memcpy(m.text, err->text, sizeof(m.text));
	(void)send(socket_fd, &m, sizeof(m), MSG_NOSIGNAL);
}

/* --- Places --- */

static int block_add(struct server *s, struct corral_error *err)
{
	struct corral_net_host host;
	int r;

	if (s->n_blocks == BLOCKS_MAX)
		return corral_error_set(err, EADDRNOTAVAIL,
		                        "network 'bridge': one launcher connects %d sandboxes at a "
		                        "time, and no more",
		                        BLOCKS_MAX * CORRAL_NET_BLOCK_PLACES);
	r = corral_net_host_look(&host, err);
	if (r == 0)
		r = corral_net_block_open(RUNTIME_DIR, &host, &s->blocks[s->n_blocks], err);
	if (r == 0)
		s->n_blocks++;
	return r;
}

static int place_take(struct server *s, struct served *ret, struct corral_net_place *ret_place,
                      struct corral_error *err)
{
	for (unsigned int i = 0;; i++) {
		int r = i < s->n_blocks ? 0 : block_add(s, err);

		if (r < 0)
			return r;
		if (corral_net_block_take(s->blocks[i], ret_place, &ret->index)) {
			ret->block = s->blocks[i];
			return 0;
		}
	}
}

/* --- Children --- */

_Noreturn static void child(struct server *s, const struct served *one,
                            const struct corral_net_place *place)
{
	const struct corral_net_names_page *names = corral_net_names_page_view(s->names_fd);
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)close(s->socket_fd);
	(void)close(s->life[1]);
	corral_fd_closep(&s->caller_fd);
	(void)close(s->signal_fd);
	(void)close(s->names_fd);
	corral_net_names_page_free(s->names);
	/* Other sandboxes' are not ours, nor to be kept from ending. */
	for (unsigned int i = 0; i < s->n_served; i++) {
		(void)close(s->served[i].socket_fd);
		(void)close(s->served[i].guest_fd);
	}
	if (!names)
		_exit(1);
	_exit(corral_net_child_run(one->request, one->socket_fd, one->guest_fd, s->life[0], place,
	                           names));
}

/* Takes the descriptors when it succeeds. */
static int child_start(struct server *s, const void *message, size_t size, int socket_fd,
                       int guest_fd, struct corral_error *err)
{
	struct corral_net_place place = { .table_fd = -1 };
	struct served one = { .socket_fd = socket_fd, .guest_fd = guest_fd }, *grown;
	int r = 0;

	/* Room for one more at each power of two. */
	if ((s->n_served & (s->n_served - 1)) == 0) {
		grown = realloc(s->served, (s->n_served ? 2 * s->n_served : 1) * sizeof(*grown));
		if (!grown)
			return corral_error_set(err, ENOMEM, "network: out of memory");
		s->served = grown;
	}
	one.request = malloc(size);
	if (!one.request)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	memcpy(one.request, message, size);
	if (one.request->way == CORRAL_NET_VETH)
		r = place_take(s, &one, &place, err);
	if (r == 0 && one.request->way != CORRAL_NET_APART)
		(void)corral_net_names_page_renew(s->names);
	if (r == 0) {
		one.pid = fork();
		if (one.pid < 0)
			r = corral_error_sys(err, errno, "start the network's process");
		if (one.pid == 0)
			child(s, &one, &place);
	}
	if (r < 0) {
		if (one.block)
			corral_net_block_give(one.block, one.index, false);
		free(one.request);
		return r;
	}
	s->served[s->n_served++] = one;
	return 0;
}

/*
 * What takes privileges, which it had no more in the end: first what its caller may wait for. A
 * link that somebody could still send by is removed here, which takes the kernel 20 ms, and all
 * wait. Of a sandbox whose caller has seen its last process end it goes with the namespace, of
 * which ours is the last descriptor but the caller's: but a guest's sockets may outlive it, and so
 * nothing leaves it any more. Should the child have said so by a guest's doing, then the guest has
 * no network either, and whoever is given the place next removes the link first. Before the host
 * forgets its connections: no other may begin then.
 */
static void served_clean(struct served *one, bool gone)
{
	struct corral_net_place place;
	bool used;

	corral_net_ports_sweep(one->request);
	(void)close(one->socket_fd);
	if (one->block) {
		corral_net_block_place(one->block, one->index, &place);
		gone = gone && corral_net_seal(one->guest_fd) == 0;
		used = corral_net_link_was_used(place.link);
		if (!gone)
			corral_net_link_remove(place.link);
		corral_net_block_give(one->block, one->index, used);
	}
	(void)close(one->guest_fd);
	free(one->request);
}

/* Also those that a killed child left to us, which are pasta: nothing else has children here. */
static void children_reap(struct server *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned int i = 0; i < s->n_served; i++) {
			if (s->served[i].pid != pid)
				continue;
			served_clean(&s->served[i],
			             WIFEXITED(status) &&
			                     WEXITSTATUS(status) == CORRAL_NET_CHILD_GONE);
			s->served[i] = s->served[--s->n_served];
			break;
		}
	}
}

static bool is_served(const struct server *s, pid_t pid)
{
	for (unsigned int i = 0; i < s->n_served; i++)
		if (s->served[i].pid == pid)
			return true;
	return false;
}

/* As the subreaper of all that is below, every child that is not known was left by one that was
 * killed. */
static void orphans_kill(const struct server *s)
{
	FILE *list = fopen("/proc/thread-self/children", "re");
	int pid;

	if (!list)
		return;
	while (fscanf(list, "%d", &pid) == 1)
		if (pid > 1 && !is_served(s, pid))
			(void)kill(pid, SIGKILL);
	(void)fclose(list);
}

/* Takes the descriptors. */
static void request_take(struct server *s, const void *message, ssize_t n, int fds[REQUEST_FDS])
{
	struct corral_error err = { 0 };
	int r;

	if (!corral_net_request_ok(message, (size_t)n))
		r = corral_error_set(&err, EPROTO,
		                     "corral-net does not understand the request: "
		                     "is it of the same version?");
	else
		r = child_start(s, message, (size_t)n, fds[0], fds[1], &err);
	if (r < 0)
		say_failed(fds[0], r, &err);
	else
		fds[0] = fds[1] = -1;
}

static void serve(struct server *s, void *message)
{
	struct pollfd pfd[] = { { .fd = s->socket_fd, .events = POLLIN },
		                { .fd = s->signal_fd, .events = POLLIN },
		                { .fd = s->caller_fd, .events = POLLIN } };
	struct signalfd_siginfo info;
	int fds[REQUEST_FDS], r;
	ssize_t n;

	for (;;) {
		r = poll(pfd, CORRAL_COUNT(pfd), s->n_served ? REREAD_MS : -1);
		if (r == 0)
			(void)corral_net_names_page_renew(s->names);
		if (r <= 0)
			continue;
		if (pfd[2].revents)
			return;
		if (pfd[1].revents && read(s->signal_fd, &info, sizeof(info)) > 0) {
			if (info.ssi_signo == SIGTERM)
				return;
			children_reap(s);
			orphans_kill(s);
		}
		if (!pfd[0].revents)
			continue;
		n = receive(s->socket_fd, message, CORRAL_NET_MESSAGE_MAX, fds);
		if (n == 0 || (n < 0 && n != -EMSGSIZE && n != -EINTR && n != -EAGAIN))
			return;
		if (n == (ssize_t)sizeof(struct corral_net_head) &&
		    ((struct corral_net_head *)message)->type == CORRAL_NET_PREPARE && !s->n_blocks)
			/* Whoever asks hears why not. */
			(void)block_add(s, NULL);
		if (n > 0 && fds[0] >= 0 && fds[1] >= 0)
			request_take(s, message, n, fds);
		corral_fd_closep(&fds[0]);
		corral_fd_closep(&fds[1]);
	}
}

/* Children end by themselves as soon as they see that we do; whoever does not is killed. */
static void served_end(struct server *s)
{
	struct pollfd pfd = { .fd = s->signal_fd, .events = POLLIN };
	struct signalfd_siginfo info;

	corral_fd_closep(&s->life[1]);
	for (int left_ms = 3000; s->n_served && left_ms > 0; left_ms -= 100) {
		if (poll(&pfd, 1, 100) == 1)
			(void)!read(s->signal_fd, &info, sizeof(info));
		children_reap(s);
	}
	for (unsigned int i = 0; i < s->n_served; i++)
		(void)kill(s->served[i].pid, SIGKILL);
	while (s->n_served && poll(&pfd, 1, 1000) == 1) {
		(void)!read(s->signal_fd, &info, sizeof(info));
		children_reap(s);
	}
	orphans_kill(s);
	for (unsigned int i = 0; i < s->n_blocks; i++)
		corral_net_block_close(s->blocks[i]);
	free(s->served);
}

int corral_net_serve(int socket_fd)
{
	corral_autofree void *message = malloc(CORRAL_NET_MESSAGE_MAX);
	struct server s = {
		.socket_fd = socket_fd, .caller_fd = -1, .signal_fd = -1, .names_fd = -1
	};
	sigset_t heard;

	(void)sigemptyset(&heard);
	(void)sigaddset(&heard, SIGCHLD);
	(void)sigaddset(&heard, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &heard, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* A copy of the launcher's socket in a child of its own must not keep us. */
	s.caller_fd = (int)syscall(SYS_pidfd_open, getppid(), 0);
	s.signal_fd = signalfd(-1, &heard, SFD_CLOEXEC);
	corral_net_fds_raise();
	if (!message || s.signal_fd < 0 || pipe2(s.life, O_CLOEXEC) < 0 ||
	    corral_net_names_page_new(&s.names, &s.names_fd, NULL) < 0)
		return 1;
	(void)corral_net_names_page_renew(s.names);
	serve(&s, message);
	served_end(&s);
	corral_fd_closep(&s.names_fd);
	corral_net_names_page_free(s.names);
	return 0;
}
