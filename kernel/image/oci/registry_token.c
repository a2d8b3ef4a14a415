#include "kernel/image/oci/registry_token.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/oci/registry_refusal.h"

/* What the specification says of tokens that say nothing themselves. */
#define LIFETIME_S     60
#define LIFETIME_MAX_S 86400
#define MARGIN_MS      10000

static void json_wipep(json_t **v)
{
	json_decref(*v);
}

static void secret_buf_done(struct corral_buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	corral_buf_done(b);
}

static bool is_header_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

int corral_registry_token_parse(const char *text, size_t len, char **ret_header,
                                uint64_t *ret_lifetime_ms, struct corral_error *err)
{
	corral_auto(json_wipep) json_t *v = json_loadb(text ? text : "", len, 0, NULL);
	corral_auto(secret_buf_done) struct corral_buf header = CORRAL_BUF_INIT;
	const char *token = json_string_value(json_object_get(v, "token"));
	const json_t *expires = json_object_get(v, "expires_in");
	json_int_t seconds = LIFETIME_S;
	uint64_t lifetime_ms;

	if (!token || !*token)
		token = json_string_value(json_object_get(v, "access_token"));
	if (!token || !*token || !is_header_text(token))
		return corral_error_set(err, EPROTO, "its answer holds no token");
	if (json_is_integer(expires) && json_integer_value(expires) > 0)
		seconds = json_integer_value(expires);
	if (seconds > LIFETIME_MAX_S)
		seconds = LIFETIME_MAX_S;
	lifetime_ms = (uint64_t)seconds * 1000;
	lifetime_ms -= lifetime_ms / 4 < MARGIN_MS ? lifetime_ms / 4 : MARGIN_MS;
	corral_buf_fmt(&header, "Authorization: Bearer %s", token);
	if (header.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret_header = corral_buf_take(&header);
	*ret_lifetime_ms = lifetime_ms;
	return 0;
}

struct errand {
	struct corral_registry_request q;
	struct corral_registry_origin at;
	struct corral_buf url, form; /* form holds a secret */
	char *secret;
};

static void errand_done(struct errand *e)
{
	corral_buf_done(&e->url);
	secret_buf_done(&e->form);
	corral_registry_secret_free(e->secret);
}

/* Where, and whether that may be: a server names it that may be anybody's. */
static int errand_aim(struct corral_registry_client *c, size_t server, const char *realm,
                      struct errand *e, struct corral_error *err)
{
	const struct corral_registry_server *s = &c->servers.items[server];
	int r = corral_registry_origin_of(realm, &e->at, err);

	if (r == 0)
		r = corral_registry_may_follow(&s->at, &e->at, c->http.insecure, err);
	if (r < 0)
		return corral_error_wrap(err, r, "the place for tokens");
	if (corral_registry_origin_equal(&s->at, &e->at))
		e->q.is_unverified = s->is_unverified;
	else
		e->q.is_unverified =
		        e->at.is_loopback || corral_registry_is_insecure(c->http.insecure, &e->at);
	return 0;
}

static void add_scope(struct corral_registry_client *c, size_t server, struct corral_buf *b)
{
	corral_autobuf struct corral_buf scope = CORRAL_BUF_INIT;

	/* Ours and not the challenge's: a token for more than this is nobody's business. */
	corral_buf_fmt(&scope, "repository:%s%s:pull", c->servers.items[server].prefix, c->path);
	corral_buf_str(b, "scope=");
	corral_registry_escape(b, scope.data ? scope.data : "");
	b->failed = b->failed || scope.failed;
}

/* With a token of the user's: OAuth 2, by POST. */
static void errand_form(struct corral_registry_client *c, size_t server, const char *realm,
                        const char *service, const char *identity_token, struct errand *e)
{
	corral_buf_str(&e->url, realm);
	corral_buf_str(&e->form, "grant_type=refresh_token&client_id=corral&service=");
	corral_registry_escape(&e->form, service);
	corral_buf_str(&e->form, "&");
	add_scope(c, server, &e->form);
	corral_buf_str(&e->form, "&refresh_token=");
	corral_registry_escape(&e->form, identity_token);
	e->q.form = e->form.data;
}

static int basic_header(const struct corral_registry_auth *auth, char **ret)
{
	corral_auto(secret_buf_done) struct corral_buf plain = CORRAL_BUF_INIT,
	                                               header = CORRAL_BUF_INIT;

	corral_buf_fmt(&plain, "%s:%s", auth->username, auth->password ? auth->password : "");
	corral_buf_str(&header, "Authorization: Basic ");
	corral_base64_encode(&header, plain.data ? plain.data : "", plain.len);
	if (plain.failed || header.failed)
		return -ENOMEM;
	*ret = corral_buf_take(&header);
	return 0;
}

static int errand_query(struct corral_registry_client *c, size_t server, const char *realm,
                        const char *service, const struct corral_registry_auth *auth,
                        struct errand *e)
{
	corral_buf_fmt(&e->url, "%s%s", realm, strchr(realm, '?') ? "&" : "?");
	if (*service) {
		corral_buf_str(&e->url, "service=");
		corral_registry_escape(&e->url, service);
		corral_buf_str(&e->url, "&");
	}
	add_scope(c, server, &e->url);
	if (!auth->username)
		return 0;
	if (basic_header(auth, &e->secret) < 0)
		return -ENOMEM;
	e->q.secret_header = e->secret;
	return 0;
}

static int understand(const struct corral_registry_answer *a, char **ret_header,
                      uint64_t *ret_lifetime_ms, struct corral_error *err)
{
	corral_autobuf struct corral_buf words = CORRAL_BUF_INIT;
	int code = EREMOTEIO;

	if (a->status == 200)
		return corral_registry_token_parse(a->body.data, a->body.len, ret_header,
		                                   ret_lifetime_ms, err);
	corral_registry_refusal_add(&words, a);
	if (a->status == 401 || a->status == 403 || a->status == 400)
		code = EACCES;
	else if (a->status == 429)
		code = EAGAIN;
	return corral_error_set(err, code, "no token: %s",
	                        words.data && !words.failed ? words.data : "");
}

int corral_registry_token_fetch(struct corral_registry_client *c, struct corral_registry_http *h,
                                const struct corral_registry_ask *ask,
                                const struct corral_registry_challenge *challenge,
                                const struct corral_registry_auth *auth,
                                struct corral_registry_answer *a, char **ret_header,
                                uint64_t *ret_lifetime_ms, struct corral_error *err)
{
	static const struct corral_registry_auth nobody = { .server = NULL };
	corral_auto(
	        errand_done) struct errand e = { .q = { .body_max = CORRAL_REGISTRY_TOKEN_MAX,
		                                        .timeout_ms = CORRAL_REGISTRY_DOCUMENT_MS,
		                                        .tick = ask->tick,
		                                        .ctx = ask->ctx } };
	int r = errand_aim(c, ask->server, challenge->realm, &e, err);

	if (r < 0)
		return r;
	if (!corral_registry_may_be_told(&c->servers.items[ask->server].at,
	                                 c->servers.items[ask->server].is_unverified) ||
	    !corral_registry_may_be_told(&e.at, e.q.is_unverified))
		auth = &nobody;
	if (auth->identity_token)
		errand_form(c, ask->server, challenge->realm, challenge->service,
		            auth->identity_token, &e);
	else
		r = errand_query(c, ask->server, challenge->realm, challenge->service, auth, &e);
	if (r < 0 || e.url.failed || e.form.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	e.q.url = e.url.data;
	r = corral_registry_http_do(h, &e.q, a, err);
	if (r == 0)
		r = understand(a, ret_header, ret_lifetime_ms, err);
	return r < 0 ? corral_error_wrap(err, r, "token server %.100s", e.at.host) : 0;
}
