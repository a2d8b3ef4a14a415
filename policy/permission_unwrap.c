/* Commands that run commands: options are passed by as the program itself would, and what remains
 * is a command again. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_shell.h"

static const char *word(const struct permission_command *c, size_t i)
{
	return c->words[i].text;
}

/* The text with "{}" where another program puts what it likes; the caller frees it. */
static char *replaced(const char *text, const char *mark)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	const char *found;

	corral_buf_str(&b, "");
	while (mark && *mark && (found = strstr(text, mark))) {
		corral_buf_add(&b, text, (size_t)(found - text));
		corral_buf_str(&b, "{}");
		text = found + strlen(mark);
	}
	corral_buf_str(&b, text);
	return corral_buf_take(&b);
}

/* The words from..to as a command of their own; mark: see replaced(), or NULL. */
static void inner(struct shell *s, const struct permission_command *c, size_t from, size_t to,
                  const char *assignments, const char *mark, bool more)
{
	struct permission_command copy = { .more = more };
	bool reads = false;

	if (from >= to)
		return;
	if (++s->depth > SHELL_DEPTH_MAX)
		shell_puzzle(s, "too much nesting");
	copy.words = calloc(to - from, sizeof(*copy.words));
	if (assignments && !(copy.assignments = strdup(assignments)))
		s->r = -ENOMEM;
	if (!copy.words)
		s->r = -ENOMEM;
	for (size_t i = from; copy.words && i < to && !shell_stopped(s); i++) {
		copy.words[copy.n] = (struct permission_word) { replaced(word(c, i), mark),
			                                        c->words[i].unknown };
		if (!copy.words[copy.n++].text)
			s->r = -ENOMEM;
	}
	if (!shell_stopped(s))
		shell_unwrap(s, &copy, &reads);
	if (reads)
		shell_puzzle(s, "a shell that reads its commands from somewhere else");
	s->depth--;
	shell_command_done(&copy);
}

/* Words as one text of commands: what eval does. */
static void joined(struct shell *s, const struct permission_command *c, size_t from)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	corral_buf_add(&text, "", 0);
	for (size_t i = from; i < c->n; i++) {
		corral_buf_str(&text, word(c, i));
		corral_buf_str(&text, " ");
	}
	if (text.failed)
		s->r = -ENOMEM;
	else
		shell_nested(s, text.data, text.len);
}

static void nested_text(struct shell *s, const char *text)
{
	shell_nested(s, text, strlen(text));
}

/* Options as they are passed by. */
struct passing {
	size_t i;         /* the word at hand */
	bool shell;       /* asks for a shell */
	bool lookup;      /* only asks where the program is */
	bool text;        /* a command came as an option's value */
	const char *mark; /* what xargs -I replaces */
};

static bool in(const char *letters, char c)
{
	return letters && c && strchr(letters, c);
}

static bool in_words(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && (p = strstr(p, name)); p += len) {
		if (p[-1] == ' ' && p[len] == ' ')
			return true;
	}
	return false;
}

static void option_text(struct shell *s, struct passing *o, const char *text)
{
	o->text = true;
	if (text)
		nested_text(s, text);
}

static void long_option(struct shell *s, const struct shell_program *p,
                        const struct permission_command *c, struct passing *o)
{
	const char *name = word(c, o->i), *equals = strchr(name, '=');
	bool text = p->text &&
	            (!strncmp(name, "--command", 9) || !strncmp(name, "--session-command", 17));

	if (equals) {
		if (text)
			option_text(s, o, equals + 1);
		else if (!strncmp(name, "--split-string", 14))
			shell_puzzle(s, "a command in an option");
		return;
	}
	if (in_words(p->long_valued, name)) {
		o->i++;
		if (text)
			option_text(s, o, o->i < c->n ? word(c, o->i) : NULL);
		return;
	}
	if (!in_words(p->long_flags, name) && strcmp(name, "--help") != 0 &&
	    strcmp(name, "--version") != 0)
		shell_puzzle(s, "an option that is not known");
	o->shell |= !strcmp(name, "--shell") || !strcmp(name, "--login");
}

static void short_options(struct shell *s, const struct shell_program *p,
                          const struct permission_command *c, struct passing *o)
{
	for (const char *letter = word(c, o->i) + 1; *letter; letter++) {
		if (in(p->valued, *letter) || (p->text && *letter == p->text)) {
			const char *value = letter + 1;

			if (!*value)
				value = ++o->i < c->n ? word(c, o->i) : NULL;
			if (p->text == *letter)
				option_text(s, o, value);
			if (p->more && *letter == 'I')
				o->mark = value;
			return;
		}
		if (!in(p->flags, *letter)) {
			shell_puzzle(s, "an option that is not known");
			return;
		}
		o->shell |= in(p->shell_flags, *letter);
		o->lookup |= in(p->lookup_flags, *letter);
	}
}

static bool is_assignment(const char *text)
{
	size_t n = strcspn(text, "=");

	return n && text[n] == '=' && text[0] != '-';
}

/* What stands after the program's own options and operands; *ret_reads as with shell_unwrap(). */
static void wrapped(struct shell *s, const struct shell_program *p,
                    const struct permission_command *c, bool *ret_reads)
{
	corral_autobuf struct corral_buf assignments = CORRAL_BUF_INIT;
	struct passing o = { .i = 1 };

	if (c->assignments)
		corral_buf_str(&assignments, c->assignments);
	for (; o.i < c->n && !shell_stopped(s); o.i++) {
		const char *text = word(c, o.i);

		if (!strcmp(text, "--")) {
			o.i++;
			break;
		}
		if (!strcmp(text, "-") && (p->permutes || !strcmp(p->name, "env")))
			continue;
		if (text[0] != '-' || !text[1] || c->words[o.i].unknown) {
			if (p->permutes)
				continue;
			break;
		}
		if (text[1] == '-')
			long_option(s, p, c, &o);
		else
			short_options(s, p, c, &o);
	}
	while (p->assignments && o.i < c->n && is_assignment(word(c, o.i))) {
		if (shell_assignment_matters(word(c, o.i)))
			corral_buf_fmt(&assignments, "%s%s", assignments.len ? " " : "",
			               word(c, o.i));
		o.i++;
	}
	o.i += p->operands;
	if (assignments.failed)
		s->r = -ENOMEM;
	if (shell_stopped(s) || o.lookup)
		return;
	for (size_t i = o.i; p->text && i + 1 < c->n; i++) {
		if (!strcmp(word(c, i), "-c") || !strcmp(word(c, i), "--command")) {
			nested_text(s, word(c, i + 1));
			return;
		}
	}
	if (p->permutes || o.i >= c->n) {
		*ret_reads = o.shell || (p->permutes && p->rights && !o.text);
		if (c->more || (p->more && p->joins))
			shell_puzzle(s, "a program that comes from elsewhere");
	} else if (p->joins) {
		joined(s, c, o.i);
	} else {
		inner(s, c, o.i, c->n, assignments.data, o.mark, p->more || c->more);
	}
}

static bool is_stream(const struct permission_word *w)
{
	return !strcmp(w->text, "/dev/stdin") || !strcmp(w->text, "/dev/fd/0") ||
	       !strcmp(w->text, "/proc/self/fd/0");
}

/* sh -c TEXT, sh SCRIPT, sh. Whether the shell itself does nothing but what was added. */
static bool shell_command(struct shell *s, const struct permission_command *c, bool *ret_reads)
{
	bool has_text = false, reads = false;
	size_t i = 1;

	for (; i < c->n; i++) {
		const char *text = word(c, i);

		if (!strcmp(text, "--help") || !strcmp(text, "--version"))
			return false;
		if ((text[0] != '-' && text[0] != '+') || c->words[i].unknown)
			break;
		if (!strcmp(text, "-") || !strcmp(text, "--")) {
			i++;
			break;
		}
		if (text[1] == '-') {
			i += !strcmp(text, "--rcfile") || !strcmp(text, "--init-file");
			continue;
		}
		has_text |= text[0] == '-' && strchr(text, 'c');
		reads |= text[0] == '-' && strchr(text, 's');
		i += strchr(text, 'o') || strchr(text, 'O');
	}
	if (has_text) {
		if (i < c->n)
			nested_text(s, word(c, i));
		else if (c->more)
			shell_puzzle(s, "a program that comes from elsewhere");
		return true;
	}
	if (reads || i >= c->n || is_stream(&c->words[i])) {
		*ret_reads = true;
		return true;
	}
	if (!strncmp(word(c, i), "<(", 2))
		shell_puzzle(s, "a shell that reads its commands from somewhere else");
	return false;
}

/* -exec and its kind, each to its ";" or "+". */
static void find_command(struct shell *s, const struct permission_command *c)
{
	for (size_t i = 1; i < c->n; i++) {
		const char *text = word(c, i);
		size_t from = i + 1;

		if (strcmp(text, "-exec") != 0 && strcmp(text, "-execdir") != 0 &&
		    strcmp(text, "-ok") != 0 && strcmp(text, "-okdir") != 0)
			continue;
		for (i = from; i < c->n; i++) {
			if (!strcmp(word(c, i), ";") ||
			    (!strcmp(word(c, i), "+") && !strcmp(word(c, i - 1), "{}")))
				break;
		}
		inner(s, c, from, i, NULL, NULL, false);
	}
}

/* alias and export: what they set may be commands, or choose them. */
static bool setting_matters(struct shell *s, const struct permission_command *c, bool alias)
{
	bool matters = false;

	for (size_t i = 1; i < c->n; i++) {
		const char *equals = strchr(word(c, i), '=');

		if (alias && equals)
			nested_text(s, equals + 1);
		else if (equals)
			matters |= shell_assignment_matters(word(c, i));
	}
	return matters;
}

static bool is(const char *name, const char *other)
{
	return !strcmp(name, other);
}

void shell_unwrap(struct shell *s, struct permission_command *c, bool *ret_reads)
{
	const struct shell_program *p;
	const char *name;

	/* "{}" is what xargs, find and parallel put in. */
	if (c->n && strstr(word(c, 0), "{}"))
		c->words[0].unknown = true;
	if (!c->n || c->words[0].unknown) {
		shell_command_add(s, c);
		return;
	}
	name = shell_base_name(word(c, 0));
	if (!strncmp(name, ":::", 3))
		shell_puzzle(s, "a program that comes from elsewhere");
	p = shell_program_find(name);
	if (shell_program_is_shell(name)) {
		c->quiet = shell_command(s, c, ret_reads);
	} else if (p) {
		size_t before = s->line->n;

		wrapped(s, p, c, ret_reads);
		c->quiet = !p->rights && s->line->n > before;
	} else if (is(name, "find")) {
		find_command(s, c);
	} else if (is(name, ".") || is(name, "source")) {
		if (c->n > 1 && (!strncmp(word(c, 1), "<(", 2) || is_stream(&c->words[1])))
			shell_puzzle(s, "a shell that reads its commands from somewhere else");
	} else if (shell_program_is_quiet(name)) {
		if (is(name, "trap") && c->n > 1)
			nested_text(s, word(c, 1));
		c->quiet = !setting_matters(s, c, is(name, "alias"));
	}
	shell_command_add(s, c);
}
