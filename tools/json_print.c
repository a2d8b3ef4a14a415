#include "tools/json_print.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

json_t *corral_json_text(const char *data, size_t len)
{
	corral_autobuf struct corral_buf clean = CORRAL_BUF_INIT;

	corral_utf8_add(&clean, data, len);
	return clean.failed ? NULL : json_stringn(clean.data, clean.len);
}

int corral_json_print(json_t *words, struct corral_error *err)
{
	if (!words)
		return corral_error_sys(err, ENOMEM, "print");
	(void)json_dumpf(words, stdout, JSON_INDENT(1));
	json_decref(words);
	(void)putchar('\n');
	return 0;
}
