/*
 * A build is half made in partial/ until its image is committed, and nobody looks there but whoever
 * has the tag's turn, and whoever prunes. Killed at any moment, it leaves that, which the next
 * build of the same tag removes, as does whoever prunes; a layer that no image has; or an image.
 */
#include "kernel/image/oci/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/trace.h"
#include "kernel/image/apply.h"
#include "kernel/image/make.h"
#include "kernel/image/oci/build_cache.h"
#include "kernel/image/oci/build_config.h"
#include "kernel/image/oci/build_log.h"
#include "kernel/image/oci/build_once.h"
#include "kernel/image/oci/build_run.h"
#include "kernel/image/oci/build_slot.h"
#include "kernel/image/oci/digest.h"
#include "kernel/image/oci/layer_tar.h"
#include "kernel/image/oci/manifest.h"
#include "kernel/image/oci/upper.h"
#include "kernel/image/reference.h"
#include "kernel/mapped.h"
#include "policy/runtime_build.h"

#define KEEP "keep"

struct building {
	struct corral_image_store *s;
	const struct corral_runtime *rt;
	const struct corral_build_options *o;
	const char *tag;                            /* "corral-runtime:..." */
	const char *what;                           /* behind the colon */
	char *partial_path, *work_name, *work_path; /* partial/, build-TAG in it */
	int work_fd;
	struct corral_image *base;
	char *root_path; /* of the base, which stays as long as use_fd is open */
	int use_fd;
	struct build_slot slot;
	struct build_cache cache;
	char *log_path;
	int log_fd;
	struct build_log log;
	uint64_t deadline_ms;
	struct corral_progress_tick tick;
	struct corral_image_bounds bounds; /* of the layer, and of the image */
};

static int no_memory(struct corral_error *err)
{
	return corral_error_set(err, ENOMEM, "out of memory");
}

static void building_done(struct building *b, bool failed)
{
	build_cache_give(&b->cache, b->o->launcher, corral_image_store_path(b->s));
	if (b->work_fd >= 0) {
		struct corral_error why = { 0 };

		/* Only a failed one left anything, and of many files that takes a while. */
		if (failed)
			build_log_say(&b->log, "removing what was made");
		if (corral_mapped_remove(b->o->launcher, b->partial_path, b->work_name, &why) < 0)
			corral_trace(CORRAL_TRACE_BACKEND, "build: '%s' stays: %s", b->work_path,
			             why.text);
		corral_fd_closep(&b->work_fd);
	}
	corral_fd_closep(&b->use_fd);
	corral_fd_closep(&b->log_fd);
	build_slot_give(&b->slot);
	corral_image_free(b->base);
	free(b->partial_path);
	free(b->work_name);
	free(b->work_path);
	free(b->root_path);
	free(b->log_path);
}

/* --- what is there --- */

int corral_runtime_build_find(struct corral_image_store *s, const struct corral_runtime *rt,
                              struct corral_image **ret, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *tag = NULL;
	int r = corral_runtime_tag(rt, NULL, &tag, err);

	if (r == 0)
		r = corral_image_find(s, tag, &i, err);
	if (r < 0)
		return r;
	/* Somebody may have given such a name to something else. */
	if (!corral_image_is_built_for(i, rt))
		return corral_error_set(err, ENOENT, "%s was not built here of this definition",
		                        tag);
	*ret = corral_take_ptr(&i);
	return 0;
}

/* What comes behind "docker.io/library/corral-runtime:"; NULL for other names. */
static const char *tag_of(const char *full)
{
	static const char prefix[] = "docker.io/library/" CORRAL_RUNTIME_REPOSITORY ":";

	return strncmp(full, prefix, sizeof(prefix) - 1) == 0 ? full + sizeof(prefix) - 1 : NULL;
}

static void superseded_remove(const struct building *b)
{
	struct corral_images images = { NULL, 0 };
	int64_t now = corral_wall_ms();

	if (corral_images_list(b->s, &images, NULL, NULL) < 0)
		return;
	for (size_t k = 0; k < images.n; k++) {
		const struct corral_image *i = images.items[k];

		if (!i->built_for || strcmp(i->built_for, b->rt->name) != 0 ||
		    now - i->stored_ms < CORRAL_BUILD_SUPERSEDED_MS)
			continue;
		for (size_t n = 0; n < i->n_names; n++) {
			const char *tag = tag_of(i->names[n]);
			struct corral_image_removal gone = { 0 };
			struct corral_error why = { 0 };

			if (!tag || !corral_runtime_tag_is_superseded(tag, b->what))
				continue;
			if (corral_image_remove(b->s, i->names[n], &gone, &why) < 0)
				corral_trace(CORRAL_TRACE_BACKEND,
				             "build: a superseded image stays: %s", why.text);
			corral_image_removal_done(&gone);
		}
	}
	corral_images_done(&images);
}

/* --- what it takes --- */

static void deadline_begin(struct building *b)
{
	b->deadline_ms = corral_now_ms() +
	                 (uint64_t)(b->o->timeout_ms ? b->o->timeout_ms : CORRAL_BUILD_TIMEOUT_MS);
	b->bounds.deadline_ms = b->deadline_ms;
}

static int base_open(struct building *b, struct corral_error *err)
{
	int r = corral_image_find(b->s, b->rt->base_image, &b->base, err);

	if (r == -ENOENT && b->o->fetch) {
		r = b->o->fetch(b->o->fetch_ctx, b->rt->base_image, err);
		if (r == 0)
			r = corral_image_find(b->s, b->rt->base_image, &b->base, err);
	}
	if (r == 0)
		r = corral_image_use(b->s, b->base, &b->root_path, &b->use_fd, err);
	return r < 0 ? corral_error_wrap(err, r, "base image") : 0;
}

/* A directory of our own in partial/, empty and locked. With the turn, so what is there was left by
 * somebody who was killed. */
static int work_begin(struct building *b, struct corral_error *err)
{
	int r = corral_mapped_remove(b->o->launcher, b->partial_path, b->work_name, err);

	if (r < 0)
		return corral_error_wrap(err, r, "remove what a killed build left");
	if (mkdir(b->work_path, 0700) < 0)
		return corral_error_sys(err, errno, "create '%s'", b->work_path);
	b->work_fd = open(b->work_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->work_fd < 0)
		return corral_error_sys(err, errno, "open '%s'", b->work_path);
	/* Whoever prunes tries the lock, and sees what is not locked as abandoned. */
	if (flock(b->work_fd, LOCK_EX) < 0)
		return corral_error_sys(err, errno, "lock '%s'", b->work_path);
	if (mkdirat(b->work_fd, KEEP, 0700) < 0)
		return corral_error_sys(err, errno, "create '%s/" KEEP "'", b->work_path);
	return 0;
}

struct log_file {
	char *name;
	struct timespec written;
};

static int by_age(const void *a, const void *b)
{
	const struct log_file *x = a, *y = b;

	if (x->written.tv_sec != y->written.tv_sec)
		return x->written.tv_sec < y->written.tv_sec ? -1 : 1;
	return x->written.tv_nsec < y->written.tv_nsec ? -1
	                                               : x->written.tv_nsec > y->written.tv_nsec;
}

/* The oldest, of more than there shall be. */
static void logs_prune(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct log_file *files = NULL, *more;
	const struct dirent *e;
	size_t n = 0;

	if (!dir && fd >= 0)
		(void)close(fd);
	while (dir && (e = readdir(dir))) {
		struct stat st;

		if (e->d_name[0] == '.' ||
		    fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !(more = reallocarray(files, n + 1, sizeof(*files))))
			continue;
		files = more;
		files[n].name = strdup(e->d_name);
		files[n].written = st.st_mtim;
		n += files[n].name != NULL;
	}
	if (dir)
		(void)closedir(dir);
	if (n > 1)
		qsort(files, n, sizeof(*files), by_age);
	for (size_t i = 0; i < n; i++) {
		if (n - i >= CORRAL_BUILD_LOGS_MAX)
			(void)unlinkat(dir_fd, files[i].name, 0);
		free(files[i].name);
	}
	free(files);
}

/* Without one it is built all the same. */
static void log_open(struct building *b)
{
	corral_autofree char *dir = NULL;
	corral_autofd int dir_fd = -1;

	if (asprintf(&dir, "%s/logs", corral_image_store_path(b->s)) < 0) {
		dir = NULL;
		return;
	}
	(void)mkdir(dir, 0700);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return;
	logs_prune(dir_fd);
	b->log_fd = openat(dir_fd, b->what, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	                   0600);
	if (b->log_fd >= 0 && asprintf(&b->log_path, "%s/%s", dir, b->what) < 0)
		b->log_path = NULL;
}

/* --- the build --- */

static int steps_run(struct building *b, const char *keep_path, struct corral_error *err)
{
	const struct build_run run = {
		.launcher = b->o->launcher,
		.runtime = b->rt,
		.base = b->base,
		.root_path = b->root_path,
		.keep_path = keep_path,
		.cache_path = b->cache.path,
		.network = b->o->network,
		.log_path = b->log_path,
		.memory_bytes =
		        b->o->memory_bytes ? b->o->memory_bytes : build_slot_memory(b->o->slots),
		.seccomp_cache_dir = b->o->seccomp_cache_dir,
		.deadline_ms = b->deadline_ms,
		.bounds = &b->bounds,
		.log = &b->log,
	};
	int r = build_run_steps(&run, err);

	return r == 0 ? build_run_squash(&run, err) : r;
}

/* From what the sandbox kept to a layer that has its name. */
static int layer_make(struct building *b, const char *keep_path, char diff_id[CORRAL_DIGEST_SIZE],
                      struct corral_error *err)
{
	/* Made for something to be mounted on, by the sandbox. */
	static const char *const dropped[] = { &BUILD_GUEST_DIR[1], NULL };
	static const char *const points[] = {
		"dev", "proc", "sys", "tmp", "etc/resolv.conf", NULL
	};
	const struct corral_upper upper = {
		.keep_path = keep_path,
		.base_path = b->root_path,
		.dropped = dropped,
		.mount_points = points,
		.bounds = &b->bounds,
	};
	struct corral_image_layer_making *m = NULL;
	int r = corral_image_layer_begin(b->s, NULL, NULL, &m, err);

	if (r < 0)
		return r;
	r = corral_upper_take(&upper, corral_image_layer_making_path(m), err);
	if (r == 0)
		r = corral_layer_tar_digest(corral_image_layer_making_path(m), &b->bounds, diff_id,
		                            NULL, err);
	if (r < 0) {
		corral_image_layer_abandon(m);
		return r;
	}
	return corral_image_layer_commit_take(m, diff_id, err);
}

static int blob_put(struct corral_image_store *s, const char *digest, const struct corral_buf *text,
                    struct corral_error *err)
{
	struct corral_image_blob *blob = NULL;
	uint64_t size;
	int fd, r = corral_image_blob_begin(s, digest, NULL, &blob, &size, err);

	if (r < 0 || !blob)
		return r;
	fd = corral_image_blob_fd(blob);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text->data, text->len, 0) != (ssize_t)text->len) {
		r = corral_error_sys(err, errno ? errno : EIO, "write the configuration");
		corral_image_blob_abandon(blob, false);
		return r;
	}
	return corral_image_blob_commit_take(blob, err);
}

static int config_read(struct building *b, struct corral_buf *ret, struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r;

	if (!b->base->config_id || !*b->base->config_id) {
		corral_buf_str(ret, "{}");
		return 0;
	}
	r = corral_image_blob_open(b->s, b->base->config_id, &fd, err);
	if (r == 0) {
		r = corral_buf_read_fd(ret, fd, CORRAL_MANIFEST_MAX);
		if (r < 0)
			r = corral_error_sys(err, -r, "read the base image's configuration");
	}
	return r;
}

static char **layers_of(const struct corral_image *base, const char *more, size_t *ret_n)
{
	size_t n = base->n_layers + (more != NULL);
	char **list = calloc(n + 1, sizeof(*list));

	for (size_t k = 0; list && k < n; k++)
		list[k] = strdup(k < base->n_layers ? base->layers[k] : more);
	*ret_n = n;
	return list;
}

static char **blobs_of(const struct corral_image *base, bool has_more)
{
	size_t n = base->n_layers + has_more;
	char **list = calloc(n + 1, sizeof(*list));

	for (size_t k = 0; list && k < n; k++)
		list[k] = strdup(k < base->n_layers && base->blobs ? base->blobs[k] : "");
	return list;
}

static void list_free(char **list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		free(list[i]);
	free(list);
}

/* The image as its configuration tells it, on the base's layers and the new one. */
static int image_fill(struct building *b, const struct corral_buf *config, const char *config_id,
                      const char *diff_id, struct corral_image *i, struct corral_error *err)
{
	char definition[CORRAL_RUNTIME_DEFINITION_SIZE];
	int r = corral_image_config_parse(config->data, config->len, i, err);

	if (r < 0)
		return corral_error_wrap(err, r, "its configuration");
	/* What the base's own says of its layers is what they are; but one without a configuration
	 * says nothing. */
	list_free(i->layers, i->n_layers);
	i->layers = layers_of(b->base, diff_id, &i->n_layers);
	i->blobs = blobs_of(b->base, diff_id != NULL);
	r = corral_runtime_definition(b->rt, NULL, definition, err);
	if (r < 0)
		return r;
	i->built_for = strdup(b->rt->name);
	i->definition = strdup(definition);
	i->id = strdup(config_id);
	i->config_id = strdup(config_id);
	if (!i->layers || !i->blobs || !i->built_for || !i->definition || !i->id || !i->config_id)
		return no_memory(err);
	return 0;
}

static int image_commit(struct building *b, const char *diff_id, struct corral_image **ret,
                        struct corral_error *err)
{
	corral_autobuf struct corral_buf before = CORRAL_BUF_INIT, config = CORRAL_BUF_INIT;
	corral_auto(corral_image_freep) struct corral_image *i = calloc(1, sizeof(*i));
	char config_id[CORRAL_DIGEST_SIZE];
	int r = i ? config_read(b, &before, err) : no_memory(err);

	if (r == 0)
		r = build_config_write(before.data ? before.data : "", before.len, b->rt, diff_id,
		                       corral_wall_ms(), &config, err);
	if (r < 0)
		return r;
	corral_digest_of(config.data, config.len, config_id);
	r = blob_put(b->s, config_id, &config, err);
	if (r == 0)
		r = image_fill(b, &config, config_id, diff_id, i, err);
	if (r == 0)
		r = corral_image_commit(b->s, i, b->tag, &b->bounds, err);
	if (r == 0)
		*ret = corral_take_ptr(&i);
	return r;
}

static bool has_steps(const struct corral_runtime *rt)
{
	return rt->n_setup_commands || rt->n_packages || rt->has_run_as_uid;
}

/* From before the layer has its name until the image has: nothing is pruned meanwhile. */
static int finish(struct building *b, const char *keep_path, struct corral_image **ret,
                  struct corral_error *err)
{
	char diff_id[CORRAL_DIGEST_SIZE];
	corral_autofd int hold_fd = -1;
	int r = corral_image_store_hold(b->s, &hold_fd, err);

	if (r == 0 && keep_path)
		r = layer_make(b, keep_path, diff_id, err);
	return r == 0 ? image_commit(b, keep_path ? diff_id : NULL, ret, err) : r;
}

static int build(struct building *b, struct corral_image **ret, struct corral_error *err)
{
	corral_autofree char *keep_path = NULL;
	int r = base_open(b, err);

	if (r < 0)
		return r;
	if (b->base->n_layers + has_steps(b->rt) > CORRAL_IMAGE_LAYERS_MAX)
		return corral_error_set(err, E2BIG, "the base image has as many layers as can be");
	log_open(b);
	build_log_init(&b->log, b->log_fd, b->o->progress);
	build_log_say(&b->log, "building %s on %s", b->tag, b->rt->base_image);
	if (!has_steps(b->rt))
		return finish(b, NULL, ret, err);
	r = build_slot_take(corral_image_store_path(b->s), b->o->slots, b->o->progress,
	                    b->deadline_ms, &b->slot, err);
	/* What was waited for is no time of the build's own. */
	deadline_begin(b);
	if (r == 0)
		r = work_begin(b, err);
	if (r == 0 && asprintf(&keep_path, "%s/" KEEP, b->work_path) < 0) {
		keep_path = NULL;
		r = no_memory(err);
	}
	if (r == 0 && !b->o->no_cache)
		r = build_cache_take(corral_image_store_path(b->s), b->rt, BUILD_GUEST_CACHE,
		                     b->o->launcher, &b->cache, err);
	if (r == 0)
		r = steps_run(b, keep_path, err);
	if (r < 0)
		return r;
	build_log_say(&b->log, "keeping what was changed");
	return finish(b, keep_path, ret, err);
}

static int names_make(struct building *b, struct corral_error *err)
{
	if (asprintf(&b->partial_path, "%s/partial", corral_image_store_path(b->s)) < 0)
		b->partial_path = NULL;
	if (asprintf(&b->work_name, "build-%s", b->what) < 0)
		b->work_name = NULL;
	if (!b->partial_path || !b->work_name ||
	    asprintf(&b->work_path, "%s/%s", b->partial_path, b->work_name) < 0) {
		b->work_path = NULL;
		return no_memory(err);
	}
	return 0;
}

static int build_alone(struct building *b, struct corral_image **ret, struct corral_error *err)
{
	int r = names_make(b, err);

	if (r == 0)
		r = build(b, ret, err);
	if (r == 0) {
		build_log_say(&b->log, "built %s", b->tag);
		superseded_remove(b);
	}
	if (r == -EIO) {
		/* With lines of the build's, which clients of the field expect so. */
		struct corral_error why = *err;

		return corral_error_set(err, EIO, "Building %s failed:\n%s", b->tag, why.text);
	}
	return r < 0 ? corral_error_wrap(err, r, "Building %s failed", b->tag) : 0;
}

/* With the turn. began_ms: when it was asked for: what is younger was built for whoever asks. */
static int found(struct building *b, bool any, int64_t began_ms, struct corral_image **ret,
                 struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = corral_runtime_build_find(b->s, b->rt, &i, err);

	if (r == 0 && !any && i->stored_ms < began_ms)
		r = -ENOENT;
	if (r == 0)
		*ret = corral_take_ptr(&i);
	return r;
}

int corral_runtime_build(struct corral_image_store *s, const struct corral_runtime *rt,
                         const struct corral_build_options *o, struct corral_image **ret,
                         struct corral_error *err)
{
	corral_autofree char *tag = NULL, *lock_path = NULL;
	struct corral_error failure = { 0 };
	struct building b = { .s = s,
		              .rt = rt,
		              .o = o,
		              .work_fd = -1,
		              .use_fd = -1,
		              .log_fd = -1,
		              .slot = BUILD_SLOT_INIT,
		              .cache = BUILD_CACHE_INIT };
	struct build_turn turn = { NULL, -1, false };
	bool any = rt->cache_image && !o->no_cache;
	int64_t began_ms = corral_wall_ms();
	int r = corral_runtime_tag(rt, NULL, &tag, err);

	if (r < 0)
		return corral_error_wrap(err, r, "runtime '%.60s'", rt->name);
	b.tag = tag;
	b.what = strchr(tag, ':') + 1;
	b.tick = (struct corral_progress_tick) { o->progress, rt->name, "build" };
	corral_image_bounds_init(&b.bounds, &o->limits, corral_image_store_fd(s));
	b.bounds.tick = (struct corral_image_tick) { corral_progress_tick, &b.tick };
	deadline_begin(&b);
	if (any) {
		r = found(&b, true, 0, ret, err);
		if (r != -ENOENT)
			return r;
	}
	if (asprintf(&lock_path, "%s/partial/build-%s.lock", corral_image_store_path(s), b.what) <
	    0) {
		lock_path = NULL;
		return no_memory(err);
	}
	r = build_turn_take(lock_path, tag, o->progress, b.deadline_ms, &turn, err);
	if (r < 0)
		return r;
	r = any || turn.waited ? found(&b, any, began_ms, ret, &failure) : -ENOENT;
	if (r == -ENOENT) {
		failure = (struct corral_error) { 0 };
		r = build_alone(&b, ret, &failure);
	}
	building_done(&b, r < 0);
	if (corral_image_bounds_is_full(r))
		corral_image_store_sweep(s);
	build_turn_end(&turn, r, &failure);
	if (r < 0 && err)
		*err = failure;
	return r;
}

int corral_runtime_build_remove(struct corral_image_store *s, const char *runtime_name,
                                size_t *ret_n, uint64_t *ret_bytes, struct corral_error *err)
{
	struct corral_images images = { NULL, 0 };
	int r = corral_images_list(s, &images, NULL, err), stays = 0;

	*ret_n = 0;
	*ret_bytes = 0;
	if (r < 0)
		return r;
	for (size_t k = 0; k < images.n; k++) {
		const struct corral_image *i = images.items[k];
		struct corral_image_removal gone = { 0 };

		if (!i->built_for || strcmp(i->built_for, runtime_name) != 0)
			continue;
		r = corral_image_remove(s, i->id, &gone, err);
		if (r < 0)
			stays = r;
		else
			++*ret_n;
		*ret_bytes += gone.bytes;
		corral_image_removal_done(&gone);
	}
	corral_images_done(&images);
	return stays;
}
