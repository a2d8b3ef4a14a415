#include "tools/program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where they are, seen from our own folder: in a build tree, and installed. */
static const char *const places[] = { "", CORRAL_LIBEXEC_FROM_BIN "/corral/" };

/* Our own folder with a slash at its end, which is "/" at least. */
static int own_folder(const char *program, char folder[PATH_MAX], struct corral_error *err)
{
	ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);

	if (n < 0)
		return corral_error_sys(err, errno, "find %s: read /proc/self/exe", program);
	folder[n] = 0;
	if (n == PATH_MAX - 1 || folder[0] != '/')
		return corral_error_set(err, ENAMETOOLONG,
		                        "find %s: own path '%.64s...' is too long", program,
		                        folder);
	strrchr(folder, '/')[1] = 0;
	return 0;
}

static bool find(const char *program, const char *folder, char *path, size_t size)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (snprintf(path, size, "%s%s%s", folder, places[i], program) < (int)size &&
		    access(path, X_OK) == 0)
			return true;
	return false;
}

static int missing(const char *program, const char *what, const char *folder,
                   struct corral_error *err)
{
	return corral_error_set(
	        err, ENOENT, "this corral was built without %s: there is no %s in %.*s or %.*s%s",
	        what, program, 150, folder, 150, folder, CORRAL_LIBEXEC_FROM_BIN "/corral");
}

bool corral_program_is_installed(const char *program)
{
	char folder[PATH_MAX], path[PATH_MAX + 256];

	return own_folder(program, folder, NULL) == 0 && find(program, folder, path, sizeof(path));
}

int corral_program_find(const char *program, const char *what, char **ret, struct corral_error *err)
{
	char folder[PATH_MAX], path[PATH_MAX + 256];
	int r = own_folder(program, folder, err);

	if (r < 0)
		return r;
	if (!find(program, folder, path, sizeof(path)))
		return missing(program, what, folder, err);
	*ret = strdup(path);
	return *ret ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

int corral_program_exec(const char *program, const char *what, char **argv,
                        struct corral_error *err)
{
	char folder[PATH_MAX], path[PATH_MAX + 256];
	int r = own_folder(program, folder, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (snprintf(path, sizeof(path), "%s%s%s", folder, places[i], program) >=
		    (int)sizeof(path))
			continue;
		(void)execv(path, argv);
		/* ENOENT is also what a loader that is missing gives. */
		if ((errno != ENOENT && errno != ENOTDIR) || access(path, F_OK) == 0)
			return corral_error_sys(err, errno, "run '%.*s'", 300, path);
	}
	return missing(program, what, folder, err);
}
