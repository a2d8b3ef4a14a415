/*
 * The file server speaks in messages over a SOCK_SEQPACKET socket, what we have here are two
 * streams of bytes. Two threads carry between them and a socketpair, one each way; a message's own
 * head says where it ends. The main thread is the server's first.
 *
 * At the end of the input the socket is shut, the server sees that its client is gone, gives up
 * what it does, and the program ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/docker/inside/program.h"
#include "kernel/files/server.h"
#include "kernel/files/wire.h"

#define STACK_SIZE (64u << 10)

/* Whole or not at all, whether the descriptor blocks or not. */
static bool read_whole(void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(STDIN_FILENO, (char *)data + done, size - done);
		struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return true;
}

static bool write_whole(const void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(STDOUT_FILENO, (const char *)data + done, size - done);
		struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (errno != EINTR)
			return false;
	}
	return true;
}

static void *carry_in(void *arg)
{
	static char message[CORRAL_FILES_WIRE_MAX];
	const int sock = *(int *)arg;
	struct corral_files_head head;

	while (read_whole(&head, sizeof(head))) {
		if (head.size < sizeof(head) || head.size > sizeof(message))
			break;
		memcpy(message, &head, sizeof(head));
		if (!read_whole(message + sizeof(head), head.size - sizeof(head)))
			break;
		if (send(sock, message, head.size, MSG_NOSIGNAL) < 0)
			break;
	}
	(void)shutdown(sock, SHUT_RDWR);
	return NULL;
}

static void *carry_out(void *arg)
{
	static char message[CORRAL_FILES_WIRE_MAX];
	const int sock = *(int *)arg;
	ssize_t n;

	while ((n = recv(sock, message, sizeof(message), 0)) > 0)
		if (!write_whole(message, (size_t)n))
			break;
	(void)shutdown(sock, SHUT_RDWR);
	return NULL;
}

int inside_files(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	struct corral_files *f;
	struct rlimit files;
	sigset_t all;
	int pair[2];

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)mallopt(M_ARENA_MAX, 2);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    corral_files_open(AT_FDCWD, 0, &f, NULL) < 0)
		return 1;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, carry_in, &pair[0]) != 0 ||
	    pthread_create(&thread, &attr, carry_out, &pair[0]) != 0)
		return 1;
	return corral_files_serve(pair[1], f) < 0;
}
