/* Way out: the 32-bit gate: numbers mean other calls there, so a filter for 64 bits sees nothing.
 */
/* Stopped by: the seccomp profile: the process dies by SIGSYS on the first such call. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define I386_GETPID  20
#define I386_UNSHARE 310

#if defined(__x86_64__)
static long int80(long number, long first)
{
	long result;

	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(number), "b"(first)
	                 : "memory", "cc", "r8", "r9", "r10", "r11");
	return result;
}

static void getpid_by_int80(void)
{
	(void)int80(I386_GETPID, 0);
}

static void unshare_by_int80(void)
{
	(void)int80(I386_UNSHARE, 0);
}

/* A kernel without the gate (IA32_EMULATION off, or ia32_emulation=0) knows the instruction as a
 * fault only. */
static bool has_no_gate(void)
{
	int status = in_child(getpid_by_int80);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

ESCAPE(i386_int80)
{
	if (!run->open && has_no_gate())
		return HELD;
	CHECK(child_dies_by("getpid by int 0x80", SIGSYS, getpid_by_int80));
	return child_dies_by("unshare by int 0x80", SIGSYS, unshare_by_int80);
}
#else
ESCAPE(i386_int80)
{
	(void)run;
	return untried("no 32-bit gate on this architecture");
}
#endif
