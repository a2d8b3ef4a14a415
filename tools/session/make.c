/* corral session create, and how sessions are found and come to be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/docker_exec.h"
#include "tools/images/place.h"
#include "tools/runtime_use.h"
#include "tools/runtimes.h"
#include "tools/session/commands.h"

/* What no isolation would change: before anything is made for it. */
static int scope_check(const struct corral_options *o, const struct corral_runtime *rt,
                       struct corral_error *err)
{
	if (o->history && rt->scope == CORRAL_SCOPE_CALL)
		return corral_error_set(err, EOPNOTSUPP,
		                        "--history: runtime '%s' gives each command a fresh "
		                        "sandbox (scope call), of which no states are kept",
		                        rt->name);
	return 0;
}

static int order_check(const struct corral_options *o, const struct corral_isolation_choice *choice,
                       struct corral_error *err)
{
	if (o->history && choice->isolation == CORRAL_ISOLATION_DOCKER)
		return corral_error_set(err, EOPNOTSUPP,
		                        "--history: only native sessions have one, and this would "
		                        "be a container: %s",
		                        choice->reason);
	return 0;
}

int corral_session_make(struct corral_call *call, const char *id, struct corral_session_record *ret,
                        struct corral_error *err)
{
	const struct corral_options *o = &call->options;
	const char *word = o->runtime_name ? o->runtime_name : CORRAL_RUNTIME_DEFAULT;
	struct corral_isolation_choice choice;
	struct corral_runtime *rt = NULL;
	struct corral_session_order order = { .id = id, .history = o->history };
	int r = id ? corral_session_id_check(id, err) : 0;

	if (r == 0)
		r = corral_runtimes_find(word, &rt, err);
	if (r == 0)
		r = corral_session_limits_put(call, rt->sandbox, err);
	if (r == 0 && o->backing_said)
		rt->disk_backing = o->disk_backing;
	if (r == 0)
		r = scope_check(o, rt, err);
	if (r == 0)
		r = corral_runtime_contain(rt, word, o->pull, &choice, err);
	/* What knows engines makes sure of it. */
	if (r == 0 && choice.isolation == CORRAL_ISOLATION_DOCKER)
		r = corral_docker_exec(call->main_argv, err);
	if (r == 0)
		r = order_check(o, &choice, err);
	/* The first image of this user makes the place for them. */
	if (r == 0 && !call->images) {
		r = corral_images_look(&call->images, err);
		corral_session_store_set_images(call->store, call->images);
	}
	if (r == 0) {
		order.runtime = rt;
		order.isolation = choice.isolation;
		order.reason = choice.reason;
		r = corral_session_store_create(call->store, &order, ret, err);
	}
	corral_runtime_free(rt);
	return r;
}

int corral_session_find_any(struct corral_call *call, const char *id,
                            struct corral_session_record *ret, struct corral_error *err)
{
	int r = corral_session_store_find_any(call->store, id, ret, err);

	if (r == -ENOENT)
		return corral_error_set(
		        err, ENOENT,
		        "no session '%.64s' in '%.200s': corral session list%s shows "
		        "those that there are",
		        id, corral_session_store_root(call->store), call->at);
	return r;
}

int corral_session_find(struct corral_call *call, const char *id, struct corral_session_record *ret,
                        struct corral_error *err)
{
	int r = corral_session_find_any(call, id, ret, err);

	if (r == 0 && ret->fault) {
		r = corral_error_set(err, EIO, "%.400s: corral session rm%s %s removes it",
		                     ret->fault, call->at, id);
		corral_session_record_done(ret);
	}
	return r;
}

int corral_session_find_layered(struct corral_call *call, const char *id, const char *what,
                                struct corral_session_record *ret, struct corral_error *err)
{
	int r = corral_session_find(call, id, ret, err);

	if (r < 0)
		return r;
	if (ret->isolation == CORRAL_ISOLATION_DOCKER)
		r = corral_error_set(err, EOPNOTSUPP,
		                     "session %s is a container: only native sessions have %s", id,
		                     what);
	else if (ret->runtime->scope == CORRAL_SCOPE_CALL)
		r = corral_error_set(err, EOPNOTSUPP,
		                     "session %s: runtime '%s' gives each command a fresh sandbox "
		                     "(scope call), and such sessions have no %s",
		                     id, ret->runtime->name, what);
	if (r < 0)
		corral_session_record_done(ret);
	return r;
}

int corral_session_tell_new(struct corral_call *call, const char *id, struct corral_error *err)
{
	struct corral_error why = { 0 };
	int r;

	if (puts(id) >= 0 && fflush(stdout) == 0)
		return 0;
	r = corral_error_sys(err, errno, "print the session's id");
	if (corral_session_store_remove(call->store, id, &why) < 0)
		return corral_error_wrap(err, r, "session %s stays (%.200s)", id, why.text);
	return r;
}

int corral_session_create(struct corral_call *call, struct corral_error *err)
{
	const char *id = call->n_operands ? call->operands[0] : NULL;
	struct corral_session_record record = { 0 };
	/* Before an image is made for it. */
	int r = id ? corral_session_store_find_any(call->store, id, &record, NULL) : -ENOENT;

	if (r == 0) {
		corral_session_record_done(&record);
		r = -EEXIST;
	} else {
		r = corral_session_make(call, id, &record, err);
	}
	if (r == -EEXIST)
		return corral_error_set(err, EEXIST,
		                        "session '%s' is there already: take another id, or corral "
		                        "session rm%s %s",
		                        id, call->at, id);
	if (r < 0)
		return r;
	r = corral_session_tell_new(call, record.id, err);
	corral_session_record_done(&record);
	return r;
}
