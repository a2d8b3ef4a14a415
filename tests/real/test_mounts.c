/*
 * Directories of the host in a sandbox: what is bound is there with its flags, what lies on disk
 * belongs to who owned the directory before, and nothing is ever made, mounted or left on the
 * host's side.
 *
 * As root the whole program moves into a mount namespace of its own first, private to the host's
 * and shared within: a mount of the sandbox that were to propagate would then show here, and no
 * mount of anybody else does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sched.h>
#include <sys/mount.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/sandbox.h"
#include "tests/support.h"

#include "tests/real/sandbox_support.h"

/* --- The host's side --- */

static char *mounts_of_the_host(void)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	char *copy;

	assert_true(fd >= 0);
	assert_int_equal(corral_buf_read_fd(&text, fd, 1u << 22), 0);
	copy = strndup(text.data, text.len);
	assert_non_null(copy);
	return copy;
}

static void policy_open(struct corral_policy **ret, const char *bind, const char *tmpfs)
{
	struct corral_config *c = corral_config_new();
	struct corral_error err = { 0 };

	assert_non_null(c);
	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_BIND, bind, &err), 0);
	if (tmpfs)
		assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_TMPFS, tmpfs, &err), 0);
	if (corral_policy_compile(c, NULL, ret, &err) < 0)
		fail_msg("%s", err.text);
	corral_config_free(c);
}

static void nothing_appears(unsigned int flags)
{
	char *argv[] = { (char *)"/bin/sleep", (char *)"60", NULL };
	const struct corral_command command = {
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
	};
	struct corral_launcher *launcher = NULL;
	struct corral_sandbox *s = NULL;
	struct corral_policy *policy = NULL;
	struct corral_error err = { 0 };
	char *dir, *before, *during, *after, *tree_before, *tree_during;
	char path[600];

	dir = dir_make();
	file_make(dir, "file", "text");
	(void)snprintf(path, sizeof(path), "%s/below", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	/* A mount on a directory of the host's: the one that would show there. */
	policy_open(&policy, bind_of(dir, "", "/data"), "/data/below");
	before = mounts_of_the_host();
	assert_int_equal(corral_launcher_open(flags, &launcher, &err), 0);
	tree_before = tree_listing(dir);
	if (corral_sandbox_open(launcher, policy, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(corral_sandbox_start(s, &command, &err), 0);
	during = mounts_of_the_host();
	tree_during = tree_listing(dir);
	corral_sandbox_close(s, NULL);
	corral_launcher_close(launcher);
	after = mounts_of_the_host();
	corral_policy_free(policy);
	assert_string_equal(during, before);
	assert_string_equal(after, before);
	assert_string_equal(tree_during, tree_before);
	free(before);
	free(during);
	free(after);
	free(tree_before);
	free(tree_during);
	dir_remove(dir);
}

static void nothing_appears_on_the_host(void **state)
{
	(void)state;
	if (!can_run())
		return;
	nothing_appears(0);
	nothing_appears(CORRAL_LAUNCHER_POOLED);
}

static void workspace_gets_no_ghosts(void **state)
{
	struct run r = { 0 };
	char *dir, *before, *after;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	file_make(dir, "file", "text");
	before = tree_listing(dir);
	RUN(&r, PROBE, "--workspace", dir, "--tmpfs", "/var/cache/x", "--ro-bind",
	    bind_of(dir, "file", "/opt/a/b"), "--", "/probe", "look", "/workspace/file", "/opt/a/b",
	    "/var/cache/x");
	assert_status(&r, 0);
	after = tree_listing(dir);
	assert_string_equal(after, before);
	free(before);
	free(after);
	run_done(&r);
	dir_remove(dir);
}

/* --- What is bound --- */

static void workspace_files_belong_to_the_owner_on_disk(void **state)
{
	static const char *const users[] = { "0", "1000:1000", "65534:65534" };
	struct run r = { 0 };
	struct stat st;
	char path[600];
	uid_t owner;
	char *dir;

	(void)state;
	if (!can_run())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(users); i++) {
		dir = dir_make();
		owner = is_root() ? 1234 : geteuid();
		if (is_root())
			assert_int_equal(chown(dir, owner, 4321), 0);
		RUN(&r, PROBE, "--user", users[i], "--workspace", dir, "--", "/probe", "touch",
		    "/workspace/made");
		assert_status(&r, 0);
		assert_fact(r.out, "touch./workspace/made", "ok");
		(void)snprintf(path, sizeof(path), "%s/made", dir);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_uid, owner);
		assert_int_equal(st.st_gid, is_root() ? 4321 : getegid());
		/* And inside, what was there before is the guest's user's. */
		RUN(&r, PROBE, "--user", users[i], "--workspace", dir, "--", "/probe", "look",
		    "/workspace/made");
		(void)snprintf(path, sizeof(path), "%ld:%ld 644 0", strtol(users[i], NULL, 10),
		               strchr(users[i], ':') ? strtol(strchr(users[i], ':') + 1, NULL, 10)
		                                     : 0);
		assert_fact(r.out, "look./workspace/made", path);
		dir_remove(dir);
	}
	run_done(&r);
}

static void files_of_other_owners_are_nobodys_inside(void **state)
{
	struct run r = { 0 };
	char path[600];
	char *dir;

	(void)state;
	if (!can_run())
		return;
	if (!is_root()) {
		skip_without_root("root, to make files of several owners");
		return;
	}
	dir = dir_make();
	assert_int_equal(chown(dir, 1234, 1234), 0);
	file_make(dir, "of-root", "x");
	file_make(dir, "of-other", "x");
	(void)snprintf(path, sizeof(path), "%s/of-other", dir);
	assert_int_equal(chown(path, 99, 99), 0);
	RUN(&r, PROBE, "--workspace", dir, "--", "/probe", "look", "/workspace/of-root",
	    "/workspace/of-other", "/workspace");
	assert_status(&r, 0);
	assert_fact(r.out, "look./workspace/of-root", "65534:65534 644 1");
	assert_fact(r.out, "look./workspace/of-other", "65534:65534 644 1");
	assert_says(fact(r.out, "look./workspace"), "0:0 ");
	run_done(&r);
	dir_remove(dir);
}

static void read_only_bind_cannot_be_written(void **state)
{
	struct run r = { 0 };
	char *dir, *before, *after;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	file_make(dir, "file", "text");
	before = tree_listing(dir);
	RUN(&r, PROBE, "--ro-bind", bind_of(dir, "", "/data"), "--", "/probe", "touch", "/data/new",
	    "/data/file");
	assert_status(&r, 0);
	assert_fact(r.out, "touch./data/new", "EROFS");
	assert_fact(r.out, "touch./data/file", "EROFS");
	after = tree_listing(dir);
	assert_string_equal(after, before);
	free(before);
	free(after);
	run_done(&r);
	dir_remove(dir);
}

static void submounts_of_a_read_only_bind_are_read_only(void **state)
{
	/* "kcmp" stands for nothing that matters. */
	static const char *const rungs[] = { "kcmp", "mount_setattr",
		                             "open_tree,move_mount,fsopen,mount_setattr" };
	struct run r = { 0 };
	char sub[600];
	char *dir;

	(void)state;
	if (!can_run())
		return;
	if (!is_root()) {
		skip_without_root("root, to make a mount");
		return;
	}
	dir = dir_make();
	(void)snprintf(sub, sizeof(sub), "%s/sub", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(mount("corral-test", sub, "tmpfs", 0, "mode=0777,size=64k"), 0);
	for (size_t i = 0; i < CORRAL_COUNT(rungs); i++) {
		run_after(&r, ARGS(CORRAL_TEST_DENY, rungs[i], "--"),
		          ARGS(PROBE, "--ro-bind", bind_of(dir, "", "/data"), "--", "/probe",
		               "touch", "/data/sub/new"));
		assert_status(&r, 0);
		assert_fact(r.out, "touch./data/sub/new", "EROFS");
	}
	assert_int_equal(umount2(sub, MNT_DETACH), 0);
	run_done(&r);
	dir_remove(dir);
}

static void tmpfs_holds_what_it_was_given(void **state)
{
	struct run r = { 0 };
	long bytes;

	(void)state;
	if (!can_run())
		return;
	RUN(&r, PROBE, "--tmpfs", "/data:1M", "--", "/probe", "fill", "/data");
	assert_status(&r, 1);
	assert_fact(r.out, "stopped", "ENOSPC");
	bytes = strtol(fact(r.out, "bytes"), NULL, 10);
	assert_in_range(bytes, 900 * 1024, 1024 * 1024);
	run_done(&r);
}

/* --- Where it is bound --- */

static void missing_target_in_a_bound_directory_is_refused(void **state)
{
	struct run r = { 0 };
	char *dir, *before, *after;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	before = tree_listing(dir);
	RUN(&r, "--workspace", dir, "--tmpfs", "/workspace/missing/deep", "--", "true");
	assert_refused(&r, "/workspace/missing/deep");
	assert_says(r.err, "creates nothing in a directory of the host");
	RUN(&r, "--bind", bind_of(dir, "", "/data"), "--ro-bind", "/usr:/data/usr", "--", "true");
	assert_refused(&r, "creates nothing in a directory of the host");
	after = tree_listing(dir);
	assert_string_equal(after, before);
	free(before);
	free(after);
	run_done(&r);
	dir_remove(dir);
}

static void link_out_of_the_root_is_refused(void **state)
{
	struct run r = { 0 };
	char link[600];
	char *root, *target, *before, *after;

	(void)state;
	if (!can_run())
		return;
	root = dir_make();
	target = dir_make();
	file_make(target, "secret", "text");
	(void)snprintf(link, sizeof(link), "%s/link", root);
	assert_int_equal(symlink("/../../../nowhere/deep", link), 0);
	before = tree_listing(root);
	RUN(&r, PROBE, "--bind", bind_of(root, "", "/data"), "--ro-bind",
	    bind_of(target, "", "/data/link"), "--", "/probe");
	assert_refused(&r, "symbolic link");
	assert_says(r.err, "/data/link");
	after = tree_listing(root);
	assert_string_equal(after, before);
	assert_int_equal(access("/nowhere", F_OK), -1);
	free(before);
	free(after);
	run_done(&r);
	dir_remove(root);
	dir_remove(target);
}

/* A link in a bound directory that names a directory which guest and host both have. */
static void link_is_followed_inside_the_root_alone(void **state)
{
	struct run r = { 0 };
	char link[600];
	char *root, *target;

	(void)state;
	if (!can_run())
		return;
	root = dir_make();
	target = dir_make();
	file_make(target, "inside", "text");
	(void)snprintf(link, sizeof(link), "%s/link", root);
	assert_int_equal(symlink("../../../../../../opt", link), 0);
	RUN(&r, PROBE, "--bind", bind_of(root, "", "/data"), "--ro-bind",
	    bind_of(target, "", "/data/link"), "--", "/probe", "look", "/opt/inside");
	assert_status(&r, 0);
	assert_says(fact(r.out, "look./opt/inside"), " 644 4");
	run_done(&r);
	dir_remove(root);
	dir_remove(target);
}

static void target_behind_var_run_works(void **state)
{
	struct run r = { 0 };
	char *dir;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	file_make(dir, "socket", "text");
	RUN(&r, PROBE, "--tmpfs", "/var/run/x", "--", "/probe", "touch", "/run/x/made");
	if (r.status == 125)
		assert_says(r.err, "symbolic link");
	else
		assert_fact(r.out, "touch./run/x/made", "ok");
	RUN(&r, PROBE, "--tmpfs", "/run/x", "--ro-bind", bind_of(dir, "socket", "/var/run/x/y"),
	    "--", "/probe", "look", "/run/x/y");
	if (r.status == 125)
		assert_says(r.err, "symbolic link");
	else
		assert_says(fact(r.out, "look./run/x/y"), " 644 4");
	run_done(&r);
	dir_remove(dir);
}

static void parents_that_can_only_be_passed_work(void **state)
{
	struct run r = { 0 };
	char path[600];
	char *dir;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	(void)snprintf(path, sizeof(path), "%s/inner", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	file_make(path, "file", "text");
	assert_int_equal(chmod(dir, 0711), 0);
	RUN(&r, PROBE, "--ro-bind", bind_of(dir, "inner", "/data"), "--bind",
	    bind_of(dir, "", "/outer"), "--tmpfs", "/outer/inner", "--", "/probe", "look",
	    "/data/file", "/outer/inner/file");
	assert_status(&r, 0);
	assert_says(fact(r.out, "look./data/file"), " 644 4");
	assert_fact(r.out, "look./outer/inner/file", "ENOENT");
	run_done(&r);
	dir_remove(dir);
}

static void file_is_bound_on_a_file(void **state)
{
	struct run r = { 0 };
	char *dir;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	file_make(dir, "file", "text");
	RUN(&r, PROBE, "--ro-bind", bind_of(dir, "file", "/etc/hosts"), "--ro-bind",
	    bind_of(dir, "file", "/opt/new/name"), "--", "/probe", "look", "/etc/hosts",
	    "/opt/new/name");
	assert_status(&r, 0);
	assert_says(fact(r.out, "look./etc/hosts"), " 644 4");
	assert_says(fact(r.out, "look./opt/new/name"), " 644 4");
	RUN(&r, "--ro-bind", bind_of(dir, "file", "/usr"), "--", "true");
	assert_refused(&r, "a file and the other a directory");
	run_done(&r);
	dir_remove(dir);
}

static void rootfs_directory_is_the_root_and_stays_as_it_was(void **state)
{
	struct run r = { 0 };
	char path[600];
	char *dir, *before, *after;

	(void)state;
	if (!can_run())
		return;
	dir = dir_make();
	file_make(dir, "marker", "text");
	(void)snprintf(path, sizeof(path), "%s/bin", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	before = tree_listing(dir);
	RUN(&r, "--rootfs", dir, PROBE, "--", "/probe");
	assert_status(&r, 0);
	assert_fact(r.out, "root.above", "itself");
	assert_non_null(fact(r.out, "dir.marker"));
	assert_says(fact(r.out, "mount./"), "overlay rw,nosuid,nodev");
	RUN(&r, "--rootfs", dir, PROBE, "--", "/probe", "touch", "/made", "/marker", "/bin/x");
	assert_status(&r, 0);
	assert_fact(r.out, "touch./made", "ok");
	after = tree_listing(dir);
	assert_string_equal(after, before);
	free(before);
	free(after);
	run_done(&r);
	dir_remove(dir);
}

static void live_sandboxes_have_different_ids(void **state)
{
	struct corral_launcher *launcher = NULL;
	struct corral_sandbox *s[3] = { NULL };
	struct corral_policy *policy = NULL;
	struct corral_error err = { 0 };
	unsigned int base[3] = { 0 };
	char *dir;

	(void)state;
	if (!can_run())
		return;
	if (!is_root()) {
		skip_without_root("root, who has ranges of ids to give");
		return;
	}
	dir = dir_make();
	policy_open(&policy, bind_of(dir, "", "/data"), NULL);
	assert_int_equal(corral_launcher_open(0, &launcher, &err), 0);
	for (size_t i = 0; i < CORRAL_COUNT(s); i++) {
		char path[64];
		FILE *f;

		if (corral_sandbox_open(launcher, policy, &s[i], &err) < 0)
			fail_msg("%s", err.text);
		(void)snprintf(path, sizeof(path), "/proc/%d/uid_map",
		               (int)corral_sandbox_pid(s[i]));
		f = fopen(path, "re");
		assert_non_null(f);
		assert_int_equal(fscanf(f, "%*u %u", &base[i]), 1);
		(void)fclose(f);
		assert_true(base[i] >= 65536);
		for (size_t k = 0; k < i; k++)
			assert_true(base[i] / 65536 != base[k] / 65536);
	}
	for (size_t i = 0; i < CORRAL_COUNT(s); i++)
		corral_sandbox_close(s[i], NULL);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
	dir_remove(dir);
}

/* Private to the host, shared within: see above. */
static int namespace_enter(void **state)
{
	(void)state;
	if (!is_root())
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return -1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_appears_on_the_host),
		cmocka_unit_test(workspace_gets_no_ghosts),
		cmocka_unit_test(workspace_files_belong_to_the_owner_on_disk),
		cmocka_unit_test(files_of_other_owners_are_nobodys_inside),
		cmocka_unit_test(read_only_bind_cannot_be_written),
		cmocka_unit_test(submounts_of_a_read_only_bind_are_read_only),
		cmocka_unit_test(tmpfs_holds_what_it_was_given),
		cmocka_unit_test(missing_target_in_a_bound_directory_is_refused),
		cmocka_unit_test(link_out_of_the_root_is_refused),
		cmocka_unit_test(link_is_followed_inside_the_root_alone),
		cmocka_unit_test(target_behind_var_run_works),
		cmocka_unit_test(parents_that_can_only_be_passed_work),
		cmocka_unit_test(file_is_bound_on_a_file),
		cmocka_unit_test(rootfs_directory_is_the_root_and_stays_as_it_was),
		cmocka_unit_test(live_sandboxes_have_different_ids),
	};

	return cmocka_run_group_tests(tests, namespace_enter, NULL);
}
