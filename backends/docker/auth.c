#include "backends/docker/auth.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/base64.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

static void secret_buf_done(struct corral_buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	corral_buf_done(b);
}

static void secret_freep(char **secret)
{
	corral_registry_secret_free(*secret);
}

static int field_set(json_t *v, const char *name, const char *value)
{
	return value ? json_object_set_new(v, name, json_string_nocheck(value)) : 0;
}

/* A new reference. */
static json_t *auth_json(const struct corral_registry_auth *a)
{
	json_t *v = json_object();

	if (!v || field_set(v, "username", a->username) < 0 ||
	    field_set(v, "password", a->password) < 0 ||
	    field_set(v, "identitytoken", a->identity_token) < 0 ||
	    field_set(v, "registrytoken", a->registry_token) < 0 ||
	    field_set(v, "serveraddress", a->server) < 0) {
		json_decref(v);
		return NULL;
	}
	return v;
}

/* "Name: base64url(JSON)", as the engine wants it: with padding. Takes v. */
static int header_make_take(const char *name, json_t *v, char **ret, struct corral_error *err)
{
	corral_auto(secret_freep) char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
	corral_auto(secret_buf_done) struct corral_buf b = CORRAL_BUF_INIT;

	json_decref(v);
	if (!text)
		return corral_error_set(err, EINVAL, "credentials that are no text");
	corral_buf_fmt(&b, "%s: ", name);
	corral_base64_encode(&b, text, strlen(text));
	if (b.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (char *c = b.data + strlen(name) + 2; *c; c++) {
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
	}
	*ret = corral_buf_take(&b);
	return 0;
}

int corral_docker_auth_header(const struct corral_registry_auth *a, char **ret,
                              struct corral_error *err)
{
	if (corral_registry_auth_is_found(a))
		return header_make_take("X-Registry-Auth", auth_json(a), ret, err);
	*ret = NULL;
	return 0;
}

int corral_docker_auth_config_header(const struct corral_registry_auth *a, char **ret,
                                     struct corral_error *err)
{
	json_t *v;

	*ret = NULL;
	if (!corral_registry_auth_is_found(a))
		return 0;
	v = json_object();
	if (v && json_object_set_new(v, a->server, auth_json(a)) < 0) {
		json_decref(v);
		v = NULL;
	}
	return header_make_take("X-Registry-Config", v, ret, err);
}
