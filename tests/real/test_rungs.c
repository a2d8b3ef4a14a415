/*
 * Kernels that lack something, by answering ENOSYS to the call: each rung still runs a command in
 * the same isolation, or is refused with the reason; none is silently weaker.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"

#define MOUNT_API "open_tree,move_mount,fsopen,fsconfig,fsmount,fspick,mount_setattr"

/* What no rung may lose. */
static void assert_isolated(const struct run *r)
{
	static const char *const layers[] = { "user-namespace", "mount-namespace",
		                              "pid-namespace",  "ipc-namespace",
		                              "uts-namespace",  "network-namespace",
		                              "own-root",       "capabilities",
		                              "no-new-privs",   "seccomp" };
	static const char *const namespaces[] = { "user", "mnt",    "pid", "ipc",
		                                  "uts",  "cgroup", "net" };

	assert_status(r, 0);
	assert_fact(r->out, "told", "all");
	for (size_t i = 0; i < CORRAL_COUNT(layers); i++)
		if (!receipt_lists(r, "layers", layers[i]))
			fail_msg("'%s' is not among the layers", layers[i]);
	for (size_t i = 0; i < CORRAL_COUNT(namespaces); i++) {
		char key[32], path[64], own[64] = "";

		(void)snprintf(key, sizeof(key), "ns.%s", namespaces[i]);
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		assert_true(readlink(path, own, sizeof(own) - 1) > 0);
		assert_non_null(fact(r->out, key));
		assert_string_not_equal(fact(r->out, key), own);
	}
	assert_fact(r->out, "root.above", "itself");
	assert_fact(r->out, "status.CapEff", "0000000000000000");
	assert_fact(r->out, "status.CapBnd", "0000000000000000");
	assert_fact(r->out, "status.NoNewPrivs", "1");
	assert_fact(r->out, "status.Seccomp", "2");
	assert_fact(r->out, "call.bpf", "EPERM");
	assert_fact(r->out, "call.socket_alg", "EAFNOSUPPORT");
	assert_string_not_equal(fact(r->out, "write./proc/sys/kernel/hostname"), "ok");
	assert_string_not_equal(fact(r->out, "write./proc/sys/kernel/core_pattern"), "ok");
	assert_fact(r->out, "write./dev/null", "ok");
	assert_null(fact(r->out, "fd.3"));
	for (const char *line = r->out; (line = strstr(line, "\nmount.")) != NULL; line++) {
		char one[2048];

		(void)snprintf(one, sizeof(one), "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
		if (!strstr(one, "nosuid"))
			fail_msg("not nosuid: %s", one);
		if (!strstr(one, "nodev") && strncmp(one, "mount./dev", 10) != 0)
			fail_msg("not nodev: %s", one);
	}
	assert_says(fact(r->out, "mount./proc"), " ro,");
	assert_says(fact(r->out, "mount./dev"), " ro,");
	/* Where it is no copy. */
	if (fact(r->out, "mount./etc/ld.so.cache"))
		assert_says(fact(r->out, "mount./etc/ld.so.cache"), " ro,");
	assert_says(fact(r->out, "mount./probe"), " ro,");
}

static void run_without(struct run *r, const char *calls, const char *const *args)
{
	run_after(r, ARGS(CORRAL_TEST_DENY, "--errno", "ENOSYS", calls, "--"), args);
}

static void isolated_without(const char *calls)
{
	struct run r = { 0 };

	if (!can_run())
		return;
	run_without(&r, calls, ARGS(PROBE, "--", "/probe"));
	assert_isolated(&r);
	/* The command line's simplest use, with a command of the host's. */
	run_without(&r, calls, ARGS("--", "true"));
	assert_status(&r, 0);
	run_done(&r);
}

static void runs_without_openat2(void **state)
{
	struct run r = { 0 };
	char *dir;

	(void)state;
	isolated_without("openat2");
	dir = dir_make();
	run_without(&r, "openat2",
	            ARGS(PROBE, "--workspace", dir, "--tmpfs", "/workspace/missing", "--", "true"));
	assert_refused(&r, "creates nothing in a directory of the host");
	run_without(&r, "openat2",
	            ARGS(PROBE, "--tmpfs", "/var/run/x", "--tmpfs", "/a/b/c", "--", "/probe",
	                 "look", "/a/b/c"));
	if (r.status != 0)
		assert_refused(&r, "symbolic link");
	run_done(&r);
	dir_remove(dir);
}

static void runs_without_the_new_mount_api(void **state)
{
	(void)state;
	isolated_without(MOUNT_API);
}

static void runs_without_mount_setattr(void **state)
{
	(void)state;
	isolated_without("mount_setattr");
}

static void runs_without_clone3(void **state)
{
	(void)state;
	isolated_without("clone3");
}

static void runs_without_user_notification(void **state)
{
	struct run r = { 0 };

	(void)state;
	isolated_without("seccomp@1&8");
	/* Refused as before, and not told. */
	run_without(&r, "seccomp@1&8", ARGS(PROBE, "--", "/probe", "refuse", "3"));
	assert_status(&r, 0);
	assert_int_equal(json_array_size(json_object_get(r.receipt, "denials")), 0);
	run_done(&r);
}

static void runs_without_landlock_and_says_so(void **state)
{
	struct run r = { 0 };

	(void)state;
	isolated_without("landlock_create_ruleset");
	run_without(&r, "landlock_create_ruleset", ARGS(PROBE, "--", "/probe"));
	assert_status(&r, 0);
	assert_false(receipt_lists(&r, "layers", "landlock"));
	assert_fact(r.out, "call.mknod", "EPERM");
	run_done(&r);
}

static void runs_without_all_of_them(void **state)
{
	(void)state;
	isolated_without("openat2,clone3,landlock_create_ruleset,seccomp@1&8," MOUNT_API);
}

static void workspace_without_id_mapped_mounts_is_refused_or_as_before(void **state)
{
	static const char *const rungs[] = { "mount_setattr", MOUNT_API };
	struct run r = { 0 };
	char *dir;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	for (size_t i = 0; i < CORRAL_COUNT(rungs); i++) {
		run_without(&r, rungs[i],
		            ARGS(PROBE, "--workspace", dir, "--", "/probe", "touch",
		                 "/workspace/made"));
		if (is_root()) {
			assert_refused(&r, "id-mapped mounts");
		} else {
			assert_status(&r, 0);
			assert_fact(r.out, "touch./workspace/made", "ok");
		}
	}
	run_done(&r);
	dir_remove(dir);
}

static void read_only_bind_stays_read_only_on_every_rung(void **state)
{
	static const char *const rungs[] = { "mount_setattr", MOUNT_API, "openat2" };
	struct run r = { 0 };
	char *dir, *before, *after;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	assert_int_equal(chmod(dir, 0777), 0);
	before = tree_listing(dir);
	for (size_t i = 0; i < CORRAL_COUNT(rungs); i++) {
		run_without(&r, rungs[i],
		            ARGS(PROBE, "--ro-bind", bind_of(dir, "", "/data"), "--", "/probe",
		                 "touch", "/data/made"));
		assert_status(&r, 0);
		assert_fact(r.out, "touch./data/made", "EROFS");
	}
	after = tree_listing(dir);
	assert_string_equal(after, before);
	free(before);
	free(after);
	run_done(&r);
	dir_remove(dir);
}

/* A namespace that cannot be had is no rung: nothing runs. */
static void host_without_namespaces_is_refused(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	run_after(&r,
	          ARGS(CORRAL_TEST_DENY, "--errno", "EPERM",
	               "clone3,clone@0&0x20000000,unshare,setns", "--"),
	          ARGS("--", "true"));
	assert_status(&r, 125);
	assert_string_equal(receipt_text(&r, "reason"), "error");
	assert_string_equal(r.out, "");
	/* Nor without a filter. */
	run_after(&r, ARGS(CORRAL_TEST_DENY, "--errno", "EPERM", "pivot_root", "--"),
	          ARGS("--", "true"));
	assert_refused(&r, "pivot");
	run_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_without_openat2),
		cmocka_unit_test(runs_without_the_new_mount_api),
		cmocka_unit_test(runs_without_mount_setattr),
		cmocka_unit_test(runs_without_clone3),
		cmocka_unit_test(runs_without_user_notification),
		cmocka_unit_test(runs_without_landlock_and_says_so),
		cmocka_unit_test(runs_without_all_of_them),
		cmocka_unit_test(workspace_without_id_mapped_mounts_is_refused_or_as_before),
		cmocka_unit_test(read_only_bind_stays_read_only_on_every_rung),
		cmocka_unit_test(host_without_namespaces_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
