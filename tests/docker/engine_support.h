/* What tests against a container engine share. Include after <cmocka.h>. */
#ifndef CORRAL_TESTS_DOCKER_ENGINE_SUPPORT_H
#define CORRAL_TESTS_DOCKER_ENGINE_SUPPORT_H

#include <stdlib.h>

#include "tests/support.h"

/*
 * DOCKER_HOST of the engine that serves the tests (tests/docker/engine.sh); NULL, with the test
 * skipped, where none is to be had: `if (!corral_test_engine()) return;`.
 */
static inline const char *corral_test_engine(void)
{
	const char *host = getenv("DOCKER_HOST");
	const char *image = getenv("CORRAL_TEST_DOCKER_IMAGE");
	const char *why = getenv("CORRAL_TEST_DOCKER_WHY");

	/* Without the images it is somebody's own engine, and none of ours to write to. */
	if (host && *host && image && *image)
		return host;
	corral_test_skip("no engine: %s", why && *why ? why : "see tests/docker/engine.sh run");
	return NULL;
}

/* "docker" or "podman": which of the two it is. */
static inline int corral_test_engine_is(const char *which)
{
	const char *engine = getenv("CORRAL_TEST_ENGINE");

	return engine && strcmp(engine, which) == 0;
}

/* "127.0.0.1:PORT" of the registry beside it, which takes what is pushed to it; NULL without one.
 */
static inline const char *corral_test_registry(void)
{
	return getenv("CORRAL_TEST_REGISTRY");
}

/* Debian with Python 3. */
static inline const char *corral_test_image(void)
{
	return getenv("CORRAL_TEST_DOCKER_IMAGE");
}

/* busybox and nothing else: no bash, no Python, no libc. */
static inline const char *corral_test_image_busybox(void)
{
	return getenv("CORRAL_TEST_DOCKER_BUSYBOX");
}

/* One static program, /program, and nothing else: no shell either. */
static inline const char *corral_test_image_scratch(void)
{
	return getenv("CORRAL_TEST_DOCKER_SCRATCH");
}

#endif
