/* Way out: make oneself the last to die when the host is out of memory. */
/* Stopped by: lowering oom_score_adj takes CAP_SYS_RESOURCE on the host, EACCES. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(oom_score_adj)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)run;
	CHECK(refused("writing -1000", write(fd, "-1000", 5), EACCES, EPERM, EBADF));
	return refused("writing -1", write(fd, "-1", 2), EACCES, EPERM, EBADF);
}
