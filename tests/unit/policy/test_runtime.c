/* policy/runtime.h: a description becomes a runtime with the field's defaults, or is refused in the
 * field's words at the place where it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	        "unknown key 'pakages': known here: name, description, image, base_image, "
	        "packages, package_manager, setup_commands, env_vars, work_dir, cache_image, "
	        "run_as_uid");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
