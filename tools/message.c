#include "tools/message.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/parse.h"
#include "kernel/base/utf8.h"
#include "tools/exitcode.h"

/* What turns the direction of the text around it: what is shown would not be what is meant. */
static bool is_bidi(const unsigned char *c, int len)
{
	return len == 3 && c[0] == 0xe2 &&
	       ((c[1] == 0x80 &&
	         (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xaa && c[2] <= 0xae))) ||
	        (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

void corral_text_clean(char *text)
{
	size_t len = strlen(text);

	for (unsigned char *c = (unsigned char *)text; len;) {
		int step = corral_utf8_step(c, len), n = step < 0 ? -step : step;

		/* U+0080 to U+009F: the C1 controls of terminals; so are these bytes by themselves.
		 */
		if (step < 0 || *c < 0x20 || *c == 0x7f ||
		    (step == 2 && *c == 0xc2 && c[1] < 0xa0) || is_bidi(c, step))
			memset(c, '?', (size_t)n);
		c += n;
		len -= (size_t)n;
	}
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

/* Whoever started us tells it; -1 without. */
static int listener_fd = -1;

void corral_complaints_hand_on(const char *fd_text)
{
	uint64_t fd = 0;
	struct stat st;

	if (!fd_text)
		return;
	(void)unsetenv(CORRAL_COMPLAINTS_FD);
	/* What is no file of its own is somebody's standard error, or anything. */
	if (corral_parse_u64(fd_text, INT_MAX, &fd, NULL) < 0 || fd <= STDERR_FILENO ||
	    fstat((int)fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink)
		return;
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0)
		listener_fd = (int)fd;
}

/* The last one counts: it says how it ended. */
static bool hand_on(const struct corral_error *err)
{
	size_t len = strlen(err->text);

	return listener_fd >= 0 && ftruncate(listener_fd, 0) == 0 &&
	       pwrite(listener_fd, err->text, len, 0) == (ssize_t)len;
}

int corral_complain(const struct corral_error *err)
{
	if (hand_on(err))
		return CORRAL_EXIT_FAILED;
	corral_say("%s", err->text);
	return CORRAL_EXIT_FAILED;
}
