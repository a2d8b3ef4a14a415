/* kernel/files/tar_out.c and tar_in.c: what comes out goes in, and nothing that goes in gets out.
 */
#include <sys/wait.h>

#include "tests/unit/files/files_support.h"

#include "kernel/files/tar.h"

static int pack(struct tree *t, const char *path, struct corral_buf *ret,
                struct corral_files_copied *n)
{
	struct corral_files_sink sink = { tree_buf_put, ret };

	return corral_files_tar_out(t->open, path, NULL, &sink, n, &t->err);
}

static int unpack(struct tree *t, const char *path, const struct corral_buf *b, size_t step,
                  struct corral_files_copied *n)
{
	struct tree_memory m = { b->data, b->len, 0, step };
	struct corral_files_source source = { tree_memory_get, &m };

	return corral_files_tar_in(t->confined, path, NULL, &source, n, &t->err);
}

static void fill(struct tree *t)
{
	char deep[300] = "in/";

	tree_dir(t, "in");
	tree_text(t, "in/a", "content");
	tree_text(t, "in/empty", "");
	tree_text(t, "in/\xff\n name", "x");
	tree_dir(t, "in/d");
	tree_link(t, "../a", "in/d/link");
	assert_int_equal(fchmodat(t->fd, "in/a", 0741, 0), 0);
	memset(deep + 3, 'n', 120);
	tree_dir(t, deep);
	deep[123] = '/';
	memset(deep + 124, 'm', 130);
	tree_text(t, deep, "long name");
}

static void tree_goes_out_and_in_again(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, again = CORRAL_BUF_INIT;
	struct corral_files_copied out, in;
	char target[16];
	struct stat st, old;

	fill(t);
	assert_int_equal(pack(t, "in", &b, &out), 0);
	assert_int_equal(out.entries, 8);
	assert_int_equal(out.bytes, 7 + 1 + 9);
	assert_int_equal(out.skipped, 0);
	assert_int_equal(b.len % FILES_TAR_BLOCK, 0);
	for (size_t step = 0; step < 1000; step += 333) {
		char path[32];

		(void)snprintf(path, sizeof(path), "out/%zu", step);
		assert_int_equal(unpack(t, path, &b, step, &in), 0);
		assert_int_equal(in.bytes, out.bytes);
	}
	assert_content(t, "out/0/a", "content");
	assert_content(t, "out/333/\xff\n name", "x");
	assert_int_equal(fstatat(t->fd, "out/0/a", &st, 0), 0);
	assert_int_equal(fstatat(t->fd, "in/a", &old, 0), 0);
	assert_int_equal(st.st_mode, old.st_mode);
	assert_int_equal(st.st_mtim.tv_sec, old.st_mtim.tv_sec);
	assert_int_equal(readlinkat(t->fd, "out/666/d/link", target, sizeof(target)), 4);
	assert_int_equal(pack(t, "out/0", &again, &out), 0);
	assert_int_equal(again.len, b.len);
}

static void many_names_of_one_file_are_one_file(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied n;
	char name[32];
	struct stat st;

	tree_dir(t, "in");
	tree_text(t, "in/a", "0123456789");
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "in/b%d", i);
		assert_int_equal(linkat(t->fd, "in/a", t->fd, name, 0), 0);
	}
	assert_int_equal(pack(t, "in", &b, &n), 0);
	assert_int_equal(n.entries, 202);
	assert_int_equal(n.bytes, 10);
	assert_int_equal(unpack(t, "out", &b, 0, &n), 0);
	assert_int_equal(fstatat(t->fd, "out/b77", &st, 0), 0);
	assert_int_equal(st.st_nlink, 201);
	assert_content(t, "out/b199", "0123456789");
}

static void directory_that_was_there_keeps_its_mode(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied n;
	struct stat st;

	tree_dir(t, "in");
	tree_dir(t, "in/d");
	assert_int_equal(fchmodat(t->fd, "in/d", 0777, 0), 0);
	assert_int_equal(pack(t, "in", &b, &n), 0);
	tree_dir(t, "out");
	tree_dir(t, "out/d");
	assert_int_equal(fchmodat(t->fd, "out/d", 0700, 0), 0);
	assert_int_equal(unpack(t, "out", &b, 0, &n), 0);
	assert_int_equal(fstatat(t->fd, "out/d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void one_file_is_one_entry(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied n;

	fill(t);
	assert_int_equal(pack(t, "in/a", &b, &n), 0);
	assert_int_equal(n.entries, 1);
	assert_int_equal(unpack(t, "here", &b, 0, &n), 0);
	assert_content(t, "here/a", "content");
	assert_int_equal(pack(t, "in/none", &b, &n), -ENOENT);
}

/* tar(1) as a judge, both ways. */
static int run_tar(const struct tree *t, const char *command)
{
	char line[400];
	int status;
	pid_t pid;

	(void)snprintf(line, sizeof(line), "cd %s && %s", t->path, command);
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(126);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void other_tools_read_it_and_are_read(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, other = CORRAL_BUF_INIT;
	static const char *const formats[] = { "gnu", "pax", "ustar", "v7" };
	struct corral_files_copied n;
	char command[128], path[32];

	fill(t);
	assert_int_equal(pack(t, "in", &b, &n), 0);
	tree_file(t, "a.tar", b.data, b.len);
	if (run_tar(t, "command -v tar >/dev/null") != 0)
		skip();
	assert_int_equal(
	        run_tar(t, "mkdir got && tar -xf a.tar -C got && diff -r --no-dereference in got"),
	        0);
	assert_int_equal(linkat(t->fd, "in/a", t->fd, "in/hard", 0), 0);
	for (size_t i = 0; i < CORRAL_COUNT(formats); i++) {
		corral_autofd int fd = -1;
		bool old = i > 1;

		/* The older ones cannot say such names. */
		(void)snprintf(command, sizeof(command), "tar --format=%s %s -cf b.tar -C in .",
		               formats[i], old ? "--exclude='./nnn*'" : "");
		assert_int_equal(run_tar(t, command), 0);
		fd = openat(t->fd, "b.tar", O_RDONLY | O_CLOEXEC);
		other.len = 0;
		assert_int_equal(corral_buf_read_fd(&other, fd, 1u << 20), 0);
		(void)snprintf(path, sizeof(path), "from-%s", formats[i]);
		assert_int_equal(unpack(t, path, &other, 0, &n), 0);
		(void)snprintf(command, sizeof(command), "diff -r --no-dereference %s in %s",
		               old ? "-x 'nnn*'" : "", path);
		assert_int_equal(run_tar(t, command), 0);
		(void)snprintf(command, sizeof(command), "[ %s/a -ef %s/hard ]", path, path);
		assert_int_equal(run_tar(t, command), 0);
	}
}

static void add_entry(struct corral_buf *b, const char *name, char type, const char *link,
                      const char *content)
{
	struct files_tar_header h = { 0 };
	size_t len = strlen(content);
	char zero[FILES_TAR_BLOCK] = { 0 };

	(void)snprintf(h.name, sizeof(h.name), "%s", name);
	(void)snprintf(h.mode, sizeof(h.mode), "%07o", 04755);
	(void)snprintf(h.size, sizeof(h.size), "%011o", (unsigned int)len);
	(void)snprintf(h.link, sizeof(h.link), "%s", link);
	memcpy(h.magic, "ustar", 6);
	h.type = type;
	(void)snprintf(h.checksum, sizeof(h.checksum), "%06o", files_tar_sum(&h));
	corral_buf_add(b, &h, sizeof(h));
	corral_buf_add(b, content, len);
	corral_buf_add(b, zero, files_tar_padding(len));
}

static void entries_do_not_leave_the_directory(void **state)
{
	struct tree *t = *state;
	static const char *const names[] = { "../x",   "a/../../x", "..",
		                             "link/x", "up/x",      "deep/link2/x" };
	struct corral_files_copied n;
	struct stat st;

	tree_dir(t, "out");
	tree_dir(t, "else");
	tree_link(t, "../else", "out/link");
	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		int r;

		add_entry(&b, "up", '2', "..", "");
		add_entry(&b, "deep/link2", '2', "../../else", "");
		add_entry(&b, names[i], '0', "", "evil");
		r = unpack(t, "out", &b, 0, &n);
		assert_true(r == -EINVAL || r == -ENOTDIR);
		assert_non_null(strstr(t->err.text, "Archive entry '"));
	}
	assert_int_equal(fstatat(t->fd, "x", &st, 0), -1);
	assert_int_equal(fstatat(t->fd, "else/x", &st, 0), -1);
}

static void absolute_names_go_below_and_links_are_replaced(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied n;
	struct stat st;

	tree_dir(t, "out");
	tree_text(t, "victim", "safe");
	tree_link(t, "../victim", "out/f");
	add_entry(&b, "/etc/f", '0', "", "x");
	add_entry(&b, "f", '0', "", "new");
	add_entry(&b, "dev", '3', "", "");
	assert_int_equal(unpack(t, "out", &b, 0, &n), 0);
	assert_int_equal(n.entries, 2);
	assert_int_equal(n.skipped, 1);
	assert_content(t, "out/etc/f", "x");
	assert_content(t, "victim", "safe");
	assert_content(t, "out/f", "new");
	/* No set-id bits. */
	assert_int_equal(fstatat(t->fd, "out/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void hard_links_reach_only_what_is_below(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied n;

	tree_text(t, "secret", "x");
	add_entry(&b, "h", '1', "../secret", "");
	assert_int_equal(unpack(t, "out", &b, 0, &n), -EINVAL);
	b.len = 0;
	add_entry(&b, "l", '2', "../secret", "");
	add_entry(&b, "h", '1', "l", "");
	assert_int_equal(unpack(t, "out", &b, 0, &n), 0);
	assert_int_equal(unlinkat(t->fd, "secret", 0), 0);
}

static void broken_archives_are_ebadmsg(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied n;

	add_entry(&b, "a", '0', "", "content");
	b.len = 515;
	assert_int_equal(unpack(t, "out", &b, 0, &n), -EBADMSG);
	assert_string_equal(t->err.text, "Not a readable archive: it is cut short");
	b.len = 100;
	assert_int_equal(unpack(t, "out", &b, 0, &n), -EBADMSG);
	b.len = 0;
	add_entry(&b, "a", '0', "", "content");
	b.data[0] = 'b';
	assert_int_equal(unpack(t, "out", &b, 0, &n), -EBADMSG);
	assert_string_equal(t->err.text, "Not a readable archive: a header's checksum is wrong");
	b.len = 0;
	add_entry(&b, "x", 'x', "", "999 path=a\n");
	assert_int_equal(unpack(t, "out", &b, 0, &n), -EBADMSG);
	b.len = 0;
	add_entry(&b, "x", 'x', "", "9 path=a\n");
	add_entry(&b, "b", '0', "", "x");
	assert_int_equal(unpack(t, "out", &b, 0, &n), 0);
	assert_content(t, "out/a", "x");
}

static void zeros_become_holes(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied n;
	corral_autofd int fd = -1;
	struct stat st;

	tree_dir(t, "in");
	tree_text(t, "in/a", "head");
	fd = openat(t->fd, "in/a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	assert_int_equal(pwrite(fd, "tail", 4, (8 << 20) - 4), 4);
	assert_int_equal(pack(t, "in", &b, &n), 0);
	assert_int_equal(unpack(t, "out", &b, 0, &n), 0);
	assert_int_equal(fstatat(t->fd, "out/a", &st, 0), 0);
	assert_int_equal(st.st_size, 8 << 20);
	assert_true(st.st_blocks * 512 < 1 << 20);
}

static void holes_stay_holes_in_every_dialect(void **state)
{
	static const char *const ways[] = { "--format=gnu", "--format=pax --sparse-version=0.0",
		                            "--format=pax --sparse-version=0.1",
		                            "--format=pax --sparse-version=1.0" };
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, other = CORRAL_BUF_INIT;
	struct corral_files_copied n;
	corral_autofd int fd = -1;
	char command[300], path[64];
	struct stat st;

	tree_dir(t, "in");
	tree_text(t, "in/a", "head");
	tree_text(t, "in/b", "");
	fd = openat(t->fd, "in/a", O_WRONLY | O_CLOEXEC);
	/* More extents than fit into a header of the old kind and the block behind it. */
	for (off_t i = 1; i < 60; i++)
		assert_int_equal(pwrite(fd, "more", 4, i << 20), 4);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	(void)close(fd);
	fd = openat(t->fd, "in/b", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 5 << 20), 0);
	assert_int_equal(pack(t, "in", &b, &n), 0);
	assert_true(b.len < 1 << 20);
	assert_int_equal(n.bytes, 69 << 20);
	assert_int_equal(unpack(t, "out", &b, 100, &n), 0);
	assert_int_equal(n.bytes, 69 << 20);
	assert_int_equal(run_tar(t, "cmp in/a out/a && cmp in/b out/b"), 0);
	assert_int_equal(fstatat(t->fd, "out/a", &st, 0), 0);
	assert_true(st.st_blocks * 512 < 1 << 20);
	tree_file(t, "a.tar", b.data, b.len);
	if (run_tar(t, "command -v tar >/dev/null") != 0)
		skip();
	assert_int_equal(run_tar(t, "mkdir got && tar -xf a.tar -C got && cmp in/a got/a && "
	                            "cmp in/b got/b && [ $(du -k got/a | cut -f1) -lt 1024 ]"),
	                 0);
	for (size_t i = 0; i < CORRAL_COUNT(ways); i++) {
		corral_autofd int tar_fd = -1;

		(void)snprintf(command, sizeof(command), "tar %s -S -cf b.tar -C in .", ways[i]);
		assert_int_equal(run_tar(t, command), 0);
		tar_fd = openat(t->fd, "b.tar", O_RDONLY | O_CLOEXEC);
		other.len = 0;
		assert_int_equal(corral_buf_read_fd(&other, tar_fd, 4u << 20), 0);
		(void)snprintf(path, sizeof(path), "from-%zu", i);
		if (unpack(t, path, &other, 0, &n) < 0)
			fail_msg("%s: %s", ways[i], t->err.text);
		(void)snprintf(
		        command, sizeof(command),
		        "cmp in/a %s/a && cmp in/b %s/b && [ $(du -k %s/a | cut -f1) -lt 1024 ]",
		        path, path, path);
		assert_int_equal(run_tar(t, command), 0);
		(void)snprintf(path, sizeof(path), "from-%zu/a", i);
		assert_int_equal(fstatat(t->fd, path, &st, 0), 0);
		assert_int_equal(st.st_size, 64 << 20);
	}
}

/* An archive with one file, stored bytes of which are content, behind these pax records. */
static int unpack_sparse(struct tree *t, const char *records, const char *content)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, pax = CORRAL_BUF_INIT;
	struct corral_files_copied n;

	for (const char *at = records; *at;) {
		size_t len = strcspn(at, "\n"), total = len + 4;

		corral_buf_fmt(&pax, "%02zu %.*s\n", total, (int)len, at);
		at += len + 1;
	}
	add_entry(&b, "x", 'x', "", pax.data);
	add_entry(&b, "GNUSparseFile.0/f", '0', "", content);
	return unpack(t, "out", &b, 0, &n);
}

static void maps_that_make_no_sense_are_ebadmsg(void **state)
{
	static const struct {
		const char *records, *content;
	} cases[] = {
		/* Behind the end, one over another, more and less than is stored, no size, no
		 * number. */
		{ "GNU.sparse.size=3\nGNU.sparse.map=0,4\n", "abcd" },
		{ "GNU.sparse.size=9\nGNU.sparse.map=0,2,1,2\n", "abcd" },
		{ "GNU.sparse.size=9\nGNU.sparse.map=0,2\n", "abcd" },
		{ "GNU.sparse.size=9\nGNU.sparse.map=0,5\n", "abcd" },
		{ "GNU.sparse.map=0,4\n", "abcd" },
		{ "GNU.sparse.size=9\nGNU.sparse.map=0,\n", "" },
		{ "GNU.sparse.size=9\nGNU.sparse.map=0\n", "" },
		{ "GNU.sparse.size=9\nGNU.sparse.map=x,4\n", "abcd" },
		{ "GNU.sparse.size=9\nGNU.sparse.numbytes=4\n", "abcd" },
		{ "GNU.sparse.size=9\nGNU.sparse.map=9223372036854775808,4\n", "abcd" },
		{ "GNU.sparse.size=18446744073709551615\n", "" },
		{ "GNU.sparse.major=2\n", "" },
		/* The map in the content: cut, too long, no number. */
		{ "GNU.sparse.major=1\nGNU.sparse.realsize=9\n", "1\n" },
		{ "GNU.sparse.major=1\nGNU.sparse.realsize=9\n", "" },
	};
	struct tree *t = *state;
	char block[FILES_TAR_BLOCK + 1];

	for (size_t i = 0; i < CORRAL_COUNT(cases); i++) {
		if (unpack_sparse(t, cases[i].records, cases[i].content) != -EBADMSG)
			fail_msg("%s: taken, or '%s'", cases[i].records, t->err.text);
	}
	memset(block, '1', sizeof(block) - 1);
	block[FILES_TAR_BLOCK] = '\0';
	assert_int_equal(unpack_sparse(t, "GNU.sparse.major=1\nGNU.sparse.realsize=9\n", block),
	                 -EBADMSG);
	memset(block, '0', sizeof(block) - 1);
	memcpy(block, "99999999\n", 9);
	assert_int_equal(unpack_sparse(t, "GNU.sparse.major=1\nGNU.sparse.realsize=9\n", block),
	                 -EBADMSG);
	/* And one that does, by the name that stands in the map's header. */
	assert_int_equal(
	        unpack_sparse(t, "GNU.sparse.size=6\nGNU.sparse.name=real\nGNU.sparse.map=2,4\n",
	                      "abcd"),
	        0);
	assert_int_equal(run_tar(t, "printf '\\0\\0abcd' | cmp - out/real"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(tree_goes_out_and_in_again),
		tree_test(many_names_of_one_file_are_one_file),
		tree_test(directory_that_was_there_keeps_its_mode),
		tree_test(one_file_is_one_entry),
		tree_test(other_tools_read_it_and_are_read),
		tree_test(entries_do_not_leave_the_directory),
		tree_test(absolute_names_go_below_and_links_are_replaced),
		tree_test(hard_links_reach_only_what_is_below),
		tree_test(broken_archives_are_ebadmsg),
		tree_test(zeros_become_holes),
		tree_test(holes_stay_holes_in_every_dialect),
		tree_test(maps_that_make_no_sense_are_ebadmsg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
