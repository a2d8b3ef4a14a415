#include "tools/sandbox_name.h"

#include <errno.h>
#include <string.h>

int corral_sandbox_name_check(const char *name, struct corral_error *err)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz"
	                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name), good = 0;

	if (len && strchr(first, name[0]))
		while (name[good] && (strchr(first, name[good]) || strchr("_.-", name[good])))
			good++;
	if (!len || len >= CORRAL_SANDBOX_NAME_SIZE || good != len)
		return corral_error_set(
		        err, EINVAL,
		        "name '%.64s': write 1 to %d of a-z, A-Z, 0-9, and after the "
		        "first also _ . -",
		        name, CORRAL_SANDBOX_NAME_SIZE - 1);
	return 0;
}
