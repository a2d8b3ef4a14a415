/* Way out: POSIX message queues of the host's programs. */
/* Stopped by: an own ipc namespace. Argument: the name of a queue on the host. */
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>

#include "tests/escape/escape.h"

ESCAPE(posix_mq_host)
{
	const char *name = run->argc ? run->argv[0] : "/corral-escape";
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };

	if (run->host && run->argc > 1)
		return mq_unlink(name);
	if (run->host)
		return mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0666, &attr) < 0 ? UNTRIED : HELD;
	CHECK(refused("mq_open", mq_open(name, O_RDONLY), ENOENT, EPERM, ENOSYS));
	return refused("mq_unlink", mq_unlink(name), ENOENT, EPERM, ENOSYS);
}
