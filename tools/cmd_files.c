/*
 * corral ls, read, write, edit, glob, grep: the file operations of a backend, by hand.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"
#include "tools/commands.h"
#include "tools/docker_exec.h"
#include "tools/exitcode.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/options.h"
#include "tools/place_backend.h"
#include "tools/runtime_use.h"
#include "tools/write_all.h"

/* As grep(1) has it. */
#define FOUND_NOTHING 1

struct call {
	const struct corral_options *options;
	struct corral_backend *backend;
	/* Rules that the backend does not hold to itself, or NULL. */
	const struct corral_permission_checker *rules;
	char **words; /* the operands */
	size_t n;
	int status;
};

static const char *word(const struct call *c, size_t i, const char *absent)
{
	return i < c->n ? c->words[i] : absent;
}

static json_t *row_object(const struct corral_files_row *row)
{
	bool is_dir = row->stat.type == CORRAL_FILES_DIRECTORY;

	return json_pack("{s:o, s:o, s:b, s:o, s:I}", "name",
	                 corral_json_text(row->name, strlen(row->name)), "path",
	                 corral_json_text(row->path, strlen(row->path)), "is_dir", is_dir, "size",
	                 row->stat.type == CORRAL_FILES_REGULAR
	                         ? json_integer((json_int_t)row->stat.size)
	                         : json_null(),
	                 "modified_ms", (json_int_t)(row->stat.mtime_nsec / 1000000));
}

static int print_rows(struct call *c, const struct corral_files_rows *rows, bool paths,
                      struct corral_error *err)
{
	json_t *list;

	if (rows->truncated)
		corral_say("there are more: this is cut");
	if (rows->incomplete)
		corral_say("some could not be looked at");
	if (!c->options->json) {
		for (size_t i = 0; i < rows->n; i++)
			(void)printf("%s%s\n", paths ? rows->rows[i].path : rows->rows[i].name,
			             rows->rows[i].stat.type == CORRAL_FILES_DIRECTORY ? "/" : "");
		return 0;
	}
	list = json_array();
	for (size_t i = 0; i < rows->n; i++)
		(void)json_array_append_new(list, row_object(&rows->rows[i]));
	return corral_json_print(list, err);
}

static bool is_hidden(const struct call *c, enum corral_permission_operation operation,
                      const char *path)
{
	const struct corral_permission_target target = { path, path, NULL };

	return c->rules && !corral_permission_visible(c->rules, operation, &target);
}

/* Moves what the rules do not hide to the front. */
static void rows_filter(const struct call *c, enum corral_permission_operation operation,
                        struct corral_files_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		if (!is_hidden(c, operation, rows->rows[i].path))
			rows->rows[n++] = rows->rows[i];
	rows->n = n;
}

static int run_ls(struct call *c, struct corral_error *err)
{
	struct corral_files_rows rows = { 0 };
	int r = corral_backend_ls(c->backend, word(c, 0, "."), &rows, err);

	rows_filter(c, CORRAL_PERMISSION_LS, &rows);
	if (r == 0)
		r = print_rows(c, &rows, false, err);
	corral_files_rows_done(&rows);
	return r;
}

static int run_glob(struct call *c, struct corral_error *err)
{
	unsigned int flags = (c->options->hidden ? CORRAL_FILES_HIDDEN : 0) |
	                     (c->options->json ? 0 : CORRAL_FILES_NAMES);
	struct corral_files_rows rows = { 0 };
	int r = corral_backend_glob(c->backend, word(c, 0, ""), word(c, 1, "."), flags, &rows, err);

	rows_filter(c, CORRAL_PERMISSION_GLOB, &rows);
	if (r == 0)
		r = print_rows(c, &rows, true, err);
	if (r == 0 && !rows.n)
		c->status = FOUND_NOTHING;
	corral_files_rows_done(&rows);
	return r;
}

static int put_out(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	int r = corral_write_all(STDOUT_FILENO, data, len);

	(void)ctx;
	return r < 0 ? corral_error_sys(err, -r, "standard output") : 0;
}

static int read_bytes(struct call *c, const char *path, struct corral_error *err)
{
	corral_autobuf struct corral_buf bytes = CORRAL_BUF_INIT, text = CORRAL_BUF_INIT;
	struct corral_files_sink sink = { put_out, NULL };
	int r;

	if (!c->options->json)
		return corral_backend_read_stream(c->backend, path, 0, UINT64_MAX, &sink, err);
	r = corral_backend_read_bytes(c->backend, path, 0, &bytes, err);
	if (r < 0)
		return r;
	corral_base64_encode(&text, bytes.data, bytes.len);
	corral_buf_add(&text, "", 0);
	return corral_json_print(text.failed ? NULL
	                                     : json_pack("{s:o, s:s, s:s#}", "path",
	                                                 corral_json_text(path, strlen(path)),
	                                                 "encoding", "base64", "content", text.data,
	                                                 (int)text.len),
	                         err);
}

static int run_read(struct call *c, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	const char *path = word(c, 0, "");
	int r;

	if (c->options->bytes && (c->options->offset || c->options->limit))
		return corral_error_set(
		        err, EINVAL,
		        "read: --offset and --limit count lines, and --bytes has none: "
		        "leave one of them out");
	if (c->options->bytes)
		return read_bytes(c, path, err);
	r = corral_backend_read(c->backend, path, c->options->offset, c->options->limit, &text,
	                        err);
	if (r == -EILSEQ)
		return corral_error_set(err, EILSEQ, "'%s' is binary: read --bytes", path);
	if (r < 0)
		return r;
	if (c->options->json)
		return corral_json_print(json_pack("{s:o, s:o}", "path",
		                                   corral_json_text(path, strlen(path)), "content",
		                                   corral_json_text(text.data, text.len)),
		                         err);
	(void)fwrite(text.data, 1, text.len, stdout);
	(void)putchar('\n');
	return 0;
}

static long from_stdin(void *ctx, void *data, size_t size, struct corral_error *err)
{
	ssize_t n;

	(void)ctx;
	do {
		n = read(STDIN_FILENO, data, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? corral_error_sys(err, errno, "standard input") : n;
}

static int run_write(struct call *c, struct corral_error *err)
{
	const struct corral_files_source source = { from_stdin, NULL };
	int r = corral_backend_write_stream(c->backend, word(c, 0, ""), 0, &source, err);

	if (r == 0 && c->options->json)
		r = corral_json_print(json_pack("{s:o}", "path",
		                                corral_json_text(c->words[0], strlen(c->words[0]))),
		                      err);
	return r;
}

static int run_edit(struct call *c, struct corral_error *err)
{
	const struct corral_files_edit edit = {
		.old_text = word(c, 1, ""),
		.old_len = strlen(word(c, 1, "")),
		.new_text = word(c, 2, ""),
		.new_len = strlen(word(c, 2, "")),
		.replace_all = c->options->all,
	};
	uint64_t n = 0;
	int r;

	if (!edit.old_len)
		return corral_error_set(err, EINVAL, "edit: OLD is empty: what is to be replaced?");
	r = corral_backend_edit(c->backend, word(c, 0, ""), &edit, &n, err);

	if (r == -ENOTUNIQ)
		return corral_error_set(err, ENOTUNIQ,
		                        "OLD occurs %llu times in '%s': --all replaces "
		                        "them all, a longer text the one that is meant",
		                        (unsigned long long)n, word(c, 0, ""));
	if (r < 0)
		return r;
	if (c->options->json)
		return corral_json_print(json_pack("{s:o, s:I}", "path",
		                                   corral_json_text(c->words[0],
		                                                    strlen(c->words[0])),
		                                   "occurrences", (json_int_t)n),
		                         err);
	(void)printf("%llu\n", (unsigned long long)n);
	return 0;
}

static int print_matches(const struct call *c, const struct corral_files_matches *found,
                         struct corral_error *err)
{
	json_t *list = c->options->json ? json_array() : NULL;

	if (found->truncated)
		corral_say("there are more: this is cut");
	if (found->incomplete)
		corral_say("some could not be searched");
	for (size_t i = 0; i < found->n; i++) {
		const struct corral_files_match *m = &found->matches[i];

		if (list)
			(void)json_array_append_new(
			        list, json_pack("{s:o, s:I, s:o}", "path",
			                        corral_json_text(m->path, strlen(m->path)),
			                        "line_number", (json_int_t)m->line_number, "line",
			                        corral_json_text(m->line, m->line_len)));
		else
			(void)printf("%s:%llu:%s\n", m->path, (unsigned long long)m->line_number,
			             m->line);
	}
	return c->options->json ? corral_json_print(list, err) : 0;
}

static int run_grep(struct call *c, struct corral_error *err)
{
	const struct corral_files_grep grep = {
		.pattern = word(c, 0, ""),
		.path = word(c, 1, "."),
		.glob = c->options->name_glob,
		.flags = (c->options->hidden ? 0 : CORRAL_FILES_IGNORE_HIDDEN) |
		         (c->options->ignore_case ? CORRAL_FILES_IGNORE_CASE : 0),
	};
	struct corral_files_matches found = { 0 };
	int r = corral_backend_grep(c->backend, &grep, &found, err);
	size_t n = 0;

	for (size_t i = 0; i < found.n; i++)
		if (!is_hidden(c, CORRAL_PERMISSION_GREP, found.matches[i].path))
			found.matches[n++] = found.matches[i];
	found.n = n;
	if (r == 0)
		r = print_matches(c, &found, err);
	if (r == 0 && !found.n)
		c->status = FOUND_NOTHING;
	corral_files_matches_done(&found);
	return r;
}

static const struct file_command {
	const char *name, *operands;
	size_t min, max;
	enum corral_option_command option;
	enum corral_permission_operation operation;
	size_t path_at; /* which of the operands is the path */
	int (*run)(struct call *c, struct corral_error *err);
	const char *summary;
} file_commands[] = {
	{ "ls", "[PATH]", 0, 1, CORRAL_OPTION_LS, CORRAL_PERMISSION_LS, 0, run_ls,
	  "Lists a directory: directories first, with a slash." },
	{ "read", "PATH", 1, 1, CORRAL_OPTION_READ, CORRAL_PERMISSION_READ, 0, run_read,
	  "Prints a text file with line numbers; with --bytes any file as it is." },
	{ "write", "PATH", 1, 1, CORRAL_OPTION_WRITE, CORRAL_PERMISSION_WRITE, 0, run_write,
	  "Replaces the file by what comes on standard input: all of it, or none." },
	{ "edit", "PATH OLD NEW", 3, 3, CORRAL_OPTION_EDIT, CORRAL_PERMISSION_EDIT, 0, run_edit,
	  "Replaces the text OLD, which must occur once, by NEW; prints how often it did." },
	{ "glob", "PATTERN [PATH]", 1, 2, CORRAL_OPTION_GLOB, CORRAL_PERMISSION_GLOB, 1, run_glob,
	  "Prints the files below PATH whose path matches: *, **, ?, [a-z], {a,b}." },
	{ "grep", "PATTERN [PATH]", 1, 2, CORRAL_OPTION_GREP, CORRAL_PERMISSION_GREP, 1, run_grep,
	  "Prints the lines that match a regular expression (PCRE2); .gitignore is heeded." },
};

static const struct file_command *find(const char *name)
{
	for (size_t i = 0; i < CORRAL_COUNT(file_commands); i++)
		if (!strcmp(file_commands[i].name, name))
			return &file_commands[i];
	return NULL;
}

static int call_run(const struct file_command *command, struct corral_options *o, int *ret_status,
                    struct corral_error *err)
{
	corral_auto(corral_place_backend_done) struct corral_place_backend place = { 0 };
	struct call c = { .options = o, .words = o->config->argv, .n = o->config->n_argv };
	struct corral_permission_target target = { 0 };
	int r;

	if (c.n > command->max)
		return corral_error_set(
		        err, EINVAL,
		        "%s: '%.64s' is one word too many (options stand before all else): "
		        "corral %s [options] %s",
		        command->name, c.words[command->max], command->name, command->operands);
	if (c.n < command->min)
		return corral_error_set(err, EINVAL,
		                        "%s: a word is missing: corral %s [options] %s",
		                        command->name, command->name, command->operands);
	if (!o->local && !o->session && !corral_options_have_docker(o))
		o->local = ".";
	r = corral_place_backend_open(o, -1, &place, err);
	c.backend = place.backend;
	c.rules = place.guarded ? NULL : place.permissions;
	target.written = word(&c, command->path_at, ".");
	if (r == 0 && c.rules)
		r = corral_permission_enforce(c.rules, command->operation, &target, err);
	if (r == 0)
		r = command->run(&c, err);
	*ret_status = c.status;
	return r;
}

int corral_cmd_files(int argc, char **argv)
{
	const struct file_command *command = find(argv[0]);
	struct corral_options options;
	struct corral_error err = { 0 };
	int status = 0, r;

	r = corral_docker_exec_wanted(command->option, argc, argv, &err);
	if (r < 0)
		return corral_complain(&err);
	r = corral_options_init(&options, &err);
	options.use_runtime = corral_runtime_use;
	if (r == 0)
		r = corral_options_parse(&options, command->option, argc, argv, &err);
	if (r == 0 && options.help) {
		(void)printf("Usage: corral %s [options] %s\n%s\n", command->name,
		             command->operands, command->summary);
		corral_options_print(stdout, command->option);
	} else if (r == 0) {
		r = call_run(command, &options, &status, &err);
	}
	corral_options_done(&options);
	return r < 0 ? corral_complain(&err) : status;
}
