#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_state.h"
#include "kernel/base/utf8.h"

#define GLOB_ROWS     100u
#define GREP_ROWS     50u
#define GREP_LINE_MAX 100 /* characters */

/* What the rules hide is not told of, where the backend does not see to that. */
static bool is_shown(const struct console_call *c, enum corral_permission_operation operation,
                     const char *path)
{
	const struct corral_permission_target target = { path, path, NULL };

	return !c->t->o.tools.permissions || c->t->o.guarded ||
	       corral_permission_visible(c->t->o.tools.permissions, operation, &target);
}

/* Moves what is shown to the front. */
static void rows_filter(const struct console_call *c, struct corral_files_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		if (is_shown(c, CORRAL_PERMISSION_GLOB, rows->rows[i].path))
			rows->rows[n++] = rows->rows[i];
	rows->n = n;
}

static void matches_filter(const struct console_call *c, struct corral_files_matches *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		if (is_shown(c, CORRAL_PERMISSION_GREP, m->matches[i].path))
			m->matches[n++] = m->matches[i];
	m->n = n;
}

void console_glob(struct console_call *c)
{
	const char *pattern = c->a->pattern.data, *path = c->a->path.data;
	struct corral_files_rows rows = { 0 };
	struct corral_error err = { 0 };

	if (corral_backend_glob(c->backend, pattern, path, CORRAL_FILES_NAMES, &rows, &err) < 0) {
		/* A place that is not there has no files; all else is worth saying. */
		if (err.code == ENOENT || err.code == ENOTDIR)
			console_say(c, "No files matching '%s' in %s", pattern, path);
		else
			console_fail_with(c, &err);
		corral_files_rows_done(&rows);
		return;
	}
	rows_filter(c, &rows);
	if (!rows.n)
		console_say(c, "No files matching '%s' in %s", pattern, path);
	else
		console_say(c, "Found %zu file(s) matching '%s':", rows.n, pattern);
	for (size_t i = 0; i < rows.n && i < GLOB_ROWS; i++)
		console_say(c, "\n  %s", rows.rows[i].path);
	if (rows.n > GLOB_ROWS)
		console_say(c, "\n  ... and %zu more", rows.n - GLOB_ROWS);
	corral_files_rows_done(&rows);
}

/* The length of so many characters of a valid text. */
static size_t characters(const char *text, size_t len, size_t max)
{
	size_t at = 0;

	while (at < len && max--) {
		int step = corral_utf8_step((const unsigned char *)text + at, len - at);

		at += (size_t)(step < 0 ? -step : step);
	}
	return at;
}

static void say_lines(struct console_call *c, const struct corral_files_matches *m,
                      const char *pattern)
{
	console_say(c, "Matches for '%s':", pattern);
	for (size_t i = 0; i < m->n && i < GREP_ROWS; i++) {
		const struct corral_files_match *match = &m->matches[i];

		console_say(c, "\n%s:%llu: ", match->path, (unsigned long long)match->line_number);
		corral_buf_add(&c->result->text, match->line,
		               characters(match->line, match->line_len, GREP_LINE_MAX));
	}
	if (m->n > GREP_ROWS)
		console_say(c, "\n  ... and %zu more matches", m->n - GREP_ROWS);
}

/* Matches are ordered by path. */
static void say_files(struct console_call *c, const struct corral_files_matches *m,
                      const char *pattern)
{
	size_t files = 0;

	console_say(c, "Files containing '%s':", pattern);
	for (size_t i = 0; i < m->n; i++) {
		if (i && !strcmp(m->matches[i].path, m->matches[i - 1].path))
			continue;
		if (files++ < GREP_ROWS)
			console_say(c, "\n%s", m->matches[i].path);
	}
	if (files > GREP_ROWS)
		console_say(c, "\n  ... and %zu more files", files - GREP_ROWS);
}

static void say_found(struct console_call *c, const struct corral_files_matches *m,
                      const char *pattern)
{
	switch (c->a->output_mode) {
	case CORRAL_CONSOLE_CONTENT:
		say_lines(c, m, pattern);
		return;
	case CORRAL_CONSOLE_COUNT:
		console_say(c, "Found %zu match(es) for '%s'", m->n, pattern);
		return;
	case CORRAL_CONSOLE_FILES_WITH_MATCHES:
		say_files(c, m, pattern);
		return;
	}
}

void console_grep(struct console_call *c)
{
	const char *pattern = c->a->pattern.data;
	const struct corral_files_grep grep = {
		.pattern = pattern,
		.path = c->a->path.data,
		.glob = c->a->glob_pattern.data,
		.flags = c->a->ignore_hidden ? CORRAL_FILES_IGNORE_HIDDEN : 0,
	};
	struct corral_files_matches found = { 0 };
	struct corral_error err = { 0 };

	if (corral_backend_grep(c->backend, &grep, &found, &err) < 0) {
		console_fail_with(c, &err);
		corral_files_matches_done(&found);
		return;
	}
	matches_filter(c, &found);
	if (!found.n)
		console_say(c, "No matches for '%s'", pattern);
	else
		say_found(c, &found, pattern);
	corral_files_matches_done(&found);
}
