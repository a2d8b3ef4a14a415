/* Commands of the local backend: one process with its tree, and the streams of backends/execute.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "backends/execute.h"
#include "backends/local_dirs.h"
#include "kernel/base/cleanup.h"
#include "kernel/files/content.h"

struct corral_local_launch corral_local_launch_of(struct corral_local *l)
{
	struct corral_local_launch launch = { .dir_fd = l->root_fd, .env = l->env };

	pthread_mutex_lock(&l->lock);
	/* Looked for by the first command: who has files alone has no groups. */
	if (!l->cgroups_looked_for && !l->no_cgroup &&
	    corral_cgroup_host_open(&l->cgroups, NULL) == 0 &&
	    corral_cgroup_host_kind(l->cgroups) == CORRAL_CGROUP_NONE) {
		corral_cgroup_host_close(l->cgroups);
		l->cgroups = NULL;
	}
	l->cgroups_looked_for = true;
	launch.cgroups = l->cgroups;
	pthread_mutex_unlock(&l->lock);
	return launch;
}

static int start(void *place, const struct corral_command *command, void **ret,
                 struct corral_error *err)
{
	struct corral_local_process *p = NULL;
	int r = corral_local_process_start(place, command, &p, err);

	*ret = p;
	return r;
}

static int event_fd(const void *process)
{
	return corral_local_process_event_fd(process);
}

static int dispatch(void *process, struct corral_error *err)
{
	(void)err;
	return corral_local_process_dispatch(process);
}

static int send_signal(void *process, int signo)
{
	return corral_local_process_signal(process, signo);
}

static void end(void *process, enum corral_reason reason)
{
	corral_local_process_kill(process, reason);
}

static const struct corral_receipt *receipt(const void *process)
{
	return corral_local_process_receipt(process);
}

static void process_close(void *process)
{
	corral_local_process_close(process);
}

static const struct corral_execute_ops process_ops = {
	.start = start,
	.event_fd = event_fd,
	.dispatch = dispatch,
	.signal = send_signal,
	.kill = end,
	.receipt = receipt,
	.close = process_close,
};

/* The command's text, as it is asked about: an argv's words with spaces between. */
static int ask(const struct corral_local *l, const struct corral_execute *x,
               struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	if (!l->guard.check)
		return 0;
	for (size_t i = 0; x->argv && x->argv[i]; i++)
		corral_buf_fmt(&text, "%s%s", i ? " " : "", x->argv[i]);
	if (text.failed)
		return corral_error_set(err, ENOMEM, "execute: out of memory");
	return l->guard.check(l->guard.ctx, CORRAL_BACKEND_OP_EXECUTE,
	                      x->command ? x->command : text.data, NULL, err);
}

/* Where it runs, opened as every path is. */
static int work_dir(struct corral_local *l, const char *path, int *ret_fd, struct corral_error *err)
{
	struct corral_local_place p;
	int r = corral_local_find(l, path, &p, err);

	if (r < 0)
		return r;
	r = files_open_at(p.dir->files, p.rest, O_PATH | O_DIRECTORY);
	if (r < 0)
		return corral_local_told(files_fail(err, -r, p.rest), &p, err);
	*ret_fd = r;
	return 0;
}

static int local_execute(struct corral_backend *b, const struct corral_execute *x,
                         struct corral_executed *ret, struct corral_error *err)
{
	struct corral_local *l = to_local(b);
	struct corral_local_launch launch;
	corral_autofd int dir_fd = -1;
	struct corral_run run;
	int r = ask(l, x, err);

	if (r == 0 && x->guest_dir)
		r = work_dir(l, x->guest_dir, &dir_fd, err);
	if (r < 0)
		return r;
	r = corral_runs_enlist(&l->runs, &run, x->run_id, true, err);
	if (r < 0)
		return r;
	launch = corral_local_launch_of(l);
	if (dir_fd >= 0)
		launch.dir_fd = dir_fd;
	r = corral_execute_with(&process_ops, &launch, x, l->env, run.stop_fd, ret, err);
	corral_runs_delist(&l->runs, &run);
	return r;
}

static int local_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	return corral_runs_stop(&to_local(b)->runs, run_id, err);
}

static int local_start(struct corral_backend *b, struct corral_error *err)
{
	(void)b;
	(void)err;
	return 0;
}

static bool local_is_alive(struct corral_backend *b)
{
	(void)b;
	return true;
}

static int local_end(struct corral_backend *b, struct corral_error *err)
{
	int r = corral_runs_stop_all(&to_local(b)->runs, err);
	int k = b->ops->background_kill_all(b, r < 0 ? NULL : err);

	return r < 0 ? r : k;
}

void corral_local_execute_ops(struct corral_backend_ops *ops)
{
	ops->execute = local_execute;
	ops->stop = local_stop;
	ops->start = local_start;
	ops->is_alive = local_is_alive;
	ops->end = local_end;
}

bool corral_local_backend_kills_all(struct corral_backend *b)
{
	return b->ops->execute == local_execute && corral_local_launch_of(to_local(b)).cgroups;
}
