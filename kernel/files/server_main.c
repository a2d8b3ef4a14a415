/*
 * corral-files: the file server as a program. Its socket is descriptor 0, the root of relative
 * paths the directory it starts in. It is embedded in the library, and started inside a sandbox, as
 * the guest.
 */
#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/files/server.h"

int main(void)
{
	struct corral_files *f;
	struct rlimit files;

	/* The guest may do to us what it likes; but not by chance, with a debugger that attaches to
	 * all it sees. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* Threads come and go: they share, rather than each having an arena of their own. */
	(void)mallopt(M_ARENA_MAX, 2);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (corral_files_open(AT_FDCWD, 0, &f, NULL) < 0)
		_exit(1);
	_exit(corral_files_serve(0, f) < 0);
}
