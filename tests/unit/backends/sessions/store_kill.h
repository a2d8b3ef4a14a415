/*
 * A store whose user is killed in the middle of an operation (tests/kill_support.h). Whoever opens
 * the store then finds all or nothing of the operation, all sessions with their files, and can do
 * it again.
 */
#ifndef CORRAL_TESTS_UNIT_BACKENDS_SESSIONS_STORE_KILL_H
#define CORRAL_TESTS_UNIT_BACKENDS_SESSIONS_STORE_KILL_H

#include "tests/unit/backends/sessions/store_support.h"

#include <spawn.h>

#include "kernel/base/buf.h"
#include "tests/kill_support.h"

#define KILLS 2

struct operation {
	const char *name;
	int (*run)(struct place *p);
	unsigned int layers;               /* that session a is to have, at least */
	enum { GIVEN, OPENED, NEW } store; /* whether the operation is its opening, or making */
	bool on_disk;                      /* sessions have a disk each */
};

static inline int do_create(struct place *p)
{
	struct corral_session_order o = { .id = "n",
		                          .runtime = p->runtime,
		                          .isolation = CORRAL_ISOLATION_NATIVE };

	return corral_session_store_create(p->store, &o, NULL, &p->err);
}

static inline int do_checkpoint(struct place *p)
{
	return corral_session_checkpoint(p->store, "a", "three", NULL, &p->err);
}

static inline int do_restore(struct place *p)
{
	return corral_session_restore(p->store, "a", "one", &p->err);
}

static inline int do_restore_to_nothing(struct place *p)
{
	return corral_session_restore(p->store, "a", "begin", &p->err);
}

static inline int do_drop(struct place *p)
{
	return corral_session_checkpoint_drop(p->store, "a", "two", &p->err);
}

static inline int do_fork(struct place *p)
{
	return corral_session_fork(p->store, "a", NULL, "n", NULL, &p->err);
}

static inline int do_fork_of_a_checkpoint(struct place *p)
{
	return corral_session_fork(p->store, "a", "one", "n", NULL, &p->err);
}

static inline int do_command(struct place *p)
{
	return corral_session_command(p->store, "a", "make", NULL, &p->err);
}

static inline int do_undo(struct place *p)
{
	return corral_session_undo(p->store, "a", 1, NULL, &p->err);
}

static inline int do_remove(struct place *p)
{
	return corral_session_store_remove(p->store, "a", &p->err);
}

static inline int do_merge(struct place *p)
{
	struct corral_config *c = NULL;
	int r = corral_session_store_config(p->store, "a", &c, &p->err);

	corral_config_free(c);
	return r;
}

static inline int do_clean(struct place *p)
{
	return corral_session_store_clean(p->store, NULL, &p->err);
}

static inline int do_open(struct place *p)
{
	return corral_session_store_open(p->root, &p->store, &p->err);
}

/* As whoever opens it begins with that. */
static inline int do_open_and_clean(struct place *p)
{
	int r = do_open(p);

	return r < 0 ? r : do_clean(p);
}

static inline int do_make(struct place *p)
{
	return do_open(p);
}

/* Two sessions that share a layer, with all that a session can have, and something in the trash. */
static void scenario(struct place *p, const struct operation *op)
{
	place_make(p, op->on_disk ? ON_DISK : "{\"name\": \"host\"}");
	session_make(p, "a", true);
	OK(p, corral_session_checkpoint(p->store, "a", "begin", NULL, &p->err));
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", "one", NULL, &p->err));
	OK(p, corral_session_fork(p->store, "a", NULL, "b", NULL, &p->err));
	file_put(p, "a", "f", "2");
	OK(p, corral_session_checkpoint(p->store, "a", "two", NULL, &p->err));
	OK(p, corral_session_command(p->store, "a", "first", NULL, &p->err));
	file_put(p, "a", "f", "3");
	for (unsigned int n = session_layers(p, "a"); n < op->layers; n++) {
		/* Which would merge them, were there one more. */
		file_put(p, "a", "g", "g");
		OK(p, corral_session_checkpoint(p->store, "a", "last", NULL, &p->err));
		OK(p, corral_session_checkpoint_drop(p->store, "a", "last", &p->err));
	}
	file_put(p, "b", "f", "b");
	session_make(p, "c", false);
	OK(p, corral_session_store_remove(p->store, "c", &p->err));
}

static inline void nothing(struct place *p)
{
	place_make(p, "{\"name\": \"host\"}");
	place_close(p);
	place_empty(p);
}

/* What a checkpoint has, by a session that begins with it. */
static void probe(struct place *p, const char *id, const char *name, char ret[64])
{
	OK(p, corral_session_fork(p->store, id, name, "probe", NULL, &p->err));
	file_get(p, "probe", "f", ret);
	OK(p, corral_session_store_remove(p->store, "probe", &p->err));
}

/* All that can be seen of the sessions, as text; deep: with the files of checkpoints. */
static void describe(struct place *p, bool deep, struct corral_buf *ret)
{
	struct corral_session_record *list = NULL;
	size_t n = 0;

	OK(p, corral_session_store_list(p->store, &list, &n, &p->err));
	for (size_t i = 0; i < n; i++) {
		struct corral_checkpoints c = { 0 };
		char f[64], g[64];

		file_get(p, list[i].id, "f", f);
		file_get(p, list[i].id, "g", g);
		corral_buf_fmt(ret, "%s: f '%s' g '%s'%s\n", list[i].id, f, g,
		               list[i].running ? " running" : "");
		OK(p, corral_session_checkpoints(p->store, list[i].id, &c, &p->err));
		for (size_t j = 0; j < c.n; j++) {
			f[0] = '\0';
			if (deep && !c.items[j].command)
				probe(p, list[i].id, c.items[j].name, f);
			corral_buf_fmt(ret, "  '%s' %u '%s' %s\n", c.items[j].name,
			               c.items[j].command, f,
			               c.items[j].text ? c.items[j].text : "");
		}
		corral_checkpoints_done(&c);
	}
	corral_session_records_free(list, n);
	assert_false(ret->failed);
}

struct killed {
	struct place *p;
	const struct operation *op;
};

static void begin(void *ctx)
{
	const struct killed *c = ctx;

	if (c->op->store == GIVEN &&
	    corral_session_store_open(c->p->root, &c->p->store, &c->p->err) < 0)
		_exit(120);
	if (kill_calls_stop() < 0)
		_exit(122);
	_exit(c->op->run(c->p) < 0 ? 123 : 0);
}

/* How many calls it came to; it is killed before the k-th (0: never). */
static unsigned int run_killed(struct place *p, const struct operation *op, unsigned int k)
{
	struct killed c = { p, op };
	int status = -1, n;

	/* SQLite's handles are not to be carried across fork(2). */
	session_held_close();
	place_close(p);
	n = kill_run(begin, &c, k, &status);
	assert_true(n >= 0);
	if (k == 0 || n < (int)k)
		assert_int_equal(status, 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return (unsigned int)n;
}

/* The link, and that the topmost can be written to. */
static void sessions_are_ready(struct place *p)
{
	struct corral_session_record *list = NULL;
	struct stat st;
	size_t n = 0;

	OK(p, corral_session_store_list(p->store, &list, &n, &p->err));
	for (size_t i = 0; i < n; i++) {
		corral_autofree char *top = session_top(p, list[i].id), *real = NULL;
		char path[256];

		(void)snprintf(path, sizeof(path), "%s/sessions/%s/workspace", p->root, list[i].id);
		real = realpath(path, NULL);
		assert_int_equal(real != NULL, list[i].n_layers == 1 && !p->on_disk);
		(void)snprintf(path, sizeof(path), "%s/u2", top);
		assert_true(!real || strcmp(real, path) == 0);
		assert_int_equal(stat(top, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0755);
	}
	corral_session_records_free(list, n);
}

struct seen {
	struct corral_buf before, after, deep; /* deep: after */
	unsigned int calls, layers;            /* after and clean */
};

/* Those of the store, and of disks. */
static unsigned int entries_all(struct place *p, const char *name)
{
	unsigned int n = entries(p, name);
	struct corral_session_record *list = NULL;
	size_t n_list = 0;

	OK(p, corral_session_store_list(p->store, &list, &n_list, &p->err));
	for (size_t i = 0; p->on_disk && i < n_list; i++) {
		corral_autofd int dir = -1, root = -1;
		char path[256];
		DIR *d;

		(void)snprintf(path, sizeof(path), "%s/sessions/%s", p->root, list[i].id);
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		OK(p, corral_disk_open(dir, "disk.img", &root, &p->err));
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", root, name);
		d = opendir(path);
		assert_non_null(d);
		while (readdir(d))
			n++;
		n -= 2;
		(void)closedir(d);
	}
	corral_session_records_free(list, n_list);
	return n;
}

/* A tree as it is, by cp(1). */
static void copy(const char *from, const char *to)
{
	char *const argv[] = { (char[]) { "cp" }, (char[]) { "-a" }, (char *)from, (char *)to,
		               NULL };
	int status = -1;
	pid_t pid;

	assert_int_equal(posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_true(waitpid(pid, &status, 0) == pid && status == 0);
}

/* What the operation begins with: made once, and copied. */
static void place_again(struct place *p, const char *saved)
{
	struct corral_runtime *runtime = p->runtime;

	p->runtime = NULL;
	session_held_close();
	place_remove(p);
	copy(saved, p->root);
	p->runtime = runtime;
}

/* The same once without a kill. */
static void seen_get(struct place *p, const struct operation *op, struct seen *ret)
{
	if (op->store != NEW) {
		OK(p, do_open(p));
		describe(p, false, &ret->before);
	}
	ret->calls = run_killed(p, op, 0);
	OK(p, do_open(p));
	describe(p, false, &ret->after);
	describe(p, true, &ret->deep);
	OK(p, do_clean(p));
	ret->layers = entries_all(p, "layers");
}

static const char *text(const struct corral_buf *b)
{
	return b->len ? b->data : "";
}

static void kill_at(struct place *p, const struct operation *op, const struct seen *seen,
                    unsigned int k)
{
	corral_autobuf struct corral_buf found = CORRAL_BUF_INIT, again = CORRAL_BUF_INIT;
	bool undone;

	(void)run_killed(p, op, k);
	OK(p, do_open(p));
	describe(p, false, &found);
	undone = strcmp(text(&found), text(&seen->before)) == 0;
	if (!undone && strcmp(text(&found), text(&seen->after)) != 0)
		fail_msg("%s killed at call %u of %u left\n%sbefore\n%safter\n%s", op->name, k,
		         seen->calls, text(&found), text(&seen->before), text(&seen->after));
	sessions_are_ready(p);
	if (undone && op->store == GIVEN)
		OK(p, op->run(p));
	describe(p, true, &again);
	assert_string_equal(text(&again), text(&seen->deep));
	OK(p, do_clean(p));
	if (entries_all(p, "layers") != seen->layers || entries_all(p, "trash") != 0)
		fail_msg("%s killed at call %u of %u: %u layers, not %u; %u in the trash", op->name,
		         k, seen->calls, entries_all(p, "layers"), seen->layers,
		         entries_all(p, "trash"));
	sessions_are_ready(p);
}

static void kill_everywhere(const struct operation *op)
{
	struct seen seen = { CORRAL_BUF_INIT, CORRAL_BUF_INIT, CORRAL_BUF_INIT, 0, 0 };
	struct place p, saved = { 0 };
	unsigned int kills, from = (unsigned int)getpid();

	if (!kill_can_trace()) {
		corral_test_skip("ptrace(2) of a child");
		return;
	}
	if (op->on_disk && !disks_are_there())
		return;
	if (op->store == NEW)
		nothing(&p);
	else
		scenario(&p, op);
	session_held_close();
	place_close(&p);
	(void)snprintf(saved.root, sizeof(saved.root), "%.50s.saved", p.root);
	copy(p.root, saved.root);
	seen_get(&p, op, &seen);
	kills = kills_wanted(seen.calls, op->on_disk ? 1 : KILLS);
	for (unsigned int i = 0; i < kills; i++) {
		place_again(&p, saved.root);
		kill_at(&p, op, &seen, 1 + (from + i * seen.calls / kills) % seen.calls);
	}
	print_message("%s: killed at %u of %u calls\n", op->name, kills, seen.calls);
	session_held_close();
	place_close(&p);
	assert_int_equal(loops_of(p.root), 0);
	place_remove(&p);
	place_remove(&saved);
	corral_buf_done(&seen.before);
	corral_buf_done(&seen.after);
	corral_buf_done(&seen.deep);
}

#define KILLED(what, ...)                                                             \
	static void what##_is_done_or_not(void **state)                               \
	{                                                                             \
		static const struct operation op = { #what, do_##what, __VA_ARGS__ }; \
                                                                                      \
		(void)state;                                                          \
		kill_everywhere(&op);                                                 \
	}

#endif
