#include "policy/environment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/policy.h"

#define DEFAULTS_MAX 8

static char *const usual[] = {
	(char *)"UV_SYSTEM_PYTHON=1", /* the first: it can be left out */
	/* git refuses mounts that somebody else owns, and commits without an identity. */
	(char *)"GIT_CONFIG_COUNT=5",
	(char *)"GIT_CONFIG_KEY_0=safe.directory",
	(char *)"GIT_CONFIG_VALUE_0=*",
	(char *)"GIT_CONFIG_KEY_1=user.name",
	(char *)"GIT_CONFIG_VALUE_1=Agent",
	(char *)"GIT_CONFIG_KEY_2=user.email",
	(char *)"GIT_CONFIG_VALUE_2=agent@sandbox.local",
	(char *)"GIT_CONFIG_KEY_3=init.defaultBranch",
	(char *)"GIT_CONFIG_VALUE_3=main",
	(char *)"GIT_CONFIG_KEY_4=advice.detachedHead",
	(char *)"GIT_CONFIG_VALUE_4=false",
	(char *)"GIT_TERMINAL_PROMPT=0",
	/* What was printed before a timeout is seen. */
	(char *)"PYTHONUNBUFFERED=1",
	(char *)"PIP_DISABLE_PIP_VERSION_CHECK=1",
	(char *)"PIP_NO_INPUT=1",
	(char *)"PIP_ROOT_USER_ACTION=ignore",
	/* Without these uv takes more memory than small sandboxes have. */
	(char *)"UV_CONCURRENT_DOWNLOADS=2",
	(char *)"UV_CONCURRENT_INSTALLS=2",
	(char *)"UV_COMPILE_BYTECODE=1",
	(char *)"DEBIAN_FRONTEND=noninteractive",
	(char *)"NO_COLOR=1",
	(char *)"PAGER=cat",
	(char *)"GIT_PAGER=cat",
	(char *)"LANG=C.UTF-8",
	NULL,
};

char *const *corral_environment_usual(bool own_account)
{
	return usual + own_account;
}

/* Takes assignment. Replaces a variable of the same name in its place, else appends; the list has
 * room. */
static void put(struct corral_policy *p, char *assignment)
{
	size_t name_len = strcspn(assignment, "=") + 1;

	for (size_t i = 0; i < p->n_env; i++) {
		if (strncmp(p->env[i], assignment, name_len) != 0)
			continue;
		free(p->env[i]);
		p->env[i] = assignment;
		return;
	}
	p->env[p->n_env++] = assignment;
}

__attribute__((format(printf, 3, 4))) static int putf(struct corral_policy *p,
                                                      struct corral_error *err, const char *fmt,
                                                      ...)
{
	char *assignment = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&assignment, fmt, ap);
	va_end(ap);
	if (n < 0)
		return corral_error_sys(err, ENOMEM, "env");
	put(p, assignment);
	return 0;
}

static int defaults(struct corral_policy *p, struct corral_error *err)
{
	int r;

	r = putf(p, err, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (r == 0)
		r = putf(p, err, "HOME=%s", p->guest_uid == 0 ? "/root" : p->work_dir);
	if (r == 0)
		r = putf(p, err, "USER=%s", p->guest_uid == 0 ? "root" : "user");
	/* Programs that find no locale fall back to ASCII, and then stumble over file names. */
	if (r == 0)
		r = putf(p, err, "LANG=C.UTF-8");
	if (r == 0)
		r = putf(p, err, "HOSTNAME=%s", p->hostname);
	return r;
}

int corral_environment_compose(const struct corral_config *c, struct corral_policy *p,
                               struct corral_error *err)
{
	int r = 0;

	p->env = calloc(c->n_env + DEFAULTS_MAX + 1, sizeof(*p->env));
	if (!p->env)
		return corral_error_sys(err, ENOMEM, "env");
	if (!c->clear_env)
		r = defaults(p, err);
	for (size_t i = 0; i < c->n_env && r == 0; i++) {
		if (c->env[i][0] == '=' || !strchr(c->env[i], '='))
			return corral_error_set(err, EINVAL, "env[%zu]: not NAME=VALUE", i);
		r = putf(p, err, "%s", c->env[i]);
	}
	return r;
}
