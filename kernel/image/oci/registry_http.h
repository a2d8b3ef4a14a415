/*
 * Requests to registries and to whom they send us: https, and http where the user's word or the
 * loopback address allows it. Addresses that servers name are held to the same rules as our own,
 * and what is secret goes to nobody but whom it is for.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_HTTP_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

#define CORRAL_REGISTRY_URL_MAX       16384
#define CORRAL_REGISTRY_HEAD_MAX      65536
#define CORRAL_REGISTRY_REFUSAL_MAX   16384 /* of a body that explains a refusal */
#define CORRAL_REGISTRY_REDIRECTS_MAX 5
/* Between two ticks of a request, at most. */
#define CORRAL_REGISTRY_TICK_MS 100

struct corral_registry_http_options {
	const char *const *insecure;   /* "host" or "host:port"; NULL-terminated, or NULL */
	const char *const *certs_dirs; /* of HOST[:PORT]/{*.crt,NAME.cert,NAME.key}, the same */
	const char *proxy, *no_proxy;  /* NULL: none; the environment does not count */
	int64_t stall_ms; /* without a head, or with less than 4 KiB of a body; 0: 30 s */
	int64_t slow_ms;  /* of a body with less than 1 KiB a second, which ends it; 0: 60 s */
};

/* An address taken apart, as far as anybody has to know it. */
struct corral_registry_origin {
	bool is_tls, is_loopback; /* by its name or number: nobody is asked */
	char host[256];           /* IPv6 addresses with their brackets */
	unsigned int port;
};
/* -EINVAL: not http or https, a user's name or password in it, or no address at all. */
int corral_registry_origin_of(const char *url, struct corral_registry_origin *ret,
                              struct corral_error *err);
bool corral_registry_origin_equal(const struct corral_registry_origin *a,
                                  const struct corral_registry_origin *b);
bool corral_registry_is_insecure(const char *const *insecure,
                                 const struct corral_registry_origin *o);
/* Whether somebody at `from` may send us to `to`: not from https to http, not from elsewhere to the
 * loopback address, and to http only where the list allows it. -EPERM says what is not allowed. */
int corral_registry_may_follow(const struct corral_registry_origin *from,
                               const struct corral_registry_origin *to, const char *const *insecure,
                               struct corral_error *err);

struct corral_registry_answer {
	long status;
	char *content_type;           /* the media type alone, NULL without */
	struct corral_buf wanted;     /* WWW-Authenticate, several with commas between */
	char *content_range, *digest; /* "Docker-Content-Digest"; NULL without */
	int64_t length;               /* of the body, -1 when it is not said */
	int64_t retry_after_s;        /* 0 without */
	struct corral_buf body;       /* but for what a sink got */
	bool is_elsewhere;            /* it is somebody's whom the one that was asked sent us to */
	bool is_broken; /* after an error: the way or the other side broke, and might not again */
	bool is_plain;  /* after an error: it was asked by TLS, and does not speak that */
};
void corral_registry_answer_done(struct corral_registry_answer *a);

struct corral_registry_request {
	const char *url;
	bool is_unverified; /* whoever answers there is taken for the one it should be */
	/* "Authorization: ..." and such: for url's origin alone, and kept from whom it sends us to.
	 */
	const char *secret_header;
	const char *const *headers; /* for all; NULL-terminated, or NULL */
	const char *form;           /* sent with POST: "a=b&c=d"; NULL: GET */
	size_t body_max;            /* of a 2xx without a sink */
	int64_t timeout_ms;         /* of the whole; 0: as long as it goes on */
	/* Of a 2xx: its head is there; then its body. What they return ends the request. */
	int (*begin)(void *ctx, const struct corral_registry_answer *a, struct corral_error *err);
	int (*put)(void *ctx, const void *data, size_t len, struct corral_error *err);
	/* Some times a second. */
	int (*tick)(void *ctx, struct corral_error *err);
	void *ctx;
};

/* The connections of one thread; kept open between requests. o is borrowed. */
struct corral_registry_http;
int corral_registry_http_new(const struct corral_registry_http_options *o,
                             struct corral_registry_http **ret, struct corral_error *err);
void corral_registry_http_free(struct corral_registry_http *h);
static inline void corral_registry_http_freep(struct corral_registry_http **h)
{
	corral_registry_http_free(*h);
}

/*
 * One request, with the redirects that it leads to. 0 whatever the status is. ret is given to
 * done() by the caller, whatever came of it. -ECONNREFUSED, -EHOSTUNREACH (no such name),
 * -ECONNRESET, -ETIMEDOUT; -EKEYREJECTED: a certificate that nobody vouches for; -EPROTO: something
 * else than TLS or HTTP; -EPERM, -ELOOP: redirects; -EMSGSIZE; and what the callbacks return.
 */
int corral_registry_http_do(struct corral_registry_http *h, const struct corral_registry_request *q,
                            struct corral_registry_answer *ret, struct corral_error *err);

/* "bytes 100-199/200" of a blob of that size, from there: whether it is what was asked for. Pure.
 */
bool corral_registry_range_is(const char *content_range, uint64_t from, uint64_t size);
/* Appends a text as it stands in a query or in a form. */
void corral_registry_escape(struct corral_buf *b, const char *text);

#endif
