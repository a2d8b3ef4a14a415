#include "policy/isolation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EVERY "this host contains it with every fence"
#define FEWER "this host contains it with fewer fences, which allow_weaker accepts"

/* Both reasons together, so much; and of the second at least so much. */
#define WHYS_MAX   370u
#define DOCKER_MIN 70u

/* How many bytes of it: whole words, as half of a command is no advice. */
static int why_len(const char *why, size_t max)
{
	size_t len = strlen(why), end = max;

	if (len <= max)
		return (int)len;
	while (end && why[end] != ' ')
		end--;
	return (int)(end ? end : max);
}

static const char *said(const char *why, const char *otherwise)
{
	return why ? why : otherwise;
}

bool corral_isolation_native(const struct corral_runtime *rt,
                             const struct corral_isolation_facts *facts, bool *ret_weaker,
                             const char **ret_why)
{
	const char *why = NULL;

	*ret_weaker = !facts->native && facts->native_weaker && rt->sandbox->allow_weaker;
	/* What a runtime needs comes before what the host lacks: it is the nearer to mend. */
	if (!facts->rootfs)
		why = said(facts->rootfs_why, "its root filesystem cannot be had natively");
	else if (!facts->native && !*ret_weaker)
		why = said(facts->native_why, "this host cannot contain it");
	else if (!facts->limits)
		why = said(facts->limits_why, "this host cannot enforce its limits");
	if (why && ret_why)
		*ret_why = why;
	return !why;
}

bool corral_isolation_docker(const struct corral_runtime *rt,
                             const struct corral_isolation_facts *facts, const char **ret_why)
{
	const char *why = NULL;

	if (rt->rootfs && !rt->image && !rt->base_image)
		why = "its root filesystem is of this host, and it names no image";
	else if (rt->sandbox->ids != CORRAL_IDS_AUTO)
		why = "it says how ids map, which is the engine's to say";
	else if (rt->sandbox->limits_asked & CORRAL_LIMIT_DISK_INODES)
		why = "containers have no limit on the number of files, and it asks for one";
	else if (!facts->docker)
		why = said(facts->docker_why, "no container engine answers");
	if (why && ret_why)
		*ret_why = why;
	return !why;
}

static int as_told(const struct corral_runtime *rt, bool can, const char *yes, const char *why,
                   struct corral_isolation_choice *ret, struct corral_error *err)
{
	const char *name = corral_isolation_name(rt->isolation);

	if (!can)
		return corral_error_set(err, EOPNOTSUPP, "runtime '%.60s': its isolation is %s: %s",
		                        rt->name, name, why);
	ret->isolation = rt->isolation;
	(void)snprintf(ret->reason, sizeof(ret->reason), "its isolation is %s, and %s", name, yes);
	return 0;
}

int corral_isolation_choose(const struct corral_runtime *rt,
                            const struct corral_isolation_facts *facts,
                            struct corral_isolation_choice *ret, struct corral_error *err)
{
	struct corral_isolation_choice c = { .isolation = CORRAL_ISOLATION_NATIVE };
	const char *native_why = NULL, *docker_why = NULL;
	bool weaker = false, native, docker;
	int r = 0;

	native = corral_isolation_native(rt, facts, &weaker, &native_why);
	docker = corral_isolation_docker(rt, facts, &docker_why);
	switch (rt->isolation) {
	case CORRAL_ISOLATION_NATIVE:
		r = as_told(rt, native, weaker ? FEWER : EVERY, native_why, &c, err);
		break;
	case CORRAL_ISOLATION_DOCKER:
		r = as_told(rt, docker, "a container engine answers", docker_why, &c, err);
		break;
	case CORRAL_ISOLATION_AUTO:
		if (native) {
			(void)snprintf(c.reason, sizeof(c.reason), "%s", weaker ? FEWER : EVERY);
		} else if (docker) {
			c.isolation = CORRAL_ISOLATION_DOCKER;
			(void)snprintf(c.reason, sizeof(c.reason),
			               "not natively: %s; but a container engine answers",
			               native_why);
		} else {
			/* The first ends with what mends it: the engine's is cut before it. */
			size_t other = strlen(docker_why);
			int len = why_len(native_why,
			                  WHYS_MAX - (other < DOCKER_MIN ? other : DOCKER_MIN));
			int rest = why_len(docker_why, WHYS_MAX - (size_t)len);

			r = corral_error_set(err, EOPNOTSUPP,
			                     "runtime '%.60s': neither natively: %.*s%s; nor by a "
			                     "container engine: %.*s%s",
			                     rt->name, len, native_why,
			                     native_why[len] ? " ..." : "", rest, docker_why,
			                     docker_why[rest] ? " ..." : "");
		}
		break;
	}
	if (r < 0)
		return r;
	c.weaker = c.isolation == CORRAL_ISOLATION_NATIVE && weaker;
	*ret = c;
	return 0;
}
