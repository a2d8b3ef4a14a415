/*
 * Inside the Docker backend: a descriptor of the caller's that a thread of ours reads or writes and
 * that must neither hold the thread up nor change for the caller, who may share it with others:
 * O_NONBLOCK would be theirs as well.
 */
#ifndef CORRAL_BACKENDS_DOCKER_END_H
#define CORRAL_BACKENDS_DOCKER_END_H

#include <stddef.h>

enum corral_docker_end_kind {
	CORRAL_DOCKER_END_OWN,    /* does not block, and nobody else's business */
	CORRAL_DOCKER_END_SOCKET, /* each call says that it must not block */
	CORRAL_DOCKER_END_SHARED, /* asked before each small write */
};

struct corral_docker_end {
	int fd; /* -1: none */
	enum corral_docker_end_kind kind;
};

/* A copy of fd for one direction, O_RDONLY or O_WRONLY. 0 or -errno. */
int corral_docker_end_open(struct corral_docker_end *e, int fd, int direction);
void corral_docker_end_close(struct corral_docker_end *e);
/* Bytes, -EAGAIN, other errors. The calling thread has SIGPIPE blocked. */
long corral_docker_end_write(const struct corral_docker_end *e, const void *data, size_t len);
/* The same; 0 at the end. */
long corral_docker_end_read(const struct corral_docker_end *e, void *data, size_t size);

#endif
