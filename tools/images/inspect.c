/* corral image inspect and history: what an image says of itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/make.h"
#include "kernel/image/reference.h"
#include "tools/images/commands.h"
#include "tools/images/place.h"
#include "tools/images/words.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/summary.h"
#include "tools/table.h"

#define CONFIG_MAX (4u << 20)

/* A line of it may be anything that an image says. */
static void line_print(const char *key, const char *value)
{
	corral_autofree char *clean = strdup(value);

	if (!clean)
		return;
	corral_text_clean(clean);
	(void)printf("  %-12s%s\n", key, clean);
}

static void lines_print(const char *key, char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		line_print(i ? "" : key, values[i]);
}

static void words_print(const char *key, char *const *words, size_t n)
{
	corral_autobuf struct corral_buf line = CORRAL_BUF_INIT;

	for (size_t i = 0; i < n; i++)
		corral_buf_fmt(&line, "%s%s", i ? " " : "", words[i]);
	if (n && !line.failed)
		line_print(key, line.data ? line.data : "");
}

static void time_print(const char *key, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[64];

	if (ms && gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%F %T UTC", &tm))
		line_print(key, text);
}

static void text_print(const struct corral_image *i)
{
	char bytes[32], platform[64], text[160];

	corral_images_platform(i, platform, sizeof(platform));
	(void)printf("%s\n", i->id);
	lines_print("names", i->names, i->n_names);
	line_print("platform", platform);
	time_print("created", i->created_ms);
	time_print("stored", i->stored_ms);
	if (i->built_for && *i->built_for)
		line_print("built for", i->built_for);
	words_print("entrypoint", i->entrypoint, i->n_entrypoint);
	words_print("command", i->command, i->n_command);
	if (*i->work_dir)
		line_print("work dir", i->work_dir);
	if (*i->user)
		line_print("user", i->user);
	if (*i->stop_signal)
		line_print("stop signal", i->stop_signal);
	lines_print("env", i->env, i->n_env);
	words_print("ports", i->ports, i->n_ports);
	lines_print("labels", i->labels, i->n_labels);
	for (size_t k = 0; k < i->n_layers; k++) {
		corral_human_bytes(i->layer_bytes[k], bytes, sizeof(bytes));
		(void)snprintf(text, sizeof(text), "%s  %s", i->layers[k], bytes);
		line_print(k ? "" : "layers", text);
	}
	corral_human_bytes(i->size_bytes, bytes, sizeof(bytes));
	line_print("size", bytes);
}

int corral_images_cmd_inspect(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	json_t *words = json_array();
	int r = corral_images_open(&s, err), status = 0;

	for (size_t k = 0; r == 0 && k < call->n_operands; k++) {
		corral_auto(corral_image_freep) struct corral_image *i = NULL;
		struct corral_error why = { 0 };

		if (corral_image_find(s, call->operands[k], &i, &why) < 0)
			status = corral_complain(&why);
		else if (call->options.json)
			(void)json_array_append_new(words, corral_images_json(i));
		else
			text_print(i);
	}
	if (r == 0 && call->options.json && (status == 0 || json_array_size(words)))
		r = corral_json_print(json_incref(words), err);
	json_decref(words);
	return r < 0 ? r : status;
}

/* ---- history ---- */

/* Its steps, of the configuration; NULL where it says nothing, or there is none. */
static json_t *steps_read(struct corral_image_store *s, const struct corral_image *i)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	json_t *config, *steps;

	if (!*i->config_id || corral_image_blob_open(s, i->config_id, &fd, NULL) < 0 ||
	    corral_buf_read_fd(&text, fd, CONFIG_MAX) < 0 || !text.data)
		return NULL;
	config = json_loadb(text.data, text.len, 0, NULL);
	steps = json_incref(json_object_get(config, "history"));
	json_decref(config);
	if (json_is_array(steps))
		return steps;
	json_decref(steps);
	return NULL;
}

static json_t *step_json(const struct corral_image *i, const json_t *step, size_t *layer)
{
	const char *by = json_string_value(json_object_get(step, "created_by"));
	const char *comment = json_string_value(json_object_get(step, "comment"));
	const char *created = json_string_value(json_object_get(step, "created"));
	bool has_layer =
	        !json_is_true(json_object_get(step, "empty_layer")) && *layer < i->n_layers;
	size_t at = *layer;

	*layer += has_layer;
	return json_pack("{s:o, s:I, s:s?, s:s, s:s}", "layer",
	                 has_layer ? json_string(i->layers[at]) : json_null(), "bytes",
	                 has_layer ? (json_int_t)i->layer_bytes[at] : 0, "created", created, "step",
	                 by ? by : "", "comment", comment ? comment : "");
}

/* The first one first; layers that no step tells of stand alone. */
static json_t *history_of(struct corral_image_store *s, const struct corral_image *i)
{
	json_t *steps = steps_read(s, i), *list = json_array();
	size_t layer = 0;

	for (size_t k = 0; k < json_array_size(steps); k++)
		(void)json_array_append_new(list, step_json(i, json_array_get(steps, k), &layer));
	while (layer < i->n_layers)
		(void)json_array_append_new(list, step_json(i, NULL, &layer));
	json_decref(steps);
	return list;
}

static void step_row(struct corral_table *t, const json_t *step)
{
	const char *layer = json_string_value(json_object_get(step, "layer"));
	const char *created = json_string_value(json_object_get(step, "created"));
	const char *text = json_string_value(json_object_get(step, "step"));
	char id[CORRAL_IMAGES_ID_SIZE] = "-", bytes[32] = "-", when[20] = "-";

	if (layer) {
		corral_images_short_id(layer, id);
		corral_human_bytes((uint64_t)json_integer_value(json_object_get(step, "bytes")),
		                   bytes, sizeof(bytes));
	}
	if (created)
		(void)snprintf(when, 11, "%s", created);
	corral_table_add(t, (const char *const[]) { id, when, bytes, *text ? text : "-" });
}

int corral_images_cmd_history(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "LAYER", "CREATED", "SIZE", "STEP" };
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_auto(corral_table_done) struct corral_table table;
	json_t *steps;
	int r = corral_images_open(&s, err);

	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	if (r == 0)
		r = corral_image_find(s, call->operands[0], &i, err);
	if (r != 0)
		return r;
	steps = history_of(s, i);
	if (call->options.json)
		return corral_json_print(steps, err);
	for (size_t k = json_array_size(steps); k-- > 0;)
		step_row(&table, json_array_get(steps, k));
	json_decref(steps);
	return corral_table_print(&table, stdout) < 0
	               ? corral_error_sys(err, ENOMEM, "print the table")
	               : 0;
}
