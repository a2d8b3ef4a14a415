/*
 * Random operations against a model that is a few arrays in memory. Two processes with threads of
 * their own have the same store open; each thread has sessions that it alone changes, so that it
 * knows what they have, while they share layers by forks, and all of the registry.
 *
 * CORRAL_STORE_OPERATIONS says how many, CORRAL_STORE_SEED with what they begin.
 */
#include "tests/unit/backends/sessions/store_support.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#define OPERATIONS 2000
#define DISK_SHARE 20 /* of them, so many less where each is mounted and copied */
#define PROCESSES  2
#define THREADS    2
#define SESSIONS   3 /* of a thread, at most */
#define FILES      4
#define POINTS     4 /* checkpoints of a session, at most */
#define COMMANDS   8 /* that the model can take back */

struct files {
	unsigned int values[FILES]; /* 0: not there */
};

struct command {
	unsigned int number;
	struct files before;
	unsigned int led[POINTS];
};

/* What can be taken back is part of a state. */
struct state {
	struct files files;
	struct command commands[COMMANDS];
	unsigned int n_commands;
	unsigned int led[POINTS]; /* serial numbers of checkpoints that it came from */
};

struct point {
	char name[8]; /* "": none */
	unsigned int serial;
	struct state state;
};

struct session {
	char id[16];
	bool there;
	unsigned int number; /* of the last command */
	struct state now;
	struct point points[POINTS];
};

struct worker {
	struct place p; /* the store is shared by the threads of a process */
	unsigned int seed, index, operations;
	struct session sessions[SESSIONS];
	unsigned int serial; /* of the last checkpoint */
};

/* Not assert_*(): cmocka knows of one thread, and of one process. */
#define MUST(w, call)                                                                      \
	do {                                                                               \
		if ((call) < 0) {                                                          \
			(void)fprintf(stderr, "%u: %s:%d: %s: %s\n", (w)->index, __FILE__, \
			              __LINE__, #call, (w)->p.err.text);                   \
			_exit(1);                                                          \
		}                                                                          \
	} while (0)
#define TRUE(w, condition)                                                                       \
	do {                                                                                     \
		if (!(condition)) {                                                              \
			(void)fprintf(stderr, "%u: %s:%d: %s\n", (w)->index, __FILE__, __LINE__, \
			              #condition);                                               \
			_exit(1);                                                                \
		}                                                                                \
	} while (0)

static unsigned int any(struct worker *w, unsigned int below)
{
	return (unsigned int)rand_r(&w->seed) % below;
}

/* As a sandbox would have left it. Whiteouts are root's; others begin with files that are there. */
static void file_write(struct worker *w, struct session *s, unsigned int file, unsigned int value)
{
	struct corral_config *c = NULL;
	char path[256], top[256];

	if (!value && !s->now.files.values[file])
		return;
	MUST(w, corral_session_store_config(w->p.store, s->id, &c, &w->p.err));
	TRUE(w, c->n_layers <= CORRAL_SESSION_LAYERS_MERGE);
	config_path(c, c->keep, top);
	(void)snprintf(path, sizeof(path), "%.230s/u2/f%u", top, file);
	(void)unlink(path);
	if (value) {
		char text[16];
		int n = snprintf(text, sizeof(text), "%u", value);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

		TRUE(w, fd >= 0 && write(fd, text, (size_t)n) == n);
		(void)close(fd);
	} else if (c->n_layers) {
		TRUE(w, mknod(path, S_IFCHR, 0) == 0);
	}
	corral_config_free(c);
	s->now.files.values[file] = value;
}

static unsigned int file_read(struct worker *w, const struct corral_session_stack *k,
                              unsigned int file)
{
	char path[16], text[16] = "";
	int fd = -1, r;

	(void)snprintf(path, sizeof(path), "f%u", file);
	r = corral_layers_open_file(&k->stack, CORRAL_LAYER_PART_WORK_DIR, path, &fd, &w->p.err);
	if (r == -ENOENT)
		return 0;
	MUST(w, r);
	TRUE(w, read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	return (unsigned int)strtoul(text, NULL, 10);
}

static void session_check(struct worker *w, struct session *s)
{
	struct corral_session_stack k = { 0 };
	struct corral_checkpoints list = { 0 };
	unsigned int n = 0, named = 0;

	MUST(w, corral_session_stack_open(w->p.store, s->id, &k, &w->p.err));
	for (unsigned int i = 0; i < FILES; i++)
		TRUE(w, file_read(w, &k, i) == s->now.files.values[i]);
	corral_session_stack_close(&k);
	MUST(w, corral_session_checkpoints(w->p.store, s->id, &list, &w->p.err));
	for (unsigned int i = 0; i < POINTS; i++)
		n += s->points[i].name[0] != '\0';
	for (size_t i = 0; i < list.n; i++)
		named += list.items[i].name[0] != '\0';
	TRUE(w, n == named);
	corral_checkpoints_done(&list);
}

static struct session *session_any(struct worker *w)
{
	struct session *s = &w->sessions[any(w, 2) ? any(w, SESSIONS) : 0];

	return s->there ? s : NULL;
}

/* To lose what it has: seldom of the first, so that its layers become many. */
static struct session *session_to_change_back(struct worker *w)
{
	struct session *s = session_any(w);

	return s == w->sessions && any(w, 40) ? NULL : s;
}

static struct session *session_free(struct worker *w)
{
	for (unsigned int i = 0; i < SESSIONS; i++) {
		struct session *s = &w->sessions[i];

		if (s->there)
			continue;
		memset(s, 0, sizeof(*s));
		(void)snprintf(s->id, sizeof(s->id), "w%u-%u", w->index, i);
		return s;
	}
	return NULL;
}

static void op_create(struct worker *w)
{
	struct session *s = session_free(w);
	struct corral_session_order o = { .runtime = w->p.runtime,
		                          .isolation = CORRAL_ISOLATION_NATIVE,
		                          .history = true };

	if (!s)
		return;
	o.id = s->id;
	MUST(w, corral_session_store_create(w->p.store, &o, NULL, &w->p.err));
	s->there = true;
}

static void op_remove(struct worker *w)
{
	struct session *s = session_to_change_back(w);

	if (!s || any(w, 4))
		return;
	MUST(w, corral_session_store_remove(w->p.store, s->id, &w->p.err));
	TRUE(w, corral_session_store_find(w->p.store, s->id, NULL, NULL) == -ENOENT);
	s->there = false;
}

static void op_write(struct worker *w)
{
	struct session *s = session_any(w);

	if (s)
		file_write(w, s, any(w, FILES),
		           geteuid() == 0 && !any(w, 4) ? 0 : 1 + any(w, 1000000));
}

static void op_checkpoint(struct worker *w)
{
	struct session *s = session_any(w);
	struct point *point;
	int r;

	if (!s)
		return;
	point = &s->points[any(w, POINTS)];
	if (point->name[0]) {
		r = corral_session_checkpoint(w->p.store, s->id, point->name, NULL, &w->p.err);
		TRUE(w, r == -EEXIST);
		return;
	}
	(void)snprintf(point->name, sizeof(point->name), "p%u", any(w, 100000));
	MUST(w, corral_session_checkpoint(w->p.store, s->id, point->name, NULL, &w->p.err));
	point->serial = s->now.led[point - s->points] = ++w->serial;
	point->state = s->now;
}

static struct point *point_any(struct worker *w, struct session *s)
{
	struct point *point = s ? &s->points[any(w, POINTS)] : NULL;

	return point && point->name[0] ? point : NULL;
}

static void op_restore(struct worker *w)
{
	struct session *s = session_to_change_back(w);
	struct point *point = point_any(w, s);

	if (!point)
		return;
	MUST(w, corral_session_restore(w->p.store, s->id, point->name, &w->p.err));
	s->now = point->state;
}

static void op_drop(struct worker *w)
{
	struct session *s = session_any(w);
	struct point *point = point_any(w, s);

	if (!point)
		return;
	MUST(w, corral_session_checkpoint_drop(w->p.store, s->id, point->name, &w->p.err));
	point->name[0] = '\0';
}

/* It has the files, and nothing of what led to them. */
static void op_fork(struct worker *w)
{
	struct session *s = session_any(w), *made = session_free(w);
	struct point *point = any(w, 2) ? point_any(w, s) : NULL;

	if (!s || !made)
		return;
	MUST(w, corral_session_fork(w->p.store, s->id, point ? point->name : NULL, made->id, NULL,
	                            &w->p.err));
	made->there = true;
	made->now.files = point ? point->state.files : s->now.files;
}

static void op_command(struct worker *w)
{
	struct session *s = session_any(w);
	struct state *now;
	char text[16];
	unsigned int number;

	if (!s)
		return;
	now = &s->now;
	(void)snprintf(text, sizeof(text), "do %u", ++s->number);
	MUST(w, corral_session_command(w->p.store, s->id, text, &number, &w->p.err));
	TRUE(w, number == s->number);
	if (now->n_commands == COMMANDS)
		memmove(now->commands, now->commands + 1,
		        --now->n_commands * sizeof(*now->commands));
	now->commands[now->n_commands].number = number;
	now->commands[now->n_commands].before = now->files;
	memcpy(now->commands[now->n_commands++].led, now->led, sizeof(now->led));
	if (any(w, 4))
		file_write(w, s, any(w, FILES), 1 + any(w, 1000000));
}

static void op_undo(struct worker *w)
{
	struct session *s = session_to_change_back(w);
	corral_autofree char *text = NULL;
	unsigned int n;
	char expected[16];

	if (!s || !s->now.n_commands)
		return;
	n = 1 + any(w, s->now.n_commands);
	MUST(w, corral_session_undo(w->p.store, s->id, n, &text, &w->p.err));
	s->now.n_commands -= n;
	s->now.files = s->now.commands[s->now.n_commands].before;
	memcpy(s->now.led, s->now.commands[s->now.n_commands].led, sizeof(s->now.led));
	(void)snprintf(expected, sizeof(expected), "do %u",
	               s->now.commands[s->now.n_commands].number);
	TRUE(w, strcmp(text, expected) == 0);
}

static int change_count(void *ctx, const struct corral_change *change)
{
	*(unsigned int *)ctx += strncmp(change->guest_path, "/workspace/f", 12) == 0;
	return 0;
}

static void op_diff(struct worker *w)
{
	struct session *s = session_any(w);
	struct point *point = point_any(w, s);
	struct corral_session_span span = { 0 };
	const struct files nothing = { { 0 } };
	const struct files *before = point ? &point->state.files : &nothing;
	unsigned int told = 0, differ = 0;
	int r;

	if (!s)
		return;
	span.since = point ? point->name : NULL;
	r = corral_session_diff(w->p.store, s->id, &span, NULL, change_count, &told, &w->p.err);
	if (r == -EINVAL && point && s->now.led[point - s->points] != point->serial)
		return;
	MUST(w, r);
	for (unsigned int i = 0; i < FILES; i++)
		differ += s->now.files.values[i] != before->values[i];
	TRUE(w, told == differ);
}

static void op_list(struct worker *w)
{
	struct corral_session_record *list = NULL;
	unsigned int mine = 0, model = 0;
	char prefix[8];
	size_t n = 0;

	MUST(w, corral_session_store_list(w->p.store, &list, &n, &w->p.err));
	(void)snprintf(prefix, sizeof(prefix), "w%u-", w->index);
	for (size_t i = 0; i < n; i++)
		mine += strncmp(list[i].id, prefix, strlen(prefix)) == 0;
	for (unsigned int i = 0; i < SESSIONS; i++)
		model += w->sessions[i].there;
	TRUE(w, mine == model);
	corral_session_records_free(list, n);
}

static void op_clean(struct worker *w)
{
	struct corral_session_cleaned told;

	if (any(w, 4))
		return;
	MUST(w, corral_session_store_clean(w->p.store, &told, &w->p.err));
	TRUE(w, !told.failed);
}

static void op_touch(struct worker *w)
{
	struct session *s = session_any(w);

	if (!s)
		return;
	MUST(w, corral_session_store_touch(w->p.store, s->id, any(w, 1000), &w->p.err));
	MUST(w, corral_session_store_set_closed(w->p.store, s->id, any(w, 2), &w->p.err));
}

static void (*const ops[])(struct worker *w) = {
	op_create, op_remove, op_write,   op_write,   op_checkpoint, op_checkpoint,
	op_drop,   op_fork,   op_command, op_command, op_command,    op_restore,
	op_undo,   op_diff,   op_diff,    op_list,    op_clean,      op_touch,
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int i = 0; i < w->operations; i++) {
		unsigned int op = any(w, CORRAL_COUNT(ops));

		ops[op](w);
		for (unsigned int j = 0; j < SESSIONS; j++)
			if (w->sessions[j].there && (i % 4 == j || i + 1 == w->operations))
				session_check(w, &w->sessions[j]);
	}
	for (unsigned int j = 0; j < SESSIONS; j++)
		if (w->sessions[j].there)
			MUST(w,
			     corral_session_store_remove(w->p.store, w->sessions[j].id, &w->p.err));
	return NULL;
}

static __attribute__((noreturn)) void process(const struct place *p, unsigned int index,
                                              unsigned int seed, unsigned int operations)
{
	static struct worker workers[THREADS];
	struct corral_session_store *store = NULL;
	pthread_t threads[THREADS];
	struct corral_error err;

	if (corral_session_store_open(p->root, &store, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i].p = *p;
		workers[i].p.store = store;
		workers[i].index = index * THREADS + i;
		workers[i].seed = seed + workers[i].index;
		workers[i].operations = operations / THREADS;
		if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
			_exit(1);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	corral_session_store_close(store);
	_exit(0);
}

static unsigned int number_of(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

static void play(struct place *p, unsigned int operations)
{
	unsigned int seed = number_of("CORRAL_STORE_SEED", (unsigned int)time(NULL));
	pid_t pids[PROCESSES];

	print_message("CORRAL_STORE_SEED=%u\n", seed);
	place_close(p);
	for (unsigned int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			process(p, i, seed, operations / PROCESSES);
	}
	for (unsigned int i = 0; i < PROCESSES; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	OK(p, corral_session_store_open(p->root, &p->store, &p->err));
	OK(p, corral_session_store_clean(p->store, NULL, &p->err));
	assert_int_equal(entries(p, "layers"), 0);
	assert_int_equal(entries(p, "sessions"), 0);
	assert_int_equal(entries(p, "trash"), 0);
}

static void sessions_are_as_their_model(void **state)
{
	play(*state, number_of("CORRAL_STORE_OPERATIONS", OPERATIONS));
}

static void so_are_those_with_a_disk(void **state)
{
	struct place *p = *state;

	if (!disks_are_there())
		return;
	play(p, number_of("CORRAL_STORE_OPERATIONS", OPERATIONS) / DISK_SHARE);
	assert_int_equal(loops_of(p->root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sessions_are_as_their_model, place_setup,
		                                place_teardown),
		cmocka_unit_test_setup_teardown(so_are_those_with_a_disk, disk_setup,
		                                place_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
