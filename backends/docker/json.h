/* Inside the Docker backend: short ways with jansson. */
#ifndef CORRAL_BACKENDS_DOCKER_JSON_H
#define CORRAL_BACKENDS_DOCKER_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/base/cleanup.h"

static inline void corral_json_donep(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}
#define corral_autojson corral_auto(corral_json_donep)

/* An array of texts; NULL for one that is no UTF-8 or without memory. list may be NULL. */
static inline json_t *corral_json_texts(char *const *list)
{
	json_t *array = json_array();

	for (size_t i = 0; list && list[i]; i++)
		if (json_array_append_new(array, json_string(list[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* "" for what is missing or no text. Borrowed. */
static inline const char *corral_json_text(const json_t *object, const char *key)
{
	const char *t = json_string_value(json_object_get(object, key));

	return t ? t : "";
}

/* Whether one of the texts begins like that. */
static inline bool corral_json_has(const json_t *list, const char *start)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *is = json_string_value(one);

		if (is && !strncmp(is, start, strlen(start)))
			return true;
	}
	return false;
}

#endif
