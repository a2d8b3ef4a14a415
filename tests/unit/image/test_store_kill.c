/*
 * A store of images whose user is killed in the middle of an operation (tests/kill_support.h). The
 * store then holds all or nothing of the operation (or what was made, without its name), what it
 * holds can be used, the operation can be done again, and nothing is left behind for good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/base/buf.h"
#include "tests/kill_support.h"
#include "tests/unit/image/store_support.h"

#define KILLS 4

/* --- the operations, on two images that share a layer; -errno --- */

static int layer_again(struct place *p, const char *name)
{
	struct corral_image_layer_making *m = NULL;
	char id[80];
	int fd, r = corral_image_layer_begin(p->store, digest_of(name, id), NULL, &m, &p->err);

	if (r < 0 || !m)
		return r;
	fd = open(corral_image_layer_making_path(m), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_fill(fd, WORDS("etc/", "etc/new=1", "-usr/b"));
	(void)close(fd);
	return corral_image_layer_commit_take(m, id, &p->err);
}

/* All that a pull does. */
static int do_pull(struct place *p)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofd int hold = -1;
	int r = corral_image_store_hold(p->store, &hold, &p->err);

	if (r == 0)
		r = layer_again(p, "third");
	if (r < 0)
		return r;
	i = image_of(p, "new", WORDS("base", "third"));
	return corral_image_commit(p->store, i, "new", NULL, &p->err);
}

/* The same name for another image. */
static int do_pull_anew(struct place *p)
{
	corral_auto(corral_image_freep) struct corral_image *i = image_of(p, "a2", WORDS("top"));

	return corral_image_commit(p->store, i, "a", NULL, &p->err);
}

static int do_tag(struct place *p)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = corral_image_find(p->store, "a", &i, &p->err);

	return r < 0 ? r : corral_image_tag(p->store, i, "b", &p->err);
}

static int removed(struct place *p, const char *name)
{
	struct corral_image_removal gone = { 0 };
	int r = corral_image_remove(p->store, name, &gone, &p->err);

	if (r == 0)
		corral_image_removal_done(&gone);
	return r;
}

static int do_remove(struct place *p)
{
	return removed(p, "a");
}

static int do_remove_all_names(struct place *p)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = corral_image_find(p->store, "b", &i, &p->err);

	return r < 0 ? r : removed(p, i->id);
}

static int pruned(struct place *p, bool all)
{
	const struct corral_image_prune_options o = { .all = all };
	struct corral_image_removal gone = { 0 };
	int r = corral_image_prune(p->store, &o, &gone, &p->err);

	if (r == 0)
		corral_image_removal_done(&gone);
	return r;
}

static int do_prune(struct place *p)
{
	return pruned(p, false);
}

static int do_pin(struct place *p)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = corral_image_find(p->store, "a", &i, &p->err);

	return r < 0 ? r : corral_image_pin(p->store, i, p->root, &p->err);
}

static int do_open(struct place *p)
{
	place_close(p);
	place_open(p);
	return 0;
}

static void scenario(struct place *p)
{
	corral_auto(corral_image_freep) struct corral_image *b = NULL;

	place_make(p);
	layer_make(p, "base", WORDS("usr/", "usr/a=1", "usr/b=2"));
	layer_make(p, "top", WORDS("usr/", "usr/c=3"));
	image_make(p, "a", "a", WORDS("base", "top"));
	image_make(p, "b", "b", WORDS("base"));
	OK(p, corral_image_find(p->store, "b", &b, &p->err));
	OK(p, corral_image_tag(p->store, b, "c", &p->err));
	layer_make(p, "loose", WORDS("x=1"));
	image_make(p, NULL, "unnamed", WORDS("loose"));
}

/* --- what is seen --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Not by age: what was made twice is younger. */
static void lines_add(struct corral_buf *ret, char **lines, size_t n)
{
	qsort(lines, n, sizeof(*lines), by_text);
	for (size_t k = 0; k < n; k++) {
		corral_buf_add(ret, lines[k], strlen(lines[k]));
		free(lines[k]);
	}
}

static void describe(struct place *p, struct corral_buf *ret)
{
	char *lines[16];
	struct corral_images images = { NULL, 0 };
	size_t broken = 0;

	OK(p, corral_images_list(p->store, &images, &broken, &p->err));
	assert_int_equal(broken, 0);
	assert_true(images.n <= CORRAL_COUNT(lines));
	for (size_t k = 0; k < images.n; k++) {
		const struct corral_image *i = images.items[k];
		corral_autofree char *root = NULL, *keeper = NULL;
		corral_autofd int fd = -1, root_fd = -1;
		corral_autobuf struct corral_buf line = CORRAL_BUF_INIT;
		char path[80];

		/* Whatever there is, is whole. */
		OK(p, corral_image_use(p->store, i, &root, &fd, &p->err));
		root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(root_fd >= 0);
		OK(p, store_pin_find(p->store, store_hex(i->id), &keeper, &p->err));
		corral_buf_fmt(&line, "%.12s", i->id + 7);
		for (size_t n = 0; n < i->n_names; n++)
			corral_buf_fmt(&line, " %s", i->names[n]);
		for (const char *const *f = WORDS("usr/a", "usr/b", "usr/c", "etc/new", "x"); *f;
		     f++)
			if (faccessat(root_fd, *f, F_OK, 0) == 0)
				corral_buf_fmt(&line, " %s", *f);
		corral_buf_fmt(&line, "%s\n", keeper ? " kept" : "");
		assert_false(line.failed);
		lines[k] = strndup(line.data, line.len);
		assert_non_null(lines[k]);
		for (size_t n = 0; n < i->n_layers; n++) {
			assert_true(corral_image_layer_is_there(p->store, i->layers[n]));
			(void)snprintf(path, sizeof(path), "%s", i->blobs[n] + 7);
			assert_true(store_is_there(p->store, STORE_BLOBS, path));
		}
		assert_true(store_is_there(p->store, STORE_BLOBS, i->id + 7));
	}
	lines_add(ret, lines, images.n);
	corral_images_done(&images);
	assert_false(ret->failed);
}

struct operation {
	const char *name;
	int (*run)(struct place *p);
	bool unnamed; /* what it makes may be there before it has its name */
};

struct killed {
	struct place *p;
	const struct operation *op;
};

static void begin(void *ctx)
{
	const struct killed *c = ctx;

	if (kill_calls_stop() < 0)
		_exit(122);
	_exit(c->op->run(c->p) < 0 ? 123 : 0);
}

/* How many calls it came to; it is killed before the k-th (0: never). */
static unsigned int run_killed(struct place *p, const struct operation *op, unsigned int k)
{
	struct killed c = { p, op };
	int status = -1, n;

	n = kill_run(begin, &c, k, &status);
	assert_true(n >= 0);
	if (k == 0 || n < (int)k)
		assert_int_equal(status, 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return (unsigned int)n;
}

struct seen {
	struct corral_buf before, after;
	unsigned int calls, n_layers, n_blobs;
};

static const char *text(const struct corral_buf *b)
{
	return b->len ? b->data : "";
}

static void kill_at(const struct operation *op, const struct seen *seen, unsigned int k)
{
	corral_autobuf struct corral_buf found = CORRAL_BUF_INIT, again = CORRAL_BUF_INIT;
	bool undone;
	struct place p;

	scenario(&p);
	(void)run_killed(&p, op, k);
	describe(&p, &found);
	undone = strcmp(text(&found), text(&seen->before)) == 0;
	if (!undone && op->unnamed)
		undone = found.len > seen->before.len &&
		         strcmp(text(&found), text(&seen->after)) != 0;
	if (!undone && strcmp(text(&found), text(&seen->after)) != 0)
		fail_msg("%s killed at call %u of %u left\n%sbefore\n%safter\n%s", op->name, k,
		         seen->calls, text(&found), text(&seen->before), text(&seen->after));
	if (undone)
		OK(&p, op->run(&p));
	describe(&p, &again);
	assert_string_equal(text(&again), text(&seen->after));
	OK(&p, pruned(&p, false));
	if (entries(&p, STORE_LAYERS) != seen->n_layers ||
	    entries(&p, STORE_BLOBS) != seen->n_blobs || entries(&p, STORE_PARTIAL) != 0)
		fail_msg("%s killed at call %u of %u left %u layers, %u blobs, %u in the making",
		         op->name, k, seen->calls, entries(&p, STORE_LAYERS),
		         entries(&p, STORE_BLOBS), entries(&p, STORE_PARTIAL));
	place_remove(&p);
}

static void kill_everywhere(const struct operation *op)
{
	struct seen seen = { CORRAL_BUF_INIT, CORRAL_BUF_INIT, 0, 0, 0 };
	unsigned int kills, from = (unsigned int)getpid();
	struct place p;

	if (!kill_can_trace()) {
		corral_test_skip("ptrace(2) of a child");
		return;
	}
	scenario(&p);
	describe(&p, &seen.before);
	seen.calls = run_killed(&p, op, 0);
	describe(&p, &seen.after);
	OK(&p, pruned(&p, false));
	seen.n_layers = entries(&p, STORE_LAYERS);
	seen.n_blobs = entries(&p, STORE_BLOBS);
	place_remove(&p);
	kills = kills_wanted(seen.calls, KILLS);
	for (unsigned int i = 0; i < kills; i++)
		kill_at(op, &seen, 1 + (from + i * seen.calls / kills) % seen.calls);
	print_message("%s: killed at %u of %u calls\n", op->name, kills, seen.calls);
	corral_buf_done(&seen.before);
	corral_buf_done(&seen.after);
}

#define KILLED(what, ...)                                                             \
	static void what##_is_done_or_not(void **state)                               \
	{                                                                             \
		static const struct operation op = { #what, do_##what, __VA_ARGS__ }; \
                                                                                      \
		(void)state;                                                          \
		kill_everywhere(&op);                                                 \
	}
KILLED(pull, true)
KILLED(pull_anew, true)
KILLED(tag, false)
KILLED(remove, false)
KILLED(remove_all_names, false)
KILLED(prune, false)
KILLED(pin, false)
KILLED(open, false)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pull_is_done_or_not),
		cmocka_unit_test(pull_anew_is_done_or_not),
		cmocka_unit_test(tag_is_done_or_not),
		cmocka_unit_test(remove_is_done_or_not),
		cmocka_unit_test(remove_all_names_is_done_or_not),
		cmocka_unit_test(prune_is_done_or_not),
		cmocka_unit_test(pin_is_done_or_not),
		cmocka_unit_test(open_is_done_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
