/*
 * Permission rules: which file operations and commands a caller's tools may carry out, as an
 * operator wrote it down. Rules are advice to well-meaning programs, and a way to ask a person; the
 * sandbox is the fence. Nothing here looks at a file system.
 *
 * A ruleset has a default and, per operation, a default and rules: the first rule that matches
 * decides. A pattern is matched against the whole target:
 *
 *   **       anything, "/" included; followed by "/": zero or more whole directories
 *   *        anything but "/"
 *   ?        one character but "/"
 *   [seq]    one character of these ("a-z" is a range, "]" as the first one is itself)
 *   [!seq]   one character that is none of these, and no "/"; [^seq] is the same
 *
 * All else stands for itself, a backslash and a "[" without "]" too. A class that makes no sense
 * ("[z-a]") makes the rule inert: it matches nothing. Case counts; a character is one of UTF-8, or
 * one byte that is none. A newline at the end of the target may be missing in the pattern. "/etc/"
 * and two stars match what is below /etc, not /etc itself.
 *
 * A command is taken apart as a shell would (policy/permission_command.h), and the strictest answer
 * among its simple commands holds: "git *" allows no "git status; rm x". In patterns for commands
 * "*" and "?" match "/" as well, since "python *" means "python src/x.py". See
 * corral_permission_decide() for what a rule is held against.
 */
#ifndef CORRAL_POLICY_PERMISSION_H
#define CORRAL_POLICY_PERMISSION_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_PERMISSION_PATTERN_MAX 1000u /* bytes of a pattern */
#define CORRAL_PERMISSION_RULES_MAX   4096u /* rules of an operation */

/* Bytes; a longer command is not understood, and no exec would take it as one argument. */
#define CORRAL_PERMISSION_COMMAND_MAX 131072ul

/* From the mildest to the strictest. */
enum corral_permission_action {
	CORRAL_PERMISSION_ALLOW,
	CORRAL_PERMISSION_ASK,
	CORRAL_PERMISSION_DENY,
};

enum corral_permission_operation {
	CORRAL_PERMISSION_READ,
	CORRAL_PERMISSION_WRITE,
	CORRAL_PERMISSION_EDIT,
	CORRAL_PERMISSION_EXECUTE,
	CORRAL_PERMISSION_GLOB,
	CORRAL_PERMISSION_GREP,
	CORRAL_PERMISSION_LS,
};
#define CORRAL_PERMISSION_OPERATIONS 7

struct corral_permission_rule {
	char *pattern;
	enum corral_permission_action action;
	char *description; /* never NULL; empty when nothing was said */
};

struct corral_permission_rules {
	bool given;                           /* else the ruleset's default holds, without rules */
	enum corral_permission_action action; /* when no rule matches */
	struct corral_permission_rule *rules;
	size_t n;
};

struct corral_permission_ruleset {
	enum corral_permission_action action; /* of operations that are not given */
	struct corral_permission_rules operations[CORRAL_PERMISSION_OPERATIONS];
};

/* "read", "allow": the words of JSON and of messages. */
const char *corral_permission_operation_name(enum corral_permission_operation operation);
const char *corral_permission_action_name(enum corral_permission_action action);
/* 0, or -EINVAL when there is no operation of that name. */
int corral_permission_operation_find(const char *name, enum corral_permission_operation *ret);

/* Asks about everything; NULL when memory ran out. */
struct corral_permission_ruleset *corral_permission_ruleset_new(void);
void corral_permission_ruleset_free(struct corral_permission_ruleset *s);

/* Gives the operation a default of its own; its rules stay. */
void corral_permission_ruleset_set(struct corral_permission_ruleset *s,
                                   enum corral_permission_operation operation,
                                   enum corral_permission_action action);
/*
 * Appends a rule; an operation that was not given gets the ruleset's default first. The texts are
 * copied; description may be NULL. -E2BIG: one of the maxima above. -EINVAL: pattern is no UTF-8,
 * which JSON could not carry.
 */
int corral_permission_ruleset_add(struct corral_permission_ruleset *s,
                                  enum corral_permission_operation operation, const char *pattern,
                                  enum corral_permission_action action, const char *description,
                                  struct corral_error *err);

/*
 * {"default": "ask", "read": {"default": "allow", "rules": [{"pattern": "**", "action": "deny",
 * "description": ""}]}, "write": null, ...}; what is absent is as in an empty object: a ruleset's
 * default is "ask", an operation's "allow". A text is the name of a preset. -EINVAL names the
 * place: "read.rules[0].action: ...". The caller frees *ret.
 */
int corral_permission_ruleset_parse(const char *json, size_t len,
                                    struct corral_permission_ruleset **ret,
                                    struct corral_error *err);
/* The same shape, with every key. *ret is the caller's to free. */
int corral_permission_ruleset_dump(const struct corral_permission_ruleset *s, char **ret,
                                   struct corral_error *err);

/* "default", "permissive", "readonly", "strict"; -EINVAL lists them. The caller frees *ret. */
int corral_permission_preset(const char *name, struct corral_permission_ruleset **ret,
                             struct corral_error *err);
/* Names of presets, ending with NULL. */
const char *const *corral_permission_presets(void);

/* Allowed or asked about, operation by operation; secrets: deny rules on read, write and edit. */
struct corral_permission_choice {
	enum corral_permission_action action; /* the ruleset's default */
	bool read, write, edit, execute, glob, grep, ls;
	bool deny_secrets;
};
#define CORRAL_PERMISSION_CHOICE_DEFAULT                                                 \
	{                                                                                \
		CORRAL_PERMISSION_ASK, true, false, false, false, true, true, true, true \
	}
int corral_permission_ruleset_create(const struct corral_permission_choice *choice,
                                     struct corral_permission_ruleset **ret,
                                     struct corral_error *err);

/* A ruleset compiled, and whom to ask. Immutable: any number of threads may use it at once. */
struct corral_permission_checker;

enum corral_permission_fallback {
	CORRAL_PERMISSION_FALLBACK_ERROR, /* nobody to ask is -EPERM, so that somebody hears of it
	                                   */
	CORRAL_PERMISSION_FALLBACK_DENY,  /* nobody to ask is a no */
};

/*
 * Whom to ask. ask: 1 is a yes, 0 a no, -errno stops the check with that error; called on the
 * thread that checks, possibly on several at once; reason may be NULL. ask itself may be NULL.
 */
struct corral_permission_asking {
	int (*ask)(void *ctx, enum corral_permission_operation operation, const char *target,
	           const char *reason);
	void *ctx;
	enum corral_permission_fallback fallback;
};

/* asking: copied; NULL for nobody, with fallback error. The ruleset may go before the checker. */
int corral_permission_checker_new(const struct corral_permission_ruleset *s,
                                  const struct corral_permission_asking *asking,
                                  struct corral_permission_checker **ret, struct corral_error *err);
void corral_permission_checker_free(struct corral_permission_checker *c);
/* How many rules are inert, since their patterns make no sense: worth a warning. */
size_t corral_permission_checker_inert(const struct corral_permission_checker *c);

/*
 * One target in its spellings. written: as the caller has it, in messages as well (for execute: the
 * command). resolved: made absolute against the working directory, without "." and ".."; real: with
 * symbolic links followed, equal to resolved when there are none. The latter two may be NULL.
 */
struct corral_permission_target {
	const char *written, *resolved, *real;
};

struct corral_permission_decision {
	enum corral_permission_action action;
	bool by_rule;            /* else by a default */
	const char *description; /* of the rule, the checker's; empty when it has none */
};

/*
 * What the rules say, without asking anybody. A path: a rule matches when it matches the written
 * form, that form without "." and "..", or the resolved one. A real form that is another file is
 * decided on its own: the stricter of both holds, and the real one alone where no rule knows the
 * others. So no symbolic link carries an allowance elsewhere.
 *
 * A command: each simple command is decided on its own and the strictest holds. Its text is its
 * words, quotes removed, with single blanks between. Rules that deny or ask also match the program
 * by its last name ("/bin/rm" is "rm"), with options put first and paths cleaned; what other
 * programs it runs (sudo, env, xargs, sh -c, find -exec); "> PATH" and "< PATH" for redirections;
 * and, where the pattern has operators of the shell in it, the whole command as written. Words that
 * only the shell can know ($x, a glob) stand as written. Where the program is such a word, every
 * rule that could match counts; where the command is not understood, all rules do, and the
 * strictest holds. 0 or -ENOMEM.
 */
int corral_permission_decide(const struct corral_permission_checker *c,
                             enum corral_permission_operation operation,
                             const struct corral_permission_target *target,
                             struct corral_permission_decision *ret, struct corral_error *err);

/*
 * Decides and asks. 0: go ahead. -EACCES: "Permission denied for read on '/x'", with ": " and the
 * description of a rule that denied. -EPERM: nobody to ask, "Permission required for read on '/x'",
 * with ": " and the reason when it is not NULL. -ENOMEM, or what ask returned.
 */
int corral_permission_check(const struct corral_permission_checker *c,
                            enum corral_permission_operation operation,
                            const struct corral_permission_target *target, const char *reason,
                            struct corral_error *err);

/*
 * The same where nobody can be asked, with texts for tools: "Permission denied: " and the
 * description, or "Permission denied for read on '/x'", then " (approval required)" when a question
 * was taken for a no. Each -EACCES. -EPERM as above, with "Approval required but no callback".
 */
int corral_permission_enforce(const struct corral_permission_checker *c,
                              enum corral_permission_operation operation,
                              const struct corral_permission_target *target,
                              struct corral_error *err);

/*
 * Whether an entry that a listing, a glob or a grep found may be shown: not where the operation
 * denies it; for grep, which shows contents, not where read does either. Out of memory: not shown.
 * Denying read alone hides no name from ls and glob, on purpose.
 */
bool corral_permission_visible(const struct corral_permission_checker *c,
                               enum corral_permission_operation operation,
                               const struct corral_permission_target *target);

/* Whether the operation is denied altogether, by a default that no rule excepts anything from or by
 * a rule for everything, so that its tools need not be offered. */
bool corral_permission_hopeless(const struct corral_permission_checker *c,
                                enum corral_permission_operation operation);
/* The operation's default: CORRAL_PERMISSION_ASK makes a tool one that needs approval. */
enum corral_permission_action corral_permission_default(const struct corral_permission_checker *c,
                                                        enum corral_permission_operation operation);

/*
 * The path made absolute against work_dir, without "." and "..", as text: for the resolved form of
 * a target. Sets ret->failed when memory ran out.
 */
void corral_permission_path_resolve(const char *work_dir, const char *path, struct corral_buf *ret);

/* Where a command's relative paths lead. */
struct corral_permission_place {
	const char *work_dir; /* absolute */
	const char *home;     /* what "~" and $HOME mean; NULL: unknown */
	/* The path with symbolic links followed, the caller's to free; NULL: as it is. May be NULL.
	 */
	char *(*real)(void *ctx, const char *path);
	void *ctx;
};

/*
 * Paths that a command names, against the rules that deny read or write: -EACCES "Permission
 * denied: command references 'x', which is denied for read". Its words, what stands after "=" in
 * them, and its redirections. The program itself and "<" count as read, ">" as write, other words
 * as either, unless the program is one that only reads. A speed bump: a program can be told its
 * files in other ways.
 */
int corral_permission_inspect_command(const struct corral_permission_checker *c,
                                      const char *command,
                                      const struct corral_permission_place *place,
                                      struct corral_error *err);

/* Whether a failure is a refusal or an open question, which no retry will change. */
bool corral_permission_refused(const struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
