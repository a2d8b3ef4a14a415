/*
 * What the host reads of layers against what sandboxes over them see: random changes, copied out
 * from inside after each generation, compared tree by tree with what is told of every span of
 * layers; and the same again over merged ones.
 *
 * CORRAL_TEST_LAYERS_ROUNDS and CORRAL_TEST_LAYERS_SEED: how many chains of generations, and which.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include <dirent.h>
#include <ftw.h>

#include "kernel/base/buf.h"
#include "kernel/layers/layers.h"
#include "tests/real/layers_support.h"

#define GENERATIONS 4
#define CHANGES     14 /* of each */

static struct layered l;

static int setup(void **state)
{
	(void)state;
	return layered_init(&l);
}

static int teardown(void **state)
{
	(void)state;
	layered_done(&l);
	return 0;
}

/* One tree as it is, from the paths' top. */
struct entry {
	char *path;
	mode_t mode;
	uint64_t size, content;
};

struct tree {
	struct entry *v;
	size_t n, top;
};

static struct tree *growing;

static uint64_t content_of(const char *path, mode_t mode)
{
	char data[4096];
	uint64_t h = 0xcbf29ce484222325ull;
	ssize_t n = 0;
	int fd;

	if (S_ISLNK(mode))
		n = readlink(path, data, sizeof(data));
	fd = S_ISREG(mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	assert_true(!S_ISREG(mode) || fd >= 0);
	do {
		if (fd >= 0)
			n = read(fd, data, sizeof(data));
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ (unsigned char)data[i]) * 0x100000001b3ull;
	} while (fd >= 0 && n > 0);
	if (fd >= 0)
		(void)close(fd);
	return h;
}

static int see(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct entry *e;

	(void)type;
	if (!at->level)
		return 0;
	growing->v = realloc(growing->v, (growing->n + 1) * sizeof(*growing->v));
	assert_non_null(growing->v);
	e = &growing->v[growing->n++];
	e->path = strdup(path + growing->top);
	e->mode = st->st_mode;
	e->size = (uint64_t)st->st_size;
	e->content = content_of(path, st->st_mode);
	return 0;
}

static void tree_read(struct tree *t, const char *dir)
{
	*t = (struct tree) { .top = strlen(dir) };
	growing = t;
	assert_int_equal(nftw(dir, see, 16, FTW_PHYS), 0);
}

static void tree_done(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].path);
	free(t->v);
	memset(t, 0, sizeof(*t));
}

static const struct entry *tree_find(const struct tree *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->v[i].path, path))
			return &t->v[i];
	return NULL;
}

static uint32_t what_differs(const struct entry *a, const struct entry *b)
{
	uint32_t what = 0;

	if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
		what |= CORRAL_CHANGE_TYPE;
	else if (a->content != b->content)
		what |= CORRAL_CHANGE_CONTENT;
	if ((a->mode & 07777) != (b->mode & 07777) && !S_ISLNK(b->mode))
		what |= CORRAL_CHANGE_MODE;
	return what;
}

/* "C 3 /workspace/a", a line each, sorted. */
static void line_add(struct corral_buf *out, char letter, uint32_t what, const char *top,
                     const char *path)
{
	corral_buf_fmt(out, "%c %u %s%s\n", letter, what, top, path);
}

static void trees_compare(struct corral_buf *out, const struct tree *before,
                          const struct tree *after, const char *top)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct entry *e = &before->v[i], *now = tree_find(after, e->path);
		uint32_t what = now ? what_differs(e, now) : 0;

		if (!now)
			line_add(out, 'D', 0, top, e->path);
		else if (what)
			line_add(out, 'C', what, top, e->path);
	}
	for (size_t i = 0; i < after->n; i++)
		if (!tree_find(before, after->v[i].path))
			line_add(out, 'A', 0, top, after->v[i].path);
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted(struct corral_buf *b)
{
	char **lines = NULL, *save = NULL, *text = corral_buf_take(b);
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	size_t n = 0;

	corral_buf_str(&out, "");
	for (char *p = text ? strtok_r(text, "\n", &save) : NULL; p;
	     p = strtok_r(NULL, "\n", &save)) {
		char **more = realloc(lines, (n + 1) * sizeof(*lines));

		assert_non_null(more);
		lines = more;
		lines[n++] = p;
	}
	if (n)
		qsort(lines, n, sizeof(*lines), by_line);
	for (size_t i = 0; i < n; i++)
		corral_buf_fmt(&out, "%s\n", lines[i]);
	free(lines);
	free(text);
	return corral_buf_take(&out);
}

struct told {
	struct corral_buf lines;
	char last[512];
};

static int tell(void *ctx, const struct corral_change *c)
{
	struct told *t = ctx;
	bool file = S_ISREG(c->kind == CORRAL_CHANGE_DELETED ? c->mode_before : c->mode_after);

	line_add(&t->lines, corral_change_letter(c->kind), c->what, "", c->guest_path);
	assert_int_equal(!c->mode_before, c->kind == CORRAL_CHANGE_ADDED);
	assert_int_equal(!c->mode_after, c->kind == CORRAL_CHANGE_DELETED);
	if (c->text) {
		assert_memory_equal(c->text, "--- ", 4);
		assert_int_equal(strlen(c->text), c->text_len);
	} else if (file && (c->what & CORRAL_CHANGE_CONTENT)) {
		fail_msg("no text of %s", c->guest_path);
	}
	/* What is in a directory comes after it. */
	for (char *p = strrchr(t->last, '/'); p && p != t->last; p = strrchr(t->last, '/')) {
		*p = '\0';
		if (!strcmp(t->last, c->guest_path))
			fail_msg("%s after what is in it", c->guest_path);
	}
	(void)snprintf(t->last, sizeof(t->last), "%s", c->guest_path);
	return 0;
}

/* Numbers of layers, the topmost first, as paths. */
struct chain {
	char *paths[GENERATIONS + 1];
	size_t n;
};

static void stack_of(const struct chain *c, size_t skip, struct corral_layer_stack *ret)
{
	*ret = (struct corral_layer_stack) {
		.paths = (const char *const *)(uintptr_t)(c->paths + skip),
		.n = c->n - skip,
		.base_paths = { NULL, is_root() ? "/usr" : NULL, NULL },
		.guest_paths = { "/", is_root() ? "/usr" : NULL, "/workspace" },
	};
}

/* The two places where changes are made, one for each part of a layer. */
static const char *const places[] = { "/workspace", "/srv" };

static char *snapshot(size_t generation, size_t place)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "snap/%zu%s", generation, place ? "r" : "w");
	return layer_path(&l, name);
}

/* Generation g minus n to generation g, over layers from skip on. */
static void assert_diff(const struct chain *c, size_t skip, size_t n_after, size_t from, size_t to)
{
	const struct corral_layers_diff_options o = { .n_after = n_after, .text = true };
	corral_autobuf struct corral_buf expected = CORRAL_BUF_INIT;
	struct told told = { .lines = CORRAL_BUF_INIT };
	struct corral_layer_stack stack;
	struct corral_error err = { 0 };
	char *a, *b;

	for (size_t p = 0; p < CORRAL_COUNT(places); p++) {
		struct tree before, after;

		tree_read(&before, snapshot(from, p));
		tree_read(&after, snapshot(to, p));
		trees_compare(&expected, &before, &after, places[p]);
		tree_done(&before);
		tree_done(&after);
	}
	stack_of(c, skip, &stack);
	if (corral_layers_diff(&stack, &o, tell, &told, &err) != 0)
		fail_msg("%s", err.text);
	a = sorted(&expected);
	b = sorted(&told.lines);
	if (strcmp(a, b) != 0)
		fail_msg("from %zu to %zu: expected\n%s\ntold\n%s", from, to, a, b);
	free(a);
	free(b);
}

/* A tree by the reader of layers, beside what was copied out of the sandbox. */
static void assert_list(const struct corral_layer_stack *stack, enum corral_layer_part part,
                        const char *below, const char *path, const struct tree *t, size_t *seen)
{
	struct corral_layers_entries e;
	struct corral_error err = { 0 };
	char *at, *name;

	assert_true(asprintf(&at, "%s%s", below, path) >= 0);
	if (corral_layers_list(stack, part, at, &e, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < e.n; i++) {
		const struct entry *there;
		int fd = -1, r;

		assert_true(asprintf(&name, "%s/%s", path, e.items[i].name) >= 0);
		there = tree_find(t, name);
		if (!there)
			fail_msg("%s is listed", name);
		assert_int_equal(e.items[i].mode, there->mode);
		if (S_ISDIR(there->mode))
			assert_list(stack, part, below, name, t, seen);
		free(at);
		assert_true(asprintf(&at, "%s%s", below, name) >= 0);
		r = corral_layers_open_file(stack, part, at, &fd, &err);
		assert_int_equal(r, S_ISREG(there->mode)   ? 0
		                    : S_ISLNK(there->mode) ? -ELOOP
		                    : S_ISDIR(there->mode) ? -EISDIR
		                                           : -EINVAL);
		if (r == 0) {
			char proc[64];

			(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
			assert_int_equal(content_of(proc, S_IFREG), there->content);
			assert_int_equal(e.items[i].size, there->size);
			(void)close(fd);
		}
		++*seen;
		free(name);
	}
	free(at);
	corral_layers_entries_done(&e);
}

static void assert_lists(const struct chain *c, size_t skip, size_t generation)
{
	struct corral_layer_stack stack;

	stack_of(c, skip, &stack);
	for (size_t p = 0; p < CORRAL_COUNT(places); p++) {
		struct tree t;
		size_t seen = 0;

		tree_read(&t, snapshot(generation, p));
		assert_list(&stack, p ? CORRAL_LAYER_PART_ROOT : CORRAL_LAYER_PART_WORK_DIR,
		            p ? "srv" : "", "", &t, &seen);
		assert_int_equal(seen, t.n);
		tree_done(&t);
	}
}

static const char *path_random(char *buf, size_t size)
{
	static const char *const names[] = { "a", "b", "c", "d e", "a.b", "\xc3\xbc" };
	size_t len = 0;
	int depth = 1 + rand() % 3;

	for (int i = 0; i < depth; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? "/" : "",
		                        names[(size_t)rand() % CORRAL_COUNT(names)]);
	return buf;
}

/* Modes are such that all of it can be copied out, and nothing waits for the other end of a pipe:
 * cp would where one is in its way. */
static const char functions[] =
        "op0() { mkdir -p \"$(dirname \"$1\")\"; test -p \"$1\" || echo $3 >\"$1\"; }\n"
        "op1() { mkdir -p \"$(dirname \"$1\")\"; test -p \"$1\" || echo $3 >>\"$1\"; }\n"
        "op2() { mkdir -p \"$1\"; test -p \"$1/$3\" || echo x >\"$1/$3\"; }\n"
        "op3() { rm -rf \"$1\"; }\n"
        "op4() { rm -rf \"$1\"; mkdir -p \"$1\"; echo $3 >\"$1/new\"; }\n"
        "op5() { rm -rf \"$1\"; echo file >\"$1\"; }\n"
        "op6() { mv \"$1\" \"$2\"; }\n"
        "op7() { ln \"$1\" \"$2\"; }\n"
        "op8() { rm -f \"$2\"; ln -s \"$1\" \"$2\"; }\n"
        "op9() { if test -d \"$1\"; then chmod 7$4$4 \"$1\"; else chmod 6$4$4 \"$1\"; fi; }\n"
        "op10() { touch \"$1\"; }\n"
        "op11() { mkfifo \"$1\"; }\n"
        "op12() { cp -a --remove-destination \"$1\" t && mv t \"$1\"; }\n"
        "op13() { mv \"$1\" t; mv t \"$1\"; }\n"
        "op14() { test -p \"$1\" || seq $3 >\"$1\"; }\n"
        "op15() { cp -a --remove-destination \"$1\" \"$2\"; }\n";
#define OPS 16

static void change_random(struct corral_buf *script)
{
	char a[128], b[128];

	corral_buf_fmt(script, "op%d '%s' '%s' %d %d 2>/dev/null\n", rand() % OPS,
	               path_random(a, sizeof(a)), path_random(b, sizeof(b)), rand() % 40,
	               rand() % 8);
}

/* Stack of names, the topmost first. */
static void generation_run(const char *stack, size_t generation)
{
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	char json[1200], *snap = layer_path(&l, "snap");

	(void)snprintf(json, sizeof(json),
	               "{\"mounts\":[{\"type\":\"bind\",\"source\":\"%s\",\"target\":\"/mnt\"}]}",
	               snap);
	corral_buf_str(&script, functions);
	for (size_t p = 0; p < CORRAL_COUNT(places); p++) {
		corral_buf_fmt(&script, "cd %s || exit\n", places[p]);
		for (int i = 0; i < CHANGES; i++)
			change_random(&script);
		corral_buf_fmt(&script, "cp -a . /mnt/%zu%s || exit\n", generation, p ? "r" : "w");
	}
	free(layers_run_as(&l, json, stack, script.data));
}

/* What a sandbox over the stack sees is that generation's snapshot. */
static void assert_seen(const char *stack, size_t generation)
{
	char json[1200], line[512], *out;

	(void)snprintf(
	        json, sizeof(json),
	        "{\"mounts\":[{\"type\":\"ro-bind\",\"source\":\"%s\",\"target\":\"/mnt\"}]}",
	        layer_path(&l, "snap"));
	(void)snprintf(
	        line, sizeof(line),
	        "see() { cd $1 && find . ! -name . -printf '%%P %%y %%m %%l\\n' | LC_ALL=C sort; "
	        "find . -type f -exec cksum {} + | LC_ALL=C sort; }; for p in '/workspace "
	        "/mnt/%zuw' '/srv /mnt/%zur'; do test \"$(see ${p%% *})\" = \"$(see ${p#* })\" || "
	        "{ see ${p%% *}; echo not; see ${p#* }; }; done",
	        generation, generation);
	out = layers_run_as(&l, json, stack, line);
	if (*out)
		fail_msg("generation %zu: %s", generation, out);
	free(out);
}

static void merge(const struct chain *c, size_t upper, const char *name, bool has_below)
{
	struct corral_error err = { 0 };

	if (corral_layer_merge(c->paths[upper], c->paths[upper + 1], layer_path(&l, name),
	                       has_below, &err) < 0)
		fail_msg("%s", err.text);
}

/* Two of the chain, chosen at random, become one. */
static void merge_random(const struct chain *c, unsigned int round)
{
	size_t upper = (size_t)rand() % (c->n - 1), generation = c->n;
	struct chain merged = { .n = c->n - 1 };
	char name[32], stack[256] = "";

	(void)snprintf(name, sizeof(name), "m%u", round);
	merge(c, upper, name, upper + 2 < c->n);
	for (size_t i = 0, k = 0; i < c->n; i++) {
		if (i == upper + 1)
			continue;
		merged.paths[k++] = i == upper ? layer_path(&l, name) : c->paths[i];
	}
	for (size_t i = merged.n; i-- > 0 && merged.paths[i];)
		layers_push(stack, sizeof(stack), strrchr(merged.paths[i], '/') + 1);
	assert_lists(&merged, 0, generation);
	if (upper > 0)
		assert_diff(&merged, 0, upper, generation - upper, generation);
	layers_push(stack, sizeof(stack), "over");
	assert_seen(stack, generation);
	assert_int_equal(corral_layer_is_empty(layer_path(&l, "over"), NULL), 1);
}

static void chain_run(unsigned int round)
{
	char stack[256] = "", name[32];
	struct chain c = { .n = 0 };
	struct corral_error err = { 0 };
	struct stat st;

	(void)layer_make(&l, "snap");
	for (size_t p = 0; p < CORRAL_COUNT(places); p++)
		assert_int_equal(mkdir(snapshot(0, p), 0755), 0);
	for (size_t g = 1; g <= GENERATIONS; g++) {
		for (size_t p = 0; p < CORRAL_COUNT(places); p++)
			assert_int_equal(mkdir(snapshot(g, p), 0755), 0);
		(void)snprintf(name, sizeof(name), "%zu", g);
		layers_push(stack, sizeof(stack), name);
		generation_run(stack, g);
		memmove(c.paths + 1, c.paths, c.n * sizeof(c.paths[0]));
		c.paths[0] = strdup(layer_path(&l, name));
		c.n++;
		for (size_t n = 1; n <= g; n++)
			assert_diff(&c, 0, n, g - n, g);
		assert_lists(&c, 0, g);
	}
	/* And of what is not at the top. */
	assert_diff(&c, 2, 1, GENERATIONS - 3, GENERATIONS - 2);
	merge_random(&c, round);
	for (size_t i = 0; i < c.n; i++)
		free(c.paths[i]);
	for (size_t g = 1; g <= GENERATIONS; g++) {
		int dir = open(l.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		(void)snprintf(name, sizeof(name), "%zu", g);
		assert_int_equal(corral_layer_remove(dir, name, &err), 0);
		assert_int_equal(fstatat(dir, name, &st, 0), -1);
		(void)close(dir);
	}
	{
		int dir = open(l.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(corral_layer_remove(dir, "snap", &err), 0);
		assert_int_equal(corral_layer_remove(dir, "over", &err), 0);
		(void)close(dir);
	}
}

static int number_from(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text && *text ? (int)strtol(text, NULL, 10) : otherwise;
}

static void random_changes_are_told_as_they_are(void **state)
{
	int rounds = number_from("CORRAL_TEST_LAYERS_ROUNDS", 2),
	    seed = number_from("CORRAL_TEST_LAYERS_SEED", 1);

	(void)state;
	if (!can_stack(&l))
		return;
	for (int i = 0; i < rounds; i++) {
		srand((unsigned int)(seed + i));
		print_message("seed %d\n", seed + i);
		chain_run((unsigned int)i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_changes_are_told_as_they_are, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
