/*
 * The sandbox as seen from inside, by corral-test-probe: each namespace, mount, capability set,
 * descriptor, variable and file is what was promised, and nothing of the host is there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "kernel/sandbox.h"
#include "tests/real/sandbox_support.h"

/* One run is looked at by many tests. */
static struct run seen;

static int look_inside(void **state)
{
	(void)state;
	RUN(&seen, PROBE, "--", "/probe");
	return 0;
}

static int look_away(void **state)
{
	(void)state;
	run_done(&seen);
	return 0;
}

static bool looked(void)
{
	if (seen.status == 0)
		return true;
	corral_test_skip("a working `corral run`: %s", seen.err);
	return false;
}

static void probe_tells_all(void **state)
{
	(void)state;
	if (!looked())
		return;
	assert_fact(seen.out, "told", "all");
	assert_string_equal(receipt_text(&seen, "reason"), "exit");
	assert_string_equal(receipt_text(&seen, "tier"), "full");
}

static void assert_namespaces_differ(const char *text)
{
	static const char *const names[] = { "user", "mnt", "pid", "ipc", "uts", "cgroup", "net" };

	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		char key[32], path[64], own[64] = "";

		(void)snprintf(key, sizeof(key), "ns.%s", names[i]);
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		assert_true(readlink(path, own, sizeof(own) - 1) > 0);
		assert_non_null(fact(text, key));
		assert_int_equal(strncmp(fact(text, key), names[i], strlen(names[i])), 0);
		assert_string_not_equal(fact(text, key), own);
	}
}

static void every_namespace_is_another(void **state)
{
	(void)state;
	if (looked())
		assert_namespaces_differ(seen.out);
}

static void root_has_nothing_above_it(void **state)
{
	(void)state;
	if (!looked())
		return;
	assert_fact(seen.out, "root.above", "itself");
	/* Two listings of one directory. */
	assert_null(fact(seen.out, "above.boot"));
	assert_null(fact(seen.out, "dir.boot"));
	assert_non_null(fact(seen.out, "above.probe"));
}

static void root_holds_what_was_promised_and_no_more(void **state)
{
	static const char *const allowed[] = { "bin",      "dev",   "etc",    "home", "lib",
		                               "lib32",    "lib64", "libx32", "mnt",  "opt",
		                               "proc",     "root",  "run",    "sbin", "srv",
		                               "sys",      "tmp",   "usr",    "var",  "probe",
		                               "workspace" };

	(void)state;
	if (!looked())
		return;
	for (const char *line = seen.out; (line = strstr(line, "\ndir.")) != NULL; line++) {
		size_t len = strcspn(line + 5, "="), i;

		for (i = 0; i < CORRAL_COUNT(allowed); i++)
			if (strlen(allowed[i]) == len && !strncmp(line + 5, allowed[i], len))
				break;
		if (i == CORRAL_COUNT(allowed))
			fail_msg("/%.*s is there", (int)len, line + 5);
	}
}

static void etc_holds_no_configuration_of_the_host(void **state)
{
	static const char *const absent[] = { "shadow",      "gshadow", "machine-id",  "ssh",
		                              "sudoers",     "fstab",   "hostid",      "cron.d",
		                              "crypttab",    "systemd", "environment", "apt",
		                              "ssl/private", "passwd-", "krb5.keytab", "sudoers.d",
		                              "pam.d" };
	static const char *const allowed[] = {
		"ld.so.cache", "alternatives", "ssl",       "pki",           "crypto-policies",
		"fonts",       "mime.types",   "protocols", "services",      "perl",
		"magic",       "inputrc",      "terminfo",  "nsswitch.conf", "host.conf",
		"shells",      "profile",      "passwd",    "group",         "hostname",
		"hosts",       "resolv.conf",  "mtab",      "os-release",    "localtime",
	};

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(absent); i++) {
		char key[64];

		(void)snprintf(key, sizeof(key), "etc.%s", absent[i]);
		assert_null(fact(seen.out, key));
	}
	for (const char *line = seen.out; (line = strstr(line, "\netc.")) != NULL; line++) {
		const char *name = line + 5;
		size_t len = strcspn(name, "="), i;

		for (i = 0; i < CORRAL_COUNT(allowed); i++)
			if (strlen(allowed[i]) == len && !strncmp(name, allowed[i], len))
				break;
		/* Versions come and go. */
		if (i == CORRAL_COUNT(allowed) && strncmp(name, "python3", 7) != 0 &&
		    strncmp(name, "java-", 5) != 0 && strncmp(name, "ImageMagick", 11) != 0)
			fail_msg("/etc/%.*s is there", (int)len, name);
	}
	assert_fact(seen.out, "passwd",
	            "root:x:0:0:root:/root:/bin/sh "
	            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin");
}

static void directories_of_the_host_are_empty_inside(void **state)
{
	static const char *const empty[] = { "\nhome.", "\nroot.", "\nrun.",
		                             "\ntmp.",  "\nsys.",  "\npts.0" };
	static const char *const var[] = { "lock", "run", "tmp", "log", "lib", "cache" };

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(empty); i++) {
		/* "root.above" is a fact of its own kind. */
		const char *line = strstr(seen.out, empty[i]);

		if (line && !strncmp(line, "\nroot.above=", 12))
			line = strstr(line + 1, empty[i]);
		if (line)
			fail_msg("there is something: %.60s", line + 1);
	}
	for (const char *line = seen.out; (line = strstr(line, "\nvar.")) != NULL; line++) {
		size_t len = strcspn(line + 5, "="), i;

		for (i = 0; i < CORRAL_COUNT(var); i++)
			if (strlen(var[i]) == len && !strncmp(line + 5, var[i], len))
				break;
		if (i == CORRAL_COUNT(var))
			fail_msg("/var/%.*s is there", (int)len, line + 5);
	}
}

static void every_mount_has_its_flags(void **state)
{
	static const char *const read_only[] = { "/proc",  "/dev",       "/usr/local/etc",
		                                 "/probe", "/proc/keys", "/proc/kmsg" };
	char key[1100];

	(void)state;
	if (!looked())
		return;
	for (const char *line = seen.out; (line = strstr(line, "\nmount.")) != NULL; line++) {
		char one[2048];

		(void)snprintf(one, sizeof(one), "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
		if (!strstr(one, "nosuid"))
			fail_msg("not nosuid: %s", one);
		if (!strstr(one, "nodev") && strncmp(one, "mount./dev", 10) != 0)
			fail_msg("not nodev: %s", one);
		if (!strncmp(one, "mount./dev", 10) && !strstr(one, "noexec"))
			fail_msg("not noexec: %s", one);
	}
	for (size_t i = 0; i < CORRAL_COUNT(read_only); i++) {
		(void)snprintf(key, sizeof(key), "mount.%s", read_only[i]);
		if (fact(seen.out, key))
			assert_says(fact(seen.out, key), " ro,");
	}
	assert_non_null(fact(seen.out, "mount./proc"));
	assert_says(fact(seen.out, "mount./dev/pts"), "devpts");
	assert_null(fact(seen.out, "mount./sys"));
	/* One that was composed for this sandbox, or an overlay on the one that serves all. */
	assert_says(fact(seen.out, "mount./"), " rw,");
	if (strncmp(fact(seen.out, "mount./"), "overlay ", 8) != 0)
		assert_says(fact(seen.out, "mount./"), "tmpfs ");
}

static void capabilities_are_none_in_every_set(void **state)
{
	static const char *const sets[] = { "status.CapInh", "status.CapPrm", "status.CapEff",
		                            "status.CapBnd", "status.CapAmb" };

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(sets); i++)
		assert_fact(seen.out, sets[i], "0000000000000000");
	assert_string_equal(fact(seen.out, "securebits"), fact(seen.out, "securebits_wanted"));
	assert_fact(seen.out, "status.NoNewPrivs", "1");
	assert_fact(seen.out, "status.Seccomp", "2");
}

static void ids_are_the_policys(void **state)
{
	(void)state;
	if (!looked())
		return;
	assert_fact(seen.out, "status.Uid", "0 0 0 0");
	assert_fact(seen.out, "status.Gid", "0 0 0 0");
	if (is_root()) {
		unsigned int inside = 1, base = 0, count = 0;

		assert_fact(seen.out, "status.Groups", "");
		assert_int_equal(sscanf(fact(seen.out, "uid_map"), "%u %u %u", &inside, &base,
		                        &count),
		                 3);
		assert_int_equal(inside, 0);
		assert_int_equal(count, 65536);
		assert_true(base >= 65536); /* nobody who exists */
		assert_string_equal(fact(seen.out, "uid_map"), fact(seen.out, "gid_map"));
	} else {
		assert_fact(seen.out, "uid_map", "0 0 1");
		assert_fact(seen.out, "setgroups", "deny");
	}
}

static void descriptors_are_three(void **state)
{
	struct run r = { 0 };
	int kept[3];

	(void)state;
	if (!looked())
		return;
	/* A caller that leaks: no O_CLOEXEC, low and high. */
	kept[0] = open("/", O_RDONLY); /* NOLINT(android-cloexec-open): the point of it */
	kept[1] = dup2(kept[0], 100);  /* NOLINT(android-cloexec-dup) */
	kept[2] = dup2(kept[0], 700);  /* NOLINT(android-cloexec-dup) */
	RUN(&r, PROBE, "--", "/probe");
	for (size_t i = 0; i < CORRAL_COUNT(kept); i++)
		(void)close(kept[i]);
	assert_status(&r, 0);
	for (int fd = 0; fd < 1024; fd++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "fd.%d", fd);
		if (fd > 2 && fact(r.out, key))
			fail_msg("descriptor %d is open: %s", fd, fact(r.out, key));
		if (fd <= 2)
			assert_non_null(fact(r.out, key));
	}
	assert_fact(r.out, "fd.0", "/dev/null");
	run_done(&r);
}

static void environment_is_the_policys(void **state)
{
	static const char wanted[] =
	        "\nenv.PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	        "env.HOME=/root\nenv.USER=root\nenv.LANG=C.UTF-8\nenv.HOSTNAME=corral\n";
	struct run r = { 0 };
	unsigned int n = 0;

	(void)state;
	if (!looked())
		return;
	assert_says(seen.out, wanted);
	for (const char *line = seen.out; (line = strstr(line, "\nenv.")) != NULL; line++)
		n++;
	assert_int_equal(n, 5);

	assert_int_equal(setenv("CORRAL_TEST_SECRET", "seen", 1), 0);
	RUN(&r, PROBE, "--clear-env", "--env", "ONE=1", "--env", "ONE=2", "--", "/probe");
	assert_int_equal(unsetenv("CORRAL_TEST_SECRET"), 0);
	assert_status(&r, 0);
	assert_fact(r.out, "env.ONE", "2");
	n = 0;
	for (const char *line = r.out; (line = strstr(line, "\nenv.")) != NULL; line++)
		n++;
	assert_int_equal(n, 1);
	run_done(&r);
}

static void process_begins_as_new(void **state)
{
	struct run r = { 0 };
	mode_t mask;

	(void)state;
	if (!looked())
		return;
	assert_fact(seen.out, "cwd", "/workspace");
	assert_fact(seen.out, "hostname", "corral");
	assert_fact(seen.out, "pid", "2");
	assert_fact(seen.out, "ppid", "1");
	assert_fact(seen.out, "sid", "2");
	assert_fact(seen.out, "tty", "ENXIO");
	assert_fact(seen.out, "personality", "0");

	/* A caller with habits of its own. */
	mask = umask(077);
	for (int signo = 1; signo < 32; signo++)
		if (signo != SIGKILL && signo != SIGSTOP)
			(void)signal(signo, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL); /* the test waits */
	RUN(&r, PROBE, "--", "/probe");
	for (int signo = 1; signo < 32; signo++)
		(void)signal(signo, SIG_DFL);
	(void)umask(mask);
	assert_status(&r, 0);
	assert_fact(r.out, "umask", "22");
	assert_fact(r.out, "status.SigBlk", "0000000000000000");
	assert_fact(r.out, "status.SigIgn", "0000000000000000");
	run_done(&r);
}

static void blocked_signals_of_the_caller_stay_outside(void **state)
{
	struct run r = { 0 };
	sigset_t some, old;

	(void)state;
	if (!looked())
		return;
	(void)sigemptyset(&some);
	(void)sigaddset(&some, SIGUSR1);
	(void)sigaddset(&some, SIGPIPE);
	(void)sigaddset(&some, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &some, &old);
	RUN(&r, PROBE, "--", "/probe");
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	assert_status(&r, 0);
	assert_fact(r.out, "status.SigBlk", "0000000000000000");
	run_done(&r);
}

static void process_limits_are_set(void **state)
{
	(void)state;
	if (!looked())
		return;
	assert_fact(seen.out, "rlimit.core", "1:1");
	assert_fact(seen.out, "rlimit.nofile", "4096:4096");
	assert_fact(seen.out, "rlimit.fsize", "1073741824:1073741824");
	assert_fact(seen.out, "rlimit.rtprio", "0:0");
	assert_fact(seen.out, "rlimit.nice", "0:0");
}

static void network_is_loopback_alone(void **state)
{
	unsigned int n = 0;

	(void)state;
	if (!looked())
		return;
	assert_fact(seen.out, "interface.lo", "up");
	for (const char *line = seen.out; (line = strstr(line, "\ninterface.")) != NULL; line++)
		n++;
	assert_int_equal(n, 1);
}

static void control_groups_of_the_host_have_no_names_inside(void **state)
{
	const char *groups;

	(void)state;
	if (!looked())
		return;
	groups = fact(seen.out, "cgroup");
	for (const char *p = groups; (p = strchr(p, '/')) != NULL; p++)
		if (p[1] && p[1] != ' ')
			fail_msg("a group below the root is seen: %s", groups);
}

static void devices_are_the_six(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "dev.null", "char 1:3 666" },    { "dev.zero", "char 1:5 666" },
		{ "dev.full", "char 1:7 666" },    { "dev.random", "char 1:8 666" },
		{ "dev.urandom", "char 1:9 666" }, { "dev.tty", "char 5:0 666" },
	};
	unsigned int n = 0;

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		assert_fact(seen.out, rows[i].key, rows[i].value);
	for (const char *line = seen.out; (line = strstr(line, "\ndev.")) != NULL; line++) {
		const char *value = strchr(line, '=');

		n += value && (!strncmp(value, "=char", 5) || !strncmp(value, "=block", 6));
	}
	assert_int_equal(n, CORRAL_COUNT(rows));
	assert_fact(seen.out, "write./dev/null", "ok");
	assert_fact(seen.out, "write./dev/new-file", "EROFS");
}

static void proc_cannot_be_written(void **state)
{
	static const char *const keys[] = { "write./proc/sysrq-trigger",
		                            "write./proc/sys/kernel/core_pattern",
		                            "write./proc/sys/kernel/hostname",
		                            "write./proc/sys/vm/overcommit_memory",
		                            "write./proc/self/oom_score_adj",
		                            "write./proc/self/uid_map",
		                            "write./proc/self/attr/current",
		                            "write./proc/kcore",
		                            "write./proc/1/mem",
		                            "write./proc/1/oom_score_adj" };

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(keys); i++) {
		const char *value = fact(seen.out, keys[i]);

		assert_non_null(value);
		if (strcmp(value, "EROFS") != 0 && strcmp(value, "EACCES") != 0 &&
		    strcmp(value, "ENOENT") != 0 && strcmp(value, "EPERM") != 0)
			fail_msg("%s is '%s'", keys[i], value);
	}
}

/* What of /etc is the host's own file cannot be changed; of a copy the sandbox has its own. */
static void hosts_etc_is_a_copy_or_cannot_be_written(void **state)
{
	const char *mount;

	(void)state;
	if (!looked())
		return;
	mount = fact(seen.out, "mount./etc/ld.so.cache");
	if (mount) {
		assert_string_not_equal(fact(seen.out, "write./etc/ld.so.cache"), "ok");
		assert_says(mount, " ro,");
	} else {
		assert_fact(seen.out, "write./etc/ld.so.cache", "ok");
	}
}

static void init_cannot_be_killed_traced_or_read(void **state)
{
	static const char *const keys[] = { "read./proc/1/environ", "read./proc/1/maps",
		                            "read./proc/1/root",    "read./proc/1/cwd",
		                            "read./proc/1/exe",     "read./proc/1/fd/3",
		                            "call.ptrace_init",     "call.vm_readv_init" };

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(keys); i++) {
		const char *value = fact(seen.out, keys[i]);

		assert_non_null(value);
		if (strcmp(value, "EACCES") != 0 && strcmp(value, "EPERM") != 0)
			fail_msg("%s is '%s'", keys[i], value);
	}
	assert_fact(seen.out, "init_alive", "yes");
}

static void refusals_have_their_errno(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "call.bpf", "EPERM" },
		{ "call.socket_alg", "EAFNOSUPPORT" },
		{ "call.socket_packet", "EAFNOSUPPORT" },
		{ "call.socket_vsock", "EAFNOSUPPORT" },
		{ "call.socket_inet", "ok" },
		{ "call.unshare_user", "EPERM" },
		{ "call.unshare_mount", "EPERM" },
		{ "call.clone3", "ENOSYS" },
		{ "call.clone_newuser", "EPERM" },
		{ "call.mount", "EPERM" },
		{ "call.umount", "EPERM" },
		{ "call.keyctl", "EPERM" },
		{ "call.add_key", "EPERM" },
		{ "call.sethostname", "EPERM" },
	};

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		assert_fact(seen.out, rows[i].key, rows[i].value);
	/* Landlock's answer, or the user namespace's. */
	if (strcmp(fact(seen.out, "call.mknod"), "EACCES") != 0)
		assert_fact(seen.out, "call.mknod", "EPERM");
}

static void refused_calls_are_told_by_name_and_number(void **state)
{
	struct run r = { 0 };
	json_t *list, *d;
	size_t i;
	int found = 0;

	(void)state;
	if (!looked())
		return;
	RUN(&r, PROBE, "--", "/probe", "refuse", "3");
	assert_status(&r, 0);
	list = json_object_get(r.receipt, "denials");
	json_array_foreach(list, i, d)
	{
		const char *call = json_string_value(json_object_get(d, "call"));
		json_int_t count = json_integer_value(json_object_get(d, "count"));
		const char *code = json_string_value(json_object_get(d, "error"));

		if (!strncmp(call, "bpf", 3)) {
			assert_int_equal(count, 3);
			assert_string_equal(code, "EPERM");
			assert_non_null(json_string_value(json_object_get(d, "rule")));
			found |= 1;
		} else if (!strncmp(call, "socket", 6)) {
			assert_non_null(strstr(call, "AF_ALG"));
			assert_int_equal(count, 1);
			assert_string_equal(code, "EAFNOSUPPORT");
			found |= 2;
		} else if (!strncmp(call, "unshare", 7)) {
			assert_int_equal(count, 1);
			found |= 4;
		} else {
			fail_msg("'%s' was refused and never called", call);
		}
	}
	assert_int_equal(found, 7);
	run_done(&r);
}

static void added_capability_is_kept_and_no_other(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!looked())
		return;
	RUN(&r, PROBE, "--cap-add", "chown", "--", "/probe");
	assert_status(&r, 0);
	assert_fact(r.out, "status.CapEff", "0000000000000001");
	assert_fact(r.out, "status.CapPrm", "0000000000000001");
	assert_fact(r.out, "status.CapBnd", "0000000000000001");
	assert_fact(r.out, "status.CapAmb", "0000000000000000");
	run_done(&r);
}

static void user_inside_is_the_one_asked_for(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!looked())
		return;
	RUN(&r, PROBE, "--user", "1000:1001", "--", "/probe");
	assert_status(&r, 0);
	assert_fact(r.out, "status.Uid", "1000 1000 1000 1000");
	assert_fact(r.out, "status.Gid", "1001 1001 1001 1001");
	assert_fact(r.out, "status.CapEff", "0000000000000000");
	assert_fact(r.out, "env.USER", "user");
	run_done(&r);
}

/* The lines that say the same in every sandbox: all but ids of namespaces, ranges, groups and
 * files. */
static char *lasting_facts(const char *text)
{
	/* A pooled launcher leaves the place it starts from, an empty directory, on /sys. */
	static const char *const passing[] = { /* The empty launchpad lies there, read-only. */
		                               "write./sys/new-file=",
		                               "ns.",
		                               "uid_map=",
		                               "gid_map=",
		                               "fd.",
		                               "pid=",
		                               "sid=",
		                               "pgid=",
		                               "status.Pid=",
		                               "status.NSpid=",
		                               "status.NSsid=",
		                               "cgroup=",
		                               "mount./sys=",
		                               "sys.",
		                               "dir.sys=",
		                               "above.sys="
	};
	char *out = calloc(1, strlen(text) + 1);
	size_t len = 0;

	assert_non_null(out);
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n") + 1, i;

		for (i = 0; i < CORRAL_COUNT(passing); i++)
			if (!strncmp(line, passing[i], strlen(passing[i])))
				break;
		if (i == CORRAL_COUNT(passing)) {
			memcpy(out + len, line, n);
			len += n;
		}
		line += n;
	}
	return out;
}

static bool has_line(const char *text, const char *line, size_t len)
{
	for (; *text; text += strcspn(text, "\n") + 1)
		if (strcspn(text, "\n") == len && !strncmp(text, line, len))
			return true;
	return false;
}

/* In any order: mounts are listed as they were made, by two sides that do not wait for each other.
 */
static void assert_same_lines(const char *told, const char *wanted)
{
	for (const char *line = told; *line; line += strcspn(line, "\n") + 1)
		if (!has_line(wanted, line, strcspn(line, "\n")))
			fail_msg("'%.*s' is told, and not wanted", (int)strcspn(line, "\n"), line);
	for (const char *line = wanted; *line; line += strcspn(line, "\n") + 1)
		if (!has_line(told, line, strcspn(line, "\n")))
			fail_msg("'%.*s' is wanted, and not told", (int)strcspn(line, "\n"), line);
}

static char *probe_through(struct corral_launcher *launcher, const struct corral_policy *policy)
{
	char *argv[] = { (char *)"/probe", NULL };
	struct corral_command command = { .argv = argv, .stdin_fd = -1, .stderr_fd = -1 };
	struct corral_sandbox *s = NULL;
	struct corral_error err = { 0 };

	command.stdout_fd = memfd_create("out", MFD_CLOEXEC);
	assert_true(command.stdout_fd >= 0);
	if (corral_sandbox_open(launcher, policy, &s, &err) < 0 ||
	    corral_sandbox_start(s, &command, &err) < 0 || corral_sandbox_wait(s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(corral_sandbox_receipt(s)->exit_code, 0);
	corral_sandbox_close(s, NULL);
	return support_text(command.stdout_fd);
}

/* What is made ahead, and starts from a mount namespace of its own, is as tight as what is made for
 * one run. */
static void pooled_sandboxes_are_the_same_inside(void **state)
{
	struct corral_config *config = corral_config_new();
	struct corral_launcher *launcher = NULL;
	struct corral_policy *policy = NULL;
	struct corral_error err = { 0 };
	char *wanted, *text, *told;

	(void)state;
	assert_non_null(config);
	if (!looked()) {
		corral_config_free(config);
		return;
	}
	assert_int_equal(corral_config_add_mount(config, CORRAL_MOUNT_RO_BIND, probe_bind, &err),
	                 0);
	assert_int_equal(corral_policy_compile(config, NULL, &policy, &err), 0);
	corral_config_free(config);
	if (corral_launcher_open(CORRAL_LAUNCHER_POOLED, &launcher, &err) < 0)
		fail_msg("%s", err.text);
	wanted = lasting_facts(seen.out);
	for (int i = 0; i < 6; i++) {
		text = probe_through(launcher, policy);
		told = lasting_facts(text);
		assert_same_lines(told, wanted);
		for (int fd = 3; fd < 64; fd++) {
			char key[16];

			(void)snprintf(key, sizeof(key), "fd.%d", fd);
			assert_null(fact(text, key));
		}
		assert_namespaces_differ(text);
		assert_string_not_equal(fact(text, "write./sys/new-file"), "ok");
		if (fact(text, "mount./sys"))
			assert_says(fact(text, "mount./sys"), ",nosuid,nodev,noexec,");
		free(told);
		free(text);
	}
	free(wanted);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
}

static void subordinate_ids_make_a_range_for_an_ordinary_user(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!looked())
		return;
	if (is_root()) {
		print_message("root has ranges of its own\n");
		skip();
	}
	RUN(&r, PROBE, "--ids", "range", "--user", "33", "--", "/probe");
	if (r.status == 125) {
		print_message("no subordinate ids here: %s", r.err);
		run_done(&r);
		skip();
	}
	assert_status(&r, 0);
	assert_fact(r.out, "uid_map", "0 0 1 1 1 65535");
	assert_fact(r.out, "status.Uid", "33 33 33 33");
	assert_fact(r.out, "status.CapEff", "0000000000000000");
	assert_fact(r.out, "status.CapBnd", "0000000000000000");
	assert_fact(r.out, "root.above", "itself");
	run_done(&r);
}

static void receipt_names_every_layer(void **state)
{
	static const char *const always[] = {
		"user-namespace", "mount-namespace",  "pid-namespace",     "ipc-namespace",
		"uts-namespace",  "cgroup-namespace", "network-namespace", "own-root",
		"locked-mounts",  "capabilities",     "no-new-privs",      "seccomp",
		"rlimits",        "keyring"
	};

	(void)state;
	if (!looked())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(always); i++)
		if (!receipt_lists(&seen, "layers", always[i]))
			fail_msg("'%s' is not among the layers", always[i]);
	if (is_root())
		assert_true(receipt_lists(&seen, "layers", "id-range"));
}

/* Landlock takes this from every process that it fences, unless it is told not to. */
static void files_are_renamed_from_directory_to_directory(void **state)
{
	static const char line[] = "mkdir a b && : >a/x && ln a/x b/l && python3 -c 'import os; "
	                           "os.rename(\"a/x\", \"b/y\"); "
	                           "os.rename(\"b\", \"a/c\")' && test -e a/c/y";
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&r, "--", "sh", "-c", line);
	assert_status(&r, 0);
	run_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_tells_all),
		cmocka_unit_test(every_namespace_is_another),
		cmocka_unit_test(root_has_nothing_above_it),
		cmocka_unit_test(root_holds_what_was_promised_and_no_more),
		cmocka_unit_test(etc_holds_no_configuration_of_the_host),
		cmocka_unit_test(directories_of_the_host_are_empty_inside),
		cmocka_unit_test(every_mount_has_its_flags),
		cmocka_unit_test(capabilities_are_none_in_every_set),
		cmocka_unit_test(ids_are_the_policys),
		cmocka_unit_test(descriptors_are_three),
		cmocka_unit_test(environment_is_the_policys),
		cmocka_unit_test(process_begins_as_new),
		cmocka_unit_test(blocked_signals_of_the_caller_stay_outside),
		cmocka_unit_test(process_limits_are_set),
		cmocka_unit_test(network_is_loopback_alone),
		cmocka_unit_test(control_groups_of_the_host_have_no_names_inside),
		cmocka_unit_test(devices_are_the_six),
		cmocka_unit_test(proc_cannot_be_written),
		cmocka_unit_test(hosts_etc_is_a_copy_or_cannot_be_written),
		cmocka_unit_test(init_cannot_be_killed_traced_or_read),
		cmocka_unit_test(refusals_have_their_errno),
		cmocka_unit_test(refused_calls_are_told_by_name_and_number),
		cmocka_unit_test(added_capability_is_kept_and_no_other),
		cmocka_unit_test(user_inside_is_the_one_asked_for),
		cmocka_unit_test(pooled_sandboxes_are_the_same_inside),
		cmocka_unit_test(subordinate_ids_make_a_range_for_an_ordinary_user),
		cmocka_unit_test(receipt_names_every_layer),
		cmocka_unit_test(files_are_renamed_from_directory_to_directory),
	};

	return cmocka_run_group_tests(tests, look_inside, look_away);
}
