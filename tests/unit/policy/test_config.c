/* policy/config.h: flags and JSON end up as the same configuration, and are refused alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/permission.h"

static int setup(void **state)
{
	*state = corral_config_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	corral_config_free(*state);
	return 0;
}

static void parses(struct corral_config *c, const char *json)
{
	struct corral_error err = { 0 };

	if (corral_config_parse(c, json, strlen(json), &err) < 0)
		fail_msg("%s: %s", json, err.text);
}

static void refused(struct corral_config *c, const char *json, const char *text)
{
	struct corral_error err = { 0 };

	assert_int_equal(corral_config_parse(c, json, strlen(json), &err), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	if (strncmp(err.text, text, strlen(text)) != 0)
		fail_msg("'%s' does not begin with '%s'", err.text, text);
}

static void new_configuration_has_the_default_limits_and_asks_for_none(void **state)
{
	struct corral_config *c = *state;

	assert_int_equal(c->limits.memory_bytes, corral_limits_default.memory_bytes);
	assert_int_equal(c->limits_asked, 0);
	assert_int_equal(c->network, CORRAL_NETWORK_NONE);
	assert_null(c->argv);
}

static void every_key_lands_in_its_field(void **state)
{
	struct corral_config *c = *state;

	parses(c,
	       "{\"runtime\":\"host\",\"rootfs\":\"/r\",\"workspace\":\"/w\",\"work_dir\":\"/d\","
	       "\"hostname\":\"h\",\"seccomp\":\"s.json\",\"network\":\"host\",\"ids\":\"single\","
	       "\"user\":\"7:8\",\"env\":{\"A\":\"1\",\"B\":\"x=y\"},\"clear_env\":true,"
	       "\"mounts\":[{\"type\":\"bind\",\"source\":\"/a:b\",\"target\":\"/c\"},"
	       "{\"type\":\"tmpfs\",\"target\":\"/t\",\"size\":\"1M\"},"
	       "{\"type\":\"ro-bind\",\"source\":\"/x\",\"target\":\"/y\"}],"
	       "\"cap_add\":[\"CHOWN\"],\"cap_drop\":[\"ALL\",\"kill\"],\"allow_weaker\":true,"
	       "\"tty\":true,\"stdin\":true,\"command\":[\"echo\",\"\"],"
	       "\"limits\":{\"memory\":\"64M\",\"memory_swap\":0,\"cpus\":1.5,\"cpu_weight\":50,"
	       "\"pids\":10,\"disk\":1048576,\"disk_inodes\":1000,\"file_size\":\"2M\","
	       "\"open_files\":64,\"timeout\":0.5,\"output\":\"1K\"}}");
	assert_string_equal(c->runtime, "host");
	assert_string_equal(c->rootfs, "/r");
	assert_string_equal(c->workspace, "/w");
	assert_string_equal(c->work_dir, "/d");
	assert_string_equal(c->hostname, "h");
	assert_string_equal(c->seccomp, "s.json");
	assert_int_equal(c->network, CORRAL_NETWORK_HOST);
	assert_int_equal(c->ids, CORRAL_IDS_SINGLE);
	assert_true(c->has_user && c->guest_uid == 7 && c->guest_gid == 8);
	assert_string_equal(c->user, "7:8");
	/* A later one is the whole of it. */
	parses(c, "{\"user\":\"www-data:7\"}");
	assert_string_equal(c->user, "www-data:7");
	assert_true(!c->has_user && c->guest_uid == 0 && c->guest_gid == 0);
	parses(c, "{\"user\":9}");
	assert_true(c->has_user && c->guest_uid == 9 && c->guest_gid == 9);
	assert_int_equal(c->n_env, 2);
	assert_string_equal(c->env[1], "B=x=y");
	assert_true(c->clear_env && c->allow_weaker && c->tty && c->use_stdin);
	assert_int_equal(c->n_mounts, 3);
	assert_int_equal(c->mounts[0].kind, CORRAL_MOUNT_BIND);
	assert_string_equal(c->mounts[0].host_path, "/a:b");
	assert_string_equal(c->mounts[0].guest_path, "/c");
	assert_int_equal(c->mounts[1].kind, CORRAL_MOUNT_TMPFS);
	assert_null(c->mounts[1].host_path);
	assert_int_equal(c->mounts[1].size_bytes, 1 << 20);
	assert_int_equal(c->mounts[2].kind, CORRAL_MOUNT_RO_BIND);
	assert_int_equal(c->n_cap_add, 1);
	assert_int_equal(c->n_cap_drop, 2);
	assert_string_equal(c->cap_drop[1], "kill");
	assert_int_equal(c->n_argv, 2);
	assert_string_equal(c->argv[1], "");
	assert_null(c->argv[2]);
	assert_int_equal(c->limits.memory_bytes, 64 << 20);
	assert_int_equal(c->limits.cpu_millis, 1500);
	assert_int_equal(c->limits.cpu_weight, 50);
	assert_int_equal(c->limits.pids, 10);
	assert_int_equal(c->limits.disk_bytes, 1 << 20);
	assert_int_equal(c->limits.disk_inodes, 1000);
	assert_int_equal(c->limits.file_size_bytes, 2 << 20);
	assert_int_equal(c->limits.open_files, 64);
	assert_int_equal(c->limits.timeout_ms, 500);
	assert_int_equal(c->limits.output_bytes, 1024);
	assert_int_equal(c->limits_asked, (1u << CORRAL_LIMIT_COUNT) - 1);
}

static void wrong_values_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "", "line 1, column 0: " },
		{ "{\"a\":1", "line 1, column " },
		{ "[]", "an array where an object is expected" },
		{ "{\"tty\":true,\"tty\":false}", "line 1, column " },
		{ "{\"memory\":1}", "unknown key 'memory': known here: allow, allow_weaker, " },
		{ "{\"hostname\":1}", "hostname: a number where text is expected" },
		{ "{\"hostname\":\"a\\u0000b\"}", "line 1, column " },
		{ "{\"workspace\":\"\"}", "workspace: empty" },
		{ "{\"runtime\":null}", "runtime: null where text is expected" },
		{ "{\"tty\":1}", "tty: a number where true or false is expected" },
		{ "{\"network\":\"lan\"}",
		  "network: 'lan' is not one of 'none', 'host', 'bridge', 'allow', 'pasta'" },
		{ "{\"allow\":\"a.example\"}", "allow: text where an array of text is expected" },
		{ "{\"allow\":[\"a.example\",\"10.0.0.1/8\"]}",
		  "allow[1]: '10.0.0.1/8': '10.0.0.1/8' has bits beyond its length: the network is "
		  "10.0.0.0/8" },
		{ "{\"publish\":[\"8080\"]}", "publish[0]: '8080' is not [127.0.0.1:]PORT:GUEST" },
		{ "{\"ids\":\"many\"}", "ids: 'many' is not one of 'auto', 'single', 'range'" },
		{ "{\"user\":-1}", "user: '-1' is not NAME or UID" },
		{ "{\"user\":4294967295}", "user: '4294967295' is not NAME or UID" },
		{ "{\"user\":1.5}", "user: a number where a name or a whole number is expected" },
		{ "{\"env\":{\"A\":1}}", "env.A: a number where text is expected" },
		{ "{\"env\":{\"A=B\":\"x\"}}", "env.A=B: a variable's name" },
		{ "{\"env\":[]}", "env: an array where an object" },
		{ "{\"cap_add\":\"ALL\"}", "cap_add: text where an array" },
		{ "{\"cap_add\":[\"x\",2]}", "cap_add[1]: a number where text is expected" },
		{ "{\"command\":[1]}", "command[0]: a number where text is expected" },
		{ "{\"command\":[\"\"]}", "command: the command's name is empty" },
		{ "{\"command\":\"ls\"}", "command: text where an array of text" },
		{ "{\"mounts\":{}}", "mounts: an object where an array" },
		{ "{\"mounts\":[1]}", "mounts[0]: a number where an object" },
		{ "{\"mounts\":[{\"type\":\"bind\",\"target\":\"/x\"}]}",
		  "mounts[0].source: missing" },
		{ "{\"mounts\":[{\"type\":\"bind\",\"source\":\"/x\"}]}",
		  "mounts[0].target: missing" },
		{ "{\"mounts\":[{\"source\":\"/x\",\"target\":\"/x\"}]}",
		  "mounts[0].type: missing" },
		{ "{\"mounts\":[{\"type\":\"nfs\",\"target\":\"/x\"}]}",
		  "mounts[0].type: 'nfs' is not one of" },
		{ "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x\",\"source\":\"/y\"}]}",
		  "mounts[0].source: a tmpfs has none" },
		{ "{\"mounts\":[{\"type\":\"bind\",\"source\":\"/\",\"target\":\"/"
		  "x\",\"size\":1}]}",
		  "mounts[0].size: only a tmpfs" },
		{ "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x\",\"size\":\"1X\"}]}",
		  "mounts[0].size: '1X' is not a size" },
		{ "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/x\",\"src\":1}]}",
		  "mounts[0]: unknown key 'src': known here: type, source" },
		{ "{\"mounts\":[{\"type\":7}]}", "mounts[0].type: a number where text" },
		{ "{\"limits\":{\"ram\":1}}", "limits: unknown key 'ram': known here: memory, " },
		{ "{\"limits\":{\"memory\":-1}}", "limits.memory: '-1' is not a size" },
		{ "{\"limits\":{\"memory\":\"1Q\"}}", "limits.memory: '1Q' is not a size" },
		{ "{\"limits\":{\"pids\":1e300}}", "limits.pids: " },
		{ "{\"limits\":{\"pids\":true}}", "limits.pids: true or false where a number" },
		{ "{\"limits\":7}", "limits: a number where an object" },
		{ "{\"permissions\":7}",
		  "permissions: an object, or the name of a preset, is expected" },
		{ "{\"permissions\":\"lax\"}", "permissions: " },
		{ "{\"permissions\":{\"raed\":{}}}",
		  "permissions.raed: no such key: default, read" },
		{ "{\"permissions\":{\"read\":{\"rules\":[{\"pattern\":\"x\",\"action\":\"no\"}]}}"
		  "}",
		  "permissions.read.rules[0].action: allow, deny or ask is expected" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(*state, cases[i].json, cases[i].text);
}

static void json_is_read_over_what_is_there(void **state)
{
	struct corral_config *c = *state;

	parses(c, "{\"hostname\":\"one\",\"workspace\":\"/w\"}");
	parses(c, "{\"hostname\":\"two\"}");
	assert_string_equal(c->hostname, "two");
	assert_string_equal(c->workspace, "/w");
}

static void bind_spec_is_split_at_its_first_bare_colon(void **state)
{
	struct corral_config *c = *state;

	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_BIND, "/a\\:b\\c:/d", NULL), 0);
	assert_string_equal(c->mounts[0].host_path, "/a:b\\c");
	assert_string_equal(c->mounts[0].guest_path, "/d");
	assert_false(c->mounts[0].from_json);
}

static void bind_specs_that_mean_something_else_are_refused(void **state)
{
	static const struct {
		const char *spec, *text;
	} cases[] = {
		{ "/data", "'/data' is not SOURCE:TARGET" },
		{ "/a:/b:ro", "'/a:/b:ro': for a read-only mount write --ro-bind" },
		{ "/a:/b:/c", "'/a:/b:/c' has more than one colon" },
		{ ":/b", "the source is empty" },
		{ "/a:", "the target is empty" },
		{ "", "'' is not SOURCE:TARGET" },
	};
	struct corral_config *c = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct corral_error err = { 0 };

		assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_BIND, cases[i].spec, &err),
		                 -EINVAL);
		if (strncmp(err.text, cases[i].text, strlen(cases[i].text)) != 0)
			fail_msg("'%s' does not begin with '%s'", err.text, cases[i].text);
	}
	assert_int_equal(c->n_mounts, 0);
}

static void tmpfs_spec_has_an_optional_size(void **state)
{
	struct corral_config *c = *state;
	struct corral_error err = { 0 };

	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_TMPFS, "/t", NULL), 0);
	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_TMPFS, "/u:16M", NULL), 0);
	assert_int_equal(c->mounts[0].size_bytes, 0);
	assert_int_equal(c->mounts[1].size_bytes, 16 << 20);
	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_TMPFS, "/v:big", &err), -EINVAL);
	assert_string_equal(err.text,
	                    "size of '/v': 'big' is not a size (try 64M, 1.5G or a number "
	                    "of bytes)");
	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_TMPFS, "/v:0", &err), -EINVAL);
}

static void mounts_have_a_maximum(void **state)
{
	struct corral_config *c = *state;
	struct corral_error err = { 0 };

	for (int i = 0; i < CORRAL_CONFIG_MOUNTS_MAX; i++)
		assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_TMPFS, "/t", NULL), 0);
	assert_int_equal(corral_config_add_mount(c, CORRAL_MOUNT_TMPFS, "/t", &err), -EINVAL);
	assert_string_equal(err.text, "too many mounts: at most 256");
}

static void variables_have_a_maximum(void **state)
{
	struct corral_config *c = *state;
	struct corral_error err = { 0 };

	for (int i = 0; i < CORRAL_CONFIG_ENV_MAX; i++)
		assert_int_equal(corral_config_add_env(c, "A=B", NULL), 0);
	assert_int_equal(corral_config_add_env(c, "A=B", &err), -EINVAL);
	assert_string_equal(err.text, "too many variables: at most 1024");
}

static void variable_without_a_name_is_refused(void **state)
{
	struct corral_error err = { 0 };

	assert_int_equal(corral_config_add_env(*state, "=x", &err), -EINVAL);
	assert_string_equal(err.text, "'=x' is not NAME=VALUE: a name before the first '='");
	assert_int_equal(corral_config_add_env(*state, "x", NULL), -EINVAL);
}

static void limit_of_zero_takes_the_limit_away_and_asks_for_nothing(void **state)
{
	struct corral_config *c = *state;

	assert_int_equal(corral_config_set_limit(c, CORRAL_LIMIT_MEMORY, "64M", NULL), 0);
	assert_int_equal(c->limits_asked, CORRAL_LIMIT_MEMORY);
	assert_int_equal(corral_config_set_limit(c, CORRAL_LIMIT_MEMORY, "0", NULL), 0);
	assert_int_equal(c->limits.memory_bytes, 0);
	assert_int_equal(c->limits_asked, 0);
	assert_int_equal(corral_config_set_limit(c, CORRAL_LIMIT_MEMORY_SWAP, "0", NULL), 0);
	assert_int_equal(c->limits_asked, CORRAL_LIMIT_MEMORY_SWAP);
}

static void limit_that_rounds_to_zero_is_not_taken_for_no_limit(void **state)
{
	struct corral_config *c = *state;
	struct corral_error err = { 0 };

	assert_int_equal(corral_config_set_limit(c, CORRAL_LIMIT_TIMEOUT, "0.0001", &err), -EINVAL);
	assert_string_equal(err.text, "'0.0001' is too small to be told from 0");
	assert_int_equal(corral_config_set_limit(c, CORRAL_LIMIT_CPUS, "0.0001", NULL), -EINVAL);
	assert_int_equal(corral_config_set_limit(c, CORRAL_LIMIT_MEMORY, "0.0001", NULL), -EINVAL);
}

static void command_given_later_replaces_the_earlier_one(void **state)
{
	char one[] = "one", two[] = "two", arg[] = "arg";
	char *first[] = { one, arg }, *second[] = { two };
	struct corral_config *c = *state;

	assert_int_equal(corral_config_set_argv(c, first, 2, NULL), 0);
	assert_int_equal(corral_config_set_argv(c, second, 1, NULL), 0);
	assert_int_equal(c->n_argv, 1);
	assert_string_equal(c->argv[0], "two");
	assert_null(c->argv[1]);
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	corral_config_free(NULL);
}

static void permissions_are_a_ruleset_or_a_preset_and_no_part_of_the_sandbox(void **state)
{
	struct corral_config *c = *state;

	assert_null(c->permissions);
	parses(c, "{\"permissions\":\"readonly\"}");
	assert_non_null(c->permissions);
	assert_int_equal(c->permissions->operations[CORRAL_PERMISSION_WRITE].action,
	                 CORRAL_PERMISSION_DENY);
	assert_null(c->sandbox_key);
	/* A later file's take the place of all of them. */
	parses(c, "{\"permissions\":{\"default\":\"allow\",\"read\":{\"rules\":"
	          "[{\"pattern\":\"**/.env\",\"action\":\"deny\"}]}}}");
	assert_int_equal(c->permissions->action, CORRAL_PERMISSION_ALLOW);
	assert_false(c->permissions->operations[CORRAL_PERMISSION_WRITE].given);
	assert_string_equal(c->permissions->operations[CORRAL_PERMISSION_READ].rules[0].pattern,
	                    "**/.env");
	parses(c, "{\"tty\":true}");
	assert_string_equal(c->sandbox_key, "tty");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void an_allowlist_says_which_network(void **state)
{
	static const struct {
		const char *json;
		enum corral_network_mode network;
		size_t n;
	} rows[] = {
		{ "{\"allow\":[\"a.example\",\"10.0.0.0/8:5432\"]}", CORRAL_NETWORK_ALLOW, 2 },
		{ "{\"allow\":[]}", CORRAL_NETWORK_ALLOW, 0 },
		{ "{\"network\":\"allow\"}", CORRAL_NETWORK_ALLOW, 0 },
		/* What contradicts itself is the policy's to refuse. */
		{ "{\"allow\":[\"a.example\"],\"network\":\"none\"}", CORRAL_NETWORK_NONE, 1 },
		{ "{\"network\":\"none\",\"allow\":[\"a.example\"]}", CORRAL_NETWORK_NONE, 1 },
		{ "{\"network\":\"bridge\",\"allow\":[]}", CORRAL_NETWORK_BRIDGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct corral_config *c = corral_config_new();
		struct corral_error err = { 0 };

		if (corral_config_parse(c, rows[i].json, strlen(rows[i].json), &err) < 0)
			fail_msg("%s: %s", rows[i].json, err.text);
		assert_int_equal(c->network, rows[i].network);
		assert_int_equal(c->n_allow, rows[i].n);
		corral_config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowlist_says_which_network),
		T(new_configuration_has_the_default_limits_and_asks_for_none),
		T(every_key_lands_in_its_field),
		T(wrong_values_are_refused_with_their_place),
		T(json_is_read_over_what_is_there),
		T(bind_spec_is_split_at_its_first_bare_colon),
		T(bind_specs_that_mean_something_else_are_refused),
		T(tmpfs_spec_has_an_optional_size),
		T(mounts_have_a_maximum),
		T(variables_have_a_maximum),
		T(variable_without_a_name_is_refused),
		T(limit_of_zero_takes_the_limit_away_and_asks_for_nothing),
		T(limit_that_rounds_to_zero_is_not_taken_for_no_limit),
		T(command_given_later_replaces_the_earlier_one),
		T(freeing_nothing_is_fine),
		T(permissions_are_a_ruleset_or_a_preset_and_no_part_of_the_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
