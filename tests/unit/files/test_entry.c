/* kernel/files/entry.c, path.c, remove.c: names, and how far a confined view reaches. */
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/files/files_support.h"

static void only_regular_files_exist(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "x");
	tree_dir(t, "d");
	tree_link(t, "a", "l");
	tree_link(t, "none", "dangling");
	assert_int_equal(mkfifoat(t->fd, "fifo", 0644), 0);
	assert_int_equal(corral_files_exists(t->open, "a"), 1);
	assert_int_equal(corral_files_exists(t->open, "l"), 1);
	assert_int_equal(corral_files_exists(t->confined, "l"), 1);
	assert_int_equal(corral_files_exists(t->open, "d"), 0);
	assert_int_equal(corral_files_exists(t->open, "fifo"), 0);
	assert_int_equal(corral_files_exists(t->open, "dangling"), 0);
	assert_int_equal(corral_files_exists(t->open, "none"), 0);
	assert_int_equal(corral_files_exists(t->open, "a/"), 0);
}

static void stat_tells_link_and_target(void **state)
{
	struct tree *t = *state;
	struct corral_files_stat st;

	tree_text(t, "a", "12345");
	tree_link(t, "a", "l");
	assert_int_equal(corral_files_stat(t->open, "l", 0, &st, &t->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_REGULAR);
	assert_int_equal(st.size, 5);
	assert_true(st.is_link);
	assert_int_equal(corral_files_stat(t->walked, "l", CORRAL_FILES_NOFOLLOW, &st, &t->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_LINK);
	assert_int_equal(corral_files_stat(t->open, "n", 0, &st, &t->err), -ENOENT);
	assert_string_equal(t->err.text, "File 'n' not found");
}

static void listing_has_directories_first_then_bytes(void **state)
{
	struct tree *t = *state;
	static const char *const expected[] = { ".d", "b", "z", ".h", "A", "a\nb", "a\xff", "l" };
	struct corral_files_rows rows;

	tree_make(t, "", "z/", "b/", ".d/", "a\xff", "A", ".h");
	tree_text(t, "a\nb", "123");
	tree_link(t, "A", "l");
	tree_link(t, "nowhere", "dangling");
	assert_int_equal(corral_files_ls(t->open, "", 0, NULL, &rows, &t->err), 0);
	assert_int_equal(rows.n, CORRAL_COUNT(expected));
	for (size_t i = 0; i < rows.n; i++) {
		assert_string_equal(rows.rows[i].name, expected[i]);
		assert_string_equal(rows.rows[i].path, expected[i]);
	}
	assert_int_equal(rows.rows[5].stat.size, 3);
	assert_true(rows.rows[7].stat.is_link);
	corral_files_rows_done(&rows);
	assert_int_equal(corral_files_ls(t->open, ".", CORRAL_FILES_LS_LINKS, NULL, &rows, &t->err),
	                 0);
	assert_int_equal(rows.n, CORRAL_COUNT(expected) + 1);
	corral_files_rows_done(&rows);
}

static void paths_of_rows_can_be_sent_back(void **state)
{
	struct tree *t = *state;
	struct corral_files_rows rows;
	char path[128];

	tree_dir(t, "d d");
	tree_text(t, "d d/f", "");
	assert_int_equal(corral_files_ls(t->open, "d d//", 0, NULL, &rows, &t->err), 0);
	assert_string_equal(rows.rows[0].path, "d d/f");
	corral_files_rows_done(&rows);
	(void)snprintf(path, sizeof(path), "%s/d d", t->path);
	assert_int_equal(corral_files_ls(t->open, path, 0, NULL, &rows, &t->err), 0);
	assert_int_equal(corral_files_exists(t->open, rows.rows[0].path), 1);
	corral_files_rows_done(&rows);
	assert_int_equal(corral_files_ls(t->open, "d d/f", 0, NULL, &rows, &t->err), 0);
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.rows[0].path, "d d/f");
	assert_string_equal(rows.rows[0].name, "f");
	corral_files_rows_done(&rows);
}

static void all_spellings_of_the_root_are_the_root(void **state)
{
	struct tree *t = *state;
	static const char *const spellings[] = { "", ".", "./", "/.", "/", "//./" };

	tree_text(t, "a", "x");
	for (size_t i = 0; i < CORRAL_COUNT(spellings); i++) {
		struct corral_files_rows rows;

		assert_int_equal(corral_files_ls(t->confined, spellings[i], 0, NULL, &rows,
		                                 &t->err),
		                 0);
		assert_int_equal(rows.n, 1);
		assert_string_equal(rows.rows[0].path, "a");
		corral_files_rows_done(&rows);
		assert_int_equal(corral_files_glob(t->open, "*", spellings[i], 0, NULL, &rows,
		                                   &t->err),
		                 0);
		assert_int_equal(rows.n, 1);
		assert_string_equal(rows.rows[0].path, "a");
		corral_files_rows_done(&rows);
		assert_int_equal(corral_files_remove(t->confined, spellings[i],
		                                     CORRAL_FILES_RECURSIVE, NULL, &t->err),
		                 -EBUSY);
	}
}

static void listing_of_what_is_no_directory_fails(void **state)
{
	struct tree *t = *state;
	struct corral_files_rows rows;

	assert_int_equal(corral_files_ls(t->open, "none", 0, NULL, &rows, &t->err), -ENOENT);
	assert_string_equal(t->err.text, "File 'none' not found");
	tree_dir(t, "d");
	assert_int_equal(fchmodat(t->fd, "d", 0, 0), 0);
	assert_int_equal(fchmodat(t->fd, ".", 0755, 0), 0);
	be_nobody();
	assert_int_equal(corral_files_ls(t->open, "d", 0, NULL, &rows, &t->err), -EACCES);
	be_oneself();
}

/* A link out of the root and ways around it: on both ways of resolving. */
static void assert_confined(struct tree *t, const struct corral_files *f)
{
	static const char *const out[] = { "up",        "abs",           "d/deep", "../x",
		                           "d/../../x", "up/",           "chain",  "d/deep/passwd",
		                           "abs/x",     "self/../../etc" };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_rows rows;
	struct corral_files_stat st;

	for (size_t i = 0; i < CORRAL_COUNT(out); i++) {
		assert_int_equal(corral_files_read(f, out[i], 0, 10, NULL, &b, &t->err), -EXDEV);
		assert_non_null(strstr(t->err.text, "' is outside the workspace"));
		assert_int_equal(corral_files_exists(f, out[i]), 0);
		assert_int_equal(corral_files_ls(f, out[i], 0, NULL, &rows, &t->err), -EXDEV);
		assert_int_equal(corral_files_mkdir(f, out[i], &t->err), -EXDEV);
		assert_int_equal(tree_write(t, f, out[i], "x", 1), -EXDEV);
	}
	assert_int_equal(corral_files_stat(f, "up", 0, &st, &t->err), -EXDEV);
	assert_int_equal(corral_files_stat(f, "up", CORRAL_FILES_NOFOLLOW, &st, &t->err), 0);
	/* Inside, ".." and links are fine, absolute ones as well. */
	assert_int_equal(corral_files_exists(f, "d/../a"), 1);
	assert_int_equal(corral_files_exists(f, "inside"), 1);
	assert_int_equal(corral_files_exists(f, "d/rel"), 1);
	assert_int_equal(corral_files_exists(f, "/a"), 1);
	assert_int_equal(tree_write(t, f, "inside", "new", 3), 0);
	assert_content(t, "a", "new");
	/* Links that lead out are not listed. */
	assert_int_equal(corral_files_ls(f, "", 0, NULL, &rows, &t->err), 0);
	for (size_t i = 0; i < rows.n; i++)
		assert_true(strcmp(rows.rows[i].name, "up") && strcmp(rows.rows[i].name, "abs"));
	corral_files_rows_done(&rows);
	assert_int_equal(corral_files_glob(f, "**/passwd", "", 0, NULL, &rows, &t->err), 0);
	assert_int_equal(rows.n, 0);
	corral_files_rows_done(&rows);
	assert_int_equal(corral_files_glob(f, "*/*/passwd", "", 0, NULL, &rows, &t->err), 0);
	assert_int_equal(rows.n, 0);
	corral_files_rows_done(&rows);
}

static void confined_view_stays_inside(void **state)
{
	struct tree *t = *state;
	char target[128];

	tree_text(t, "a", "x");
	tree_dir(t, "d");
	tree_link(t, "../etc", "up");
	tree_link(t, "/etc", "abs");
	tree_link(t, "/etc", "d/deep");
	tree_link(t, "up", "chain");
	tree_link(t, ".", "self");
	tree_link(t, "../a", "d/rel");
	(void)snprintf(target, sizeof(target), "%s/a", t->path);
	tree_link(t, target, "inside");
	assert_confined(t, t->confined);
	assert_confined(t, t->walked);
}

static void mkdir_makes_parents_and_may_be_repeated(void **state)
{
	struct tree *t = *state;
	struct corral_files_stat st;

	assert_int_equal(corral_files_mkdir(t->open, "a/b/c", &t->err), 0);
	assert_int_equal(corral_files_mkdir(t->open, "a/b/c/", &t->err), 0);
	assert_int_equal(corral_files_mkdir(t->confined, "/a/b/d/../e", &t->err), -ENOENT);
	assert_int_equal(corral_files_mkdir(t->confined, "/a/b/d", &t->err), 0);
	assert_int_equal(corral_files_stat(t->open, "a/b/d", 0, &st, &t->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_DIRECTORY);
	tree_text(t, "f", "");
	assert_int_equal(corral_files_mkdir(t->open, "f", &t->err), -ENOTDIR);
	assert_string_equal(t->err.text, "'f': a file is in the way");
	assert_int_equal(corral_files_mkdir(t->open, "f/x", &t->err), -ENOTDIR);
}

static void removing_a_link_leaves_its_target(void **state)
{
	struct tree *t = *state;

	tree_dir(t, "d");
	tree_text(t, "d/a", "x");
	tree_link(t, "d", "l");
	assert_int_equal(corral_files_remove(t->open, "l", CORRAL_FILES_RECURSIVE, NULL, &t->err),
	                 0);
	assert_int_equal(corral_files_exists(t->open, "d/a"), 1);
	assert_int_equal(corral_files_remove(t->open, "l", 0, NULL, &t->err), -ENOENT);
	assert_int_equal(corral_files_remove(t->open, "d", 0, NULL, &t->err), -ENOTEMPTY);
	assert_int_equal(corral_files_remove(t->open, "d/a/..", CORRAL_FILES_RECURSIVE, NULL,
	                                     &t->err),
	                 -EINVAL);
	assert_int_equal(corral_files_remove(t->open, t->path, CORRAL_FILES_RECURSIVE, NULL,
	                                     &t->err),
	                 -EBUSY);
	assert_int_equal(corral_files_remove(t->open, "d", CORRAL_FILES_RECURSIVE, NULL, &t->err),
	                 0);
	assert_int_equal(faccessat(t->fd, "d", F_OK, 0), -1);
}

static void deep_and_wide_trees_are_removed(void **state)
{
	struct tree *t = *state;
	int fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
	char name[16];

	tree_text(t, "outside", "x");
	assert_int_equal(mkdirat(fd, "deep", 0755), 0);
	for (int i = 0; i < 400; i++) {
		int next = openat(fd, i ? "d" : "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_true(next >= 0);
		(void)close(fd);
		fd = next;
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		assert_int_equal(mkdirat(fd, "e", 0755), 0);
		assert_int_equal(symlinkat("../../outside", fd, "l"), 0);
	}
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(mkdirat(fd, name, 0755), 0);
	}
	(void)close(fd);
	assert_int_equal(corral_files_remove(t->confined, "deep", CORRAL_FILES_RECURSIVE, NULL,
	                                     &t->err),
	                 0);
	assert_int_equal(faccessat(t->fd, "deep", F_OK, 0), -1);
	assert_content(t, "outside", "x");
}

static void rename_makes_parents_and_may_not_replace(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "a");
	tree_text(t, "b", "b");
	assert_int_equal(corral_files_rename(t->open, "a", "b", CORRAL_FILES_NOREPLACE, NULL,
	                                     &t->err),
	                 -EEXIST);
	assert_content(t, "b", "b");
	assert_int_equal(corral_files_rename(t->confined, "a", "new/b", 0, NULL, &t->err), 0);
	assert_content(t, "new/b", "a");
	assert_int_equal(corral_files_rename(t->open, "none", "other/b", 0, NULL, &t->err),
	                 -ENOENT);
	assert_string_equal(t->err.text, "File 'none' not found");
	assert_int_equal(faccessat(t->fd, "other", F_OK, 0), -1);
	assert_int_equal(corral_files_rename(t->confined, "b", "../b", 0, NULL, &t->err), -EXDEV);
}

static void overlong_paths_are_enametoolong(void **state)
{
	struct tree *t = *state;
	struct corral_files_rows rows;
	char path[6000];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(corral_files_exists(t->open, path), 0);
	assert_int_equal(corral_files_ls(t->confined, path, 0, NULL, &rows, &t->err),
	                 -ENAMETOOLONG);
	assert_int_equal(tree_write(t, t->open, path, "x", 1), -ENAMETOOLONG);
	path[300] = '\0';
	assert_int_equal(tree_write(t, t->walked, path, "x", 1), -ENAMETOOLONG);
	assert_int_equal(corral_files_mkdir(t->walked, path, &t->err), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(only_regular_files_exist),
		tree_test(stat_tells_link_and_target),
		tree_test(listing_has_directories_first_then_bytes),
		tree_test(paths_of_rows_can_be_sent_back),
		tree_test(all_spellings_of_the_root_are_the_root),
		tree_test(listing_of_what_is_no_directory_fails),
		tree_test(confined_view_stays_inside),
		tree_test(mkdir_makes_parents_and_may_be_repeated),
		tree_test(removing_a_link_leaves_its_target),
		tree_test(deep_and_wide_trees_are_removed),
		tree_test(rename_makes_parents_and_may_not_replace),
		tree_test(overlong_paths_are_enametoolong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
