/* Where the sessions of this user are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/session_commands.h"

#define ROOTS_OWN "/var/lib/corral"

int corral_session_root_find(const char *said, char **ret, struct corral_error *err)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	corral_autofree char *path = NULL;
	int n;

	if (said)
		n = asprintf(&path, "%s", said);
	else if (geteuid() == 0)
		n = asprintf(&path, ROOTS_OWN);
	else if (data && data[0] == '/')
		n = asprintf(&path, "%s/corral", data);
	else if (home && home[0] == '/')
		n = asprintf(&path, "%s/.local/share/corral", home);
	else
		return corral_error_set(err, EINVAL,
		                        "neither HOME nor XDG_DATA_HOME says where sessions are "
		                        "to be kept: name a directory with --root DIR");
	if (n < 0) {
		path = NULL;
		return corral_error_sys(err, ENOMEM, "sessions");
	}
	*ret = corral_take_ptr(&path);
	return 0;
}
