#include "tools/compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"
#include "tools/images/use.h"

int corral_options_add_term(const struct corral_options *o, struct corral_error *err)
{
	corral_autofree char *assignment = NULL;
	struct corral_config *c = o->config;
	const char *term = getenv("TERM");

	for (size_t i = 0; i < c->n_env; i++)
		if (!strncmp(c->env[i], "TERM=", 5))
			return 0;
	if (asprintf(&assignment, "TERM=%s", term && *term ? term : "xterm") < 0) {
		assignment = NULL;
		return corral_error_sys(err, ENOMEM, "TERM");
	}
	return corral_config_add_env(c, assignment, err);
}

/* Root's is not below $HOME, which sudo may have left pointing to somebody else's. */
char *corral_cache_dir(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *dir = NULL;
	int n;

	if (geteuid() == 0)
		n = asprintf(&dir, "/var/cache/corral");
	else if (base && base[0] == '/')
		n = asprintf(&dir, "%s/corral", base);
	else if (home && home[0] == '/')
		n = asprintf(&dir, "%s/.cache/corral", home);
	else
		return NULL;
	if (n < 0)
		return NULL;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		free(dir);
		return NULL;
	}
	return dir;
}

int corral_config_compile(const struct corral_config *c, struct corral_policy **ret,
                          struct corral_error *err)
{
	corral_autofree char *cache_dir = NULL;

	/* The built-in profile needs none: it was compiled with corral. */
	if (c->seccomp || c->n_cap_add)
		cache_dir = corral_cache_dir();
	return corral_policy_compile(c, cache_dir, ret, err);
}

int corral_options_compile(struct corral_options *o, struct corral_policy **ret,
                           struct corral_error *err)
{
	struct corral_config *c = o->config;
	int r = corral_images_use(o, err);

	if (r == 0)
		r = corral_rootfs_account_apply(c, err);
	if (r < 0)
		return r;
	if (c->tty && !c->clear_env) {
		r = corral_options_add_term(o, err);
		if (r < 0)
			return r;
	}
	r = corral_config_compile(c, ret, err);
	if (r == -ENOENT && c->seccomp && !strcmp(c->seccomp, "engine"))
		return corral_error_set(err, EINVAL,
		                        "--seccomp engine: an engine's own profile is for "
		                        "containers, with --docker");
	return r;
}
