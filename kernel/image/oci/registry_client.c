#include "kernel/image/oci/registry_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/oci/registry_refusal.h"
#include "kernel/image/oci/registry_token.h"

/* A 401, a token, the answer; once more when another thread's token was already too old. */
#define LOGINS_MAX 3

static void secret_freep(char **secret)
{
	corral_registry_secret_free(*secret);
}

static void unlockp(pthread_mutex_t **lock)
{
	(void)pthread_mutex_unlock(*lock);
}

static pthread_mutex_t *lock(struct corral_registry_login *l)
{
	(void)pthread_mutex_lock(&l->lock);
	return &l->lock;
}

int corral_registry_client_init(struct corral_registry_client *c, struct corral_error *err)
{
	c->logins = calloc(c->servers.n, sizeof(*c->logins));
	if (!c->logins)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < c->servers.n; i++)
		(void)pthread_mutex_init(&c->logins[i].lock, NULL);
	return 0;
}

void corral_registry_client_done(struct corral_registry_client *c)
{
	for (size_t i = 0; c->logins && i < c->servers.n; i++) {
		corral_registry_secret_free(c->logins[i].header);
		corral_registry_auth_done(&c->logins[i].auth);
		(void)pthread_mutex_destroy(&c->logins[i].lock);
	}
	free(c->logins);
	corral_registry_servers_done(&c->servers);
	memset(c, 0, sizeof(*c));
}

bool corral_registry_has_answered(struct corral_registry_client *c, size_t server)
{
	corral_auto(unlockp) pthread_mutex_t *held = lock(&c->logins[server]);

	(void)held;
	return c->logins[server].has_answered;
}

/* ---- who asks ---- */

/* A copy of what there is to be said, and which it is. */
static int login_get(struct corral_registry_login *l, char **ret, unsigned int *ret_generation)
{
	corral_auto(unlockp) pthread_mutex_t *held = lock(l);

	(void)held;
	if (l->header && l->expires_ms && corral_now_ms() >= l->expires_ms) {
		corral_registry_secret_free(l->header);
		l->header = NULL;
	}
	*ret_generation = l->generation;
	*ret = l->header ? strdup(l->header) : NULL;
	return l->header && !*ret ? -ENOMEM : 0;
}

static void login_answered(struct corral_registry_login *l)
{
	corral_auto(unlockp) pthread_mutex_t *held = lock(l);

	(void)held;
	l->has_answered = true;
}

/* "Authorization: Basic ...", or "Bearer ..." of a token that the user has for the registry. */
static int header_make(const struct corral_registry_auth *auth, bool is_bearer, char **ret)
{
	struct corral_buf plain = CORRAL_BUF_INIT, header = CORRAL_BUF_INIT;
	int r = 0;

	corral_buf_fmt(&header, "Authorization: %s ", is_bearer ? "Bearer" : "Basic");
	if (is_bearer) {
		corral_buf_str(&header, auth->registry_token);
	} else {
		corral_buf_fmt(&plain, "%s:%s", auth->username,
		               auth->password ? auth->password : "");
		corral_base64_encode(&header, plain.data ? plain.data : "", plain.len);
	}
	if (plain.failed || header.failed)
		r = -ENOMEM;
	else
		*ret = corral_buf_take(&header);
	if (plain.data)
		explicit_bzero(plain.data, plain.size);
	if (header.data)
		explicit_bzero(header.data, header.size);
	corral_buf_done(&plain);
	corral_buf_done(&header);
	return r;
}

static void login_note(struct corral_registry_auth *auth, const char *text)
{
	size_t n = strnlen(text, sizeof(auth->note) - 1);

	memcpy(auth->note, text, n);
	auth->note[n] = '\0';
}

/* The user's credentials for it, once. */
static int credentials_find(struct corral_registry_client *c, size_t server,
                            struct corral_error *err)
{
	struct corral_registry_login *l = &c->logins[server];
	const struct corral_registry_server *s = &c->servers.items[server];
	int r;

	if (l->is_looked_for)
		return 0;
	if (!corral_registry_may_be_told(&s->at, s->is_unverified)) {
		login_note(&l->auth, "with no credentials, which are not sent where anybody could "
		                     "listen: put its "
		                     "certificate into /etc/containers/certs.d");
		l->is_looked_for = true;
		return 0;
	}
	r = corral_registry_auth_find(c->config_dir, s->name, &l->auth, err);
	l->is_looked_for = r == 0;
	return r;
}

/* Nobody is let in with what we have. */
static int unwelcome(struct corral_registry_client *c, size_t server,
                     const struct corral_registry_answer *a, struct corral_error *err)
{
	corral_autobuf struct corral_buf words = CORRAL_BUF_INIT;
	const char *note = c->logins[server].auth.note;

	corral_registry_refusal_add(&words, a);
	return corral_error_set(err, EACCES, "%s, asked %.200s; try: docker login %.100s",
	                        words.data && !words.failed ? words.data : "refused",
	                        *note ? note : "without credentials",
	                        c->servers.items[server].name);
}

static int login_basic(struct corral_registry_client *c, size_t server,
                       const struct corral_registry_answer *a, struct corral_error *err)
{
	struct corral_registry_login *l = &c->logins[server];

	/* What was said already was refused. */
	if (l->header || !l->auth.username)
		return unwelcome(c, server, a, err);
	if (header_make(&l->auth, false, &l->header) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	l->expires_ms = 0;
	l->generation++;
	return 0;
}

static int login_bearer(struct corral_registry_client *c, struct corral_registry_http *h,
                        const struct corral_registry_ask *q,
                        const struct corral_registry_challenge *challenge,
                        struct corral_registry_answer *a, struct corral_error *err)
{
	struct corral_registry_login *l = &c->logins[q->server];
	struct corral_error why = { 0 };
	uint64_t lifetime_ms = 0;
	char *header = NULL;
	int r = 0;

	if (l->auth.registry_token && l->header)
		return unwelcome(c, q->server, a, err);
	if (l->auth.registry_token) {
		if (header_make(&l->auth, true, &header) < 0)
			return corral_error_set(err, ENOMEM, "out of memory");
	} else {
		corral_registry_answer_done(a);
		r = corral_registry_token_fetch(c, h, q, challenge, &l->auth, a, &header,
		                                &lifetime_ms, &why);
		if (r == -EACCES)
			r = corral_error_set(err, EACCES,
			                     "%.280s (asked %.130s); try: docker login %.60s",
			                     why.text,
			                     *l->auth.note ? l->auth.note : "without credentials",
			                     c->servers.items[q->server].name);
		else if (r < 0)
			r = corral_error_set(err, -r, "%s", why.text);
	}
	if (r < 0)
		return r;
	corral_registry_secret_free(l->header);
	l->header = header;
	l->expires_ms = lifetime_ms ? corral_now_ms() + lifetime_ms : 0;
	l->generation++;
	return 0;
}

/* After a 401 to what generation `used` had to say: something better to say, or an error. One
 * thread at a time does it for one server; the others then have its token. */
static int log_in(struct corral_registry_client *c, struct corral_registry_http *h,
                  const struct corral_registry_ask *q, unsigned int used,
                  struct corral_registry_answer *a, bool *ret_is_own, struct corral_error *err)
{
	struct corral_registry_login *l = &c->logins[q->server];
	corral_auto(unlockp) pthread_mutex_t *held = lock(l);
	corral_auto(
	        corral_registry_challenge_done) struct corral_registry_challenge challenge = { 0 };
	int r;

	(void)held;
	if (l->generation != used && l->header) {
		*ret_is_own = false;
		return 0;
	}
	*ret_is_own = true;
	r = credentials_find(c, q->server, err);
	if (r == 0 && !a->wanted.len)
		return unwelcome(c, q->server, a, err);
	if (r == 0)
		r = corral_registry_challenge_parse(a->wanted.data, a->wanted.len, &challenge, err);
	if (r < 0)
		return r;
	return challenge.is_bearer ? login_bearer(c, h, q, &challenge, a, err)
	                           : login_basic(c, q->server, a, err);
}

/* ---- a question ---- */

static void url_add(struct corral_registry_client *c, const struct corral_registry_ask *q,
                    struct corral_buf *b)
{
	const struct corral_registry_server *s = &c->servers.items[q->server];

	/* Names and digests have nothing in them that is to be escaped. */
	corral_buf_fmt(b, "%s/v2/%s%s/%s/%s", s->base, s->prefix, c->path, q->kind, q->reference);
}

static int ask_once(struct corral_registry_client *c, struct corral_registry_http *h,
                    const struct corral_registry_ask *q, const char *url,
                    unsigned int *ret_generation, struct corral_registry_answer *a,
                    struct corral_error *err)
{
	corral_auto(secret_freep) char *secret = NULL;
	struct corral_registry_request request = {
		.url = url,
		.is_unverified = c->servers.items[q->server].is_unverified,
		.headers = q->headers,
		.body_max = q->body_max,
		.timeout_ms = q->timeout_ms,
		.begin = q->begin,
		.put = q->put,
		.tick = q->tick,
		.ctx = q->ctx,
	};
	int r;

	if (login_get(&c->logins[q->server], &secret, ret_generation) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	request.secret_header = secret;
	corral_registry_answer_done(a);
	r = corral_registry_http_do(h, &request, a, err);
	if (a->status)
		login_answered(&c->logins[q->server]);
	return r;
}

static int refused(struct corral_registry_client *c, const struct corral_registry_ask *q,
                   struct corral_registry_answer *a, struct corral_error *err)
{
	corral_autobuf struct corral_buf words = CORRAL_BUF_INIT;
	int code = EREMOTEIO;

	if ((a->status == 401 || a->status == 403) && !a->is_elsewhere)
		return unwelcome(c, q->server, a, err);
	a->is_broken = a->status == 408 || a->status == 429 || a->status >= 500;
	if (a->status == 404)
		code = ENOENT;
	else if (a->status == 416)
		code = ERANGE;
	else if (a->status == 429)
		code = EAGAIN;
	corral_registry_refusal_add(&words, a);
	return corral_error_set(err, code, "%s", words.data && !words.failed ? words.data : "");
}

static int ask(struct corral_registry_client *c, struct corral_registry_http *h,
               const struct corral_registry_ask *q, struct corral_registry_answer *a,
               struct corral_error *err)
{
	corral_autobuf struct corral_buf url = CORRAL_BUF_INIT;
	unsigned int generation = 0;
	bool is_own = false;
	int r = 0;

	url_add(c, q, &url);
	if (url.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (int n = 0; r == 0; n++) {
		r = ask_once(c, h, q, url.data, &generation, a, err);
		/* Whoever we were sent to says nothing of where the registry's secrets go. */
		if (r < 0 || a->status != 401 || a->is_elsewhere || is_own || n == LOGINS_MAX)
			break;
		r = log_in(c, h, q, generation, a, &is_own, err);
		/* The token server's. */
		if (r < 0 && a->status >= 500)
			a->is_broken = true;
	}
	if (r < 0)
		return r;
	return a->status >= 200 && a->status < 300 ? 0 : refused(c, q, a, err);
}

int corral_registry_ask(struct corral_registry_client *c, struct corral_registry_http *h,
                        const struct corral_registry_ask *q, struct corral_registry_answer *a,
                        struct corral_error *err)
{
	const struct corral_registry_server *s = &c->servers.items[q->server];
	bool is_digest = strncmp(q->reference, "sha256:", 7) == 0;
	int r = ask(c, h, q, a, err);

	if (r == 0 || r == -ECANCELED)
		return r;
	return corral_error_wrap(err, r, "%s %.100s: %.*s of %.120s%s%.*s",
	                         s->is_mirror ? "mirror" : "registry", s->name,
	                         (int)strlen(q->kind) - 1, q->kind, c->path, is_digest ? "@" : ":",
	                         is_digest ? 19 : 128, q->reference);
}

/* ---- patience ---- */

/* In small pieces, so that nobody who cancels waits for it. */
static int pause_for(const struct corral_registry_ask *q, uint64_t ms, struct corral_error *err)
{
	uint64_t until = corral_now_ms() + ms;

	for (;;) {
		uint64_t now = corral_now_ms();
		uint64_t left = now < until ? until - now : 0;
		int r = q->tick ? q->tick(q->ctx, err) : 0;

		if (r != 0 || !left)
			return r;
		(void)poll(NULL, 0,
		           (int)(left < CORRAL_REGISTRY_TICK_MS ? left : CORRAL_REGISTRY_TICK_MS));
	}
}

int corral_registry_again(struct corral_registry_client *c, struct corral_registry_patience *p,
                          const struct corral_registry_ask *q,
                          const struct corral_registry_answer *a, bool progressed, int r,
                          struct corral_error *err)
{
	uint64_t wait_ms;
	int paused;

	if (!a->is_broken || !corral_registry_has_answered(c, q->server))
		return r;
	p->n_idle = progressed ? 1 : p->n_idle + 1;
	if (p->n_idle >= CORRAL_REGISTRY_ATTEMPTS_MAX ||
	    ++p->n_all >= CORRAL_REGISTRY_ATTEMPTS_ALL_MAX)
		return r;
	wait_ms = (uint64_t)c->retry_ms << (p->n_idle - 1);
	/* Many that were refused at once do not come back at once. */
	wait_ms += corral_now_nsec() % (wait_ms / 4 + 1);
	if (a->retry_after_s)
		wait_ms = (uint64_t)(a->retry_after_s < CORRAL_REGISTRY_RETRY_AFTER_MAX_S
		                             ? a->retry_after_s
		                             : CORRAL_REGISTRY_RETRY_AFTER_MAX_S) *
		          1000;
	paused = pause_for(q, wait_ms, err);
	if (paused == 0 && err)
		memset(err, 0, sizeof(*err));
	return paused;
}

int corral_registry_document(struct corral_registry_client *c, struct corral_registry_http *h,
                             const struct corral_registry_ask *q, struct corral_registry_answer *a,
                             struct corral_error *err)
{
	struct corral_registry_patience patience = { 0 };
	int r;

	while ((r = corral_registry_ask(c, h, q, a, err)) < 0) {
		r = corral_registry_again(c, &patience, q, a, false, r, err);
		if (r < 0)
			break;
	}
	return r;
}

size_t corral_registry_next(struct corral_registry_client *c, size_t server)
{
	size_t next = server + 1;

	if (corral_registry_has_answered(c, server))
		while (next < c->servers.n && c->servers.items[next].is_otherwise)
			next++;
	return next;
}
