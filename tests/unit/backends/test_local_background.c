/* Background processes of the local backend. */
#include "tests/unit/backends/local_support.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support.h"

#define PATIENCE_MS (corral_test_slow() ? 120000u : 20000u)

/* Reads until the process has ended; both streams, all of them. */
static struct corral_background read_all(struct place *p, const char *shell_id,
                                         struct corral_buf *out, struct corral_buf *err_out)
{
	uint64_t until = corral_now_ms() + PATIENCE_MS;
	struct corral_background bg;

	do {
		OK(p, corral_backend_background_read(p->b, shell_id, out, err_out, &bg, &p->err));
		if (bg.running)
			(void)usleep(2000);
	} while (bg.running && corral_now_ms() < until);
	assert_false(bg.running);
	return bg;
}

static void output_comes_once_and_then_the_end(void **state)
{
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;
	struct corral_background bg;
	struct place *p = *state;

	OK(p, corral_backend_background_start(
	              p->b,
	              "echo one; echo two >&2; printf '\\303'; sleep 0.05; printf '\\244'; exit 3",
	              &bg, &p->err));
	assert_string_equal(bg.shell_id, "bg_1");
	assert_true(bg.running && bg.pid > 1);
	bg = read_all(p, "bg_1", &out, &err_out);
	assert_true(bg.has_exit_code);
	assert_int_equal(bg.exit_code, 3);
	assert_string_equal(out.data, "one\n\xc3\xa4");
	assert_string_equal(err_out.data, "two\n");
	corral_buf_done(&out);
	OK(p, corral_backend_background_read(p->b, "bg_1", &out, &err_out, &bg, &p->err));
	assert_int_equal(out.len, 0);
	FAILS(p, corral_backend_background_read(p->b, "bg_9", &out, &err_out, &bg, &p->err), ESRCH,
	      "No such background shell: bg_9");
	corral_buf_done(&out);
	corral_buf_done(&err_out);
}

static void killed_means_all_of_it(void **state)
{
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;
	struct corral_background_list list;
	struct corral_background bg;
	struct place *p = *state;
	pid_t child = 0;

	OK(p, corral_backend_background_start(p->b, "sleep 300 & echo $!; wait", &bg, &p->err));
	for (uint64_t until = corral_now_ms() + PATIENCE_MS;
	     !memchr(out.data ? out.data : "", '\n', out.len) && corral_now_ms() < until;)
		OK(p,
		   corral_backend_background_read(p->b, bg.shell_id, &out, &err_out, &bg, &p->err));
	child = out.data ? (pid_t)strtol(out.data, NULL, 10) : 0;
	assert_true(child > 1);
	assert_int_equal(kill(child, 0), 0);
	assert_int_equal(corral_backend_background_kill(p->b, bg.shell_id, &p->err), 1);
	assert_int_equal(corral_backend_background_kill(p->b, bg.shell_id, &p->err), 0);
	assert_int_equal(corral_backend_background_kill(p->b, "bg_9", &p->err), 0);
	OK(p, corral_backend_background_list(p->b, &list, &p->err));
	assert_int_equal(list.n, 1);
	assert_string_equal(list.items[0].command, "sleep 300 & echo $!; wait");
	assert_false(list.items[0].running);
	assert_int_equal(list.items[0].exit_code, -SIGKILL);
	corral_background_list_done(&list);
	/* Dead, or a zombie of whoever takes it over. */
	for (int i = 0; i < 200 && kill(child, 0) == 0; i++) {
		char path[64], text[200] = "", *at;
		corral_autofd int fd = -1;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0) {
			at = strrchr(text, ')');
			assert_true(at && at[2] == 'Z');
			break;
		}
	}
	corral_buf_done(&out);
	corral_buf_done(&err_out);
}

static void ids_are_never_used_again(void **state)
{
	struct corral_background_list list;
	struct corral_background bg;
	struct place *p = *state;

	OK(p, corral_backend_background_start(p->b, "sleep 300", &bg, &p->err));
	OK(p, corral_backend_background_start(p->b, "sleep 300", &bg, &p->err));
	assert_string_equal(bg.shell_id, "bg_2");
	OK(p, corral_backend_background_kill_all(p->b, &p->err));
	OK(p, corral_backend_background_list(p->b, &list, &p->err));
	assert_int_equal(list.n, 0);
	corral_background_list_done(&list);
	OK(p, corral_backend_background_start(p->b, "true", &bg, &p->err));
	assert_string_equal(bg.shell_id, "bg_3");
}

static void unread_output_is_bounded_and_the_latest_kept(void **state)
{
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;
	struct corral_background bg;
	struct place *p = *state;

	OK(p, corral_backend_background_start(
	              p->b,
	              "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last >done; echo last",
	              &bg, &p->err));
	for (uint64_t until = corral_now_ms() + PATIENCE_MS; corral_now_ms() < until;) {
		if (corral_backend_exists(p->b, "done"))
			break;
		(void)usleep(2000);
	}
	bg = read_all(p, bg.shell_id, &out, &err_out);
	assert_true(out.len > CORRAL_LOCAL_BACKGROUND_BYTES / 4);
	/* And what its pipe held when it was read first. */
	assert_true(out.len < CORRAL_LOCAL_BACKGROUND_BYTES + 65536 + 100);
	assert_memory_equal(out.data, "[... ", 5);
	assert_non_null(memmem(out.data, 64, " bytes dropped]\n", 16));
	assert_string_equal(out.data + out.len - 6, "\nlast\n");
	corral_buf_done(&out);
	corral_buf_done(&err_out);
}

/* Ours instead of libc's: while it is on, whoever asks for the time was away for a second. */
static atomic_bool clock_leaps;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static atomic_long leapt;

	if (atomic_load(&clock_leaps))
		(void)atomic_fetch_add(&leapt, 1);
	if (syscall(SYS_clock_gettime, clock, ret) < 0)
		return -1;
	ret->tv_sec += atomic_load(&leapt);
	return 0;
}

static void last_words_are_kept_however_slow_the_machine_is(void **state)
{
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;
	struct corral_background bg;
	struct place *p = *state;

	/* More than is read at once, and less than a pipe holds. */
	for (int i = 0; i < 20; i++) {
		atomic_store(&clock_leaps, true);
		OK(p, corral_backend_background_start(
		              p->b, "head -c 60000 /dev/zero | tr '\\0' x; echo last; exec kill $$",
		              &bg, &p->err));
		do {
			OK(p, corral_backend_background_read(p->b, bg.shell_id, &out, &err_out, &bg,
			                                     &p->err));
			(void)usleep(500);
		} while (bg.running);
		atomic_store(&clock_leaps, false);
		assert_int_equal(out.len, 60005);
		corral_buf_done(&out);
		corral_buf_done(&err_out);
	}
}

static void close_ends_what_runs(void **state)
{
	struct corral_local_options o = { .no_cgroup = true };
	struct corral_background bg;
	struct place *p = *state;

	o.root_dir = p->root;
	OK(p, corral_local_backend_new(&o, &p->further, &p->err));
	OK(p, corral_backend_background_start(p->further, "exec sleep 300", &bg, &p->err));
	corral_backend_close(p->further);
	p->further = NULL;
	assert_int_equal(kill(bg.pid, 0), -1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		ROW(output_comes_once_and_then_the_end),
		ROW(killed_means_all_of_it),
		ROW(ids_are_never_used_again),
		ROW(unread_output_is_bounded_and_the_latest_kept),
		ROW(last_words_are_kept_however_slow_the_machine_is),
		ROW(close_ends_what_runs),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
