/* Every kind of backend, made ready for one test, and short ways to use it. */
#ifndef CORRAL_TESTS_CONTRACT_BACKEND_SUPPORT_H
#define CORRAL_TESTS_CONTRACT_BACKEND_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/base.h"
#include "backends/call.h"
#include "backends/composite.h"
#include "backends/local.h"
#include "backends/native.h"
#include "backends/state.h"
#include "backends/wrap.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "policy/config.h"
#include "tests/support.h"

enum kind { LOCAL, STATE, COMPOSITE, ROUTED, NATIVE, CALL, BASE, DOCKER };
/* Those whose paths are the sandbox's own. */
#define IS_GUEST(kind) ((kind) >= NATIVE)

/* What a suite is run on: a kind, and whether it is traced. */
struct variant {
	const char *name;
	enum kind kind;
	const char *base; /* where the test's files are; "" or with a slash behind */
	bool traced;
};

struct fixture {
	const struct variant *variant;
	struct corral_backend *b; /* the one under test */
	struct corral_backend *made[8];
	size_t n_made;
	char dir[64];
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	bool missing;
	unsigned int lines; /* traced */
	char path[512];
	struct corral_error err;
};

static inline struct corral_backend *made(struct fixture *f, struct corral_backend *b)
{
	f->made[f->n_made++] = b;
	return b;
}

static inline struct corral_backend *make_local(struct fixture *f)
{
	const struct corral_local_options o = { .root_dir = f->dir };
	struct corral_backend *b = NULL;

	if (corral_local_backend_new(&o, &b, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return made(f, b);
}

static inline struct corral_backend *make_state(struct fixture *f)
{
	struct corral_backend *b = NULL;

	if (corral_state_backend_new(NULL, &b, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return made(f, b);
}

static inline struct corral_backend *make_composite(struct fixture *f)
{
	struct corral_composite_route routes[] = { { "/memories/", NULL } };
	struct corral_composite_options o = { .routes = routes, .n_routes = 1 };
	struct corral_backend *b = NULL;

	o.fallback = make_local(f);
	routes[0].backend = make_state(f);
	if (corral_composite_backend_new(&o, &b, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return made(f, b);
}

static inline struct corral_backend *make_native(struct fixture *f)
{
	struct corral_config *c = corral_config_new();
	struct corral_backend *b = NULL;

	assert_non_null(c);
	if (corral_policy_compile(c, NULL, &f->policy, &f->err) < 0)
		fail_msg("%s", f->err.text);
	corral_config_free(c);
	f->missing = corral_launcher_open(0, &f->launcher, &f->err) < 0;
	if (f->missing)
		return NULL;
	assert_int_equal(f->variant->kind == CALL
	                         ? corral_call_sandbox_new(f->launcher, f->policy, NULL, &b,
	                                                   &f->err)
	                         : corral_native_sandbox_new(f->launcher, f->policy, NULL, &b,
	                                                     &f->err),
	                 0);
	return made(f, b);
}

#define BASE_OUTPUT 100000

/* /bin/sh in the directory, the worst way: streams mixed, output cut and made UTF-8, words of its
 * own around it, and commands of a limited length. */
static inline int poor_execute(void *ctx, const struct corral_execute *x,
                               struct corral_executed *ret, struct corral_error *err)
{
	struct corral_execute poor = { .command = x->command, .timeout_ms = x->timeout_ms };
	struct corral_executed e;
	int r;

	if (x->stdin_data || strlen(x->command) > 64u << 10)
		return corral_error_set(err, E2BIG, "no such long commands here");
	poor.output_bytes = BASE_OUTPUT;
	r = corral_backend_execute(ctx, &poor, &e, err);
	if (r == 0) {
		corral_buf_str(&ret->out, "motd: hello\n");
		corral_utf8_add(&ret->out, e.out.data ? e.out.data : "", e.out.len);
		if (ret->out.len > BASE_OUTPUT) {
			ret->out.len = BASE_OUTPUT;
			ret->out.data[BASE_OUTPUT] = '\0';
			ret->truncated = true;
		}
		ret->exit_code = e.exit_code;
		ret->timed_out = e.timed_out;
	}
	corral_executed_done(&e);
	return r;
}

static inline struct corral_backend *make_base(struct fixture *f)
{
	struct corral_base_options o = { .execute = poor_execute };
	struct corral_backend *b = NULL;

	o.ctx = make_local(f);
	if (corral_base_sandbox_new(&o, &b, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return made(f, b);
}

/* tests/docker/contract.h, where there is an engine. */
__attribute__((weak)) struct corral_backend *corral_test_docker_backend(struct fixture *f);

static inline void count_line(void *ctx, const char *text)
{
	assert_true(*text && !strchr(text, '\n'));
	(*(unsigned int *)ctx)++;
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct corral_backend *b = NULL;

	assert_non_null(f);
	f->variant = *state;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/corral-contract-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	switch (f->variant->kind) {
	case LOCAL:
		f->b = make_local(f);
		break;
	case STATE:
		f->b = make_state(f);
		break;
	case COMPOSITE:
	case ROUTED:
		f->b = make_composite(f);
		break;
	case NATIVE:
	case CALL:
		f->b = make_native(f);
		break;
	case BASE:
		f->b = make_base(f);
		break;
	case DOCKER:
		f->b = corral_test_docker_backend(f);
		break;
	}
	if (f->variant->traced && f->b) {
		assert_int_equal(corral_backend_trace(f->b, count_line, &f->lines, &b, &f->err), 0);
		f->b = made(f, b);
	}
	*state = f;
	return 0;
}

static inline int wipe_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	while (f->n_made)
		corral_backend_close(f->made[--f->n_made]);
	if (f->launcher)
		corral_launcher_close(f->launcher);
	corral_policy_free(f->policy);
	(void)nftw(f->dir, wipe_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static inline bool missing(const struct fixture *f)
{
	if (f->missing)
		corral_test_skip("%s: %s", f->variant->name,
		                 f->variant->kind == DOCKER ? "no engine" : f->err.text);
	return f->missing;
}

/* The test's own path as a caller writes it; good until the next one. */
static inline const char *at(struct fixture *f, const char *path)
{
	(void)snprintf(f->path, sizeof(f->path), "%s%s", f->variant->base, path);
	return f->path;
}

/* And as results show it; the caller frees. */
static inline char *shown(const struct fixture *f, const char *path)
{
	const char *root = corral_backend_root_path(f->b);
	struct corral_buf b = CORRAL_BUF_INIT;
	char *text;

	corral_buf_fmt(&b, "%s%s%s%s", root, *root && strcmp(root, "/") != 0 ? "/" : "",
	               f->variant->base, path);
	text = corral_buf_take(&b);
	assert_non_null(text);
	return text;
}

#define OK(f, call)                                                                       \
	do {                                                                              \
		if ((call) < 0)                                                           \
			fail_msg("%s: %s: %s", (f)->variant->name, #call, (f)->err.text); \
	} while (0)

#define FAILS(f, call, number, words)                                                       \
	do {                                                                                \
		memset(&(f)->err, 0, sizeof((f)->err));                                     \
		assert_int_equal((call), -(number));                                        \
		assert_int_equal((f)->err.code, (number));                                  \
		if (!strstr((f)->err.text, (words)))                                        \
			fail_msg("%s: '%s' has no '%s'", (f)->variant->name, (f)->err.text, \
			         words);                                                    \
	} while (0)

static inline void put_bytes(struct fixture *f, const char *path, const void *data, size_t len)
{
	OK(f, corral_backend_write(f->b, at(f, path), data, len, &f->err));
}

static inline void put(struct fixture *f, const char *path, const char *text)
{
	put_bytes(f, path, text, strlen(text));
}

static inline void assert_bytes(struct fixture *f, const char *path, const void *data, size_t len)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	OK(f, corral_backend_read_bytes(f->b, at(f, path), 0, &b, &f->err));
	assert_int_equal(b.len, len);
	if (len)
		assert_memory_equal(b.data, data, len);
	corral_buf_done(&b);
}

static inline void assert_file(struct fixture *f, const char *path, const char *text)
{
	assert_bytes(f, path, text, strlen(text));
}

static inline void assert_read(struct fixture *f, const char *path, uint64_t offset, uint64_t limit,
                               const char *text)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	OK(f, corral_backend_read(f->b, at(f, path), offset, limit, &b, &f->err));
	assert_string_equal(b.data ? b.data : "", text);
	corral_buf_done(&b);
}

/* The rows are these paths of the test's, in this order; NULL at the end. */
static inline void assert_paths(struct fixture *f, struct corral_files_rows *rows,
                                const char *const *paths)
{
	size_t n = 0;

	for (; paths[n]; n++) {
		char *wanted = shown(f, paths[n]);
		const char *last = strrchr(wanted, '/');

		if (n >= rows->n || strcmp(rows->rows[n].path, wanted) != 0)
			fail_msg("%s: row %zu of %zu is '%s' and not '%s'", f->variant->name, n,
			         rows->n, n < rows->n ? rows->rows[n].path : "", wanted);
		assert_string_equal(rows->rows[n].name, last ? last + 1 : wanted);
		free(wanted);
	}
	if (rows->n > n)
		fail_msg("%s: '%s' is too many", f->variant->name, rows->rows[n].path);
	corral_files_rows_done(rows);
}

static inline void assert_glob_in(struct fixture *f, const char *pattern, const char *path,
                                  unsigned int flags, const char *const *paths)
{
	struct corral_files_rows rows = { 0 };

	OK(f, corral_backend_glob(f->b, pattern, path, flags, &rows, &f->err));
	assert_paths(f, &rows, paths);
	OK(f, corral_backend_glob(f->b, pattern, path, flags | CORRAL_FILES_NAMES, &rows, &f->err));
	assert_paths(f, &rows, paths);
}
#define assert_glob(f, pattern, ...) \
	assert_glob_in((f), (pattern), at((f), "w"), 0, (const char *const[]) { __VA_ARGS__, NULL })

static inline void assert_ls_in(struct fixture *f, const char *path, const char *const *paths)
{
	struct corral_files_rows rows = { 0 };

	OK(f, corral_backend_ls(f->b, at(f, path), &rows, &f->err));
	assert_paths(f, &rows, paths);
}
#define assert_ls(f, path, ...) \
	assert_ls_in((f), (path), (const char *const[]) { __VA_ARGS__, NULL })

/* Matches as "path:number:line", in this order. */
static inline void assert_grep_of(struct fixture *f, const struct corral_files_grep *grep,
                                  const char *const *lines)
{
	struct corral_files_matches found = { 0 };
	size_t n = 0;

	OK(f, corral_backend_grep(f->b, grep, &found, &f->err));
	for (; lines[n]; n++) {
		char *wanted = shown(f, lines[n]), *got = NULL;

		assert_true(n < found.n &&
		            asprintf(&got, "%s:%llu:%s", found.matches[n].path,
		                     (unsigned long long)found.matches[n].line_number,
		                     found.matches[n].line) > 0);
		assert_string_equal(got, wanted);
		free(wanted);
		free(got);
	}
	if (found.n > n)
		fail_msg("%s: %s:%llu is too many", f->variant->name, found.matches[n].path,
		         (unsigned long long)found.matches[n].line_number);
	corral_files_matches_done(&found);
}
#define assert_grep(f, text, where, ...)                                                         \
	assert_grep_of((f),                                                                      \
	               &(const struct corral_files_grep) { .pattern = (text), .path = (where) }, \
	               (const char *const[]) { __VA_ARGS__, NULL })

#endif
