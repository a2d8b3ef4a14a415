/* What the tests of seccomp profiles share. Include after <cmocka.h>. */
#ifndef CORRAL_TESTS_UNIT_POLICY_SECCOMP_SUPPORT_H
#define CORRAL_TESTS_UNIT_POLICY_SECCOMP_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kernel/base/bpf.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/seccomp_profile.h"
#include "tests/support.h"

#define ALLOW         SECCOMP_RET_ALLOW
#define KILL          SECCOMP_RET_KILL_PROCESS
#define ERRNO(number) (SECCOMP_RET_ERRNO | (uint32_t)(number))

/* Asks the program about a native call by name. */
static inline uint32_t ask(const struct corral_seccomp *s, const char *call, uint64_t a0,
                           uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct seccomp_data data = { .arch = CORRAL_NATIVE_ARCH, .args = { a0, a1, a2, a3 } };
	int nr = corral_syscall_number(call);

	if (nr < 0)
		fail_msg("no call '%s' here", call);
	data.nr = nr;
	return corral_bpf_eval(s->insns, s->n_insns, &data);
}

static inline struct corral_buf read_file(const char *path)
{
	struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || corral_buf_read_fd(&text, fd, CORRAL_SECCOMP_JSON_MAX) < 0)
		fail_msg("%s: %s", path, strerrordesc_np(errno));
	return text;
}

/*
 * Each compiler alone: loading takes whichever result is true to the profile, so that a mistake of
 * one would be hidden by the other.
 */
static inline void check_both_compilers(const char *json, size_t len, size_t *ret_tree,
                                        size_t *ret_built)
{
	const struct corral_seccomp_context context = { 0 };
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	corral_autorules struct corral_seccomp_rules *rules = NULL;
	corral_autoprogram struct corral_seccomp_program tree = { 0 }, built = { 0 };
	struct corral_error err = { 0 };
	int r;

	r = corral_seccomp_profile_parse(json, len, &context, &p, &err);
	r = r ? r : corral_seccomp_rules_new(p, &rules, &err);
	r = r ? r : corral_seccomp_tree(rules, &tree, &err);
	r = r ? r : corral_seccomp_profile_verify(p, tree.insns, tree.n, &err);
	r = r ? r : corral_seccomp_build(p, rules, &built, &err);
	r = r ? r : corral_seccomp_profile_verify(p, built.insns, built.n, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	*ret_tree = tree.n;
	*ret_built = built.n;
}

#endif
