/* corral image tag, rm and prune. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/mapped.h"
#include "kernel/sandbox.h"
#include "tools/images/commands.h"
#include "tools/images/place.h"
#include "tools/images/words.h"
#include "tools/message.h"

int corral_images_cmd_tag(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = corral_images_open(&s, err);

	if (r == 0)
		r = corral_image_find(s, call->operands[0], &i, err);
	return r < 0 ? r : corral_image_tag(s, i, call->operands[1], err);
}

/* Takes from what it has. */
static int removal_add(struct corral_image_removal *all, struct corral_image_removal *one)
{
	char **names = reallocarray(all->names, all->n_names + one->n_names + 1, sizeof(*names));
	char **ids;

	if (names)
		all->names = names;
	ids = reallocarray(all->ids, all->n_ids + one->n_ids + 1, sizeof(*ids));
	if (ids)
		all->ids = ids;
	if (!names || !ids)
		return -1;
	for (size_t i = 0; i < one->n_names; i++)
		names[all->n_names++] = corral_take_ptr(&one->names[i]);
	for (size_t i = 0; i < one->n_ids; i++)
		ids[all->n_ids++] = corral_take_ptr(&one->ids[i]);
	all->bytes += one->bytes;
	return 0;
}

int corral_images_cmd_rm(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	corral_auto(corral_image_removal_done) struct corral_image_removal all = { .names = NULL };
	int r = corral_images_open(&s, err), status = 0;

	for (size_t k = 0; r == 0 && k < call->n_operands; k++) {
		corral_auto(corral_image_removal_done) struct corral_image_removal one = { 0 };
		struct corral_error why = { 0 };

		if (corral_image_remove(s, call->operands[k], &one, &why) < 0)
			status = corral_complain(&why);
		else if (removal_add(&all, &one) < 0)
			r = corral_error_set(err, ENOMEM, "rm: out of memory");
	}
	if (r == 0 && (status == 0 || all.n_names || all.n_ids))
		r = corral_images_removal_print(&all, "removed", call->options.json, err);
	return r < 0 ? r : status;
}

/* A launcher is opened for what takes one alone. */
static int mapped_remove(void *ctx, const char *parent_path, const char *name,
                         struct corral_error *err)
{
	struct corral_launcher *launcher = NULL;
	int r = corral_launcher_open(0, &launcher, err);

	(void)ctx;
	if (r == 0)
		r = corral_mapped_remove(launcher, parent_path, name, err);
	corral_launcher_close(launcher);
	return r;
}

int corral_images_cmd_prune(struct corral_call *call, struct corral_error *err)
{
	const struct corral_image_prune_options o = {
		.remove = mapped_remove,
		.all = call->options.all_images,
		.caches = call->options.caches,
		.dry_run = call->options.dry_run,
		.unused_ms = (int64_t)call->options.unused_ms,
	};
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	corral_auto(corral_image_removal_done) struct corral_image_removal gone = { 0 };
	int r = corral_images_look(&s, err);

	if (r == 0 && s)
		r = corral_image_prune(s, &o, &gone, err);
	if (r == 0 && gone.is_busy)
		corral_say("images are being fetched or made: what they may need stays%s; prune "
		           "again when that is done",
		           o.all ? ", as does all that has a name" : "");
	return r < 0 ? r
	             : corral_images_removal_print(&gone, o.dry_run ? "would remove" : "removed",
	                                           call->options.json, err);
}
