/* corral docker info, list, prune, rm, pull, build: what each does, its options being read. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/docker/docker.h"
#include "backends/docker/run.h"
#include "kernel/base/cleanup.h"
#include "tools/docker/docker.h"
#include "tools/docker/find.h"
#include "tools/docker/progress.h"
#include "tools/exitcode.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/runtimes.h"
#include "tools/table.h"

#define ID_SHOWN     12
#define ID_START_MIN 4 /* of an id, to be called by */

/* --- info --- */

static int info_none(const struct corral_options *o, int r, struct corral_error *err)
{
	if (!o->json)
		return r;
	r = corral_json_print(json_pack("{s:b, s:s}", "found", 0, "error", err->text), err);
	return r < 0 ? r : CORRAL_EXIT_FAILED;
}

static int info(struct corral_docker_engine *e, const struct corral_options *o,
                struct corral_error *err)
{
	const struct corral_docker_engine_info *i = corral_docker_engine_info(e);
	const char *kind = i->is_podman ? "podman" : "docker";
	const char *const rows[][2] = {
		{ "engine", kind },          { "endpoint", i->endpoint },
		{ "found by", i->found_by }, { "version", i->server_version },
		{ "API", i->api_version },   { "system", i->os },
		{ "processor", i->arch },
	};

	if (o->json)
		return corral_json_print(json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
		                                   "found", 1, "engine", kind, "endpoint",
		                                   i->endpoint, "found_by", i->found_by,
		                                   "server_version", i->server_version,
		                                   "api_version", i->api_version, "os", i->os,
		                                   "arch", i->arch),
		                         err);
	for (size_t k = 0; k < CORRAL_COUNT(rows); k++)
		(void)printf("%-10s %s\n", rows[k][0], rows[k][1]);
	return 0;
}

/* --- list --- */

static void age_text(int64_t created_sec, char *buf, size_t size)
{
	long long s = (long long)time(NULL) - created_sec;

	if (created_sec <= 0 || s < 0)
		(void)snprintf(buf, size, "?");
	else if (s < 120)
		(void)snprintf(buf, size, "%llds", s);
	else if (s < 7200)
		(void)snprintf(buf, size, "%lldm", s / 60);
	else if (s < 172800)
		(void)snprintf(buf, size, "%lldh", s / 3600);
	else
		(void)snprintf(buf, size, "%lldd", s / 86400);
}

static json_t *list_json(const struct corral_docker_rows *rows)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rows->n; i++) {
		const struct corral_docker_row *row = &rows->rows[i];

		(void)json_array_append_new(list,
		                            json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I}",
		                                      "id", row->id, "name", row->name, "session",
		                                      row->session, "image", row->image, "state",
		                                      row->state, "named", row->named, "orphan",
		                                      row->orphan, "created_sec",
		                                      (json_int_t)row->created_sec));
	}
	return list;
}

static int list_table(const struct corral_docker_rows *rows, struct corral_error *err)
{
	static const char *const headings[] = { "ID",    "NAME", "SESSION", "IMAGE",
		                                "STATE", "AGE",  "STAYS",   "MAKER" };
	struct corral_table t;
	int r;

	corral_table_init(&t, headings, CORRAL_COUNT(headings));
	for (size_t i = 0; i < rows->n; i++) {
		const struct corral_docker_row *row = &rows->rows[i];
		char id[ID_SHOWN + 1], age[24];

		(void)snprintf(id, sizeof(id), "%.*s", ID_SHOWN, row->id);
		age_text(row->created_sec, age, sizeof(age));
		corral_table_add(&t,
		                 (const char *const[]) { id, row->name, row->session, row->image,
		                                         row->state, age, row->named ? "yes" : "no",
		                                         row->orphan ? "gone" : "alive" });
	}
	r = corral_table_print(&t, stdout);
	corral_table_done(&t);
	return r < 0 ? corral_error_sys(err, -r, "print") : 0;
}

static int list(struct corral_docker_engine *e, const struct corral_options *o,
                struct corral_error *err)
{
	struct corral_docker_rows rows = { 0 };
	int r = corral_docker_list(e, &rows, err);

	if (r == 0 && o->quiet)
		for (size_t i = 0; i < rows.n; i++)
			(void)printf("%.*s\n", ID_SHOWN, rows.rows[i].id);
	else if (r == 0)
		r = o->json ? corral_json_print(list_json(&rows), err) : list_table(&rows, err);
	corral_docker_rows_done(&rows);
	return r;
}

/* --- prune --- */

static int prune(struct corral_docker_engine *e, const struct corral_options *o,
                 struct corral_error *err)
{
	struct corral_docker_pruned done = { 0 };
	struct corral_error why = { 0 };
	int r = corral_docker_prune(e, &done, &why);

	if (r < 0)
		return corral_error_set(err, why.code, "%s", why.text);
	if (o->json)
		r = corral_json_print(json_pack("{s:i, s:i, s:i}", "containers",
		                                (int)done.containers, "volumes", (int)done.volumes,
		                                "failed", (int)done.failed),
		                      err);
	else
		(void)printf("removed: %u container%s, %u volume%s\n", done.containers,
		             done.containers == 1 ? "" : "s", done.volumes,
		             done.volumes == 1 ? "" : "s");
	if (r == 0 && done.failed)
		return corral_error_set(err, why.code ? why.code : EIO,
		                        "%u could not be removed: %s", done.failed, why.text);
	return r;
}

/* --- rm --- */

static bool is_called(const struct corral_docker_row *row, const char *word)
{
	size_t n = strlen(word);

	return !strcmp(row->name, word) || !strcmp(row->session, word) ||
	       (n >= ID_START_MIN && !strncmp(row->id, word, n));
}

static int row_find(const struct corral_docker_rows *rows, const char *word,
                    const struct corral_docker_row **ret, struct corral_error *err)
{
	*ret = NULL;
	for (size_t i = 0; i < rows->n; i++) {
		if (!is_called(&rows->rows[i], word))
			continue;
		if (*ret && strcmp(rows->rows[i].name, word) != 0 &&
		    strcmp((*ret)->name, word) != 0)
			return corral_error_set(err, EINVAL,
			                        "several containers are called '%.64s'", word);
		if (!*ret || !strcmp(rows->rows[i].name, word))
			*ret = &rows->rows[i];
	}
	if (*ret)
		return 0;
	return corral_error_set(err, ENOENT,
	                        "no container of corral's is called '%.64s': corral docker list "
	                        "shows those that are",
	                        word);
}

static int remove_one(struct corral_docker_engine *e, const struct corral_docker_row *row,
                      bool force, struct corral_error *err)
{
	if (!strcmp(row->state, "running") || !strcmp(row->state, "paused"))
		if (!force)
			return corral_error_set(
			        err, EBUSY, "container '%.64s' is %s: rm -f kills what is in it",
			        row->name, row->state);
	return corral_docker_forget(e, row->id, err);
}

static int rm(struct corral_docker_engine *e, const struct corral_options *o,
              struct corral_error *err)
{
	const struct corral_config *c = o->config;
	struct corral_docker_rows rows = { 0 };
	int r = corral_docker_list(e, &rows, err), failed = 0;

	for (size_t i = 0; r == 0 && i < c->n_argv; i++) {
		const struct corral_docker_row *row;
		struct corral_error why = { 0 };

		if (row_find(&rows, c->argv[i], &row, &why) == 0 &&
		    remove_one(e, row, o->force, &why) == 0)
			continue;
		(void)corral_complain(&why);
		failed = CORRAL_EXIT_FAILED;
	}
	corral_docker_rows_done(&rows);
	return r < 0 ? r : failed;
}

int corral_docker_place_remove(const char *name, struct corral_error *err)
{
	struct corral_docker_engine *e = NULL;
	struct corral_docker_rows rows = { 0 };
	const struct corral_docker_row *row;
	int r = corral_docker_find_engine(&e, err);

	if (r == 0)
		r = corral_docker_list(e, &rows, err);
	if (r == 0 && row_find(&rows, name, &row, NULL) == 0)
		r = corral_docker_forget(e, row->id, err);
	corral_docker_rows_done(&rows);
	corral_docker_engine_close(e);
	return r;
}

/* --- pull, build --- */

static int pull(struct corral_docker_engine *e, const struct corral_options *o,
                struct corral_error *err)
{
	corral_autofree char *config_dir = corral_docker_find_config();
	struct corral_docker_teller teller;
	struct corral_docker_image_options images = { .pull = CORRAL_DOCKER_PULL_ALWAYS,
		                                      .config_dir = config_dir,
		                                      .progress = &teller.progress };
	int r;

	corral_docker_teller_init(&teller);
	r = corral_docker_image_ensure(e, o->config->argv[0], &images, err);
	corral_docker_teller_done(&teller);
	return r;
}

static int build(struct corral_docker_engine *e, const struct corral_options *o,
                 struct corral_error *err)
{
	corral_autofree char *config_dir = corral_docker_find_config(), *name = NULL;
	struct corral_runtime *runtime = NULL;
	struct corral_docker_teller teller;
	struct corral_docker_image_options images = { .config_dir = config_dir,
		                                      .progress = &teller.progress };
	int r = corral_runtimes_find(o->config->argv[0], &runtime, err);

	if (r < 0)
		return r;
	corral_docker_teller_init(&teller);
	r = corral_docker_runtime_image(e, runtime, &images, &name, err);
	corral_docker_teller_done(&teller);
	if (r < 0)
		corral_docker_teller_failed(&teller, err);
	corral_runtime_free(runtime);
	if (r == 0)
		(void)puts(name);
	return r;
}

static int run(struct corral_docker_engine *e, enum corral_option_command command,
               const struct corral_options *o, struct corral_error *err)
{
	static const struct {
		enum corral_option_command command;
		int (*run)(struct corral_docker_engine *e, const struct corral_options *o,
		           struct corral_error *err);
	} rows[] = {
		{ CORRAL_OPTION_DOCKER_INFO, info },   { CORRAL_OPTION_DOCKER_LIST, list },
		{ CORRAL_OPTION_DOCKER_PRUNE, prune }, { CORRAL_OPTION_DOCKER_RM, rm },
		{ CORRAL_OPTION_DOCKER_PULL, pull },   { CORRAL_OPTION_DOCKER_BUILD, build },
	};

	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		if (rows[i].command == command)
			return rows[i].run(e, o, err);
	return corral_error_set(err, EINVAL, "docker: unknown command");
}

int corral_docker_command(enum corral_option_command command, const struct corral_options *o,
                          struct corral_error *err)
{
	struct corral_docker_engine *e = NULL;
	int r = corral_docker_find_engine(&e, err);

	if (r < 0 && command == CORRAL_OPTION_DOCKER_INFO)
		return info_none(o, r, err);
	if (r == 0)
		r = run(e, command, o, err);
	corral_docker_engine_close(e);
	return r;
}
