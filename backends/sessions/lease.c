/*
 * What callers hold of a session: a backend in front of its own, which counts each operation in it,
 * and wakes it for those that need a sandbox. What only looks or ends does not wake anybody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backgrounds.h"
#include "backends/sessions/manager_state.h"
#include "backends/wrap_ops.h"

struct lease {
	struct corral_wrap wrap;
	struct session *session;
	char *root_path;
};

static struct session *session_of(const struct corral_backend *b)
{
	return ((const struct lease *)b)->session;
}

static struct corral_backend *inner_of(const struct corral_backend *b)
{
	return ((const struct lease *)b)->wrap.inner;
}

static int before(struct corral_wrap *w, const struct corral_wrap_call *call,
                  struct corral_error *err)
{
	(void)call;
	return session_enter(session_of(&w->base), err);
}

static void after(struct corral_wrap *w, const struct corral_wrap_call *call, int r,
                  struct corral_error *err)
{
	if (!call->refused)
		session_leave(session_of(&w->base), r, err);
}

static int lease_execute(struct corral_backend *b, const struct corral_execute *x,
                         struct corral_executed *ret, struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = s->history ? session_enter_command(s, x->command ? x->command : x->argv[0],
	                                           x->timeout_ms, NULL, err)
	                   : session_enter(s, err);

	if (r < 0)
		return r;
	r = corral_backend_execute(inner_of(b), x, ret, err);
	session_leave(s, r, err);
	return r;
}

/* --- What does not wake it --- */

static int lease_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_peek(s, err);

	if (r <= 0)
		return r;
	r = corral_backend_stop(inner_of(b), run_id, err);
	session_unpeek(s, r, err);
	return r;
}

static void background_is(struct session *s, bool there)
{
	(void)pthread_mutex_lock(&s->m->lock);
	s->background = there;
	(void)pthread_mutex_unlock(&s->m->lock);
}

static int lease_background_start(struct corral_backend *b, const char *command,
                                  struct corral_background *ret, struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_enter(s, err);

	if (r < 0)
		return r;
	background_is(s, true);
	r = corral_backend_background_start(inner_of(b), command, ret, err);
	session_leave(s, r, err);
	return r;
}

static int lease_background_read(struct corral_backend *b, const char *shell_id,
                                 struct corral_buf *out, struct corral_buf *err_out,
                                 struct corral_background *ret, struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_peek(s, err);

	if (r <= 0)
		return r < 0 ? r : corral_background_unknown(shell_id, err);
	r = corral_backend_background_read(inner_of(b), shell_id, out, err_out, ret, err);
	session_unpeek(s, r, err);
	return r;
}

static int lease_background_kill(struct corral_backend *b, const char *shell_id,
                                 struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_peek(s, err);

	if (r <= 0)
		return r;
	r = corral_backend_background_kill(inner_of(b), shell_id, err);
	session_unpeek(s, r, err);
	return r;
}

static int lease_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                 struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_peek(s, err);
	bool runs = false;

	if (r <= 0)
		return r;
	r = corral_backend_background_list(inner_of(b), ret, err);
	for (size_t i = 0; r == 0 && i < ret->n; i++)
		runs |= ret->items[i].running;
	if (r == 0)
		background_is(s, runs);
	session_unpeek(s, r, err);
	return r;
}

static int lease_background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_peek(s, err);

	if (r <= 0)
		return r;
	r = corral_backend_background_kill_all(inner_of(b), err);
	if (r == 0)
		background_is(s, false);
	session_unpeek(s, r, err);
	return r;
}

static int lease_usage(struct corral_backend *b, struct corral_usage *ret, struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_peek(s, err);

	if (r == 0)
		return corral_error_set(err, EAGAIN, "session '%s' sleeps: it uses nothing", s->id);
	if (r < 0)
		return r;
	r = corral_backend_usage(inner_of(b), ret, err);
	session_unpeek(s, r, err);
	return r;
}

static bool lease_is_alive(struct corral_backend *b)
{
	struct session *s = session_of(b);
	bool alive;

	if (session_peek(s, NULL) <= 0)
		return false;
	alive = corral_backend_is_alive(inner_of(b));
	session_unpeek(s, 0, NULL);
	return alive;
}

static int lease_end(struct corral_backend *b, struct corral_error *err)
{
	struct session *s = session_of(b);
	int r = session_peek(s, err);

	if (r <= 0)
		return r;
	/* Not hibernation: what runs in it is ended as well. */
	r = corral_backend_end(inner_of(b), err);
	/* Then its place is given back. */
	session_unpeek(s, r < 0 ? r : -ECANCELED, NULL);
	return r;
}

/* --- Terminals, which are in flight until they are closed --- */

static void terminal_closed(void *ctx)
{
	session_leave(ctx, 0, NULL);
	session_put(ctx);
}

static int lease_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                               struct corral_terminal **ret, struct corral_error *err)
{
	struct session *s = session_of(b);
	struct corral_terminal *inner = NULL;
	int r = s->history ? session_enter_command(s, "(terminal)", -1, NULL, err)
	                   : session_enter(s, err);

	if (r < 0)
		return r;
	r = corral_backend_terminal_open(inner_of(b), o, &inner, err);
	if (r < 0) {
		session_leave(s, r, err);
		return r;
	}
	session_get(s);
	return corral_terminal_follow_take(inner, terminal_closed, s, ret, err);
}

/* --- Itself --- */

static const char *lease_root_path(const struct corral_backend *b)
{
	return ((const struct lease *)b)->root_path;
}

static void lease_close(struct corral_backend *b)
{
	struct lease *l = (struct lease *)b;

	session_put(l->session);
	free(l->root_path);
	free(l);
}

int session_lease(struct session *s, struct corral_backend **ret, struct corral_error *err)
{
	struct lease *l = calloc(1, sizeof(*l));
	struct corral_backend_ops *ops;
	int r;

	if (l)
		l->root_path = strdup(corral_backend_root_path(s->backend));
	if (!l || !l->root_path) {
		free(l);
		return corral_error_set(err, ENOMEM, "session '%s': out of memory", s->id);
	}
	ops = &l->wrap.ops;
	r = corral_wrap_init(&l->wrap, s->backend, err);
	if (r == 0)
		r = corral_backend_init(&l->wrap.base, ops, s->id, err);
	if (r < 0) {
		free(l->root_path);
		free(l);
		return r;
	}
	l->session = s;
	l->wrap.before = before;
	l->wrap.after = after;
	ops->root_path = lease_root_path;
	ops->close = lease_close;
	ops->execute = lease_execute;
	ops->stop = lease_stop;
	ops->background_start = lease_background_start;
	ops->background_read = lease_background_read;
	ops->background_kill = lease_background_kill;
	ops->background_list = lease_background_list;
	ops->background_kill_all = lease_background_kill_all;
	ops->terminal_open = lease_terminal_open;
	ops->usage = lease_usage;
	ops->is_alive = lease_is_alive;
	ops->end = lease_end;
	session_get(s);
	*ret = &l->wrap.base;
	return 0;
}
