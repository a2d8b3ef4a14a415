/*
 * Inside the wrappers: a backend that hands every call on, with something before and after.
 */
#ifndef CORRAL_BACKENDS_WRAP_OPS_H
#define CORRAL_BACKENDS_WRAP_OPS_H

#include "backends/backend_ops.h"
#include "backends/wrap.h"

struct corral_wrap_call {
	const char *op;   /* "read", "grep", ...; static */
	const char *what; /* the path, pattern or command; never NULL */
	const char *also; /* the other path of rename, where grep and glob search; or NULL */
	uint64_t began_nsec;
	uint64_t found; /* rows or matches, or UINT64_MAX */
	bool refused;   /* by before: the inner one heard nothing of it */
};

/* The first member of every wrapper. */
struct corral_wrap {
	struct corral_backend base;
	struct corral_backend_ops ops; /* with the inner one's kind and abilities */
	struct corral_backend *inner;
	/* 0, or -errno, with which the call ends before it has begun. */
	int (*before)(struct corral_wrap *w, const struct corral_wrap_call *call,
	              struct corral_error *err);
	/* r as the call returned it; err may be NULL, and what it says may be said better. */
	void (*after)(struct corral_wrap *w, const struct corral_wrap_call *call, int r,
	              struct corral_error *err);
};

static inline struct corral_wrap *to_wrap(struct corral_backend *b)
{
	return (struct corral_wrap *)b;
}

/* In zeroed memory from malloc(), which its close frees. before and after are the caller's to set.
 */
int corral_wrap_init(struct corral_wrap *w, struct corral_backend *inner, struct corral_error *err);

#endif
