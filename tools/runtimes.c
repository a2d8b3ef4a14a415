#include "tools/runtimes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/config_dir.h"

static void catalogue_closep(struct corral_runtime_catalogue **c)
{
	corral_runtime_catalogue_close(*c);
}

int corral_runtimes_open(struct corral_runtime_catalogue **ret, struct corral_error *err)
{
	corral_autofree char *own = corral_config_dir_path("runtimes");
	const char *const dirs[] = { CORRAL_RUNTIMES_ETC, own, NULL };

	return corral_runtime_catalogue_open(dirs, ret, err);
}

/* By its looks, and not because there is one: whoever can write where somebody works would else
 * choose what his sandboxes mount. */
static bool is_file(const char *word)
{
	size_t len = strlen(word), tail = strlen(".json");

	return strchr(word, '/') || (len > tail && !strcmp(word + len - tail, ".json"));
}

int corral_runtimes_find(const char *word, struct corral_runtime **ret, struct corral_error *err)
{
	corral_auto(catalogue_closep) struct corral_runtime_catalogue *c = NULL;
	const struct corral_runtime *rt = NULL;
	int r;

	if (is_file(word))
		return corral_runtime_load(word, ret, err);
	r = corral_runtimes_open(&c, err);
	if (r == 0)
		r = corral_runtime_catalogue_get(c, word, &rt, err);
	return r < 0 ? r : corral_runtime_dup(rt, ret, err);
}
