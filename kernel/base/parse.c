#include "kernel/base/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int corral_parse_u64(const char *text, uint64_t max, uint64_t *ret, struct corral_error *err)
{
	uint64_t value = 0;
	const char *p;

	if (!*text)
		return corral_error_set(err, EINVAL, "empty where a number is expected");
	for (p = text; *p; p++) {
		unsigned int digit = (unsigned int)(*p - '0');

		if (digit > 9)
			return corral_error_set(err, EINVAL, "'%s' is not a whole number", text);
		if (value > (UINT64_MAX - digit) / 10)
			return corral_error_set(err, ERANGE, "'%s' is too large", text);
		value = value * 10 + digit;
	}
	if (value > max)
		return corral_error_set(err, ERANGE, "'%s' is too large: at most %llu", text,
		                        (unsigned long long)max);
	*ret = value;
	return 0;
}

/*
 * Digits with an optional fraction, as a count of thousandths; *ret_end is the first character that
 * does not belong. Integers stay exact, as the fraction is kept apart.
 */
static int fixed_split(const char *text, uint64_t *ret_whole, uint64_t *ret_thousandths,
                       const char **ret_end)
{
	uint64_t whole = 0, frac = 0, scale = 100;
	const char *p = text;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned int digit = (unsigned int)(*p - '0');

		if (whole > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		whole = whole * 10 + digit;
	}
	if (*p == '.') {
		if (p[1] < '0' || p[1] > '9')
			return -EINVAL;
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			frac += (uint64_t)(*p - '0') * scale;
	}
	*ret_whole = whole;
	*ret_thousandths = frac;
	*ret_end = p;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int scaled_parse(const char *text, const struct unit *units, size_t n_units,
                        const char *what, uint64_t *ret, struct corral_error *err)
{
	uint64_t whole = 0, thousandths = 0, value;
	const char *end = text;
	size_t i;
	int r;

	r = fixed_split(text, &whole, &thousandths, &end);
	if (r == -ERANGE)
		return corral_error_set(err, ERANGE, "'%s' is too large", text);
	if (r < 0)
		return corral_error_set(err, EINVAL, "'%s' is not %s", text, what);
	for (i = 0; i < n_units; i++)
		if (!strcasecmp(end, units[i].name))
			break;
	if (i == n_units)
		return corral_error_set(err, EINVAL, "'%s' is not %s", text, what);
	if (__builtin_mul_overflow(whole, units[i].factor, &value) ||
	    __builtin_add_overflow(value,
	                           units[i].factor / 1000 * thousandths +
	                                   units[i].factor % 1000 * thousandths / 1000,
	                           &value))
		return corral_error_set(err, ERANGE, "'%s' is too large", text);
	*ret = value;
	return 0;
}

int corral_parse_bytes(const char *text, uint64_t *ret_bytes, struct corral_error *err)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "b", 1 },
		{ "k", 1ull << 10 },
		{ "kb", 1ull << 10 },
		{ "kib", 1ull << 10 },
		{ "ki", 1ull << 10 },
		{ "m", 1ull << 20 },
		{ "mb", 1ull << 20 },
		{ "mib", 1ull << 20 },
		{ "mi", 1ull << 20 },
		{ "g", 1ull << 30 },
		{ "gb", 1ull << 30 },
		{ "gib", 1ull << 30 },
		{ "gi", 1ull << 30 },
		{ "t", 1ull << 40 },
		{ "tb", 1ull << 40 },
		{ "tib", 1ull << 40 },
		{ "ti", 1ull << 40 },
	};

	return scaled_parse(text, units, sizeof(units) / sizeof(units[0]),
	                    "a size (try 64M, 1.5G or a number of bytes)", ret_bytes, err);
}

int corral_parse_duration(const char *text, uint64_t *ret_ms, struct corral_error *err)
{
	static const struct unit units[] = {
		{ "", 1000 },   { "s", 1000 },    { "ms", 1 },
		{ "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};

	return scaled_parse(text, units, sizeof(units) / sizeof(units[0]),
	                    "a time (try 10s, 500ms, 2m or a number of seconds)", ret_ms, err);
}

int corral_parse_millis(const char *text, uint64_t *ret_millis, struct corral_error *err)
{
	static const struct unit units[] = { { "", 1000 } };
	uint64_t value = 0;
	int r;

	r = scaled_parse(text, units, 1, "a number (try 0.5 or 2)", &value, err);
	if (r < 0)
		return r;
	if (value > 1000000000)
		return corral_error_set(err, ERANGE, "'%s' is too large", text);
	*ret_millis = value;
	return 0;
}

int corral_parse_ids(const char *text, uint32_t *ret_uid, uint32_t *ret_gid,
                     struct corral_error *err)
{
	char first[16];
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	uint64_t uid = 0, gid = 0;
	int r;

	if (len >= sizeof(first))
		return corral_error_set(err, EINVAL, "'%s' is not UID or UID:GID in numbers", text);
	memcpy(first, text, len);
	first[len] = '\0';
	r = corral_parse_u64(first, UINT32_MAX - 1, &uid, NULL);
	if (r == 0)
		r = colon ? corral_parse_u64(colon + 1, UINT32_MAX - 1, &gid, NULL) : 0;
	if (r < 0)
		return corral_error_set(err, -r, "'%s' is not UID or UID:GID in numbers", text);
	*ret_uid = (uint32_t)uid;
	*ret_gid = colon ? (uint32_t)gid : (uint32_t)uid;
	return 0;
}
