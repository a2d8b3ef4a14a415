/*
 * Sessions of one process, over sandboxes that are none: who is made, woken, evicted and released
 * when. The numbers in parentheses are of traps that services have fallen into before.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "tests/support.h"
#include "tests/unit/backends/sessions/manager_support.h"

struct fixture {
	struct world world;
	struct corral_session_maker maker;
	struct corral_session_manager_options o;
	struct corral_session_manager *m;
	struct corral_error err;
	char released[16][CORRAL_SESSION_ID_SIZE];
	unsigned int n_released, stop_after;
};

static int on_release(void *ctx, const char *id)
{
	struct fixture *f = ctx;

	(void)pthread_mutex_lock(&f->world.lock);
	(void)snprintf(f->released[f->n_released % 16], sizeof(f->released[0]), "%s", id);
	f->n_released++;
	(void)pthread_mutex_unlock(&f->world.lock);
	return f->stop_after && f->n_released >= f->stop_after;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	world_init(&f->world);
	f->maker = (struct corral_session_maker) { .make = fake_make,
		                                   .forget = fake_forget,
		                                   .ctx = &f->world };
	f->o.custom = &f->maker;
	f->o.on_release = on_release;
	f->o.ctx = f;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_session_manager_free(f->m);
	assert_int_equal(f->world.made, f->world.closed);
	assert_int_equal(f->world.alive, 0);
	world_done(&f->world);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	if (corral_session_manager_new(&f->o, &f->m, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static int open_as(struct fixture *f, const struct corral_session_ask *ask,
                   struct corral_backend **ret)
{
	memset(&f->err, 0, sizeof(f->err));
	return corral_session_manager_get_or_create(f->m, ask, ret, &f->err);
}

static struct corral_backend *opened(struct fixture *f, const char *id)
{
	const struct corral_session_ask ask = { .id = id };
	struct corral_backend *b = NULL;

	if (open_as(f, &ask, &b) < 0)
		fail_msg("%s: %s", id, f->err.text);
	return b;
}

/* What a command says, as a number; or its error. */
static int run(struct corral_backend *b, const char *command, struct corral_error *err)
{
	const struct corral_execute x = { .command = command, .timeout_ms = -1, .run_id = "r" };
	struct corral_executed e;
	int r;

	if (err)
		memset(err, 0, sizeof(*err));
	r = corral_backend_execute(b, &x, &e, err);
	if (r == 0 && e.out.len)
		r = (int)strtol(e.out.data, NULL, 10);
	corral_executed_done(&e);
	return r;
}

static bool resident(struct fixture *f, const char *id)
{
	struct corral_session_info info;

	assert_int_equal(corral_session_manager_describe(f->m, id, &info, &f->err), 0);
	return info.resident;
}

/* A thread that does one thing. */
struct worker {
	struct fixture *f;
	struct corral_backend *b;
	const char *id, *tenant, *command;
	unsigned int flags;
	int r;
	struct corral_error err;
	pthread_t thread;
};

static void *run_thread(void *arg)
{
	struct worker *w = arg;

	w->r = run(w->b, w->command, &w->err);
	return NULL;
}

static void *open_thread(void *arg)
{
	struct worker *w = arg;
	const struct corral_session_ask ask = { .id = w->id,
		                                .tenant = w->tenant,
		                                .flags = w->flags };

	w->r = corral_session_manager_get_or_create(w->f->m, &ask, &w->b, &w->err);
	return NULL;
}

static void *release_thread(void *arg)
{
	struct worker *w = arg;

	w->r = corral_session_manager_release(w->f->m, w->id, 0, &w->err);
	return NULL;
}

static void *hibernate_thread(void *arg)
{
	struct worker *w = arg;

	w->r = corral_session_manager_hibernate(w->f->m, w->id, &w->err);
	return NULL;
}

static void *shutdown_thread(void *arg)
{
	struct worker *w = arg;

	w->r = corral_session_manager_shutdown(w->f->m, &w->err);
	return NULL;
}

static void go(struct worker *w, void *(*what)(void *arg))
{
	assert_int_equal(pthread_create(&w->thread, NULL, what, w), 0);
}

static void come(struct worker *w)
{
	assert_int_equal(pthread_join(w->thread, NULL), 0);
}

static void nap_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&t, NULL);
}

#define SAYS(f, part)                                                           \
	do {                                                                    \
		if (!strstr((f)->err.text, (part)))                             \
			fail_msg("'%s' is not in '%s'", (part), (f)->err.text); \
	} while (0)

/* --- Opening --- */

static void an_id_is_one_session(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *a, *b;

	begin(f);
	a = opened(f, "a");
	b = opened(f, "a");
	assert_int_equal(f->world.made, 1);
	assert_string_equal(corral_backend_id(a), "a");
	assert_string_equal(corral_backend_kind(a), "fake");
	assert_int_equal(run(a, "count", &f->err), 1);
	assert_int_equal(run(b, "count", &f->err), 2);
	assert_int_equal(corral_session_manager_count(f->m), 1);
	assert_true(corral_session_manager_contains(f->m, "a"));
	assert_false(corral_session_manager_contains(f->m, "b"));
	corral_backend_close(a);
	/* A lease is not the session. */
	assert_int_equal(run(b, "count", &f->err), 3);
	corral_backend_close(b);
}

static void what_is_asked_for_is_checked(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", "-a", "a b" };
	struct fixture *f = *state;
	struct corral_backend *b = NULL, *other = NULL;

	begin(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(open_as(f, &(struct corral_session_ask) { .id = bad[i] }, &b),
		                 -EINVAL);
	assert_int_equal(open_as(f,
	                         &(struct corral_session_ask) { .id = "a",
	                                                        .flags = CORRAL_SESSION_EXISTING },
	                         &b),
	                 -ENOENT);
	SAYS(f, "No such session: a");
	assert_int_equal(open_as(f, &(struct corral_session_ask) { .id = "a", .runtime = "nope" },
	                         &b),
	                 -ENOENT);
	SAYS(f, "Unknown runtime 'nope'. Available: ");
	assert_int_equal(f->world.made, 0);
	b = opened(f, "a");
	assert_int_equal(
	        open_as(f, &(struct corral_session_ask) { .id = "a", .flags = CORRAL_SESSION_NEW },
	                &other),
	        -EEXIST);
	SAYS(f, "Session exists: a");
	assert_int_equal(
	        open_as(f, &(struct corral_session_ask) { .id = "a", .runtime = "python-minimal" },
	                &other),
	        -EEXIST);
	SAYS(f, "Session a is open on runtime 'host', not 'python-minimal'. Close it before "
	        "changing runtime.");
	assert_int_equal(open_as(f,
	                         &(struct corral_session_ask) { .id = "a",
	                                                        .runtime = "host",
	                                                        .flags = CORRAL_SESSION_EXISTING },
	                         &other),
	                 0);
	corral_backend_close(other);
	corral_backend_close(b);
	assert_int_equal(open_as(f, &(struct corral_session_ask) { 0 }, &b), 0);
	assert_int_equal(strlen(corral_backend_id(b)), 18);
	assert_memory_equal(corral_backend_id(b), "s-", 2);
	corral_backend_close(b);
}

/* (S1) */
static void concurrent_opens_of_one_id_make_one(void **state)
{
	struct fixture *f = *state;
	struct worker w[8];

	begin(f);
	f->world.hold_make = true;
	for (size_t i = 0; i < 8; i++) {
		w[i] = (struct worker) { .f = f, .id = "a" };
		go(&w[i], open_thread);
	}
	world_wait(&f->world, 1);
	nap_ms(20);
	assert_int_equal(world_get(&f->world, &f->world.waiting), 1);
	assert_int_equal(corral_session_manager_count(f->m), 0);
	world_set(&f->world, &f->world.hold_make, false);
	for (size_t i = 0; i < 8; i++) {
		come(&w[i]);
		assert_int_equal(w[i].r, 0);
		corral_backend_close(w[i].b);
	}
	assert_int_equal(f->world.made, 1);
}

static void opens_of_different_ids_do_not_wait(void **state)
{
	struct fixture *f = *state;
	struct worker w = { .f = f, .id = "slow", .flags = CORRAL_SESSION_START };

	begin(f);
	f->world.hold_start = true;
	go(&w, open_thread);
	world_wait(&f->world, 1);
	corral_backend_close(opened(f, "quick"));
	assert_int_equal(corral_session_manager_count(f->m), 1);
	world_set(&f->world, &f->world.hold_start, false);
	come(&w);
	assert_int_equal(w.r, 0);
	corral_backend_close(w.b);
}

/* (S2, S3) */
static void reservations_count_for_every_ceiling(void **state)
{
	struct fixture *f = *state;
	struct worker w[8];
	char ids[8][8];
	unsigned int had = 0;

	f->o.max_open = 5;
	f->o.max_of_tenant = 3;
	begin(f);
	for (int round = 0; round < 2; round++) {
		const char *tenant = round ? NULL : "t";
		unsigned int may = round ? 5 : 3;

		f->world.hold_make = true;
		for (size_t i = 0; i < 8; i++) {
			(void)snprintf(ids[i], sizeof(ids[i]), "x%d%zu", round, i);
			w[i] = (struct worker) { .f = f, .id = ids[i], .tenant = tenant };
			go(&w[i], open_thread);
		}
		world_wait(&f->world, may);
		nap_ms(10);
		world_set(&f->world, &f->world.hold_make, false);
		had = 0;
		for (size_t i = 0; i < 8; i++) {
			come(&w[i]);
			had += w[i].r == 0;
			if (w[i].r == 0) {
				corral_backend_close(w[i].b);
				continue;
			}
			assert_int_equal(w[i].r, -EUSERS);
			assert_string_equal(
			        w[i].err.text,
			        round ? "Session limit of 5 reached. Release an idle session "
			                "before opening another."
			              : "Tenant 't' already holds 3 of 3 sessions. Release an "
			                "idle session before opening another.");
		}
		assert_int_equal(had, may);
		assert_int_equal(corral_session_manager_shutdown(f->m, &f->err), may);
	}
}

/* (S16) */
static void failed_one_leaves_nothing(void **state)
{
	const struct corral_session_ask ask = { .id = "a", .flags = CORRAL_SESSION_START };
	struct fixture *f = *state;
	struct corral_backend *b = NULL;

	f->o.max_open = f->o.max_resident = 1;
	begin(f);
	f->world.fail_make = EIO;
	assert_int_equal(open_as(f, &ask, &b), -EIO);
	SAYS(f, "session 'a': fake: not made");
	f->world.fail_make = 0;
	f->world.fail_start = ENOSPC;
	assert_int_equal(open_as(f, &ask, &b), -ENOSPC);
	SAYS(f, "session 'a': fake: no start");
	assert_int_equal(corral_session_manager_count(f->m), 0);
	assert_int_equal(f->world.made, f->world.closed);
	f->world.fail_start = 0;
	/* Neither its reservation nor its place. */
	b = opened(f, "b");
	assert_int_equal(run(b, "count", &f->err), 1);
	corral_backend_close(b);
}

/* Nor in a store; and what was there before is as it was. */
static void failed_one_leaves_nothing_in_a_store(void **state)
{
	const struct corral_session_ask ask = { .id = "a", .flags = CORRAL_SESSION_START };
	char dir[] = "/tmp/corral-test-manager-XXXXXX";
	struct corral_session_record record = { 0 };
	struct corral_session_store *store = NULL;
	struct fixture *f = *state;
	struct corral_backend *b = NULL;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_non_null(mkdtemp(dir));
	assert_int_equal(corral_session_store_open(dir, &store, &f->err), 0);
	f->o.store = store;
	begin(f);
	for (int made = 0; made < 2; made++) {
		f->world.fail_make = made ? 0 : EIO;
		f->world.fail_start = made ? ENOSPC : 0;
		assert_int_equal(open_as(f, &ask, &b), made ? -ENOSPC : -EIO);
		assert_int_equal(corral_session_store_find(store, "a", &record, &f->err), -ENOENT);
	}
	f->world.fail_start = 0;
	corral_backend_close(opened(f, "a"));
	assert_int_equal(corral_session_manager_release(f->m, "a", 0, &f->err), 1);
	assert_int_equal(f->world.forgotten, 2);
	f->world.fail_start = ENOSPC;
	assert_int_equal(open_as(f, &ask, &b), -ENOSPC);
	assert_int_equal(corral_session_store_find(store, "a", &record, &f->err), 0);
	assert_true(record.closed);
	corral_session_record_done(&record);
	/* Of what was kept, nothing was forgotten. */
	assert_int_equal(f->world.forgotten, 2);
	corral_session_manager_free(f->m);
	f->m = NULL;
	corral_session_store_close(store);
	assert_int_equal(corral_layer_remove(tmp_fd, dir + strlen("/tmp/"), &f->err), 0);
	(void)close(tmp_fd);
}

static void failed_start_of_one_that_is_there_keeps_it(void **state)
{
	const struct corral_session_ask ask = { .id = "a", .flags = CORRAL_SESSION_START };
	struct fixture *f = *state;
	struct corral_backend *a, *b = NULL;

	f->o.max_resident = 1;
	begin(f);
	a = opened(f, "a");
	f->world.fail_start = ENOSPC;
	assert_int_equal(open_as(f, &ask, &b), -ENOSPC);
	/* An operation's as well; and the place is not lost. */
	assert_int_equal(run(a, "count", &f->err), -ENOSPC);
	assert_false(resident(f, "a"));
	f->world.fail_start = 0;
	b = opened(f, "b");
	assert_int_equal(run(b, "count", &f->err), 1);
	assert_int_equal(run(a, "count", &f->err), 1);
	corral_backend_close(a);
	corral_backend_close(b);
}

/* --- Waking and sleeping --- */

static void sandbox_is_made_on_first_use_and_again_after_sleep(void **state)
{
	struct corral_buf text = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	struct corral_backend *a;

	begin(f);
	a = opened(f, "a");
	assert_int_equal(f->world.starts, 0);
	assert_false(resident(f, "a"));
	assert_int_equal(corral_backend_write(a, "f", "x", 1, &f->err), 0);
	assert_int_equal(f->world.starts, 1);
	assert_true(resident(f, "a"));
	assert_int_equal(run(a, "count", &f->err), 1);
	assert_int_equal(run(a, "count", &f->err), 2);
	assert_int_equal(corral_session_manager_hibernate(f->m, "a", &f->err), 0);
	assert_int_equal(f->world.ends, 1);
	assert_false(resident(f, "a"));
	assert_int_equal(corral_session_manager_hibernate(f->m, "a", &f->err), 0);
	assert_int_equal(f->world.ends, 1);
	assert_int_equal(corral_session_manager_hibernate(f->m, "b", &f->err), -ENOENT);
	/* Processes are gone, files are not. */
	assert_int_equal(run(a, "count", &f->err), 1);
	assert_int_equal(corral_backend_read_bytes(a, "f", 0, &text, &f->err), 0);
	assert_int_equal(text.len, 1);
	corral_buf_done(&text);
	corral_backend_close(a);
}

/* (S15) */
static void looking_wakes_nobody_and_is_no_use(void **state)
{
	struct corral_session_info *rows, before, now;
	struct corral_background_list list;
	struct fixture *f = *state;
	struct corral_backend *a;
	size_t n;

	begin(f);
	a = opened(f, "a");
	corral_backend_close(opened(f, "0"));
	assert_int_equal(corral_session_manager_describe(f->m, "a", &before, &f->err), 0);
	nap_ms(5);
	assert_false(corral_backend_is_alive(a));
	assert_int_equal(corral_backend_stop(a, "r", &f->err), 0);
	assert_int_equal(corral_backend_end(a, &f->err), 0);
	assert_int_equal(corral_backend_background_list(a, &list, &f->err), 0);
	assert_int_equal(list.n, 0);
	assert_int_equal(corral_session_manager_list(f->m, &rows, &n, &f->err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].id, "0");
	assert_string_equal(rows[1].id, "a");
	assert_string_equal(rows[1].runtime, "host");
	assert_int_not_equal(rows[1].isolation, CORRAL_ISOLATION_AUTO);
	assert_true(*rows[1].reason);
	free(rows);
	assert_int_equal(corral_session_manager_describe(f->m, "a", &now, &f->err), 0);
	assert_int_equal(now.active_ms, before.active_ms);
	assert_int_equal(now.busy, 0);
	assert_false(now.resident);
	assert_int_equal(f->world.starts, 0);
	assert_int_equal(run(a, "count", &f->err), 1);
	assert_true(corral_backend_is_alive(a));
	corral_backend_close(a);
}

static void full_table_evicts_who_was_active_least_recently(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *s[4];
	static const char *const ids[] = { "a", "b", "c", "d" };

	f->o.max_resident = 2;
	begin(f);
	for (size_t i = 0; i < 4; i++) {
		s[i] = opened(f, ids[i]);
		assert_int_equal(run(s[i], "count", &f->err), 1);
		nap_ms(2);
	}
	assert_string_equal(f->world.order[0], "a");
	assert_string_equal(f->world.order[1], "b");
	/* Used, so the other one goes. */
	assert_int_equal(run(s[2], "count", &f->err), 2);
	nap_ms(2);
	assert_int_equal(run(s[0], "count", &f->err), 1);
	assert_string_equal(f->world.order[2], "d");
	assert_int_equal(f->world.max_alive, 2);
	for (size_t i = 0; i < 4; i++)
		corral_backend_close(s[i]);
}

/* (S5) */
static void who_has_an_operation_in_flight_is_never_evicted(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *b, *c;
	struct worker w = { .f = f, .command = "wait" };

	f->o.max_resident = 1;
	begin(f);
	w.b = opened(f, "a");
	b = opened(f, "b");
	go(&w, run_thread);
	world_wait(&f->world, 1);
	assert_int_equal(run(b, "count", &f->err), -EUSERS);
	assert_string_equal(f->err.text,
	                    "Session limit of 1 reached. Release an idle session before "
	                    "opening another.");
	assert_int_equal(corral_session_manager_hibernate(f->m, "a", &f->err), -EBUSY);
	SAYS(f, "session 'a': 1 operation");
	assert_int_equal(open_as(f,
	                         &(struct corral_session_ask) { .id = "c",
	                                                        .flags = CORRAL_SESSION_START },
	                         &c),
	                 -EUSERS);
	assert_false(corral_session_manager_contains(f->m, "c"));
	/* It is stopped through another lease of it. */
	c = opened(f, "a");
	assert_int_equal(corral_backend_stop(c, "r", &f->err), 0);
	come(&w);
	assert_int_equal(w.r, 0);
	assert_int_equal(run(b, "count", &f->err), 1);
	assert_int_equal(f->world.max_alive, 1);
	corral_backend_close(w.b);
	corral_backend_close(b);
	corral_backend_close(c);
}

static void who_was_active_lately_keeps_its_sandbox(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *a, *b;

	f->o.max_resident = 1;
	for (int round = 0; round < 2; round++) {
		f->o.evict_idle_after_ms = round ? 20 : 3600000;
		begin(f);
		a = opened(f, "a");
		b = opened(f, "b");
		assert_int_equal(run(a, "count", &f->err), 1);
		nap_ms(30);
		assert_int_equal(run(b, "count", &f->err), round ? 1 : -EUSERS);
		corral_backend_close(a);
		corral_backend_close(b);
		corral_session_manager_free(f->m);
		f->m = NULL;
	}
}

static void background_processes_are_evicted_last(void **state)
{
	struct fixture *f = *state;
	struct corral_background_list list;
	struct corral_background g;
	struct corral_backend *a, *b, *c;

	f->o.max_resident = 2;
	begin(f);
	a = opened(f, "a");
	b = opened(f, "b");
	c = opened(f, "c");
	assert_int_equal(corral_backend_background_start(a, "serve", &g, &f->err), 0);
	nap_ms(2);
	assert_int_equal(run(b, "count", &f->err), 1);
	nap_ms(2);
	assert_int_equal(run(c, "count", &f->err), 1);
	assert_string_equal(f->world.order[0], "b");
	assert_int_equal(corral_backend_background_list(a, &list, &f->err), 0);
	assert_int_equal(list.n, 1);
	corral_background_list_done(&list);
	/* When they are seen to be gone, it is one like others. */
	assert_int_equal(corral_backend_background_kill_all(a, &f->err), 0);
	assert_int_equal(run(b, "count", &f->err), 1);
	assert_string_equal(f->world.order[1], "a");
	/* Nothing else can go. */
	assert_int_equal(corral_backend_background_start(b, "serve", &g, &f->err), 0);
	assert_int_equal(corral_backend_background_start(c, "serve", &g, &f->err), 0);
	assert_int_equal(run(a, "count", &f->err), 1);
	assert_string_equal(f->world.order[2], "b");
	corral_backend_close(a);
	corral_backend_close(b);
	corral_backend_close(c);
}

static void place_that_is_being_left_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct worker sleeper = { .f = f, .id = "a" }, waker = { .f = f, .command = "count" };
	struct corral_backend *a;

	f->o.max_resident = 1;
	begin(f);
	a = opened(f, "a");
	waker.b = opened(f, "b");
	assert_int_equal(run(a, "count", &f->err), 1);
	world_set(&f->world, &f->world.hold_end, true);
	go(&sleeper, hibernate_thread);
	world_wait(&f->world, 1);
	go(&waker, run_thread);
	nap_ms(20);
	world_set(&f->world, &f->world.hold_end, false);
	come(&sleeper);
	come(&waker);
	assert_int_equal(sleeper.r, 0);
	assert_int_equal(waker.r, 1);
	assert_int_equal(f->world.max_alive, 1);
	corral_backend_close(a);
	corral_backend_close(waker.b);
}

static void one_that_cannot_be_ended_is_not_in_the_way(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *a, *b, *c;

	f->o.max_resident = 2;
	begin(f);
	a = opened(f, "a");
	b = opened(f, "b");
	c = opened(f, "c");
	assert_int_equal(run(a, "count", &f->err), 1);
	nap_ms(2);
	assert_int_equal(run(b, "count", &f->err), 1);
	f->world.fail_end = EIO;
	f->world.fail_end_of = "a";
	nap_ms(2);
	assert_int_equal(run(c, "count", &f->err), 1);
	assert_string_equal(f->world.order[0], "b");
	f->world.fail_end_of = NULL;
	assert_int_equal(run(b, "count", &f->err), -EIO);
	SAYS(f, "make room: session '");
	SAYS(f, "fake: no end");
	assert_int_equal(f->world.max_alive, 2);
	f->world.fail_end = 0;
	corral_backend_close(a);
	corral_backend_close(b);
	corral_backend_close(c);
}

/* (S29) */
static void loss_of_a_sandbox_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *a;

	f->o.max_resident = 1;
	begin(f);
	a = opened(f, "a");
	assert_int_equal(run(a, "count", &f->err), 1);
	assert_int_equal(run(a, "count", &f->err), 2);
	assert_int_equal(run(a, "die", &f->err), -EPIPE);
	assert_string_equal(f->err.text,
	                    "session 'a': the fake is gone: the next call has a new one");
	assert_false(resident(f, "a"));
	assert_int_equal(run(a, "count", &f->err), 1);
	corral_backend_close(a);
}

/* --- Release --- */

static void released_session_is_gone_and_can_be_made_anew(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *a, *b;

	begin(f);
	a = opened(f, "a");
	assert_int_equal(corral_backend_write(a, "f", "x", 1, &f->err), 0);
	assert_int_equal(corral_session_manager_release(f->m, "a", 0, &f->err), 1);
	assert_int_equal(corral_session_manager_release(f->m, "a", 0, &f->err), 0);
	assert_int_equal(f->n_released, 1);
	assert_string_equal(f->released[0], "a");
	/* Without a store nothing is to stay of it. */
	assert_int_equal(f->world.forgotten, 1);
	assert_int_equal(f->world.closed, 1);
	assert_int_equal(run(a, "count", &f->err), -EPIPE);
	assert_string_equal(f->err.text, "session 'a' was released: open it again");
	assert_false(corral_backend_exists(a, "f"));
	assert_false(corral_backend_is_alive(a));
	assert_string_equal(corral_backend_id(a), "a");
	(void)corral_backend_root_path(a);
	b = opened(f, "a");
	assert_false(corral_backend_exists(b, "f"));
	assert_int_equal(run(a, "count", &f->err), -EPIPE);
	corral_backend_close(a);
	corral_backend_close(b);
}

/* (S4) */
static void release_during_creation_waits_for_it(void **state)
{
	struct fixture *f = *state;
	struct worker opener = { .f = f, .id = "a" }, releaser[3];
	int released = 0;

	begin(f);
	f->world.hold_make = true;
	go(&opener, open_thread);
	world_wait(&f->world, 1);
	for (size_t i = 0; i < 3; i++) {
		releaser[i] = (struct worker) { .f = f, .id = "a" };
		go(&releaser[i], release_thread);
	}
	nap_ms(10);
	world_set(&f->world, &f->world.hold_make, false);
	come(&opener);
	assert_int_equal(opener.r, 0);
	for (size_t i = 0; i < 3; i++) {
		come(&releaser[i]);
		assert_true(releaser[i].r >= 0);
		released += releaser[i].r;
	}
	assert_int_equal(released, 1);
	assert_int_equal(run(opener.b, "count", &f->err), -EPIPE);
	assert_int_equal(corral_session_manager_count(f->m), 0);
	corral_backend_close(opener.b);
}

/* (P3) */
static void release_ends_what_runs(void **state)
{
	struct fixture *f = *state;
	struct worker w[3];

	begin(f);
	for (size_t i = 0; i < 3; i++) {
		w[i] = (struct worker) { .f = f, .command = "wait", .b = opened(f, "a") };
		go(&w[i], run_thread);
	}
	world_wait(&f->world, 3);
	assert_int_equal(corral_session_manager_release(f->m, "a", 0, &f->err), 1);
	for (size_t i = 0; i < 3; i++) {
		come(&w[i]);
		assert_int_equal(w[i].r, -EPIPE);
		corral_backend_close(w[i].b);
	}
	assert_int_equal(f->world.closed, 1);
}

/* Long enough for what is not idle to be seen as such on a machine that is busy. */
#define IDLE_MS 900

/* (S14) */
static void cleanup_releases_the_idle_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct worker w = { .f = f, .command = "wait" };
	struct corral_backend *b;

	begin(f);
	w.b = opened(f, "busy");
	go(&w, run_thread);
	world_wait(&f->world, 1);
	corral_backend_close(opened(f, "idle1"));
	b = opened(f, "idle2");
	assert_int_equal(run(b, "count", &f->err), 1);
	corral_backend_close(b);
	corral_backend_close(opened(f, "idle3"));
	assert_int_equal(corral_session_manager_cleanup(f->m, -1, &f->err), 0);
	assert_int_equal(corral_session_manager_cleanup(f->m, 10000, &f->err), 0);
	nap_ms(IDLE_MS + 10);
	b = opened(f, "fresh");
	assert_int_equal(run(b, "count", &f->err), 1);
	f->world.fail_end = EIO;
	f->world.fail_end_of = "idle2";
	memset(&f->err, 0, sizeof(f->err));
	assert_int_equal(corral_session_manager_cleanup(f->m, IDLE_MS, &f->err), 3);
	SAYS(f, "release session 'idle2': fake: no end");
	f->world.fail_end = 0;
	assert_int_equal(f->n_released, 3);
	assert_int_equal(corral_session_manager_count(f->m), 2);
	assert_true(corral_session_manager_contains(f->m, "busy"));
	assert_true(corral_session_manager_contains(f->m, "fresh"));
	assert_int_equal(corral_backend_stop(w.b, "r", &f->err), 0);
	come(&w);
	assert_int_equal(w.r, 0);
	/* Its end was its last use. */
	assert_int_equal(corral_session_manager_cleanup(f->m, IDLE_MS, &f->err), 0);
	corral_backend_close(w.b);
	corral_backend_close(b);
}

static void callback_ends_a_pass(void **state)
{
	struct fixture *f = *state;

	f->stop_after = 2;
	begin(f);
	corral_backend_close(opened(f, "a"));
	corral_backend_close(opened(f, "b"));
	corral_backend_close(opened(f, "c"));
	nap_ms(3);
	assert_int_equal(corral_session_manager_cleanup(f->m, 0, &f->err), 2);
	assert_int_equal(corral_session_manager_count(f->m), 1);
}

static void loop_cleans_until_it_is_stopped(void **state)
{
	struct fixture *f = *state;

	f->o.idle_timeout_ms = 1;
	begin(f);
	assert_int_equal(corral_session_manager_cleanup_start(f->m, 2, &f->err), 0);
	assert_int_equal(corral_session_manager_cleanup_start(f->m, 2, &f->err), 0);
	f->world.fail_end = EIO;
	for (int round = 0; round < 2; round++) {
		corral_backend_close(opened(f, "a"));
		for (int i = 0; i < 2000 && corral_session_manager_count(f->m); i++)
			nap_ms(1);
		assert_int_equal(corral_session_manager_count(f->m), 0);
	}
	corral_session_manager_cleanup_stop(f->m);
	corral_session_manager_cleanup_stop(f->m);
	f->world.fail_end = 0;
	corral_backend_close(opened(f, "b"));
	nap_ms(20);
	assert_int_equal(corral_session_manager_count(f->m), 1);
}

/* (S18) */
static void shutdown_releases_side_by_side(void **state)
{
	struct worker w = { 0 };
	struct fixture *f = *state;
	struct corral_backend *b;
	char id[2] = "a";

	begin(f);
	for (; *id < 'f'; (*id)++) {
		b = opened(f, id);
		assert_int_equal(run(b, "count", &f->err), 1);
		corral_backend_close(b);
	}
	w.f = f;
	world_set(&f->world, &f->world.hold_end, true);
	f->world.fail_end = EIO;
	f->world.fail_end_of = "c";
	go(&w, shutdown_thread);
	world_wait(&f->world, 5);
	world_set(&f->world, &f->world.hold_end, false);
	come(&w);
	assert_int_equal(w.r, 5);
	assert_string_equal(w.err.text, "release session 'c': fake: no end");
	f->world.fail_end = 0;
	assert_int_equal(corral_session_manager_count(f->m), 0);
	assert_int_equal(f->world.closed, 5);
	corral_backend_close(opened(f, "a"));
	assert_int_equal(corral_session_manager_shutdown(f->m, &f->err), 1);
}

static void end_of_the_manager_ends_what_runs_and_leases_say_so(void **state)
{
	struct fixture *f = *state;
	struct worker w = { .f = f, .command = "wait" };

	begin(f);
	w.b = opened(f, "a");
	go(&w, run_thread);
	world_wait(&f->world, 1);
	corral_session_manager_free(f->m);
	f->m = NULL;
	come(&w);
	assert_int_equal(w.r, -EPIPE);
	assert_int_equal(f->world.closed, 1);
	assert_int_equal(run(w.b, "count", &f->err), -EPIPE);
	assert_string_equal(f->err.text, "session 'a': its manager is closed");
	corral_backend_close(w.b);
}

static int look(void *ctx, struct corral_error *err)
{
	const struct fixture *f = ctx;

	return f->stop_after ? corral_error_set(err, ECONNREFUSED, "nobody listens") : 0;
}

static int docker_make(void *ctx, const struct corral_session_make *what,
                       struct corral_backend **ret, struct corral_error *err)
{
	struct fixture *f = ctx;

	return fake_make(&f->world, what, ret, err);
}

/* Whose root is an image, which only an engine can have. */
static void isolation_is_chosen_and_told(void **state)
{
	const struct corral_session_ask ask = { .id = "a", .runtime = "python-minimal" };
	struct fixture *f = *state;
	const struct corral_session_maker docker = { .make = docker_make, .look = look, .ctx = f };
	struct corral_session_info info;
	struct corral_backend *b = NULL;

	f->o.custom = NULL;
	begin(f);
	assert_int_equal(open_as(f, &ask, &b), -EOPNOTSUPP);
	SAYS(f, "python:3.12-slim");
	SAYS(f, "no Docker engine");
	corral_session_manager_free(f->m);
	f->o.docker = &docker;
	begin(f);
	f->stop_after = 1;
	assert_int_equal(open_as(f, &ask, &b), -EOPNOTSUPP);
	SAYS(f, "nobody listens");
	assert_int_equal(corral_session_manager_count(f->m), 0);
	f->stop_after = 0;
	assert_int_equal(open_as(f, &ask, &b), 0);
	assert_int_equal(run(b, "count", &f->err), 1);
	assert_int_equal(corral_session_manager_describe(f->m, "a", &info, &f->err), 0);
	assert_int_equal(info.isolation, CORRAL_ISOLATION_DOCKER);
	assert_string_equal(info.runtime, "python-minimal");
	assert_true(*info.reason);
	corral_backend_close(b);
	corral_session_manager_free(f->m);
	f->m = NULL;
}

static void layers_are_of_stored_sessions(void **state)
{
	char name[CORRAL_SESSION_ID_SIZE];
	struct fixture *f = *state;
	struct corral_backend *b = NULL;

	begin(f);
	corral_backend_close(opened(f, "a"));
	assert_int_equal(corral_session_manager_checkpoint(f->m, "a", NULL, name, 0, &f->err),
	                 -EOPNOTSUPP);
	assert_int_equal(corral_session_manager_undo(f->m, "b", 1, 0, &f->err), -ENOENT);
	assert_int_equal(open_as(f, &(struct corral_session_ask) { .id = "h", .history = true },
	                         &b),
	                 -EOPNOTSUPP);
	assert_false(corral_session_manager_contains(f->m, "h"));
}

int main(int argc, char **argv)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(an_id_is_one_session),
		ROW(what_is_asked_for_is_checked),
		ROW(concurrent_opens_of_one_id_make_one),
		ROW(opens_of_different_ids_do_not_wait),
		ROW(reservations_count_for_every_ceiling),
		ROW(failed_one_leaves_nothing),
		ROW(failed_one_leaves_nothing_in_a_store),
		ROW(failed_start_of_one_that_is_there_keeps_it),
		ROW(sandbox_is_made_on_first_use_and_again_after_sleep),
		ROW(looking_wakes_nobody_and_is_no_use),
		ROW(full_table_evicts_who_was_active_least_recently),
		ROW(who_has_an_operation_in_flight_is_never_evicted),
		ROW(who_was_active_lately_keeps_its_sandbox),
		ROW(background_processes_are_evicted_last),
		ROW(place_that_is_being_left_is_waited_for),
		ROW(one_that_cannot_be_ended_is_not_in_the_way),
		ROW(loss_of_a_sandbox_is_told_once),
		ROW(released_session_is_gone_and_can_be_made_anew),
		ROW(release_during_creation_waits_for_it),
		ROW(release_ends_what_runs),
		ROW(cleanup_releases_the_idle_and_goes_on),
		ROW(callback_ends_a_pass),
		ROW(loop_cleans_until_it_is_stopped),
		ROW(shutdown_releases_side_by_side),
		ROW(end_of_the_manager_ends_what_runs_and_leases_say_so),
		ROW(isolation_is_chosen_and_told),
		ROW(layers_are_of_stored_sessions),
	};
#undef ROW

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
