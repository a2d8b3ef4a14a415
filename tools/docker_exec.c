#include "tools/docker_exec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef CORRAL_WITH_DOCKER

int corral_docker_exec(char **argv, struct corral_error *err)
{
	(void)argv;
	(void)err;
	return 0;
}

bool corral_docker_is_installed(void)
{
	return true;
}

#else

#define PROGRAM "corral-docker"

/* Where it is, seen from our own folder: in a build tree, and installed. */
static const char *const places[] = { "", CORRAL_LIBEXEC_FROM_BIN "/corral/" };

/* Our own folder with a slash at its end, which is "/" at least. */
static int own_folder(char folder[PATH_MAX], struct corral_error *err)
{
	ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);

	if (n < 0)
		return corral_error_sys(err, errno, "find " PROGRAM ": read /proc/self/exe");
	folder[n] = 0;
	if (n == PATH_MAX - 1 || folder[0] != '/')
		return corral_error_set(err, ENAMETOOLONG,
		                        "find " PROGRAM ": own path '%.64s...' is too long",
		                        folder);
	strrchr(folder, '/')[1] = 0;
	return 0;
}

bool corral_docker_is_installed(void)
{
	char folder[PATH_MAX], path[PATH_MAX + 256];

	if (own_folder(folder, NULL) < 0)
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (snprintf(path, sizeof(path), "%s%s" PROGRAM, folder, places[i]) <
		            (int)sizeof(path) &&
		    access(path, X_OK) == 0)
			return true;
	return false;
}

int corral_docker_exec(char **argv, struct corral_error *err)
{
	char folder[PATH_MAX], path[PATH_MAX + 256];
	int r = own_folder(folder, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (snprintf(path, sizeof(path), "%s%s" PROGRAM, folder, places[i]) >=
		    (int)sizeof(path))
			continue;
		(void)execv(path, argv);
		/* ENOENT is also what a loader that is missing gives. */
		if ((errno != ENOENT && errno != ENOTDIR) || access(path, F_OK) == 0)
			return corral_error_sys(err, errno, "run '%.*s'", 300, path);
	}
	return corral_error_set(err, ENOENT,
	                        "this corral was built without Docker: there is no " PROGRAM
	                        " in %.*s or %.*s%s",
	                        150, folder, 150, folder, CORRAL_LIBEXEC_FROM_BIN "/corral");
}

#endif
