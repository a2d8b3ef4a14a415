/* kernel/files/replace.c and edit.c: content changed at once or not at all. */
#include <dirent.h>
#include <sys/mount.h>
#include <sched.h>
#include <sys/wait.h>

#include "tests/unit/files/files_support.h"

/* Names in a directory but "." and "..". */
static size_t names_in(const struct tree *t, const char *path)
{
	int fd = openat(t->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	size_t n = 0;

	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n - 2;
}

static void parents_are_made_and_bytes_are_exact(void **state)
{
	struct tree *t = *state;
	unsigned char all[256];
	size_t len;
	char *content;

	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	assert_int_equal(tree_write(t, t->open, "new/deep/file", all, sizeof(all)), 0);
	content = tree_content(t, "new/deep/file", &len);
	assert_int_equal(len, 256);
	assert_memory_equal(content, all, 256);
	free(content);
	assert_int_equal(names_in(t, "new/deep"), 1);
}

static void existing_file_keeps_its_mode(void **state)
{
	struct tree *t = *state;
	struct stat st;

	tree_text(t, "a", "old and longer");
	assert_int_equal(fchmodat(t->fd, "a", 0751, 0), 0);
	assert_int_equal(tree_write(t, t->confined, "a", "new", 3), 0);
	assert_content(t, "a", "new");
	assert_int_equal(fstatat(t->fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
}

static void link_is_written_through(void **state)
{
	struct tree *t = *state;
	struct stat st;

	tree_dir(t, "d");
	tree_text(t, "d/target", "old");
	tree_link(t, "d/target", "a");
	tree_link(t, "a", "b");
	assert_int_equal(tree_write(t, t->open, "b", "new", 3), 0);
	assert_content(t, "d/target", "new");
	assert_int_equal(tree_write(t, t->confined, "b", "newer", 5), 0);
	assert_content(t, "d/target", "newer");
	assert_int_equal(fstatat(t->fd, "b", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	/* One that leads nowhere makes the file it names. */
	tree_link(t, "d/fresh", "c");
	assert_int_equal(tree_write(t, t->walked, "c", "x", 1), 0);
	assert_content(t, "d/fresh", "x");
}

static void loop_of_links_is_eloop(void **state)
{
	struct tree *t = *state;

	tree_link(t, "b", "a");
	tree_link(t, "a", "b");
	assert_int_equal(tree_write(t, t->open, "a", "x", 1), -ELOOP);
	assert_int_equal(tree_write(t, t->confined, "a", "x", 1), -ELOOP);
	assert_int_equal(tree_write(t, t->walked, "a/x", "x", 1), -ELOOP);
}

static void directory_and_special_files_are_refused(void **state)
{
	struct tree *t = *state;

	tree_dir(t, "d");
	assert_int_equal(mkfifoat(t->fd, "fifo", 0644), 0);
	assert_int_equal(tree_write(t, t->open, "d", "x", 1), -EISDIR);
	assert_string_equal(t->err.text, "'d' is a directory");
	assert_int_equal(tree_write(t, t->open, ".", "x", 1), -EISDIR);
	assert_int_equal(tree_write(t, t->open, "fifo", "x", 1), -EINVAL);
	assert_string_equal(t->err.text, "'fifo' is not a regular file");
}

static long failing_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	int *calls = ctx;

	if (++*calls > 3)
		return corral_error_set(err, EPIPE, "source broke");
	memset(data, 'n', size);
	return (long)size;
}

static void failed_write_leaves_the_old_file_and_nothing_else(void **state)
{
	struct tree *t = *state;
	int calls = 0;
	struct corral_files_source source = { failing_get, &calls };

	tree_text(t, "a", "old");
	assert_int_equal(corral_files_write(t->open, "a", 0, NULL, &source, NULL, &t->err), -EPIPE);
	assert_string_equal(t->err.text, "source broke");
	assert_content(t, "a", "old");
	assert_int_equal(names_in(t, "."), 1);
}

/* Half of a large file has no name that a kill could leave behind. */
static long looking_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct tree *t = ctx;
	static int calls;

	(void)err;
	if (++calls == 4)
		return 0;
	if (calls == 3)
		assert_int_equal(names_in(t, "."), 0);
	memset(data, 'n', size);
	return (long)size;
}

static void half_of_a_large_file_is_nowhere_to_be_seen(void **state)
{
	struct tree *t = *state;
	struct corral_files_source source = { looking_get, t };
	uint64_t size;

	need_unnamed_files(t);
	assert_int_equal(corral_files_write(t->open, "a", 0640, NULL, &source, &size, &t->err), 0);
	assert_int_equal(size, 3 * CORRAL_FILES_CHUNK);
	assert_int_equal(names_in(t, "."), 1);
}

static void read_only_file_of_a_user_is_not_replaced(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "old");
	if (geteuid() == 0)
		assert_int_equal(fchownat(t->fd, ".", 65534, 65534, 0), 0);
	assert_int_equal(fchmodat(t->fd, "a", 0444, 0), 0);
	be_nobody();
	assert_int_equal(tree_write(t, t->open, "a", "new", 3), -EACCES);
	assert_string_equal(t->err.text, "Permission denied for 'a'");
	be_oneself();
	assert_content(t, "a", "old");
}

static void writable_file_in_a_directory_that_is_not_is_written_in_place(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "old and longer");
	assert_int_equal(fchmodat(t->fd, "a", 0666, 0), 0);
	assert_int_equal(fchmodat(t->fd, ".", 0755, 0), 0);
	if (geteuid() != 0)
		skip();
	be_nobody();
	assert_int_equal(tree_write(t, t->open, "a", "new", 3), 0);
	be_oneself();
	assert_content(t, "a", "new");
}

static void mount_point_is_written_in_place(void **state)
{
	struct tree *t = *state;
	pid_t pid;
	int status;

	tree_text(t, "a", "old");
	tree_text(t, "source", "old and longer");
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		char from[128], to[128];
		struct corral_files *f;

		(void)snprintf(from, sizeof(from), "%s/source", t->path);
		(void)snprintf(to, sizeof(to), "%s/a", t->path);
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(from, to, NULL, MS_BIND, NULL) < 0)
			_exit(77);
		if (corral_files_open(t->fd, 0, &f, NULL) < 0 ||
		    tree_write(t, f, to, "new", 3) < 0 || names_in(t, ".") != 2)
			_exit(1);
		corral_files_close(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_content(t, "source", "new");
}

static int edit(struct tree *t, const char *old_text, const char *new_text, bool all, uint64_t *n)
{
	struct corral_files_edit e = { old_text, strlen(old_text), new_text, strlen(new_text),
		                       all };

	*n = 99;
	return corral_files_edit(t->open, "a", &e, NULL, n, &t->err);
}

static void only_occurrence_is_replaced(void **state)
{
	struct tree *t = *state;
	uint64_t n;

	tree_text(t, "a", "one two three\n");
	assert_int_equal(edit(t, "two", "2", false, &n), 0);
	assert_int_equal(n, 1);
	assert_content(t, "a", "one 2 three\n");
}

static void missing_text_is_enomsg(void **state)
{
	struct tree *t = *state;
	uint64_t n;

	tree_text(t, "a", "one");
	assert_int_equal(edit(t, "two", "2", true, &n), -ENOMSG);
	assert_string_equal(t->err.text, "String 'two' not found in file");
	assert_int_equal(n, 0);
	assert_content(t, "a", "one");
}

static void several_occurrences_need_replace_all(void **state)
{
	struct tree *t = *state;
	uint64_t n;

	tree_text(t, "a", "aXaXaaa");
	assert_int_equal(edit(t, "a", "b", false, &n), -ENOTUNIQ);
	assert_string_equal(t->err.text,
	                    "String 'a' found 5 times. Use replace_all=True to replace all, or "
	                    "provide more context.");
	assert_int_equal(n, 5);
	assert_int_equal(edit(t, "aa", "c", true, &n), 0);
	assert_int_equal(n, 1);
	assert_content(t, "a", "aXaXca");
}

static void empty_text_occurs_between_all_characters(void **state)
{
	struct tree *t = *state;
	uint64_t n;

	tree_text(t, "a", "x\xc3\xa9");
	assert_int_equal(edit(t, "", "-", false, &n), -ENOTUNIQ);
	assert_int_equal(n, 3);
	assert_int_equal(edit(t, "", "-", true, &n), 0);
	assert_content(t, "a", "-x-\xc3\xa9-");
	tree_text(t, "a", "");
	assert_int_equal(edit(t, "", "new", false, &n), 0);
	assert_content(t, "a", "new");
}

static void crlf_stays_and_lf_texts_find_it(void **state)
{
	struct tree *t = *state;
	uint64_t n;

	tree_text(t, "a", "one\r\ntwo\r\nthree\r\n");
	assert_int_equal(edit(t, "two", "2", false, &n), 0);
	assert_content(t, "a", "one\r\n2\r\nthree\r\n");
	assert_int_equal(edit(t, "one\n2\n", "1\nand\n2\n", false, &n), 0);
	assert_content(t, "a", "1\r\nand\r\n2\r\nthree\r\n");
	/* What is there as it is, is taken as it is. */
	assert_int_equal(edit(t, "three\r\n", "end\n", false, &n), 0);
	assert_content(t, "a", "1\r\nand\r\n2\r\nend\n");
}

static void file_that_is_no_utf8_is_left_alone(void **state)
{
	struct tree *t = *state;
	uint64_t n;

	tree_text(t, "a", "caf\xe9 one");
	assert_int_equal(edit(t, "one", "two", false, &n), -EILSEQ);
	assert_string_equal(t->err.text, "'a' is not valid UTF-8 text and cannot be edited");
	assert_content(t, "a", "caf\xe9 one");
	assert_int_equal(unlinkat(t->fd, "a", 0), 0);
	assert_int_equal(edit(t, "one", "two", false, &n), -ENOENT);
	assert_string_equal(t->err.text, "File 'a' not found");
}

static void whole_old_text_is_in_the_sentence(void **state)
{
	char old_text[3000];
	struct corral_files_edit e = { old_text, sizeof(old_text), "", 0, false };
	char *text;

	(void)state;
	memset(old_text, 'o', sizeof(old_text));
	text = corral_files_edit_text(&e, 0);
	assert_int_equal(strlen(text), 8 + 3000 + 19);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(parents_are_made_and_bytes_are_exact),
		tree_test(existing_file_keeps_its_mode),
		tree_test(link_is_written_through),
		tree_test(loop_of_links_is_eloop),
		tree_test(directory_and_special_files_are_refused),
		tree_test(failed_write_leaves_the_old_file_and_nothing_else),
		tree_test(half_of_a_large_file_is_nowhere_to_be_seen),
		tree_test(read_only_file_of_a_user_is_not_replaced),
		tree_test(writable_file_in_a_directory_that_is_not_is_written_in_place),
		tree_test(mount_point_is_written_in_place),
		tree_test(only_occurrence_is_replaced),
		tree_test(missing_text_is_enomsg),
		tree_test(several_occurrences_need_replace_all),
		tree_test(empty_text_occurs_between_all_characters),
		tree_test(crlf_stays_and_lf_texts_find_it),
		tree_test(file_that_is_no_utf8_is_left_alone),
		cmocka_unit_test(whole_old_text_is_in_the_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
