/* policy/policy.h: what makes sense is completed, what does not is refused with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/caps.h"
#include "policy/policy.h"

static struct corral_config *config(const char *json)
{
	struct corral_config *c = corral_config_new();
	struct corral_error err = { 0 };

	assert_non_null(c);
	if (corral_config_parse(c, json, strlen(json), &err) < 0)
		fail_msg("%s: %s", json, err.text);
	return c;
}

static struct corral_policy *compile(struct corral_config *c)
{
	struct corral_policy *p = NULL;
	struct corral_error err = { 0 };

	if (corral_policy_compile(c, NULL, &p, &err) < 0)
		fail_msg("%s", err.text);
	corral_config_free(c);
	return p;
}

static void refused(const char *json, int code, const char *text)
{
	struct corral_config *c = config(json);
	struct corral_policy *untouched = (struct corral_policy *)(uintptr_t)1, *p = untouched;
	struct corral_error err = { 0 };

	assert_int_equal(corral_policy_compile(c, NULL, &p, &err), -code);
	assert_ptr_equal(p, untouched);
	assert_int_equal(err.code, code);
	if (strncmp(err.text, text, strlen(text)) != 0)
		fail_msg("'%s' does not begin with '%s'", err.text, text);
	corral_config_free(c);
}

static const char *env(const struct corral_policy *p, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < p->n_env; i++) {
		size_t len = strlen(name);

		if (strncmp(p->env[i], name, len) != 0 || p->env[i][len] != '=')
			continue;
		assert_null(found);
		found = p->env[i] + len + 1;
	}
	return found;
}

static void empty_configuration_becomes_the_default_policy(void **state)
{
	struct corral_policy *p = compile(config("{}"));

	(void)state;
	assert_true(p->rootfs_is_host);
	assert_null(p->rootfs_path);
	assert_null(p->workspace_path);
	assert_string_equal(p->work_dir, "/workspace");
	assert_string_equal(p->hostname, "corral");
	assert_int_equal(p->n_mounts, 0);
	assert_true(p->guest_uid == 0 && p->guest_gid == 0);
	assert_int_equal(p->network, CORRAL_NETWORK_NONE);
	assert_int_equal(p->caps, 0);
	assert_true(p->seccomp.n_insns > 0);
	assert_int_equal(p->limits_asked, 0);
	corral_policy_free(p);
}

static void environment_has_the_defaults_and_nothing_of_the_host(void **state)
{
	struct corral_policy *p;

	(void)state;
	assert_int_equal(setenv("CORRAL_TEST_SECRET", "x", 1), 0);
	p = compile(config("{}"));
	assert_int_equal(p->n_env, 5);
	assert_null(p->env[5]);
	assert_string_equal(env(p, "PATH"),
	                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	assert_string_equal(env(p, "HOME"), "/root");
	assert_string_equal(env(p, "USER"), "root");
	assert_string_equal(env(p, "LANG"), "C.UTF-8");
	assert_string_equal(env(p, "HOSTNAME"), "corral");
	corral_policy_free(p);
}

static void home_of_another_user_is_the_work_directory(void **state)
{
	struct corral_policy *p = compile(config("{\"user\":1000,\"work_dir\":\"/w\"}"));

	(void)state;
	assert_string_equal(env(p, "HOME"), "/w");
	assert_string_equal(env(p, "USER"), "user");
	assert_true(p->guest_uid == 1000 && p->guest_gid == 1000);
	corral_policy_free(p);
}

static void hosts_root_has_the_accounts_that_are_composed(void **state)
{
	static const struct {
		const char *json;
		uint32_t uid, gid;
	} rows[] = {
		{ "{\"user\":\"root\"}", 0, 0 },
		{ "{\"user\":\"nobody\"}", 65534, 65534 },
		{ "{\"user\":\"nobody:tty\"}", 65534, 5 },
		{ "{\"user\":\"1000:nogroup\",\"rootfs\":\"host\"}", 1000, 65534 },
		{ "{\"user\":\"root:7\"}", 0, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct corral_policy *p = compile(config(rows[i].json));

		assert_int_equal(p->guest_uid, rows[i].uid);
		assert_int_equal(p->guest_gid, rows[i].gid);
		assert_int_equal(p->n_groups, 0);
		corral_policy_free(p);
	}
}

static void groups_above_the_range_are_left_out(void **state)
{
	struct corral_config *c = config("{\"user\":\"7:8\"}");
	struct corral_policy *p, *other;

	(void)state;
	c->n_groups = 3;
	c->guest_groups[0] = 50;
	c->guest_groups[1] = 65536;
	c->guest_groups[2] = 65535;
	p = compile(c);
	assert_int_equal(p->n_groups, 2);
	assert_int_equal(p->guest_groups[0], 50);
	assert_int_equal(p->guest_groups[1], 65535);
	assert_int_equal(p->n_groups_beyond, 1);
	/* A sandbox with other groups is another's. */
	other = compile(config("{\"user\":\"7:8\"}"));
	assert_false(corral_policy_interchangeable(p, other));
	other->n_groups = 2;
	other->n_groups_beyond = 1;
	assert_false(corral_policy_interchangeable(p, other));
	memcpy(other->guest_groups, p->guest_groups, sizeof(p->guest_groups));
	assert_true(corral_policy_interchangeable(p, other));
	corral_policy_free(other);
	corral_policy_free(p);
}

static void variables_asked_for_replace_defaults_and_each_other(void **state)
{
	struct corral_config *c = config("{\"env\":{\"PATH\":\"/bin\",\"A\":\"1\"}}");
	struct corral_policy *p;

	(void)state;
	assert_int_equal(corral_config_add_env(c, "A=2", NULL), 0);
	p = compile(c);
	assert_string_equal(env(p, "PATH"), "/bin");
	assert_string_equal(env(p, "A"), "2");
	corral_policy_free(p);
}

static void cleared_environment_has_only_what_was_asked_for(void **state)
{
	struct corral_policy *p = compile(config("{\"clear_env\":true,\"env\":{\"A\":\"\"}}"));

	(void)state;
	assert_int_equal(p->n_env, 1);
	assert_string_equal(p->env[0], "A=");
	assert_null(p->env[1]);
	corral_policy_free(p);
}

static void guest_paths_are_normalised(void **state)
{
	struct corral_policy *p =
	        compile(config("{\"work_dir\":\"//a/./b//"
	                       "\",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x/\"}]}"));

	(void)state;
	assert_string_equal(p->work_dir, "/a/b");
	assert_string_equal(p->mounts[0].guest_path, "/x");
	corral_policy_free(p);
}

static void outer_mounts_come_before_inner_ones(void **state)
{
	struct corral_policy *p = compile(config("{\"mounts\":["
	                                         "{\"type\":\"tmpfs\",\"target\":\"/a/b/c\"},"
	                                         "{\"type\":\"tmpfs\",\"target\":\"/z\"},"
	                                         "{\"type\":\"tmpfs\",\"target\":\"/a/b\"},"
	                                         "{\"type\":\"tmpfs\",\"target\":\"/a\"}]}"));

	(void)state;
	assert_string_equal(p->mounts[0].guest_path, "/z");
	assert_string_equal(p->mounts[1].guest_path, "/a");
	assert_string_equal(p->mounts[2].guest_path, "/a/b");
	assert_string_equal(p->mounts[3].guest_path, "/a/b/c");
	corral_policy_free(p);
}

static void relative_host_paths_begin_at_the_current_directory(void **state)
{
	struct corral_policy *p =
	        compile(config("{\"workspace\":\".\",\"rootfs\":\"./r/../s\",\"mounts\":["
	                       "{\"type\":\"bind\",\"source\":\"d\",\"target\":\"/x\"}]}"));
	char expected[PATH_MAX + 16], cwd[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_string_equal(p->workspace_path, cwd);
	(void)snprintf(expected, sizeof(expected), "%s/d", cwd);
	assert_string_equal(p->mounts[0].host_path, expected);
	/* ".." stays: where it leads depends on whether r is a symbolic link. */
	(void)snprintf(expected, sizeof(expected), "%s/r/../s", cwd);
	assert_string_equal(p->rootfs_path, expected);
	corral_policy_free(p);
}

static void flag_replaces_the_json_mount_on_the_same_path(void **state)
{
	struct corral_config *c =
	        config("{\"mounts\":[{\"type\":\"bind\",\"source\":\"/a\",\"target\":\"/x\"}]}");
	struct corral_policy *p;

	(void)state;
	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_RO_BIND, "/b:/x/", NULL), 0);
	p = compile(c);
	assert_int_equal(p->n_mounts, 1);
	assert_int_equal(p->mounts[0].kind, CORRAL_MOUNT_RO_BIND);
	assert_string_equal(p->mounts[0].host_path, "/b");
	corral_policy_free(p);
}

static void bind_around_the_work_directory_is_fine_without_a_workspace(void **state)
{
	struct corral_policy *p = compile(config(
	        "{\"work_dir\":\"/src/sub\",\"mounts\":[{\"type\":\"bind\",\"source\":\"/a\","
	        "\"target\":\"/src\"}]}"));

	(void)state;
	corral_policy_free(p);
}

static void shared_memory_directory_may_have_a_size_of_its_own(void **state)
{
	struct corral_policy *p = compile(config(
	        "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/dev/shm\",\"size\":\"8M\"}]}"));

	(void)state;
	assert_int_equal(p->mounts[0].size_bytes, 8 << 20);
	corral_policy_free(p);
}

#define TMPFS(target) "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"" target "\"}]}"
#define BIND(target) \
	"{\"mounts\":[{\"type\":\"bind\",\"source\":\"/a\",\"target\":\"" target "\"}]}"
#define LIMIT(text) "{\"limits\":{" text "}}"

static void nonsense_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "{\"network\":\"bridge\",\"allow\":[\"a.example\"]}",
		  "allow: only network 'allow' holds to it, and the network is 'bridge'" },
		/* Of nothing is a list as well. */
		{ "{\"network\":\"bridge\",\"allow\":[]}",
		  "allow: only network 'allow' holds to it, and the network is 'bridge'" },
		{ "{\"allow\":[],\"network\":\"host\"}",
		  "allow: only network 'allow' holds to it, and the network is 'host'" },
		{ "{\"runtime\":\"python\"}", "unknown runtime 'python': known here: host" },
		{ "{\"work_dir\":\"w\"}", "work_dir: 'w' is not an absolute path" },
		{ "{\"work_dir\":\"/a/../b\"}", "work_dir: '/a/../b' has '..'" },
		{ "{\"work_dir\":\"/\"}", "work_dir: '/' is the sandbox's root" },
		{ "{\"work_dir\":\"/proc/x\"}", "work_dir: '/proc/x' belongs to the sandbox" },
		{ "{\"work_dir\":\"/dev/shm\"}", "work_dir: '/dev/shm' belongs to the sandbox" },
		{ "{\"work_dir\":\"/a\\nb\"}", "work_dir: a path with a control character" },
		{ TMPFS("/"), "mounts[0]: '/' is the sandbox's root" },
		{ TMPFS("//."), "mounts[0]: '/' is the sandbox's root" },
		{ TMPFS("/proc"), "mounts[0]: '/proc' belongs to the sandbox" },
		{ TMPFS("/sys/fs"), "mounts[0]: '/sys/fs' belongs" },
		{ TMPFS("/dev/x"), "mounts[0]: '/dev/x' belongs" },
		{ TMPFS("/dev/shm/x"), "mounts[0]: '/dev/shm/x' belongs" },
		{ BIND("/dev/shm"), "mounts[0]: '/dev/shm' belongs" },
		{ BIND("x"), "mounts[0]: 'x' is not an absolute path" },
		{ "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x\"},"
		  "{\"type\":\"tmpfs\",\"target\":\"/x//\"}]}",
		  "mounts[1]: '/x' is mounted on twice" },
		{ "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x\",\"size\":1}]}",
		  "mounts[0]: a size below one page" },
		{ "{\"workspace\":\"/w\",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/"
		  "workspace\"}]}",
		  "mounts[0]: '/workspace' would hide the workspace at '/workspace'" },
		{ "{\"workspace\":\"/w\",\"work_dir\":\"/a/b\",\"mounts\":[{\"type\":\"tmpfs\","
		  "\"target\":\"/a\"}]}",
		  "mounts[0]: '/a' would hide the workspace at '/a/b'" },
		{ "{\"hostname\":\"-a\"}", "hostname: '-a' is not a host name" },
		{ "{\"hostname\":\"a-\"}", "hostname: 'a-' is not a host name" },
		{ "{\"hostname\":\"a..b\"}", "hostname: 'a..b' is not a host name" },
		{ "{\"hostname\":\"a.\"}", "hostname: 'a.' is not a host name" },
		{ "{\"hostname\":\"a_b\"}", "hostname: 'a_b' is not a host name" },
		{ "{\"hostname\":\"0123456789012345678901234567890123456789012345678901234567890123"
		  "\"}",
		  "hostname: 64 characters: at most 63" },
		{ "{\"user\":\"www-data\"}",
		  "user: 'www-data' is not in the /etc/passwd and /etc/group of a sandbox on the "
		  "host's root, which has users root and nobody, groups root, tty and nogroup" },
		{ "{\"user\":\"root:wheel\"}", "user: 'root:wheel' is not in the /etc/passwd" },
		{ "{\"user\":\"root\",\"rootfs\":\"/tmp\"}",
		  "user: 'root' is a name, and nobody has looked for it in the root's" },
		{ "{\"user\":65536}",
		  "user: 65536:65536 lies outside of the sandbox's ids 0 to 65535" },
		{ LIMIT("\"memory\":1024"), "limit 'memory': 1024 is too little (" },
		{ LIMIT("\"pids\":1"), "limit 'pids': 1 is too little (" },
		{ LIMIT("\"pids\":4194305"),
		  "limit 'pids': 4194305 is too much: give at most 4194304" },
		{ LIMIT("\"cpus\":0.001"), "limit 'cpus': 1 thousandths is too little (" },
		{ LIMIT("\"cpu_weight\":10001"), "limit 'cpu_weight': 10001 is too much" },
		{ LIMIT("\"disk\":\"63K\""), "limit 'disk': 64512 is too little (" },
		{ LIMIT("\"open_files\":15"), "limit 'open_files': 15 is too little (" },
		{ LIMIT("\"timeout\":\"4000d\""), "limit 'timeout': " },
		{ LIMIT("\"memory\":\"2000000T\""), "limit 'memory': " },
		{ "{\"cap_add\":[\"CAP_FLY\"]}", "capabilities: " },
		{ "{\"seccomp\":\"/\"}", "seccomp: '/' is not a regular file" },
		{ "{\"seccomp\":\"/dev/null\"}", "seccomp: '/dev/null' is not a regular file" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].json, EINVAL, cases[i].text);
	refused("{\"seccomp\":\"/nonexistent/p.json\"}", ENOENT,
	        "seccomp: '/nonexistent/p.json': No such file or directory");
}

static void boundary_values_are_accepted(void **state)
{
	static const char *const cases[] = {
		LIMIT("\"memory\":\"4M\""),
		LIMIT("\"pids\":2"),
		LIMIT("\"cpus\":0.01"),
		LIMIT("\"cpu_weight\":10000"),
		LIMIT("\"disk\":\"64K\""),
		LIMIT("\"open_files\":16"),
		LIMIT("\"timeout\":\"1ms\""),
		LIMIT("\"memory\":0,\"pids\":0,\"disk\":0"),
		"{\"user\":65535}",
		"{\"user\":4000000000,\"ids\":\"single\"}",
		"{\"hostname\":\"A.b-c.9\"}",
		"{\"work_dir\":\"/procs\"}",
		TMPFS("/devices"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		corral_policy_free(compile(config(cases[i])));
}

static void added_capability_is_kept(void **state)
{
	struct corral_policy *p =
	        compile(config("{\"cap_add\":[\"chown\",\"KILL\"],\"cap_drop\":[\"CAP_KILL\"]}"));

	(void)state;
	assert_int_equal(p->caps, 1); /* CAP_CHOWN is number 0 */
	corral_policy_free(p);
}

static void profile_larger_than_1_mib_is_refused(void **state)
{
	char path[] = "/tmp/corral-test-XXXXXX", json[128], expected[128];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	(void)snprintf(json, sizeof(json), "{\"seccomp\":\"%s\"}", path);
	(void)snprintf(expected, sizeof(expected), "seccomp: '%s' is larger than 1M", path);
	refused(json, EFBIG, expected);
	(void)close(fd);
	(void)unlink(path);
}

static void policy_outlives_its_configuration(void **state)
{
	struct corral_policy *p = compile(config("{\"workspace\":\"/w\",\"hostname\":\"h\"}"));

	(void)state;
	/* compile() has freed the configuration; the sanitizer would see a borrowed string. */
	assert_string_equal(p->workspace_path, "/w");
	assert_string_equal(p->hostname, "h");
	corral_policy_free(p);
	corral_policy_free(NULL);
}

static void policies_alike_but_for_the_environment_share_sandboxes(void **state)
{
	struct corral_policy *a = compile(config("{\"env\":{\"A\":\"1\"}}"));
	struct corral_policy *b =
	        compile(config("{\"env\":{\"B\":\"2\"},\"hostname\":\"corral\"}"));

	(void)state;
	assert_true(corral_policy_interchangeable(a, a));
	assert_true(corral_policy_interchangeable(a, b));
	corral_policy_free(a);
	corral_policy_free(b);
}

/* What a sandbox gets when it is handed out need not be alike; what its group has, is told apart.
 */
static void policies_alike_but_for_what_is_handed_out_share_sandboxes(void **state)
{
	static const struct {
		const char *json;
		bool same_group;
	} others[] = {
		{ "{\"workspace\":\"/tmp\"}", true },
		{ "{\"limits\":{\"timeout\":1}}", true },
		{ "{\"limits\":{\"output\":\"1K\"}}", true },
		{ "{\"limits\":{\"memory\":\"64M\"}}", false },
		{ "{\"limits\":{\"memory_swap\":\"64M\"}}", false },
		{ "{\"limits\":{\"cpus\":1}}", false },
		{ "{\"limits\":{\"cpu_weight\":50}}", false },
	};
	struct corral_policy *usual = compile(config("{}"));

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct corral_policy *other = compile(config(others[i].json));

		if (!corral_policy_interchangeable(usual, other) ||
		    corral_limits_same_group(&usual->limits, &other->limits) !=
		            others[i].same_group)
			fail_msg("%s", others[i].json);
		corral_policy_free(other);
	}
	corral_policy_free(usual);
}

/* Whatever else a configuration can say must keep sandboxes apart. */
static void policies_that_differ_share_no_sandbox(void **state)
{
	static const char *const others[] = {
		"{\"keep\":\"/tmp\"}",
		"{\"hostname\":\"other\"}",
		"{\"work_dir\":\"/w\"}",
		"{\"user\":1}",
		"{\"user\":\"0:1\"}",
		"{\"ids\":\"range\"}",
		"{\"cap_add\":[\"CHOWN\"]}",
		"{\"network\":\"host\"}",
		"{\"rootfs\":\"/tmp\"}",
		"{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x\"}]}",
		"{\"allow_weaker\":true}",
		"{\"limits\":{\"pids\":9}}",
		"{\"limits\":{\"disk\":\"1M\"}}",
	};
	struct corral_policy *usual = compile(config("{}"));

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct corral_policy *other = compile(config(others[i]));

		if (corral_policy_interchangeable(usual, other) ||
		    corral_policy_interchangeable(other, usual))
			fail_msg("%s is taken for the default", others[i]);
		corral_policy_free(other);
	}
	corral_policy_free(usual);
}

static int layered(struct corral_policy **ret, const char *json, bool keep_work_dir,
                   struct corral_error *err)
{
	struct corral_config *c = config(json);
	int r;

	assert_int_equal(corral_config_add_layer(c, "/l/near", NULL), 0);
	assert_int_equal(corral_config_add_layer(c, "far", NULL), 0);
	c->keep_work_dir = keep_work_dir;
	r = corral_policy_compile(c, NULL, ret, err);
	corral_config_free(c);
	return r;
}

static void layers_and_the_work_directory_go_with_keep(void **state)
{
	struct corral_policy *p = NULL;
	struct corral_error err = { 0 };
	struct corral_config *c = config("{}");
	char cwd[4096], far[4096 + 8];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	(void)snprintf(far, sizeof(far), "%s/far", cwd);
	assert_int_equal(layered(&p, "{\"keep\":\"/k\"}", true, &err), 0);
	assert_string_equal(p->keep_path, "/k");
	assert_int_equal(p->n_layers, 2);
	assert_string_equal(p->layer_paths[0], "/l/near");
	assert_string_equal(p->layer_paths[1], far);
	assert_true(p->keep_work_dir);
	assert_false(corral_policy_interchangeable(p, p));
	corral_policy_free(p);
	p = NULL;
	assert_int_equal(layered(&p, "{\"keep\":\"/k\",\"workspace\":\"/w\"}", false, &err), 0);
	assert_false(p->keep_work_dir);
	corral_policy_free(p);
	p = NULL;
	assert_int_equal(layered(&p, "{}", false, &err), -EINVAL);
	assert_string_equal(err.text, "layers: only with keep");
	assert_int_equal(layered(&p, "{\"keep\":\"/k\",\"workspace\":\"/w\"}", true, &err),
	                 -EINVAL);
	assert_string_equal(err.text,
	                    "keep_work_dir: the work directory is a workspace, which keeps its own "
	                    "changes: leave one of them out");
	c->keep_work_dir = true;
	assert_int_equal(corral_policy_compile(c, NULL, &p, &err), -EINVAL);
	assert_string_equal(err.text, "keep_work_dir: only with keep");
	assert_int_equal(corral_config_add_layer(c, "", &err), -EINVAL);
	for (size_t i = 0; i < CORRAL_CONFIG_LAYERS_MAX; i++)
		assert_int_equal(corral_config_add_layer(c, "/l", NULL), 0);
	assert_int_equal(corral_config_add_layer(c, "/l", &err), -EINVAL);
	assert_string_equal(err.text, "too many layers: at most 24");
	assert_null(p);
	corral_config_free(c);
}

static void policy_lives_until_its_last_holder_lets_go(void **state)
{
	struct corral_policy *p = compile(config("{}"));
	const struct corral_policy *share = corral_policy_share(p);

	(void)state;
	corral_policy_free(p);
	assert_string_equal(share->hostname, "corral");
	corral_policy_free((struct corral_policy *)(uintptr_t)share);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_configuration_becomes_the_default_policy),
		cmocka_unit_test(environment_has_the_defaults_and_nothing_of_the_host),
		cmocka_unit_test(home_of_another_user_is_the_work_directory),
		cmocka_unit_test(hosts_root_has_the_accounts_that_are_composed),
		cmocka_unit_test(groups_above_the_range_are_left_out),
		cmocka_unit_test(variables_asked_for_replace_defaults_and_each_other),
		cmocka_unit_test(cleared_environment_has_only_what_was_asked_for),
		cmocka_unit_test(guest_paths_are_normalised),
		cmocka_unit_test(outer_mounts_come_before_inner_ones),
		cmocka_unit_test(relative_host_paths_begin_at_the_current_directory),
		cmocka_unit_test(flag_replaces_the_json_mount_on_the_same_path),
		cmocka_unit_test(bind_around_the_work_directory_is_fine_without_a_workspace),
		cmocka_unit_test(shared_memory_directory_may_have_a_size_of_its_own),
		cmocka_unit_test(nonsense_is_refused_with_its_place),
		cmocka_unit_test(boundary_values_are_accepted),
		cmocka_unit_test(added_capability_is_kept),
		cmocka_unit_test(profile_larger_than_1_mib_is_refused),
		cmocka_unit_test(policy_outlives_its_configuration),
		cmocka_unit_test(policies_alike_but_for_the_environment_share_sandboxes),
		cmocka_unit_test(policies_alike_but_for_what_is_handed_out_share_sandboxes),
		cmocka_unit_test(policies_that_differ_share_no_sandbox),
		cmocka_unit_test(layers_and_the_work_directory_go_with_keep),
		cmocka_unit_test(policy_lives_until_its_last_holder_lets_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
