/*
 * tools/options.h: the one table that parser, help, completion and manual page share. The tools are
 * a program and no library, so the sources under test are part of this file.
 */
#include "tools/config_texts.c" /* NOLINT */
#include "tools/options.c"      /* NOLINT */
#include "tools/sandbox_name.c" /* NOLINT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARGS_MAX 16

/* Parses words after the subcommand's name, up to a NULL. */
static int parse(struct corral_options *o, struct corral_error *err, enum corral_option_command cmd,
                 const char *const *words)
{
	char *argv[ARGS_MAX + 1] = { strdup("cmd") };
	int argc = 1, r;

	assert_int_equal(corral_options_init(o, err), 0);
	for (; *words; words++) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = strdup(*words);
	}
	r = corral_options_parse(o, cmd, argc, argv, err);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return r;
}

#define WORDS(...) ((const char *const[]) { __VA_ARGS__, NULL })

static struct corral_options parsed(enum corral_option_command cmd, const char *const *words)
{
	struct corral_options o;
	struct corral_error err = { 0 };

	if (parse(&o, &err, cmd, words) < 0)
		fail_msg("%s", err.text);
	return o;
}

static void refused(enum corral_option_command cmd, const char *const *words, const char *text)
{
	struct corral_options o;
	struct corral_error err = { 0 };

	assert_true(parse(&o, &err, cmd, words) < 0);
	if (strncmp(err.text, text, strlen(text)) != 0)
		fail_msg("'%s' does not begin with '%s'", err.text, text);
	corral_options_done(&o);
}

static void command_begins_after_the_double_dash(void **state)
{
	struct corral_options o = parsed(CORRAL_OPTION_RUN, WORDS("-t", "--", "-x", "--help"));

	(void)state;
	assert_int_equal(o.config->n_argv, 2);
	assert_string_equal(o.config->argv[0], "-x");
	assert_true(o.config->tty && !o.help);
	corral_options_done(&o);
}

static void command_begins_at_the_first_word_that_is_no_option(void **state)
{
	struct corral_options o =
	        parsed(CORRAL_OPTION_RUN, WORDS("--pids", "9", "ls", "--tty", "--", "x"));

	(void)state;
	assert_int_equal(o.config->n_argv, 4);
	assert_string_equal(o.config->argv[0], "ls");
	assert_string_equal(o.config->argv[2], "--");
	assert_false(o.config->tty);
	corral_options_done(&o);
}

static void value_is_the_next_word_or_follows_an_equals_sign(void **state)
{
	struct corral_options o =
	        parsed(CORRAL_OPTION_RUN,
	               WORDS("--hostname=a", "--env=A=b=c", "--workdir", "/w", "--env", "B="));

	(void)state;
	assert_string_equal(o.config->hostname, "a");
	assert_string_equal(o.config->env[0], "A=b=c");
	assert_string_equal(o.config->env[1], "B=");
	assert_string_equal(o.config->work_dir, "/w");
	corral_options_done(&o);
}

static void letters_may_stand_together(void **state)
{
	struct corral_options o =
	        parsed(CORRAL_OPTION_RUN, WORDS("-it", "-m64M", "-u", "7", "-e=A=1", "-tw/x"));

	(void)state;
	assert_true(o.config->tty && o.config->use_stdin);
	assert_int_equal(o.config->limits.memory_bytes, 64 << 20);
	assert_int_equal(o.config->guest_uid, 7);
	assert_string_equal(o.config->env[0], "A=1");
	assert_string_equal(o.config->work_dir, "/x");
	corral_options_done(&o);
}

static void wrong_options_are_refused_with_a_way_out(void **state)
{
	(void)state;
	refused(CORRAL_OPTION_RUN, WORDS("--memroy", "1"),
	        "unknown option --memroy: did you mean --memory?");
	refused(CORRAL_OPTION_RUN, WORDS("--volume", "a:b"),
	        "unknown option --volume: write --bind SRC:DST or --ro-bind");
	refused(CORRAL_OPTION_SESSION_CREATE, WORDS("--image", "a"),
	        "unknown option --image: a session has that of its runtime: --runtime FILE");
	refused(CORRAL_OPTION_EXEC, WORDS("--image", "a"),
	        "unknown option --image: a sandbox has that which it was made with");
	refused(CORRAL_OPTION_LS, WORDS("--image", "a"),
	        "unknown option --image: write --docker IMAGE");
	refused(CORRAL_OPTION_RUN, WORDS("--frobnicate"),
	        "unknown option --frobnicate: see corral run --help");
	refused(CORRAL_OPTION_RUN, WORDS("--=x"), "unknown option --: see corral run");
	refused(CORRAL_OPTION_PLAN, WORDS("-q"), "unknown option -q: see corral plan --help");
	refused(CORRAL_OPTION_RUN, WORDS("-v", "a:b"), "unknown option -v (--bind mounts");
	refused(CORRAL_OPTION_RUN, WORDS("-p", "80:80"), "unknown option -p (--publish PORT:PORT");
	refused(CORRAL_OPTION_SESSION_EXEC, WORDS("-p", "80:80"), "unknown option -p: see");
	refused(CORRAL_OPTION_RUN, WORDS("--memory"),
	        "--memory: a value is missing: write --memory SIZE");
	refused(CORRAL_OPTION_RUN, WORDS("-m"), "--memory: a value is missing");
	refused(CORRAL_OPTION_RUN, WORDS("--tty=yes"), "--tty: takes no value: leave '=yes' out");
	refused(CORRAL_OPTION_RUN, WORDS("--memory", "12x"), "--memory: '12x' is not a size");
	refused(CORRAL_OPTION_RUN, WORDS("--user", "root:"), "--user: 'root:' is not NAME or UID");
	refused(CORRAL_OPTION_RUN, WORDS("--network", "x"), "--network: 'x' is not one of 'none'");
	refused(CORRAL_OPTION_RUN, WORDS("--bind", "/a"), "--bind: '/a' is not SOURCE:TARGET");
	refused(CORRAL_OPTION_RUN, WORDS("--env", "=x"), "--env: '=x' is not NAME=VALUE");
	refused(CORRAL_OPTION_RUN, WORDS("--workspace", ""), "--workspace: empty");
	refused(CORRAL_OPTION_RUN, WORDS("--", ""), "the command's name is empty");
	refused(CORRAL_OPTION_PLAN, WORDS("--summary"), "unknown option --summary");
	refused(CORRAL_OPTION_RUN, WORDS("--config", "/nonexistent"),
	        "--config: '/nonexistent': No such file or directory");
	refused(CORRAL_OPTION_RUN, WORDS("--config", "/"), "--config: read '/': Is a directory");
}

static void receipt_descriptor_must_be_open_for_writing(void **state)
{
	struct corral_options o;

	(void)state;
	refused(CORRAL_OPTION_RUN, WORDS("--json", "999"),
	        "--json: descriptor 999 is not open for writing: add 999>FILE");
	refused(CORRAL_OPTION_RUN, WORDS("--json", "x"), "--json: 'x' is not the number");
	refused(CORRAL_OPTION_RUN, WORDS("--json=-1"), "--json: '-1' is not the number");
	o = parsed(CORRAL_OPTION_RUN, WORDS("--json", "2"));
	assert_int_equal(o.json_fd, 2);
	corral_options_done(&o);
	o = parsed(CORRAL_OPTION_PLAN, WORDS("--json", "ls"));
	assert_true(o.json && o.config->n_argv == 1);
	corral_options_done(&o);
}

static void flags_win_over_a_file_wherever_it_stands(void **state)
{
	char path[] = "/tmp/corral-test-XXXXXX";
	static const char json[] = "{\"hostname\":\"file\",\"work_dir\":\"/file\","
	                           "\"command\":[\"file\"]}";
	int fd = mkstemp(path);
	struct corral_options o;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, json, sizeof(json) - 1), sizeof(json) - 1);
	(void)close(fd);
	o = parsed(CORRAL_OPTION_RUN, WORDS("--hostname", "flag", "--config", path, "flag"));
	(void)unlink(path);
	assert_string_equal(o.config->hostname, "flag");
	assert_string_equal(o.config->work_dir, "/file");
	assert_int_equal(o.config->n_argv, 1);
	assert_string_equal(o.config->argv[0], "flag");
	corral_options_done(&o);
}

static void variable_named_alone_takes_the_callers_value(void **state)
{
	struct corral_options o;

	(void)state;
	assert_int_equal(setenv("CORRAL_TEST_A", "1=2", 1), 0);
	assert_int_equal(unsetenv("CORRAL_TEST_B"), 0);
	o = parsed(CORRAL_OPTION_RUN, WORDS("-e", "CORRAL_TEST_A", "-e", "CORRAL_TEST_B"));
	assert_int_equal(o.config->n_env, 1);
	assert_string_equal(o.config->env[0], "CORRAL_TEST_A=1=2");
	corral_options_done(&o);
}

static void help_ends_the_reading(void **state)
{
	struct corral_options o = parsed(CORRAL_OPTION_RUN, WORDS("--help", "ls"));

	(void)state;
	assert_true(o.help);
	corral_options_done(&o);
}

static void table_has_no_name_or_letter_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < corral_option_count; i++) {
		const struct corral_option *a = &corral_option_table[i];

		assert_non_null(a->set);
		for (size_t k = 0; k < i; k++) {
			const struct corral_option *b = &corral_option_table[k];

			if (!(a->commands & b->commands))
				continue;
			assert_string_not_equal(a->name, b->name);
			assert_true(!a->letter || a->letter != b->letter);
		}
	}
}

static void help_names_every_option_and_keeps_to_80_columns(void **state)
{
	char *text = NULL, name[64];
	size_t len = 0, column = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	corral_options_print(out, CORRAL_OPTION_RUN);
	(void)fclose(out);
	for (size_t i = 0; i < corral_option_count; i++) {
		(void)snprintf(name, sizeof(name), "--%s", corral_option_table[i].name);
		if ((corral_option_table[i].commands & CORRAL_OPTION_RUN) && !strstr(text, name))
			fail_msg("%s is missing", name);
	}
	for (size_t i = 0; i < len; i++) {
		column = text[i] == '\n' ? 0 : column + 1;
		assert_true(column <= 80);
	}
	free(text);
}

/* Whether a list as .RB ( create ", " "session exec" ) has that command: by its whole name or its
 * last word. */
static bool list_has(const char *list, const char *name)
{
	const char *last = strrchr(name, ' ') ? strrchr(name, ' ') + 1 : name;
	char *words = strdup(list), *rest = words, *word;
	bool found = false;

	assert_non_null(words);
	while (!found && (word = strsep(&rest, ","))) {
		char clean[64] = "";
		size_t n = 0;

		for (const char *p = word; *p && n < sizeof(clean) - 1; p++) {
			if (!strncmp(p, ".RB", 3) || !strncmp(p, ".BR", 3))
				p += 2;
			else if (!strchr("\"()\n", *p) && (*p != ' ' || n))
				clean[n++] = *p;
		}
		while (n && clean[n - 1] == ' ')
			n--;
		clean[n] = '\0';
		found = !strcmp(clean, name) || !strcmp(clean, last);
	}
	free(words);
	return found;
}

/* As the page writes it: "\fB\-m\fR, \fB\-\-memory\fR \fISIZE\fR". */
static void entry_of(const struct corral_option *row, struct corral_buf *ret)
{
	corral_buf_str(ret, "\\-\\-");
	for (const char *p = row->name; *p; p++)
		corral_buf_fmt(ret, "%s%c", *p == '-' ? "\\" : "", *p);
	if (row->arg)
		corral_buf_fmt(ret, "\\fR \\fI%s\\fR", row->arg);
	else
		corral_buf_str(ret, "\\fR");
	assert_false(ret->failed);
}

/* A heading of the page with that option: of all commands, or of those in the list beneath it. */
static bool page_has(const char *page, const char *entry, const char *name, bool or_of_all)
{
	for (const char *at = page; (at = strstr(at, entry)); at++) {
		const char *line = at, *list = strchr(at, '\n'), *end;
		char text[1024];

		if (at[strlen(entry)] != '\n' && at[strlen(entry)] != ',')
			continue;
		while (line > page && line[-1] != '\n')
			line--;
		if (!list || strncmp(line, "\\fB", 3) != 0)
			continue;
		if (strncmp(list, "\n.RB ( ", 7) != 0) {
			if (or_of_all)
				return true;
			continue;
		}
		end = strchr(list, ')');
		assert_true(end && end - list < (ptrdiff_t)sizeof(text));
		(void)snprintf(text, sizeof(text), "%.*s", (int)(end - list), list);
		if (list_has(text, name))
			return true;
	}
	return false;
}

/* Options of run and exec are described for all who take them; others' descriptions say whose they
 * are. */
static void manual_page_has_every_option_of_every_command(void **state)
{
	const uint64_t family = ~((uint64_t)CORRAL_OPTION_DOCKER_INFO - 1);
	corral_autobuf struct corral_buf page = CORRAL_BUF_INIT;
	corral_autofd int fd = open(CORRAL_SOURCE_DIR "/tools/corral.1", O_RDONLY | O_CLOEXEC);
	int n_lacking = 0;

	(void)state;
	assert_int_equal(corral_buf_read_fd(&page, fd, 1 << 20), 0);
	for (size_t i = 0; i < corral_option_count; i++) {
		const struct corral_option *row = &corral_option_table[i];
		corral_autobuf struct corral_buf entry = CORRAL_BUF_INIT;

		entry_of(row, &entry);
		for (uint64_t c = 1; c <= CORRAL_OPTION_LAST; c <<= 1) {
			const char *name =
			        corral_option_command_name((enum corral_option_command)c);
			bool general = !(c & family) || !strcmp(row->name, "help") ||
			               !strcmp(row->name, "root") ||
			               (row->commands & (CORRAL_OPTION_RUN | CORRAL_OPTION_EXEC));

			/* Four commands in one. */
			if (c == CORRAL_OPTION_RUNTIME)
				name = "runtime show";
			if (!(row->commands & c) || page_has(page.data, entry.data, name, general))
				continue;
			if ((c & FILES) && page_has(page.data, entry.data, "file commands", false))
				continue;
			print_error("tools/corral.1 lacks, of corral %s: %s\n", name, entry.data);
			n_lacking++;
		}
	}
	assert_int_equal(n_lacking, 0);
}

static void distance_counts_what_fingers_do_wrong(void **state)
{
	(void)state;
	assert_int_equal(corral_word_distance("run", "run"), 0);
	assert_int_equal(corral_word_distance("rum", "run"), 1);
	assert_int_equal(corral_word_distance("rn", "run"), 1);
	assert_int_equal(corral_word_distance("urn", "run"), 1);
	assert_int_equal(corral_word_distance("", "run"), 3);
	assert_int_equal(corral_word_distance("a-word-of-much-more-than-32-letters", "x"), 1000);
}

/* --- A runtime beneath files and flags --- */

static const char *used_name;
static bool used_consent;

static int use(struct corral_options *o, enum corral_option_command command, const char *name,
               struct corral_config **ret, struct corral_error *err)
{
	static const char base[] =
	        "{\"hostname\":\"base\",\"work_dir\":\"/base\",\"limits\":{\"pids\":5},"
	        "\"env\":{\"A\":\"base\",\"B\":\"base\"},\"mounts\":["
	        "{\"type\":\"tmpfs\",\"target\":\"/a\"},{\"type\":\"tmpfs\",\"target\":\"/b\"},"
	        "{\"type\":\"tmpfs\",\"target\":\"/c\"}]}";

	(void)command;
	if (!strcmp(name, "none"))
		return corral_error_set(err, ENOENT, "there is none");
	used_name = name;
	used_consent = o->allow_weaker || o->config->allow_weaker;
	o->in_docker = !strcmp(name, "container");
	*ret = corral_config_new();
	assert_non_null(*ret);
	return corral_config_parse(*ret, base, strlen(base), err);
}

/* argv lives as long as the options. */
static int parse_used(struct corral_options *o, struct corral_error *err, int argc, char **argv)
{
	used_name = NULL;
	assert_int_equal(corral_options_init(o, err), 0);
	o->use_runtime = use;
	return corral_options_parse(o, CORRAL_OPTION_RUN, argc, argv, err);
}

#define USED(o, err, ...)                                                                        \
	parse_used((o), (err), (int)(sizeof((char *[]) { NULL, __VA_ARGS__ }) / sizeof(char *)), \
	           (char *[]) { NULL, __VA_ARGS__ })
#define W(word) (char *)(uintptr_t)(word)

static char *config_file(const char *text)
{
	char *path = strdup("/tmp/corral-options-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
	return path;
}

static void file_comes_over_the_runtime_and_flags_over_both(void **state)
{
	char *path =
	        config_file("{\"runtime\":\"base\",\"hostname\":\"file\",\"env\":{\"A\":\"file\"},"
	                    "\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/b\",\"size\":4096},"
	                    "{\"type\":\"tmpfs\",\"target\":\"/a\",\"size\":8192}]}");
	struct corral_error err = { 0 };
	struct corral_options o;

	(void)state;
	assert_int_equal(USED(&o, &err, W("--pids"), W("7"), W("--config"), path, W("--"), W("x")),
	                 0);
	assert_string_equal(o.config->hostname, "file");
	assert_string_equal(o.config->work_dir, "/base");
	assert_int_equal(o.config->limits.pids, 7);
	assert_int_equal(o.config->n_env, 3);
	assert_string_equal(o.config->env[2], "A=file");
	assert_int_equal(o.n_usual_env, 2);
	/* Its name has been used, and is nobody's any more. */
	assert_null(o.config->runtime);
	assert_int_equal(o.config->n_mounts, 3);
	assert_string_equal(o.config->mounts[0].guest_path, "/c");
	assert_string_equal(o.config->mounts[1].guest_path, "/b");
	assert_int_equal(o.config->mounts[1].size_bytes, 4096);
	assert_int_equal(o.config->mounts[2].size_bytes, 8192);
	corral_options_done(&o);
	/* A flag's runtime, wherever it stands. */
	assert_int_equal(USED(&o, &err, W("--hostname"), W("flag"), W("--config"), path,
	                      W("--clear-env"), W("-e"), W("C=c"), W("--runtime"), W("flag"),
	                      W("x")),
	                 0);
	assert_string_equal(used_name, "flag");
	assert_string_equal(o.config->hostname, "flag");
	assert_int_equal(o.config->n_env, 2);
	assert_string_equal(o.config->env[0], "A=file");
	assert_string_equal(o.config->env[1], "C=c");
	assert_false(o.config_texts.gone);
	corral_options_done(&o);
	assert_int_equal(unlink(path), 0);
	free(path);
}

/* Whoever narrows what a file lists has none of it left. */
static void an_allowlist_of_flags_is_instead_of_a_files(void **state)
{
	char *path = config_file("{\"allow\":[\"a.example\",\"b.example\"]}");
	char *bridge = config_file("{\"network\":\"bridge\"}");
	struct corral_error err = { 0 };
	struct corral_options o;

	(void)state;
	assert_int_equal(USED(&o, &err, W("--allow"), W("c.example"), W("--config"), path,
	                      W("--allow"), W("d.example"), W("x")),
	                 0);
	assert_int_equal(o.config->network, CORRAL_NETWORK_ALLOW);
	assert_int_equal(o.config->n_allow, 2);
	assert_string_equal(o.config->allow[0], "c.example");
	assert_string_equal(o.config->allow[1], "d.example");
	corral_options_done(&o);
	assert_int_equal(USED(&o, &err, W("--config"), path, W("--network"), W("allow"), W("x")),
	                 0);
	assert_int_equal(o.config->n_allow, 2);
	assert_string_equal(o.config->allow[0], "a.example");
	corral_options_done(&o);
	/* Another network has no list. */
	assert_int_equal(USED(&o, &err, W("--network"), W("none"), W("--config"), path, W("x")), 0);
	assert_int_equal(o.config->network, CORRAL_NETWORK_NONE);
	assert_int_equal(o.config->n_allow, 0);
	corral_options_done(&o);
	assert_int_equal(USED(&o, &err, W("--config"), bridge, W("--allow"), W("c.example"),
	                      W("x")),
	                 0);
	assert_int_equal(o.config->network, CORRAL_NETWORK_ALLOW);
	corral_options_done(&o);
	/* Both flags contradict each other, in either order: left for the policy to refuse. */
	assert_int_equal(USED(&o, &err, W("--allow"), W("c.example"), W("--network"), W("bridge"),
	                      W("x")),
	                 0);
	assert_int_equal(o.config->network, CORRAL_NETWORK_BRIDGE);
	assert_int_equal(o.config->n_allow, 1);
	corral_options_done(&o);
	assert_int_equal(USED(&o, &err, W("--network"), W("bridge"), W("--allow"), W("c.example"),
	                      W("x")),
	                 0);
	assert_int_equal(o.config->network, CORRAL_NETWORK_BRIDGE);
	assert_int_equal(o.config->n_allow, 1);
	corral_options_done(&o);
	assert_int_equal(unlink(path) | unlink(bridge), 0);
	free(path);
	free(bridge);
}

static void consent_is_known_when_the_runtime_is_chosen(void **state)
{
	struct corral_error err = { 0 };
	struct corral_options o;

	(void)state;
	assert_int_equal(USED(&o, &err, W("--runtime"), W("a"), W("--allow-weaker"), W("x")), 0);
	assert_true(used_consent);
	assert_true(o.config->allow_weaker);
	corral_options_done(&o);
	assert_int_equal(USED(&o, &err, W("--runtime"), W("a"), W("x")), 0);
	assert_false(used_consent);
	assert_false(o.config->allow_weaker);
	corral_options_done(&o);
}

static void runtime_in_a_container_reads_flags_as_an_engine_does(void **state)
{
	struct corral_error err = { 0 };
	struct corral_options o;

	(void)state;
	assert_int_equal(USED(&o, &err, W("--network"), W("bridge"), W("--runtime"), W("container"),
	                      W("x")),
	                 0);
	assert_string_equal(o.network, "bridge");
	assert_string_equal(corral_options_have_docker(&o), "runtime");
	corral_options_done(&o);
	assert_int_equal(USED(&o, &err, W("--network"), W("lan"), W("--runtime"), W("a"), W("x")),
	                 -EINVAL);
	corral_options_done(&o);
}

static void network_of_a_build_is_one_of_those(void **state)
{
	struct corral_options o =
	        parsed(CORRAL_OPTION_RUNTIME_BUILD, WORDS("--network", "none", "r"));

	(void)state;
	assert_non_null(o.build_network);
	corral_options_done(&o);
	refused(CORRAL_OPTION_RUNTIME_BUILD, WORDS("--network", "foo", "r"),
	        "--network: 'foo' is not one of none, host, bridge");
}

static void runtime_that_is_not_there_names_the_option(void **state)
{
	char *path = config_file("{\"runtime\":\"none\"}");
	struct corral_error err = { 0 };
	struct corral_options o;

	(void)state;
	assert_int_equal(USED(&o, &err, W("--runtime"), W("none"), W("x")), -ENOENT);
	assert_string_equal(err.text, "--runtime: there is none");
	corral_options_done(&o);
	assert_int_equal(USED(&o, &err, W("--config"), path, W("x")), -ENOENT);
	assert_string_equal(err.text, "--config: runtime: there is none");
	corral_options_done(&o);
	assert_int_equal(USED(&o, &err, W("--docker-runtime"), W("none"), W("x")), -ENOENT);
	assert_string_equal(err.text, "--docker-runtime: there is none");
	corral_options_done(&o);
	/* Somebody else tells that both make no sense. */
	assert_int_equal(USED(&o, &err, W("--docker"), W("i"), W("--runtime"), W("none"), W("x")),
	                 0);
	assert_string_equal(o.config->runtime, "none");
	corral_options_done(&o);
	assert_int_equal(unlink(path), 0);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_begins_after_the_double_dash),
		cmocka_unit_test(command_begins_at_the_first_word_that_is_no_option),
		cmocka_unit_test(value_is_the_next_word_or_follows_an_equals_sign),
		cmocka_unit_test(letters_may_stand_together),
		cmocka_unit_test(wrong_options_are_refused_with_a_way_out),
		cmocka_unit_test(receipt_descriptor_must_be_open_for_writing),
		cmocka_unit_test(flags_win_over_a_file_wherever_it_stands),
		cmocka_unit_test(variable_named_alone_takes_the_callers_value),
		cmocka_unit_test(help_ends_the_reading),
		cmocka_unit_test(table_has_no_name_or_letter_twice),
		cmocka_unit_test(help_names_every_option_and_keeps_to_80_columns),
		cmocka_unit_test(manual_page_has_every_option_of_every_command),
		cmocka_unit_test(distance_counts_what_fingers_do_wrong),
		cmocka_unit_test(file_comes_over_the_runtime_and_flags_over_both),
		cmocka_unit_test(an_allowlist_of_flags_is_instead_of_a_files),
		cmocka_unit_test(consent_is_known_when_the_runtime_is_chosen),
		cmocka_unit_test(runtime_in_a_container_reads_flags_as_an_engine_does),
		cmocka_unit_test(network_of_a_build_is_one_of_those),
		cmocka_unit_test(runtime_that_is_not_there_names_the_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
