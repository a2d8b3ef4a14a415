#include "kernel/image/oci/progress.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 512

int corral_progress_tick(void *ctx, struct corral_error *err)
{
	const struct corral_progress_tick *t = ctx;

	if (!t->progress || !t->progress->tell ||
	    t->progress->tell(t->progress->ctx, t->what, t->doing, 0, 0) == 0)
		return 0;
	return corral_error_set(err, ECANCELED, "canceled");
}

int corral_progress_say(const struct corral_progress *p, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	if (!p || !p->tell)
		return 0;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return p->tell(p->ctx, text, "log", 0, 0);
}
