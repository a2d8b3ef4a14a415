#include "kernel/image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/store_state.h"

/* Of which linux/magic.h knows nothing. */
#define CIFS_MAGIC 0xff534d42
#define SMB2_MAGIC 0xfe534d42
#define CEPH_MAGIC 0x00c36400

const char *store_dir_name(enum store_dir dir)
{
	static const char *const names[] = {
		[STORE_BLOBS] = "blobs/sha256", [STORE_LAYERS] = "layers", [STORE_ROOTS] = "roots",
		[STORE_IMAGES] = "images",      [STORE_NAMES] = "names",   [STORE_PINS] = "pins",
		[STORE_PARTIAL] = "partial",
	};

	return names[dir];
}

static int make_all_of(const char *path, struct corral_error *err)
{
	corral_autofree char *part = strdup(path);

	if (!part)
		return corral_error_set(err, ENOMEM, "images '%.200s': out of memory", path);
	for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return corral_error_sys(err, errno, "create '%.200s'", part);
		if (!slash)
			return 0;
		*slash = '/';
	}
}

/* Locks and links are to be had everywhere, and the same for all processes. */
static bool is_of_a_network(int fd)
{
	static const unsigned int kinds[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_MAGIC,
		                              SMB2_MAGIC,      CEPH_MAGIC,      AFS_SUPER_MAGIC,
		                              V9FS_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < CORRAL_COUNT(kinds); i++)
		if ((unsigned int)fs.f_type == kinds[i])
			return true;
	return false;
}

static int check(const struct corral_image_store *s, struct corral_error *err)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return corral_error_sys(err, errno, "look at '%.200s'", s->path);
	if (st.st_uid != geteuid())
		return corral_error_set(err, EPERM,
		                        "images in '%.200s' are those of user %u, and not of %u: "
		                        "choose a directory of your own",
		                        s->path, st.st_uid, geteuid());
	/* One such as /tmp is meant for all: nobody should be told to close it. */
	if (st.st_mode & 077 && st.st_mode & S_ISVTX)
		return corral_error_set(err, EPERM,
		                        "images in '%.200s' would be open to others, who share it: "
		                        "choose a directory of your own",
		                        s->path);
	if (st.st_mode & 077)
		return corral_error_set(err, EPERM,
		                        "images in '%.200s' would be open to others: chmod 700 "
		                        "%.200s",
		                        s->path, s->path);
	if (is_of_a_network(s->fd))
		return corral_error_set(err, EOPNOTSUPP,
		                        "'%.200s' is on a network's filesystem, where no images "
		                        "can be kept",
		                        s->path);
	return 0;
}

static int dirs_open(struct corral_image_store *s, struct corral_error *err)
{
	if (mkdirat(s->fd, "blobs", 0700) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "create '%.200s/blobs'", s->path);
	for (int i = 0; i < STORE_DIRS; i++) {
		const char *name = store_dir_name((enum store_dir)i);

		if (mkdirat(s->fd, name, 0700) < 0 && errno != EEXIST)
			return corral_error_sys(err, errno, "create '%.200s/%s'", s->path, name);
		s->dirs[i] = store_open_beneath(s->fd, name, O_RDONLY | O_DIRECTORY);
		if (s->dirs[i] < 0)
			return corral_error_sys(err, -s->dirs[i], "open '%.200s/%s'", s->path,
			                        name);
	}
	return 0;
}

int corral_image_store_open(const char *path, bool create, struct corral_image_store **ret,
                            struct corral_error *err)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	int r = 0;

	if (path[0] != '/')
		return corral_error_set(err, EINVAL, "images in '%.200s': no absolute path", path);
	s = calloc(1, sizeof(*s));
	if (!s)
		return corral_error_set(err, ENOMEM, "images '%.200s': out of memory", path);
	s->fd = -1;
	for (int i = 0; i < STORE_DIRS; i++)
		s->dirs[i] = -1;
	s->path = strdup(path);
	if (!s->path)
		return corral_error_set(err, ENOMEM, "images '%.200s': out of memory", path);
	for (size_t n = strlen(s->path); n > 1 && s->path[n - 1] == '/'; n--)
		s->path[n - 1] = '\0';
	if (create)
		r = make_all_of(s->path, err);
	if (r < 0)
		return r;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT)
		return corral_error_set(err, ENOENT, "there are no images in '%.200s'", path);
	if (s->fd < 0)
		return corral_error_sys(err, errno, "open '%.200s'", path);
	r = check(s, err);
	if (r == 0)
		r = dirs_open(s, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&s);
	return 0;
}

void corral_image_store_close(struct corral_image_store *s)
{
	if (!s)
		return;
	for (int i = 0; i < STORE_DIRS; i++)
		corral_fd_closep(&s->dirs[i]);
	corral_fd_closep(&s->fd);
	free(s->path);
	free(s);
}

const char *corral_image_store_path(const struct corral_image_store *s)
{
	return s->path;
}

int corral_image_store_hold(struct corral_image_store *s, int *ret_fd, struct corral_error *err)
{
	return store_lock(s, "hold", LOCK_SH, ret_fd, err);
}

int corral_image_store_fd(const struct corral_image_store *s)
{
	return s->fd;
}
