/* Containers and volumes that have our labels: told, and removed where nobody will come back. */
#include "backends/docker/prune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/container.h"
#include "backends/docker/json.h"
#include "backends/docker/owner.h"
#include "backends/docker/volume.h"
#include "kernel/base/trace.h"

#define ROWS_MAX 100000

/* What has our label, with whatever value. more: "" or another filter. */
static int ask(struct corral_docker_engine *e, const char *path, const char *more, json_t **ret,
               struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	corral_buf_fmt(&b, "%sfilters=", path);
	corral_docker_escape(&b, "{\"label\":[\"" CORRAL_DOCKER_LABEL "\"]");
	corral_docker_escape(&b, more);
	corral_docker_escape(&b, "}");
	if (b.failed)
		return corral_error_set(err, ENOMEM, "list: out of memory");
	return corral_docker_do(e, "GET", b.data, NULL, ret, err);
}

/* Without the slash that engines write before it. */
static const char *name_of(const json_t *c)
{
	const char *name = json_string_value(json_array_get(json_object_get(c, "Names"), 0));

	return name ? name + (name[0] == '/') : "";
}

static bool dup_to(char **ret, const char *t)
{
	*ret = strdup(t);
	return *ret != NULL;
}

static bool row_fill(struct corral_docker_row *row, const json_t *c)
{
	const json_t *labels = json_object_get(c, "Labels");

	row->named = json_object_get(labels, CORRAL_DOCKER_LABEL_NAMED) != NULL;
	row->orphan =
	        corral_docker_owner_is_gone(corral_json_text(labels, CORRAL_DOCKER_LABEL_OWNER));
	row->created_sec = json_integer_value(json_object_get(c, "Created"));
	return dup_to(&row->id, corral_json_text(c, "Id")) && dup_to(&row->name, name_of(c)) &&
	       dup_to(&row->session, corral_json_text(labels, CORRAL_DOCKER_LABEL_SESSION)) &&
	       dup_to(&row->image, corral_json_text(c, "Image")) &&
	       dup_to(&row->state, corral_json_text(c, "State"));
}

/* The label alone says nothing: spec.h. Nor is anything done about what has no proper id. */
static bool is_ours(const json_t *c)
{
	const char *self = corral_json_text(json_object_get(c, "Labels"), CORRAL_DOCKER_LABEL_SELF);

	return *self && strcmp(self, name_of(c)) == 0 &&
	       corral_docker_is_id(corral_json_text(c, "Id"));
}

/* kind: the label's value; NULL: any. more: as ask() has it. */
static int rows_of(struct corral_docker_engine *e, const char *kind, const char *more,
                   struct corral_docker_rows *ret, struct corral_error *err)
{
	corral_autojson json_t *list = NULL;
	struct corral_docker_rows rows = { 0 };
	int r = ask(e, "/containers/json?all=1&", more, &list, err);

	if (r < 0)
		return corral_error_wrap(err, r, "list containers");
	if (!json_is_array(list) || json_array_size(list) > ROWS_MAX)
		return corral_error_set(err, EPROTO, "list containers: the answer is no list");
	rows.rows = calloc(json_array_size(list) + 1, sizeof(*rows.rows));
	if (!rows.rows)
		return corral_error_set(err, ENOMEM, "list containers: out of memory");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		const char *label =
		        corral_json_text(json_object_get(c, "Labels"), CORRAL_DOCKER_LABEL);

		if (!is_ours(c) || (kind && strcmp(label, kind) != 0))
			continue;
		if (!row_fill(&rows.rows[rows.n++], c)) {
			corral_docker_rows_done(&rows);
			return corral_error_set(err, ENOMEM, "list containers: out of memory");
		}
	}
	*ret = rows;
	return 0;
}

int corral_docker_list(struct corral_docker_engine *e, struct corral_docker_rows *ret,
                       struct corral_error *err)
{
	return rows_of(e, "container", "", ret, err);
}

void corral_docker_rows_done(struct corral_docker_rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->rows[i].id);
		free(r->rows[i].name);
		free(r->rows[i].session);
		free(r->rows[i].image);
		free(r->rows[i].state);
	}
	free(r->rows);
	memset(r, 0, sizeof(*r));
}

static void did(int r, unsigned int *ret_done, struct corral_docker_pruned *ret,
                const struct corral_error *why, struct corral_error *err)
{
	if (r == 0)
		(*ret_done)++;
	else if (ret->failed++ == 0)
		(void)corral_error_set(err, why->code, "%s", why->text);
}

static int prune_containers(struct corral_docker_engine *e, const char *more,
                            struct corral_docker_pruned *ret, struct corral_error *err)
{
	struct corral_docker_rows rows = { 0 };
	struct corral_error why = { 0 };
	int r = rows_of(e, NULL, more, &rows, err);

	for (size_t i = 0; r == 0 && i < rows.n; i++)
		if (rows.rows[i].orphan && !rows.rows[i].named)
			did(corral_docker_container_remove(e, rows.rows[i].id, &why),
			    &ret->containers, ret, &why, err);
	corral_docker_rows_done(&rows);
	return r;
}

/* "corral-inside-" and 16 digits: what a container's start made when the volume was gone meanwhile,
 * which the engine then makes without a word, and without our label. */
static bool is_inside_volume(const char *name)
{
	if (strncmp(name, CORRAL_DOCKER_VOLUME_PREFIX, strlen(CORRAL_DOCKER_VOLUME_PREFIX)) != 0)
		return false;
	name += strlen(CORRAL_DOCKER_VOLUME_PREFIX);
	return strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
}

/* Those that a container uses are refused by the engine, and stay. */
static int prune_volumes(struct corral_docker_engine *e, struct corral_docker_pruned *ret,
                         struct corral_error *err)
{
	corral_autobuf struct corral_buf named = CORRAL_BUF_INIT;
	corral_autojson json_t *answer = NULL;
	const json_t *list, *volume;
	struct corral_error why = { 0 };
	size_t i;
	int r;

	corral_buf_str(&named, "/volumes?filters=");
	corral_docker_escape(&named, "{\"name\":[\"" CORRAL_DOCKER_VOLUME_PREFIX "\"]}");
	if (named.failed)
		return corral_error_set(err, ENOMEM, "list: out of memory");
	r = corral_docker_do(e, "GET", named.data, NULL, &answer, err);
	if (r < 0)
		return corral_error_wrap(err, r, "list volumes");
	list = json_object_get(answer, "Volumes");
	for (i = 0; (volume = json_array_get(list, i)); i++) {
		corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
		const char *name = corral_json_text(volume, "Name");

		/* Others may be called so by chance; ours have a digest behind it. */
		if (!is_inside_volume(name))
			continue;
		corral_buf_str(&path, "/volumes/");
		corral_docker_escape(&path, name);
		if (path.failed)
			return corral_error_set(err, ENOMEM, "prune: out of memory");
		r = corral_docker_do(e, "DELETE", path.data, NULL, NULL, &why);
		if (r == 0)
			corral_docker_engine_learn(e, CORRAL_DOCKER_KNOWS_VOLUME, false);
		if (r != -EBUSY && r != -ENOENT)
			did(r, &ret->volumes, ret, &why, err);
	}
	return 0;
}

int corral_docker_prune(struct corral_docker_engine *e, struct corral_docker_pruned *ret,
                        struct corral_error *err)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = prune_containers(e, "", ret, err);
	return r < 0 ? r : prune_volumes(e, ret, err);
}

void corral_docker_sweep(struct corral_docker_engine *e)
{
	struct corral_docker_pruned pruned = { 0 };
	struct corral_error err = { 0 };

	if (corral_docker_engine_knows(e, CORRAL_DOCKER_KNOWS_SWEPT))
		return;
	corral_docker_engine_learn(e, CORRAL_DOCKER_KNOWS_SWEPT, true);
	(void)prune_containers(e, ",\"status\":[\"created\"]", &pruned, &err);
	if (err.code)
		corral_trace(CORRAL_TRACE_BACKEND, "docker: what was never started stays: %s",
		             err.text);
}
