/*
 * corral-test-deny [--errno NAME] CALL[,CALL...] -- PROGRAM [ARG...]
 *
 * Runs PROGRAM on a kernel that seems to lack, or refuse, these system calls: shows what corral
 * does there. CALL is a name ("openat2"), or a name with a condition on one argument: "seccomp@0=3"
 * when argument 0 is 3, "clone@0&0x10000000" when it has that bit. NAME is ENOSYS (the default),
 * EPERM, EACCES, EINVAL or ENOSPC.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int code;
} codes[] = {
	{ "ENOSYS", ENOSYS }, { "EPERM", EPERM },   { "EACCES", EACCES },
	{ "EINVAL", EINVAL }, { "ENOSPC", ENOSPC },
};

__attribute__((noreturn)) static void die(const char *what, const char *detail)
{
	(void)fprintf(stderr, "corral-test-deny: %s: %s\n", what, detail);
	exit(125);
}

static int code_named(const char *name)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].name, name) == 0)
			return codes[i].code;
	die("unknown errno", name);
}

/* "@0=3" or "@1&8", cut off the name; false without one. */
static int condition_in(char *spec, struct scmp_arg_cmp *ret)
{
	char *at = strchr(spec, '@'), *end;
	unsigned long arg, value;

	if (!at)
		return 0;
	*at++ = '\0';
	arg = strtoul(at, &end, 10);
	if (end == at || arg > 5 || (*end != '=' && *end != '&'))
		die("bad condition", at);
	value = strtoul(end + 1, NULL, 0);
	/* For a mask the value is the mask as well: all of its bits are set. */
	*ret = (struct scmp_arg_cmp) { .arg = (unsigned int)arg,
		                       .op = *end == '=' ? SCMP_CMP_EQ : SCMP_CMP_MASKED_EQ,
		                       .datum_a = value,
		                       .datum_b = *end == '=' ? 0 : value };
	return 1;
}

static void deny(scmp_filter_ctx filter, char *spec, int code)
{
	struct scmp_arg_cmp condition;
	int conditions = condition_in(spec, &condition);
	int nr = seccomp_syscall_resolve_name(spec), r;

	if (nr == __NR_SCMP_ERROR)
		die("unknown system call", spec);
	r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned int)code), nr,
	                           (unsigned int)conditions, &condition);
	if (r < 0)
		die(spec, strerror(-r));
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int at = 1, code = ENOSYS, r;

	if (argc > 2 && strcmp(argv[1], "--errno") == 0) {
		code = code_named(argv[2]);
		at = 3;
	}
	if (!filter || argc < at + 3 || strcmp(argv[at + 1], "--") != 0)
		die("usage", "corral-test-deny [--errno NAME] CALL[,CALL...] -- PROGRAM [ARG...]");
	for (char *rest = argv[at], *spec; (spec = strsep(&rest, ",")) != NULL;)
		deny(filter, spec, code);

	/* Root's programs keep their set-user-ID helpers, which no_new_privs would take away. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, geteuid() == 0 ? 0 : 1);
	r = seccomp_load(filter);
	if (r < 0 && geteuid() == 0) {
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
		r = seccomp_load(filter);
	}
	if (r < 0)
		die("load the filter", strerror(-r));
	seccomp_release(filter);
	(void)execvp(argv[at + 2], argv + at + 2);
	die(argv[at + 2], strerror(errno));
}
