/*
 * The contract suite on containers: on Debian, on a busybox and nothing else, and without our
 * program in it. One container each, emptied between the tests: making one takes a second.
 */
#ifndef CORRAL_TESTS_DOCKER_CONTRACT_H
#define CORRAL_TESTS_DOCKER_CONTRACT_H

#include "backends/docker/docker.h"
#include "backends/docker/http.h"
#include "tests/contract/backend_support.h"
#include "tests/docker/engine_support.h"
#include "tests/docker/plain_container.h"

static const struct variant variants[] = {
	{ "docker", DOCKER, "", false },
	{ "docker, busybox", DOCKER, "", false },

	{ "docker, traced", DOCKER, "", true },
};

static struct {
	struct corral_docker_engine *engine;
	struct corral_backend *backend;
	const struct variant *on;
} shared;

/* Somebody else's, into which our program cannot be put. */
#define PLAIN_NAME "corral-test-contract-plain"

static inline void plain_make(struct fixture *f)
{
	json_t *body = corral_test_plain_container();

	(void)corral_docker_do(shared.engine, "DELETE", "/containers/" PLAIN_NAME "?force=1", NULL,
	                       NULL, NULL);
	OK(f, corral_docker_do(shared.engine, "POST", "/containers/create?name=" PLAIN_NAME, body,
	                       NULL, &f->err));
	json_decref(body);
}

static inline void shared_end(void)
{
	if (shared.backend && strstr(shared.on->name, "plain"))
		(void)corral_docker_sandbox_remove(shared.backend, NULL);
	corral_backend_close(shared.backend);
	corral_docker_engine_close(shared.engine);
	memset(&shared, 0, sizeof(shared));
}

static inline void shared_make(struct fixture *f)
{
	const struct corral_docker_engine_options e = { .host = corral_test_engine() };
	bool busybox = strstr(f->variant->name, "busybox"),
	     plain = strstr(f->variant->name, "plain");
	const struct corral_docker_options o = {
		.image = busybox ? corral_test_image_busybox() : corral_test_image(),
		.container_name = plain ? PLAIN_NAME : NULL,
	};

	shared_end();
	OK(f, corral_docker_engine_open(&e, &shared.engine, &f->err));
	if (plain)
		plain_make(f);
	OK(f, corral_docker_sandbox_new(shared.engine, &o, &shared.backend, &f->err));
	if (!shared.on)
		(void)atexit(shared_end);
	shared.on = f->variant;
}

struct corral_backend *corral_test_docker_backend(struct fixture *f)
{
	const struct corral_execute wipe = {
		.command = "cd /workspace && find . -mindepth 1 -maxdepth 1 -exec rm -rf {} +",
		.timeout_ms = 30000,
	};
	struct corral_executed e;

	/* Skipped by the test itself: cmocka cannot skip from here. */
	f->missing = !getenv("DOCKER_HOST") || !corral_test_image();
	if (f->missing)
		return NULL;
	if (shared.on != f->variant)
		shared_make(f);
	OK(f, corral_backend_execute(shared.backend, &wipe, &e, &f->err));
	assert_int_equal(e.exit_code, 0);
	corral_executed_done(&e);
	return shared.backend;
}

#endif
