/* kernel/image/oci/layer_tar.h: what a guest left is archived within bounds of size and time. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/image/oci/layer_tar.h"
#include "kernel/layers/layers.h"

static char dir[64];

static const char *above(void)
{
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static int setup(void **state)
{
	char path[96];

	(void)state;
	/* In memory, as a disk takes its time for so many small files. */
	(void)snprintf(dir, sizeof(dir), "%s/corral-tar-XXXXXX", above());
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/tree", dir);
	return mkdir(path, 0700);
}

static int teardown(void **state)
{
	int fd = open(above(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(corral_layer_remove(fd, strrchr(dir, '/') + 1, NULL), 0);
	return close(fd);
}

static void file(const char *name, off_t size)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/tree/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	(void)close(fd);
}

/* On a busy machine; a hole of a terabyte takes minutes to read. */
#define SOON_MS 8000

static int digest(struct corral_image_bounds *b, struct corral_error *err)
{
	char is[CORRAL_DIGEST_SIZE];

	return corral_layer_tar_digest(dir, b, is, NULL, err);
}

static void a_huge_hole_is_refused_at_once(void **state)
{
	struct corral_image_bounds b;
	struct corral_error err = { 0 };
	uint64_t began = corral_now_ms();

	(void)state;
	file("hole", (off_t)1 << 40);
	corral_image_bounds_init(&b, NULL, -1);
	assert_int_equal(digest(&b, &err), -EFBIG);
	assert_non_null(strstr(err.text, "'hole': more than 34359738368 bytes unpacked"));
	assert_true(corral_now_ms() - began < SOON_MS);
}

static void many_holes_are_counted_together(void **state)
{
	struct corral_image_bounds b;
	struct corral_error err = { 0 };

	(void)state;
	file("a", 3 << 20);
	file("b", 3 << 20);
	corral_image_bounds_init(&b, &(struct corral_image_limits) { .bytes_max = 6 << 20 }, -1);
	assert_int_equal(digest(&b, &err), 0);
	corral_image_bounds_init(&b, &(struct corral_image_limits) { .bytes_max = 5 << 20 }, -1);
	assert_int_equal(digest(&b, &err), -EFBIG);
	/* Both, and what they lie in. */
	corral_image_bounds_init(&b, &(struct corral_image_limits) { .files_max = 2 }, -1);
	assert_int_equal(digest(&b, &err), -EFBIG);
}

/* What is the first to be archived would be too large itself: it does not come to that. */
static void names_are_counted_as_they_are_read(void **state)
{
	struct corral_image_bounds b;
	struct corral_error err = { 0 };
	char name[16];

	(void)state;
	file("a", (off_t)1 << 40);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "b%d", i);
		file(name, 1);
	}
	corral_image_bounds_init(&b, &(struct corral_image_limits) { .files_max = 10 }, -1);
	assert_int_equal(digest(&b, &err), -EFBIG);
	assert_non_null(strstr(err.text, "more than 10 files"));
}

static int cancel_later(void *ctx, struct corral_error *err)
{
	return corral_now_ms() < *(uint64_t *)ctx + 300
	               ? 0
	               : corral_error_set(err, ECANCELED, "canceled");
}

static void a_huge_hole_can_be_called_off(void **state)
{
	struct corral_image_bounds b;
	struct corral_error err = { 0 };
	uint64_t began = corral_now_ms();

	(void)state;
	file("hole", (off_t)1 << 40);
	corral_image_bounds_init(&b, &(struct corral_image_limits) { .bytes_max = UINT64_MAX }, -1);
	b.tick = (struct corral_image_tick) { cancel_later, &began };
	assert_int_equal(digest(&b, &err), -ECANCELED);
	assert_true(corral_now_ms() - began < SOON_MS);
	b.tick.call = NULL;
	b.deadline_ms = corral_now_ms() + 300;
	began = corral_now_ms();
	assert_int_equal(digest(&b, &err), -ETIMEDOUT);
	assert_true(corral_now_ms() - began < SOON_MS);
}

/* Each file has a second name elsewhere, so that each first name is remembered. */
static void names_of_files_are_remembered_within_bounds(void **state)
{
	char name[300], path[400];
	struct corral_error err = { 0 };
	int at, next, out;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/tree", dir);
	at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/outside", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(name, 'd', 250);
	name[250] = '\0';
	for (int i = 0; i < 15; i++) {
		assert_int_equal(mkdirat(at, name, 0700), 0);
		next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		(void)close(at);
		at = next;
	}
	for (int i = 0; i < 36000; i++) {
		(void)snprintf(name, sizeof(name), "%05d", i);
		assert_int_equal(mknodat(out, name, S_IFREG | 0600, 0), 0);
		assert_int_equal(linkat(out, name, at, name, 0), 0);
	}
	(void)close(at);
	(void)close(out);
	assert_int_equal(digest(NULL, &err), -EFBIG);
	assert_non_null(strstr(err.text, "more files of several names than an image may have"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_huge_hole_is_refused_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(many_holes_are_counted_together, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_counted_as_they_are_read, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_huge_hole_can_be_called_off, setup, teardown),
		cmocka_unit_test_setup_teardown(names_of_files_are_remembered_within_bounds, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
