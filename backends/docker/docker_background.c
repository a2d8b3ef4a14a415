/*
 * Background processes. What they write goes to files of the guest's own, at its expense, and is
 * read on from there; so no thread empties pipes, and nobody waits for a reader.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/docker/box.h"

#define READ_MAX (16u << 20) /* of one stream in one read; the rest comes with the next */

struct background {
	struct corral_docker_box *box; /* lives longer: its list has us */
	struct corral_docker_process *process;
	char paths[2][96];
	uint64_t at[2]; /* read so far */
};

static int background_start(void *place, const char *command, const char *shell_id, void **ret,
                            int *ret_pid, struct corral_error *err)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)command, NULL };
	struct corral_docker_start start = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .background = true
	};
	struct background *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return corral_error_set(err, ENOMEM, "background: out of memory");
	*ret = g;
	g->box = place;
	for (int i = 0; i < 2; i++)
		(void)snprintf(g->paths[i], sizeof(g->paths[i]), "%s/%s.%s", g->box->dir, shell_id,
		               i ? "err" : "out");
	start.out_path = g->paths[0];
	start.err_path = g->paths[1];
	r = corral_docker_start_in(g->box->docker, g->box, &start, &g->process, err);
	if (r == 0)
		*ret_pid = corral_docker_process_pid(g->process);
	return r;
}

static int background_ended(void *process, int *ret_exit_code)
{
	const struct background *g = process;
	const struct corral_receipt *r;

	if (corral_docker_process_dispatch(g->process, NULL) == 0)
		return 0;
	r = corral_docker_process_receipt(g->process);
	*ret_exit_code = r->signal ? -r->signal : r->exit_code;
	return 1;
}

static bool is_paused(const struct background *g)
{
	bool paused;

	pthread_mutex_lock(&g->box->docker->boxes.lock);
	paused = g->box->paused;
	pthread_mutex_unlock(&g->box->docker->boxes.lock);
	return paused;
}

static int background_read(void *process, int which, struct corral_buf *ret,
                           struct corral_error *err)
{
	struct background *g = process;
	size_t before = ret->len;
	int r;

	/* Nobody there would answer; what it wrote before comes with the next read after that. */
	if (is_paused(g))
		return 0;
	r = corral_docker_read_on(g->box->docker, g->box, g->paths[which], g->at[which], READ_MAX,
	                          ret, err);
	g->at[which] += ret->len - before;
	/* The guest may have removed it: then there is nothing more. */
	return r == -ENOENT ? 0 : r;
}

static void background_kill(void *process)
{
	corral_docker_process_kill(((struct background *)process)->process, CORRAL_REASON_KILLED);
}

static void background_close(void *process)
{
	struct background *g = process;

	if (g->process)
		background_kill(g);
	corral_docker_finish_in(g->box->docker, g->box, g->process);
	free(g);
}

const struct corral_background_ops corral_docker_background_ops = {
	.start = background_start,
	.ended = background_ended,
	.read = background_read,
	.kill = background_kill,
	.close = background_close,
};

int corral_docker_background_start(struct corral_backend *b, const char *command,
                                   struct corral_background *ret, struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box;
	int r = corral_docker_acquire(d, &box, err);

	if (r < 0)
		return r;
	r = corral_backend_lacks(b, !box->plain,
	                         "background processes in containers that our program is not in",
	                         err);
	corral_docker_release(d, box);
	return r < 0 ? r : corral_boxes_background_start(b, command, ret, err);
}
