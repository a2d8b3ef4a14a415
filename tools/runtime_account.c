#include "tools/runtime_account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"
#include "policy/policy.h"

/* Whether its root is here, for its accounts to be read. */
static bool has_root(struct corral_image_store *images, const struct corral_runtime *rt)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	if (rt->rootfs)
		return !strcmp(rt->rootfs, "host") || access(rt->rootfs, F_OK) == 0;
	return corral_image_of_runtime(images, rt, &i, NULL) == 0;
}

/* Of the host's root, whose accounts are known wherever a policy is; all else of the runtime's
 * might be wrong for reasons of its own. */
static int host_find(const char *user, struct corral_runtime_account *ret, struct corral_error *err)
{
	corral_auto(corral_config_freep) struct corral_config *c = corral_config_new();
	corral_auto(corral_policy_freep) struct corral_policy *p = NULL;
	int r = c ? corral_config_set_user(c, user, err)
	          : corral_error_set(err, ENOMEM, "out of memory");

	if (r == 0)
		r = corral_policy_compile(c, NULL, &p, err);
	if (r < 0)
		return r;
	ret->guest_uid = p->guest_uid;
	ret->guest_gid = p->guest_gid;
	return 1;
}

int corral_runtime_account_find(struct corral_image_store *images, const struct corral_runtime *rt,
                                struct corral_runtime_account *ret, struct corral_error *err)
{
	corral_auto(corral_config_freep) struct corral_config *c = NULL;
	int r;

	if (rt->isolation == CORRAL_ISOLATION_DOCKER || !has_root(images, rt))
		return 0;
	r = corral_runtime_config(rt, &c, err);
	if (r < 0 || c->has_user || !c->user)
		return r;
	(void)snprintf(ret->user, sizeof(ret->user), "%s", c->user);
	if (c->image)
		r = corral_image_apply(images, c, err);
	if (r == 0)
		r = corral_rootfs_account_apply(c, err);
	if (r < 0)
		return r;
	if (!c->user_is_found)
		return host_find(ret->user, ret, err);
	ret->guest_uid = c->guest_uid;
	ret->guest_gid = c->guest_gid;
	return 1;
}
