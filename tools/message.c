#include "tools/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/exitcode.h"

void corral_text_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		/* U+0080 to U+009F: the C1 controls of terminals, in UTF-8. */
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
}

void corral_say(const char *fmt, ...)
{
	char line[CORRAL_ERROR_TEXT_SIZE + 128] = "corral: ";
	size_t start = strlen(line), len;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line + start, sizeof(line) - start - 1, fmt, ap);
	va_end(ap);
	corral_text_clean(line + start);
	len = strlen(line);
	line[len++] = '\n';
	/* One write: lines of several processes on one terminal do not mix. */
	(void)!write(STDERR_FILENO, line, len);
}

int corral_complain(const struct corral_error *err)
{
	corral_say("%s", err->text);
	return CORRAL_EXIT_FAILED;
}
