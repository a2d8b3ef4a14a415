/*
 * What keeps an image: sandboxes that run on its root, which hold a lock, and those who will again,
 * who left a pin.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/store_state.h"

static int root_lock_open(const struct corral_image_store *s, const char *hex)
{
	corral_autofd int root =
	        store_open_beneath(s->dirs[STORE_ROOTS], hex, O_RDONLY | O_DIRECTORY);
	int fd;

	if (root < 0)
		return root;
	fd = openat(root, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int corral_image_use(struct corral_image_store *s, const struct corral_image *i,
                     char **ret_root_path, int *ret_fd, struct corral_error *err)
{
	corral_autofd int lock_fd = -1, fd = -1;
	char *path = NULL;
	int r;

	if (!i->root_id || !store_is_hex(i->root_id))
		return corral_error_set(err, EINVAL, "image %.19s... has no root", i->id);
	/* Whoever removes roots asks for their locks while it holds this one. */
	r = store_lock(s, "lock", LOCK_SH, &lock_fd, err);
	if (r < 0)
		return r;
	fd = root_lock_open(s, i->root_id);
	if (fd == -ENOENT)
		return corral_error_set(err, ENOENT,
		                        "image %.19s... is no longer in '%.200s': fetch it again",
		                        i->id, s->path);
	if (fd < 0)
		return corral_error_sys(err, -fd, "open the root of image %.19s...", i->id);
	while (flock(fd, LOCK_SH) < 0)
		if (errno != EINTR)
			return corral_error_sys(err, errno, "lock the root of image %.19s...",
			                        i->id);
	if (asprintf(&path, "%s/roots/%s/tree", s->path, i->root_id) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret_root_path = path;
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

bool store_root_is_used(struct corral_image_store *s, const char *hex)
{
	corral_autofd int fd = root_lock_open(s, hex);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* ---- pins ---- */

/*
 * A pin is a link, to be had at once and whole: its name is of the keeper's path, by digest, and
 * the image; it leads to that path.
 */
#define PIN_SIZE (2 * STORE_HEX + 2)

static void pin_name(const char *keeper_path, const char *hex, char ret[PIN_SIZE])
{
	char keeper[STORE_HEX_SIZE];

	store_hash(keeper_path, strlen(keeper_path), keeper);
	(void)snprintf(ret, PIN_SIZE, "%s.%s", keeper, hex);
}

static bool is_pin(const char *name)
{
	return strlen(name) == PIN_SIZE - 1 && name[STORE_HEX] == '.' &&
	       store_is_hex(name + STORE_HEX + 1);
}

/* Its keeper, if that is there; NULL for one that is none any more. */
static char *keeper_of(const struct corral_image_store *s, const char *pin)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(s->dirs[STORE_PINS], pin, path, sizeof(path) - 1);
	struct stat st;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	/* Unless it is known to be gone, it is there. */
	if (lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	return strdup(path);
}

int corral_image_pin(struct corral_image_store *s, const struct corral_image *i,
                     const char *keeper_path, struct corral_error *err)
{
	const char *hex = store_hex(i->id);
	corral_autofd int lock_fd = -1;
	char name[PIN_SIZE];
	int r;

	if (keeper_path[0] != '/')
		return corral_error_set(err, EINVAL, "'%.200s' keeps no image: no absolute path",
		                        keeper_path);
	r = store_lock(s, "lock", LOCK_SH, &lock_fd, err);
	if (r < 0)
		return r;
	if (!hex || !store_is_there(s, STORE_IMAGES, hex))
		return corral_error_set(err, ENOENT, "image %.19s... is no longer in '%.200s'",
		                        i->id, s->path);
	pin_name(keeper_path, hex, name);
	if (symlinkat(keeper_path, s->dirs[STORE_PINS], name) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "keep image %.19s... for '%.200s'", i->id,
		                        keeper_path);
	return store_sync_dir(s, STORE_PINS, err);
}

static int pins_list(struct corral_image_store *s, struct store_list *ret, struct corral_error *err)
{
	return store_list(s, STORE_PINS, is_pin, ret, err);
}

static int pin_remove(struct corral_image_store *s, const char *pin, struct corral_error *err)
{
	if (unlinkat(s->dirs[STORE_PINS], pin, 0) < 0 && errno != ENOENT)
		return corral_error_sys(err, errno, "remove '%.200s/pins/%s'", s->path, pin);
	return 0;
}

int corral_image_unpin(struct corral_image_store *s, const char *keeper_path,
                       struct corral_error *err)
{
	corral_auto(store_list_done) struct store_list list = { 0 };
	char keeper[STORE_HEX_SIZE];
	int r = pins_list(s, &list, err);

	store_hash(keeper_path, strlen(keeper_path), keeper);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (strncmp(list.v[i], keeper, STORE_HEX) == 0)
			r = pin_remove(s, list.v[i], err);
	return r;
}

int store_pin_find(struct corral_image_store *s, const char *hex, char **ret,
                   struct corral_error *err)
{
	corral_auto(store_list_done) struct store_list list = { 0 };
	int r = pins_list(s, &list, err);

	*ret = NULL;
	for (size_t i = 0; r == 0 && !*ret && i < list.n; i++)
		if (strcmp(list.v[i] + STORE_HEX + 1, hex) == 0)
			*ret = keeper_of(s, list.v[i]);
	return r;
}

int store_pins_clean(struct corral_image_store *s, struct corral_error *err)
{
	corral_auto(store_list_done) struct store_list list = { 0 };
	int r = pins_list(s, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		corral_autofree char *keeper = keeper_of(s, list.v[i]);

		if (!keeper)
			r = pin_remove(s, list.v[i], err);
	}
	return r;
}

int corral_image_pinned(struct corral_image_store *s, const char *keeper_path,
                        struct corral_image **ret, struct corral_error *err)
{
	corral_auto(store_list_done) struct store_list list = { 0 };
	char keeper[STORE_HEX_SIZE];
	int r = pins_list(s, &list, err);

	store_hash(keeper_path, strlen(keeper_path), keeper);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (strncmp(list.v[i], keeper, STORE_HEX) == 0)
			return corral_image_find(s, list.v[i] + STORE_HEX + 1, ret, err);
	return r < 0 ? r : corral_error_set(err, ENOENT, "'%.200s' keeps no image", keeper_path);
}
