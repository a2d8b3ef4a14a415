#include "backends/sessions/session_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

int session_name_check(const char *what, const char *name, struct corral_error *err)
{
	size_t len = name ? strnlen(name, CORRAL_SESSION_ID_SIZE) : 0;

	if (len && len < CORRAL_SESSION_ID_SIZE && strspn(name, LETTERS DIGITS "_.-") == len &&
	    strchr(LETTERS DIGITS, name[0]))
		return 0;
	return corral_error_set(err, EINVAL,
	                        "%s '%.80s': 1 to %d letters, digits, '_', '.' or '-' are "
	                        "expected, the first a letter or a digit",
	                        what, name ? name : "", CORRAL_SESSION_ID_SIZE - 1);
}

int corral_session_id_check(const char *id, struct corral_error *err)
{
	return session_name_check("session id", id, err);
}

int session_id_make(char ret[CORRAL_SESSION_ID_SIZE], struct corral_error *err)
{
	unsigned long long number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return corral_error_sys(err, errno, "choose a session id");
	(void)snprintf(ret, CORRAL_SESSION_ID_SIZE, "s-%016llx", number);
	return 0;
}
