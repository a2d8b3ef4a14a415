/* Somebody else's container, into which our program cannot be put. */
#ifndef CORRAL_TESTS_DOCKER_PLAIN_CONTAINER_H
#define CORRAL_TESTS_DOCKER_PLAIN_CONTAINER_H

#include <jansson.h>

#include "tests/docker/engine_support.h"

/* The body of its POST /containers/create: a new reference. As narrow as one of ours. */
static inline json_t *corral_test_plain_container(void)
{
	json_t *body = json_pack("{s:s, s:[s,s], s:[], s:s, s:{s:b, s:s, s:{s:s, s:s}}}", "Image",
	                         corral_test_image(), "Entrypoint", "sleep", "infinity", "Cmd",
	                         "WorkingDir", "/workspace", "HostConfig", "ReadonlyRootfs", 1,
	                         "NetworkMode", "none", "Tmpfs", "/workspace", "size=256m", "/tmp",
	                         "size=64m");
	json_t *host = json_object_get(body, "HostConfig");

	(void)json_object_set_new(host, "SecurityOpt", json_pack("[s]", "no-new-privileges"));
	(void)json_object_set_new(host, "CapDrop", json_pack("[s]", "ALL"));
	(void)json_object_set_new(host, "CapAdd",
	                          json_pack("[sssssss]", "CHOWN", "DAC_OVERRIDE", "FOWNER",
	                                    "FSETID", "KILL", "SETGID", "SETUID"));
	return body;
}

#endif
