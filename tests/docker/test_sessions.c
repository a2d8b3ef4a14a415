/*
 * Sessions whatever contains them: one sequence of operations, written down with all that came of
 * it, is the same of native sandboxes, of containers, and where a manager has both. And what is
 * particular to containers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "backends/docker/http.h"
#include "backends/docker/session.h"
#include "tests/docker/engine_support.h"
#include "tests/real/library_support.h"
#include "tests/real/sessions_support.h"

struct fixture {
	struct sessions s;
	struct corral_docker_engine *engine;
	struct corral_docker_sessions docker;
	struct corral_session_maker maker;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->engine) {
		sessions_done(&f->s);
		corral_docker_engine_close(f->engine);
	}
	free(f);
	return 0;
}

/* With runtimes "boxed" and "boxed-call", which are containers. False, and skipped, without an
 * engine. */
static bool begin(struct fixture *f, bool store)
{
	struct corral_docker_engine_options e = { .host = corral_test_engine() };
	char json[300];

	if (!e.host)
		return false;
	sessions_init(&f->s);
	if (corral_docker_engine_open(&e, &f->engine, &f->s.err) < 0)
		fail_msg("%s", f->s.err.text);
	(void)snprintf(json, sizeof(json), "{\"isolation\": \"docker\", \"image\": \"%s\"}",
	               corral_test_image());
	sessions_runtime(&f->s, "boxed", json);
	(void)snprintf(json, sizeof(json),
	               "{\"isolation\": \"docker\", \"image\": \"%s\", \"scope\": \"call\"}",
	               corral_test_image());
	sessions_runtime(&f->s, "boxed-call", json);
	sessions_catalogue(&f->s);
	f->docker.engine = f->engine;
	corral_docker_session_maker(&f->docker, &f->maker);
	f->s.o.docker = &f->maker;
	if (store)
		sessions_store(&f->s);
	sessions_begin(&f->s);
	return true;
}

/* --- The sequence --- */

static void say_run(struct corral_buf *t, struct corral_backend *b, const char *command,
                    int64_t timeout_ms)
{
	const struct corral_execute x = { .command = command, .timeout_ms = timeout_ms };
	struct corral_error err = { 0 };
	struct corral_executed e;
	int r = corral_backend_execute(b, &x, &e, &err);

	corral_buf_fmt(t, "%s -> %d, exit %d%s%s: ", command, r, e.exit_code,
	               e.timed_out ? ", timed out" : "", e.truncated ? ", cut" : "");
	corral_buf_add(t, e.out.data ? e.out.data : "", e.out.len);
	corral_buf_fmt(t, "|%s\n", r < 0 ? err.text : "");
	corral_executed_done(&e);
}

static void say_result(struct corral_buf *t, const char *what, int r,
                       const struct corral_error *err)
{
	corral_buf_fmt(t, "%s -> %d %s\n", what, r, r < 0 ? err->text : "");
}

static void say_files(struct corral_buf *t, struct corral_backend *b)
{
	const struct corral_files_edit edit = { "two", 3, "2", 1, false };
	const struct corral_files_grep grep = { .pattern = "o", .path = "." };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_error err = { 0 };
	uint64_t n = 0;

	say_result(t, "write", corral_backend_write(b, "d/f", "one\ntwo\n", 8, &err), &err);
	say_result(t, "edit", corral_backend_edit(b, "d/f", &edit, &n, &err), &err);
	say_result(t, "edit", corral_backend_edit(b, "d/f", &edit, &n, &err), &err);
	say_result(t, "read", corral_backend_read(b, "d/f", 0, 0, t, &err), &err);
	say_result(t, "read", corral_backend_read(b, "d/none", 0, 0, t, &err), &err);
	say_result(t, "grep", corral_backend_grep(b, &grep, &found, &err), &err);
	for (size_t i = 0; i < found.n; i++)
		corral_buf_fmt(t, "%s:%s\n", found.matches[i].path, found.matches[i].line);
	corral_files_matches_done(&found);
	say_result(t, "glob", corral_backend_glob(b, "**/*", ".", 0, &rows, &err), &err);
	for (size_t i = 0; i < rows.n; i++)
		corral_buf_fmt(t, "%s\n", rows.rows[i].path);
	corral_files_rows_done(&rows);
}

static void say_background(struct corral_buf *t, struct corral_backend *b)
{
	struct corral_background_list list = { 0 };
	struct corral_background g = { 0 };
	struct corral_error err = { 0 };
	int r;

	r = corral_backend_background_start(b, "sleep 300", &g, &err);
	corral_buf_fmt(t, "background -> %d %s %d\n", r, g.shell_id, g.running);
	r = corral_backend_background_list(b, &list, &err);
	corral_buf_fmt(t, "list -> %d, %zu\n", r, list.n);
	corral_background_list_done(&list);
	r = corral_backend_background_kill(b, g.shell_id, &err);
	corral_buf_fmt(t, "kill -> %d\n", r);
}

static void say_info(struct corral_buf *t, struct fixture *f, const char *id)
{
	struct corral_session_info info = { 0 };
	int r = corral_session_manager_describe(f->s.m, id, &info, &f->s.err);

	corral_buf_fmt(t, "describe -> %d, %s, %s, busy %u\n", r, info.tenant,
	               info.resident ? "resident" : "asleep", info.busy);
}

/* What there is of a session from its beginning to its end. */
static void program(struct fixture *f, const char *id, const char *runtime, struct corral_buf *t)
{
	struct corral_session_ask ask = {
		.id = id, .runtime = runtime, .tenant = "t", .flags = CORRAL_SESSION_START
	};
	struct corral_session_manager *m = f->s.m;
	struct corral_backend *b = sessions_open(&f->s, &ask), *other = NULL;
	struct corral_error err = { 0 };

	say_info(t, f, id);
	say_run(t, b, "pwd; echo out; echo err >&2; exit 3", 20000);
	say_run(t, b, "export X=1; cd /; echo x > /tmp/t; cat /tmp/t", 20000);
	say_run(t, b, "pwd; echo [$X]; cat /tmp/t", 20000);
	say_run(t, b, "echo before; sleep 60", 300);
	say_run(t, b, "no-such-program 2>/dev/null", 20000);
	say_files(t, b);
	say_run(t, b, "cat d/f; echo more >> d/f", 20000);
	say_background(t, b);
	say_result(t, "hibernate", corral_session_manager_hibernate(m, id, &err), &err);
	say_info(t, f, id);
	say_run(t, b, "cat d/f", 20000);
	say_info(t, f, id);
	ask.flags = CORRAL_SESSION_NEW;
	say_result(t, "anew",
	           corral_session_manager_get_or_create(m, &ask, &other, &err) == -EEXIST, &err);
	say_result(t, "release", corral_session_manager_release(m, id, 0, &err), &err);
	say_result(t, "again", corral_session_manager_release(m, id, 0, &err), &err);
	say_result(t, "released", corral_backend_start(b, &err) == -EPIPE, &err);
	corral_backend_close(b);
	ask.flags = CORRAL_SESSION_EXISTING;
	b = sessions_open(&f->s, &ask);
	say_run(t, b, "cat d/f", 20000);
	corral_backend_close(b);
	say_result(t, "purge", corral_session_manager_release(m, id, CORRAL_SESSION_PURGE, &err),
	           &err);
}

static void same_program_is_the_same_on_every_isolation(void **state)
{
	corral_autobuf struct corral_buf native = CORRAL_BUF_INIT, docker = CORRAL_BUF_INIT,
	                                 mixed = CORRAL_BUF_INIT;
	struct fixture *f = *state;

	if (!begin(f, true))
		return;
	program(f, "one", "boxed", &docker);
	assert_non_null(strstr(docker.data, "cat d/f -> 0, exit 0: one\n2\nmore\n|"));
	if (!can_launch())
		return;
	program(f, "one", "plain", &native);
	assert_string_equal(native.data, docker.data);
	/* Beside each other: one is there while the other comes and goes. */
	corral_backend_close(sessions_open(&f->s, &(struct corral_session_ask) {
	                                                  .id = "beside", .runtime = "boxed" }));
	program(f, "one", "plain", &mixed);
	assert_string_equal(mixed.data, native.data);
	assert_int_equal(corral_session_manager_count(f->s.m), 1);
}

/* --- Containers --- */

static bool there_is(struct fixture *f, const char *container)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "/containers/%s/json", container);
	return corral_docker_do(f->engine, "GET", path, NULL, NULL, NULL) == 0;
}

static void container_stays_with_all_that_is_in_it_until_it_is_purged(void **state)
{
	const struct corral_session_ask ask = { .id = "one", .runtime = "boxed" };
	corral_autobuf struct corral_buf t = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_session_info info;
	struct corral_backend *b;

	if (!begin(f, true))
		return;
	b = sessions_open(&f->s, &ask);
	say_run(&t, b, "echo x > /opt/installed", 20000);
	assert_true(there_is(f, "corral-session-one"));
	assert_int_equal(corral_session_manager_describe(f->s.m, "one", &info, &f->s.err), 0);
	assert_int_equal(info.isolation, CORRAL_ISOLATION_DOCKER);
	corral_backend_close(b);
	sessions_end(&f->s);
	sessions_store(&f->s);
	sessions_begin(&f->s);
	b = sessions_open(&f->s, &ask);
	t.len = 0;
	say_run(&t, b, "cat /opt/installed", 20000);
	assert_string_equal(t.data, "cat /opt/installed -> 0, exit 0: x\n|\n");
	corral_backend_close(b);
	assert_int_equal(corral_session_manager_release(f->s.m, "one", 0, &f->s.err), 1);
	assert_true(there_is(f, "corral-session-one"));
	assert_int_equal(corral_session_manager_release(f->s.m, "one", CORRAL_SESSION_PURGE,
	                                                &f->s.err),
	                 1);
	assert_false(there_is(f, "corral-session-one"));
}

static void each_call_has_a_container_of_its_own(void **state)
{
	const struct corral_session_ask ask = { .id = "calls", .runtime = "boxed-call" };
	corral_autobuf struct corral_buf t = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_backend *b;

	if (!begin(f, false))
		return;
	b = sessions_open(&f->s, &ask);
	say_run(&t, b, "echo kept > kept; echo x > /tmp/t; echo x > /opt/x", 20000);
	t.len = 0;
	say_run(&t, b, "cat kept; ls /tmp/t /opt/x 2>/dev/null", 20000);
	assert_non_null(strstr(t.data, "exit 2: kept\n|\n"));
	assert_true(corral_backend_exists(b, "kept"));
	assert_false(there_is(f, "corral-session-calls"));
	corral_backend_close(b);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(same_program_is_the_same_on_every_isolation),
		ROW(container_stays_with_all_that_is_in_it_until_it_is_purged),
		ROW(each_call_has_a_container_of_its_own),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
