#include "kernel/layers/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/files/names.h"

#define TRUSTED "trusted.overlay."
#define USER    "user.overlay."

const char *const layer_part_names[CORRAL_LAYER_PARTS] = { "u0", "u1", "u2" };

int layer_open(const char *path, int *ret_fd, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "layer '%s'", path);
	if (st.st_uid != geteuid())
		return corral_error_set(err, EPERM,
		                        "layer '%s': it is not yours (its owner is %u, you are "
		                        "%u): only who made it can read all of it",
		                        path, st.st_uid, geteuid());
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

int layer_part_open(int layer_fd, const char *path, enum corral_layer_part part, int *ret_fd,
                    struct corral_error *err)
{
	const char *name = layer_part_names[part];
	mode_t mode;
	/* A guest may have closed its own root. */
	int fd = files_open_dir(layer_fd, name, false, &mode);

	if (fd < 0 && fd != -ENOENT)
		return corral_error_sys(err, -fd, "layer '%s': open '%s'", path, name);
	*ret_fd = fd < 0 ? -1 : fd;
	return 0;
}

static int base_open(const struct corral_layer_stack *stack, enum corral_layer_part part,
                     struct view *v, struct corral_error *err)
{
	int *fd = &v->fds[v->base];

	if (*fd >= 0 || !stack->base_paths[part])
		return 0;
	*fd = open(stack->base_paths[part], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? corral_error_sys(err, errno, "base '%s'", stack->base_paths[part]) : 0;
}

int view_open(const struct corral_layer_stack *stack, enum corral_layer_part part, struct view *ret,
              struct corral_error *err)
{
	struct view v = { .n = stack->n + 2, .base = stack->n, .trusted = geteuid() == 0 };
	int r = 0;

	if (stack->n > CORRAL_LAYERS_MAX)
		return corral_error_set(err, E2BIG, "layers: %zu of them: there are at most %d",
		                        stack->n, CORRAL_LAYERS_MAX);
	memset(v.fds, 0xff, sizeof(v.fds));
	v.base_mask = 1u << stack->n;
	for (size_t i = 0; r == 0 && i < stack->n; i++) {
		corral_autofd int layer = -1;
		mode_t mode;
		int begun;

		r = layer_open(stack->paths[i], &layer, err);
		if (r == 0)
			r = layer_part_open(layer, stack->paths[i], part, &v.fds[i], err);
		if (r < 0 || part != CORRAL_LAYER_PART_ROOT)
			continue;
		begun = files_open_dir(layer, LAYER_BEGIN, false, &mode);
		if (begun < 0)
			continue;
		corral_fd_closep(&v.fds[v.base]);
		v.fds[v.base] = begun;
		v.base_of = i;
	}
	v.base_is_copied = !v.trusted && v.fds[v.base] >= 0;
	if (r == 0)
		r = base_open(stack, part, &v, err);
	if (r == 0 && part == CORRAL_LAYER_PART_ROOT && stack->template_path) {
		int *fd = &v.fds[v.base + 1];

		*fd = open(stack->template_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (*fd < 0)
			r = corral_error_sys(err, errno, "template '%s'", stack->template_path);
	}
	if (r < 0)
		view_close(&v);
	else
		*ret = v;
	return r;
}

void view_close(struct view *v)
{
	for (size_t i = 0; i < v->n; i++)
		corral_fd_closep(&v->fds[i]);
}

/* As text; -1 without one, or without the permission to see it. */
static ssize_t mark_get(int dir_fd, const char *name, bool trusted, const char *mark, char *value,
                        size_t size)
{
	char path[320], key[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	(void)snprintf(key, sizeof(key), "%s%s", trusted ? TRUSTED : USER, mark);
	return lgetxattr(path, key, value, size);
}

char mark_opaque(int dir_fd, const char *name, bool trusted)
{
	char value[2];

	if (mark_get(dir_fd, name, trusted, "opaque", value, sizeof(value)) != 1)
		return 0;
	if (value[0] != 'y' && value[0] != 'x')
		return 0;
	return value[0];
}

bool mark_whiteout(int dir_fd, const char *name, const struct stat *st, bool trusted)
{
	char value[2];

	if (S_ISCHR(st->st_mode))
		return st->st_rdev == makedev(0, 0);
	/* Since Linux 6.7, where a whole overlay lies in a layer. */
	return S_ISREG(st->st_mode) && st->st_size == 0 &&
	       mark_get(dir_fd, name, trusted, "whiteout", value, sizeof(value)) >= 0 &&
	       mark_opaque(dir_fd, ".", trusted) == 'x';
}

int view_find(const struct trail *t, uint32_t mask, const char *name, bool trusted,
              struct found *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < t->width; i++) {
		int fd = trail_fd(t, i);
		struct stat st;

		if (!(mask >> i & 1) || fd < 0)
			continue;
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			/* Nobody without permission to go through it sees what is in it. */
			if (errno == ENOENT || errno == EACCES)
				continue;
			return -errno;
		}
		if (mark_whiteout(fd, name, &st, trusted))
			return 0;
		if (!ret->there) {
			ret->there = true;
			ret->tree = i;
			ret->st = st;
		}
		/* What is no directory ends one that lies above it, and hides all below. */
		if (!S_ISDIR(st.st_mode))
			return 0;
		ret->mask |= 1u << i;
		if (mark_opaque(fd, name, trusted) == 'y')
			return 0;
	}
	return 0;
}
