/*
 * corral session fork, checkpoint, drop, restore, undo, hibernate, rm: what is done to a session's
 * files while nothing runs over them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "tools/docker_exec.h"
#include "tools/message.h"
#include "tools/sandbox_commands.h"
#include "tools/session/box.h"
#include "tools/session/commands.h"

/* What all of these get by ctx. */
struct change {
	const char *id, *word; /* word: the second operand, or NULL */
	unsigned int n;        /* commands to be taken back */
	char name[CORRAL_SESSION_ID_SIZE];
	char *text;
};

/* Of a session that has layers, at rest. */
static int change_do(struct corral_call *call, const char *what,
                     int (*act)(struct corral_call *call, void *ctx, struct corral_error *err),
                     struct change *c, struct corral_error *err)
{
	struct corral_session_record session;
	int r;

	c->id = call->operands[0];
	c->word = call->n_operands > 1 ? call->operands[1] : NULL;
	r = corral_session_find_layered(call, c->id, what, &session, err);
	if (r < 0)
		return r;
	if (c->n && !session.history)
		r = corral_error_set(err, EOPNOTSUPP,
		                     "session %s was made without --history: no command can be "
		                     "taken back; go back to a checkpoint with corral session "
		                     "restore%s %s",
		                     c->id, call->at, c->id);
	corral_session_record_done(&session);
	if (r < 0)
		return r;
	return corral_session_at_rest(call, c->id, call->options.force, act, c, err);
}

static int checkpoint_error(const struct corral_call *call, const char *id, const char *name, int r,
                            struct corral_error *err)
{
	if (r != -ENOENT)
		return r;
	return corral_error_set(
	        err, ENOENT,
	        "session %s has no checkpoint '%.64s': corral session checkpoints%s "
	        "%s shows those that it has",
	        id, name, call->at, id);
}

static int act_fork(struct corral_call *call, void *ctx, struct corral_error *err)
{
	struct corral_session_record made;
	struct change *c = ctx;
	int r = corral_session_fork(call->store, c->id, call->options.from, c->word, &made, err);

	if (r == 0) {
		(void)snprintf(c->name, sizeof(c->name), "%s", made.id);
		corral_session_record_done(&made);
	}
	if (r == -EEXIST)
		return corral_error_set(err, EEXIST,
		                        "session '%s' is there already: take another id", c->word);
	return call->options.from ? checkpoint_error(call, c->id, call->options.from, r, err) : r;
}

int corral_session_fork_it(struct corral_call *call, struct corral_error *err)
{
	struct change c = { .id = NULL };
	int r = change_do(call, "forks", act_fork, &c, err);

	return r < 0 ? r : corral_session_tell_new(call, c.name, err);
}

static int act_checkpoint(struct corral_call *call, void *ctx, struct corral_error *err)
{
	struct change *c = ctx;

	return corral_session_checkpoint(call->store, c->id, c->word, c->name, err);
}

int corral_session_checkpoint_it(struct corral_call *call, struct corral_error *err)
{
	struct change c = { .id = NULL };
	int r = change_do(call, "checkpoints", act_checkpoint, &c, err);

	if (r == 0)
		(void)puts(c.name);
	return r;
}

int corral_session_drop_it(struct corral_call *call, struct corral_error *err)
{
	const char *id = call->operands[0], *name = call->operands[1];
	struct corral_session_record session;
	int r = corral_session_find_layered(call, id, "checkpoints", &session, err);

	if (r < 0)
		return r;
	corral_session_record_done(&session);
	r = corral_session_checkpoint_drop(call->store, id, name, err);
	return checkpoint_error(call, id, name, r, err);
}

static int act_restore(struct corral_call *call, void *ctx, struct corral_error *err)
{
	struct change *c = ctx;
	int r = corral_session_restore(call->store, c->id, c->word, err);

	return checkpoint_error(call, c->id, c->word, r, err);
}

int corral_session_restore_it(struct corral_call *call, struct corral_error *err)
{
	struct change c = { .id = NULL };

	return change_do(call, "checkpoints", act_restore, &c, err);
}

static int act_undo(struct corral_call *call, void *ctx, struct corral_error *err)
{
	struct change *c = ctx;

	return corral_session_undo(call->store, c->id, c->n, &c->text, err);
}

int corral_session_undo_it(struct corral_call *call, struct corral_error *err)
{
	struct change c = { .n = 1 };
	uint64_t n = 1;
	int r;

	if (call->n_operands > 1 &&
	    (corral_parse_u64(call->operands[1], INT32_MAX, &n, NULL) < 0 || !n))
		return corral_error_set(err, EINVAL,
		                        "session undo: '%.64s' is no number of commands: write 1, "
		                        "2, ...",
		                        call->operands[1]);
	c.n = (unsigned int)n;
	r = change_do(call, "history", act_undo, &c, err);
	if (r == 0 && c.text) {
		corral_text_clean(c.text);
		if (c.n > 1)
			(void)printf("undone: %u commands, the first: %s\n", c.n, c.text);
		else
			(void)printf("undone: %s\n", c.text);
	}
	free(c.text);
	return r;
}

/* A container runs while a command does. */
static int contained_idle(struct corral_call *call, const char *id, struct corral_error *err)
{
	if (!corral_session_turn_is_taken(call, id))
		return 0;
	return corral_error_set(err, EBUSY,
	                        "session %s is a container in which a command runs: wait for its "
	                        "end, or docker stop corral-session-%s",
	                        id, id);
}

static int hibernate_one(struct corral_call *call, const char *word, struct corral_error *err)
{
	struct corral_session_record session;
	int r = corral_session_find(call, word, &session, err);

	if (r < 0)
		return r;
	if (session.isolation == CORRAL_ISOLATION_DOCKER)
		r = contained_idle(call, word, err);
	else
		r = corral_session_hibernate(call, word, call->options.force, err);
	corral_session_record_done(&session);
	return r;
}

int corral_session_hibernate_them(struct corral_call *call, struct corral_error *err)
{
	(void)err;
	return corral_for_each(call, hibernate_one);
}

static int act_remove(struct corral_call *call, void *ctx, struct corral_error *err)
{
	return corral_session_store_remove(call->store, ((struct change *)ctx)->id, err);
}

static int rm_one(struct corral_call *call, const char *word, struct corral_error *err)
{
	struct corral_session_record session;
	struct change c = { .id = word };
	int r = corral_session_find_any(call, word, &session, err);

	if (r < 0)
		return r;
	if (session.isolation == CORRAL_ISOLATION_DOCKER) {
		r = call->options.force ? 0 : contained_idle(call, word, err);
		if (r == 0)
			r = corral_session_contained_remove(word, err);
	}
	corral_session_record_done(&session);
	if (r < 0)
		return r;
	return corral_session_at_rest(call, word, call->options.force, act_remove, &c, err);
}

/* Whether one of them is a container: then another program does it, from the beginning. */
static bool has_contained(struct corral_call *call)
{
	bool has = false;

	for (size_t i = 0; i < call->n_operands && !has; i++) {
		struct corral_session_record session;

		if (corral_session_store_find_any(call->store, call->operands[i], &session, NULL) <
		    0)
			continue;
		has = session.isolation == CORRAL_ISOLATION_DOCKER;
		corral_session_record_done(&session);
	}
	return has;
}

int corral_session_rm(struct corral_call *call, struct corral_error *err)
{
	struct corral_session_cleaned cleaned;
	int r = has_contained(call) ? corral_docker_exec(call->main_argv, err) : 0;

	if (r == 0)
		r = corral_for_each(call, rm_one);
	/* Whoever removes something wants the room it took; what is left is the next one's. */
	(void)corral_session_store_clean(call->store, &cleaned, NULL);
	return r;
}
