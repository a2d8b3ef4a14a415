/*
 * grep: find(1) lists the regular files, what is to be passed over is known here, and the contents
 * of the others come in batches, in order, each of about one answer; so at most that much is held.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base_shell.h"
#include "kernel/base/clock.h"
#include "kernel/files/client.h"
#include "kernel/files/content.h"
#include "kernel/files/search.h"
#include "kernel/files/sieve.h"

#define BATCH_FILES  200
#define BATCH_SCRIPT 40000 /* bytes of a command that are paths */
#define FILE_MAX     (64u << 20)
#define RULES_MAX    (1u << 20)
#define RULES        ".gitignore"

/* A directory on the way to the file that is looked at. */
struct level {
	size_t len; /* of its path from the root of all rules, with the slash behind */
	bool passes;
	struct files_ignore *ignore; /* its own on top of those above, or those */
};

struct rules {
	char *dir; /* "" or with a slash behind */
	struct corral_buf text;
};

struct grepper {
	struct corral_base *s;
	const struct corral_files_grep *ask;
	const char *path; /* where the search begins, as the shell is told */
	struct files_sieve sieve;
	struct files_searcher *searcher;
	struct corral_files_stop stop;
	uint64_t max;
	struct corral_buf shown; /* what rows begin with */
	struct corral_buf norm;  /* the same from the root of all rules; "" when it is elsewhere */
	struct corral_files_rows rows; /* what find has found, in order */
	struct rules *rules;
	size_t n_rules;
	struct level *levels;
	size_t depth;
	/* The batch: rows, and how much they hold. */
	const struct corral_files_row *batch[BATCH_FILES];
	size_t n_batch, batch_bytes, batch_script;
	struct corral_files_matches *found;
};

/* The path by which the shell finds a name below the search path. */
static int full_path(const struct grepper *g, const char *name, struct corral_buf *ret,
                     struct corral_error *err)
{
	ret->len = 0;
	corral_base_shown(ret, g->path, false);
	corral_buf_str(ret, name);
	return ret->failed ? files_fail(err, ENOMEM, name) : 0;
}

static const char get_script[] =
        "g(){ [ -f \"$p\" ]&&[ ! -L \"$p\" ]&&[ -r \"$p\" ]||{ printf '!.';return;}\n"
        "printf +;enc <\"$p\";printf .;}\nprintf =\n";

/* The contents of n files, each given to use with its number; NULL for one that is not to be had.
 */
static int get_files(struct grepper *g, const char *const *paths, size_t n,
                     int (*use)(struct grepper *g, size_t i, struct corral_buf *data, void *ctx,
                                struct corral_error *err),
                     void *ctx, struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	const char *at;
	int r;

	corral_buf_str(&script, get_script);
	for (size_t i = 0; i < n; i++) {
		corral_base_let(&script, "p", paths[i]);
		corral_buf_str(&script, "g\n");
	}
	r = corral_base_ask(g->s, &script, g->stop.deadline_nsec, &a, err);
	if (r == 0 && a.code)
		r = corral_base_fail(&a, g->path, err);
	at = a.text.data;
	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t len = strcspn(at, ".");

		if (!at[len] || (at[0] != '+' && at[0] != '!'))
			return corral_error_set(err, EIO, "the shell's answer broke off");
		data.len = 0;
		if (at[0] == '+')
			r = corral_base_decode(&a, at + 1, len - 1, &data, err);
		if (r == 0)
			r = use(g, i, at[0] == '+' ? &data : NULL, ctx, err);
		at += len + 1;
	}
	return r;
}

/* --- .gitignore files --- */

static int rules_use(struct grepper *g, size_t i, struct corral_buf *data, void *ctx,
                     struct corral_error *err)
{
	char *const *dirs = ctx;
	struct rules *rules = &g->rules[g->n_rules];

	if (!data)
		return 0;
	rules->dir = strdup(dirs[i]);
	corral_buf_add(&rules->text, data->data ? data->data : "", data->len);
	g->n_rules++;
	return rules->dir && !rules->text.failed ? 0 : files_fail(err, ENOMEM, "");
}

struct wanted {
	char **dirs;  /* as the rules know them */
	char **paths; /* as the shell does */
	size_t n, size;
};

static int want(struct wanted *w, const char *dir, size_t dir_len, const char *path)
{
	if (w->n == w->size) {
		size_t size = w->size ? w->size * 2 : 16;
		char **dirs = reallocarray(w->dirs, size, sizeof(*dirs)), **paths;

		if (!dirs)
			return -ENOMEM;
		w->dirs = dirs;
		paths = reallocarray(w->paths, size, sizeof(*paths));
		if (!paths)
			return -ENOMEM;
		w->paths = paths;
		w->size = size;
	}
	w->dirs[w->n] = strndup(dir, dir_len);
	w->paths[w->n] = strdup(path);
	w->n++;
	return w->dirs[w->n - 1] && w->paths[w->n - 1] ? 0 : -ENOMEM;
}

/* Those of the directories above the search path, and those that find has found. */
static int want_rules(struct grepper *g, struct wanted *w, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf dir = CORRAL_BUF_INIT;
	int r = 0;

	for (size_t len = 0; r == 0 && len < g->norm.len;
	     len += strcspn(g->norm.data + len, "/") + 1) {
		path.len = 0;
		corral_buf_add(&path, g->norm.data, len);
		corral_buf_str(&path, RULES);
		r = path.failed ? -ENOMEM : want(w, g->norm.data, len, path.data);
	}
	for (size_t i = 0; r == 0 && i < g->rows.n; i++) {
		const struct corral_files_row *row = &g->rows.rows[i];

		if (strcmp(row->name, RULES) != 0 || row->stat.size > RULES_MAX)
			continue;
		dir.len = 0;
		corral_buf_add(&dir, g->norm.data, g->norm.len);
		corral_buf_add(&dir, row->path, (size_t)(row->name - row->path));
		if (full_path(g, row->path, &path, err) < 0 || dir.failed)
			r = -ENOMEM;
		else
			r = want(w, dir.data, dir.len, path.data);
	}
	return r < 0 ? files_fail(err, -r, g->path) : 0;
}

static int get_rules(struct grepper *g, struct corral_error *err)
{
	struct wanted w = { 0 };
	int r = want_rules(g, &w, err);

	if (r == 0 && w.n) {
		g->rules = calloc(w.n, sizeof(*g->rules));
		r = g->rules ? 0 : files_fail(err, ENOMEM, g->path);
	}
	for (size_t i = 0; r == 0 && i < w.n;) {
		size_t n = 0, bytes = 0;

		for (; i + n < w.n && n < BATCH_FILES && bytes < BATCH_SCRIPT; n++)
			bytes += strlen(w.paths[i + n]) + 16;
		r = get_files(g, (const char *const *)w.paths + i, n, rules_use, w.dirs + i, err);
		i += n;
	}
	for (size_t i = 0; i < w.n; i++) {
		free(w.dirs[i]);
		free(w.paths[i]);
	}
	free(w.dirs);
	free(w.paths);
	return r;
}

static void pop(struct grepper *g)
{
	const struct files_ignore *above = g->depth > 1 ? g->levels[g->depth - 2].ignore : NULL;

	files_ignore_free(g->levels[--g->depth].ignore, above);
}

/* The directory that is the first len bytes of path. */
static int push(struct grepper *g, const char *path, size_t len, bool named)
{
	struct level *top = g->depth ? &g->levels[g->depth - 1] : NULL;
	struct level *level = &g->levels[g->depth];
	struct files_ignore *above = top ? top->ignore : NULL;
	corral_autofree char *name = strndup(path, len);
	int r = name ? 0 : -ENOMEM;

	*level = (struct level) { .len = len, .passes = true, .ignore = above };
	g->depth++;
	if (r == 0 && !named && top) {
		name[len - 1] = '\0';
		level->passes =
		        top->passes && files_sieve_passes(&g->sieve, name, name + g->norm.len,
		                                          name + top->len, true, above);
		name[len - 1] = '/';
	}
	for (size_t i = 0; r == 0 && level->passes && i < g->n_rules; i++)
		if (!strcmp(g->rules[i].dir, name)) {
			const struct corral_buf *text = &g->rules[i].text;

			return files_ignore_parse(text->data, text->len, len, above,
			                          &level->ignore);
		}
	return r;
}

/* Makes the levels those of the directory in which path is. */
static int enter(struct grepper *g, const char *path, const char *previous, size_t keep, bool named)
{
	const char *slash;
	int r = 0;

	while (g->depth > keep && strncmp(path, previous, g->levels[g->depth - 1].len) != 0)
		pop(g);
	while (r == 0 && (slash = strchr(path + g->levels[g->depth - 1].len, '/'))) {
		if (g->depth == CORRAL_FILES_PATH_MAX / 2)
			return -ENAMETOOLONG;
		r = push(g, path, (size_t)(slash - path) + 1, named);
	}
	return r;
}

/* --- Contents --- */

static int search(struct grepper *g, const struct corral_buf *data, const char *shown,
                  struct corral_error *err)
{
	struct files_content c = files_content_memory(data->data ? data->data : "", data->len);
	int r;

	if (g->found->n >= g->max || g->found->truncated)
		return 0;
	r = files_search(g->searcher, &c, shown, strlen(shown), g->max - g->found->n, &g->stop,
	                 g->found);
	if (r == -E2BIG)
		return corral_error_set(err, E2BIG, "Regex pattern is too expensive to match");
	return r < 0 ? files_fail(err, -r, g->ask->path ? g->ask->path : "") : 0;
}

static int batch_use(struct grepper *g, size_t i, struct corral_buf *data, void *ctx,
                     struct corral_error *err)
{
	corral_autobuf struct corral_buf shown = CORRAL_BUF_INIT;

	(void)ctx;
	if (!data) {
		g->found->incomplete = true;
		return 0;
	}
	corral_buf_add(&shown, g->shown.data, g->shown.len);
	corral_buf_str(&shown, g->batch[i]->path);
	return shown.failed ? files_fail(err, ENOMEM, "") : search(g, data, shown.data, err);
}

/* Is it worth the rest? The first piece tells what is binary. */
static int sniff(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct corral_buf *b = ctx;

	corral_buf_add(b, data, len);
	return b->failed ? files_fail(err, ENOMEM, "") : 0;
}

static int search_large(struct grepper *g, const char *name, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf shown = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	const struct corral_files_sink sink = { sniff, &data };
	struct corral_error why = { 0 };
	int r = full_path(g, name, &path, err);

	corral_buf_add(&shown, g->shown.data, g->shown.len);
	corral_buf_str(&shown, name);
	if (r < 0 || shown.failed)
		return files_fail(err, ENOMEM, name);
	r = corral_base_fetch(g->s, path.data, 0, CORRAL_FILES_SNIFF, 0, g->stop.deadline_nsec,
	                      &sink, NULL, &why);
	if (r == 0 && data.data && memchr(data.data, '\0', data.len))
		return 0;
	if (r == 0)
		r = corral_base_whole(g->s, path.data, FILE_MAX, g->stop.deadline_nsec, &data, NULL,
		                      &why);
	if (r == 0)
		return search(g, &data, shown.data, err);
	if (r == -ETIMEDOUT || r == -ECANCELED || r == -ENOMEM)
		return corral_error_set(err, why.code, "%s", why.text);
	g->found->incomplete = true;
	return 0;
}

static int flush(struct grepper *g, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	char *paths[BATCH_FILES] = { NULL };
	size_t n = 0;
	int r = 0;

	for (; r == 0 && n < g->n_batch; n++) {
		r = full_path(g, g->batch[n]->path, &path, err);
		if (r == 0 && !(paths[n] = strdup(path.data)))
			r = files_fail(err, ENOMEM, "");
	}
	if (r == 0 && n)
		r = get_files(g, (const char *const *)paths, n, batch_use, NULL, err);
	while (n)
		free(paths[--n]);
	g->n_batch = g->batch_bytes = g->batch_script = 0;
	return r;
}

static int add_file(struct grepper *g, const struct corral_files_row *row, struct corral_error *err)
{
	/* A file has its marks, and its text is filled up. */
	size_t script = strlen(g->path) + strlen(row->path) + 16;
	bool large = row->stat.size > g->s->piece;
	int r = 0;

	if (large || g->n_batch == BATCH_FILES ||
	    g->batch_bytes + row->stat.size + 8 > g->s->piece ||
	    g->batch_script + script > BATCH_SCRIPT)
		r = flush(g, err);
	if (r < 0 || g->found->n >= g->max)
		return r;
	if (large)
		return search_large(g, row->path, err);
	g->batch[g->n_batch++] = row;
	g->batch_bytes += (size_t)row->stat.size + 8;
	g->batch_script += script;
	return 0;
}

static int search_rows(struct grepper *g, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf previous = CORRAL_BUF_INIT;
	size_t keep;
	int r = push(g, "", 0, true);

	corral_buf_add(&previous, g->norm.data, g->norm.len);
	if (r == 0)
		r = enter(g, g->norm.data, "", 1, true);
	if (r < 0)
		return files_fail(err, -r, g->path);
	keep = g->depth;
	for (size_t i = 0; r == 0 && i < g->rows.n && g->found->n < g->max; i++) {
		const struct corral_files_row *row = &g->rows.rows[i];
		const struct level *top;

		path.len = 0;
		corral_buf_add(&path, g->norm.data, g->norm.len);
		corral_buf_str(&path, row->path);
		if (path.failed || previous.failed)
			return files_fail(err, ENOMEM, g->path);
		r = enter(g, path.data, previous.data, keep, false);
		if (r < 0)
			return files_fail(err, -r, g->path);
		previous.len = 0;
		corral_buf_add(&previous, path.data, path.len);
		top = &g->levels[g->depth - 1];
		if (top->passes && files_sieve_passes(&g->sieve, path.data, path.data + g->norm.len,
		                                      path.data + top->len, false, top->ignore))
			r = add_file(g, row, err);
	}
	return r < 0 ? r : flush(g, err);
}

/* --- The whole --- */

/* The path without "." and doubled slashes, as below the root; left empty when it is not. */
static void normalize(struct corral_buf *norm, const char *path)
{
	corral_buf_str(norm, "");
	if (path[0] == '/')
		return;
	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			norm->len = 0;
			return;
		}
		if (len != 1 || path[0] != '.') {
			corral_buf_add(norm, path, len);
			corral_buf_str(norm, "/");
		}
		path += len;
	}
}

static const char pruned[] =
        "\\( -name '.?*' ! -name .gitignore -o -type d \\( -name __pycache__ -o -name build -o "
        "-name dist -o -name node_modules -o -name venv \\) \\) -prune -o ";

static int list(struct grepper *g, bool *ret_dir, struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf what = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_base_row row;
	size_t at = 0;
	int r;

	corral_buf_fmt(&what, "%s-type f -exec sh -c \"$R\" sh f {} +",
	               g->ask->flags & CORRAL_FILES_IGNORE_HIDDEN ? pruned : "");
	if (what.failed)
		return files_fail(err, ENOMEM, g->path);
	r = corral_base_find(g->s, g->path, "", what.data, g->stop.deadline_nsec, &text, ret_dir,
	                     &a, err);
	if (r < 0)
		return r;
	if (a.code == ENOENT || a.code == ENOTDIR)
		return corral_error_set(err, ENOENT, "Path '%s' not found", g->ask->path);
	if (a.code)
		return corral_base_fail(&a, g->path, err);
	if (!*ret_dir)
		return 0;
	while (r == 0 && corral_base_row_next(&text, &at, &row))
		r = corral_files_rows_add(&g->rows, row.name, row.name_len, &row.stat);
	g->found->incomplete |= r == -EFBIG || memcmp(text.data + text.len - 5, "s0//\n", 5) != 0;
	if (r < 0 && r != -EFBIG)
		return files_fail(err, -r, g->path);
	corral_files_rows_sort(&g->rows, false);
	return 0;
}

static int grep_tree(struct grepper *g, struct corral_error *err)
{
	int r = 0;

	normalize(&g->norm, g->path);
	g->levels = calloc(CORRAL_FILES_PATH_MAX / 2 + 2, sizeof(*g->levels));
	if (!g->levels || g->norm.failed)
		return files_fail(err, ENOMEM, g->path);
	if (!(g->ask->flags & CORRAL_FILES_NO_GITIGNORE))
		r = get_rules(g, err);
	if (r == 0)
		r = search_rows(g, err);
	while (g->depth)
		pop(g);
	return r;
}

static int grep_file(struct grepper *g, struct corral_error *err)
{
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	int r = corral_base_whole(g->s, g->path, FILE_MAX, g->stop.deadline_nsec, &data, NULL, err);

	return r < 0 ? r : search(g, &data, g->path, err);
}

static int grep_path(struct grepper *g, struct corral_error *err)
{
	bool dir = false;
	int r = list(g, &dir, err);

	if (r < 0)
		return r;
	if (!dir)
		return grep_file(g, err);
	corral_base_shown(&g->shown, g->path, corral_base_is_root(g->path, false));
	corral_buf_str(&g->shown, "");
	return g->shown.failed ? files_fail(err, ENOMEM, g->path) : grep_tree(g, err);
}

static void grepper_done(struct grepper *g)
{
	for (size_t i = 0; i < g->n_rules; i++) {
		free(g->rules[i].dir);
		corral_buf_done(&g->rules[i].text);
	}
	free(g->rules);
	free(g->levels);
	corral_files_rows_done(&g->rows);
	corral_buf_done(&g->shown);
	corral_buf_done(&g->norm);
	files_searcher_free(g->searcher);
	files_sieve_done(&g->sieve);
}

int corral_base_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                     struct corral_files_matches *ret, struct corral_error *err)
{
	corral_auto(corral_files_matches_done) struct corral_files_matches found = { 0 };
	const char *path = grep->path ? grep->path : "";
	struct grepper g = { .s = to_base(b),
		             .ask = grep,
		             .path = corral_base_is_root(path, true) ? "" : path,
		             .found = &found };
	struct files_pattern *pattern = NULL;
	int r = corral_base_check(path, err);

	if (r == 0)
		r = files_pattern_new(grep->pattern, grep->flags & CORRAL_FILES_IGNORE_CASE,
		                      &pattern, err);
	if (r < 0)
		return r;
	g.stop.deadline_nsec = corral_base_deadline(CORRAL_FILES_SEARCH_TIMEOUT_MS);
	g.max = files_matches_wanted(grep);
	r = files_sieve_init(&g.sieve, grep, err);
	if (r == 0) {
		g.searcher = files_searcher_new(pattern);
		r = g.searcher ? grep_path(&g, err) : files_fail(err, ENOMEM, path);
	}
	grepper_done(&g);
	files_pattern_free(pattern);
	if (r < 0)
		return r;
	files_matches_cut(grep, &found);
	*ret = found;
	memset(&found, 0, sizeof(found));
	return 0;
}
