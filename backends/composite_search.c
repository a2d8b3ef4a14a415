/*
 * Listings and searches over several backends. Each is asked for what lies in it, and the answers
 * come together under their virtual paths. A pattern with a "/" is about whole virtual paths, of
 * which a backend knows only a part: it is then asked for everything, and the answer is sieved.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/composite_routes.h"
#include "backends/names.h"
#include "kernel/base/cleanup.h"
#include "kernel/files/content.h"
#include "kernel/files/search.h"
#include "kernel/files/sieve.h"

static int no_memory(struct corral_error *err)
{
	return corral_error_set(err, ENOMEM, "out of memory");
}

/* Whether what a backend found is there for others to see: not behind another route. */
static bool visible(const struct corral_composite *c, const struct corral_route *route,
                    const char *path)
{
	return corral_composite_route_of(c, path) == route;
}

/* A place that only holds routes is empty otherwise; but a backend whose root is gone has failed.
 */
static int or_empty(const struct corral_composite *c, const struct corral_place *p, int r)
{
	return r == -ENOENT && p->sent[0] && corral_composite_holds_routes(c, p->path) ? 0 : r;
}

/* The routes right beneath the directory, as directories, also where a file is in their way. */
static int add_routes(const struct corral_composite *c, const char *dir,
                      struct corral_files_rows *rows)
{
	const struct corral_files_stat st = { .type = CORRAL_FILES_DIRECTORY, .mode = 0755 };
	char path[CORRAL_FILES_PATH_MAX];

	for (size_t i = 0; i < c->n; i++) {
		const char *below = corral_composite_beneath(&c->routes[i], dir);
		struct corral_files_row *row = NULL;
		size_t len;
		int r;

		if (!below || !*below)
			continue;
		/* One name more than the directory has. */
		len = (size_t)(below - c->routes[i].prefix) + strcspn(below, "/");
		memcpy(path, c->routes[i].prefix, len);
		path[len] = '\0';
		for (size_t k = 0; k < rows->n && !row; k++)
			row = strcmp(rows->rows[k].path, path) ? NULL : &rows->rows[k];
		if (row && row->stat.type != CORRAL_FILES_DIRECTORY)
			row->stat = st;
		r = row ? 0 : corral_files_rows_add(rows, path, len, &st);
		if (r < 0)
			return r == -EFBIG ? 0 : r;
	}
	return 0;
}

int corral_composite_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                        struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	const struct corral_composite *c = to_composite(b);
	struct corral_place p;
	int r = corral_composite_find(c, path, &p, err);

	if (r < 0)
		return r;
	r = or_empty(c, &p, corral_backend_ls(p.route->backend, p.sent, &rows, err));
	if (r < 0) {
		corral_names_error(err, p.sent, path);
		return r;
	}
	if (corral_names_rows(&rows, corral_backend_root_path(p.route->backend), p.route->prefix) <
	            0 ||
	    add_routes(c, p.path, &rows) < 0)
		return no_memory(err);
	corral_files_rows_sort(&rows, true);
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

/* What the route has, if it is visible and the glob, which may be NULL, admits it. */
static int rows_add(const struct corral_composite *c, const struct corral_route *route,
                    struct corral_files_rows *found, const struct files_glob *glob, const char *dir,
                    struct corral_files_rows *rows)
{
	int r = corral_names_rows(found, corral_backend_root_path(route->backend), route->prefix);

	rows->truncated |= found->truncated;
	rows->incomplete |= found->incomplete;
	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const char *path = found->rows[i].path;

		if (visible(c, route, path) &&
		    (!glob || files_glob_path(glob, corral_names_below(dir, path))))
			r = corral_files_rows_add(rows, path, strlen(path), &found->rows[i].stat);
	}
	return r == -EFBIG ? 0 : r;
}

static int glob_all(const struct corral_composite *c, const struct corral_place *p,
                    const char *pattern, const struct files_glob *glob, unsigned int flags,
                    struct corral_files_rows *rows, struct corral_error *err)
{
	for (size_t i = c->n; i-- > 0;) {
		corral_auto(corral_files_rows_done) struct corral_files_rows found = { 0 };
		const struct corral_route *route = &c->routes[i];
		const char *below = corral_composite_beneath(route, p->path);
		bool own = route == p->route;
		int r;

		if (own)
			r = or_empty(c, p,
			             corral_backend_glob(route->backend, pattern, p->sent, flags,
			                                 &found, err));
		else if (below && *below)
			r = corral_backend_glob(route->backend, "**", "",
			                        CORRAL_FILES_HIDDEN | (flags & CORRAL_FILES_NAMES),
			                        &found, err);
		else
			continue;
		if (r < 0)
			return r;
		if (rows_add(c, route, &found, own ? NULL : glob, p->path, rows) < 0)
			return no_memory(err);
	}
	return 0;
}

int corral_composite_glob(struct corral_backend *b, const char *pattern, const char *path,
                          unsigned int flags, struct corral_files_rows *ret,
                          struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	const struct corral_composite *c = to_composite(b);
	struct files_glob *glob = NULL;
	struct corral_place p;
	int r = corral_composite_find(c, path, &p, err);

	if (r < 0)
		return r;
	r = files_glob_compile(pattern, flags & CORRAL_FILES_HIDDEN ? FILES_GLOB_HIDDEN : 0, &glob,
	                       err);
	if (r < 0)
		return r;
	r = glob_all(c, &p, pattern, glob, flags, &rows, err);
	files_glob_free(glob);
	if (r < 0) {
		corral_names_error(err, p.sent, path);
		return r;
	}
	corral_files_rows_sort(&rows, false);
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

/* Whether a search from above comes to the route: its names are directories like others. */
static bool sieve_lets_in(const struct files_sieve *sieve, const char *below)
{
	while (*below) {
		char name[256];
		size_t len = strcspn(below, "/");

		memcpy(name, below, len);
		name[len] = '\0';
		if (!files_sieve_passes(sieve, name, name, name, true, NULL))
			return false;
		below += len + strspn(below + len, "/");
	}
	return true;
}

static int matches_add(const struct corral_composite *c, const struct corral_route *route,
                       struct corral_files_matches *found, const struct files_glob *glob,
                       const char *dir, struct corral_files_matches *all)
{
	int r = corral_names_matches(found, corral_backend_root_path(route->backend),
	                             route->prefix);

	all->truncated |= found->truncated;
	all->incomplete |= found->incomplete;
	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const struct corral_files_match *m = &found->matches[i];

		if (visible(c, route, m->path) &&
		    (!glob || files_glob_path(glob, corral_names_below(dir, m->path))))
			r = corral_files_matches_add(all, m->path, strlen(m->path), m->line_number,
			                             m->line, m->line_len, m->cut);
	}
	return r == -EFBIG ? 0 : r;
}

static int grep_all(const struct corral_composite *c, const struct corral_place *p,
                    const struct corral_files_grep *grep, const struct files_sieve *sieve,
                    struct corral_files_matches *all, struct corral_error *err)
{
	for (size_t i = c->n; i-- > 0;) {
		corral_auto(corral_files_matches_done) struct corral_files_matches found = { 0 };
		const struct corral_route *route = &c->routes[i];
		const char *below = corral_composite_beneath(route, p->path);
		struct corral_files_grep ask = *grep;
		bool own = route == p->route, by_path = !own && sieve->by_path;
		int r;

		if (!own && (!below || !*below || !sieve_lets_in(sieve, below)))
			continue;
		ask.path = own ? p->sent : "";
		if (by_path) {
			ask.glob = NULL;
			ask.max_matches = 0;
		}
		r = corral_backend_grep(route->backend, &ask, &found, err);
		if (own)
			r = or_empty(c, p, r);
		if (r < 0)
			return r;
		if (matches_add(c, route, &found, by_path ? sieve->glob : NULL, p->path, all) < 0)
			return no_memory(err);
	}
	return 0;
}

static int by_path_and_line(const void *a, const void *b)
{
	const struct corral_files_match *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order                             ? order
	       : x->line_number < y->line_number ? -1
	                                         : x->line_number > y->line_number;
}

int corral_composite_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                          struct corral_files_matches *ret, struct corral_error *err)
{
	corral_auto(corral_files_matches_done) struct corral_files_matches all = { 0 };
	const struct corral_composite *c = to_composite(b);
	const char *path = grep->path ? grep->path : "";
	struct files_sieve sieve;
	struct corral_place p;
	int r = corral_composite_find(c, path, &p, err);

	if (r < 0)
		return r;
	r = files_sieve_init(&sieve, grep, err);
	if (r == 0)
		r = grep_all(c, &p, grep, &sieve, &all, err);
	files_sieve_done(&sieve);
	if (r < 0) {
		corral_names_error(err, p.sent, path);
		return r;
	}
	if (all.n)
		qsort(all.matches, all.n, sizeof(*all.matches), by_path_and_line);
	files_matches_cut(grep, &all);
	*ret = all;
	memset(&all, 0, sizeof(all));
	return 0;
}
