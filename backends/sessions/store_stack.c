/*
 * A session's layers for readers: each is locked as long as it is read, so that it is not taken
 * away. The topmost is not locked itself, as a sandbox would find it taken, but by "w2" in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"
#include "kernel/keep.h"

static int layer_hold(const struct store_session *e, int64_t number, int *ret_fd,
                      struct corral_error *err)
{
	corral_autofd int fd = -1;
	int layers_fd = store_place_of(e)->layers_fd, r;
	char name[32];

	store_layer_name(number, name);
	if (number == e->layer) {
		(void)snprintf(name, sizeof(name), "%lld/w2", (long long)number);
		/* A sandbox that did not come to be took it away. */
		(void)mkdirat(layers_fd, name, 0755);
	}
	fd = openat(layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : corral_keep_lock(fd, LOCK_SH);
	if (r < 0)
		return corral_error_sys(err, -r, "hold layer %s", name);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

/* What a sandbox has beneath its layers: the host's directory, or nothing that is anywhere. */
static int base_put(const struct store_session *e, struct corral_session_stack *k,
                    struct corral_error *err)
{
	const struct corral_runtime *rt = e->runtime;
	bool directory = rt->rootfs && strcmp(rt->rootfs, "host") != 0, host;
	int image_fd = -1, r = store_image_root(e, &k->rootfs, &image_fd, err);

	if (r < 0)
		return r;
	k->image_fd = image_fd + 1;
	k->guest_work_dir = strdup(rt->work_dir);
	if (directory)
		k->rootfs = strdup(rt->rootfs);
	if (!k->guest_work_dir || (directory && !k->rootfs))
		return corral_error_set(err, ENOMEM, "out of memory");
	if (k->image_fd > 0)
		r = corral_image_directory(k->rootfs, rt->work_dir, &k->work_dir_base, err);
	if (r < 0)
		return r;
	host = !k->rootfs;
	k->stack.base_paths[CORRAL_LAYER_PART_ROOT] = k->rootfs;
	k->stack.base_paths[CORRAL_LAYER_PART_USR] = host ? "/usr" : NULL;
	k->stack.base_paths[CORRAL_LAYER_PART_WORK_DIR] = k->work_dir_base;
	k->stack.guest_paths[CORRAL_LAYER_PART_ROOT] = "/";
	k->stack.guest_paths[CORRAL_LAYER_PART_USR] = "/usr";
	k->stack.guest_paths[CORRAL_LAYER_PART_WORK_DIR] = k->guest_work_dir;
	return 0;
}

/* Mounted as long as the stack is read, which may be longer than the session is open. */
static int disk_hold(const struct store_session *e, struct corral_session_stack *k,
                     struct corral_error *err)
{
	int fd = e->has_disk ? fcntl(e->disk.root_fd, F_DUPFD_CLOEXEC, 3) : -1;

	if (e->has_disk && fd < 0)
		return corral_error_sys(err, errno, "hold the disk");
	k->disk_fd = fd + 1;
	return 0;
}

int store_stack_fill(const struct store_session *e, const struct store_numbers *layers,
                     struct corral_session_stack *ret, struct corral_error *err)
{
	corral_auto(corral_session_stack_close) struct corral_session_stack k = { 0 };
	struct store_place at;
	char disk_path[40];
	int r = 0;

	if (layers->n > CORRAL_COUNT(k.lock_fds))
		return corral_error_set(err, E2BIG,
		                        "Session '%s': it has %zu layers, more than %zu", e->id,
		                        layers->n, CORRAL_COUNT(k.lock_fds));
	k.paths = calloc(layers->n + 1, sizeof(*k.paths));
	if (!k.paths)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = base_put(e, &k, err);
	if (r == 0)
		r = disk_hold(e, &k, err);
	(void)snprintf(disk_path, sizeof(disk_path), "/proc/self/fd/%d", k.disk_fd - 1);
	at.path = e->has_disk ? disk_path : e->store->root;
	k.stack.paths = (const char *const *)k.paths;
	for (size_t i = 0; r == 0 && i < layers->n; i++) {
		r = layer_hold(e, layers->items[i], &k.lock_fds[i], err);
		if (r < 0)
			break;
		k.stack.n++;
		k.paths[i] = store_layer_path(&at, layers->items[i], "");
		if (!k.paths[i])
			r = corral_error_set(err, ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	*ret = k;
	memset(&k, 0, sizeof(k));
	return 0;
}

int corral_session_stack_open(struct corral_session_store *s, const char *id,
                              struct corral_session_stack *ret, struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	store_autonumbers struct store_numbers layers = { 0 };
	int r = store_session_open(s, id, &session, err);

	if (r == 0)
		r = registry_begin(s->registry, REGISTRY_READ, err);
	if (r < 0)
		return r;
	r = store_layer_chain(s, session.layer, &layers, err);
	registry_rollback(s->registry);
	return r < 0 ? r : store_stack_fill(&session, &layers, ret, err);
}

void corral_session_stack_close(struct corral_session_stack *k)
{
	for (size_t i = 0; i < k->stack.n; i++) {
		free(k->paths[i]);
		corral_fd_closep(&k->lock_fds[i]);
	}
	free(k->paths);
	free(k->guest_work_dir);
	free(k->rootfs);
	free(k->work_dir_base);
	if (k->image_fd)
		(void)close(k->image_fd - 1);
	if (k->disk_fd)
		(void)close(k->disk_fd - 1);
	memset(k, 0, sizeof(*k));
}
