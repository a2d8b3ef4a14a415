/*
 * --config's JSON, and what policy compilation makes of it: whatever the text, an error with a
 * place or a policy whose promises hold. Nothing on the host is read or written, but for a profile
 * that the text names.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/policy.h"
#include "tests/fuzz/fuzz.h"

static void check_guest_path(const char *path)
{
	size_t len = strlen(path);

	assert(path[0] == '/' && len > 1 && path[len - 1] != '/');
	assert(!strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
	assert(strcmp(path, "/proc") != 0 && strncmp(path, "/proc/", 6) != 0);
	for (size_t i = 0; i < len; i++)
		assert((unsigned char)path[i] >= 0x20);
}

static void check_policy(const struct corral_policy *p)
{
	check_guest_path(p->work_dir);
	for (size_t i = 0; i < p->n_mounts; i++) {
		check_guest_path(p->mounts[i].guest_path);
		assert((p->mounts[i].kind == CORRAL_MOUNT_TMPFS) == !p->mounts[i].host_path);
		assert(!p->mounts[i].host_path || p->mounts[i].host_path[0] == '/');
		for (size_t k = 0; k < i; k++)
			assert(strcmp(p->mounts[i].guest_path, p->mounts[k].guest_path) != 0);
	}
	for (size_t i = 0; i < p->n_env; i++)
		assert(strchr(p->env[i], '=') > p->env[i]);
	assert(!p->env[p->n_env]);
	assert(strlen(p->hostname) < 64);
	assert(p->seccomp.n_insns > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_config *c = corral_config_new();
	struct corral_policy *p = NULL;
	struct corral_error err = { 0 };
	int r;

	if (!c)
		return 0;
	r = corral_config_parse(c, (const char *)data, size, &err);
	if (r == 0) {
		/* A profile is compiled for milliseconds and has a fuzzer of its own. */
		free(c->seccomp);
		c->seccomp = NULL;
		while (c->n_cap_add > 0 && size % 8)
			free(c->cap_add[--c->n_cap_add]);
		r = corral_policy_compile(c, NULL, &p, &err);
	}
	assert((r == 0) == (err.code == 0));
	assert(r == 0 || (err.code == -r && err.text[0]));
	if (r == 0)
		check_policy(p);
	corral_policy_free(p);
	corral_config_free(c);
	return 0;
}
