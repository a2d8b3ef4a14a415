/*
 * A container that our program cannot be put into: everything by execs of its own shell. Slow, so
 * only what differs by that is here; the rest is proved by the contract suite (contract.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "tests/docker/plain_container.h"
#include "tests/docker/sandbox_support.h"

#define PLAIN  NAME_PREFIX "plain"
#define NO_TAR NAME_PREFIX "no-tar"

static struct corral_docker_options own_options(void)
{
	return (struct corral_docker_options) { .container_name = PLAIN };
}

static int plain_setup(void **state)
{
	struct fixture *f;

	if (all_setup(state) < 0)
		return -1;
	f = *state;
	if (!f->engine)
		return 0;
	container_remove(f, PLAIN);
	return tell(f, "POST", "/containers/create?name=" PLAIN, corral_test_plain_container());
}

static int plain_teardown(void **state)
{
	struct fixture *f = *state;

	if (f->engine) {
		container_remove(f, PLAIN);
		container_remove(f, NO_TAR);
	}
	return all_teardown(state);
}

static void commands_end_as_elsewhere(void **state)
{
	char *const env[] = { (char *)"NEW=1", NULL };
	char *const none[] = { (char *)"no-such-program", NULL };
	char *const no_program[] = { (char *)"/etc/passwd", NULL };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	assert_shell(&f->on, "test ! -e /.corral && pwd", 0, "/workspace\n");
	e = execute(&f->on, &(struct corral_execute) { .command = "echo out; echo err >&2; cat; "
	                                                          "echo $NEW; exit 7",
	                                               .timeout_ms = PATIENCE_MS,
	                                               .env = env,
	                                               .separate = true,
	                                               .stdin_data = "a\0b\n",
	                                               .stdin_len = 4 });
	assert_int_equal(e.out.len, 10);
	assert_memory_equal(e.out.data, "out\na\0b\n1\n", 10);
	assert_text(&e.err, "err\n");
	assert_int_equal(e.exit_code, 7);
	corral_executed_done(&e);
	e = execute(&f->on, &(struct corral_execute) {
	                            .argv = none, .timeout_ms = PATIENCE_MS, .separate = true });
	assert_int_equal(e.exit_code, 127);
	/* The engine's own words may have come as output. */
	assert_says(e.out.len ? e.out.data : e.err.data, "no-such-program");
	corral_executed_done(&e);
	e = execute(&f->on, &(struct corral_execute) { .argv = no_program,
	                                               .timeout_ms = PATIENCE_MS,
	                                               .separate = true });
	assert_int_equal(e.exit_code, 126);
	corral_executed_done(&e);
}

static void timeout_ends_the_tree(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(&f->on, &(struct corral_execute) {
	                            .command = "echo before; trap '' TERM; (setsid sleep 4720 &); "
	                                       "sleep 4720",
	                            .timeout_ms = 1500 });
	assert_true(e.timed_out);
	assert_int_equal(e.exit_code, 124);
	assert_text(&e.out, "before\n");
	corral_executed_done(&e);
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 472[0]'",
	             1, "0\n");
}

static void *stop_plain(void *arg)
{
	struct fixture *f = arg;
	struct corral_error err = { 0 };

	return corral_backend_stop(f->on.b, "plain", &err) < 0 ? f : NULL;
}

static void runs_are_stopped_by_their_name(void **state)
{
	char *const argv[] = { (char *)"sh", (char *)"-c",
		               (char *)"trap 'echo asked; exit 3' TERM; echo up; sleep 4721 & wait",
		               NULL };
	struct fixture *f = *state;
	struct corral_executed e;
	struct other other;

	if (missing(f))
		return;
	other_start(&other, stop_plain, f);
	e = execute(&f->on, &(struct corral_execute) { .argv = argv,
	                                               .run_id = "plain",
	                                               .on_output = other_hears,
	                                               .ctx = &other,
	                                               .timeout_ms = PATIENCE_MS });
	assert_null(other_end(&other));
	assert_true(e.cancelled && !e.timed_out);
	assert_text(&e.out, "up\nasked\n");
	corral_executed_done(&e);
}

static void files_are_served_by_its_shell(void **state)
{
	struct corral_files_edit edit = { "two", 3, "TWO", 3, false };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_buf text = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	uint64_t n;

	if (missing(f))
		return;
	OK(f, corral_backend_write(f->on.b, "dir/a.txt", "one\ntwo\n", 8, &f->on.err));
	OK(f, corral_backend_edit(f->on.b, "dir/a.txt", &edit, &n, &f->on.err));
	OK(f, corral_backend_read_bytes(f->on.b, "dir/a.txt", 0, &text, &f->on.err));
	assert_text(&text, "one\nTWO\n");
	corral_buf_done(&text);
	OK(f, corral_backend_ls(f->on.b, "dir", &rows, &f->on.err));
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
	OK(f, corral_backend_grep(f->on.b,
	                          &(struct corral_files_grep) { .pattern = "T.O", .path = "." },
	                          &found, &f->on.err));
	assert_int_equal(found.n, 1);
	corral_files_matches_done(&found);
	FAILS(f, corral_backend_read_bytes(f->on.b, "none", 0, &text, &f->on.err), ENOENT, "none");
}

static void trees_go_out_and_in(void **state)
{
	struct archive a = { .bytes = CORRAL_BUF_INIT };
	const struct corral_files_sink sink = { archive_put, &a };
	const struct corral_files_source source = { archive_get, &a };
	struct corral_files_copied out = { 0 }, in = { 0 };
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_shell(&f->on,
	             "mkdir -p t/sub && echo one >t/f && printf 'a\\0b' >'t/sub/a b' && "
	             "ln -s ../f t/sub/l",
	             0, "");
	OK(f, corral_backend_tar_out(f->on.b, "t", &sink, &out, &f->on.err));
	OK(f, corral_backend_tar_in(f->on.b, "new/t", &source, &in, &f->on.err));
	assert_shell(&f->on, "diff -r t new/t && readlink new/t/sub/l", 0, "../f\n");
	corral_buf_done(&a.bytes);
	FAILS(f, corral_backend_tar_out(f->on.b, "t/f", &sink, &out, &f->on.err), ENOTDIR, "t/f");
}

/* One member of the ustar format, of another's, with every bit of a mode. */
static void member_add(struct corral_buf *b, const char *name, char type, const char *text)
{
	char head[512] = "", data[512] = "";
	unsigned int sum = 0;

	(void)snprintf(head, 100, "%s", name);
	(void)snprintf(head + 100, 8, "%07o", 06777);
	(void)snprintf(head + 108, 8, "%07o", 1234);
	(void)snprintf(head + 116, 8, "%07o", 1234);
	(void)snprintf(head + 124, 12, "%011o", (unsigned int)strlen(text));
	(void)snprintf(head + 136, 12, "%011o", 0);
	memset(head + 148, ' ', 8);
	head[156] = type;
	memcpy(head + 257, "ustar\00000", 8);
	(void)snprintf(head + 329, 8, "%07o", 1);
	(void)snprintf(head + 337, 8, "%07o", 1);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += (unsigned char)head[i];
	(void)snprintf(head + 148, 8, "%06o", sum);
	(void)snprintf(data, sizeof(data), "%s", text);
	corral_buf_add(b, head, sizeof(head));
	if (*text)
		corral_buf_add(b, data, sizeof(data));
}

static void archives_in_make_nothing_that_a_command_there_could_not(void **state)
{
	struct archive a = { .bytes = CORRAL_BUF_INIT };
	const struct corral_files_source source = { archive_get, &a };
	struct corral_files_copied in = { 0 };
	struct fixture *f = *state;

	if (missing(f))
		return;
	member_add(&a.bytes, "root", '0', "hi\n");
	member_add(&a.bytes, "memory", '3', "");
	corral_buf_add(&a.bytes, (const char[1024]) { 0 }, 1024);
	FAILS(f, corral_backend_tar_in(f->on.b, "hostile", &source, &in, &f->on.err), EIO,
	      "the container's tar ended with");
	assert_shell(&f->on, "stat -c '%a %u:%g' hostile/root; test -e hostile/memory || echo none",
	             0, "755 0:0\nnone\n");
	corral_buf_done(&a.bytes);
}

static void no_tar_make(struct fixture *f)
{
	json_t *body = corral_test_plain_container();

	(void)json_object_set_new(json_object_get(body, "HostConfig"), "Binds",
	                          json_pack("[s]", "/dev/null:/usr/bin/tar:ro"));
	container_remove(f, NO_TAR);
	OK(f, tell(f, "POST", "/containers/create?name=" NO_TAR, body));
}

/* Nor by the engine instead, which would do it as the host's root. */
static void without_a_tar_of_its_own_no_trees_go_out_and_in(void **state)
{
	struct archive a = { .bytes = CORRAL_BUF_INIT };
	const struct corral_files_sink sink = { archive_put, &a };
	const struct corral_files_source source = { archive_get, &a };
	struct corral_files_copied copied = { 0 };
	struct fixture *f = *state;
	struct corral_backend *b;

	if (missing(f))
		return;
	no_tar_make(f);
	b = sandbox(f, (struct corral_docker_options) { .container_name = NO_TAR });
	assert_shell_in(f, b, "test ! -e /.corral && mkdir t && echo one >t/f", 0, "");
	FAILS(f, corral_backend_tar_out(b, "t", &sink, &copied, &f->on.err), EOPNOTSUPP,
	      "by its own tar, and it has none");
	FAILS(f, corral_backend_tar_in(b, "t", &source, &copied, &f->on.err), EOPNOTSUPP,
	      "by its own tar, and it has none");
	assert_shell_in(f, b, "ls t", 0, "f\n");
	corral_buf_done(&a.bytes);
}

static void what_takes_our_program_is_not_to_be_had(void **state)
{
	const struct corral_terminal_options o = { .rows = 24, .cols = 80 };
	struct fixture *f = *state;
	struct corral_terminal *t = NULL;
	struct corral_background g;

	if (missing(f))
		return;
	FAILS(f, corral_backend_background_start(f->on.b, "true", &g, &f->on.err), EOPNOTSUPP,
	      "our program");
	FAILS(f, corral_backend_terminal_open(f->on.b, &o, &t, &f->on.err), EOPNOTSUPP,
	      "our program");
}

/* The last, as nothing is left of it. */
static void its_death_is_told(void **state)
{
	const struct corral_execute x = { .command = "true", .timeout_ms = PATIENCE_MS };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	OK(f, corral_backend_start(f->on.b, &f->on.err));
	container_tell(f, PLAIN, "kill");
	FAILS(f, corral_backend_execute(f->on.b, &x, &e, &f->on.err), EPIPE, "start it again");
	corral_executed_done(&e);
	OK(f, corral_backend_start(f->on.b, &f->on.err));
	assert_shell(&f->on, "ls", 0, "");
	container_tell(f, PLAIN, "kill");
	FAILS(f, corral_backend_ls(f->on.b, ".", &(struct corral_files_rows) { 0 }, &f->on.err),
	      EPIPE, "start it again");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(commands_end_as_elsewhere),
		ROW(timeout_ends_the_tree),
		ROW(runs_are_stopped_by_their_name),
		ROW(files_are_served_by_its_shell),
		ROW(trees_go_out_and_in),
		ROW(archives_in_make_nothing_that_a_command_there_could_not),
		ROW(without_a_tar_of_its_own_no_trees_go_out_and_in),
		ROW(what_takes_our_program_is_not_to_be_had),
		ROW(its_death_is_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, plain_setup, plain_teardown);
}
