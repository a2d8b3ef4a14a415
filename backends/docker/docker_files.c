/*
 * File operations, done in the container by the server of kernel/files/, one exec of ours that
 * stays: an operation is then one message and its answer, and no round trip through the engine.
 */
#include <errno.h>

#include "backends/docker/box.h"

static void server_close(struct corral_served *s)
{
	corral_docker_files_close(s->server);
}

struct place {
	struct corral_docker *docker;
	struct corral_docker_box *box;
};

static int served_start(void *place, struct corral_served *s, struct corral_error *err)
{
	struct place *p = place;
	char *const argv[] = { p->box->c.inside, (char *)"files", NULL };
	const struct corral_docker_exec x = { .argv = argv,
		                              .guest_dir = p->docker->spec.work_dir,
		                              .has_stdin = true };
	struct corral_docker_stream *stream = NULL;
	struct corral_docker_files *files = NULL;
	int r = corral_docker_container_exec(p->docker->engine, p->box->c.id, &x, &stream, NULL,
	                                     err);

	if (r == 0)
		r = corral_docker_files_open_take(stream, true, &files, err);
	if (r < 0)
		return corral_error_wrap(err, r, "start the file server");
	s->server = files;
	s->client = corral_docker_files_client(files);
	s->close = server_close;
	return 0;
}

static int serve(struct corral_docker *d, struct corral_docker_box *box, struct corral_visit *v,
                 struct corral_error *err)
{
	struct place place = { d, box };
	int r;

	if (box->plain) {
		v->instead = box->plain;
		return 0;
	}
	r = corral_served_acquire(&box->base.files, served_start, &place, &v->served, err);
	if (r < 0)
		return corral_docker_failed(d, box, r, err);
	v->client = v->served->client;
	return 0;
}

int corral_docker_visit_begin(struct corral_backend *b, struct corral_visit *v,
                              struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box;
	int r = corral_docker_acquire(d, &box, err);

	if (r < 0)
		return r;
	r = serve(d, box, v, err);
	if (r < 0)
		corral_docker_release(d, box);
	else
		v->box = box;
	return r;
}

int corral_docker_visit_end(struct corral_backend *b, struct corral_visit *v, int r,
                            struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box = v->box;

	if (v->served)
		corral_served_release_after(&box->base.files, v->served, r);
	/* The server went: alone, or with all of it. */
	if (r == -EPIPE || r == -EPROTO || r == -ETIMEDOUT ||
	    (v->instead && (r == -EBUSY || r == -EIO)))
		r = corral_docker_failed(d, box, r, err);
	corral_docker_release(d, box);
	return r;
}

static int put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct corral_buf *b = ctx;

	corral_buf_add(b, data, len);
	return b->failed ? corral_error_set(err, ENOMEM, "background: out of memory") : 0;
}

int corral_docker_read_on(struct corral_docker *d, struct corral_docker_box *box, const char *path,
                          uint64_t offset, uint64_t max, struct corral_buf *ret,
                          struct corral_error *err)
{
	const struct corral_files_sink sink = { put, ret };
	struct corral_visit v = { 0 };
	int r = serve(d, box, &v, err);

	if (r < 0)
		return r;
	r = corral_files_client_read_bytes(v.client, NULL, path, offset, max, 0, &sink, err);
	corral_served_release(&box->base.files, v.served);
	return r;
}
