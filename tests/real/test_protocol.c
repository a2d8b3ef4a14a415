/*
 * The parts of a backend's protocol that agents ask for less often: whole trees from one sandbox
 * into another, streams into files, terminals that are resized and signalled, and what a backend
 * says of itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "policy/config.h"
#include "tests/support.h"

#define PATIENCE_MS (corral_test_slow() ? 120000 : 20000)

struct fixture {
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct corral_backend *one, *two;
	struct corral_error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct corral_config *c = corral_config_new();
	const struct corral_native_options named = { .id = "the-first" };

	assert_non_null(f);
	assert_non_null(c);
	if (corral_policy_compile(c, NULL, &f->policy, &f->err) < 0)
		fail_msg("%s", f->err.text);
	corral_config_free(c);
	if (corral_launcher_open(0, &f->launcher, &f->err) == 0) {
		assert_int_equal(corral_native_sandbox_new(f->launcher, f->policy, &named, &f->one,
		                                           &f->err),
		                 0);
		assert_int_equal(corral_native_sandbox_new(f->launcher, f->policy, NULL, &f->two,
		                                           &f->err),
		                 0);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->one);
	corral_backend_close(f->two);
	if (f->launcher)
		corral_launcher_close(f->launcher);
	corral_policy_free(f->policy);
	free(f);
	return 0;
}

static bool missing(const struct fixture *f)
{
	if (!f->launcher)
		corral_test_skip("native isolation: %s", f->err.text);
	return !f->launcher;
}

static void assert_shell(struct fixture *f, struct corral_backend *b, const char *line,
                         const char *out)
{
	const struct corral_execute x = { .command = line, .timeout_ms = PATIENCE_MS };
	struct corral_executed e;

	if (corral_backend_execute(b, &x, &e, &f->err) < 0)
		fail_msg("%s: %s", line, f->err.text);
	if (e.exit_code != 0 || e.out.len != strlen(out) ||
	    (e.out.len && memcmp(e.out.data, out, e.out.len) != 0))
		fail_msg("%s: exit %d, '%.*s' and not '%s'", line, e.exit_code, (int)e.out.len,
		         e.out.data ? e.out.data : "", out);
	corral_executed_done(&e);
}

static void it_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	int64_t before;

	if (missing(f))
		return;
	assert_string_equal(corral_backend_kind(f->one), "native");
	assert_string_equal(corral_backend_id(f->one), "the-first");
	assert_int_equal(strlen(corral_backend_id(f->two)), 36);
	before = corral_backend_last_activity_ms(f->one);
	assert_false(corral_backend_is_alive(f->one));
	assert_shell(f, f->one, "sleep 0.02", "");
	assert_true(corral_backend_is_alive(f->one));
	assert_true(corral_backend_last_activity_ms(f->one) >= before + 20);
	assert_int_equal(corral_backend_busy(f->one), 0);
}

static void background_process_has_its_pid_inside(void **state)
{
	struct fixture *f = *state;
	struct corral_background bg;
	char line[64], wanted[16];

	if (missing(f))
		return;
	if (corral_backend_background_start(f->one, "exec sleep 100", &bg, &f->err) < 0)
		fail_msg("%s", f->err.text);
	/* Under a supervisor that is the sandbox's second process. */
	assert_true(bg.pid > 1 && bg.pid < 100);
	(void)snprintf(line, sizeof(line), "cut -d' ' -f1 /proc/%d/stat; kill -9 %d", bg.pid,
	               bg.pid);
	(void)snprintf(wanted, sizeof(wanted), "%d\n", bg.pid);
	assert_shell(f, f->one, line, wanted);
}

static void directories_are_made_and_looked_at(void **state)
{
	struct fixture *f = *state;
	struct corral_files_stat st;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_mkdir(f->one, "a/b/c", &f->err), 0);
	assert_int_equal(corral_backend_stat(f->one, "a/b/c", 0, &st, &f->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_DIRECTORY);
	assert_shell(f, f->one, "printf 12345 >a/f && chmod 640 a/f && ln -s f a/l", "");
	assert_int_equal(corral_backend_stat(f->one, "a/l", 0, &st, &f->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_REGULAR);
	assert_true(st.is_link && st.size == 5 && st.mode == 0640);
	assert_int_equal(corral_backend_stat(f->one, "a/l", CORRAL_FILES_NOFOLLOW, &st, &f->err),
	                 0);
	assert_int_equal(st.type, CORRAL_FILES_LINK);
	assert_int_equal(corral_backend_stat(f->one, "none", 0, &st, &f->err), -ENOENT);
}

/* --- Streams and trees --- */

struct counter {
	uint64_t left;
	int fail_with;
};

static long count_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct counter *c = ctx;
	size_t n = c->left < size ? (size_t)c->left : size;

	if (!n && c->fail_with)
		return corral_error_set(err, c->fail_with, "the source has broken");
	memset(data, 'x', n);
	c->left -= n;
	return (long)n;
}

static void stream_becomes_a_file_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct counter c = { .left = 5000000 };
	const struct corral_files_source source = { count_get, &c };

	if (missing(f))
		return;
	if (corral_backend_write_stream(f->one, "dir/big", 0600, &source, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_shell(f, f->one, "stat -c '%s %a' dir/big; tr -d x <dir/big | wc -c",
	             "5000000 600\n0\n");
	c = (struct counter) { .left = 1000000, .fail_with = EIO };
	assert_int_equal(corral_backend_write_stream(f->one, "dir/big", 0600, &source, &f->err),
	                 -EIO);
	assert_shell(f, f->one, "stat -c %s dir/big; ls -A dir", "5000000\nbig\n");
}

struct archive {
	struct corral_buf bytes;
	size_t at;
};

static int archive_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct archive *a = ctx;

	(void)err;
	corral_buf_add(&a->bytes, data, len);
	return 0;
}

static long archive_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct archive *a = ctx;
	size_t left = a->bytes.len - a->at, n = left < size ? left : size;

	(void)err;
	memcpy(data, a->bytes.data + a->at, n);
	a->at += n;
	return (long)n;
}

static void tree_goes_from_one_sandbox_into_another(void **state)
{
	struct fixture *f = *state;
	struct archive a = { .bytes = CORRAL_BUF_INIT };
	const struct corral_files_sink sink = { archive_put, &a };
	const struct corral_files_source source = { archive_get, &a };
	struct corral_files_copied out = { 0 }, in = { 0 };

	if (missing(f))
		return;
	assert_shell(f, f->one,
	             "mkdir -p t/sub && echo one >t/f && printf 'a\\0b' >'t/sub/a b' && "
	             "chmod 750 t/f && ln -s ../f t/sub/l",
	             "");
	if (corral_backend_tar_out(f->one, "t", &sink, &out, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_true(out.entries >= 4 && out.skipped == 0 && out.bytes == 7);
	if (corral_backend_tar_in(f->two, "here", &source, &in, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_true(in.skipped == 0 && in.bytes == 7);
	assert_shell(f, f->two,
	             "cat here/f; stat -c %a here/f; readlink here/sub/l; wc -c <'here/sub/a b'",
	             "one\n750\n../f\n3\n");
	assert_shell(f, f->two, "test ! -e t && echo apart", "apart\n");
	corral_buf_done(&a.bytes);
}

/* --- Terminals --- */

static void read_until(struct corral_terminal *t, const char *wanted)
{
	struct pollfd pfd = { .fd = corral_terminal_fd(t), .events = POLLIN };
	char text[2000] = "";
	size_t len = 0;

	while (!strstr(text, wanted)) {
		ssize_t n = -1;

		if (len < sizeof(text) - 1 && poll(&pfd, 1, PATIENCE_MS) > 0)
			n = read(pfd.fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			fail_msg("'%s' is not in '%s'", wanted, text);
		len += (size_t)n;
		text[len] = '\0';
	}
}

static void terminal_is_resized_and_signalled(void **state)
{
	char *const argv[] = {
		(char *)"sh", (char *)"-c",
		(char *)"trap 'echo size $(stty size)' WINCH; trap 'exit 9' USR1; echo ready; "
		        "while :; do sleep 0.01; done",
		NULL
	};
	const struct corral_terminal_options o = { .argv = argv, .rows = 24, .cols = 80 };
	struct fixture *f = *state;
	struct corral_terminal *t = NULL;
	struct pollfd pfd = { .events = POLLIN };
	int status = -1;

	if (missing(f))
		return;
	if (corral_backend_terminal_open(f->one, &o, &t, &f->err) < 0)
		fail_msg("%s", f->err.text);
	read_until(t, "ready");
	assert_int_equal(corral_terminal_resize(t, 50, 132, &f->err), 0);
	read_until(t, "size 50 132");
	pfd.fd = corral_terminal_event_fd(t);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(corral_terminal_signal(t, SIGUSR1, &f->err), 0);
	assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
	assert_int_equal(corral_terminal_wait(t, PATIENCE_MS, &status, &f->err), 0);
	assert_int_equal(status, 9);
	corral_terminal_close(t);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(it_says_what_it_is),
		ROW(background_process_has_its_pid_inside),
		ROW(directories_are_made_and_looked_at),
		ROW(stream_becomes_a_file_or_nothing),
		ROW(tree_goes_from_one_sandbox_into_another),
		ROW(terminal_is_resized_and_signalled),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
