/* Rulesets that have names. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission.h"

#define ALLOW CORRAL_PERMISSION_ALLOW
#define ASK   CORRAL_PERMISSION_ASK
#define DENY  CORRAL_PERMISSION_DENY

static const char *const secrets[] = {
	"**/.env",       "**/.env.*",       "**/*.pem",    "**/*.key",
	"**/*.crt",      "**/credentials*", "**/secrets*", "**/*secret*",
	"**/*password*", "**/.aws/**",      "**/.ssh/**",  "**/.gnupg/**",
};

static const char *const system_files[] = {
	"/etc/**", "/var/**", "/usr/**", "/bin/**", "/sbin/**", "/boot/**", "/sys/**", "/proc/**",
};

/*
 * Simple commands, as policy/permission.h has them: options come first and paths are clean there,
 * whatever sudo, sh -c or xargs stands in front. Redirections are ">" and their path.
 */
static const char *const dangerous[] = {
	/* The whole tree, and what else a host does not come back from. */
	"rm -*[rR]* /",
	"rm -*[rR]* / *",
	"rm -*[rR]* /[*]*",
	"rm -*[rR]* --no-preserve-root*",
	"rm -*[rR]* ~",
	"rm -*[rR]* ~/",
	"rm -*[rR]* ~/[*]*",
	"rm -*[rR]* $HOME",
	"rm -*[rR]* $HOME/",
	"rm -*[rR]* $HOME/[*]*",
	"find / *-delete*",
	"find / -delete*",
	"chmod -*R* /",
	"chmod -*R* / *",
	"chown -*R* /",
	"chown -*R* / *",
	/* File systems and disks. */
	"mkfs*",
	"mke2fs *",
	"mkswap *",
	"wipefs *",
	"fdisk /dev/*",
	"sfdisk *",
	"parted *",
	"blkdiscard *",
	"shred */dev/*",
	"dd *of=/dev/[shvx]*",
	"dd *of=/dev/nvme*",
	"dd *of=/dev/mmcblk*",
	"dd *of=/dev/dm-*",
	"dd *of=/dev/md*",
	"dd *of=/dev/mapper/*",
	"dd *of=/dev/mem*",
	"> /dev/[shv]d*",
	"> /dev/xvd*",
	"> /dev/nvme*",
	"> /dev/mmcblk*",
	"> /dev/dm-*",
	"> /dev/md*",
	"> /dev/mapper/*",
	"> /dev/mem*",
	"> /proc/sysrq-trigger",
	"tee */dev/[shv]d*",
	"tee */dev/nvme*",
	"cp * /dev/[shv]d*",
	"cp * /dev/nvme*",
	"mv * /dev/null",
	/* A fork bomb, with whatever blanks. */
	"*:(){:|:&};:*",
};

/* Nothing below these may be removed with "rm -r"; of those that follow, not they themselves. */
static const char *const trees[] = {
	"/bin",  "/boot", "/dev", "/etc", "/lib",     "/lib64",
	"/proc", "/sbin", "/sys", "/usr", "/var/lib",
};

static const char *const tops[] = {
	"/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var", "/workspace",
};

/* What an operation of a preset denies. */
enum part {
	PART_SECRETS = 1u << 0,
	PART_SYSTEM = 1u << 1,
	PART_DANGEROUS = 1u << 2,
};

struct preset_operation {
	enum corral_permission_action action;
	unsigned int parts;
};

struct preset {
	const char *name;
	enum corral_permission_action action;
	struct preset_operation operations[CORRAL_PERMISSION_OPERATIONS];
};

/* In the order of enum corral_permission_operation. */
static const struct preset presets[] = {
	{ "default",
	  ASK,
	  { { ALLOW, PART_SECRETS },
	    { ASK, PART_SECRETS },
	    { ASK, PART_SECRETS },
	    { ASK, PART_DANGEROUS },
	    { ALLOW, 0 },
	    { ALLOW, 0 },
	    { ALLOW, 0 } } },
	{ "permissive",
	  ALLOW,
	  { { ALLOW, PART_SECRETS },
	    { ALLOW, PART_SECRETS | PART_SYSTEM },
	    { ALLOW, PART_SECRETS | PART_SYSTEM },
	    { ALLOW, PART_DANGEROUS },
	    { ALLOW, 0 },
	    { ALLOW, 0 },
	    { ALLOW, 0 } } },
	{ "readonly",
	  DENY,
	  { { ALLOW, PART_SECRETS },
	    { DENY, 0 },
	    { DENY, 0 },
	    { DENY, 0 },
	    { ALLOW, 0 },
	    { ALLOW, 0 },
	    { ALLOW, 0 } } },
	{ "strict",
	  ASK,
	  { { ASK, PART_SECRETS },
	    { ASK, PART_SECRETS },
	    { ASK, PART_SECRETS },
	    { ASK, PART_DANGEROUS },
	    { ASK, 0 },
	    { ASK, 0 },
	    { ASK, 0 } } },
};

static void ruleset_freep(struct corral_permission_ruleset **s)
{
	corral_permission_ruleset_free(*s);
}

static int deny_all(struct corral_permission_ruleset *s, enum corral_permission_operation operation,
                    const char *const *patterns, size_t n, const char *description,
                    struct corral_error *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = corral_permission_ruleset_add(s, operation, patterns[i], DENY, description,
		                                      err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int deny_removal(struct corral_permission_ruleset *s, const char *format, const char *folder,
                        const char *description, struct corral_error *err)
{
	corral_autofree char *pattern = NULL;

	if (asprintf(&pattern, "rm -*[rR]* %s%s", folder, format) < 0) {
		pattern = NULL;
		return corral_error_sys(err, ENOMEM, "preset");
	}
	return corral_permission_ruleset_add(s, CORRAL_PERMISSION_EXECUTE, pattern, DENY,
	                                     description, err);
}

static int deny_dangerous(struct corral_permission_ruleset *s, struct corral_error *err)
{
	static const char description[] = "Block dangerous commands";
	int r = deny_all(s, CORRAL_PERMISSION_EXECUTE, dangerous, CORRAL_COUNT(dangerous),
	                 description, err);

	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(trees); i++) {
		r = deny_removal(s, "", trees[i], description, err);
		if (r == 0)
			r = deny_removal(s, "[ /]*", trees[i], description, err);
	}
	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(tops); i++) {
		r = deny_removal(s, "", tops[i], description, err);
		if (r == 0)
			r = deny_removal(s, " *", tops[i], description, err);
		if (r == 0)
			r = deny_removal(s, "/[*]*", tops[i], description, err);
	}
	return r;
}

static int deny_parts(struct corral_permission_ruleset *s,
                      enum corral_permission_operation operation, unsigned int parts,
                      struct corral_error *err)
{
	const char *description = parts & PART_SYSTEM ? "Protect sensitive and system files"
	                                              : "Protect sensitive files";
	int r = 0;

	if (parts & PART_SECRETS)
		r = deny_all(s, operation, secrets, CORRAL_COUNT(secrets), description, err);
	if (r == 0 && parts & PART_SYSTEM)
		r = deny_all(s, operation, system_files, CORRAL_COUNT(system_files), description,
		             err);
	if (r == 0 && parts & PART_DANGEROUS)
		r = deny_dangerous(s, err);
	return r;
}

static int preset_build(const struct preset *p, struct corral_permission_ruleset **ret,
                        struct corral_error *err)
{
	corral_auto(ruleset_freep) struct corral_permission_ruleset *s =
	        corral_permission_ruleset_new();
	int r;

	if (!s)
		return corral_error_sys(err, ENOMEM, "preset");
	s->action = p->action;
	for (unsigned int i = 0; i < CORRAL_PERMISSION_OPERATIONS; i++) {
		corral_permission_ruleset_set(s, i, p->operations[i].action);
		r = deny_parts(s, i, p->operations[i].parts, err);
		if (r < 0)
			return r;
	}
	*ret = corral_take_ptr(&s);
	return 0;
}

const char *const *corral_permission_presets(void)
{
	static const char *const names[] = { "default", "permissive", "readonly", "strict", NULL };

	return names;
}

int corral_permission_preset(const char *name, struct corral_permission_ruleset **ret,
                             struct corral_error *err)
{
	for (size_t i = 0; i < CORRAL_COUNT(presets); i++) {
		if (!strcmp(name, presets[i].name))
			return preset_build(&presets[i], ret, err);
	}
	return corral_error_set(err, EINVAL,
	                        "no preset '%.100s': default, permissive, readonly or strict",
	                        name);
}

int corral_permission_ruleset_create(const struct corral_permission_choice *choice,
                                     struct corral_permission_ruleset **ret,
                                     struct corral_error *err)
{
	const unsigned int parts = choice->deny_secrets ? PART_SECRETS : 0;
	const struct preset p = { "",
		                  choice->action,
		                  { { choice->read ? ALLOW : ASK, parts },
		                    { choice->write ? ALLOW : ASK, parts },
		                    { choice->edit ? ALLOW : ASK, parts },
		                    { choice->execute ? ALLOW : ASK, 0 },
		                    { choice->glob ? ALLOW : ASK, 0 },
		                    { choice->grep ? ALLOW : ASK, 0 },
		                    { choice->ls ? ALLOW : ASK, 0 } } };

	return preset_build(&p, ret, err);
}
