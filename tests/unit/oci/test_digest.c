/* kernel/image/oci/digest.h: SHA-256 as everybody has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/digest.h"

#define OF_NOTHING "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC     "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void known_texts_have_known_digests(void **state)
{
	char got[CORRAL_DIGEST_SIZE];

	(void)state;
	corral_digest_of("", 0, got);
	assert_string_equal(got, OF_NOTHING);
	corral_digest_of("abc", 3, got);
	assert_string_equal(got, OF_ABC);
}

static void parts_and_files_make_the_same_digest(void **state)
{
	corral_auto(corral_digest_freep) struct corral_digest *d = NULL;
	corral_autofd int fd = memfd_create("abc", MFD_CLOEXEC);
	char got[CORRAL_DIGEST_SIZE];
	uint64_t size = 0;

	(void)state;
	assert_int_equal(write(fd, "xbc", 3), 3);
	assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
	assert_int_equal(corral_digest_new(&d, NULL), 0);
	corral_digest_add(d, "a", 1);
	assert_int_equal(corral_digest_add_fd(d, fd, NULL, &size, NULL), 0);
	corral_digest_end(d, got);
	assert_int_equal(size, 2);
	assert_string_equal(got, OF_ABC);
	corral_digest_end(d, got);
	assert_string_equal(got, "");
}

static void only_whole_lower_case_digests_are_valid(void **state)
{
	(void)state;
	assert_true(corral_digest_is_valid(OF_ABC));
	assert_false(corral_digest_is_valid(""));
	assert_false(corral_digest_is_valid(OF_ABC "0"));
	assert_false(corral_digest_is_valid("sha256:ba7816"));
	assert_false(corral_digest_is_valid("sha512" OF_ABC));
	assert_false(corral_digest_is_valid(
	        "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"));
	assert_false(corral_digest_is_valid(
	        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_texts_have_known_digests),
		cmocka_unit_test(parts_and_files_make_the_same_digest),
		cmocka_unit_test(only_whole_lower_case_digests_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
