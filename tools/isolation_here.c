#include "tools/isolation_here.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/docker/docker.h"
#include "tools/docker_exec.h"
#include "tools/docker_ping.h"
#include "tools/images/place.h"
#include "tools/message.h"

static void look_native(struct corral_isolation_here *here, const struct corral_runtime *rt,
                        struct corral_isolation_look *ret)
{
	struct corral_error images = { 0 };

	if (!here->opened) {
		here->opened = true;
		if (corral_launcher_open(0, &here->launcher, &here->trouble) < 0)
			here->launcher = NULL;
		/* One that is not to be had is as good as none, and told. */
		if (corral_images_look(&here->images, &images) < 0)
			corral_say("%s", images.text);
	}
	corral_isolation_look(here->launcher, &here->trouble, here->images, rt, ret);
}

/* The hand-made question has a deadline, and what it finds to be out of order is so. */
static bool ask_docker(char *why, size_t size)
{
	struct corral_error err = { 0 };
	int quick;

	if (!corral_docker_is_installed()) {
		(void)snprintf(why, size, "this corral was built without Docker");
		return false;
	}
	if (!corral_with_docker)
		return true;
	quick = corral_docker_answers(why, size);
	if (quick >= 0)
		return quick > 0;
	if (corral_docker_look(&err) == 0)
		return true;
	(void)snprintf(why, size, "%s", err.text);
	return false;
}

static void look_docker(struct corral_isolation_here *here, struct corral_isolation_look *ret)
{
	if (!here->asked) {
		here->asked = true;
		here->docker = ask_docker(here->docker_why, sizeof(here->docker_why));
	}
	ret->facts.docker = here->docker;
	ret->facts.docker_why = here->docker ? NULL : here->docker_why;
}

void corral_isolation_here_look(struct corral_isolation_here *here, const struct corral_runtime *rt,
                                struct corral_isolation_look *ret)
{
	look_native(here, rt, ret);
	look_docker(here, ret);
}

void corral_isolation_here_done(struct corral_isolation_here *here)
{
	corral_launcher_close(here->launcher);
	here->launcher = NULL;
	corral_image_store_close(here->images);
	here->images = NULL;
}

int corral_isolation_here_choose(const struct corral_runtime *rt, const char *no_docker,
                                 struct corral_isolation_choice *ret, struct corral_error *err)
{
	corral_auto(corral_isolation_here_done) struct corral_isolation_here here = { 0 };
	struct corral_isolation_look look;
	bool weaker;

	memset(&look, 0, sizeof(look));
	if (rt->isolation != CORRAL_ISOLATION_DOCKER)
		look_native(&here, rt, &look);
	if (no_docker)
		look.facts.docker_why = no_docker;
	else if (rt->isolation == CORRAL_ISOLATION_DOCKER ||
	         (rt->isolation == CORRAL_ISOLATION_AUTO &&
	          !corral_isolation_native(rt, &look.facts, &weaker, NULL)))
		look_docker(&here, &look);
	return corral_isolation_choose(rt, &look.facts, ret, err);
}
