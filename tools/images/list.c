/* corral image list: one row for each name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/reference.h"
#include "tools/images/commands.h"
#include "tools/images/place.h"
#include "tools/images/words.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/summary.h"
#include "tools/table.h"

/* "alpine" is all that is called so, "alpine:3.20" one. */
static bool is_meant(const char *full, const char *word)
{
	corral_autofree char *wanted = NULL;
	const char *colon, *slash = strrchr(word, '/');

	if (corral_image_reference_full(word, &wanted, NULL) < 0)
		return false;
	if (strcmp(full, wanted) == 0)
		return true;
	colon = strrchr(wanted, ':');
	/* ":latest" that nobody wrote is any. */
	return !strchr(slash ? slash : word, ':') && !strchr(word, '@') && colon &&
	       strncmp(full, wanted, (size_t)(colon - wanted)) == 0 &&
	       strchr(":@", full[colon - wanted]);
}

static bool is_wanted(const struct corral_call *call, const struct corral_image *i,
                      const char *name)
{
	for (size_t k = 0; k < call->n_operands; k++) {
		const char *word = call->operands[k];

		if (name && is_meant(name, word))
			return true;
		if (strncmp(i->id, word, strlen(word)) == 0 ||
		    (strlen(word) >= 6 && strncmp(i->id + 7, word, strlen(word)) == 0))
			return true;
	}
	return call->n_operands == 0;
}

static void row_add(struct corral_table *t, const struct corral_image *i, const char *name)
{
	char id[CORRAL_IMAGES_ID_SIZE], platform[64], age[32], bytes[32];

	corral_images_short_id(i->id, id);
	corral_images_platform(i, platform, sizeof(platform));
	corral_human_age(corral_wall_ms() - i->stored_ms, age, sizeof(age));
	corral_human_bytes(i->size_bytes, bytes, sizeof(bytes));
	corral_table_add(t, (const char *const[]) { name ? corral_image_reference_short(name) : "-",
	                                            id, platform, age, bytes,
	                                            i->built_for && *i->built_for ? i->built_for
	                                                                          : "-" });
}

static bool image_list(struct corral_call *call, const struct corral_image *i,
                       struct corral_table *t)
{
	bool any = false;

	for (size_t k = 0; k < i->n_names; k++) {
		if (!is_wanted(call, i, i->names[k]))
			continue;
		row_add(t, i, i->names[k]);
		any = true;
	}
	if (!i->n_names && is_wanted(call, i, NULL)) {
		row_add(t, i, NULL);
		any = true;
	}
	return any;
}

int corral_images_cmd_list(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "NAME",   "DIGEST", "PLATFORM",
		                                "STORED", "SIZE",   "BUILT FOR" };
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	corral_auto(corral_images_done) struct corral_images images = { NULL, 0 };
	corral_auto(corral_table_done) struct corral_table table;
	json_t *words = json_array();
	size_t broken = 0;
	int r = corral_images_look(&s, err);

	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	if (r == 0 && s)
		r = corral_images_list(s, &images, &broken, err);
	for (size_t i = 0; r == 0 && i < images.n; i++) {
		if (!image_list(call, images.items[i], &table))
			continue;
		if (call->options.json)
			(void)json_array_append_new(words, corral_images_json(images.items[i]));
		else if (call->options.quiet)
			(void)puts(images.items[i]->id);
	}
	if (r == 0 && call->options.json)
		r = corral_json_print(json_incref(words), err);
	else if (r == 0 && !call->options.quiet && corral_table_print(&table, stdout) < 0)
		r = corral_error_sys(err, ENOMEM, "print the table");
	json_decref(words);
	if (r == 0 && broken)
		corral_say("%zu image%s of the store cannot be read: corral image prune removes "
		           "%s",
		           broken, broken == 1 ? "" : "s", broken == 1 ? "it" : "them");
	return r;
}
