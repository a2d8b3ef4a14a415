/*
 * What flags do to a configuration, one at a time; the JSON parser goes through the same doors, so
 * that both refuse the same things in the same words.
 */
#include "policy/config.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "policy/egress.h"

/* Capabilities are few; a list longer than this is a mistake, not a wish. */
#define CAPS_MAX 128

/* No mode of its own, but a way to one. */
#define NETWORK_PASTA 1000u

static int no_memory(struct corral_error *err)
{
	return corral_error_sys(err, ENOMEM, "configuration");
}

/* Callers tell a wrong value from a failure; which way it is wrong is in the text. */
static int as_invalid(int r, struct corral_error *err)
{
	if (r != -ERANGE)
		return r;
	if (err)
		err->code = EINVAL;
	return -EINVAL;
}

static int list_append(char ***list, size_t *n, size_t max, const char *what, const char *text,
                       struct corral_error *err)
{
	char **grown, *copy;

	if (*n >= max)
		return corral_error_set(err, EINVAL, "too many %s: at most %zu", what, max);
	/* Grown by doubling at each power of two: the list needs no field for its size. */
	if (*n == 0 || (*n & (*n - 1)) == 0) {
		grown = realloc(*list, (*n ? *n * 2 : 1) * sizeof(**list));
		if (!grown)
			return no_memory(err);
		*list = grown;
	}
	copy = strdup(text);
	if (!copy)
		return no_memory(err);
	(*list)[(*n)++] = copy;
	return 0;
}

int corral_config_set_text(char **field, const char *text, struct corral_error *err)
{
	char *copy;

	if (!*text)
		return corral_error_set(err, EINVAL, "empty where a value is expected");
	copy = strdup(text);
	if (!copy)
		return no_memory(err);
	free(*field);
	*field = copy;
	return 0;
}

int corral_config_add_env(struct corral_config *c, const char *assignment, struct corral_error *err)
{
	const char *equals = strchr(assignment, '=');

	if (!equals || equals == assignment)
		return corral_error_set(err, EINVAL,
		                        "'%.*s' is not NAME=VALUE: a name before the first '='", 64,
		                        assignment);
	return list_append(&c->env, &c->n_env, CORRAL_CONFIG_ENV_MAX, "variables", assignment, err);
}

int corral_config_put_env(struct corral_config *c, char *const *more, size_t n,
                          struct corral_error *err)
{
	char **own = c->env;
	size_t n_own = c->n_env;
	int r = 0;

	c->env = NULL;
	c->n_env = 0;
	/* What is no assignment is nothing that anybody could have meant. */
	for (size_t i = 0; r == 0 && i < n; i++)
		if (more[i][0] != '=' && strchr(more[i], '='))
			r = corral_config_add_env(c, more[i], err);
	for (size_t i = 0; i < n_own; i++) {
		if (r == 0)
			r = corral_config_add_env(c, own[i], err);
		free(own[i]);
	}
	free(own);
	return r;
}

int corral_config_put_mount(struct corral_config *c, enum corral_mount_kind kind,
                            const char *host_path, const char *guest_path, uint64_t size_bytes,
                            struct corral_error *err)
{
	corral_autofree char *host = NULL;
	corral_autofree char *guest = NULL;
	struct corral_config_mount *grown;

	if (c->n_mounts >= CORRAL_CONFIG_MOUNTS_MAX)
		return corral_error_set(err, EINVAL, "too many mounts: at most %d",
		                        CORRAL_CONFIG_MOUNTS_MAX);
	if (host_path && !*host_path)
		return corral_error_set(err, EINVAL, "the source is empty");
	if (!*guest_path)
		return corral_error_set(err, EINVAL, "the target is empty");
	host = host_path ? strdup(host_path) : NULL;
	guest = strdup(guest_path);
	grown = realloc(c->mounts, (c->n_mounts + 1) * sizeof(*grown));
	if (grown)
		c->mounts = grown;
	if (!grown || !guest || (host_path && !host))
		return no_memory(err);
	c->mounts[c->n_mounts++] = (struct corral_config_mount) {
		.kind = kind,
		.host_path = corral_take_ptr(&host),
		.guest_path = corral_take_ptr(&guest),
		.size_bytes = size_bytes,
	};
	return 0;
}

/* Cuts text at its first colon that is not written "\:"; unescapes the part before it. Returns the
 * rest, or NULL when there is no such colon. */
static char *colon_split(char *text)
{
	char *to = text;

	for (char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1] == ':') {
			from++;
		} else if (*from == ':') {
			*to = '\0';
			return from + 1;
		}
		*to++ = *from;
	}
	*to = '\0';
	return NULL;
}

int corral_config_add_mount(struct corral_config *c, enum corral_mount_kind kind, const char *spec,
                            struct corral_error *err)
{
	corral_autofree char *text = strdup(spec);
	uint64_t size_bytes = 0;
	char *second, *third;
	int r;

	if (!text)
		return no_memory(err);
	second = colon_split(text);
	if (kind == CORRAL_MOUNT_TMPFS) {
		if (second) {
			r = corral_parse_bytes(second, &size_bytes, err);
			if (r < 0)
				return corral_error_wrap(err, as_invalid(r, err), "size of '%s'",
				                         text);
			if (!size_bytes)
				return corral_error_set(err, EINVAL,
				                        "'%s' with a size of 0: leave the size out "
				                        "for the default",
				                        text);
		}
		return corral_config_put_mount(c, kind, NULL, text, size_bytes, err);
	}
	if (!second)
		return corral_error_set(err, EINVAL,
		                        "'%s' is not SOURCE:TARGET: add where it goes, as in "
		                        "'%s:/data'",
		                        text, text);
	third = colon_split(second);
	if (third && !strcmp(third, "ro"))
		return corral_error_set(err, EINVAL,
		                        "'%s': for a read-only mount write --ro-bind SOURCE:TARGET",
		                        spec);
	if (third)
		return corral_error_set(err, EINVAL,
		                        "'%s' has more than one colon: write a colon in a path as "
		                        "'\\:'",
		                        spec);
	return corral_config_put_mount(c, kind, text, second, 0, err);
}

int corral_config_add_layer(struct corral_config *c, const char *host_path,
                            struct corral_error *err)
{
	if (!*host_path)
		return corral_error_set(err, EINVAL, "empty where a layer's directory is expected");
	return list_append(&c->layers, &c->n_layers, CORRAL_CONFIG_LAYERS_MAX, "layers", host_path,
	                   err);
}

int corral_config_add_cap(struct corral_config *c, bool add, const char *name,
                          struct corral_error *err)
{
	if (!*name)
		return corral_error_set(err, EINVAL, "empty where a capability is expected");
	if (add)
		return list_append(&c->cap_add, &c->n_cap_add, CAPS_MAX, "capabilities", name, err);
	return list_append(&c->cap_drop, &c->n_cap_drop, CAPS_MAX, "capabilities", name, err);
}

int corral_config_set_user(struct corral_config *c, const char *text, struct corral_error *err)
{
	uint32_t uid = 0, gid = 0;
	int r = corral_account_user_check(text, err);

	if (r == 0)
		r = corral_config_set_text(&c->user, text, err);
	if (r < 0)
		return r;
	c->has_user = corral_parse_ids(text, &uid, &gid, NULL) == 0;
	c->user_is_found = false;
	c->guest_uid = uid;
	c->guest_gid = gid;
	c->n_groups = 0;
	return 0;
}

struct word {
	const char *name;
	unsigned int value;
};

static int word_find(const struct word *words, size_t n, const char *text, unsigned int *ret,
                     struct corral_error *err)
{
	char known[128] = "";

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(known);

		if (!strcmp(words[i].name, text)) {
			*ret = words[i].value;
			return 0;
		}
		(void)snprintf(known + len, sizeof(known) - len, "%s'%s'", i ? ", " : "",
		               words[i].name);
	}
	return corral_error_set(err, EINVAL, "'%.*s' is not one of %s", 64, text, known);
}

int corral_config_set_network(struct corral_config *c, const char *text, struct corral_error *err)
{
	static const struct word words[] = {
		{ "none", CORRAL_NETWORK_NONE },     { "host", CORRAL_NETWORK_HOST },
		{ "bridge", CORRAL_NETWORK_BRIDGE }, { "allow", CORRAL_NETWORK_ALLOW },
		{ "pasta", NETWORK_PASTA },
	};
	unsigned int value = 0;
	int r = word_find(words, CORRAL_COUNT(words), text, &value, err);

	if (r < 0)
		return r;
	c->network_said = true;
	c->network_pasta = value == NETWORK_PASTA;
	c->network = c->network_pasta ? CORRAL_NETWORK_BRIDGE : (enum corral_network_mode)value;
	return 0;
}

int corral_config_add_allow(struct corral_config *c, const char *text, struct corral_error *err)
{
	struct corral_egress_entry ignored;
	int r = corral_egress_entry_parse(text, &ignored, err);

	if (r == 0)
		r = list_append(&c->allow, &c->n_allow, CORRAL_EGRESS_MAX, "entries", text, err);
	if (r < 0)
		return r;
	c->allow_said = true;
	if (!c->network_said)
		c->network = CORRAL_NETWORK_ALLOW;
	return 0;
}

void corral_config_clear_allow(struct corral_config *c)
{
	c->allow_said = false;
	while (c->n_allow)
		free(c->allow[--c->n_allow]);
}

int corral_config_add_publish(struct corral_config *c, const char *text, struct corral_error *err)
{
	struct corral_publish p, *grown;
	int r;

	if (c->n_publish >= CORRAL_PUBLISH_MAX)
		return corral_error_set(err, EINVAL, "too many published ports: at most %d",
		                        CORRAL_PUBLISH_MAX);
	r = corral_publish_parse(text, &p, err);
	if (r < 0)
		return r;
	grown = realloc(c->publish, (c->n_publish + 1) * sizeof(*grown));
	if (!grown) {
		corral_publish_done(&p);
		return no_memory(err);
	}
	c->publish = grown;
	c->publish[c->n_publish++] = p;
	return 0;
}

int corral_config_set_ids(struct corral_config *c, const char *text, struct corral_error *err)
{
	static const struct word words[] = {
		{ "auto", CORRAL_IDS_AUTO },
		{ "single", CORRAL_IDS_SINGLE },
		{ "range", CORRAL_IDS_RANGE },
	};
	unsigned int value = 0;
	int r = word_find(words, CORRAL_COUNT(words), text, &value, err);

	if (r == 0)
		c->ids = (enum corral_ids_mode)value;
	return r;
}

static int count_parse(const char *text, uint64_t *ret, struct corral_error *err)
{
	return corral_parse_u64(text, UINT64_MAX, ret, err);
}

static const struct {
	enum corral_limit limit;
	int (*parse)(const char *text, uint64_t *ret, struct corral_error *err);
} limit_parsers[CORRAL_LIMIT_COUNT] = {
	{ CORRAL_LIMIT_MEMORY, corral_parse_bytes },
	{ CORRAL_LIMIT_MEMORY_SWAP, corral_parse_bytes },
	{ CORRAL_LIMIT_CPUS, corral_parse_millis },
	{ CORRAL_LIMIT_CPU_WEIGHT, count_parse },
	{ CORRAL_LIMIT_PIDS, count_parse },
	{ CORRAL_LIMIT_DISK, corral_parse_bytes },
	{ CORRAL_LIMIT_DISK_INODES, count_parse },
	{ CORRAL_LIMIT_FILE_SIZE, corral_parse_bytes },
	{ CORRAL_LIMIT_OPEN_FILES, count_parse },
	{ CORRAL_LIMIT_TIMEOUT, corral_parse_duration },
	{ CORRAL_LIMIT_OUTPUT, corral_parse_bytes },
};

int corral_config_set_limit(struct corral_config *c, enum corral_limit limit, const char *text,
                            struct corral_error *err)
{
	uint64_t value = 0;
	bool asked;
	size_t i = 0;
	int r;

	while (i < CORRAL_COUNT(limit_parsers) && limit_parsers[i].limit != limit)
		i++;
	assert(i < CORRAL_COUNT(limit_parsers));
	r = limit_parsers[i].parse(text, &value, err);
	if (r < 0)
		return as_invalid(r, err);
	/* Zero means "no limit", so a tiny value that rounds to zero would do the opposite of what
	 * it says. */
	if (!value && strpbrk(text, "123456789"))
		return corral_error_set(err, EINVAL, "'%s' is too small to be told from 0", text);
	corral_limit_set(&c->limits, limit, value);
	/* "No swap" is a limit that has to hold; every other 0 is the absence of one. */
	asked = value || limit == CORRAL_LIMIT_MEMORY_SWAP;
	c->limits_asked = asked ? c->limits_asked | limit : c->limits_asked & ~(uint32_t)limit;
	return 0;
}

static void argv_free(char **argv)
{
	for (char **arg = argv; arg && *arg; arg++)
		free(*arg);
	free(argv);
}

int corral_config_set_argv(struct corral_config *c, char *const *argv, size_t n,
                           struct corral_error *err)
{
	char **list;

	if (n > CORRAL_CONFIG_ARGS_MAX)
		return corral_error_set(err, EINVAL, "too many arguments: at most %d",
		                        CORRAL_CONFIG_ARGS_MAX);
	if (n && !*argv[0])
		return corral_error_set(err, EINVAL, "the command's name is empty");
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return no_memory(err);
	for (size_t i = 0; i < n; i++) {
		list[i] = strdup(argv[i]);
		if (!list[i]) {
			argv_free(list);
			return no_memory(err);
		}
	}
	argv_free(c->argv);
	c->argv = list;
	c->n_argv = n;
	return 0;
}
