/*
 * What lies between two states. The later one's layers are read, from the top down to where the
 * earlier one's begin. Where layers were merged meanwhile, the earlier one's are put beneath what
 * covers them: all that the merged one says of their files it says again, and all that they had and
 * it has not is a whiteout in it, so the sum is the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/etc.h"
#include "kernel/template.h"

/* Layers of both states; 0 is what was there before everything. */
struct span {
	int64_t before, after;
	bool now; /* after is the topmost */
};

/* Those that it knows are between the first that was not forgotten and the last. */
static int command_missing(struct store_session *e, unsigned int command, struct corral_error *err)
{
	int64_t first = 0, last = 0;
	struct registry *g = e->store->registry;
	const struct registry_value *id = REGISTRY_VALUES(REGISTRY_T(e->id));
	int r = registry_one(g, REGISTRY_STATE_FIRST, id, &first, err);

	if (r >= 0)
		r = registry_one(g, REGISTRY_STATE_LAST, id, &last, err);
	if (r < 0)
		return r;
	if (!e->history)
		return corral_error_set(err, ENOENT,
		                        "Session '%s' has no command %u: it was made without "
		                        "history, so none is known",
		                        e->id, command);
	if (!last)
		return corral_error_set(err, ENOENT,
		                        "Session '%s' has no command %u: there was none yet", e->id,
		                        command);
	if (first == last)
		return corral_error_set(err, ENOENT,
		                        "Session '%s' has no command %u: there is %lld alone",
		                        e->id, command, (long long)last);
	return corral_error_set(err, ENOENT,
	                        "Session '%s' has no command %u: there are those from %lld to "
	                        "%lld, without what was undone",
	                        e->id, command, (long long)first, (long long)last);
}

static int command_find(struct store_session *e, unsigned int command, struct span *ret,
                        struct corral_error *err)
{
	struct registry *g = e->store->registry;
	const struct registry_value *v = REGISTRY_VALUES(REGISTRY_T(e->id), REGISTRY_N(command));
	int r = registry_one(g, REGISTRY_STATE_COMMAND, v, &ret->before, err);

	if (r == 0)
		return command_missing(e, command, err);
	if (r > 0)
		r = registry_one(g, REGISTRY_STATE_AFTER, v, &ret->after, err);
	/* Without a state after it, it is the last: what lives on from it is there now. */
	ret->now = r == 0;
	return r < 0 ? r : 0;
}

static int state_find(struct store_session *e, const char *name, int64_t *ret,
                      struct corral_error *err)
{
	int64_t head;
	int r = store_state_find(e->store, e->id, name, ret, &head, err);

	return r == 0 ? store_state_missing(e->store, e->id, name, err) : r < 0 ? r : 0;
}

static int span_find(struct store_session *e, const struct corral_session_span *asked,
                     struct span *ret, struct corral_error *err)
{
	int r = 0;

	if (asked && asked->command)
		r = command_find(e, asked->command, ret, err);
	else
		ret->now = !asked || !asked->until;
	if (r == 0 && asked && !asked->command && asked->since)
		r = state_find(e, asked->since, &ret->before, err);
	if (r == 0 && asked && !asked->command && asked->until)
		r = state_find(e, asked->until, &ret->after, err);
	if (ret->now)
		ret->after = e->layer;
	return r;
}

static int covers(struct registry *g, int64_t layer, int64_t covered, struct corral_error *err)
{
	int64_t yes;

	return registry_one(g, REGISTRY_COVERS,
	                    REGISTRY_VALUES(REGISTRY_N(layer), REGISTRY_N(covered)), &yes, err);
}

/* ret: what is to be read; *ret_after: how many of these, from the top, make the difference. */
static int span_layers(struct store_session *e, const struct span *span, struct store_numbers *ret,
                       size_t *ret_after, struct corral_error *err)
{
	int r = span->after ? store_layer_chain(e->store, span->after, ret, err) : 0;

	for (size_t at = 0; r == 0 && span->before && at < ret->n; at++) {
		if (ret->items[at] == span->before) {
			*ret_after = at;
			return 0;
		}
		r = covers(e->store->registry, ret->items[at], span->before, err);
		if (r > 0) {
			*ret_after = ret->n = at + 1;
			return store_layer_chain(e->store, span->before, ret, err);
		}
	}
	if (r == 0 && span->before)
		r = corral_error_set(err, EINVAL,
		                     "Session '%s': the later state did not come from the earlier",
		                     e->id);
	*ret_after = ret->n;
	return r;
}

static int span_get(struct store_session *e, const struct corral_session_span *asked,
                    struct span *ret, struct store_numbers *ret_layers, size_t *ret_after,
                    struct corral_error *err)
{
	int r = registry_begin(e->store->registry, REGISTRY_READ, err);

	if (r < 0)
		return r;
	r = span_find(e, asked, ret, err);
	if (r == 0)
		r = span_layers(e, ret, ret_layers, ret_after, err);
	registry_rollback(e->store->registry);
	return r;
}

/*
 * What of the host's /etc lies beneath a composed root. Each sandbox has the newest there is then,
 * so what a command saw may be gone: it is compared with the newest that there is now, which is
 * what would be seen without the session's changes. What the host changed or took away meanwhile
 * is not told as the guest's, as only names that layers have are compared; a file of both is told
 * against the host's newer one. Where none is there, as after a start of the host until the first
 * sandbox, nobody knows: then all that layers have is told as added, and none of it as deleted.
 */
static void template_put(struct corral_template *t, struct corral_layer_stack *stack)
{
	struct corral_etc etc;

	/* An ordinary user's guest has the host's own files there, not to be written to. */
	if (geteuid() != 0 || stack->base_paths[CORRAL_LAYER_PART_ROOT])
		return;
	corral_etc_scan(&etc);
	if (corral_template_newest(&etc, t) == 0)
		stack->template_path = t->path;
}

int corral_session_diff(struct corral_session_store *s, const char *id,
                        const struct corral_session_span *span,
                        const struct corral_layers_diff_options *options,
                        int (*told)(void *ctx, const struct corral_change *change), void *ctx,
                        struct corral_error *err)
{
	store_autonumbers struct store_numbers layers = { 0 };
	corral_auto(corral_session_stack_close) struct corral_session_stack stack = { 0 };
	corral_auto(corral_template_done) struct corral_template template = { .lock_fd = -1 };
	struct corral_layers_diff_options o = { 0 };
	store_autosession struct store_session session = { 0 };
	corral_autofd int top_fd = -1;
	struct span found = { 0 };
	int r = store_session_open(s, id, &session, err);

	if (options)
		o = *options;
	o.n_after = 0;
	if (r == 0)
		r = span_get(&session, span, &found, &layers, &o.n_after, err);
	if (r == 0 && found.now)
		/* No sandbox begins to write to it as long as it is read. */
		r = store_layer_lock(store_place_of(&session), session.layer, LOCK_SH, id, &top_fd,
		                     err);
	if (r == 0)
		r = store_stack_fill(&session, &layers, &stack, err);
	if (r < 0)
		return r;
	/* An ordinary user's sandboxes have the host's /usr itself, of another owner than a layer
	 * of his. */
	if (geteuid() != 0)
		stack.stack.base_paths[CORRAL_LAYER_PART_USR] = NULL;
	template_put(&template, &stack.stack);
	/* Others need not wait for what may take long. */
	store_session_close(&session);
	return o.n_after ? corral_layers_diff(&stack.stack, &o, told, ctx, err) : 0;
}
