#include "kernel/image/oci/registry_challenge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

struct reader {
	const char *at, *end;
	unsigned int n_parameters;
	struct corral_error *err;
};

static int broken(const struct reader *r, const char *what)
{
	return corral_error_set(r->err, EPROTO, "a challenge that is not to be understood (%s)",
	                        what);
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const struct reader *r)
{
	size_t n = 0;

	while (r->at + n < r->end && is_token(r->at[n]))
		n++;
	return n;
}

/* Returns whether there were any. */
static bool skip_blanks(struct reader *r)
{
	const char *from = r->at;

	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
	return r->at > from;
}

static void skip_separators(struct reader *r)
{
	while (skip_blanks(r) || (r->at < r->end && *r->at == ','))
		if (r->at < r->end && *r->at == ',')
			r->at++;
}

/* At "name = value" and not at a scheme, or at base64 that ends with "=". */
static bool is_parameter(const struct reader *at)
{
	struct reader r = *at;
	size_t n = token_length(&r);

	r.at += n;
	(void)skip_blanks(&r);
	if (!n || r.at == r.end || *r.at != '=')
		return false;
	r.at++;
	(void)skip_blanks(&r);
	return r.at < r.end && (*r.at == '"' || is_token(*r.at));
}

/* Credentials of one word, which some schemes have for a challenge: passed over. */
static void skip_word(struct reader *r)
{
	while (r->at < r->end && (is_token(*r->at) || *r->at == '/'))
		r->at++;
	while (r->at < r->end && *r->at == '=')
		r->at++;
}

static int read_quoted(struct reader *r, struct corral_buf *b)
{
	for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
		if (*r->at == '\\' && ++r->at == r->end)
			break;
		if ((unsigned char)*r->at < ' ' || *r->at == 0x7f)
			return broken(r, "control characters");
		if (b->len == CORRAL_REGISTRY_PARAMETER_MAX)
			return broken(r, "a parameter that is too long");
		corral_buf_add(b, r->at, 1);
	}
	if (r->at == r->end)
		return broken(r, "a quote that does not end");
	r->at++;
	return 0;
}

static int read_value(struct reader *r, struct corral_buf *b)
{
	size_t n = token_length(r);

	/* An empty one is a text all the same. */
	corral_buf_add(b, "", 0);
	if (r->at < r->end && *r->at == '"')
		return read_quoted(r, b);
	if (n > CORRAL_REGISTRY_PARAMETER_MAX)
		return broken(r, "a parameter that is too long");
	corral_buf_add(b, r->at, n);
	r->at += n;
	/* Strictly these are to be quoted; addresses without quotes have been seen. */
	while (r->at < r->end && (is_token(*r->at) || (*r->at && strchr(":/?=@", *r->at))) &&
	       b->len < CORRAL_REGISTRY_PARAMETER_MAX)
		corral_buf_add(b, r->at++, 1);
	return 0;
}

/* The first of a name counts. */
static int keep(struct corral_buf *value, char **to)
{
	char *text;

	if (*to)
		return 0;
	text = corral_buf_take(value);
	if (!text)
		return -ENOMEM;
	*to = text;
	return 0;
}

static int read_parameter(struct reader *r, struct corral_registry_challenge *c)
{
	corral_autobuf struct corral_buf value = CORRAL_BUF_INIT;
	const char *name = r->at;
	size_t n = token_length(r);
	const struct {
		const char *name;
		char **to;
	} known[] = {
		{ "realm", &c->realm },
		{ "service", &c->service },
		{ "error", &c->code },
	};
	int result;

	if (++r->n_parameters > CORRAL_REGISTRY_PARAMETERS_MAX)
		return broken(r, "too many parameters");
	r->at += n;
	(void)skip_blanks(r);
	r->at++;
	(void)skip_blanks(r);
	result = read_value(r, &value);
	for (size_t i = 0; i < CORRAL_COUNT(known) && result == 0; i++)
		if (strlen(known[i].name) == n && strncasecmp(name, known[i].name, n) == 0)
			result = keep(&value, known[i].to);
	return result == -ENOMEM ? corral_error_set(r->err, ENOMEM, "out of memory") : result;
}

void corral_registry_challenge_done(struct corral_registry_challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->code);
	memset(c, 0, sizeof(*c));
}

/* One challenge with all of its parameters. ret_is_known: of a scheme that we speak. */
static int read_challenge(struct reader *r, struct corral_registry_challenge *ret,
                          bool *ret_is_known)
{
	const char *scheme = r->at;
	size_t n = token_length(r);
	int result = 0;

	if (!n)
		return broken(r, "no scheme");
	r->at += n;
	ret->is_bearer = n == 6 && strncasecmp(scheme, "bearer", n) == 0;
	*ret_is_known = ret->is_bearer || (n == 5 && strncasecmp(scheme, "basic", n) == 0);
	if (!skip_blanks(r) && r->at < r->end && *r->at != ',')
		return broken(r, "no blank behind a scheme");
	if (r->at < r->end && *r->at != ',' && !is_parameter(r))
		skip_word(r);
	for (skip_separators(r); result == 0 && is_parameter(r); skip_separators(r))
		result = read_parameter(r, ret);
	return result;
}

static bool is_address(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

/* Whether it is better than what there is; the other is cleared away. */
static bool is_better(const struct corral_registry_challenge *c,
                      const struct corral_registry_challenge *best, bool have)
{
	if (c->is_bearer && (!c->realm || !*c->realm || !is_address(c->realm)))
		return false;
	return !have || (c->is_bearer && !best->is_bearer);
}

static int complete(struct corral_registry_challenge *c)
{
	if (!c->realm)
		c->realm = strdup("");
	if (!c->service)
		c->service = strdup("");
	if (!c->code)
		c->code = strdup("");
	return c->realm && c->service && c->code ? 0 : -ENOMEM;
}

int corral_registry_challenge_parse(const char *text, size_t len,
                                    struct corral_registry_challenge *ret, struct corral_error *err)
{
	corral_auto(corral_registry_challenge_done) struct corral_registry_challenge best = { 0 };
	struct reader r = { .at = text, .end = text + len, .err = err };
	bool have = false;

	if (len > CORRAL_REGISTRY_CHALLENGE_MAX)
		return broken(&r, "too long");
	for (skip_separators(&r); r.at < r.end; skip_separators(&r)) {
		corral_auto(corral_registry_challenge_done) struct corral_registry_challenge one = {
			0
		};
		bool is_known = false;
		int result = read_challenge(&r, &one, &is_known);

		if (result < 0)
			return result;
		if (is_known && is_better(&one, &best, have)) {
			corral_registry_challenge_done(&best);
			best = one;
			memset(&one, 0, sizeof(one));
			have = true;
		}
	}
	if (!have)
		return corral_error_set(err, EPROTO,
		                        "it asks for authentication of a kind that is not known");
	if (complete(&best) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret = best;
	memset(&best, 0, sizeof(best));
	return 0;
}
