/* corral plan: what corral run would do, step by step; runs nothing. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/plan.h"
#include "kernel/sandbox.h"
#include "tools/commands.h"
#include "tools/compile.h"
#include "tools/message.h"
#include "tools/options.h"
#include "tools/runtime_use.h"

static void plan_freep(struct corral_plan **p)
{
	corral_plan_free(*p);
}

/* A word as a shell would take it. */
static void put_quoted(struct corral_buf *b, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                            "%+,-./:=@_";

	if (*word && !word[strspn(word, plain)]) {
		corral_buf_str(b, word);
		return;
	}
	corral_buf_str(b, "'");
	for (; *word; word++) {
		if (*word == '\'')
			corral_buf_str(b, "'\\''");
		else
			corral_buf_add(b, word, 1);
	}
	corral_buf_str(b, "'");
}

static void describe(const struct corral_plan *plan, const struct corral_config *c, size_t i,
                     struct corral_buf *out)
{
	if (i < corral_plan_count(plan)) {
		corral_plan_describe(plan, i, out);
		return;
	}
	for (size_t k = 0; k < c->n_argv; k++) {
		if (k)
			corral_buf_str(out, " ");
		put_quoted(out, c->argv[k]);
	}
}

/* The command is no step of guest init's plan: it comes with the start. Shown as the last one. */
static size_t count(const struct corral_plan *plan, const struct corral_config *c)
{
	return corral_plan_count(plan) + (c->n_argv ? 1 : 0);
}

static const char *kind(const struct corral_plan *plan, size_t i)
{
	return i < corral_plan_count(plan) ? corral_plan_kind(plan, i) : "exec";
}

static int print_text(const struct corral_plan *plan, const struct corral_config *c,
                      struct corral_error *err)
{
	int width = 0;

	for (size_t i = 0; i < count(plan, c); i++) {
		int len = (int)strlen(kind(plan, i));

		width = len > width ? len : width;
	}
	for (size_t i = 0; i < count(plan, c); i++) {
		corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

		describe(plan, c, i, &text);
		if (text.failed)
			return corral_error_sys(err, ENOMEM, "print the plan");
		/* One step, one line, whatever a path is made of. */
		for (size_t k = 0; k < text.len; k++)
			if ((unsigned char)text.data[k] < 0x20 || text.data[k] == 0x7f)
				text.data[k] = '?';
		(void)printf("%2zu  %-*s  %s\n", i, width, kind(plan, i),
		             text.data ? text.data : "");
	}
	return 0;
}

static int print_json(const struct corral_plan *plan, const struct corral_config *c,
                      struct corral_error *err)
{
	json_auto_t *list = json_array();
	corral_autofree char *out = NULL;

	for (size_t i = 0; i < count(plan, c); i++) {
		corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
		json_t *step;

		describe(plan, c, i, &text);
		if (text.failed)
			return corral_error_sys(err, ENOMEM, "print the plan");
		step = json_pack("{s:I, s:s, s:s}", "step", (json_int_t)i, "kind", kind(plan, i),
		                 "text", text.data ? text.data : "");
		if (!step)
			return corral_error_set(err, EILSEQ,
			                        "step %zu is not UTF-8: leave --json out to see it",
			                        i);
		(void)json_array_append_new(list, step);
	}
	out = json_dumps(list, JSON_INDENT(1));
	if (!out)
		return corral_error_sys(err, ENOMEM, "print the plan");
	(void)puts(out);
	return 0;
}

static int make_and_print(struct corral_options *o, struct corral_launcher **launcher,
                          struct corral_error *err)
{
	corral_auto(corral_policy_freep) struct corral_policy *policy = NULL;
	corral_auto(plan_freep) struct corral_plan *plan = NULL;
	int r;

	r = corral_options_compile(o, &policy, err);
	if (r == 0)
		r = corral_launcher_open(0, launcher, err);
	if (r == 0)
		r = corral_launcher_plan(*launcher, policy, &plan, err);
	if (r < 0)
		return r;
	return o->json ? print_json(plan, o->config, err) : print_text(plan, o->config, err);
}

int corral_cmd_plan(int argc, char **argv)
{
	struct corral_options options;
	struct corral_launcher *launcher = NULL;
	struct corral_error err = { 0 };
	int r;

	r = corral_options_init(&options, &err);
	options.use_runtime = corral_runtime_use;
	if (r == 0)
		r = corral_options_parse(&options, CORRAL_OPTION_PLAN, argc, argv, &err);
	if (r == 0 && options.help) {
		(void)fputs(
		        "Usage: corral plan [options] [--] [COMMAND [ARG...]]\n"
		        "Prints what corral run would do with these options, and runs nothing.\n",
		        stdout);
		corral_options_print(stdout, CORRAL_OPTION_PLAN);
	} else if (r == 0) {
		r = make_and_print(&options, &launcher, &err);
	}
	if (launcher)
		corral_launcher_close(launcher);
	corral_options_done(&options);
	return r < 0 ? corral_complain(&err) : 0;
}
