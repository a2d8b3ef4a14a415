/*
 * The JSON of a seccomp profile into rules: OCI's form (architectures, args, errnoRet) and moby's
 * (archMap, includes, excludes, comment). Everything is checked, also in entries that do not apply
 * here, and a key that we do not know is an error: it might have been a restriction.
 */
#include "policy/seccomp_profile.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "kernel/base/cleanup.h"
#include "policy/caps.h"

#define ERRNO_MAX 4095 /* MAX_ERRNO of the kernel: larger is cut there, so we refuse it */

/* Where in the text we are: "syscalls[3].names[7]". */
struct place {
	char text[96];
};

static struct place place(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static struct place place(const char *fmt, ...)
{
	struct place p;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p.text, sizeof(p.text), fmt, ap);
	va_end(ap);
	return p;
}

static int check_keys(const json_t *object, const char *at, const char *const *known,
                      struct corral_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return corral_error_set(err, EINVAL, "%s%sunknown key '%s'", at,
			                        *at ? ": " : "", key);
	}
	return 0;
}

/* The member, or NULL when it is absent or null (moby writes "args": null). */
static json_t *member(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

static int get_text(const json_t *value, const char *at, const char **ret, struct corral_error *err)
{
	if (!json_is_string(value))
		return corral_error_set(err, EINVAL, "%s: %s", at, value ? "not text" : "missing");
	*ret = json_string_value(value);
	return 0;
}

static int get_number(const json_t *value, uint64_t max, const char *at, uint64_t *ret,
                      struct corral_error *err)
{
	json_int_t n;

	if (!json_is_integer(value))
		return corral_error_set(err, EINVAL, "%s: not a whole number", at);
	n = json_integer_value(value);
	if (n < 0 || (uint64_t)n > max)
		return corral_error_set(err, EINVAL, "%s: %lld is out of range (0 to %llu)", at,
		                        (long long)n, (unsigned long long)max);
	*ret = (uint64_t)n;
	return 0;
}

/* ---- actions ---- */

static const struct {
	const char *name;
	uint32_t action;
	bool takes_errno;
} actions[] = {
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
};

static int errno_by_name(const char *name)
{
	for (int e = 1; e < 256; e++) {
		const char *known = strerrorname_np(e);

		if (known && strcmp(known, name) == 0)
			return e;
	}
	return -1;
}

/* keys: of the action, its number and its number's name: three, for the default or for an entry. */
static int parse_action(const json_t *object, const char *const keys[3], const char *prefix,
                        uint32_t *ret, struct corral_error *err)
{
	struct place at = place("%s%s", prefix, keys[0]);
	json_t *number = member(object, keys[1]), *word = member(object, keys[2]);
	uint64_t code = EPERM;
	const char *name;
	size_t i = 0;
	int r;

	r = get_text(member(object, keys[0]), at.text, &name, err);
	if (r < 0)
		return r;
	while (i < CORRAL_COUNT(actions) && strcmp(actions[i].name, name) != 0)
		i++;
	if (i == CORRAL_COUNT(actions))
		return corral_error_set(err, EINVAL,
		                        strcmp(name, "SCMP_ACT_NOTIFY") == 0
		                                ? "%s: '%s' needs a listener, which corral has not"
		                                : "%s: unknown action '%s'",
		                        at.text, name);
	if (!actions[i].takes_errno && (number || word))
		return corral_error_set(err, EINVAL, "%s%s: action %s has no number", prefix,
		                        number ? keys[1] : keys[2], name);
	if (number) {
		at = place("%s%s", prefix, keys[1]);
		r = get_number(number, ERRNO_MAX, at.text, &code, err);
		if (r < 0)
			return r;
	}
	if (word) {
		int known;

		at = place("%s%s", prefix, keys[2]);
		r = get_text(word, at.text, &name, err);
		if (r < 0)
			return r;
		known = errno_by_name(name);
		if (known < 0)
			return corral_error_set(err, EINVAL, "%s: no error '%s'", at.text, name);
		if (number && code != (uint64_t)known)
			return corral_error_set(err, EINVAL, "%s: %s is %d and not %u", at.text,
			                        name, known, (unsigned int)code);
		code = (uint64_t)known;
	}
	*ret = actions[i].action | (actions[i].takes_errno ? (uint32_t)code : 0);
	return 0;
}

/* ---- conditions ---- */

struct condition {
	bool caps_any, caps_all; /* some / all of the capabilities listed are kept */
	bool has_caps, has_arches, arch_listed, has_kernel, kernel_reached;
};

static int parse_kernel(const json_t *value, const char *at,
                        const struct corral_seccomp_context *context, bool *ret_reached,
                        struct corral_error *err)
{
	unsigned int major, minor;
	const char *text;
	int r, used = 0;

	r = get_text(value, at, &text, err);
	if (r < 0)
		return r;
	if (strspn(text, "0123456789.") != strlen(text) ||
	    sscanf(text, "%4u.%4u%n", &major, &minor, &used) != 2 || text[used])
		return corral_error_set(err, EINVAL, "%s: '%s' is not a version such as 4.8", at,
		                        text);
	*ret_reached = context->kernel_major > major ||
	               (context->kernel_major == major && context->kernel_minor >= minor);
	return 0;
}

static int parse_condition_caps(const json_t *list, const char *at,
                                const struct corral_seccomp_context *context,
                                struct corral_seccomp_profile *p, struct condition *c,
                                struct corral_error *err)
{
	uint64_t set = 0, one;
	const char *name;
	int r;

	if (!json_is_array(list))
		return corral_error_set(err, EINVAL, "%s: not an array", at);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct place here = place("%s[%zu]", at, i);

		r = get_text(json_array_get(list, i), here.text, &name, err);
		if (r < 0)
			return r;
		r = corral_caps_parse(name, &one, err);
		if (r < 0)
			return corral_error_wrap(err, r, "%s", here.text);
		set |= one;
	}
	p->caps_asked |= set;
	c->has_caps = set != 0;
	c->caps_any = (context->caps & set) != 0;
	c->caps_all = (context->caps & set) == set;
	return 0;
}

static int parse_condition(const json_t *object, const char *at,
                           const struct corral_seccomp_context *context,
                           struct corral_seccomp_profile *p, struct condition *c,
                           struct corral_error *err)
{
	static const char *const known[] = { "caps", "arches", "minKernel", NULL };
	json_t *caps, *arches, *kernel;
	const char *name;
	int r;

	*c = (struct condition) { 0 };
	if (!object)
		return 0;
	if (!json_is_object(object))
		return corral_error_set(err, EINVAL, "%s: not an object", at);
	r = check_keys(object, at, known, err);
	if (r < 0)
		return r;
	caps = member(object, "caps");
	arches = member(object, "arches");
	kernel = member(object, "minKernel");
	if (caps) {
		r = parse_condition_caps(caps, place("%s.caps", at).text, context, p, c, err);
		if (r < 0)
			return r;
	}
	if (arches && !json_is_array(arches))
		return corral_error_set(err, EINVAL, "%s.arches: not an array", at);
	for (size_t i = 0; i < json_array_size(arches); i++) {
		r = get_text(json_array_get(arches, i), place("%s.arches[%zu]", at, i).text, &name,
		             err);
		if (r < 0)
			return r;
		c->has_arches = true;
		if (strcmp(name, CORRAL_NATIVE_GO_NAME) == 0)
			c->arch_listed = true;
	}
	if (kernel) {
		c->has_kernel = p->asks_for_kernel = true;
		r = parse_kernel(kernel, place("%s.minKernel", at).text, context,
		                 &c->kernel_reached, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int entry_applies(const json_t *object, size_t n,
                         const struct corral_seccomp_context *context,
                         struct corral_seccomp_profile *p, bool *ret, struct corral_error *err)
{
	struct condition in, out;
	int r;

	r = parse_condition(member(object, "includes"), place("syscalls[%zu].includes", n).text,
	                    context, p, &in, err);
	if (r < 0)
		return r;
	r = parse_condition(member(object, "excludes"), place("syscalls[%zu].excludes", n).text,
	                    context, p, &out, err);
	if (r < 0)
		return r;
	/* Each condition of "excludes" is enough to drop the entry, each of "includes" must hold.
	 */
	*ret = !(out.has_caps && out.caps_any) && !(out.has_arches && out.arch_listed) &&
	       !(out.has_kernel && out.kernel_reached) && !(in.has_caps && !in.caps_all) &&
	       !(in.has_arches && !in.arch_listed) && !(in.has_kernel && !in.kernel_reached);
	return 0;
}

/* ---- entries ---- */

static int parse_names(const json_t *object, size_t n, struct corral_seccomp_entry *entry,
                       struct corral_error *err)
{
	json_t *names = member(object, "names"), *single = member(object, "name");
	size_t count = single ? 1 : json_array_size(names);
	int r;

	if (!names == !single)
		return corral_error_set(err, EINVAL, "syscalls[%zu].names: %s", n,
		                        names ? "beside 'name'" : "missing");
	if (names && !json_is_array(names))
		return corral_error_set(err, EINVAL, "syscalls[%zu].names: not an array", n);
	if (count > CORRAL_SECCOMP_NAMES_MAX)
		return corral_error_set(err, EINVAL, "syscalls[%zu].names: more than %u", n,
		                        CORRAL_SECCOMP_NAMES_MAX);
	entry->names = calloc(count + 1, sizeof(*entry->names));
	entry->numbers = calloc(count + 1, sizeof(*entry->numbers));
	if (!entry->names || !entry->numbers)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct place at = single ? place("syscalls[%zu].name", n)
		                         : place("syscalls[%zu].names[%zu]", n, i);

		r = get_text(single ? single : json_array_get(names, i), at.text, &entry->names[i],
		             err);
		if (r < 0)
			return r;
		r = corral_syscall_number(entry->names[i]);
		if (r == -ENOENT)
			return corral_error_set(err, EINVAL, "%s: no syscall '%s'", at.text,
			                        entry->names[i]);
		entry->numbers[i] = (int16_t)(r < 0 ? -1 : r);
		entry->n_names = i + 1;
	}
	return 0;
}

static const struct {
	const char *name;
	enum corral_seccomp_op op;
} ops[] = {
	{ "SCMP_CMP_NE", CORRAL_SECCOMP_NE },
	{ "SCMP_CMP_LT", CORRAL_SECCOMP_LT },
	{ "SCMP_CMP_LE", CORRAL_SECCOMP_LE },
	{ "SCMP_CMP_EQ", CORRAL_SECCOMP_EQ },
	{ "SCMP_CMP_GE", CORRAL_SECCOMP_GE },
	{ "SCMP_CMP_GT", CORRAL_SECCOMP_GT },
	{ "SCMP_CMP_MASKED_EQ", CORRAL_SECCOMP_MASKED_EQ },
};

static int parse_arg(const json_t *object, const char *at, struct corral_seccomp_arg *arg,
                     struct corral_error *err)
{
	static const char *const known[] = { "index", "value", "valueTwo", "op", NULL };
	json_t *two = member(object, "valueTwo");
	uint64_t index;
	const char *op;
	size_t i = 0;
	int r;

	if (!json_is_object(object))
		return corral_error_set(err, EINVAL, "%s: not an object", at);
	r = check_keys(object, at, known, err);
	if (r < 0)
		return r;
	r = get_number(member(object, "index"), CORRAL_SECCOMP_ARGS - 1, place("%s.index", at).text,
	               &index, err);
	if (r < 0)
		return r;
	r = get_number(member(object, "value"), UINT64_MAX, place("%s.value", at).text, &arg->value,
	               err);
	if (r < 0)
		return r;
	arg->value_two = 0;
	if (two) {
		r = get_number(two, UINT64_MAX, place("%s.valueTwo", at).text, &arg->value_two,
		               err);
		if (r < 0)
			return r;
	}
	r = get_text(member(object, "op"), place("%s.op", at).text, &op, err);
	if (r < 0)
		return r;
	while (i < CORRAL_COUNT(ops) && strcmp(ops[i].name, op) != 0)
		i++;
	if (i == CORRAL_COUNT(ops))
		return corral_error_set(err, EINVAL, "%s.op: unknown comparison '%s'", at, op);
	arg->index = (unsigned int)index;
	arg->op = ops[i].op;
	if (arg->op == CORRAL_SECCOMP_MASKED_EQ && (arg->value_two & ~arg->value))
		return corral_error_set(err, EINVAL,
		                        "%s.valueTwo: has bits outside of the mask in value, so it "
		                        "never matches",
		                        at);
	if (arg->op != CORRAL_SECCOMP_MASKED_EQ && arg->value_two)
		return corral_error_set(err, EINVAL, "%s.valueTwo: not 0, and %s has one value", at,
		                        op);
	return 0;
}

static int parse_args(const json_t *list, size_t n, struct corral_seccomp_entry *entry,
                      struct corral_error *err)
{
	unsigned int used = 0;
	int r;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return corral_error_set(err, EINVAL, "syscalls[%zu].args: not an array", n);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct place at = place("syscalls[%zu].args[%zu]", n, i);
		struct corral_seccomp_arg arg;

		r = parse_arg(json_array_get(list, i), at.text, &arg, err);
		if (r < 0)
			return r;
		/*
		 * Engines disagree on what this means (libseccomp cannot AND it, so some OR it):
		 * better no guess than a wrong one.
		 */
		if (used & (1u << arg.index))
			return corral_error_set(err, EINVAL,
			                        "%s.index: %u is compared twice; write one entry "
			                        "for each comparison",
			                        at.text, arg.index);
		used |= 1u << arg.index;
		entry->args[entry->n_args++] = arg;
	}
	return 0;
}

static int parse_entry(const json_t *object, size_t n, const struct corral_seccomp_context *context,
                       struct corral_seccomp_profile *p, struct corral_error *err)
{
	static const char *const known[] = { "names", "name",    "action",   "errnoRet", "errno",
		                             "args",  "comment", "includes", "excludes", NULL };
	static const char *const keys[] = { "action", "errnoRet", "errno" };
	struct corral_seccomp_entry *entry = &p->entries[p->n_entries];
	struct place at = place("syscalls[%zu]", n);
	bool applies;
	int r;

	if (!json_is_object(object))
		return corral_error_set(err, EINVAL, "%s: not an object", at.text);
	r = check_keys(object, at.text, known, err);
	if (r < 0)
		return r;
	r = parse_action(object, keys, place("syscalls[%zu].", n).text, &entry->action, err);
	if (r < 0)
		return r;
	p->n_entries++; /* from here on freed with the profile */
	r = parse_names(object, n, entry, err);
	if (r < 0)
		return r;
	r = parse_args(member(object, "args"), n, entry, err);
	if (r < 0)
		return r;
	r = entry_applies(object, n, context, p, &applies, err);
	if (r < 0)
		return r;
	if (!applies) {
		free(entry->names);
		free(entry->numbers);
		*entry = (struct corral_seccomp_entry) { 0 };
		p->n_entries--;
	}
	return 0;
}

/* ---- the whole ---- */

static const char *const arch_names[] = {
	"SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",
	"SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",     "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",    "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB",
};

static int parse_arch(const json_t *value, const char *at, bool *native, struct corral_error *err)
{
	const char *name;
	size_t i = 0;
	int r = get_text(value, at, &name, err);

	if (r < 0)
		return r;
	while (i < CORRAL_COUNT(arch_names) && strcmp(arch_names[i], name) != 0)
		i++;
	if (i == CORRAL_COUNT(arch_names))
		return corral_error_set(err, EINVAL, "%s: unknown architecture '%s'", at, name);
	*native = strcmp(name, CORRAL_NATIVE_SCMP) == 0;
	return 0;
}

static int parse_arch_list(const json_t *list, const char *at, bool *ret_native,
                           struct corral_error *err)
{
	bool native;
	int r;

	*ret_native = false;
	if (!json_is_array(list))
		return corral_error_set(err, EINVAL, "%s: not an array", at);
	for (size_t i = 0; i < json_array_size(list); i++) {
		r = parse_arch(json_array_get(list, i), place("%s[%zu]", at, i).text, &native, err);
		if (r < 0)
			return r;
		*ret_native |= native;
	}
	return 0;
}

/* Only whether the profile is meant for this machine: foreign calls are killed in any case. */
static int parse_architectures(const json_t *root, struct corral_error *err)
{
	static const char *const known[] = { "architecture", "subArchitectures", NULL };
	json_t *list = member(root, "architectures"), *map = member(root, "archMap"), *sub;
	bool native;
	int r;

	if (list) {
		r = parse_arch_list(list, "architectures", &native, err);
		if (r < 0)
			return r;
		if (!native && json_array_size(list))
			return corral_error_set(err, EINVAL,
			                        "architectures: this machine's (" CORRAL_NATIVE_SCMP
			                        ") is not there");
	}
	if (map && !json_is_array(map))
		return corral_error_set(err, EINVAL, "archMap: not an array");
	for (size_t i = 0; i < json_array_size(map); i++) {
		json_t *item = json_array_get(map, i);
		struct place at = place("archMap[%zu]", i);

		if (!json_is_object(item))
			return corral_error_set(err, EINVAL, "%s: not an object", at.text);
		r = check_keys(item, at.text, known, err);
		if (r < 0)
			return r;
		r = parse_arch(member(item, "architecture"),
		               place("archMap[%zu].architecture", i).text, &native, err);
		if (r < 0)
			return r;
		sub = member(item, "subArchitectures");
		if (!sub)
			continue;
		r = parse_arch_list(sub, place("archMap[%zu].subArchitectures", i).text, &native,
		                    err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The flags of seccomp(2) are corral's own choice; the names are checked, and nothing more. */
static int parse_flags(const json_t *list, struct corral_error *err)
{
	static const char *const known[] = { "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
		                             NULL };
	const char *name;
	int r;

	if (list && !json_is_array(list))
		return corral_error_set(err, EINVAL, "flags: not an array");
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct place at = place("flags[%zu]", i);
		size_t k = 0;

		r = get_text(json_array_get(list, i), at.text, &name, err);
		if (r < 0)
			return r;
		while (known[k] && strcmp(known[k], name) != 0)
			k++;
		if (!known[k])
			return corral_error_set(err, EINVAL, "%s: '%s' is not supported", at.text,
			                        name);
	}
	return 0;
}

static int parse_root(const json_t *root, const struct corral_seccomp_context *context,
                      struct corral_seccomp_profile *p, struct corral_error *err)
{
	static const char *const known[] = { "defaultAction", "defaultErrnoRet", "defaultErrno",
		                             "archMap",       "architectures",   "syscalls",
		                             "flags",         "comment",         NULL };
	static const char *const keys[] = { "defaultAction", "defaultErrnoRet", "defaultErrno" };
	json_t *list = member(root, "syscalls");
	size_t n = json_array_size(list);
	int r;

	if (!json_is_object(root))
		return corral_error_set(err, EINVAL, "not a JSON object");
	r = check_keys(root, "", known, err);
	if (r < 0)
		return r;
	r = parse_action(root, keys, "", &p->default_action, err);
	if (r < 0)
		return r;
	r = parse_architectures(root, err);
	if (r < 0)
		return r;
	r = parse_flags(member(root, "flags"), err);
	if (r < 0)
		return r;
	if (list && !json_is_array(list))
		return corral_error_set(err, EINVAL, "syscalls: not an array");
	if (n > CORRAL_SECCOMP_ENTRIES_MAX)
		return corral_error_set(err, EINVAL, "syscalls: more than %u entries",
		                        CORRAL_SECCOMP_ENTRIES_MAX);
	p->entries = calloc(n + 1, sizeof(*p->entries));
	if (!p->entries)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		r = parse_entry(json_array_get(list, i), i, context, p, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int corral_seccomp_profile_parse(const char *json, size_t len,
                                 const struct corral_seccomp_context *context,
                                 struct corral_seccomp_profile **ret, struct corral_error *err)
{
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	json_error_t where;
	int r;

	if (len > CORRAL_SECCOMP_JSON_MAX)
		return corral_error_set(err, EINVAL, "longer than %u bytes",
		                        CORRAL_SECCOMP_JSON_MAX);
	p = calloc(1, sizeof(*p));
	if (!p)
		return corral_error_set(err, ENOMEM, "out of memory");
	p->json = json_loadb(json, len, JSON_REJECT_DUPLICATES, &where);
	if (!p->json)
		return corral_error_set(err, EINVAL, "line %d, column %d: %s", where.line,
		                        where.column, where.text);
	r = parse_root(p->json, context, p, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&p);
	return 0;
}

void corral_seccomp_profile_free(struct corral_seccomp_profile *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_entries; i++) {
		free(p->entries[i].names);
		free(p->entries[i].numbers);
	}
	free(p->entries);
	json_decref(p->json);
	free(p);
}

struct corral_seccomp_context corral_seccomp_context_here(uint64_t caps)
{
	struct corral_seccomp_context here = { .caps = caps };
	struct utsname name;

	if (uname(&name) < 0 ||
	    sscanf(name.release, "%4u.%4u", &here.kernel_major, &here.kernel_minor) != 2)
		here.kernel_major = here.kernel_minor = 0;
	return here;
}
