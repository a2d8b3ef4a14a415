/* Way out: personality(2) turns off address randomisation and makes readable memory executable. */
/* Stopped by: the seccomp profile: EPERM for all but the usual values. */
#include <sys/personality.h>

#include "tests/escape/escape.h"

ESCAPE(personality_randomize)
{
	(void)run;
	CHECK(refused("ADDR_NO_RANDOMIZE", personality(ADDR_NO_RANDOMIZE), EPERM));
	CHECK(refused("READ_IMPLIES_EXEC", personality(READ_IMPLIES_EXEC), EPERM));
	CHECK(refused("MMAP_PAGE_ZERO", personality(MMAP_PAGE_ZERO), EPERM));
	return HELD;
}
