/*
 * Files by way of a shell: the same operations over dash, bash and busybox, and where tools are
 * missing; what is particular to them, beside the suite that all backends pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

#include "backends/base.h"
#include "backends/local.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "tests/support.h"

#define OUTPUT_CUT 100000

/* A shell, and what is beside it. */
struct kind {
	const char *name;
	const char *shells[3]; /* the first that is there */
	bool applet;           /* the shell is busybox, which brings the tools along */
	const char *missing;   /* " tool tool ": not in the PATH, which then has few */
};

static const struct kind dash = { "dash", { "/usr/bin/dash", "/bin/dash" }, false, NULL };
static const struct kind bash = { "bash", { "/usr/bin/bash", "/bin/bash" }, false, NULL };
static const struct kind busybox = { "busybox", { "/usr/bin/busybox", "/bin/busybox" }, true, "" };
static const struct kind no_base64 = { "dash without base64 and stat",
	                               { "/usr/bin/dash", "/bin/dash" },
	                               false,
	                               " base64 stat cksum " };

struct place {
	const struct kind *kind;
	const char *shell;
	char top[64], root[80], tools[80], temp[80];
	char path_env[128], temp_env[128];
	struct corral_backend *local, *b;
	size_t cut; /* of output */
	unsigned int commands, closed;
	struct corral_error err;
};

static int shell_execute(void *ctx, const struct corral_execute *x, struct corral_executed *ret,
                         struct corral_error *err)
{
	struct place *p = ctx;
	char sh[] = "sh", c[] = "-c";
	char *words[5] = { (char *)(uintptr_t)p->shell, c, (char *)(uintptr_t)x->command, NULL };
	char *applet[5] = { (char *)(uintptr_t)p->shell, sh, c, (char *)(uintptr_t)x->command,
		            NULL };
	struct corral_execute run = { .argv = p->kind->applet ? applet : words,
		                      .timeout_ms = x->timeout_ms,
		                      .output_bytes = OUTPUT_CUT };
	struct corral_executed e;
	int r;

	assert_true(strlen(x->command) < 64u << 10);
	assert_true(corral_utf8_valid(x->command, strlen(x->command)));
	assert_true(x->timeout_ms > 0 && x->timeout_ms <= 120001);
	p->commands++;
	r = corral_backend_execute(p->local, &run, &e, err);
	if (r == 0) {
		corral_utf8_add(&ret->out, e.out.data ? e.out.data : "",
		                e.out.len < p->cut ? e.out.len : p->cut);
		ret->exit_code = e.exit_code;
	}
	corral_executed_done(&e);
	return r;
}

static void count_close(void *ctx)
{
	((struct place *)ctx)->closed++;
}

/* A directory with the tools alone that a kind has. */
static void link_tools(struct place *p)
{
	static const char *const names[] = { "base64", "cat",   "chmod", "cksum", "cut",  "dd",
		                             "find",   "head",  "ls",    "mkdir", "mv",   "od",
		                             "rm",     "rmdir", "sh",    "stat",  "tail", "wc" };
	static const char *const dirs[] = { "/usr/bin", "/bin" };
	char from[128], to[160], word[32];

	assert_int_equal(mkdir(p->tools, 0755), 0);
	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		(void)snprintf(word, sizeof(word), " %s ", names[i]);
		if (strstr(p->kind->missing, word))
			continue;
		(void)snprintf(to, sizeof(to), "%s/%s", p->tools, names[i]);
		for (size_t k = 0; k < CORRAL_COUNT(dirs); k++) {
			(void)snprintf(from, sizeof(from), "%s/%s", dirs[k], names[i]);
			if (p->kind->applet)
				(void)snprintf(from, sizeof(from), "%s", p->shell);
			if (access(from, X_OK) == 0 && symlink(from, to) == 0)
				break;
		}
	}
}

static int place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	char *env[] = { NULL, NULL, NULL };
	struct corral_local_options lo = { .no_cgroup = true, .env = env };
	struct corral_base_options o = { .execute = shell_execute, .close = count_close, .ctx = p };

	assert_non_null(p);
	p->kind = *state;
	p->cut = OUTPUT_CUT;
	for (size_t i = 0; p->kind->shells[i] && !p->shell; i++)
		if (access(p->kind->shells[i], X_OK) == 0)
			p->shell = p->kind->shells[i];
	(void)snprintf(p->top, sizeof(p->top), "/tmp/corral-base-XXXXXX");
	assert_non_null(mkdtemp(p->top));
	(void)snprintf(p->root, sizeof(p->root), "%s/root", p->top);
	(void)snprintf(p->tools, sizeof(p->tools), "%s/tools", p->top);
	(void)snprintf(p->temp, sizeof(p->temp), "%s/temp", p->top);
	assert_int_equal(mkdir(p->temp, 0755), 0);
	if (p->shell && p->kind->missing)
		link_tools(p);
	(void)snprintf(p->path_env, sizeof(p->path_env), "PATH=%s",
	               p->kind->missing ? p->tools : "/usr/bin:/bin");
	(void)snprintf(p->temp_env, sizeof(p->temp_env), "TMPDIR=%s", p->temp);
	env[0] = p->path_env;
	env[1] = p->temp_env;
	lo.root_dir = p->root;
	if (corral_local_backend_new(&lo, &p->local, &p->err) < 0 ||
	    corral_base_sandbox_new(&o, &p->b, &p->err) < 0)
		fail_msg("%s", p->err.text);
	*state = p;
	return 0;
}

static int wipe_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int place_teardown(void **state)
{
	struct place *p = *state;

	corral_backend_close(p->b);
	assert_int_equal(p->closed, 1);
	corral_backend_close(p->local);
	(void)nftw(p->top, wipe_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static bool missing(const struct place *p)
{
	if (!p->shell)
		corral_test_skip("%s is not installed", p->kind->name);
	return !p->shell;
}

#define OK(p, call)                                                                    \
	do {                                                                           \
		if ((call) < 0)                                                        \
			fail_msg("%s: %s: %s", (p)->kind->name, #call, (p)->err.text); \
	} while (0)

#define FAILS(p, call, number, words)                                         \
	do {                                                                  \
		memset(&(p)->err, 0, sizeof((p)->err));                       \
		assert_int_equal((call), -(number));                          \
		if (!strstr((p)->err.text, (words)))                          \
			fail_msg("'%s' has no '%s'", (p)->err.text, (words)); \
	} while (0)

static void put(struct place *p, const char *path, const char *text)
{
	OK(p, corral_backend_write(p->b, path, text, strlen(text), &p->err));
}

static void assert_bytes(struct place *p, const char *path, const void *data, size_t len)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	OK(p, corral_backend_read_bytes(p->b, path, 0, &b, &p->err));
	assert_int_equal(b.len, len);
	if (len)
		assert_memory_equal(b.data, data, len);
	corral_buf_done(&b);
}

static void assert_file(struct place *p, const char *path, const char *text)
{
	assert_bytes(p, path, text, strlen(text));
}

/* How many names a directory of the host has. */
static unsigned int names_in(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n - 2;
}

static void in_root(const struct place *p, const char *name, char ret[256])
{
	(void)snprintf(ret, 256, "%s/%s", p->root, name);
}

static const char *const names[] = {
	"  two  blanks ",
	"-rf",
	"--",
	"$(id)`id`",
	"'single'",
	"\"double\"",
	"back\\slash",
	"line\nend\n",
	"a * b",
	"[a-z]?",
	"a -> b",
	"\xff\xfe",
	"~",
	"..x",
	"...",
	"#x",
	"a=1",
	"tab\t",
	"\xc3\xa4\xe2\x82\xac",
	".hidden",
	"!x",
	"x.",
};

/* Through a dozen of operations, each a shell or two. They quote names alike, so that one shell
 * gets all of them, and the others some. */
static bool goes_the_round(const struct place *p, size_t i)
{
	return p->kind == &dash || i % 4 == 0;
}

static void names_of_all_kinds_come_back(void **state)
{
	struct corral_files_grep grep = { .pattern = "^needle", .path = "d" };
	struct corral_files_rows rows = { 0 };
	struct corral_files_matches found = { 0 };
	struct place *p = *state;
	size_t n = CORRAL_COUNT(names);
	char path[128], to[128];

	if (missing(p))
		return;
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "d/%s", names[i]);
		put(p, path, "needle\n");
		assert_true(corral_backend_exists(p->b, path));
		if (!goes_the_round(p, i))
			continue;
		put(p, names[i], names[i]);
		assert_file(p, names[i], names[i]);
		(void)snprintf(to, sizeof(to), "moved to %s", names[i]);
		OK(p, corral_backend_rename(p->b, names[i], to, 0, &p->err));
		OK(p, corral_backend_rename(p->b, to, names[i], 0, &p->err));
		OK(p, corral_backend_remove(p->b, names[i], 0, &p->err));
		assert_false(corral_backend_exists(p->b, names[i]));
		OK(p, corral_backend_mkdir(p->b, names[i], &p->err));
		OK(p, corral_backend_ls(p->b, names[i], &rows, &p->err));
		assert_int_equal(rows.n, 0);
		OK(p, corral_backend_remove(p->b, names[i], CORRAL_FILES_RECURSIVE, &p->err));
	}
	OK(p, corral_backend_ls(p->b, "d", &rows, &p->err));
	assert_int_equal(rows.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rows.rows[i].stat.size, 7);
		assert_file(p, rows.rows[i].path, "needle\n");
	}
	corral_files_rows_done(&rows);
	OK(p, corral_backend_glob(p->b, "**", "d", CORRAL_FILES_HIDDEN, &rows, &p->err));
	assert_int_equal(rows.n, n);
	assert_false(rows.incomplete);
	corral_files_rows_done(&rows);
	OK(p, corral_backend_grep(p->b, &grep, &found, &p->err));
	assert_int_equal(found.n, n);
	assert_false(found.incomplete);
	corral_files_matches_done(&found);
	assert_int_equal(names_in(p->root), 1);
}

static void large_files_go_both_ways(void **state)
{
	struct corral_files_grep grep = { .pattern = "needle" };
	struct corral_files_matches found = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct place *p = *state;
	size_t len = 300000;
	unsigned char *data = malloc(len);
	uint64_t n = 0;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)(i * 2654435761u >> 13);
	if (!missing(p)) {
		const struct corral_files_edit edit = { "line 20000\n", 11, "needle\n", 7, false };

		OK(p, corral_backend_write(p->b, "f", data, len, &p->err));
		assert_bytes(p, "f", data, len);
		/* A whole number of pieces. */
		OK(p, corral_backend_write(p->b, "g", data, 36864 * 2, &p->err));
		assert_bytes(p, "g", data, 36864 * 2);
		FAILS(p, corral_backend_read_bytes(p->b, "f", 299999, &b, &p->err), EFBIG,
		      "File is 300000 bytes, over the 299999-byte read limit");
		FAILS(p, corral_backend_read(p->b, "f", 0, 0, &b, &p->err), EILSEQ, "is binary");
		for (int i = 1; i <= 30000; i++)
			corral_buf_fmt(&b, "line %d\n", i);
		OK(p, corral_backend_write(p->b, "t", b.data, b.len, &p->err));
		corral_buf_done(&b);
		OK(p, corral_backend_edit(p->b, "t", &edit, &n, &p->err));
		OK(p, corral_backend_read(p->b, "t", 19998, 3, &b, &p->err));
		assert_string_equal(b.data, " 19999\tline 19999\n 20000\tneedle\n 20001\tline "
		                            "20001\n\n... (9999 more lines)");
		corral_buf_done(&b);
		OK(p, corral_backend_read(p->b, "t", 29999, 0, &b, &p->err));
		assert_string_equal(b.data, " 30000\tline 30000");
		corral_buf_done(&b);
		FAILS(p, corral_backend_read(p->b, "t", 30000, 0, &b, &p->err), ERANGE,
		      "Offset 30000 exceeds file length (30000 lines)");
		OK(p, corral_backend_grep(p->b, &grep, &found, &p->err));
		assert_int_equal(found.n, 1);
		assert_string_equal(found.matches[0].path, "t");
		assert_int_equal(found.matches[0].line_number, 20000);
		corral_files_matches_done(&found);
		assert_int_equal(names_in(p->root), 3);
		assert_int_equal(names_in(p->temp), 0);
	}
	free(data);
}

static void writes_keep_modes_and_follow_links(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct place *p = *state;
	char path[256];
	struct stat st;

	if (missing(p))
		return;
	put(p, "d/f", "old");
	in_root(p, "d/f", path);
	assert_int_equal(chmod(path, 0751), 0);
	in_root(p, "link", path);
	assert_int_equal(symlink("d/../d/second -> x", path), 0);
	in_root(p, "d/second -> x", path);
	assert_int_equal(symlink("f", path), 0);
	in_root(p, "nowhere", path);
	assert_int_equal(symlink("new/file", path), 0);
	put(p, "link", "through");
	assert_file(p, "d/f", "through");
	in_root(p, "d/f", path);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0751);
	in_root(p, "link", path);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	/* A link that leads nowhere is no row. */
	OK(p, corral_backend_ls(p->b, "", &rows, &p->err));
	assert_int_equal(rows.n, 2);
	assert_string_equal(rows.rows[1].path, "link");
	assert_true(rows.rows[1].stat.is_link);
	assert_int_equal(rows.rows[1].stat.size, 7);
	assert_int_equal(rows.rows[1].stat.mode, 0751);
	corral_files_rows_done(&rows);
	put(p, "nowhere", "made");
	assert_file(p, "new/file", "made");
	in_root(p, "loop", path);
	assert_int_equal(symlink("loop", path), 0);
	assert_true(corral_backend_write(p->b, "loop", "x", 1, &p->err) < 0);
	FAILS(p, corral_backend_write(p->b, "d", "x", 1, &p->err), EISDIR, "is a directory");
	/* What is new has what the umask leaves. */
	in_root(p, "new/file", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0600, 0600);
	assert_int_equal(st.st_mode & 0111, 0);
}

static void long_listings_come_in_parts(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct place *p = *state;
	char path[256];

	if (missing(p))
		return;
	OK(p, corral_backend_mkdir(p->b, "d", &p->err));
	for (int i = 0; i < 1500; i++) {
		char name[160];
		int fd;

		(void)snprintf(name, sizeof(name), "d/%0100d.txt", i);
		in_root(p, name, path);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	OK(p, corral_backend_ls(p->b, "d", &rows, &p->err));
	assert_int_equal(rows.n, 1500);
	corral_files_rows_done(&rows);
	p->commands = 0;
	OK(p, corral_backend_glob(p->b, "d/*7.txt", "/", 0, &rows, &p->err));
	assert_int_equal(rows.n, 150);
	assert_true(p->commands > 1);
	corral_files_rows_done(&rows);
	assert_int_equal(names_in(p->temp), 0);
	OK(p, corral_backend_remove(p->b, "d", CORRAL_FILES_RECURSIVE, &p->err));
	assert_int_equal(names_in(p->root), 0);
}

static void answer_that_is_cut_is_a_failure(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_rows rows = { 0 };
	struct place *p = *state;
	char text[20001];

	if (missing(p))
		return;
	memset(text, 'x', 20000);
	text[20000] = '\0';
	put(p, "f", text);
	p->cut = 20000;
	FAILS(p, corral_backend_read_bytes(p->b, "f", 0, &b, &p->err), EIO, "no whole answer");
	assert_int_equal(b.len, 0);
	p->cut = 5;
	FAILS(p, corral_backend_write(p->b, "g", "x", 1, &p->err), EIO, "no whole answer");
	FAILS(p, corral_backend_ls(p->b, "", &rows, &p->err), EIO, "no whole answer");
	assert_int_equal(rows.n, 0);
	assert_false(corral_backend_exists(p->b, "f"));
}

static void small_operations_take_one_command(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct place *p = *state;

	if (missing(p))
		return;
	put(p, "warm", "up");
	p->commands = 0;
	put(p, "a/b/f", "text\n");
	assert_int_equal(p->commands, 1);
	assert_file(p, "a/b/f", "text\n");
	assert_int_equal(p->commands, 2);
	OK(p, corral_backend_ls(p->b, "a/b", &rows, &p->err));
	assert_int_equal(p->commands, 3);
	corral_files_rows_done(&rows);
}

static void what_it_cannot_do_is_said(void **state)
{
	struct corral_base_options o = { .ctx = NULL };
	struct corral_backend *b = NULL;
	struct place *p = *state;
	struct corral_executed e;

	FAILS(p, corral_base_sandbox_new(&o, &b, &p->err), EINVAL, "no execute");
	o.execute = shell_execute;
	o.output_bytes = 1000;
	FAILS(p, corral_base_sandbox_new(&o, &b, &p->err), EINVAL, "output_bytes below");
	assert_null(b);
	assert_string_equal(corral_backend_kind(p->b), "base");
	assert_true(corral_backend_can(p->b, CORRAL_BACKEND_CAN_EXECUTE));
	assert_false(corral_backend_can(p->b, CORRAL_BACKEND_CAN_ARCHIVE));
	assert_false(corral_backend_can(p->b, CORRAL_BACKEND_CAN_BACKGROUND));
	assert_false(corral_backend_can(p->b, CORRAL_BACKEND_CAN_TERMINAL));
	FAILS(p, corral_backend_stop(p->b, "x", &p->err), EOPNOTSUPP, "has no stop");
	assert_true(corral_backend_is_alive(p->b));
	OK(p, corral_backend_end(p->b, &p->err));
	if (missing(p))
		return;
	OK(p, corral_backend_execute(p->b,
	                             &(const struct corral_execute) { .command = "exit 3",
	                                                              .timeout_ms = 9999 },
	                             &e, &p->err));
	assert_int_equal(e.exit_code, 3);
	corral_executed_done(&e);
}

#define ROW(test)           \
	{                   \
#test, test \
	}
static const struct {
	const char *name;
	void (*run)(void **state);
} rows_of[] = {
	ROW(names_of_all_kinds_come_back),       ROW(large_files_go_both_ways),
	ROW(writes_keep_modes_and_follow_links), ROW(long_listings_come_in_parts),
	ROW(answer_that_is_cut_is_a_failure),    ROW(small_operations_take_one_command),
	ROW(what_it_cannot_do_is_said),
};
#undef ROW

int main(void)
{
	static const struct kind *const kinds[] = { &dash, &bash, &busybox, &no_base64 };
	static char titles[CORRAL_COUNT(kinds)][CORRAL_COUNT(rows_of)][100];
	int failed = 0;

	for (size_t k = 0; k < CORRAL_COUNT(kinds); k++) {
		struct CMUnitTest tests[CORRAL_COUNT(rows_of)];

		for (size_t i = 0; i < CORRAL_COUNT(rows_of); i++) {
			(void)snprintf(titles[k][i], sizeof(titles[k][i]), "%s: %s", kinds[k]->name,
			               rows_of[i].name);
			tests[i] = (struct CMUnitTest) {
				.name = titles[k][i],
				.test_func = rows_of[i].run,
				.setup_func = place_setup,
				.teardown_func = place_teardown,
				.initial_state = (void *)(uintptr_t)kinds[k],
			};
		}
		failed += cmocka_run_group_tests_name(kinds[k]->name, tests, NULL, NULL);
	}
	return failed;
}
