/*
 * Any bytes as a seccomp profile: refused with a reason, or compiled by our tree into a program
 * that is true to it. What libseccomp made of it is only used when it is true, so it may differ.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/seccomp_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct corral_seccomp_context context = { .caps = 1ull << 21,
		                                               .kernel_major = 6,
		                                               .kernel_minor = 1 };
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	corral_autorules struct corral_seccomp_rules *rules = NULL;
	corral_autoprogram struct corral_seccomp_program tree = { 0 }, built = { 0 };
	struct corral_error err = { 0 };
	int r;

	r = corral_seccomp_profile_parse((const char *)data, size, &context, &p, &err);
	if (r < 0) {
		if (!err.text[0] || err.code != -r)
			abort();
		return 0;
	}
	if (corral_seccomp_rules_new(p, &rules, &err) < 0)
		return 0;
	r = corral_seccomp_tree(rules, &tree, &err);
	if (r < 0 && r != -E2BIG)
		abort();
	if (r == 0 && corral_seccomp_profile_verify(p, tree.insns, tree.n, &err) < 0)
		abort();
	if (corral_seccomp_build(p, rules, &built, NULL) == 0)
		(void)corral_seccomp_profile_verify(p, built.insns, built.n, NULL);
	return 0;
}
