#include "tools/runtimes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static void catalogue_closep(struct corral_runtime_catalogue **c)
{
	corral_runtime_catalogue_close(*c);
}

/* sudo may have left $HOME pointing to somebody else's, whose runtimes are none of root's. */
static bool home_is_ours(const char *home)
{
	struct stat st;

	return home && home[0] == '/' &&
	       (geteuid() != 0 || (stat(home, &st) == 0 && st.st_uid == 0));
}

/* NULL without one, or without memory. */
static char *own_dir(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *dir = NULL;
	int n = -1;

	if (config && config[0] == '/')
		n = asprintf(&dir, "%s/corral/runtimes", config);
	else if (home_is_ours(home))
		n = asprintf(&dir, "%s/.config/corral/runtimes", home);
	return n < 0 ? NULL : dir;
}

int corral_runtimes_open(struct corral_runtime_catalogue **ret, struct corral_error *err)
{
	corral_autofree char *own = own_dir();
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
