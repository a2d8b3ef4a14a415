#include "backends/docker/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/box.h"
#include "backends/docker/contained.h"
#include "backends/docker/json.h"
#include "backends/docker/plain.h"
#include "kernel/base/cleanup.h"

struct corral_docker_run {
	struct corral_docker *docker;
	struct corral_docker_box *box;
	struct corral_docker_process *process; /* by our program, or: */
	void *plain;                           /* by an exec of the engine's */
	struct corral_docker_plain_place place;
	bool ended;
	struct corral_receipt receipt;
};

static int inside_start(struct corral_docker_run *x, const struct corral_command *c,
                        int *ret_exec_error, struct corral_error *err)
{
	const struct corral_docker_start start = {
		.argv = c->argv,
		.env = c->env,
		.guest_dir = c->guest_dir,
		.stdin_fd = c->stdin_fd,
		.stdout_fd = c->stdout_fd,
		.stderr_fd = c->stderr_fd,
		.tty = c->tty,
		.rows = c->tty_rows,
		.cols = c->tty_cols,
		.ret_exec_error = ret_exec_error,
	};

	return corral_docker_start_in(x->docker, x->box, &start, &x->process, err);
}

static int plain_start(struct corral_docker_run *x, const struct corral_command *c,
                       int *ret_exec_error, struct corral_error *err)
{
	int r = corral_backend_lacks(&x->docker->base, !c->tty,
	                             "terminals in containers that our program is not in", err);

	if (r < 0)
		return r;
	x->place = (struct corral_docker_plain_place) { x->docker->engine, x->box->c.id,
		                                        x->docker->spec.work_dir };
	r = corral_docker_plain_ops.start(&x->place, c, &x->plain, err);
	if (r == -ENOENT || r == -EACCES)
		*ret_exec_error = -r;
	return r;
}

int corral_docker_run_start(struct corral_backend *b, const struct corral_command *command,
                            struct corral_docker_run **ret, int *ret_exec_error,
                            struct corral_error *err)
{
	struct corral_docker_run *x = calloc(1, sizeof(*x));
	int r;

	*ret_exec_error = 0;
	if (!x)
		return corral_error_set(err, ENOMEM, "run: out of memory");
	x->docker = to_docker(b);
	r = corral_docker_acquire(x->docker, &x->box, err);
	if (r < 0) {
		free(x);
		return r;
	}
	corral_backend_enter(b);
	r = x->box->plain ? plain_start(x, command, ret_exec_error, err)
	                  : inside_start(x, command, ret_exec_error, err);
	if (r < 0)
		corral_docker_run_close(x);
	else
		*ret = x;
	return r;
}

int corral_docker_run_event_fd(const struct corral_docker_run *x)
{
	return x->process ? corral_docker_process_event_fd(x->process)
	                  : corral_docker_plain_ops.event_fd(x->plain);
}

int corral_docker_run_tty(const struct corral_docker_run *x)
{
	return x->process ? corral_docker_process_tty(x->process) : -1;
}

/* What was killed without our doing may have been for want of memory: the engine has seen it. */
static bool was_out_of_memory(struct corral_docker_run *x)
{
	bool oom = false, died = false;

	return corral_docker_container_deaths(x->docker->engine, &x->box->c, &oom, &died, NULL) ==
	               0 &&
	       oom;
}

static bool looks_killed(const struct corral_receipt *r)
{
	/* A shell says so of its child. */
	return (r->reason == CORRAL_REASON_SIGNAL && r->signal == SIGKILL) ||
	       (r->reason == CORRAL_REASON_EXIT && r->exit_code == 128 + SIGKILL);
}

static int ended(struct corral_docker_run *x, bool lost, struct corral_error *err)
{
	const struct corral_receipt *r = x->process ? corral_docker_process_receipt(x->process)
	                                            : corral_docker_plain_ops.receipt(x->plain);
	bool ours = r->reason != CORRAL_REASON_EXIT && r->reason != CORRAL_REASON_SIGNAL;

	x->receipt = *r;
	x->ended = true;
	if ((lost || looks_killed(r)) && was_out_of_memory(x)) {
		x->receipt.reason = CORRAL_REASON_OOM;
		return 1;
	}
	/* We ended it ourselves, and nobody was there any more to say that it is dead. */
	if (!lost || (ours && r->reason != CORRAL_REASON_KILLED))
		return 1;
	(void)corral_error_set(err, EPIPE, CORRAL_DOCKER_SUPERVISOR_GONE);
	return corral_docker_failed(x->docker, x->box, -EPIPE, err);
}

int corral_docker_run_dispatch(struct corral_docker_run *x, struct corral_error *err)
{
	int r = x->process ? corral_docker_process_dispatch(x->process, err)
	                   : corral_docker_plain_ops.dispatch(x->plain, err);

	if (x->ended)
		return 1;
	if (r == 1 || (r == -EPIPE && x->plain))
		return ended(x, r < 0 || (x->process && corral_docker_process_is_lost(x->process)),
		             err);
	return r;
}

void corral_docker_run_signal(struct corral_docker_run *x, int signo)
{
	if (x->process)
		(void)corral_docker_process_signal(x->process, signo);
	else
		(void)corral_docker_plain_ops.signal(x->plain, signo);
}

void corral_docker_run_resize(struct corral_docker_run *x, uint16_t rows, uint16_t cols)
{
	if (x->process)
		(void)corral_docker_process_resize(x->process, rows, cols);
}

void corral_docker_run_kill(struct corral_docker_run *x, enum corral_reason reason)
{
	if (x->process)
		corral_docker_process_kill(x->process, reason);
	else
		corral_docker_plain_ops.kill(x->plain, reason);
}

const struct corral_receipt *corral_docker_run_receipt(const struct corral_docker_run *x)
{
	return &x->receipt;
}

int corral_docker_run_output_error(const struct corral_docker_run *x, int stream)
{
	int error = x->process ? corral_docker_process_output_error(x->process, stream)
	                       : corral_docker_plain_output_error(x->plain, stream);

	return error == EPIPE ? 0 : error;
}

void corral_docker_run_close(struct corral_docker_run *x)
{
	if (!x)
		return;
	if (x->plain)
		corral_docker_plain_ops.close(x->plain);
	corral_docker_finish_in(x->docker, x->box, x->process);
	corral_backend_leave(&x->docker->base);
	corral_docker_release(x->docker, x->box);
	free(x);
}

/* Limits that are wanted, whether or not anybody named them; nobody wants what is 0. */
static uint32_t wanted(const struct corral_limits *l)
{
	uint32_t limits = 0;

	limits |= l->memory_bytes ? CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP : 0;
	limits |= l->cpu_millis ? CORRAL_LIMIT_CPUS : 0;
	limits |= l->cpu_weight ? CORRAL_LIMIT_CPU_WEIGHT : 0;
	limits |= l->pids ? CORRAL_LIMIT_PIDS : 0;
	limits |= l->disk_bytes ? CORRAL_LIMIT_DISK : 0;
	limits |= l->disk_inodes ? CORRAL_LIMIT_DISK_INODES : 0;
	limits |= l->file_size_bytes ? CORRAL_LIMIT_FILE_SIZE : 0;
	limits |= l->open_files ? CORRAL_LIMIT_OPEN_FILES : 0;
	return limits;
}

int corral_docker_run_explain(struct corral_backend *b, struct corral_receipt *receipt,
                              struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_contained c = { 0 };
	struct corral_docker_box *box;
	int r = corral_docker_acquire(d, &box, err);

	if (r < 0)
		return r;
	r = corral_docker_contained(d->engine, box->c.id, &d->spec.limits, &c, err);
	if (r == 0) {
		receipt->tier = CORRAL_TIER_CONTAINER;
		receipt->layers = c.layers;
		receipt->limits_enforced = c.limits;
		receipt->limits_lost = wanted(&d->spec.limits) & ~c.limits;
	}
	corral_docker_release(d, box);
	return r;
}

/* --- Containers that are there --- */

static char *dup_of(const json_t *object, const char *key)
{
	const char *t = json_string_value(json_object_get(object, key));

	return strdup(t ? t : "");
}

int corral_docker_see(struct corral_docker_engine *e, const char *name,
                      struct corral_docker_seen *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	corral_autojson json_t *answer = NULL;
	const json_t *config;
	int r;

	if (!*name || strspn(name, "./") == strlen(name))
		return corral_error_set(err, EINVAL, "'%.64s' is no name of a container", name);
	corral_buf_str(&path, "/containers/");
	corral_docker_escape(&path, name);
	corral_buf_str(&path, "/json");
	if (path.failed)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	r = corral_docker_do(e, "GET", path.data, NULL, &answer, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return corral_error_wrap(err, r, "container '%.64s'", name);
	config = json_object_get(answer, "Config");
	*ret = (struct corral_docker_seen) {
		.running =
		        json_is_true(json_object_get(json_object_get(answer, "State"), "Running")),
		.id = dup_of(answer, "Id"),
		.image = dup_of(answer, "Image"),
		.work_dir = dup_of(config, "WorkingDir"),
		.network_mode = dup_of(json_object_get(answer, "HostConfig"), "NetworkMode"),
	};
	if (ret->id && ret->image && ret->work_dir && ret->network_mode)
		return 1;
	corral_docker_seen_done(ret);
	return corral_error_set(err, ENOMEM, "container: out of memory");
}

void corral_docker_seen_done(struct corral_docker_seen *s)
{
	free(s->id);
	free(s->image);
	free(s->work_dir);
	free(s->network_mode);
	memset(s, 0, sizeof(*s));
}

int corral_docker_forget(struct corral_docker_engine *e, const char *id, struct corral_error *err)
{
	return corral_docker_container_remove(e, id, err);
}
