/*
 * kernel/image/oci/unpack_tree.h: archives unpacked in sandboxes, as whoever runs this: root, or an
 * ordinary user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/xattr.h>

#include "kernel/image/oci/layer_tar.h"
#include "kernel/image/oci/unpack_tree.h"
#include "tests/oci/archive_support.h"
#include "tests/support.h"

static struct corral_launcher *launcher;

/* libarchive's writer of one compressed file. */
static void compressed(const char *data, size_t len, int (*filter)(struct archive *),
                       struct corral_buf *ret)
{
	size_t used = 0, size = len + (1 << 16);
	char *to = malloc(size);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	assert_non_null(to);
	assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
	assert_int_equal(filter(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, to, size, &used), ARCHIVE_OK);
	archive_entry_set_filetype(e, AE_IFREG);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, data, len), len);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	corral_buf_add(ret, to, used);
	archive_entry_free(e);
	(void)archive_write_free(a);
	free(to);
}

struct unpacked {
	char root[64];
	int r;
	struct corral_error err;
	struct corral_unpacked is;
	struct corral_buf tree;
};

static void unpacked_done(struct unpacked *u)
{
	corral_buf_done(&u->tree);
	if (*u->root)
		scratch_remove(u->root);
}

static void unpack_fd(int fd, const struct corral_unpack_limits *limits,
                      const struct corral_progress *progress, struct unpacked *u)
{
	const struct corral_unpack_options o = {
		.launcher = launcher,
		.program_path = CORRAL_UNPACK,
		.limits = limits ? *limits : (struct corral_unpack_limits) { .ratio_max = 0 },
		.progress = progress,
	};
	int dir;

	scratch_make(u->root);
	u->r = corral_unpack_tree(fd, u->root, "layer", &o, &u->is, &u->err);
	dir = open(u->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u->r == 0)
		tree_add(&u->tree, dir, "");
	(void)close(dir);
}

static void unpack(const struct corral_buf *b, const struct corral_unpack_limits *limits,
                   struct unpacked *u)
{
	int fd = archive_fd(b->data, b->len);

	unpack_fd(fd, limits, NULL, u);
	(void)close(fd);
}

static const struct item small[] = {
	{ '5', "./", NULL, 0 },
	{ '5', "d/", NULL, 0700 },
	{ '0', "d/f", "hello", 04750 },
	{ '2', "l", "d/f", 0 },
	{ '1', "h", "d/f", 0 },
	{ '6', "p", NULL, 0 },
	{ '0', ".wh.gone", "", 0 },
	{ '0', "d/.wh..wh..opq", "", 0 },
	{ 0 },
};

static int no_filter(struct archive *a)
{
	return archive_write_add_filter_none(a);
}

static void every_compression_gives_the_same_layer(void **state)
{
	static int (*const filters[])(struct archive *) = {
		no_filter,
		archive_write_add_filter_gzip,
		archive_write_add_filter_zstd,
		archive_write_add_filter_xz,
		archive_write_add_filter_bzip2,
	};
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT;
	char diff_id[CORRAL_DIGEST_SIZE];

	(void)state;
	archive_make(&tar, small);
	corral_digest_of(tar.data, tar.len, diff_id);
	for (size_t i = 0; i < CORRAL_COUNT(filters); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		corral_auto(unpacked_done) struct unpacked u = { .root = "" };

		compressed(tar.data, tar.len, filters[i], &b);
		unpack(&b, NULL, &u);
		if (u.r < 0)
			fail_msg("filter %zu: %s", i, u.err.text);
		assert_string_equal(u.is.diff_id, diff_id);
		assert_int_equal(u.is.tar_bytes, tar.len);
		assert_int_equal(u.is.archive_bytes, b.len);
		assert_string_equal(u.tree.data, "gone=Dgone tree/ tree/d/ tree/d/f=hello "
		                                 "tree/h=hello tree/l->d/f tree/p|");
	}
}

static void gzip_may_have_several_members(void **state)
{
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };
	char diff_id[CORRAL_DIGEST_SIZE];

	(void)state;
	archive_make(&tar, small);
	corral_digest_of(tar.data, tar.len, diff_id);
	compressed(tar.data, 700, archive_write_add_filter_gzip, &b);
	compressed(tar.data + 700, tar.len - 700, archive_write_add_filter_gzip, &b);
	unpack(&b, NULL, &u);
	assert_int_equal(u.r, 0);
	assert_string_equal(u.is.diff_id, diff_id);
}

/* Larger than any buffer on its way, and nothing that compresses. */
static void large_layers_come_through_whole(void **state)
{
	static const uint64_t size = 9 << 20;
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT, z = CORRAL_BUF_INIT;
	char diff_id[CORRAL_DIGEST_SIZE];
	uint32_t x = 1;

	(void)state;
	tar_header(&tar,
	           &(struct tar_entry) { .type = '0', .path = "big", .mode = 0644, .size = size });
	for (uint64_t i = 0; i < size; i += sizeof(x)) {
		x = x * 1664525 + 1013904223;
		corral_buf_add(&tar, &x, sizeof(x));
	}
	tar_end(&tar);
	corral_digest_of(tar.data, tar.len, diff_id);
	compressed(tar.data, tar.len, archive_write_add_filter_zstd, &z);
	for (int k = 0; k < 2; k++) {
		corral_auto(unpacked_done) struct unpacked u = { .root = "" };
		int fd = archive_fd(k ? z.data : tar.data, k ? z.len : tar.len);
		char path[100];
		struct stat st;

		scratch_make(u.root);
		u.r = corral_unpack_tree(fd, u.root, "layer",
		                         &(const struct corral_unpack_options) {
		                                 .launcher = launcher,
		                                 .program_path = CORRAL_UNPACK },
		                         &u.is, &u.err);
		(void)close(fd);
		if (u.r < 0)
			fail_msg("%s", u.err.text);
		assert_string_equal(u.is.diff_id, diff_id);
		(void)snprintf(path, sizeof(path), "%s/tree/big", u.root);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, size);
	}
}

static void a_pipe_is_as_good_as_a_file(void **state)
{
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };
	int fds[2];

	(void)state;
	archive_make(&tar, small);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], tar.data, tar.len), tar.len);
	(void)close(fds[1]);
	unpack_fd(fds[0], NULL, NULL, &u);
	(void)close(fds[0]);
	assert_int_equal(u.r, 0);
}

static void owners_and_modes_are_the_image_s(void **state)
{
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT, records = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };
	bool is_root = geteuid() == 0;
	unsigned char got[20];
	char path[100];
	struct stat st;

	(void)state;
	tar_record(&records, "SCHILY.xattr.security.capability", capability, sizeof(capability));
	tar_record(&records, "SCHILY.xattr.user.a", "b", 1);
	tar_record(&records, "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
	tar_record(&records, "SCHILY.xattr.user.overlay.opaque", "y", 1);
	tar_record(&records, "mtime", "1049522828.123456789", 20);
	tar_header(&tar, &(struct tar_entry) { .type = '0',
	                                       .path = "f",
	                                       .mode = 06711,
	                                       .uid = 1000,
	                                       .gid = 50,
	                                       .records = records.data,
	                                       .records_len = records.len });
	tar_header(&tar, &(struct tar_entry) { .type = '0', .path = "far", .uid = 1000660000 });
	tar_end(&tar);
	unpack(&tar, NULL, &u);
	if (u.r < 0)
		fail_msg("%s", u.err.text);
	(void)snprintf(path, sizeof(path), "%s/tree/f", u.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, is_root ? 1000 : geteuid());
	assert_int_equal(st.st_gid, is_root ? 50 : getegid());
	assert_int_equal(st.st_mode & 07777, is_root ? 06711 : 0711);
	assert_int_equal(st.st_mtim.tv_sec, 1049522828);
	assert_int_equal(st.st_mtim.tv_nsec, 123456789);
	assert_int_equal(getxattr(path, "user.overlay.opaque", got, sizeof(got)), -1);
	assert_int_equal(getxattr(path, "trusted.overlay.opaque", got, sizeof(got)), -1);
	if (is_root) {
		assert_int_equal(getxattr(path, "security.capability", got, sizeof(got)),
		                 sizeof(capability));
		assert_memory_equal(got, capability, sizeof(capability));
	}
	(void)snprintf(path, sizeof(path), "%s/tree/far", u.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, is_root ? 65534 : geteuid());
}

/* ---- what is refused ---- */

static void bombs_are_defused(void **state)
{
	const struct corral_unpack_limits few = { .image = { .bytes_max = 1 << 20 } },
	                                  ratio = { .ratio_max = 100 };
	static int (*const filters[])(struct archive *) = { archive_write_add_filter_gzip,
		                                            archive_write_add_filter_zstd };
	size_t len = 80 << 20;
	char *zeros = calloc(1, len);

	(void)state;
	assert_non_null(zeros);
	for (size_t i = 0; i < CORRAL_COUNT(filters) * 2; i++) {
		corral_autobuf struct corral_buf head = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT;
		corral_auto(unpacked_done) struct unpacked u = { .root = "" };

		tar_header(&head,
		           &(struct tar_entry) { .type = '0', .path = "zeros", .size = len });
		memcpy(zeros, head.data, head.len);
		compressed(zeros, len, filters[i / 2], &b);
		unpack(&b, i % 2 ? &ratio : &few, &u);
		assert_int_equal(u.r, -EFBIG);
		assert_non_null(strstr(u.err.text, i % 2 ? "more than 100 times as many"
		                                         : "more than 1048576 bytes unpacked"));
	}
	free(zeros);
}

static void too_many_files_are_refused(void **state)
{
	const struct corral_unpack_limits two = { .image = { .files_max = 2 } };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };

	(void)state;
	archive_make(&b, small);
	unpack(&b, &two, &u);
	assert_int_equal(u.r, -EFBIG);
}

static void huge_holes_are_refused(void **state)
{
	const struct corral_unpack_limits few = { .image = { .bytes_max = 1 << 20 } };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, records = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };

	(void)state;
	tar_record(&records, "GNU.sparse.major", "0", 1);
	tar_record(&records, "GNU.sparse.minor", "1", 1);
	tar_record(&records, "GNU.sparse.size", "1099511627776", 13);
	tar_record(&records, "GNU.sparse.numblocks", "1", 1);
	tar_record(&records, "GNU.sparse.map", "1099511627775,1", 15);
	tar_header(&b, &(struct tar_entry) { .type = '0',
	                                     .path = "hole",
	                                     .size = 1,
	                                     .records = records.data,
	                                     .records_len = records.len });
	corral_buf_str(&b, "x");
	tar_padding(&b, 1);
	tar_end(&b);
	unpack(&b, &few, &u);
	assert_int_equal(u.r, -EFBIG);
	assert_non_null(strstr(u.err.text, "'hole'"));
}

static void devices_are_refused_by_name(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };

	(void)state;
	archive_make(&b, (struct item[]) { { '3', "dev/sda", NULL, 0 }, { 0 } });
	unpack(&b, NULL, &u);
	assert_int_equal(u.r, -EINVAL);
	assert_string_equal(u.err.text, "'dev/sda': a device node, which no image may have");
}

/* Once the first of it was handed on: time for that to fail, and then the rest. */
static int rest_later(void *ctx, const char *what, const char *doing, uint64_t current,
                      uint64_t total)
{
	static const char rest[32768];
	int *fd = ctx;

	(void)what;
	(void)doing;
	(void)total;
	if (*fd < 0 || !current)
		return 0;
	(void)usleep(corral_test_slow() ? 5000000 : 500000);
	assert_int_equal(write(*fd, rest, sizeof(rest)), sizeof(rest));
	(void)close(*fd);
	*fd = -1;
	return 0;
}

/* Its reader is gone when the rest is to be written, which is no reason to die. */
static void fault_before_the_rest_is_told(void **state)
{
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };
	int fds[2];
	const struct corral_progress progress = { rest_later, &fds[1] };

	(void)state;
	tar_header(&tar, &(struct tar_entry) { .type = '3', .path = "dev/full", .mode = 0666 });
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], tar.data, tar.len), tar.len);
	unpack_fd(fds[0], NULL, &progress, &u);
	(void)close(fds[0]);
	assert_true(u.r < 0);
	assert_string_equal(u.err.text, "'dev/full': a device node, which no image may have");
}

static void what_is_cut_short_is_no_layer(void **state)
{
	static int (*const filters[])(struct archive *) = { archive_write_add_filter_gzip,
		                                            archive_write_add_filter_zstd,
		                                            no_filter };
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT;

	(void)state;
	archive_make(&tar, small);
	for (size_t i = 0; i < CORRAL_COUNT(filters); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		corral_auto(unpacked_done) struct unpacked u = { .root = "" };

		compressed(tar.data, tar.len, filters[i], &b);
		b.len = filters[i] == no_filter ? 1700 : b.len / 2;
		unpack(&b, NULL, &u);
		if (u.r != -EBADMSG)
			fail_msg("filter %zu: %d, %s", i, u.r, u.err.text);
	}
}

static int cancel(void *ctx, const char *what, const char *doing, uint64_t current, uint64_t total)
{
	(void)what;
	(void)doing;
	(void)current;
	(void)total;
	*(int *)ctx += 1;
	return 1;
}

static void progress_can_cancel(void **state)
{
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" };
	int times = 0, fds[2];
	const struct corral_progress p = { cancel, &times };

	(void)state;
	archive_make(&tar, small);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	/* It never ends by itself. */
	assert_int_equal(write(fds[1], tar.data, 600), 600);
	unpack_fd(fds[0], NULL, &p, &u);
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_int_equal(u.r, -ECANCELED);
	assert_int_equal(times, 1);
}

/* ---- and back ---- */

static int collect(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)err;
	corral_buf_add(ctx, data, len);
	return 0;
}

static void a_layer_and_its_archive_make_each_other(void **state)
{
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT, first = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf second = CORRAL_BUF_INIT;
	corral_auto(unpacked_done) struct unpacked u = { .root = "" }, again = { .root = "" };
	char digest[CORRAL_DIGEST_SIZE];
	struct corral_error err = { 0 };
	uint64_t size = 0;

	(void)state;
	archive_make(&tar, small);
	unpack(&tar, NULL, &u);
	assert_int_equal(u.r, 0);
	if (corral_layer_tar_of(u.root, NULL, collect, &first, &err) < 0)
		fail_msg("%s", err.text);
	unpack(&first, NULL, &again);
	assert_int_equal(again.r, 0);
	/* What is gone is sorted. */
	assert_string_equal(strstr(u.tree.data, "tree/"), strstr(again.tree.data, "tree/"));
	assert_int_equal(corral_layer_tar_digest(again.root, NULL, digest, &size, &err), 0);
	assert_string_equal(digest, again.is.diff_id);
	assert_int_equal(size, first.len);
	assert_int_equal(corral_layer_tar_of(again.root, NULL, collect, &second, &err), 0);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
}

static int setup(void **state)
{
	struct corral_error err = { 0 };

	(void)state;
	if (corral_launcher_open(0, &launcher, &err) == 0)
		return 0;
	print_message("skipped: native isolation: %s\n", err.text);
	if (getenv("CORRAL_TESTS_MUST_RUN"))
		return -1;
	exit(0);
}

static int teardown(void **state)
{
	(void)state;
	corral_launcher_close(launcher);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_compression_gives_the_same_layer),
		cmocka_unit_test(gzip_may_have_several_members),
		cmocka_unit_test(large_layers_come_through_whole),
		cmocka_unit_test(a_pipe_is_as_good_as_a_file),
		cmocka_unit_test(owners_and_modes_are_the_image_s),
		cmocka_unit_test(bombs_are_defused),
		cmocka_unit_test(too_many_files_are_refused),
		cmocka_unit_test(huge_holes_are_refused),
		cmocka_unit_test(devices_are_refused_by_name),
		cmocka_unit_test(fault_before_the_rest_is_told),
		cmocka_unit_test(what_is_cut_short_is_no_layer),
		cmocka_unit_test(progress_can_cancel),
		cmocka_unit_test(a_layer_and_its_archive_make_each_other),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
