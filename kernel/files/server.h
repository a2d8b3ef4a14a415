/*
 * The file server: requests of one socket (wire.h), done in threads, until its end.
 */
#ifndef CORRAL_KERNEL_FILES_SERVER_H
#define CORRAL_KERNEL_FILES_SERVER_H

#include "kernel/files/files.h"
#include "kernel/files/wire.h"

/*
 * Serves sock, which stays the caller's, until the client closes its end; 0 then, after all
 * requests have been given up. -EBADMSG when the client sent what is no message; -ETIMEDOUT when
 * threads hang in the kernel (a file system of the guest's own making) and memory had to be left to
 * them: exit soon.
 */
int corral_files_serve(int sock, const struct corral_files *f);

/* How one request's data comes and goes; serve's, or a test's. */
struct corral_files_call {
	const struct corral_files *f;
	const struct corral_files_asked *asked;
	struct corral_files_stop stop;
	struct corral_files_source source; /* the data of an upload */
	struct corral_files_sink sink;     /* the data of the answer */
	unsigned int reply_flags;          /* set by the call, as are these */
	uint64_t n[3];
};

/* Does what was asked: 0 or -errno with text. */
int corral_files_call_run(struct corral_files_call *call, struct corral_error *err);

/* Whether it may take long, and so must not take the last threads. */
bool corral_files_call_is_long(const struct corral_files_asked *asked);

#endif
