/* Way out: watches on what of /etc the guest has, which tell it of each program that the host and
 * other sandboxes start, and locks on them, on which others then wait. */
/* Stopped by: /etc being copies, in a layer of which each sandbox's overlay makes files of its own.
 * Argument: a file to say in that all are watched. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define WAIT_MS 2000

static const char *const files[] = { "/etc/ld.so.cache", "/etc/services", "/etc/protocols",
	                             "/etc/ssl/certs" };

/* Where nothing can be id-mapped there is no such layer, and they are the host's. */
static bool is_mounted(const char *path)
{
	static char mounts[65536];

	return read_text("/proc/self/mountinfo", mounts, sizeof(mounts)) > 0 &&
	       strstr(mounts, path);
}

ESCAPE(host_files_watched)
{
	struct pollfd watch = { inotify_init1(IN_CLOEXEC | IN_NONBLOCK), POLLIN, 0 };
	int watched = 0, ready;

	if (watch.fd < 0)
		return untried("no inotify");
	if (!run->open && is_mounted(" /etc/ld.so.cache "))
		return untried("no layer for composed roots on this host");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		/* It stays open: the lock is its. */
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (!run->open)
			(void)flock(fd, LOCK_EX | LOCK_NB);
		watched += inotify_add_watch(watch.fd, files[i], IN_ALL_EVENTS) >= 0;
	}
	if (watched == 0)
		return untried("nothing to watch");
	ready = open(run->argc ? run->argv[0] : "/said/ready", O_CREAT | O_WRONLY | O_CLOEXEC,
	             0600);
	if (ready < 0 || write(ready, "watched\n", 8) != 8)
		return untried("nobody to say it to");
	return poll(&watch, 1, WAIT_MS) > 0 ? escaped("told of what others do with the host's /etc")
	                                    : HELD;
}
