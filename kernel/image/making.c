/*
 * Layers of the store. One in the making is a directory of partial/, locked by its maker.
 *
 * A layer is named before all of it is on disk, so that several are made at once and the disk is
 * waited for once, when their image is committed. Until then it holds a mark: the boot during which
 * it was made, as long as which its files are what was written, on disk or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/life.h"
#include "kernel/base/parse.h"
#include "kernel/image/make.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/layers.h"

#define MARK "unsynced"

struct corral_image_layer_making {
	struct corral_image_store *s;
	char hex[STORE_HEX_SIZE]; /* "": not known yet */
	char name[STORE_NAME_MAX];
	char *path;
	int fd;
	bool named;
};

static int layer_open(const struct corral_image_store *s, const char *hex)
{
	return store_open_beneath(s->dirs[STORE_LAYERS], hex, O_RDONLY | O_DIRECTORY);
}

bool store_layer_is_settled(struct corral_image_store *s, const char *hex)
{
	corral_autofd int fd = layer_open(s, hex);

	return fd >= 0 && faccessat(fd, MARK, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

bool store_layer_is_whole(struct corral_image_store *s, const char *hex)
{
	corral_autobuf struct corral_buf mark = CORRAL_BUF_INIT;
	corral_autofd int fd = layer_open(s, hex);
	char boot[CORRAL_BOOT_ID_SIZE];
	int r;

	if (fd < 0)
		return false;
	r = store_file_read(fd, MARK, 64, &mark);
	return r == -ENOENT ||
	       (r == 0 && mark.data && corral_life_boot(boot) && strcmp(mark.data, boot) == 0);
}

int store_layer_settle(struct corral_image_store *s, const char *hex, struct corral_error *err)
{
	corral_autofd int fd = layer_open(s, hex);

	if (fd < 0 || (unlinkat(fd, MARK, 0) < 0 && errno != ENOENT))
		return corral_error_sys(err, errno, "settle layer %.12s...", hex);
	return 0;
}

uint64_t store_layer_bytes(struct corral_image_store *s, const char *hex)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = layer_open(s, hex);
	uint64_t bytes = 0;

	if (fd < 0 || store_file_read(fd, "bytes", 32, &text) < 0 || !text.data ||
	    corral_parse_u64(text.data, UINT64_MAX, &bytes, NULL) < 0)
		return 0;
	return bytes;
}

bool corral_image_layer_is_there(struct corral_image_store *s, const char *diff_id)
{
	const char *hex = store_hex(diff_id);

	return hex && store_layer_is_whole(s, hex);
}

int corral_image_layer_begin(struct corral_image_store *s, const char *diff_id,
                             const struct corral_image_tick *tick,
                             struct corral_image_layer_making **ret, struct corral_error *err)
{
	const char *hex = diff_id ? store_hex(diff_id) : "";
	struct corral_image_layer_making *m;
	int r;

	if (!hex)
		return corral_error_set(err, EINVAL, "'%.100s' is no digest (sha256:...)", diff_id);
	if (*hex && store_layer_is_whole(s, hex)) {
		*ret = NULL;
		return 0;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return corral_error_set(err, ENOMEM, "begin a layer: out of memory");
	m->s = s;
	m->fd = -1;
	(void)snprintf(m->hex, sizeof(m->hex), "%s", hex);
	if (*hex)
		(void)snprintf(m->name, sizeof(m->name), "layer-%s", hex);
	else
		store_name_new("layer-new-", m->name);
	r = store_partial_take(s, m->name, true, tick, &m->fd, err);
	if (r >= 0 && *hex && store_layer_is_whole(s, hex)) {
		/* Whoever was first has it. */
		corral_image_layer_abandon(m);
		*ret = NULL;
		return 0;
	}
	if (r == 0)
		r = store_clear(m->fd, err);
	if (r >= 0 && asprintf(&m->path, "%s/partial/%s", s->path, m->name) < 0) {
		m->path = NULL;
		r = corral_error_set(err, ENOMEM, "begin a layer: out of memory");
	}
	if (r < 0) {
		corral_image_layer_abandon(m);
		return corral_error_wrap(err, r, "begin a layer");
	}
	*ret = m;
	return 0;
}

const char *corral_image_layer_making_path(const struct corral_image_layer_making *m)
{
	return m->path;
}

static int finish(struct corral_image_layer_making *m, struct corral_error *err)
{
	corral_autofree char *tree = NULL;
	char boot[CORRAL_BOOT_ID_SIZE], text[32];
	uint64_t bytes = 0, files = 0;
	struct stat st;
	int r;

	if (fstatat(m->fd, "tree", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return corral_error_sys(err, errno, "its tree");
	if (!S_ISDIR(st.st_mode))
		return corral_error_sys(err, ENOTDIR, "its tree");
	if (asprintf(&tree, "%s/tree", m->path) < 0) {
		tree = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	r = corral_image_tree_usage(tree, NULL, &bytes, &files, err);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	r = store_file_write(m->fd, "bytes", text, strlen(text), err);
	if (r < 0)
		return r;
	return corral_life_boot(boot) ? store_file_write(m->fd, MARK, boot, strlen(boot), err)
	                              : store_sync_all(m->s, err);
}

int corral_image_layer_commit_take(struct corral_image_layer_making *m, const char *diff_id,
                                   struct corral_error *err)
{
	struct corral_image_store *s = m->s;
	const char *hex = diff_id ? store_hex(diff_id) : *m->hex ? m->hex : NULL;
	int r = hex ? finish(m, err)
	            : corral_error_set(err, EINVAL, "'%.100s' is no digest (sha256:...)",
	                               diff_id ? diff_id : "");
	corral_autofd int lock_fd = -1;

	if (r == 0)
		r = store_lock(s, "lock", LOCK_EX, &lock_fd, err);
	if (r == 0 && !store_layer_is_whole(s, hex)) {
		/* One of before the machine went down. */
		r = store_trash(s, STORE_LAYERS, hex, err);
		if (r == 0)
			r = store_name_it(s, m->name, STORE_LAYERS, hex, err);
		m->named = r == 0;
	}
	corral_fd_closep(&lock_fd);
	if (r < 0)
		(void)corral_error_wrap(err, r, "layer %.12s...", hex ? hex : "");
	corral_image_layer_abandon(m);
	return r;
}

void corral_image_layer_abandon(struct corral_image_layer_making *m)
{
	if (!m)
		return;
	if (m->fd >= 0 && !m->named)
		(void)corral_layer_remove(m->s->dirs[STORE_PARTIAL], m->name, NULL);
	corral_fd_closep(&m->fd);
	free(m->path);
	free(m);
}
