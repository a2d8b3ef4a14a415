/*
 * Several backends as one tree: a backend for everything, and others beneath some of its
 * directories.
 *
 * Paths are virtual, "/a/b", and ".." in them is refused (-EINVAL). The longest prefix that a path
 * equals or lies beneath decides whose it is; what is left of it is sent on as a path relative to
 * that backend's root, and whatever comes back has whole virtual paths again, in results and in
 * error texts. Routes hide what the backends above them have in their place, and show as
 * directories.
 *
 * A listing has the routes right beneath it, a search goes through those below its path; when one
 * of the backends fails, so does the whole, rather than to tell a part of it. Nothing is moved from
 * one backend into another (-EOPNOTSUPP), a directory with routes in it stays (-EBUSY). There are
 * no commands and no archives.
 */
#ifndef CORRAL_BACKENDS_COMPOSITE_H
#define CORRAL_BACKENDS_COMPOSITE_H

#include "backends/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_composite_route {
	const char *prefix; /* "/memories/"; never the root */
	struct corral_backend *backend;
};

struct corral_composite_options {
	const char *id;                  /* NULL: a random UUID */
	struct corral_backend *fallback; /* for what no route is for */
	const struct corral_composite_route *routes;
	size_t n_routes;
};

/* The backends stay the caller's and must live longer; one may be in several places. -EINVAL for a
 * prefix that is none, -EEXIST for one that is there twice. */
int corral_composite_backend_new(const struct corral_composite_options *options,
                                 struct corral_backend **ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
