/*
 * The process that stays behind `corral sandbox create`, and is all there is of a daemon: one for
 * each sandbox, which it has opened and which dies with it.
 *
 * Theory of operation: forked off in a session of its own, without any descriptor of the caller's,
 * single-threaded, one poll() over its listening socket, a signalfd, the sandbox and its clients. A
 * client asks for something (tools/talk.h); one that starts a command sends the descriptors that
 * are to be the command's, and gets the master of its terminal, so no byte of the command's passes
 * through here. A command lives no longer than its client's connection. It ends when it is asked
 * to, on SIGTERM, when guest init is gone, or when nothing has run for a given time; and when it is
 * killed, guest init sees the end of its socket, and dies with all that is in the sandbox.
 */
#ifndef CORRAL_TOOLS_HOLDER_H
#define CORRAL_TOOLS_HOLDER_H

#include "kernel/base/error.h"
#include "policy/policy.h"
#include "tools/sandboxes.h"

/* Between SIGTERM and the end of everything, when nobody said otherwise. */
#define CORRAL_STOP_GRACE_MS 5000

struct corral_holder_options {
	const struct corral_policy *policy;
	const char *name; /* "" without */
	uint64_t idle_ms; /* 0: stays until it is stopped */
	/* Of whose files it is made, for those who look for it: an id, where it is kept, and what
	 * tells that place from others. NULL: of none. */
	const char *session, *session_root, *session_key;
};

/*
 * Returns when the sandbox stands ready, or with the error for which there is none. It stays only
 * when *ret_leave_fd is then given to corral_holder_leave(): should we die before anybody has been
 * told its id, it goes as well.
 */
int corral_holder_start(const struct corral_holder_options *o, char ret_id[CORRAL_SANDBOX_ID_SIZE],
                        int *ret_leave_fd, struct corral_error *err);
int corral_holder_leave(int leave_fd, struct corral_error *err);

#endif
