/* Inside the console toolset: one call, and what its files share. */
#ifndef CORRAL_BACKENDS_CONSOLE_STATE_H
#define CORRAL_BACKENDS_CONSOLE_STATE_H

#include <pthread.h>

#include "backends/console.h"

#define CONSOLE_LOCKS     64u
#define CONSOLE_SEEN_MAX  4096u /* files whose content is remembered; the oldest is forgotten */
#define CONSOLE_HASH_SIZE 32u

/* What a file held when it was last read or written through the toolset, by the path as spelled. */
struct console_seen {
	char *path; /* NULL: unused */
	uint8_t hash[CONSOLE_HASH_SIZE];
	uint64_t turn;
};

struct corral_console_toolset {
	struct corral_console_toolset_options o;
	struct corral_console_schema *schema;
	/* Held around check, replacement and write of a file: one of them per path. */
	pthread_mutex_t files[CONSOLE_LOCKS];
	pthread_mutex_t lock; /* what follows */
	struct console_seen *seen;
	uint64_t turn;
};

struct console_call {
	struct corral_console_toolset *t;
	struct corral_backend *backend;
	const struct corral_console_arguments *a;
	const struct corral_console_control *control;
	struct corral_console_result *result;
};

/* The result is "Error: " and the text, and a failure. */
void console_fail(struct console_call *c, bool fixable, const char *text);
void console_fail_with(struct console_call *c, const struct corral_error *err);
void console_say(struct console_call *c, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

typedef void console_tool_fn(struct console_call *c);

/* backends/console_files.c */
console_tool_fn console_ls, console_read, console_write, console_edit, console_hashline_edit;
/* backends/console_search.c */
console_tool_fn console_glob, console_grep;
/* backends/console_shell.c */
console_tool_fn console_execute, console_background, console_output, console_kill, console_list;

/* backends/console_seen.c */
pthread_mutex_t *console_file_lock(struct corral_console_toolset *t, const char *path);
void console_seen_note(struct corral_console_toolset *t, const char *path, const void *data,
                       size_t len);
/* Whether it was seen, and holds something else now. */
bool console_seen_differs(struct corral_console_toolset *t, const char *path, const void *data,
                          size_t len);
bool console_seen_has(struct corral_console_toolset *t, const char *path);
void console_seen_done(struct corral_console_toolset *t);

#endif
