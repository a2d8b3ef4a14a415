#include "kernel/base/error.h"

#include <stdio.h>
#include <string.h>

int(corral_error_set)(struct corral_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -code;
}

int(corral_error_sys)(struct corral_error *err, int code, const char *fmt, ...)
{
	va_list ap;
	char reason[128];
	size_t len, need;

	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	/* strerrordesc_np() is not localised and needs no buffer; NULL for numbers it does not
	 * know. */
	(void)snprintf(reason, sizeof(reason), ": %s",
	               strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error");
	need = strlen(reason);
	len = strlen(err->text);
	if (len + need >= sizeof(err->text))
		len = sizeof(err->text) - need - 1;
	memcpy(err->text + len, reason, need + 1);
	return -code;
}

int(corral_error_wrap)(struct corral_error *err, int r, const char *fmt, ...)
{
	char inner[CORRAL_ERROR_TEXT_SIZE], outer[CORRAL_ERROR_TEXT_SIZE];
	size_t room, len, need;
	va_list ap;

	if (!err)
		return r;
	if (!err->code)
		err->code = -r;
	memcpy(inner, err->text, sizeof(inner));
	inner[sizeof(inner) - 1] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(outer, sizeof(outer), fmt, ap);
	va_end(ap);

	len = strlen(inner);
	room = sizeof(err->text) - len - 1;
	if (room <= 2)
		return r;
	if (strlen(outer) > room - 2)
		outer[room - 2] = '\0';
	need = strlen(outer);
	memcpy(err->text, outer, need);
	memcpy(err->text + need, ": ", 2);
	memcpy(err->text + need + 2, inner, len + 1);
	return r;
}
