/* corral runtime: the named environments of this host and user, and how each is contained here. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"
#include "policy/policy.h"
#include "tools/commands.h"
#include "tools/docker_exec.h"
#include "tools/family.h"
#include "tools/images/place.h"
#include "tools/images/runtimes.h"
#include "tools/images/use.h"
#include "tools/isolation_here.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/program.h"
#include "tools/runtime_account.h"
#include "tools/runtimes.h"
#include "tools/table.h"

static void catalogue_closep(struct corral_runtime_catalogue **c)
{
	corral_runtime_catalogue_close(*c);
}

/* Paths, and reasons that name some, or that are cut in the middle of a character. */
static json_t *text_or_null(const char *text)
{
	return text ? corral_json_text(text, strlen(text)) : json_null();
}

/* What knows engines says what there is. */
static int exec_if_installed(char **main_argv, struct corral_error *err)
{
	return corral_docker_is_installed() ? corral_docker_exec(main_argv, err) : 0;
}

/* How one is contained here, and both ways for themselves. */
struct answer {
	struct corral_isolation_look look;
	struct corral_isolation_choice choice;
	struct corral_error err;
	bool native, weaker, docker, some; /* some: one of them serves */
	const char *native_why, *docker_why;
	/* None does, but only for want of an image, which its first use would bring: "would pull
	 * debian:12 (not stored)". "" without. */
	char would[300];
};

/* The same on the host's own root: whether this host would contain it once its image is there. */
static bool is_contained_here(struct corral_isolation_here *here, const struct corral_runtime *rt)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *own = NULL;
	struct corral_isolation_look look;
	bool weaker;

	if (corral_runtime_dup(rt, &own, NULL) < 0)
		return false;
	free(own->image);
	free(own->base_image);
	own->image = own->base_image = NULL;
	if (corral_config_set_text(&own->rootfs, "host", NULL) < 0)
		return false;
	corral_isolation_here_look(here, own, &look);
	return corral_isolation_native(own, &look.facts, &weaker, NULL);
}

static void would_fill(struct corral_isolation_here *here, const struct corral_runtime *rt,
                       struct answer *ret)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	if (rt->isolation == CORRAL_ISOLATION_DOCKER || !corral_images_can_make() ||
	    corral_image_of_runtime(here->images, rt, &i, NULL) != -ENOENT ||
	    !is_contained_here(here, rt))
		return;
	if (rt->image)
		(void)snprintf(ret->would, sizeof(ret->would), "would pull %.250s (not stored)",
		               rt->image);
	else
		(void)snprintf(ret->would, sizeof(ret->would), "would build (not built)");
}

static void ask(struct corral_isolation_here *here, const struct corral_runtime *rt,
                struct answer *ret)
{
	memset(ret, 0, sizeof(*ret));
	corral_isolation_here_look(here, rt, &ret->look);
	ret->native = corral_isolation_native(rt, &ret->look.facts, &ret->weaker, &ret->native_why);
	ret->docker = corral_isolation_docker(rt, &ret->look.facts, &ret->docker_why);
	ret->some = corral_isolation_choose(rt, &ret->look.facts, &ret->choice, &ret->err) == 0;
	if (!ret->some)
		would_fill(here, rt, ret);
}

static const char *reason_of(const struct answer *a)
{
	return a->some ? a->choice.reason : a->err.text;
}

/* It can be had, at once or with its first use. */
static bool is_to_be_had(const struct answer *a)
{
	return a->some || *a->would;
}

/* "image go:1", "built on python:3", "host", "/srv/root"; natively, and in a container. */
static void source_write(const struct corral_runtime *rt, struct corral_buf *ret)
{
	const char *image = rt->image ? rt->image : rt->base_image;

	if (rt->rootfs || !image)
		corral_buf_str(ret, rt->rootfs ? rt->rootfs : "host");
	if (image)
		corral_buf_fmt(ret, "%s%s %s", rt->rootfs ? ", " : "",
		               rt->image ? "image" : "built on", image);
}

/* --- list --- */

/* The column beside it has the image. */
static const char *here_word(const struct corral_runtime *rt, const struct answer *a)
{
	if (!a->some)
		return !*a->would ? "-" : rt->image ? "would pull" : "would build";
	return a->choice.weaker ? "weaker" : corral_isolation_name(a->choice.isolation);
}

static int row_add(struct corral_table *t, const struct corral_runtime_entry *e,
                   const struct answer *a)
{
	corral_autobuf struct corral_buf source = CORRAL_BUF_INIT;
	const char *const cells[] = { e->runtime->name, here_word(e->runtime, a), NULL,
		                      e->runtime->description, e->path ? e->path : "built-in" };
	const char *filled[CORRAL_COUNT(cells)];

	source_write(e->runtime, &source);
	if (source.failed)
		return -ENOMEM;
	memcpy(filled, cells, sizeof(cells));
	filled[2] = source.data;
	corral_table_add(t, filled);
	return 0;
}

static json_t *entry_json(const struct corral_runtime *rt, const char *path, const struct answer *a)
{
	corral_autobuf struct corral_buf source = CORRAL_BUF_INIT;

	source_write(rt, &source);
	return json_pack("{s:s, s:s, s:s, s:o, s:b, s:o, s:o, s:s, s:o}", "name", rt->name,
	                 "description", rt->description, "isolation",
	                 corral_isolation_name(rt->isolation), "here",
	                 text_or_null(a->some ? corral_isolation_name(a->choice.isolation) : NULL),
	                 "weaker", a->choice.weaker, "reason", text_or_null(reason_of(a)), "would",
	                 text_or_null(*a->would ? a->would : NULL), "source",
	                 source.failed ? "" : source.data, "file", text_or_null(path));
}

#define WHY_MAX 60

/* Files that are none: a row each, with what is wrong in the place of a description. */
static void faults_add(const struct corral_runtime_catalogue *all, struct corral_table *t,
                       json_t *words)
{
	const struct corral_runtime_fault *faults;
	size_t n = corral_runtime_catalogue_faults(all, &faults);

	for (size_t i = 0; i < n; i++) {
		const struct corral_runtime_fault *f = &faults[i];
		/* The file has a column of its own. */
		const char *why = f->text + strlen(f->path) + 2;
		char broken[WHY_MAX + 16];
		size_t len;

		if (strncmp(f->text, f->path, strlen(f->path)) != 0)
			why = f->text;
		/* The whole of it would push the file out of sight: runtime validate says it. */
		len = strlen(why);
		if (len > WHY_MAX)
			for (len = WHY_MAX; len > WHY_MAX / 2 && why[len] != ' ';)
				len--;
		(void)snprintf(broken, sizeof(broken), "broken: %.*s%s", (int)len, why,
		               why[len] ? " ..." : "");
		corral_table_add(t, (const char *const[]) { f->name, "-", "-", broken, f->path });
		(void)json_array_append_new(
		        words, json_pack("{s:o, s:s, s:n, s:n, s:b, s:o, s:n, s:s, s:o, s:o}",
		                         "name", text_or_null(f->name), "description", "",
		                         "isolation", "here", "weaker", false, "reason",
		                         text_or_null(why), "would", "source", "", "file",
		                         text_or_null(f->path), "error", text_or_null(f->text)));
	}
}

static int list(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "NAME", "HERE", "ROOT", "DESCRIPTION", "FILE" };
	corral_auto(catalogue_closep) struct corral_runtime_catalogue *all = NULL;
	corral_auto(corral_isolation_here_done) struct corral_isolation_here here = { 0 };
	struct corral_table table;
	json_t *words = json_array();
	int r = exec_if_installed(call->main_argv, err);

	if (r == 0)
		r = corral_runtimes_open(&all, err);
	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	for (size_t i = 0; r == 0 && i < corral_runtime_catalogue_count(all); i++) {
		const struct corral_runtime_entry *e = corral_runtime_catalogue_at(all, i);
		struct answer a;

		ask(&here, e->runtime, &a);
		if (call->options.json)
			(void)json_array_append_new(words, entry_json(e->runtime, e->path, &a));
		else
			r = row_add(&table, e, &a);
	}
	if (r == 0)
		faults_add(all, &table, words);
	if (r == 0 && call->options.json)
		r = corral_json_print(json_incref(words), err);
	else if (r == 0 && corral_table_print(&table, stdout) < 0)
		r = corral_error_sys(err, ENOMEM, "print the table");
	json_decref(words);
	corral_table_done(&table);
	return r;
}

/* --- show --- */

static int show(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r = corral_runtimes_find(call->operands[0], &rt, err);

	if (r == 0)
		r = corral_runtime_write(rt, &text, err);
	if (r == 0)
		(void)puts(text.data);
	return r;
}

/* --- explain --- */

static void print_way(const char *name, bool can, const char *why, const char *extra)
{
	(void)printf("  %s  %s%s\n", name, can ? "yes" : "no: ", can ? extra : why);
}

static void print_text(const struct corral_runtime *rt, const struct answer *a)
{
	corral_autobuf struct corral_buf source = CORRAL_BUF_INIT;

	source_write(rt, &source);
	(void)printf("%s: %s\n", rt->name, *rt->description ? rt->description : "-");
	(void)printf("  root    %s\n", source.failed ? "" : source.data);
	(void)printf("  wants   %s%s\n", corral_isolation_name(rt->isolation),
	             rt->sandbox->allow_weaker ? ", or less than every fence" : "");
	print_way("native", a->native, a->native_why, a->weaker ? ", with fewer fences" : "");
	print_way("docker", a->docker, a->docker_why, "");
	/* What speaks against both stands above already. */
	if (a->some)
		(void)printf("  here    %s: %s\n", here_word(rt, a), reason_of(a));
	else if (*a->would)
		(void)printf("  here    %s: its first use does, and is native then\n", a->would);
	else
		(void)printf("  here    -: %s\n", rt->isolation == CORRAL_ISOLATION_AUTO
		                                          ? "neither of the two can be had"
		                                          : "what it wants cannot be had");
}

/* By what name, and which numbers that is here; or that a run would find nobody. */
static void print_user(int found, const struct corral_runtime_account *who, const char *why)
{
	if (found > 0)
		(void)printf("  user    %s is %u:%u\n", who->user, who->guest_uid, who->guest_gid);
	else if (found < 0)
		(void)printf("  user    no: %s\n", why);
}

static json_t *user_json(int found, const struct corral_runtime_account *who, const char *why)
{
	if (found == 0)
		return json_null();
	if (found < 0)
		return json_pack("{s:o}", "why", text_or_null(why));
	return json_pack("{s:o, s:I, s:I}", "name", text_or_null(who->user), "uid",
	                 (json_int_t)who->guest_uid, "gid", (json_int_t)who->guest_gid);
}

static json_t *way_json(bool can, const char *why)
{
	return json_pack("{s:b, s:o}", "possible", can, "why", text_or_null(can ? NULL : why));
}

static int explain(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
	corral_auto(corral_isolation_here_done) struct corral_isolation_here here = { 0 };
	struct corral_runtime_account who = { .guest_uid = 0 };
	struct corral_error nobody = { 0 };
	struct answer a;
	json_t *words;
	int r = exec_if_installed(call->main_argv, err), found;

	if (r == 0)
		r = corral_runtimes_find(call->operands[0], &rt, err);
	if (!rt)
		return r;
	ask(&here, rt, &a);
	found = corral_runtime_account_find(here.images, rt, &who, &nobody);
	if (!call->options.json) {
		print_text(rt, &a);
		print_user(found, &who, nobody.text);
		return is_to_be_had(&a) && found >= 0 ? 0 : 1;
	}
	words = entry_json(rt, NULL, &a);
	(void)json_object_del(words, "file");
	(void)json_object_set_new(words, "native", way_json(a.native, a.native_why));
	(void)json_object_set_new(words, "docker", way_json(a.docker, a.docker_why));
	(void)json_object_set_new(words, "user", user_json(found, &who, nobody.text));
	r = corral_json_print(words, err);
	return r == 0 && (!is_to_be_had(&a) || found < 0) ? 1 : r;
}

/* --- validate --- */

/* What a launch would find wrong before it makes anything. The root does not matter to it. */
static int meaning_check(struct corral_runtime *rt, struct corral_error *err)
{
	corral_auto(corral_config_freep) struct corral_config *c = NULL;
	struct corral_policy *p = NULL;
	int r = 0;

	r = corral_runtime_config(rt, &c, err);
	if (r == 0) {
		free(c->image);
		c->image = NULL;
	}
	/* Names of its users are account_check()'s, where the root is not the host's. */
	if (r == 0 && !c->has_user &&
	    (rt->isolation == CORRAL_ISOLATION_DOCKER ||
	     (rt->rootfs ? strcmp(rt->rootfs, "host") != 0 : rt->image || rt->base_image))) {
		free(c->user);
		c->user = NULL;
	}
	/* An engine's own profile is the engine's to know. */
	if (r == 0 && c->seccomp && !strcmp(c->seccomp, "engine")) {
		free(c->seccomp);
		c->seccomp = NULL;
	}
	if (r == 0)
		r = corral_policy_compile(c, NULL, &p, err);
	corral_policy_free(p);
	return r;
}

/* As far as the root that has its accounts is here. */
static int account_check(const struct corral_runtime *rt, struct corral_error *err)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *images = NULL;
	struct corral_runtime_account who;
	int r;

	/* Without a store it has no image here. */
	(void)corral_images_look(&images, NULL);
	r = corral_runtime_account_find(images, rt, &who, err);
	return r < 0 ? r : 0;
}

/* Files of others carry along what means nothing in them, so that it is no mistake. */
static bool leaves_out(const struct corral_runtime *rt)
{
	return (rt->n_packages || rt->n_setup_commands) &&
	       (!rt->base_image || rt->image || rt->rootfs);
}

static int file_check(const char *path, bool *ret_leaves_out, struct corral_error *err)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
	int r = corral_runtime_load(path, &rt, err);

	if (r < 0)
		return r;
	*ret_leaves_out = leaves_out(rt);
	r = meaning_check(rt, err);
	if (r == 0)
		r = account_check(rt, err);
	return r < 0 ? corral_error_wrap(err, r, "'%.200s'", path) : 0;
}

static int validate(struct corral_call *call, struct corral_error *err)
{
	json_t *words = json_array();
	size_t bad = 0;
	int r = 0;

	for (size_t i = 0; i < call->n_operands; i++) {
		const char *path = call->operands[i];
		struct corral_error fault = { 0 };
		bool less = false, good = file_check(path, &less, &fault) == 0;

		bad += !good;
		if (call->options.json)
			(void)json_array_append_new(
			        words, json_pack("{s:o, s:o}", "file", text_or_null(path), "error",
			                         text_or_null(good ? NULL : fault.text)));
		else if (good)
			(void)printf("%s: ok%s\n", path,
			             less ? ", but nothing is installed: packages and "
			                    "setup_commands take a base_image alone"
			                  : "");
		else
			corral_say("%s", fault.text);
	}
	if (call->options.json)
		r = corral_json_print(json_incref(words), err);
	json_decref(words);
	return r < 0 ? r : bad != 0;
}

/* What it takes to make images is in a program of its own: here are the words alone. */
#ifdef CORRAL_WITH_OCI
#define OCI(function) function
#else
#define OCI(function) NULL
#endif
#define ANY CORRAL_FAMILY_ANY

/* clang-format off */
static const struct corral_family_command commands[] = {
	{ "list", CORRAL_OPTION_RUNTIME, "", 0, 0, "none",
	  "show the runtimes that are known, and how each is contained here",
	  "\nHERE is native, docker, weaker for native with fewer fences; would pull or would build:\n"
	  "native, once its first use has fetched or built its image; or - where nothing can be:\n"
	  "corral runtime explain says why.\n", list },
	{ "show", CORRAL_OPTION_RUNTIME, " NAME|FILE.json", 1, 1, "runtimes",
	  "print one as JSON, without what is as usual", NULL, show },
	{ "explain", CORRAL_OPTION_RUNTIME, " NAME|FILE.json", 1, 1, "runtimes",
	  "say how one is contained on this host, and why",
	  "\nExit status: 0, or 1 where it cannot be had here.\n", explain },
	{ "validate", CORRAL_OPTION_RUNTIME, " FILE.json...", 1, CORRAL_FAMILY_ANY, "files",
	  "look for mistakes in files that describe runtimes",
	  "\nExit status: 0, or 1 where there are mistakes.\n", validate },
	{ "build", CORRAL_OPTION_RUNTIME_BUILD, " NAME|FILE.json...", 1, ANY, "runtimes",
	  "build the image of one with a base_image, unless it is there",
	  "\nIts setup commands and packages are run in a sandbox on the base image, which is fetched\n"
	  "when it is not there. The first corral run of a runtime builds it as well.\n"
	  "\nExamples:\n"
	  "  corral runtime build python-datascience\n"
	  "  corral runtime build --no-cache --network host ./mine.json\n",
	  OCI(corral_runtimes_cmd_build) },
	{ "prewarm", CORRAL_OPTION_RUNTIME_PREWARM, " NAME|FILE.json...", 1, ANY, "runtimes",
	  "build or fetch what is not there, so that the first session starts at once", NULL,
	  OCI(corral_runtimes_cmd_prewarm) },
	{ "rm", CORRAL_OPTION_RUNTIME_RM, " NAME|FILE.json...", 1, ANY, "runtimes",
	  "remove what was built for one",
	  "\nIts description and its base image stay. What a sandbox or a session uses stays, too.\n",
	  OCI(corral_runtimes_cmd_rm) },
	{ NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
/* clang-format on */

static const struct corral_family_alias aliases[] = {
	{ "ls", "runtime list" },
	{ "inspect", "runtime show NAME" },
	{ "check", "runtime validate FILE.json" },
	{ "pull", "runtime prewarm" },
	{ "remove", "runtime rm" },
	{ "delete", "runtime rm" },
	{ NULL, NULL },
};

const struct corral_family corral_runtime_family = {
	.name = "runtime",
	.about = "Runtimes are named environments: a root filesystem or an image, variables, "
	         "limits\n"
	         "and how they are contained. corral run --runtime NAME -- COMMAND takes one.\n"
	         "Those that are not built in are files NAME.json in " CORRAL_RUNTIMES_ETC
	         " and in\n~/.config/corral/runtimes (of $XDG_CONFIG_HOME), the later over the "
	         "earlier.\n",
	.ending = "",
	.commands = commands,
	.aliases = aliases,
};

int corral_cmd_runtime(int argc, char **argv)
{
#ifndef CORRAL_WITH_OCI
	const struct corral_family_command *c =
	        argc > 1 ? corral_family_find(&corral_runtime_family, argv[1]) : NULL;
	struct corral_error err = { 0 };

	/* main()'s argv. */
	if (c && !c->run &&
	    corral_program_exec(CORRAL_PROGRAM_OCI, "what builds images", argv - 1, &err) < 0)
		return corral_complain(&err);
#endif
	return corral_family_main(&corral_runtime_family, argc, argv);
}
