/*
 * The command that "run" was told to start: a child of ours in a session of its own.
 */
#ifndef CORRAL_BACKENDS_DOCKER_INSIDE_CHILD_H
#define CORRAL_BACKENDS_DOCKER_INSIDE_CHILD_H

#include <sys/types.h>

#include "backends/docker/frame.h"

struct inside_child {
	pid_t pid;
	int in_fd;      /* what is written there it reads; -1: nothing */
	int out_fds[2]; /* and the other way; -1: goes elsewhere */
	int exec_fd;    /* at its end when the program has been executed, else a word of why not */
};

/* 0 and ret, whose descriptors do not block and are the caller's; else why. */
int inside_child_start(const struct corral_docker_order *o, struct inside_child *ret,
                       struct corral_docker_failed *why);

#endif
