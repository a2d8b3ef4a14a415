/*
 * Background processes of the local backend. Each has a thread that empties its pipes, so that it
 * never waits for a reader, keeps of each stream what fits until somebody reads it, the latest
 * rather than the oldest, and sees to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backends/local_dirs.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define LISTED_MAX 256 /* running, or ended and not forgotten */
#define CHUNK      16384
#define DRAIN_MS   200 /* after the end: for what somebody else still has open */
#define KILL_MS    10000

struct corral_local_background {
	struct corral_local_background *next; /* the newest first */
	struct corral_local *local;
	char shell_id[CORRAL_SHELL_ID_SIZE];
	char *command;
	struct corral_local_process *process;
	pthread_t thread;
	int fds[2], wake_fd;
	int pid;
	/* Under the backend's lock: */
	struct corral_buf unread[2];
	uint64_t dropped[2];
	bool running, has_thread;
	int exit_code;
};

static void background_free(struct corral_local_background *g)
{
	if (g->has_thread)
		(void)pthread_join(g->thread, NULL);
	corral_local_process_close(g->process);
	for (int i = 0; i < 2; i++) {
		corral_fd_closep(&g->fds[i]);
		corral_buf_done(&g->unread[i]);
	}
	corral_fd_closep(&g->wake_fd);
	free(g->command);
	free(g);
}

/* --- The thread --- */

static void keep(struct corral_local_background *g, int which, const char *data, size_t len)
{
	struct corral_buf *b = &g->unread[which];
	size_t out;

	pthread_mutex_lock(&g->local->lock);
	if (b->len + len > CORRAL_LOCAL_BACKGROUND_BYTES || b->failed) {
		/* Half at once, so that it is not moved for every piece. */
		out = b->failed ? b->len : b->len / 2;
		if (out)
			memmove(b->data, b->data + out, b->len - out);
		b->len -= out;
		b->failed = false;
		g->dropped[which] += out;
	}
	corral_buf_add(b, data, len);
	pthread_mutex_unlock(&g->local->lock);
}

/* How much it was. */
static size_t stream_read(struct corral_local_background *g, int which)
{
	char data[CHUNK];
	ssize_t n = read(g->fds[which], data, sizeof(data));

	if (n > 0)
		keep(g, which, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		corral_fd_closep(&g->fds[which]);
	return n > 0 ? (size_t)n : 0;
}

static size_t held(int fd)
{
	int n = 0;

	return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* What the pipes hold now is its own last words, and is read however busy the machine is: time is a
 * bound for those who write on. */
static void drain(struct corral_local_background *g)
{
	uint64_t until = corral_now_ms() + DRAIN_MS;
	size_t left = held(g->fds[0]) + held(g->fds[1]);

	while ((g->fds[0] >= 0 || g->fds[1] >= 0) && (left || corral_now_ms() < until)) {
		struct pollfd fds[2] = { { .fd = g->fds[0], .events = POLLIN },
			                 { .fd = g->fds[1], .events = POLLIN } };

		if (poll(fds, 2, DRAIN_MS) <= 0)
			return;
		for (int i = 0; i < 2; i++) {
			size_t n = fds[i].revents ? stream_read(g, i) : 0;

			left -= n < left ? n : left;
		}
	}
}

static void *attend(void *arg)
{
	struct corral_local_background *g = arg;
	const struct corral_receipt *receipt;

	for (;;) {
		struct pollfd fds[4] = {
			{ .fd = g->fds[0], .events = POLLIN },
			{ .fd = g->fds[1], .events = POLLIN },
			{ .fd = corral_local_process_event_fd(g->process), .events = POLLIN },
			{ .fd = g->wake_fd, .events = POLLIN },
		};

		if (poll(fds, CORRAL_COUNT(fds), -1) < 0 && errno != EINTR)
			break;
		for (int i = 0; i < 2; i++)
			if (g->fds[i] >= 0 && fds[i].revents)
				(void)stream_read(g, i);
		if (fds[3].revents)
			break;
		if (fds[2].revents && corral_local_process_dispatch(g->process))
			break;
	}
	corral_local_process_kill(g->process, CORRAL_REASON_KILLED);
	drain(g);
	receipt = corral_local_process_receipt(g->process);
	pthread_mutex_lock(&g->local->lock);
	g->exit_code = receipt->signal ? -receipt->signal : receipt->exit_code;
	g->running = false;
	pthread_cond_broadcast(&g->local->changed);
	pthread_mutex_unlock(&g->local->lock);
	return NULL;
}

/* --- The ops --- */

static void describe(const struct corral_local_background *g, struct corral_background *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->shell_id, g->shell_id, sizeof(ret->shell_id));
	ret->pid = g->pid;
	ret->running = g->running;
	ret->has_exit_code = !g->running;
	ret->exit_code = g->running ? 0 : g->exit_code;
}

static int pipe_open(int *ret_ours, int *ret_theirs, struct corral_error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe for output");
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

static int process_start(struct corral_local *l, struct corral_local_background *g,
                         struct corral_error *err)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", g->command, NULL };
	struct corral_local_launch launch = corral_local_launch_of(l);
	corral_autofd int out = -1, err_out = -1;
	struct corral_command command = { .argv = argv, .stdin_fd = -1 };
	int r;

	g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->wake_fd < 0)
		return corral_error_sys(err, errno, "eventfd");
	r = pipe_open(&g->fds[0], &out, err);
	if (r == 0)
		r = pipe_open(&g->fds[1], &err_out, err);
	if (r < 0)
		return r;
	command.stdout_fd = out;
	command.stderr_fd = err_out;
	r = corral_local_process_start(&launch, &command, &g->process, err);
	if (r == 0)
		g->pid = corral_local_process_pid(g->process);
	return r;
}

static int thread_start(struct corral_local_background *g, struct corral_error *err)
{
	sigset_t all, before;
	int r;

	/* The caller's handlers are for the caller's threads. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&g->thread, NULL, attend, g);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	g->has_thread = r == 0;
	return r ? corral_error_sys(err, r, "thread for a background process") : 0;
}

/* With the lock held. The oldest that has ended is forgotten when there are too many: to be freed,
 * NULL when none has to go. -EAGAIN when all run. */
static int make_room(struct corral_local *l, struct corral_local_background **ret)
{
	struct corral_local_background **oldest = NULL;
	size_t n = 0;

	*ret = NULL;
	for (struct corral_local_background **at = &l->backgrounds; *at; at = &(*at)->next) {
		n++;
		if (!(*at)->running)
			oldest = at;
	}
	if (n < LISTED_MAX)
		return 0;
	if (!oldest)
		return -EAGAIN;
	*ret = *oldest;
	*oldest = (*oldest)->next;
	return 0;
}

static int local_background_start(struct corral_backend *b, const char *command,
                                  struct corral_background *ret, struct corral_error *err)
{
	struct corral_local_background *g, *forgotten = NULL;
	struct corral_local *l = to_local(b);
	int r = 0;

	if (l->guard.check)
		r = l->guard.check(l->guard.ctx, CORRAL_BACKEND_OP_EXECUTE, command, NULL, err);
	if (r < 0)
		return r;
	g = calloc(1, sizeof(*g));
	if (!g)
		return corral_error_set(err, ENOMEM, "background: out of memory");
	g->local = l;
	g->fds[0] = g->fds[1] = g->wake_fd = -1;
	g->running = true;
	g->command = strdup(command);
	r = g->command ? process_start(l, g, err)
	               : corral_error_set(err, ENOMEM, "background: out of memory");
	if (r == 0)
		r = thread_start(g, err);
	if (r < 0) {
		background_free(g);
		return r;
	}
	pthread_mutex_lock(&l->lock);
	r = make_room(l, &forgotten);
	if (r == 0) {
		(void)snprintf(g->shell_id, sizeof(g->shell_id), "bg_%u", ++l->last_background);
		g->next = l->backgrounds;
		l->backgrounds = g;
		describe(g, ret);
	}
	pthread_mutex_unlock(&l->lock);
	if (forgotten)
		background_free(forgotten);
	if (r < 0) {
		(void)eventfd_write(g->wake_fd, 1);
		background_free(g);
		return corral_error_set(err, EAGAIN, "%d background processes run already",
		                        LISTED_MAX);
	}
	return 0;
}

/* With the lock held. */
static struct corral_local_background *find(const struct corral_local *l, const char *shell_id)
{
	struct corral_local_background *g = l->backgrounds;

	while (g && strcmp(g->shell_id, shell_id) != 0)
		g = g->next;
	return g;
}

static void unread_take(struct corral_local_background *g, int which, struct corral_buf *ret)
{
	if (g->dropped[which])
		corral_buf_fmt(ret, "[... %llu bytes dropped]\n",
		               (unsigned long long)g->dropped[which]);
	if (g->unread[which].len)
		corral_buf_add(ret, g->unread[which].data, g->unread[which].len);
	g->dropped[which] = 0;
	corral_buf_done(&g->unread[which]);
}

static int local_background_read(struct corral_backend *b, const char *shell_id,
                                 struct corral_buf *out, struct corral_buf *err_out,
                                 struct corral_background *ret, struct corral_error *err)
{
	struct corral_local *l = to_local(b);
	struct corral_local_background *g;

	pthread_mutex_lock(&l->lock);
	g = find(l, shell_id);
	if (g) {
		describe(g, ret);
		unread_take(g, 0, out);
		unread_take(g, 1, err_out);
	}
	pthread_mutex_unlock(&l->lock);
	if (!g)
		return corral_error_set(err, ESRCH, "No such background shell: %s", shell_id);
	return out->failed || err_out->failed
	               ? corral_error_set(err, ENOMEM, "background: out of memory")
	               : 0;
}

static int local_background_kill(struct corral_backend *b, const char *shell_id,
                                 struct corral_error *err)
{
	struct timespec until = corral_clock_after(KILL_MS);
	struct corral_local *l = to_local(b);
	const struct corral_local_background *g;
	bool ran;
	int r = 0;

	(void)err;
	pthread_mutex_lock(&l->lock);
	g = find(l, shell_id);
	ran = g && g->running;
	if (ran)
		(void)eventfd_write(g->wake_fd, 1);
	/* Looked for anew: meanwhile it may be forgotten. */
	while (ran && (g = find(l, shell_id)) && g->running && r == 0)
		r = pthread_cond_timedwait(&l->changed, &l->lock, &until);
	pthread_mutex_unlock(&l->lock);
	return ran;
}

static int local_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                 struct corral_error *err)
{
	struct corral_local *l = to_local(b);
	size_t count = 0, text = 0, at = 0;
	int r = 0;

	pthread_mutex_lock(&l->lock);
	for (const struct corral_local_background *g = l->backgrounds; g; g = g->next) {
		count++;
		text += strlen(g->command) + 1;
	}
	ret->items = count ? calloc(count, sizeof(*ret->items)) : NULL;
	ret->text = count ? malloc(text) : NULL;
	if (count && (!ret->items || !ret->text))
		r = -ENOMEM;
	else
		ret->n = count;
	/* The newest is first in our list, and last in theirs. */
	for (const struct corral_local_background *g = l->backgrounds; r == 0 && g; g = g->next) {
		size_t len = strlen(g->command) + 1;

		describe(g, &ret->items[--count]);
		memcpy(ret->text + at, g->command, len);
		ret->items[count].command = ret->text + at;
		at += len;
	}
	pthread_mutex_unlock(&l->lock);
	if (r < 0) {
		corral_background_list_done(ret);
		return corral_error_set(err, ENOMEM, "background: out of memory");
	}
	return 0;
}

static int local_background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	struct corral_local *l = to_local(b);
	struct corral_local_background *list;

	(void)err;
	pthread_mutex_lock(&l->lock);
	list = l->backgrounds;
	l->backgrounds = NULL;
	/* All at once, so that their ends do not add up. */
	for (const struct corral_local_background *g = list; g; g = g->next)
		(void)eventfd_write(g->wake_fd, 1);
	pthread_mutex_unlock(&l->lock);
	while (list) {
		struct corral_local_background *next = list->next;

		background_free(list);
		list = next;
	}
	return 0;
}

void corral_local_background_ops(struct corral_backend_ops *ops)
{
	ops->background_start = local_background_start;
	ops->background_read = local_background_read;
	ops->background_kill = local_background_kill;
	ops->background_list = local_background_list;
	ops->background_kill_all = local_background_kill_all;
}
