/*
 * Whose turn it is in a session whose commands run one after the other: a lock on a file of the
 * session's, which the kernel takes back however its owner ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "kernel/base/cleanup.h"
#include "tools/session/commands.h"

static int turn_open(struct corral_call *call, const char *id, int *ret_fd,
                     struct corral_error *err)
{
	corral_autofree char *path = NULL;
	const char *root = corral_session_store_root(call->store);

	if (asprintf(&path, "%s/sessions/%s/turn", root, id) < 0) {
		path = NULL;
		return corral_error_sys(err, ENOMEM, "session %s", id);
	}
	*ret_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? corral_error_sys(err, errno, "session %s: open '%.200s'", id, path)
	                   : 0;
}

int corral_session_turn_take(struct corral_call *call, const char *id, int *ret_fd,
                             struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r = turn_open(call, id, &fd, err);

	if (r < 0)
		return r;
	do {
		r = flock(fd, LOCK_EX);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return corral_error_sys(err, errno, "session %s: wait for its turn", id);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

bool corral_session_turn_is_taken(struct corral_call *call, const char *id)
{
	corral_autofd int fd = -1;

	return turn_open(call, id, &fd, NULL) == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}
