#include "kernel/isolation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"

/* Whether a sandbox of that comes to life. */
static int launches(struct corral_launcher *l, const struct corral_config *c,
                    struct corral_error *err)
{
	corral_auto(corral_policy_freep) struct corral_policy *p = NULL;
	struct corral_sandbox *s = NULL;
	int r = corral_policy_compile(c, NULL, &p, err);

	if (r == 0)
		r = corral_sandbox_open(l, p, &s, err);
	corral_sandbox_close(s, NULL);
	return r;
}

/* With the runtime's consent taken for granted, and all else as it is. */
static void look_weaker(struct corral_launcher *l, struct corral_image_store *images,
                        const struct corral_runtime *rt, uint32_t asked,
                        struct corral_isolation_look *ret)
{
	corral_auto(corral_config_freep) struct corral_config *c = NULL;
	struct corral_error err = { 0 };

	if (corral_runtime_config(rt, &c, NULL) < 0 ||
	    (c->image && corral_image_apply(images, c, NULL) < 0) ||
	    corral_rootfs_account_apply(c, NULL) < 0)
		return;
	c->allow_weaker = true;
	c->limits_asked = 0;
	ret->facts.native_weaker = launches(l, c, NULL) == 0;
	c->limits_asked = asked;
	ret->facts.limits = !ret->facts.native_weaker || !asked || launches(l, c, &err) == 0;
	if (!ret->facts.limits)
		(void)snprintf(ret->limits_why, sizeof(ret->limits_why), "%s", err.text);
}

static void look_host(struct corral_launcher *l, struct corral_image_store *images,
                      const struct corral_runtime *rt, struct corral_isolation_look *ret)
{
	corral_auto(corral_config_freep) struct corral_config *c = corral_config_new();
	struct corral_error err = { 0 };

	if (!c) {
		(void)snprintf(ret->native_why, sizeof(ret->native_why), "out of memory");
		return;
	}
	c->network = rt->sandbox->network;
	c->network_pasta = rt->sandbox->network_pasta;
	c->ids = rt->sandbox->ids;
	c->limits = rt->sandbox->limits;
	c->limits_asked = rt->sandbox->limits_asked;
	if (launches(l, c, &err) == 0) {
		ret->facts.native = true;
		return;
	}
	c->limits_asked = 0;
	if (rt->sandbox->limits_asked && launches(l, c, NULL) == 0) {
		ret->facts.native = true;
		ret->facts.limits = false;
		(void)snprintf(ret->limits_why, sizeof(ret->limits_why), "%s", err.text);
		return;
	}
	(void)snprintf(ret->native_why, sizeof(ret->native_why), "%s", err.text);
	look_weaker(l, images, rt, rt->sandbox->limits_asked, ret);
}

/* Whether its root is there to be taken. */
static void look_rootfs(struct corral_image_store *images, const struct corral_runtime *rt,
                        struct corral_isolation_look *ret)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;
	struct corral_error err = { 0 };
	struct stat st;
	int r = corral_image_of_runtime(images, rt, &image, &err);

	if (r == 0 && rt->rootfs && strcmp(rt->rootfs, "host") != 0) {
		if (stat(rt->rootfs, &st) < 0)
			r = corral_error_sys(&err, errno, "rootfs '%.200s'", rt->rootfs);
		else if (!S_ISDIR(st.st_mode))
			r = corral_error_sys(&err, ENOTDIR, "rootfs '%.200s'", rt->rootfs);
	}
	ret->facts.rootfs = r == 0;
	if (r < 0)
		(void)snprintf(ret->rootfs_why, sizeof(ret->rootfs_why), "%s", err.text);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

void corral_isolation_look(struct corral_launcher *launcher, const struct corral_error *trouble,
                           struct corral_image_store *images, const struct corral_runtime *rt,
                           struct corral_isolation_look *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->facts.limits = true;
	look_rootfs(images, rt, ret);
	/* Without its root, whatever the host can do will not be asked. */
	if (ret->facts.rootfs && launcher)
		look_host(launcher, images, rt, ret);
	else if (ret->facts.rootfs)
		(void)snprintf(ret->native_why, sizeof(ret->native_why), "%s",
		               trouble ? trouble->text : "no launcher");
	ret->facts.native_why = or_null(ret->native_why);
	ret->facts.rootfs_why = or_null(ret->rootfs_why);
	ret->facts.limits_why = or_null(ret->limits_why);
}
