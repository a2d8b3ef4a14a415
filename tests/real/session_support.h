/*
 * Sessions by the command line, in a root of the test's own. Include after
 * tests/real/cli_support.h.
 */
#ifndef CORRAL_TESTS_REAL_SESSION_SUPPORT_H
#define CORRAL_TESTS_REAL_SESSION_SUPPORT_H

static char session_root[256], *session_dir;

/* corral session, its command, --root, and the rest. */
static inline void session_argv(struct run *r, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX + 1] = { "session", *args, "--root", session_root };
	size_t n = 4;

	for (args++; *args && n < RUN_ARGS_MAX; args++)
		argv[n++] = *args;
	argv[n] = NULL;
	corral_argv(r, argv);
}

#define SESSION(r, ...) session_argv((r), ARGS(__VA_ARGS__))

/* Of the test that is running: what corral said last. */
static struct run said;

/* A line of sh in a session; its output has to be out, unless that is NULL. */
static inline void session_sh(const char *id, const char *line, const char *out)
{
	SESSION(&said, "exec", id, "--", "sh", "-c", line);
	assert_status(&said, 0);
	assert_string_equal(said.err, "");
	if (out)
		assert_string_equal(said.out, out);
}

/* What it says on success, and nothing else. */
#define assert_session(out_, ...)                      \
	do {                                           \
		SESSION(&said, __VA_ARGS__);           \
		assert_status(&said, 0);               \
		assert_string_equal(said.err, "");     \
		assert_string_equal(said.out, (out_)); \
	} while (0)

#define assert_session_error(part, ...)      \
	do {                                 \
		SESSION(&said, __VA_ARGS__); \
		assert_error(&said, (part)); \
	} while (0)

static inline bool session_state_is(const char *id, const char *state)
{
	json_t *o;
	const char *word;
	bool is;

	SESSION(&said, "list", "--json");
	assert_status(&said, 0);
	o = object_with(said.out, ARGS("id", id));
	word = json_string_value(json_object_get(o, "state"));
	is = word && !strcmp(word, state);
	json_decref(o);
	return is;
}

static inline int session_setup(void **state)
{
	(void)cli_setup(state);
	session_dir = dir_make();
	(void)snprintf(session_root, sizeof(session_root), "%s/sessions", session_dir);
	if (!fixture.missing) {
		SESSION(&said, "exec", "probe", "--", "true");
		fixture.missing = said.status != 0;
		if (fixture.missing)
			print_message("%s", said.err);
	}
	return 0;
}

/* With one command, as each takes its time in a build with sanitizers. */
static inline void session_remove_all(void)
{
	const char *args[RUN_ARGS_MAX + 1] = { "rm", "-f" };
	char *ids, *rest, *id;
	size_t n = 2;

	SESSION(&said, "list", "-q");
	ids = rest = strdup(said.out ? said.out : "");
	assert_non_null(ids);
	while ((id = strsep(&rest, "\n")) && n < RUN_ARGS_MAX)
		if (*id)
			args[n++] = id;
	if (n > 2)
		session_argv(&said, args);
	free(ids);
}

static inline int session_teardown(void **state)
{
	/* Also after a failed test nothing of it stays. */
	session_remove_all();
	run_done(&said);
	dir_remove(session_dir);
	return cli_teardown(state);
}

static inline void session_play(void **state)
{
	void (*body)(void) = *(void (**)(void)) * state;

	if (fixture.missing) {
		corral_test_skip("a working `corral session exec`");
		return;
	}
	body();
	run_done(&said);
}

#define SESSION_TEST(name)                                         \
	{                                                          \
#name, session_play, NULL, NULL, &(void (*)(void)) \
		{                                                  \
			name                                       \
		}                                                  \
	}

static inline void session_nothing_left(void)
{
	session_remove_all();
	assert_status(&said, 0);
	/* What the killed ones left in the control groups goes with the next. */
	RUN(&said, "--", "true");
	assert_nothing_left();
	/* Nothing of what was removed takes room. */
	run_argv(&said, ARGS("sh", "-c", "cd \"$0\" && ls -A layers sessions trash", session_root));
	assert_string_equal(said.out, "layers:\n\nsessions:\n\ntrash:\n");
}

#endif
