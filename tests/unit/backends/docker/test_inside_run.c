/*
 * backends/docker/process.c with the real program in a box of its own, without an engine; and with
 * tests in the place of the program, or of the host, that say what neither ever says.
 */
#include "tests/unit/backends/docker/inside_support.h"

#include <sys/mman.h>
#include <sys/time.h>

#include "backends/docker/frame.h"
#include "backends/execute.h"

/* --- Ways to run --- */

static int place_start(void *place, const struct corral_command *c, void **ret,
                       struct corral_error *err)
{
	struct corral_docker_process *p = NULL;
	struct box *b = place;
	const struct corral_docker_start s = {
		.argv = c->argv,
		.env = c->env,
		.guest_dir = c->guest_dir,
		.stdin_fd = c->stdin_fd,
		.stdout_fd = c->stdout_fd,
		.stderr_fd = c->stderr_fd,
	};
	int r = corral_docker_process_start_take(box_stream(b, "run"), b->multiplexed, &s, &p, err);

	*ret = p;
	return r;
}

static int place_event_fd(const void *p)
{
	return corral_docker_process_event_fd(p);
}

static int place_dispatch(void *p, struct corral_error *err)
{
	return corral_docker_process_dispatch(p, err);
}

static int place_signal(void *p, int signo)
{
	return corral_docker_process_signal(p, signo);
}

static void place_kill(void *p, enum corral_reason reason)
{
	corral_docker_process_kill(p, reason);
}

static const struct corral_receipt *place_receipt(const void *p)
{
	return corral_docker_process_receipt(p);
}

static void place_close(void *p)
{
	corral_docker_process_close(p);
}

static const struct corral_execute_ops place_ops = {
	.start = place_start,
	.event_fd = place_event_fd,
	.dispatch = place_dispatch,
	.signal = place_signal,
	.kill = place_kill,
	.receipt = place_receipt,
	.close = place_close,
};

static struct corral_executed execute(struct box *b, struct corral_execute x)
{
	static char *const env[] = { (char *)"PATH=/usr/local/bin:/usr/bin:/bin", NULL };
	struct corral_executed e = { 0 };

	x.timeout_ms = x.timeout_ms ? x.timeout_ms : PATIENCE_MS;
	x.output_bytes = x.output_bytes ? x.output_bytes : 64u << 20;
	if (!x.env)
		x.env = env;
	OK(b, corral_execute_with(&place_ops, b, &x, NULL, -1, &e, &b->err));
	return e;
}

static void assert_runs(struct box *b, const char *line, int exit_code, const char *out)
{
	struct corral_executed e = execute(b, (struct corral_execute) { .command = line });

	assert_string_equal(e.out.data ? e.out.data : "", out);
	assert_int_equal(e.exit_code, exit_code);
	corral_executed_done(&e);
}

/* Starts a shell with that line; streams of -1 but for those given. */
static struct corral_docker_process *shell_start(struct box *b, const char *line,
                                                 struct corral_docker_start s)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)line, NULL };
	struct corral_docker_process *p = NULL;

	s.argv = argv;
	OK(b,
	   corral_docker_process_start_take(box_stream(b, "run"), b->multiplexed, &s, &p, &b->err));
	return p;
}
#define NO_STREAMS .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1

static bool read_until(int fd, const char *text, struct corral_buf *all)
{
	const uint64_t until = corral_now_ms() + (uint64_t)PATIENCE_MS;

	while (corral_now_ms() < until) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char data[4096];
		ssize_t n;

		if (all->data && strstr(all->data, text))
			return true;
		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = read(fd, data, sizeof(data));
		if (n <= 0)
			return false;
		corral_buf_add(all, data, (size_t)n);
	}
	return false;
}

static char *box_read(const struct box *b, const char *name)
{
	const uint64_t until = corral_now_ms() + (uint64_t)PATIENCE_MS;
	struct corral_buf text = CORRAL_BUF_INIT;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	while (corral_now_ms() < until) {
		corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			assert_int_equal(corral_buf_read_fd(&text, fd, 1u << 20), 0);
			return corral_buf_take(&text);
		}
		(void)usleep(2000);
	}
	fail_msg("%s is not there", path);
	return NULL;
}

static void box_touch(const struct box *b, const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	(void)close(fd);
}

/* --- What a command is --- */

static void its_end_and_its_output_come_through(void **state)
{
	BOX(b, state);

	assert_runs(b, "echo out; exit 3", 3, "out\n");
	assert_runs(b, "true", 0, "");
	assert_runs(b, "kill -9 $$", 128 + 9, "");
	assert_runs(b, "kill -TERM $$", 128 + 15, "");
	assert_runs(b, "pwd -P", 0, (snprintf(b->err.text, 100, "%s\n", b->dir), b->err.text));
	/* Nothing of the program's but the three streams. */
	assert_runs(b, "echo $(ls /proc/self/fd)", 0, "0 1 2 3\n");
	assert_runs(b, "grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2 | uniq", 0,
	            "0000000000000000\n");
	assert_box_empty(b);
}

static void streams_arguments_environment_and_directory_arrive(void **state)
{
	char *const argv[] = { (char *)"sh",
		               (char *)"-c",
		               (char *)"cat; printf '%s|%s|%s' \"$1\" \"$K\" \"$PWD\" >&2",
		               (char *)"x",
		               (char *)"$HOME *",
		               NULL };
	char *const env[] = { (char *)"K=V W", NULL };
	struct corral_executed e;
	BOX(b, state);

	e = execute(b, (struct corral_execute) { .argv = argv,
	                                         .env = env,
	                                         .guest_dir = "/usr",
	                                         .separate = true,
	                                         .stdin_data = "in\0put",
	                                         .stdin_len = 6 });
	assert_int_equal(e.out.len, 6);
	assert_memory_equal(e.out.data, "in\0put", 6);
	assert_string_equal(e.err.data, "$HOME *|V W|/usr");
	assert_int_equal(e.exit_code, 0);
	corral_executed_done(&e);
	/* One pipe for both keeps their order; without input there is none. */
	assert_runs(b, "for i in 1 2 3; do echo o$i; echo e$i >&2; done", 0,
	            "o1\ne1\no2\ne2\no3\ne3\n");
	assert_runs(b, "cat; echo end", 0, "end\n");
}

static void what_cannot_be_executed_says_why(void **state)
{
	static const struct {
		const char *program, *guest_dir;
		int exit_code, error;
	} cases[] = {
		{ "corral-no-such-program", NULL, 127, ENOENT },
		{ "/no/such", NULL, 127, ENOENT },
		{ "", NULL, 127, ENOENT },
		{ "./text", NULL, 126, EACCES },
		{ "/", NULL, 126, EACCES },
		{ "./noise", NULL, 126, ENOEXEC },
		{ "./script", NULL, 127, ENOENT },
		{ "./text/x", NULL, 127, ENOTDIR },
		{ "/bin/true", "/no/such", 127, ENOENT },
	};
	BOX(b, state);

	assert_runs(b,
	            "echo x >text; echo x >noise; echo '#!/no/such' >script; chmod +x noise script",
	            0, "");
	for (size_t i = 0; i < CORRAL_COUNT(cases); i++) {
		char *const argv[] = { (char *)(uintptr_t)cases[i].program, NULL };
		struct corral_executed e =
		        execute(b, (struct corral_execute) { .argv = argv,
		                                             .guest_dir = cases[i].guest_dir });

		assert_int_equal(e.receipt.exec_error, cases[i].error);
		assert_int_equal(e.exit_code, cases[i].exit_code);
		assert_non_null(strstr(e.err.data, strerror(cases[i].error)));
		corral_executed_done(&e);
	}
	assert_box_empty(b);
}

static void ten_megabytes_go_each_way(void **state)
{
	const size_t len = 10u << 20;
	char *const argv[] = { (char *)"tee", (char *)"/dev/stderr", NULL };
	struct corral_executed e;
	char *data;
	BOX(b, state);

	data = malloc(len);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	e = execute(b,
	            (struct corral_execute) {
	                    .argv = argv, .separate = true, .stdin_data = data, .stdin_len = len });
	assert_int_equal(e.exit_code, 0);
	assert_int_equal(e.out.len, len);
	assert_int_equal(e.err.len, len);
	assert_memory_equal(e.out.data, data, len);
	assert_memory_equal(e.err.data, data, len);
	corral_executed_done(&e);
	/* And nobody has to read it. */
	e = execute(b, (struct corral_execute) {
	                       .command = "echo x", .stdin_data = data, .stdin_len = len });
	assert_int_equal(e.exit_code, 0);
	corral_executed_done(&e);
	free(data);
}

static void the_receipt_tells_what_it_took(void **state)
{
	struct corral_executed e;
	BOX(b, state);

	e = execute(b, (struct corral_execute) {
	                       .command = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done" });
	assert_int_equal(e.receipt.reason, CORRAL_REASON_EXIT);
	assert_true(e.receipt.user_usec > 1000 && e.receipt.user_usec < 60000000);
	assert_true(e.receipt.wall_usec >= e.receipt.user_usec / 2);
	assert_true(e.receipt.memory_peak_bytes > 100000 &&
	            e.receipt.memory_peak_bytes < 100u << 20);
	assert_true(e.receipt.pids_peak == UINT64_MAX && e.receipt.written_bytes == UINT64_MAX);
	corral_executed_done(&e);
}

/* --- What it leaves --- */

static void what_it_leaves_is_ended(void **state)
{
	BOX(b, state);

	assert_runs(b, "(setsid sleep 1000 &) ; setsid sh -c 'sleep 1000 & sleep 1000' & echo x", 0,
	            "x\n");
	assert_box_empty(b);
	/* A daemon that holds the output open, deaf to all that it can be deaf to. */
	assert_runs(b,
	            "(trap '' HUP TERM INT; setsid sh -c 'while :; do sleep 1; done' &) ; exit 4",
	            4, "");
	assert_box_empty(b);
	assert_runs(b, "i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i+1)); done; kill -STOP $!",
	            0, "");
	assert_box_empty(b);
}

static void one_that_forks_without_end_is_ended(void **state)
{
	struct corral_executed e;
	BOX(b, state);

	e = execute(b, (struct corral_execute) {
	                       .command = "f() { sleep 0.01; f & exit; }; f & f & f & f & "
	                                  "while :; do sleep 1; done",
	                       .timeout_ms = 300 });
	assert_true(e.timed_out);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_TIMEOUT);
	assert_int_equal(e.receipt.signal, SIGKILL);
	corral_executed_done(&e);
	assert_box_empty(b);
}

static void nobody_elses_processes_are_touched(void **state)
{
	struct corral_docker_process *p;
	BOX(b, state);

	p = shell_start(b, "sleep 1000 & sleep 1000", (struct corral_docker_start) { NO_STREAMS });
	assert_runs(b, "(setsid sleep 1000 &) ; exit 0", 0, "");
	assert_int_equal(corral_docker_process_wait(p, 100, NULL), -ETIMEDOUT);
	assert_true(box_count(b) >= 3);
	corral_docker_process_close(p);
	assert_box_empty(b);
}

/* What START says, as the host writes it. */
static void order_send(int fd, const char *line, unsigned int flags)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)line, NULL };
	const struct corral_docker_order o = { .flags = flags, .argv = argv };
	corral_autobuf struct corral_buf buf = CORRAL_BUF_INIT;

	assert_int_equal(corral_docker_order_add(&buf, &o), 0);
	assert_int_equal(write(fd, buf.data, buf.len), buf.len);
}

static void the_end_of_the_connection_ends_its_tree(void **state)
{
	struct corral_docker_frame_head head;
	int host, inside;
	BOX(b, state);

	box_pair(b, &host, &inside);
	(void)box_exec(b, "run", inside);
	order_send(host, "setsid sleep 1000 & while :; do echo flood; done", 0);
	assert_int_equal(recv(host, &head, sizeof(head), MSG_WAITALL), sizeof(head));
	(void)usleep(50000);
	assert_true(box_count(b) >= 2);
	(void)close(host);
	assert_box_empty(b);
}

/* --- Slow and absent readers --- */

static void a_flood_that_nobody_reads_can_be_killed(void **state)
{
	struct corral_docker_process *p;
	uint64_t began;
	int ends[2];
	BOX(b, state);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p = shell_start(b, "yes & yes >&2",
	                (struct corral_docker_start) {
	                        .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = ends[1] });
	assert_int_equal(corral_docker_process_wait(p, 300, NULL), -ETIMEDOUT);
	began = corral_now_ms();
	corral_docker_process_kill(p, CORRAL_REASON_OUTPUT);
	/* By itself, before it would have been given up. */
	assert_true(corral_now_ms() - began < 4500 || corral_test_slow());
	assert_int_equal(corral_docker_process_receipt(p)->reason, CORRAL_REASON_OUTPUT);
	assert_int_equal(corral_docker_process_receipt(p)->signal, SIGKILL);
	assert_false(corral_docker_process_is_lost(p));
	assert_int_equal(corral_docker_process_dispatch(p, NULL), 1);
	corral_docker_process_close(p);
	assert_box_empty(b);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void one_command_after_the_other_over_one_stream(void **state)
{
	struct corral_docker_stream *stream;
	int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	BOX(b, state);

	stream = box_stream(b, "run");
	for (int i = 0; i < 20; i++) {
		char *const argv[] = { (char *)"/bin/sh", (char *)"-c",
			               (char *)(i % 2 ? "sleep 1000 & exit 3" : "kill -9 $$"),
			               NULL };
		/* Input that nobody reads must not be taken for the next one's. */
		const struct corral_docker_start s = {
			.argv = argv, .stdin_fd = zeros, .stdout_fd = -1, .stderr_fd = -1
		};
		struct corral_docker_process *p = NULL;

		OK(b, corral_docker_process_start_take(stream, b->multiplexed, &s, &p, &b->err));
		assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
		assert_int_equal(corral_docker_process_receipt(p)->exit_code, i % 2 ? 3 : -1);
		stream = corral_docker_process_stream_take(p);
		if (!stream)
			stream = box_stream(b, "run"); /* a word was half said */
		assert_null(corral_docker_process_stream_take(p));
		corral_docker_process_close(p);
	}
	corral_docker_stream_close(stream);
	(void)close(zeros);
	assert_box_empty(b);
}

static void its_stream_is_given_back_for_the_next(void **state)
{
	struct corral_docker_stream *stream, *again;
	struct corral_docker_process *p;
	char *const argv[] = { (char *)"/bin/true", NULL };
	const struct corral_docker_start s = { .argv = argv, NO_STREAMS };
	BOX(b, state);

	stream = box_stream(b, "run");
	for (int i = 0; i < 3; i++) {
		OK(b, corral_docker_process_start_take(stream, b->multiplexed, &s, &p, &b->err));
		assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
		again = corral_docker_process_stream_take(p);
		assert_ptr_equal(again, stream);
		corral_docker_process_close(p);
	}
	assert_int_equal(box_count(b), 1);
	corral_docker_stream_close(stream);
	assert_box_empty(b);
}

static void a_slow_reader_gets_it_all_before_the_end(void **state)
{
	struct corral_docker_process *p;
	size_t got = 0;
	char data[20000];
	int ends[2];
	ssize_t n;
	BOX(b, state);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p = shell_start(b, "head -c 1000000 /dev/zero",
	                (struct corral_docker_start) {
	                        .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = -1 });
	(void)close(ends[1]);
	assert_int_equal(corral_docker_process_wait(p, 400, NULL), -ETIMEDOUT);
	while ((n = read(ends[0], data, sizeof(data))) > 0) {
		got += (size_t)n;
		(void)usleep(2000);
	}
	assert_int_equal(got, 1000000);
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	assert_int_equal(corral_docker_process_receipt(p)->exit_code, 0);
	corral_docker_process_close(p);
	(void)close(ends[0]);
}

static void a_reader_that_left_is_a_broken_pipe(void **state)
{
	struct corral_docker_process *p;
	int ends[2];
	BOX(b, state);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p = shell_start(b, "exec yes",
	                (struct corral_docker_start) {
	                        .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = -1 });
	(void)close(ends[1]);
	(void)close(ends[0]);
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	assert_int_equal(corral_docker_process_receipt(p)->signal, SIGPIPE);
	corral_docker_process_close(p);
}

static void input_comes_as_it_is_given(void **state)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_docker_process *p;
	int in[2], ends[2];
	BOX(b, state);

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p = shell_start(b, "while read x; do echo got $x; done; echo end",
	                (struct corral_docker_start) {
	                        .stdin_fd = in[0], .stdout_fd = ends[1], .stderr_fd = -1 });
	(void)close(in[0]);
	(void)close(ends[1]);
	assert_int_equal(write(in[1], "a\n", 2), 2);
	assert_true(read_until(ends[0], "got a\n", &out));
	assert_int_equal(write(in[1], "b\n", 2), 2);
	assert_true(read_until(ends[0], "got b\n", &out));
	(void)close(in[1]);
	assert_true(read_until(ends[0], "end\n", &out));
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	corral_docker_process_close(p);
	(void)close(ends[0]);
}

static void signals_reach_its_group(void **state)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_docker_process *p;
	int ends[2];
	BOX(b, state);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p = shell_start(b,
	                "trap 'echo usr1' USR1; trap 'exit 7' TERM; echo ready; "
	                "while :; do sleep 0.05; done",
	                (struct corral_docker_start) {
	                        .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = -1 });
	(void)close(ends[1]);
	assert_true(read_until(ends[0], "ready\n", &out));
	assert_int_equal(corral_docker_process_signal(p, 65), -EINVAL);
	assert_int_equal(corral_docker_process_signal(p, SIGUSR1), 0);
	assert_true(read_until(ends[0], "usr1\n", &out));
	assert_int_equal(corral_docker_process_signal(p, SIGTERM), 0);
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	assert_int_equal(corral_docker_process_receipt(p)->exit_code, 7);
	assert_int_equal(corral_docker_process_signal(p, SIGTERM), -ESRCH);
	corral_docker_process_close(p);
	(void)close(ends[0]);
}

/* --- The terminal --- */

static void a_terminal_has_a_size_and_an_end(void **state)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_docker_process *p;
	int tty;
	BOX(b, state);

	p = shell_start(b, "trap 'stty size' WINCH; tty; stty size; cat; echo bye; exit 5",
	                (struct corral_docker_start) { .tty = true, .rows = 33, .cols = 77 });
	tty = corral_docker_process_tty(p);
	assert_true(read_until(tty, "/dev/", &out));
	assert_true(read_until(tty, "33 77", &out));
	assert_int_equal(write(tty, "line\n", 5), 5);
	assert_true(read_until(tty, "line\r\nline\r\n", &out));
	assert_int_equal(corral_docker_process_resize(p, 44, 99), 0);
	assert_int_equal(shutdown(tty, SHUT_WR), 0);
	assert_true(read_until(tty, "44 99", &out));
	assert_true(read_until(tty, "bye", &out));
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	assert_int_equal(corral_docker_process_receipt(p)->exit_code, 5);
	assert_false(read_until(tty, "never", &out));
	corral_docker_process_close(p);
}

static void writing_to_a_terminal_that_ended_is_no_signal(void **state)
{
	struct corral_docker_process *p;
	char data[4096] = { 0 };
	BOX(b, state);

	p = shell_start(b, "exit 6", (struct corral_docker_start) { .tty = true });
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	/* More than any buffer between. */
	for (int i = 0; i < 500; i++)
		assert_int_equal(write(corral_docker_process_tty(p), data, sizeof(data)),
		                 sizeof(data));
	corral_docker_process_close(p);
}

/* --- The background --- */

static struct corral_docker_process *background_start(struct box *b, const char *line)
{
	char out[96], err_out[96];

	(void)snprintf(out, sizeof(out), "%s/deep/er/out", b->dir);
	(void)snprintf(err_out, sizeof(err_out), "%s/deep/err", b->dir);
	return shell_start(b, line,
	                   (struct corral_docker_start) { NO_STREAMS, .background = true,
	                                                  .out_path = out, .err_path = err_out });
}

static void the_background_outlives_its_connection(void **state)
{
	struct corral_docker_process *p;
	char path[128], *text;
	struct stat st;
	BOX(b, state);

	p = background_start(b, "echo one; echo two >&2; sleep 0.3; echo three; "
	                        "(setsid sleep 1000 &); exit 3");
	assert_true(corral_docker_process_pid(p) > 1);
	corral_docker_process_close(p);
	(void)snprintf(path, sizeof(path), "%s/deep/er/out.exit", b->dir);
	assert_int_equal(access(path, F_OK), -1);
	text = box_read(b, "deep/er/out.exit");
	assert_string_equal(text, "code 3\n");
	free(text);
	text = box_read(b, "deep/er/out");
	assert_string_equal(text, "one\nthree\n");
	free(text);
	text = box_read(b, "deep/err");
	assert_string_equal(text, "two\n");
	free(text);
	(void)snprintf(path, sizeof(path), "%s/deep/er/out", b->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_box_empty(b);
}

static void the_background_can_be_killed_while_connected(void **state)
{
	struct corral_docker_process *p;
	char *text;
	BOX(b, state);

	p = background_start(b, "(setsid sleep 1000 &); sleep 1000");
	assert_int_equal(corral_docker_process_wait(p, 50, NULL), -ETIMEDOUT);
	corral_docker_process_kill(p, CORRAL_REASON_KILLED);
	assert_int_equal(corral_docker_process_receipt(p)->signal, SIGKILL);
	corral_docker_process_close(p);
	text = box_read(b, "deep/er/out.exit");
	assert_string_equal(text, "signal 9\n");
	free(text);
	assert_box_empty(b);
}

/* As whoever has its number only does it. */
static void the_background_can_be_signalled_by_its_number(void **state)
{
	struct corral_docker_process *p;
	char line[160], *text;
	int pid;
	BOX(b, state);

	p = background_start(b, "sleep 1000 & wait");
	pid = corral_docker_process_pid(p);
	corral_docker_process_close(p);
	(void)snprintf(line, sizeof(line), "%s signal %d 15; echo $?", b->program, pid);
	assert_runs(b, line, 0, "0\n");
	text = box_read(b, "deep/er/out.exit");
	assert_string_equal(text, "signal 15\n");
	free(text);
	assert_box_empty(b);
	assert_runs(b, line, 0, "1\n");
	/* Nobody else's. */
	(void)snprintf(line, sizeof(line), "sleep 1000 & %s signal $! 15; echo $?", b->program);
	assert_runs(b, line, 0, "1\n");
}

static void what_is_no_plain_file_takes_no_output(void **state)
{
	char *const argv[] = { (char *)"/bin/true", NULL };
	struct corral_docker_start s = { .argv = argv, NO_STREAMS, .background = true };
	struct corral_docker_process *p;
	char path[96];
	BOX(b, state);

	(void)snprintf(path, sizeof(path), "%s/out", b->dir);
	s.out_path = path;
	assert_int_equal(symlink("/tmp/elsewhere", path), 0);
	assert_int_equal(corral_docker_process_start_take(box_stream(b, "run"), b->multiplexed, &s,
	                                                  &p, &b->err),
	                 -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(corral_docker_process_start_take(box_stream(b, "run"), b->multiplexed, &s, &p,
	                                             &b->err) < 0);
	s.out_path = NULL;
	assert_int_equal(corral_docker_process_start_take(box_stream(b, "run"), b->multiplexed, &s,
	                                                  &p, &b->err),
	                 -EINVAL);
	assert_box_empty(b);
}

/* --- A guest that fights --- */

static void a_killed_supervisor_is_a_lost_process(void **state)
{
	struct corral_executed e;
	struct corral_docker_process *p;
	BOX(b, state);

	e = execute(b,
	            (struct corral_execute) { .command = "sleep 0.3; kill -9 $PPID; sleep 1000" });
	assert_int_equal(e.receipt.reason, CORRAL_REASON_KILLED);
	assert_int_equal(e.receipt.signal, SIGKILL);
	corral_executed_done(&e);
	p = shell_start(b, "until test -e go; do sleep 0.02; done; kill -9 $PPID",
	                (struct corral_docker_start) { NO_STREAMS });
	box_touch(b, "go");
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	assert_true(corral_docker_process_is_lost(p));
	corral_docker_process_close(p);
	/* Any other signal is nothing to it. */
	assert_runs(b,
	            "for s in HUP INT QUIT TERM USR1 PIPE ALRM CHLD; do kill -$s $PPID; done; "
	            "sleep 0.1; echo on",
	            0, "on\n");
}

static void a_stopped_supervisor_is_given_up(void **state)
{
	struct corral_docker_process *p;
	uint64_t began;
	BOX(b, state);

	/* Not before it has said that this was started. */
	p = shell_start(b,
	                "until test -e go; do sleep 0.02; done; kill -STOP $PPID; : >stopped; "
	                "sleep 1000",
	                (struct corral_docker_start) { NO_STREAMS });
	box_touch(b, "go");
	free(box_read(b, "stopped"));
	began = corral_now_ms();
	corral_docker_process_kill(p, CORRAL_REASON_TIMEOUT);
	assert_in_range(corral_now_ms() - began, 4000, PATIENCE_MS);
	assert_true(corral_docker_process_is_lost(p));
	assert_int_equal(corral_docker_process_receipt(p)->reason, CORRAL_REASON_TIMEOUT);
	corral_docker_process_close(p);
}

/* --- Nobody there but the test --- */

static struct corral_docker_start nothing_special(void)
{
	static char *const argv[] = { (char *)"x", NULL };

	return (struct corral_docker_start) { .argv = argv, NO_STREAMS };
}

/* The other side has said data, and ended then if it is to. */
static int start_against(struct box *b, bool multiplexed, const void *data, size_t len, bool ends,
                         struct corral_docker_process **ret, int *ret_fd)
{
	const struct corral_docker_start s = nothing_special();
	struct corral_docker_stream *stream;
	int pair[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(corral_docker_stream_new_take(pair[0], &stream, &b->err), 0);
	assert_int_equal(send(pair[1], data, len, MSG_NOSIGNAL), len);
	if (ends)
		(void)shutdown(pair[1], SHUT_WR);
	r = corral_docker_process_start_take(stream, multiplexed, &s, ret, &b->err);
	*ret_fd = pair[1];
	return r;
}

static void what_is_not_ours_is_not_believed(void **state)
{
	struct corral_docker_frame_head huge =
	        corral_docker_frame_head(CORRAL_DOCKER_STARTED, 1u << 30);
	static const char engine[] = "\2\0\0\0\0\0\0\4oops\1\0\0\0\0\0\0\4noise";
	struct box *b = *state;
	struct corral_docker_process *p = NULL;
	struct {
		struct corral_docker_frame_head head;
		uint32_t number;
	} m = { corral_docker_frame_head(CORRAL_DOCKER_STARTED, 4), 0 };
	struct {
		struct corral_docker_frame_head head;
		struct corral_docker_failed why;
	} f = { corral_docker_frame_head(CORRAL_DOCKER_FAILED, 8), { 4, 1u << 20 } };
	int fd;

	assert_int_equal(start_against(b, false, "exec format error", 17, false, &p, &fd), -EPROTO);
	assert_non_null(strstr(b->err.text, "'exec format error'"));
	(void)close(fd);
	assert_int_equal(start_against(b, true, engine, sizeof(engine) - 2, false, &p, &fd),
	                 -EPROTO);
	assert_non_null(strstr(b->err.text, "oops"));
	(void)close(fd);
	assert_int_equal(start_against(b, true, "no head", 7, true, &p, &fd), -EPIPE);
	(void)close(fd);
	assert_int_equal(start_against(b, true, "no head!", 8, true, &p, &fd), -EPROTO);
	(void)close(fd);
	assert_int_equal(start_against(b, false, &huge, sizeof(huge), false, &p, &fd), -EPROTO);
	(void)close(fd);
	/* Number 0 is no process, and 2^20 is no error. */
	assert_int_equal(start_against(b, false, &m, sizeof(m), false, &p, &fd), -EPROTO);
	(void)close(fd);
	assert_int_equal(start_against(b, false, &f, sizeof(f), false, &p, &fd), -EPROTO);
	(void)close(fd);
	f.why.code = EPIPE; /* which would say that the connection ended */
	assert_int_equal(start_against(b, false, &f, sizeof(f), false, &p, &fd), -EIO);
	(void)close(fd);
	assert_int_equal(start_against(b, false, "", 0, true, &p, &fd), -EPIPE);
	(void)close(fd);
	assert_null(p);
}

static void an_end_after_the_order_is_told_apart(void **state)
{
	const struct corral_docker_start s = nothing_special();
	struct box *b = *state;
	struct corral_docker_process *p = NULL;
	int host, inside;
	pid_t pid;

	b->multiplexed = false;
	box_pair(b, &host, &inside);
	pid = fork();
	if (pid == 0) {
		char data[100];

		(void)close(host);
		(void)!read(inside, data, sizeof(data));
		_exit(0);
	}
	(void)close(inside);
	struct corral_docker_stream *stream;

	OK(b, corral_docker_stream_new_take(host, &stream, &b->err));
	assert_int_equal(corral_docker_process_start_take(stream, false, &s, &p, &b->err),
	                 -ECONNRESET);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Starts, and then says that; how it ended. */
static void assert_lost_after(struct box *b, const void *data, size_t len)
{
	struct {
		struct corral_docker_frame_head head;
		uint32_t number;
	} m = { corral_docker_frame_head(CORRAL_DOCKER_STARTED, 4), 77 };
	struct corral_docker_process *p;
	int fd;

	OK(b, start_against(b, false, &m, sizeof(m), false, &p, &fd));
	assert_int_equal(corral_docker_process_pid(p), 77);
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
	assert_int_equal(corral_docker_process_wait(p, PATIENCE_MS, NULL), 0);
	assert_true(corral_docker_process_is_lost(p));
	assert_int_equal(corral_docker_process_dispatch(p, NULL), 1);
	assert_int_equal(corral_docker_process_receipt(p)->reason, CORRAL_REASON_KILLED);
	corral_docker_process_close(p);
	(void)close(fd);
}

static void noise_in_its_course_is_a_lost_process(void **state)
{
	struct box *b = *state;
	struct {
		struct corral_docker_frame_head head;
		uint32_t number;
	} again = { corral_docker_frame_head(CORRAL_DOCKER_STARTED, 4), 77 },
	  grant = { corral_docker_frame_head(CORRAL_DOCKER_GRANT, 4), 1 };
	struct {
		struct corral_docker_frame_head head;
		struct corral_docker_exited exited;
	} end = { corral_docker_frame_head(CORRAL_DOCKER_EXITED,
		                           sizeof(struct corral_docker_exited)),
		  { .exit_code = 256 } };
	struct corral_docker_frame_head kill_ = corral_docker_frame_head(CORRAL_DOCKER_KILL, 0);
	struct corral_docker_frame_head out =
	        corral_docker_frame_head(CORRAL_DOCKER_STDOUT, CORRAL_DOCKER_FRAME_DATA + 1);

	assert_lost_after(b, "noise", 5);
	assert_lost_after(b, &again, sizeof(again));
	assert_lost_after(b, &grant, sizeof(grant)); /* nothing was sent */
	assert_lost_after(b, &end, sizeof(end));
	end.exited = (struct corral_docker_exited) { .signal = 65 };
	assert_lost_after(b, &end, sizeof(end));
	assert_lost_after(b, &kill_, sizeof(kill_)); /* the other way */
	assert_lost_after(b, &out, sizeof(out));
}

static void one_that_is_silent_is_given_up(void **state)
{
	struct {
		struct corral_docker_frame_head head;
		uint32_t number;
	} m = { corral_docker_frame_head(CORRAL_DOCKER_STARTED, 4), 77 };
	struct box *b = *state;
	struct corral_docker_process *p;
	uint64_t began = corral_now_ms();
	int fd;

	OK(b, start_against(b, false, &m, sizeof(m), false, &p, &fd));
	corral_docker_process_close(p);
	assert_in_range(corral_now_ms() - began, 4000, PATIENCE_MS);
	(void)close(fd);
}

/* The program, and a host that says what none says. */
static void the_program_ends_with_a_host_that_speaks_noise(void **state)
{
	struct corral_docker_frame_head heads[] = {
		corral_docker_frame_head(CORRAL_DOCKER_START, CORRAL_DOCKER_START_MAX + 1),
		corral_docker_frame_head(CORRAL_DOCKER_STARTED, 4),
		corral_docker_frame_head(0, 0),
	};
	int host, inside, status;
	pid_t pid;
	BOX(b, state);

	b->multiplexed = false;
	for (size_t i = 0; i <= CORRAL_COUNT(heads); i++) {
		struct pollfd p = { .events = POLLIN };

		box_pair(b, &host, &inside);
		pid = box_exec(b, "run", inside);
		if (i < CORRAL_COUNT(heads))
			assert_int_equal(write(host, &heads[i], sizeof(heads[i])),
			                 sizeof(heads[i]));
		else
			assert_int_equal(write(host, "GET / HTTP/1.1\r\n", 16), 16);
		p.fd = host;
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		(void)close(host);
	}
	/* More input than was granted. */
	box_pair(b, &host, &inside);
	(void)box_exec(b, "run", inside);
	order_send(host, "sleep 1000", CORRAL_DOCKER_ORDER_STDIN);
	for (int i = 0; i < 6; i++) {
		static struct {
			struct corral_docker_frame_head head;
			char data[CORRAL_DOCKER_FRAME_DATA];
		} m;

		m.head = corral_docker_frame_head(CORRAL_DOCKER_STDIN, sizeof(m.data));
		(void)send(host, &m, sizeof(m), MSG_NOSIGNAL);
	}
	assert_box_empty(b);
	(void)close(host);
}

/* --- One that stands ready --- */

static void one_that_waits_costs_little_and_ends_with_its_stream(void **state)
{
	struct corral_docker_stream *stream;
	BOX(b, state);

	stream = box_stream(b, "run");
	(void)usleep(100000);
	assert_int_equal(box_count(b), 1);
	corral_docker_stream_close(stream);
	assert_box_empty(b);
}

static void pid_one_reaps_and_ends_when_told(void **state)
{
	struct corral_executed e;
	int status;
	BOX(b, state);

	/* What outlived its supervisor is PID 1's, and leaves no zombie. */
	e = execute(b, (struct corral_execute) {
	                       .command = "(setsid sleep 0.3 &) ; kill -9 $PPID; exit 0" });
	corral_executed_done(&e);
	assert_box_empty(b);
	for (int signo = 1; signo < 32; signo++)
		if (!strchr("\2\11\17\23", signo)) /* INT, KILL, TERM, STOP */
			assert_int_equal(kill(b->init, signo), 0);
	assert_runs(b, "echo on", 0, "on\n");
	assert_int_equal(kill(b->init, SIGTERM), 0);
	assert_int_equal(waitpid(b->runs[0], &status, 0), b->runs[0]);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	b->init = -1;
}

static int muxed_setup(void **state)
{
	int r = box_setup(state);

	((struct box *)*state)->multiplexed = true;
	return r;
}

#define box_test(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)
#define muxed_test(name)                                                              \
	{                                                                             \
#name " (framed by an engine)", name, muxed_setup, box_teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		box_test(its_end_and_its_output_come_through),
		muxed_test(its_end_and_its_output_come_through),
		box_test(streams_arguments_environment_and_directory_arrive),
		muxed_test(streams_arguments_environment_and_directory_arrive),
		box_test(what_cannot_be_executed_says_why),
		box_test(ten_megabytes_go_each_way),
		muxed_test(ten_megabytes_go_each_way),
		box_test(the_receipt_tells_what_it_took),
		box_test(what_it_leaves_is_ended),
		box_test(one_that_forks_without_end_is_ended),
		box_test(nobody_elses_processes_are_touched),
		box_test(the_end_of_the_connection_ends_its_tree),
		muxed_test(the_end_of_the_connection_ends_its_tree),
		box_test(a_flood_that_nobody_reads_can_be_killed),
		muxed_test(a_flood_that_nobody_reads_can_be_killed),
		box_test(one_command_after_the_other_over_one_stream),
		muxed_test(one_command_after_the_other_over_one_stream),
		box_test(its_stream_is_given_back_for_the_next),
		box_test(a_slow_reader_gets_it_all_before_the_end),
		box_test(a_reader_that_left_is_a_broken_pipe),
		box_test(input_comes_as_it_is_given),
		box_test(signals_reach_its_group),
		box_test(a_terminal_has_a_size_and_an_end),
		box_test(writing_to_a_terminal_that_ended_is_no_signal),
		box_test(the_background_outlives_its_connection),
		box_test(the_background_can_be_killed_while_connected),
		box_test(the_background_can_be_signalled_by_its_number),
		box_test(what_is_no_plain_file_takes_no_output),
		box_test(a_killed_supervisor_is_a_lost_process),
		box_test(a_stopped_supervisor_is_given_up),
		box_test(what_is_not_ours_is_not_believed),
		box_test(an_end_after_the_order_is_told_apart),
		box_test(noise_in_its_course_is_a_lost_process),
		box_test(one_that_is_silent_is_given_up),
		box_test(the_program_ends_with_a_host_that_speaks_noise),
		box_test(one_that_waits_costs_little_and_ends_with_its_stream),
		box_test(pid_one_reaps_and_ends_when_told),
	};

	return cmocka_run_group_tests_name("inside run", tests, NULL, NULL);
}
