/*
 * Files in a container that our program is not in: by its own shell (backends/base.h), trees by its
 * tar(1), or the engine's archives where it has none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base.h"
#include "backends/docker/box.h"
#include "backends/docker/plain.h"
#include "backends/wrap_ops.h"
#include "kernel/base/cleanup.h"

/* Of an archive: no byte for so long, and it is given up. */
#define IDLE_MS 60000

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

/* "/containers/ID/archive?path=PATH", with what a relative one is relative to. */
static void archive_path(const struct plain_backend *p, const char *path, const char *behind,
                         struct corral_buf *ret)
{
	corral_buf_fmt(ret, "/containers/%s/archive?path=", p->id);
	if (path[0] != '/') {
		corral_docker_escape(ret, p->work_dir);
		corral_docker_escape(ret, "/");
	}
	corral_docker_escape(ret, path);
	corral_docker_escape(ret, behind);
}

static int archive(struct plain_backend *p, struct corral_docker_request *q, const char *path,
                   const char *behind, struct corral_error *err)
{
	corral_autobuf struct corral_buf where = CORRAL_BUF_INIT;
	struct corral_docker_answer a = { 0 };
	int r;

	archive_path(p, path, behind, &where);
	if (where.failed)
		return corral_error_set(err, ENOMEM, "archive: out of memory");
	q->path = where.data;
	q->timeout_ms = -1;
	q->idle_ms = IDLE_MS;
	r = corral_docker_call(p->place.engine, q, &a, err);
	if (r == 0 && a.status == 404)
		r = corral_error_set(err, ENOENT, "Path '%.200s' not found", path);
	else if (r == 0 && a.status >= 400)
		r = corral_docker_refused(&a, err);
	corral_docker_answer_done(&a);
	return r;
}

static int plain_tar_out(struct corral_backend *b, const char *path,
                         const struct corral_files_sink *sink, struct corral_files_copied *ret,
                         struct corral_error *err)
{
	struct corral_docker_request q = { .method = "GET", .sink = sink };
	struct plain_backend *p = (struct plain_backend *)b;
	struct corral_files_stat st;
	int r = corral_backend_stat(to_wrap(b)->inner, path, 0, &st, err);

	(void)ret; /* nobody counted */
	if (r == 0 && st.type != CORRAL_FILES_DIRECTORY)
		r = corral_error_set(err, ENOTDIR, "'%.200s' is not a directory", path);
	if (r == 0)
		r = corral_docker_plain_tar_out(&p->place, path, sink, err);
	/* What is in it, not it itself. */
	return r == 1 ? archive(p, &q, path, "/.", err) : r;
}

static int plain_tar_in(struct corral_backend *b, const char *path,
                        const struct corral_files_source *source, struct corral_files_copied *ret,
                        struct corral_error *err)
{
	struct corral_docker_request q = { .method = "PUT", .source = source };
	struct plain_backend *p = (struct plain_backend *)b;
	int r = corral_backend_mkdir(to_wrap(b)->inner, path, err);

	(void)ret;
	if (r == 0)
		r = corral_docker_plain_tar_in(&p->place, path, source, err);
	return r == 1 ? archive(p, &q, path, "", err) : r;
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
