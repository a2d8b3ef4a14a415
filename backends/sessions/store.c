#include "backends/sessions/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* What opening a store may spend on the trash of others. */
#define OPEN_CLEAN_NSEC 10000000
/* A registry cannot even be read without some room beside it, and what makes room is removing. */
#define RESERVE       "reserve"
#define RESERVE_BYTES (1ul << 20)
/* A few pages of the registry and of its journal: with less, it is no help. */
#define RESERVE_LEAST (64ul << 10)

/* With its parents, as the caller's alone. */
static int root_make(const char *root)
{
	char part[PATH_MAX];
	size_t len = strlen(root);

	if (!len || len >= sizeof(part))
		return len ? -ENAMETOOLONG : -ENOENT;
	memcpy(part, root, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] && part[i] != '/')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST && (i == len || errno != EROFS))
			return -errno;
		part[i] = root[i];
	}
	return 0;
}

/*
 * A guest of root's can leave programs that are root's and set-user-ID in its layer: whoever else
 * could come there would be root.
 */
static int root_check(const struct corral_session_store *s, struct corral_error *err)
{
	struct stat st;

	if (fstat(s->root_fd, &st) < 0)
		return corral_error_sys(err, errno, "sessions '%s'", s->root);
	if (st.st_uid != geteuid())
		return corral_error_set(err, EPERM,
		                        "sessions '%s': it is not yours (its owner is %u, you are "
		                        "%u): choose a directory of your own",
		                        s->root, st.st_uid, geteuid());
	/* One such as /tmp is meant for all: nobody should be told to close it. */
	if (st.st_mode & 077 && st.st_mode & S_ISVTX)
		return corral_error_set(err, EPERM,
		                        "sessions '%s': it is shared with others: choose a "
		                        "directory of your own",
		                        s->root);
	if (st.st_mode & 077)
		return corral_error_set(err, EPERM,
		                        "sessions '%s': others may look into it: chmod go-rwx '%s'",
		                        s->root, s->root);
	return 0;
}

static int dir_open(const struct corral_session_store *s, const char *name, int *ret_fd,
                    struct corral_error *err)
{
	if (mkdirat(s->root_fd, name, 0700) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "sessions '%s': create '%s'", s->root, name);
	*ret_fd = openat(s->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0)
		return corral_error_sys(err, errno, "sessions '%s': open '%s'", s->root, name);
	return 0;
}

/* Whether anything was kept there ever; a registry that is gone is for registry_check(). */
static int root_used(const char *root, struct corral_error *err)
{
	corral_autofd int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return corral_error_sys(err, errno, "sessions '%s'", root);
	if (faccessat(fd, "registry.db", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    faccessat(fd, "layers", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT
	               ? corral_error_set(err, ENOENT, "sessions '%s': there are none", root)
	               : corral_error_sys(err, errno, "sessions '%s'", root);
}

static int dirs_open(struct corral_session_store *s, const char *root, struct corral_error *err)
{
	int r;

	s->root = realpath(root, NULL);
	if (s->root)
		s->root_fd = open(s->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->root_fd < 0)
		return corral_error_sys(err, errno, "sessions '%s': open it", root);
	r = root_check(s, err);
	if (r == 0)
		r = dir_open(s, "layers", &s->layers_fd, err);
	if (r == 0)
		r = dir_open(s, "sessions", &s->sessions_fd, err);
	if (r == 0)
		r = dir_open(s, "trash", &s->trash_fd, err);
	s->own = (struct store_place) { s->root_fd, s->layers_fd, s->trash_fd, s->root };
	return r;
}

static bool has_layers(const struct corral_session_store *s)
{
	int fd = openat(s->layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool found = false;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	(void)closedir(dir);
	return found;
}

static bool has_disks(const struct corral_session_store *s)
{
	DIR *dir = store_dir_read(s->sessions_fd);
	bool found = false;
	const char *name;

	while (dir && !found && (name = store_dir_next(dir))) {
		char path[NAME_MAX + sizeof(STORE_DISK) + 1];

		(void)snprintf(path, sizeof(path), "%s/" STORE_DISK, name);
		found = faccessat(s->sessions_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	}
	if (dir)
		(void)closedir(dir);
	return found;
}

/*
 * A new registry would name no layer, and what it does not name is nobody's and goes. Layers are
 * looked for first: whoever is opening the store for the first time makes them last.
 */
static int registry_check(const struct corral_session_store *s, struct corral_error *err)
{
	struct stat st = { .st_size = 0 };

	if ((!has_layers(s) && !has_disks(s)) ||
	    (fstatat(s->root_fd, "registry.db", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size))
		return 0;
	return corral_error_set(
	        err, EIO,
	        "sessions '%s': registry.db is gone, and layers/ and sessions/ hold "
	        "files of sessions that it named: put it back, or move these away "
	        "to begin anew",
	        s->root);
}

static int database_open(struct corral_session_store *s, struct corral_error *err)
{
	corral_autofree char *path = NULL;
	int r = registry_check(s, err);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/registry.db", s->root) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	r = registry_open(path, &s->registry, err);
	return r < 0 ? corral_error_wrap(err, r, "sessions '%s'", s->root) : 0;
}

/*
 * A guest may fill the file system that its session lies on: then this file goes for what somebody
 * does about it, and comes back with the next opening that finds room.
 */
bool store_reserve_give(const struct corral_session_store *s)
{
	return unlinkat(s->root_fd, RESERVE, 0) == 0;
}

static void reserve_take(const struct corral_session_store *s)
{
	corral_autofd int fd = -1;
	struct statvfs fs;
	uint64_t bytes;

	if (faccessat(s->root_fd, RESERVE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    fstatvfs(s->root_fd, &fs) < 0)
		return;
	/* Of a small one its share: it is the one that is full soon. */
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize / 8;
	if (bytes > RESERVE_BYTES)
		bytes = RESERVE_BYTES;
	if (bytes < RESERVE_LEAST)
		return;
	fd = openat(s->root_fd, RESERVE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	            0600);
	if (fd >= 0 && fallocate(fd, 0, 0, (off_t)bytes) < 0)
		(void)unlinkat(s->root_fd, RESERVE, 0);
}

/* One of those who open it does so; what it cannot do keeps nobody from his sessions. */
static void recover(struct corral_session_store *s)
{
	if (flock(s->root_fd, LOCK_EX | LOCK_NB) < 0)
		return;
	(void)store_strays_put(s, NULL);
	(void)store_trash_empty(&s->own, corral_now_nsec() + OPEN_CLEAN_NSEC, NULL);
	(void)flock(s->root_fd, LOCK_UN);
}

static int store_open(const char *root, struct corral_session_store **ret, struct corral_error *err)
{
	struct corral_session_store *s = malloc(sizeof(*s));
	int r;

	if (!s)
		return corral_error_set(err, ENOMEM, "out of memory");
	*s = (struct corral_session_store) {
		.root_fd = -1, .layers_fd = -1, .sessions_fd = -1, .trash_fd = -1
	};
	r = dirs_open(s, root, err);
	if (r == 0)
		r = database_open(s, err);
	if (r < 0 && s->trash_fd >= 0 && store_reserve_give(s))
		r = database_open(s, err);
	if (r < 0) {
		corral_session_store_close(s);
		return r;
	}
	recover(s);
	reserve_take(s);
	*ret = s;
	return 0;
}

int corral_session_store_open(const char *root, struct corral_session_store **ret,
                              struct corral_error *err)
{
	int r = root_make(root);

	if (r < 0)
		return corral_error_sys(err, -r, "sessions '%s': create it", root);
	return store_open(root, ret, err);
}

int corral_session_store_open_existing(const char *root, struct corral_session_store **ret,
                                       struct corral_error *err)
{
	int r = root_used(root, err);

	return r < 0 ? r : store_open(root, ret, err);
}

void corral_session_store_close(struct corral_session_store *s)
{
	if (!s)
		return;
	registry_close(s->registry);
	corral_fd_closep(&s->trash_fd);
	corral_fd_closep(&s->sessions_fd);
	corral_fd_closep(&s->layers_fd);
	corral_fd_closep(&s->root_fd);
	free(s->root);
	free(s);
}

const char *corral_session_store_root(const struct corral_session_store *s)
{
	return s->root;
}
