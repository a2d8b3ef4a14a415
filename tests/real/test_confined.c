/*
 * The tier without namespaces: what --allow-weaker gives on a host that refuses them, by a filter
 * like that of a container engine. What is not fenced there is told in kernel/confined.h.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "kernel/launcher.h"
#include "kernel/sandbox.h"
#include "tests/real/sandbox_support.h"

#define NAMESPACES "clone@0&0x10000000,clone@0&0x20000000,unshare,setns,mount,open_tree,fsopen"

static const char probe[] = CORRAL_TEST_PROBE;
static const char probe_same[] = CORRAL_TEST_PROBE ":" CORRAL_TEST_PROBE;
#define PROBE_SAME "--ro-bind", probe_same

/* As Docker's filter does it: clone3() is not there, the rest is not allowed. */
static const char *const refusing_host[] = {
	CORRAL_TEST_DENY, "--errno", "ENOSYS",   "clone3", "--", CORRAL_TEST_DENY,
	"--errno",        "EPERM",   NAMESPACES, "--",     NULL
};

#define CONFINED(r, ...) run_after((r), refusing_host, ARGS("--allow-weaker", __VA_ARGS__))

static bool can_confine(void)
{
	struct run r = { 0 };
	bool can;

	CONFINED(&r, "--", "true");
	can = r.status == 0;
	if (!can)
		corral_test_skip("Landlock, for the tier without namespaces: %s", r.err);
	run_done(&r);
	return can;
}

/* Not "ok", and told at all. */
static void assert_denied(const struct run *r, const char *key)
{
	const char *said = fact(r->out, key);

	if (!said || !strcmp(said, "ok"))
		fail_msg("%s is '%s'; stdout: %.2000s stderr: %.300s", key,
		         said ? said : "(untold)", r->out, r->err);
}

static void assert_all_denied(const struct run *r, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_denied(r, keys[i]);
}
#define ALL(keys) (keys), CORRAL_COUNT(keys)

/* The fact of each path, which is told as "deed.path". */
static void assert_all_facts(const struct run *r, const char *deed, const char *const *paths,
                             size_t n, const char *value)
{
	char key[700];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "%s.%s", deed, paths[i]);
		assert_fact(r->out, key, value);
	}
}

/* Processes on the host that have this word among their arguments. */
static unsigned int marked(const char *word)
{
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[300], text[4096];
		ssize_t len;
		int fd;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		len = fd < 0 ? -1 : read(fd, text, sizeof(text));
		if (fd >= 0)
			(void)close(fd);
		n += len > 0 && memmem(text, (size_t)len, word, strlen(word)) != NULL;
	}
	(void)closedir(dir);
	return n;
}

/* At most that long until nobody is left: one who has been killed takes a moment. */
static void assert_nobody_marked(const char *word, int ms)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (; ms > 0 && marked(word); ms -= 10)
		(void)nanosleep(&pause, NULL);
	assert_int_equal(marked(word), 0);
}

static const char *mark(const char *name)
{
	static char word[64];

	(void)snprintf(word, sizeof(word), "corral-test-%s-%d", name, getpid());
	return word;
}

/* --- Consent --- */

static void without_consent_it_is_refused_and_offered(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	run_after(&r, refusing_host, ARGS("--", "true"));
	assert_refused(&r, "namespace");
	assert_says(r.err, "Operation not permitted");
	assert_says(r.err, "--allow-weaker");
	assert_false(receipt_lists(&r, "layers", "landlock"));
	run_done(&r);
}

static void consent_changes_nothing_where_all_is_there(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&r, "--allow-weaker", "--", "true");
	assert_status(&r, 0);
	assert_string_equal(receipt_text(&r, "tier"), "full");
	assert_true(receipt_lists(&r, "layers", "pid-namespace"));
	run_done(&r);
}

static void without_landlock_there_is_no_tier_and_no_offer(void **state)
{
	static const char *const bare_host[] = { CORRAL_TEST_DENY,
		                                 "--errno",
		                                 "ENOSYS",
		                                 "clone3,landlock_create_ruleset",
		                                 "--",
		                                 CORRAL_TEST_DENY,
		                                 "--errno",
		                                 "EPERM",
		                                 NAMESPACES,
		                                 "--",
		                                 NULL };
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	run_after(&r, bare_host, ARGS("--", "true"));
	assert_refused(&r, "namespace");
	assert_null(strstr(r.err, "--allow-weaker"));
	run_after(&r, bare_host, ARGS("--allow-weaker", "--", "true"));
	assert_refused(&r, "without Landlock");
	run_done(&r);
}

static void runs_where_clone3_is_refused_too(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	run_after(&r, ARGS(CORRAL_TEST_DENY, "--errno", "EPERM", "clone3," NAMESPACES, "--"),
	          ARGS("--allow-weaker", "--", "true"));
	assert_status(&r, 0);
	assert_string_equal(receipt_text(&r, "tier"), "confined");
	run_done(&r);
}

static void receipt_and_summary_name_the_tier(void **state)
{
	static const char *const has[] = { "capabilities", "no-new-privs", "seccomp", "landlock" };
	static const char *const lacks[] = { "user-namespace", "mount-namespace",
		                             "pid-namespace",  "network-namespace",
		                             "ipc-namespace",  "uts-namespace",
		                             "own-root" };
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	CONFINED(&r, "--summary", "--", "true");
	assert_status(&r, 0);
	assert_string_equal(receipt_text(&r, "tier"), "confined");
	assert_says(r.err, "confined");
	assert_says(r.err, "network         none");
	for (size_t i = 0; i < CORRAL_COUNT(has); i++) {
		if (!receipt_lists(&r, "layers", has[i]))
			fail_msg("'%s' is not among the layers", has[i]);
		assert_says(r.err, has[i]);
	}
	for (size_t i = 0; i < CORRAL_COUNT(lacks); i++)
		if (receipt_lists(&r, "layers", lacks[i]) || strstr(r.err, lacks[i]))
			fail_msg("'%s' is said to be there", lacks[i]);
	assert_true(receipt_lists(&r, "limits_lost", "disk"));
	run_done(&r);
}

static void what_takes_namespaces_is_an_error_by_name(void **state)
{
	static const struct {
		const char *option, *value, *says;
	} rows[] = {
		{ "--disk", "4M", "limit 'disk' cannot be enforced here" },
		{ "--disk-inodes", "500", "limit 'disk_inodes' cannot be enforced here" },
		{ "--tmpfs", "/scratch", "--tmpfs needs namespaces" },
		{ "--hostname", "other", "--hostname needs namespaces" },
		{ "--rootfs", "/usr", "--rootfs needs namespaces" },
		{ "--user", "7:8", "--user other than yourself needs namespaces" },
		{ "--ids", "range", "--ids range needs namespaces" },
		{ "--cap-add", "CHOWN", "--cap-add needs namespaces" },
		{ "--workdir", "/elsewhere", "--workdir other than" },
		{ "--ro-bind", "/usr:/elsewhere", "another place needs mounts" },
	};
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		CONFINED(&r, rows[i].option, rows[i].value, "--", "true");
		assert_refused(&r, rows[i].says);
	}
	run_done(&r);
}

/* Where there is a control group for us they hold, elsewhere nothing runs. */
static void limits_asked_by_name_hold_or_are_errors(void **state)
{
	static const char *const rows[][3] = { { "--memory", "64M", "memory" },
		                               { "--cpus", "0.5", "cpus" },
		                               { "--pids", "40", "pids" } };
	struct run r = { 0 };
	char says[80];

	(void)state;
	if (!can_confine())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		CONFINED(&r, rows[i][0], rows[i][1], "--", "true");
		(void)snprintf(says, sizeof(says), "limit '%s' cannot be enforced here",
		               rows[i][2]);
		if (r.status == 0)
			assert_true(receipt_lists(&r, "limits_enforced", rows[i][2]));
		else
			assert_refused(&r, says);
	}
	run_done(&r);
}

static void read_only_in_a_writable_directory_is_an_error(void **state)
{
	struct run r = { 0 };
	char *dir, path[600], link_path[600];

	(void)state;
	if (!can_confine())
		return;
	dir = dir_make();
	file_make(dir, "kept", "as it was\n");
	(void)snprintf(path, sizeof(path), "%s/kept", dir);
	CONFINED(&r, "--workspace", dir, "--ro-bind", bind_of(dir, "kept", path), "--", "true");
	assert_refused(&r, "which is writable");
	CONFINED(&r, "--bind", bind_of(dir, "", dir), "--ro-bind", bind_of(dir, "kept", path), "--",
	         "true");
	assert_refused(&r, "which is writable");
	/* By another name. */
	(void)snprintf(link_path, sizeof(link_path), "%s-link", dir);
	assert_int_equal(symlink(dir, link_path), 0);
	(void)snprintf(path, sizeof(path), "%s-link/kept", dir);
	CONFINED(&r, "--workspace", dir, "--ro-bind", bind_of(link_path, "kept", path), "--",
	         "true");
	(void)unlink(link_path);
	assert_refused(&r, "which is writable");
	/* Alone it is what it says. */
	(void)snprintf(path, sizeof(path), "%s/kept", dir);
	CONFINED(&r, "--ro-bind", bind_of(dir, "kept", path), "--", "sh", "-c",
	         "cat \"$0\"; echo more >\"$0\"", path);
	assert_status(&r, 2);
	assert_string_equal(r.out, "as it was\n");
	run_done(&r);
	dir_remove(dir);
}

/* --- Files --- */

static void nothing_outside_is_written(void **state)
{
	static const char *const harms[] = {
		"open.write",  "open.append", "open.neither", "open.neither_cut",
		"open.cut",    "truncate",    "link",         "rename",
		"rename.over", "unlink",      "setxattr"
	};
	static const char *const closed[] = { "chmod", "chown", "utime", "watch" };
	static const char *const elsewhere[] = {
		"/tmp/corral-test-new", "/var/tmp/corral-test-new", "/dev/shm/corral-test-new",
		"/usr/corral-test-new", "/etc/corral-test-new",     "/root/corral-test-new",
	};
	struct run r = { 0 };
	char *outside, *workspace, *before, *after, victim[600], made[600], inside[600];

	(void)state;
	if (!can_confine())
		return;
	outside = dir_make();
	workspace = dir_make();
	file_make(outside, "victim", "untouched\n");
	before = tree_listing(outside);
	(void)snprintf(victim, sizeof(victim), "%s/victim", outside);
	(void)snprintf(made, sizeof(made), "touch.%s/made", outside);
	(void)snprintf(inside, sizeof(inside), "touch.%s/made", workspace);

	CONFINED(&r, PROBE_SAME, "--workspace", workspace, "--", probe, "harm", victim, workspace);
	assert_status(&r, 0);
	assert_all_denied(&r, ALL(harms));
	CONFINED(&r, PROBE_SAME, "--", probe, "harm", victim, "-");
	assert_status(&r, 0);
	assert_all_denied(&r, ALL(harms));
	assert_all_denied(&r, ALL(closed));

	CONFINED(&r, PROBE_SAME, "--workspace", workspace, "--", probe, "touch", made + 6,
	         inside + 6, "/tmp/corral-test-new", "/var/tmp/corral-test-new",
	         "/dev/shm/corral-test-new", "/usr/corral-test-new", "/etc/corral-test-new",
	         "/root/corral-test-new");
	assert_status(&r, 0);
	assert_fact(r.out, made, "EACCES");
	assert_fact(r.out, inside, "ok");
	assert_all_facts(&r, "touch", ALL(elsewhere), "EACCES");
	after = tree_listing(outside);
	assert_string_equal(after, before);
	free(before);
	free(after);
	run_done(&r);
	dir_remove(outside);
	dir_remove(workspace);
}

static void home_and_secrets_are_not_read(void **state)
{
	const struct passwd *me = getpwuid(geteuid());
	const char *home = me && *me->pw_dir ? me->pw_dir : "/root";
	static const char *const closed[] = {
		"/root",
		"/home",
		"/tmp",
		"/etc",
		"/etc/shadow",
		"/proc",
		"/proc/self/environ",
		"/proc/self/root/etc/shadow",
		"/sys",
		"/dev",
		"/run",
		"/var",
		"/",
	};
	struct run r = { 0 };
	char *dir, secret[600];

	(void)state;
	if (!can_confine())
		return;
	dir = dir_make();
	file_make(dir, "secret", "told to nobody\n");
	(void)snprintf(secret, sizeof(secret), "%s/secret", dir);
	CONFINED(&r, PROBE_SAME, "--", probe, "read", home, secret, dir, "/root", "/home", "/tmp",
	         "/etc", "/etc/shadow", "/etc/passwd", "/proc", "/proc/self/environ",
	         "/proc/self/root/etc/shadow", "/sys", "/dev", "/run", "/var", "/", "/usr");
	assert_status(&r, 0);
	assert_all_facts(&r, "read", ARGS(home, secret, dir), 3, "EACCES");
	assert_all_facts(&r, "read", ALL(closed), "EACCES");
	/* The probe works, and programs do. */
	assert_fact(r.out, "read./etc/passwd", "ok");
	assert_fact(r.out, "read./usr", "ok");
	/* Nor by a link that an earlier command left in the workspace. */
	CONFINED(&r, PROBE_SAME, "--workspace", dir, "--", "sh", "-c",
	         "ln -s /etc/shadow l && cat l; echo status=$?");
	assert_fact(r.out, "status", "1");
	run_done(&r);
	dir_remove(dir);
}

static void assert_births_refused(struct run *r, const char *profile, const char *workspace)
{
	static const char *const births[] = { "open",   "open.tmpfile", "creat",  "mknod",
		                              "device", "chmod",        "fchmod", "fchmodat" };
	char *listing;

	CONFINED(r, PROBE_SAME, "--seccomp", profile, "--workspace", workspace, "--", probe,
	         "birth", workspace);
	assert_status(r, 0);
	assert_all_denied(r, ALL(births));
	assert_fact(r->out, "plain", "ok");
	assert_fact(r->out, "chmod.plain", "ok");
	assert_fact(r->out, "open.mode_unused", "ok");
	listing = tree_listing(workspace);
	assert_says(listing, "./born f 700 ");
	free(listing);
}

static void no_file_is_born_set_user_id(void **state)
{
	struct run r = { 0 };
	char *dir;

	(void)state;
	if (!can_confine())
		return;
	dir = dir_make();
	assert_births_refused(&r, "default", dir);
	run_done(&r);
	dir_remove(dir);
}

/* --- The network and what is like it --- */

static void network_is_refused(void **state)
{
	static const char *const families[] = { "socket.inet",    "socket.inet6", "socket.unix",
		                                "socket.netlink", "socket.vsock", "socket.packet",
		                                "pair.dgram",     "pair.raw" };
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	CONFINED(&r, PROBE_SAME, "--", probe, "network");
	assert_status(&r, 0);
	for (size_t i = 0; i < CORRAL_COUNT(families); i++)
		assert_fact(r.out, families[i], "EAFNOSUPPORT");
	assert_fact(r.out, "pair.stream", "ok");
	assert_fact(r.out, "shmget", "EPERM");
	assert_denied(&r, "uring");
	assert_denied(&r, "keyctl");
	/* The host's network is not its sockets in the file system. */
	CONFINED(&r, PROBE_SAME, "--network", "host", "--", probe, "network");
	assert_status(&r, 0);
	assert_fact(r.out, "socket.inet", "ok");
	assert_fact(r.out, "socket.unix", "EAFNOSUPPORT");
	assert_fact(r.out, "pair.dgram", "EAFNOSUPPORT");
	run_done(&r);
}

/* --- Processes --- */

static char sentinel_secret[] = "sentinel";

/* A process of the same user on the host, in a group of its own. */
static pid_t sentinel_start(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)alarm(RUN_DEADLINE_S);
		for (;;)
			(void)pause();
	}
	(void)setpgid(pid, pid);
	return pid;
}

static void assert_unharmed(pid_t pid)
{
	struct rlimit files = { 0, 0 };
	int status;

	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &files), 0);
	assert_true(files.rlim_cur > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static const char *const reaches[] = {
	"open.environ", "open.maps",     "open.mem", "open.cmdline", "open.stat",   "open.cwd/.",
	"open.mem_rw",  "readlink.exe",  "vm_readv", "vm_writev",    "pidfd_getfd", "kcmp",
	"ptrace.seize", "ptrace.attach", "prlimit",  "setpriority",  "scheduler",   "affinity",
	"ioprio",       "kill",          "kill.0",   "kill.group",   "tgkill",      "tkill",
	"sigqueue",     "pidfd_signal",
};

static void assert_out_of_reach(const struct run *r)
{
	assert_status(r, 0);
	assert_all_denied(r, ALL(reaches));
	if (!is_root()) {
		assert_fact(r->out, "setpriority.user", "EPERM");
		assert_fact(r->out, "ioprio.user", "EPERM");
	}
}

static void process_of_the_same_user_is_out_of_reach(void **state)
{
	struct run r = { 0 };
	char pid[16], address[32];
	pid_t sentinel;

	(void)state;
	if (!can_confine())
		return;
	sentinel = sentinel_start();
	(void)snprintf(pid, sizeof(pid), "%d", sentinel);
	(void)snprintf(address, sizeof(address), "%llx",
	               (unsigned long long)(uintptr_t)sentinel_secret);
	CONFINED(&r, PROBE_SAME, "--", probe, "reach", pid, address);
	assert_out_of_reach(&r);
	assert_unharmed(sentinel);
	run_done(&r);
}

static void guest_init_is_out_of_reach(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	CONFINED(&r, PROBE_SAME, "--", probe, "parent");
	assert_out_of_reach(&r);
	assert_string_equal(receipt_text(&r, "reason"), "exit");
	run_done(&r);
}

/* The rules of this tier stand in front of the profile. */
static void profile_that_allows_all_loosens_nothing(void **state)
{
	static const char *const refused[] = { "shmget",      "uring",       "keyctl",
		                               "socket.inet", "socket.unix", "pair.dgram",
		                               "pair.raw" };
	struct run r = { 0 };
	char *dir, *workspace, profile[600], pid[16];
	pid_t sentinel;

	(void)state;
	if (!can_confine())
		return;
	dir = dir_make();
	workspace = dir_make();
	file_make(dir, "profile", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
	(void)snprintf(profile, sizeof(profile), "%s/profile", dir);
	sentinel = sentinel_start();
	(void)snprintf(pid, sizeof(pid), "%d", sentinel);
	CONFINED(&r, PROBE_SAME, "--seccomp", profile, "--", probe, "reach", pid);
	assert_out_of_reach(&r);
	assert_unharmed(sentinel);
	CONFINED(&r, PROBE_SAME, "--seccomp", profile, "--", probe, "network");
	assert_status(&r, 0);
	assert_all_denied(&r, ALL(refused));
	assert_births_refused(&r, profile, workspace);
	run_done(&r);
	dir_remove(dir);
	dir_remove(workspace);
}

/* --- The end --- */

static void timeout_is_124_and_ends_all(void **state)
{
	const char *word = mark("timeout");
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	CONFINED(&r, PROBE_SAME, "--timeout", "400ms", "--", "sh", "-c",
	         "\"$0\" daemon \"$1\"; exec \"$0\" deaf \"$1\"", probe, word);
	assert_status(&r, 124);
	assert_string_equal(receipt_text(&r, "reason"), "timeout");
	assert_says(r.out, "deaf=yes");
	assert_in_range(receipt_number(&r, "wall_usec"), 390000, 5000000);
	assert_nobody_marked(word, 0);
	run_done(&r);
}

static void daemon_is_dead_when_the_run_is_over(void **state)
{
	static const char *const deeds[] = { "daemon", "hide", "hop" };
	const char *word = mark("daemon");
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(deeds); i++) {
		CONFINED(&r, PROBE_SAME, "--", probe, deeds[i], word);
		assert_status(&r, 0);
		assert_says(r.out, "=");
		assert_nobody_marked(word, 0);
		assert_true(receipt_number(&r, "wall_usec") < 3000000);
	}
	run_done(&r);
}

static void daemon_dies_with_a_caller_that_is_killed(void **state)
{
	const char *word = mark("killed");
	int ends[2], status;
	char text[128];
	pid_t pid;

	(void)state;
	if (!can_confine())
		return;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const char *argv[RUN_ARGS_MAX] = { NULL };
		const char *const rest[] = { CORRAL_BINARY,
			                     "run",
			                     "--allow-weaker",
			                     "--timeout",
			                     "60s",
			                     PROBE_SAME,
			                     "--",
			                     "sh",
			                     "-c",
			                     "\"$0\" daemon \"$1\"; exec \"$0\" deaf \"$1\"",
			                     probe,
			                     word };
		size_t n = 0;

		for (; refusing_host[n]; n++)
			argv[n] = refusing_host[n];
		for (size_t i = 0; i < CORRAL_COUNT(rest); i++)
			argv[n++] = rest[i];
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)alarm(RUN_DEADLINE_S);
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	(void)close(ends[1]);
	/* Two lines, in one or two pieces. */
	for (size_t len = 0; len < strlen("daemon=started\ndeaf=yes\n");) {
		ssize_t n = read(ends[0], text + len, sizeof(text) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
		text[len] = '\0';
	}
	assert_says(text, "deaf=yes");
	assert_true(marked(word) >= 3);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(ends[0]);
	assert_nobody_marked(word, 5000);
}

/* What nobody may look at is found as well: hidepid= of proc(5), in namespaces of the test's own.
 */
static void daemon_that_proc_hides_is_dead_too(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_confine())
		return;
	if (!is_root()) {
		skip_without_root("a /proc mounted with hidepid=");
		return;
	}
	run_argv(&r, ARGS("unshare", "--mount", "--propagation", "private", "--pid", "--fork",
	                  "--kill-child", "sh", "-c",
	                  "mount -t proc -o hidepid=2,gid=65533 proc /proc && \"$@\" --timeout 5s "
	                  "--ro-bind \"$0:$0\" -- \"$0\" hide; echo status=$?; "
	                  "ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c corral-test-probe",
	                  probe, CORRAL_TEST_DENY, "--errno", "ENOSYS", "clone3", "--",
	                  CORRAL_TEST_DENY, "--errno", "EPERM", NAMESPACES, "--", CORRAL_BINARY,
	                  "run", "--allow-weaker"));
	assert_says(r.out, "hidden=yes\nstatus=0\n0\n");
	run_done(&r);
}

/* --- As a program: on the host that refuses, with what the command line cannot say ---------------
 */

/* with N PIDS COMMAND...: Landlock as N knows it (0: as it is), PIDS processes (0: as by default),
 * though not by name. */
static int run_with(int argc, char **argv)
{
	struct corral_config *config = corral_config_new();
	struct corral_launcher *launcher = NULL;
	struct corral_policy *policy = NULL;
	struct corral_sandbox *s = NULL;
	struct corral_error err = { 0 };
	struct corral_command command = { .stdin_fd = -1, .stdout_fd = 1, .stderr_fd = 2 };
	const char *readable = getenv("CORRAL_TEST_READABLE");
	long abi = argc > 4 ? strtol(argv[2], NULL, 10) : 0;
	long pids = argc > 4 ? strtol(argv[3], NULL, 10) : 0;
	int r;

	if (!config || argc < 5)
		return 99;
	config->allow_weaker = true;
	r = corral_config_put_mount(config, CORRAL_MOUNT_RO_BIND, probe, probe, 0, &err);
	if (r == 0 && readable)
		r = corral_config_put_mount(config, CORRAL_MOUNT_RO_BIND, readable, readable, 0,
		                            &err);
	if (r == 0)
		r = corral_policy_compile(config, NULL, &policy, &err);
	corral_config_free(config);
	if (r == 0)
		r = corral_launcher_open(0, &launcher, &err);
	if (r == 0) {
		if (abi)
			launcher->host.landlock_abi = (int)abi;
		if (pids)
			policy->limits.pids = (uint64_t)pids;
		r = corral_sandbox_open(launcher, policy, &s, &err);
	}
	command.argv = argv + 4;
	if (r == 0)
		r = corral_sandbox_start(s, &command, &err);
	if (r == 0)
		r = corral_sandbox_wait(s, &err);
	if (r == 0 && corral_sandbox_receipt(s)->tier != CORRAL_TIER_CONFINED)
		r = corral_error_set(&err, EINVAL, "not the tier that was to be tried");
	if (r < 0)
		(void)fprintf(stderr, "%s\n", err.text);
	else
		r = corral_sandbox_receipt(s)->exit_code;
	corral_sandbox_close(s, NULL);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
	return r < 0 ? 98 : r;
}

static void run_self(struct run *r, const char *const *args)
{
	static char self[1024];
	const char *argv[RUN_ARGS_MAX] = { NULL };
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t n = 0;

	assert_true(len > 0);
	self[len] = '\0';
	for (; refusing_host[n]; n++)
		argv[n] = refusing_host[n];
	argv[n++] = self;
	argv[n++] = "with";
	for (; *args && n < RUN_ARGS_MAX - 1; args++)
		argv[n++] = *args;
	run_argv(r, argv);
}

/* Kernels from 5.13 on have Landlock, with less in it: there the filter stands in. */
static void older_landlock_fences_the_same(void **state)
{
	static const char *const abis[] = { "1", "2", "3", "4", "5" };
	static const char *const harms[] = { "open.write",   "open.append",
		                             "open.neither", "open.neither_cut",
		                             "open.cut",     "truncate",
		                             "link",         "rename",
		                             "unlink" };
	struct run r = { 0 };
	char *dir, *before, *after, victim[600], pid[16], address[32];
	long own_abi = syscall(__NR_landlock_create_ruleset, NULL, 0,
	                       1 /* LANDLOCK_CREATE_RULESET_VERSION */);

	(void)state;
	if (!can_confine())
		return;
	dir = dir_make();
	file_make(dir, "victim", "untouched\n");
	before = tree_listing(dir);
	(void)snprintf(victim, sizeof(victim), "%s/victim", dir);
	(void)snprintf(address, sizeof(address), "%llx",
	               (unsigned long long)(uintptr_t)sentinel_secret);
	/* Nothing newer than this kernel's own can be pretended. */
	for (size_t i = 0; i < CORRAL_COUNT(abis) && (long)i < own_abi; i++) {
		pid_t sentinel = sentinel_start();

		(void)snprintf(pid, sizeof(pid), "%d", sentinel);
		run_self(&r, ARGS(abis[i], "0", probe, "reach", pid, address));
		assert_out_of_reach(&r);
		assert_fact(r.out, "owner", "EPERM");
		assert_unharmed(sentinel);
		run_self(&r, ARGS(abis[i], "0", probe, "parent"));
		assert_out_of_reach(&r);
		run_self(&r, ARGS(abis[i], "0", probe, "harm", victim, "-"));
		assert_status(&r, 0);
		assert_all_denied(&r, ALL(harms));
		/* What may be read may not be cut. */
		assert_int_equal(setenv("CORRAL_TEST_READABLE", victim, 1), 0);
		run_self(&r, ARGS(abis[i], "0", probe, "harm", victim, "-"));
		assert_int_equal(unsetenv("CORRAL_TEST_READABLE"), 0);
		assert_status(&r, 0);
		assert_all_denied(&r, ALL(harms));
		run_self(&r, ARGS(abis[i], "0", "cat", victim));
		assert_status(&r, 1);
		after = tree_listing(dir);
		assert_string_equal(after, before);
		free(after);
	}
	free(before);
	run_done(&r);
	dir_remove(dir);
}

/* Threads of ours on the whole host: they count as well. */
static long threads_of_ours(void)
{
	struct run r = { 0 };
	char uid[16];
	long n;

	(void)snprintf(uid, sizeof(uid), "%u", (unsigned int)geteuid());
	run_argv(&r, ARGS("sh", "-c", "ps -L -u \"$0\" -o lwp= | wc -l", uid));
	n = strtol(r.out, NULL, 10);
	run_done(&r);
	return n;
}

/* At most 300, which sleep for five seconds, below a limit from outside: no bomb if the fence is
 * missing. */
static void processes_of_an_ordinary_user_are_bounded(void **state)
{
	struct rlimit old, outer;
	struct run r = { 0 };
	char pids[24];
	long others, children;

	(void)state;
	if (!can_confine())
		return;
	if (is_root()) {
		print_message("not for root, whom RLIMIT_NPROC does not bind\n");
		skip();
	}
	others = threads_of_ours();
	assert_true(others > 0);
	assert_int_equal(getrlimit(RLIMIT_NPROC, &old), 0);
	outer = old;
	if (outer.rlim_cur > (rlim_t)others + 400)
		outer.rlim_cur = (rlim_t)others + 400;
	assert_int_equal(setrlimit(RLIMIT_NPROC, &outer), 0);
	(void)snprintf(pids, sizeof(pids), "%ld", others + 40);
	run_self(&r, ARGS("0", pids, probe, "swarm"));
	assert_int_equal(setrlimit(RLIMIT_NPROC, &old), 0);
	assert_status(&r, 0);
	assert_fact(r.out, "refused", "EAGAIN");
	children = strtol(fact(r.out, "children"), NULL, 10);
	/* 40 and 16 more, but for corral itself, guest init and the probe; and whoever ended
	 * meanwhile. */
	assert_in_range(children, 40, 64);
	run_done(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_consent_it_is_refused_and_offered),
		cmocka_unit_test(consent_changes_nothing_where_all_is_there),
		cmocka_unit_test(without_landlock_there_is_no_tier_and_no_offer),
		cmocka_unit_test(runs_where_clone3_is_refused_too),
		cmocka_unit_test(receipt_and_summary_name_the_tier),
		cmocka_unit_test(what_takes_namespaces_is_an_error_by_name),
		cmocka_unit_test(limits_asked_by_name_hold_or_are_errors),
		cmocka_unit_test(read_only_in_a_writable_directory_is_an_error),
		cmocka_unit_test(nothing_outside_is_written),
		cmocka_unit_test(home_and_secrets_are_not_read),
		cmocka_unit_test(no_file_is_born_set_user_id),
		cmocka_unit_test(network_is_refused),
		cmocka_unit_test(process_of_the_same_user_is_out_of_reach),
		cmocka_unit_test(guest_init_is_out_of_reach),
		cmocka_unit_test(profile_that_allows_all_loosens_nothing),
		cmocka_unit_test(timeout_is_124_and_ends_all),
		cmocka_unit_test(daemon_is_dead_when_the_run_is_over),
		cmocka_unit_test(daemon_dies_with_a_caller_that_is_killed),
		cmocka_unit_test(daemon_that_proc_hides_is_dead_too),
		cmocka_unit_test(older_landlock_fences_the_same),
		cmocka_unit_test(processes_of_an_ordinary_user_are_bounded),
	};

	if (argc > 1 && !strcmp(argv[1], "with"))
		return run_with(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
