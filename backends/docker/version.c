#include "backends/docker/version.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backends/docker/engine.h"

struct version {
	unsigned int major, minor;
};

/* One to four digits. */
static bool parse_number(const char **at, unsigned int *ret)
{
	size_t n = strspn(*at, "0123456789");

	if (n < 1 || n > 4)
		return false;
	*ret = 0;
	for (; n; n--, (*at)++)
		*ret = *ret * 10 + (unsigned int)(**at - '0');
	return true;
}

static bool parse(const char *text, struct version *ret)
{
	if (!text || !parse_number(&text, &ret->major) || *text++ != '.')
		return false;
	return parse_number(&text, &ret->minor) && !*text;
}

static bool is_less(struct version a, struct version b)
{
	return a.major < b.major || (a.major == b.major && a.minor < b.minor);
}

static int check_pinned(const char *pinned, struct version low, struct version high,
                        struct version *ret, struct corral_error *err)
{
	if (!parse(pinned, ret))
		return corral_error_set(err, EINVAL,
		                        "DOCKER_API_VERSION '%.20s' is no version: it looks like "
		                        "%s",
		                        pinned, CORRAL_DOCKER_API_MAX);
	if (is_less(*ret, low) || is_less(high, *ret))
		return corral_error_set(err, EINVAL,
		                        "DOCKER_API_VERSION %u.%u: corral speaks %s to %s",
		                        ret->major, ret->minor, CORRAL_DOCKER_API_MIN,
		                        CORRAL_DOCKER_API_MAX);
	return 0;
}

int docker_version_agree(const struct docker_versions *v, char ret[16], struct corral_error *err)
{
	struct version ours_min = { 0 }, ours_max = { 0 }, min = { 0 }, max, use;
	int r;

	(void)parse(CORRAL_DOCKER_API_MIN, &ours_min);
	(void)parse(CORRAL_DOCKER_API_MAX, &ours_max);
	use = ours_max;
	if (!parse(v->server_max, &max) || (v->server_min && !parse(v->server_min, &min)))
		return corral_error_set(err, EPROTO, "says no version of its API");
	r = v->pinned ? check_pinned(v->pinned, ours_min, ours_max, &use, err) : 0;
	if (r < 0)
		return r;
	if (is_less(max, ours_min))
		return corral_error_set(err, EPROTONOSUPPORT,
		                        "its API is %u.%u and corral needs %s or newer: update "
		                        "the engine",
		                        max.major, max.minor, CORRAL_DOCKER_API_MIN);
	if (is_less(ours_max, min))
		return corral_error_set(err, EPROTONOSUPPORT,
		                        "it speaks no API below %u.%u and corral none above %s: "
		                        "update corral",
		                        min.major, min.minor, CORRAL_DOCKER_API_MAX);
	if (v->pinned && (is_less(use, min) || is_less(max, use)))
		return corral_error_set(err, EPROTONOSUPPORT,
		                        "it speaks API %u.%u to %u.%u, not DOCKER_API_VERSION "
		                        "%u.%u",
		                        min.major, min.minor, max.major, max.minor, use.major,
		                        use.minor);
	if (is_less(max, use))
		use = max;
	(void)snprintf(ret, 16, "%u.%u", use.major, use.minor);
	return 0;
}
