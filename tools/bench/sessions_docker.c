#include "tools/bench/sessions_docker.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "backends/docker/session.h"
#include "tools/bench/engine.h"

#define WARM_UP 2

struct contained {
	struct corral_session_manager *manager;
	struct corral_backend *live, *call;
	unsigned int last;
};

static int execute(struct corral_backend *backend, struct corral_error *err)
{
	const struct corral_execute x = { .command = "true", .timeout_ms = 120000 };
	struct corral_executed e;
	int r = corral_backend_execute(backend, &x, &e, err);

	if (r == 0 && e.exit_code != 0)
		r = corral_error_set(err, EIO, "'true' ended with %d: %.200s", e.exit_code,
		                     e.out.len ? e.out.data : "");
	corral_executed_done(&e);
	return r;
}

static int get(struct contained *c, const char *id, const char *runtime, unsigned int flags,
               struct corral_backend **ret, struct corral_error *err)
{
	const struct corral_session_ask ask = { .id = id, .runtime = runtime, .flags = flags };

	return corral_session_manager_get_or_create(c->manager, &ask, ret, err);
}

static int run_known(struct contained *c, struct corral_error *err)
{
	struct corral_backend *lease = NULL;
	int r = get(c, "docker-live", NULL, 0, &lease, err);

	corral_backend_close(lease);
	return r;
}

static int run_new(struct contained *c, uint64_t *ret_nsec, struct corral_error *err)
{
	struct corral_backend *lease = NULL;
	uint64_t begin;
	char id[32];
	int r;

	(void)snprintf(id, sizeof(id), "docker-new-%u", ++c->last);
	begin = bench_now();
	r = get(c, id, BENCH_DOCKER_RUNTIME, CORRAL_SESSION_NEW | CORRAL_SESSION_START, &lease,
	        err);
	*ret_nsec = bench_now() - begin;
	corral_backend_close(lease);
	if (r == 0)
		r = corral_session_manager_release(c->manager, id, CORRAL_SESSION_PURGE, err);
	return r < 0 ? r : 0;
}

static int contestant_run(struct contained *c, enum bench_docker which, uint64_t *ret_nsec,
                          struct corral_error *err)
{
	uint64_t begin = bench_now();
	int r = -EINVAL;

	switch (which) {
	case DOCKER_KNOWN:
		r = run_known(c, err);
		break;
	case DOCKER_EXECUTE:
		r = execute(c->live, err);
		break;
	case DOCKER_CALL:
		r = execute(c->call, err);
		break;
	case DOCKER_NEW:
		return run_new(c, ret_nsec, err);
	case DOCKER_CONTESTANTS:
		break;
	}
	*ret_nsec = bench_now() - begin;
	return r;
}

static int rounds_run(struct contained *c, uint64_t rounds, struct bench_series *series,
                      struct corral_error *err)
{
	uint64_t nsec = 0;
	int r = 0;

	for (uint64_t round = 0; r == 0 && round < rounds + WARM_UP; round++) {
		for (unsigned int k = 0; r == 0 && k < DOCKER_CONTESTANTS; k++) {
			enum bench_docker which =
			        (enum bench_docker)((k + round) % DOCKER_CONTESTANTS);

			(void)usleep(10000);
			r = contestant_run(c, which, &nsec, err);
			if (r == 0 && round >= WARM_UP)
				r = bench_series_add(&series[which], nsec, err);
			if (r < 0)
				r = corral_error_wrap(err, r, "%s", series[which].name);
		}
	}
	return r;
}

static int purge(struct contained *c, const char *id, struct corral_error *err)
{
	int r = corral_session_manager_release(c->manager, id, CORRAL_SESSION_PURGE, err);

	return r < 0 ? r : 0;
}

int bench_sessions_docker(struct corral_session_store *store,
                          const struct corral_runtime_catalogue *catalogue, uint64_t rounds,
                          struct bench_series series[DOCKER_CONTESTANTS], struct corral_error *err)
{
	/* Nothing is downloaded for a measurement. */
	const struct corral_docker_options options = {
		.images = { .pull = CORRAL_DOCKER_PULL_NEVER },
	};
	struct corral_docker_sessions sessions = { .options = &options };
	struct corral_session_maker maker = { 0 };
	const struct corral_session_manager_options o = { .store = store,
		                                          .catalogue = catalogue,
		                                          .docker = &maker };
	struct contained c = { 0 };
	int r = bench_engine_open(&sessions.engine, err), gone = 0;

	if (r == 0) {
		corral_docker_session_maker(&sessions, &maker);
		r = corral_session_manager_new(&o, &c.manager, err);
	}
	if (r == 0)
		r = get(&c, "docker-live", BENCH_DOCKER_RUNTIME, CORRAL_SESSION_START, &c.live,
		        err);
	if (r == 0)
		r = get(&c, "docker-each", BENCH_DOCKER_CALL, 0, &c.call, err);
	if (r == 0)
		r = rounds_run(&c, rounds, series, err);
	corral_backend_close(c.live);
	corral_backend_close(c.call);
	/* No container stays, whatever came of it. */
	if (c.manager) {
		gone = purge(&c, "docker-live", r < 0 ? NULL : err);
		if (purge(&c, "docker-each", r < 0 || gone < 0 ? NULL : err) < 0 && gone == 0)
			gone = -EIO;
	}
	corral_session_manager_free(c.manager);
	corral_docker_engine_close(sessions.engine);
	return r < 0 ? r : gone;
}
