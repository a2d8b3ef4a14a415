/* Rules held against paths, and questions asked. */
#include "policy/permission.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_internal.h"

#define TARGET_SHOWN 300 /* bytes of a target in messages, so that the reason behind it fits */

void corral_permission_checker_free(struct corral_permission_checker *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CORRAL_COUNT(c->operations); i++) {
		for (size_t k = 0; k < c->operations[i].n; k++) {
			permission_pattern_free(c->operations[i].rules[k].pattern);
			free(c->operations[i].rules[k].description);
		}
		free(c->operations[i].rules);
	}
	free(c);
}

static void checker_freep(struct corral_permission_checker **c)
{
	corral_permission_checker_free(*c);
}

static int rule_compile(const struct corral_permission_rule *r, unsigned int flags,
                        struct permission_compiled *c)
{
	int e;

	c->action = r->action;
	c->operators = strpbrk(r->pattern, ";&|<>(){}`\n");
	c->blanks = strpbrk(r->pattern, " \t");
	c->description = strdup(r->description ? r->description : "");
	if (!c->description)
		return -ENOMEM;
	e = permission_pattern_compile(r->pattern, flags, &c->pattern);
	return e == -EINVAL ? 0 : e;
}

int corral_permission_checker_new(const struct corral_permission_ruleset *s,
                                  const struct corral_permission_asking *asking,
                                  struct corral_permission_checker **ret, struct corral_error *err)
{
	corral_auto(checker_freep) struct corral_permission_checker *c = calloc(1, sizeof(*c));

	if (!c)
		return corral_error_sys(err, ENOMEM, "permissions");
	if (asking)
		c->asking = *asking;
	for (unsigned int i = 0; i < CORRAL_PERMISSION_OPERATIONS; i++) {
		const struct corral_permission_rules *from = &s->operations[i];
		struct permission_operation *to = &c->operations[i];

		to->action = from->given ? from->action : s->action;
		if (!from->given || !from->n)
			continue;
		to->rules = calloc(from->n, sizeof(*to->rules));
		if (!to->rules)
			return corral_error_sys(err, ENOMEM, "permissions");
		for (; to->n < from->n; to->n++) {
			int r = rule_compile(&from->rules[to->n],
			                     i == CORRAL_PERMISSION_EXECUTE
			                             ? PERMISSION_PATTERN_COMMAND
			                             : 0,
			                     &to->rules[to->n]);

			if (r < 0) {
				free(to->rules[to->n].description);
				return corral_error_sys(err, -r, "%s.rules[%zu]",
				                        corral_permission_operation_name(i), to->n);
			}
			c->inert += !to->rules[to->n].pattern;
		}
	}
	*ret = corral_take_ptr(&c);
	return 0;
}

size_t corral_permission_checker_inert(const struct corral_permission_checker *c)
{
	return c->inert;
}

void permission_stricter(struct corral_permission_decision *d,
                         struct corral_permission_decision other)
{
	if (other.action > d->action || (other.action == d->action && other.by_rule && !d->by_rule))
		*d = other;
}

struct corral_permission_decision permission_by_rule(const struct permission_compiled *r)
{
	return (struct corral_permission_decision) { r->action, true, r->description };
}

struct corral_permission_decision permission_by_default(const struct permission_operation *o)
{
	return (struct corral_permission_decision) { o->action, false, "" };
}

void permission_path_clean(const char *path, struct corral_buf *b)
{
	size_t root = path[0] == '/', fixed; /* bytes that no ".." takes away */

	corral_buf_add(b, "/", root);
	fixed = b->len;
	for (const char *p = path; *p && !b->failed;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 2 && !memcmp(p, "..", 2) && (b->len > fixed || root)) {
			while (b->len > fixed && b->data[b->len - 1] != '/')
				b->len--;
			if (b->len > fixed)
				b->len--;
		} else if (len && !(len == 1 && *p == '.')) {
			bool up = len == 2 && !memcmp(p, "..", 2);

			if (b->len > root)
				corral_buf_str(b, "/");
			corral_buf_add(b, p, len);
			if (up)
				fixed = b->len;
		}
		p += len;
	}
	corral_buf_str(b, "");
	if (!b->failed && !b->len)
		corral_buf_str(b, ".");
}

void corral_permission_path_resolve(const char *work_dir, const char *path, struct corral_buf *ret)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	if (path[0] != '/')
		corral_buf_fmt(&b, "%s/", work_dir);
	corral_buf_str(&b, path);
	if (b.failed)
		ret->failed = true;
	else
		permission_path_clean(b.data, ret);
}

/* Whether a segment of the path is "..". */
static bool climbs(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2) {
		if ((p == path || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return true;
	}
	return false;
}

/* Spellings of one file. */
struct spellings {
	const char *text[3];
	bool refuses_only[3]; /* it allows nothing */
	size_t n;
};

static bool spelled(const struct permission_compiled *r, const struct spellings *s)
{
	for (size_t i = 0; r->pattern && i < s->n; i++) {
		if (s->refuses_only[i] && r->action == CORRAL_PERMISSION_ALLOW)
			continue;
		if (permission_pattern_match(r->pattern, s->text[i]))
			return true;
	}
	return false;
}

static struct corral_permission_decision decide_path(const struct permission_operation *o,
                                                     const struct spellings *s)
{
	for (size_t i = 0; i < o->n; i++) {
		if (spelled(&o->rules[i], s))
			return permission_by_rule(&o->rules[i]);
	}
	return permission_by_default(o);
}

int corral_permission_decide(const struct corral_permission_checker *c,
                             enum corral_permission_operation operation,
                             const struct corral_permission_target *target,
                             struct corral_permission_decision *ret, struct corral_error *err)
{
	const struct permission_operation *o = &c->operations[operation];
	corral_autobuf struct corral_buf clean = CORRAL_BUF_INIT;
	struct corral_permission_decision d;
	struct spellings s = { { target->written }, { climbs(target->written) }, 1 };

	if (operation == CORRAL_PERMISSION_EXECUTE)
		return permission_decide_command(o, target->written, ret, err);
	permission_path_clean(target->written, &clean);
	if (clean.failed)
		return corral_error_sys(err, ENOMEM, "permissions");
	s.text[s.n++] = clean.data;
	if (target->resolved)
		s.text[s.n++] = target->resolved;
	d = decide_path(o, &s);
	if (target->real && strcmp(target->real, s.text[s.n - 1]) != 0) {
		struct spellings real = { { target->real }, { false }, 1 };
		struct corral_permission_decision other = decide_path(o, &real);

		if (d.by_rule)
			permission_stricter(&d, other);
		else
			d = other;
	}
	*ret = d;
	return 0;
}

/* How much of the target a message shows, at the end of a character. */
static int shown(const char *target)
{
	size_t len = strlen(target);

	if (len <= TARGET_SHOWN)
		return (int)len;
	len = TARGET_SHOWN;
	while (len && ((unsigned char)target[len] & 0xc0) == 0x80)
		len--;
	return (int)len;
}

/* "Permission denied for read on '/x'", and what follows. */
static int refuse(int code, const char *what, enum corral_permission_operation operation,
                  const char *target, const char *before, const char *reason,
                  struct corral_error *err)
{
	int len = shown(target);

	return corral_error_set(err, code, "Permission %s for %s on '%.*s%s'%s%s", what,
	                        corral_permission_operation_name(operation), len, target,
	                        target[len] ? "..." : "", reason && *reason ? before : "",
	                        reason ? reason : "");
}

int corral_permission_check(const struct corral_permission_checker *c,
                            enum corral_permission_operation operation,
                            const struct corral_permission_target *target, const char *reason,
                            struct corral_error *err)
{
	struct corral_permission_decision d = PERMISSION_UNDECIDED;
	int r = corral_permission_decide(c, operation, target, &d, err);

	if (r < 0)
		return r;
	switch (d.action) {
	case CORRAL_PERMISSION_ALLOW:
		return 0;
	case CORRAL_PERMISSION_DENY:
		return refuse(EACCES, "denied", operation, target->written, ": ", d.description,
		              err);
	case CORRAL_PERMISSION_ASK:
		break;
	}
	if (!c->asking.ask && c->asking.fallback == CORRAL_PERMISSION_FALLBACK_ERROR)
		return refuse(EPERM, "required", operation, target->written, ": ", reason, err);
	r = c->asking.ask ? c->asking.ask(c->asking.ctx, operation, target->written, reason) : 0;
	if (r < 0)
		return corral_error_sys(err, -r, "ask for permission");
	return r ? 0 : refuse(EACCES, "denied", operation, target->written, "", NULL, err);
}

int corral_permission_enforce(const struct corral_permission_checker *c,
                              enum corral_permission_operation operation,
                              const struct corral_permission_target *target,
                              struct corral_error *err)
{
	struct corral_permission_decision d = PERMISSION_UNDECIDED;
	int r = corral_permission_decide(c, operation, target, &d, err);

	if (r < 0)
		return r;
	switch (d.action) {
	case CORRAL_PERMISSION_ALLOW:
		return 0;
	case CORRAL_PERMISSION_DENY:
		if (*d.description)
			return corral_error_set(err, EACCES, "Permission denied: %s",
			                        d.description);
		return refuse(EACCES, "denied", operation, target->written, "", NULL, err);
	case CORRAL_PERMISSION_ASK:
		break;
	}
	if (c->asking.fallback == CORRAL_PERMISSION_FALLBACK_DENY)
		return refuse(EACCES, "denied", operation, target->written, " ",
		              "(approval required)", err);
	return refuse(EPERM, "required", operation, target->written, ": ",
	              "Approval required but no callback", err);
}

static bool denied(const struct corral_permission_checker *c,
                   enum corral_permission_operation operation,
                   const struct corral_permission_target *target)
{
	struct corral_permission_decision d;

	return corral_permission_decide(c, operation, target, &d, NULL) < 0 ||
	       d.action == CORRAL_PERMISSION_DENY;
}

bool corral_permission_visible(const struct corral_permission_checker *c,
                               enum corral_permission_operation operation,
                               const struct corral_permission_target *target)
{
	if (denied(c, operation, target))
		return false;
	return operation != CORRAL_PERMISSION_GREP || !denied(c, CORRAL_PERMISSION_READ, target);
}

bool corral_permission_hopeless(const struct corral_permission_checker *c,
                                enum corral_permission_operation operation)
{
	/* As text, for commands as well: there it would be a program that only the shell knows. */
	const struct spellings all = { { "*" }, { false }, 1 };
	const struct permission_operation *o = &c->operations[operation];
	struct corral_permission_decision d = decide_path(o, &all);

	if (d.action != CORRAL_PERMISSION_DENY)
		return false;
	/* What a default denies, a rule may still allow here and there. */
	for (size_t i = 0; !d.by_rule && i < o->n; i++)
		if (o->rules[i].pattern && o->rules[i].action != CORRAL_PERMISSION_DENY)
			return false;
	return true;
}

enum corral_permission_action corral_permission_default(const struct corral_permission_checker *c,
                                                        enum corral_permission_operation operation)
{
	return c->operations[operation].action;
}

bool corral_permission_refused(const struct corral_error *err)
{
	return (err->code == EACCES && strstr(err->text, "Permission denied")) ||
	       (err->code == EPERM && strstr(err->text, "Permission required"));
}
