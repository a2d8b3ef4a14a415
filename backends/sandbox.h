/*
 * Backends that run commands. The shell form is what agents use, the argv form what programs use;
 * both end with a receipt.
 */
#ifndef CORRAL_BACKENDS_SANDBOX_H
#define CORRAL_BACKENDS_SANDBOX_H

#include "backends/backend.h"
#include "kernel/receipt.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_EXECUTE_OUTPUT_BYTES 100000u     /* kept of one command, by default */
#define CORRAL_RUN_OUTPUT_BYTES     (10u << 20) /* of one in argv form; more of it ends the command */
#define CORRAL_RUN_STOPPED_BYTES    65536u      /* of each stream of one that was stopped */
#define CORRAL_EXECUTE_TIMED_OUT    124

/* Ends commands from another thread, or before they start. */
struct corral_cancel;
int corral_cancel_new(struct corral_cancel **ret, struct corral_error *err);
void corral_cancel_fire(struct corral_cancel *c);
bool corral_cancel_fired(const struct corral_cancel *c);
void corral_cancel_free(struct corral_cancel *c);

enum corral_stream { CORRAL_STDOUT = 1, CORRAL_STDERR = 2 };

/* Zero is the usual value of every field but timeout_ms. */
struct corral_execute {
	const char *command;    /* for /bin/sh -c; or: */
	char *const *argv;      /* literal, argv[0] looked up in the sandbox's PATH */
	const char *run_id;     /* a name by which corral_backend_stop() ends it; unique among those
	                           that run */
	char *const *env;       /* "K=V", layered over the sandbox's; NULL-terminated */
	const char *guest_dir;  /* NULL: the work directory */
	int64_t timeout_ms;     /* negative: none; 0 has passed already */
	uint64_t output_bytes;  /* kept of both streams together; 0: CORRAL_EXECUTE_OUTPUT_BYTES */
	bool stop_at_limit;     /* more output ends the command, rather than being dropped */
	bool separate;          /* streams apart; otherwise as they would be on a terminal */
	const void *stdin_data; /* NULL: /dev/null */
	size_t stdin_len;
	struct corral_cancel *cancel;
	/* Output as it comes, all of it, on the calling thread; not 0 cancels. */
	int (*on_output)(void *ctx, enum corral_stream stream, const void *data, size_t len);
	void *ctx;
};

struct corral_executed {
	struct corral_buf out, err; /* err only with separate */
	int exit_code;  /* the command's; 128 + N after signal N; 124 timed out; 127, 126 not
	                   executed */
	bool truncated; /* there was more output */
	bool timed_out, cancelled, output_limited;
	struct corral_receipt receipt;
};

/*
 * Runs one command to its end. A command that fails, cannot be executed, times out or is cancelled
 * is a result and 0; -errno when none could be had, -EPIPE when the sandbox went meanwhile. ret is
 * the caller's to give to corral_executed_done() in either case.
 */
int corral_backend_execute(struct corral_backend *b, const struct corral_execute *x,
                           struct corral_executed *ret, struct corral_error *err);
void corral_executed_done(struct corral_executed *x);
/*
 * The text that the protocol gives for it, valid UTF-8, appended to ret: the output, and "Error:
 * Command timed out" where it did; "Error: " and the error's text when err has one.
 */
void corral_executed_text(const struct corral_executed *x, const struct corral_error *err,
                          struct corral_buf *ret);

/* Ends the run of that name: SIGTERM, and after two seconds all of its tree. None is fine. Returns
 * when it is gone, within five seconds. */
int corral_backend_stop(struct corral_backend *b, const char *run_id, struct corral_error *err);

/* Background processes: they outlive the call, and end with the sandbox. Ids are "bg_1", "bg_2",
 * ... and never used again. */
#define CORRAL_SHELL_ID_SIZE 24

struct corral_background {
	char shell_id[CORRAL_SHELL_ID_SIZE];
	const char *command; /* in a list: owned by the list */
	int pid;             /* as the sandbox numbers its processes */
	bool running;
	bool has_exit_code;
	int exit_code; /* negative: minus the signal */
};

struct corral_background_list {
	struct corral_background *items;
	size_t n;
	char *text;
};

int corral_backend_background_start(struct corral_backend *b, const char *command,
                                    struct corral_background *ret, struct corral_error *err);
/* What is new since the last read, appended. Unknown ids: -ESRCH, "No such background shell: ID".
 */
int corral_backend_background_read(struct corral_backend *b, const char *shell_id,
                                   struct corral_buf *out, struct corral_buf *err_out,
                                   struct corral_background *ret, struct corral_error *err);
/* 1 when it was running, 0 when it had ended or is unknown. */
int corral_backend_background_kill(struct corral_backend *b, const char *shell_id,
                                   struct corral_error *err);
int corral_backend_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                   struct corral_error *err);
void corral_background_list_done(struct corral_background_list *l);
/* Kills and forgets all. */
int corral_backend_background_kill_all(struct corral_backend *b, struct corral_error *err);

/* Interactive: a terminal of the sandbox's, and whatever runs on it. */
struct corral_terminal;
struct corral_terminal_options {
	char *const *argv; /* NULL: the user's shell */
	char *const *env;
	const char *guest_dir;
	uint16_t rows, cols;
};
int corral_backend_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                                 struct corral_terminal **ret, struct corral_error *err);
/* The master's descriptor: read and write, non-blocking or not as the caller sets it. Borrowed. */
int corral_terminal_fd(const struct corral_terminal *t);
/* Readable when it has ended. Borrowed. */
int corral_terminal_event_fd(const struct corral_terminal *t);
int corral_terminal_resize(struct corral_terminal *t, uint16_t rows, uint16_t cols,
                           struct corral_error *err);
int corral_terminal_signal(struct corral_terminal *t, int signo, struct corral_error *err);
/* Waits for the end: 0 with the status as a shell says it, -ETIMEDOUT. */
int corral_terminal_wait(struct corral_terminal *t, int timeout_ms, int *ret_status,
                         struct corral_error *err);
void corral_terminal_close(struct corral_terminal *t);

/* Life cycle. Everything starts by itself when it is needed; start() only does it earlier. */
int corral_backend_start(struct corral_backend *b, struct corral_error *err);
bool corral_backend_is_alive(struct corral_backend *b);
/* Ends everything in it; the next call begins anew. Fine when nothing runs. */
int corral_backend_end(struct corral_backend *b, struct corral_error *err);
/* Freezes every process, or lets them go on. */
int corral_backend_pause(struct corral_backend *b, bool paused, struct corral_error *err);

struct corral_usage {
	/* UINT64_MAX: not known here, or no limit. */
	uint64_t memory_bytes, memory_limit_bytes, memory_peak_bytes;
	uint64_t cpu_usec;
	uint64_t pids, pids_limit;
	uint64_t disk_bytes, disk_limit_bytes; /* of its own writable space */
	double cpu_percent; /* since the usage before; 100 is one core; negative: not known */
};
int corral_backend_usage(struct corral_backend *b, struct corral_usage *ret,
                         struct corral_error *err);

/* Wall clock, milliseconds since 1970: when a command or operation last began or ended; and how
 * many are under way. */
int64_t corral_backend_last_activity_ms(const struct corral_backend *b);
unsigned int corral_backend_busy(const struct corral_backend *b);

#ifdef __cplusplus
}
#endif

#endif
