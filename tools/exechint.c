#include "tools/exechint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void corral_exec_hint(const char *path, bool of_session, struct corral_error *err)
{
	const char *hint = NULL;
	size_t len = strlen(err->text);

	if (err->code == ENOENT && strchr(path, '/') && access(path, F_OK) == 0)
		hint = of_session ? "it is on the host: corral session cp brings it in, and a "
		                    "runtime's mounts show it"
		       : path[0] == '/' ? "it is on the host: --ro-bind shows it"
		                        : "it is on the host: --workspace . shows this directory";
	else if (err->code == ENOENT && !of_session && strchr(path, ':'))
		hint = "an image is named by --image";
	else if (err->code == EACCES)
		hint = "it is no program, or not executable for this user";
	else if (err->code == ENOEXEC)
		hint = "a script needs a first line such as #!/bin/sh";
	if (hint)
		(void)snprintf(err->text + len, sizeof(err->text) - len, " (%s)", hint);
}
