/*
 * The console toolset as data: which tools there are, what they are called and told about
 * themselves, which arguments they take, and whether a person has to approve them. Pure: no
 * backend, and nothing is run.
 */
#ifndef CORRAL_BACKENDS_CONSOLE_SCHEMA_H
#define CORRAL_BACKENDS_CONSOLE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "policy/permission.h"

#ifdef __cplusplus
extern "C" {
#endif

enum corral_console_tool_id {
	CORRAL_CONSOLE_LS,
	CORRAL_CONSOLE_READ_FILE,
	CORRAL_CONSOLE_WRITE_FILE,
	CORRAL_CONSOLE_EDIT_FILE,
	CORRAL_CONSOLE_HASHLINE_EDIT,
	CORRAL_CONSOLE_GLOB,
	CORRAL_CONSOLE_GREP,
	CORRAL_CONSOLE_EXECUTE,
	CORRAL_CONSOLE_RUN_IN_BACKGROUND,
	CORRAL_CONSOLE_READ_OUTPUT,
	CORRAL_CONSOLE_KILL_SHELL,
	CORRAL_CONSOLE_LIST_SHELLS,
};
#define CORRAL_CONSOLE_TOOLS 12

struct corral_console_options {
	bool include_execute;
	bool include_background; /* needs include_execute as well */
	/* Without permissions; with them, defaults of operations say what needs approval. */
	bool require_write_approval, require_execute_approval;
	const struct corral_permission_checker
	        *permissions;       /* borrowed for _new() alone, or NULL */
	bool hashline;              /* hashline_edit in place of edit_file */
	bool default_ignore_hidden; /* of grep */
	bool image_support, document_support;
	bool agent; /* leaves out what is about repositories of code */
	/*
	 * Other words for tools, as JSON: {"ls": "text", "grep": {"summary": "...", "usage": "...",
	 * "coding": "...", "args": {"pattern": "..."}, "returns": "..."}}; NULL for none.
	 */
	const char *descriptions;
};
#define CORRAL_CONSOLE_OPTIONS_DEFAULT                                          \
	{                                                                       \
		.include_execute = true, .include_background = true,            \
		.require_execute_approval = true, .default_ignore_hidden = true \
	}

struct corral_console_tool {
	enum corral_console_tool_id id;
	const char *name;
	enum corral_permission_operation operation; /* that its use is */
	bool needs_approval;
	char *description;
	char *parameters; /* JSON schema of the arguments */
};

/* Immutable once made: threads may share it. */
struct corral_console_schema;

/*
 * Tools whose operation is denied altogether are left out. -EINVAL names what is wrong with
 * descriptions: "Unknown tool name(s) in `descriptions`: x. Valid names: edit_file, ...".
 */
int corral_console_schema_new(const struct corral_console_options *options,
                              struct corral_console_schema **ret, struct corral_error *err);
void corral_console_schema_free(struct corral_console_schema *s);
size_t corral_console_schema_count(const struct corral_console_schema *s);
/* In the order above; i below the count. */
const struct corral_console_tool *corral_console_schema_tool(const struct corral_console_schema *s,
                                                             size_t i);
/* NULL: there is none of that name. */
const struct corral_console_tool *corral_console_schema_find(const struct corral_console_schema *s,
                                                             const char *name);
/* What a model is told about the tools that there are. */
const char *corral_console_system_prompt(const struct corral_console_schema *s);
/*
 * [{"name", "description", "parameters", "needs_approval", "operation"}, ...]; the caller frees
 * *ret.
 */
int corral_console_schema_dump(const struct corral_console_schema *s, char **ret,
                               struct corral_error *err);

/* The name and operation of each tool, whatever the options. */
const char *corral_console_tool_name(enum corral_console_tool_id id);
enum corral_permission_operation corral_console_tool_operation(enum corral_console_tool_id id);

enum corral_console_output_mode {
	CORRAL_CONSOLE_FILES_WITH_MATCHES,
	CORRAL_CONSOLE_CONTENT,
	CORRAL_CONSOLE_COUNT,
};

/* Followed by a NUL that does not count; data is NULL where null was given or nothing. */
struct corral_console_text {
	char *data;
	size_t len;
};

/* Those of all tools; a call has its tool's, with defaults filled in, and the others empty. */
struct corral_console_arguments {
	struct corral_console_text path, pattern, glob_pattern, command, shell_id;
	struct corral_console_text start_hash, end_hash;
	struct corral_console_text content, old_string, new_string, new_content; /* may have NULs */
	int64_t offset, limit;
	int64_t start_line, end_line;
	int64_t timeout; /* seconds */
	bool has_end_line, has_timeout;
	bool replace_all, insert_after, ignore_hidden;
	enum corral_console_output_mode output_mode;
};

/*
 * A call's arguments out of JSON. Refusals are -EINVAL and name the argument: "offset: text where a
 * whole number is expected", "pth: no such argument: path, offset, limit", "path: missing". Nothing
 * is converted, but for a number such as 5.0. Empty text is no arguments. The caller gives *ret to
 * _done().
 */
int corral_console_arguments_parse(const struct corral_console_schema *s,
                                   enum corral_console_tool_id id, const char *json, size_t len,
                                   struct corral_console_arguments *ret, struct corral_error *err);
void corral_console_arguments_done(struct corral_console_arguments *a);

#ifdef __cplusplus
}
#endif

#endif
