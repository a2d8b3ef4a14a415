#include "kernel/image/apply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/account.h"
#include "policy/guest_path.h"
#include "policy/runtime_build.h"

/* ---- the directory ---- */

static bool is_directory(int root_fd, const char *guest_path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	corral_autofd int fd = (int)syscall(SYS_openat2, root_fd, guest_path, &how, sizeof(how));

	return fd >= 0;
}

static bool has_entries(int dir_fd, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry = NULL;

	if (!d) {
		corral_fd_closep(&fd);
		return false;
	}
	while ((entry = readdir(d)) &&
	       (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")))
		;
	(void)closedir(d);
	return entry != NULL;
}

int corral_image_directory(const char *root_path, const char *guest_path, char **ret,
                           struct corral_error *err)
{
	corral_autofree char *path = NULL;
	corral_autofd int fd = open(root_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? corral_error_sys(err, errno, "open the root of an image") : 0;

	if (r == 0)
		r = corral_guest_path_normalise(guest_path, &path, err);
	if (r < 0)
		return r;
	*ret = NULL;
	if (!path[1] || !has_entries(fd, path + 1))
		return 0;
	return asprintf(ret, "%s%s", root_path, path) < 0
	               ? corral_error_set(err, ENOMEM, "out of memory")
	               : 0;
}

/*
 * Where an image says that its commands start, its own files are: nothing is to be mounted there. A
 * directory that it says and does not have is an empty one, as everybody's.
 */
static int work_dir_put(struct corral_config *c, const struct corral_image *i, int root_fd,
                        struct corral_error *err)
{
	corral_autofree char *path = NULL;
	int r;

	if (c->workspace || c->keep_work_dir || !*i->work_dir)
		return 0;
	r = corral_guest_path_normalise(i->work_dir, &path, err);
	/* What a build put there, as npm does, is the same directory of a runtime's. */
	if (r == 0 && c->work_dir && strcmp(c->work_dir, path) != 0)
		return 0;
	if (r == 0 && !c->work_dir)
		r = corral_config_set_text(&c->work_dir, path, err);
	if (r < 0)
		return corral_error_wrap(err, r, "its work directory");
	c->bare_work_dir = is_directory(root_fd, path);
	return 0;
}

/* ---- the command ---- */

static int command_put(struct corral_config *c, const struct corral_image *i,
                       struct corral_error *err)
{
	corral_autofree char **argv = NULL;
	size_t n = i->n_entrypoint + i->n_command;

	if (c->n_argv || !n)
		return 0;
	argv = calloc(n + 1, sizeof(*argv));
	if (!argv)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t k = 0; k < n; k++)
		argv[k] = k < i->n_entrypoint ? i->entrypoint[k] : i->command[k - i->n_entrypoint];
	if (!*argv[0])
		return 0;
	return corral_config_set_argv(c, argv, n, err);
}

static int say_all(struct corral_config *c, const struct corral_image *i, int root_fd,
                   struct corral_error *err)
{
	int r = 0;

	/* Beneath those that are there: before them; and those of its accounts before these. */
	if (!c->clear_env)
		r = corral_config_put_env(c, i->env, i->n_env, err);
	if (r == 0)
		r = corral_image_account_put(c, root_fd, i->user, err);
	if (r == 0)
		r = work_dir_put(c, i, root_fd, err);
	if (r == 0)
		r = command_put(c, i, err);
	return r;
}

int corral_image_apply(struct corral_image_store *s, struct corral_config *c,
                       struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *root = NULL;
	corral_autofd int lease_fd = -1, root_fd = -1;
	int r;

	if (!c->image || c->rootfs_is_image)
		return 0;
	r = corral_image_find(s, c->image, &i, err);
	if (r < 0)
		return r;
	r = corral_image_use(s, i, &root, &lease_fd, err);
	if (r == 0) {
		root_fd = open(root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (root_fd < 0)
			r = corral_error_sys(err, errno, "open its root");
	}
	if (r == 0)
		r = say_all(c, i, root_fd, err);
	if (r == 0)
		r = corral_config_set_text(&c->rootfs, root, err);
	if (r < 0)
		return corral_error_wrap(err, r, "image '%.100s'", c->image);
	c->rootfs_is_image = true;
	c->rootfs_lease_fd = corral_take_fd(&lease_fd);
	return 0;
}

/* ---- directories ---- */

int corral_rootfs_account_apply(struct corral_config *c, struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r;

	if (!c->user || c->user_is_found || c->image || !c->rootfs || !strcmp(c->rootfs, "host"))
		return 0;
	fd = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* What is wrong with it is said where it is taken. */
	if (fd < 0)
		return c->has_user ? 0
		                   : corral_error_sys(err, errno, "rootfs '%.200s': open it",
		                                      c->rootfs);
	r = corral_image_account_put(c, fd, NULL, err);
	return r < 0 ? corral_error_wrap(err, r, "rootfs '%.200s'", c->rootfs) : 0;
}

/* ---- runtimes ---- */

static int not_there(const struct corral_runtime *rt, struct corral_error *err)
{
	if (rt->image)
		return corral_error_set(
		        err, ENOENT,
		        "its root filesystem is the image '%.100s', which is not in "
		        "corral's store: corral image pull %.100s",
		        rt->image, rt->image);
	return corral_error_set(err, ENOENT,
	                        "its root filesystem is built upon the image '%.100s', and that "
	                        "has not been done here yet: corral runtime build %.200s",
	                        rt->base_image, rt->path ? rt->path : rt->name);
}

bool corral_image_is_built_for(const struct corral_image *i, const struct corral_runtime *rt)
{
	char definition[CORRAL_RUNTIME_DEFINITION_SIZE];

	/* One that only was given such a name is no build; one whose tag is the same for other
	 * steps is none of this. */
	return i->built_for && i->definition && strcmp(i->built_for, rt->name) == 0 &&
	       corral_runtime_definition(rt, NULL, definition, NULL) == 0 &&
	       strcmp(i->definition, definition) == 0;
}

int corral_image_of_runtime(struct corral_image_store *s, const struct corral_runtime *rt,
                            struct corral_image **ret, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *name = NULL;
	int r = corral_runtime_image_name(rt, &name, err);

	if (r < 0)
		return r;
	if (!name) {
		*ret = NULL;
		return 0;
	}
	r = s ? corral_image_find(s, name, &i, err) : -ENOENT;
	if (r == -ENOENT || (r == 0 && !rt->image && !corral_image_is_built_for(i, rt)))
		return not_there(rt, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&i);
	return 0;
}
