#include "kernel/image/oci/registry_auth.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/image/oci/registry_credential.h"
#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"

/* What Docker Hub is called in config.json, since ever. */
#define HUB_SERVER "https://index.docker.io/v1/"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

void corral_registry_secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static void secret_buf_done(struct corral_buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	corral_buf_done(b);
}

void corral_registry_auth_done(struct corral_registry_auth *a)
{
	free(a->server);
	corral_registry_secret_free(a->username);
	corral_registry_secret_free(a->password);
	corral_registry_secret_free(a->identity_token);
	corral_registry_secret_free(a->registry_token);
	memset(a, 0, sizeof(*a));
}

bool corral_registry_auth_is_found(const struct corral_registry_auth *a)
{
	return a->username || a->identity_token || a->registry_token;
}

static bool is_hub(const char *host, size_t len)
{
	return (len == 9 && strncmp(host, "docker.io", len) == 0) ||
	       (len == 15 && strncmp(host, "index.docker.io", len) == 0);
}

/* Whether a key of config.json, a host or a URL, means this registry. */
static bool key_matches(const char *key, const char *registry)
{
	static const char *const schemes[] = { "https://", "http://" };
	size_t len;

	for (size_t i = 0; i < CORRAL_COUNT(schemes); i++)
		if (strncmp(key, schemes[i], strlen(schemes[i])) == 0)
			key += strlen(schemes[i]);
	len = strcspn(key, "/");
	if (is_hub(registry, strlen(registry)))
		return is_hub(key, len);
	return strlen(registry) == len && strncmp(key, registry, len) == 0;
}

static json_t *entry_get(json_t *object, const char *registry)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (key_matches(key, registry))
			return value;
	}
	return NULL;
}

/* Text that is not empty, or nothing: a field left out and one left blank mean the same there. */
static int secret_dup(const json_t *v, char **to)
{
	if (!json_is_string(v) || !json_string_length(v))
		return 0;
	corral_registry_secret_free(*to);
	*to = strdup(json_string_value(v));
	return *to ? 0 : -ENOMEM;
}

/* "dXNlcjpwYXNz": user and password with a colon between them. */
static int basic_take(struct corral_registry_auth *a, const char *text)
{
	corral_auto(secret_buf_done) struct corral_buf plain = CORRAL_BUF_INIT;
	char *colon;

	if (corral_base64_decode(text, strlen(text), &plain) < 0 || plain.failed || !plain.data)
		return plain.failed ? -ENOMEM : -EINVAL;
	colon = memchr(plain.data, ':', plain.len);
	if (!colon || colon == plain.data || memchr(plain.data, '\0', plain.len))
		return -EINVAL;
	*colon = '\0';
	a->username = strdup(plain.data);
	a->password = strdup(colon + 1);
	return a->username && a->password ? 0 : -ENOMEM;
}

/* An entry of "auths". */
static int entry_take(struct corral_registry_auth *a, const json_t *entry)
{
	const char *basic = json_string_value(json_object_get(entry, "auth"));
	int r = 0;

	if (basic && *basic)
		r = basic_take(a, basic);
	if (r == 0)
		r = secret_dup(json_object_get(entry, "username"), &a->username);
	if (r == 0)
		r = secret_dup(json_object_get(entry, "password"), &a->password);
	if (r == 0)
		r = secret_dup(json_object_get(entry, "identitytoken"), &a->identity_token);
	if (r == 0)
		r = secret_dup(json_object_get(entry, "registrytoken"), &a->registry_token);
	return r;
}

/* What a helper wrote. -EPROTO when it is not what helpers write. */
static int answer_take(struct corral_registry_auth *a, const struct corral_buf *answer)
{
	corral_auto(json_freep) json_t *v =
	        json_loadb(answer->data ? answer->data : "", answer->len, 0, NULL);
	const json_t *secret = json_object_get(v, "Secret");
	const char *name = json_string_value(json_object_get(v, "Username"));

	if (!name || !json_is_string(secret))
		return -EPROTO;
	/* The protocol's word for "the secret is a token". */
	if (strcmp(name, "<token>") == 0)
		return secret_dup(secret, &a->identity_token);
	a->username = strdup(name);
	a->password = strdup(json_string_value(secret));
	return a->username && a->password ? 0 : -ENOMEM;
}

static int helper_ask(struct corral_registry_auth *a, const char *helper)
{
	corral_auto(secret_buf_done) struct corral_buf answer = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	int r = corral_registry_credential_get(helper, a->server,
	                                       CORRAL_REGISTRY_CREDENTIAL_TIMEOUT_MS, &answer,
	                                       &err);

	if (r == 0)
		r = answer_take(a, &answer);
	if (r == -EPROTO)
		(void)snprintf(a->note, sizeof(a->note),
		               "what docker-credential-%s wrote is no credential", helper);
	else if (r < 0)
		(void)snprintf(a->note, sizeof(a->note), "with no credentials for '%.100s': %.200s",
		               a->server, err.text);
	else
		(void)snprintf(a->note, sizeof(a->note), "with credentials of docker-credential-%s",
		               helper);
	return r == -ENOMEM ? r : 0;
}

static int config_take(struct corral_registry_auth *a, json_t *root, const char *registry,
                       const char *path)
{
	const json_t *helper = entry_get(json_object_get(root, "credHelpers"), registry);
	const json_t *entry = entry_get(json_object_get(root, "auths"), registry);
	int r = 0;

	if (!helper)
		helper = json_object_get(root, "credsStore");
	if (json_is_string(helper) && json_string_length(helper))
		r = helper_ask(a, json_string_value(helper));
	if (r < 0 || corral_registry_auth_is_found(a) || !entry)
		return r;
	r = entry_take(a, entry);
	if (r == -EINVAL)
		(void)snprintf(a->note, sizeof(a->note), "the entry of '%s' in '%s' is broken",
		               a->server, path);
	else if (r == 0 && corral_registry_auth_is_found(a))
		(void)snprintf(a->note, sizeof(a->note), "with credentials of '%s'", path);
	return r == -ENOMEM ? r : 0;
}

/* 0 without a file, too. */
static int config_load(const char *path, json_t **ret, char *note, size_t size)
{
	corral_auto(secret_buf_done) struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0) {
		if (errno != ENOENT)
			(void)snprintf(note, size, "'%s' cannot be read: %s", path,
			               strerrordesc_np(errno));
		return 0;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)snprintf(note, size, "'%s' is no file", path);
		return 0;
	}
	r = corral_buf_read_fd(&text, fd, CORRAL_REGISTRY_CONFIG_MAX);
	if (r == -ENOMEM)
		return r;
	if (r == 0)
		*ret = json_loadb(text.data ? text.data : "", text.len, 0, NULL);
	if (!*ret)
		(void)snprintf(note, size, "'%s' is not to be understood", path);
	return 0;
}

int corral_registry_auth_find(const char *config_dir, const char *registry,
                              struct corral_registry_auth *ret, struct corral_error *err)
{
	corral_auto(json_freep) json_t *root = NULL;
	corral_autofree char *path = NULL;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	ret->server = strdup(is_hub(registry, strlen(registry)) ? HUB_SERVER : registry);
	if (!ret->server)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (!config_dir) {
		(void)snprintf(ret->note, sizeof(ret->note),
		               "without credentials, as there is no Docker configuration");
		return 0;
	}
	if (asprintf(&path, "%s/config.json", config_dir) < 0) {
		path = NULL;
		r = -ENOMEM;
	}
	if (r == 0) {
		(void)snprintf(ret->note, sizeof(ret->note),
		               "with no credentials for '%.100s' in '%s'", ret->server, path);
		r = config_load(path, &root, ret->note, sizeof(ret->note));
	}
	if (r == 0 && root)
		r = config_take(ret, root, registry, path);
	if (r == 0)
		return 0;
	corral_registry_auth_done(ret);
	return corral_error_set(err, ENOMEM, "out of memory");
}
