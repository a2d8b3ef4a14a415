#include "kernel/image/oci/registry_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

/* Docker Hub is known by one name, and answers at another. */
#define HUB      "docker.io"
#define HUB_HOST "registry-1.docker.io"

static void server_done(struct corral_registry_server *s)
{
	free(s->name);
	free(s->base);
	free(s->prefix);
	memset(s, 0, sizeof(*s));
}

void corral_registry_servers_done(struct corral_registry_servers *s)
{
	for (size_t i = 0; i < s->n; i++)
		server_done(&s->items[i]);
	free(s->items);
	memset(s, 0, sizeof(*s));
}

bool corral_registry_may_be_told(const struct corral_registry_origin *at, bool is_unverified)
{
	return at->is_loopback || (at->is_tls && !is_unverified);
}

struct place {
	const char *name; /* host and port */
	const char *host; /* where that answers */
	const char *prefix;
	bool is_mirror;
};

static int add(struct corral_registry_servers *to, const struct place *p, bool is_tls,
               bool is_unverified, struct corral_error *err)
{
	struct corral_registry_server *more = realloc(to->items, (to->n + 1) * sizeof(*to->items));
	struct corral_registry_server *s;
	int r;

	if (!more)
		return corral_error_set(err, ENOMEM, "out of memory");
	to->items = more;
	s = &more[to->n];
	*s = (struct corral_registry_server) { .is_unverified = is_unverified,
		                               .is_mirror = p->is_mirror };
	s->name = strdup(p->name);
	if (asprintf(&s->prefix, "%s%s", p->prefix, *p->prefix ? "/" : "") < 0)
		s->prefix = NULL;
	if (asprintf(&s->base, "%s://%s", is_tls ? "https" : "http", p->host) < 0)
		s->base = NULL;
	if (!s->name || !s->prefix || !s->base)
		r = corral_error_set(err, ENOMEM, "out of memory");
	else
		r = corral_registry_origin_of(s->base, &s->at, err);
	if (r < 0) {
		server_done(s);
		return corral_error_wrap(err, r, "'%.100s'", p->name);
	}
	to->n++;
	return 0;
}

/* All ways to one place. scheme: "https", "http", or NULL for what is allowed. */
static int add_ways(struct corral_registry_servers *to, const struct place *p, const char *scheme,
                    const char *const *insecure, struct corral_error *err)
{
	bool want_tls = !scheme || strcmp(scheme, "https") == 0;
	bool want_plain = !scheme || !want_tls;
	size_t first = to->n;
	struct corral_registry_origin at;
	bool lax;
	int r = add(to, p, want_tls, !want_tls, err);

	if (r < 0)
		return r;
	at = to->items[first].at;
	lax = at.is_loopback || corral_registry_is_insecure(insecure, &at);
	/* Without a port, the list may have that of http. */
	if (!lax && want_plain && at.is_tls && at.port == 443) {
		at.port = 80;
		lax = corral_registry_is_insecure(insecure, &at);
	}
	if (!lax)
		return want_tls ? 0
		                : corral_error_set(err, EPERM,
		                                   "'%.100s' by http, which is not among the "
		                                   "registries named insecure",
		                                   p->name);
	if (want_tls && at.is_loopback)
		to->items[first].is_unverified = true;
	if (want_tls && !at.is_loopback)
		r = add(to, p, true, true, err);
	if (r == 0 && want_tls && want_plain)
		r = add(to, p, false, true, err);
	for (size_t i = first + 1; i < to->n; i++)
		to->items[i].is_otherwise = true;
	return r;
}

static bool is_prefix(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-/");

	return n == strlen(text) && n <= 200 && *text != '/' && !strstr(text, "//") &&
	       !strstr(text, "..") && (!n || text[n - 1] != '/');
}

/* "[SCHEME://]ADDRESS[/PREFIX]" */
static int add_mirror(struct corral_registry_servers *to, const char *text,
                      const char *const *insecure, struct corral_error *err)
{
	const char *scheme = NULL;
	corral_autofree char *name = NULL;
	struct place p = { .is_mirror = true, .prefix = "" };
	char *slash;

	if (strncmp(text, "https://", 8) == 0)
		scheme = "https";
	else if (strncmp(text, "http://", 7) == 0)
		scheme = "http";
	name = strdup(text + (scheme ? strlen(scheme) + 3 : 0));
	if (!name)
		return corral_error_set(err, ENOMEM, "out of memory");
	slash = strchr(name, '/');
	if (slash) {
		*slash = '\0';
		p.prefix = slash + 1;
	}
	if (!*name ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                 "._-:[]") != strlen(name) ||
	    !is_prefix(p.prefix))
		return corral_error_set(err, EINVAL,
		                        "mirror '%.200s': REGISTRY=ADDRESS[/PREFIX] is expected",
		                        text);
	p.name = p.host = name;
	return add_ways(to, &p, scheme, insecure, err);
}

int corral_registry_servers_list(const char *registry, const char *const *mirrors,
                                 const char *const *insecure, struct corral_registry_servers *ret,
                                 struct corral_error *err)
{
	corral_auto(corral_registry_servers_done) struct corral_registry_servers list = { 0 };
	const struct place itself = {
		.name = registry,
		.host = strcmp(registry, HUB) == 0 ? HUB_HOST : registry,
		.prefix = "",
	};
	size_t n_mirrors = 0;
	int r = 0;

	for (; mirrors && *mirrors && r == 0; mirrors++) {
		const char *is = strchr(*mirrors, '=');

		if (!is || is == *mirrors)
			return corral_error_set(
			        err, EINVAL,
			        "mirror '%.200s': REGISTRY=ADDRESS[/PREFIX] is expected", *mirrors);
		if (strlen(registry) != (size_t)(is - *mirrors) ||
		    strncmp(*mirrors, registry, strlen(registry)) != 0)
			continue;
		if (++n_mirrors > CORRAL_REGISTRY_MIRRORS_MAX)
			return corral_error_set(err, EINVAL, "more than %d mirrors of '%.100s'",
			                        CORRAL_REGISTRY_MIRRORS_MAX, registry);
		r = add_mirror(&list, is + 1, insecure, err);
	}
	if (r == 0)
		r = add_ways(&list, &itself, NULL, insecure, err);
	if (r < 0)
		return r;
	*ret = list;
	memset(&list, 0, sizeof(list));
	return 0;
}
