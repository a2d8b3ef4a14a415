/*
 * --keep: what one sandbox changed, the next one finds; and two at once never share it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "backends/native.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

static char *dir;

static int setup(void **state)
{
	(void)state;
	dir = dir_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dir_remove(dir);
	return 0;
}

/* As root it takes a template, which not every kernel and /run allow. */
static bool can_keep(void)
{
	struct run r = { 0 };
	bool can;

	if (!can_run())
		return false;
	RUN(&r, "--keep", dir, "--", "true");
	can = r.status == 0;
	if (!can)
		corral_test_skip("--keep: %s", r.err);
	run_done(&r);
	return can;
}

#define SH(r, line) RUN((r), "--keep", dir, "--", "sh", "-c", (line))

static void changes_are_there_the_next_time(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_keep())
		return;
	SH(&r, "echo one >/root/f && mkdir -p /opt/a && ln -s a /opt/l && chmod 640 /root/f");
	assert_status(&r, 0);
	SH(&r, "cat /root/f && stat -c %a /root/f && readlink /opt/l && rm /root/f");
	assert_status(&r, 0);
	assert_string_equal(r.out, "one\n640\na\n");
	SH(&r, "test ! -e /root/f && test -d /opt/a");
	assert_status(&r, 0);
	/* And nowhere else. */
	RUN(&r, "--", "test", "!", "-e", "/opt/a");
	assert_status(&r, 0);
	run_done(&r);
}

static void what_is_meant_to_go_goes(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_keep())
		return;
	SH(&r, "touch /tmp/t /dev/shm/s /workspace/w");
	assert_status(&r, 0);
	SH(&r, "ls -A /tmp /dev/shm /workspace | grep -x '[tsw]'");
	assert_status(&r, 1);
	run_done(&r);
}

static void programs_of_the_host_are_changed_for_the_sandbox_alone(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_keep())
		return;
	if (!is_root()) {
		skip_without_root("an overlay on /usr");
		return;
	}
	SH(&r, "echo mine >/usr/local/mine && rm /usr/bin/yes");
	assert_status(&r, 0);
	SH(&r, "cat /usr/local/mine; test -e /usr/bin/yes");
	assert_status(&r, 1);
	assert_string_equal(r.out, "mine\n");
	assert_int_equal(access("/usr/bin/yes", F_OK), 0);
	assert_int_equal(access("/usr/local/mine", F_OK), -1);
	run_done(&r);
}

/* Whatever range of ids the sandbox had: the next one has another. */
static void owners_on_disk_do_not_depend_on_the_sandbox(void **state)
{
	struct run r = { 0 };
	struct stat st;
	char path[600];

	(void)state;
	if (!can_keep())
		return;
	SH(&r, "touch /root/owned");
	assert_status(&r, 0);
	(void)snprintf(path, sizeof(path), "%s%s/root/owned", dir, is_root() ? "/u0" : "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	SH(&r, "test -O /root/owned && echo more >>/root/owned");
	assert_status(&r, 0);
	run_done(&r);
}

static void two_sandboxes_never_have_it_at_once(void **state)
{
	/* It may come when one of ours has it. */
	const char *const argv[] = {
		"/bin/sh",
		"-c",
		"until \"$0\" run -i --keep \"$1\" -- cat 2>/dev/null; do sleep 0.02; done",
		CORRAL_BINARY,
		dir,
		NULL
	};
	struct run r = { 0 };
	int in[2], status, turns = 0;
	pid_t pid;

	(void)state;
	if (!can_keep())
		return;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	do {
		nap(20);
		SH(&r, "true");
	} while (r.status == 0 && turns++ < 200);
	assert_refused(&r, "another sandbox has it");
	(void)close(in[0]);
	(void)close(in[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	SH(&r, "true");
	assert_status(&r, 0);
	run_done(&r);
}

static void unsuitable_directories_are_refused(void **state)
{
	struct run r = { 0 };
	char path[600];

	(void)state;
	if (!can_keep())
		return;
	RUN(&r, "--keep", "/no/such", "--", "true");
	assert_refused(&r, "--keep '/no/such': No such file or directory");
	file_make(dir, "file", "");
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	RUN(&r, "--keep", path, "--", "true");
	assert_refused(&r, "it is no directory");
	assert_int_equal(chmod(dir, 0777), 0);
	SH(&r, "true");
	assert_refused(&r, "others may write to it: chmod go-w");
	assert_int_equal(chmod(dir, 0755), 0);
	if (!is_root()) {
		RUN(&r, "--keep", "/usr", "--", "true");
		assert_refused(&r, "it is not yours");
	}
	RUN(&r, "--keep", dir, "--workspace", dir, "--", "true");
	assert_refused(&r, "one lies in the other");
	RUN(&r, "--keep", dir, "--bind", "/:/host", "--", "true");
	assert_refused(&r, "one lies in the other");
	/* Somebody's own, given by a slip of the finger. */
	(void)snprintf(path, sizeof(path), "%s/own", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	file_make(path, "letter", "");
	RUN(&r, "--keep", path, "--", "true");
	assert_refused(&r, "what is in it was not kept by a sandbox");
	run_done(&r);
}

static void limit_of_disk_is_told_as_lost_or_refused(void **state)
{
	struct run r = { 0 };
	char path[600];

	(void)state;
	if (!can_keep())
		return;
	SH(&r, "true");
	assert_true(receipt_lists(&r, "limits_lost", "disk"));
	assert_true(json_is_null(json_object_get(r.receipt, "written_bytes")));
	RUN(&r, "--disk", "1M", "--keep", dir, "--", "true");
	assert_refused(
	        &r, "limit 'disk' cannot be enforced here: what is kept lies on the host's disk");
	(void)snprintf(path, sizeof(path), "%s/empty", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	RUN(&r, "--disk", "1M", "--keep", path, "--", "true");
	assert_status(&r, 125);
	/* Nothing was made in it. */
	assert_int_equal(rmdir(path), 0);
	run_done(&r);
}

/* What a guest left in the place of a directory leads nowhere when the next root is made. */
static void link_that_was_left_leads_nowhere(void **state)
{
	char *victim, line[700];
	struct run r = { 0 };

	(void)state;
	if (!can_keep())
		return;
	victim = dir_make();
	(void)snprintf(line, sizeof(line),
	               "mv /etc /e2 && ln -s %s /etc && mv /var /v2; ln -s %s /var", victim,
	               victim);
	SH(&r, line);
	RUN(&r, "--keep", dir, "--hostname", "elsewhere", "--", "true");
	run_done(&r);
	/* Nothing was made in it. */
	assert_int_equal(rmdir(victim), 0);
	free(victim);
}

/* Hibernation: ended and begun anew, at once, while others are made beside it. */
static void ended_one_wakes_with_what_it_had(void **state)
{
	const struct corral_execute x = { .command = "echo x >>/root/log; wc -l </root/log",
		                          .timeout_ms = 60000 };
	struct corral_launcher *launcher = NULL;
	struct corral_policy *policy;
	struct corral_backend *b = NULL;
	struct corral_error err = { 0 };
	struct corral_executed e;
	char json[4200], expected[16];

	(void)state;
	if (!can_keep())
		return;
	(void)snprintf(json, sizeof(json), "{\"keep\":\"%s\"}", dir);
	policy = policy_of(json);
	if (corral_launcher_open(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, &launcher, &err) <
	            0 ||
	    corral_native_sandbox_new(launcher, policy, NULL, &b, &err) < 0)
		fail_msg("%s", err.text);
	for (int n = 1; n <= 20; n++) {
		if (corral_backend_execute(b, &x, &e, &err) < 0)
			fail_msg("wake %d: %s", n, err.text);
		(void)snprintf(expected, sizeof(expected), "%d\n", n);
		assert_int_equal(e.out.len, strlen(expected));
		assert_memory_equal(e.out.data, expected, e.out.len);
		corral_executed_done(&e);
		assert_int_equal(corral_backend_end(b, &err), 0);
	}
	corral_backend_close(b);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(changes_are_there_the_next_time),
		ROW(what_is_meant_to_go_goes),
		ROW(programs_of_the_host_are_changed_for_the_sandbox_alone),
		ROW(owners_on_disk_do_not_depend_on_the_sandbox),
		ROW(two_sandboxes_never_have_it_at_once),
		ROW(unsuitable_directories_are_refused),
		ROW(link_that_was_left_leads_nowhere),
		ROW(ended_one_wakes_with_what_it_had),
		ROW(limit_of_disk_is_told_as_lost_or_refused),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
