/*
 * The kernel's texts about control groups, read without trust: names of groups and mount points are
 * chosen by whoever may make them, so that blanks, colons, commas and endless lengths are expected.
 */
#include "kernel/cgroup_ops.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"

struct span {
	const char *at;
	size_t len;
};

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

/* The next line, without its newline; false at the end. */
static bool line_next(const char **cursor, struct span *ret)
{
	const char *end;

	if (!**cursor)
		return false;
	end = strchrnul(*cursor, '\n');
	*ret = (struct span) { *cursor, (size_t)(end - *cursor) };
	*cursor = *end ? end + 1 : end;
	return true;
}

/* Cuts the text in front of the separator off; false when there is none. */
static bool span_cut(struct span *rest, char separator, struct span *ret)
{
	const char *end = memchr(rest->at, separator, rest->len);

	if (!end)
		return false;
	*ret = (struct span) { rest->at, (size_t)(end - rest->at) };
	rest->at = end + 1;
	rest->len -= ret->len + 1;
	return true;
}

/* Saturates instead of overflowing: a count beyond 64 bits is as good as the largest. */
static bool digits(const char **cursor, uint64_t *ret)
{
	const char *p = *cursor;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			value = UINT64_MAX;
	*cursor = p;
	*ret = value;
	return true;
}

bool corral_cgroup_parse_word(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word), i = 0;

	while (i < len) {
		size_t start = i;

		while (i < len && text[i] != ' ' && text[i] != ',' && text[i] != '\n')
			i++;
		if (i - start == n && memcmp(text + start, word, n) == 0)
			return true;
		i++;
	}
	return false;
}

/* "..": the group lies above the root of our cgroup namespace, where no mount of ours leads. */
static bool has_dotdot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '\0' || p[3] == '/')
			return true;
	return false;
}

int corral_cgroup_parse_own(const char *text, const char *controller, char *ret, size_t size)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	struct span line, id, names;

	while (line_next(&text, &line)) {
		struct span rest = line;

		/* The path is not escaped and may hold colons; the two fields before it cannot. */
		if (!span_cut(&rest, ':', &id) || !span_cut(&rest, ':', &names))
			continue;
		if (controller ? !corral_cgroup_parse_word(names.at, names.len, controller)
		               : !(span_is(id, "0") && names.len == 0))
			continue;
		if (rest.len == 0 || rest.at[0] != '/')
			return -EINVAL;
		if (rest.len >= size)
			return -ENAMETOOLONG;
		if (rest.len >= tail && memcmp(rest.at + rest.len - tail, deleted, tail) == 0)
			return -EXDEV;
		memcpy(ret, rest.at, rest.len);
		ret[rest.len] = '\0';
		return has_dotdot(ret) ? -EXDEV : 0;
	}
	return -ENOENT;
}

int corral_cgroup_unescape(const char *text, size_t len, char *ret, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == '\\') {
			unsigned int value = 0;

			if (len - i < 4)
				return -EINVAL;
			for (size_t k = 1; k <= 3; k++) {
				if (text[i + k] < '0' || text[i + k] > '7')
					return -EINVAL;
				value = value * 8 + (unsigned int)(text[i + k] - '0');
			}
			if (value == 0 || value > 0xff)
				return -EINVAL;
			byte = (unsigned char)value;
			i += 3;
		}
		if (out + 1 >= size)
			return -ENAMETOOLONG;
		ret[out++] = (char)byte;
	}
	ret[out] = '\0';
	return 0;
}

/* One line of mountinfo (proc_pid_mountinfo(5)); false for all that is not the mount asked for. */
static bool mount_parse(struct span line, const char *controller, struct corral_cgroup_mount *ret)
{
	struct span rest = line, skip, root, point, type, source;

	for (unsigned int i = 0; i < 3; i++) /* id, parent, device */
		if (!span_cut(&rest, ' ', &skip))
			return false;
	if (!span_cut(&rest, ' ', &root) || !span_cut(&rest, ' ', &point) ||
	    !span_cut(&rest, ' ', &skip))
		return false;
	do { /* optional fields, as many as there are, up to a lone dash */
		if (!span_cut(&rest, ' ', &skip))
			return false;
	} while (!span_is(skip, "-"));
	if (!span_cut(&rest, ' ', &type) || !span_cut(&rest, ' ', &source))
		return false;
	if (controller ? !span_is(type, "cgroup") : !span_is(type, "cgroup2"))
		return false;
	if (controller && !corral_cgroup_parse_word(rest.at, rest.len, controller))
		return false;
	return corral_cgroup_unescape(root.at, root.len, ret->root, sizeof(ret->root)) == 0 &&
	       corral_cgroup_unescape(point.at, point.len, ret->point, sizeof(ret->point)) == 0 &&
	       ret->root[0] == '/' && ret->point[0] == '/';
}

int corral_cgroup_parse_mount(const char *text, const char *controller,
                              struct corral_cgroup_mount *ret)
{
	corral_autofree struct corral_cgroup_mount *m = malloc(sizeof(*m));
	struct span line;
	bool found = false;

	if (!m)
		return -ENOMEM;
	while (line_next(&text, &line)) {
		if (!mount_parse(line, controller, m))
			continue;
		if (found && strlen(m->root) > strlen(ret->root) &&
		    strcmp(m->point, ret->point) != 0)
			continue;
		*ret = *m;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

int corral_cgroup_parse_root(const char *text, uint64_t mount_id, char *ret, size_t size)
{
	struct span line, skip, root;

	while (line_next(&text, &line)) {
		const char *p = line.at;
		uint64_t id;

		if (!digits(&p, &id) || *p != ' ' || id != mount_id)
			continue;
		for (unsigned int i = 0; i < 3; i++) /* id, parent, device */
			if (!span_cut(&line, ' ', &skip))
				return -EINVAL;
		if (!span_cut(&line, ' ', &root))
			return -EINVAL;
		return corral_cgroup_unescape(root.at, root.len, ret, size);
	}
	return -ENOENT;
}

int corral_cgroup_parse_below(const char *own, const char *root, const char **ret)
{
	size_t len = strlen(root);

	if (own[0] != '/' || root[0] != '/' || has_dotdot(own) || has_dotdot(root))
		return -EXDEV;
	while (len > 0 && root[len - 1] == '/')
		len--;
	/* Whole pieces: "/docker/ab" does not hold "/docker/abc". */
	if (strncmp(own, root, len) != 0 || (own[len] != '/' && own[len] != '\0'))
		return -EXDEV;
	own += len;
	while (*own == '/')
		own++;
	*ret = own;
	return 0;
}

int corral_cgroup_parse_key(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);
	struct span line;

	while (line_next(&text, &line)) {
		const char *p = line.at + len + 1;

		if (line.len <= len + 1 || memcmp(line.at, key, len) != 0 || line.at[len] != ' ')
			continue;
		return digits(&p, ret) ? 0 : -ENOENT;
	}
	return -ENOENT;
}

int corral_cgroup_parse_value(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (strcmp(text, "max") == 0 || strcmp(text, "max\n") == 0)
		value = UINT64_MAX;
	else if (!digits(&text, &value) || (*text != '\0' && *text != '\n'))
		return -EINVAL;
	*ret = value;
	return 0;
}

int corral_cgroup_parse_start(const char *text, uint64_t ticks_per_second, uint64_t *ret_ms)
{
	/* The name in parentheses may hold anything, parentheses and blanks too. */
	const char *p = strrchr(text, ')');
	uint64_t ticks;

	if (!p || !ticks_per_second)
		return -EINVAL;
	for (unsigned int field = 2; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EINVAL;
		p++;
	}
	if (!digits(&p, &ticks) || (*p != ' ' && *p != '\n' && *p != '\0'))
		return -EINVAL;
	if (__builtin_mul_overflow(ticks, 1000u, &ticks))
		return -EINVAL;
	*ret_ms = ticks / ticks_per_second;
	return 0;
}

bool corral_cgroup_parse_swaps(const char *text)
{
	struct span line;

	/* The first line is the table's head. */
	return line_next(&text, &line) && line_next(&text, &line) && line.len > 0;
}

uint64_t corral_cgroup_shares(uint64_t weight)
{
	const uint64_t least = 2, most = 262144;
	uint64_t shares = weight > most ? most : weight * 1024 / 100;

	if (shares < least)
		return least;
	return shares > most ? most : shares;
}

void corral_cgroup_bandwidth(uint64_t cpu_millis, uint64_t *ret_quota_us, uint64_t *ret_period_us)
{
	const uint64_t quota_min_us = 1000, usual_us = 100000;
	uint64_t quota = cpu_millis * (usual_us / 1000), period = usual_us;

	/* The kernel refuses quotas below a millisecond; a longer period keeps the share exact. */
	if (quota < quota_min_us) {
		quota = quota_min_us;
		period = cpu_millis ? quota_min_us * 1000 / cpu_millis : 1000000;
	}
	*ret_quota_us = quota;
	*ret_period_us = period;
}
