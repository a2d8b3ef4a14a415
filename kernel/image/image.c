/*
 * An image as the store knows it: a struct, and the JSON that lies in images/. What is in there was
 * checked by whoever made the image; it is looked at again, since a disk may have its own mind.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/store_state.h"

#define FORMAT 1

/* Of texts in one of its lists. */
#define TEXTS_MAX 65536

static void texts_free(char **texts, size_t n)
{
	for (size_t i = 0; texts && i < n; i++)
		free(texts[i]);
	free(texts);
}

void corral_image_free(struct corral_image *i)
{
	if (!i)
		return;
	texts_free(i->names, i->n_names);
	texts_free(i->layers, i->n_layers);
	texts_free(i->blobs, i->n_layers);
	texts_free(i->env, i->n_env);
	texts_free(i->entrypoint, i->n_entrypoint);
	texts_free(i->command, i->n_command);
	texts_free(i->ports, i->n_ports);
	texts_free(i->labels, i->n_labels);
	free(i->layer_bytes);
	free(i->id);
	free(i->root_id);
	free(i->config_id);
	free(i->os);
	free(i->arch);
	free(i->variant);
	free(i->user);
	free(i->work_dir);
	free(i->stop_signal);
	free(i->built_for);
	free(i->definition);
	free(i);
}

/* The fields of both directions. */
static const struct text_field {
	const char *key;
	size_t offset;
	bool is_newer; /* "" where it is missing: an older corral wrote it */
} text_fields[] = {
	{ "id", offsetof(struct corral_image, id), false },
	{ "root", offsetof(struct corral_image, root_id), false },
	{ "config", offsetof(struct corral_image, config_id), false },
	{ "os", offsetof(struct corral_image, os), false },
	{ "arch", offsetof(struct corral_image, arch), false },
	{ "variant", offsetof(struct corral_image, variant), false },
	{ "user", offsetof(struct corral_image, user), false },
	{ "work_dir", offsetof(struct corral_image, work_dir), false },
	{ "stop_signal", offsetof(struct corral_image, stop_signal), false },
	{ "built_for", offsetof(struct corral_image, built_for), false },
	{ "definition", offsetof(struct corral_image, definition), true },
};

static const struct list_field {
	const char *key;
	size_t offset, n_offset;
} list_fields[] = {
	{ "layers", offsetof(struct corral_image, layers),
	  offsetof(struct corral_image, n_layers) },
	{ "env", offsetof(struct corral_image, env), offsetof(struct corral_image, n_env) },
	{ "entrypoint", offsetof(struct corral_image, entrypoint),
	  offsetof(struct corral_image, n_entrypoint) },
	{ "command", offsetof(struct corral_image, command),
	  offsetof(struct corral_image, n_command) },
	{ "ports", offsetof(struct corral_image, ports), offsetof(struct corral_image, n_ports) },
	{ "labels", offsetof(struct corral_image, labels),
	  offsetof(struct corral_image, n_labels) },
};

static const struct number_field {
	const char *key;
	size_t offset;
} number_fields[] = {
	{ "bytes", offsetof(struct corral_image, size_bytes) },
	{ "created_ms", offsetof(struct corral_image, created_ms) },
	{ "stored_ms", offsetof(struct corral_image, stored_ms) },
};

#define AT(type, i, offset) ((type *)(void *)((char *)(i) + (offset)))

/* ---- read ---- */

static int broken(const char *key, struct corral_error *err)
{
	return corral_error_set(err, EBADMSG, "%s is missing or no such thing", key);
}

static int texts_parse(const json_t *v, const char *key, char ***ret, size_t *ret_n,
                       struct corral_error *err)
{
	size_t n = json_array_size(v);

	if (!json_is_array(v) || n > TEXTS_MAX)
		return broken(key, err);
	*ret = calloc(n + 1, sizeof(**ret));
	if (!*ret)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(v, i));

		if (!text)
			return broken(key, err);
		(*ret)[i] = strdup(text);
		if (!(*ret)[i])
			return corral_error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int layers_parse(const json_t *v, struct corral_image *i, struct corral_error *err)
{
	const json_t *bytes = json_object_get(v, "layer_bytes");
	size_t n = 0;
	int r = texts_parse(json_object_get(v, "blobs"), "blobs", &i->blobs, &n, err);

	/* Freed by the number of layers: those beyond it are NULL only when there are none. */
	if (r == 0 && n != i->n_layers)
		r = broken("blobs", err);
	if (n != i->n_layers) {
		texts_free(i->blobs, n);
		i->blobs = NULL;
	}
	if (r != 0)
		return r;
	if (i->n_layers > CORRAL_IMAGE_LAYERS_MAX || json_array_size(bytes) != i->n_layers)
		return broken("layers", err);
	i->layer_bytes = calloc(i->n_layers + 1, sizeof(*i->layer_bytes));
	if (!i->layer_bytes)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t k = 0; k < i->n_layers; k++) {
		if (!store_hex(i->layers[k]) || (i->blobs[k][0] && !store_hex(i->blobs[k])))
			return broken("layers", err);
		i->layer_bytes[k] = (uint64_t)json_integer_value(json_array_get(bytes, k));
	}
	return 0;
}

static int fields_parse(const json_t *v, struct corral_image *i, struct corral_error *err)
{
	int r = 0;

	for (size_t k = 0; k < CORRAL_COUNT(text_fields); k++) {
		const json_t *field = json_object_get(v, text_fields[k].key);
		const char *text =
		        !field && text_fields[k].is_newer ? "" : json_string_value(field);
		char *copy = text ? strdup(text) : NULL;

		if (!copy)
			return text ? corral_error_set(err, ENOMEM, "out of memory")
			            : broken(text_fields[k].key, err);
		*AT(char *, i, text_fields[k].offset) = copy;
	}
	for (size_t k = 0; k < CORRAL_COUNT(list_fields) && r == 0; k++)
		r = texts_parse(json_object_get(v, list_fields[k].key), list_fields[k].key,
		                AT(char **, i, list_fields[k].offset),
		                AT(size_t, i, list_fields[k].n_offset), err);
	for (size_t k = 0; k < CORRAL_COUNT(number_fields) && r == 0; k++) {
		const json_t *number = json_object_get(v, number_fields[k].key);

		if (!json_is_integer(number))
			return broken(number_fields[k].key, err);
		*AT(int64_t, i, number_fields[k].offset) = json_integer_value(number);
	}
	if (r == 0)
		r = layers_parse(v, i, err);
	if (r == 0 && (!store_hex(i->id) || !store_is_hex(i->root_id) ||
	               (*i->config_id && !store_hex(i->config_id))))
		r = broken("id", err);
	return r;
}

int store_image_parse(const char *text, size_t len, struct corral_image **ret,
                      struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = calloc(1, sizeof(*i));
	json_error_t where;
	json_t *v;
	int r;

	if (!i)
		return corral_error_set(err, ENOMEM, "out of memory");
	v = json_loadb(text, len, 0, &where);
	if (!json_is_object(v))
		r = corral_error_set(err, EBADMSG, "is no JSON object: %s", where.text);
	else if (json_integer_value(json_object_get(v, "format")) > FORMAT)
		r = corral_error_set(err, EOPNOTSUPP, "was written by a newer corral");
	else
		r = fields_parse(v, i, err);
	json_decref(v);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&i);
	return 0;
}

/* ---- write ---- */

static json_t *texts_write(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(texts && texts[i] ? texts[i] : "")) <
		    0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *numbers_write(const uint64_t *numbers, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_integer((json_int_t)numbers[i]));
	return list;
}

int store_image_write(const struct corral_image *i, struct corral_buf *ret,
                      struct corral_error *err)
{
	json_t *v = json_object();
	char *text;
	int bad = json_object_set_new(v, "format", json_integer(FORMAT));

	for (size_t k = 0; k < CORRAL_COUNT(text_fields); k++) {
		const char *field = *AT(char *const, i, text_fields[k].offset);

		bad |= json_object_set_new(v, text_fields[k].key, json_string(field ? field : ""));
	}
	for (size_t k = 0; k < CORRAL_COUNT(list_fields); k++)
		bad |= json_object_set_new(v, list_fields[k].key,
		                           texts_write(*AT(char **const, i, list_fields[k].offset),
		                                       *AT(const size_t, i,
		                                           list_fields[k].n_offset)));
	for (size_t k = 0; k < CORRAL_COUNT(number_fields); k++)
		bad |= json_object_set_new(v, number_fields[k].key,
		                           json_integer(
		                                   *AT(const int64_t, i, number_fields[k].offset)));
	bad |= json_object_set_new(v, "blobs", texts_write(i->blobs, i->n_layers));
	bad |= json_object_set_new(v, "layer_bytes", numbers_write(i->layer_bytes, i->n_layers));
	text = bad ? NULL : json_dumps(v, JSON_COMPACT);
	json_decref(v);
	/* Texts that are no UTF-8 are nothing that an image may say. */
	if (!text)
		return corral_error_set(err, EINVAL,
		                        "what it says of itself cannot be written as JSON");
	corral_buf_str(ret, text);
	free(text);
	return ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}
