/* Exit statuses, as users of docker run and timeout expect them. One table. */
#ifndef CORRAL_TOOLS_EXITCODE_H
#define CORRAL_TOOLS_EXITCODE_H

#include "kernel/receipt.h"

enum corral_exit {
	CORRAL_EXIT_TIMEOUT = 124,
	CORRAL_EXIT_FAILED = 125, /* corral itself failed: nothing of the command's */
	CORRAL_EXIT_CANNOT_EXECUTE = 126,
	CORRAL_EXIT_NOT_FOUND = 127,
	CORRAL_EXIT_SIGNAL = 128, /* plus the signal */
};

/* What corral exits with after this receipt. */
int corral_exit_status(const struct corral_receipt *r);

#endif
