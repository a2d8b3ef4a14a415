#include "backends/docker/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/engine_state.h"
#include "backends/docker/http.h"
#include "backends/docker/socket.h"
#include "backends/docker/version.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/said.h"
#include "kernel/base/trace.h"

/* Of the first word to an engine, which may be slow to answer but not for a minute. */
#define OPEN_TIMEOUT_MS 20000

#define VERSION_MAX 100

void corral_docker_engine_close(struct corral_docker_engine *e)
{
	if (!e)
		return;
	docker_pool_done(&e->pool);
	corral_docker_endpoint_done(&e->at);
	free(e->server_version);
	free(e->os);
	free(e->arch);
	free(e);
}

static void engine_closep(struct corral_docker_engine **e)
{
	corral_docker_engine_close(*e);
}

const struct corral_docker_engine_info *corral_docker_engine_info(
        const struct corral_docker_engine *e)
{
	return &e->info;
}

/* Takes the endpoint. */
static struct corral_docker_engine *engine_new(struct corral_docker_endpoint *at,
                                               const struct corral_docker_engine_options *o)
{
	struct corral_docker_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	docker_pool_init(&e->pool);
	e->at = *at;
	memset(at, 0, sizeof(*at));
	e->call_timeout_ms =
	        o->call_timeout_ms > 0 ? o->call_timeout_ms : CORRAL_DOCKER_CALL_TIMEOUT_MS;
	return e;
}

/* A word of the engine's about itself. */
static int keep_word(const json_t *j, const char *key, char **ret, struct corral_error *err)
{
	const char *text = json_string_value(json_object_get(j, key));
	corral_autobuf struct corral_buf word = CORRAL_BUF_INIT;

	corral_said(&word, text ? text : "", text ? strlen(text) : 0, VERSION_MAX);
	corral_buf_str(&word, "");
	*ret = corral_buf_take(&word);
	return *ret ? 0 : corral_error_set(err, ENOMEM, "no memory");
}

static bool says_podman(const json_t *version)
{
	const json_t *components = json_object_get(version, "Components");
	const json_t *component;
	size_t i;

	json_array_foreach(components, i, component)
	{
		const char *name = json_string_value(json_object_get(component, "Name"));

		if (name && strncmp(name, "Podman", 6) == 0)
			return true;
	}
	return false;
}

/* What is spoken from now on. pinned: DOCKER_API_VERSION, or NULL. */
static int agree(struct corral_docker_engine *e, const json_t *version, const char *pinned,
                 struct corral_error *err)
{
	const struct docker_versions v = {
		.server_max = json_string_value(json_object_get(version, "ApiVersion")),
		.server_min = json_string_value(json_object_get(version, "MinAPIVersion")),
		.pinned = pinned,
	};
	int r = docker_version_agree(&v, e->api_version, err);

	if (r < 0)
		return corral_error_wrap(err, r, "%s %s on %s",
		                         e->info.is_podman ? "Podman" : "engine", e->server_version,
		                         e->at.text);
	(void)snprintf(e->prefix, sizeof(e->prefix), "/v%s", e->api_version);
	return 0;
}

static int introduce(struct corral_docker_engine *e, const json_t *version, const char *pinned,
                     struct corral_error *err)
{
	int r;

	if (!json_is_string(json_object_get(version, "ApiVersion")))
		return corral_error_set(err, EPROTO, "what answers on %s is no container engine",
		                        e->at.text);
	r = keep_word(version, "Version", &e->server_version, err);
	if (r == 0)
		r = keep_word(version, "Os", &e->os, err);
	if (r == 0)
		r = keep_word(version, "Arch", &e->arch, err);
	if (r < 0)
		return r;
	e->info = (struct corral_docker_engine_info) {
		.endpoint = e->at.text,
		.found_by = e->at.found_by,
		.api_version = e->api_version,
		.server_version = e->server_version,
		.os = e->os,
		.arch = e->arch,
		.is_podman = says_podman(version),
	};
	return agree(e, version, pinned, err);
}

/* Asks the engine who it is, without a version in the path: every one understands that. */
static int greet(struct corral_docker_engine *e, const char *pinned, struct corral_error *err)
{
	struct corral_docker_request q = { .method = "GET", .path = "/version" };
	corral_auto(corral_docker_answer_done) struct corral_docker_answer a;
	int r;

	q.timeout_ms = e->call_timeout_ms < OPEN_TIMEOUT_MS ? e->call_timeout_ms : OPEN_TIMEOUT_MS;
	r = corral_docker_call(e, &q, &a, err);
	if (r < 0)
		return r;
	if (a.status != 200) {
		(void)corral_docker_refused(&a, err);
		if (err)
			err->code = EPROTO;
		return corral_error_wrap(err, -EPROTO, "what answers on %s is no container engine",
		                         e->at.text);
	}
	return introduce(e, a.json, pinned, err);
}

/*
 * Whether the socket can be connected to at all, so that the answer to that is no more than a
 * sentence about it.
 */
static int knock(const struct corral_docker_endpoint *at, struct corral_error *err)
{
	corral_autofd int fd = -1;

	if (!at->socket)
		return 0;
	fd = corral_docker_socket_connect(at->socket, CORRAL_DOCKER_CONNECT_TIMEOUT_MS);
	return fd < 0 ? corral_docker_socket_explain(at->socket, -fd, err) : 0;
}

/* Takes the endpoint when it is one's. */
static int try_open(struct corral_docker_endpoint *at, const struct corral_docker_engine_options *o,
                    struct corral_docker_engine **ret, struct corral_error *err)
{
	const char *pinned = o->api_version && o->api_version[0] ? o->api_version : NULL;
	corral_auto(engine_closep) struct corral_docker_engine *e = NULL;
	int r = knock(at, err);

	if (r < 0)
		return r;
	e = engine_new(at, o);
	if (!e)
		return corral_error_set(err, ENOMEM, "no memory");
	r = greet(e, pinned, err);
	if (r < 0)
		return r;
	corral_trace(CORRAL_TRACE_BACKEND, "engine %s (%s): %s, API %s", e->info.endpoint,
	             e->info.found_by, e->info.server_version, e->info.api_version);
	*ret = corral_take_ptr(&e);
	return 0;
}

/* How the looking went: the first that was there and did not answer, and all others. */
struct search {
	struct corral_error first;
	struct corral_buf others;
};

static void search_done(struct search *s)
{
	corral_buf_done(&s->others);
}

static void note(struct search *s, const char *text, int r, const struct corral_error *why)
{
	if (!s->first.code && r != -ENOENT) {
		s->first = *why;
		s->first.code = -r;
		return;
	}
	corral_buf_fmt(&s->others, "%s%s", s->others.len ? ", " : "", text);
	if (r != -ENOENT)
		corral_buf_fmt(&s->others, " (%s)", strerrordesc_np(-r));
}

static int give_up(const struct search *s, struct corral_error *err)
{
	const char *others = s->others.len && !s->others.failed ? s->others.data : "nowhere";

	if (!s->first.code)
		return corral_error_set(err, ENOENT,
		                        "no container engine: there is no socket at %s; start "
		                        "Docker or Podman, or say where one is with DOCKER_HOST",
		                        others);
	return corral_error_set(err, s->first.code,
	                        "no container engine answers: %s (also looked at %s)",
	                        s->first.text, others);
}

int docker_engine_open_at(const struct corral_docker_engine_options *o,
                          const struct corral_docker_places *places,
                          struct corral_docker_engine **ret, struct corral_error *err)
{
	corral_auto(corral_docker_endpoints_done) struct corral_docker_endpoints at = { 0 };
	corral_auto(search_done) struct search s = { 0 };
	int r = docker_curl_init();

	if (r < 0)
		return corral_error_set(err, ENOMEM, "libcurl cannot be initialised");
	r = corral_docker_endpoints_find(o, places, &at, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < at.n; i++) {
		corral_autofree char *text = strdup(at.at[i].text);
		corral_autofree char *found_by = strdup(at.at[i].found_by);
		struct corral_error why = { 0 };

		if (!text || !found_by)
			return corral_error_set(err, ENOMEM, "no memory");
		r = try_open(&at.at[i], o, ret, &why);
		if (r == 0)
			return 0;
		if (at.chosen) {
			(void)corral_error_set(err, -r, "%s", why.text);
			return corral_error_wrap(err, r, "%s", found_by);
		}
		note(&s, text, r, &why);
	}
	return give_up(&s, err);
}

int corral_docker_engine_open(const struct corral_docker_engine_options *o,
                              struct corral_docker_engine **ret, struct corral_error *err)
{
	return docker_engine_open_at(o, &corral_docker_system_places, ret, err);
}

bool corral_docker_engine_knows(const struct corral_docker_engine *e, enum corral_docker_known what)
{
	return atomic_load(&e->known) & what;
}

void corral_docker_engine_learn(struct corral_docker_engine *e, enum corral_docker_known what,
                                bool is_so)
{
	if (is_so)
		(void)atomic_fetch_or(&e->known, what);
	else
		(void)atomic_fetch_and(&e->known, ~(unsigned int)what);
}
