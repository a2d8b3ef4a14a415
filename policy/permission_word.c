/* Words of a shell: quotes, backslashes, and the commands within expansions. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_shell.h"

static void dollar(struct shell *s, struct shell_word *w, bool quoted);

bool shell_blank(char c)
{
	return c == ' ' || c == '\t';
}

void shell_word_done(struct shell_word *w)
{
	corral_buf_done(&w->text);
}

static void word_add(struct shell_word *w, const char *from, const char *to)
{
	corral_buf_add(&w->text, from, (size_t)(to - from));
}

static char at(const struct shell *s, size_t ahead)
{
	return (char)((size_t)(s->end - s->p) > ahead ? s->p[ahead] : '\0');
}

bool shell_at_word(const struct shell *s)
{
	char c = at(s, 0);

	if (s->p >= s->end)
		return false;
	if ((c == '<' || c == '>') && at(s, 1) == '(')
		return true;
	return !strchr(" \t\n;&|<>()", c) || c == '\0';
}

/* Everything to the backtick that ends it, with its backslashes taken off, is a list of its own. */
static void backtick(struct shell *s, struct shell_word *w, bool quoted)
{
	corral_autobuf struct corral_buf inner = CORRAL_BUF_INIT;
	const char *from = s->p++;

	corral_buf_add(&inner, "", 0);
	while (s->p < s->end && *s->p != '`') {
		if (*s->p == '\\' && s->p + 1 < s->end &&
		    (strchr("$`\\", s->p[1]) || (quoted && s->p[1] == '"')))
			s->p++;
		corral_buf_add(&inner, s->p++, 1);
	}
	if (s->p >= s->end) {
		shell_puzzle(s, "a backtick without another");
		return;
	}
	s->p++;
	word_add(w, from, s->p);
	w->unknown = true;
	if (inner.failed)
		s->r = -ENOMEM;
	else
		shell_nested(s, inner.data, inner.len);
}

static void substitution(struct shell *s, struct shell_word *w, const char *from)
{
	shell_list(s, SHELL_CLOSE_PAREN, NULL);
	word_add(w, from, s->p);
	w->unknown = true;
}

static void single_quotes(struct shell *s, struct shell_word *w)
{
	const char *from = ++s->p;
	const char *to = memchr(from, '\'', (size_t)(s->end - from));

	w->quoted = true;
	if (!to) {
		shell_puzzle(s, "a quote without another");
		return;
	}
	word_add(w, from, to);
	s->p = to + 1;
}

static void double_quotes(struct shell *s, struct shell_word *w)
{
	s->p++;
	w->quoted = true;
	while (!shell_stopped(s)) {
		if (s->p >= s->end) {
			shell_puzzle(s, "a quote without another");
			return;
		}
		switch (*s->p) {
		case '"':
			s->p++;
			return;
		case '$':
			dollar(s, w, true);
			break;
		case '`':
			backtick(s, w, true);
			break;
		case '\\':
			if (at(s, 1) == '\n') {
				s->p += 2;
				break;
			}
			if (s->p + 1 < s->end && strchr("$`\"\\", s->p[1]))
				s->p++;
			corral_buf_add(&w->text, s->p++, 1);
			break;
		default:
			corral_buf_add(&w->text, s->p++, 1);
		}
	}
}

/* "\x41", "\101" and the like, p being behind the backslash. */
static void numbered(struct shell *s, struct shell_word *w, unsigned int base, size_t digits)
{
	char number[9] = { 0 };
	unsigned long value;
	size_t n = 0;

	while (n < digits && (base == 16 ? isxdigit((unsigned char)at(s, 0))
	                                 : at(s, 0) >= '0' && at(s, 0) <= '7'))
		number[n++] = *s->p++;
	value = strtoul(number, NULL, (int)base);
	if (value == 0 || value > 0x7f) {
		/* Beyond ASCII it depends on the locale; nothing that matters is called so. */
		w->unknown = true;
		return;
	}
	corral_buf_add(&w->text, &(char) { (char)value }, 1);
}

/* $'...': quotes in which a backslash means what it means in C. */
static void ansi_quotes(struct shell *s, struct shell_word *w)
{
	static const char from[] = "abefnrtvE", to[] = "\a\b\033\f\n\r\t\v\033";
	const char *known;

	s->p += 2;
	w->quoted = true;
	while (s->p < s->end && *s->p != '\'') {
		char c = *s->p++;

		if (c != '\\' || s->p >= s->end) {
			corral_buf_add(&w->text, &c, 1);
			continue;
		}
		c = *s->p++;
		if (c && (known = strchr(from, c))) {
			corral_buf_add(&w->text, &to[known - from], 1);
		} else if (c == 'x') {
			numbered(s, w, 16, 2);
		} else if (c == 'u' || c == 'U') {
			numbered(s, w, 16, c == 'u' ? 4 : 8);
		} else if (c >= '0' && c <= '7') {
			s->p--;
			numbered(s, w, 8, 3);
		} else if (c == 'c') {
			w->unknown = true;
		} else {
			corral_buf_add(&w->text, &c, 1);
		}
	}
	if (s->p >= s->end)
		shell_puzzle(s, "a quote without another");
	else
		s->p++;
}

/* To the bracket that ends ${...} or $[...]; p is behind the one that begins it. */
static void parameter(struct shell *s, struct shell_word *w, char close, bool quoted)
{
	while (!shell_stopped(s)) {
		if (s->p >= s->end) {
			shell_puzzle(s, "a ${ without its }");
			return;
		}
		if (*s->p == close) {
			s->p++;
			return;
		}
		if (*s->p == '\\')
			s->p += s->p + 1 < s->end ? 2 : 1;
		else if (*s->p == '$')
			dollar(s, w, quoted);
		else if (*s->p == '`')
			backtick(s, w, quoted);
		else if (*s->p == '"')
			double_quotes(s, w);
		else if (*s->p == '\'' && !quoted)
			single_quotes(s, w);
		else if ((*s->p == '<' || *s->p == '>') && at(s, 1) == '(' && !quoted)
			shell_puzzle(s, "a <( within a ${");
		else
			s->p++;
	}
}

bool shell_arithmetic(struct shell *s, struct shell_word *w)
{
	unsigned int open = 0;

	while (!shell_stopped(s) && s->p < s->end) {
		switch (*s->p) {
		case '(':
			open++;
			s->p++;
			break;
		case ')':
			s->p++;
			if (open) {
				open--;
				break;
			}
			if (at(s, 0) != ')')
				return false;
			s->p++;
			return true;
		case '$':
			dollar(s, w, true);
			break;
		case '`':
			backtick(s, w, true);
			break;
		case '\\':
			s->p += s->p + 1 < s->end ? 2 : 1;
			break;
		default:
			s->p++;
		}
	}
	return shell_stopped(s);
}

/*
 * "$((" begins an arithmetic expression or, rarely, a subshell within a substitution: which of them
 * is seen at its end, and the second is then read once more.
 */
static void arithmetic_or_list(struct shell *s, struct shell_word *w, const char *from)
{
	struct shell_word inner = { CORRAL_BUF_INIT, false, false };
	const char *at_first = s->p;

	s->p += 1;
	if (!shell_arithmetic(s, &inner) && !shell_stopped(s)) {
		if (*s->work < (size_t)(s->end - at_first)) {
			shell_puzzle(s, "too much nesting");
		} else {
			*s->work -= (size_t)(s->end - at_first);
			s->p = at_first;
			substitution(s, w, from);
		}
		shell_word_done(&inner);
		return;
	}
	shell_word_done(&inner);
	word_add(w, from, s->p);
	w->unknown = true;
}

static void dollar(struct shell *s, struct shell_word *w, bool quoted)
{
	const char *from = s->p;
	struct shell_word inner = { CORRAL_BUF_INIT, false, false };
	char c = at(s, 1);

	if (++s->depth > SHELL_DEPTH_MAX) {
		shell_puzzle(s, "too much nesting");
	} else if (c == '(') {
		s->p += 2;
		if (at(s, 0) == '(')
			arithmetic_or_list(s, w, from);
		else
			substitution(s, w, from);
	} else if (c == '{' || c == '[') {
		s->p += 2;
		parameter(s, &inner, c == '{' ? '}' : ']', quoted);
		word_add(w, from, s->p);
		w->unknown = true;
	} else if (c == '\'' && !quoted) {
		ansi_quotes(s, w);
	} else if (c == '"' && !quoted) {
		s->p++;
		double_quotes(s, w);
	} else if (isalpha((unsigned char)c) || c == '_') {
		s->p += 2;
		while (isalnum((unsigned char)at(s, 0)) || at(s, 0) == '_')
			s->p++;
		word_add(w, from, s->p);
		w->unknown = true;
	} else if (c && (isdigit((unsigned char)c) || strchr("@*#?$!-", c))) {
		s->p += 2;
		word_add(w, from, s->p);
		w->unknown = true;
	} else {
		corral_buf_add(&w->text, s->p++, 1);
	}
	s->depth--;
	shell_word_done(&inner);
}

/* What makes a glob or several words of one: only seen at the end of the word. */
struct marks {
	bool bracket, brace, comma;
};

static void plain(struct shell *s, struct shell_word *w, struct marks *m)
{
	char c = *s->p;

	if (c == '*' || c == '?' || (c == ']' && m->bracket) || (c == '}' && m->comma))
		w->unknown = true;
	m->bracket |= c == '[';
	m->brace |= c == '{';
	m->comma |= m->brace && (c == ',' || (c == '.' && at(s, 1) == '.'));
	corral_buf_add(&w->text, s->p++, 1);
}

void shell_word_read(struct shell *s, struct shell_word *w)
{
	struct marks marks = { false, false, false };

	corral_buf_add(&w->text, "", 0);
	while (!shell_stopped(s) && shell_at_word(s)) {
		const char *from = s->p;

		switch (*s->p) {
		case '\\':
			if (at(s, 1) == '\n') {
				s->p += 2;
				break;
			}
			w->quoted = true;
			if (s->p + 1 < s->end)
				s->p++;
			corral_buf_add(&w->text, s->p++, 1);
			break;
		case '\'':
			single_quotes(s, w);
			break;
		case '"':
			double_quotes(s, w);
			break;
		case '$':
			dollar(s, w, false);
			break;
		case '`':
			backtick(s, w, false);
			break;
		case '<':
		case '>':
			s->p += 2;
			substitution(s, w, from);
			break;
		default:
			plain(s, w, &marks);
		}
	}
	if (w->text.failed)
		s->r = -ENOMEM;
}

void shell_expansions(struct shell *s, const char *text, size_t len)
{
	struct shell_word w = { CORRAL_BUF_INIT, false, false };
	struct shell inner = { .p = text,
		               .end = text + len,
		               .line = s->line,
		               .depth = s->depth + 1,
		               .work = s->work };

	while (!shell_stopped(&inner) && inner.p < inner.end) {
		if (*inner.p == '\\')
			inner.p += inner.p + 1 < inner.end ? 2 : 1;
		else if (*inner.p == '$')
			dollar(&inner, &w, true);
		else if (*inner.p == '`')
			backtick(&inner, &w, true);
		else
			inner.p++;
	}
	shell_here_drop(&inner);
	if (inner.r < 0)
		s->r = inner.r;
	shell_word_done(&w);
}
