/*
 * grep beside ripgrep and GNU grep on a real tree: the same lines of the same files, for
 * expressions that mean the same to all three.
 */
#include "tests/diff/diff_support.h"

#include "kernel/base/utf8.h"

enum {
	RG = 1u << 0,
	GNU = 1u << 1,
	BOTH = RG | GNU,
	ANY_CASE = 1u << 2,
};

static const struct {
	const char *pattern;
	unsigned int with;
} patterns[] = {
	{ "socket", BOTH },
	{ "SOCK_CLOEXEC", BOTH },
	{ "no such thing anywhere", BOTH },
	{ "pthread_mutex_lock", BOTH },
	{ "getaddrinfo", BOTH | ANY_CASE },
	{ "Copyright", BOTH },
	{ "copyright", BOTH | ANY_CASE },
	{ "ERRNO", BOTH | ANY_CASE },
	{ "^#include <", BOTH },
	{ "^#define [A-Z]+_H$", BOTH },
	{ "^# *if", BOTH },
	{ "^$", BOTH },
	{ "^[[:space:]]+$", BOTH },
	{ "\\*/$", BOTH },
	{ "\\{$", BOTH },
	{ "^\\}", BOTH },
	{ "[0-9]{4}-[0-9]{2}-[0-9]{2}", BOTH },
	{ "0x[0-9a-fA-F]{8}", BOTH },
	{ "0x[[:xdigit:]]{16}", BOTH },
	{ "[^[:print:][:space:]]", GNU },
	{ "(read|write)v?\\(", BOTH },
	{ "(in|out)put_(char|line|word)", BOTH },
	{ "a(b|c)*d", BOTH },
	{ "(ab|cd|ef)+gh", BOTH },
	{ "\\bint\\b.*\\bchar\\b", BOTH },
	{ "\\bmmap\\b", BOTH },
	{ "\\Bmap\\B", BOTH },
	{ "\\w+_t;", BOTH },
	{ "\\w+\\s+\\w+\\s*\\[\\w+\\];", BOTH },
	{ "\\W\\W\\W\\W\\W\\W\\W\\W", BOTH },
	{ "\\d+\\.\\d+\\.\\d+", RG },
	{ "\\D\\d{6}\\D", RG },
	{ "\\S{70,}", RG }, /* minutes, for GNU grep */
	{ "^.{100,}$", BOTH },
	{ "^.{0,2}$", BOTH },
	{ "^.?.?x.?$", BOTH },
	{ "x.y.z", BOTH },
	{ "e[aeiou]{3}", BOTH },
	{ "[]x][[]", GNU },
	{ "[a-]b", BOTH },
	{ "[^a-z ]{12}", BOTH },
	{ "[.]c[)]", BOTH },
	{ "colou?r", BOTH },
	{ "colou?r", BOTH | ANY_CASE },
	{ "struct [a-z_]+ \\*\\*", BOTH },
	{ "typedef.*\\(\\*", BOTH },
	{ "return.*;.*;", BOTH },
	{ "extern \"C\"", BOTH },
	{ "sizeof *\\(", BOTH },
	{ "^[a-z]+.*\\)$", BOTH },
	{ "(^|[^a-z])errno($|[^a-z])", BOTH },
	{ "()foo()", BOTH },
	{ "a{3}", BOTH },
	{ "a{2,}b", BOTH },
	{ "(a|aa|aaa)b$", BOTH },
	{ "\\$\\{?[A-Z]+", BOTH },
	{ "\\^|\\|\\|", BOTH },
	{ "\\\\$", BOTH },
	{ "\\\\n\"", BOTH },
	{ "http(s)?://[^ ]+/", BOTH },
	{ "\xc3\xa9", BOTH },
	{ "\xc2\xa9", BOTH },
	{ "[\xc3\xa0-\xc3\xbf]", RG }, /* glibc orders no such characters in C.UTF-8 */
	{ "\xc3\x89", BOTH | ANY_CASE },
	{ "n.+?m_lock", RG },
	{ "(?:un)?lock_(?P<what>[a-z]+)_irq", RG },
	{ "(?i)linus", RG },
	{ "\\p{Lu}{12}", RG },
	{ "\\x41\\x42\\x43", RG },
	{ "\\t\\t\\t\\t\\t\\t", RG },
};

/* For what the whole tree has more of than one search gives, and for those that are slow. */
#define PART "linux"

struct found {
	const char *below; /* this directory of the tree alone; "." */
	struct set lines;
	const struct set *left_out; /* files that are not compared */
};

static void found_add(struct found *f, const char *path, size_t path_len, uint64_t line)
{
	corral_autofree char *name = strndup(path, path_len), *row = NULL;

	assert_non_null(name);
	if (set_has(f->left_out, name))
		return;
	assert_true(asprintf(&row, "%s:%llu", name, (unsigned long long)line) > 0);
	set_add(&f->lines, row, strlen(row));
}

/* "PATH\0LINE:TEXT\n", as both write it with -Z or -0. */
static void parse(const char *at, size_t len, struct found *ret)
{
	const char *end = at + len;

	while (at < end) {
		const char *name = at, *number = memchr(at, '\0', (size_t)(end - at));
		const char *stop = number ? memchr(number, '\n', (size_t)(end - number)) : NULL;

		assert_non_null(stop);
		if (!strncmp(name, "./", 2))
			name += 2;
		found_add(ret, name, (size_t)(number - name), strtoull(number + 1, NULL, 10));
		at = stop + 1;
	}
	set_settle(&ret->lines);
}

static void by_program(const char *root, const char *const *argv, struct found *ret)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;

	program_output(root, argv, &out);
	parse(out.data, out.len, ret);
}

/* In UTF-8, with a carriage return before a line's end belonging to it, as for us. */
static void by_ripgrep(const char *root, const char *pattern, bool any_case, struct found *ret)
{
	by_program(root,
	           (const char *[]) { "rg", "--no-config", "-uu", "--no-heading", "-n", "-0",
	                              "--crlf", "--no-messages", any_case ? "-i" : "-s", "-e",
	                              pattern, ret->below, NULL },
	           ret);
}

static void by_gnu(const char *root, const char *pattern, bool any_case, struct found *ret)
{
	by_program(root,
	           (const char *[]) { "env", "LC_ALL=C.UTF-8", "grep", "-rnsZEI",
	                              any_case ? "-i" : "--no-ignore-case", "-e", pattern,
	                              ret->below, NULL },
	           ret);
}

static void by_us(const char *root, const char *pattern, bool any_case, struct found *ret)
{
	const struct corral_files_grep grep = {
		.pattern = pattern,
		.path = ret->below,
		.flags = CORRAL_FILES_NO_GITIGNORE | (any_case ? CORRAL_FILES_IGNORE_CASE : 0)
	};
	corral_auto(corral_files_matches_done) struct corral_files_matches found = { 0 };
	corral_autofd int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct corral_error err = { 0 };
	struct corral_files *f;

	assert_true(fd >= 0);
	assert_int_equal(corral_files_open(fd, CORRAL_FILES_CONFINED, &f, NULL), 0);
	if (corral_files_grep(f, &grep, NULL, &found, &err) < 0)
		fail_msg("'%s': %s", pattern, err.text);
	corral_files_close(f);
	if (found.truncated && strcmp(ret->below, PART) != 0) {
		ret->below = PART;
		by_us(root, pattern, any_case, ret);
		return;
	}
	if (found.truncated || found.incomplete)
		fail_msg("'%s': %zu matches are not all", pattern, found.n);
	for (size_t i = 0; i < found.n; i++)
		found_add(ret, found.matches[i].path, strlen(found.matches[i].path),
		          found.matches[i].line_number);
	set_settle(&ret->lines);
}

/* Files that the three read as different texts: with a NUL or a "\r" in them (the table below tells
 * of lines that end with one), or not of UTF-8. */
static void strange_files(const char *root, struct set *ret)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	corral_autofd int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct corral_files *f;

	assert_true(fd >= 0);
	assert_int_equal(corral_files_open(fd, 0, &f, NULL), 0);
	assert_int_equal(corral_files_glob(f, "**", "", CORRAL_FILES_HIDDEN, NULL, &rows, NULL), 0);
	corral_files_close(f);
	for (size_t i = 0; i < rows.n; i++) {
		const char *path = rows.rows[i].path;
		corral_autofd int file = openat(fd, path, O_RDONLY | O_CLOEXEC);
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

		assert_true(file >= 0);
		assert_int_equal(corral_buf_read_fd(&b, file, 64u << 20), 0);
		if (b.len && (memchr(b.data, '\0', b.len) || memchr(b.data, '\r', b.len) ||
		              !corral_utf8_valid(b.data, b.len)))
			set_add(ret, path, strlen(path));
	}
	set_settle(ret);
	print_message("%zu files, %zu of them not compared\n", rows.n, ret->n);
}

static void compare(const char *name, unsigned int with)
{
	struct set strange = { 0 };
	size_t n = 0;

	strange_files(REAL_TREE, &strange);
	for (size_t i = 0; i < CORRAL_COUNT(patterns); i++) {
		/* All of the tree would take GNU grep minutes. */
		struct found ours = { .below = with == GNU ? PART : ".", .left_out = &strange },
		             theirs;
		bool any_case = patterns[i].with & ANY_CASE;

		if (!(patterns[i].with & with))
			continue;
		by_us(REAL_TREE, patterns[i].pattern, any_case, &ours);
		theirs = (struct found) { .below = ours.below, .left_out = &strange };
		if (with == RG)
			by_ripgrep(REAL_TREE, patterns[i].pattern, any_case, &theirs);
		else
			by_gnu(REAL_TREE, patterns[i].pattern, any_case, &theirs);
		n += set_differs(patterns[i].pattern, &ours.lines, &theirs.lines);
		set_done(&ours.lines);
		set_done(&theirs.lines);
	}
	set_done(&strange);
	if (n)
		fail_msg("%zu lines differ from those of %s", n, name);
}

static void ripgrep_finds_the_same_lines(void **state)
{
	(void)state;
	if (!program_is_here("rg")) {
		corral_test_skip("ripgrep");
		return;
	}
	compare("ripgrep", RG);
}

static bool gnu_grep_is_here(void)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;

	if (!program_is_here("grep"))
		return false;
	program_output("/", (const char *[]) { "sh", "-c", "grep --version 2>/dev/null; :", NULL },
	               &out);
	return out.len && strstr(out.data, "GNU grep");
}

static void gnu_grep_finds_the_same_lines(void **state)
{
	(void)state;
	if (!gnu_grep_is_here()) {
		corral_test_skip("GNU grep");
		return;
	}
	compare("GNU grep", GNU);
}

/* Where another program means something else by the same, and we mean to stay with ours. */
static const struct {
	const char *pattern;
	const char *text;
	size_t len;
	unsigned int with;
	bool ours, theirs;
	const char *why;
} differences[] = {
#define TEXT(s) s, sizeof(s) - 1
	{ "end$", TEXT("the end\r\n"), GNU, true, false,
	  "\"$\" is also before the \"\\r\" of a \"\\r\\n\"" },
	{ "^[[:alpha:]]$", TEXT("\xc3\xa9\n"), RG, true, false,
	  "named classes know Unicode, as \\w does" },
	{ "\\<word", TEXT("a word\n"), GNU, false, true,
	  "the language is PCRE2's, where \\< is the character; \\b begins a word" },
	{ "x(?=y)", TEXT("xy\n"), GNU, true, false, "the language is PCRE2's: it has look-around" },
	{ "text", TEXT("\xff\xfet\0e\0x\0t\0\n\0"), RG, false, true,
	  "a file with a NUL in its first 8 kB is binary, in UTF-16 as well" },
	{ "text", TEXT("\xff text\n"), GNU, true, false,
	  "only a NUL makes a file binary: bytes that are no UTF-8 do not" },
#undef TEXT
};

static void differences_are_those_of_the_table(void **state)
{
	const struct tree *t = *state;
	const struct set none = { 0 };

	if (!program_is_here("rg") || !gnu_grep_is_here()) {
		corral_test_skip("ripgrep and GNU grep");
		return;
	}
	for (size_t i = 0; i < CORRAL_COUNT(differences); i++) {
		struct found ours = { .below = ".", .left_out = &none }, theirs = ours;
		const char *pattern = differences[i].pattern;

		tree_file(t, "file", differences[i].text, differences[i].len);
		by_us(t->path, pattern, false, &ours);
		if (differences[i].with == RG)
			by_ripgrep(t->path, pattern, false, &theirs);
		else
			by_gnu(t->path, pattern, false, &theirs);
		if (ours.lines.n != differences[i].ours || theirs.lines.n != differences[i].theirs)
			fail_msg("'%s', %zu and %zu matches: %s", pattern, ours.lines.n,
			         theirs.lines.n, differences[i].why);
		set_done(&ours.lines);
		set_done(&theirs.lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ripgrep_finds_the_same_lines),
		cmocka_unit_test(gnu_grep_finds_the_same_lines),
		tree_test(differences_are_those_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
