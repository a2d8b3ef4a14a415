/* kernel/image/bounds.h: what an image in the making may take of a disk, and of time. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "kernel/base/clock.h"
#include "kernel/image/bounds.h"
#include "tests/unit/image/store_support.h"

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	place_make(p);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	place_remove(*state);
	free(*state);
	return 0;
}

static void limits_hold_over_all_that_is_added(void **state)
{
	struct corral_error err = { 0 };
	struct corral_image_bounds b;

	(void)state;
	corral_image_bounds_init(&b, &(struct corral_image_limits) { 100, 3 }, -1);
	assert_int_equal(corral_image_bounds_add(&b, 60, 2, &err), 0);
	assert_int_equal(corral_image_bounds_add(&b, 40, 1, &err), 0);
	assert_int_equal(corral_image_bounds_add(&b, 1, 0, &err), -EFBIG);
	assert_non_null(strstr(err.text, "more than 100 bytes unpacked"));
	assert_int_equal(corral_image_bounds_check(&b, 100, 3, &err), 0);
	assert_int_equal(corral_image_bounds_check(&b, 0, 4, &err), -EFBIG);
	assert_non_null(strstr(err.text, "more than 3 files"));
	assert_int_equal(corral_image_bounds_check(NULL, UINT64_MAX, UINT64_MAX, NULL), 0);
	corral_image_bounds_init(&b, NULL, -1);
	assert_int_equal(b.limits.bytes_max, CORRAL_IMAGE_BYTES_MAX);
	assert_int_equal(b.limits.files_max, CORRAL_IMAGE_FILES_MAX);
}

static void wait_until_due(void)
{
	(void)usleep(80000);
}

static int cancel(void *ctx, struct corral_error *err)
{
	++*(unsigned int *)ctx;
	return corral_error_set(err, ECANCELED, "canceled");
}

static void time_and_cancelling_end_it(void **state)
{
	struct corral_error err = { 0 };
	struct corral_image_bounds b;
	unsigned int ticks = 0;

	(void)state;
	corral_image_bounds_init(&b, NULL, -1);
	b.tick = (struct corral_image_tick) { cancel, &ticks };
	assert_int_equal(corral_image_bounds_look(&b, &err), -ECANCELED);
	/* Not each time that somebody asks. */
	assert_int_equal(corral_image_bounds_look(&b, &err), 0);
	assert_int_equal(ticks, 1);
	wait_until_due();
	b.deadline_ms = corral_now_ms();
	assert_int_equal(corral_image_bounds_look(&b, &err), -ETIMEDOUT);
}

/* In a child, which has a small filesystem of its own: 0, or the line that went wrong. */
static int on_a_small_disk(const char *options, int (*fill)(int fd))
{
	char path[] = "/tmp/corral-bounds-XXXXXX";
	struct corral_image_bounds b;
	struct corral_error err = { 0 };
	int fd, status = -1;
	pid_t pid;

	assert_non_null(mkdtemp(path));
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", path, "tmpfs", 0, options) < 0)
			_exit(__LINE__);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		corral_image_bounds_init(&b, NULL, fd);
		if (fd < 0 || corral_image_bounds_disk(&b, &err) != 0)
			_exit(__LINE__);
		wait_until_due();
		if (fill(fd) < 0)
			_exit(__LINE__);
		if (corral_image_bounds_disk(&b, &err) != -ENOSPC ||
		    !strstr(err.text, "are left on the disk of the store") ||
		    strstr(err.text, "less than 0 "))
			_exit(__LINE__);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)rmdir(path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int bytes_fill(int dir_fd)
{
	int fd = openat(dir_fd, "all", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	/* 500 KiB of 10 MiB are left, which it still takes. */
	return fd < 0 || posix_fallocate(fd, 0, (10 << 20) - (500 << 10)) ? -1 : 0;
}

static int inodes_fill(int dir_fd)
{
	char name[16];

	for (int i = 0; i < 970; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		if (mknodat(dir_fd, name, S_IFREG | 0600, 0) < 0)
			return -1;
	}
	return 0;
}

static void some_of_the_disk_stays_free(void **state)
{
	(void)state;
	if (corral_test_needs_root("a filesystem of its own is mounted"))
		return;
	assert_int_equal(on_a_small_disk("size=10m", bytes_fill), 0);
	assert_int_equal(on_a_small_disk("size=10m,nr_inodes=1000", inodes_fill), 0);
}

static void a_root_with_too_many_files_is_refused(void **state)
{
	struct place *p = *state;
	struct corral_image_bounds b;
	char first[200], second[200], root[200];
	const char *layers[] = { first, second };

	layer_make(p, "one", WORDS("a=1", "b=2"));
	layer_make(p, "two", WORDS("c=3", "d=4"));
	{
		char one[80], two[80];

		(void)snprintf(first, sizeof(first), "%s/layers/%s", p->root,
		               digest_of("one", one) + 7);
		(void)snprintf(second, sizeof(second), "%s/layers/%s", p->root,
		               digest_of("two", two) + 7);
	}
	(void)snprintf(root, sizeof(root), "%s/partial/r", p->root);
	corral_image_bounds_init(&b, &(struct corral_image_limits) { .files_max = 3 }, -1);
	assert_int_equal(corral_image_flatten(layers, 2, root, &b, &p->err), -EFBIG);
	(void)corral_layer_remove(p->store->dirs[STORE_PARTIAL], "r", NULL);
	corral_image_bounds_init(&b, &(struct corral_image_limits) { .files_max = 4 }, -1);
	OK(p, corral_image_flatten(layers, 2, root, &b, &p->err));
	assert_int_equal(corral_layer_remove(p->store->dirs[STORE_PARTIAL], "r", NULL), 0);
}

/* Whoever has it may be held up by a registry for ever. */
static void waiting_for_another_can_be_called_off(void **state)
{
	struct place *p = *state;
	struct corral_image_layer_making *m = NULL, *second = NULL;
	struct corral_image_blob *b = NULL, *other = NULL;
	struct corral_image_tick tick;
	unsigned int ticks = 0;
	uint64_t size, began = corral_now_ms();
	char id[80];

	tick = (struct corral_image_tick) { cancel, &ticks };
	OK(p, corral_image_blob_begin(p->store, digest_of("b", id), NULL, &b, &size, &p->err));
	assert_int_equal(corral_image_blob_begin(p->store, id, &tick, &other, &size, &p->err),
	                 -ECANCELED);
	OK(p, corral_image_layer_begin(p->store, id, NULL, &m, &p->err));
	assert_int_equal(corral_image_layer_begin(p->store, id, &tick, &second, &p->err),
	                 -ECANCELED);
	assert_int_equal(ticks, 2);
	assert_true(corral_now_ms() - began < 8000);
	/* What the first has is the first's. */
	corral_image_blob_forget(p->store, id);
	assert_int_equal(corral_image_blob_commit_take(b, &p->err), 0);
	corral_image_layer_abandon(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_hold_over_all_that_is_added),
		cmocka_unit_test(time_and_cancelling_end_it),
		cmocka_unit_test(some_of_the_disk_stays_free),
		cmocka_unit_test_setup_teardown(a_root_with_too_many_files_is_refused, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(waiting_for_another_can_be_called_off, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
