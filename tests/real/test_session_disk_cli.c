/*
 * Sessions with a disk of their own (--disk-backing image), by the command line: a limit where the
 * host's file system counts nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include <sys/stat.h>

#include "kernel/base/cleanup.h"
#include "kernel/disk.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/session.h"
#include "tests/real/session_support.h"

/* Of this root, as the kernel names what they are made of. */
static unsigned int loops(void)
{
	unsigned int n = 0;
	char line[600];
	struct run r = { 0 };
	FILE *f;

	run_argv(&r, ARGS("sh", "-c",
	                  "cat /sys/block/loop*/loop/backing_file 2>/dev/null >\"$0.loops\"",
	                  session_root));
	run_done(&r);
	(void)snprintf(line, sizeof(line), "%s.loops", session_root);
	f = fopen(line, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strncmp(line, session_root, strlen(session_root)) == 0;
	(void)fclose(f);
	return n;
}

static bool can_have_disks(void)
{
	struct corral_error why = { 0 };

	if (corral_test_needs_root("disks of sessions are root's"))
		return false;
	if (corral_disk_possible(&why) == 0)
		return true;
	print_message("skipped: no disks of sessions here: %s\n", why.text);
	skip();
	return false;
}

#define MAKE(id, ...)                                                                         \
	SESSION(&said, "create", "--disk-backing", "image", "--disk", "16M", "--disk-inodes", \
	        "500", ##__VA_ARGS__, (id))

static void make(const char *id)
{
	MAKE(id);
	assert_status(&said, 0);
}

/* Fills it; the receipt of that. */
static void fill(const char *id, const char *line)
{
	SESSION(&said, "exec", "--json", "9", id, "--", "sh", "-c", line);
	assert_status(&said, 1);
	assert_non_null(said.receipt);
	assert_string_equal(json_string_value(json_object_get(said.receipt, "reason")), "disk");
}

static void guest_that_fills_it_is_told_and_nobody_else(void)
{
	if (!can_have_disks())
		return;
	make("full");
	make("other");
	/* All of the limit can be had, in the work directory and beside it, and no more. */
	session_sh("full", "head -c 15M /dev/zero >a", "");
	session_sh("full", "rm a; head -c 8M /dev/zero >a; head -c 7M /dev/zero >/usr/local/b", "");
	fill("full", "head -c 2M /dev/zero >/root/c");
	assert_says(said.err, "No space left on device");
	assert_says(said.err, "its writable space was full at 16 MiB");
	assert_session("", "hibernate", "full");
	session_sh("other", "head -c 12M /dev/zero >a", "");
	/* Woken full it can be tidied up. */
	session_sh("full", "rm a /usr/local/b /root/c && head -c 12M /dev/zero >a", "");
	/* Files are counted as well. */
	fill("other", "rm a; for i in $(seq 600); do echo >f$i || exit 1; done");
	session_sh("other", "ls | wc -l | grep -E '^4[5-9].$|^500$' >/dev/null", "");
	assert_session("", "rm", "-f", "full", "other");
	assert_eventually(loops() == 0);
}

static void states_are_kept_on_it(void)
{
	if (!can_have_disks())
		return;
	MAKE("states", "--history");
	assert_status(&said, 0);
	session_sh("states", "echo 1 >f; echo x >/usr/local/x", "");
	assert_session("one\n", "checkpoint", "-f", "states", "one");
	session_sh("states", "rm f; echo 2 >g", "");
	assert_session("D /workspace/f\nA /workspace/g\n", "diff", "-f", "--since", "one",
	               "states");
	assert_session("fork\n", "fork", "-f", "states", "fork");
	assert_session("before\n", "fork", "-f", "--from", "one", "states", "before");
	session_sh("fork", "ls; cat /usr/local/x; echo 3 >h", "g\nx\n");
	session_sh("before", "ls", "f\n");
	session_sh("states", "ls", "g\n");
	SESSION(&said, "undo", "-f", "states", "2");
	assert_status(&said, 0);
	session_sh("states", "ls", "f\n");
	assert_session("", "restore", "-f", "states", "one");
	assert_session("", "hibernate", "-f", "states", "fork", "before");
	/* Nothing is mounted while nothing runs. */
	assert_eventually(loops() == 0);
	session_sh("states", "cat f", "1\n");
	session_sh("fork", "ls", "g\nh\n");
	/* Readers beside a sandbox share what it has mounted. */
	SESSION(&said, "show", "states");
	assert_says(said.out, "an image file of its own, ");
	assert_says(said.out, "of 16 MiB free");
	assert_true(session_state_is("states", "running"));
	assert_session("", "rm", "-f", "states", "fork", "before");
	assert_eventually(loops() == 0);
}

/* What the image of that session takes of the host. */
static long long taken(const char *id)
{
	char path[600];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/sessions/%s/disk.img", session_root, id);
	assert_int_equal(stat(path, &st), 0);
	return (long long)st.st_blocks * 512;
}

static void what_is_taken_back_is_the_hosts_again(void)
{
	long long before;

	if (!can_have_disks())
		return;
	SESSION(&said, "create", "--disk-backing", "image", "--disk", "128M", "--history", "space");
	assert_status(&said, 0);
	session_sh("space", "echo 1 >f", "");
	assert_session("", "hibernate", "space");
	before = taken("space");
	session_sh("space", "head -c 100M /dev/urandom >a; sync", "");
	assert_session("", "hibernate", "space");
	assert_true(taken("space") >= before + (100 << 20));
	SESSION(&said, "undo", "-f", "space");
	assert_status(&said, 0);
	session_sh("space", "ls", "f\n");
	assert_session("", "hibernate", "space");
	assert_true(taken("space") < before + (10 << 20));
	assert_session("", "rm", "-f", "space");
	assert_eventually(loops() == 0);
}

static void full_one_is_taken_back(void)
{
	if (!can_have_disks())
		return;
	MAKE("back", "--history");
	assert_status(&said, 0);
	session_sh("back", "echo 1 >f", "");
	fill("back", "while :; do head -c 100K /dev/zero >>g || exit 1; done");
	/* What is small finds its way where nothing large does. */
	fill("back", "for i in $(seq 1000); do echo 0123456789 >s$i || exit 1; done");
	SESSION(&said, "checkpoint", "-f", "back");
	assert_status(&said, 125);
	assert_says(said.err, "own disk is full: remove files in it, or take it back");
	SESSION(&said, "undo", "-f", "back");
	assert_status(&said, 0);
	session_sh("back", "ls; head -c 12M /dev/zero >g", "f\n");
	assert_session("", "rm", "-f", "back");
}

static void killed_holder_leaves_no_device(void)
{
	json_t *o;
	pid_t pid;

	if (!can_have_disks())
		return;
	make("killed");
	SESSION(&said, "exec", "-d", "killed", "--", "sh", "-c",
	        "echo 1 >f; sync f; exec sleep 100");
	assert_status(&said, 0);
	session_sh("killed", "while ! grep -q 1 f; do sleep 0.01; done", "");
	CORRAL(&said, "sandbox", "list", "--json");
	o = object_with(said.out, ARGS("session", "killed", "session_root", session_root));
	assert_non_null(o);
	pid = (pid_t)json_integer_value(json_object_get(o, "holder_pid"));
	json_decref(o);
	assert_true(loops() > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_eventually(loops() == 0);
	session_sh("killed", "cat f", "1\n");
	assert_session("", "rm", "-f", "killed");
}

static void each_command_of_scope_call_has_it(void)
{
	char path[300];
	FILE *f;

	if (!can_have_disks())
		return;
	(void)snprintf(path, sizeof(path), "%s.json", session_root);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs("{\"name\":\"calls\",\"scope\":\"call\",\"disk_backing\":\"image\","
	            "\"limits\":{\"disk\":\"16M\"}}",
	            f);
	(void)fclose(f);
	SESSION(&said, "create", "--runtime", path, "calls");
	assert_status(&said, 0);
	session_sh("calls", "echo 1 >f; echo 2 >/root/g", "");
	session_sh("calls", "cat f; ls -A /root", "1\n");
	fill("calls", "head -c 30M /dev/zero >g");
	assert_session("", "rm", "-f", "calls");
	assert_eventually(loops() == 0);
}

static void what_cannot_be_is_said(void)
{
	char path[300];

	if (is_root() && corral_disk_possible(NULL) == 0) {
		assert_session_error("takes a limit", "create", "--disk-backing", "image", "--disk",
		                     "0", "none");
		assert_session_error("neither 'host' nor 'image'", "create", "--disk-backing",
		                     "quota", "none");
		make("gone");
		assert_session_error("another --disk-backing", "exec", "--disk-backing", "host",
		                     "gone", "--", "true");
		(void)snprintf(path, sizeof(path), "%s/sessions/gone/disk.img", session_root);
		assert_int_equal(unlink(path), 0);
		assert_session_error("disk 'disk.img'", "exec", "gone", "--", "true");
		assert_session("", "rm", "gone");
	} else {
		assert_session_error("no image file can be had here", "create", "--disk-backing",
		                     "image", "none");
	}
	SESSION(&said, "list", "-q");
	assert_null(strstr(said.out, "none"));
}

static void nothing_is_left(void)
{
	session_nothing_left();
	if (is_root())
		assert_int_equal(loops(), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(guest_that_fills_it_is_told_and_nobody_else),
		SESSION_TEST(states_are_kept_on_it),
		SESSION_TEST(what_is_taken_back_is_the_hosts_again),
		SESSION_TEST(full_one_is_taken_back),
		SESSION_TEST(killed_holder_leaves_no_device),
		SESSION_TEST(each_command_of_scope_call_has_it),
		SESSION_TEST(what_cannot_be_is_said),
		SESSION_TEST(nothing_is_left),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, session_setup, session_teardown);
}
