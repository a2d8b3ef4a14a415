/*
 * Background processes. What they write goes into files of memory that they only append to, charged
 * to the sandbox, so that no thread has to empty pipes and none of them ever waits for a reader;
 * what was read is given back at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/native_box.h"
#include "kernel/base/cleanup.h"

#define CHUNK    65536
#define READ_MAX (16u << 20) /* of one stream in one read; the rest comes with the next */

static void one_free(struct corral_native_background *g)
{
	corral_process_close(g->process);
	corral_fd_closep(&g->fds[0]);
	corral_fd_closep(&g->fds[1]);
	free(g->command);
	free(g);
}

void corral_native_backgrounds_free(struct corral_native_background *list)
{
	while (list) {
		struct corral_native_background *next = list->next;

		one_free(list);
		list = next;
	}
}

/* The guest's descriptor can append and nothing else; ours is another one, which reads. */
static int spool_open(int *ret_read_fd, int *ret_write_fd, struct corral_error *err)
{
	corral_autofd int fd = memfd_create("output", MFD_CLOEXEC);
	char path[40];

	if (fd < 0)
		return corral_error_sys(err, errno, "file for output");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_write_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (*ret_write_fd < 0)
		return corral_error_sys(err, errno, "file for output");
	*ret_read_fd = corral_take_fd(&fd);
	return 0;
}

static int start(struct corral_native_background *g, struct corral_native_box *box,
                 struct corral_error *err)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", g->command, NULL };
	corral_autofd int out = -1, err_out = -1;
	struct corral_command command = { .argv = argv, .stdin_fd = -1 };
	int r;

	r = spool_open(&g->fds[0], &out, err);
	if (r == 0)
		r = spool_open(&g->fds[1], &err_out, err);
	if (r < 0)
		return r;
	command.stdout_fd = out;
	command.stderr_fd = err_out;
	r = corral_process_start(box->sandbox, &command, CORRAL_PROCESS_BACKGROUND, &g->process,
	                         err);
	if (r == 0)
		g->pid = corral_process_pid(g->process);
	return r;
}

/* With the lock held: notices an end. */
static void look(struct corral_native_background *g)
{
	const struct corral_receipt *r;

	if (!g->process || corral_process_dispatch(g->process, NULL) == 0)
		return;
	r = corral_process_receipt(g->process);
	g->exit_code = r->signal ? -r->signal : r->exit_code;
	corral_process_close(g->process);
	g->process = NULL;
}

static void describe(struct corral_native_background *g, struct corral_background *ret)
{
	look(g);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->shell_id, g->shell_id, sizeof(ret->shell_id));
	ret->pid = g->pid;
	ret->running = g->process != NULL;
	ret->has_exit_code = !ret->running;
	ret->exit_code = ret->running ? 0 : g->exit_code;
}

int corral_native_background_start(struct corral_backend *b, const char *command,
                                   struct corral_background *ret, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_background *g = calloc(1, sizeof(*g));
	struct corral_native_box *box;
	int r;

	if (!g)
		return corral_error_set(err, ENOMEM, "background: out of memory");
	g->fds[0] = g->fds[1] = -1;
	g->command = strdup(command);
	if (!g->command) {
		free(g);
		return corral_error_set(err, ENOMEM, "background: out of memory");
	}
	r = corral_native_acquire(n, &box, err);
	if (r < 0) {
		one_free(g);
		return r;
	}
	r = start(g, box, err);
	pthread_mutex_lock(&n->lock);
	if (r == 0) {
		(void)snprintf(g->shell_id, sizeof(g->shell_id), "bg_%u", ++n->last_background);
		g->next = box->backgrounds;
		box->backgrounds = g;
		describe(g, ret);
	}
	pthread_mutex_unlock(&n->lock);
	if (r < 0)
		one_free(g);
	corral_native_release(n, box);
	return r;
}

/* With the lock held. */
static struct corral_native_background *find(struct corral_native *n, const char *shell_id)
{
	struct corral_native_background *g = n->box ? n->box->backgrounds : NULL;

	while (g && strcmp(g->shell_id, shell_id) != 0)
		g = g->next;
	return g;
}

static int spool_read(struct corral_native_background *g, int which, struct corral_buf *ret,
                      struct corral_error *err)
{
	char data[CHUNK];
	uint64_t total = 0;
	ssize_t len;

	while (total < READ_MAX &&
	       (len = pread(g->fds[which], data, sizeof(data), g->at[which])) > 0) {
		corral_buf_add(ret, data, (size_t)len);
		/* Read is read: its pages go back. The guest may still append. */
		(void)fallocate(g->fds[which], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		                g->at[which], len);
		g->at[which] += len;
		total += (uint64_t)len;
	}
	return ret->failed ? corral_error_set(err, ENOMEM, "background: out of memory") : 0;
}

int corral_native_background_read(struct corral_backend *b, const char *shell_id,
                                  struct corral_buf *out, struct corral_buf *err_out,
                                  struct corral_background *ret, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_background *g;
	int r;

	pthread_mutex_lock(&n->lock);
	g = find(n, shell_id);
	if (!g) {
		pthread_mutex_unlock(&n->lock);
		return corral_error_set(err, ESRCH, "No such background shell: %s", shell_id);
	}
	/* First whether it has ended, then what it wrote: nothing can come between. */
	describe(g, ret);
	r = spool_read(g, 0, out, err);
	if (r == 0)
		r = spool_read(g, 1, err_out, err);
	pthread_mutex_unlock(&n->lock);
	return r;
}

/* Takes the process out, so that its end is waited for without the lock. */
static struct corral_process *process_take(struct corral_native_background *g)
{
	struct corral_process *p;

	look(g);
	p = g->process;
	g->process = NULL;
	if (p)
		g->exit_code = -SIGKILL;
	return p;
}

int corral_native_background_kill(struct corral_backend *b, const char *shell_id,
                                  struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_background *g;
	struct corral_native_box *box = NULL;
	struct corral_process *p = NULL;

	(void)err;
	pthread_mutex_lock(&n->lock);
	g = find(n, shell_id);
	if (g)
		p = process_take(g);
	if (p) {
		box = n->box;
		box->refs++;
	}
	pthread_mutex_unlock(&n->lock);
	if (!p)
		return 0;
	corral_process_kill(p, CORRAL_REASON_KILLED);
	corral_process_close(p);
	corral_native_release(n, box);
	return 1;
}

int corral_native_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                  struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	size_t count = 0, text = 0, at = 0;

	pthread_mutex_lock(&n->lock);
	for (const struct corral_native_background *g = n->box ? n->box->backgrounds : NULL; g;
	     g = g->next) {
		count++;
		text += strlen(g->command) + 1;
	}
	ret->items = count ? calloc(count, sizeof(*ret->items)) : NULL;
	ret->text = count ? malloc(text) : NULL;
	if (count && (!ret->items || !ret->text)) {
		pthread_mutex_unlock(&n->lock);
		corral_background_list_done(ret);
		return corral_error_set(err, ENOMEM, "background: out of memory");
	}
	ret->n = count;
	/* The newest is first in our list, and last in theirs. */
	for (struct corral_native_background *g = n->box ? n->box->backgrounds : NULL; g;
	     g = g->next) {
		size_t len = strlen(g->command) + 1;

		describe(g, &ret->items[--count]);
		memcpy(ret->text + at, g->command, len);
		ret->items[count].command = ret->text + at;
		at += len;
	}
	pthread_mutex_unlock(&n->lock);
	return 0;
}

int corral_native_background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_background *list = NULL;
	struct corral_native_box *box;

	(void)err;
	pthread_mutex_lock(&n->lock);
	box = n->box;
	if (box) {
		list = box->backgrounds;
		box->backgrounds = NULL;
		box->refs++;
	}
	pthread_mutex_unlock(&n->lock);
	corral_native_backgrounds_free(list);
	if (box)
		corral_native_release(n, box);
	return 0;
}
