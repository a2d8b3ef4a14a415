/* The table of console tools, for those who render it and those who read arguments by it. */
#ifndef CORRAL_BACKENDS_CONSOLE_TOOLS_H
#define CORRAL_BACKENDS_CONSOLE_TOOLS_H

#include "backends/console_schema.h"

#define CONSOLE_ARGUMENTS_MAX 7

enum console_kind {
	CONSOLE_TEXT,    /* no NUL in it */
	CONSOLE_CONTENT, /* any text */
	CONSOLE_NUMBER,
	CONSOLE_SWITCH,
	CONSOLE_MODE, /* enum corral_console_output_mode */
};

struct console_argument {
	const char *name;
	enum console_kind kind;
	bool required; /* else there is a default */
	bool nullable; /* null is a value */
	size_t offset; /* in struct corral_console_arguments */
	size_t given; /* the same, of the flag that says it is not null; numbers that may be null */
	const char *text; /* default of texts; NULL: null */
	int64_t number;   /* default of numbers, switches and modes; of a nullable one as well */
	bool null;        /* the default is null */
	bool has_min;     /* numbers below min are refused */
	int64_t min;
	const char *description;
};

struct console_tool {
	const char *name;
	enum corral_permission_operation operation;
	enum corral_permission_operation approval; /* whose default says whether to ask */
	bool approved;                             /* may need approval at all */
	bool shell;                                /* with include_execute */
	bool background;                           /* with include_background as well */
	const char *summary;
	const char *usage;   /* or NULL */
	const char *hashed;  /* added to it where lines carry hashes, or NULL */
	const char *coding;  /* or NULL: left out for agents that do not write code */
	const char *returns; /* or NULL */
	struct console_argument arguments[CONSOLE_ARGUMENTS_MAX];
	size_t n;
};

extern const struct console_tool console_tools[CORRAL_CONSOLE_TOOLS];
extern const char *const console_modes[3];

/* The default of a number, switch or mode, which for one of them is an option. */
int64_t console_default(const struct corral_console_schema *s, const struct console_argument *a);

#endif
