/*
 * corral-unpack extract, without a sandbox around it: archives of every bad kind end as they
 * should, and nothing is ever made outside of the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "kernel/image/oci/unpack/report.h"
#include "tests/oci/archive_support.h"
#include "tests/support.h"

#define F '0'
#define H '1'
#define L '2'
#define C '3'
#define D '5'
#define P '6'

struct result {
	int status; /* of wait() */
	struct corral_buf report, tree;
};

static void result_done(struct result *r)
{
	corral_buf_done(&r->report);
	corral_buf_done(&r->tree);
}

static void run_child(int in, int report, char *const *argv)
{
	if (dup2(in, 0) < 0 || dup2(report, 2) < 0)
		_exit(126);
	(void)execv(CORRAL_UNPACK, argv);
	_exit(127);
}

/* NULs of the report become '|', so that it is a text. */
static void extract(const char *data, size_t len, const char *option, struct result *ret)
{
	char root[64], tree[80], fullname[] = "corral-unpack", verb[] = "extract";
	char *argv[] = { fullname, verb, tree, (char *)(uintptr_t)option, NULL };
	int in = archive_fd(data, len), fds[2], dir;
	pid_t pid;

	scratch_make(root);
	(void)snprintf(tree, sizeof(tree), "%s/tree", root);
	assert_int_equal(mkdir(tree, 0700), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_child(in, fds[1], argv);
	(void)close(fds[1]);
	(void)close(in);
	assert_int_equal(corral_buf_read_fd(&ret->report, fds[0], 1 << 20), 0);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &ret->status, 0), pid);
	for (size_t i = 0; i < ret->report.len; i++)
		if (!ret->report.data[i])
			ret->report.data[i] = '|';
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_add(&ret->tree, dir, "");
	(void)close(dir);
	scratch_remove(root);
}

static const struct row {
	const char *what;
	struct item items[6];
	const char *error;  /* what is said, NULL: it works */
	const char *tree;   /* beneath tree/ */
	const char *report; /* NULL: no matter */
} rows[] = {
	{ "plain",
	  { { D, "./", NULL, 0 },
	    { F, "./a", "1", 0 },
	    { D, "d/", NULL, 0 },
	    { F, "d/b", "2", 0 } },
	  NULL,
	  "tree/ tree/a=1 tree/d/ tree/d/b=2",
	  "S4|" },
	{ "nothing", { { 0 } }, NULL, "tree/", "I|S0|" },
	/* names */
	{ "absolute",
	  { { F, "/etc/x", "1", 0 } },
	  NULL,
	  "tree/ tree/etc/ tree/etc/x=1",
	  "Ietc|I|S1|" },
	{ "dots", { { F, ".//./a/./b", "1", 0 } }, NULL, "tree/ tree/a/ tree/a/b=1", NULL },
	{ "parent", { { F, "../x", "1", 0 } }, "'../x' has '..' in its name", "tree/", NULL },
	{ "parent within", { { F, "a/../b", "1", 0 } }, "has '..'", "tree/", NULL },
	{ "parent at the end", { { D, "a/..", NULL, 0 } }, "has '..'", "tree/", NULL },
	{ "root as a file", { { F, "./", "1", 0 }, { F, ".", "1", 0 } }, "", "tree/", NULL },
	{ "root as a link", { { L, "/", "/etc", 0 } }, "the root is no directory", "tree/", NULL },
	{ "root as a hard link",
	  { { F, "a", "1", 0 }, { H, ".", "a", 0 } },
	  "the root is no directory",
	  "tree/ tree/a=1",
	  NULL },
	{ "beneath a file",
	  { { F, "a", "1", 0 }, { F, "a/b", "1", 0 } },
	  "'a' is no directory",
	  "tree/ tree/a=1",
	  NULL },
	{ "control characters",
	  { { C, "a\033[2Jb", NULL, 0 } },
	  "'a?[2Jb': a device node",
	  "tree/",
	  NULL },
	/* links on the way */
	{ "through a link outwards",
	  { { L, "l", "/tmp", 0 }, { F, "l/x", "1", 0 } },
	  "'l' is a symbolic link to no directory",
	  "tree/ tree/l->/tmp",
	  NULL },
	{ "through a link upwards",
	  { { L, "l", "../../..", 0 }, { F, "l/x", "1", 0 } },
	  NULL,
	  "tree/ tree/l->../../.. tree/x=1",
	  NULL },
	{ "through a link within",
	  { { D, "d/", NULL, 0 }, { L, "l", "/d", 0 }, { F, "l/x", "1", 0 } },
	  NULL,
	  "tree/ tree/d/ tree/d/x=1 tree/l->/d",
	  NULL },
	{ "through links in a ring",
	  { { L, "a", "b", 0 }, { L, "b", "a", 0 }, { F, "a/x", "1", 0 } },
	  "to no directory",
	  "tree/ tree/a->b tree/b->a",
	  NULL },
	{ "through proc",
	  { { L, "l", "/proc/self/cwd", 0 }, { F, "l/x", "1", 0 } },
	  "to no directory",
	  "tree/ tree/l->/proc/self/cwd",
	  NULL },
	{ "over a link",
	  { { L, "l", "/etc/passwd", 0 }, { F, "l", "1", 0 } },
	  NULL,
	  "tree/ tree/l=1",
	  NULL },
	{ "a directory over a link",
	  { { L, "l", "/tmp", 0 }, { D, "l/", NULL, 0 }, { F, "l/x", "1", 0 } },
	  NULL,
	  "tree/ tree/l/ tree/l/x=1",
	  NULL },
	{ "a link to nothing", { { L, "l", "", 0 } }, "a symbolic link to nothing", "tree/", NULL },
	/* hard links */
	{ "hard link",
	  { { F, "a", "1", 0 }, { H, "b", "./a", 0 } },
	  NULL,
	  "tree/ tree/a=1 tree/b=1",
	  NULL },
	{ "hard link outwards",
	  { { H, "h", "/etc/passwd", 0 } },
	  "a hard link to 'etc/passwd', which its layer does not have",
	  "tree/",
	  NULL },
	{ "hard link upwards", { { H, "h", "../../etc/passwd", 0 } }, "has '..'", "tree/", NULL },
	{ "hard link through a link",
	  { { L, "l", "/etc", 0 }, { H, "h", "l/passwd", 0 } },
	  "which its layer does not have",
	  "tree/ tree/l->/etc",
	  NULL },
	{ "hard link to a link, written to",
	  { { L, "l", "/etc/passwd", 0 }, { H, "h", "l", 0 }, { F, "h", "1", 0 } },
	  NULL,
	  "tree/ tree/h=1 tree/l->/etc/passwd",
	  NULL },
	{ "hard link to itself",
	  { { F, "a", "1", 0 }, { H, "a", "a", 0 } },
	  NULL,
	  "tree/ tree/a=1",
	  NULL },
	{ "hard link to a directory",
	  { { D, "d/", NULL, 0 }, { H, "h", "d", 0 } },
	  "a hard link to a directory",
	  "tree/ tree/d/",
	  NULL },
	{ "a file of two names, replaced by one",
	  { { F, "a", "1", 0 }, { H, "b", "a", 0 }, { F, "a", "2", 0 } },
	  NULL,
	  "tree/ tree/a=2 tree/b=1",
	  NULL },
	/* twice */
	{ "the last one wins",
	  { { F, "a", "1", 0 }, { F, "a", "2", 0 } },
	  NULL,
	  "tree/ tree/a=2",
	  NULL },
	{ "directory over file",
	  { { F, "a", "1", 0 }, { D, "a/", NULL, 0 }, { F, "a/b", "1", 0 } },
	  NULL,
	  "tree/ tree/a/ tree/a/b=1",
	  NULL },
	{ "file over directory",
	  { { D, "a/", NULL, 0 }, { F, "a/b/c", "1", 0 }, { F, "a", "2", 0 } },
	  NULL,
	  "tree/ tree/a=2",
	  "I|S3|" },
	{ "directory twice",
	  { { D, "a/", NULL, 0 }, { F, "a/b", "1", 0 }, { D, "a/", NULL, 0700 } },
	  NULL,
	  "tree/ tree/a/ tree/a/b=1",
	  NULL },
	/* kinds */
	{ "FIFO", { { P, "p", NULL, 0 } }, NULL, "tree/ tree/p|", NULL },
	{ "character device",
	  { { C, "c", NULL, 0 } },
	  "'c': a device node, which no image may have",
	  "tree/",
	  NULL },
	{ "block device", { { '4', "b", NULL, 0 } }, "a device node", "tree/", NULL },
	/* whiteouts */
	{ "whiteouts",
	  { { D, "./", NULL, 0 },
	    { F, ".wh.a", NULL, 0 },
	    { F, "d/.wh.b", NULL, 0 },
	    { F, "e/.wh..wh..opq", NULL, 0 } },
	  NULL,
	  "tree/",
	  "Da|Dd/b|Oe|S4|" },
	{ "whiteout of the root's content",
	  { { F, ".wh..wh..opq", NULL, 0 } },
	  NULL,
	  "tree/",
	  "O|I|S1|" },
	{ "whiteout through a link",
	  { { D, "d/", NULL, 0 }, { L, "l", "d", 0 }, { F, "l/.wh.x", NULL, 0 } },
	  NULL,
	  "tree/ tree/d/ tree/l->d",
	  "Dd/x|I|S3|" },
	{ "whiteout of nothing",
	  { { F, ".wh.", NULL, 0 } },
	  "a whiteout of nothing",
	  "tree/",
	  NULL },
	{ "whiteout of the parent",
	  { { F, "a/.wh...", NULL, 0 } },
	  "a whiteout of nothing",
	  "tree/",
	  NULL },
	{ "whiteout of itself",
	  { { F, "a/.wh..", NULL, 0 } },
	  "a whiteout of nothing",
	  "tree/",
	  NULL },
	{ "aufs", { { F, ".wh..wh.plnk", NULL, 0 } }, NULL, "tree/", "I|S1|" },
	{ "beneath a whiteout",
	  { { F, ".wh.x/y", "1", 0 } },
	  "directories are not named so",
	  "tree/",
	  NULL },
};

static void check_row(const struct row *row)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_auto(result_done) struct result r = { 0 };

	archive_make(&b, row->items);
	extract(b.data, b.len, NULL, &r);
	if (!WIFEXITED(r.status) || WEXITSTATUS(r.status) != (row->error ? 1 : 0) ||
	    (row->error && !strstr(r.report.data, row->error)) ||
	    (row->report && strcmp(r.report.data, row->report) != 0) ||
	    strcmp(r.tree.data, row->tree) != 0)
		fail_msg("%s: status %#x, says '%s', left '%s'", row->what, r.status, r.report.data,
		         r.tree.data);
}

static void every_entry_ends_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		check_row(&rows[i]);
}

static void long_and_deep_names_are_bounded(void **state)
{
	static const struct {
		const char *part;
		int times;
		const char *says; /* NULL: it works */
	} cases[] = {
		{ "a/", 500, NULL },
		{ "a/", 513, "directories deep" },
		{ "0123456789012345678901234567890123456789/", 99, NULL },
		{ "0123456789012345678901234567890123456789/", 101, "more than 4095 bytes" },
		{ "0123456789", 25, NULL },
		{ "0123456789", 26, "File name too long" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(cases); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, name = CORRAL_BUF_INIT;
		corral_auto(result_done) struct result r = { 0 };

		for (int k = 0; k < cases[i].times; k++)
			corral_buf_str(&name, cases[i].part);
		archive_make(&b, (struct item[]) { { D, name.data, NULL, 0 }, { 0 } });
		extract(b.data, b.len, NULL, &r);
		if (WEXITSTATUS(r.status) != (cases[i].says ? 1 : 0) ||
		    (cases[i].says && !strstr(r.report.data, cases[i].says)))
			fail_msg("%s, %d times: %s", cases[i].part, cases[i].times, r.report.data);
	}
}

/* A link leads deeper than its name says. */
static void links_do_not_make_a_tree_deeper(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, deep = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf further = CORRAL_BUF_INIT;
	corral_auto(result_done) struct result r = { 0 };

	(void)state;
	corral_buf_str(&further, "l");
	for (int k = 0; k < 300; k++) {
		corral_buf_str(&deep, "a/");
		corral_buf_str(&further, "/b");
	}
	archive_make(&b, (struct item[]) { { D, deep.data, NULL, 0 },
	                                   { L, "l", deep.data, 0 },
	                                   { D, further.data, NULL, 0 },
	                                   { 0 } });
	extract(b.data, b.len, NULL, &r);
	assert_int_equal(WEXITSTATUS(r.status), 1);
	assert_non_null(strstr(r.report.data, "lies more than 512 directories deep"));
}

static void too_many_entries_are_refused(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_auto(result_done) struct result r = { 0 };

	(void)state;
	archive_make(&b,
	             (struct item[]) {
	                     { F, "a", "1", 0 }, { F, "a", "1", 0 }, { F, "a", "1", 0 }, { 0 } });
	extract(b.data, b.len, "entries=2", &r);
	assert_int_equal(WEXITSTATUS(r.status), 1);
	assert_string_equal(r.report.data, "E27:more than 2 entries|");
}

/* Cut anywhere, it is no archive or one that ends early, but never the death of who reads it. */
static void truncated_archives_are_no_archives(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char big[3000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	archive_make(&b, (struct item[]) { { D, "d/", NULL, 0 }, { F, "d/f", big, 0 }, { 0 } });
	for (size_t len = 1; len < b.len - 1024; len += 457) {
		corral_auto(result_done) struct result r = { 0 };

		extract(b.data, len, NULL, &r);
		if (!WIFEXITED(r.status))
			fail_msg("%zu bytes: signal %d", len, WTERMSIG(r.status));
		/* A header that is whole and its data that are not. */
		if (len > 1024 && len < 1024 + 3072)
			assert_int_equal(WEXITSTATUS(r.status), 1);
	}
}

static void headers_without_end_are_refused(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, pax = CORRAL_BUF_INIT;
	corral_auto(result_done) struct result r = { 0 };

	(void)state;
	tar_record(&pax, "comment", "x", 1);
	for (int i = 0; i < 20000; i++) {
		tar_header(&b, &(struct tar_entry) { .type = 'x', .path = "pax", .size = pax.len });
		corral_buf_add(&b, pax.data, pax.len);
		tar_padding(&b, pax.len);
	}
	extract(b.data, b.len, NULL, &r);
	/* Some releases of libarchive run out of stack: that is why it runs in a sandbox. */
	if (r.status == 0 || strstr(r.report.data, "|S"))
		fail_msg("status %#x, says '%.200s'", r.status, r.report.data);
}

static void what_is_no_archive_is_refused(void **state)
{
	char data[8192];

	(void)state;
	for (int k = 0; k < 3; k++) {
		corral_auto(result_done) struct result r = { 0 };

		memset(data, k == 0 ? 'a' : 0xff, sizeof(data));
		extract(data, k == 2 ? 3 : sizeof(data), NULL, &r);
		assert_int_equal(WEXITSTATUS(r.status), 1);
		assert_non_null(strstr(r.report.data, "E74:"));
		assert_string_equal(r.tree.data, "tree/");
	}
}

/* What everybody sees of a tree that was made for an ordinary user. */
static void squashed_trees_can_be_read_by_their_owner(void **state)
{
	char root[64];
	struct stat st;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char *argv[] = { (char *)"corral-unpack", (char *)"extract", root, (char *)"squash", NULL };
	int in, null = open("/dev/null", O_WRONLY | O_CLOEXEC), status = 0;
	char path[100];
	pid_t pid;

	(void)state;
	archive_make(&b,
	             (struct item[]) { { D, "d/", NULL, 02001 }, { F, "d/f", "1", 04001 }, { 0 } });
	in = archive_fd(b.data, b.len);
	scratch_make(root);
	pid = fork();
	if (pid == 0)
		run_child(in, null, argv);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)snprintf(path, sizeof(path), "%s/d", root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0701);
	(void)snprintf(path, sizeof(path), "%s/d/f", root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0601);
	(void)close(in);
	(void)close(null);
	scratch_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_ends_as_the_table_says),
		cmocka_unit_test(long_and_deep_names_are_bounded),
		cmocka_unit_test(links_do_not_make_a_tree_deeper),
		cmocka_unit_test(too_many_entries_are_refused),
		cmocka_unit_test(truncated_archives_are_no_archives),
		cmocka_unit_test(headers_without_end_are_refused),
		cmocka_unit_test(what_is_no_archive_is_refused),
		cmocka_unit_test(squashed_trees_can_be_read_by_their_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
