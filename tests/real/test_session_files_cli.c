/*
 * What is kept of a session's files, by the command line: checkpoints, forks, the history of
 * commands, and what is told of changes.
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
#include "tests/real/session_support.h"

static void checkpoint_is_gone_back_to(void)
{
	session_sh("back", "echo 1 > f; mkdir /data; echo 1 > /data/x", "");
	assert_session("c1\n", "checkpoint", "back");
	session_sh("back", "echo 2 > f; echo 2 > g; rm -r /data", "");
	assert_session("two\n", "checkpoint", "back", "two");
	assert_session("", "restore", "back", "c1");
	session_sh("back", "cat f /data/x; ls", "1\n1\nf\n");
	/* Later ones stay. */
	assert_session("", "restore", "back", "two");
	session_sh("back", "cat f; ls; ls -d /data 2>&1 | grep -c 'No such'", "2\nf\ng\n1\n");
	assert_session("", "drop", "back", "c1");
	assert_session_error("no checkpoint 'c1'", "restore", "back", "c1");
}

static void fork_is_nothing_to_what_it_was_made_of(void)
{
	session_sh("trunk", "echo 1 > f; echo 1 > kept", "");
	assert_session("c1\n", "checkpoint", "trunk");
	session_sh("trunk", "echo 2 > f", "");
	assert_session("now\n", "fork", "trunk", "now");
	assert_session("then\n", "fork", "trunk", "then", "--from", "c1");
	session_sh("now", "cat f; echo now > f; rm kept; touch own", "2\n");
	session_sh("then", "cat f; echo then > f", "1\n");
	session_sh("trunk", "cat f; ls", "2\nf\nkept\n");
	/* Nor does its end take anything from them. */
	assert_session("", "rm", "-f", "trunk");
	session_sh("now", "cat f; ls", "now\nf\nown\n");
	assert_session_error("no checkpoint 'c9'", "fork", "now", "other", "--from", "c9");
}

static void commands_of_a_history_are_taken_back(void)
{
	assert_session("past\n", "create", "--history", "past");
	session_sh("past", "echo 1 > f; mkdir /data", "");
	session_sh("past", "echo 2 > f; rmdir /data", "");
	session_sh("past", "rm f; touch g", "");
	assert_session("D /workspace/f\nA /workspace/g\n", "diff", "past", "--command", "last");
	assert_session("D /data\nC /workspace/f\n", "diff", "past", "--command", "2");
	assert_session("undone: rm f; touch g\n", "undo", "past");
	session_sh("past", "cat f; ls", "2\nf\n");
	assert_session("undone: 2 commands, the first: echo 2 > f; rmdir /data\n", "undo", "past",
	               "2");
	session_sh("past", "cat f; ls -d /data", "1\n/data\n");
	assert_session_error("can be taken back, not 7", "undo", "past", "7");
	assert_session("plain\n", "create", "plain");
	assert_session_error("without --history", "undo", "plain");
}

static void commands_of_a_history_run_one_after_the_other(void)
{
	pid_t pids[3];

	assert_session("queue\n", "create", "--history", "queue");
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		pids[i] = BEGIN(NULL, "session", "exec", "--root", session_root, "queue", "--",
		                "sh", "-c", "mkdir turn && sleep 0.2 && rmdir turn && echo x >> f");
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		assert_int_equal(status_of(pids[i]), 0);
	session_sh("queue", "cat f", "x\nx\nx\n");
}

static void changes_of_one_command_are_told_at_its_end(void)
{
	json_t *changes, *one;

	session_sh("told", "echo 1 > f; echo 1 > g", "");
	SESSION(&said, "exec", "--diff", "--json", "9", "told", "--", "sh", "-c",
	        "echo 2 > f; rm g; echo out; exit 3");
	assert_status(&said, 3);
	assert_string_equal(said.out, "out\n");
	assert_string_equal(said.err, "C /workspace/f\nD /workspace/g\n");
	changes = json_object_get(said.receipt, "changes");
	assert_int_equal(json_array_size(changes), 2);
	one = json_array_get(changes, 0);
	assert_string_equal(json_string_value(json_object_get(one, "path")), "/workspace/f");
	assert_string_equal(json_string_value(json_object_get(one, "kind")), "changed");
	assert_string_equal(json_string_value(json_array_get(json_object_get(one, "what"), 0)),
	                    "content");
	assert_string_equal(receipt_text(&said, "reason"), "exit");
	/* Nothing stays of what it was compared with. */
	SESSION(&said, "checkpoints", "--json", "told");
	assert_string_equal(said.out, "[]\n");
}

/* Root's guests may change their copy of it, which lies beneath all of a session's layers. */
static void diff_knows_what_of_the_hosts_etc_was_there(void)
{
	json_t *list, *what;

	if (!is_root() || access("/etc/ld.so.cache", F_OK) < 0 ||
	    access("/etc/ssl/certs/ca-certificates.crt", F_OK) < 0)
		return;
	session_sh("etc",
	           "cp /etc/ld.so.cache c; mv c /etc/ld.so.cache; chmod 600 /etc/ld.so.cache; rm "
	           "/etc/ssl/certs/ca-certificates.crt; "
	           "touch /etc/ssl/certs/own",
	           "");
	assert_session("C /etc/ld.so.cache\nD /etc/ssl/certs/ca-certificates.crt\n"
	               "A /etc/ssl/certs/own\n",
	               "diff", "etc");
	SESSION(&said, "diff", "etc", "--json");
	list = json_loads(said.out, 0, NULL);
	what = json_object_get(json_array_get(list, 0), "what");
	assert_int_equal(json_array_size(what), 1);
	assert_string_equal(json_string_value(json_array_get(what, 0)), "mode");
	json_decref(list);
}

static void diff_tells_what_was_added_changed_and_deleted(void)
{
	json_t *list, *o;

	session_sh("diff", "printf 'a\\nb\\n' > f; echo 1 > g; mkdir /data", "");
	assert_session("A /data\nA /workspace/f\nA /workspace/g\n", "diff", "diff");
	assert_session("c1\n", "checkpoint", "diff");
	/* Written anew with what it held, f is no change; the name holds what moves a cursor. */
	session_sh("diff", "cp f h; mv h f; rm g; touch \"$(printf 'x\\033[2J\\ny')\"; rmdir /data",
	           "");
	assert_session("c2\n", "checkpoint", "diff");
	session_sh("diff", "echo c >> f; chmod 755 f", "");
	assert_session("D /data\nC /workspace/f\nD /workspace/g\nA /workspace/x?[2J?y\n", "diff",
	               "diff", "--since", "c1");
	assert_session("D /data\nD /workspace/g\nA /workspace/x?[2J?y\n", "diff", "--since", "c1",
	               "--until", "c2", "diff");
	SESSION(&said, "diff", "diff", "-u", "--since", "c2");
	assert_status(&said, 0);
	assert_says(said.out, "C /workspace/f\n");
	assert_says(said.out, "\n b\n+c\n");
	SESSION(&said, "diff", "diff", "--json", "--since", "c1");
	list = json_loads(said.out, 0, NULL);
	assert_int_equal(json_array_size(list), 4);
	o = json_array_get(list, 3);
	assert_string_equal(json_string_value(json_object_get(o, "path")),
	                    "/workspace/x\033[2J\ny");
	assert_string_equal(json_string_value(json_object_get(o, "kind")), "added");
	o = json_array_get(list, 1);
	assert_string_equal(json_string_value(json_object_get(o, "mode_after")), "100755");
	json_decref(list);
	assert_session_error("leave --since and --until out", "diff", "diff", "--since", "c1",
	                     "--command", "1");
}

static void nothing_is_left(void)
{
	session_nothing_left();
}

/* usage: real.test_session_files_cli [PATTERN] */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(checkpoint_is_gone_back_to),
		SESSION_TEST(fork_is_nothing_to_what_it_was_made_of),
		SESSION_TEST(commands_of_a_history_are_taken_back),
		SESSION_TEST(commands_of_a_history_run_one_after_the_other),
		SESSION_TEST(changes_of_one_command_are_told_at_its_end),
		SESSION_TEST(diff_knows_what_of_the_hosts_etc_was_there),
		SESSION_TEST(diff_tells_what_was_added_changed_and_deleted),
		SESSION_TEST(nothing_is_left),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, session_setup, session_teardown);
}
