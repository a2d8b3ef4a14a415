/* policy/runtime_build.h: what a runtime is built by, and the name of what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/runtime_build.h"

static struct corral_runtime *parsed(const char *json)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };

	if (corral_runtime_parse(json, strlen(json), &rt, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	return rt;
}

/* Words with a blank between, steps with a newline. */
static void steps_are(const char *json, bool caches, const char *wanted)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = parsed(json);
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_runtime_steps steps;
	struct corral_error err = { 0 };

	if (corral_runtime_steps(rt, caches, &steps, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	corral_buf_str(&text, "");
	for (size_t i = 0; i < steps.n; i++) {
		corral_buf_str(&text, steps.items[i].as_root ? "root:" : "");
		corral_buf_str(&text, steps.items[i].in_work_dir ? "there:" : "");
		for (char **a = steps.items[i].argv; *a; a++)
			corral_buf_fmt(&text, "%s ", *a);
		corral_buf_str(&text, "\n");
	}
	assert_string_equal(text.data ? text.data : "", wanted);
	corral_runtime_steps_done(&steps);
}

static char *named(const char *json)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = parsed(json);
	char *name = NULL;

	assert_int_equal(corral_runtime_image_name(rt, &name, NULL), 0);
	return name;
}

static void setup_comes_first_one_step_each(void **state)
{
	(void)state;
	steps_are("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p>=1\",\"q\"],"
	          "\"setup_commands\":[\"one && two\",\"three\"]}",
	          true, "/bin/sh -c one && two \n/bin/sh -c three \npip install p>=1 q \n");
}

static void a_base_alone_has_no_step(void **state)
{
	(void)state;
	steps_are("{\"name\":\"x\",\"base_image\":\"a\"}", true, "");
}

static void without_caches_managers_leave_nothing_behind(void **state)
{
	(void)state;
	steps_are("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"]}", false,
	          "pip install --no-cache-dir p \n");
	steps_are("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],"
	          "\"package_manager\":\"npm\"}",
	          false,
	          "there:/bin/sh -c npm install --no-audit --no-fund \"$@\" && npm cache clean "
	          "--force npm p \n");
	steps_are("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],"
	          "\"package_manager\":\"cargo\"}",
	          false, "cargo install p \n");
}

static void with_caches_npm_cleans_none(void **state)
{
	(void)state;
	steps_are("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],"
	          "\"package_manager\":\"npm\"}",
	          true, "there:/bin/sh -c npm install --no-audit --no-fund \"$@\" npm p \n");
}

static void account_is_made_last_and_by_root(void **state)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt =
	        parsed("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],"
	               "\"run_as_uid\":1234,\"work_dir\":\"/w\"}");
	struct corral_runtime_steps steps;

	(void)state;
	assert_int_equal(corral_runtime_steps(rt, true, &steps, NULL), 0);
	assert_int_equal(steps.n, 2);
	assert_int_equal(steps.items[0].kind, CORRAL_RUNTIME_STEP_PACKAGES);
	assert_false(steps.items[0].as_root);
	assert_int_equal(steps.items[1].kind, CORRAL_RUNTIME_STEP_ACCOUNT);
	assert_true(steps.items[1].as_root);
	assert_string_equal(steps.items[1].argv[4], "1234");
	assert_string_equal(steps.items[1].argv[5], "/w");
	assert_null(steps.items[1].argv[6]);
	corral_runtime_steps_done(&steps);
}

static void name_of_a_build_changes_with_what_shapes_it(void **state)
{
	static const char *const others[] = {
		"{\"name\":\"x\",\"base_image\":\"b\",\"packages\":[\"p\"]}",
		"{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"q\"]}",
		"{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],\"package_manager\":"
		"\"npm\"}",
		"{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],\"setup_commands\":["
		"\"c\"]}",
		"{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],\"work_dir\":\"/w\"}",
		"{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],\"run_as_uid\":7}",
	};
	corral_autofree char *one =
	        named("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"]}");
	corral_autofree char *same =
	        named("{\"packages\":[\"p\"],\"base_image\":\"a\",\"name\":\"x\",\"description\":"
	              "\"d\",\"env_vars\":{\"K\":\"v\"},\"network\":\"host\"}");

	(void)state;
	assert_string_equal(one, same);
	assert_int_equal(strncmp(one, "corral-runtime:x-", 17), 0);
	assert_int_equal(strlen(one), 17 + CORRAL_RUNTIME_TAG_HEX);
	for (size_t i = 0; i < CORRAL_COUNT(others); i++) {
		corral_autofree char *other = named(others[i]);

		assert_string_not_equal(one, other);
		assert_true(corral_runtime_tag_is_superseded(other + 15, one + 15));
	}
}

static void name_of_others_is_their_image_or_none(void **state)
{
	corral_autofree char *image = named("{\"name\":\"x\",\"image\":\"go:1\"}");
	corral_autofree char *both =
	        named("{\"name\":\"x\",\"image\":\"go:1\",\"base_image\":\"a\"}");

	(void)state;
	assert_string_equal(image, "go:1");
	assert_string_equal(both, "go:1");
	assert_null(named("{\"name\":\"x\"}"));
	assert_null(named("{\"name\":\"x\",\"base_image\":\"a\",\"rootfs\":\"host\"}"));
}

static void only_the_same_runtimes_other_tags_are_superseded(void **state)
{
	static const char ours[] = "x-0123456789ab";

	(void)state;
	assert_true(corral_runtime_tag_is_superseded("x-0123456789ac", ours));
	assert_false(corral_runtime_tag_is_superseded(ours, ours));
	assert_false(corral_runtime_tag_is_superseded("y-0123456789ac", ours));
	assert_false(corral_runtime_tag_is_superseded("x-y-0123456789ac", ours));
	assert_false(corral_runtime_tag_is_superseded("x-0123456789zz", ours));
	assert_false(corral_runtime_tag_is_superseded("x-0123456789a", ours));
	assert_false(corral_runtime_tag_is_superseded("a", "b"));
}

static void without_a_base_there_is_nothing_to_build(void **state)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt =
	        parsed("{\"name\":\"x\",\"image\":\"a\"}");
	struct corral_runtime_steps steps;
	struct corral_error err = { 0 };
	char *tag = NULL;

	(void)state;
	assert_int_equal(corral_runtime_steps(rt, true, &steps, &err), -EINVAL);
	assert_string_equal(err.text, "there is no base_image to build on");
	assert_int_equal(corral_runtime_tag(rt, NULL, &tag, &err), -EINVAL);
}

static void apt_is_told_where_to_keep_what_it_downloads(void **state)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	(void)state;
	corral_runtime_apt_conf("/c/apt", &text);
	assert_non_null(strstr(text.data, "Dir::Cache::archives \"/c/apt/archives\";\n"));
	assert_non_null(strstr(text.data, "Dir::State::lists \"/c/apt/lists\";\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setup_comes_first_one_step_each),
		cmocka_unit_test(a_base_alone_has_no_step),
		cmocka_unit_test(without_caches_managers_leave_nothing_behind),
		cmocka_unit_test(with_caches_npm_cleans_none),
		cmocka_unit_test(account_is_made_last_and_by_root),
		cmocka_unit_test(name_of_a_build_changes_with_what_shapes_it),
		cmocka_unit_test(name_of_others_is_their_image_or_none),
		cmocka_unit_test(only_the_same_runtimes_other_tags_are_superseded),
		cmocka_unit_test(without_a_base_there_is_nothing_to_build),
		cmocka_unit_test(apt_is_told_where_to_keep_what_it_downloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
