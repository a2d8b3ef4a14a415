#include "kernel/image/oci/unpack/name.h"

#include <errno.h>
#include <string.h>

const char *name_shown(const char *name, char shown[128])
{
	size_t n = 0;

	for (; n < 120 && name[n]; n++)
		shown[n] = (char)(name[n] >= ' ' && name[n] < 0x7f ? name[n] : '?');
	if (name[n]) {
		memcpy(shown + n, "...", 3);
		n += 3;
	}
	shown[n] = '\0';
	return shown;
}

bool name_is_reserved(const char *component)
{
	return strncmp(component, ".wh.", 4) == 0;
}

int name_clean(const char *name, char ret[NAME_SIZE], struct corral_error *err)
{
	char shown[128];
	size_t n = 0, depth = 0;

	for (const char *at = name; *at;) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.')
			return corral_error_set(err, EINVAL, "'%s' has '..' in its name",
			                        name_shown(name, shown));
		if (len && !(len == 1 && at[0] == '.')) {
			if (n + len + 1 > CORRAL_UNPACK_PATH_MAX)
				return corral_error_set(err, EINVAL,
				                        "'%s' has a name of more than %u bytes",
				                        name_shown(name, shown),
				                        CORRAL_UNPACK_PATH_MAX);
			if (++depth > CORRAL_UNPACK_DEPTH_MAX)
				return corral_error_set(err, EINVAL,
				                        "'%s' lies more than %u directories deep",
				                        name_shown(name, shown),
				                        CORRAL_UNPACK_DEPTH_MAX);
			if (n)
				ret[n++] = '/';
			memcpy(ret + n, at, len);
			n += len;
		}
		at += len;
		at += strspn(at, "/");
	}
	ret[n] = '\0';
	return 0;
}
