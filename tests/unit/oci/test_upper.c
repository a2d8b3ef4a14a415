/* kernel/image/oci/upper.h: upper directories of overlayfs, made by hand, become layers. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/layer.h"
#include "kernel/image/oci/upper.h"
#include "kernel/layers/layers.h"
#include "tests/support.h"

static char dir[64];

/* keep/u0, base/ and layer/ in a directory of its own, which is the current one. */
static int setup(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/corral-test-XXXXXX", base && *base ? base : "/tmp");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("keep", 0700) | mkdir("keep/u0", 0755) | mkdir("keep/w0", 0700), 0);
	assert_int_equal(mkdir("base", 0755) | mkdir("layer", 0700), 0);
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
	static char key[64];

	(void)snprintf(key, sizeof(key), "%s.overlay.%s", geteuid() ? "user" : "trusted", name);
	return key;
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

static void above(const char *path)
{
	char parent[512];

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	folder(parent);
}

static void file(const char *path, const char *text)
{
	int fd;

	above(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void whiteout(const char *path)
{
	above(path);
	assert_int_equal(mknod(path, S_IFCHR, makedev(0, 0)), 0);
}

static void opaque(const char *path)
{
	folder(path);
	assert_int_equal(setxattr(path, mark("opaque"), "y", 1, 0), 0);
}

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int take(const struct corral_upper *wanted, struct corral_error *err)
{
	struct corral_upper u = wanted ? *wanted : (struct corral_upper) { 0 };

	u.keep_path = "keep";
	u.base_path = "base";
	return corral_upper_take(&u, "layer", err);
}

static void takes(const struct corral_upper *u)
{
	struct corral_error err = { 0 };

	if (take(u, &err) < 0)
		fail_msg("%s", err.text);
}

/* "D a/b\n" for each. */
static void gone_is(const char *wanted)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT, lines = CORRAL_BUF_INIT;
	corral_autofd int fd = open("layer/gone", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(corral_buf_read_fd(&text, fd, 1 << 20), 0);
	corral_buf_str(&lines, "");
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
		corral_buf_fmt(&lines, "%c %s\n", text.data[at], text.data + at + 1);
	assert_string_equal(lines.data ? lines.data : "", wanted);
}

static void files_are_moved_and_keep_what_they_are(void **state)
{
	struct stat before, after;

	(void)state;
	file("keep/u0/a/b/f", "text");
	assert_int_equal(chmod("keep/u0/a/b/f", 04711), 0);
	assert_int_equal(link("keep/u0/a/b/f", "keep/u0/other"), 0);
	assert_int_equal(symlink("/etc/passwd", "keep/u0/link"), 0);
	assert_int_equal(stat("keep/u0/other", &before), 0);
	takes(NULL);
	assert_int_equal(stat("layer/tree/a/b/f", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_nlink, 2);
	assert_int_equal(after.st_mode, S_IFREG | 04711);
	assert_true(there("layer/tree/link"));
	gone_is("");
}

static void whiteouts_of_what_the_base_has_become_gone(void **state)
{
	(void)state;
	file("base/etc/one", "1");
	file("base/etc/dir/x", "1");
	assert_int_equal(symlink("nowhere", "base/etc/link"), 0);
	whiteout("keep/u0/etc/one");
	whiteout("keep/u0/etc/dir");
	whiteout("keep/u0/etc/link");
	takes(NULL);
	gone_is("D etc/dir\nD etc/link\nD etc/one\n");
	assert_false(there("layer/tree/etc/one"));
	assert_true(there("layer/tree/etc"));
}

static void whiteouts_of_nothing_are_left_out(void **state)
{
	(void)state;
	folder("base/etc");
	file("base/file", "1");
	whiteout("keep/u0/etc/one");
	whiteout("keep/u0/new/one");
	whiteout("keep/u0/file/one"); /* a directory where the base has a file */
	takes(NULL);
	gone_is("");
	assert_false(there("layer/tree/new/one"));
}

static void opaque_directories_become_gone_and_nothing_beneath_does(void **state)
{
	(void)state;
	file("base/var/lib/x", "1");
	file("base/var/lib/sub/y", "1");
	opaque("keep/u0/var/lib");
	opaque("keep/u0/var/lib/sub");
	whiteout("keep/u0/var/lib/x");
	opaque("keep/u0/new");
	takes(NULL);
	gone_is("O var/lib\n");
	assert_int_equal(getxattr("layer/tree/var/lib", mark("opaque"), NULL, 0), -1);
	assert_int_equal(errno, ENODATA);
}

static void marks_are_stripped_and_other_attributes_stay(void **state)
{
	(void)state;
	file("keep/u0/d/f", "1");
	assert_int_equal(setxattr("keep/u0/d/f", mark("origin"), "x", 1, 0), 0);
	assert_int_equal(setxattr("keep/u0/d", mark("impure"), "y", 1, 0), 0);
	assert_int_equal(setxattr("keep/u0", mark("origin"), "x", 1, 0), 0);
	assert_int_equal(setxattr("keep/u0/d/f", "user.overlay.redirect", "/etc", 4, 0), 0);
	assert_int_equal(setxattr("keep/u0/d/f", "user.mine", "v", 1, 0), 0);
	takes(NULL);
	assert_int_equal(getxattr("layer/tree/d/f", mark("origin"), NULL, 0), -1);
	assert_int_equal(getxattr("layer/tree/d", mark("impure"), NULL, 0), -1);
	assert_int_equal(getxattr("layer/tree", mark("origin"), NULL, 0), -1);
	assert_int_equal(getxattr("layer/tree/d/f", "user.overlay.redirect", NULL, 0), -1);
	assert_int_equal(getxattr("layer/tree/d/f", "user.mine", NULL, 0), 1);
}

static void times_of_directories_are_as_they_were(void **state)
{
	const struct timespec old[2] = { { 1000, 0 }, { 2000, 5 } };
	struct stat st;

	(void)state;
	file("base/d/f", "1");
	whiteout("keep/u0/d/f");
	assert_int_equal(utimensat(AT_FDCWD, "keep/u0/d", old, 0), 0);
	takes(NULL);
	assert_int_equal(stat("layer/tree/d", &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
}

static void what_is_dropped_is_not_in_it(void **state)
{
	static const char *const dropped[] = { ".build", "deep/er", NULL };

	(void)state;
	file("keep/u0/.build/cache/f", "1");
	file("keep/u0/deep/er/f", "1");
	file("keep/u0/deep/stays", "1");
	takes(&(struct corral_upper) { .dropped = dropped });
	assert_false(there("layer/tree/.build"));
	assert_false(there("layer/tree/deep/er"));
	assert_true(there("layer/tree/deep/stays"));
}

static void mount_points_go_where_they_are_nobodys(void **state)
{
	static const char *const points[] = {
		"dev", "proc", "tmp", "etc/resolv.conf", "sys", NULL
	};

	(void)state;
	folder("base/tmp");
	folder("keep/u0/dev");
	file("keep/u0/proc/f", "1"); /* not empty */
	folder("keep/u0/tmp");       /* the base's as well */
	file("keep/u0/etc/resolv.conf", "");
	file("keep/u0/sys", "text");
	takes(&(struct corral_upper) { .mount_points = points });
	assert_false(there("layer/tree/dev"));
	assert_true(there("layer/tree/proc/f"));
	assert_true(there("layer/tree/tmp"));
	assert_false(there("layer/tree/etc/resolv.conf"));
	assert_true(there("layer/tree/sys"));
}

static void refused(const char *wanted)
{
	struct corral_error err = { 0 };

	assert_int_equal(take(NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, wanted));
	assert_false(there("layer/tree"));
}

static void names_that_mean_something_in_layers_are_refused(void **state)
{
	(void)state;
	file("keep/u0/d/.wh.passwd", "");
	refused("'/d/.wh.passwd'");
}

static void devices_are_refused(void **state)
{
	(void)state;
	if (corral_test_needs_root("devices"))
		return;
	assert_int_equal(mknod("keep/u0/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	refused("'/null' is a device");
}

static void sockets_are_left_out_and_pipes_are_not(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "keep/u0/socket" };
	corral_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(mkfifo("keep/u0/pipe", 0644), 0);
	takes(NULL);
	assert_false(there("layer/tree/socket"));
	assert_true(there("layer/tree/pipe"));
}

static void changes_of_the_hosts_usr_are_no_layer(void **state)
{
	(void)state;
	folder("keep/u1");
	refused("only where its root was an image's");
}

static void too_many_files_are_refused(void **state)
{
	struct corral_image_bounds few;
	struct corral_error err = { 0 };

	(void)state;
	file("keep/u0/a", "");
	file("keep/u0/b", "");
	corral_image_bounds_init(&few, &(struct corral_image_limits) { .files_max = 1 }, -1);
	assert_int_equal(take(&(struct corral_upper) { .bounds = &few }, &err), -EFBIG);
}

/* Links that the guest left lead nowhere, in its tree and in the base. */
static void links_are_not_followed(void **state)
{
	(void)state;
	file("outside/f", "1");
	assert_int_equal(symlink("../outside", "base/d"), 0);
	whiteout("keep/u0/d/f");
	assert_int_equal(symlink("../../outside", "keep/u0/e"), 0);
	takes(NULL);
	gone_is("");
	assert_true(there("outside/f"));
}

/* But for an ordinary user, who could not get at what is in them. */
static void closed_directories_are_closed_again(void **state)
{
	struct stat st;

	(void)state;
	file("keep/u0/d/f", "1");
	assert_int_equal(chmod("keep/u0/d", 0), 0);
	takes(NULL);
	assert_int_equal(stat("layer/tree/d", &st), 0);
	assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? 0 : 0700);
	assert_int_equal(chmod("layer/tree/d", 0700), 0);
	assert_true(there("layer/tree/d/f"));
}

static void deep_trees_are_no_burden(void **state)
{
	char at[32];

	(void)state;
	assert_int_equal(chdir("keep/u0"), 0);
	for (int i = 0; i < 600; i++) {
		(void)snprintf(at, sizeof(at), "directory-%d", i);
		assert_int_equal(mkdir(at, 0755), 0);
		assert_int_equal(setxattr(at, mark("opaque"), "y", 1, 0), 0);
		assert_int_equal(chdir(at), 0);
	}
	assert_int_equal(chdir(dir), 0);
	takes(NULL);
	assert_true(there("layer/tree/directory-0/directory-1"));
}

struct told {
	char *paths[64]; /* with the kind's letter before it */
	uint32_t modes[64];
	size_t n;
};

static int tell(void *ctx, const struct corral_change *c)
{
	struct told *t = ctx;

	assert_true(t->n < CORRAL_COUNT(t->paths));
	assert_true(asprintf(&t->paths[t->n], "%croot%s", corral_change_letter(c->kind),
	                     c->guest_path) > 0);
	t->modes[t->n++] = c->mode_after;
	return 0;
}

/* What the sandbox saw changed, and nothing else, is so in the root that the layers make. */
static void base_and_layer_make_what_the_sandbox_saw(void **state)
{
	const char *const keep[] = { "keep" }, *const layers[] = { "low", "layer" };
	const struct corral_layer_stack stack = { .paths = keep,
		                                  .n = 1,
		                                  .base_paths = { "low/tree" },
		                                  .guest_paths = { "/", "/usr", "/workspace" } };
	const struct corral_layers_diff_options options = { .n_after = 1 };
	struct told told = { .n = 0 };
	struct corral_error err = { 0 };
	struct stat st;

	(void)state;
	for (int i = 0; i < 12; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "base/d%d/f%d", i % 4, i);
		file(path, "old");
	}
	file("base/d0/sub/x", "old");
	file("base/was-file", "old");
	file("base/was-dir/x", "old");
	whiteout("keep/u0/d0/f0");
	whiteout("keep/u0/d0/sub");
	whiteout("keep/u0/d1");
	opaque("keep/u0/d2");
	file("keep/u0/d2/f2", "new");
	file("keep/u0/d3/f3", "new and longer");
	file("keep/u0/d3/n/n/n", "new");
	opaque("keep/u0/was-file");
	file("keep/u0/was-file/x", "new");
	file("keep/u0/was-dir", "new");
	assert_int_equal(mkdir("low", 0700) | rename("base", "low/tree"), 0);
	file("low/gone", "");
	if (corral_layers_diff(&stack, &options, tell, &told, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(told.n > 12);
	if (corral_upper_take(&(struct corral_upper) { .keep_path = "keep",
	                                               .base_path = "low/tree" },
	                      "layer", &err) < 0 ||
	    corral_image_flatten(layers, 2, "root", NULL, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < told.n; i++) {
		int r = lstat(told.paths[i] + 1, &st);

		if ((r == 0) != (told.paths[i][0] != 'D') ||
		    (r == 0 && st.st_mode != told.modes[i]))
			fail_msg("%s", told.paths[i]);
		free(told.paths[i]);
	}
	/* Untouched. */
	assert_true(there("root/d0/f4") && there("root/d3/f11"));
	assert_false(there("root/d2/f6") || there("root/d1"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(files_are_moved_and_keep_what_they_are),
		CASE(whiteouts_of_what_the_base_has_become_gone),
		CASE(whiteouts_of_nothing_are_left_out),
		CASE(opaque_directories_become_gone_and_nothing_beneath_does),
		CASE(marks_are_stripped_and_other_attributes_stay),
		CASE(times_of_directories_are_as_they_were),
		CASE(what_is_dropped_is_not_in_it),
		CASE(mount_points_go_where_they_are_nobodys),
		CASE(names_that_mean_something_in_layers_are_refused),
		CASE(devices_are_refused),
		CASE(sockets_are_left_out_and_pipes_are_not),
		CASE(changes_of_the_hosts_usr_are_no_layer),
		CASE(too_many_files_are_refused),
		CASE(links_are_not_followed),
		CASE(closed_directories_are_closed_again),
		CASE(deep_trees_are_no_burden),
		CASE(base_and_layer_make_what_the_sandbox_saw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
