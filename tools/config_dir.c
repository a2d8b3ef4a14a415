#include "tools/config_dir.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* sudo may have left $HOME pointing to somebody else's, whose files are none of root's. */
static bool home_is_ours(const char *home)
{
	struct stat st;

	return home && home[0] == '/' &&
	       (geteuid() != 0 || (stat(home, &st) == 0 && st.st_uid == 0));
}

char *corral_config_dir_path(const char *name)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int n = -1;

	if (config && config[0] == '/')
		n = asprintf(&path, "%s/corral/%s", config, name);
	else if (home_is_ours(home))
		n = asprintf(&path, "%s/.config/corral/%s", home, name);
	return n < 0 ? NULL : path;
}
