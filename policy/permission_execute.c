/* Rules held against commands, one simple command at a time. */
#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_command.h"
#include "policy/permission_internal.h"
#include "policy/permission_shell.h"

/* The texts of one simple command. */
struct texts {
	struct corral_buf plain;    /* as it is, with assignments that matter in front */
	struct corral_buf bare;     /* without them, for rules that refuse */
	struct corral_buf standard; /* a program of the system's directories by its name */
	struct corral_buf normal;   /* by its last name, options first, paths clean: to refuse */
	struct corral_buf rest;     /* what follows a program that only the shell knows */
};

static void texts_done(struct texts *t)
{
	corral_buf_done(&t->plain);
	corral_buf_done(&t->bare);
	corral_buf_done(&t->standard);
	corral_buf_done(&t->normal);
	corral_buf_done(&t->rest);
}

static bool in_system(const char *program)
{
	static const char *const folders[] = { "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/",
		                               "/usr/local/bin/" };
	const char *name = shell_base_name(program);

	for (size_t i = 0; i < CORRAL_COUNT(folders); i++) {
		size_t len = strlen(folders[i]);

		if ((size_t)(name - program) == len && !strncmp(program, folders[i], len))
			return true;
	}
	return false;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* A word with its path clean, also behind a "=": "of=/dev/./sda". */
static void word_clean(const char *word, struct corral_buf *b)
{
	const char *equals = strchr(word, '='), *path = equals ? equals + 1 : word;
	corral_autobuf struct corral_buf clean = CORRAL_BUF_INIT;

	corral_buf_str(b, " ");
	if (*path != '/') {
		corral_buf_str(b, word);
		return;
	}
	permission_path_clean(path, &clean);
	corral_buf_add(b, word, (size_t)(path - word));
	if (clean.failed)
		b->failed = true;
	else
		corral_buf_add(b, clean.data, clean.len);
}

static void normal_text(const struct permission_command *c, struct corral_buf *b)
{
	size_t end = c->n; /* of the words that may be options */

	corral_buf_str(b, shell_base_name(c->words[0].text));
	for (size_t i = 1; i < c->n && end == c->n; i++) {
		if (!strcmp(c->words[i].text, "--"))
			end = i;
	}
	for (size_t i = 1; i < end; i++) {
		if (is_option(c->words[i].text))
			word_clean(c->words[i].text, b);
	}
	for (size_t i = 1; i < c->n; i++) {
		if (i > end || (i < end && !is_option(c->words[i].text)))
			word_clean(c->words[i].text, b);
	}
}

static void arguments(const struct permission_command *c, struct corral_buf *b)
{
	corral_buf_str(b, "");
	for (size_t i = 1; i < c->n; i++) {
		corral_buf_str(b, " ");
		corral_buf_str(b, c->words[i].text);
	}
	if (c->more)
		corral_buf_str(b, " ...");
}

/* 0 or -ENOMEM. */
static int texts_make(const struct permission_command *c, struct texts *t)
{
	permission_command_text(c, &t->bare);
	if (c->assignments)
		corral_buf_fmt(&t->plain, "%s%s", c->assignments, c->n ? " " : "");
	permission_command_text(c, &t->plain);
	if (c->more)
		corral_buf_str(&t->plain, " ...");
	if (c->n && !c->assignments && in_system(c->words[0].text)) {
		corral_buf_str(&t->standard, shell_base_name(c->words[0].text));
		arguments(c, &t->standard);
	}
	if (c->n)
		normal_text(c, &t->normal);
	if (c->n && c->words[0].unknown)
		arguments(c, &t->rest);
	if (t->plain.failed || t->bare.failed || t->standard.failed || t->normal.failed ||
	    t->rest.failed)
		return -ENOMEM;
	/* Most often these are the same, and matching takes the longest of all this. */
	if (t->normal.data && !strcmp(t->normal.data, t->bare.data))
		corral_buf_done(&t->normal);
	if (!strcmp(t->plain.data, t->bare.data))
		corral_buf_done(&t->bare);
	return 0;
}

static bool matches(const struct permission_compiled *r, const struct corral_buf *text)
{
	return text->data && permission_pattern_match(r->pattern, text->data);
}

static bool rule_matches(const struct permission_compiled *r, const struct texts *t)
{
	if (matches(r, &t->plain) || matches(r, &t->standard))
		return true;
	return r->action != CORRAL_PERMISSION_ALLOW &&
	       (matches(r, &t->bare) || matches(r, &t->normal));
}

/* Every rule that could match, up to one that surely does. */
static struct corral_permission_decision could(const struct permission_operation *o,
                                               const char *rest)
{
	struct corral_permission_decision d = PERMISSION_UNDECIDED;

	for (size_t i = 0; i < o->n; i++) {
		const struct permission_compiled *r = &o->rules[i];

		if (!r->pattern || (rest && !permission_pattern_match_end(r->pattern, rest)))
			continue;
		permission_stricter(&d, permission_by_rule(r));
		if (permission_pattern_any(r->pattern))
			return d;
	}
	permission_stricter(&d, permission_by_default(o));
	return d;
}

/* One simple command; *ret_decided stays as it was when it leaves the decision to others. */
static int decide_simple(const struct permission_operation *o, const struct permission_command *c,
                         struct corral_permission_decision *d, bool *ret_decided)
{
	corral_auto(texts_done) struct texts t = { 0 };

	if (texts_make(c, &t) < 0)
		return -ENOMEM;
	if (t.rest.data) {
		permission_stricter(d, could(o, t.rest.data));
		*ret_decided = true;
		return 0;
	}
	for (size_t i = 0; i < o->n; i++) {
		const struct permission_compiled *r = &o->rules[i];

		if (r->pattern && rule_matches(r, &t)) {
			permission_stricter(d, permission_by_rule(r));
			*ret_decided |= !c->quiet || r->action != CORRAL_PERMISSION_ALLOW;
			return 0;
		}
	}
	if (!c->quiet) {
		permission_stricter(d, permission_by_default(o));
		*ret_decided = true;
	}
	return 0;
}

/* "> PATH": rules that deny or ask about it, unless one before them allows it. */
static int decide_redirect(const struct permission_operation *o,
                           const struct permission_redirect *redirect,
                           struct corral_permission_decision *d)
{
	corral_autobuf struct corral_buf written = CORRAL_BUF_INIT, clean = CORRAL_BUF_INIT,
	                                 path = CORRAL_BUF_INIT;
	const char *sign = redirect->write ? "> " : "< ";

	corral_buf_str(&written, sign);
	corral_buf_str(&written, redirect->path.text);
	permission_path_clean(redirect->path.text, &path);
	if (!path.failed)
		corral_buf_fmt(&clean, "%s%s", sign, path.data);
	if (written.failed || path.failed || clean.failed)
		return -ENOMEM;
	for (size_t i = 0; i < o->n; i++) {
		const struct permission_compiled *r = &o->rules[i];

		if (r->pattern && (matches(r, &written) || matches(r, &clean))) {
			permission_stricter(d, permission_by_rule(r));
			break;
		}
	}
	return 0;
}

/*
 * Rules with operators of the shell in them, against the whole text and, when they have no blanks,
 * the text without its own.
 */
static int decide_whole(const struct permission_operation *o, const char *command,
                        struct corral_permission_decision *d)
{
	corral_autobuf struct corral_buf dense = CORRAL_BUF_INIT;

	corral_buf_str(&dense, "");
	for (const char *p = command; *p; p++) {
		if (!strchr(" \t\n", *p))
			corral_buf_add(&dense, p, 1);
	}
	if (dense.failed)
		return -ENOMEM;
	for (size_t i = 0; i < o->n; i++) {
		const struct permission_compiled *r = &o->rules[i];

		if (!r->pattern || !r->operators || r->action == CORRAL_PERMISSION_ALLOW)
			continue;
		if (permission_pattern_match(r->pattern, command) ||
		    (!r->blanks && matches(r, &dense)))
			permission_stricter(d, permission_by_rule(r));
	}
	return 0;
}

/* Where no simple command decides, the text as a whole does. */
static struct corral_permission_decision decide_text(const struct permission_operation *o,
                                                     const char *command)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->rules[i].pattern && permission_pattern_match(o->rules[i].pattern, command))
			return permission_by_rule(&o->rules[i]);
	}
	return permission_by_default(o);
}

static int decide_line(const struct permission_operation *o, const char *command,
                       const struct permission_line *line, struct corral_permission_decision *ret)
{
	struct corral_permission_decision d = PERMISSION_UNDECIDED;
	bool decided = false;
	int r = decide_whole(o, command, &d);

	for (size_t i = 0; r == 0 && i < line->n; i++)
		r = decide_simple(o, &line->commands[i], &d, &decided);
	for (size_t i = 0; r == 0 && i < line->n_redirects; i++)
		r = decide_redirect(o, &line->redirects[i], &d);
	if (line->puzzle)
		permission_stricter(&d, could(o, NULL));
	else if (!decided)
		permission_stricter(&d, decide_text(o, command));
	*ret = d;
	return r;
}

int permission_decide_command(const struct permission_operation *o, const char *command,
                              struct corral_permission_decision *ret, struct corral_error *err)
{
	corral_auto(permission_line_done) struct permission_line line = { 0 };
	corral_autofree char *text = strdup(command + strspn(command, " \t\n"));
	size_t len = text ? strlen(text) : 0;

	while (len && strchr(" \t\n", text[len - 1]) && (len < 2 || text[len - 2] != '\\'))
		text[--len] = '\0';
	if (!text || permission_line_split(text, &line) < 0 || decide_line(o, text, &line, ret) < 0)
		return corral_error_sys(err, ENOMEM, "permissions");
	return 0;
}
