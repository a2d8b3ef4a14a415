/*
 * Sessions whose files lie on a disk of their own (kernel/disk.h). It holds all of what the store
 * holds of others, "layers" and "trash", and is mounted by each process that needs it for as long
 * as it does: for an operation of the store, or as long as a sandbox or a policy is there. All of
 * them see one file system, so that locks of layers mean there what they mean elsewhere.
 *
 * A fork is a copy of it, in which the layers get numbers of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/disk.h"

/* What an operation may spend on what was removed before; and what comes before a sandbox, whose
 * room that is. */
#define OPEN_CLEAN_NSEC  10000000u
#define WRITE_CLEAN_NSEC 1000000000u
#define DRAFT_TRIES      16

void store_place_close(struct store_place *p)
{
	corral_fd_closep(&p->trash_fd);
	corral_fd_closep(&p->layers_fd);
	corral_fd_closep(&p->root_fd);
	free(p->path);
	p->path = NULL;
}

static int dir_open(int root_fd, const char *name, int *ret_fd, struct corral_error *err)
{
	int r = mkdirat(root_fd, name, 0700) < 0 && errno != EEXIST ? -errno : 0;

	if (r == -ENOSPC) {
		corral_disk_reserve_give(root_fd);
		r = mkdirat(root_fd, name, 0700) < 0 ? -errno : 0;
	}
	if (r == 0)
		*ret_fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r < 0 || *ret_fd < 0)
		return corral_error_sys(err, r < 0 ? -r : errno, "open '%s' of a disk", name);
	return 0;
}

static int place_open(int dir_fd, struct store_place *ret, struct corral_error *err)
{
	struct store_place p = { .root_fd = -1, .layers_fd = -1, .trash_fd = -1 };
	int r = corral_disk_open(dir_fd, STORE_DISK, &p.root_fd, err);

	if (r == 0)
		r = dir_open(p.root_fd, "layers", &p.layers_fd, err);
	if (r == 0)
		r = dir_open(p.root_fd, "trash", &p.trash_fd, err);
	if (r == 0 && asprintf(&p.path, "/proc/self/fd/%d", p.root_fd) < 0) {
		p.path = NULL;
		r = corral_error_set(err, ENOMEM, "out of memory");
	}
	if (r < 0)
		store_place_close(&p);
	else
		*ret = p;
	return r;
}

static void reserve_take(const struct store_place *at, const struct corral_runtime *rt)
{
	const struct corral_limits *l = &rt->sandbox->limits;

	corral_disk_reserve_take(at->root_fd, l->disk_bytes, l->disk_inodes);
}

/* What goes is the host's again at once: a disk is seldom mounted for long enough to say so itself.
 */
static void trash_empty(const struct store_session *e, uint64_t for_nsec)
{
	if (store_trash_empty(&e->disk, corral_now_nsec() + for_nsec, NULL))
		corral_disk_trim(e->disk.root_fd);
}

int store_disk_open(struct store_session *e, struct corral_error *err)
{
	int r = place_open(e->fd, &e->disk, err);

	if (r < 0)
		return corral_error_wrap(err, r, "Session '%s'", e->id);
	trash_empty(e, OPEN_CLEAN_NSEC);
	if (e->runtime)
		reserve_take(&e->disk, e->runtime);
	return 0;
}

void store_disk_tidy(struct store_session *e)
{
	struct corral_session_store *s = e->store;

	if (registry_begin(s->registry, REGISTRY_READ, NULL) == 0) {
		(void)store_stray_layers(s, &e->disk, NULL);
		registry_rollback(s->registry);
	}
	trash_empty(e, WRITE_CLEAN_NSEC);
	reserve_take(&e->disk, e->runtime);
}

bool store_disk_is_running(const struct corral_session_store *s, const char *id, int64_t layer)
{
	corral_autofd int dir_fd =
	        openat(s->sessions_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	corral_autofd int root_fd = -1, fd = -1;
	char path[40];

	/* Where nobody has it open nobody has locked anything on it. */
	if (dir_fd < 0 || !corral_disk_is_open(dir_fd, STORE_DISK) ||
	    corral_disk_open(dir_fd, STORE_DISK, &root_fd, NULL) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "layers/%lld", (long long)layer);
	fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

/* --- Drafts --- */

/* Locked, and there: before it was locked somebody may have emptied the trash. */
static int draft_dir(struct store_draft *d, struct corral_error *err)
{
	int trash_fd = d->store->trash_fd;

	for (int i = 0; i < DRAFT_TRIES; i++) {
		struct stat st;
		unsigned long long number;

		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			break;
		(void)snprintf(d->name, sizeof(d->name), "disk.%016llx", number);
		if (mkdirat(trash_fd, d->name, 0700) < 0)
			break;
		d->dir_fd =
		        openat(trash_fd, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (d->dir_fd >= 0 && flock(d->dir_fd, LOCK_EX | LOCK_NB) == 0 &&
		    fstat(d->dir_fd, &st) == 0 && st.st_nlink)
			return 0;
		corral_fd_closep(&d->dir_fd);
	}
	return corral_error_sys(err, errno ? errno : EAGAIN, "create a directory in 'trash'");
}

void store_draft_end(struct store_draft *d)
{
	store_place_close(&d->place);
	if (d->dir_fd < 0)
		return;
	(void)unlinkat(d->dir_fd, STORE_DISK, 0);
	(void)unlinkat(d->store->trash_fd, d->name, AT_REMOVEDIR);
	corral_fd_closep(&d->dir_fd);
}

int store_draft_make(const struct corral_session_store *s, const struct corral_runtime *rt,
                     struct store_draft *ret, struct corral_error *err)
{
	const struct corral_limits *l = &rt->sandbox->limits;
	int r;

	if (!l->disk_bytes)
		return corral_error_set(
		        err, EINVAL, "disk_backing: an image file takes a limit: name one (disk)");
	r = corral_disk_possible(err);
	if (r < 0)
		return corral_error_wrap(err, r, "disk_backing: no image file can be had here");
	ret->store = s;
	r = draft_dir(ret, err);
	if (r == 0)
		r = corral_disk_make(ret->dir_fd, STORE_DISK, l->disk_bytes, l->disk_inodes, err);
	if (r == 0)
		r = place_open(ret->dir_fd, &ret->place, err);
	if (r == 0)
		reserve_take(&ret->place, rt);
	return r;
}

int store_draft_copy(struct store_session *from, struct store_draft *ret, struct corral_error *err)
{
	int r;

	ret->store = from->store;
	r = draft_dir(ret, err);
	if (r == 0)
		r = corral_disk_copy(from->fd, STORE_DISK, from->disk.root_fd, ret->dir_fd,
		                     STORE_DISK, err);
	return r < 0 ? r : place_open(ret->dir_fd, &ret->place, err);
}

int store_draft_place(struct store_draft *d, const char *id, struct corral_error *err)
{
	const struct corral_session_store *s = d->store;
	corral_autofd int fd =
	        openat(s->sessions_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* The registry is to name what is there after a loss of power. */
	if (fd < 0 || syncfs(d->place.layers_fd) < 0 ||
	    renameat(d->dir_fd, STORE_DISK, fd, STORE_DISK) < 0 || fsync(fd) < 0 ||
	    fsync(s->sessions_fd) < 0)
		return corral_error_sys(err, errno, "place 'sessions/%s/" STORE_DISK "'", id);
	return 0;
}
