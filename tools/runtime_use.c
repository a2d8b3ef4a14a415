#include "tools/runtime_use.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"
#include "tools/images/place.h"
#include "tools/images/use.h"
#include "tools/isolation_here.h"
#include "tools/runtimes.h"

#define IN_DOCKER (CORRAL_OPTION_RUN | CORRAL_OPTION_MCP)

/* One that is to be native, or that no container could be, is tried at once: its launch says
 * better what is wrong than a look beforehand, which would cost as much. */
static bool is_native_only(const struct corral_runtime *rt)
{
	const struct corral_isolation_facts all = { .docker = true };

	return rt->isolation == CORRAL_ISOLATION_NATIVE ||
	       (rt->isolation == CORRAL_ISOLATION_AUTO && !corral_isolation_docker(rt, &all, NULL));
}

static int choose(struct corral_options *o, enum corral_option_command command,
                  struct corral_error *err)
{
	struct corral_isolation_choice choice = { .isolation = CORRAL_ISOLATION_NATIVE };
	char none[80] = "";
	int r;

	if (is_native_only(o->runtime))
		return 0;
	if (!(command & IN_DOCKER))
		(void)snprintf(none, sizeof(none), "corral %s knows none",
		               corral_option_command_name(command));
	r = corral_isolation_here_choose(o->runtime, *none ? none : NULL, &choice, err);
	o->in_docker = r == 0 && choice.isolation == CORRAL_ISOLATION_DOCKER;
	return r;
}

static int container_config(const struct corral_runtime *rt, struct corral_config **ret,
                            struct corral_error *err)
{
	struct corral_config *c = corral_config_new();
	int r = c ? corral_runtime_sandbox(rt, c, err)
	          : corral_error_set(err, ENOMEM, "runtime '%.60s': out of memory", rt->name);

	if (r < 0) {
		corral_config_free(c);
		return r;
	}
	/* It says nothing of a container that is made anew. */
	c->allow_weaker = false;
	*ret = c;
	return 0;
}

/* What else was said, as far as it decides how it is contained. */
static int wishes_add(const struct corral_options *o, struct corral_runtime *rt,
                      struct corral_error *err)
{
	const char *rootfs = o->rootfs ? o->rootfs : o->image ? NULL : o->config->rootfs;
	const char *image = o->image ? o->image : o->rootfs ? NULL : o->config->image;

	rt->sandbox->allow_weaker |= o->allow_weaker || o->config->allow_weaker;
	if (o->docker_runtime)
		return 0;
	if (image) {
		free(rt->rootfs);
		free(rt->base_image);
		rt->rootfs = rt->base_image = NULL;
		return corral_config_set_text(&rt->image, image, err);
	}
	return rootfs ? corral_config_set_text(&rt->rootfs, rootfs, err) : 0;
}

/* Whoever only asks what would be done gets no image for it. */
static bool makes_images(const struct corral_options *o, enum corral_option_command command)
{
	return command != CORRAL_OPTION_PLAN && (!o->pull || strcmp(o->pull, "never") != 0) &&
	       corral_images_can_make();
}

/* The image that somebody named is fetched before it is asked whether it is there, and a runtime's
 * own is built or fetched the first time; else it is said what brings it here. */
static int image_find(struct corral_options *o, enum corral_option_command command,
                      const char *name, struct corral_error *err)
{
	const char *said = o->image ? o->image : o->config->image;
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = corral_images_look(&s, err);

	o->image_is_settled = true;
	if (r == 0 && said && !s)
		r = corral_images_open(&s, err);
	if (r == 0 && said)
		return corral_images_fetch(s, said, o->pull, err);
	if (r == 0)
		r = corral_image_of_runtime(s, o->runtime, &i, err);
	if (r == -ENOENT && makes_images(o, command))
		return corral_images_prewarm(name, err);
	if (r < 0)
		return corral_error_wrap(err, r, "runtime '%.60s'", o->runtime->name);
	return 0;
}

/* Where neither native nor Docker can be had, and the image is what is missing, it is made. */
static int choose_or_make(struct corral_options *o, enum corral_option_command command,
                          const char *name, struct corral_error *err)
{
	struct corral_error why = { 0 };
	int r = choose(o, command, &why);

	if (r < 0 && !o->image_is_settled && o->runtime->isolation == CORRAL_ISOLATION_AUTO &&
	    makes_images(o, command)) {
		r = image_find(o, command, name, err);
		return r < 0 ? r : choose(o, command, err);
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

int corral_runtime_use(struct corral_options *o, enum corral_option_command command,
                       const char *name, struct corral_config **ret, struct corral_error *err)
{
	int r = corral_runtimes_find(name, &o->runtime, err);

	if (r == 0)
		r = wishes_add(o, o->runtime, err);
	if (r == 0 && !o->docker_runtime && (o->image || o->config->image))
		r = image_find(o, command, name, err);
	if (r == 0 && !o->docker_runtime)
		r = choose_or_make(o, command, name, err);
	if (r == 0 && !o->docker_runtime && !o->in_docker && !o->image_is_settled)
		r = image_find(o, command, name, err);
	if (r < 0)
		return r;
	return o->docker_runtime || o->in_docker ? container_config(o->runtime, ret, err)
	                                         : corral_runtime_config(o->runtime, ret, err);
}

/* Its image is what is missing, and can be made. */
static bool lacks_image(const struct corral_runtime *rt)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	return corral_images_can_make() && corral_images_look(&s, NULL) == 0 &&
	       corral_image_of_runtime(s, rt, &i, NULL) == -ENOENT;
}

int corral_runtime_contain(const struct corral_runtime *rt, const char *word, const char *pull,
                           struct corral_isolation_choice *ret, struct corral_error *err)
{
	bool never = pull && !strcmp(pull, "never");
	struct corral_error why = { 0 };
	int r;

	if (pull && !never && strcmp(pull, "missing") != 0)
		return corral_error_set(err, EINVAL, "--pull: '%.64s' is not one of missing, never",
		                        pull);
	r = corral_isolation_here_choose(rt, NULL, ret, &why);
	if (r < 0 && !never && rt->isolation != CORRAL_ISOLATION_DOCKER && lacks_image(rt)) {
		r = corral_images_prewarm(word, err);
		return r < 0 ? r : corral_isolation_here_choose(rt, NULL, ret, err);
	}
	if (r < 0 && err)
		*err = why;
	return r;
}
