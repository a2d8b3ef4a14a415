#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/holder_state.h"

/* How long the end of a command is waited for when all of the sandbox has been killed. */
#define GONE_MS 3000
/* How often it looks whether its record is still there. */
#define LOOK_MS 10000
/* How often kept output that is too much is given back. */
#define TRIM_MS 1000
/* Descriptors before those of the clients. */
#define OWN_FDS 3u

unsigned int corral_holder_running(const struct corral_holder *h)
{
	unsigned int n = 0;

	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++)
		n += h->clients[i].used && h->clients[i].process;
	return n;
}

static void client_drop(struct corral_holder *h, struct corral_holder_client *c)
{
	corral_fd_closep(&c->fd);
	if (c->process && !c->detached)
		corral_holder_doom(h, c, CORRAL_REASON_KILLED);
	if (!c->process)
		c->used = false;
}

/* A guest of this user's whom somebody gave the directory of our socket is the same user. */
static bool is_of_our_namespace(pid_t pid)
{
	struct stat ours, theirs;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return pid > 0 && stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static void client_accept(struct corral_holder *h)
{
	corral_autofd int fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (fd < 0)
		return;
	/* The directory keeps others out; this holds also when its mode was changed. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    (peer.uid != geteuid() && peer.uid != 0) || !is_of_our_namespace(peer.pid))
		return;
	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++)
		if (!h->clients[i].used) {
			h->clients[i] = (struct corral_holder_client) { .used = true,
				                                        .fd = corral_take_fd(&fd) };
			return;
		}
}

static void client_hear(struct corral_holder *h, struct corral_holder_client *c)
{
	struct corral_talk t = { .words = NULL };
	struct corral_error err = { 0 };
	int r = corral_talk_receive(c->fd, MSG_DONTWAIT, &t, &err);

	if (r == -EAGAIN)
		return;
	if (r > 0) {
		r = corral_holder_answer(h, c, &t);
		corral_talk_done(&t);
		if (r == 0)
			return;
	} else if (r < 0) {
		(void)corral_holder_refuse(c, &err);
	}
	client_drop(h, c);
}

static void client_command(struct corral_holder *h, struct corral_holder_client *c)
{
	/* One that can no longer be heard of has ended as far as anybody can tell. */
	if (corral_process_dispatch(c->process, NULL) == 0)
		return;
	corral_holder_concluded(h, c);
	if (c->fd < 0)
		c->used = false;
}

void corral_holder_stop(struct corral_holder *h, uint64_t grace_ms)
{
	uint64_t at = corral_now_ms() + grace_ms;

	if (h->paused && corral_sandbox_freeze(h->sandbox, false, NULL) == 0)
		h->paused = false;
	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++)
		if (h->clients[i].used && h->clients[i].process)
			(void)corral_process_signal(h->clients[i].process, SIGTERM, NULL);
	/* Asked twice, the more impatient one has it. */
	if (!h->stop_at_ms || at < h->stop_at_ms)
		h->stop_at_ms = at;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* A runtime directory that goes when its user logs out takes the record along: nobody will ever ask
 * us to end. */
static bool is_lost(const struct corral_holder *h)
{
	struct stat st;

	return fstat(h->lock_fd, &st) == 0 && st.st_nlink == 0;
}

/* What is to be done at which time; also does what is due. The moment of the next, 0 for none. */
static uint64_t timers(struct corral_holder *h)
{
	uint64_t now = corral_now_ms(), next = h->stop_at_ms;

	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++) {
		struct corral_holder_client *c = &h->clients[i];

		if (!c->used || !c->process)
			continue;
		if (c->deadline_ms && now >= c->deadline_ms) {
			c->deadline_ms = 0;
			corral_holder_doom(h, c, CORRAL_REASON_TIMEOUT);
		}
		next = earlier(next, c->deadline_ms);
	}
	if (h->idle_ms && !corral_holder_running(h)) {
		if (now >= h->idle_since_ms + h->idle_ms)
			h->gone = true;
		next = earlier(next, h->idle_since_ms + h->idle_ms);
	}
	if (h->trim_at_ms && now >= h->trim_at_ms)
		h->trim_at_ms = corral_holder_shells_trim(h) ? now + TRIM_MS : 0;
	next = earlier(next, h->trim_at_ms);
	if (now >= h->look_at_ms) {
		h->gone |= is_lost(h);
		h->look_at_ms = now + LOOK_MS;
	}
	next = earlier(next, h->look_at_ms);
	if (h->stop_at_ms && (now >= h->stop_at_ms || !corral_holder_running(h)))
		h->gone = true;
	return next;
}

static int until(uint64_t moment_ms)
{
	uint64_t now = corral_now_ms();

	if (!moment_ms)
		return -1;
	if (moment_ms <= now)
		return 0;
	return moment_ms - now < 3600000 ? (int)(moment_ms - now) : 3600000;
}

static void own_events(struct corral_holder *h, const struct pollfd *fds)
{
	struct signalfd_siginfo info;

	if (fds[0].revents)
		client_accept(h);
	if (fds[1].revents && read(h->signals_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		corral_holder_stop(h, CORRAL_STOP_GRACE_MS);
	/* No command of ours is on this socket: what is told there is the end. */
	if (fds[2].revents && (corral_sandbox_dispatch(h->sandbox, NULL) != 0 ||
	                       !corral_sandbox_is_alive(h->sandbox)))
		h->gone = true;
}

/* The clients' commands hear of the end, and their clients by them. */
static void end(struct corral_holder *h)
{
	/* Nobody finds it from now on, nor connects to what will not answer. */
	corral_fd_closep(&h->listen_fd);
	corral_sandboxes_remove(&h->dir, h->id);
	corral_sandbox_kill_now(h->sandbox);
	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++) {
		struct corral_holder_client *c = &h->clients[i];

		if (!c->used || !c->process)
			continue;
		(void)corral_process_wait(c->process, GONE_MS, NULL);
		corral_holder_concluded(h, c);
	}
	corral_sandbox_close(h->sandbox, NULL);
	corral_launcher_close(h->launcher);
	/* Who waits for the end waits for these: all has been given back. */
	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++)
		if (h->clients[i].used)
			corral_fd_closep(&h->clients[i].fd);
}

void corral_holder_loop(struct corral_holder *h)
{
	static struct pollfd fds[OWN_FDS + 2 * CORRAL_HOLDER_CLIENTS_MAX];

	h->idle_since_ms = corral_now_ms();
	for (;;) {
		uint64_t next = timers(h);

		if (h->gone)
			break;
		fds[0] = (struct pollfd) { .fd = h->listen_fd, .events = POLLIN };
		fds[1] = (struct pollfd) { .fd = h->signals_fd, .events = POLLIN };
		fds[2] = (struct pollfd) { .fd = corral_sandbox_event_fd(h->sandbox),
			                   .events = POLLIN };
		for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++) {
			const struct corral_holder_client *c = &h->clients[i];
			struct pollfd *p = &fds[OWN_FDS + 2 * i];

			p[0] = (struct pollfd) { .fd = c->used ? c->fd : -1, .events = POLLIN };
			p[1] = (struct pollfd) { .fd = -1, .events = POLLIN };
			if (c->used && c->process)
				p[1].fd = corral_process_event_fd(c->process);
		}
		if (poll(fds, CORRAL_COUNT(fds), until(next)) < 0)
			continue;
		/* Ends first, so that what came with them is not taken for a command that is still
		 * there. */
		for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++) {
			struct corral_holder_client *c = &h->clients[i];
			const struct pollfd *p = &fds[OWN_FDS + 2 * i];

			if (p[1].revents && c->process)
				client_command(h, c);
			if (p[0].revents && c->used && c->fd >= 0)
				client_hear(h, c);
		}
		own_events(h, fds);
	}
	end(h);
}
