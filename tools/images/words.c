#include "tools/images/words.h"

#include <stdio.h>
#include <string.h>

#include "kernel/image/reference.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/summary.h"

void corral_images_short_id(const char *digest, char ret[CORRAL_IMAGES_ID_SIZE])
{
	const char *colon = strchr(digest, ':');

	(void)snprintf(ret, CORRAL_IMAGES_ID_SIZE, "%s", colon ? colon + 1 : digest);
}

void corral_images_platform(const struct corral_image *i, char *ret, size_t size)
{
	if (*i->os || *i->arch)
		(void)snprintf(ret, size, "%s/%s%s%s", *i->os ? i->os : "?",
		               *i->arch ? i->arch : "?", *i->variant ? "/" : "", i->variant);
	else
		(void)snprintf(ret, size, "-");
}

static json_t *text_json(const char *text)
{
	return corral_json_text(text ? text : "", text ? strlen(text) : 0);
}

static json_t *texts_json(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, text_json(texts[i]));
	return list;
}

static json_t *layers_json(const struct corral_image *i)
{
	json_t *list = json_array();

	for (size_t k = 0; k < i->n_layers; k++)
		(void)json_array_append_new(
		        list, json_pack("{s:s, s:o, s:I}", "diff_id", i->layers[k], "blob",
		                        *i->blobs[k] ? json_string(i->blobs[k]) : json_null(),
		                        "bytes", (json_int_t)i->layer_bytes[k]));
	return list;
}

json_t *corral_images_json(const struct corral_image *i)
{
	json_t *o = json_pack("{s:s, s:o, s:s, s:s, s:o, s:I, s:I, s:I}", "id", i->id, "names",
	                      texts_json(i->names, i->n_names), "root", i->root_id, "config",
	                      i->config_id, "layers", layers_json(i), "bytes",
	                      (json_int_t)i->size_bytes, "created_ms", (json_int_t)i->created_ms,
	                      "stored_ms", (json_int_t)i->stored_ms);

	(void)json_object_set_new(o, "os", text_json(i->os));
	(void)json_object_set_new(o, "architecture", text_json(i->arch));
	(void)json_object_set_new(o, "variant", text_json(i->variant));
	(void)json_object_set_new(o, "env", texts_json(i->env, i->n_env));
	(void)json_object_set_new(o, "user", text_json(i->user));
	(void)json_object_set_new(o, "work_dir", text_json(i->work_dir));
	(void)json_object_set_new(o, "entrypoint", texts_json(i->entrypoint, i->n_entrypoint));
	(void)json_object_set_new(o, "command", texts_json(i->command, i->n_command));
	(void)json_object_set_new(o, "ports", texts_json(i->ports, i->n_ports));
	(void)json_object_set_new(o, "labels", texts_json(i->labels, i->n_labels));
	(void)json_object_set_new(o, "stop_signal", text_json(i->stop_signal));
	(void)json_object_set_new(o, "built_for",
	                          i->built_for && *i->built_for ? text_json(i->built_for)
	                                                        : json_null());
	return o;
}

static json_t *removal_json(const struct corral_image_removal *r)
{
	return json_pack("{s:o, s:o, s:I, s:b, s:I, s:I, s:I}", "names",
	                 texts_json(r->names, r->n_names), "ids", texts_json(r->ids, r->n_ids),
	                 "bytes", (json_int_t)r->bytes, "busy", r->is_busy, "caches",
	                 (json_int_t)r->n_caches, "caches_bytes", (json_int_t)r->caches_bytes,
	                 "caches_in_use", (json_int_t)r->n_caches_used);
}

int corral_images_removal_print(const struct corral_image_removal *r, const char *verb, bool json,
                                struct corral_error *err)
{
	char bytes[32];

	if (json)
		return corral_json_print(removal_json(r), err);
	for (size_t i = 0; i < r->n_names; i++)
		(void)printf("%s %s\n", verb, corral_image_reference_short(r->names[i]));
	for (size_t i = 0; i < r->n_ids; i++)
		(void)printf("%s %s\n", verb, r->ids[i]);
	corral_human_bytes(r->bytes, bytes, sizeof(bytes));
	if (r->bytes)
		(void)printf("%s %s\n", verb, bytes);
	corral_human_bytes(r->caches_bytes, bytes, sizeof(bytes));
	if (r->n_caches)
		(void)printf("%s %zu %s of builds, %s\n", verb, r->n_caches,
		             r->n_caches == 1 ? "cache" : "caches", bytes);
	if (r->n_caches_used)
		(void)printf("%zu %s in use by builds, and %s\n", r->n_caches_used,
		             r->n_caches_used == 1 ? "cache is" : "caches are",
		             r->n_caches_used == 1 ? "stays" : "stay");
	return 0;
}
