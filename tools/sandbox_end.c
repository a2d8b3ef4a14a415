/*
 * The end of sandboxes: asked for, or without asking; and their pauses.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/ask.h"
#include "tools/exitcode.h"
#include "tools/holder.h"
#include "tools/message.h"
#include "tools/sandbox_commands.h"

/* Beyond what commands get: killing, and giving all back. */
#define END_MS  15000
#define GONE_MS 5000

int corral_for_each(struct corral_call *call, int (*act)(struct corral_call *call, const char *word,
                                                         struct corral_error *err))
{
	int status = 0;

	for (size_t i = 0; i < call->n_operands; i++) {
		struct corral_error err = { 0 };

		if (act(call, call->operands[i], &err) < 0)
			status = corral_complain(&err);
	}
	return status;
}

static int tell(struct corral_call *call, const char *word, const char *op,
                struct corral_error *err)
{
	struct corral_record record = { .words = NULL };
	struct corral_talk t = { .words = NULL };
	int r = corral_sandboxes_find(&call->sandboxes, word, &record, err);

	if (r == 0)
		r = corral_ask(&call->sandboxes, &record, op, &t, err);
	corral_talk_done(&t);
	corral_record_done(&record);
	return r;
}

static int pause_one(struct corral_call *call, const char *word, struct corral_error *err)
{
	return tell(call, word, "pause", err);
}

static int resume_one(struct corral_call *call, const char *word, struct corral_error *err)
{
	return tell(call, word, "resume", err);
}

int corral_sandbox_pause(struct corral_call *call, struct corral_error *err)
{
	(void)err;
	return corral_for_each(call, pause_one);
}

int corral_sandbox_resume(struct corral_call *call, struct corral_error *err)
{
	(void)err;
	return corral_for_each(call, resume_one);
}

static bool ended_within(int pidfd, int timeout_ms)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	int n;

	do {
		n = poll(&pfd, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static json_t *stop_words(int64_t grace_ms, bool if_idle)
{
	return json_pack("{s:s, s:I, s:b}", "op", "stop", "grace_ms", (json_int_t)grace_ms,
	                 "if_idle", if_idle);
}

/*
 * The holder's process: 1, or 0 when it has ended. Its number is its own for as long as it lives,
 * which is looked at again after the number was used.
 */
static int holder_open(const struct corral_sandboxes *s, const struct corral_record *r,
                       int *ret_pidfd, struct corral_error *err)
{
	struct corral_record again = { .words = NULL };
	corral_autofd int fd = pidfd_open(r->holder_pid, 0);
	int status;

	if (fd < 0 && errno == ESRCH)
		return 0;
	if (fd < 0)
		return corral_error_sys(err, errno, "sandbox %s: its holder, process %d", r->id,
		                        r->holder_pid);
	status = corral_sandboxes_find(s, r->id, &again, err);
	corral_record_done(&again);
	if (status == -ENOENT)
		return 0;
	if (status < 0)
		return status;
	*ret_pidfd = corral_take_fd(&fd);
	return 1;
}

/* With its holder goes all that is in the sandbox; what is left of it is files. */
static int holder_kill(const struct corral_sandboxes *s, const struct corral_record *r, int pidfd,
                       struct corral_error *err)
{
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return corral_error_sys(err, errno, "sandbox %s: kill its holder, process %d",
		                        r->id, r->holder_pid);
	if (!ended_within(pidfd, GONE_MS))
		return corral_error_set(
		        err, ETIMEDOUT,
		        "sandbox %s: its holder, process %d, does not die within %d s", r->id,
		        r->holder_pid, GONE_MS / 1000);
	(void)corral_sandboxes_clear(s, r->id);
	return 0;
}

int corral_sandboxes_end(const struct corral_sandboxes *s, const struct corral_record *r,
                         int64_t grace_ms, struct corral_error *err)
{
	int64_t patience_ms = grace_ms + (grace_ms ? END_MS : GONE_MS);
	corral_autofd int pidfd = -1, fd = -1;
	int status = holder_open(s, r, &pidfd, err);

	if (status <= 0)
		return status;
	status = corral_sandboxes_connect(s, r, &fd, NULL);
	if (status == 0)
		status = corral_talk_send(fd, stop_words(grace_ms, false), NULL, 0, NULL);
	/* One that cannot be asked, or does not do it, is stopped, or hangs in the kernel. */
	if (status == 0 &&
	    ended_within(pidfd, patience_ms < 86400000 ? (int)patience_ms : 86400000))
		return 0;
	return holder_kill(s, r, pidfd, err);
}

int corral_sandboxes_end_idle(const struct corral_sandboxes *s, const struct corral_record *r,
                              struct corral_error *err)
{
	struct corral_talk t = { .words = NULL };
	corral_autofd int pidfd = -1;
	int status = holder_open(s, r, &pidfd, err);

	if (status <= 0)
		return status;
	status = corral_ask_words(s, r, stop_words(0, true), &t, err);
	corral_talk_done(&t);
	/* One that has just ended by itself. */
	if (status == -ENOENT)
		status = 0;
	if (status == 0 && !ended_within(pidfd, END_MS))
		return corral_record_silent(r, err);
	return status;
}

static int stop_one(struct corral_call *call, const char *word, struct corral_error *err)
{
	struct corral_record record = { .words = NULL };
	int r = corral_sandboxes_find(&call->sandboxes, word, &record, err);

	if (r == 0)
		r = corral_sandboxes_end(&call->sandboxes, &record,
		                         call->options.grace_ms >= 0 ? call->options.grace_ms
		                                                     : CORRAL_STOP_GRACE_MS,
		                         err);
	corral_record_done(&record);
	return r;
}

static int rm_one(struct corral_call *call, const char *word, struct corral_error *err)
{
	struct corral_record record = { .words = NULL };
	int r;

	if (corral_sandboxes_clear(&call->sandboxes, word))
		return 0;
	r = corral_sandboxes_find(&call->sandboxes, word, &record, err);
	if (r < 0)
		return r;
	if (call->options.force)
		r = corral_sandboxes_end(&call->sandboxes, &record, 0, err);
	else
		r = corral_error_set(err, EBUSY,
		                     "sandbox %s is alive: corral sandbox stop %s ends it, corral "
		                     "sandbox rm -f %s "
		                     "kills it",
		                     word, word, word);
	corral_record_done(&record);
	return r;
}

int corral_sandbox_stop(struct corral_call *call, struct corral_error *err)
{
	(void)err;
	return corral_for_each(call, stop_one);
}

int corral_sandbox_rm(struct corral_call *call, struct corral_error *err)
{
	(void)err;
	return corral_for_each(call, rm_one);
}
