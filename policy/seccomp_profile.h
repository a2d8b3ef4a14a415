/*
 * A seccomp profile as rules: what seccomp_parse.c makes of the JSON, and what the two compilers
 * (seccomp_build.c by libseccomp, seccomp_tree.c by ourselves) and the evaluator each read in their
 * own way. Internal to policy/.
 *
 * The meaning of a profile, which all three hold to. For a call of the native architecture:
 * - a number that nobody knows (policy/syscalls.h) answers ENOSYS, unless the default action lets
 *   calls through;
 * - among the entries that name the call and have args, those whose args all match decide, the
 *   most severe action first, then the order of the file;
 * - else the entries that name it without args, by the same order;
 * - else the default action.
 * Every other architecture, and x32, is killed.
 */
#ifndef CORRAL_POLICY_SECCOMP_PROFILE_H
#define CORRAL_POLICY_SECCOMP_PROFILE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/error.h"
#include "policy/seccomp.h"
#include "policy/syscalls.h"

#define CORRAL_SECCOMP_ARGS            6
#define CORRAL_SECCOMP_JSON_MAX        (1u << 20)
#define CORRAL_SECCOMP_ENTRIES_MAX     1024u
#define CORRAL_SECCOMP_NAMES_MAX       1024u
#define CORRAL_SECCOMP_CONDITIONAL_MAX 64u /* entries with args for one call */

enum corral_seccomp_op {
	CORRAL_SECCOMP_NE,
	CORRAL_SECCOMP_LT,
	CORRAL_SECCOMP_LE,
	CORRAL_SECCOMP_EQ,
	CORRAL_SECCOMP_GE,
	CORRAL_SECCOMP_GT,
	CORRAL_SECCOMP_MASKED_EQ, /* (argument & value) == value_two */
};

struct corral_seccomp_arg {
	unsigned int index;
	enum corral_seccomp_op op;
	uint64_t value, value_two;
};

struct corral_seccomp_entry {
	const char **names; /* the array is ours, the text the JSON's */
	int16_t *numbers;   /* beside names; -1: of another architecture */
	size_t n_names;
	uint32_t action; /* SECCOMP_RET_*, with its data */
	struct corral_seccomp_arg args[CORRAL_SECCOMP_ARGS];
	size_t n_args;
};

struct corral_seccomp_profile {
	uint32_t default_action;
	struct corral_seccomp_entry *entries; /* those that apply, in the order of the file */
	size_t n_entries;
	uint64_t caps_asked;  /* every capability that some entry depends on */
	bool asks_for_kernel; /* some entry depends on the kernel's version */
	void *json;           /* holds the names */
};

/* What the entries' conditions are held against. */
struct corral_seccomp_context {
	uint64_t caps;
	unsigned int kernel_major, kernel_minor;
};

/* The running kernel's version, and these capabilities. */
struct corral_seccomp_context corral_seccomp_context_here(uint64_t caps);

int corral_seccomp_profile_parse(const char *json, size_t len,
                                 const struct corral_seccomp_context *context,
                                 struct corral_seccomp_profile **ret, struct corral_error *err);
void corral_seccomp_profile_free(struct corral_seccomp_profile *p);
#define corral_autoprofile corral_auto(corral_seccomp_profile_freep)
static inline void corral_seccomp_profile_freep(struct corral_seccomp_profile **p)
{
	corral_seccomp_profile_free(*p);
	*p = NULL;
}

/* True when a is the more severe of two actions (seccomp(2): the order of precedence). */
static inline bool corral_seccomp_severer(uint32_t a, uint32_t b)
{
	return (int32_t)(a & SECCOMP_RET_ACTION_FULL) < (int32_t)(b & SECCOMP_RET_ACTION_FULL);
}

/* What an unknown number answers. */
static inline uint32_t corral_seccomp_unknown_action(const struct corral_seccomp_profile *p)
{
	uint32_t action = p->default_action & SECCOMP_RET_ACTION_FULL;

	if (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG)
		return p->default_action;
	return SECCOMP_RET_ERRNO | 38u /* ENOSYS */;
}

/* The rules turned round, by number: what both compilers start from. */
struct corral_seccomp_call {
	const struct corral_seccomp_entry **conditional; /* most severe first */
	size_t n_conditional;
	uint32_t otherwise;
	bool listed; /* some entry without args named it */
	bool known;
};

struct corral_seccomp_rules {
	struct corral_seccomp_call calls[CORRAL_SYSCALLS_MAX];
	uint32_t beyond; /* for numbers from CORRAL_SYSCALLS_MAX on */
};

/* Borrows the profile's entries. */
int corral_seccomp_rules_new(const struct corral_seccomp_profile *p,
                             struct corral_seccomp_rules **ret, struct corral_error *err);
void corral_seccomp_rules_free(struct corral_seccomp_rules *r);
#define corral_autorules corral_auto(corral_seccomp_rules_freep)
static inline void corral_seccomp_rules_freep(struct corral_seccomp_rules **r)
{
	corral_seccomp_rules_free(*r);
	*r = NULL;
}

/* A program under construction and after; insns is malloc()ed. */
struct corral_seccomp_program {
	struct sock_filter *insns;
	size_t n;
};
#define corral_autoprogram corral_auto(corral_seccomp_program_done)
static inline void corral_seccomp_program_done(struct corral_seccomp_program *p)
{
	free(p->insns);
	p->insns = NULL;
	p->n = 0;
}

/* The two compilers. -E2BIG: does not fit into CORRAL_SECCOMP_INSNS_MAX instructions. */
int corral_seccomp_build(const struct corral_seccomp_profile *p,
                         const struct corral_seccomp_rules *rules,
                         struct corral_seccomp_program *ret, struct corral_error *err);
int corral_seccomp_tree(const struct corral_seccomp_rules *rules,
                        struct corral_seccomp_program *ret, struct corral_error *err);

/* Both compilers, both results held against the profile; the flatter one that is true. */
int corral_seccomp_compile(const struct corral_seccomp_profile *p,
                           struct corral_seccomp_program *ret, struct corral_error *err);

/* See corral_seccomp_verify(). */
int corral_seccomp_profile_verify(const struct corral_seccomp_profile *p,
                                  const struct sock_filter *insns, size_t n_insns,
                                  struct corral_error *err);

/* The same for whatever answers calls, with what counts as the same answer. */
struct corral_seccomp_subject {
	uint32_t (*answer)(const void *context, const struct seccomp_data *data);
	bool (*same)(uint32_t subject, uint32_t profile);
	const void *context;
};
int corral_seccomp_profile_compare(const struct corral_seccomp_profile *p,
                                   const struct corral_seccomp_subject *subject,
                                   struct corral_error *err);

/* The profile's own answer to one call: an interpretation, with nothing compiled. */
uint32_t corral_seccomp_profile_decide(const struct corral_seccomp_profile *p,
                                       const struct seccomp_data *data);

/* seccomp_cache.c: -ENOENT when there is no entry that may be used. */
int corral_seccomp_cache_load(const char *cache_dir, const uint8_t key[32],
                              struct corral_seccomp_program *ret);
int corral_seccomp_cache_store(const char *cache_dir, const uint8_t key[32],
                               const struct sock_filter *insns, size_t n_insns);

void corral_seccomp_sha256(const void *data, size_t len, uint8_t digest[32]);

/* Lower-case hex of 32 bytes and a NUL. */
void corral_seccomp_hex(const uint8_t digest[32], char text[65]);

#endif
