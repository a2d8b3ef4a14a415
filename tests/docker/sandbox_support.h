/*
 * Sandboxes on the engine of the tests. One is made for the whole program and emptied before each
 * test, since making one takes a second; what a test makes beside it ends with the test. Include
 * after <cmocka.h>.
 *
 *     cmocka_unit_test_setup_teardown(test, each_setup, each_teardown), ...
 *     cmocka_run_group_tests(tests, all_setup, all_teardown)
 */
#ifndef CORRAL_TESTS_DOCKER_SANDBOX_SUPPORT_H
#define CORRAL_TESTS_DOCKER_SANDBOX_SUPPORT_H

#include "backends/docker/docker.h"
#include "backends/docker/http.h"
#include "backends/docker/json.h"
#include "kernel/base/cleanup.h"
#include "tests/docker/engine_support.h"
#include "tests/sandbox_checks.h"

#define SANDBOXES_MAX 16
/* Everything that a test makes by name begins with it. */
#define NAME_PREFIX "corral-test-sandbox-"

struct fixture {
	struct corral_docker_engine *engine; /* NULL: there is none */
	struct checked on;                   /* in the program's own sandbox, and for any errors */
	struct corral_backend *made[SANDBOXES_MAX]; /* by the test */
	size_t n_made;
};

/* Told by whoever includes this: what the program's own sandbox is like; image and env are given.
 */
static struct corral_docker_options own_options(void);

#define OK(f, call)                                                           \
	do {                                                                  \
		int ok_ = (call);                                             \
		if (ok_ < 0)                                                  \
			fail_msg("%s: %d: %s", #call, ok_, (f)->on.err.text); \
	} while (0)

#define FAILS(f, call, number, words)                         \
	do {                                                  \
		memset(&(f)->on.err, 0, sizeof((f)->on.err)); \
		assert_int_equal((call), -(number));          \
		assert_int_equal((f)->on.err.code, (number)); \
		assert_says((f)->on.err.text, (words));       \
	} while (0)

static inline struct corral_backend *sandbox_new(struct fixture *f, struct corral_docker_options o)
{
	static char *const env[] = { (char *)"WHO=policy", (char *)"KEEP=yes", NULL };
	struct corral_backend *b = NULL;

	o.image = o.image ? o.image : corral_test_image();
	o.env = o.env ? o.env : env;
	OK(f, corral_docker_sandbox_new(f->engine, &o, &b, &f->on.err));
	return b;
}

/* Ends with the test. */
static inline struct corral_backend *sandbox(struct fixture *f, struct corral_docker_options o)
{
	assert_true(f->n_made < SANDBOXES_MAX);
	return f->made[f->n_made++] = sandbox_new(f, o);
}

static inline void close_one(struct fixture *f, struct corral_backend *b)
{
	for (size_t i = 0; i < f->n_made; i++)
		if (f->made[i] == b)
			f->made[i] = f->made[--f->n_made];
	corral_backend_close(b);
}

/* --- The engine, by hand --- */

/* The answer, a new reference; NULL when the engine refused. body is taken. */
static inline json_t *ask(struct fixture *f, const char *method, const char *path, json_t *body)
{
	json_t *answer = NULL;
	int r = corral_docker_do(f->engine, method, path, body, &answer, &f->on.err);

	json_decref(body);
	return r < 0 ? NULL : answer;
}

static inline int tell(struct fixture *f, const char *method, const char *path, json_t *body)
{
	int r = corral_docker_do(f->engine, method, path, body, NULL, &f->on.err);

	json_decref(body);
	return r;
}

/* One word to the engine about a container: "kill", "pause", "stop?t=0". */
static inline void container_tell(struct fixture *f, const char *id, const char *verb)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "/containers/%s/%s", id, verb);
	OK(f, tell(f, "POST", path, NULL));
}

static inline bool container_exists(struct fixture *f, const char *id)
{
	corral_autojson json_t *answer = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "/containers/%s/json", id);
	answer = ask(f, "GET", path, NULL);
	return answer != NULL;
}

static inline void container_remove(struct fixture *f, const char *id)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", id);
	(void)tell(f, "DELETE", path, NULL);
}

/* Until it is gone; false when it is not within so long. */
static inline bool container_goes(struct fixture *f, const char *id, int patience_ms)
{
	uint64_t until = corral_now_ms() + (uint64_t)patience_ms;

	while (container_exists(f, id)) {
		if (corral_now_ms() >= until)
			return false;
		nap(50);
	}
	return true;
}

/* The value of a label of it; "" without. */
static inline void container_label(struct fixture *f, const char *id, const char *key, char *ret,
                                   size_t size)
{
	corral_autojson json_t *answer = NULL;
	const char *value;
	char path[300];

	(void)snprintf(path, sizeof(path), "/containers/%s/json", id);
	answer = ask(f, "GET", path, NULL);
	assert_non_null(answer);
	value = json_string_value(
	        json_object_get(json_object_get(json_object_get(answer, "Config"), "Labels"), key));
	(void)snprintf(ret, size, "%s", value ? value : "");
}

/* --- Setup and teardown --- */

static inline int all_setup(void **state)
{
	const struct corral_docker_engine_options e = { .host = getenv("DOCKER_HOST") };
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	/* Each test says for itself that there is none. */
	if (!e.host || !corral_test_image())
		return 0;
	if (corral_docker_engine_open(&e, &f->engine, &f->on.err) < 0) {
		print_error("%s\n", f->on.err.text);
		free(f);
		return -1;
	}
	f->on.b = sandbox_new(f, own_options());
	return 0;
}

static inline int all_teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->on.b);
	corral_docker_engine_close(f->engine);
	free(f);
	return 0;
}

static inline void empty(struct fixture *f)
{
	const struct corral_execute x = {
		.command = "cd /workspace && find . -mindepth 1 -maxdepth 1 -exec rm -rf {} +; "
		           "rm -f /tmp/go /tmp/done",
		.timeout_ms = 60000,
	};
	struct corral_executed e;

	if (corral_backend_is_alive(f->on.b)) {
		OK(f, corral_backend_execute(f->on.b, &x, &e, &f->on.err));
		corral_executed_done(&e);
	}
}

static inline int each_setup(void **state)
{
	struct fixture *f = *state;

	memset(&f->on.err, 0, sizeof(f->on.err));
	if (f->engine)
		empty(f);
	return 0;
}

static inline int each_teardown(void **state)
{
	struct fixture *f = *state;

	while (f->n_made)
		corral_backend_close(f->made[--f->n_made]);
	return 0;
}

/* Skips the test where there is no engine. */
static inline bool missing(const struct fixture *f)
{
	(void)f;
	return corral_test_engine() == NULL;
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, each_setup, each_teardown)

static inline struct corral_executed execute_in(struct fixture *f, struct corral_backend *b,
                                                const struct corral_execute *x)
{
	struct corral_executed e;

	OK(f, corral_backend_execute(b, x, &e, &f->on.err));
	return e;
}

static inline void assert_shell_in(struct fixture *f, struct corral_backend *b, const char *line,
                                   int code, const char *out)
{
	struct checked on = { .b = b };

	(void)f;
	assert_shell(&on, line, code, out);
}

#endif
