/* policy/runtime.h: a description becomes a runtime with the field's defaults, or is refused in the
 * field's words at the place where it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/runtime.h"

static struct corral_runtime *parsed(const char *json)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };

	if (corral_runtime_parse(json, strlen(json), &rt, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	return rt;
}

static void refused(const char *json, const char *text)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };

	assert_int_equal(corral_runtime_parse(json, strlen(json), &rt, &err), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	assert_string_equal(err.text, text);
	assert_null(rt);
}

static void name_alone_has_the_defaults(void **state)
{
	struct corral_runtime *rt = parsed("{\"name\":\"x\"}");

	(void)state;
	assert_string_equal(rt->name, "x");
	assert_string_equal(rt->description, "");
	assert_null(rt->image);
	assert_null(rt->base_image);
	assert_int_equal(rt->n_packages, 0);
	assert_int_equal(rt->package_manager, CORRAL_PACKAGES_PIP);
	assert_int_equal(rt->n_setup_commands, 0);
	assert_int_equal(rt->n_env_vars, 0);
	assert_string_equal(rt->work_dir, "/workspace");
	assert_true(rt->cache_image);
	assert_false(rt->has_run_as_uid);
	assert_int_equal(rt->isolation, CORRAL_ISOLATION_AUTO);
	assert_int_equal(rt->scope, CORRAL_SCOPE_SESSION);
	assert_null(rt->rootfs);
	assert_non_null(rt->sandbox);
	assert_int_equal(rt->sandbox->limits_asked, 0);
	corral_runtime_free(rt);
}

static void every_field_is_taken(void **state)
{
	struct corral_runtime *rt = parsed(
	        "{\"name\":\"n\",\"description\":\"d\",\"image\":\"i\",\"base_image\":\"b\","
	        "\"packages\":[\"numpy>=1\",\"@types/react\"],\"package_manager\":\"cargo\","
	        "\"setup_commands\":[\"a | b\",\"c\"],\"env_vars\":{\"Z\":\"1\",\"_a\":\"x=y\"},"
	        "\"work_dir\":\"/app\",\"cache_image\":false,\"run_as_uid\":1000}");

	(void)state;
	assert_string_equal(rt->description, "d");
	assert_string_equal(rt->image, "i");
	assert_string_equal(rt->base_image, "b");
	assert_int_equal(rt->n_packages, 2);
	assert_string_equal(rt->packages[1], "@types/react");
	assert_string_equal(corral_package_manager_name(rt->package_manager), "cargo");
	assert_int_equal(rt->n_setup_commands, 2);
	assert_string_equal(rt->setup_commands[0], "a | b");
	assert_int_equal(rt->n_env_vars, 2);
	assert_string_equal(rt->env_vars[0], "Z=1");
	assert_string_equal(rt->env_vars[1], "_a=x=y");
	assert_string_equal(rt->work_dir, "/app");
	assert_false(rt->cache_image);
	assert_true(rt->has_run_as_uid);
	assert_int_equal(rt->run_as_uid, 1000);
	corral_runtime_free(rt);
}

static void null_is_no_image_and_no_user(void **state)
{
	struct corral_runtime *rt =
	        parsed("{\"name\":\"x\",\"image\":null,\"base_image\":null,\"run_as_uid\":null}");

	(void)state;
	assert_null(rt->image);
	assert_null(rt->base_image);
	assert_false(rt->has_run_as_uid);
	corral_runtime_free(rt);
}

static void unknown_key_is_named_with_the_known_ones(void **state)
{
	(void)state;
	refused("{\"name\":\"x\",\"pakages\":[]}",
	        "unknown key 'pakages' (did you mean 'packages'?): known here: name, description, "
	        "image, base_image, "
	        "packages, package_manager, setup_commands, env_vars, work_dir, cache_image, "
	        "run_as_uid, isolation, scope, disk_backing, rootfs, limits, network, allow, "
	        "publish, ids, user, hostname, "
	        "seccomp, cap_add, cap_drop, mounts, allow_weaker");
	refused("{\"name\":\"x\",\"command\":[\"sh\"]}",
	        "unknown key 'command': known here: name, description, image, base_image, "
	        "packages, package_manager, setup_commands, env_vars, work_dir, cache_image, "
	        "run_as_uid, isolation, scope, disk_backing, rootfs, limits, network, allow, "
	        "publish, ids, user, hostname, "
	        "seccomp, cap_add, cap_drop, mounts, allow_weaker");
}

static void missing_or_empty_name_is_refused(void **state)
{
	(void)state;
	refused("{}", "name: missing");
	refused("{\"name\":\"\"}", "name: Invalid runtime name: ''");
	refused("{\"name\":\"a\\nb\"}", "name: Invalid runtime name: 'a\\nb'");
}

static void wrong_types_name_their_place(void **state)
{
	(void)state;
	refused("[]", "an array where an object is expected");
	refused("{\"name\":1}", "name: a number where text is expected");
	refused("{\"name\":\"x\",\"packages\":\"a\"}",
	        "packages: text where an array of text is expected");
	refused("{\"name\":\"x\",\"packages\":[\"a\",1]}",
	        "packages[1]: a number where text is expected");
	refused("{\"name\":\"x\",\"env_vars\":{\"A\":1}}",
	        "env_vars.A: a number where text is expected");
	refused("{\"name\":\"x\",\"cache_image\":1}",
	        "cache_image: a number where true or false is expected");
	refused("{\"name\":\"x\",\"run_as_uid\":\"1\"}",
	        "run_as_uid: text where a whole number is expected");
	refused("{\"name\":\"x\",\"run_as_uid\":1.5}",
	        "run_as_uid: a number where a whole number is expected");
	refused("{\"name\":\"x\",\"package_manager\":\"yum\"}",
	        "package_manager: 'pip', 'npm', 'apt' or 'cargo' is expected");
}

static void package_names_are_checked(void **state)
{
	static const char *const good[] = { "numpy", "a[b]", "@types/react", "x>=1.0", "7zip" };
	char json[200];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		(void)snprintf(json, sizeof(json), "{\"name\":\"x\",\"packages\":[\"%s\"]}",
		               good[i]);
		corral_runtime_free(parsed(json));
	}
	refused("{\"name\":\"x\",\"packages\":[\"ok\",\"a b\"]}",
	        "packages[1]: Invalid package name: 'a b'");
	refused("{\"name\":\"x\",\"packages\":[\"-r\"]}",
	        "packages[0]: Invalid package name: '-r'");
	refused("{\"name\":\"x\",\"packages\":[\"\"]}", "packages[0]: Invalid package name: ''");
	refused("{\"name\":\"x\",\"packages\":[\"a;rm\"]}",
	        "packages[0]: Invalid package name: 'a;rm'");
	refused("{\"name\":\"x\",\"packages\":[\"a'b\"]}",
	        "packages[0]: Invalid package name: \"a'b\"");
	refused("{\"name\":\"x\",\"packages\":[\"a\\nb\\u0007\"]}",
	        "packages[0]: Invalid package name: 'a\\nb\\x07'");
}

static void environment_names_and_values_are_checked(void **state)
{
	(void)state;
	refused("{\"name\":\"x\",\"env_vars\":{\"A=B\":\"1\"}}",
	        "env_vars: Invalid environment variable name: 'A=B'");
	refused("{\"name\":\"x\",\"env_vars\":{\"1A\":\"1\"}}",
	        "env_vars: Invalid environment variable name: '1A'");
	refused("{\"name\":\"x\",\"env_vars\":{\"\":\"1\"}}",
	        "env_vars: Invalid environment variable name: ''");
	refused("{\"name\":\"x\",\"env_vars\":{\"A\":\"b\\nc\"}}",
	        "env_vars: Environment variable 'A' value contains a newline");
}

static void setup_commands_are_one_line_each(void **state)
{
	(void)state;
	refused("{\"name\":\"x\",\"setup_commands\":[\"a\",\"b\\nRUN c\"]}",
	        "setup_commands[1]: setup command contains a newline");
}

static void work_dir_is_a_path_without_shell_characters(void **state)
{
	(void)state;
	refused("{\"name\":\"x\",\"work_dir\":\"/a;b\"}",
	        "work_dir: work_dir contains disallowed shell metacharacters: '/a;b'");
	refused("{\"name\":\"x\",\"work_dir\":\"/a\\nUSER root\"}",
	        "work_dir: work_dir contains disallowed shell metacharacters: '/a\\nUSER root'");
	for (const char *c = ";&|$()<>`"; *c; c++) {
		struct corral_runtime *rt = NULL;
		char json[64];

		(void)snprintf(json, sizeof(json), "{\"name\":\"x\",\"work_dir\":\"/a%c\"}", *c);
		assert_int_equal(corral_runtime_parse(json, strlen(json), &rt, NULL), -EINVAL);
	}
	assert_int_equal(corral_runtime_parse("{\"name\":\"x\",\"work_dir\":\"a\"}", 27,
	                                      &(struct corral_runtime *) { NULL }, NULL),
	                 -EINVAL);
	assert_int_equal(corral_runtime_parse("{\"name\":\"x\",\"work_dir\":\"/a/..\"}", 31,
	                                      &(struct corral_runtime *) { NULL }, NULL),
	                 -EINVAL);
}

static void user_is_a_positive_number_that_an_engine_takes(void **state)
{
	struct corral_runtime *rt = parsed("{\"name\":\"x\",\"run_as_uid\":2147483647}");

	(void)state;
	assert_int_equal(rt->run_as_uid, 2147483647);
	corral_runtime_free(rt);
	refused("{\"name\":\"x\",\"run_as_uid\":0}",
	        "run_as_uid: run_as_uid must be a positive uid, not 0");
	refused("{\"name\":\"x\",\"run_as_uid\":-5}",
	        "run_as_uid: run_as_uid must be a positive uid, not -5");
	refused("{\"name\":\"x\",\"run_as_uid\":4294967296}",
	        "run_as_uid: run_as_uid is at most 2147483647, not 4294967296");
}

static void broken_json_says_where(void **state)
{
	struct corral_error err = { 0 };
	struct corral_runtime *rt = NULL;

	(void)state;
	assert_int_equal(corral_runtime_parse("{\n\"name\"", 8, &rt, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, "line 2, column ", 15), 0);
	assert_int_equal(corral_runtime_parse("{\"name\":\"x\",\"name\":\"y\"}", 23, &rt, &err),
	                 -EINVAL);
}

/* Every key that there is, none at its usual value. */
static const char whole[] =
        "{\"name\":\"n\",\"description\":\"d \\u00e9\",\"image\":\"i\",\"base_image\":\"b\","
        "\"packages\":[\"numpy>=1\",\"@types/react\"],\"package_manager\":\"cargo\","
        "\"setup_commands\":[\"a | b\",\"c\"],\"env_vars\":{\"Z\":\"1\",\"_a\":\"x=y\",\"B\":\"\"},"
        "\"work_dir\":\"/app\",\"cache_image\":false,\"isolation\":\"native\","
        "\"scope\":\"call\",\"disk_backing\":\"image\",\"rootfs\":\"/srv/root\","
        "\"limits\":{\"memory\":\"64M\",\"memory_swap\":0,\"cpus\":0.123,\"cpu_weight\":7,\"pids\":"
        "0,"
        "\"disk\":1048576,\"disk_inodes\":900,\"file_size\":8192,\"open_files\":99,"
        "\"timeout\":\"1500ms\",\"output\":\"1K\"},"
        "\"network\":\"host\",\"ids\":\"range\",\"user\":\"1000:50\",\"hostname\":\"box\","
        "\"seccomp\":\"/etc/p.json\",\"cap_add\":[\"chown\",\"CAP_KILL\"],\"cap_drop\":[\"ALL\"],"
        "\"mounts\":[{\"type\":\"bind\",\"source\":\"/a:b\",\"target\":\"/c\"},"
        "{\"type\":\"ro-bind\",\"source\":\"/d\",\"target\":\"/e\"},"
        "{\"type\":\"tmpfs\",\"target\":\"/f\",\"size\":\"2M\"},"
        "{\"type\":\"tmpfs\",\"target\":\"/g\"}],\"allow_weaker\":true}";

static void keys_of_a_sandbox_mean_what_they_mean_in_a_configuration(void **state)
{
	struct corral_runtime *rt = parsed(whole);
	const struct corral_config *c = rt->sandbox;

	(void)state;
	assert_int_equal(rt->isolation, CORRAL_ISOLATION_NATIVE);
	assert_int_equal(rt->scope, CORRAL_SCOPE_CALL);
	assert_int_equal(rt->disk_backing, CORRAL_DISK_IMAGE);
	assert_string_equal(rt->rootfs, "/srv/root");
	assert_int_equal(c->limits.memory_bytes, 64 << 20);
	assert_int_equal(c->limits.cpu_millis, 123);
	assert_int_equal(c->limits.pids, 0);
	assert_int_equal(c->limits.timeout_ms, 1500);
	assert_int_equal(c->limits_asked, ((1u << CORRAL_LIMIT_COUNT) - 1) & ~CORRAL_LIMIT_PIDS);
	assert_int_equal(c->network, CORRAL_NETWORK_HOST);
	assert_int_equal(c->ids, CORRAL_IDS_RANGE);
	assert_true(c->has_user);
	assert_int_equal(c->guest_uid, 1000);
	assert_int_equal(c->guest_gid, 50);
	assert_string_equal(c->hostname, "box");
	assert_string_equal(c->seccomp, "/etc/p.json");
	assert_int_equal(c->n_cap_add, 2);
	assert_string_equal(c->cap_drop[0], "ALL");
	assert_int_equal(c->n_mounts, 4);
	assert_int_equal(c->mounts[1].kind, CORRAL_MOUNT_RO_BIND);
	assert_int_equal(c->mounts[2].size_bytes, 2 << 20);
	assert_true(c->allow_weaker);
	corral_runtime_free(rt);
}

/* Written and read again, as what is stored is, "none" is still what was said. */
static void no_network_with_a_list_stays_a_contradiction(void **state)
{
	struct corral_runtime *rt =
	        parsed("{\"name\":\"x\",\"network\":\"none\",\"allow\":[\"example.org\"]}");
	struct corral_config *c = NULL;
	struct corral_policy *p = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_runtime_config(rt, &c, &err), 0);
	assert_int_equal(corral_policy_compile(c, NULL, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "the network is 'none'"));
	corral_config_free(c);
	corral_runtime_free(rt);
}

static void mistakes_in_a_sandbox_name_their_place(void **state)
{
	(void)state;
	refused("{\"name\":\"x\",\"isolation\":\"vm\"}",
	        "isolation: 'auto', 'native' or 'docker' is expected");
	refused("{\"name\":\"x\",\"isolation\":1}", "isolation: a number where text is expected");
	refused("{\"name\":\"x\",\"scope\":\"once\"}", "scope: 'session' or 'call' is expected");
	refused("{\"name\":\"x\",\"scope\":null}", "scope: null where text is expected");
	refused("{\"name\":\"x\",\"rootfs\":\"srv\"}",
	        "rootfs: 'host' or a directory's absolute path is expected, not 'srv'");
	refused("{\"name\":\"x\",\"limits\":{\"memory\":\"1X\"}}",
	        "limits.memory: '1X' is not a size (try 64M, 1.5G or a number of bytes)");
	refused("{\"name\":\"x\",\"limits\":{\"mem\":1}}",
	        "limits: unknown key 'mem': known here: memory, memory_swap, cpus, cpu_weight, "
	        "pids, disk, disk_inodes, file_size, open_files, timeout, output");
	refused("{\"name\":\"x\",\"limits\":{\"memory\":1}}",
	        "limits: limit 'memory': 1 is too little (no program could start): give at least "
	        "4M, or 0 for no limit");
	refused("{\"name\":\"x\",\"network\":\"all\"}",
	        "network: 'all' is not one of 'none', 'host', 'bridge', 'allow', 'pasta'");
	refused("{\"name\":\"x\",\"mounts\":[{\"type\":\"bind\",\"target\":\"/a\"}]}",
	        "mounts[0].source: missing: the path on the host");
	refused("{\"name\":\"x\",\"mounts\":[{\"type\":\"bind\",\"source\":\"a\","
	        "\"target\":\"/a\"}]}",
	        "mounts[0].source: 'a' is relative: a runtime's host paths begin with '/'");
	refused("{\"name\":\"x\",\"seccomp\":\"p.json\"}",
	        "seccomp: 'p.json' is relative: a runtime's host paths begin with '/'");
	refused("{\"name\":\"x\",\"user\":5,\"run_as_uid\":5}",
	        "user: run_as_uid says it as well: leave one of them out");
	refused("{\"name\":\"x\",\"allow_weaker\":1}",
	        "allow_weaker: a number where true or false is expected");
}

static char *written(const struct corral_runtime *rt)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };

	if (corral_runtime_write(rt, &b, &err) < 0)
		fail_msg("%s", err.text);
	return corral_buf_take(&b);
}

static void same_text(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void same_texts(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
	assert_int_equal(n_a, n_b);
	for (size_t i = 0; i < n_a; i++)
		assert_string_equal(a[i], b[i]);
}

static void same_config(const struct corral_config *a, const struct corral_config *b)
{
	for (size_t i = 0; i < CORRAL_LIMIT_COUNT; i++)
		assert_int_equal(corral_limit_get(&a->limits, (enum corral_limit)(1u << i)),
		                 corral_limit_get(&b->limits, (enum corral_limit)(1u << i)));
	assert_int_equal(a->limits_asked, b->limits_asked);
	assert_int_equal(a->network, b->network);
	assert_int_equal(a->ids, b->ids);
	assert_int_equal(a->has_user, b->has_user);
	assert_int_equal(a->guest_uid, b->guest_uid);
	assert_int_equal(a->guest_gid, b->guest_gid);
	assert_int_equal(a->allow_weaker, b->allow_weaker);
	same_text(a->hostname, b->hostname);
	same_text(a->seccomp, b->seccomp);
	same_texts(a->cap_add, a->n_cap_add, b->cap_add, b->n_cap_add);
	same_texts(a->cap_drop, a->n_cap_drop, b->cap_drop, b->n_cap_drop);
	assert_int_equal(a->n_mounts, b->n_mounts);
	for (size_t i = 0; i < a->n_mounts; i++) {
		assert_int_equal(a->mounts[i].kind, b->mounts[i].kind);
		same_text(a->mounts[i].host_path, b->mounts[i].host_path);
		same_text(a->mounts[i].guest_path, b->mounts[i].guest_path);
		assert_int_equal(a->mounts[i].size_bytes, b->mounts[i].size_bytes);
		assert_int_equal(a->mounts[i].from_json, b->mounts[i].from_json);
	}
}

static void same_runtime(const struct corral_runtime *a, const struct corral_runtime *b)
{
	same_text(a->name, b->name);
	same_text(a->description, b->description);
	same_text(a->image, b->image);
	same_text(a->base_image, b->base_image);
	same_texts(a->packages, a->n_packages, b->packages, b->n_packages);
	assert_int_equal(a->package_manager, b->package_manager);
	same_texts(a->setup_commands, a->n_setup_commands, b->setup_commands, b->n_setup_commands);
	same_texts(a->env_vars, a->n_env_vars, b->env_vars, b->n_env_vars);
	same_text(a->work_dir, b->work_dir);
	assert_int_equal(a->cache_image, b->cache_image);
	assert_int_equal(a->has_run_as_uid, b->has_run_as_uid);
	assert_int_equal(a->run_as_uid, b->run_as_uid);
	assert_int_equal(a->isolation, b->isolation);
	assert_int_equal(a->scope, b->scope);
	same_text(a->rootfs, b->rootfs);
	same_config(a->sandbox, b->sandbox);
}

static void what_was_written_reads_as_the_same(void **state)
{
	static const char *const texts[] = {
		whole,
		"{\"name\":\"x\"}",
		"{\"name\":\"x\",\"run_as_uid\":1000,\"rootfs\":\"host\",\"isolation\":\"docker\"}",
		/* Named at its usual value, it still has to hold. */
		"{\"name\":\"x\",\"limits\":{\"memory\":\"1G\",\"pids\":512}}",
		"{\"name\":\"x\",\"limits\":{\"memory\":0,\"disk\":0,\"timeout\":30,\"cpus\":2}}",
		"{\"name\":\"x\",\"limits\":{\"cpus\":\"999999.999\",\"timeout\":\"0.001s\"}}",
		"{\"name\":\"x\",\"ids\":\"single\",\"user\":0,\"seccomp\":\"engine\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct corral_runtime *a = parsed(texts[i]), *c = NULL;
		char *text = written(a), *again;
		struct corral_runtime *b = parsed(text);

		same_runtime(a, b);
		again = written(b);
		assert_string_equal(text, again);
		assert_int_equal(corral_runtime_dup(a, &c, NULL), 0);
		corral_runtime_free(a);
		same_runtime(b, c);
		corral_runtime_free(b);
		corral_runtime_free(c);
		free(text);
		free(again);
	}
}

static void keys_at_their_usual_value_are_left_out(void **state)
{
	struct corral_runtime *rt = parsed(
	        "{\"name\":\"x\",\"description\":\"\",\"work_dir\":\"/workspace\","
	        "\"cache_image\":true,\"isolation\":\"auto\",\"scope\":\"session\","
	        "\"package_manager\":\"pip\",\"packages\":[],\"env_vars\":{},"
	        "\"network\":\"none\",\"ids\":\"auto\",\"allow_weaker\":false,\"mounts\":[]}");
	char *text = written(rt);

	(void)state;
	assert_string_equal(text, "{\n \"name\": \"x\"\n}");
	free(text);
	corral_runtime_free(rt);
}

static bool has_env(const struct corral_config *c, const char *assignment)
{
	const char *last = NULL;
	size_t len = strcspn(assignment, "=") + 1;

	for (size_t i = 0; i < c->n_env; i++)
		if (!strncmp(c->env[i], assignment, len))
			last = c->env[i];
	return last && !strcmp(last, assignment);
}

static void configuration_has_all_that_the_runtime_says(void **state)
{
	struct corral_runtime *rt = parsed(whole);
	struct corral_config *c = NULL;

	(void)state;
	assert_int_equal(corral_runtime_config(rt, &c, NULL), 0);
	assert_string_equal(c->rootfs, "/srv/root");
	assert_string_equal(c->work_dir, "/app");
	assert_null(c->runtime);
	assert_true(has_env(c, "Z=1"));
	assert_true(has_env(c, "_a=x=y"));
	assert_true(has_env(c, "GIT_CONFIG_COUNT=5"));
	assert_true(has_env(c, "UV_SYSTEM_PYTHON=1"));
	assert_true(has_env(c, "LANG=C.UTF-8"));
	same_config(c, rt->sandbox);
	corral_config_free(c);
	corral_runtime_free(rt);
}

/* Upstream contract, 5.2. */
static void every_sandbox_has_the_variables_of_the_contract(void **state)
{
	static const char *const all[] = {
		"GIT_CONFIG_COUNT=5",
		"GIT_CONFIG_KEY_0=safe.directory",
		"GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=user.name",
		"GIT_CONFIG_VALUE_1=Agent",
		"GIT_CONFIG_KEY_2=user.email",
		"GIT_CONFIG_VALUE_2=agent@sandbox.local",
		"GIT_CONFIG_KEY_3=init.defaultBranch",
		"GIT_CONFIG_VALUE_3=main",
		"GIT_CONFIG_KEY_4=advice.detachedHead",
		"GIT_CONFIG_VALUE_4=false",
		"GIT_TERMINAL_PROMPT=0",
		"PYTHONUNBUFFERED=1",
		"PIP_DISABLE_PIP_VERSION_CHECK=1",
		"PIP_NO_INPUT=1",
		"PIP_ROOT_USER_ACTION=ignore",
		"UV_SYSTEM_PYTHON=1",
		"UV_CONCURRENT_DOWNLOADS=2",
		"UV_CONCURRENT_INSTALLS=2",
		"UV_COMPILE_BYTECODE=1",
		"DEBIAN_FRONTEND=noninteractive",
		"NO_COLOR=1",
		"PAGER=cat",
		"GIT_PAGER=cat",
		"LANG=C.UTF-8",
	};
	struct corral_runtime *rt = parsed("{\"name\":\"x\"}");
	struct corral_config *c = NULL;

	(void)state;
	assert_int_equal(corral_runtime_config(rt, &c, NULL), 0);
	assert_int_equal(c->n_env, sizeof(all) / sizeof(*all));
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!has_env(c, all[i]))
			fail_msg("%s", all[i]);
	corral_config_free(c);
	corral_runtime_free(rt);
}

static void variables_of_the_runtime_win_over_those_of_every_sandbox(void **state)
{
	struct corral_runtime *rt = parsed("{\"name\":\"x\",\"env_vars\":{\"PAGER\":\"less\"}}");
	struct corral_config *c = NULL;

	(void)state;
	assert_int_equal(corral_runtime_config(rt, &c, NULL), 0);
	assert_true(has_env(c, "PAGER=less"));
	assert_true(has_env(c, "GIT_PAGER=cat"));
	corral_config_free(c);
	corral_runtime_free(rt);
}

static void user_of_its_own_does_not_install_into_the_system(void **state)
{
	struct corral_runtime *rt = parsed("{\"name\":\"x\",\"run_as_uid\":1234}");
	struct corral_config *c = NULL;

	(void)state;
	assert_int_equal(corral_runtime_config(rt, &c, NULL), 0);
	assert_true(c->has_user);
	assert_int_equal(c->guest_uid, 1234);
	assert_int_equal(c->guest_gid, 1234);
	assert_false(has_env(c, "UV_SYSTEM_PYTHON=1"));
	assert_true(has_env(c, "UV_COMPILE_BYTECODE=1"));
	assert_null(c->rootfs);
	corral_config_free(c);
	corral_runtime_free(rt);
}

static void image_is_named_for_who_knows_a_store(void **state)
{
	static const struct {
		const char *json, *image;
	} rows[] = {
		{ "{\"name\":\"go\",\"image\":\"golang:1\"}", "golang:1" },
		{ "{\"name\":\"py\",\"base_image\":\"python:3\"}", "corral-runtime:" },
		{ "{\"name\":\"go\",\"image\":\"golang:1\",\"rootfs\":\"host\"}", NULL },
		{ "{\"name\":\"h\"}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct corral_runtime *rt = parsed(rows[i].json);
		struct corral_policy *p = NULL;
		struct corral_config *c = NULL;
		struct corral_error err = { 0 };

		assert_int_equal(corral_runtime_config(rt, &c, &err), 0);
		if (!rows[i].image) {
			assert_null(c->image);
		} else {
			assert_int_equal(strncmp(c->image, rows[i].image, strlen(rows[i].image)),
			                 0);
			/* A name alone is no root. */
			assert_int_equal(corral_policy_compile(c, NULL, &p, &err), -EINVAL);
			assert_non_null(strstr(err.text, "has not been looked for in a store"));
		}
		corral_config_free(c);
		corral_runtime_free(rt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_alone_has_the_defaults),
		cmocka_unit_test(every_field_is_taken),
		cmocka_unit_test(null_is_no_image_and_no_user),
		cmocka_unit_test(unknown_key_is_named_with_the_known_ones),
		cmocka_unit_test(missing_or_empty_name_is_refused),
		cmocka_unit_test(wrong_types_name_their_place),
		cmocka_unit_test(package_names_are_checked),
		cmocka_unit_test(environment_names_and_values_are_checked),
		cmocka_unit_test(setup_commands_are_one_line_each),
		cmocka_unit_test(work_dir_is_a_path_without_shell_characters),
		cmocka_unit_test(user_is_a_positive_number_that_an_engine_takes),
		cmocka_unit_test(broken_json_says_where),
		cmocka_unit_test(keys_of_a_sandbox_mean_what_they_mean_in_a_configuration),
		cmocka_unit_test(no_network_with_a_list_stays_a_contradiction),
		cmocka_unit_test(mistakes_in_a_sandbox_name_their_place),
		cmocka_unit_test(what_was_written_reads_as_the_same),
		cmocka_unit_test(keys_at_their_usual_value_are_left_out),
		cmocka_unit_test(configuration_has_all_that_the_runtime_says),
		cmocka_unit_test(every_sandbox_has_the_variables_of_the_contract),
		cmocka_unit_test(variables_of_the_runtime_win_over_those_of_every_sandbox),
		cmocka_unit_test(user_of_its_own_does_not_install_into_the_system),
		cmocka_unit_test(image_is_named_for_who_knows_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
