/* A call that fails without having been made: what callers do then can be tested. */
#include <errno.h>
#include <stdlib.h>

#include "backends/wrap_ops.h"

struct failer {
	struct corral_wrap wrap;
	atomic_uint n, calls;
	int code;
};

static int count(struct corral_wrap *w, const struct corral_wrap_call *call,
                 struct corral_error *err)
{
	struct failer *f = (struct failer *)w;
	unsigned int now = atomic_fetch_add(&f->calls, 1) + 1;

	if (now != atomic_load(&f->n))
		return 0;
	return corral_error_set(err, f->code, "made to fail: call %u, %s", now, call->op);
}

int corral_backend_fail_nth(struct corral_backend *inner, unsigned int n, int code,
                            struct corral_backend **ret, struct corral_error *err)
{
	struct failer *f;
	int r;

	if (code <= 0)
		return corral_error_set(err, EINVAL, "fail: an errno is more than 0");
	f = calloc(1, sizeof(*f));
	if (!f)
		return corral_error_set(err, ENOMEM, "fail: out of memory");
	r = corral_wrap_init(&f->wrap, inner, err);
	if (r < 0) {
		free(f);
		return r;
	}
	f->wrap.before = count;
	f->code = code;
	corral_backend_fail_again(&f->wrap.base, n);
	*ret = &f->wrap.base;
	return 0;
}

void corral_backend_fail_again(struct corral_backend *wrapper, unsigned int n)
{
	struct failer *f = (struct failer *)wrapper;

	atomic_store(&f->n, n);
	atomic_store(&f->calls, 0);
}

unsigned int corral_backend_fail_count(const struct corral_backend *wrapper)
{
	return atomic_load(&((const struct failer *)wrapper)->calls);
}
