/*
 * Arguments of console tools: the first byte names the tool, the rest is JSON. What is accepted has
 * all that the tool needs, within its limits.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_schema.h"
#include "tests/fuzz/fuzz.h"

/* Texts of all tools but contents hold no NUL. */
static void check_text(const struct corral_console_text *t, bool required)
{
	assert(!required || t->data);
	assert(!t->data || strlen(t->data) == t->len);
}

static void check(enum corral_console_tool_id id, const struct corral_console_arguments *a)
{
	check_text(&a->path, id <= CORRAL_CONSOLE_GLOB);
	check_text(&a->pattern, id == CORRAL_CONSOLE_GLOB || id == CORRAL_CONSOLE_GREP);
	check_text(&a->glob_pattern, false);
	check_text(&a->command,
	           id == CORRAL_CONSOLE_EXECUTE || id == CORRAL_CONSOLE_RUN_IN_BACKGROUND);
	check_text(&a->shell_id,
	           id == CORRAL_CONSOLE_READ_OUTPUT || id == CORRAL_CONSOLE_KILL_SHELL);
	check_text(&a->start_hash, id == CORRAL_CONSOLE_HASHLINE_EDIT);
	check_text(&a->end_hash, false);
	assert(a->offset >= 0 && a->timeout >= 0);
	if (id == CORRAL_CONSOLE_READ_FILE)
		assert(a->limit >= 1);
	if (id == CORRAL_CONSOLE_WRITE_FILE)
		assert(a->content.data && !a->content.data[a->content.len]);
	if (id == CORRAL_CONSOLE_EDIT_FILE)
		assert(a->old_string.data && a->new_string.data);
	assert(a->output_mode <= CORRAL_CONSOLE_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct corral_console_options options = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	static struct corral_console_schema *schema;
	struct corral_console_arguments a;
	struct corral_error err = { 0 };
	enum corral_console_tool_id id;
	int r;

	if (!schema)
		assert(corral_console_schema_new(&options, &schema, NULL) == 0);
	if (!size)
		return 0;
	id = data[0] % CORRAL_CONSOLE_TOOLS;
	r = corral_console_arguments_parse(schema, id, (const char *)data + 1, size - 1, &a, &err);
	assert((r == 0) == (err.code == 0));
	if (r < 0) {
		assert(err.text[0]);
		return 0;
	}
	check(id, &a);
	corral_console_arguments_done(&a);
	return 0;
}
