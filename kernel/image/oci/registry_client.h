/*
 * One repository of a registry and its mirrors, as several threads ask it: who asks (tokens,
 * passwords), how often, and what a refusal means.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CLIENT_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CLIENT_H

#include <pthread.h>

#include "kernel/image/oci/registry_auth.h"
#include "kernel/image/oci/registry_server.h"

/* Of a document that is no manifest: what a token server answers. */
#define CORRAL_REGISTRY_TOKEN_MAX (256u << 10)
/* A document is small: it is there in that time, or does not come. */
#define CORRAL_REGISTRY_DOCUMENT_MS 120000
/* A server that wants us to come back later is believed up to this. */
#define CORRAL_REGISTRY_RETRY_AFTER_MAX_S 60
/* Attempts in a row that brought nothing, and all of them. */
#define CORRAL_REGISTRY_ATTEMPTS_MAX     5
#define CORRAL_REGISTRY_ATTEMPTS_ALL_MAX 100

/* How one server is spoken to. */
struct corral_registry_login {
	pthread_mutex_t lock;
	unsigned int generation; /* of header: counts up with each */
	char *header;            /* "Authorization: ...", a secret, or NULL */
	uint64_t expires_ms;     /* by the monotonic clock; 0: never */
	bool has_answered;
	bool is_looked_for; /* auth has been */
	struct corral_registry_auth auth;
};

struct corral_registry_client {
	struct corral_registry_http_options http;
	struct corral_registry_servers servers;
	struct corral_registry_login *logins; /* as many */
	const char *config_dir;               /* or NULL */
	const char *registry, *path;          /* "library/alpine" */
	unsigned int retry_ms;
};

/* c's fields but logins are set; what they point to is borrowed, servers is the client's. */
int corral_registry_client_init(struct corral_registry_client *c, struct corral_error *err);
void corral_registry_client_done(struct corral_registry_client *c);

struct corral_registry_ask {
	size_t server;
	const char *kind, *reference; /* "manifests", "blobs"; tag or digest */
	const char *const *headers;
	size_t body_max;
	int64_t timeout_ms;
	int (*begin)(void *ctx, const struct corral_registry_answer *a, struct corral_error *err);
	int (*put)(void *ctx, const void *data, size_t len, struct corral_error *err);
	/* Some times a second while somebody waits; not 0 cancels. */
	int (*tick)(void *ctx, struct corral_error *err);
	void *ctx;
};

/*
 * Asked once, as who is accepted there. 0 for a 2xx. -ENOENT (404); -EACCES: with words on what to
 * do; -ERANGE (416); -EAGAIN (429), -EREMOTEIO (other refusals); and what
 * corral_registry_http_do() has. a->is_broken says that it might go well another time. a is the
 * caller's to give to done().
 */
int corral_registry_ask(struct corral_registry_client *c, struct corral_registry_http *h,
                        const struct corral_registry_ask *q, struct corral_registry_answer *a,
                        struct corral_error *err);

struct corral_registry_patience {
	unsigned int n_idle, n_all; /* attempts */
};
/*
 * After a failure r that a tells of: waits, and returns 0 when it is to be tried again; else r.
 * progressed: that attempt brought something.
 */
int corral_registry_again(struct corral_registry_client *c, struct corral_registry_patience *p,
                          const struct corral_registry_ask *q,
                          const struct corral_registry_answer *a, bool progressed, int r,
                          struct corral_error *err);

/* Asks until there is an answer or patience is at its end. */
int corral_registry_document(struct corral_registry_client *c, struct corral_registry_http *h,
                             const struct corral_registry_ask *q, struct corral_registry_answer *a,
                             struct corral_error *err);

bool corral_registry_has_answered(struct corral_registry_client *c, size_t server);
/* The next server to try after a failure at this one: another way to the same only when that could
 * not be spoken to at all. servers.n: there is none. */
size_t corral_registry_next(struct corral_registry_client *c, size_t server);

#endif
