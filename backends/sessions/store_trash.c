/*
 * On its way out: a rename takes away what may take long to remove. Whoever still reads or runs
 * over a layer has it locked, so that it stays where it is until the next clean.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/keep.h"

#define NAMES_TRIED 16

int store_trash_put(const struct store_place *at, int dir_fd, const char *name)
{
	char unique[NAME_MAX];
	unsigned long long number;

	for (int i = 0; i < NAMES_TRIED; i++) {
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return -errno;
		/* A number of a layer that never came to be is given again. */
		(void)snprintf(unique, sizeof(unique), "%.64s.%016llx", name, number);
		if (renameat2(dir_fd, name, at->trash_fd, unique, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}

/* Everybody's lock on the directory; -EBUSY. */
static int lock_all(int fd, int *ret_readers_fd)
{
	corral_autofd int readers_fd = -1;

	if (corral_keep_lock(fd, LOCK_EX) < 0)
		return -EBUSY;
	readers_fd = openat(fd, "w2", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (readers_fd >= 0 && corral_keep_lock(readers_fd, LOCK_EX) < 0)
		return -EBUSY;
	*ret_readers_fd = corral_take_fd(&readers_fd);
	return 0;
}

int store_trash_layer(const struct store_place *at, int64_t number)
{
	corral_autofd int fd = -1, readers_fd = -1;
	char name[24];
	int r;

	store_layer_name(number, name);
	fd = openat(at->layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOTDIR)
		return store_trash_put(at, at->layers_fd, name);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = lock_all(fd, &readers_fd);
	if (r < 0)
		return r;
	/* Moving a directory changes its "..", which takes the right to write to it. */
	store_layer_freeze(fd, false);
	r = store_trash_put(at, at->layers_fd, name);
	store_layer_freeze(fd, true);
	return r;
}

static int trash_remove(const struct store_place *at, const char *name, uint64_t deadline_nsec,
                        struct corral_session_cleaned *told)
{
	corral_autofd int fd = -1, readers_fd = -1;
	corral_autofree char *path = NULL;
	uint64_t bytes = 0, files = 0;

	fd = openat(at->trash_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) /* nothing of ours, or gone */
		return unlinkat(at->trash_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (lock_all(fd, &readers_fd) < 0) /* somebody else is at it */
		return 0;
	store_layer_freeze(fd, false);
	if (told && asprintf(&path, "%s/trash/%s", at->path, name) > 0 &&
	    corral_layer_usage(path, &bytes, &files, NULL) == 0)
		told->bytes += bytes;
	if (told && faccessat(fd, "u0", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		told->layers++;
	return corral_layer_remove_until(at->trash_fd, name, deadline_nsec, NULL);
}

DIR *store_dir_read(int dir_fd)
{
	/* A file description of its own, for its own position. */
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		(void)close(fd);
	return dir;
}

const char *store_dir_next(DIR *dir)
{
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	return NULL;
}

bool store_trash_empty(const struct store_place *at, uint64_t deadline_nsec,
                       struct corral_session_cleaned *told)
{
	DIR *dir = store_dir_read(at->trash_fd);
	bool had_any = false;
	const char *name;

	while (dir && (name = store_dir_next(dir))) {
		int r = trash_remove(at, name, deadline_nsec, told);

		had_any = true;
		if (r == -ETIMEDOUT)
			break;
		if (r < 0 && told)
			told->failed++;
	}
	if (dir)
		(void)closedir(dir);
	return had_any;
}

static int compare_numbers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

int64_t store_layer_number(const char *name)
{
	char again[24];
	int64_t number = strtoll(name, NULL, 10);

	store_layer_name(number, again);
	return number > 0 && strcmp(name, again) == 0 ? number : 0;
}

int store_stray_layers(struct corral_session_store *s, const struct store_place *at,
                       struct corral_error *err)
{
	store_autonumbers struct store_numbers known = { 0 };
	struct registry *g = s->registry;
	const char *name;
	DIR *dir;
	int r = registry_ask(g, REGISTRY_LAYER_NUMBERS, NULL, err);

	while (r == 0 && (r = registry_next(g, REGISTRY_LAYER_NUMBERS, err)) > 0)
		r = store_numbers_add(&known, registry_number(g, REGISTRY_LAYER_NUMBERS, 0), err);
	if (r < 0) {
		registry_stop(g, REGISTRY_LAYER_NUMBERS);
		return r;
	}
	dir = store_dir_read(at->layers_fd);
	if (!dir)
		return corral_error_sys(err, errno, "read 'layers'");
	while ((name = store_dir_next(dir))) {
		int64_t number = store_layer_number(name);

		if (!number)
			(void)store_trash_put(at, at->layers_fd, name);
		else if (!known.n ||
		         !bsearch(&number, known.items, known.n, sizeof(number), compare_numbers))
			(void)store_trash_layer(at, number);
	}
	(void)closedir(dir);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int stray_sessions(struct corral_session_store *s, struct corral_error *err)
{
	corral_auto(store_ids_done) struct store_ids known = { 0 };
	const char *name;
	DIR *dir;
	int r = store_ids_get(s, &known, err);

	if (r < 0)
		return r;
	dir = store_dir_read(s->sessions_fd);
	if (!dir)
		return corral_error_sys(err, errno, "read 'sessions'");
	while ((name = store_dir_next(dir)))
		if (!known.n ||
		    !bsearch(name, known.items, known.n, sizeof(*known.items), compare_names))
			(void)store_trash_put(&s->own, s->sessions_fd, name);
	(void)closedir(dir);
	return 0;
}

int store_strays_put(struct corral_session_store *s, struct corral_error *err)
{
	int r = registry_begin(s->registry, REGISTRY_WRITE, err);

	if (r < 0)
		return r;
	r = store_stray_layers(s, &s->own, err);
	if (r == 0)
		r = stray_sessions(s, err);
	registry_rollback(s->registry);
	return r;
}
