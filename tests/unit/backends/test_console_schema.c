/* backends/console_schema.h: the tools, what they are told to need, and their arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_schema.h"
#include "kernel/base/cleanup.h"

static struct corral_permission_checker *checker(const char *json)
{
	struct corral_permission_ruleset *s = NULL;
	struct corral_permission_checker *c = NULL;

	assert_int_equal(corral_permission_ruleset_parse(json, strlen(json), &s, NULL), 0);
	assert_int_equal(corral_permission_checker_new(s, NULL, &c, NULL), 0);
	corral_permission_ruleset_free(s);
	return c;
}

static struct corral_console_schema *schema(const struct corral_console_options *o)
{
	struct corral_console_schema *s = NULL;
	struct corral_error err = { 0 };

	if (corral_console_schema_new(o, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

/* The tools' names, those that need approval with a "!" behind. */
static void has_tools(const struct corral_console_options *o, const char *names)
{
	struct corral_console_schema *s = schema(o);
	char got[400] = "";

	for (size_t i = 0; i < corral_console_schema_count(s); i++) {
		const struct corral_console_tool *t = corral_console_schema_tool(s, i);
		size_t len = strlen(got);

		(void)snprintf(got + len, sizeof(got) - len, "%s%s%s", i ? " " : "", t->name,
		               t->needs_approval ? "!" : "");
	}
	assert_string_equal(got, names);
	corral_console_schema_free(s);
}

static void options_choose_the_tools(void **state)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;

	(void)state;
	has_tools(&o, "ls read_file write_file edit_file glob grep execute! run_in_background! "
	              "read_output kill_shell! list_shells");
	o.hashline = true;
	o.include_background = false;
	o.require_write_approval = true;
	o.require_execute_approval = false;
	has_tools(&o, "ls read_file write_file! hashline_edit! glob grep execute");
	o.include_execute = false;
	o.include_background = true;
	has_tools(&o, "ls read_file write_file! hashline_edit! glob grep");
}

static void permissions_say_what_needs_approval(void **state)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	struct corral_permission_checker *c = checker("\"default\"");

	(void)state;
	o.permissions = c;
	o.require_execute_approval = false;
	has_tools(&o, "ls read_file write_file! edit_file! glob grep execute! run_in_background! "
	              "read_output kill_shell! list_shells");
	corral_permission_checker_free(c);
	c = checker("\"permissive\"");
	o.permissions = c;
	o.require_execute_approval = true;
	has_tools(&o, "ls read_file write_file edit_file glob grep execute run_in_background "
	              "read_output kill_shell list_shells");
	corral_permission_checker_free(c);
}

static void a1_denied_operations_take_all_their_tools_away(void **state)
{
	static const struct {
		const char *operation, *tools;
	} rows[] = {
		{ "ls", "read_file write_file edit_file glob grep execute run_in_background "
		        "read_output kill_shell list_shells" },
		{ "read", "ls write_file edit_file glob grep execute run_in_background "
		          "read_output kill_shell list_shells" },
		{ "write", "ls read_file edit_file glob grep execute run_in_background "
		           "read_output kill_shell list_shells" },
		{ "edit", "ls read_file write_file glob grep execute run_in_background "
		          "read_output kill_shell list_shells" },
		{ "glob", "ls read_file write_file edit_file grep execute run_in_background "
		          "read_output kill_shell list_shells" },
		{ "grep", "ls read_file write_file edit_file glob execute run_in_background "
		          "read_output kill_shell list_shells" },
		{ "execute", "ls read_file write_file edit_file glob grep" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
		struct corral_permission_checker *c;
		char json[100];

		(void)snprintf(json, sizeof(json),
		               "{\"default\":\"allow\",\"%s\":{\"default\":\"deny\"}}",
		               rows[i].operation);
		c = checker(json);
		o.permissions = c;
		has_tools(&o, rows[i].tools);
		corral_permission_checker_free(c);
	}
}

static void a1_every_tool_has_an_operation(void **state)
{
	static const enum corral_permission_operation operations[] = {
		[CORRAL_CONSOLE_LS] = CORRAL_PERMISSION_LS,
		[CORRAL_CONSOLE_READ_FILE] = CORRAL_PERMISSION_READ,
		[CORRAL_CONSOLE_WRITE_FILE] = CORRAL_PERMISSION_WRITE,
		[CORRAL_CONSOLE_EDIT_FILE] = CORRAL_PERMISSION_EDIT,
		[CORRAL_CONSOLE_HASHLINE_EDIT] = CORRAL_PERMISSION_EDIT,
		[CORRAL_CONSOLE_GLOB] = CORRAL_PERMISSION_GLOB,
		[CORRAL_CONSOLE_GREP] = CORRAL_PERMISSION_GREP,
		[CORRAL_CONSOLE_EXECUTE] = CORRAL_PERMISSION_EXECUTE,
		[CORRAL_CONSOLE_RUN_IN_BACKGROUND] = CORRAL_PERMISSION_EXECUTE,
		[CORRAL_CONSOLE_READ_OUTPUT] = CORRAL_PERMISSION_EXECUTE,
		[CORRAL_CONSOLE_KILL_SHELL] = CORRAL_PERMISSION_EXECUTE,
		[CORRAL_CONSOLE_LIST_SHELLS] = CORRAL_PERMISSION_EXECUTE,
	};

	(void)state;
	assert_int_equal(CORRAL_COUNT(operations), CORRAL_CONSOLE_TOOLS);
	for (unsigned int i = 0; i < CORRAL_CONSOLE_TOOLS; i++) {
		assert_non_null(corral_console_tool_name(i));
		assert_int_equal(corral_console_tool_operation(i), operations[i]);
	}
}

static const char *description(const struct corral_console_schema *s, const char *name)
{
	const struct corral_console_tool *t = corral_console_schema_find(s, name);

	assert_non_null(t);
	return t->description;
}

static void every_tool_and_argument_is_described(void **state)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct corral_console_schema *s;

		o.hashline = i;
		s = schema(&o);
		for (size_t k = 0; k < corral_console_schema_count(s); k++) {
			const struct corral_console_tool *t = corral_console_schema_tool(s, k);

			assert_int_equal(strncmp(t->description, "<summary>", 9), 0);
			assert_non_null(
			        strstr(t->description, "</summary>\n<returns>\n<description>"));
			assert_non_null(strstr(t->description, "</description>\n</returns>"));
			assert_null(strstr(t->parameters, "\"description\":\"\""));
			assert_non_null(strstr(t->parameters, "\"additionalProperties\":false"));
		}
		corral_console_schema_free(s);
	}
}

static void schemas_are_those_of_the_arguments(void **state)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	struct corral_console_schema *s = schema(&o);
	corral_autofree char *all = NULL;
	const char *grep, *execute;

	(void)state;
	grep = corral_console_schema_find(s, "grep")->parameters;
	assert_non_null(strstr(grep, "\"required\":[\"pattern\"]"));
	assert_non_null(strstr(grep, "\"ignore_hidden\":{\"type\":\"boolean\""));
	assert_non_null(strstr(grep, "\"default\":true"));
	assert_non_null(strstr(grep, "\"enum\":[\"files_with_matches\",\"content\",\"count\"]"));
	assert_non_null(
	        strstr(grep, "\"path\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]"));
	execute = corral_console_schema_find(s, "execute")->parameters;
	assert_non_null(strstr(execute,
	                       "\"timeout\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":0},"
	                       "{\"type\":\"null\"}]"));
	assert_non_null(strstr(execute, "\"default\":120"));
	assert_string_equal(corral_console_schema_find(s, "list_shells")->parameters,
	                    "{\"type\":\"object\",\"properties\":{},\"required\":[],"
	                    "\"additionalProperties\":false}");
	assert_int_equal(corral_console_schema_dump(s, &all, NULL), 0);
	assert_non_null(strstr(all, "{\"name\":\"ls\",\"description\":\"<summary>"));
	assert_non_null(strstr(all, "\"needs_approval\":true,\"operation\":\"execute\"}"));
	corral_console_schema_free(s);

	o.default_ignore_hidden = false;
	s = schema(&o);
	assert_null(strstr(corral_console_schema_find(s, "grep")->parameters, "\"default\":true"));
	corral_console_schema_free(s);
}

static void descriptions_can_be_replaced_whole_or_in_part(void **state)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	struct corral_console_schema *s;

	(void)state;
	o.descriptions = "{\"ls\":\"All mine.\",\"grep\":{\"summary\":\"Seek.\",\"usage\":\"\","
	                 "\"coding\":\"Code.\",\"returns\":\"Found.\",\"args\":{\"pattern\":"
	                 "\"What to seek.\"}},\"glob\":{\"summary\":null,\"returns\":\"\"}}";
	s = schema(&o);
	assert_string_equal(description(s, "ls"), "All mine.");
	assert_string_equal(description(s, "grep"),
	                    "<summary>Seek.\n\nCode.</summary>\n<returns>\n<description>Found."
	                    "</description>\n</returns>");
	assert_int_equal(strncmp(description(s, "glob"), "Find files by", 13), 0);
	assert_non_null(strstr(corral_console_schema_find(s, "grep")->parameters, "What to seek."));
	corral_console_schema_free(s);

	o.agent = true;
	s = schema(&o);
	assert_null(strstr(description(s, "grep"), "Code."));
	corral_console_schema_free(s);
}

static void unknown_descriptions_are_refused(void **state)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{ "{\"zip\":\"x\",\"cat\":\"x\",\"ls\":\"x\"}",
		  "Unknown tool name(s) in `descriptions`: cat, zip. Valid names: edit_file, "
		  "execute, "
		  "glob, grep, hashline_edit, kill_shell, list_shells, ls, read_file, read_output, "
		  "run_in_background, write_file." },
		{ "[]", "descriptions: no object" },
		{ "{", "descriptions: line 1, column 1: " },
		{ "{\"ls\":1}", "descriptions.ls: neither text nor object" },
		{ "{\"ls\":{\"sumary\":\"x\"}}",
		  "descriptions.ls.sumary: no such key: summary, usage, coding, args, returns" },
		{ "{\"ls\":{\"usage\":1}}", "descriptions.ls.usage: no text" },
		{ "{\"ls\":{\"args\":1}}", "descriptions.ls.args: no object" },
		{ "{\"ls\":{\"args\":{\"pth\":\"x\"}}}",
		  "descriptions.ls.args.pth: no such argument" },
		{ "{\"ls\":{\"args\":{\"path\":1}}}", "descriptions.ls.args.path: no text" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
		struct corral_console_schema *s = NULL;
		struct corral_error err = { 0 };

		o.descriptions = rows[i].json;
		assert_int_equal(corral_console_schema_new(&o, &s, &err), -EINVAL);
		if (strncmp(err.text, rows[i].text, strlen(rows[i].text)) != 0)
			fail_msg("'%s' does not begin with '%s'", err.text, rows[i].text);
	}
}

static void prompt_lists_the_tools_that_there_are(void **state)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	struct corral_console_schema *s = schema(&o);
	struct corral_permission_checker *c =
	        checker("{\"default\":\"allow\",\"edit\":{\"default\":\"deny\"}}");

	(void)state;
	assert_int_equal(strncmp(corral_console_system_prompt(s), "## Console Tools\n", 17), 0);
	assert_non_null(strstr(corral_console_system_prompt(s), "- `execute`: "));
	assert_non_null(strstr(corral_console_system_prompt(s), "Read each tool's description"));
	assert_null(strstr(corral_console_system_prompt(s), "hash"));
	corral_console_schema_free(s);
	o.hashline = true;
	o.include_execute = false;
	s = schema(&o);
	assert_null(strstr(corral_console_system_prompt(s), "`execute`"));
	assert_non_null(strstr(corral_console_system_prompt(s), "content hash"));
	corral_console_schema_free(s);
	/* No word of hashes where no tool takes them. */
	o.permissions = c;
	s = schema(&o);
	assert_null(strstr(corral_console_system_prompt(s), "hashline_edit"));
	corral_console_schema_free(s);
	corral_permission_checker_free(c);
}

static void reading_tells_of_hashes_and_images_where_there_are_any(void **state)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	struct corral_console_schema *s = schema(&o);

	(void)state;
	assert_null(strstr(description(s, "read_file"), "number:hash|text"));
	assert_null(strstr(description(s, "read_file"), "PDF"));
	corral_console_schema_free(s);
	o.hashline = o.image_support = o.document_support = true;
	s = schema(&o);
	assert_non_null(strstr(description(s, "read_file"), "number:hash|text"));
	assert_non_null(strstr(description(s, "read_file"), "webp"));
	assert_non_null(strstr(description(s, "read_file"), "PDF"));
	corral_console_schema_free(s);
}

static struct corral_console_arguments arguments(enum corral_console_tool_id id, const char *json)
{
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	struct corral_console_schema *s = schema(&o);
	struct corral_console_arguments a;
	struct corral_error err = { 0 };

	if (corral_console_arguments_parse(s, id, json, strlen(json), &a, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	corral_console_schema_free(s);
	return a;
}

static void arguments_have_their_defaults(void **state)
{
	struct corral_console_arguments a = arguments(CORRAL_CONSOLE_LS, "");

	(void)state;
	assert_string_equal(a.path.data, ".");
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\"}");
	assert_int_equal(a.offset, 0);
	assert_int_equal(a.limit, 2000);
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_GREP, "{\"pattern\":\"x\"}");
	assert_null(a.path.data);
	assert_null(a.glob_pattern.data);
	assert_true(a.ignore_hidden);
	assert_int_equal(a.output_mode, CORRAL_CONSOLE_FILES_WITH_MATCHES);
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_EXECUTE, "{\"command\":\"x\"}");
	assert_true(a.has_timeout);
	assert_int_equal(a.timeout, 120);
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_LIST_SHELLS, "{}");
	corral_console_arguments_done(&a);
}

static void arguments_are_taken_over(void **state)
{
	struct corral_console_arguments a =
	        arguments(CORRAL_CONSOLE_GREP, "{\"pattern\":\"x\",\"path\":\"p\",\"glob_pattern\":"
	                                       "null,\"output_mode\":\"count\",\"ignore_hidden\":"
	                                       "false}");

	(void)state;
	assert_string_equal(a.path.data, "p");
	assert_false(a.ignore_hidden);
	assert_int_equal(a.output_mode, CORRAL_CONSOLE_COUNT);
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_EXECUTE, "{\"command\":\"x\",\"timeout\":null}");
	assert_false(a.has_timeout);
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_EXECUTE, "{\"command\":\"x\",\"timeout\":0}");
	assert_true(a.has_timeout);
	assert_int_equal(a.timeout, 0);
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\",\"offset\":5.0,\"limit\":1}");
	assert_int_equal(a.offset, 5);
	assert_int_equal(a.limit, 1);
	corral_console_arguments_done(&a);
	a = arguments(CORRAL_CONSOLE_WRITE_FILE, "{\"path\":\"x\",\"content\":\"a\\u0000b\"}");
	assert_int_equal(a.content.len, 3);
	assert_memory_equal(a.content.data, "a\0b", 4);
	corral_console_arguments_done(&a);
	a = arguments(
	        CORRAL_CONSOLE_HASHLINE_EDIT,
	        "{\"path\":\"x\",\"start_line\":-1,\"start_hash\":\"5d\",\"new_content\":\"\","
	        "\"end_line\":7,\"end_hash\":null,\"insert_after\":true}");
	assert_int_equal(a.start_line, -1);
	assert_true(a.has_end_line && a.end_line == 7 && a.insert_after);
	assert_null(a.end_hash.data);
	assert_non_null(a.new_content.data);
	corral_console_arguments_done(&a);
}

static void wrong_arguments_are_named(void **state)
{
	static const struct {
		enum corral_console_tool_id id;
		const char *json, *text;
	} rows[] = {
		{ CORRAL_CONSOLE_READ_FILE, "{}", "path: missing" },
		{ CORRAL_CONSOLE_READ_FILE, "", "path: missing" },
		{ CORRAL_CONSOLE_READ_FILE, "[]",
		  "arguments: an array where an object is expected" },
		{ CORRAL_CONSOLE_READ_FILE, "{", "arguments: line 1, column 1: " },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":1}",
		  "path: a number where text is expected" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":null}",
		  "path: null where text is expected" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":\"a\\u0000b\"}",
		  "path: a text with a NUL in it" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"pth\":\"x\"}",
		  "pth: no such argument: path, offset, limit" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\",\"offset\":\"1\"}",
		  "offset: text where a whole number is expected" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\",\"offset\":1.5}",
		  "offset: a number where a whole number is expected" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\",\"offset\":1e300}",
		  "offset: a number where a whole number is expected" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\",\"offset\":-1}",
		  "offset: -1 is less than 0" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\",\"limit\":0}",
		  "limit: 0 is less than 1" },
		{ CORRAL_CONSOLE_READ_FILE, "{\"path\":\"x\",\"path\":\"y\"}",
		  "arguments: line 1, " },
		{ CORRAL_CONSOLE_EDIT_FILE,
		  "{\"path\":\"x\",\"old_string\":\"a\",\"new_string\":\"b\",\"replace_all\":1}",
		  "replace_all: a number where true or false is expected" },
		{ CORRAL_CONSOLE_EDIT_FILE, "{\"path\":\"x\",\"old_string\":\"a\"}",
		  "new_string: missing" },
		{ CORRAL_CONSOLE_GREP, "{\"pattern\":\"x\",\"output_mode\":\"all\"}",
		  "output_mode: files_with_matches, content or count is expected" },
		{ CORRAL_CONSOLE_GREP, "{\"pattern\":\"x\",\"path\":[]}",
		  "path: an array where text or null is expected" },
		{ CORRAL_CONSOLE_EXECUTE, "{\"command\":\"x\",\"timeout\":-1}",
		  "timeout: -1 is less than 0" },
		{ CORRAL_CONSOLE_LIST_SHELLS, "{\"x\":1}", "x: no such argument: there are none" },
	};
	struct corral_console_options o = CORRAL_CONSOLE_OPTIONS_DEFAULT;
	struct corral_console_schema *s = schema(&o);

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_console_arguments a;
		struct corral_error err = { 0 };

		assert_int_equal(corral_console_arguments_parse(s, rows[i].id, rows[i].json,
		                                                strlen(rows[i].json), &a, &err),
		                 -EINVAL);
		assert_int_equal(err.code, EINVAL);
		if (strncmp(err.text, rows[i].text, strlen(rows[i].text)) != 0)
			fail_msg("'%s' does not begin with '%s'", err.text, rows[i].text);
	}
	corral_console_schema_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_choose_the_tools),
		cmocka_unit_test(permissions_say_what_needs_approval),
		cmocka_unit_test(a1_denied_operations_take_all_their_tools_away),
		cmocka_unit_test(a1_every_tool_has_an_operation),
		cmocka_unit_test(every_tool_and_argument_is_described),
		cmocka_unit_test(schemas_are_those_of_the_arguments),
		cmocka_unit_test(descriptions_can_be_replaced_whole_or_in_part),
		cmocka_unit_test(unknown_descriptions_are_refused),
		cmocka_unit_test(prompt_lists_the_tools_that_there_are),
		cmocka_unit_test(reading_tells_of_hashes_and_images_where_there_are_any),
		cmocka_unit_test(arguments_have_their_defaults),
		cmocka_unit_test(arguments_are_taken_over),
		cmocka_unit_test(wrong_arguments_are_named),
	};

	return cmocka_run_group_tests_name("console_schema", tests, NULL, NULL);
}
