/*
 * Commands, and taking them back. Which came before which is a tree, as layers are: each knows the
 * one whose effect was there before, so that after going back and on, "the last" is that of what
 * the session has now.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/utf8.h"

/* Cut between two characters, and valid whatever it was. */
static char *text_of(const char *text)
{
	corral_autobuf struct corral_buf valid = CORRAL_BUF_INIT;
	size_t len = strnlen(text, STORE_TEXT_MAX + 1);

	if (len > STORE_TEXT_MAX)
		for (len = STORE_TEXT_MAX; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	corral_utf8_add(&valid, text, len);
	return corral_buf_take(&valid);
}

static int command_add(struct store_session *e, struct store_change *c, int top_fd,
                       const char *text, struct corral_error *err)
{
	struct registry *g = e->store->registry;
	int64_t number = e->command + 1, layer = 0;
	int r = store_session_settle(e, c, top_fd, &layer, err);

	if (r == 0)
		r = registry_do(g, REGISTRY_STATE_ADD,
		                REGISTRY_VALUES(REGISTRY_T(e->id), REGISTRY_T(NULL),
		                                REGISTRY_N(number), REGISTRY_N(e->head),
		                                REGISTRY_L(layer), REGISTRY_N(corral_wall_ms()),
		                                REGISTRY_T(text)),
		                err);
	if (r >= 0)
		r = registry_do(g, REGISTRY_SESSION_COMMAND,
		                REGISTRY_VALUES(REGISTRY_T(e->id), REGISTRY_N(number)), err);
	if (r >= 0 && number > STORE_COMMANDS_MAX)
		r = store_states_drop(c, REGISTRY_STATES_FORGET,
		                      REGISTRY_VALUES(REGISTRY_T(e->id),
		                                      REGISTRY_N(number - STORE_COMMANDS_MAX)),
		                      err);
	if (r < 0)
		return r;
	e->command = number;
	return 0;
}

int corral_session_command(struct corral_session_store *s, const char *id, const char *text,
                           unsigned int *ret_number, struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	store_autochange struct store_change change = { 0 };
	corral_autofree char *kept = text_of(text);
	corral_autofd int top_fd = -1;
	int r;

	if (!kept)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = store_session_open(s, id, &session, err);
	if (r == 0 && !session.history)
		r = corral_error_set(
		        err, EOPNOTSUPP,
		        "Session '%s' was made without history: its commands cannot be "
		        "taken back",
		        id);
	if (r == 0)
		r = store_session_room(&session, err);
	/* What it has goes on; the session is its user's also where a guest made this of it. */
	if (r == -EMLINK) {
		if (ret_number)
			*ret_number = 0;
		return 0;
	}
	if (r == 0)
		r = store_layer_lock(store_place_of(&session), session.layer, LOCK_EX, id, &top_fd,
		                     err);
	/* Commands that only read are many, and are not waited for. */
	if (r == 0)
		r = store_layer_is_new(store_place_of(&session), session.layer, session.parent,
		                       session.runtime, err);
	if (r >= 0)
		r = r > 0 && session.command < STORE_COMMANDS_MAX
		            ? store_change_begin_light(&change, s, store_place_of(&session), err)
		            : store_change_begin(&change, s, store_place_of(&session), err);
	if (r == 0)
		r = command_add(&session, &change, top_fd, kept, err);
	/* On a disk that its guest has filled: as with layers, he may make room. */
	if (r < 0 && change.is_full && session.has_disk) {
		if (ret_number)
			*ret_number = 0;
		return 0;
	}
	if (r == 0)
		r = store_session_commit(&session, &change, err);
	if (r < 0)
		return r;
	if (ret_number)
		*ret_number = (unsigned int)session.command;
	return 0;
}

/* What was before the last n commands. */
static int back(struct store_session *e, unsigned int n, int64_t *ret_layer, int64_t *ret_head,
                char **ret_text, struct corral_error *err)
{
	const enum registry_question q = REGISTRY_STATE_COMMAND;
	struct registry *g = e->store->registry;
	int64_t head = e->head;

	for (unsigned int i = 0; i < n; i++) {
		int r = registry_ask(g, q, REGISTRY_VALUES(REGISTRY_T(e->id), REGISTRY_N(head)),
		                     err);

		if (r == 0 && head)
			r = registry_next(g, q, err);
		if (r == 0)
			r = corral_error_set(err, ENOENT,
			                     "Session '%s': %u command%s can be taken back, not %u",
			                     e->id, i, i == 1 ? "" : "s", n);
		if (r < 0)
			return r;
		*ret_layer = registry_number(g, q, 0);
		*ret_head = head = registry_number(g, q, 1);
		if (i + 1 == n && !(*ret_text = strdup(registry_text(g, q, 2))))
			r = corral_error_set(err, ENOMEM, "out of memory");
		registry_stop(g, q);
		if (r < 0)
			return r;
	}
	return 0;
}

int corral_session_undo(struct corral_session_store *s, const char *id, unsigned int n,
                        char **ret_text, struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	store_autochange struct store_change change = { 0 };
	corral_autofree char *text = NULL;
	corral_autofd int top_fd = -1;
	int64_t layer = 0, head = 0;
	int r;

	if (!n)
		return corral_error_set(err, EINVAL, "undo: of 1 command or more");
	r = store_session_begin(s, id, &session, &top_fd, &change, err);
	if (r == 0)
		r = back(&session, n, &layer, &head, &text, err);
	if (r == 0)
		r = store_session_go(&session, &change, top_fd, layer, head, err);
	if (r >= 0)
		r = store_session_commit(&session, &change, err);
	if (r < 0)
		return r;
	if (ret_text)
		*ret_text = corral_take_ptr(&text);
	return 0;
}
