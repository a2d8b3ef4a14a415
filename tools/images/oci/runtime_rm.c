/* corral runtime rm. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/build.h"
#include "tools/images/place.h"
#include "tools/images/runtimes.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/runtimes.h"
#include "tools/summary.h"

static int rm_one(struct corral_image_store *s, const char *name, json_t *all,
                  struct corral_error *err)
{
	uint64_t bytes = 0;
	char text[32];
	size_t n = 0;
	int r = s ? corral_runtime_build_remove(s, name, &n, &bytes, err) : 0;

	if (n && all)
		(void)json_array_append_new(all,
		                            json_pack("{s:s, s:I, s:I}", "runtime", name, "images",
		                                      (json_int_t)n, "bytes", (json_int_t)bytes));
	else if (n) {
		corral_human_bytes(bytes, text, sizeof(text));
		(void)printf("%s: removed %zu %s, %s\n", name, n, n == 1 ? "image" : "images",
		             text);
	}
	if (r == 0 && !n)
		return corral_error_set(err, ENOENT, "nothing is built for runtime '%.60s'", name);
	return r;
}

int corral_runtimes_cmd_rm(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	json_t *all = call->options.json ? json_array() : NULL;
	int r = corral_images_look(&s, err), status = 0;

	for (size_t k = 0; r == 0 && k < call->n_operands; k++) {
		corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
		const char *name = call->operands[k];
		struct corral_error why = { 0 };
		int removed = 0;

		/* A file says which it is about; a name may be of one that is known no more. */
		if (strchr(name, '/') || strstr(name, ".json")) {
			removed = corral_runtimes_find(name, &rt, &why);
			name = rt ? rt->name : name;
		}
		if (removed == 0)
			removed = rm_one(s, name, all, &why);
		if (removed < 0)
			status = corral_complain(&why);
	}
	if (r == 0 && all && (status == 0 || json_array_size(all)))
		r = corral_json_print(json_incref(all), err);
	json_decref(all);
	return r < 0 ? r : status;
}
