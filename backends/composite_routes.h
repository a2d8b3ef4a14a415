/*
 * Inside the composite: whose a path is.
 */
#ifndef CORRAL_BACKENDS_COMPOSITE_ROUTES_H
#define CORRAL_BACKENDS_COMPOSITE_ROUTES_H

#include "backends/backend_ops.h"
#include "backends/composite.h"

struct corral_route {
	char *prefix; /* "/a/b"; "/" of the last one, which takes all that is left */
	struct corral_backend *backend;
};

struct corral_composite {
	struct corral_backend base;
	struct corral_route *routes; /* the longest first */
	size_t n;
};

/* One path, looked up. */
struct corral_place {
	char path[CORRAL_FILES_PATH_MAX]; /* virtual */
	char sent[CORRAL_FILES_PATH_MAX]; /* as its backend gets it */
	const struct corral_route *route;
};

static inline struct corral_composite *to_composite(struct corral_backend *b)
{
	return (struct corral_composite *)b;
}

int corral_composite_find(const struct corral_composite *c, const char *path,
                          struct corral_place *ret, struct corral_error *err);
const struct corral_route *corral_composite_route_of(const struct corral_composite *c,
                                                     const char *path);
/* Of the route: where it is below the path, "" for the same; NULL when it is not. */
const char *corral_composite_beneath(const struct corral_route *route, const char *path);
/* Whether routes begin somewhere below the path. */
bool corral_composite_holds_routes(const struct corral_composite *c, const char *path);

/* composite_search.c */
int corral_composite_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                        struct corral_error *err);
int corral_composite_glob(struct corral_backend *b, const char *pattern, const char *path,
                          unsigned int flags, struct corral_files_rows *ret,
                          struct corral_error *err);
int corral_composite_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                          struct corral_files_matches *ret, struct corral_error *err);

#endif
