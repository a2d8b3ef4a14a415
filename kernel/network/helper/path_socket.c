#include "kernel/network/helper/path_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/* bind(2) and connect(2) know no directory descriptor: the process, which has no other thread yet
 * and no other use for it, is in that directory for a moment. */
struct place {
	int dir_fd;
	struct sockaddr_un address; /* of the last name alone */
};

static void leave(struct place *p)
{
	(void)!chdir("/");
	corral_fd_closep(&p->dir_fd);
}
#define autoplace corral_auto(leave)

static int go_there(const char *path, struct place *ret, struct corral_error *err)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	const char *name = strrchr(path, '/');
	char dir[PATH_MAX];
	struct stat st;

	*ret = (struct place) { -1, { .sun_family = AF_UNIX } };
	if (!name || path[0] != '/' || (size_t)(name - path) >= sizeof(dir) || !name[1])
		return corral_error_set(err, EINVAL, "'%.100s' is no path of a socket", path);
	if (strlen(name + 1) >= sizeof(ret->address.sun_path))
		return corral_error_set(err, EINVAL, "'%.100s...' is too long for a socket", path);
	memcpy(ret->address.sun_path, name + 1, strlen(name + 1));
	memcpy(dir, path, (size_t)(name - path));
	memcpy(dir + (name - path), name == path ? "/" : "", name == path ? 2 : 1);
	ret->dir_fd = (int)syscall(SYS_openat2, AT_FDCWD, dir, &how, sizeof(how));
	if (ret->dir_fd < 0 && errno == ELOOP)
		return corral_error_set(err, ELOOP,
		                        "there is a symbolic link on the way to '%s', and corral "
		                        "follows none there: write where it leads",
		                        path);
	if (ret->dir_fd < 0 || fstat(ret->dir_fd, &st) < 0)
		return corral_error_sys(err, errno, "open '%s'", dir);
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return corral_error_set(err, EACCES,
		                        "everybody may replace what is in '%s': use a directory of "
		                        "your own, or chmod o-w",
		                        dir);
	return fchdir(ret->dir_fd) < 0 ? corral_error_sys(err, errno, "enter '%s'", dir) : 0;
}

/* Left by somebody who was killed. */
static bool is_dead(const struct place *p)
{
	corral_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || lstat(p->address.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	return connect(fd, (const struct sockaddr *)&p->address, sizeof(p->address)) < 0 &&
	       errno == ECONNREFUSED;
}

int corral_net_path_bind(const char *path, int fd, struct corral_error *err)
{
	autoplace struct place p;
	mode_t old;
	int r = go_there(path, &p, err);

	if (r < 0)
		return r;
	if (is_dead(&p))
		(void)unlink(p.address.sun_path);
	old = umask(0177);
	r = bind(fd, (const struct sockaddr *)&p.address, sizeof(p.address)) < 0 ? -errno : 0;
	(void)umask(old);
	if (r == -EADDRINUSE)
		return corral_error_set(err, EADDRINUSE,
		                        "there is something at '%s' already, and corral does not "
		                        "replace it",
		                        path);
	return r < 0 ? corral_error_sys(err, -r, "listen at '%s'", path) : 0;
}

void corral_net_path_sweep(const char *path)
{
	autoplace struct place p;

	if (go_there(path, &p, NULL) == 0 && is_dead(&p))
		(void)unlink(p.address.sun_path);
}
