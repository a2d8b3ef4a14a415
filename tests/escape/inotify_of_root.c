/* Way out: all inotify instances of the host's root, which are counted up through the namespaces to
 * whoever made them: systemd, udev and every other sandbox get none any more. */
/* Stopped by: a user namespace that was made by an id of the sandbox's own. Argument: a file to say
 * in that all are taken. */
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define INSTANCES_MAX 1000

ESCAPE(inotify_of_root)
{
	int ready;

	if (run->host)
		return inotify_init1(IN_CLOEXEC) < 0 ? escaped("root has no inotify instance left")
		                                     : HELD;
	for (int i = 0; i < INSTANCES_MAX && inotify_init1(IN_CLOEXEC) >= 0; i++)
		continue;
	ready = open(run->argc ? run->argv[0] : "/said/ready", O_CREAT | O_WRONLY | O_CLOEXEC,
	             0600);
	if (ready < 0 || write(ready, "taken\n", 6) != 6)
		return untried("nobody to say it to");
	(void)sleep(1);
	return HELD;
}
