/*
 * Many live sandboxes of one image hold its files in memory once: what each of them reads is on the
 * account of whoever read it first, and what each writes on its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>

#include "tests/support.h"

#include "tests/real/image_support.h"
#include "tests/real/sandbox_support.h"

#include "tests/real/cli_support.h"

#define SANDBOXES 12
#define BIG_MB    64
#define WRITERS   4
#define OWN_MB    8

static char *dir; /* NULL: no image */
static char ids[SANDBOXES][32];
static size_t n_ids;

static void fill(const char *root)
{
	static const char block[1 << 20] = "read by many";
	char path[512];
	int fd;

	image_busybox(root);
	(void)snprintf(path, sizeof(path), "%s/big", root);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	for (int i = 0; i < BIG_MB; i++)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	(void)close(fd);
}

/* Away from memory, so that it is on nobody's account. */
static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
	int fd;

	if (type != FTW_F || strcmp(path + at->base, "big") != 0)
		return 0;
	assert_int_equal(st->st_size, BIG_MB << 20);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	(void)fsync(fd);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)close(fd);
	return 0;
}

static int setup(void **state)
{
	struct corral_image_store *s = NULL;
	char path[600];

	(void)umask(022);
	if (has_busybox()) {
		dir = dir_make();
		(void)snprintf(path, sizeof(path), "%s/images", dir);
		(void)setenv("CORRAL_IMAGES", path, 1);
		assert_int_equal(corral_image_store_open(path, true, &s, NULL), 0);
		image_make(s, "big:1", "{\"Env\":[\"PATH=/bin\"]}", fill);
		corral_image_store_close(s);
	}
	return cli_setup(state);
}

static int teardown(void **state)
{
	const char *args[3 + SANDBOXES + 1] = { "sandbox", "rm", "-f" };
	struct run r = { 0 };

	for (size_t i = 0; i < n_ids; i++)
		args[3 + i] = ids[i];
	if (n_ids)
		corral_argv(&r, args);
	run_done(&r);
	if (dir)
		dir_remove(dir);
	return cli_teardown(state);
}

/* In bytes, of all sandboxes of ours; -1: not known here. */
static long long accounts(void)
{
	const char *args[3 + SANDBOXES + 1] = { "sandbox", "stats", "--json" };
	struct run r = { 0 };
	long long sum = 0;
	json_t *list, *s;
	size_t i;

	for (i = 0; i < n_ids; i++)
		args[3 + i] = ids[i];
	corral_argv(&r, args);
	assert_status(&r, 0);
	list = json_loads(r.out, 0, NULL);
	json_array_foreach(list, i, s)
	{
		const json_t *v = json_object_get(s, "memory_bytes");

		if (!json_is_integer(v))
			sum = -1;
		if (sum >= 0)
			sum += json_integer_value(v);
	}
	json_decref(list);
	run_done(&r);
	return sum;
}

static void in_first(size_t n, const char *command)
{
	struct run r = { 0 };

	for (size_t i = 0; i < n; i++) {
		CORRAL(&r, "exec", ids[i], "--", "/bin/sh", "-c", command);
		assert_status(&r, 0);
	}
	run_done(&r);
}

static void what_many_sandboxes_read_is_in_memory_once(void **state)
{
	struct run r = { 0 };
	long long begin, after_read, after_write, mb = 1 << 20;

	(void)state;
	if (!dir) {
		corral_test_skip("a static busybox (busybox-static)");
		return;
	}
	run_after(&r, NULL, ARGS("--pull", "never", "--image", "big:1", "--", "true"));
	if (r.status != 0) {
		corral_test_skip("a sandbox with a root of its own: %s", r.err);
		run_done(&r);
		return;
	}
	if (!enforces("memory")) {
		run_done(&r);
		skip_without_root("an account of memory");
		return;
	}
	(void)nftw(dir, forget, 16, FTW_PHYS);
	while (n_ids < SANDBOXES) {
		CORRAL(&r, "sandbox", "create", "--pull", "never", "--image", "big:1");
		assert_status(&r, 0);
		(void)snprintf(ids[n_ids], sizeof(ids[0]), "%.*s", (int)strcspn(r.out, "\n"),
		               r.out);
		n_ids++;
	}
	run_done(&r);
	begin = accounts();
	in_first(n_ids, "cat /big >/dev/null");
	after_read = accounts();
	in_first(WRITERS, "dd if=/big of=/own bs=1048576 count=8 2>/dev/null");
	after_write = accounts();
	print_message("%d sandboxes: %lld MB, %lld after each read %d MB, %lld after %d wrote %d\n",
	              SANDBOXES, begin / mb, after_read / mb, BIG_MB, after_write / mb, WRITERS,
	              OWN_MB);
	assert_true(begin >= 0);
	assert_in_range(after_read - begin, 0, BIG_MB * mb * 3 / 2);
	/* A copy of each would be seen. */
	assert_true(after_write - after_read > WRITERS * mb * OWN_MB * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_many_sandboxes_read_is_in_memory_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
