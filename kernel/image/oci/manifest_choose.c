/*
 * Which of an index's images is for a platform. Variants are levels where newer processors run what
 * was made for older ones: an entry fits up to the level asked for, and the highest is the best.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/oci/manifest.h"

#define WORD_SIZE 33

struct platform {
	char os[WORD_SIZE], arch[WORD_SIZE], variant[WORD_SIZE];
};

/* Words of others for what images call by one. */
static const struct {
	const char *name, *arch, *variant;
} aliases[] = {
	{ "x86_64", "amd64", "" },   { "x86-64", "amd64", "" },
	{ "aarch64", "arm64", "" },  { "armv8l", "arm", "v7" },
	{ "armv7l", "arm", "v7" },   { "armhf", "arm", "v7" },
	{ "armv6l", "arm", "v6" },   { "armel", "arm", "v6" },
	{ "armv5tel", "arm", "v5" }, { "i386", "386", "" },
	{ "i486", "386", "" },       { "i586", "386", "" },
	{ "i686", "386", "" },       { "loongarch64", "loong64", "" },
};

/* The level of an entry that says none. */
static const struct {
	const char *arch;
	unsigned int level;
} levels[] = { { "amd64", 10 }, { "arm", 70 }, { "arm64", 80 } };

static void word_copy(char to[WORD_SIZE], const char *text, size_t len)
{
	memcpy(to, text, len);
	to[len] = '\0';
}

static int platform_parse(const char *text, struct platform *p, struct corral_error *err)
{
	struct platform got = { 0 };
	int n = sscanf(text, "%32[^/]/%32[^/]/%32[^/]", got.os, got.arch, got.variant);
	size_t len = strlen(got.os) + strlen(got.arch) + strlen(got.variant);

	if (n < 1 || len + (size_t)n - 1 != strlen(text))
		return corral_error_set(err, EINVAL,
		                        "'%.100s' is no platform: write 'linux/arm64' or "
		                        "'linux/arm/v7'",
		                        text);
	if (n == 1) {
		word_copy(got.arch, got.os, strlen(got.os));
		word_copy(got.os, "linux", 5);
	}
	*p = got;
	return 0;
}

static void platform_here(struct platform *p)
{
	struct utsname u;

	memset(p, 0, sizeof(*p));
	word_copy(p->os, "linux", 5);
	if (uname(&u) == 0)
		word_copy(p->arch, u.machine, strnlen(u.machine, WORD_SIZE - 1));
}

static void platform_normalize(struct platform *p)
{
	for (size_t i = 0; i < CORRAL_COUNT(aliases); i++)
		if (strcmp(p->arch, aliases[i].name) == 0) {
			word_copy(p->arch, aliases[i].arch, strlen(aliases[i].arch));
			if (!p->variant[0])
				word_copy(p->variant, aliases[i].variant,
				          strlen(aliases[i].variant));
			return;
		}
}

/* "v8" is 80, "v8.1" 81; 0 for what is no level. */
static unsigned int level_of(const char *arch, const char *variant)
{
	for (size_t i = 0; i < CORRAL_COUNT(levels); i++) {
		char major, minor = '0';
		int end = 0;

		if (strcmp(arch, levels[i].arch) != 0)
			continue;
		if (!variant[0])
			return levels[i].level;
		if (sscanf(variant, "v%c%n", &major, &end) < 1 ||
		    (variant[end] &&
		     (sscanf(variant + end, ".%c", &minor) < 1 || variant[end + 2])))
			return 0;
		if (major < '1' || major > '9' || minor < '0' || minor > '9')
			return 0;
		return (unsigned int)(major - '0') * 10 + (unsigned int)(minor - '0');
	}
	return 0;
}

/* 0: not at all; more is better. */
static unsigned int fit(const struct corral_descriptor *d, const struct platform *wanted)
{
	struct platform p = { 0 };
	unsigned int level, have;

	word_copy(p.os, d->os, strnlen(d->os, WORD_SIZE - 1));
	word_copy(p.arch, d->arch, strnlen(d->arch, WORD_SIZE - 1));
	word_copy(p.variant, d->variant, strnlen(d->variant, WORD_SIZE - 1));
	platform_normalize(&p);
	if (!p.os[0] && !p.arch[0])
		return 1; /* it does not say */
	if (strcmp(p.os, wanted->os) != 0 || strcmp(p.arch, wanted->arch) != 0)
		return 0;
	if (strcmp(p.variant, wanted->variant) == 0)
		return 1000;
	level = level_of(wanted->arch, wanted->variant);
	have = level_of(p.arch, p.variant);
	if (level && have)
		return have <= level ? 100 + have : 0;
	return p.variant[0] && wanted->variant[0] ? 0 : 2;
}

static bool can_be_an_image(const struct corral_descriptor *d)
{
	/* Attestations are among the entries, for a platform that nobody has. */
	return strcmp(d->arch, "unknown") != 0 && strcmp(d->os, "unknown") != 0;
}

static void known_say(const struct corral_manifest *m, struct corral_buf *out)
{
	for (size_t i = 0; i < m->n_entries && out->len < 300; i++) {
		const struct corral_descriptor *d = &m->entries[i];

		if (!can_be_an_image(d) || !d->arch[0])
			continue;
		corral_buf_fmt(out, "%s%s/%s%s%s", out->len ? ", " : "", d->os, d->arch,
		               d->variant[0] ? "/" : "", d->variant);
	}
}

int corral_manifest_choose(const struct corral_manifest *m, const char *platform,
                           const struct corral_descriptor **ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf known = CORRAL_BUF_INIT;
	const struct corral_descriptor *best = NULL;
	struct platform wanted;
	unsigned int best_fit = 0;
	int r;

	if (platform) {
		r = platform_parse(platform, &wanted, err);
		if (r < 0)
			return r;
	} else {
		platform_here(&wanted);
	}
	platform_normalize(&wanted);
	for (size_t i = 0; i < m->n_entries; i++) {
		unsigned int f = can_be_an_image(&m->entries[i]) ? fit(&m->entries[i], &wanted) : 0;

		if (f > best_fit) {
			best = &m->entries[i];
			best_fit = f;
		}
	}
	if (best) {
		*ret = best;
		return 0;
	}
	known_say(m, &known);
	return corral_error_set(err, ENOENT, "no image for %s/%s%s%s: there is %s", wanted.os,
	                        wanted.arch, wanted.variant[0] ? "/" : "", wanted.variant,
	                        known.len ? known.data : "none for any platform");
}

int corral_manifest_platform_check(const char *platform, const struct corral_image *i,
                                   struct corral_error *err)
{
	struct corral_descriptor is = { .media_type = i->os,
		                        .digest = i->os,
		                        .os = i->os,
		                        .arch = i->arch,
		                        .variant = i->variant,
		                        .name = i->os };
	const struct corral_manifest alone = { .is_index = true, .entries = &is, .n_entries = 1 };
	const struct corral_descriptor *chosen = NULL;

	return platform ? corral_manifest_choose(&alone, platform, &chosen, err) : 0;
}
