/*
 * What a holder is asked beside commands.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/holder_state.h"

int corral_holder_say(struct corral_holder_client *c, json_t *words, const int *fds,
                      unsigned int n_fds)
{
	if (c->fd >= 0)
		return corral_talk_send(c->fd, words, fds, n_fds, NULL);
	json_decref(words);
	return -EPIPE;
}

int corral_holder_refuse(struct corral_holder_client *c, const struct corral_error *why)
{
	json_t *words =
	        json_pack("{s:s, s:i, s:s}", "type", "error", "code", why->code, "text", why->text);

	if (!words) /* its text is no UTF-8 */
		words = json_pack("{s:s, s:i, s:s}", "type", "error", "code", why->code, "text",
		                  strerrordesc_np(why->code));
	return corral_holder_say(c, words, NULL, 0);
}

static int say_ok(struct corral_holder_client *c)
{
	return corral_holder_say(c, json_pack("{s:s}", "type", "ok"), NULL, 0);
}

static json_t *known(uint64_t value)
{
	return value > INT64_MAX ? json_null() : json_integer((json_int_t)value);
}

/* A limit of 0 is none, and one that this host could not enforce bounds nothing. */
static json_t *enforced(const struct corral_holder *h, enum corral_limit which, uint64_t value)
{
	return value && (corral_sandbox_receipt(h->sandbox)->limits_enforced & which) ? known(value)
	                                                                              : json_null();
}

static int status(struct corral_holder *h, struct corral_holder_client *c,
                  const struct corral_talk *t)
{
	const char *word = h->stop_at_ms ? "stopping" : h->paused ? "paused" : "running";

	/* Whoever is about to give it a command does not find it ended by idleness. */
	if (json_is_true(json_object_get(t->words, "stay")))
		h->idle_since_ms = corral_now_ms();
	return corral_holder_say(c,
	                         json_pack("{s:s, s:s, s:i}", "type", "status", "status", word,
	                                   "commands", corral_holder_running(h)),
	                         NULL, 0);
}

static int stats(struct corral_holder *h, struct corral_holder_client *c,
                 const struct corral_talk *t)
{
	struct corral_sandbox_usage u;

	(void)t;
	corral_sandbox_usage(h->sandbox, &u);
	return corral_holder_say(
	        c,
	        json_pack("{s:s, s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "type",
	                  "stats", "at_usec", (json_int_t)(corral_now_nsec() / 1000), "commands",
	                  corral_holder_running(h), "memory_bytes", known(u.group.memory_bytes),
	                  "memory_peak_bytes", known(u.group.memory_peak_bytes),
	                  "memory_limit_bytes",
	                  enforced(h, CORRAL_LIMIT_MEMORY, u.limits.memory_bytes), "cpu_usec",
	                  known(u.group.cpu_usec), "pids", known(u.group.pids), "pids_limit",
	                  enforced(h, CORRAL_LIMIT_PIDS, u.limits.pids), "disk_bytes",
	                  known(u.disk_bytes), "disk_limit_bytes",
	                  enforced(h, CORRAL_LIMIT_DISK, u.limits.disk_bytes)),
	        NULL, 0);
}

static int pause_set(struct corral_holder *h, struct corral_holder_client *c, bool paused)
{
	struct corral_error err = { 0 };

	if (h->paused == paused)
		return say_ok(c);
	if (corral_sandbox_freeze(h->sandbox, paused, &err) < 0) {
		/* Half of it may be frozen. */
		if (paused)
			(void)corral_sandbox_freeze(h->sandbox, false, NULL);
		return corral_holder_refuse(c, &err);
	}
	h->paused = paused;
	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX && !paused; i++) {
		struct corral_holder_client *other = &h->clients[i];

		if (other->used && other->process && other->doomed)
			corral_holder_doom(h, other, other->doom);
	}
	return say_ok(c);
}

static int pause_it(struct corral_holder *h, struct corral_holder_client *c,
                    const struct corral_talk *t)
{
	(void)t;
	return pause_set(h, c, true);
}

static int resume(struct corral_holder *h, struct corral_holder_client *c,
                  const struct corral_talk *t)
{
	(void)t;
	return pause_set(h, c, false);
}

/* -EBUSY: a command runs. */
static int is_idle(const struct corral_holder *h, struct corral_error *err)
{
	for (size_t i = 0; i < CORRAL_HOLDER_CLIENTS_MAX; i++) {
		const struct corral_holder_client *c = &h->clients[i];
		unsigned int n = corral_holder_running(h);

		if (c->used && c->process && n > 1)
			return corral_error_set(err, EBUSY, "'%.100s' runs in it, and %u more",
			                        c->command, n - 1);
		if (c->used && c->process)
			return corral_error_set(err, EBUSY, "'%.100s' runs in it", c->command);
	}
	return 0;
}

/* Its answer is the end of the connection, when nothing is left. */
static int stop(struct corral_holder *h, struct corral_holder_client *c,
                const struct corral_talk *t)
{
	int64_t grace_ms = corral_talk_number(t->words, "grace_ms", CORRAL_STOP_GRACE_MS);
	struct corral_error err = { 0 };

	if (json_is_true(json_object_get(t->words, "if_idle")) && is_idle(h, &err) < 0)
		return corral_holder_refuse(c, &err);
	corral_holder_stop(h, (uint64_t)(grace_ms < 86400000 ? grace_ms : 86400000));
	return say_ok(c);
}

static int send_signal(struct corral_holder *h, struct corral_holder_client *c,
                       const struct corral_talk *t)
{
	int64_t signo = corral_talk_number(t->words, "signo", 0);

	(void)h;
	/* A command that has just ended is told of anyhow. */
	if (c->process && signo > 0 && signo <= 64)
		(void)corral_process_signal(c->process, (int)signo, NULL);
	return 0;
}

static int kill_it(struct corral_holder *h, struct corral_holder_client *c,
                   const struct corral_talk *t)
{
	const char *reason = corral_talk_text(t->words, "reason");

	if (c->process)
		corral_holder_doom(h, c,
		                   reason && !strcmp(reason, "output") ? CORRAL_REASON_OUTPUT
		                                                       : CORRAL_REASON_KILLED);
	return 0;
}

int corral_holder_answer(struct corral_holder *h, struct corral_holder_client *c,
                         struct corral_talk *t)
{
	static const struct {
		const char *op;
		int (*answer)(struct corral_holder *h, struct corral_holder_client *c,
		              const struct corral_talk *t);
	} ops[] = {
		{ "status", status },
		{ "stats", stats },
		{ "pause", pause_it },
		{ "resume", resume },
		{ "stop", stop },
		{ "signal", send_signal },
		{ "kill", kill_it },
		{ "shells", corral_holder_shells },
		{ "shell", corral_holder_shell_show },
		{ "shell_kill", corral_holder_shell_kill },
	};
	const char *op = corral_talk_text(t->words, "op");
	struct corral_error err = { 0 };

	if (op && !strcmp(op, "exec"))
		return corral_holder_exec(h, c, t);
	for (size_t i = 0; op && i < CORRAL_COUNT(ops); i++)
		if (!strcmp(ops[i].op, op))
			return ops[i].answer(h, c, t);
	(void)corral_error_set(
	        &err, EPROTO,
	        "this sandbox's holder, an older corral perhaps, does not know '%.32s': make "
	        "the sandbox anew",
	        op ? op : "(nothing)");
	return corral_holder_refuse(c, &err);
}
