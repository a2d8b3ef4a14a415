/*
 * Files in a container that our program is not in: by its own shell (backends/base.h), trees by its
 * tar(1).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base.h"
#include "backends/docker/box.h"
#include "backends/docker/plain.h"
#include "backends/wrap_ops.h"
#include "kernel/base/cleanup.h"

struct plain_backend {
	struct corral_wrap wrap; /* around the backend over its shell */
	struct corral_docker_plain_place place;
	char id[CORRAL_DOCKER_ID_SIZE];
	const char *work_dir; /* the spec's, which lives longer */
};

int corral_docker_plain_execute(struct corral_backend *b, const struct corral_execute *x,
                                int stop_fd, struct corral_executed *ret, struct corral_error *err)
{
	struct plain_backend *p = (struct plain_backend *)b;

	return corral_execute_with(&corral_docker_plain_ops, &p->place, x, NULL, stop_fd, ret, err);
}

static int plain_execute(struct corral_backend *b, const struct corral_execute *x,
                         struct corral_executed *ret, struct corral_error *err)
{
	return corral_docker_plain_execute(b, x, -1, ret, err);
}

static int shell_execute(void *ctx, const struct corral_execute *x, struct corral_executed *ret,
                         struct corral_error *err)
{
	return plain_execute(ctx, x, ret, err);
}

static int plain_tar_out(struct corral_backend *b, const char *path,
                         const struct corral_files_sink *sink, struct corral_files_copied *ret,
                         struct corral_error *err)
{
	struct plain_backend *p = (struct plain_backend *)b;
	struct corral_files_stat st;
	int r = corral_backend_stat(to_wrap(b)->inner, path, 0, &st, err);

	(void)ret; /* nobody counted */
	if (r == 0 && st.type != CORRAL_FILES_DIRECTORY)
		r = corral_error_set(err, ENOTDIR, "'%.200s' is not a directory", path);
	if (r == 0)
		r = corral_docker_plain_tar_out(&p->place, path, sink, err);
	return r;
}

static int plain_tar_in(struct corral_backend *b, const char *path,
                        const struct corral_files_source *source, struct corral_files_copied *ret,
                        struct corral_error *err)
{
	struct plain_backend *p = (struct plain_backend *)b;
	int r = corral_backend_mkdir(to_wrap(b)->inner, path, err);

	(void)ret; /* nobody counted */
	if (r == 0)
		r = corral_docker_plain_tar_in(&p->place, path, source, err);
	return r;
}

static void plain_close(struct corral_backend *b)
{
	corral_backend_close(to_wrap(b)->inner);
	free(b);
}

int corral_docker_plain_new(struct corral_docker *d, const struct corral_docker_container *c,
                            struct corral_backend **ret, struct corral_error *err)
{
	struct plain_backend *p = calloc(1, sizeof(*p));
	struct corral_base_options o = { .execute = shell_execute, .ctx = p };
	struct corral_backend *shell = NULL;
	int r;

	if (!p)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	memcpy(p->id, c->id, sizeof(p->id));
	p->work_dir = d->spec.work_dir;
	p->place = (struct corral_docker_plain_place) { d->engine, p->id, p->work_dir };
	r = corral_base_sandbox_new(&o, &shell, err);
	if (r == 0)
		r = corral_wrap_init(&p->wrap, shell, err);
	if (r < 0) {
		corral_backend_close(shell);
		free(p);
		return r;
	}
	p->wrap.ops.close = plain_close;
	p->wrap.ops.execute = plain_execute;
	p->wrap.ops.tar_out = plain_tar_out;
	p->wrap.ops.tar_in = plain_tar_in;
	*ret = &p->wrap.base;
	return 0;
}
