#include "policy/environment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/policy.h"

#define DEFAULTS_MAX 8

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
