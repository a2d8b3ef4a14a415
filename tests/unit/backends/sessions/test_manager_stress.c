/*
 * Random operations from many threads over many sessions, held against a simple model: each thread
 * has sessions of its own, whose files and sandboxes it knows, and all have some in common, of
 * which only less can be said. CORRAL_STRESS_OPERATIONS: how many; CORRAL_STRESS_SEED: from where.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "kernel/base/cleanup.h"
#include "tests/support.h"
#include "tests/unit/backends/sessions/manager_support.h"

#define THREADS  8
#define OWN      4 /* sessions of each thread */
#define SHARED   8
#define PLACES   10 /* more than threads, so that there is always one to be had */
#define FILES    3
#define SESSIONS (THREADS * OWN + SHARED)

struct model {
	char id[8];
	struct corral_backend *lease; /* NULL: not open */
	unsigned int files[FILES];    /* what was written last; 0: nothing */
	unsigned int counter;         /* of its sandbox, as it was last seen */
	unsigned int releases;        /* that are known of */
	atomic_uint released;         /* as on_release() has it */
};

struct stress {
	struct world world;
	struct corral_session_manager *m;
	struct model models[SESSIONS];
	unsigned int operations;
	atomic_uint failed;
	char why[600];
	unsigned long seed;
};

struct hand {
	struct stress *s;
	unsigned int number;
	uint64_t random;
	pthread_t thread;
};

static unsigned int pick(struct hand *h, unsigned int n)
{
	/* xorshift64: any generator does, and this one is the thread's own. */
	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return (unsigned int)(h->random >> 33) % n;
}

static int wrong(struct hand *h, const struct model *o, const char *what, int r,
                 const struct corral_error *err)
{
	if (atomic_fetch_add(&h->s->failed, 1) == 0)
		(void)snprintf(h->s->why, sizeof(h->s->why), "%s: %s: %d %s (seed %lu)", o->id,
		               what, r, err->text, h->s->seed);
	return -1;
}

/* Somebody cleaned up: it is known a moment after its operations are refused. */
static int was_released(struct hand *h, struct model *o, const char *what,
                        const struct corral_error *err)
{
	const struct timespec t = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && atomic_load(&o->released) == o->releases; i++)
		(void)nanosleep(&t, NULL);
	if (atomic_load(&o->released) == o->releases || !strstr(err->text, "was released"))
		return wrong(h, o, what, -EPIPE, err);
	o->releases = atomic_load(&o->released);
	corral_backend_close(o->lease);
	o->lease = NULL;
	return 0;
}

static int on_release(void *ctx, const char *id)
{
	struct stress *s = ctx;

	for (size_t i = 0; i < SESSIONS; i++)
		if (!strcmp(s->models[i].id, id))
			(void)atomic_fetch_add(&s->models[i].released, 1);
	return 0;
}

static int own_open(struct hand *h, struct model *o)
{
	const struct corral_session_ask ask = { .id = o->id,
		                                .flags = pick(h, 2) ? CORRAL_SESSION_START : 0 };
	struct corral_backend *b = NULL;
	struct corral_error err = { 0 };
	unsigned int releases = atomic_load(&o->released);
	int r = corral_session_manager_get_or_create(h->s->m, &ask, &b, &err);

	if (r < 0)
		return wrong(h, o, "open", r, &err);
	/* Either one more lease of the same, or the old one was released meanwhile. */
	r = o->lease ? corral_backend_stop(o->lease, "none", &err) : 0;
	if (r == -EPIPE && was_released(h, o, "open", &err) < 0)
		return -1;
	if (o->lease) {
		corral_backend_close(o->lease);
	} else {
		o->releases = releases;
		memset(o->files, 0, sizeof(o->files));
		o->counter = 0;
	}
	o->lease = b;
	return 0;
}

static int own_count(struct hand *h, struct model *o)
{
	const struct corral_execute x = { .command = "count", .timeout_ms = -1 };
	struct corral_error err = { 0 };
	struct corral_executed e;
	int r = corral_backend_execute(o->lease, &x, &e, &err);
	unsigned int n = r == 0 && e.out.len ? (unsigned int)strtoul(e.out.data, NULL, 10) : 0;

	corral_executed_done(&e);
	if (r == -EPIPE)
		return was_released(h, o, "count", &err);
	if (r < 0)
		return wrong(h, o, "count", r, &err);
	/* In the same sandbox, or in a new one. */
	if (n != o->counter + 1 && n != 1)
		return wrong(h, o, "count went wrong", (int)n, &err);
	o->counter = n;
	return 0;
}

static int own_file(struct hand *h, struct model *o)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	unsigned int i = pick(h, FILES), value = 1 + pick(h, 100000);
	char name[2] = { (char)('a' + i), '\0' }, data[16];
	int r;

	if (pick(h, 2)) {
		(void)snprintf(data, sizeof(data), "%u", value);
		r = corral_backend_write(o->lease, name, data, strlen(data), &err);
		if (r == 0)
			o->files[i] = value;
	} else {
		r = corral_backend_read_bytes(o->lease, name, 0, &text, &err);
		value = r == 0 ? (unsigned int)strtoul(text.data, NULL, 10) : 0;
		if (r == -ENOENT && !o->files[i])
			return 0;
		if (r == 0 && value != o->files[i])
			return wrong(h, o, "another content", (int)value, &err);
	}
	if (r == -EPIPE)
		return was_released(h, o, "file", &err);
	return r < 0 ? wrong(h, o, "file", r, &err) : 0;
}

static int own_release(struct hand *h, struct model *o)
{
	struct corral_error err = { 0 };
	int r = corral_session_manager_release(h->s->m, o->id, pick(h, 2), &err);

	if (r < 0)
		return wrong(h, o, "release", r, &err);
	corral_backend_close(o->lease);
	o->lease = NULL;
	return 0;
}

static int own_sleep(struct hand *h, struct model *o)
{
	struct corral_error err = { 0 };
	int r = corral_session_manager_hibernate(h->s->m, o->id, &err);

	if (r == 0)
		o->counter = 0;
	return r < 0 && r != -ENOENT ? wrong(h, o, "hibernate", r, &err) : 0;
}

static int own_die(struct hand *h, struct model *o)
{
	const struct corral_execute x = { .command = "die", .timeout_ms = -1 };
	struct corral_error err = { 0 };
	struct corral_executed e;
	int r = corral_backend_execute(o->lease, &x, &e, &err);

	corral_executed_done(&e);
	if (r != -EPIPE)
		return wrong(h, o, "die", r, &err);
	o->counter = 0;
	return strstr(err.text, "the next call has a new one") ? 0
	                                                       : was_released(h, o, "die", &err);
}

static int on_own(struct hand *h)
{
	struct model *o = &h->s->models[h->number * OWN + pick(h, OWN)];

	if (!o->lease)
		return own_open(h, o);
	switch (pick(h, 20)) {
	case 0:
		return own_open(h, o);
	case 1:
		return own_release(h, o);
	case 2:
	case 3:
		return own_sleep(h, o);
	case 4:
		return own_die(h, o);
	case 5:
	case 6:
	case 7:
	case 8:
		return own_count(h, o);
	default:
		return own_file(h, o);
	}
}

/* Whatever others do with it at the same time. */
static int on_shared(struct hand *h)
{
	const struct model *o = &h->s->models[THREADS * OWN + pick(h, SHARED)];
	const struct corral_execute x = { .command = "count", .timeout_ms = -1 };
	const struct corral_session_ask ask = { .id = o->id };
	struct corral_session_info info;
	struct corral_backend *b = NULL;
	struct corral_error err = { 0 };
	struct corral_executed e;
	int r;

	switch (pick(h, 6)) {
	case 0:
		r = corral_session_manager_release(h->s->m, o->id, 0, &err);
		return r < 0 ? wrong(h, o, "release", r, &err) : 0;
	case 1:
		r = corral_session_manager_hibernate(h->s->m, o->id, &err);
		return r < 0 && r != -ENOENT && r != -EBUSY ? wrong(h, o, "sleep", r, &err) : 0;
	case 2:
		r = corral_session_manager_describe(h->s->m, o->id, &info, &err);
		return r < 0 && r != -ENOENT ? wrong(h, o, "describe", r, &err) : 0;
	default:
		break;
	}
	r = corral_session_manager_get_or_create(h->s->m, &ask, &b, &err);
	if (r < 0)
		return wrong(h, o, "open", r, &err);
	for (int i = 0; i < 3; i++) {
		r = corral_backend_execute(b, &x, &e, &err);
		corral_executed_done(&e);
		if (r < 0 && r != -EPIPE)
			return wrong(h, o, "count", r, &err);
	}
	corral_backend_close(b);
	return 0;
}

static int on_all(struct hand *h)
{
	struct corral_session_info *rows = NULL;
	struct corral_error err = { 0 };
	size_t n = 0, there = 0;
	int r;

	if (pick(h, 2)) {
		r = corral_session_manager_cleanup(h->s->m, pick(h, 2) ? 30 : 60000, &err);
		return r < 0 || err.code ? wrong(h, h->s->models, "cleanup", r, &err) : 0;
	}
	r = corral_session_manager_list(h->s->m, &rows, &n, &err);
	for (size_t i = 0; i < n; i++)
		there += rows[i].resident;
	free(rows);
	return r < 0 || n > SESSIONS || there > PLACES
	               ? wrong(h, h->s->models, "list", (int)there, &err)
	               : 0;
}

static void *work(void *arg)
{
	struct hand *h = arg;
	int r = 0;

	for (unsigned int i = 0; i < h->s->operations / THREADS && r == 0; i++) {
		unsigned int what = pick(h, 100);

		r = what < 2 ? on_all(h) : what < 25 ? on_shared(h) : on_own(h);
		if (atomic_load(&h->s->failed))
			break;
	}
	return NULL;
}

static unsigned long setting(const char *name, unsigned long usual)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : usual;
}

static void every_session_is_as_its_model_says(void **state)
{
	struct stress *s = calloc(1, sizeof(*s));
	struct corral_session_maker maker = { .make = fake_make, .forget = fake_forget };
	struct corral_session_manager_options o = {
		.custom = &maker, .max_resident = PLACES, .on_release = on_release, .ctx = s
	};
	struct hand hands[THREADS];
	struct corral_error err = { 0 };

	(void)state;
	assert_non_null(s);
	world_init(&s->world);
	maker.ctx = &s->world;
	s->operations = (unsigned int)setting("CORRAL_STRESS_OPERATIONS", 10000);
	s->seed = setting("CORRAL_STRESS_SEED", 4711);
	assert_int_equal(corral_session_manager_new(&o, &s->m, &err), 0);
	for (size_t i = 0; i < SESSIONS; i++)
		(void)snprintf(s->models[i].id, sizeof(s->models[i].id), "s%zu", i);
	for (unsigned int i = 0; i < THREADS; i++) {
		hands[i] =
		        (struct hand) { .s = s, .number = i, .random = (s->seed + i + 1) * 7919 };
		assert_int_equal(pthread_create(&hands[i].thread, NULL, work, &hands[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(hands[i].thread, NULL), 0);
	if (s->failed)
		fail_msg("%s", s->why);
	for (size_t i = 0; i < SESSIONS; i++)
		corral_backend_close(s->models[i].lease);
	print_message("%u made, %u starts, %u ends, at most %u at once\n", s->world.made,
	              s->world.starts, s->world.ends, s->world.max_alive);
	assert_true(s->world.max_alive <= PLACES);
	assert_true(s->world.ends > 0 && s->world.starts > s->world.made / 2);
	assert_true(corral_session_manager_shutdown(s->m, &err) >= 0);
	assert_int_equal(corral_session_manager_count(s->m), 0);
	assert_int_equal(s->world.made, s->world.closed);
	assert_int_equal(s->world.alive, 0);
	corral_session_manager_free(s->m);
	world_done(&s->world);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_session_is_as_its_model_says) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
