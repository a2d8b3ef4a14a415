#include "policy/guest_path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

int corral_guest_path_normalise(const char *path, char **ret, struct corral_error *err)
{
	size_t len = strlen(path);
	corral_autofree char *out = NULL;
	char *to;

	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return corral_error_set(err, EINVAL, "a path with a control character");
	if (path[0] != '/')
		return corral_error_set(err, EINVAL, "'%.*s' is not an absolute path: begin with /",
		                        200, path);
	if (len >= PATH_MAX)
		return corral_error_set(err, EINVAL, "a path of %zu bytes: at most %d", len,
		                        PATH_MAX - 1);
	out = malloc(len + 1);
	if (!out)
		return corral_error_sys(err, ENOMEM, "path");
	to = out;
	for (const char *p = path; *p;) {
		size_t part;

		p += strspn(p, "/");
		part = strcspn(p, "/");
		if (part == 2 && p[0] == '.' && p[1] == '.')
			return corral_error_set(err, EINVAL,
			                        "'%.*s' has '..': write where it leads", 200, path);
		if (part > NAME_MAX)
			return corral_error_set(err, EINVAL,
			                        "'%.*s...': a name of %zu bytes: at most %d", 60,
			                        path, part, NAME_MAX);
		if (part && !(part == 1 && p[0] == '.')) {
			*to++ = '/';
			memcpy(to, p, part);
			to += part;
		}
		p += part;
	}
	if (to == out)
		*to++ = '/';
	*to = '\0';
	*ret = corral_take_ptr(&out);
	return 0;
}

bool corral_guest_path_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 1)
		return true;
	return !strncmp(path, dir, len) && (path[len] == '\0' || path[len] == '/');
}

int corral_guest_path_free(const char *path, bool allow_shm, struct corral_error *err)
{
	static const char *const owned[] = { "/proc", "/sys", "/dev" };

	if (!strcmp(path, "/"))
		return corral_error_set(err, EINVAL,
		                        "'/' is the sandbox's root: name a directory below "
		                        "it, or use rootfs");
	if (allow_shm && !strcmp(path, "/dev/shm"))
		return 0;
	for (size_t i = 0; i < CORRAL_COUNT(owned); i++)
		if (corral_guest_path_within(path, owned[i]))
			return corral_error_set(
			        err, EINVAL,
			        "'%.*s' belongs to the sandbox itself: choose a path "
			        "outside of /proc, /sys and /dev",
			        200, path);
	return 0;
}
