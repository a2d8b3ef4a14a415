/* kernel/template.c: the composed root, made once as a directory of the host. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/template.h"

static const struct corral_host host = { .features = CORRAL_HOST_ID_MAPPED, .kernel_major = 7 };

static int setup(void **state)
{
	char path[] = "/tmp/corral-template-XXXXXX";

	assert_non_null(mkdtemp(path));
	*state = strdup(path);
	return *state ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int teardown(void **state)
{
	assert_int_equal(nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(*state);
	return 0;
}

/* False where the temporary directory's file system is none that can be id-mapped. */
static bool find(const char *dir, const struct corral_etc *etc, struct corral_template *ret)
{
	struct corral_error err = { 0 };
	int r = corral_template_find(dir, etc, &host, ret, &err);

	if (r == -EOPNOTSUPP) {
		print_message("skipped: %s\n", err.text);
		return false;
	}
	if (r < 0)
		fail_msg("%s", err.text);
	assert_true(ret->lock_fd >= 0);
	return true;
}

static mode_t mode_of(const char *dir, const char *name)
{
	char path[512];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return st.st_mode;
}

static void text_write(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void assert_text(const char *dir, const char *name, const char *text)
{
	char path[512], found[128] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	(void)!fread(found, 1, sizeof(found) - 1, f);
	(void)fclose(f);
	assert_string_equal(found, text);
}

static unsigned int count(const char *dir, const char *prefix)
{
	DIR *d = opendir(dir);
	unsigned int n = 0;

	assert_non_null(d);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		n += !strncmp(e->d_name, prefix, strlen(prefix));
	(void)closedir(d);
	return n;
}

/* A host's directory of its own below /tmp, which composed roots have a place for as well. */
struct hosts {
	char path[64];
	struct corral_etc etc;
};

static void hosts_make(struct hosts *h)
{
	(void)snprintf(h->path, sizeof(h->path), "/tmp/corral-template-host-XXXXXX");
	assert_non_null(mkdtemp(h->path));
	h->etc = (struct corral_etc) { .n_bind = 1, .bind = { h->path }, .bind_is_dir = { true } };
	text_write(h->path, "file", "first");
}

/* Until the next. */
static const char *copy_of(const struct corral_template *t, const struct hosts *h)
{
	static char path[sizeof(t->path) + sizeof(h->path)];

	(void)snprintf(path, sizeof(path), "%s%s", t->path, h->path);
	return path;
}

static void hosts_done(struct hosts *h)
{
	assert_int_equal(nftw(h->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void template_is_made_once_and_whole(void **state)
{
	const struct corral_etc etc = { 0 };
	struct corral_template first, again;
	mode_t mask = umask(077);
	bool found = find(*state, &etc, &first);

	(void)umask(mask);
	if (!found)
		return;
	assert_int_equal(mode_of(first.path, ""), S_IFDIR | 0755);
	assert_int_equal(mode_of(first.path, "tmp"), S_IFDIR | 01777);
	assert_int_equal(mode_of(first.path, "root"), S_IFDIR | 0700);
	assert_int_equal(mode_of(first.path, "etc/passwd"), S_IFREG | 0644);
	assert_true(S_ISLNK(mode_of(first.path, "etc/mtab")));
	/* A mark stays, so it was not made again. */
	assert_int_equal(chmod(first.path, 0700), 0);
	assert_true(find(*state, &etc, &again));
	assert_string_equal(first.path, again.path);
	assert_int_equal(mode_of(first.path, ""), S_IFDIR | 0700);
	corral_template_done(&first);
	corral_template_done(&again);
}

static void files_of_the_host_are_copies(void **state)
{
	struct corral_template t;
	struct hosts h;
	char path[512];
	struct stat st;

	hosts_make(&h);
	(void)snprintf(path, sizeof(path), "%s/sub", h.path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0750), 0);
	text_write(path, "deep", "second");
	(void)snprintf(path, sizeof(path), "%s/sub/deep", h.path);
	assert_int_equal(chmod(path, 04640), 0);
	(void)snprintf(path, sizeof(path), "%s/link", h.path);
	assert_int_equal(symlink("/etc/shadow", path), 0);
	if (find(*state, &h.etc, &t)) {
		assert_int_equal(t.has, 1);
		assert_text(copy_of(&t, &h), "file", "first");
		assert_text(copy_of(&t, &h), "sub/deep", "second");
		assert_int_equal(mode_of(copy_of(&t, &h), "sub"), S_IFDIR | 0750);
		assert_int_equal(mode_of(copy_of(&t, &h), "sub/deep"), S_IFREG | 0640);
		assert_true(S_ISLNK(mode_of(copy_of(&t, &h), "link")));
		(void)snprintf(path, sizeof(path), "%s/file", copy_of(&t, &h));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_nlink, 1);
		corral_template_done(&t);
	}
	hosts_done(&h);
}

/* What is no file nor directory, or has no end, stays what it is on the host. */
static void what_cannot_be_copied_is_not(void **state)
{
	struct corral_template t;
	struct hosts h;
	char path[512];

	hosts_make(&h);
	(void)snprintf(path, sizeof(path), "%s/pipe", h.path);
	assert_int_equal(mkfifo(path, 0600), 0);
	if (find(*state, &h.etc, &t)) {
		assert_int_equal(t.has, 0);
		corral_template_done(&t);
	}
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/large", h.path);
	text_write(h.path, "large", "");
	assert_int_equal(truncate(path, 1LL << 30), 0);
	if (find(*state, &h.etc, &t)) {
		assert_int_equal(t.has, 0);
		corral_template_done(&t);
	}
	hosts_done(&h);
}

static void host_that_changed_gets_another(void **state)
{
	struct corral_template first, second;
	struct hosts h;

	hosts_make(&h);
	if (find(*state, &h.etc, &first)) {
		assert_text(copy_of(&first, &h), "file", "first");
		text_write(h.path, "file", "second");
		assert_true(find(*state, &h.etc, &second));
		assert_string_not_equal(first.path, second.path);
		assert_text(copy_of(&second, &h), "file", "second");
		/* Sandboxes lie on it. */
		assert_text(copy_of(&first, &h), "file", "first");
		corral_template_done(&first);
		/* And nobody any more: who makes the next one takes it away. */
		text_write(h.path, "file", "third");
		assert_true(find(*state, &h.etc, &first));
		assert_int_equal(count(*state, "root-"), 2);
		corral_template_done(&second);
		corral_template_done(&first);
	}
	hosts_done(&h);
}

/* Once nothing has changed for a while, it is found without being read. */
static void change_is_seen_by_its_time(void **state)
{
	struct corral_template t;
	struct hosts h;

	hosts_make(&h);
	if (find(*state, &h.etc, &t)) {
		assert_false(corral_template_is_current(&t));
		corral_template_done(&t);
		assert_int_equal(count(*state, "root-"), 1);
		(void)sleep(3);
		assert_true(find(*state, &h.etc, &t));
		assert_int_equal(count(*state, "root-"), 2);
		assert_true(corral_template_is_current(&t));
		text_write(h.path, "file", "FIRST");
		assert_false(corral_template_is_current(&t));
		corral_template_done(&t);
	}
	hosts_done(&h);
}

/* What a maker that was killed left behind is neither used nor kept. */
static void draft_of_a_killed_maker_is_cleared_away(void **state)
{
	const struct corral_etc etc = { 0 };
	struct corral_template t;
	char path[600], draft[512];

	(void)snprintf(draft, sizeof(draft), "%s/draft", (char *)*state);
	assert_int_equal(mkdir(draft, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/stray", draft);
	assert_int_equal(mkdir(path, 0700), 0);
	if (!find(*state, &etc, &t))
		return;
	assert_int_equal(access(draft, F_OK), -1);
	(void)snprintf(draft, sizeof(draft), "%.400s/stray", t.path);
	assert_int_equal(access(draft, F_OK), -1);
	corral_template_done(&t);
}

static void host_without_id_mapped_mounts_has_none(void **state)
{
	const struct corral_host old = { .kernel_major = 5 };
	const struct corral_etc etc = { 0 };
	struct corral_template t;

	assert_int_equal(corral_template_find(*state, &etc, &old, &t, NULL), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(template_is_made_once_and_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(files_of_the_host_are_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_copied_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(host_that_changed_gets_another, setup, teardown),
		cmocka_unit_test_setup_teardown(change_is_seen_by_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(draft_of_a_killed_maker_is_cleared_away, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(host_without_id_mapped_mounts_has_none, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
