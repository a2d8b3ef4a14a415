/* Way out: keyrings are not namespaced as a whole: they outlive a sandbox and cross into the next.
 */
/* Stopped by: the seccomp profile, EPERM for all three calls; /proc/keys is masked. */
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(keyring_shared)
{
	long session = KEY_SPEC_SESSION_KEYRING;

	(void)run;
	CHECK(refused("keyctl(GET_KEYRING_ID)",
	              syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, session, 0, 0, 0), EPERM));
	CHECK(refused("add_key", syscall(SYS_add_key, "user", "corral", "x", 1, session), EPERM));
	CHECK(refused("request_key", syscall(SYS_request_key, "user", "corral", NULL, 0), EPERM));
	return cannot_read("/proc/keys");
}
