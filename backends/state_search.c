/*
 * Listings and searches of files in memory. They work on a copy of the tree, whose nodes do not
 * change, so that nobody waits for a search. The globs, the expressions and what is passed over are
 * those of kernel/files/.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/state_files.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/files/client.h"
#include "kernel/files/search.h"
#include "kernel/files/sieve.h"

static int copy(struct corral_state *s, struct corral_state_tree *ret, struct corral_error *err)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = corral_state_tree_copy(&s->tree, ret);
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

static int row_add(struct corral_files_rows *rows, const struct corral_state_node *node)
{
	struct corral_files_stat st;

	corral_state_stat_of(node, &st);
	return corral_files_rows_add(rows, node->path, strlen(node->path), &st);
}

static int list(struct corral_state *s, const char *dir, bool means_dir,
                struct corral_files_rows *rows)
{
	const struct corral_state_node *self = corral_state_tree_find(&s->tree, dir);
	size_t i, end = corral_state_tree_below(&s->tree, dir, &i);
	int r = 0;

	if (!self && dir[1])
		return -ENOENT;
	if (self && self->content)
		return means_dir ? -ENOENT : row_add(rows, self);
	for (; r == 0 && i < end; i++)
		if (!strchr(corral_names_below(dir, s->tree.nodes[i]->path), '/'))
			r = row_add(rows, s->tree.nodes[i]);
	return r;
}

int corral_state_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                    struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	struct corral_state *s = to_state(b);
	char dir[CORRAL_FILES_PATH_MAX];
	int r = corral_state_path(path, dir, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	r = list(s, dir, corral_state_means_dir(path), &rows);
	pthread_mutex_unlock(&s->lock);
	if (r < 0 && r != -EFBIG)
		return files_fail(err, -r, path);
	corral_files_rows_sort(&rows, true);
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

static int glob_tree(const struct corral_state_tree *t, const struct files_glob *glob,
                     const char *dir, struct corral_files_rows *rows)
{
	const struct corral_state_node *self = corral_state_tree_find(t, dir);
	size_t i, end = corral_state_tree_below(t, dir, &i);
	int r = 0;

	if (!self && dir[1])
		return -ENOENT;
	if (self && self->content)
		return -ENOTDIR;
	for (; r == 0 && i < end; i++)
		if (t->nodes[i]->content &&
		    files_glob_path(glob, corral_names_below(dir, t->nodes[i]->path)))
			r = row_add(rows, t->nodes[i]);
	return r == -EFBIG ? 0 : r;
}

int corral_state_glob(struct corral_backend *b, const char *pattern, const char *path,
                      unsigned int flags, struct corral_files_rows *ret, struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	corral_auto(corral_state_tree_done) struct corral_state_tree tree = { 0 };
	struct files_glob *glob = NULL;
	char dir[CORRAL_FILES_PATH_MAX];
	int r = corral_state_path(path, dir, err);

	if (r == 0)
		r = files_glob_compile(pattern, flags & CORRAL_FILES_HIDDEN ? FILES_GLOB_HIDDEN : 0,
		                       &glob, err);
	if (r == 0)
		r = copy(to_state(b), &tree, err);
	if (r == 0) {
		r = glob_tree(&tree, glob, dir, &rows);
		if (r < 0)
			(void)files_fail(err, -r, path);
	}
	files_glob_free(glob);
	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

/* A directory on the way to the file that is looked at. */
struct level {
	size_t len; /* of its path without the first "/", with the slash behind */
	bool passes;
	struct files_ignore *ignore; /* its own on top of those above, or those */
};

struct walk {
	const struct corral_state_tree *tree;
	struct files_sieve sieve;
	unsigned int flags;
	bool means_dir;
	size_t below; /* where the part below the search path begins */
	struct level *levels;
	size_t depth;
};

static void pop(struct walk *w)
{
	const struct files_ignore *above = w->depth > 1 ? w->levels[w->depth - 2].ignore : NULL;

	files_ignore_free(w->levels[--w->depth].ignore, above);
}

/* The directory that is the first len bytes of path. */
static int push(struct walk *w, const char *path, size_t len, bool named)
{
	struct level *top = w->depth ? &w->levels[w->depth - 1] : NULL;
	struct level *level = &w->levels[w->depth];
	struct files_ignore *above = top ? top->ignore : NULL;
	char name[CORRAL_FILES_PATH_MAX + 16];
	const struct corral_state_node *rules;
	int r = 0;

	*level = (struct level) { .len = len, .passes = true, .ignore = above };
	memcpy(name, path, len);
	if (!named && top) {
		name[len - 1] = '\0';
		level->passes = top->passes && files_sieve_passes(&w->sieve, name, name + w->below,
		                                                  name + top->len, true, above);
		name[len - 1] = '/';
	}
	if (level->passes && !(w->flags & CORRAL_FILES_NO_GITIGNORE)) {
		char full[sizeof(name) + 1];

		memcpy(name + len, ".gitignore", sizeof(".gitignore"));
		full[0] = '/';
		memcpy(full + 1, name, len + sizeof(".gitignore"));
		rules = corral_state_tree_find(w->tree, full);
		if (rules && rules->content)
			r = files_ignore_parse(rules->content->data, rules->content->len, len,
			                       above, &level->ignore);
	}
	w->depth++;
	return r;
}

/* Makes the levels those of the directory in which path is. */
static int enter(struct walk *w, const char *path, const char *previous, size_t keep, bool named)
{
	const char *slash;
	int r = 0;

	while (w->depth > keep && strncmp(path, previous, w->levels[w->depth - 1].len) != 0)
		pop(w);
	while (r == 0 && (slash = strchr(path + w->levels[w->depth - 1].len, '/')))
		r = push(w, path, (size_t)(slash - path) + 1, named);
	return r;
}

static int search_file(struct walk *w, struct files_searcher *s,
                       const struct corral_state_node *node, uint64_t max,
                       const struct corral_files_stop *stop, struct corral_files_matches *found)
{
	const struct level *top = w->depth ? &w->levels[w->depth - 1] : NULL;
	const char *path = node->path + 1;
	struct files_content c;

	/* No levels: it was named outright. */
	if (top && (!top->passes || !files_sieve_passes(&w->sieve, path, path + w->below,
	                                                path + top->len, false, top->ignore)))
		return 0;
	c = files_content_memory(node->content->data, node->content->len);
	return files_search(s, &c, node->path, strlen(node->path), max - found->n, stop, found);
}

static int search_tree(struct walk *w, struct files_searcher *s, const char *dir, uint64_t max,
                       struct corral_files_matches *found)
{
	const struct corral_files_stop stop = {
		.deadline_nsec =
		        corral_now_nsec() + CORRAL_FILES_SEARCH_TIMEOUT_MS * (uint64_t)1000000,
	};
	const struct corral_state_node *self = corral_state_tree_find(w->tree, dir);
	size_t i, keep, end = corral_state_tree_below(w->tree, dir, &i);
	char base[CORRAL_FILES_PATH_MAX + 1];
	const char *previous = base;
	int r;

	if (!self && dir[1])
		return -ENOENT;
	if (self && self->content)
		return w->means_dir ? -ENOENT : search_file(w, s, self, max, &stop, found);
	(void)snprintf(base, sizeof(base), "%s%s", dir + 1, dir[1] ? "/" : "");
	w->below = strlen(base);
	r = push(w, "", 0, true);
	if (r == 0)
		r = enter(w, base, "", 1, true);
	keep = w->depth;
	for (; r == 0 && i < end && found->n < max && !found->truncated; i++) {
		const struct corral_state_node *node = w->tree->nodes[i];

		if (!node->content)
			continue;
		r = enter(w, node->path + 1, previous, keep, false);
		previous = node->path + 1;
		if (r == 0)
			r = search_file(w, s, node, max, &stop, found);
	}
	while (w->depth)
		pop(w);
	return r;
}

static int grep_tree(const struct corral_state_tree *tree, const struct corral_files_grep *grep,
                     const char *dir, struct corral_files_matches *found, struct corral_error *err)
{
	struct walk w = { .tree = tree,
		          .flags = grep->flags,
		          .means_dir = grep->path && corral_state_means_dir(grep->path) };
	uint64_t max = files_matches_wanted(grep);
	struct files_searcher *searcher = NULL;
	struct files_pattern *pattern = NULL;
	int r;

	r = files_pattern_new(grep->pattern, grep->flags & CORRAL_FILES_IGNORE_CASE, &pattern, err);
	if (r < 0)
		return r;
	r = files_sieve_init(&w.sieve, grep, err);
	if (r == 0) {
		searcher = files_searcher_new(pattern);
		/* One for every second byte that a path can have. */
		w.levels = calloc(CORRAL_FILES_PATH_MAX / 2 + 2, sizeof(*w.levels));
		r = searcher && w.levels ? search_tree(&w, searcher, dir, max, found) : -ENOMEM;
		if (r == -ENOENT)
			(void)corral_error_set(err, ENOENT, "Path '%s' not found", grep->path);
		else if (r == -E2BIG)
			(void)corral_error_set(err, E2BIG,
			                       "Regex pattern is too expensive to match");
		else if (r < 0)
			(void)files_fail(err, -r, grep->path ? grep->path : "");
	}
	free(w.levels);
	files_searcher_free(searcher);
	files_sieve_done(&w.sieve);
	files_pattern_free(pattern);
	return r;
}

int corral_state_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                      struct corral_files_matches *ret, struct corral_error *err)
{
	corral_auto(corral_files_matches_done) struct corral_files_matches found = { 0 };
	corral_auto(corral_state_tree_done) struct corral_state_tree tree = { 0 };
	char dir[CORRAL_FILES_PATH_MAX];
	int r = corral_state_path(grep->path ? grep->path : "", dir, err);

	if (r == 0)
		r = copy(to_state(b), &tree, err);
	if (r == 0)
		r = grep_tree(&tree, grep, dir, &found, err);
	if (r < 0)
		return r;
	files_matches_cut(grep, &found);
	*ret = found;
	memset(&found, 0, sizeof(found));
	return 0;
}
