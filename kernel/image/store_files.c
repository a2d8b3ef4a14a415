/*
 * What the store's files do to a disk: names, locks, and how what is made gets its name or goes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/whole.h"
#include "kernel/files/names.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/layers.h"

#define TRASH "trash-"
/* How often a lock is tried that another has. */
#define LOCK_POLL_MS 50

bool store_is_hex(const char *text)
{
	return strlen(text) == STORE_HEX && strspn(text, "0123456789abcdef") == STORE_HEX;
}

const char *store_hex(const char *digest)
{
	if (!digest || strncmp(digest, "sha256:", 7) != 0)
		return NULL;
	return store_is_hex(digest + 7) ? digest + 7 : NULL;
}

void store_hash(const void *data, size_t len, char ret[STORE_HEX_SIZE])
{
	(void)SHA256Data(data, len, ret);
}

void store_name_new(const char *prefix, char ret[STORE_NAME_MAX])
{
	uint64_t number[2] = { 0, 0 };

	/* Before the kernel has any: whoever finds the name taken asks again. */
	(void)!getrandom(number, sizeof(number), 0);
	(void)snprintf(ret, STORE_NAME_MAX, "%s%016llx%016llx", prefix,
	               (unsigned long long)number[0], (unsigned long long)number[1]);
}

int store_open_beneath(int dir_fd, const char *guest_path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do {
		fd = (int)syscall(SYS_openat2, dir_fd, guest_path, &how, sizeof(how));
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int store_clear(int dir_fd, struct corral_error *err)
{
	struct files_names names = { 0 };
	int r = lseek(dir_fd, 0, SEEK_SET) < 0 ? -errno : files_names_read(dir_fd, NULL, &names);

	if (r < 0)
		return corral_error_sys(err, -r, "read a directory");
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = corral_layer_remove(dir_fd, names.v[i].name, err);
	files_names_done(&names);
	return r;
}

/* ---- locks ---- */

static int lock(int fd, int op)
{
	while (flock(fd, op) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Whoever has it may take as long as a registry likes: so nobody waits in the kernel for it. */
static int lock_wait(int fd, const struct corral_image_tick *tick, struct corral_error *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	int r;

	while ((r = lock(fd, LOCK_EX | LOCK_NB)) == -EWOULDBLOCK) {
		r = tick && tick->call ? tick->call(tick->ctx, err) : 0;
		if (r < 0)
			return r;
		(void)nanosleep(&pause, NULL);
	}
	return r < 0 ? corral_error_sys(err, -r, "lock") : 0;
}

int store_lock(struct corral_image_store *s, const char *name, int op, int *ret_fd,
               struct corral_error *err)
{
	corral_autofd int fd = openat(s->fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "open '%.200s/%s'", s->path, name);
	r = lock(fd, op);
	if (r < 0)
		return corral_error_sys(err, -r, "lock '%.200s/%s'", s->path, name);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

/* Whether the name still means what was opened by it, and not another, or nothing. */
static bool is_same(int dir_fd, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int store_partial_take(struct corral_image_store *s, const char *name, bool is_dir,
                       const struct corral_image_tick *tick, int *ret_fd, struct corral_error *err)
{
	int dir_fd = s->dirs[STORE_PARTIAL];

	for (;;) {
		corral_autofd int fd = -1;
		bool made;
		int r;

		if (is_dir) {
			made = mkdirat(dir_fd, name, 0700) == 0;
			if (!made && errno != EEXIST)
				return corral_error_sys(err, errno, "create '%.200s/partial/%s'",
				                        s->path, name);
			fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		} else {
			fd = openat(dir_fd, name,
			            O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
			made = fd >= 0;
			if (!made && errno == EEXIST)
				fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		}
		/* Whoever had it has just named or removed it. */
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return corral_error_sys(err, errno, "open '%.200s/partial/%s'", s->path,
			                        name);
		r = lock_wait(fd, tick, err);
		if (r < 0)
			return r == -ECANCELED || r == -EAGAIN
			               ? r
			               : corral_error_wrap(err, r, "'%.200s/partial/%s'", s->path,
			                                   name);
		if (!is_same(dir_fd, name, fd))
			continue;
		*ret_fd = corral_take_fd(&fd);
		return made;
	}
}

/* ---- names ---- */

bool store_is_there(const struct corral_image_store *s, enum store_dir dir, const char *name)
{
	struct stat st;

	return fstatat(s->dirs[dir], name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_sync_dir(const struct corral_image_store *s, enum store_dir dir, struct corral_error *err)
{
	if (s->unsynced || fsync(s->dirs[dir]) == 0)
		return 0;
	return corral_error_sys(err, errno, "write '%.200s/%s' to disk", s->path,
	                        store_dir_name(dir));
}

int store_sync_all(const struct corral_image_store *s, struct corral_error *err)
{
	if (s->unsynced || syncfs(s->fd) == 0)
		return 0;
	return corral_error_sys(err, errno, "write '%.200s' to disk", s->path);
}

int store_name_it(struct corral_image_store *s, const char *partial, enum store_dir dir,
                  const char *name, struct corral_error *err)
{
	if (renameat(s->dirs[STORE_PARTIAL], partial, s->dirs[dir], name) < 0)
		return corral_error_sys(err, errno, "create '%.200s/%s/%s'", s->path,
		                        store_dir_name(dir), name);
	return store_sync_dir(s, dir, err);
}

int store_trash(struct corral_image_store *s, enum store_dir dir, const char *name,
                struct corral_error *err)
{
	char trash[STORE_NAME_MAX];

	store_name_new(TRASH, trash);
	if (renameat(s->dirs[dir], name, s->dirs[STORE_PARTIAL], trash) < 0 && errno != ENOENT)
		return corral_error_sys(err, errno, "remove '%.200s/%s/%s'", s->path,
		                        store_dir_name(dir), name);
	return 0;
}

static bool is_trash(const char *name)
{
	return strncmp(name, TRASH, strlen(TRASH)) == 0;
}

static bool is_loose(const char *name)
{
	return strncmp(name, STORE_LOOSE_PREFIX, strlen(STORE_LOOSE_PREFIX)) == 0;
}

static bool is_abandoned(const char *name)
{
	return !is_loose(name);
}

uint64_t store_tree_bytes(int dir_fd, const char *name)
{
	uint64_t bytes = 0, files = 0;
	char path[64 + STORE_NAME_MAX];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%.*s", dir_fd, STORE_NAME_MAX, name);
	(void)corral_image_tree_usage(path, NULL, &bytes, &files, NULL);
	return bytes;
}

static int remove_mapped(struct corral_image_store *s, const char *name,
                         const struct corral_image_prune_options *o, struct corral_error *err)
{
	corral_autofree char *path = NULL;

	if (asprintf(&path, "%s/partial", s->path) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	return o->remove(o->remove_ctx, path, name, err);
}

/* Locked by nobody, so nobody's: 1 when it went. */
static int partial_remove(struct corral_image_store *s, const char *name,
                          const struct corral_image_prune_options *o, uint64_t *ret_bytes,
                          struct corral_error *err)
{
	int dir_fd = s->dirs[STORE_PARTIAL], r = 0;
	corral_autofd int fd = -1;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno != EACCES)
			return errno == ENOENT
			               ? 0
			               : corral_error_sys(err, errno, "open '%.200s/partial/%s'",
			                                  s->path, name);
		if (fd >= 0 && (lock(fd, LOCK_EX | LOCK_NB) < 0 || !is_same(dir_fd, name, fd)))
			return 0;
	}
	if (S_ISREG(st.st_mode) && !is_trash(name))
		*ret_bytes += (uint64_t)st.st_blocks * 512;
	else if (S_ISDIR(st.st_mode) && o && o->dry_run)
		*ret_bytes += store_tree_bytes(dir_fd, name);
	if (o && o->dry_run)
		return 0;
	r = corral_layer_remove(dir_fd, name, err);
	if ((r == -EACCES || r == -EPERM) && o && o->remove)
		r = remove_mapped(s, name, o, err);
	return r < 0 ? r : 1;
}

int store_partial_clean(struct corral_image_store *s, enum store_partial which,
                        const struct corral_image_prune_options *o, uint64_t *ret_bytes,
                        struct corral_error *err)
{
	static bool (*const wanted[])(const char *name) = {
		[STORE_TRASH] = is_trash,
		[STORE_LOOSE] = is_loose,
		[STORE_ABANDONED] = is_abandoned,
	};
	struct store_list list = { 0 };
	uint64_t bytes = 0;
	int r_first = 0, r = store_list(s, STORE_PARTIAL, wanted[which], &list, err);

	/* What a build's guests own may be out of an ordinary user's reach: all else goes. */
	for (size_t i = 0; r >= 0 && i < list.n; i++) {
		int one = partial_remove(s, list.v[i], o, &bytes, r_first == 0 ? err : NULL);

		if (one < 0 && r_first == 0)
			r_first = one;
	}
	if (r >= 0 && r_first < 0)
		r = r_first;
	store_list_done(&list);
	if (ret_bytes && r >= 0)
		*ret_bytes += bytes;
	return r < 0 ? r : 0;
}

/* ---- small files ---- */

int store_file_read(int dir_fd, const char *name, size_t max, struct corral_buf *ret)
{
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : corral_buf_read_fd(ret, fd, max);
}

int store_file_write(int dir_fd, const char *name, const void *data, size_t len,
                     struct corral_error *err)
{
	corral_autofd int fd =
	        openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "create '%s'", name);
	r = corral_whole_write(fd, data, len);
	return r < 0 ? corral_error_sys(err, -r, "write '%s'", name) : 0;
}

/* ---- lists ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int store_list(const struct corral_image_store *s, enum store_dir dir,
               bool (*wanted)(const char *name), struct store_list *ret, struct corral_error *err)
{
	corral_autofd int fd = store_open_beneath(s->dirs[dir], ".", O_RDONLY | O_DIRECTORY);
	struct files_names names = { 0 };
	struct store_list list = { 0 };
	int r = fd < 0 ? fd : files_names_read(fd, NULL, &names);

	if (r == 0 && names.truncated)
		r = -EFBIG;
	list.v = r == 0 ? calloc(names.n + 1, sizeof(*list.v)) : NULL;
	if (r == 0 && !list.v)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		if (wanted && !wanted(names.v[i].name))
			continue;
		list.v[list.n] = strdup(names.v[i].name);
		if (!list.v[list.n])
			r = -ENOMEM;
		else
			list.n++;
	}
	files_names_done(&names);
	if (r < 0) {
		store_list_done(&list);
		return corral_error_sys(err, -r, "read '%.200s/%s'", s->path, store_dir_name(dir));
	}
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), by_text);
	*ret = list;
	return 0;
}

void store_list_done(struct store_list *l)
{
	for (size_t i = 0; l->v && i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct store_list) { NULL, 0 };
}
