/*
 * A root without an image around it. Its layer's digest is that of the archive which we would make
 * of it (layer_tar.h), so it can be saved without the one that came being kept. A directory takes
 * the same way through the sandbox: a thread of ours makes an archive of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/whole.h"
#include "kernel/image/oci/archive.h"
#include "kernel/image/oci/archive_blob.h"
#include "kernel/image/oci/archive_manifest.h"
#include "kernel/image/oci/layer_tar.h"
#include "kernel/image/oci/manifest.h"
#include "kernel/image/oci/naming.h"
#include "kernel/image/oci/unpack_tree.h"

struct packer {
	int dir_fd, out_fd;
	struct corral_image_bounds bounds; /* of this thread's own, and so without a tick */
	int code;
	struct corral_error error;
};

static int packer_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	const struct packer *p = ctx;
	int r = corral_whole_write(p->out_fd, data, len);

	return r < 0 ? corral_error_sys(err, -r, "archive the directory") : 0;
}

static void *packer_run(void *ctx)
{
	struct packer *p = ctx;
	const struct corral_layer_tar t = { .tree_fd = p->dir_fd,
		                            .skip_devices = true,
		                            .bounds = &p->bounds,
		                            .put = packer_put,
		                            .ctx = p };

	p->code = corral_layer_tar_write(&t, &p->error);
	corral_fd_closep(&p->out_fd);
	return NULL;
}

static int directory_unpack(int dir_fd, const char *layer_path,
                            const struct corral_unpack_options *o, struct corral_error *err)
{
	struct corral_unpacked unpacked;
	struct packer p = { .dir_fd = dir_fd };
	corral_autofd int in = -1;
	sigset_t all, before;
	pthread_t thread;
	int fds[2], r;

	corral_image_bounds_init(&p.bounds, &o->limits.image, -1);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "make a pipe");
	in = fds[0];
	p.out_fd = fds[1];
	/* SIGPIPE is a thread's own: it finds out by EPIPE. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, packer_run, &p);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		(void)close(p.out_fd);
		return corral_error_sys(err, r, "start a thread");
	}
	r = corral_unpack_tree(in, layer_path, "directory", o, &unpacked, err);
	corral_fd_closep(&in);
	(void)pthread_join(thread, NULL);
	/* An archive that broke off is the consequence, not the cause. */
	if (p.code < 0 && p.code != -EPIPE) {
		if (err)
			*err = p.error;
		return p.code;
	}
	return r;
}

static json_t *texts(char *const *list, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(a, json_string(list[i])) < 0) {
			json_decref(a);
			return NULL;
		}
	return a;
}

static int put(json_t *to, const char *key, json_t *v)
{
	return json_object_set_new(to, key, v);
}

static int labels_put(json_t *config, const struct corral_image *c)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < c->n_labels; i++) {
		size_t len = strcspn(c->labels[i], "=");
		corral_autofree char *key = strndup(c->labels[i], len);
		const char *value = c->labels[i][len] ? c->labels[i] + len + 1 : "";

		if (!key || put(labels, key, json_string(value)) < 0) {
			json_decref(labels);
			return -1;
		}
	}
	return put(config, "Labels", labels);
}

static int run_put(json_t *config, const struct corral_image *c)
{
	int r = 0;

	if (c->n_env)
		r |= put(config, "Env", texts(c->env, c->n_env));
	if (c->n_entrypoint)
		r |= put(config, "Entrypoint", texts(c->entrypoint, c->n_entrypoint));
	if (c->n_command)
		r |= put(config, "Cmd", texts(c->command, c->n_command));
	if (c->user && *c->user)
		r |= put(config, "User", json_string(c->user));
	if (c->work_dir && *c->work_dir)
		r |= put(config, "WorkingDir", json_string(c->work_dir));
	if (c->n_labels)
		r |= labels_put(config, c);
	return r;
}

/* As images call it. */
static const char *arch_here(void)
{
	static const char *const names[][2] = { { "x86_64", "amd64" }, { "aarch64", "arm64" } };
	static struct utsname u;

	if (uname(&u) < 0)
		return "unknown";
	for (size_t i = 0; i < CORRAL_COUNT(names); i++)
		if (strcmp(u.machine, names[i][0]) == 0)
			return names[i][1];
	return u.machine;
}

/* Says when it was made only if it is told: the same root is the same image. */
static int config_write(const struct corral_image *c, const char *diff_id, struct corral_buf *ret,
                        struct corral_error *err)
{
	static const struct corral_image none;
	json_auto_t *all = json_object(), *config = json_object();
	corral_autofree char *text = NULL;
	int r = 0;

	c = c ? c : &none;
	r |= put(all, "architecture", json_string(c->arch && *c->arch ? c->arch : arch_here()));
	r |= put(all, "os", json_string("linux"));
	if (c->variant && *c->variant)
		r |= put(all, "variant", json_string(c->variant));
	if (c->created_ms > 0) {
		time_t seconds = (time_t)(c->created_ms / 1000);
		char created[32];
		struct tm tm;

		(void)gmtime_r(&seconds, &tm);
		(void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
		r |= put(all, "created", json_string(created));
	}
	r |= run_put(config, c);
	r |= put(all, "config", json_incref(config));
	r |= put(all, "rootfs", json_pack("{s:s,s:[s]}", "type", "layers", "diff_ids", diff_id));
	r |= put(all, "history", json_pack("[{s:s}]", "created_by", "corral image import"));
	text = r ? NULL : json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return corral_error_set(err, EINVAL,
		                        "its configuration has a text that is no UTF-8");
	corral_buf_str(ret, text);
	return ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

static int image_make(struct corral_image_store *s, const char *diff_id, uint64_t size,
                      const struct corral_image *config, const char *name,
                      const struct corral_unpack_options *o, struct corral_image **ret,
                      struct corral_error *err)
{
	const struct corral_archive_layer layer = { diff_id, size, "" };
	corral_auto(corral_image_freep) struct corral_image *i = calloc(1, sizeof(*i));
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT, manifest = CORRAL_BUF_INIT;
	char config_id[CORRAL_DIGEST_SIZE], id[CORRAL_DIGEST_SIZE];
	int r = i ? config_write(config, diff_id, &text, err)
	          : corral_error_set(err, ENOMEM, "out of memory");

	if (r == 0)
		r = corral_archive_text_put(s, text.data, text.len, config_id, err);
	if (r == 0)
		r = corral_archive_manifest_write(config_id, text.len, &layer, 1, &manifest, err);
	if (r == 0)
		r = corral_archive_text_put(s, manifest.data, manifest.len, id, err);
	if (r == 0)
		r = corral_image_config_parse(text.data, text.len, i, err);
	if (r < 0)
		return r;
	i->id = strdup(id);
	i->config_id = strdup(config_id);
	i->blobs = calloc(2, sizeof(*i->blobs));
	if (i->blobs)
		i->blobs[0] = strdup("");
	if (!i->id || !i->config_id || !i->blobs || !i->blobs[0])
		return corral_error_set(err, ENOMEM, "out of memory");
	r = corral_naming_commit(s, i, name, false, o->bounds, o->progress, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&i);
	return 0;
}

static int layer_make(struct corral_image_store *s, int fd, const struct corral_unpack_options *o,
                      char ret_diff_id[CORRAL_DIGEST_SIZE], uint64_t *ret_size,
                      struct corral_error *err)
{
	struct corral_image_layer_making *m = NULL;
	struct corral_unpacked unpacked;
	const char *path;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "look at the root");
	r = corral_image_layer_begin(s, NULL, NULL, &m, err);
	if (r < 0)
		return r;
	path = corral_image_layer_making_path(m);
	r = S_ISDIR(st.st_mode) ? directory_unpack(fd, path, o, err)
	                        : corral_unpack_tree(fd, path, "archive", o, &unpacked, err);
	if (r == 0)
		r = corral_layer_tar_digest(path, o->bounds, ret_diff_id, ret_size, err);
	if (r < 0) {
		corral_image_layer_abandon(m);
		return r;
	}
	return corral_image_layer_commit_take(m, ret_diff_id, err);
}

int corral_image_import(struct corral_image_store *s, int fd, const char *name,
                        const struct corral_image *config, const struct corral_unpack_options *o,
                        struct corral_image **ret, struct corral_error *err)
{
	struct corral_progress_tick tick = { o->progress, "root", "read" };
	struct corral_unpack_options own = *o;
	struct corral_image_bounds bounds;
	char diff_id[CORRAL_DIGEST_SIZE];
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int hold_fd = -1;
	uint64_t size = 0;
	/* Words that no image may have are no reason to copy a root first. */
	int r = corral_image_name_may_be(s, name, err);

	if (r == 0)
		r = config_write(config, "", &text, err);
	if (r == 0)
		r = corral_image_store_hold(s, &hold_fd, err);
	corral_image_bounds_init(&bounds, &o->limits.image, corral_image_store_fd(s));
	bounds.tick = (struct corral_image_tick) { corral_progress_tick, &tick };
	own.bounds = &bounds;
	if (r == 0)
		r = layer_make(s, fd, &own, diff_id, &size, err);
	if (r == 0)
		r = image_make(s, diff_id, size, config, name, &own, ret, err);
	corral_fd_closep(&hold_fd);
	if (corral_image_bounds_is_full(r))
		corral_image_store_sweep(s);
	return r;
}
