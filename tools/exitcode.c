#include "tools/exitcode.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "kernel/base/cleanup.h"

#define OWN (-1) /* what the command ended with: its status, or 128 and its signal */

static const int by_reason[] = {
	[CORRAL_REASON_EXIT] = OWN,
	[CORRAL_REASON_SIGNAL] = OWN,
	[CORRAL_REASON_TIMEOUT] = CORRAL_EXIT_TIMEOUT,
	[CORRAL_REASON_OOM] = CORRAL_EXIT_SIGNAL + SIGKILL,
	[CORRAL_REASON_PIDS] = OWN,
	[CORRAL_REASON_DISK] = OWN,
	[CORRAL_REASON_OUTPUT] = CORRAL_EXIT_SIGNAL + SIGKILL,
	[CORRAL_REASON_KILLED] = CORRAL_EXIT_SIGNAL + SIGKILL,
};

int corral_exit_status(const struct corral_receipt *r)
{
	int status = OWN;

	if (r->exec_error)
		return r->exec_error == ENOENT || r->exec_error == ENOTDIR
		               ? CORRAL_EXIT_NOT_FOUND
		               : CORRAL_EXIT_CANNOT_EXECUTE;
	if ((size_t)r->reason < CORRAL_COUNT(by_reason))
		status = by_reason[r->reason];
	if (status != OWN)
		return status;
	return r->signal ? CORRAL_EXIT_SIGNAL + r->signal : r->exit_code & 0xff;
}
