/*
 * corral session exec, shell and cp: what needs a session's sandbox.
 *
 * Where the session has a history, or the changes of this command are asked for, its files are
 * brought to rest before: the sandbox of the last command ends, a checkpoint is made, and the next
 * sandbox begins over it. Such commands run one after the other, each in its turn.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/exec_run.h"
#include "tools/message.h"
#include "tools/runtimes.h"
#include "tools/sandbox_commands.h"
#include "tools/session/box.h"
#include "tools/session/commands.h"
#include "tools/words.h"

/* More changes than these are counted and not told. */
#define CHANGES_MAX 10000u
#define TEXT_SIZE   4096
/* A checkpoint that is there during such a command. */
#define MARK "0.exec-diff"

/* A command of a session, while it is under way. */
struct turn {
	struct corral_call *call;
	struct corral_session_record session;
	char text[TEXT_SIZE]; /* of the command */
	int lock_fd;          /* its turn; -1: it needs none */
	bool is_new;          /* made for this command */
	unsigned int number;  /* in the history; 0: there is none */
	/* What to compare with where there is no history, "" without. */
	char mark[CORRAL_SESSION_ID_SIZE];
	struct corral_session_box box;
	json_t *changes;
};

static int64_t wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A session keeps the runtime that it was made with. */
static int runtime_check(const char *word, const struct corral_session_record *session,
                         struct corral_error *err)
{
	struct corral_runtime *rt = NULL;
	int r = corral_runtimes_find(word, &rt, err);

	if (r == 0 && strcmp(rt->name, session->runtime->name) != 0)
		r = corral_error_set(
		        err, EEXIST,
		        "session %s is of runtime '%s', not '%s': leave --runtime out, "
		        "or take another id",
		        session->id, session->runtime->name, rt->name);
	corral_runtime_free(rt);
	return r;
}

/* The session of that id, which is made when there is none. */
static int session_take(struct turn *t, const char *id, struct corral_error *err)
{
	struct corral_session_record *ret = &t->session;
	struct corral_call *call = t->call;
	const char *runtime = call->options.runtime_name;
	int r = corral_session_store_find(call->store, id, ret, NULL);

	if (r == -ENOENT || r == -EINVAL) {
		r = corral_session_make(call, id, ret, err);
		/* A word that was mistyped is told where somebody looks; programs know. */
		t->is_new = r == 0;
		if (r == 0 && call->options.json_fd < 0 && isatty(STDERR_FILENO))
			corral_say("session '%s' is new", id);
		if (r != -EEXIST)
			return r;
		/* Somebody else has just made it. */
		r = corral_session_find(call, id, ret, err);
	} else if (r < 0) {
		r = corral_session_find(call, id, ret, err);
	}
	if (r < 0)
		return r;
	if (runtime)
		r = runtime_check(runtime, ret, err);
	if (r == 0)
		r = corral_session_limits_check(call, ret, err);
	if (r < 0)
		corral_session_record_done(ret);
	return r;
}

/* There is no room for a state before this command. It runs all the same. */
static int no_state(const struct turn *t, struct corral_error *err)
{
	const char *id = t->session.id;

	if (t->call->options.diff)
		return corral_error_set(err, EMLINK,
		                        "session %s: it has as many layers as there can be, and "
		                        "they cannot be merged, so nobody could tell what this "
		                        "command alone changes: leave --diff out, or make room: "
		                        "corral session undo%s %s 2",
		                        id, t->call->at, id);
	corral_say("session %s: it has as many layers as there can be, and they cannot be merged: "
	           "this command can be taken back with those before it alone; corral session "
	           "undo%s %s 2 makes room",
	           id, t->call->at, id);
	return 0;
}

static int keep_before(struct corral_call *call, void *ctx, struct corral_error *err)
{
	struct turn *t = ctx;
	int r;

	if (t->session.history) {
		r = corral_session_command(call->store, t->session.id, t->text, &t->number, err);
		return r == 0 && !t->number ? no_state(t, err) : r;
	}
	/* One that was killed in his turn has left it. */
	(void)corral_session_checkpoint_drop(call->store, t->session.id, MARK, NULL);
	(void)snprintf(t->mark, sizeof(t->mark), MARK);
	r = corral_session_checkpoint(call->store, t->session.id, t->mark, t->mark, err);
	if (r < 0)
		t->mark[0] = '\0';
	return r;
}

/* Everything before the command: its turn, what is kept, and the sandbox. */
static int turn_begin(struct turn *t, bool changes, bool keep, struct corral_error *err)
{
	struct corral_call *call = t->call;
	const char *id = t->session.id;
	int r = 0;

	if (t->session.runtime->scope == CORRAL_SCOPE_CALL && (changes || call->options.detach))
		return corral_error_set(err, EOPNOTSUPP,
		                        "session %s: runtime '%s' gives each command a fresh "
		                        "sandbox (scope call), gone at its end: leave --%s out",
		                        id, t->session.runtime->name, changes ? "diff" : "detach");
	if (t->session.closed)
		r = corral_session_store_set_closed(call->store, id, false, err);
	if (r == 0 && ((keep && t->session.history) || changes)) {
		r = corral_session_turn_take(t->call, t->session.id, &t->lock_fd, err);
		if (r == 0)
			r = corral_session_at_rest(call, id, false, keep_before, t, err);
	}
	if (r == 0)
		r = corral_session_store_touch(call->store, id, wall_ms(), err);
	if (r == 0)
		r = corral_session_box_open(call, &t->session, &t->box, err);
	return r;
}

static void turn_end(struct turn *t)
{
	if (t->box.record.words) {
		corral_session_box_close(t->call, &t->box);
		(void)corral_session_store_touch(t->call->store, t->session.id, wall_ms(), NULL);
	} else if (t->is_new && t->session.isolation == CORRAL_ISOLATION_NATIVE) {
		/* It would be in the way of one with limits that can be had. */
		(void)corral_session_store_remove(t->call->store, t->session.id, NULL);
	}
	if (t->mark[0])
		(void)corral_session_checkpoint_drop(t->call->store, t->session.id, t->mark, NULL);
	corral_fd_closep(&t->lock_fd);
	corral_session_record_done(&t->session);
}

static int change_told(void *ctx, const struct corral_change *change)
{
	struct turn *t = ctx;
	corral_autofree char *line = corral_session_change_line(change);

	if (!line)
		return -ENOMEM;
	(void)fprintf(stderr, "%s\n", line);
	return json_array_append_new(t->changes, corral_session_change_json(change)) < 0 ? -ENOMEM
	                                                                                 : 0;
}

static int changes_tell(struct corral_call *call, void *ctx, struct corral_error *err)
{
	struct turn *t = ctx;
	const struct corral_session_span span = { .since = t->mark[0] ? t->mark : NULL,
		                                  .command = t->number };
	const struct corral_layers_diff_options options = { .changes_max = CHANGES_MAX };

	return corral_session_diff(call->store, t->session.id, &span, &options, change_told, t,
	                           err);
}

/* The command has ended: what did it change? */
static int command_ended(void *ctx, json_t *receipt, struct corral_error *err)
{
	struct turn *t = ctx;
	int r;

	t->changes = json_array();
	r = corral_session_at_rest(t->call, t->session.id, false, changes_tell, t, err);
	if (r == -E2BIG) {
		corral_say("more than %u changes: corral session diff%s %s shows all of them",
		           CHANGES_MAX, t->call->at, t->session.id);
		(void)json_object_set_new(receipt, "changes_cut", json_true());
		r = 0;
	}
	(void)json_object_set_new(receipt, "changes", t->changes);
	return r;
}

/* It starts the container and stops it at its end, which another's command would not outlive. */
static int contained(struct turn *t, const struct corral_exec_run *x, struct corral_error *err)
{
	int r = corral_session_turn_take(t->call, t->session.id, &t->lock_fd, err);

	if (r == 0)
		r = corral_session_store_touch(t->call->store, t->session.id, wall_ms(), err);
	if (r == 0)
		r = corral_session_contained_run(t->call, &t->session, x->argv, x->n_argv, err);
	return r;
}

static int execute(struct corral_call *call, const struct corral_exec_run *given,
                   struct corral_error *err)
{
	struct turn t = { .call = call, .lock_fd = -1, .box.socket_fd = -1 };
	struct corral_exec_run x = *given;
	bool changes = call->options.diff;
	int r;

	if (changes) {
		x.ended = command_ended;
		x.ctx = &t;
	}
	corral_words_line(x.argv, t.text, sizeof(t.text));
	r = session_take(&t, call->operands[0], err);
	if (r == 0 && t.session.isolation == CORRAL_ISOLATION_DOCKER) {
		r = contained(&t, &x, err);
	} else if (r == 0) {
		r = turn_begin(&t, changes, true, err);
		if (r == 0)
			r = corral_exec_run(&x, &t.box.record, t.box.socket_fd, err);
	}
	turn_end(&t);
	return r;
}

int corral_session_exec(struct corral_call *call, struct corral_error *err)
{
	struct corral_exec_run x = { .options = &call->options,
		                     .name = "session exec",
		                     .argv = call->operands + 1,
		                     .n_argv = call->n_operands - 1 };
	int r = corral_exec_run_check(&x, "corral session exec [options] ID -- COMMAND [ARG...]",
	                              err);

	if (r == 0 && call->options.detach && call->options.diff)
		r = corral_error_set(err, EINVAL,
		                     "session exec: --diff waits for the command's end, and "
		                     "--detach does not: leave one of them out");
	if (r == 0)
		r = execute(call, &x, err);
	return corral_exec_run_failed(&call->options, r, err);
}

/* What there is of shells is known inside alone. */
int corral_session_shell(struct corral_call *call, struct corral_error *err)
{
	static const char find_shell[] = "command -v bash >/dev/null && exec bash; exec sh";
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)find_shell, NULL };
	struct corral_exec_run x = { .options = &call->options,
		                     .name = "session shell",
		                     .argv = argv,
		                     .n_argv = CORRAL_COUNT(argv) - 1 };

	/* Without a terminal on this side none inside: its end would never be told there. */
	call->options.config->tty = isatty(STDIN_FILENO);
	call->options.config->use_stdin = true;
	return execute(call, &x, err);
}

static int guest_open(struct corral_call *call, const char *word, bool out,
                      struct corral_place *guest, struct corral_error *err)
{
	struct turn *t = call->ctx;
	int r;

	(void)snprintf(t->text, sizeof(t->text), "cp %.1000s %.1000s", call->operands[0],
	               call->operands[1]);
	/* A session that is not there has nothing to copy out. */
	r = out ? corral_session_find(call, word, &t->session, err) : session_take(t, word, err);
	if (r == 0 && t->session.isolation == CORRAL_ISOLATION_DOCKER)
		r = corral_error_set(err, EOPNOTSUPP,
		                     "session %s is a container: docker cp corral-session-%s:PATH",
		                     word, word);
	if (r == 0)
		r = turn_begin(t, false, !out, err);
	if (r == 0)
		r = corral_place_open_guest(guest, &call->sandboxes, &t->box.record, err);
	return r;
}

int corral_session_cp(struct corral_call *call, struct corral_error *err)
{
	struct turn t = { .call = call, .lock_fd = -1, .box.socket_fd = -1 };
	int r;

	call->ctx = &t;
	r = corral_cp(call, guest_open, err);
	call->ctx = NULL;
	turn_end(&t);
	return r;
}
