/*
 * Inside the Docker backend: connections that stand open between calls, each a libcurl handle in a
 * multi handle of its own, since that is where libcurl keeps what it connected. The lock guards
 * the list alone.
 */
#ifndef CORRAL_BACKENDS_DOCKER_CONNECTION_H
#define CORRAL_BACKENDS_DOCKER_CONNECTION_H

#include <curl/curl.h>
#include <pthread.h>
#include <stddef.h>

#include "backends/docker/endpoint.h"
#include "kernel/base/sigpipe.h"

struct docker_connection {
	CURLM *multi;
	CURL *easy;
	struct docker_connection *next;
};

struct docker_pool {
	pthread_mutex_t lock;
	struct docker_connection *idle;
	size_t n_idle;
};

void docker_pool_init(struct docker_pool *p);
void docker_pool_done(struct docker_pool *p);
/* One that stands open, or a new one that connects when it is used. NULL: no memory. */
struct docker_connection *docker_pool_take(struct docker_pool *p);
/* usable: its last call came to its end as it should. */
void docker_pool_give(struct docker_pool *p, struct docker_connection *c, bool usable);

/* libcurl, initialised once in the process. 0 or -ENOMEM. */
int docker_curl_init(void);
/* What every handle of ours is told: protocols, patience, certificates, descriptors that close on
 * exec. 0 or -ENOMEM. */
int docker_curl_setup(CURL *easy, const struct corral_docker_endpoint *at);

/*
 * The error of a handle that failed with result. said: libcurl's own words, may be empty. Returns
 * -errno.
 */
int docker_curl_error(CURL *easy, const struct corral_docker_endpoint *at, CURLcode result,
                      const char *said, struct corral_error *err);

/*
 * Around libcurl over TLS: OpenSSL writes to sockets as if they were files, and a peer that went
 * away would end the process. Then corral_sigpipe_release().
 */
void docker_sigpipe_hold(struct corral_sigpipe *s, bool tls);

#endif
