/*
 * The front doors: a profile's text in, a program out, by way of the cache. Two compilers work on
 * every profile (libseccomp's, and a tree over ranges of our own which installs faster), and the
 * evaluator holds both against the text; what is not true to it is never installed.
 */
#include "policy/seccomp.h"

#include <errno.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"
#include "policy/seccomp_profile.h"

_Static_assert(sizeof(struct sock_filter) == 8, "programs are stored as they are");

/* Changes whenever the same text may give another program. */
#define CACHE_FORMAT "corral " CORRAL_VERSION " seccomp 1 " CORRAL_NATIVE_NAME

static void cache_key(const char *json, size_t len, const struct corral_seccomp_context *context,
                      uint8_t key[32])
{
	char text[128];
	SHA2_CTX ctx;
	int n;

	n = snprintf(text, sizeof(text), "%s caps %llx kernel %u.%u\n", CACHE_FORMAT,
	             (unsigned long long)context->caps, context->kernel_major,
	             context->kernel_minor);
	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)text, (size_t)n);
	SHA256Update(&ctx, (const uint8_t *)json, len);
	SHA256Final(key, &ctx);
}

int corral_seccomp_compile(const struct corral_seccomp_profile *p,
                           struct corral_seccomp_program *ret, struct corral_error *err)
{
	corral_autoprogram struct corral_seccomp_program tree = { 0 }, built = { 0 };
	corral_autorules struct corral_seccomp_rules *rules = NULL;
	struct corral_error tree_err = { 0 }, built_err = { 0 };
	int r, r_tree, r_built;

	r = corral_seccomp_rules_new(p, &rules, err);
	if (r < 0)
		return r;
	r_built = corral_seccomp_build(p, rules, &built, &built_err);
	if (r_built == 0)
		r_built = corral_seccomp_profile_verify(p, built.insns, built.n, &built_err);
	r_tree = corral_seccomp_tree(rules, &tree, &tree_err);
	if (r_tree == 0)
		r_tree = corral_seccomp_profile_verify(p, tree.insns, tree.n, &tree_err);
	if (r_built < 0)
		corral_trace(CORRAL_TRACE_POLICY, "seccomp: libseccomp's program not used: %s",
		             built_err.text);
	if (r_tree < 0)
		corral_trace(CORRAL_TRACE_POLICY, "seccomp: own program not used: %s",
		             tree_err.text);
	if (r_tree < 0 && r_built < 0) {
		if (err)
			*err = tree_err;
		return r_tree;
	}
	corral_trace(CORRAL_TRACE_POLICY, "seccomp: %zu instructions, %zu by libseccomp", tree.n,
	             built.n);
	*ret = r_tree == 0 ? tree : built;
	if (r_tree == 0)
		tree.insns = NULL;
	else
		built.insns = NULL;
	return 0;
}

static int load_or_compile(const char *json, size_t len, uint64_t caps, const char *cache_dir,
                           struct corral_seccomp_program *ret, struct corral_error *err)
{
	const struct corral_seccomp_context context = corral_seccomp_context_here(caps);
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	uint8_t key[32];
	int r;

	cache_key(json, len, &context, key);
	if (cache_dir && corral_seccomp_cache_load(cache_dir, key, ret) == 0)
		return 0;
	r = corral_seccomp_profile_parse(json, len, &context, &p, err);
	if (r < 0)
		return r;
	r = corral_seccomp_compile(p, ret, err);
	if (r < 0)
		return r;
	if (cache_dir) {
		r = corral_seccomp_cache_store(cache_dir, key, ret->insns, ret->n);
		if (r < 0)
			corral_trace(CORRAL_TRACE_POLICY, "seccomp: not cached in %s: %s",
			             cache_dir, strerrordesc_np(-r));
	}
	return 0;
}

int corral_seccomp_load(const char *json, size_t len, const char *name, uint64_t caps,
                        const char *cache_dir, struct corral_seccomp *ret, struct corral_error *err)
{
	struct corral_seccomp_program program = { 0 };
	uint8_t digest[32];
	int r;

	r = load_or_compile(json, len, caps, cache_dir, &program, err);
	if (r < 0)
		return corral_error_wrap(err, r, "%s", name);
	*ret = (struct corral_seccomp) { .insns = program.insns, .n_insns = (uint16_t)program.n };
	corral_seccomp_sha256(json, len, digest);
	corral_seccomp_hex(digest, ret->digest);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

void corral_seccomp_done(struct corral_seccomp *s)
{
	if (!s->builtin)
		free(s->insns);
	*s = (struct corral_seccomp) { 0 };
}

int corral_seccomp_verify(const char *json, size_t len, uint64_t caps,
                          const struct sock_filter *insns, size_t n_insns, struct corral_error *err)
{
	const struct corral_seccomp_context context = corral_seccomp_context_here(caps);
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	int r;

	r = corral_seccomp_profile_parse(json, len, &context, &p, err);
	if (r < 0)
		return r;
	return corral_seccomp_profile_verify(p, insns, n_insns, err);
}
