#include "backends/docker/socket.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* A full queue of connections has no event that one could wait for. */
#define AGAIN_MS 10

_Static_assert(CORRAL_DOCKER_SOCKET_PATH_MAX == sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
               "the kernel's limit");

int corral_docker_socket_connect(const char *path, int64_t timeout_ms)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	uint64_t end = corral_now_ms() + (uint64_t)timeout_ms;
	corral_autofd int fd = -1;

	if (strlen(path) > CORRAL_DOCKER_SOCKET_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (corral_now_ms() >= end)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, AGAIN_MS);
	}
	return corral_take_fd(&fd);
}

static int explain_denied(const char *path, struct corral_error *err)
{
	struct stat st;
	struct group gr, *group = NULL;
	char room[4096];

	if (stat(path, &st) < 0)
		return corral_error_set(err, EACCES,
		                        "permission denied on unix://%s, in a directory that is "
		                        "closed to this user: use an engine of its own (rootless)",
		                        path);
	if (st.st_gid == 0 || !(st.st_mode & S_IWGRP))
		return corral_error_set(err, EACCES,
		                        "permission denied on unix://%s, which belongs to user %u "
		                        "alone: use a rootless engine, or give the socket a group",
		                        path, st.st_uid);
	(void)getgrgid_r(st.st_gid, &gr, room, sizeof(room), &group);
	if (!group)
		return corral_error_set(err, EACCES,
		                        "permission denied on unix://%s, which belongs to group "
		                        "%u: add the user to it, or use a rootless engine",
		                        path, st.st_gid);
	return corral_error_set(err, EACCES,
	                        "permission denied on unix://%s, which belongs to group '%s': add "
	                        "the user to it, or use a rootless engine",
	                        path, group->gr_name);
}

static int explain_refused(const char *path, struct corral_error *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return corral_error_set(err, ENOTSOCK,
		                        "unix://%s is no socket: name the one that the engine "
		                        "listens on",
		                        path);
	return corral_error_set(err, ECONNREFUSED,
	                        "nobody listens on unix://%s: start the engine (systemctl start "
	                        "docker)",
	                        path);
}

int corral_docker_socket_explain(const char *path, int code, struct corral_error *err)
{
	switch (code) {
	case EACCES:
	case EPERM:
		return explain_denied(path, err);
	case ECONNREFUSED:
		return explain_refused(path, err);
	case ENOENT:
	case ENOTDIR:
		return corral_error_set(err, ENOENT,
		                        "there is no unix://%s: start the engine, or say where it "
		                        "is with DOCKER_HOST",
		                        path);
	case EPROTOTYPE:
		return corral_error_set(err, ENOTSOCK,
		                        "unix://%s is a socket of another kind than engines have",
		                        path);
	case ETIMEDOUT:
		return corral_error_set(err, ETIMEDOUT,
		                        "unix://%s: the engine takes no connections; it hangs or "
		                        "has too many",
		                        path);
	default:
		return corral_error_sys(err, code, "connect to unix://%s", path);
	}
}
