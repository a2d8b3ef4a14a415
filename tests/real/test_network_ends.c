/*
 * Nothing is left of a sandbox's network, whoever of those who have a part in it dies first; and
 * while anything of it is left, it contains what it did.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/network_support.h"

#define LONG_LIVED                                                                                \
	"run", "--network", "bridge", NET_PROBE, "--", "sh", "-c",                                \
	        "echo up; while sleep 0.3; do /net connect " HOST " 8000; /net connect " INTERNET \
	        " 80; done"

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void nothing_is_left_when_the_caller_is_killed(void **state)
{
	pid_t pid, helper, child;
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, LONG_LIVED);
	assert_eventually(says(out, "said " HOST "\n"));
	helper = net_process_of(pid, false);
	child = net_process_of(pid, true);
	assert_true(helper > 0 && child > 0);
	(void)kill(pid, SIGKILL);
	(void)status_of(pid);
	/* The helper falls to this process, as the reaper of its own. */
	assert_eventually(waitpid(helper, NULL, WNOHANG) != 0);
	assert_eventually(is_gone(child));
	assert_eventually(net_is_clean());
	(void)close(out);
}

static void connection_goes_with_its_process(void **state)
{
	pid_t pid, child;
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, LONG_LIVED);
	assert_eventually(says(out, "said " HOST "\n"));
	child = net_process_of(pid, true);
	assert_true(child > 0);
	(void)kill(child, SIGKILL);
	/* The link is taken away by corral-net, which saw it die. */
	assert_eventually(says(out, "ENETUNREACH\n"));
	assert_false(says(out, "the host"));
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	assert_eventually(net_is_clean());
	(void)close(out);
}

static void host_is_out_of_reach_whoever_is_killed(void **state)
{
	struct stat st;
	pid_t pid, helper, child;
	int out;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, LONG_LIVED);
	assert_eventually(says(out, "said " HOST "\n"));
	helper = net_process_of(pid, false);
	child = net_process_of(pid, true);
	/* Both, so that nobody is left to take the link away: the caller holds the rules. */
	(void)kill(helper, SIGSTOP);
	(void)kill(child, SIGSTOP);
	(void)kill(child, SIGKILL);
	(void)kill(helper, SIGKILL);
	assert_int_equal(fstat(out, &st), 0);
	/* It goes on asking, and is refused as before. */
	assert_eventually(says_behind(out, st.st_size, "EHOSTUNREACH\n"));
	nap(1000);
	assert_false(says_behind(out, st.st_size, "the host"));
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	assert_eventually(net_is_clean());
	(void)close(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_when_the_caller_is_killed),
		cmocka_unit_test(connection_goes_with_its_process),
		cmocka_unit_test(host_is_out_of_reach_whoever_is_killed),
	};

	return cmocka_run_group_tests(tests, net_open, net_close);
}
