/*
 * Lists of commands. What joins and nests them matters little, since all of them count: words such
 * as "if" and "do" are passed by where a command may begin, and everything else there is a command.
 */
#include "policy/permission_command.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission.h"
#include "policy/permission_shell.h"

/* Bytes that may be read again, beside the text itself: as commands of sh -c, of here-documents...
 */
#define WORK_MAX (8 * CORRAL_PERMISSION_COMMAND_MAX)

/* A simple command while it is read. */
struct reading {
	struct permission_command command;
	struct corral_buf assignments;
	size_t first_here; /* of the shell's pending ones, the first that is its own */
	bool here_string;  /* what it reads is "here" */
	struct shell_word here;
};

bool shell_stopped(const struct shell *s)
{
	return s->r < 0 || s->line->puzzle;
}

void shell_puzzle(struct shell *s, const char *what)
{
	if (!s->line->puzzle)
		s->line->puzzle = what;
}

void shell_command_done(struct permission_command *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->words[i].text);
	free(c->words);
	free(c->assignments);
	memset(c, 0, sizeof(*c));
}

void permission_line_done(struct permission_line *l)
{
	for (size_t i = 0; i < l->n; i++)
		shell_command_done(&l->commands[i]);
	for (size_t i = 0; i < l->n_redirects; i++)
		free(l->redirects[i].path.text);
	free(l->commands);
	free(l->redirects);
	memset(l, 0, sizeof(*l));
}

void *shell_grow(void *items, size_t n, size_t *size, size_t item)
{
	size_t more = *size ? *size * 2 : 8;
	void *bigger;

	if (n < *size)
		return items;
	bigger = reallocarray(items, more, item);
	if (bigger)
		*size = more;
	return bigger;
}

void shell_command_add(struct shell *s, struct permission_command *take)
{
	struct permission_line *l = s->line;
	struct permission_command *commands = NULL;

	if (l->n >= PERMISSION_COMMANDS_MAX)
		shell_puzzle(s, "too many commands");
	else if (!(commands = shell_grow(l->commands, l->n, &l->size, sizeof(*commands))))
		s->r = -ENOMEM;
	if (!commands) {
		shell_command_done(take);
		return;
	}
	l->commands = commands;
	l->commands[l->n++] = *take;
	memset(take, 0, sizeof(*take));
}

static char at(const struct shell *s, size_t ahead)
{
	return (size_t)(s->end - s->p) > ahead ? s->p[ahead] : '\0';
}

/* Blanks, joined lines, and a comment where one may begin. */
void shell_blanks(struct shell *s)
{
	for (;;) {
		if (shell_blank(at(s, 0)))
			s->p++;
		else if (at(s, 0) == '\\' && at(s, 1) == '\n')
			s->p += 2;
		else
			break;
	}
	if (at(s, 0) == '#') {
		while (s->p < s->end && *s->p != '\n')
			s->p++;
	}
}

bool shell_at_assignment(const struct shell *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)at(s, 0)) && at(s, 0) != '_')
		return false;
	while (isalnum((unsigned char)at(s, n)) || at(s, n) == '_')
		n++;
	if (at(s, n) == '[') {
		while (at(s, n) && !strchr("]\n;&|<>() \t", at(s, n)))
			n++;
		n += at(s, n) == ']';
	}
	n += at(s, n) == '+';
	return at(s, n) == '=';
}

/* name=(...): words to its end. */
static void array(struct shell *s)
{
	s->p++;
	while (!shell_stopped(s) && s->p < s->end && *s->p != ')') {
		struct shell_word w = { CORRAL_BUF_INIT, false, false };

		shell_blanks(s);
		if (at(s, 0) == '\n')
			shell_newline(s);
		else if (shell_at_word(s))
			shell_word_read(s, &w);
		else if (at(s, 0) != ')')
			break;
		shell_word_done(&w);
	}
	if (at(s, 0) == ')')
		s->p++;
	else
		shell_puzzle(s, "an array without its end");
}

static void assignment(struct shell *s, struct reading *r, struct shell_word *w)
{
	if (at(s, 0) == '(')
		array(s);
	if (!w->text.len || !shell_assignment_matters(w->text.data))
		return;
	if (r->assignments.len)
		corral_buf_str(&r->assignments, " ");
	corral_buf_add(&r->assignments, w->text.data, w->text.len);
}

static void word_take(struct shell *s, struct reading *r, struct shell_word *w, size_t *size)
{
	struct permission_command *c = &r->command;
	struct permission_word *words = shell_grow(c->words, c->n, size, sizeof(*words));
	char *text = corral_buf_take(&w->text);

	if (words)
		c->words = words;
	if (!words || !text) {
		free(text);
		s->r = -ENOMEM;
		return;
	}
	words[c->n++] = (struct permission_word) { text, w->unknown };
}

/* What was read is complete: it and all that it runs join the line. */
static void reading_end(struct shell *s, struct reading *r)
{
	bool reads = false;

	if (r->assignments.len && !(r->command.assignments = corral_buf_take(&r->assignments)))
		s->r = -ENOMEM;
	if (!shell_stopped(s) && (r->command.n || r->command.assignments))
		shell_unwrap(s, &r->command, &reads);
	if (reads && r->here_string && !r->here.unknown) {
		shell_nested(s, r->here.text.data ? r->here.text.data : "", r->here.text.len);
	} else if (reads && r->first_here < s->n_here) {
		for (size_t i = r->first_here; i < s->n_here; i++)
			s->here[i].run = true;
	} else if (reads) {
		shell_puzzle(s, "a shell that reads its commands from somewhere else");
	}
	shell_command_done(&r->command);
	corral_buf_done(&r->assignments);
	shell_word_done(&r->here);
}

static bool at_redirection(struct shell *s)
{
	size_t n = 0;

	if (at(s, 0) == '&' && at(s, 1) == '>')
		return true;
	while (isdigit((unsigned char)at(s, n)))
		n++;
	if ((at(s, n) != '<' && at(s, n) != '>') || (!n && at(s, 1) == '('))
		return false;
	s->p += n;
	return true;
}

/* "2" or "{name}" right before a redirection says what is redirected, and is no word. */
static bool names_descriptor(const struct shell *s, const struct shell_word *w)
{
	const char *text = w->text.data;
	size_t len = w->text.len;

	if (!len || w->quoted || (at(s, 0) != '<' && at(s, 0) != '>'))
		return false;
	return strspn(text, "0123456789") == len || (text[0] == '{' && text[len - 1] == '}');
}

void shell_simple(struct shell *s, struct shell_word *first)
{
	struct reading r = { .assignments = CORRAL_BUF_INIT,
		             .here = { CORRAL_BUF_INIT, false, false },
		             .first_here = s->n_here };
	size_t size = 0;

	if (first && !names_descriptor(s, first))
		word_take(s, &r, first, &size);
	while (!shell_stopped(s)) {
		corral_auto(shell_word_done) struct shell_word w = { CORRAL_BUF_INIT, false,
			                                             false };
		bool assigns;

		shell_blanks(s);
		if (at_redirection(s)) {
			shell_redirection(s, &r.here, &r.here_string);
			continue;
		}
		if (!shell_at_word(s))
			break;
		assigns = !r.command.n && shell_at_assignment(s);
		shell_word_read(s, &w);
		if (shell_stopped(s))
			break;
		if (assigns)
			assignment(s, &r, &w);
		else if (!names_descriptor(s, &w))
			word_take(s, &r, &w, &size);
	}
	if (!shell_stopped(s) && at(s, 0) == '(')
		shell_puzzle(s, "a parenthesis within a command");
	reading_end(s, &r);
}

void shell_nested(struct shell *s, const char *text, size_t len)
{
	struct shell inner = { .p = text,
		               .end = text + len,
		               .line = s->line,
		               .depth = s->depth + 1,
		               .work = s->work };

	if (shell_stopped(s))
		return;
	if (inner.depth > SHELL_DEPTH_MAX || *s->work < len) {
		shell_puzzle(s, "too much nesting");
		return;
	}
	*s->work -= len;
	shell_list(&inner, SHELL_CLOSE_END, NULL);
	shell_here_drop(&inner);
	if (inner.r < 0)
		s->r = inner.r;
}

int permission_line_split(const char *text, struct permission_line *ret)
{
	size_t work = WORK_MAX, len = strlen(text);
	struct shell s = { .p = text, .end = text + len, .line = ret, .work = &work };

	memset(ret, 0, sizeof(*ret));
	if (len > CORRAL_PERMISSION_COMMAND_MAX)
		shell_puzzle(&s, "a command that is too long");
	else
		shell_list(&s, SHELL_CLOSE_END, NULL);
	shell_here_drop(&s);
	return s.r;
}

void permission_command_text(const struct permission_command *c, struct corral_buf *b)
{
	corral_buf_add(b, "", 0);
	for (size_t i = 0; i < c->n; i++) {
		const char *text = c->words[i].text;
		bool quotes = !i && (!*text || strpbrk(text, " \t\n"));

		if (i)
			corral_buf_str(b, " ");
		if (quotes)
			corral_buf_str(b, "'");
		corral_buf_str(b, text);
		if (quotes)
			corral_buf_str(b, "'");
	}
}
