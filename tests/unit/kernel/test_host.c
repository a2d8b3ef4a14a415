/* What corral_host_probe() finds on this kernel, and on one from which a call has been taken away.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "kernel/base/cleanup.h"
#include "kernel/host.h"
#include "tests/support_deny.h"

static uint32_t features_denied(const char *error, const char *calls)
{
	char out[64];

	assert_int_equal(corral_test_run_denied(error, calls, "--features", out, sizeof(out)), 0);
	return (uint32_t)strtoul(out, NULL, 10);
}

static uint32_t features_here(void)
{
	struct corral_host h;

	assert_int_equal(corral_host_probe(&h, NULL), 0);
	return h.features;
}

static void version_and_ids_are_those_of_the_system(void **state)
{
	struct corral_host h;

	(void)state;
	assert_int_equal(corral_host_probe(&h, NULL), 0);
	assert_true(h.kernel_major >= 5);
	assert_int_equal(h.uid, geteuid());
	assert_int_equal(h.gid, getegid());
	assert_int_equal(!!(h.features & CORRAL_HOST_LANDLOCK), h.landlock_abi > 0);
}

/* Each call that is denied takes its own feature away, with either errno, and no other. */
static void denied_call_takes_its_feature_away_and_no_other(void **state)
{
	static const struct {
		const char *calls;
		uint32_t lost;
	} rows[] = {
		{ "openat2", CORRAL_HOST_OPENAT2 },
		{ "open_tree", CORRAL_HOST_NEW_MOUNT_API },
		{ "fsconfig", CORRAL_HOST_NEW_MOUNT_API },
		{ "mount_setattr", CORRAL_HOST_MOUNT_SETATTR | CORRAL_HOST_ID_MAPPED },
		{ "clone3", CORRAL_HOST_CLONE_INTO_CGROUP },
		{ "seccomp@0=3", CORRAL_HOST_USER_NOTIF },
		{ "landlock_create_ruleset", CORRAL_HOST_LANDLOCK },
	};
	static const char *const errors[] = { "ENOSYS", "EPERM" };
	uint32_t here = features_here();

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		for (size_t j = 0; j < CORRAL_COUNT(errors); j++)
			assert_int_equal(features_denied(errors[j], rows[i].calls),
			                 here & ~rows[i].lost);
}

/* Without privilege EPERM is what the kernel itself says to these, so only absence shows. */
static void calls_that_ask_for_privilege_first_are_missed_when_absent(void **state)
{
	static const char *const calls[] = { "move_mount", "fsopen", "fsmount" };
	uint32_t here = features_here();

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(calls); i++) {
		assert_int_equal(features_denied("ENOSYS", calls[i]),
		                 here & ~CORRAL_HOST_NEW_MOUNT_API);
		if (here & CORRAL_HOST_PRIVILEGED)
			assert_int_equal(features_denied("EPERM", calls[i]),
			                 here & ~CORRAL_HOST_NEW_MOUNT_API);
	}
}

static void unknown_capabilities_are_no_privilege(void **state)
{
	(void)state;
	assert_int_equal(features_denied("EPERM", "capget") & CORRAL_HOST_PRIVILEGED, 0);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Every launch pays for it. The best of many: other work on the machine is not its fault. */
static void probe_costs_at_most_forty_microseconds(void **state)
{
	uint64_t best = UINT64_MAX;

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint64_t start = now_ns(), took;
		struct corral_host h;

		assert_int_equal(corral_host_probe(&h, NULL), 0);
		took = now_ns() - start;
		best = took < best ? took : best;
	}
	assert_in_range(best, 1, 40000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_and_ids_are_those_of_the_system),
		cmocka_unit_test(denied_call_takes_its_feature_away_and_no_other),
		cmocka_unit_test(calls_that_ask_for_privilege_first_are_missed_when_absent),
		cmocka_unit_test(unknown_capabilities_are_no_privilege),
		cmocka_unit_test(probe_costs_at_most_forty_microseconds),
	};

	if (argc == 2 && strcmp(argv[1], "--features") == 0)
		return printf("%u\n", features_here()) < 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
