/* policy/runtime_catalogue.h: the built-in runtimes are those of the contract, and files of those
 * who may say so come over them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/runtime_catalogue.h"

#define PYTHON "python:3.12-slim"
#define NODE   "node:20-slim"
#define APT    "apt-get update && apt-get install -y --no-install-recommends "
#define CLEAN  " && rm -rf /var/lib/apt/lists/*"

/* Upstream contract, 5.4. */
static const struct {
	const char *name, *description, *image, *base_image, *packages, *setup, *work_dir;
	enum corral_package_manager manager;
} contract[] = {
	{ "coding", "Python with git, ripgrep, fd, jq and uv", NULL, PYTHON, "",
	  APT "git curl ca-certificates ripgrep fd-find jq less procps" CLEAN
	      "\nln -s /usr/bin/fdfind /usr/local/bin/fd\npip install --no-cache-dir uv",
	  "/workspace", CORRAL_PACKAGES_PIP },
	{ "polyglot", "Python and Node with curl and git", NULL, PYTHON,
	  "numpy duckdb polars httpx",
	  APT "curl ca-certificates git nodejs npm" CLEAN "\nnpm install -g npm@10", "/workspace",
	  CORRAL_PACKAGES_PIP },
	{ "python-minimal", "Python 3.12 standard library only", PYTHON, NULL, "", "", "/workspace",
	  CORRAL_PACKAGES_PIP },
	{ "python-datascience", "Python with pandas, numpy, matplotlib, scikit-learn and seaborn",
	  NULL, PYTHON, "pandas numpy matplotlib scikit-learn seaborn", "", "/workspace",
	  CORRAL_PACKAGES_PIP },
	{ "python-analytics", "Python with DuckDB and Polars", NULL, PYTHON,
	  "duckdb polars pyarrow", "", "/workspace", CORRAL_PACKAGES_PIP },
	{ "python-web", "Python with the FastAPI stack", NULL, PYTHON,
	  "fastapi uvicorn sqlalchemy httpx", "", "/workspace", CORRAL_PACKAGES_PIP },
	{ "python-scraping", "Python for fetching and reading web pages", NULL, PYTHON,
	  "httpx beautifulsoup4 lxml markdownify", "", "/workspace", CORRAL_PACKAGES_PIP },
	{ "python-documents", "Python for PDF, Word, Excel and images", NULL, PYTHON,
	  "pypdf python-docx openpyxl pillow", "", "/workspace", CORRAL_PACKAGES_PIP },
	{ "node-minimal", "Node.js 20", NODE, NULL, "", "", "/app", CORRAL_PACKAGES_PIP },
	{ "node-typescript", "TypeScript with tsx and Vitest", NULL, NODE, "typescript tsx vitest",
	  "", "/app", CORRAL_PACKAGES_NPM },
	{ "node-react", "TypeScript, Vite and React", NULL, NODE,
	  "typescript vite react react-dom @types/react", "", "/app", CORRAL_PACKAGES_NPM },
	{ "bun", "Bun", "oven/bun:1-slim", NULL, "", "", "/app", CORRAL_PACKAGES_PIP },
	{ "deno", "Deno", "denoland/deno:alpine", NULL, "", "", "/app", CORRAL_PACKAGES_PIP },
	{ "go", "Go toolchain", "golang:1.23-alpine", NULL, "", "", "/src", CORRAL_PACKAGES_PIP },
	{ "rust", "Rust toolchain", "rust:1-slim", NULL, "", "", "/src", CORRAL_PACKAGES_PIP },
};
#define CONTRACT_N (sizeof(contract) / sizeof(*contract))

#define NAMES                                                                                \
	"bun, coding, deno, go, host, node-minimal, node-react, node-typescript, polyglot, " \
	"python-analytics, python-datascience, python-documents, python-minimal, "           \
	"python-scraping, python-web, rust"

static void same_text(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void joined_is(char *const *texts, size_t n, const char *between, const char *expected)
{
	char all[600] = "";

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(all);

		(void)snprintf(all + len, sizeof(all) - len, "%s%s", i ? between : "", texts[i]);
	}
	assert_string_equal(all, expected);
}

static void built_in_ones_are_those_of_the_contract(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONTRACT_N; i++) {
		struct corral_runtime *rt = NULL;

		assert_int_equal(corral_runtime_get(contract[i].name, &rt, NULL), 0);
		assert_string_equal(rt->name, contract[i].name);
		assert_string_equal(rt->description, contract[i].description);
		same_text(rt->image, contract[i].image);
		same_text(rt->base_image, contract[i].base_image);
		joined_is(rt->packages, rt->n_packages, " ", contract[i].packages);
		joined_is(rt->setup_commands, rt->n_setup_commands, "\n", contract[i].setup);
		assert_int_equal(rt->package_manager, contract[i].manager);
		assert_string_equal(rt->work_dir, contract[i].work_dir);
		assert_int_equal(rt->n_env_vars, 0);
		assert_true(rt->cache_image);
		assert_false(rt->has_run_as_uid);
		assert_int_equal(rt->isolation, CORRAL_ISOLATION_AUTO);
		assert_int_equal(rt->scope, CORRAL_SCOPE_SESSION);
		assert_null(rt->rootfs);
		assert_int_equal(rt->sandbox->limits_asked, 0);
		corral_runtime_free(rt);
	}
}

static void host_takes_the_hosts_own_programs(void **state)
{
	struct corral_runtime *rt = NULL;

	(void)state;
	assert_int_equal(corral_runtime_get(CORRAL_RUNTIME_DEFAULT, &rt, NULL), 0);
	assert_string_equal(rt->rootfs, "host");
	assert_null(rt->image);
	assert_null(rt->base_image);
	corral_runtime_free(rt);
}

static void unknown_name_is_told_with_the_known_ones(void **state)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_runtime_get("x", &rt, &err), -ENOENT);
	assert_string_equal(err.text, "Unknown runtime 'x'. Available: " NAMES);
	assert_null(rt);
}

struct box {
	char dir[64], one[96], two[96];
};

static int box_open(void **state)
{
	static struct box b;

	(void)umask(022);
	(void)snprintf(b.dir, sizeof(b.dir), "/tmp/corral-runtimes-XXXXXX");
	assert_non_null(mkdtemp(b.dir));
	(void)snprintf(b.one, sizeof(b.one), "%s/one", b.dir);
	(void)snprintf(b.two, sizeof(b.two), "%s/two", b.dir);
	assert_int_equal(mkdir(b.one, 0755), 0);
	assert_int_equal(mkdir(b.two, 0755), 0);
	*state = &b;
	return 0;
}

static int box_close(void **state)
{
	static const char *const names[] = { "mine.json", "go.json", "bad.json", "link.json",
		                             ".x.json",   "x.json~", "pipe.json" };
	const struct box *b = *state;
	const char *dirs[] = { b->one, b->two };
	char path[200];

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
			(void)snprintf(path, sizeof(path), "%s/%s", dirs[i], names[k]);
			(void)unlink(path);
		}
		assert_int_equal(rmdir(dirs[i]), 0);
	}
	assert_int_equal(rmdir(b->dir), 0);
	return 0;
}

static void put(const char *dir, const char *name, const char *json)
{
	char path[200];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(json, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct corral_runtime_catalogue *opened(const struct box *b)
{
	const char *dirs[] = { b->one, "/nonexistent/runtimes", b->two, NULL };
	struct corral_runtime_catalogue *c = NULL;
	struct corral_error err = { 0 };

	if (corral_runtime_catalogue_open(dirs, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

/* what: behind the folder of the box. All others are there; that one is told of, under the file's
 * name. */
static void broken(const struct box *b, int code, const char *name, const char *what)
{
	struct corral_runtime_catalogue *c = opened(b);
	const struct corral_runtime_fault *faults;
	const struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };
	char text[400];

	(void)snprintf(text, sizeof(text), "%s/%s", b->dir, what);
	assert_int_equal(corral_runtime_catalogue_get(c, "host", &rt, &err), 0);
	assert_int_equal(corral_runtime_catalogue_get(c, name, &rt, &err), -code);
	assert_string_equal(err.text, text);
	assert_int_equal(err.code, code);
	assert_int_equal(corral_runtime_catalogue_faults(c, &faults), 1);
	assert_string_equal(faults->name, name);
	assert_string_equal(faults->text, text);
	assert_int_equal(strncmp(faults->path, text, strlen(faults->path)), 0);
	corral_runtime_catalogue_close(c);
}

/* The same of a directory, without which nothing is. */
static void refused(const struct box *b, int code, const char *what)
{
	const char *dirs[] = { b->one, b->two, NULL };
	struct corral_runtime_catalogue *c = NULL;
	struct corral_error err = { 0 };
	char text[400];

	(void)snprintf(text, sizeof(text), "%s/%s", b->dir, what);
	assert_int_equal(corral_runtime_catalogue_open(dirs, &c, &err), -code);
	assert_string_equal(err.text, text);
	assert_int_equal(err.code, code);
	assert_null(c);
}

static void files_come_over_the_built_in_and_later_over_earlier(void **state)
{
	const struct box *b = *state;
	const struct corral_runtime *rt = NULL;
	struct corral_runtime_catalogue *c;
	const struct corral_runtime_entry *e = NULL;
	char path[200];

	put(b->one, "mine.json", "{\"description\":\"first\",\"limits\":{\"pids\":9}}");
	put(b->one, "go.json", "{\"name\":\"go\",\"rootfs\":\"host\"}");
	put(b->two, "mine.json", "{\"name\":\"mine\",\"description\":\"second\"}");
	/* No files of ours. */
	put(b->one, ".x.json", "?");
	put(b->one, "x.json~", "?");
	c = opened(b);
	assert_int_equal(corral_runtime_catalogue_count(c), CONTRACT_N + 2);
	assert_int_equal(corral_runtime_catalogue_get(c, "mine", &rt, NULL), 0);
	assert_string_equal(rt->name, "mine");
	assert_string_equal(rt->description, "second");
	assert_int_equal(rt->sandbox->limits_asked, 0);
	assert_int_equal(corral_runtime_catalogue_get(c, "go", &rt, NULL), 0);
	assert_string_equal(rt->rootfs, "host");
	assert_null(rt->image);
	for (size_t i = 0; i < corral_runtime_catalogue_count(c); i++) {
		const struct corral_runtime_entry *at = corral_runtime_catalogue_at(c, i);

		if (e)
			assert_true(strcmp(e->runtime->name, at->runtime->name) < 0);
		e = at;
		if (strcmp(e->runtime->name, "mine") != 0 && strcmp(e->runtime->name, "go") != 0) {
			assert_null(e->path);
			continue;
		}
		(void)snprintf(path, sizeof(path), "%s/%s.json",
		               e->runtime->name[0] == 'm' ? b->two : b->one, e->runtime->name);
		assert_string_equal(e->path, path);
	}
	corral_runtime_catalogue_close(c);
}

static void unknown_name_is_told_with_those_of_files(void **state)
{
	const struct box *b = *state;
	const struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };
	struct corral_runtime_catalogue *c;

	put(b->one, "mine.json", "{}");
	c = opened(b);
	assert_int_equal(corral_runtime_catalogue_get(c, "x", &rt, &err), -ENOENT);
	assert_non_null(strstr(err.text, "Unknown runtime 'x'. Available: bun, coding, deno, go, "
	                                 "host, mine, node-minimal, "));
	corral_runtime_catalogue_close(c);
}

static void file_that_cannot_be_read_is_named_with_the_place(void **state)
{
	const struct box *b = *state;
	char path[200];

	put(b->two, "bad.json", "{\"packages\":[\"ok\",\"a b\"]}");
	broken(b, EINVAL, "bad", "two/bad.json: packages[1]: Invalid package name: 'a b'");
	put(b->two, "bad.json", "{\"limits\":{\"memory\":\"x\"}}");
	broken(b, EINVAL, "bad",
	       "two/bad.json: limits.memory: 'x' is not a size (try 64M, 1.5G or a "
	       "number of bytes)");
	put(b->two, "bad.json", "{\"name\":\"good\"}");
	broken(b, EINVAL, "bad", "two/bad.json: name: 'good', but the file's name says 'bad'");
	put(b->two, "bad.json", "{");
	broken(b, EINVAL, "bad",
	       "two/bad.json: line 1, column 1: string or '}' expected near end of file");
	(void)snprintf(path, sizeof(path), "%s/bad.json", b->two);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	broken(b, ENOENT, "bad", "two/bad.json: open: No such file or directory");
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/pipe.json", b->one);
	assert_int_equal(mkfifo(path, 0644), 0);
	broken(b, EINVAL, "pipe", "one/pipe.json: not a regular file");
}

static void broken_file_takes_the_place_of_what_was_before_it(void **state)
{
	const struct box *b = *state;
	const struct corral_runtime_fault *faults;
	const struct corral_runtime *rt = NULL;
	struct corral_runtime_catalogue *c;

	/* Nobody gets a built-in one, or an earlier one, where he described another. */
	put(b->one, "go.json", "{\"rootfs\":\"host\"}");
	put(b->two, "go.json", "{");
	broken(b, EINVAL, "go",
	       "two/go.json: line 1, column 1: string or '}' expected near end of file");
	put(b->one, "go.json", "{");
	broken(b, EINVAL, "go",
	       "two/go.json: line 1, column 1: string or '}' expected near end of file");
	put(b->two, "go.json", "{\"description\":\"mended\"}");
	c = opened(b);
	assert_int_equal(corral_runtime_catalogue_faults(c, &faults), 0);
	assert_int_equal(corral_runtime_catalogue_get(c, "go", &rt, NULL), 0);
	assert_string_equal(rt->description, "mended");
	corral_runtime_catalogue_close(c);
}

static void what_others_can_write_to_is_refused(void **state)
{
	const struct box *b = *state;
	char path[200];

	put(b->one, "mine.json", "{}");
	(void)snprintf(path, sizeof(path), "%s/mine.json", b->one);
	assert_int_equal(chmod(path, 0664), 0);
	broken(b, EPERM, "mine",
	       "one/mine.json: others can write to it, and a runtime names mounts and "
	       "capabilities: chmod go-w");
	assert_int_equal(chmod(path, 0646), 0);
	broken(b, EPERM, "mine",
	       "one/mine.json: others can write to it, and a runtime names mounts and "
	       "capabilities: chmod go-w");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(b->two, 01777), 0);
	refused(b, EPERM,
	        "two: others can write to it, and a runtime names mounts and capabilities: "
	        "chmod go-w");
	assert_int_equal(chmod(b->two, 0755), 0);
	corral_runtime_catalogue_close(opened(b));
}

static void what_belongs_to_somebody_else_is_refused(void **state)
{
	const struct box *b = *state;
	char path[200];

	if (geteuid() != 0) /* only root can give files away */
		skip();
	put(b->one, "mine.json", "{}");
	(void)snprintf(path, sizeof(path), "%s/mine.json", b->one);
	assert_int_equal(chown(path, 1234, 1234), 0);
	broken(b, EPERM, "mine",
	       "one/mine.json: belongs to user 1234: a runtime names mounts and capabilities, so "
	       "it must be root's or the caller's own");
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chown(b->two, 1234, 0), 0);
	refused(b, EPERM,
	        "two: belongs to user 1234: a runtime names mounts and capabilities, so it must be "
	        "root's or the caller's own");
	assert_int_equal(chown(b->two, 0, 0), 0);
}

static void file_named_by_path_is_nobody_elses(void **state)
{
	const struct box *b = *state;
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };
	char path[200], text[400];

	put(b->one, "mine.json", "{\"work_dir\":\"/app\"}");
	(void)snprintf(path, sizeof(path), "%s/mine.json", b->one);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(corral_runtime_load(path, &rt, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod go-w"));
	assert_int_equal(chmod(path, 0644), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 1), 0);
		assert_int_equal(corral_runtime_load(path, &rt, &err), -EPERM);
		assert_non_null(strstr(err.text, "belongs to user 1: "));
		assert_int_equal(chown(path, 0, 0), 0);
	}
	assert_int_equal(corral_runtime_load(path, &rt, NULL), 0);
	assert_string_equal(rt->name, "mine");
	assert_string_equal(rt->work_dir, "/app");
	corral_runtime_free(rt);
	rt = NULL;
	put(b->one, "mine.json", "{\"name\":\"\"}");
	(void)snprintf(text, sizeof(text), "'%s': name: Invalid runtime name: ''", path);
	assert_int_equal(corral_runtime_load(path, &rt, &err), -EINVAL);
	assert_string_equal(err.text, text);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(text, sizeof(text), "'%s': No such file or directory", path);
	assert_int_equal(corral_runtime_load(path, &rt, &err), -ENOENT);
	assert_string_equal(err.text, text);
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, box_open, box_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_in_ones_are_those_of_the_contract),
		cmocka_unit_test(host_takes_the_hosts_own_programs),
		cmocka_unit_test(unknown_name_is_told_with_the_known_ones),
		IN_A_BOX(files_come_over_the_built_in_and_later_over_earlier),
		IN_A_BOX(unknown_name_is_told_with_those_of_files),
		IN_A_BOX(file_that_cannot_be_read_is_named_with_the_place),
		IN_A_BOX(broken_file_takes_the_place_of_what_was_before_it),
		IN_A_BOX(what_others_can_write_to_is_refused),
		IN_A_BOX(what_belongs_to_somebody_else_is_refused),
		IN_A_BOX(file_named_by_path_is_nobody_elses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
