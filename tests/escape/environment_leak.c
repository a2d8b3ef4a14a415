/* Way out: tokens in the caller's environment. Argument: a variable that the caller has. */
/* Stopped by: the guest's environment is composed, not inherited; PID 1 has none. */
#include <stdlib.h>
#include <string.h>

#include "tests/escape/escape.h"

static int does_not_hold(const char *path, const char *word)
{
	static char text[131072];
	ssize_t n = read_text(path, text, sizeof(text));

	if (n > 0 && memmem(text, (size_t)n, word, strlen(word)))
		return escaped("%s has %s", path, word);
	return HELD;
}

ESCAPE(environment_leak)
{
	for (int i = 0; i < run->argc; i++) {
		if (getenv(run->argv[i]))
			return escaped("%s is in the environment", run->argv[i]);
		CHECK(does_not_hold("/proc/self/environ", run->argv[i]));
		CHECK(does_not_hold("/proc/1/environ", run->argv[i]));
		CHECK(does_not_hold("/proc/1/cmdline", run->argv[i]));
	}
	return HELD;
}
