/* The parts of a shell's grammar in which commands stand: lists, subshells, loops, case, functions.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_shell.h"

static char at(const struct shell *s, size_t ahead)
{
	return (char)((size_t)(s->end - s->p) > ahead ? s->p[ahead] : '\0');
}

/* Blanks and newlines between words of a compound command. */
static void gap(struct shell *s)
{
	for (;;) {
		if (shell_blank(at(s, 0)))
			s->p++;
		else if (at(s, 0) == '\n')
			shell_newline(s);
		else if (at(s, 0) == '\\' && at(s, 1) == '\n')
			s->p += 2;
		else if (at(s, 0) == '#')
			while (s->p < s->end && *s->p != '\n')
				s->p++;
		else
			return;
	}
}

/* Reads a word if one begins here; whether it is this one, unquoted. */
static bool word_is(struct shell *s, const char *text)
{
	struct shell_word w = { CORRAL_BUF_INIT, false, false };
	bool is = false;

	if (shell_at_word(s)) {
		shell_word_read(s, &w);
		is = !shell_stopped(s) && w.text.data && !w.quoted && !strcmp(w.text.data, text);
	}
	shell_word_done(&w);
	return is;
}

/* "for name", "for name in words", "for ((...))", p being behind "for". */
static void loop_head(struct shell *s)
{
	struct shell_word w = { CORRAL_BUF_INIT, false, false };

	gap(s);
	if (at(s, 0) == '(' && at(s, 1) == '(') {
		s->p += 2;
		if (!shell_arithmetic(s, &w))
			shell_puzzle(s, "a loop of an unknown kind");
		shell_word_done(&w);
		return;
	}
	if (!shell_at_word(s)) {
		shell_puzzle(s, "a loop of an unknown kind");
		return;
	}
	(void)word_is(s, "");
	gap(s);
	/* "in" and its words are no commands; all else is, or is passed by as "do" is. */
	if (at(s, 0) == 'i' && at(s, 1) == 'n' &&
	    (shell_blank(at(s, 2)) || (at(s, 2) && strchr("\n;\\", at(s, 2))))) {
		s->p += 2;
		while (!shell_stopped(s)) {
			while (shell_blank(at(s, 0)) || (at(s, 0) == '\\' && at(s, 1) == '\n'))
				s->p += shell_blank(at(s, 0)) ? 1 : 2;
			if (!shell_at_word(s))
				break;
			(void)word_is(s, "");
		}
	}
}

/* Patterns to the ")" behind them; true when there was "esac" instead. */
static bool case_patterns(struct shell *s)
{
	gap(s);
	if (at(s, 0) == '(')
		s->p++;
	while (!shell_stopped(s)) {
		gap(s);
		if (word_is(s, "esac"))
			return true;
		gap(s);
		if (at(s, 0) == '|') {
			s->p++;
		} else if (at(s, 0) == ')') {
			s->p++;
			return false;
		} else if (!shell_at_word(s)) {
			shell_puzzle(s, "a case without its end");
		}
	}
	return true;
}

static void case_read(struct shell *s)
{
	bool esac = false;

	gap(s);
	(void)word_is(s, "");
	gap(s);
	if (!word_is(s, "in")) {
		shell_puzzle(s, "a case without its in");
		return;
	}
	while (!shell_stopped(s) && !esac) {
		if (case_patterns(s))
			return;
		shell_list(s, SHELL_CLOSE_CASE, &esac);
	}
}

/* "[[ ... ]]": operators in it are no operators of the shell. */
static void condition(struct shell *s)
{
	while (!shell_stopped(s)) {
		gap(s);
		if (s->p >= s->end) {
			shell_puzzle(s, "a [[ without its ]]");
		} else if (shell_at_word(s)) {
			if (word_is(s, "]]"))
				return;
		} else {
			s->p++;
		}
	}
}

/* "time" and "time -p" stand before any command; with other options it is a program. */
static bool timed(struct shell *s)
{
	shell_blanks(s);
	if (at(s, 0) != '-')
		return true;
	if (at(s, 1) != 'p' || !shell_blank(at(s, 2)))
		return false;
	s->p += 2;
	return true;
}

/* A word that begins or joins compound commands; false: it is a command's. */
static bool reserved(struct shell *s, const struct shell_word *w)
{
	static const char *const passed[] = { "if",    "then", "elif", "else", "fi", "while",
		                              "until", "do",   "done", "{",    "}",  "!" };
	const char *text = w->text.data;

	if (w->quoted || w->unknown || !text)
		return false;
	for (size_t i = 0; i < CORRAL_COUNT(passed); i++) {
		if (!strcmp(text, passed[i]))
			return true;
	}
	if (!strcmp(text, "time"))
		return timed(s);
	if (!strcmp(text, "coproc"))
		shell_puzzle(s, "a coprocess");
	if (!strcmp(text, "for") || !strcmp(text, "select")) {
		loop_head(s);
		return true;
	}
	if (!strcmp(text, "case")) {
		case_read(s);
		return true;
	}
	if (!strcmp(text, "[[")) {
		condition(s);
		return true;
	}
	if (!strcmp(text, "function")) {
		shell_blanks(s);
		if (!shell_at_word(s))
			shell_puzzle(s, "a function without a name");
		(void)word_is(s, "");
		gap(s);
		if (at(s, 0) == '(' && at(s, 1) == ')')
			s->p += 2;
		return true;
	}
	return false;
}

/* "name ()": the function's body follows as a command of its own. */
static bool function(struct shell *s)
{
	const char *from = s->p;

	while (shell_blank(at(s, 0)))
		s->p++;
	if (at(s, 0) == '(') {
		s->p++;
		while (shell_blank(at(s, 0)))
			s->p++;
		if (at(s, 0) == ')') {
			s->p++;
			return true;
		}
	}
	s->p = from;
	return false;
}

static void parentheses(struct shell *s)
{
	struct shell_word w = { CORRAL_BUF_INIT, false, false };
	const char *from = s->p;

	if (at(s, 1) == '(' && *s->work >= (size_t)(s->end - from)) {
		*s->work -= (size_t)(s->end - from);
		s->p += 2;
		if (shell_arithmetic(s, &w) || shell_stopped(s)) {
			shell_word_done(&w);
			return;
		}
		s->p = from;
	} else if (at(s, 1) == '(') {
		shell_puzzle(s, "too much nesting");
	}
	shell_word_done(&w);
	s->p++;
	shell_list(s, SHELL_CLOSE_PAREN, NULL);
}

/* A command, or a word in front of one; *ret_esac when it was "esac". */
static void command(struct shell *s, enum shell_closer closer, bool *ret_esac)
{
	struct shell_word w = { CORRAL_BUF_INIT, false, false };

	if (at(s, 0) == '(') {
		parentheses(s);
		return;
	}
	if (!shell_at_word(s) || shell_at_assignment(s)) {
		shell_simple(s, NULL);
		return;
	}
	shell_word_read(s, &w);
	if (shell_stopped(s)) {
		shell_word_done(&w);
		return;
	}
	if (closer == SHELL_CLOSE_CASE && !w.quoted && !strcmp(w.text.data, "esac"))
		*ret_esac = true;
	else if (!reserved(s, &w) && !function(s))
		shell_simple(s, &w);
	shell_word_done(&w);
}

void shell_list(struct shell *s, enum shell_closer closer, bool *ret_esac)
{
	bool esac = false;

	if (++s->depth > SHELL_DEPTH_MAX)
		shell_puzzle(s, "too much nesting");
	while (!shell_stopped(s) && !esac) {
		const char *from = s->p;

		shell_blanks(s);
		if (s->p >= s->end) {
			if (closer != SHELL_CLOSE_END)
				shell_puzzle(s, "something without its end");
			break;
		}
		if (at(s, 0) == '\n') {
			shell_newline(s);
		} else if (at(s, 0) == ')') {
			if (closer == SHELL_CLOSE_PAREN)
				s->p++;
			else
				shell_puzzle(s, "a parenthesis without another");
			break;
		} else if (at(s, 0) == ';' && (at(s, 1) == ';' || at(s, 1) == '&')) {
			if (closer == SHELL_CLOSE_CASE)
				s->p += at(s, 1) == ';' && at(s, 2) == '&' ? 3 : 2;
			else
				shell_puzzle(s, "a ;; outside of a case");
			break;
		} else if (at(s, 0) == ';' || at(s, 0) == '|' ||
		           (at(s, 0) == '&' && at(s, 1) != '>')) {
			s->p++;
		} else {
			command(s, closer, &esac);
			if (!shell_stopped(s) && s->p == from)
				shell_puzzle(s, "something unexpected");
		}
	}
	s->depth--;
	if (ret_esac)
		*ret_esac = esac;
}
