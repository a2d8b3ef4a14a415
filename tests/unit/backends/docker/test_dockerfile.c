/* backends/docker/dockerfile.h: a runtime's build as text, in which no value can end its
 * instruction, and a tag that changes with what shapes the image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/dockerfile.h"
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

static void becomes(const char *json, const char *wanted)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_runtime *rt = parsed(json);
	struct corral_error err = { 0 };

	if (corral_docker_dockerfile_add(&b, rt, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	assert_string_equal(b.data, wanted);
	corral_runtime_free(rt);
}

static char *tag(const char *json, const char *platform)
{
	struct corral_runtime *rt = parsed(json);
	struct corral_error err = { 0 };
	char *text = NULL;

	if (corral_runtime_tag(rt, platform, &text, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	corral_runtime_free(rt);
	return text;
}

static void base_alone_gets_its_directory(void **state)
{
	(void)state;
	becomes("{\"name\":\"x\",\"base_image\":\"a:b\"}", "FROM a:b\nWORKDIR \"/workspace\"\n");
}

static void setup_comes_before_packages_one_step_each(void **state)
{
	(void)state;
	becomes("{\"name\":\"x\",\"base_image\":\"a\",\"setup_commands\":[\"one && "
	        "two\",\"three\"],"
	        "\"packages\":[\"numpy>=1\",\"a[b]\"]}",
	        "FROM a\n"
	        "RUN [\"/bin/sh\",\"-c\",\"one && two\"]\n"
	        "RUN [\"/bin/sh\",\"-c\",\"three\"]\n"
	        "RUN [\"pip\",\"install\",\"--no-cache-dir\",\"numpy>=1\",\"a[b]\"]\n"
	        "WORKDIR \"/workspace\"\n");
}

static void npm_installs_into_the_working_directory(void **state)
{
	(void)state;
	becomes("{\"name\":\"x\",\"base_image\":\"a\",\"package_manager\":\"npm\",\"work_dir\":"
	        "\"/app\",\"packages\":[\"@types/react\"]}",
	        "FROM a\nWORKDIR \"/app\"\n"
	        "RUN [\"/bin/sh\",\"-c\",\"npm install --no-audit --no-fund \\\"$@\\\" && npm "
	        "cache "
	        "clean --force\",\"npm\",\"@types/react\"]\n"
	        "WORKDIR \"/app\"\n");
}

static void apt_leaves_no_lists_behind(void **state)
{
	(void)state;
	becomes("{\"name\":\"x\",\"base_image\":\"a\",\"package_manager\":\"apt\",\"packages\":["
	        "\"jq\",\"less\"]}",
	        "FROM a\n"
	        "RUN [\"/bin/sh\",\"-c\",\"export DEBIAN_FRONTEND=noninteractive && apt-get update "
	        "&& apt-get install -y --no-install-recommends \\\"$@\\\" && rm -rf "
	        "/var/lib/apt/lists/*\",\"apt\",\"jq\",\"less\"]\n"
	        "WORKDIR \"/workspace\"\n");
}

static void cargo_installs(void **state)
{
	(void)state;
	becomes("{\"name\":\"x\",\"base_image\":\"a\",\"package_manager\":\"cargo\",\"packages\":["
	        "\"ripgrep\"]}",
	        "FROM a\nRUN [\"cargo\",\"install\",\"ripgrep\"]\nWORKDIR \"/workspace\"\n");
}

static void user_step_is_last_and_its_environment_is_set(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_runtime *rt =
	        parsed("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"],"
	               "\"work_dir\":\"/w\",\"run_as_uid\":1234}");
	const char *end = "\"user\",\"1234\",\"/w\"]\n"
	                  "ENV HOME=/home/agent VIRTUAL_ENV=/opt/venv UV_SYSTEM_PYTHON=0 "
	                  "PATH=/opt/venv/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:"
	                  "/usr/bin:/sbin:/bin}\n"
	                  "USER 1234:1234\nWORKDIR \"/w\"\n";

	(void)state;
	assert_int_equal(corral_docker_dockerfile_add(&b, rt, NULL), 0);
	assert_non_null(strstr(b.data, "\"p\"]\nUSER 0:0\nRUN [\"/bin/sh\",\"-c\",\"set -e; "));
	assert_true(b.len > strlen(end));
	assert_string_equal(b.data + b.len - strlen(end), end);
	corral_runtime_free(rt);
}

static void environment_is_neither_in_the_image_nor_in_its_tag(void **state)
{
	const char *with =
	        "{\"name\":\"x\",\"base_image\":\"a\",\"env_vars\":{\"KEY\":\"secret\"}}";
	corral_autofree char *one = tag(with, NULL);
	corral_autofree char *other = tag("{\"name\":\"x\",\"base_image\":\"a\"}", NULL);

	(void)state;
	becomes(with, "FROM a\nWORKDIR \"/workspace\"\n");
	assert_string_equal(one, other);
}

static void no_value_ends_its_instruction(void **state)
{
	struct corral_runtime rt = { 0 };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char evil[] = "a\nRUN b \\", dir[] = "/w\\\"$x", base[] = "a", name[] = "n";
	char *commands[] = { evil };
	size_t lines = 0;

	(void)state;
	rt.name = name;
	rt.base_image = base;
	rt.work_dir = dir;
	rt.setup_commands = commands;
	rt.n_setup_commands = 1;
	assert_int_equal(corral_docker_dockerfile_add(&b, &rt, NULL), 0);
	assert_string_equal(b.data, "FROM a\nRUN [\"/bin/sh\",\"-c\",\"a\\nRUN b \\\\\"]\n"
	                            "WORKDIR \"/w\\\\\\\"\\$x\"\n");
	for (size_t i = 0; i < b.len; i++) {
		lines += b.data[i] == '\n';
		assert_true(i == 0 || b.data[i] != '\n' || b.data[i - 1] != '\\');
	}
	assert_int_equal(lines, 3);
}

static void text_that_is_not_ascii_is_written_as_ascii(void **state)
{
	(void)state;
	becomes("{\"name\":\"x\",\"base_image\":\"a\",\"setup_commands\":[\"echo \xc3\xa9\"]}",
	        "FROM a\nRUN [\"/bin/sh\",\"-c\",\"echo \\u00E9\"]\nWORKDIR \"/workspace\"\n");
}

static void base_that_is_no_image_is_refused(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_runtime *rt = parsed("{\"name\":\"x\",\"base_image\":\"a b\"}");
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_docker_dockerfile_add(&b, rt, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, "base_image: image name 'a?b': ", 30), 0);
	corral_runtime_free(rt);
	rt = parsed("{\"name\":\"x\",\"image\":\"a\"}");
	assert_int_equal(corral_docker_dockerfile_add(&b, rt, &err), -EINVAL);
	assert_string_equal(err.text, "there is no base_image to build on");
	corral_runtime_free(rt);
}

static void tag_is_stable(void **state)
{
	corral_autofree char *one =
	        tag("{\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"]}", NULL);

	(void)state;
	/* sha256 of {"recipe":1,"name":"x","base_image":"a","packages":["p"],
	 * "package_manager":"pip","setup_commands":[],"work_dir":"/workspace",
	 * "run_as_uid":null,"platform":null} */
	assert_string_equal(one, "corral-runtime:x-f1225d1432f8");
}

static void tag_changes_with_what_shapes_the_image(void **state)
{
	static const char *const shapes[] = {
		"\"name\":\"y\",\"base_image\":\"a\"",
		"\"name\":\"x\",\"base_image\":\"b\"",
		"\"name\":\"x\",\"base_image\":\"a\",\"packages\":[\"p\"]",
		"\"name\":\"x\",\"base_image\":\"a\",\"package_manager\":\"apt\"",
		"\"name\":\"x\",\"base_image\":\"a\",\"setup_commands\":[\"c\"]",
		"\"name\":\"x\",\"base_image\":\"a\",\"work_dir\":\"/x\"",
		"\"name\":\"x\",\"base_image\":\"a\",\"run_as_uid\":1",
	};
	corral_autofree char *plain = tag("{\"name\":\"x\",\"base_image\":\"a\"}", NULL);
	corral_autofree char *elsewhere =
	        tag("{\"name\":\"x\",\"base_image\":\"a\"}", "linux/arm64");
	corral_autofree char *told = tag(
	        "{\"name\":\"x\",\"base_image\":\"a\",\"description\":\"d\",\"cache_image\":false}",
	        NULL);

	(void)state;
	assert_string_not_equal(plain, elsewhere);
	assert_string_equal(plain, told);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		corral_autofree char *one = NULL;
		char json[200];

		(void)snprintf(json, sizeof(json), "{%s}", shapes[i]);
		one = tag(json, NULL);
		assert_string_not_equal(strrchr(one, '-'), strrchr(plain, '-'));
	}
}

static void names_are_made_fit_for_a_tag(void **state)
{
	corral_autofree char *one = tag("{\"name\":\"-a b/c.d-e\",\"base_image\":\"a\"}", NULL);
	corral_autofree char *two = NULL;
	char json[400], name[301];

	(void)state;
	assert_int_equal(strncmp(one, "corral-runtime:_a_b_c.d-e-", 26), 0);
	memset(name, 'n', 300);
	name[300] = '\0';
	(void)snprintf(json, sizeof(json), "{\"name\":\"%s\",\"base_image\":\"a\"}", name);
	two = tag(json, NULL);
	assert_int_equal(strlen(strchr(two, ':') + 1), 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_alone_gets_its_directory),
		cmocka_unit_test(setup_comes_before_packages_one_step_each),
		cmocka_unit_test(npm_installs_into_the_working_directory),
		cmocka_unit_test(apt_leaves_no_lists_behind),
		cmocka_unit_test(cargo_installs),
		cmocka_unit_test(user_step_is_last_and_its_environment_is_set),
		cmocka_unit_test(environment_is_neither_in_the_image_nor_in_its_tag),
		cmocka_unit_test(no_value_ends_its_instruction),
		cmocka_unit_test(text_that_is_not_ascii_is_written_as_ascii),
		cmocka_unit_test(base_that_is_no_image_is_refused),
		cmocka_unit_test(tag_is_stable),
		cmocka_unit_test(tag_changes_with_what_shapes_the_image),
		cmocka_unit_test(names_are_made_fit_for_a_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
