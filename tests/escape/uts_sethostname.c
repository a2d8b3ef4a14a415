/* Way out: the host's name, in logs and prompts, changed from inside. */
/* Stopped by: an own UTS namespace, no CAP_SYS_ADMIN, EPERM. */
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(uts_sethostname)
{
	(void)run;
	CHECK(refused("sethostname", sethostname("corral-escaped", 14), EPERM));
	return refused("setdomainname", setdomainname("corral-escaped", 14), EPERM);
}
