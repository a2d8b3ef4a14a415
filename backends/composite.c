#include "backends/composite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/composite_routes.h"
#include "backends/names.h"
#include "kernel/files/content.h"

const char *corral_composite_beneath(const struct corral_route *route, const char *path)
{
	return corral_names_below(path, route->prefix);
}

const struct corral_route *corral_composite_route_of(const struct corral_composite *c,
                                                     const char *path)
{
	const struct corral_route *route = c->routes;

	/* The last one is everything's. */
	while (!corral_names_below(route->prefix, path))
		route++;
	return route;
}

int corral_composite_find(const struct corral_composite *c, const char *path,
                          struct corral_place *ret, struct corral_error *err)
{
	int r = corral_names_virtual(path, ret->path, err);
	const char *rest;
	bool odd, slash;

	if (r < 0)
		return r;
	ret->route = corral_composite_route_of(c, ret->path);
	rest = corral_names_below(ret->route->prefix, ret->path);
	/* At their beginning, "~" and "C:" would be something else to some backends. */
	odd = rest[0] == '~' || (rest[0] && rest[1] == ':');
	/* A slash at the end tells that a directory is meant. */
	slash = *rest && path[strlen(path) - 1] == '/';
	r = snprintf(ret->sent, sizeof(ret->sent), "%s%s%s", odd ? "./" : "", rest,
	             slash ? "/" : "");
	if (r < 0 || (size_t)r >= sizeof(ret->sent))
		return corral_error_sys(err, ENAMETOOLONG, "'%.100s...'", path);
	return 0;
}

bool corral_composite_holds_routes(const struct corral_composite *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++) {
		const char *below = corral_composite_beneath(&c->routes[i], path);

		if (below && *below)
			return true;
	}
	return false;
}

/* Looked up for its content: what holds routes is a directory, whatever else is there. */
static int find_file(const struct corral_composite *c, const char *path, struct corral_place *ret,
                     struct corral_error *err)
{
	int r = corral_composite_find(c, path, ret, err);

	if (r == 0 && corral_composite_holds_routes(c, ret->path))
		return files_fail(err, EISDIR, path);
	return r;
}

/* What came of a call, told in the caller's words. */
static int told(int r, const struct corral_place *p, const char *path, struct corral_error *err)
{
	if (r < 0 && r != -ENOMSG && r != -ENOTUNIQ)
		corral_names_error(err, p->sent, path);
	return r;
}

static bool composite_exists(struct corral_backend *b, const char *path)
{
	struct corral_place p;

	return find_file(to_composite(b), path, &p, NULL) == 0 &&
	       corral_backend_exists(p.route->backend, p.sent);
}

static int composite_stat(struct corral_backend *b, const char *path, unsigned int flags,
                          struct corral_files_stat *ret, struct corral_error *err)
{
	struct corral_place p;
	int r = corral_composite_find(to_composite(b), path, &p, err);
	bool holds;

	if (r < 0)
		return r;
	r = corral_backend_stat(p.route->backend, p.sent, flags, ret, err);
	holds = corral_composite_holds_routes(to_composite(b), p.path);
	if ((r == -ENOENT && holds) || (r == 0 && holds && ret->type != CORRAL_FILES_DIRECTORY)) {
		*ret = (struct corral_files_stat) { .type = CORRAL_FILES_DIRECTORY, .mode = 0755 };
		return 0;
	}
	return told(r, &p, path, err);
}

static int composite_read(struct corral_backend *b, const char *path, uint64_t offset,
                          uint64_t limit, struct corral_buf *ret, struct corral_error *err)
{
	struct corral_place p;
	int r = find_file(to_composite(b), path, &p, err);

	if (r == 0)
		r = told(corral_backend_read(p.route->backend, p.sent, offset, limit, ret, err), &p,
		         path, err);
	return r;
}

static int composite_edit(struct corral_backend *b, const char *path,
                          const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                          struct corral_error *err)
{
	struct corral_place p;
	int r = find_file(to_composite(b), path, &p, err);

	if (r == 0)
		r = told(corral_backend_edit(p.route->backend, p.sent, edit, ret_occurrences, err),
		         &p, path, err);
	return r;
}

static int composite_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                                 uint64_t length, uint64_t max,
                                 const struct corral_files_sink *sink, struct corral_error *err)
{
	struct corral_place p;
	int r = find_file(to_composite(b), path, &p, err);

	if (r == 0)
		r = told(corral_backend_read_for(p.route->backend, p.sent, offset, length, max,
		                                 sink, err),
		         &p, path, err);
	return r;
}

static int composite_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                                  bool known, const struct corral_files_source *source,
                                  struct corral_error *err)
{
	struct corral_place p;
	int r = find_file(to_composite(b), path, &p, err);

	if (r == 0)
		r = told(corral_backend_write_for(p.route->backend, p.sent, mode, known, source,
		                                  err),
		         &p, path, err);
	return r;
}

static int composite_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	struct corral_place p;
	int r = corral_composite_find(to_composite(b), path, &p, err);

	if (r == 0)
		r = told(corral_backend_mkdir(p.route->backend, p.sent, err), &p, path, err);
	return r;
}

/* Looked up to be taken away: no root of a backend, and no directory with routes in it. */
static int find_movable(const struct corral_composite *c, const char *path,
                        struct corral_place *ret, struct corral_error *err)
{
	int r = corral_composite_find(c, path, ret, err);

	if (r == 0 && !ret->sent[0])
		return corral_error_set(err, EBUSY, "'%s' is the root and stays", path);
	if (r == 0 && corral_composite_holds_routes(c, ret->path))
		return corral_error_set(err, EBUSY, "'%s' holds other backends and stays", path);
	return r;
}

static int composite_remove(struct corral_backend *b, const char *path, unsigned int flags,
                            struct corral_error *err)
{
	struct corral_place p;
	int r = find_movable(to_composite(b), path, &p, err);

	if (r == 0)
		r = told(corral_backend_remove(p.route->backend, p.sent, flags, err), &p, path,
		         err);
	return r;
}

static int composite_rename(struct corral_backend *b, const char *path, const char *new_path,
                            unsigned int flags, struct corral_error *err)
{
	struct corral_place from, to;
	int r = find_movable(to_composite(b), path, &from, err);

	if (r == 0)
		r = find_movable(to_composite(b), new_path, &to, err);
	if (r < 0)
		return r;
	if (from.route != to.route)
		return corral_error_set(err, EOPNOTSUPP,
		                        "'%s' and '%s' are on different file systems", path,
		                        new_path);
	r = corral_backend_rename(from.route->backend, from.sent, to.sent, flags, err);
	return told(told(r, &from, path, err), &to, new_path, err);
}

static const char *composite_root_path(const struct corral_backend *b)
{
	(void)b;
	return "/";
}

static void composite_close(struct corral_backend *b)
{
	struct corral_composite *c = to_composite(b);

	for (size_t i = 0; i < c->n; i++)
		free(c->routes[i].prefix);
	free(c->routes);
	free(c);
}

static const struct corral_backend_ops composite_ops = {
	.kind = "composite",
	.close = composite_close,
	.root_path = composite_root_path,
	.exists = composite_exists,
	.stat = composite_stat,
	.ls = corral_composite_ls,
	.read = composite_read,
	.edit = composite_edit,
	.glob = corral_composite_glob,
	.grep = corral_composite_grep,
	.mkdir = composite_mkdir,
	.remove = composite_remove,
	.rename = composite_rename,
	.read_stream = composite_read_stream,
	.write_stream = composite_write_stream,
};

static int longest_first(const void *a, const void *b)
{
	size_t x = strlen(((const struct corral_route *)a)->prefix);
	size_t y = strlen(((const struct corral_route *)b)->prefix);

	return x < y ? 1 : x > y ? -1 : 0;
}

static int route_add(struct corral_composite *c, const char *prefix, struct corral_backend *backend,
                     struct corral_error *err)
{
	char path[CORRAL_FILES_PATH_MAX], *copy;
	int r = corral_names_virtual(prefix, path, err);

	if (r < 0)
		return corral_error_wrap(err, r, "route '%s'", prefix);
	if (!backend)
		return corral_error_set(err, EINVAL, "route '%s': no backend", prefix);
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->routes[i].prefix, path))
			return corral_error_set(
			        err, path[1] ? EEXIST : EINVAL,
			        path[1] ? "route '%s' is there twice"
			                : "route '%s' is the root, which the fallback has",
			        prefix);
	copy = strdup(path);
	if (!copy)
		return corral_error_set(err, ENOMEM, "composite backend: out of memory");
	c->routes[c->n++] = (struct corral_route) { copy, backend };
	return 0;
}

int corral_composite_backend_new(const struct corral_composite_options *options,
                                 struct corral_backend **ret, struct corral_error *err)
{
	struct corral_composite *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "composite backend: out of memory");
	c->routes = calloc(options->n_routes + 1, sizeof(*c->routes));
	if (c->routes)
		r = route_add(c, "/", options->fallback, err);
	else
		r = corral_error_set(err, ENOMEM, "composite backend: out of memory");
	for (size_t i = 0; r == 0 && i < options->n_routes; i++)
		r = route_add(c, options->routes[i].prefix, options->routes[i].backend, err);
	if (r == 0)
		r = corral_backend_init(&c->base, &composite_ops, options->id, err);
	if (r < 0) {
		composite_close(&c->base);
		return r;
	}
	qsort(c->routes, c->n, sizeof(*c->routes), longest_first);
	*ret = &c->base;
	return 0;
}
