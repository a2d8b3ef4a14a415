/*
 * Inside the Docker backend: one place where an engine may be, and how it is found. Nothing here
 * connects to anything.
 */
#ifndef CORRAL_BACKENDS_DOCKER_ENDPOINT_H
#define CORRAL_BACKENDS_DOCKER_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "backends/docker/engine.h"

struct corral_docker_endpoint {
	char *text;            /* "unix:///var/run/docker.sock", as people write it */
	char *found_by;        /* see struct corral_docker_engine_info */
	char *socket;          /* absolute path; NULL: TCP */
	char *base_url;        /* "http://localhost", "https://host:2376" */
	bool tls;              /* base_url says so */
	char *ca, *cert, *key; /* paths of PEM files, or NULL */
	bool skip_verify;      /* what the user's context says */
};
void corral_docker_endpoint_done(struct corral_docker_endpoint *p);

/*
 * What DOCKER_HOST may say. tls: tcp:// means TLS. -EINVAL for what is none, -EPROTONOSUPPORT for
 * ssh:// and npipe://, with what to do instead. found_by stays NULL.
 */
int corral_docker_endpoint_parse(const char *host, bool tls, struct corral_docker_endpoint *ret,
                                 struct corral_error *err);
/* ca.pem, cert.pem and key.pem of a directory, as far as they are there; -EINVAL for a certificate
 * without its key or the other way round, or without ca.pem when that is needed. */
int corral_docker_endpoint_certificates(struct corral_docker_endpoint *p, const char *dir,
                                        bool need_ca, struct corral_error *err);

/*
 * The endpoint of a context. name NULL: the current one of config.json; 0 then when there is none.
 * 1: found. "default" is none. dir is the configuration's.
 */
int corral_docker_context_find(const char *dir, const char *name,
                               struct corral_docker_endpoint *ret, struct corral_error *err);

/* Sockets that belong to the system, in the order of looking; a test has others. */
struct corral_docker_places {
	const char *docker, *podman;
};
extern const struct corral_docker_places corral_docker_system_places;

#define CORRAL_DOCKER_ENDPOINTS_MAX 5

struct corral_docker_endpoints {
	struct corral_docker_endpoint at[CORRAL_DOCKER_ENDPOINTS_MAX];
	size_t n;
	bool chosen; /* by the user: there is one, and no other will do */
};
void corral_docker_endpoints_done(struct corral_docker_endpoints *s);

/* Where to look, in order, by what the options say and the user's configuration. */
int corral_docker_endpoints_find(const struct corral_docker_engine_options *o,
                                 const struct corral_docker_places *places,
                                 struct corral_docker_endpoints *ret, struct corral_error *err);

#endif
