/* Inside the Docker backend: what a stream consists of. */
#ifndef CORRAL_BACKENDS_DOCKER_STREAM_STATE_H
#define CORRAL_BACKENDS_DOCKER_STREAM_STATE_H

#include <stdbool.h>

#include "backends/docker/connection.h"
#include "backends/docker/http.h"

struct corral_docker_stream {
	int fd;
	/* Over TCP the descriptor is libcurl's, which connected it. NULL: it is ours. */
	CURL *easy;
	bool tls; /* bytes go through libcurl as well */
	/* What came behind the answer's head: the stream's first. */
	struct corral_buf early;
	size_t early_at;
	/* Over TLS, bytes that were refused for now: OpenSSL wants the very same ones again. */
	struct corral_buf refused;
};

#endif
