/*
 * glob beside bash (globstar, and dotglob for hidden names) and git (pathspecs with glob magic): on
 * a real tree, and on one of odd names.
 */
#include "tests/diff/diff_support.h"

static const char *const patterns[] = {
	"*",
	"**",
	"*.h",
	"**/*.h",
	"**/*",
	"*/*.h",
	"*/*/*",
	"**/*.c",
	"**/std*.h",
	"**/*io.h",
	"**/s*o.h",
	"**/*a*e*i*.h",
	"**/?.h",
	"**/??.h",
	"**/???*.h",
	"linux/*.h",
	"linux/**",
	"linux/**/*.h",
	"linux/*/*.h",
	"**/linux/*.h",
	"**/linux/**/*.h",
	"**/asm*/**/*.h",
	"l*/**/n*.h",
	"**/[a-c]*.h",
	"**/[!a-m]*.h",
	"**/[^a-m]*.h",
	"**/[0-9]*",
	"**/*[0-9].h",
	"**/*[_-]*.h",
	"**/[]x]*",
	"**/[a-]*",
	"**/[!]a-z]*",
	"**/[[]*",
	"**/[abc][def]*",
	"**/*[.]h",
	"**/\\s*.h",
	"**/*.\\h",
	"linux/in\\.h",
	"*.{h,hpp}",
	"**/*.{h,hpp,hh}",
	"**/{std,sys}*.h",
	"{linux,asm-generic}/*.h",
	"**/{in,out,if_{arp,ether,link}}.h",
	"{sys,net}/**/*.{h,x}",
	"**/{a,b}*{c,d}*.h",
	"**/x{,y}*.h",
	"**/{,s}io.h",
	"**/**/*.h",
	"**/net*/**/i*.h",
	"linux/**/**/if*",
	"a**.h",
	"**/a**b**.h",
	"no-such/**",
	"**/no-such-*.h",
	/* For the odd names. */
	".*",
	"**/.*",
	".d/*",
	"**/.d/**",
	"**/[.]a",
	"?a",
	"**/?",
	"**/[à-ï]*",
	"**/é*",
	"**/[!a-z]*",
	"**/a\\*b",
	"**/a\\[b",
	"**/a[[]b",
	"**/a?b",
	"**/a*b",
	"**/[*]*",
	"**/*\\\\*",
	"**/with\\ space",
	"**/*{*",
	"**/a}",
	"link/*",
	"link/**",
	"*/x.c",
	"**/x.c",
	"**/link/*.c",
	"l[i]nk/*.c",
	"d/**/x.c",
};

static bool is_file(const char *root, const char *path)
{
	char whole[CORRAL_FILES_PATH_MAX];
	struct stat st;
	int n = snprintf(whole, sizeof(whole), "%s/%s", root, path);

	assert_true(n > 0 && (size_t)n < sizeof(whole));
	return stat(whole, &st) == 0 && S_ISREG(st.st_mode);
}

/* Names that end with a NUL, of files alone. */
static void split(const char *root, const struct corral_buf *out, struct set *ret)
{
	for (size_t at = 0; at < out->len; at += strlen(out->data + at) + 1)
		if (is_file(root, out->data + at))
			set_add(ret, out->data + at, strlen(out->data + at));
	set_settle(ret);
}

static void by_bash(const char *root, const char *pattern, bool hidden, struct set *ret)
{
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT, out = CORRAL_BUF_INIT;
	const char *argv[] = { "bash", "--norc", "-c", NULL, NULL };

	corral_buf_fmt(&script,
	               "export LC_ALL=C.UTF-8; shopt -s globstar nullglob extglob%s\n"
	               "for f in %s; do printf '%%s\\0' \"$f\"; done; exit 0",
	               hidden ? " dotglob" : "", pattern);
	argv[3] = script.data;
	program_output(root, argv, &out);
	split(root, &out, ret);
}

static void by_git(const char *root, const char *git_dir, const char *pattern, struct set *ret)
{
	corral_autobuf struct corral_buf dir = CORRAL_BUF_INIT, spec = CORRAL_BUF_INIT,
	                                 out = CORRAL_BUF_INIT;
	const char *argv[] = { "git", NULL, "--work-tree=.", "ls-files", "-o", "-z", "--",
		               NULL,  NULL };

	corral_buf_fmt(&dir, "--git-dir=%s", git_dir);
	corral_buf_fmt(&spec, ":(glob)%s", pattern);
	argv[1] = dir.data;
	argv[7] = spec.data;
	program_output(root, argv, &out);
	split(root, &out, ret);
}

/* Not confined: links of the real tree lead out of it, and the peers follow them. */
static void by_us(const char *root, const char *pattern, bool hidden, struct set *ret)
{
	corral_autofd int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	struct corral_files *f;

	assert_true(fd >= 0);
	assert_int_equal(corral_files_open(fd, 0, &f, NULL), 0);
	assert_int_equal(corral_files_glob(f, pattern, "", hidden ? CORRAL_FILES_HIDDEN : 0, NULL,
	                                   &rows, NULL),
	                 0);
	corral_files_close(f);
	assert_false(rows.truncated);
	for (size_t i = 0; i < rows.n; i++)
		set_add(ret, rows.rows[i].path, strlen(rows.rows[i].path));
	for (size_t i = 1; i < rows.n; i++)
		assert_true(strcmp(rows.rows[i - 1].path, rows.rows[i].path) < 0);
	set_settle(ret);
}

static void odd_tree(const struct tree *t)
{
	tree_make(t, "text", "a.h", ".a", "aa", "a*b", "a[b", "a\\b", "a}", "{x", "with space",
	          "\xc3\xa9t\xc3\xa9", "\xc3\xa0", "]x", "-", "!", "^", "d/", "d/x.c", "d/.h",
	          "d/e/", "d/e/x.c", "d/e/if.h", ".d/", ".d/x.c", ".d/.a", "d/.d/", "d/.d/y.c",
	          "1.txt", "2.txt", "axb", "+(a)");
	tree_link(t, "d", "link");
	tree_link(t, "../a.h", "d/a-link.h");
	tree_link(t, "nowhere", "d/broken.h");
}

static size_t bash_differs(const char *root)
{
	size_t n = 0;

	for (size_t i = 0; i < CORRAL_COUNT(patterns); i++) {
		for (int hidden = 0; hidden < 2; hidden++) {
			struct set ours = { 0 }, theirs = { 0 };

			by_us(root, patterns[i], hidden, &ours);
			by_bash(root, patterns[i], hidden, &theirs);
			n += set_differs(patterns[i], &ours, &theirs);
			set_done(&ours);
			set_done(&theirs);
		}
	}
	return n;
}

static void bash_finds_the_same(void **state)
{
	const struct tree *t = *state;

	if (!program_is_here("bash")) {
		corral_test_skip("bash");
		return;
	}
	odd_tree(t);
	assert_int_equal(bash_differs(t->path), 0);
	assert_int_equal(bash_differs(REAL_TREE), 0);
}

/* Whether a directory on the way is a link: to git, that is a file, and has nothing below it. */
static bool through_link(const char *root, const char *path)
{
	char whole[CORRAL_FILES_PATH_MAX];
	struct stat st;

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		(void)snprintf(whole, sizeof(whole), "%s/%.*s", root, (int)(at - path), path);
		if (lstat(whole, &st) == 0 && S_ISLNK(st.st_mode))
			return true;
	}
	return false;
}

static size_t git_differs(const char *root, const char *git_dir)
{
	size_t n = 0;

	for (size_t i = 0; i < CORRAL_COUNT(patterns); i++) {
		struct set all = { 0 }, ours = { 0 }, theirs = { 0 };

		/* Pathspecs have no braces, and their characters are bytes. */
		if (strchr(patterns[i], '{') || !strcmp(patterns[i], "**/?") ||
		    !strcmp(patterns[i], "**/[\xc3\xa0-\xc3\xaf]*"))
			continue;
		by_us(root, patterns[i], true, &all);
		for (size_t k = 0; k < all.n; k++)
			if (!through_link(root, all.v[k]))
				set_add(&ours, all.v[k], strlen(all.v[k]));
		by_git(root, git_dir, patterns[i], &theirs);
		n += set_differs(patterns[i], &ours, &theirs);
		set_done(&all);
		set_done(&ours);
		set_done(&theirs);
	}
	return n;
}

static void git_finds_the_same(void **state)
{
	const struct tree *t = *state;
	char git_dir[] = "/tmp/corral-diff-XXXXXX";
	size_t odd, real;
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;

	if (!program_is_here("git")) {
		corral_test_skip("git");
		return;
	}
	odd_tree(t);
	assert_non_null(mkdtemp(git_dir));
	program_output(git_dir, (const char *[]) { "git", "init", "-q", "--bare", ".", NULL },
	               &out);
	odd = git_differs(t->path, git_dir);
	real = git_differs(REAL_TREE, git_dir);
	(void)nftw(git_dir, tree_wipe, 32, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(odd, 0);
	assert_int_equal(real, 0);
}

/* Where bash means something else by the same pattern, and we mean to stay with ours. */
static const struct {
	const char *pattern, *path;
	bool ours, bash;
	const char *why;
} differences[] = {
	{ "[[:digit:]].txt", "1.txt", false, true,
	  "no named classes: a \"]\" ends a class, as kernel/files/glob.h has it" },
	{ "{1..2}.txt", "1.txt", false, true,
	  "braces are alternatives; two dots make no sequence" },
	{ "@(a|b).h", "a.h", false, true,
	  "extended globs are no part of the dialect: these are characters" },
	{ "/a.h", "a.h", true, false, "a leading slash means the search's own root" },
	{ "./a.h", "a.h", true, false, "a leading \"./\" is dropped in the answer as well" },
};

static void differences_are_those_of_the_table(void **state)
{
	const struct tree *t = *state;

	if (!program_is_here("bash")) {
		corral_test_skip("bash");
		return;
	}
	odd_tree(t);
	for (size_t i = 0; i < CORRAL_COUNT(differences); i++) {
		struct set ours = { 0 }, theirs = { 0 };

		by_us(t->path, differences[i].pattern, false, &ours);
		by_bash(t->path, differences[i].pattern, false, &theirs);
		if (set_has(&ours, differences[i].path) != differences[i].ours ||
		    set_has(&theirs, differences[i].path) != differences[i].bash)
			fail_msg("'%s' for '%s': %s", differences[i].pattern, differences[i].path,
			         differences[i].why);
		set_done(&ours);
		set_done(&theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(bash_finds_the_same),
		tree_test(git_finds_the_same),
		tree_test(differences_are_those_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
