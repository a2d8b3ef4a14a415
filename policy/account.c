#include "policy/account.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"

#define FIELDS_MAX 7
/* The greatest that is an id, and not "no change". */
#define ID_MAX (UINT32_MAX - 1)

/* A piece of the text, which is not ours to cut apart. */
struct span {
	const char *at;
	size_t len;
};

void corral_account_done(struct corral_account *a)
{
	free(a->name);
	free(a->guest_home);
	memset(a, 0, sizeof(*a));
}

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

/* What is in front of the next end character, which goes with it; false at the end. */
static bool span_next(struct span *rest, char end, struct span *ret)
{
	const char *stop;

	if (!rest->at)
		return false;
	stop = memchr(rest->at, end, rest->len);
	ret->at = rest->at;
	ret->len = stop ? (size_t)(stop - rest->at) : rest->len;
	rest->at = stop ? stop + 1 : NULL;
	rest->len -= ret->len + (stop ? 1 : 0);
	return true;
}

static bool id_parse(struct span s, uint32_t *ret)
{
	char digits[16];
	uint64_t id = 0;

	if (s.len >= sizeof(digits) || memchr(s.at, '\0', s.len))
		return false;
	memcpy(digits, s.at, s.len);
	digits[s.len] = '\0';
	if (corral_parse_u64(digits, ID_MAX, &id, NULL) < 0)
		return false;
	*ret = (uint32_t)id;
	return true;
}

static bool id_parse_text(const char *text, uint32_t *ret)
{
	return id_parse((struct span) { text, strlen(text) }, ret);
}

/*
 * The fields of the next line that could be an account's, 0 at the end. Comments are none, nor are
 * those that say who else is to be asked ("+user", "-user", "+@netgroup": nsswitch.conf(5)); one
 * with a NUL in it would be read by each program in another way.
 */
static size_t line_next(struct span *rest, size_t len_max, struct span fields[FIELDS_MAX])
{
	struct span line;

	while (span_next(rest, '\n', &line)) {
		size_t n = 0;

		if (!line.len || line.len > len_max || strchr("+-#:", line.at[0]) ||
		    memchr(line.at, '\0', line.len))
			continue;
		while (n < FIELDS_MAX && span_next(&line, ':', &fields[n]))
			n++;
		return n;
	}
	return 0;
}

/* The first entry of that name, or of that number where name is NULL: 1, 0, -errno. */
static int passwd_find(const struct corral_account_text *t, const char *name, uint32_t guest_uid,
                       struct corral_account *ret, struct corral_error *err)
{
	struct span rest = { t->passwd, t->passwd_len }, fields[FIELDS_MAX];
	size_t n;

	while ((n = line_next(&rest, CORRAL_ACCOUNT_LINE_MAX, fields)) > 0) {
		uint32_t uid, gid;

		if (n < 6 || !id_parse(fields[2], &uid) || !id_parse(fields[3], &gid) ||
		    (name ? !span_is(fields[0], name) : uid != guest_uid))
			continue;
		ret->guest_uid = uid;
		ret->guest_gid = gid;
		ret->name = strndup(fields[0].at, fields[0].len);
		ret->guest_home = strndup(fields[5].at, fields[5].len);
		return ret->name && ret->guest_home
		               ? 1
		               : corral_error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static bool group_find(const struct corral_account_text *t, const char *name, uint32_t *ret)
{
	struct span rest = { t->group, t->group_len }, fields[FIELDS_MAX];
	size_t n;

	while ((n = line_next(&rest, t->group_len, fields)) > 0)
		if (n >= 3 && span_is(fields[0], name) && id_parse(fields[2], ret))
			return true;
	return false;
}

static bool is_member(struct span members, const char *name)
{
	struct span member;

	while (span_next(&members, ',', &member))
		if (span_is(member, name))
			return true;
	return false;
}

static bool has_group(const struct corral_account *a, uint32_t gid)
{
	if (gid == a->guest_gid)
		return true;
	for (uint32_t i = 0; i < a->n_groups; i++)
		if (a->guest_groups[i] == gid)
			return true;
	return false;
}

static int groups_find(const struct corral_account_text *t, struct corral_account *a,
                       struct corral_error *err)
{
	struct span rest = { t->group, t->group_len }, fields[FIELDS_MAX];
	size_t n;

	while ((n = line_next(&rest, t->group_len, fields)) > 0) {
		uint32_t gid;

		if (n < 4 || !id_parse(fields[2], &gid) || has_group(a, gid) ||
		    !is_member(fields[3], a->name))
			continue;
		if (a->n_groups == CORRAL_ACCOUNT_GROUPS_MAX)
			return corral_error_set(
			        err, EINVAL,
			        "user '%.64s' is in more than %u groups of its /etc/group, and "
			        "more are not to be had (with one, as in %.64s:GROUP, none of "
			        "these counts)",
			        a->name, CORRAL_ACCOUNT_GROUPS_MAX, a->name);
		a->guest_groups[a->n_groups++] = gid;
	}
	return 0;
}

static int user_find(const struct corral_account_text *t, const char *name, bool digits_may_name,
                     struct corral_account *a, struct corral_error *err)
{
	uint32_t uid = 0;
	bool is_number = !*name || id_parse_text(name, &uid);
	int r = 0;

	if (*name && (!is_number || digits_may_name))
		r = passwd_find(t, name, 0, a, err);
	if (r != 0)
		return r;
	if (!is_number)
		return corral_error_set(err, EINVAL, "user '%.64s' is not in its /etc/passwd",
		                        name);
	r = passwd_find(t, NULL, uid, a, err);
	a->guest_uid = uid;
	return r;
}

static int group_put(const struct corral_account_text *t, const char *name, bool digits_may_name,
                     struct corral_account *a, struct corral_error *err)
{
	uint32_t gid = 0;
	bool is_number = id_parse_text(name, &gid);

	if ((!is_number || digits_may_name) && group_find(t, name, &a->guest_gid))
		return 0;
	if (!is_number)
		return corral_error_set(err, EINVAL, "group '%.64s' is not in its /etc/group",
		                        name);
	a->guest_gid = gid;
	return 0;
}

int corral_account_find(const struct corral_account_text *t, const char *user, bool digits_may_name,
                        struct corral_account *ret, struct corral_error *err)
{
	corral_auto(corral_account_done) struct corral_account a = { 0 };
	corral_autofree char *name = strdup(user);
	char *group = name ? strchr(name, ':') : NULL;
	int r;

	if (!name)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (group)
		*group++ = '\0';
	r = user_find(t, name, digits_may_name, &a, err);
	if (r >= 0 && group && *group)
		r = group_put(t, group, digits_may_name, &a, err);
	else if (r >= 0 && a.name)
		r = groups_find(t, &a, err);
	if (r < 0)
		return r;
	*ret = a;
	memset(&a, 0, sizeof(a));
	return 0;
}

static bool could_be(const char *name, size_t len)
{
	bool digits = true;
	uint32_t id;

	if (!len || *name == '+' || *name == '-' || *name == '#')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == ':' || iscntrl((unsigned char)name[i]))
			return false;
		digits &= isdigit((unsigned char)name[i]) != 0;
	}
	return !digits || id_parse((struct span) { name, len }, &id);
}

int corral_account_user_check(const char *user, struct corral_error *err)
{
	size_t len = strcspn(user, ":");

	if (strlen(user) > CORRAL_ACCOUNT_USER_MAX || !could_be(user, len) ||
	    (user[len] && !could_be(user + len + 1, strlen(user + len + 1))))
		return corral_error_set(err, EINVAL,
		                        "'%.64s' is not NAME or UID, alone or with :GROUP or :GID "
		                        "behind it",
		                        user);
	return 0;
}
