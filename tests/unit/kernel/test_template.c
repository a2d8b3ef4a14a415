/* kernel/template.c: the composed root, made once as a directory of the host. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/template.h"

static const struct corral_host host = { .features = CORRAL_HOST_ID_MAPPED, .kernel_major = 7 };

static int setup(void **state)
{
	char path[] = "/tmp/corral-template-XXXXXX";

	assert_non_null(mkdtemp(path));
	*state = strdup(path);
	return *state ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int teardown(void **state)
{
	assert_int_equal(nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(*state);
	return 0;
}

/* False where the temporary directory's file system is none that can be id-mapped. */
static bool find(const char *dir, const struct corral_etc *etc, char *ret, size_t size)
{
	struct corral_error err = { 0 };
	int r = corral_template_find(dir, etc, &host, ret, size, &err);

	if (r == -EOPNOTSUPP) {
		print_message("skipped: %s\n", err.text);
		return false;
	}
	if (r < 0)
		fail_msg("%s", err.text);
	return true;
}

static mode_t mode_of(const char *dir, const char *name)
{
	char path[512];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return st.st_mode;
}

static void template_is_made_once_and_whole(void **state)
{
	const struct corral_etc etc = { .n_bind = 1, .bind = { "/etc/ld.so.cache" } };
	char first[256], again[256];
	mode_t mask = umask(077);
	bool found = find(*state, &etc, first, sizeof(first));

	(void)umask(mask);
	if (!found)
		return;
	assert_int_equal(mode_of(first, ""), S_IFDIR | 0755);
	assert_int_equal(mode_of(first, "tmp"), S_IFDIR | 01777);
	assert_int_equal(mode_of(first, "root"), S_IFDIR | 0700);
	assert_int_equal(mode_of(first, "etc/passwd"), S_IFREG | 0644);
	assert_int_equal(mode_of(first, "etc/ld.so.cache"), S_IFREG | 0644);
	assert_true(S_ISLNK(mode_of(first, "etc/mtab")));
	/* A mark stays, so it was not made again. */
	assert_int_equal(chmod(first, 0700), 0);
	assert_true(find(*state, &etc, again, sizeof(again)));
	assert_string_equal(first, again);
	assert_int_equal(mode_of(first, ""), S_IFDIR | 0700);
}

static void host_that_changed_gets_another(void **state)
{
	const struct corral_etc before = { 0 },
	                        after = { .n_bind = 1, .bind = { "/etc/services" } };
	char first[256], second[256];

	if (!find(*state, &before, first, sizeof(first)))
		return;
	assert_true(find(*state, &after, second, sizeof(second)));
	assert_string_not_equal(first, second);
	assert_int_equal(access(first, F_OK), 0);
}

/* What a maker that was killed left behind is neither used nor kept. */
static void draft_of_a_killed_maker_is_cleared_away(void **state)
{
	const struct corral_etc etc = { 0 };
	char path[600], draft[512];

	(void)snprintf(draft, sizeof(draft), "%s/draft", (char *)*state);
	assert_int_equal(mkdir(draft, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/stray", draft);
	assert_int_equal(mkdir(path, 0700), 0);
	if (!find(*state, &etc, path, sizeof(path)))
		return;
	assert_int_equal(access(draft, F_OK), -1);
	(void)snprintf(draft, sizeof(draft), "%.400s/stray", path);
	assert_int_equal(access(draft, F_OK), -1);
}

static void host_without_id_mapped_mounts_has_none(void **state)
{
	const struct corral_host old = { .kernel_major = 5 };
	const struct corral_etc etc = { 0 };
	char path[256];

	assert_int_equal(corral_template_find(*state, &etc, &old, path, sizeof(path), NULL),
	                 -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(template_is_made_once_and_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(host_that_changed_gets_another, setup, teardown),
		cmocka_unit_test_setup_teardown(draft_of_a_killed_maker_is_cleared_away, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(host_without_id_mapped_mounts_has_none, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
