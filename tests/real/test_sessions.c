/*
 * Sessions over native sandboxes: what outlives a sandbox, a session and a manager, with a store
 * and without one; and that many at once get what is theirs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/support.h"

#include "kernel/base/clock.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/sessions_support.h"
#include "tests/sandbox_checks.h"

struct fixture {
	struct sessions s;
	struct checked on;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	sessions_init(&f->s);
	sessions_catalogue(&f->s);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->on.b);
	corral_backend_close(f->on.other);
	sessions_done(&f->s);
	free(f);
	return 0;
}

static void on(struct fixture *f, const struct corral_session_ask *ask)
{
	corral_backend_close(f->on.b);
	f->on.b = NULL;
	f->on.b = sessions_open(&f->s, ask);
}

#define AS(...) (&(struct corral_session_ask) { __VA_ARGS__ })
#define DONE(f, call)                                               \
	do {                                                        \
		if ((call) < 0)                                     \
			fail_msg("%s: %s", #call, (f)->s.err.text); \
	} while (0)

static void is_kept(struct fixture *f, const char *path, bool kept)
{
	char line[200];

	(void)snprintf(line, sizeof(line), "test -e %s", path);
	assert_shell(&f->on, line, !kept, "");
}

static void leave_things(struct fixture *f)
{
	assert_shell(&f->on,
	             "echo kept > kept; echo x > /tmp/t; echo x > $HOME/h; (setsid sleep 4721 "
	             ">/dev/null 2>&1 &)",
	             0, "");
}

static long dirs_of_managers(void)
{
	DIR *d = opendir("/tmp");
	const struct dirent *e;
	long n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += !strncmp(e->d_name, "corral-sessions-", 16);
	(void)closedir(d);
	return n;
}

/* --- Without a store --- */

static void work_directory_outlives_the_sandbox_and_nothing_the_manager(void **state)
{
	struct fixture *f = *state;
	struct corral_session_info info;
	long before = dirs_of_managers();

	if (!can_launch())
		return;
	sessions_begin(&f->s);
	on(f, AS(.id = "a"));
	leave_things(f);
	is_kept(f, "/tmp/t", true);
	DONE(f, corral_session_manager_describe(f->s.m, "a", &info, &f->s.err));
	assert_int_equal(info.isolation, CORRAL_ISOLATION_NATIVE);
	assert_true(info.resident && *info.reason);
	DONE(f, corral_session_manager_hibernate(f->s.m, "a", &f->s.err));
	assert_false(corral_backend_is_alive(f->on.b));
	assert_shell(&f->on, "cat kept", 0, "kept\n");
	is_kept(f, "/tmp/t", false);
	is_kept(f, "$HOME/h", false);
	assert_int_equal(corral_session_manager_release(f->s.m, "a", 0, &f->s.err), 1);
	on(f, AS(.id = "a"));
	is_kept(f, "kept", false);
	corral_backend_close(f->on.b);
	f->on.b = NULL;
	sessions_end(&f->s);
	assert_int_equal(dirs_of_managers(), before);
}

static void each_call_has_a_sandbox_of_its_own(void **state)
{
	struct fixture *f = *state;

	if (!can_launch())
		return;
	for (int stored = 0; stored < 2; stored++) {
		if (stored)
			sessions_store(&f->s);
		sessions_begin(&f->s);
		on(f, AS(.id = "c", .runtime = "call"));
		leave_things(f);
		assert_shell(&f->on, "cat kept", 0, "kept\n");
		is_kept(f, "/tmp/t", false);
		is_kept(f, "$HOME/h", false);
		assert_true(corral_backend_exists(f->on.b, "kept"));
		assert_false(corral_backend_can(f->on.b, CORRAL_BACKEND_CAN_BACKGROUND));
		DONE(f, corral_session_manager_hibernate(f->s.m, "c", &f->s.err));
		assert_shell(&f->on, "cat kept", 0, "kept\n");
		assert_int_equal(corral_session_manager_release(f->s.m, "c", CORRAL_SESSION_PURGE,
		                                                &f->s.err),
		                 1);
		corral_backend_close(f->on.b);
		f->on.b = NULL;
		sessions_end(&f->s);
	}
}

/* --- With one --- */

static void stored_session_keeps_all_but_its_processes(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *none = NULL;

	if (!can_launch())
		return;
	sessions_store(&f->s);
	sessions_begin(&f->s);
	on(f, AS(.id = "a", .tenant = "t"));
	leave_things(f);
	DONE(f, corral_session_manager_hibernate(f->s.m, "a", &f->s.err));
	assert_shell(&f->on, "cat kept; cat $HOME/h", 0, "kept\nx\n");
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep "
	             "472[1]'",
	             1, "0\n");
	/* (S23) What another manager finds, the first one's end or crash notwithstanding. */
	sessions_end(&f->s);
	sessions_store(&f->s);
	sessions_begin(&f->s);
	assert_true(corral_session_manager_contains(f->s.m, "a"));
	on(f, AS(.id = "a", .flags = CORRAL_SESSION_EXISTING));
	assert_shell(&f->on, "cat kept; cat $HOME/h", 0, "kept\nx\n");
	assert_int_equal(corral_session_manager_release(f->s.m, "a", 0, &f->s.err), 1);
	assert_false(corral_session_manager_contains(f->s.m, "a"));
	assert_int_equal(corral_session_manager_get_or_create(f->s.m,
	                                                      AS(.id = "a",
	                                                         .flags = CORRAL_SESSION_NEW),
	                                                      &none, &f->s.err),
	                 -EEXIST);
	on(f, AS(.id = "a", .flags = CORRAL_SESSION_EXISTING));
	assert_shell(&f->on, "cat kept; cat $HOME/h", 0, "kept\nx\n");
	/* Open or not, its files go when that is asked for. */
	assert_int_equal(corral_session_manager_release(f->s.m, "a", 0, &f->s.err), 1);
	assert_int_equal(corral_session_manager_release(f->s.m, "a", 0, &f->s.err), 0);
	assert_int_equal(corral_session_manager_release(f->s.m, "a", CORRAL_SESSION_PURGE,
	                                                &f->s.err),
	                 1);
	assert_int_equal(corral_session_manager_release(f->s.m, "a", CORRAL_SESSION_PURGE,
	                                                &f->s.err),
	                 0);
	assert_int_equal(corral_session_manager_get_or_create(f->s.m,
	                                                      AS(.id = "a",
	                                                         .flags = CORRAL_SESSION_EXISTING),
	                                                      &none, &f->s.err),
	                 -ENOENT);
}

static void checkpoints_are_gone_back_to(void **state)
{
	char name[CORRAL_SESSION_ID_SIZE];
	struct fixture *f = *state;

	if (!can_launch())
		return;
	sessions_store(&f->s);
	sessions_begin(&f->s);
	on(f, AS(.id = "a"));
	assert_shell(&f->on, "echo 1 > f; echo 1 > $HOME/h", 0, "");
	DONE(f, corral_session_manager_checkpoint(f->s.m, "a", NULL, name, 1000, &f->s.err));
	assert_string_equal(name, "c1");
	assert_shell(&f->on, "echo 2 > f; rm $HOME/h; ls /tmp", 0, "");
	f->on.other = sessions_open(&f->s, AS(.id = "a"));
	DONE(f, corral_session_manager_restore(f->s.m, "a", name, 1000, &f->s.err));
	assert_shell(&f->on, "cat f $HOME/h", 0, "1\n1\n");
	/* A fork of it, beside it. */
	corral_backend_close(f->on.other);
	f->on.other = NULL;
	DONE(f, corral_session_manager_fork(f->s.m, "a", name, AS(.id = "b"), 1000, &f->on.other,
	                                    &f->s.err));
	assert_shell(&f->on, "echo mine > f", 0, "");
	assert_shell(&(struct checked) { .b = f->on.other }, "cat f; echo theirs > f", 0, "1\n");
	assert_shell(&f->on, "cat f", 0, "mine\n");
	assert_int_equal(corral_session_manager_count(f->s.m), 2);
	assert_int_equal(corral_session_manager_fork(f->s.m, "a", NULL, AS(.id = "b"), 1000,
	                                             &f->on.other, &f->s.err),
	                 -EEXIST);
	assert_int_equal(corral_session_manager_fork(f->s.m, "a", "none", AS(.id = "c"), 1000,
	                                             &f->on.other, &f->s.err),
	                 -ENOENT);
	assert_false(corral_session_manager_contains(f->s.m, "c"));
}

static int count_change(void *ctx, const struct corral_change *change)
{
	unsigned int *n = ctx;

	*n += change->kind == CORRAL_CHANGE_ADDED && strstr(change->guest_path, "new") != NULL;
	return 0;
}

static void commands_are_taken_back(void **state)
{
	const struct corral_layers_diff_options options = { 0 };
	struct fixture *f = *state;
	unsigned int n = 0;

	if (!can_launch())
		return;
	sessions_store(&f->s);
	sessions_begin(&f->s);
	on(f, AS(.id = "a", .history = true));
	assert_shell(&f->on, "echo 1 > f", 0, "");
	assert_shell(&f->on, "echo 2 > f; echo x > new1; echo y > $HOME/new2", 0, "");
	DONE(f, corral_session_manager_diff(f->s.m, "a",
	                                    &(struct corral_session_span) { .command = 2 },
	                                    &options, 1000, count_change, &n, &f->s.err));
	assert_int_equal(n, 2);
	DONE(f, corral_session_manager_undo(f->s.m, "a", 1, 1000, &f->s.err));
	assert_shell(&f->on, "cat f; ls new1 $HOME/new2 2>/dev/null", 2, "1\n");
	assert_int_equal(corral_session_manager_undo(f->s.m, "a", 9, 1000, &f->s.err), -ENOENT);
	assert_shell(&f->on, "cat f", 0, "1\n");
}

static struct corral_executed watch(struct fixture *f, const char *command,
                                    struct corral_session_watch *w)
{
	struct corral_executed e;

	w->told = count_change;
	w->n_changes = 77;
	DONE(f, corral_session_manager_execute(f->s.m, "a",
	                                       &(struct corral_execute) { .command = command,
	                                                                  .timeout_ms = 60000 },
	                                       w, &e, &f->s.err));
	return e;
}

/* With a history and without. */
static void a_command_is_told_with_what_it_changed(void **state)
{
	struct fixture *f = *state;

	if (!can_launch())
		return;
	sessions_store(&f->s);
	sessions_begin(&f->s);
	for (int history = 0; history < 2; history++) {
		unsigned int n = 0;
		struct corral_session_watch w = { .ctx = &n };
		struct corral_checkpoints list = { 0 };
		struct corral_executed e;

		on(f, AS(.id = "a", .history = history));
		assert_shell(&f->on, "echo 1 > old; echo 1 > new0", 0, "");
		e = watch(f, "echo 2 > old; echo 1 > new1; mkdir $HOME/new2; echo out; exit 3", &w);
		assert_true(w.ran && !w.cut);
		assert_int_equal(e.exit_code, 3);
		assert_int_equal(e.receipt.exit_code, 3);
		assert_int_equal(strncmp(e.out.data, "out\n", 4), 0);
		assert_int_equal(n, 2);
		assert_int_equal(w.n_changes, 3);
		corral_executed_done(&e);
		/* It goes on as it was, and nothing of the watching is left. */
		assert_shell(&f->on, "cat old", 0, "2\n");
		DONE(f, corral_session_checkpoints(f->s.o.store, "a", &list, &f->s.err));
		for (size_t i = 0; i < list.n; i++)
			assert_string_equal(list.items[i].name, "");
		corral_checkpoints_done(&list);
		w.options.changes_max = 2;
		e = watch(f, "touch a b c", &w);
		assert_true(w.ran && w.cut);
		assert_int_equal(w.n_changes, 2);
		corral_executed_done(&e);
		e = watch(f, "cat old", &w);
		assert_int_equal(w.n_changes, 0);
		corral_executed_done(&e);
		corral_backend_close(f->on.b);
		f->on.b = NULL;
		DONE(f,
		     corral_session_manager_release(f->s.m, "a", CORRAL_SESSION_PURGE, &f->s.err));
	}
	{
		struct corral_session_watch w = { .told = count_change };
		struct corral_executed e;

		assert_int_equal(corral_session_manager_execute(f->s.m, "nobody",
		                                                &(struct corral_execute) {
		                                                        .command = "true" },
		                                                &w, &e, &f->s.err),
		                 -ENOENT);
		assert_false(w.ran);
		corral_executed_done(&e);
	}
}

static void what_is_in_the_way_of_a_change_is_waited_for(void **state)
{
	char name[CORRAL_SESSION_ID_SIZE];
	struct corral_terminal *t = NULL;
	struct fixture *f = *state;

	if (!can_launch())
		return;
	sessions_store(&f->s);
	sessions_begin(&f->s);
	on(f, AS(.id = "a"));
	DONE(f, corral_backend_terminal_open(f->on.b, &(struct corral_terminal_options) { 0 }, &t,
	                                     &f->s.err));
	assert_int_equal(corral_session_manager_checkpoint(f->s.m, "a", NULL, name, 50, &f->s.err),
	                 -EBUSY);
	assert_int_equal(corral_session_manager_hibernate(f->s.m, "a", &f->s.err), -EBUSY);
	corral_terminal_close(t);
	DONE(f, corral_session_manager_checkpoint(f->s.m, "a", NULL, name, 50, &f->s.err));
}

/* --- Endings that nobody asked for --- */

/* (S29) */
static void memory_that_is_used_up_is_told_and_costs_no_files(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (!can_launch())
		return;
	if (!enforces("memory")) {
		skip_without_root("a limit of memory on this host");
		return;
	}
	sessions_store(&f->s);
	sessions_begin(&f->s);
	on(f, AS(.id = "a", .runtime = "small"));
	assert_shell(&f->on, "echo kept > kept", 0, "");
	e = execute(&f->on, &(struct corral_execute) {
	                            .command = "python3 -c 'x = b\"x\" * 100000000; print(len(x))'",
	                            .timeout_ms = 60000 });
	assert_int_equal(e.receipt.reason, CORRAL_REASON_OOM);
	corral_executed_done(&e);
	nap(200);
	assert_int_equal(corral_backend_execute(f->on.b,
	                                        &(struct corral_execute) { .command = "true",
	                                                                   .timeout_ms = -1 },
	                                        &e, &f->on.err),
	                 -EPIPE);
	assert_says(f->on.err.text, "session 'a': the sandbox is gone, killed or out of memory");
	assert_says(f->on.err.text, ": the next call has a new one");
	corral_executed_done(&e);
	assert_shell(&f->on, "cat kept", 0, "kept\n");
}

/* (S23) */
static void killed_service_loses_no_session(void **state)
{
	struct fixture *f = *state;
	char path[100];
	int status;
	pid_t pid;

	if (!can_launch())
		return;
	(void)snprintf(path, sizeof(path), "%s/ready", f->s.dir);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sessions_store(&f->s);
		sessions_begin(&f->s);
		on(f, AS(.id = "a", .tenant = "t"));
		assert_shell(&f->on, "echo kept > kept; echo x > $HOME/h; (sleep 4722 &)", 0, "");
		(void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		for (;;)
			(void)pause();
	}
	for (int i = 0; i < 2000 && access(path, F_OK) < 0 && waitpid(pid, &status, WNOHANG) == 0;
	     i++)
		nap(10);
	kill_and_reap(pid);
	sessions_store(&f->s);
	sessions_begin(&f->s);
	assert_true(corral_session_manager_contains(f->s.m, "a"));
	on(f, AS(.id = "a", .flags = CORRAL_SESSION_EXISTING));
	/* Its sandbox dies with it, which may take a moment. */
	for (int i = 0; i < 500 && corral_backend_start(f->on.b, &f->on.err) == -EBUSY; i++)
		nap(10);
	assert_shell(&f->on, "cat kept $HOME/h", 0, "kept\nx\n");
}

/* --- Many --- */

#define THREADS 8
#define IDS     12
#define PLACES  9

struct many {
	struct sessions *s;
	atomic_uint failed;
	char why[600];
	unsigned int operations;
};

struct hand {
	struct many *many;
	unsigned int number;
	pthread_t thread;
};

static int many_one(struct many *many, unsigned int number, unsigned int turn, bool *has,
                    struct corral_error *err)
{
	const unsigned int mine = (turn * 7 + number) % 3;
	char id[8], line[200];
	const struct corral_execute x = { .command = line, .timeout_ms = 60000 };
	struct corral_backend *b = NULL;
	struct corral_executed e;
	bool fine = false;
	int r;

	(void)snprintf(id, sizeof(id), "m%u", (number * 3 + mine) % (3 * THREADS));
	r = corral_session_manager_get_or_create(
	        many->s->m, AS(.id = id, .runtime = mine == 2 ? "call" : "plain"), &b, err);
	if (r < 0)
		return r;
	(void)snprintf(line, sizeof(line), "cat f 2>/dev/null; echo %s > f", id);
	r = corral_backend_execute(b, &x, &e, err);
	if (r == 0) {
		fine = e.exit_code == 0 && (has[mine] ? e.out.len == strlen(id) + 1 : !e.out.len);
		has[mine] = true;
		if (!fine)
			(void)corral_error_set(err, EBADMSG, "%s: %d '%.*s'", id, e.exit_code,
			                       (int)e.out.len, e.out.data ? e.out.data : "");
	}
	corral_executed_done(&e);
	if (r == 0 && fine && turn % 3 == 0)
		r = corral_session_manager_hibernate(many->s->m, id, err);
	if (r == 0 && fine && turn % 11 == 5) {
		r = corral_session_manager_release(many->s->m, id, CORRAL_SESSION_PURGE, err);
		has[mine] = false;
	}
	corral_backend_close(b);
	return r < 0 ? r : fine ? 0 : -EBADMSG;
}

static void *many_work(void *arg)
{
	const struct hand *h = arg;
	struct corral_error err = { 0 };
	bool has[3] = { false };

	for (unsigned int i = 0; i < h->many->operations / THREADS; i++) {
		if (atomic_load(&h->many->failed))
			break;
		if (many_one(h->many, h->number, i, has, &err) < 0 &&
		    atomic_fetch_add(&h->many->failed, 1) == 0)
			(void)snprintf(h->many->why, sizeof(h->many->why), "%s", err.text);
	}
	return NULL;
}

static void many_threads_find_what_is_theirs(void **state)
{
	struct fixture *f = *state;
	const char *operations = getenv("CORRAL_STRESS_OPERATIONS");
	struct many many = { .s = &f->s, .operations = 120 };
	struct hand hands[THREADS];

	if (!can_launch())
		return;
	if (operations)
		many.operations = (unsigned int)strtoul(operations, NULL, 10);
	f->s.o.max_resident = PLACES;
	sessions_store(&f->s);
	sessions_begin(&f->s);
	for (unsigned int i = 0; i < THREADS; i++) {
		hands[i] = (struct hand) { .many = &many, .number = i };
		assert_int_equal(pthread_create(&hands[i].thread, NULL, many_work, &hands[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(hands[i].thread, NULL), 0);
	if (many.failed)
		fail_msg("%s", many.why);
	assert_true(corral_session_manager_shutdown(f->s.m, &f->s.err) > 0);
}

int main(int argc, char **argv)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(work_directory_outlives_the_sandbox_and_nothing_the_manager),
		ROW(each_call_has_a_sandbox_of_its_own),
		ROW(stored_session_keeps_all_but_its_processes),
		ROW(checkpoints_are_gone_back_to),
		ROW(commands_are_taken_back),
		ROW(a_command_is_told_with_what_it_changed),
		ROW(what_is_in_the_way_of_a_change_is_waited_for),
		ROW(memory_that_is_used_up_is_told_and_costs_no_files),
		ROW(killed_service_loses_no_session),
		ROW(many_threads_find_what_is_theirs),
	};
#undef ROW

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
