#include "kernel/image/oci/registry_refusal.h"

#include <jansson.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/said.h"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text ? text : NULL;
}

/* The first of its errors; registries, token servers and what stands before them differ. */
static const char *words_of(const json_t *v)
{
	static const char *const names[] = { "message", "error_description",
		                             "details", "detail",
		                             "code",    "error" };
	const json_t *one = json_array_get(json_object_get(v, "errors"), 0);
	const char *text = NULL;

	for (size_t i = 0; i < CORRAL_COUNT(names) && !text; i++) {
		text = text_of(one, names[i]);
		if (!text)
			text = text_of(v, names[i]);
	}
	return text;
}

void corral_registry_refusal_add(struct corral_buf *b, const struct corral_registry_answer *a)
{
	corral_auto(json_freep) json_t *v =
	        a->body.len ? json_loadb(a->body.data, a->body.len, 0, NULL) : NULL;
	const char *text = words_of(v);
	bool is_plain = a->content_type && strcmp(a->content_type, "text/plain") == 0;

	corral_buf_fmt(b, "%ld", a->status);
	if (!text && !(is_plain && a->body.len))
		return;
	corral_buf_str(b, " (");
	if (text)
		corral_said(b, text, strlen(text), CORRAL_REGISTRY_WORDS_MAX);
	else
		corral_said(b, a->body.data, a->body.len, CORRAL_REGISTRY_WORDS_MAX);
	corral_buf_str(b, ")");
}
