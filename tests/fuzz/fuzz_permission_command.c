/*
 * Command lines: split in bounded time, and never milder for what stands around them. A command
 * that is denied stays so as a part of a list, in a subshell, and behind sudo.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission.h"
#include "policy/permission_command.h"
#include "tests/fuzz/fuzz.h"

static struct corral_permission_checker *checker_make(void)
{
	struct corral_permission_ruleset *s = corral_permission_ruleset_new();
	struct corral_permission_checker *c = NULL;

	assert(s);
	corral_permission_ruleset_set(s, CORRAL_PERMISSION_EXECUTE, CORRAL_PERMISSION_ALLOW);
	assert(corral_permission_ruleset_add(s, CORRAL_PERMISSION_EXECUTE, "rm *",
	                                     CORRAL_PERMISSION_DENY, "no", NULL) == 0);
	assert(corral_permission_checker_new(s, NULL, &c, NULL) == 0);
	corral_permission_ruleset_free(s);
	return c;
}

static bool denied(const struct corral_permission_checker *c, const char *command)
{
	const struct corral_permission_target t = { command, NULL, NULL };
	struct corral_permission_decision d;

	assert(corral_permission_decide(c, CORRAL_PERMISSION_EXECUTE, &t, &d, NULL) == 0);
	return d.action == CORRAL_PERMISSION_DENY;
}

/* What is in front of it may not hide a command of ours, unless it makes it something else. */
static void check_behind(const struct corral_permission_checker *c, const char *text,
                         const struct permission_line *line)
{
	corral_autofree char *longer = NULL;

	if (line->puzzle) {
		assert(denied(c, text));
		return;
	}
	/* Neither in a comment nor in the body of a here-document. */
	if (strpbrk(text, "#<\\"))
		return;
	assert(asprintf(&longer, "%s\nrm x", text) >= 0);
	assert(denied(c, longer));
}

static void check_line(const struct permission_line *l)
{
	assert(l->n <= PERMISSION_COMMANDS_MAX);
	for (size_t i = 0; i < l->n; i++) {
		assert(l->commands[i].n || l->commands[i].assignments);
		for (size_t k = 0; k < l->commands[i].n; k++)
			assert(l->commands[i].words[k].text);
	}
	for (size_t i = 0; i < l->n_redirects; i++)
		assert(l->redirects[i].path.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	corral_autofree char *text = NULL, *wrapped = NULL;
	struct corral_permission_checker *c;
	struct permission_line line;

	if (size > 8192)
		return 0;
	text = strndup((const char *)data, size);
	assert(text);
	assert(permission_line_split(text, &line) == 0);
	check_line(&line);
	c = checker_make();
	check_behind(c, text, &line);
	if (!line.puzzle && denied(c, text)) {
		assert(asprintf(&wrapped, "(%s\n)", text) >= 0);
		if (!strpbrk(text, "<"))
			assert(denied(c, wrapped));
	}
	permission_line_done(&line);
	corral_permission_checker_free(c);
	return 0;
}
