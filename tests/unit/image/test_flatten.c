/*
 * kernel/image/layer.h: layers become one tree, as their archives say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "kernel/base/buf.h"
#include "kernel/image/layer.h"
#include "tests/unit/image/store_support.h"

#define LAYERS_MAX 8

struct layers {
	char dir[64];
	char paths[LAYERS_MAX][96];
	size_t n;
	char root[96];
	struct corral_error err;
};

static void layers_begin(struct layers *l)
{
	memset(l, 0, sizeof(*l));
	(void)snprintf(l->dir, sizeof(l->dir), "/tmp/corral-flatten-test-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	(void)snprintf(l->root, sizeof(l->root), "%s/root", l->dir);
}

/* Removed by its own name in /tmp. */
static void layers_remove(struct layers *l)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(tmp >= 0);
	assert_int_equal(corral_layer_remove(tmp, l->dir + 5, &l->err), 0);
	(void)close(tmp);
}

static int layer_add(struct layers *l, const char *const *words)
{
	char dir[sizeof(l->dir)];
	int fd;

	memcpy(dir, l->dir, sizeof(dir));
	(void)snprintf(l->paths[l->n], sizeof(l->paths[0]), "%s/%zu", dir, l->n);
	assert_int_equal(mkdir(l->paths[l->n], 0755), 0);
	fd = open(l->paths[l->n], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	tree_fill(fd, words);
	l->n++;
	return fd;
}

static void add(struct layers *l, const char *const *words)
{
	(void)close(layer_add(l, words));
}

static int flatten(struct layers *l)
{
	const char *paths[LAYERS_MAX];

	for (size_t i = 0; i < l->n; i++)
		paths[i] = l->paths[i];
	return corral_image_flatten(paths, l->n, l->root, NULL, &l->err);
}

/* All of a tree in order: "usr/", "usr/a=text", "usr/b->a". */
static void describe(int dir_fd, const char *path, struct corral_buf *ret)
{
	struct dirent **names = NULL;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;

	assert_true(fd >= 0);
	n = scandirat(fd, ".", &names, NULL, alphasort);
	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		char text[256] = "", below[512];
		struct stat st;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			assert_int_equal(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
			(void)snprintf(below, sizeof(below), "%s%s", path, name);
			if (S_ISDIR(st.st_mode)) {
				int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

				corral_buf_fmt(ret, "%s/ ", below);
				(void)snprintf(below, sizeof(below), "%s%s/", path, name);
				describe(sub, below, ret);
				(void)close(sub);
			} else if (S_ISLNK(st.st_mode)) {
				assert_true(readlinkat(fd, name, text, sizeof(text) - 1) > 0);
				corral_buf_fmt(ret, "%s->%s ", below, text);
			} else {
				int file = openat(fd, name, O_RDONLY | O_CLOEXEC);

				assert_true(read(file, text, sizeof(text) - 1) >= 0);
				(void)close(file);
				corral_buf_fmt(ret, "%s=%s ", below, text);
			}
		}
		free(names[i]);
	}
	free(names);
	(void)close(fd);
}

static void becomes(struct layers *l, const char *wanted)
{
	corral_autobuf struct corral_buf found = CORRAL_BUF_INIT;
	int fd;

	if (flatten(l) < 0)
		fail_msg("%s", l->err.text);
	fd = open(l->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	describe(fd, "", &found);
	(void)close(fd);
	assert_string_equal(found.data ? found.data : "", wanted);
	layers_remove(l);
}

static void one_layer_is_its_tree(void **state)
{
	struct layers l;

	(void)state;
	layers_begin(&l);
	add(&l, WORDS("a=1", "d/", "d/b=2", "d/l->../a", "d/c==a"));
	becomes(&l, "a=1 d/ d/b=2 d/c=1 d/l->../a ");
}

static void whiteouts_take_away_what_is_beneath(void **state)
{
	struct layers l;

	(void)state;
	layers_begin(&l);
	add(&l, WORDS("a=1", "d/", "d/b=2", "d/e/", "d/e/f=3", "keep=k"));
	add(&l, WORDS("-a", "-d/e", "-never/was"));
	becomes(&l, "d/ d/b=2 keep=k ");
}

static void opaque_directory_has_only_its_own(void **state)
{
	struct layers l;

	(void)state;
	layers_begin(&l);
	add(&l, WORDS("d/", "d/b=2", "d/e/", "d/e/f=3", "o=1"));
	add(&l, WORDS("d/", "d/new=n", "~d"));
	becomes(&l, "d/ d/new=n o=1 ");
}

/* A layer's own entry stays, whatever the same layer takes away beneath. */
static void what_a_layer_takes_away_it_may_add(void **state)
{
	struct layers l;

	(void)state;
	layers_begin(&l);
	add(&l, WORDS("d/", "d/b=2"));
	add(&l, WORDS("d/", "d/c=3", "-d"));
	becomes(&l, "d/ d/c=3 ");
}

static void kinds_replace_each_other(void **state)
{
	struct layers l;

	(void)state;
	layers_begin(&l);
	add(&l, WORDS("a/", "a/x=1", "b=2", "c->a", "e=old"));
	add(&l, WORDS("a=file", "b/", "b/y=3", "c/", "c/z=4", "e->b"));
	becomes(&l, "a=file b/ b/y=3 c/ c/z=4 e->b ");
}

/* A link where a directory is wanted is replaced: nothing is written where it leads. */
static void nothing_is_written_through_links(void **state)
{
	char outside[96], path[128];
	struct layers l;
	struct stat st;

	(void)state;
	layers_begin(&l);
	(void)snprintf(outside, sizeof(outside), "%s/outside", l.dir);
	assert_int_equal(mkdir(outside, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/victim", outside);
	text_put(AT_FDCWD, path, "v", 0644);
	(void)snprintf(path, sizeof(path), "%s/sub", outside);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/sub/victim", outside);
	text_put(AT_FDCWD, path, "v", 0644);
	(void)snprintf(path, sizeof(path), "d->%s", outside);
	add(&l, WORDS(path, "e->d"));
	add(&l, WORDS("d/", "d/x=1", "-e/victim", "~e", "-e/sub/victim", "~e/sub"));
	add(&l, WORDS("-d/../outside/victim"));
	l.n = 2;
	if (flatten(&l) < 0)
		fail_msg("%s", l.err.text);
	(void)snprintf(path, sizeof(path), "%s/victim", outside);
	assert_int_equal(stat(path, &st), 0);
	(void)snprintf(path, sizeof(path), "%s/sub/victim", outside);
	assert_int_equal(stat(path, &st), 0);
	(void)snprintf(path, sizeof(path), "%s/x", outside);
	assert_int_equal(stat(path, &st), -1);
	(void)snprintf(path, sizeof(path), "%s/e", l.root);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	/* And one that names what is outside is no layer. */
	(void)snprintf(l.root, sizeof(l.root), "%s/root2", l.dir);
	l.n = 3;
	assert_int_equal(flatten(&l), -EINVAL);
	layers_remove(&l);
}

static void files_are_the_layers_own(void **state)
{
	struct stat in, out;
	struct layers l;
	char path[128];

	(void)state;
	layers_begin(&l);
	add(&l, WORDS("a=1"));
	assert_int_equal(flatten(&l), 0);
	(void)snprintf(path, sizeof(path), "%s/tree/a", l.paths[0]);
	assert_int_equal(stat(path, &in), 0);
	(void)snprintf(path, sizeof(path), "%s/a", l.root);
	assert_int_equal(stat(path, &out), 0);
	assert_int_equal(in.st_ino, out.st_ino);
	layers_remove(&l);
}

static void mark(int layer_fd, const char *path, mode_t mode, time_t mtime, const char *xattr)
{
	const struct timespec times[] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
	char full[PATH_MAX];

	(void)snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", layer_fd, path);
	if (xattr)
		assert_int_equal(setxattr(full, "user.test", xattr, strlen(xattr), 0), 0);
	assert_int_equal(chmod(full, mode), 0);
	assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
}

static void is_like(const struct layers *l, const char *path, mode_t mode, time_t mtime,
                    const char *xattr)
{
	char full[PATH_MAX], value[32] = "";
	struct stat st;

	(void)snprintf(full, sizeof(full), "%s/%s", l->root, path);
	assert_int_equal(lstat(full, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_mtime, mtime);
	(void)getxattr(full, "user.test", value, sizeof(value) - 1);
	assert_string_equal(value, xattr);
}

static void directories_are_as_the_topmost_says(void **state)
{
	struct layers l;
	int fd;

	(void)state;
	layers_begin(&l);
	fd = layer_add(&l, WORDS("d/", "d/a=1", "e/", "f/"));
	mark(fd, "tree/d", 0750, 1000, "low");
	mark(fd, "tree/e", 0711, 1001, "low");
	mark(fd, "tree/f", 02755, 1002, "low");
	mark(fd, "tree", 0700, 1003, "low");
	(void)close(fd);
	/* e has an entry, d has none, f is not in it. */
	fd = layer_add(&l, WORDS("d/", "d/b=2", "e/", "e/c=3", "new/", "?d", "?", "?new"));
	mark(fd, "tree/d", 0777, 2000, "high");
	mark(fd, "tree/e", 0770, 2001, NULL);
	mark(fd, "tree/new", 0775, 2002, "high");
	mark(fd, "tree", 0777, 2003, "high");
	(void)close(fd);
	add(&l, WORDS("?", "-d/a"));
	assert_int_equal(flatten(&l), 0);
	is_like(&l, "d", 0750, 1000, "low");
	is_like(&l, "e", 0770, 2001, "");
	is_like(&l, "f", 02755, 1002, "low");
	is_like(&l, "new", 0775, 2002, "high");
	is_like(&l, ".", 0700, 1003, "low");
	layers_remove(&l);
}

static void owners_stay_for_root(void **state)
{
	struct stat st;
	struct layers l;
	char path[128];
	int fd;

	(void)state;
	if (corral_test_needs_root("other owners"))
		return;
	layers_begin(&l);
	fd = layer_add(&l, WORDS("d/", "d/a=1"));
	assert_int_equal(fchownat(fd, "tree/d", 1000, 1001, 0), 0);
	assert_int_equal(fchownat(fd, "tree/d/a", 33, 34, 0), 0);
	assert_int_equal(fchmodat(fd, "tree/d/a", 04755, 0), 0);
	(void)close(fd);
	assert_int_equal(flatten(&l), 0);
	(void)snprintf(path, sizeof(path), "%s/d", l.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 1001);
	(void)snprintf(path, sizeof(path), "%s/d/a", l.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 33);
	assert_int_equal(st.st_mode & 07777, 04755);
	layers_remove(&l);
}

static void device_is_refused(void **state)
{
	struct layers l;
	int fd;

	(void)state;
	if (corral_test_needs_root("devices"))
		return;
	layers_begin(&l);
	fd = layer_add(&l, WORDS("d/"));
	if (mknodat(fd, "tree/d/null", S_IFCHR | 0666, 0) < 0) {
		(void)close(fd);
		layers_remove(&l);
		corral_test_skip("no device can be made here");
		return;
	}
	(void)close(fd);
	assert_int_equal(flatten(&l), -EINVAL);
	assert_non_null(strstr(l.err.text, "'d/null' is a device"));
	layers_remove(&l);
}

/* From now on every file of this process has as many names as it may have. */
static int links_refuse(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EMLINK),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { CORRAL_COUNT(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void file_with_too_many_names_is_copied(void **state)
{
	struct stat st, copy;
	struct layers l;
	char path[128];
	int fd, big, status = -1;
	pid_t pid;

	(void)state;
	layers_begin(&l);
	fd = layer_add(&l, WORDS("d/", "d/many=content"));
	mark(fd, "tree/d/many", 04640, 1234, "x");
	/* A hole, and something behind it. */
	big = openat(fd, "tree/holes", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(pwrite(big, "end", 3, 64 << 20), 3);
	(void)close(big);
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(links_refuse() < 0 ? 2 : flatten(&l) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	is_like(&l, "d/many", 04640, 1234, "x");
	(void)snprintf(path, sizeof(path), "%s/d/many", l.root);
	assert_int_equal(stat(path, &copy), 0);
	assert_int_equal(fstatat(fd, "tree/d/many", &st, 0), 0);
	assert_true(copy.st_ino != st.st_ino);
	assert_int_equal(copy.st_size, strlen("content"));
	(void)snprintf(path, sizeof(path), "%s/holes", l.root);
	assert_int_equal(stat(path, &copy), 0);
	assert_int_equal(copy.st_size, (64 << 20) + 3);
	assert_true(copy.st_blocks < 1024);
	(void)close(fd);
	layers_remove(&l);
}

static void broken_list_of_what_is_gone_is_refused(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} bad[] = {
		{ "Da", 2 },    { "Xa", 3 },      { "D", 2 },     { "D/a", 4 },
		{ "D../a", 6 }, { "Da/../b", 8 }, { "Da//b", 6 }, { "Da/.", 5 },
		{ "", 1 },      { "O/", 3 },      { "D.", 3 },    { "Da/b/..", 8 },
	};
	struct corral_image_gone g;

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(bad); i++) {
		size_t at = 0;

		if (corral_image_gone_next(bad[i].data, bad[i].len, &at, &g, NULL) != -EINVAL)
			fail_msg("'%s' was taken", bad[i].data);
	}
	for (const char *good = "Da\0Ob/c\0I\0O\0D...\0"; *good; good += strlen(good) + 1) {
		size_t at = 0;

		assert_int_equal(corral_image_gone_next(good, strlen(good) + 1, &at, &g, NULL), 1);
		assert_int_equal(g.kind, good[0]);
		assert_string_equal(g.guest_path, good + 1);
	}
}

static void deep_tree_is_no_burden(void **state)
{
	struct layers l;
	int fd, at, next, deep = 300;

	(void)state;
	layers_begin(&l);
	fd = layer_add(&l, WORDS("a=1"));
	at = openat(fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < deep; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = next;
	}
	text_put(at, "end", "here", 0644);
	(void)close(at);
	(void)close(fd);
	if (flatten(&l) < 0)
		fail_msg("%s", l.err.text);
	at = open(l.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < deep; i++) {
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		(void)close(at);
		at = next;
	}
	assert_int_equal(faccessat(at, "end", F_OK, 0), 0);
	(void)close(at);
	layers_remove(&l);
}

static void usage_counts_files_once(void **state)
{
	uint64_t bytes = 0, files = 0;
	struct layers l;
	char path[128];
	int fd, big;

	(void)state;
	layers_begin(&l);
	fd = layer_add(&l, WORDS("d/", "a=1", "d/b==a", "l->a"));
	big = openat(fd, "tree/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(posix_fallocate(big, 0, 1 << 20), 0);
	(void)close(big);
	(void)close(fd);
	(void)snprintf(path, sizeof(path), "%s/tree", l.paths[0]);
	assert_int_equal(corral_image_tree_usage(path, NULL, &bytes, &files, &l.err), 0);
	assert_int_equal(files, 3);
	assert_true(bytes >= 1 << 20 && bytes < (1 << 20) + 65536);
	layers_remove(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_layer_is_its_tree),
		cmocka_unit_test(whiteouts_take_away_what_is_beneath),
		cmocka_unit_test(opaque_directory_has_only_its_own),
		cmocka_unit_test(what_a_layer_takes_away_it_may_add),
		cmocka_unit_test(kinds_replace_each_other),
		cmocka_unit_test(nothing_is_written_through_links),
		cmocka_unit_test(files_are_the_layers_own),
		cmocka_unit_test(directories_are_as_the_topmost_says),
		cmocka_unit_test(owners_stay_for_root),
		cmocka_unit_test(device_is_refused),
		cmocka_unit_test(file_with_too_many_names_is_copied),
		cmocka_unit_test(broken_list_of_what_is_gone_is_refused),
		cmocka_unit_test(deep_tree_is_no_burden),
		cmocka_unit_test(usage_counts_files_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
