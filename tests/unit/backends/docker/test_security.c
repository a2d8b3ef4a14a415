/* How a container is confined: what an engine is told, and what never gets that far. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/capability.h>

#include "backends/docker/security.h"
#include "backends/docker/spec.h"
#include "kernel/base/cleanup.h"

static const char *option(json_t *host, size_t n)
{
	const char *text =
	        json_string_value(json_array_get(json_object_get(host, "SecurityOpt"), n));

	if (!text)
		fail_msg("no SecurityOpt[%zu]", n);
	return text;
}

static json_t *secured(const char *profile, uint64_t caps)
{
	json_t *host = json_object();
	struct corral_error err = { 0 };

	if (corral_docker_security_put(host, profile, caps, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(option(host, 0), "no-new-privileges");
	assert_int_equal(strncmp(option(host, 1), "seccomp=", 8), 0);
	assert_int_equal(json_array_size(json_object_get(host, "SecurityOpt")), 2);
	return host;
}

static void corrals_own_profile_is_told_in_the_engines_words(void **state)
{
	json_t *host = secured(NULL, 0), *again = secured(NULL, 0);
	const char *text = option(host, 1);

	(void)state;
	assert_null(strstr(text, "comment"));
	assert_non_null(strstr(text, "{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_ALLOW\","
	                             "\"args\":[{\"index\":1,"));
	assert_null(strstr(text, "\"chroot\""));
	assert_string_equal(option(again, 1), text);
	json_decref(host);
	json_decref(again);
}

static void capabilities_that_are_kept_open_their_calls(void **state)
{
	json_t *host = secured(NULL, 1ull << CAP_SYS_CHROOT), *without = secured(NULL, 0);

	(void)state;
	assert_non_null(strstr(option(host, 1), "\"chroot\""));
	assert_null(strstr(option(without, 1), "\"chroot\""));
	json_decref(host);
	json_decref(without);
}

static void a_callers_profile_is_translated_and_unconfined_is_not(void **state)
{
	json_t *host = secured("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":["
	                       "\"bpf\"],\"action\":\"SCMP_ACT_ERRNO\",\"comment\":\"no\"}]}",
	                       0);

	(void)state;
	assert_null(strstr(option(host, 1), "comment"));
	assert_non_null(strstr(option(host, 1),
	                       "{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ERRNO\","
	                       "\"errnoRet\":1}"));
	json_decref(host);
	host = secured("unconfined", 0);
	assert_string_equal(option(host, 1), "seccomp=unconfined");
	json_decref(host);
}

static void a_profile_that_is_none_is_refused_before_any_engine_sees_it(void **state)
{
	struct corral_error err = { 0 };
	json_t *host = json_object();

	(void)state;
	assert_int_equal(corral_docker_security_put(host, "{\"defaultAction\":1}", 0, &err),
	                 -EINVAL);
	assert_string_equal(err.text, "seccomp: defaultAction: not text");
	assert_null(json_object_get(host, "SecurityOpt"));
	json_decref(host);
}

static void a_containers_capabilities_decide_its_profile(void **state)
{
	char *add[] = { (char *)(uintptr_t) "SYS_CHROOT", NULL };
	struct corral_docker_options o = { .cap_add = add };
	struct corral_docker_spec spec = { 0 };
	struct corral_error err = { 0 };

	(void)state;
	if (corral_docker_spec_init(&spec, &o, "s1", &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(option(spec.host_config, 1), "\"chroot\""));
	corral_docker_spec_done(&spec);
	o.cap_add = NULL;
	if (corral_docker_spec_init(&spec, &o, "s1", &err) < 0)
		fail_msg("%s", err.text);
	assert_null(strstr(option(spec.host_config, 1), "\"chroot\""));
	corral_docker_spec_done(&spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corrals_own_profile_is_told_in_the_engines_words),
		cmocka_unit_test(capabilities_that_are_kept_open_their_calls),
		cmocka_unit_test(a_callers_profile_is_translated_and_unconfined_is_not),
		cmocka_unit_test(a_profile_that_is_none_is_refused_before_any_engine_sees_it),
		cmocka_unit_test(a_containers_capabilities_decide_its_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
