/* kernel/layers/: layers made by hand, read as overlayfs would, and merged. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/layers/layers.h"
#include "tests/support.h"

static char dir[64];

static int setup(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/corral-test-XXXXXX", base && *base ? base : "/tmp");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	return 0;
}

static int teardown(void **state)
{
	struct corral_error err = { 0 };
	int parent;

	(void)state;
	assert_int_equal(chdir("/"), 0);
	*strrchr(dir, '/') = '\0';
	parent = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(parent >= 0);
	if (corral_layer_remove(parent, dir + strlen(dir) + 1, &err) < 0)
		fail_msg("%s", err.text);
	(void)close(parent);
	return 0;
}

/* As whoever runs the tests would have overlayfs mark it. */
static const char *mark(const char *name)
{
	static char keys[2][64];
	static unsigned int at;

	at = !at;
	(void)snprintf(keys[at], sizeof(keys[at]), "%s.overlay.%s", geteuid() ? "user" : "trusted",
	               name);
	return keys[at];
}

static void folder(const char *path)
{
	char part[512];

	for (const char *p = path; *p; p++)
		if (p[1] == '/' || !p[1]) {
			(void)snprintf(part, sizeof(part), "%.*s", (int)(p - path + 1), path);
			if (mkdir(part, 0755) < 0)
				assert_int_equal(errno, EEXIST);
		}
}

static void file(const char *path, const char *text)
{
	char parent[512];
	int fd;

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	folder(parent);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void whiteout(const char *path)
{
	char parent[512];

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	folder(parent);
	assert_int_equal(mknod(path, S_IFCHR, makedev(0, 0)), 0);
}

static void opaque(const char *path)
{
	folder(path);
	assert_int_equal(setxattr(path, mark("opaque"), "y", 1, 0), 0);
}

static bool is_opaque(const char *path)
{
	char value[4];

	return getxattr(path, mark("opaque"), value, sizeof(value)) == 1 && value[0] == 'y';
}

static bool is_whiteout(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

/* "3 2 1": layers, the topmost first, as directories here. */
static struct corral_layer_stack stack_of(const char *names)
{
	static char text[256];
	static const char *paths[CORRAL_LAYERS_MAX + 2];
	struct corral_layer_stack s = { .paths = paths,
		                        .guest_paths = { "/", "/usr", "/workspace" } };
	char *save = NULL;

	(void)snprintf(text, sizeof(text), "%s", names);
	for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
		folder(p);
		paths[s.n++] = p;
	}
	return s;
}

static int put(void *ctx, const struct corral_change *c)
{
	struct corral_buf *out = ctx;

	corral_buf_fmt(out, "%c%s%s%s%s %s\n", corral_change_letter(c->kind),
	               c->what & CORRAL_CHANGE_TYPE ? "t" : "",
	               c->what & CORRAL_CHANGE_CONTENT ? "c" : "",
	               c->what & CORRAL_CHANGE_MODE ? "m" : "",
	               c->what & CORRAL_CHANGE_OWNER ? "o" : "", c->guest_path);
	if (c->text)
		corral_buf_add(out, c->text, c->text_len);
	return 0;
}

static void assert_diff_of(const struct corral_layer_stack *s, size_t n_after, bool text,
                           const char *expected)
{
	const struct corral_layers_diff_options o = { .n_after = n_after, .text = text };
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };

	corral_buf_str(&out, "");
	if (corral_layers_diff(s, &o, put, &out, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(out.data, expected);
}

static void assert_diff(const char *stack, size_t n_after, const char *expected)
{
	struct corral_layer_stack s = stack_of(stack);

	assert_diff_of(&s, n_after, false, expected);
}

/* Names of a directory of the work directory, with the letter of their kind behind. */
static void assert_list(const char *stack, const char *path, const char *expected)
{
	struct corral_layer_stack s = stack_of(stack);
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_layers_entries e;
	struct corral_error err = { 0 };

	corral_buf_str(&out, "");
	if (corral_layers_list(&s, CORRAL_LAYER_PART_WORK_DIR, path, &e, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < e.n; i++)
		corral_buf_fmt(&out, "%s%s%s", i ? " " : "", e.items[i].name,
		               S_ISDIR(e.items[i].mode)   ? "/"
		               : S_ISLNK(e.items[i].mode) ? "@"
		                                          : "");
	corral_layers_entries_done(&e);
	assert_string_equal(out.data, expected);
}

static void merged(const char *upper, const char *lower, const char *path, bool has_below)
{
	struct corral_error err = { 0 };

	folder(upper);
	folder(lower);
	if (corral_layer_merge(upper, lower, path, has_below, &err) < 0)
		fail_msg("%s", err.text);
}

static void each_kind_of_change_is_told(void **state)
{
	struct corral_layer_stack s;

	(void)state;
	file("1/u2/same", "same");
	file("1/u2/text", "one\ntwo\n");
	file("1/u2/gone", "gone\n");
	file("1/u2/mode", "");
	file("1/u2/turned/into", "");
	file("1/u2/dir/kept", "");
	file("1/u0/etc/x", "x");
	file("2/u2/same", "same");
	file("2/u2/text", "one\n2\n");
	whiteout("2/u2/gone");
	file("2/u2/mode", "");
	assert_int_equal(chmod("2/u2/mode", 0755), 0);
	file("2/u2/turned", "now a file\n");
	file("2/u2/dir/new", "");
	file("2/u1/local/bin", "\x7f\xff");
	file("2/u0/etc/x", "y");
	folder("2/u0/usr");
	folder("2/u0/workspace");
	whiteout("2/u2/never");
	s = stack_of("2 1");
	assert_diff_of(&s, 1, true,
	               "Cc /etc/x\n--- a/etc/x\n+++ b/etc/x\n@@ -1 +1 @@\n-x\n\\ No newline at "
	               "end of file\n+y\n\\ No newline at end of file\n"
	               "A /usr/local\nA /usr/local/bin\n"
	               "A /workspace/dir/new\n"
	               "D /workspace/gone\n--- a/workspace/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n"
	               "-gone\n"
	               "Cm /workspace/mode\n"
	               "Cc /workspace/text\n--- a/workspace/text\n+++ b/workspace/text\n"
	               "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
	               "Ctm /workspace/turned\n--- /dev/null\n+++ b/workspace/turned\n"
	               "@@ -0,0 +1 @@\n+now a file\n"
	               "D /workspace/turned/into\n");
	assert_diff("2 1", 0, "");
}

static void opaque_directories_hide_what_is_below(void **state)
{
	(void)state;
	file("1/u2/d/a", "a");
	file("1/u2/d/b", "b");
	file("1/u2/d/deep/er", "");
	file("2/u2/d/b", "b");
	opaque("2/u2/d");
	file("3/u2/d/c", "c");
	assert_list("3 2 1", "d", "b c");
	assert_diff("2 1", 1, "D /workspace/d/a\nD /workspace/d/deep\nD /workspace/d/deep/er\n");
	assert_diff("3 2 1", 2,
	            "D /workspace/d/a\nA /workspace/d/c\nD /workspace/d/deep\n"
	            "D /workspace/d/deep/er\n");
	assert_diff("3 2 1", 1, "A /workspace/d/c\n");
}

/* What no guest of root's can set is a mark of root's; what it can set is none. */
static void marks_of_the_other_kind_are_none(void **state)
{
	(void)state;
	file("1/u2/d/a", "a");
	file("2/u2/d/b", "b");
	if (corral_test_needs_root("attributes of root's"))
		return;
	assert_int_equal(setxattr("2/u2/d", "user.overlay.opaque", "y", 1, 0), 0);
	assert_list("2 1", "d", "a b");
	file("2/u2/x/f", "");
	assert_int_equal(setxattr("2/u2/x", "user.overlay.opaque", "x", 1, 0), 0);
	assert_int_equal(setxattr("2/u2/x/f", "user.overlay.whiteout", "y", 1, 0), 0);
	assert_list("2 1", "x", "f");
}

static void whiteouts_of_the_other_form_are_seen(void **state)
{
	(void)state;
	file("1/u2/d/a", "a");
	file("1/u2/d/b", "b");
	file("2/u2/d/a", "");
	file("2/u2/d/c", "");
	assert_int_equal(setxattr("2/u2/d/a", mark("whiteout"), "y", 1, 0), 0);
	assert_list("2 1", "d", "a b c");
	assert_int_equal(setxattr("2/u2/d", mark("opaque"), "x", 1, 0), 0);
	assert_list("2 1", "d", "b c");
	assert_diff("2 1", 1, "D /workspace/d/a\nA /workspace/d/c\n");
	merged("2", "1", "m", true);
	assert_true(is_whiteout("m/u2/d/a"));
	assert_list("m", "d", "b c");
}

static void readers_follow_no_link(void **state)
{
	struct corral_layer_stack s;
	struct corral_error err = { 0 };
	struct corral_layers_entries e;
	const struct {
		const char *path;
		int code;
	} rows[] = {
		{ "link", -ELOOP },  { "link/x", -ELOOP },
		{ "none", -ENOENT }, { "d", -EISDIR },
		{ "", -EISDIR },     { "../u0", -EINVAL },
		{ "pipe", -EINVAL }, { "d/../f", -EINVAL },
		{ "f/x", -ENOTDIR }, { "closed/x", geteuid() ? -EACCES : -ENOENT },
	};
	int fd;

	(void)state;
	file("1/u2/f", "text");
	folder("1/u2/d");
	folder("1/u2/closed");
	assert_int_equal(chmod("1/u2/closed", 0), 0);
	assert_int_equal(symlink("/etc", "1/u2/link"), 0);
	assert_int_equal(mkfifo("1/u2/pipe", 0644), 0);
	s = stack_of("2 1");
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		if (corral_layers_open_file(&s, CORRAL_LAYER_PART_WORK_DIR, rows[i].path, &fd,
		                            &err) != rows[i].code)
			fail_msg("%s: %s", rows[i].path, err.text);
	assert_int_equal(corral_layers_open_file(&s, CORRAL_LAYER_PART_WORK_DIR, "//./f", &fd,
	                                         &err),
	                 0);
	(void)close(fd);
	assert_int_equal(corral_layers_list(&s, CORRAL_LAYER_PART_WORK_DIR, "link", &e, &err),
	                 -ELOOP);
	assert_int_equal(corral_layers_list(&s, CORRAL_LAYER_PART_WORK_DIR, "f", &e, &err),
	                 -ENOTDIR);
	assert_list("2 1", "/", "closed/ d/ f link@ pipe");
	assert_list("2 1", "./d/", "");
}

static void links_that_a_guest_left_are_told_and_not_followed(void **state)
{
	(void)state;
	file("1/u2/secret/x", "x");
	file("victim/u", "host");
	folder("2/u2");
	assert_int_equal(symlink("../../victim", "2/u2/secret"), 0);
	assert_int_equal(symlink("u", "1/u2/l"), 0);
	assert_int_equal(symlink("v", "2/u2/l"), 0);
	assert_diff("2 1", 1, "Cc /workspace/l\nCt /workspace/secret\nD /workspace/secret/x\n");
	/* Nor in the place of a part. */
	folder("3");
	assert_int_equal(symlink("../victim", "3/u2"), 0);
	{
		struct corral_layer_stack s = stack_of("3 1");
		struct corral_layers_entries e;
		struct corral_error err = { 0 };

		assert_true(corral_layers_list(&s, CORRAL_LAYER_PART_WORK_DIR, "", &e, &err) < 0);
	}
}

/* An ordinary user's root begins full, with a copy beside it; root's lies upon that. */
static void what_a_root_began_with_is_no_change(void **state)
{
	bool root = geteuid() == 0;

	(void)state;
	file("1/b0/etc/hosts", "h\n");
	file("1/b0/etc/shells", "s\n");
	file("1/u0/etc/hosts", "H\n");
	if (root)
		whiteout("1/u0/etc/shells");
	file("1/u0/etc/mine", "");
	assert_diff("1", 1, "Cc /etc/hosts\nA /etc/mine\nD /etc/shells\n");
	file("2/u0/etc/mine", "more");
	assert_diff("2 1", 1, "Cc /etc/mine\n");
	assert_diff("2 1", 2, "Cc /etc/hosts\nA /etc/mine\nD /etc/shells\n");
	/* A layer that no sandbox came to be over. */
	assert_diff("2 1 0", 2, "Cc /etc/hosts\nA /etc/mine\nD /etc/shells\n");
	{
		struct corral_layer_stack s = stack_of("2 1");
		struct corral_layers_entries e;

		assert_int_equal(corral_layers_list(&s, CORRAL_LAYER_PART_ROOT, "etc", &e, NULL),
		                 0);
		assert_int_equal(e.n, 2);
		corral_layers_entries_done(&e);
	}
	merged("2", "1", "m", false);
	assert_diff("m", 1, "Cc /etc/hosts\nA /etc/mine\nD /etc/shells\n");
}

/* Beneath what a root of root's began with lies what it has of the host's. */
static void template_is_what_there_was(void **state)
{
	struct corral_layer_stack s;

	(void)state;
	if (geteuid() != 0)
		skip();
	file("t/etc/certs/a", "a\n");
	file("t/etc/certs/b", "b\n");
	file("t/etc/certs/c", "c\n");
	file("t/etc/hosts", "the template's");
	file("1/b0/etc/hosts", "h\n");
	file("1/u0/etc/certs/a", "A\n");
	whiteout("1/u0/etc/certs/b");
	file("1/u0/etc/certs/c", "c\n");
	file("1/u0/etc/certs/d", "d\n");
	whiteout("1/u0/etc/certs/gone");
	file("2/u0/etc/certs/b", "b\n");
	file("2/u0/etc/hosts", "H\n");
	s = stack_of("2 1");
	s.template_path = "t";
	assert_diff_of(&s, 2, false, "Cc /etc/certs/a\nA /etc/certs/d\nCc /etc/hosts\n");
	assert_diff_of(&s, 1, false, "A /etc/certs/b\nCc /etc/hosts\n");
	s = stack_of("1");
	s.template_path = "t";
	assert_diff_of(&s, 1, false, "Cc /etc/certs/a\nD /etc/certs/b\nA /etc/certs/d\n");
	/* A merged one tells the same. */
	merged("2", "1", "m", false);
	s = stack_of("m");
	s.template_path = "t";
	assert_diff_of(&s, 1, false, "Cc /etc/certs/a\nA /etc/certs/d\nCc /etc/hosts\n");
}

static void bases_lie_beneath_all(void **state)
{
	struct corral_layer_stack s;

	(void)state;
	file("base/lib/a", "a\n");
	file("base/lib/b", "b\n");
	file("1/u1/lib/a", "A\n");
	whiteout("1/u1/lib/b");
	s = stack_of("1");
	s.base_paths[CORRAL_LAYER_PART_USR] = "base";
	assert_diff_of(&s, 1, false, "Cc /usr/lib/a\nD /usr/lib/b\n");
	assert_diff_of(&s, 0, false, "");
}

/* A guest's "/" is the lowest layer's from the start, whatever the base's own directory is like. */
static void what_a_base_itself_is_like_is_no_change(void **state)
{
	struct corral_layer_stack s;

	(void)state;
	file("base/a", "a\n");
	file("1/u0/b", "b\n");
	folder("1/u2");
	assert_int_equal(chmod("base", 0700), 0);
	if (geteuid() == 0)
		assert_int_equal(chown("base", 7, 7), 0);
	s = stack_of("1");
	s.base_paths[CORRAL_LAYER_PART_ROOT] = s.base_paths[CORRAL_LAYER_PART_WORK_DIR] = "base";
	assert_diff_of(&s, 1, false, "A /b\n");
	/* As a guest had its work directory made for whom it runs as. */
	if (geteuid() == 0) {
		assert_int_equal(chown("1/u2", 8, 8), 0);
		assert_diff_of(&s, 1, false, "A /b\n");
		assert_int_equal(chown("1/u0", 8, 8), 0);
		assert_diff_of(&s, 1, false, "Co /\nA /b\n");
		assert_int_equal(chown("1/u0", 0, 0), 0);
	}
	assert_int_equal(chmod("1/u0", 0711), 0);
	assert_diff_of(&s, 1, false, "Cm /\nA /b\n");
	/* From then on layers have it. */
	folder("2/u0");
	s = stack_of("2 1");
	s.base_paths[CORRAL_LAYER_PART_ROOT] = "base";
	assert_diff_of(&s, 1, false, "Cm /\n");
}

static void more_changes_than_asked_for_are_e2big(void **state)
{
	struct corral_layers_diff_options o = { .n_after = 1, .changes_max = 2 };
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_layer_stack s;
	struct corral_error err = { 0 };

	(void)state;
	file("1/u2/a", "");
	file("1/u2/b", "");
	s = stack_of("1");
	assert_int_equal(corral_layers_diff(&s, &o, put, &out, &err), 0);
	file("1/u2/c", "");
	assert_int_equal(corral_layers_diff(&s, &o, put, &out, &err), -E2BIG);
	o.n_after = 2;
	assert_int_equal(corral_layers_diff(&s, &o, put, &out, &err), -EINVAL);
}

static int end(void *ctx, const struct corral_change *c)
{
	(void)c;
	return ++*(int *)ctx == 2 ? -ECANCELED : 0;
}

static void who_is_told_may_end_it(void **state)
{
	const struct corral_layers_diff_options o = { .n_after = 1 };
	struct corral_layer_stack s;
	int n = 0;

	(void)state;
	file("1/u2/a/b/c", "");
	s = stack_of("1");
	assert_int_equal(corral_layers_diff(&s, &o, end, &n, NULL), -ECANCELED);
	assert_int_equal(n, 2);
}

static void texts_are_of_text_files_that_are_not_large(void **state)
{
	struct corral_layers_diff_options o = { .n_after = 1, .text = true, .text_max = 4 };
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_layer_stack s;

	(void)state;
	file("1/u2/small", "abc\n");
	file("1/u2/large", "abcd\n");
	file("1/u2/binary", "\xff\n");
	file("1/u2/a\n\"b\xff", "x\n");
	file("1/u2/empty", "");
	s = stack_of("1");
	assert_int_equal(corral_layers_diff(&s, &o, put, &out, NULL), 0);
	assert_string_equal(out.data,
	                    "A /workspace/a\n\"b\xff\n--- /dev/null\n+++ "
	                    "\"b/workspace/a\\012\\\"b\\377\"\n@@ -0,0 +1 @@\n+x\n"
	                    "A /workspace/binary\nA /workspace/empty\nA /workspace/large\n"
	                    "A /workspace/small\n--- /dev/null\n+++ b/workspace/small\n"
	                    "@@ -0,0 +1 @@\n+abc\n");
}

static void sparse(const char *path, off_t data_at)
{
	int fd;

	file(path, "");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	if (data_at)
		assert_int_equal(pwrite(fd, "x", 1, data_at), 1);
	(void)close(fd);
}

/* Read byte by byte they would take minutes each. */
static void holes_cost_nothing(void **state)
{
	(void)state;
	sparse("low/u2/same", 0);
	sparse("top/u2/same", 0);
	sparse("low/u2/both", (off_t)1 << 39);
	sparse("top/u2/both", (off_t)1 << 39);
	sparse("low/u2/before", (off_t)1 << 39);
	sparse("top/u2/before", 0);
	sparse("low/u2/after", 0);
	sparse("top/u2/after", ((off_t)1 << 40) - 1);
	(void)alarm(20);
	assert_diff("top low", 1, "Cc /workspace/after\nCc /workspace/before\n");
	(void)alarm(0);
}

static void merging_keeps_what_each_says(void **state)
{
	(void)state;
	file("l/u2/both/l", "l");
	file("u/u2/both/u", "u");
	file("l/u2/file", "lower");
	file("u/u2/file", "upper");
	file("l/u2/gone/x", "");
	whiteout("u/u2/gone");
	file("l/u2/was_file", "");
	folder("u/u2/was_file/now");
	whiteout("l/u2/was_gone");
	file("u/u2/was_gone/x", "");
	file("l/u2/hidden/l", "");
	file("u/u2/hidden/u", "");
	opaque("u/u2/hidden");
	opaque("l/u2/lower_opaque");
	file("u/u2/lower_opaque/u", "");
	whiteout("l/u2/only_l");
	file("u/u2/part/u", "");
	whiteout("u/u2/part/below");
	merged("u", "l", "m", true);
	assert_list("m", "both", "l u");
	assert_list("m", "hidden", "u");
	assert_true(is_whiteout("m/u2/gone"));
	assert_true(is_whiteout("m/u2/only_l"));
	assert_true(is_opaque("m/u2/was_file"));
	assert_true(is_opaque("m/u2/was_gone"));
	assert_true(is_opaque("m/u2/hidden"));
	assert_true(is_opaque("m/u2/lower_opaque"));
	assert_false(is_opaque("m/u2/both"));
	assert_true(is_whiteout("m/u2/part/below"));
	/* Without it overlayfs shows a directory of one layer as it is. */
	assert_int_equal(getxattr("m/u2/part", mark("origin"), NULL, 0), 0);
	assert_int_equal(getxattr("m/u2/both", mark("origin"), NULL, 0), -1);
	/* Nothing beneath: neither is needed, and as the work directory it would be seen. */
	merged("u", "l", "n", false);
	assert_int_equal(access("n/u2/gone", F_OK), -1);
	assert_int_equal(access("n/u2/part/below", F_OK), -1);
	assert_false(is_opaque("n/u2/hidden"));
	assert_list("n", "", "both/ file hidden/ lower_opaque/ part/ was_file/ was_gone/");
}

static void merging_keeps_inodes_modes_times_and_attributes(void **state)
{
	const struct timespec times[2] = { { 1000, 5 }, { 2000, 7 } };
	struct stat a, b;
	char value[8];

	(void)state;
	file("l/u2/d/f", "f");
	assert_int_equal(link("l/u2/d/f", "l/u2/g"), 0);
	assert_int_equal(symlink("nowhere", "l/u2/s"), 0);
	assert_int_equal(chmod("l/u2/d", 01700), 0);
	assert_int_equal(setxattr("l/u2/d", "user.note", "text", 4, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, "l/u2/d", times, 0), 0);
	folder("u/u2/e");
	assert_int_equal(chmod("u/u2", 0711), 0);
	if (geteuid() == 0)
		assert_int_equal(chown("u/u2/e", 1234, 2345), 0);
	merged("u", "l", "m", true);
	assert_int_equal(stat("m/u2/d/f", &a), 0);
	assert_int_equal(stat("l/u2/g", &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_nlink, 4);
	assert_int_equal(stat("m/u2/d", &a), 0);
	assert_int_equal(a.st_mode & 07777, 01700);
	assert_int_equal(a.st_mtim.tv_sec, 2000);
	assert_int_equal(a.st_mtim.tv_nsec, 7);
	assert_int_equal(getxattr("m/u2/d", "user.note", value, sizeof(value)), 4);
	assert_int_equal(lstat("m/u2/s", &a), 0);
	assert_true(S_ISLNK(a.st_mode));
	assert_int_equal(stat("m/u2", &a), 0);
	assert_int_equal(a.st_mode & 07777, 0711);
	assert_int_equal(stat("m/u2/e", &a), 0);
	assert_int_equal(a.st_uid, geteuid() ? geteuid() : 1234);
	assert_int_equal(stat("m", &a), 0);
	assert_int_equal(a.st_mode & 07777, 0700);
}

static void closed_directories_are_merged_and_stay_closed(void **state)
{
	struct stat st;

	(void)state;
	file("l/u2/closed/in/f", "");
	file("l/u2/closed/g", "");
	assert_int_equal(chmod("l/u2/closed/in", 0), 0);
	assert_int_equal(chmod("l/u2/closed", 0), 0);
	file("u/u2/x", "");
	assert_int_equal(chmod("u/u2", 0), 0);
	merged("u", "l", "m", true);
	assert_int_equal(stat("l/u2/closed", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0);
	assert_int_equal(stat("u/u2", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0);
	assert_int_equal(stat("m/u2", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0);
	assert_int_equal(chmod("m/u2", 0700), 0);
	assert_int_equal(stat("m/u2/closed", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0);
	assert_int_equal(chmod("m/u2/closed", 0700), 0);
	assert_int_equal(stat("m/u2/closed/in", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0);
	assert_int_equal(chmod("m/u2/closed/in", 0700), 0);
	assert_int_equal(access("m/u2/closed/in/f", F_OK), 0);
}

/* The same, as seen by comparing: of random trees. */
static void tree_random(const char *layer, bool lowest)
{
	static const char *const names[] = { "a", "b", "c" };

	folder(layer);
	for (int i = 0; i < 12; i++) {
		char path[128];
		size_t len = (size_t)snprintf(path, sizeof(path), "%s/u2", layer);
		bool fits = true;
		struct stat st;

		folder(path);
		for (int depth = rand() % 3; depth >= 0 && fits; depth--) {
			fits = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
			len += (size_t)snprintf(path + len, sizeof(path) - len, "/%s",
			                        names[rand() % 3]);
			if (fits && depth && lstat(path, &st) < 0)
				folder(path);
		}
		if (!fits || lstat(path, &st) == 0)
			continue;
		switch (rand() % 4) {
		case 0:
			file(path, names[rand() % 3]);
			break;
		case 1:
			if (!lowest)
				whiteout(path);
			break;
		case 2:
			if (!lowest)
				opaque(path);
			break;
		default:
			folder(path);
			break;
		}
	}
}

static void all_put(const struct corral_layer_stack *s, const char *path, struct corral_buf *out)
{
	struct corral_layers_entries e;
	struct corral_error err = { 0 };

	if (corral_layers_list(s, CORRAL_LAYER_PART_WORK_DIR, path, &e, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < e.n; i++) {
		char below[512], text[8] = "";
		int fd;

		(void)snprintf(below, sizeof(below), "%s/%s", path, e.items[i].name);
		if (corral_layers_open_file(s, CORRAL_LAYER_PART_WORK_DIR, below, &fd, NULL) == 0) {
			assert_true(read(fd, text, sizeof(text) - 1) >= 0);
			(void)close(fd);
		}
		corral_buf_fmt(out, "%s %o %s\n", below, e.items[i].mode, text);
		if (S_ISDIR(e.items[i].mode))
			all_put(s, below, out);
	}
	corral_layers_entries_done(&e);
}

static char *all_of(const char *stack)
{
	struct corral_layer_stack s = stack_of(stack);
	struct corral_buf out = CORRAL_BUF_INIT;

	corral_buf_str(&out, "");
	all_put(&s, "", &out);
	return corral_buf_take(&out);
}

static void merged_layers_show_what_both_did(void **state)
{
	static const struct {
		const char *upper, *lower, *whole, *stack;
		bool has_below;
	} rows[] = {
		{ "3", "2", "3 2 1", "m0 1", true },
		{ "2", "1", "3 2 1", "3 m1", false },
		{ "3", "m1", "3 2 1", "m2", false },
		{ "m0", "1", "3 2 1", "m3", false },
	};
	struct corral_error err = { 0 };

	(void)state;
	srand(7);
	for (int turn = 0; turn < 25; turn++) {
		char *before, *after, name[8];
		int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		tree_random("1", true);
		tree_random("2", false);
		tree_random("3", false);
		before = all_of("3 2 1");
		for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
			(void)snprintf(name, sizeof(name), "m%zu", i);
			merged(rows[i].upper, rows[i].lower, name, rows[i].has_below);
			after = all_of(rows[i].stack);
			if (strcmp(after, before) != 0)
				fail_msg("turn %d, row %zu:\n%s\n---\n%s", turn, i, before, after);
			free(after);
		}
		after = all_of("3 2 1");
		assert_string_equal(after, before);
		free(after);
		free(before);
		for (const char *const *p =
		             (const char *const[]) { "1", "2", "3", "m0", "m1", "m2", "m3", NULL };
		     *p; p++)
			assert_int_equal(corral_layer_remove(here, *p, &err), 0);
		(void)close(here);
	}
}

/* Deeper than a path can be, from the inside out. */
static void deep_make(const char *top, int depth, bool sides, const char *leaf)
{
	int fd, at;

	folder(top);
	at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < depth; i++) {
		/* Beside each, one that is not so deep. */
		if (sides)
			assert_int_equal(mkdirat(at, "side", 0755), 0);
		assert_int_equal(mkdirat(at, "down", 0755), 0);
		fd = openat(at, "down", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(fd >= 0);
		(void)close(at);
		at = fd;
	}
	if (leaf) {
		fd = openat(at, leaf, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	(void)close(at);
}

static int count(void *ctx, const struct corral_change *c)
{
	(void)c;
	++*(size_t *)ctx;
	return 0;
}

static void depth_is_no_burden(void **state)
{
	const struct corral_layers_diff_options o = { .n_after = 1 };
	struct corral_layer_stack s;
	struct corral_error err = { 0 };
	uint64_t bytes = 0, files = 0;
	size_t n = 0;
	int here;

	(void)state;
	deep_make("1/u2", 300, true, "x");
	deep_make("2/u2", 301, true, "y");
	s = stack_of("2 1");
	if (corral_layers_diff(&s, &o, count, &n, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(n, 3); /* side, down and y */
	merged("2", "1", "m", true);
	assert_int_equal(corral_layer_usage("m", &bytes, &files, &err), 0);
	assert_int_equal(files, 2);
	here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(corral_layer_remove(here, "m", &err), 0);
	assert_int_equal(corral_layer_remove(here, "m", &err), 0);
	(void)close(here);
}

/* What of the whole is told, and of the one that is not told to its end. */
struct told_deep {
	size_t n, unread;
	bool behind;
};

static int count_unread(void *ctx, const struct corral_change *c)
{
	struct told_deep *t = ctx;

	t->n++;
	t->unread += (c->what & CORRAL_CHANGE_UNREAD) != 0;
	t->behind |= !strcmp(c->guest_path, "/workspace/z");
	return 0;
}

static void too_deep_is_told_so_far(void **state)
{
	const struct corral_layers_diff_options o = { .n_after = 1 };
	struct corral_layer_stack s;
	struct corral_error err = { 0 };
	struct told_deep t = { 0 };
	uint64_t bytes = 0, files = 0;

	(void)state;
	deep_make("1/u2", 4100, false, NULL);
	file("1/u2/z", "");
	s = stack_of("1");
	if (corral_layers_diff(&s, &o, count_unread, &t, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(t.unread, 1);
	assert_int_equal(t.n, 4097 + 1);
	assert_true(t.behind);
	if (corral_layer_usage("1", &bytes, &files, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(files, 1);
}

static int count_on(void *ctx, uint64_t bytes, uint64_t names, struct corral_error *err)
{
	(void)ctx;
	(void)bytes;
	(void)names;
	(void)err;
	return 0;
}

static void too_deep_is_too_much_for_who_watches(void **state)
{
	const struct corral_layer_watch watch = { count_on, NULL };
	struct corral_error err = { 0 };
	uint64_t bytes = 0, files = 0;

	(void)state;
	deep_make("1/u2", 4100, false, NULL);
	assert_int_equal(corral_tree_usage("1/u2", NULL, &bytes, &files, &err), 0);
	assert_int_equal(corral_tree_usage("1/u2", &watch, &bytes, &files, &err), -EFBIG);
	assert_non_null(strstr(err.text, "deeper than 4096"));
}

/* After so many names, what lies at that path goes. */
struct going {
	const char *path;
	uint64_t at;
};

static int go_away(void *ctx, uint64_t bytes, uint64_t names, struct corral_error *err)
{
	const struct going *g = ctx;
	char above[64];
	int fd;

	(void)bytes;
	if (names != g->at)
		return 0;
	(void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(g->path, '/') - g->path),
	               g->path);
	fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(corral_layer_remove(fd, strrchr(g->path, '/') + 1, err), 0);
	(void)close(fd);
	return 0;
}

static void what_goes_while_it_is_counted_hides_nothing(void **state)
{
	/* t: a, a/b, a/b/c, ..., z */
	struct going all[] = { { "t/a", 1 },   { "t/a", 2 }, { "t/a/b", 2 },
		               { "t/a/b", 3 }, { "t/a", 5 }, { "t/a", 200 } };
	char path[1024];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(all); i++) {
		const struct corral_layer_watch watch = { go_away, &all[i] };
		struct corral_error err = { 0 };
		uint64_t bytes = 0, files = 0;
		size_t len = (size_t)snprintf(path, sizeof(path), "t/a/b/c/d");

		/* More than are open at once, so that the way back is looked for. */
		for (int k = 0; k < 200; k++)
			len += (size_t)snprintf(path + len, sizeof(path) - len, "/e");
		(void)snprintf(path + len, sizeof(path) - len, "/f");
		file(path, "");
		file("t/a/b/y", "");
		file("t/z", "");
		if (corral_tree_usage("t", &watch, &bytes, &files, &err) != 0)
			fail_msg("%zu: %s", i, err.text);
		assert_true(files >= 1 && files <= 3);
	}
}

static void removal_takes_all_and_nothing_else(void **state)
{
	struct corral_error err = { 0 };
	int here;

	(void)state;
	file("victim/f", "");
	file("1/u2/a/b/c", "");
	file("1/w2/left/x", "");
	whiteout("1/u2/a/w");
	assert_int_equal(symlink("../../victim", "1/u2/a/link"), 0);
	assert_int_equal(chmod("1/u2/a/b", 0), 0);
	assert_int_equal(chmod("1/u2/a", 0), 0);
	assert_int_equal(chmod("1/w2/left", 0), 0);
	assert_int_equal(chmod("1", 0500), 0);
	here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (corral_layer_remove(here, "1", &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(access("1", F_OK), -1);
	assert_int_equal(access("victim/f", F_OK), 0);
	assert_int_equal(symlink("victim", "l"), 0);
	assert_int_equal(corral_layer_remove(here, "l", &err), 0);
	assert_int_equal(access("victim/f", F_OK), 0);
	assert_int_equal(corral_layer_remove(here, "victim/f", &err), -EINVAL);
	(void)close(here);
}

static void usage_counts_each_inode_once(void **state)
{
	static char text[100001];
	uint64_t one = 0, two = 0, files = 0;
	char name[32];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	file("1/u2/f", text);
	whiteout("1/u2/w");
	assert_int_equal(corral_layer_usage("1", &one, &files, NULL), 0);
	assert_true(one >= 100000);
	assert_int_equal(files, 1);
	for (int i = 0; i < 700; i++) {
		(void)snprintf(name, sizeof(name), "1/u2/%d", i);
		assert_int_equal(link("1/u2/f", name), 0);
	}
	assert_int_equal(corral_layer_usage("1", &two, &files, NULL), 0);
	assert_true(two < one + 100000);
	assert_int_equal(files, 1);
	file("1/u0/etc/x", "");
	assert_int_equal(corral_layer_usage("1", &two, &files, NULL), 0);
	assert_int_equal(files, 2);
}

static void empty_is_what_holds_nothing(void **state)
{
	(void)state;
	folder("1");
	assert_int_equal(corral_layer_is_empty("1", NULL), 1);
	folder("1/u0");
	folder("1/u2");
	folder("1/w2/work");
	assert_int_equal(corral_layer_is_empty("1", NULL), 1);
	whiteout("1/u2/w");
	assert_int_equal(corral_layer_is_empty("1", NULL), 0);
	assert_int_equal(corral_layer_is_empty("none", NULL), -ENOENT);
}

static void merging_needs_a_place_of_its_own(void **state)
{
	struct corral_error err = { 0 };

	(void)state;
	folder("1");
	folder("2");
	folder("m");
	assert_int_equal(corral_layer_merge("2", "1", "m", true, &err), -EEXIST);
	assert_int_equal(corral_layer_merge("2", "none", "n", true, &err), -ENOENT);
	assert_int_equal(access("n", F_OK), -1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(each_kind_of_change_is_told),
		ROW(opaque_directories_hide_what_is_below),
		ROW(marks_of_the_other_kind_are_none),
		ROW(whiteouts_of_the_other_form_are_seen),
		ROW(readers_follow_no_link),
		ROW(links_that_a_guest_left_are_told_and_not_followed),
		ROW(what_a_root_began_with_is_no_change),
		ROW(template_is_what_there_was),
		ROW(bases_lie_beneath_all),
		ROW(what_a_base_itself_is_like_is_no_change),
		ROW(more_changes_than_asked_for_are_e2big),
		ROW(who_is_told_may_end_it),
		ROW(texts_are_of_text_files_that_are_not_large),
		ROW(holes_cost_nothing),
		ROW(merging_keeps_what_each_says),
		ROW(merging_keeps_inodes_modes_times_and_attributes),
		ROW(closed_directories_are_merged_and_stay_closed),
		ROW(merged_layers_show_what_both_did),
		ROW(depth_is_no_burden),
		ROW(too_deep_is_told_so_far),
		ROW(too_deep_is_too_much_for_who_watches),
		ROW(what_goes_while_it_is_counted_hides_nothing),
		ROW(removal_takes_all_and_nothing_else),
		ROW(usage_counts_each_inode_once),
		ROW(empty_is_what_holds_nothing),
		ROW(merging_needs_a_place_of_its_own),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
