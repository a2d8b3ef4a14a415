#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/capability.h>

#include "kernel/base/cleanup.h"
#include "policy/caps.h"

static void names_are_taken_with_and_without_prefix_in_any_case(void **state)
{
	static const char *const same[] = { "CAP_NET_RAW", "net_raw", "Cap_Net_Raw", "NET_RAW" };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(same); i++) {
		uint64_t set = 0;

		assert_int_equal(corral_caps_parse(same[i], &set, NULL), 0);
		assert_int_equal(set, 1ull << CAP_NET_RAW);
	}
}

static void all_means_every_capability(void **state)
{
	uint64_t set = 0;

	(void)state;
	assert_int_equal(corral_caps_parse("ALL", &set, NULL), 0);
	assert_int_equal(set, CORRAL_CAPS_ALL);
	assert_int_equal(corral_caps_parse("all", &set, NULL), 0);
	assert_int_equal(set, CORRAL_CAPS_ALL);
}

static void unknown_names_are_einval_and_named(void **state)
{
	static const char *const wrong[] = {
		"",        "cap_", "CAP_",         "net_rawx", "21",     "cap_21", "CAP_CAP_CHOWN",
		"net raw", "all ", "cap_chown=ep", "-1",       "CAP_ALL"
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(wrong); i++) {
		struct corral_error err = { 0 };
		uint64_t set = 77;

		if (corral_caps_parse(wrong[i], &set, &err) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i]);
		assert_int_equal(set, 77);
		assert_non_null(strstr(err.text, "no capability '"));
		assert_non_null(strstr(err.text, wrong[i]));
	}
}

static void a_name_longer_than_any_is_einval(void **state)
{
	char text[300];
	uint64_t set;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(corral_caps_parse(text, &set, NULL), -EINVAL);
}

static void names_agree_with_libcap(void **state)
{
	(void)state;
	for (unsigned int cap = 0; cap < 41; cap++) {
		char *theirs = cap_to_name((cap_value_t)cap);
		const char *ours = corral_caps_name(cap);
		uint64_t set;

		assert_non_null(ours);
		assert_int_equal(strcasecmp(ours, theirs), 0);
		assert_true(isupper((unsigned char)ours[0]));
		assert_int_equal(corral_caps_parse(ours, &set, NULL), 0);
		assert_int_equal(set, 1ull << cap);
		cap_free(theirs);
	}
	assert_null(corral_caps_name(41));
	assert_null(corral_caps_name(~0u));
}

static void nothing_added_is_no_capability(void **state)
{
	uint64_t set = 77;

	(void)state;
	assert_int_equal(corral_caps_compose(NULL, 0, NULL, 0, &set, NULL), 0);
	assert_int_equal(set, 0);
}

static void dropping_goes_after_adding(void **state)
{
	char every[] = "ALL", right[] = "chown", admin[] = "CAP_SYS_ADMIN";
	char *add[] = { every }, *drop[] = { right, admin }, *all[] = { every };
	uint64_t set = 0;

	(void)state;
	assert_int_equal(corral_caps_compose(add, 1, drop, 2, &set, NULL), 0);
	assert_int_equal(set, CORRAL_CAPS_ALL & ~(1ull << CAP_CHOWN) & ~(1ull << CAP_SYS_ADMIN));
	assert_int_equal(corral_caps_compose(drop, 2, all, 1, &set, NULL), 0);
	assert_int_equal(set, 0);
}

static void compose_says_which_list_was_wrong(void **state)
{
	char right[] = "chown", wrong[] = "chwon";
	char *good[] = { right }, *bad[] = { right, wrong };
	struct corral_error err = { 0 };
	uint64_t set = 77;

	(void)state;
	assert_int_equal(corral_caps_compose(bad, 2, good, 1, &set, &err), -EINVAL);
	assert_string_equal(err.text, "cap_add: no capability 'chwon'");
	err.code = 0;
	assert_int_equal(corral_caps_compose(good, 1, bad, 2, &set, &err), -EINVAL);
	assert_string_equal(err.text, "cap_drop: no capability 'chwon'");
	assert_int_equal(set, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_with_and_without_prefix_in_any_case),
		cmocka_unit_test(all_means_every_capability),
		cmocka_unit_test(unknown_names_are_einval_and_named),
		cmocka_unit_test(a_name_longer_than_any_is_einval),
		cmocka_unit_test(names_agree_with_libcap),
		cmocka_unit_test(nothing_added_is_no_capability),
		cmocka_unit_test(dropping_goes_after_adding),
		cmocka_unit_test(compose_says_which_list_was_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
