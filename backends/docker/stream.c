/* Bytes both ways over a connection that is no HTTP any more. */
#include "backends/docker/stream_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/base/cleanup.h"

/* What is handed to TLS at a time: one record. */
#define RECORD_MAX 16384

int corral_docker_stream_new_take(int fd, struct corral_docker_stream **ret,
                                  struct corral_error *err)
{
	corral_autofd int mine = fd;
	struct corral_docker_stream *s;
	int flags = fcntl(fd, F_GETFL), type = 0;
	socklen_t len = sizeof(type);

	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return corral_error_sys(err, errno, "use a descriptor as a stream");
	s = calloc(1, sizeof(*s));
	if (!s)
		return corral_error_set(err, ENOMEM, "no memory for a stream");
	s->fd = corral_take_fd(&mine);
	*ret = s;
	return 0;
}

int corral_docker_stream_fd(const struct corral_docker_stream *s)
{
	return s->fd;
}

static long read_early(struct corral_docker_stream *s, void *data, size_t size)
{
	size_t n = s->early.len - s->early_at;

	n = n < size ? n : size;
	memcpy(data, s->early.data + s->early_at, n);
	s->early_at += n;
	if (s->early_at == s->early.len) {
		corral_buf_done(&s->early);
		s->early_at = 0;
	}
	return (long)n;
}

static long read_tls(struct corral_docker_stream *s, void *data, size_t size)
{
	struct corral_sigpipe pipe;
	size_t n = 0;
	CURLcode r;

	corral_sigpipe_hold(&pipe);
	r = curl_easy_recv(s->easy, data, size, &n);
	corral_sigpipe_release(&pipe);
	if (r == CURLE_AGAIN)
		return -EAGAIN;
	return r == CURLE_OK ? (long)n : -EPIPE;
}

long corral_docker_stream_read(struct corral_docker_stream *s, void *data, size_t size)
{
	long n;

	if (s->early.len && size)
		return read_early(s, data, size);
	if (s->tls)
		return read_tls(s, data, size);
	do {
		n = recv(s->fd, data, size, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static long write_tls(struct corral_docker_stream *s, const void *data, size_t len)
{
	struct corral_sigpipe pipe;
	size_t n = 0;
	CURLcode r;

	if (!s->refused.len) {
		corral_buf_add(&s->refused, data, len < RECORD_MAX ? len : RECORD_MAX);
		if (s->refused.failed)
			return -ENOMEM;
	}
	if (len < s->refused.len || memcmp(data, s->refused.data, s->refused.len) != 0)
		return -EINVAL;
	corral_sigpipe_hold(&pipe);
	r = curl_easy_send(s->easy, s->refused.data, s->refused.len, &n);
	corral_sigpipe_release(&pipe);
	if (r == CURLE_AGAIN)
		return -EAGAIN;
	s->refused.len = 0;
	return r == CURLE_OK ? (long)n : -EPIPE;
}

long corral_docker_stream_write(struct corral_docker_stream *s, const void *data, size_t len)
{
	long n;

	if (!len)
		return 0;
	if (s->tls)
		return write_tls(s, data, len);
	do {
		n = send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int corral_docker_stream_shut(struct corral_docker_stream *s)
{
	if (s->tls)
		return -EOPNOTSUPP;
	return shutdown(s->fd, SHUT_WR) < 0 ? -errno : 0;
}

void corral_docker_stream_close(struct corral_docker_stream *s)
{
	struct corral_sigpipe pipe;

	if (!s)
		return;
	if (s->easy) {
		docker_sigpipe_hold(&pipe, s->tls);
		curl_easy_cleanup(s->easy);
		corral_sigpipe_release(&pipe);
	} else {
		corral_fd_closep(&s->fd);
	}
	corral_buf_done(&s->early);
	corral_buf_done(&s->refused);
	free(s);
}
