#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/image/oci/registry_http.h"

static void url_cleanupp(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void part_freep(char **part)
{
	curl_free(*part);
}
#define autopart corral_auto(part_freep)

/* The names and numbers by which a host calls itself. As text: what a name server says of others
 * does not make them local. */
static bool is_loopback(const char *host)
{
	size_t n = strlen(host);

	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return strncmp(host, "127.", 4) == 0 && n <= 15 && strspn(host, "0123456789.") == n;
}

int corral_registry_origin_of(const char *url, struct corral_registry_origin *ret,
                              struct corral_error *err)
{
	corral_auto(url_cleanupp) CURLU *u = curl_url();
	autopart char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *password = NULL;
	struct corral_registry_origin o = { 0 };
	uint64_t number = 0;

	if (!u)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (strlen(url) > CORRAL_REGISTRY_URL_MAX)
		return corral_error_set(err, EINVAL, "an address of more than %d bytes",
		                        CORRAL_REGISTRY_URL_MAX);
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return corral_error_set(err, EINVAL, "no address of the web");
	o.is_tls = strcmp(scheme, "https") == 0;
	if (!o.is_tls && strcmp(scheme, "http") != 0)
		return corral_error_set(err, EINVAL, "an address by '%.16s'", scheme);
	if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK ||
	    curl_url_get(u, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK)
		return corral_error_set(err, EINVAL, "an address with a user's name in it");
	if (!*host || strlen(host) >= sizeof(o.host) ||
	    corral_parse_u64(port, 65535, &number, NULL) < 0 || !number)
		return corral_error_set(err, EINVAL, "no address of the web");
	(void)snprintf(o.host, sizeof(o.host), "%s", host);
	o.port = (unsigned int)number;
	o.is_loopback = is_loopback(o.host);
	*ret = o;
	return 0;
}

bool corral_registry_origin_equal(const struct corral_registry_origin *a,
                                  const struct corral_registry_origin *b)
{
	return a->is_tls == b->is_tls && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

bool corral_registry_is_insecure(const char *const *insecure,
                                 const struct corral_registry_origin *o)
{
	char with_port[sizeof(o->host) + 8];

	(void)snprintf(with_port, sizeof(with_port), "%s:%u", o->host, o->port);
	for (; insecure && *insecure; insecure++)
		if (strcasecmp(*insecure, o->host) == 0 || strcasecmp(*insecure, with_port) == 0)
			return true;
	return false;
}

int corral_registry_may_follow(const struct corral_registry_origin *from,
                               const struct corral_registry_origin *to, const char *const *insecure,
                               struct corral_error *err)
{
	if (from->is_tls && !to->is_tls)
		return corral_error_set(err, EPERM,
		                        "it sends us from https to http (%.100s), which is not "
		                        "followed",
		                        to->host);
	/* Services that trust whoever is on the host are not for those elsewhere to ask. */
	if (!from->is_loopback && to->is_loopback)
		return corral_error_set(err, EPERM,
		                        "it sends us to this host itself (%.100s), which is not "
		                        "followed",
		                        to->host);
	if (!to->is_tls && !to->is_loopback && !corral_registry_is_insecure(insecure, to))
		return corral_error_set(err, EPERM,
		                        "it sends us to %.100s by http, which is not among the "
		                        "registries named insecure",
		                        to->host);
	return 0;
}
