/* tools/pump.h and tools/exitcode.h: bytes carried, counted and cut; statuses as promised. */
#include "tools/exitcode.c" /* NOLINT */
#include "tools/pump.c"     /* NOLINT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

struct pipes {
	int in[2], out[2];
	struct corral_pump pump;
};

static int setup(void **state)
{
	static struct pipes p;

	if (pipe2(p.in, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(p.out, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	corral_pump_init(&p.pump, p.in[0], p.out[1]);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct pipes *p = *state;

	for (int i = 0; i < 2; i++) {
		corral_fd_closep(&p->in[i]);
		corral_fd_closep(&p->out[i]);
	}
	return 0;
}

/* As somebody's loop would, until there is nothing to do at once. */
static void turn(struct pipes *p)
{
	struct pollfd want;

	for (;;) {
		corral_pump_want(&p->pump, &want);
		if (want.fd < 0 || poll(&want, 1, 0) <= 0)
			return;
		corral_pump_step(&p->pump, &want);
	}
}

static void bytes_arrive_and_are_counted(void **state)
{
	struct pipes *p = *state;
	uint64_t passed = 0;
	char got[16] = "";

	p->pump.passed = &passed;
	assert_int_equal(write(p->in[1], "hello", 5), 5);
	turn(p);
	assert_int_equal(read(p->out[0], got, sizeof(got)), 5);
	assert_string_equal(got, "hello");
	assert_int_equal(passed, 5);
	assert_false(corral_pump_done(&p->pump));
	corral_fd_closep(&p->in[1]);
	turn(p);
	assert_true(corral_pump_done(&p->pump));
}

static void slow_reader_makes_the_writer_wait_and_loses_nothing(void **state)
{
	struct pipes *p = *state;
	char block[4096];
	size_t written = 0, got = 0;

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 100; i++) {
		ssize_t n = write(p->in[1], block, sizeof(block));

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			turn(p);
			n = write(p->in[1], block, sizeof(block));
			if (n < 0)
				break; /* both pipes and the buffer are full */
		}
		written += (size_t)n;
	}
	assert_true(written >= 131072 && written < sizeof(block) * 100);
	corral_fd_closep(&p->in[1]);
	while (!corral_pump_done(&p->pump)) {
		ssize_t n = read(p->out[0], block, sizeof(block));

		got += n > 0 ? (size_t)n : 0;
		turn(p);
	}
	for (ssize_t n; (n = read(p->out[0], block, sizeof(block))) > 0;)
		got += (size_t)n;
	assert_int_equal(got, written);
}

static void budget_cuts_what_goes_beyond_it(void **state)
{
	struct pipes *p = *state;
	uint64_t budget = 7;
	char got[16] = "";

	p->pump.budget = &budget;
	assert_int_equal(write(p->in[1], "1234567", 7), 7);
	turn(p);
	assert_false(p->pump.cut);
	assert_int_equal(write(p->in[1], "89", 2), 2);
	turn(p);
	assert_true(p->pump.cut);
	assert_int_equal(read(p->out[0], got, sizeof(got)), 7);
	assert_string_equal(got, "1234567");
}

static void reader_that_has_gone_is_noticed(void **state)
{
	struct pipes *p = *state;

	corral_fd_closep(&p->out[0]);
	assert_int_equal(write(p->in[1], "x", 1), 1);
	turn(p);
	assert_int_equal(p->pump.to, -1);
	assert_false(corral_pump_done(&p->pump));
}

static void exit_statuses_are_those_of_docker_run_and_timeout(void **state)
{
	static const struct {
		struct corral_receipt receipt;
		int status;
	} cases[] = {
		{ { .reason = CORRAL_REASON_EXIT, .exit_code = 0 }, 0 },
		{ { .reason = CORRAL_REASON_EXIT, .exit_code = 42 }, 42 },
		{ { .reason = CORRAL_REASON_SIGNAL, .exit_code = -1, .signal = SIGSEGV }, 139 },
		{ { .reason = CORRAL_REASON_TIMEOUT, .exit_code = -1, .signal = SIGKILL }, 124 },
		{ { .reason = CORRAL_REASON_OOM, .exit_code = -1, .signal = SIGKILL }, 137 },
		{ { .reason = CORRAL_REASON_OOM, .exit_code = 1 }, 137 },
		{ { .reason = CORRAL_REASON_PIDS, .exit_code = 2 }, 2 },
		{ { .reason = CORRAL_REASON_DISK, .exit_code = -1, .signal = SIGBUS }, 135 },
		{ { .reason = CORRAL_REASON_OUTPUT, .exit_code = -1, .signal = SIGKILL }, 137 },
		{ { .reason = CORRAL_REASON_KILLED, .exit_code = 0 }, 137 },
		{ { .exec_error = ENOENT }, 127 },
		{ { .exec_error = ENOTDIR }, 127 },
		{ { .exec_error = EACCES }, 126 },
		{ { .exec_error = ENOEXEC }, 126 },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(cases); i++)
		assert_int_equal(corral_exit_status(&cases[i].receipt), cases[i].status);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bytes_arrive_and_are_counted),
		T(slow_reader_makes_the_writer_wait_and_loses_nothing),
		T(budget_cuts_what_goes_beyond_it),
		T(reader_that_has_gone_is_noticed),
		cmocka_unit_test(exit_statuses_are_those_of_docker_run_and_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
