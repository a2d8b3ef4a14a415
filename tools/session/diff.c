/* corral session diff: which files were added, changed and deleted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/session/box.h"
#include "tools/session/commands.h"

struct diff {
	struct corral_call *call;
	const char *id;
	struct corral_session_span span;
	bool is_terminal;
	size_t told;
};

static const char *kind_name(enum corral_change_kind kind)
{
	switch (kind) {
	case CORRAL_CHANGE_ADDED:
		return "added";
	case CORRAL_CHANGE_CHANGED:
		return "changed";
	case CORRAL_CHANGE_DELETED:
		return "deleted";
	}
	return "";
}

static json_t *what_list(uint32_t what)
{
	static const struct {
		enum corral_change_what bit;
		const char *name;
	} names[] = {
		{ CORRAL_CHANGE_TYPE, "type" },     { CORRAL_CHANGE_CONTENT, "content" },
		{ CORRAL_CHANGE_MODE, "mode" },     { CORRAL_CHANGE_OWNER, "owner" },
		{ CORRAL_CHANGE_UNREAD, "unread" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < CORRAL_COUNT(names); i++)
		if (what & names[i].bit)
			(void)json_array_append_new(list, json_string(names[i].name));
	return list;
}

static void side_set(json_t *o, bool is_there, const char *mode_key, uint32_t mode,
                     const char *size_key, uint64_t size)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%06o", mode);
	(void)json_object_set_new(o, mode_key, is_there ? json_string(text) : json_null());
	(void)json_object_set_new(o, size_key,
	                          is_there ? json_integer((json_int_t)size) : json_null());
}

json_t *corral_session_change_json(const struct corral_change *change)
{
	json_t *o = json_pack("{s:o, s:s, s:o}", "path",
	                      corral_json_text(change->guest_path, strlen(change->guest_path)),
	                      "kind", kind_name(change->kind), "what", what_list(change->what));

	if (!o)
		return NULL;
	side_set(o, change->kind != CORRAL_CHANGE_ADDED, "mode_before", change->mode_before,
	         "size_before", change->size_before);
	side_set(o, change->kind != CORRAL_CHANGE_DELETED, "mode_after", change->mode_after,
	         "size_after", change->size_after);
	if (change->text)
		(void)json_object_set_new(o, "text",
		                          corral_json_text(change->text, change->text_len));
	return o;
}

char *corral_session_change_line(const struct corral_change *change)
{
	char *line;

	if (asprintf(&line, "%c %s%s", corral_change_letter(change->kind), change->guest_path,
	             change->what & CORRAL_CHANGE_UNREAD
	                     ? " (what is in it is not told: it lies too deep, or is too much)"
	                     : "") < 0)
		return NULL;
	corral_text_clean(line);
	return line;
}

/* For a terminal each line is cleaned; a file gets what is there, so that patch(1) can read it. */
static int text_print(const struct corral_change *change, bool is_terminal)
{
	const char *at = change->text, *end = at + change->text_len;

	if (!is_terminal) {
		(void)fwrite(at, 1, change->text_len, stdout);
		return 0;
	}
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);
		corral_autofree char *line = strndup(at, len);

		if (!line)
			return -ENOMEM;
		for (char *tab = strchr(line, '\t'); tab; tab = strchr(tab, '\t'))
			*tab = ' ';
		corral_text_clean(line);
		(void)puts(line);
		at += len + (newline != NULL);
	}
	return 0;
}

static int change_told(void *ctx, const struct corral_change *change)
{
	struct diff *d = ctx;
	corral_autofree char *line = NULL;
	json_t *o;

	if (d->call->options.json) {
		o = corral_session_change_json(change);
		if (!o)
			return -ENOMEM;
		(void)fputs(d->told++ ? ",\n " : "[\n ", stdout);
		(void)json_dumpf(o, stdout, JSON_COMPACT);
		json_decref(o);
		return 0;
	}
	line = corral_session_change_line(change);
	if (!line)
		return -ENOMEM;
	d->told++;
	(void)puts(line);
	return d->call->options.text && change->text ? text_print(change, d->is_terminal) : 0;
}

static int diff(struct corral_call *call, void *ctx, struct corral_error *err)
{
	struct diff *d = ctx;
	const struct corral_layers_diff_options options = { .text = call->options.text };
	int r = corral_session_diff(call->store, d->id, &d->span, &options, change_told, d, err);

	/* Also of what could not be told to its end: the error and the exit status say so. */
	if (call->options.json && (r == 0 || d->told))
		(void)puts(d->told ? "\n]" : "[]");
	return r;
}

/* The number of the last command. */
static int last_command(struct corral_call *call, const struct corral_session_record *session,
                        unsigned int *ret, struct corral_error *err)
{
	struct corral_checkpoints all = { .n = 0 };
	int r = corral_session_checkpoints(call->store, session->id, &all, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n; i++)
		if (all.items[i].command > *ret)
			*ret = all.items[i].command;
	corral_checkpoints_done(&all);
	if (*ret)
		return 0;
	return corral_error_set(err, ENOENT, "session %s: %s", session->id,
	                        session->history
	                                ? "there was no command yet"
	                                : "it was made without --history, so there is nothing "
	                                  "known of single commands");
}

static int span_make(struct corral_call *call, const struct corral_session_record *session,
                     struct corral_session_span *span, struct corral_error *err)
{
	const struct corral_options *o = &call->options;

	if (o->command && (o->since || o->until))
		return corral_error_set(err, EINVAL,
		                        "diff: --command says from where to where: leave --since "
		                        "and --until out");
	*span = (struct corral_session_span) { .since = o->since, .until = o->until };
	if (o->command == CORRAL_OPTION_UNSAID || (o->command && !session->history))
		return last_command(call, session, &span->command, err);
	span->command = (unsigned int)o->command;
	return 0;
}

int corral_session_diff_it(struct corral_call *call, struct corral_error *err)
{
	struct diff d = { .call = call,
		          .id = call->operands[0],
		          .is_terminal = isatty(STDOUT_FILENO) };
	struct corral_session_record session;
	int r = corral_session_find_layered(call, d.id, "diffs", &session, err);

	if (r < 0)
		return r;
	r = span_make(call, &session, &d.span, err);
	if (r == 0 && d.span.until)
		r = diff(call, &d, err);
	else if (r == 0)
		r = corral_session_at_rest(call, d.id, call->options.force, diff, &d, err);
	corral_session_record_done(&session);
	return r;
}
