#include "backends/docker/weaker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "backends/docker/json.h"
#include "policy/caps.h"

#define WORDS_MAX 12
#define WORD_SIZE 64

/* What a container has by itself that was made without a word about capabilities. */
static const char *const caps_podman[] = { "CHOWN",   "DAC_OVERRIDE", "FOWNER",          "FSETID",
	                                   "KILL",    "SETGID",       "SETUID",          "SETPCAP",
	                                   "SETFCAP", "SYS_CHROOT",   "NET_BIND_SERVICE" };
static const char *const caps_docker_more[] = { "NET_RAW", "MKNOD", "AUDIT_WRITE" };

struct words {
	char list[WORDS_MAX][WORD_SIZE];
	size_t n;
};

static void say_if(struct words *w, bool is, const char *word)
{
	if (is && w->n < WORDS_MAX)
		(void)snprintf(w->list[w->n++], WORD_SIZE, "%s", word);
}

static uint64_t caps_known(bool is_podman)
{
	uint64_t set = 0, one = 0;

	for (size_t i = 0; i < sizeof(caps_podman) / sizeof(*caps_podman); i++)
		set |= corral_caps_parse(caps_podman[i], &one, NULL) == 0 ? one : 0;
	for (size_t i = 0; !is_podman && i < sizeof(caps_docker_more) / sizeof(*caps_docker_more);
	     i++)
		set |= corral_caps_parse(caps_docker_more[i], &one, NULL) == 0 ? one : 0;
	return set;
}

/* Of a list; unknown: what a name that nobody knows stands for. */
static uint64_t caps_listed(const json_t *list, uint64_t unknown)
{
	uint64_t set = 0, one;
	const json_t *name;
	size_t i;

	json_array_foreach(list, i, name)
	{
		const char *is = json_string_value(name);

		set |= is && corral_caps_parse(is, &one, NULL) == 0 ? one : unknown;
	}
	return set;
}

/* As engines compose them: "ALL" of either list comes first. */
static uint64_t caps_of(const json_t *host, bool is_podman)
{
	uint64_t add = caps_listed(json_object_get(host, "CapAdd"), CORRAL_CAPS_ALL);
	uint64_t drop = caps_listed(json_object_get(host, "CapDrop"), 0);

	if (drop == CORRAL_CAPS_ALL)
		return add;
	return add == CORRAL_CAPS_ALL ? add & ~drop : (caps_known(is_podman) & ~drop) | add;
}

static const char *network_name(const json_t *host)
{
	const char *mode = corral_json_text(host, "NetworkMode");

	return !*mode || !strcmp(mode, "default") ? "bridge" : mode;
}

static void network(const json_t *host, const json_t *asked, struct words *w)
{
	const char *is = network_name(host), *wanted = network_name(asked);
	char word[WORD_SIZE];

	if (!strcmp(is, "none") || !strcmp(is, wanted) || !strcmp(wanted, "host"))
		return;
	if (!strcmp(is, "host"))
		(void)snprintf(word, sizeof(word), "has the host's network");
	else
		(void)snprintf(word, sizeof(word), "has the network '%.32s'", is);
	say_if(w, true, word);
}

/* A namespace that is the host's, or another container's. */
static bool is_shared(const json_t *host, const char *key)
{
	const char *mode = corral_json_text(host, key);

	return !strcmp(mode, "host") || !strncmp(mode, "container:", strlen("container:"));
}

static void options(const json_t *host, const json_t *asked, struct words *w)
{
	const json_t *is = json_object_get(host, "SecurityOpt");
	const json_t *wanted = json_object_get(asked, "SecurityOpt");

	/* With ":" as well, as engines had it. "=false" is a word for its absence. */
	say_if(w,
	       !corral_json_has(is, "no-new-privileges") ||
	               corral_json_has(is, "no-new-privileges=false") ||
	               corral_json_has(is, "no-new-privileges:false"),
	       "keeps new privileges");
	say_if(w,
	       (corral_json_has(is, "seccomp=unconfined") ||
	        corral_json_has(is, "seccomp:unconfined")) &&
	               !corral_json_has(wanted, "seccomp=unconfined"),
	       "has no filter of system calls");
	say_if(w,
	       corral_json_has(is, "apparmor=unconfined") ||
	               corral_json_has(is, "apparmor:unconfined") ||
	               corral_json_has(is, "label=disable") || corral_json_has(is, "label:disable"),
	       "has no security module's confinement");
}

static void collect(const json_t *host, const json_t *asked, bool is_podman, struct words *w)
{
	uint64_t ours = caps_listed(json_object_get(asked, "CapAdd"), 0);
	const json_t *masked = json_object_get(host, "MaskedPaths");

	say_if(w, json_is_true(json_object_get(host, "Privileged")), "is privileged");
	network(host, asked, w);
	options(host, asked, w);
	say_if(w, caps_of(host, is_podman) & ~ours, "has more capabilities");
	say_if(w, is_shared(host, "PidMode"), "sees others' processes");
	say_if(w, is_shared(host, "IpcMode"), "shares others' memory");
	say_if(w, !strcmp(corral_json_text(host, "UTSMode"), "host"), "has the host's name");
	/* Not CgroupnsMode: that is the engine's own choice for ours as well. */
	say_if(w, !strcmp(corral_json_text(host, "UsernsMode"), "host"), "has the host's users");
	say_if(w, json_array_size(json_object_get(host, "Devices")), "has devices");
	/* Absent where the engine does not tell, and with what is privileged. */
	say_if(w, json_is_array(masked) && !json_array_size(masked), "sees all of /proc");
}

int corral_docker_weaker_check(const json_t *container, const struct corral_docker_spec *s,
                               bool is_podman, struct corral_error *err)
{
	const json_t *host = json_object_get(container, "HostConfig");
	char all[WORDS_MAX * (WORD_SIZE + 5)] = "";
	struct words w = { .n = 0 };
	size_t len = 0;

	if (!json_is_object(host))
		return corral_error_set(err, EPROTO, "the engine does not say what contains it");
	collect(host, s->host_config, is_podman, &w);
	if (!w.n)
		return 0;
	for (size_t i = 0; i < w.n; i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s",
		                        i == 0         ? ""
		                        : i + 1 == w.n ? " and "
		                                       : ", ",
		                        w.list[i]);
	return corral_error_set(err, EPERM,
	                        "container '%.64s' %.380s: --allow-weaker takes it as it is",
	                        s->container_name ? s->container_name : "", all);
}
