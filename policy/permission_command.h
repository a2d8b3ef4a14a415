/*
 * Takes a command line apart as sh and bash would, without running anything, into the simple
 * commands that it would run: those in lists, pipes, subshells, $( ), backticks, functions, loops
 * and here-documents, and those that other programs run for it (sudo, env, timeout, xargs, sh -c,
 * find -exec, eval ...). What it cannot follow, it says.
 *
 * It errs to one side: a command too many is fine, one too few is not. What a program does by its
 * own language (python -c, make, git aliases) is out of its sight.
 */
#ifndef CORRAL_POLICY_PERMISSION_COMMAND_H
#define CORRAL_POLICY_PERMISSION_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PERMISSION_COMMANDS_MAX 4096u /* simple commands of a line; more are not understood */

/* Quotes are gone. What only the shell can know ($x, $(...), a glob) stands as written. */
struct permission_word {
	char *text;
	bool unknown; /* some of it only the shell knows; it may be several words, or none */
};

struct permission_command {
	struct permission_word
	        *words; /* the program first; none when there are assignments alone */
	size_t n;
	char *assignments; /* "A=1 B=2", those in front that choose what code runs; or NULL */
	bool quiet;        /* harmless by itself: only a rule about it counts, no default */
	bool more;         /* other arguments follow, which are not known (xargs) */
};

struct permission_redirect {
	struct permission_word path;
	bool write;
};

struct permission_line {
	struct permission_command *commands;
	size_t n, size;
	struct permission_redirect *redirects;
	size_t n_redirects, redirects_size;
	const char *puzzle; /* the first thing that was not understood, or NULL */
};

/* 0 or -ENOMEM; whatever the text, *ret is then the caller's to give to permission_line_done(). */
int permission_line_split(const char *text, struct permission_line *ret);
void permission_line_done(struct permission_line *l);

/* The words with single blanks between; a program's name with blanks in it is put in quotes. */
struct corral_buf;
void permission_command_text(const struct permission_command *c, struct corral_buf *b);

#ifdef __cplusplus
}
#endif

#endif
