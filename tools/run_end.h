/*
 * The end of a run, wherever the command ran: the exit status, and what is told of it. When this is
 * called nothing of it is left, and the terminal is the caller's.
 */
#ifndef CORRAL_TOOLS_RUN_END_H
#define CORRAL_TOOLS_RUN_END_H

#include "kernel/receipt.h"
#include "policy/limits.h"
#include "tools/options.h"
#include "tools/relay.h"

struct corral_run_end {
	const struct corral_options *options;
	const struct corral_relay *relay;
	const struct corral_limits *limits; /* NULL when it did not come to that */
	bool has_receipt;
	struct corral_receipt receipt;
};

/* r: 0, or why it failed, with the text in err. The exit status. */
int corral_run_end_tell(struct corral_run_end *end, int r, struct corral_error *err);

#endif
