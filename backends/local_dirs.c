#include "backends/local_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/names.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* The absolute path of what is open, without what the kernel adds to a name that is gone. */
static int path_of(int fd, char ret[CORRAL_FILES_PATH_MAX])
{
	static const char deleted[] = " (deleted)";
	size_t end = sizeof(deleted) - 1;
	struct stat st;
	char proc[64];
	ssize_t n;

	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, ret, CORRAL_FILES_PATH_MAX - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	if (ret[0] != '/' || n == CORRAL_FILES_PATH_MAX - 1)
		return -ENAMETOOLONG;
	if (fstat(fd, &st) == 0 && !st.st_nlink && (size_t)n > end &&
	    !strcmp(ret + n - end, deleted))
		ret[(size_t)n - end] = '\0';
	return 0;
}

/* "." and ".." taken out as text, doubled slashes as well. */
static int tidy(const char *path, char ret[CORRAL_FILES_PATH_MAX])
{
	size_t n = 0;

	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && !strncmp(path, "..", 2)) {
			while (n && ret[--n] != '/')
				;
		} else if (len != 1 || path[0] != '.') {
			if (n + len + 2 > CORRAL_FILES_PATH_MAX)
				return -ENAMETOOLONG;
			ret[n++] = '/';
			memcpy(ret + n, path, len);
			n += len;
		}
		path += len;
	}
	if (!n)
		ret[n++] = '/';
	ret[n] = '\0';
	return 0;
}

/* Whether the path, relative, stays below where it begins, as text. */
static bool stays_below(const char *rest)
{
	int depth = 0;

	while (*(rest += strspn(rest, "/"))) {
		size_t len = strcspn(rest, "/");

		if (len == 2 && !strncmp(rest, "..", 2))
			depth--;
		else if (len != 1 || rest[0] != '.')
			depth++;
		if (depth < 0)
			return false;
		rest += len;
	}
	return true;
}

static bool names_root(const char *path)
{
	for (; *path; path++)
		if (*path != '/' && (*path != '.' || (path[1] && path[1] != '/')))
			return false;
	return true;
}

/* The directory that the path, tidy, is in: the innermost. NULL when there is none. */
static const struct corral_local_dir *dir_of(const struct corral_local *l, const char *path,
                                             const char **ret_below)
{
	const struct corral_local_dir *found = NULL;

	for (size_t i = 0; i < l->n_dirs; i++) {
		const struct corral_local_dir *d = &l->dirs[i];
		const char *below = corral_names_below(d->path, path);

		if (!below)
			below = corral_names_below(d->written, path);
		if (below && (!found || strlen(below) < strlen(*ret_below))) {
			found = d;
			*ret_below = below;
		}
	}
	return found;
}

static int outside(const struct corral_local *l, const char *path, struct corral_error *err)
{
	corral_autobuf struct corral_buf dirs = CORRAL_BUF_INIT;

	for (size_t i = 0; i < l->n_dirs; i++)
		corral_buf_fmt(&dirs, "%s%s", i ? ", " : "", l->dirs[i].path);
	return corral_error_set(err, EXDEV,
	                        "Access denied: '%.250s' is outside allowed directories (%s)", path,
	                        dirs.data ? dirs.data : "");
}

/* Where the path leads when links are gone through, as far as it can be told; nothing is believed
 * of it but that one might look there. */
static int leads_to(const char *path, char ret[CORRAL_FILES_PATH_MAX])
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	corral_autofd int fd = -1;

	fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	return fd < 0 ? -errno : path_of(fd, ret);
}

/* The last name stays as it is: it may be new, or a link that is meant itself. */
static void follow_parent(const struct corral_local *l, struct corral_local_place *p)
{
	char parent[CORRAL_FILES_PATH_MAX], real[CORRAL_FILES_PATH_MAX],
	        whole[CORRAL_FILES_PATH_MAX];
	const char *slash = strrchr(p->path, '/'), *below = NULL;
	const struct corral_local_dir *dir;

	(void)snprintf(parent, sizeof(parent), "%.*s/.", (int)(slash - p->path), p->path);
	if (leads_to(parent, real) < 0 || corral_names_join(real, slash + 1, whole) < 0)
		return;
	dir = dir_of(l, whole, &below);
	if (!dir || dir == p->dir)
		return;
	p->dir = dir;
	memcpy(p->rest, below, strlen(below) + 1);
}

int corral_local_find(struct corral_local *l, const char *path, struct corral_local_place *ret,
                      struct corral_error *err)
{
	char text[CORRAL_FILES_PATH_MAX];
	const char *below = NULL, *raw;
	size_t len = strlen(path);
	int r;

	ret->local = l;
	ret->written = path;
	if (path[0] == '/' && !names_root(path))
		r = corral_names_join("", path, text);
	else
		r = corral_names_join(l->root, names_root(path) ? "" : path, text);
	if (r == 0)
		r = tidy(text, ret->path);
	if (r < 0)
		return corral_error_sys(err, ENAMETOOLONG, "'%.100s...'", path);
	ret->dir = dir_of(l, ret->path, &below);
	if (!ret->dir)
		return outside(l, path, err);
	/* As it was written where that can be, since links decide what ".." is above. */
	raw = corral_names_below(ret->dir->path, text);
	if (raw && stays_below(raw))
		below = raw;
	(void)snprintf(ret->rest, sizeof(ret->rest), "%s%s", below,
	               below != raw && *below && path[len - 1] == '/' ? "/" : "");
	if (l->n_dirs > 1 && *below)
		follow_parent(l, ret);
	return 0;
}

static int check(const struct corral_local *l, enum corral_backend_op op, const char *written,
                 const char *resolved, struct corral_error *err)
{
	return l->guard.check ? l->guard.check(l->guard.ctx, op, written, resolved, err) : 0;
}

/* The place's op, and what else goes with it. */
static int check_place(const struct corral_local_place *p, const char *written,
                       const char *resolved, struct corral_error *err)
{
	int r = check(p->local, p->op, written, resolved, err);

	if (r == 0 && p->moves)
		r = check(p->local, CORRAL_BACKEND_OP_READ, written, resolved, err);
	return r;
}

/* Asked by kernel/files/ about what it has opened. */
static int pass(void *ctx, int fd, const char *name, const char *path, struct corral_error *err)
{
	const struct corral_local_place *p = ctx;
	char real[CORRAL_FILES_PATH_MAX], whole[CORRAL_FILES_PATH_MAX];
	const char *written;
	int r = path_of(fd, real);

	if (p->other && path == p->other->rest)
		p = p->other;
	written = path ? p->written : NULL;

	if (r == 0)
		r = corral_names_join(real, name ? name : "", whole);
	if (r < 0)
		return corral_error_sys(err, EACCES, "tell what '%.250s' is",
		                        written ? written : "");
	/* What the caller wrote is what it is: asked already. */
	r = path && !strcmp(whole, p->path) ? 0 : check_place(p, written, whole, err);
	if (r == 0 && p->op == CORRAL_BACKEND_OP_GREP)
		r = check(p->local, CORRAL_BACKEND_OP_READ, written, whole, err);
	return r;
}

int corral_local_ask(struct corral_local *l, enum corral_backend_op op, const char *path,
                     int timeout_ms, struct corral_local_place *ret, struct corral_error *err)
{
	int r = corral_local_find(l, path, ret, err);

	if (r < 0)
		return r;
	ret->op = op;
	ret->moves = false;
	ret->other = NULL;
	ret->gate = (struct corral_files_gate) { pass, ret };
	ret->stop = (struct corral_files_stop) {
		.deadline_nsec = corral_now_nsec() + (uint64_t)timeout_ms * 1000000u,
		.gate = l->guard.check ? &ret->gate : NULL,
	};
	return check_place(ret, path, ret->path, err);
}

int corral_local_told(int r, const struct corral_local_place *p, struct corral_error *err)
{
	if (r == -EXDEV)
		return outside(p->local, p->written, err);
	if (r < 0 && r != -ENOMSG && r != -ENOTUNIQ)
		corral_names_error(err, p->rest, p->written);
	return r;
}

bool corral_local_shows(struct corral_local *l, enum corral_backend_op op, const char *path,
                        bool is_link)
{
	char real[CORRAL_FILES_PATH_MAX];

	if (check(l, op, NULL, path, NULL) < 0)
		return false;
	return !is_link || !l->guard.check || leads_to(path, real) < 0 ||
	       check(l, op, NULL, real, NULL) == 0;
}

/* The directory, made with its parents, as the caller would have with mkdir -p. */
static int make_dirs(const char *path)
{
	char part[CORRAL_FILES_PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Open first and named after: nothing can come between. */
static int open_dir(const char *path, int *ret_fd, char **ret_real, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char real[CORRAL_FILES_PATH_MAX];
	int r = 0;

	if (fd < 0 && errno == ENOENT) {
		r = make_dirs(path);
		fd = r < 0 ? -1 : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return corral_error_sys(err, r < 0 ? -r : errno, "open directory '%.250s'", path);
	r = path_of(fd, real);
	if (r < 0)
		return corral_error_sys(err, -r, "find the name of directory '%.250s'", path);
	*ret_real = strdup(real);
	if (!*ret_real)
		return corral_error_set(err, ENOMEM, "local backend: out of memory");
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

/* As it was given, but absolute. */
static char *absolute(const char *path)
{
	char cwd[CORRAL_FILES_PATH_MAX] = "", whole[CORRAL_FILES_PATH_MAX];
	char tidied[CORRAL_FILES_PATH_MAX];

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return NULL;
	if (corral_names_join(cwd, path, whole) < 0 || tidy(whole, tidied) < 0)
		return NULL;
	return strdup(tidied);
}

static int add_dir(struct corral_local *l, const char *path, struct corral_error *err)
{
	struct corral_local_dir *d = &l->dirs[l->n_dirs];
	corral_autofd int fd = -1;
	int r = open_dir(path, &fd, &d->path, err);

	if (r < 0)
		return r;
	l->n_dirs++;
	d->written = absolute(path);
	if (!d->written)
		return corral_error_set(err, ENOMEM, "local backend: out of memory");
	return corral_files_open(fd, CORRAL_FILES_CONFINED, &d->files, err);
}

int corral_local_dirs_open(struct corral_local *l, const struct corral_local_options *o,
                           struct corral_error *err)
{
	size_t n = o->n_allowed_dirs;
	const char *root = o->root_dir ? o->root_dir : n ? o->allowed_dirs[0] : ".";
	int r;

	r = open_dir(root, &l->root_fd, &l->root, err);
	if (r < 0)
		return r;
	l->dirs = calloc(n ? n : 1, sizeof(*l->dirs));
	if (!l->dirs)
		return corral_error_set(err, ENOMEM, "local backend: out of memory");
	if (!n)
		return add_dir(l, root, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_dir(l, o->allowed_dirs[i], err);
	return r;
}

void corral_local_dirs_close(struct corral_local *l)
{
	for (size_t i = 0; i < l->n_dirs; i++) {
		corral_files_close(l->dirs[i].files);
		free(l->dirs[i].path);
		free(l->dirs[i].written);
	}
	free(l->dirs);
	free(l->root);
	corral_fd_closep(&l->root_fd);
}
