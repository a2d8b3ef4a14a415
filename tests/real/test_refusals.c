/*
 * Bad input: one line that says what, where and what to do, exit status 125, and nothing left
 * behind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"

static char *dir;

static int dir_open(void **state)
{
	(void)state;
	dir = dir_make();
	file_make(dir, "file", "text");
	file_make(dir, "cut.json", "{\"defaultAction\":");
	file_make(dir, "unknown_call.json",
	          "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":"
	          "[{\"names\":[\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
	file_make(dir, "deaf.json",
	          "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"sendmsg\"],"
	          "\"action\":\"SCMP_ACT_ERRNO\"}]}");
	file_make(dir, "unknown_key.json", "{\"memmory\": 1}");
	file_make(dir, "wrong_type.json", "{\"hostname\": 1}");
	return 0;
}

static int dir_close(void **state)
{
	(void)state;
	dir_remove(dir);
	return 0;
}

static void bad_options_are_refused_in_one_line(void **state)
{
	static const struct {
		const char *option, *value, *says;
	} rows[] = {
		{ "--frobnicate", NULL, "--frobnicate" },
		{ "--memory", "banana", "'banana' is not a size" },
		{ "--memory", "64X", "'64X' is not a size" },
		{ "--timeout", "1y", "'1y' is not a time" },
		{ "--pids", "-3", "'-3' is not a whole number" },
		{ "--cap-add", "CAP_NOPE", "'CAP_NOPE'" },
		{ "--user", "x", "'x' is not in the /etc/passwd and /etc/group of a sandbox on" },
		{ "--user", "7:", "NAME or UID" },
		{ "--user", "70000", "0 to 65535" },
		{ "--workdir", "relative", "begin with /" },
		{ "--tmpfs", "/proc/x", "belongs to the sandbox itself" },
		{ "--tmpfs", "/", "the sandbox's root" },
		{ "--hostname", "a_b", "not a host name" },
		{ "--runtime", "nope", "Unknown runtime 'nope'. Available: " },
		{ "--network", "bridged", "'none', 'host'" },
		{ "--env", "=x", "NAME=VALUE" },
		{ "--bind", "/usr", "SOURCE:TARGET" },
	};
	struct run r = { 0 };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		if (rows[i].value)
			RUN(&r, rows[i].option, rows[i].value, "--", "true");
		else
			RUN(&r, rows[i].option, "--", "true");
		assert_refused(&r, rows[i].says);
	}
	RUN(&r, "--tmpfs", "/a", "--tmpfs", "/a", "--", "true");
	assert_refused(&r, "'/a' is mounted on twice");
	RUN(&r, "--memory", "64M");
	assert_refused(&r, "no command");
	run_done(&r);
}

static void missing_sources_are_refused_by_name(void **state)
{
	static const struct {
		const char *option, *value, *says;
	} rows[] = {
		{ "--bind", "/no/such:/x", "--bind '/no/such': No such file" },
		{ "--ro-bind", "/no/such:/x", "--ro-bind '/no/such': No such file" },
		{ "--workspace", "/no/such", "--workspace '/no/such': No such file" },
		{ "--rootfs", "/no/such", "'/no/such': No such file" },
		{ "--seccomp", "/no/such", "'/no/such': No such file" },
		{ "--config", "/no/such", "'/no/such': No such file" },
	};
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		RUN(&r, rows[i].option, rows[i].value, "--", "true");
		assert_status(&r, 125);
		/* Without root a source is opened inside, and the step is named as well. */
		if (!is_root() && (!strcmp(rows[i].option, "--rootfs") || i < 3))
			assert_refused(&r, "No such file or directory");
		else
			assert_refused(&r, rows[i].says);
		assert_says(r.err, "/no/such");
	}
	run_done(&r);
}

static void files_of_the_wrong_kind_are_refused(void **state)
{
	struct run r = { 0 };
	char path[600];

	(void)state;
	if (!can_run())
		return;
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	RUN(&r, "--workspace", path, "--", "true");
	assert_refused(&r, "it is no directory: name one");
	RUN(&r, "--rootfs", path, "--", "true");
	assert_refused(&r, "it is no directory: name one");
	RUN(&r, "--seccomp", dir, "--", "true");
	assert_refused(&r, "is not a regular file");
	run_done(&r);
}

static void bad_profiles_and_configurations_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *option, *name, *says;
	} rows[] = {
		{ "--seccomp", "cut.json", "cut.json: line " },
		{ "--seccomp", "unknown_call.json",
		  "syscalls[0].names[0]: no syscall 'no_such_call'" },
		/* Guest init is behind it too, and would hang. */
		{ "--seccomp", "deaf.json", "it does not allow 'sendmsg'" },
		{ "--config", "cut.json", "cut.json" },
		{ "--config", "unknown_key.json", "unknown key 'memmory'" },
		{ "--config", "wrong_type.json", "hostname" },
	};
	struct run r = { 0 };
	char path[600];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, rows[i].name);
		RUN(&r, rows[i].option, path, "--", "true");
		assert_refused(&r, rows[i].says);
	}
	run_done(&r);
}

static void unreadable_profile_is_refused(void **state)
{
	struct run r = { 0 };
	char path[600];

	(void)state;
	if (is_root()) {
		print_message("root reads everything\n");
		skip();
	}
	file_make(dir, "secret.json", "{}");
	(void)snprintf(path, sizeof(path), "%s/secret.json", dir);
	assert_int_equal(chmod(path, 0), 0);
	RUN(&r, "--seccomp", path, "--", "true");
	assert_refused(&r, "Permission denied");
	run_done(&r);
}

static void limit_asked_for_by_name_holds_or_is_refused(void **state)
{
	static const struct {
		const char *option, *value, *limit;
	} rows[] = { { "--memory", "64M", "memory" },
		     { "--pids", "64", "pids" },
		     { "--cpus", "0.5", "cpus" } };
	struct run r = { 0 }, plain = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&plain, "--", "true");
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		RUN(&r, rows[i].option, rows[i].value, "--", "true");
		if (r.status == 0) {
			assert_true(receipt_lists(&r, "limits_enforced", rows[i].limit));
			continue;
		}
		assert_refused(&r, rows[i].limit);
		assert_says(r.err, "cannot be enforced here");
		/* As a default it is told. "cpus" has none. */
		if (strcmp(rows[i].limit, "cpus") != 0)
			assert_true(receipt_lists(&plain, "limits_lost", rows[i].limit));
	}
	run_done(&r);
	run_done(&plain);
}

static void plan_runs_nothing(void **state)
{
	struct run r = { 0 };
	char path[600];
	const char *argv[] = { CORRAL_BINARY, "plan",  "--workspace",     dir,
		               "--",          "touch", "/workspace/made", NULL };

	(void)state;
	if (!can_run())
		return;
	run_argv(&r, argv);
	assert_int_equal(r.status, 0);
	assert_says(r.out, "seccomp");
	assert_says(r.out, "touch /workspace/made");
	(void)snprintf(path, sizeof(path), "%s/made", dir);
	assert_int_equal(access(path, F_OK), -1);
	run_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_options_are_refused_in_one_line),
		cmocka_unit_test(missing_sources_are_refused_by_name),
		cmocka_unit_test(files_of_the_wrong_kind_are_refused),
		cmocka_unit_test(bad_profiles_and_configurations_are_refused_with_their_place),
		cmocka_unit_test(unreadable_profile_is_refused),
		cmocka_unit_test(limit_asked_for_by_name_holds_or_is_refused),
		cmocka_unit_test(plan_runs_nothing),
	};

	return cmocka_run_group_tests(tests, dir_open, dir_close);
}
