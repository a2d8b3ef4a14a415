/*
 * Sandboxes over kept and frozen layers, made through the library. Include after
 * tests/real/sandbox_support.h and tests/real/library_support.h.
 */
#ifndef CORRAL_TESTS_REAL_LAYERS_SUPPORT_H
#define CORRAL_TESTS_REAL_LAYERS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/native.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

/* A directory of layers, and who makes sandboxes over them. */
struct layered {
	char *dir;
	struct corral_launcher *launcher;
};

static inline char *layer_path(const struct layered *l, const char *name)
{
	static char paths[8][1024];
	static unsigned int at;

	at = (at + 1) % 8;
	(void)snprintf(paths[at], sizeof(paths[at]), "%s/%s", l->dir, name);
	return paths[at];
}

/* The directory of a layer's part, or what is in it. */
static inline char *layer_file(const struct layered *l, const char *name, const char *file)
{
	char both[512];

	(void)snprintf(both, sizeof(both), "%s/%s", name, file);
	return layer_path(l, both);
}

static inline char *layer_make(const struct layered *l, const char *name)
{
	char *path = layer_path(l, name);

	if (mkdir(path, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	return path;
}

/* One on top of those whose names are in stack. */
static inline void layers_push(char *stack, size_t size, const char *name)
{
	size_t len = strlen(name), all = strlen(stack);

	assert_true(len + 1 + all < size);
	memmove(stack + len + 1, stack, all + 1);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the rest stands behind it */
	memcpy(stack, name, len);
	stack[len] = ' ';
}

/* stack: names of layers with blanks between, the one to be written first. */
static inline struct corral_policy *layers_policy(const struct layered *l, const char *json,
                                                  const char *stack)
{
	struct corral_config *config = corral_config_new();
	struct corral_policy *policy = NULL;
	struct corral_error err = { 0 };
	char names[2048], *save = NULL, *name;

	assert_non_null(config);
	(void)snprintf(names, sizeof(names), "%s", stack);
	if (corral_config_parse(config, json, strlen(json), &err) < 0)
		fail_msg("%s: %s", json, err.text);
	name = strtok_r(names, " ", &save);
	assert_int_equal(corral_config_set_text(&config->keep, layer_make(l, name), &err), 0);
	while ((name = strtok_r(NULL, " ", &save)))
		if (corral_config_add_layer(config, layer_make(l, name), &err) < 0)
			fail_msg("%s: %s", name, err.text);
	config->keep_work_dir = true;
	if (corral_policy_compile(config, NULL, &policy, &err) < 0)
		fail_msg("%s", err.text);
	corral_config_free(config);
	return policy;
}

/* One over a stack that goes on until it is closed. */
static inline struct corral_backend *layers_open(const struct layered *l, const char *json,
                                                 const char *stack)
{
	struct corral_policy *policy = layers_policy(l, json, stack);
	struct corral_backend *b = NULL;
	struct corral_error err = { 0 };

	if (corral_native_sandbox_new(l->launcher, policy, NULL, &b, &err) < 0)
		fail_msg("%s", err.text);
	corral_policy_free(policy);
	return b;
}

/* What a line says, both streams, and its exit status in *ret_status (NULL: it must be 0). The
 * caller frees it; NULL with err set when no sandbox came to be. */
static inline char *layers_say(struct corral_backend *b, const char *line, int *ret_status,
                               struct corral_error *err)
{
	const struct corral_execute x = { .command = line, .timeout_ms = 60000 };
	struct corral_executed e;
	char *out;

	if (corral_backend_execute(b, &x, &e, err) < 0)
		return NULL;
	out = strndup(e.out.data ? e.out.data : "", e.out.len);
	assert_non_null(out);
	if (ret_status)
		*ret_status = e.exit_code;
	else if (e.exit_code != 0)
		fail_msg("exit %d: %.400s: %.400s", e.exit_code, out, line);
	corral_executed_done(&e);
	return out;
}

/* One line in a sandbox of its own over a stack. */
static inline char *layers_run_as(const struct layered *l, const char *json, const char *stack,
                                  const char *line)
{
	struct corral_backend *b = layers_open(l, json, stack);
	struct corral_error err = { 0 };
	char *out = layers_say(b, line, NULL, &err);

	if (!out)
		fail_msg("%s: %s", line, err.text);
	corral_backend_close(b);
	return out;
}

static inline void assert_layers_say(const struct layered *l, const char *stack, const char *line,
                                     const char *expected)
{
	char *out = layers_run_as(l, "{}", stack, line);

	if (expected && strcmp(out, expected) != 0)
		fail_msg("%s over %s says '%s', not '%s'", line, stack, out, expected);
	free(out);
}

static inline void assert_layers_refused(const struct layered *l, const char *stack,
                                         const char *says)
{
	struct corral_backend *b = layers_open(l, "{}", stack);
	struct corral_error err = { 0 };
	char *out = layers_say(b, "true", NULL, &err);

	if (out)
		fail_msg("%s made a sandbox", stack);
	if (!strstr(err.text, says))
		fail_msg("'%s' is not in '%s'", says, err.text);
	corral_backend_close(b);
}

static inline int layered_init(struct layered *l)
{
	struct corral_error err = { 0 };

	*l = (struct layered) { .dir = dir_make() };
	if (corral_launcher_open(CORRAL_LAUNCHER_POOLED, &l->launcher, &err) < 0)
		print_message("no launcher: %s\n", err.text);
	return 0;
}

static inline void layered_done(struct layered *l)
{
	if (l->launcher)
		corral_launcher_close(l->launcher);
	/* Directories that a guest closed, and those of overlayfs's own. */
	if (geteuid() != 0) {
		const char *argv[] = { "sh", "-c",
			               "find \"$0\" -type d ! -perm -700 -exec chmod u+rwx {} \\;",
			               l->dir, NULL };
		struct run r = { 0 };

		run_argv(&r, argv);
		run_done(&r);
	}
	dir_remove(l->dir);
}

/* As root it takes a template, which not every kernel and /run allow; otherwise overlays in a user
 * namespace. */
static inline bool can_stack(const struct layered *l)
{
	struct corral_backend *b;
	struct corral_error err = { 0 };
	char *out;

	if (!l->launcher) {
		corral_test_skip("native isolation");
		return false;
	}
	b = layers_open(l, "{}", "can-b can-a");
	out = layers_say(b, "true", NULL, &err);
	corral_backend_close(b);
	free(out);
	if (!out)
		corral_test_skip("layers: %s", err.text);
	return out != NULL;
}

#endif
