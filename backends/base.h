/*
 * Files by way of a shell: for those who can run a command somewhere, in a container of another
 * engine, over ssh, in a machine far away, and have no other way in. They bring an execute; every
 * file operation is made of it.
 *
 * Any POSIX shell will do (dash, bash, ash of busybox), and what a POSIX system has beside it: ls,
 * dd, cat, head, tail, wc, mkdir, mv, rm, rmdir, chmod; find for the searches; base64 or od to
 * read, base64 or a printf that knows octal to write. stat adds the time of change, which is 0
 * without.
 *
 * The execute may be a poor one: what it gives of the output may be cut after output_bytes, need
 * not be told apart from the standard error, and may have lost what is no UTF-8; there is no
 * standard input; no command is longer than 64 KiB. So content goes both ways in pieces and as
 * plain text, and an answer that is not whole is an error (-EIO), never a short file.
 *
 * Paths are those of kernel/files/files.h, not confined: relative ones begin where commands begin,
 * "/" is the guest's. Results, dialects and error texts are those of every backend; globs are
 * matched and lines are searched on this side. Differences:
 * - a rename with CORRAL_FILES_NOREPLACE looks first and moves then;
 * - a glob goes through a link to a directory only where the pattern begins with its plain name;
 * - a grep reads files of up to 64 MiB, larger ones are left out (incomplete);
 * - of a numbered slice of more than 1 MiB no more is read, so an error tells that size.
 *
 * Time: each command has 30 seconds, an operation that carries content ten minutes, a search two.
 */
#ifndef CORRAL_BACKENDS_BASE_H
#define CORRAL_BACKENDS_BASE_H

#include "backends/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Commands that outlive the call which starts them, as backends/sandbox.h promises each. */
struct corral_base_background {
	int (*start)(void *ctx, const char *command, struct corral_background *ret,
	             struct corral_error *err);
	int (*read)(void *ctx, const char *shell_id, struct corral_buf *out,
	            struct corral_buf *err_out, struct corral_background *ret,
	            struct corral_error *err);
	int (*kill)(void *ctx, const char *shell_id, struct corral_error *err);
	int (*list)(void *ctx, struct corral_background_list *ret, struct corral_error *err);
	int (*kill_all)(void *ctx, struct corral_error *err);
};

struct corral_base_options {
	const char *id; /* NULL: a random UUID */
	/*
	 * Runs x to its end, as corral_backend_execute() promises it: ret is zeroed and becomes the
	 * caller's, also on failure. File operations ask for a command with a timeout and for
	 * output_bytes, and nothing else. Several threads call at once. Required.
	 */
	int (*execute)(void *ctx, const struct corral_execute *x, struct corral_executed *ret,
	               struct corral_error *err);
	/* Ends the run of that name; NULL: that is -EOPNOTSUPP. */
	int (*stop)(void *ctx, const char *run_id, struct corral_error *err);
	/* NULL: there are none; else all of it, with the ctx below. Several threads call at once.
	 */
	const struct corral_base_background *background;
	/* Ends all that runs; NULL: nothing does. */
	int (*end)(void *ctx, struct corral_error *err);
	/* With the backend, or NULL; not when it could not be made. */
	void (*close)(void *ctx);
	void *ctx;
	bool one_at_a_time; /* execute is not called by several threads at once */
	/* What execute surely gives of one command's output; 0: CORRAL_EXECUTE_OUTPUT_BYTES. 32768
	 * at least. */
	uint64_t output_bytes;
};

/* A backend of kind "base" that executes and has files, and background processes where the options
 * do; no archives or terminals. -EINVAL for options that make no sense. */
int corral_base_sandbox_new(const struct corral_base_options *options, struct corral_backend **ret,
                            struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
