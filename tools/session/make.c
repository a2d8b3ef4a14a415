/* corral session create, and how sessions are found and come to be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/docker_exec.h"
#include "tools/isolation_here.h"
#include "tools/runtimes.h"
#include "tools/session/commands.h"

static int order_check(const struct corral_options *o, const struct corral_runtime *rt,
                       const struct corral_isolation_choice *choice, struct corral_error *err)
{
	if (o->history && rt->scope == CORRAL_SCOPE_CALL)
		return corral_error_set(err, EOPNOTSUPP,
		                        "--history: runtime '%s' gives each command a fresh "
		                        "sandbox (scope call), of which no states are kept",
		                        rt->name);
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
	struct corral_isolation_choice choice;
	struct corral_runtime *rt = NULL;
	struct corral_session_order order = { .id = id, .history = o->history };
	int r = id ? corral_session_id_check(id, err) : 0;

	if (r == 0)
		r = corral_runtimes_find(o->runtime_name ? o->runtime_name : CORRAL_RUNTIME_DEFAULT,
		                         &rt, err);
	if (r == 0)
		r = corral_session_limits_put(call, rt->sandbox, err);
	if (r == 0)
		r = corral_isolation_here_choose(rt, NULL, &choice, err);
	/* What knows engines makes sure of it. */
	if (r == 0 && choice.isolation == CORRAL_ISOLATION_DOCKER)
		r = corral_docker_exec(call->main_argv, err);
	if (r == 0)
		r = order_check(o, rt, &choice, err);
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
		return corral_error_set(err, ENOENT,
		                        "no session '%.64s' in '%.200s': corral session list shows "
		                        "those that there are",
		                        id, corral_session_store_root(call->store));
	return r;
}

int corral_session_find(struct corral_call *call, const char *id, struct corral_session_record *ret,
                        struct corral_error *err)
{
	int r = corral_session_find_any(call, id, ret, err);

	if (r == 0 && ret->fault) {
		r = corral_error_set(err, EIO, "%.400s: corral session rm %s removes it",
		                     ret->fault, id);
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

int corral_session_create(struct corral_call *call, struct corral_error *err)
{
	struct corral_session_record record;
	int r = corral_session_make(call, call->n_operands ? call->operands[0] : NULL, &record,
	                            err);

	if (r == -EEXIST)
		return corral_error_set(err, EEXIST,
		                        "session '%s' is there already: take another id, or corral "
		                        "session rm %s",
		                        call->operands[0], call->operands[0]);
	if (r < 0)
		return r;
	(void)puts(record.id);
	corral_session_record_done(&record);
	return 0;
}
