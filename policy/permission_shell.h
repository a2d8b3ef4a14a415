/* What the files share that take commands apart: permission_list.c reads lists,
 * permission_command.c simple commands, permission_redirect.c what they read and write,
 * permission_word.c words; permission_unwrap.c knows how programs run programs, and
 * permission_program.c which. */
#ifndef CORRAL_POLICY_PERMISSION_SHELL_H
#define CORRAL_POLICY_PERMISSION_SHELL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/buf.h"
#include "policy/permission_command.h"

#define SHELL_DEPTH_MAX 40u
#define SHELL_HERE_MAX  16u /* here-documents that begin on one line */

struct shell_here {
	char *end;   /* the line that ends it */
	bool tabs;   /* "<<-": tabs at the start of its lines do not count */
	bool quoted; /* nothing in it is expanded */
	bool run;    /* a shell reads it */
};

struct shell {
	const char *p, *end;
	struct permission_line *line;
	struct shell_here here[SHELL_HERE_MAX];
	size_t n_here;
	unsigned int depth;
	size_t *work; /* bytes that may still be read a second time: nesting stays linear */
	int r;        /* 0 or -ENOMEM; with the line's puzzle, the reason to stop */
};

/* What ends a list. */
enum shell_closer {
	SHELL_CLOSE_END,   /* the end of the text */
	SHELL_CLOSE_PAREN, /* ")" */
	SHELL_CLOSE_CASE,  /* ";;" or "esac" */
};

/* A word while it is read. */
struct shell_word {
	struct corral_buf text;
	bool unknown, quoted;
};

/* permission_command.c */
bool shell_stopped(const struct shell *s);
void shell_puzzle(struct shell *s, const char *what);
/* Blanks, joined lines, and a comment where one may begin. */
void shell_blanks(struct shell *s);
/* Whether "name=", "name+=" or "name[...]=" begins at p. */
bool shell_at_assignment(const struct shell *s);
/* A simple command to its end; first is its first word, taken, or NULL. */
void shell_simple(struct shell *s, struct shell_word *first);
/* Reads other text of the line as commands. */
void shell_nested(struct shell *s, const char *text, size_t len);
void shell_command_done(struct permission_command *c);
/* One more simple command; what is in it is taken. */
void shell_command_add(struct shell *s, struct permission_command *take);

/* Room for one more; NULL when memory ran out. */
void *shell_grow(void *items, size_t n, size_t *size, size_t item);

/* permission_redirect.c */
/* A newline, and behind it the here-documents that began on its line. */
void shell_newline(struct shell *s);
/* Forgets here-documents whose bodies never came. */
void shell_here_drop(struct shell *s);
/*
 * p is at "<", ">" or "&>", behind digits. What "<<<" gives is appended to here, and *ret_here set.
 */
void shell_redirection(struct shell *s, struct shell_word *here, bool *ret_here);

/* permission_list.c */
/* Commands to what ends them; *ret_esac, which may be NULL: a case is at its end. */
void shell_list(struct shell *s, enum shell_closer closer, bool *ret_esac);

/* permission_word.c */
bool shell_blank(char c);
/* Whether a word, and no operator, begins at p. */
bool shell_at_word(const struct shell *s);
void shell_word_read(struct shell *s, struct shell_word *w);
void shell_word_done(struct shell_word *w);
/* Commands in text that is expanded and not split: the body of a here-document. */
void shell_expansions(struct shell *s, const char *text, size_t len);
/* To the "))" of an arithmetic expression, p being behind its "(("; false: it is none. */
bool shell_arithmetic(struct shell *s, struct shell_word *w);

/* permission_unwrap.c */
/*
 * Adds what the command runs and says what the command itself is worth: *ret_reads is set when it
 * is a shell that reads commands from its standard input.
 */
void shell_unwrap(struct shell *s, struct permission_command *c, bool *ret_reads);

/* permission_program.c */
struct shell_program {
	const char *name;
	const char *valued;       /* letters of options that take a value */
	const char *flags;        /* letters of those that take none */
	const char *long_valued;  /* " --user --group ", each between blanks */
	const char *long_flags;   /* the same for those that take none */
	const char *shell_flags;  /* flags that ask for a shell where no command is given */
	const char *lookup_flags; /* flags with which nothing is run */
	unsigned int operands;    /* its own, before the command */
	char text;                /* letter of the option whose value is a text of commands */
	bool assignments;         /* before the command, as with env */
	bool permutes;            /* options stand anywhere, and no command follows */
	bool joins;               /* what follows is one text of commands, as with eval */
	bool rights;              /* changes what the command may do: counts by itself */
	bool more;                /* adds arguments of its own */
};
const struct shell_program *shell_program_find(const char *name);
bool shell_program_is_shell(const char *name);
bool shell_program_is_quiet(const char *name);
/* Changes no file that it is given, whatever its options. */
bool shell_program_only_reads(const char *name);
/* Whether an assignment "NAME=..." chooses what code programs run. */
bool shell_assignment_matters(const char *assignment);
/* Behind the last "/". */
const char *shell_base_name(const char *path);

#endif
