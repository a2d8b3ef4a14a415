/* corral image pull. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/images/commands.h"
#include "tools/images/oci/maker.h"
#include "tools/images/oci/puller.h"
#include "tools/images/words.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/summary.h"

static int print(const struct corral_image *i, const char *name, bool is_quiet,
                 struct corral_error *err)
{
	char id[CORRAL_IMAGES_ID_SIZE], platform[64], bytes[32];
	int n;

	corral_images_short_id(i->id, id);
	corral_images_platform(i, platform, sizeof(platform));
	corral_human_bytes(i->size_bytes, bytes, sizeof(bytes));
	n = is_quiet ? printf("%s\n", i->id)
	             : printf("%s  sha256:%s  %s  %s\n", name, id, platform, bytes);
	if (n < 0 || fflush(stdout) != 0)
		return corral_error_sys(err, errno, "standard output");
	return 0;
}

/* The exit status; -ECANCELED, or what keeps it from being told, ends it at once. */
static int pull(struct corral_call *call, struct corral_images_maker *m,
                const struct corral_pull_options *o, json_t *all, struct corral_error *err)
{
	const struct corral_options *options = &call->options;
	int r = 0, status = 0;

	for (size_t k = 0; r == 0 && k < call->n_operands; k++) {
		corral_auto(corral_image_freep) struct corral_image *i = NULL;

		/* A registry may take its time: a terminal shows a line for it at once. */
		if (!options->quiet && !m->bars.is_terminal)
			corral_say("fetching %s", call->operands[k]);
		r = corral_image_pull(m->store, call->operands[k], o, &i, err);
		corral_bars_clear(&m->bars);
		if (r == -ECANCELED)
			return r;
		if (r < 0) {
			status = corral_complain(err);
			r = 0;
		} else if (!options->json)
			r = print(i, call->operands[k], options->quiet, err);
		else if (json_array_append_new(all, corral_images_json(i)) < 0)
			r = corral_error_set(err, ENOMEM, "out of memory");
	}
	return r < 0 ? r : status;
}

int corral_images_cmd_pull(struct corral_call *call, struct corral_error *err)
{
	corral_auto(
	        corral_images_puller_done) struct corral_images_puller puller = { .config = NULL };
	corral_auto(corral_images_maker_done) struct corral_images_maker m = { .store = NULL };
	json_t *all = json_array();
	int r = corral_images_maker_init(&m, &call->options, err);

	if (r == 0)
		r = corral_images_puller_init(&puller, &m, call->options.mirrors,
		                              call->options.insecure, err);
	if (r == 0) {
		puller.options.platform = call->options.platform;
		puller.options.parallel = (unsigned int)call->options.parallel;
		puller.options.always = true;
		r = pull(call, &m, &puller.options, all, err);
	}
	/* Those that came before one that did not are there all the same. */
	if (call->options.json && (r == 0 || json_array_size(all)))
		(void)corral_json_print(json_incref(all), r < 0 ? NULL : err);
	json_decref(all);
	return corral_images_maker_end(&m, r, err);
}
