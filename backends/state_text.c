/* What a document says in text of its own: times as in ISO 8601. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends/state_files.h"

void corral_state_time_format(int64_t nsec, char ret[CORRAL_STATE_TIME_SIZE])
{
	int64_t second = nsec / 1000000000, usec = nsec % 1000000000 / 1000;
	char fraction[16] = "";
	struct tm tm;
	time_t t;

	if (usec < 0) {
		usec += 1000000;
		second--;
	}
	t = (time_t)second;
	(void)gmtime_r(&t, &tm);
	if (usec)
		(void)snprintf(fraction, sizeof(fraction), ".%06u", (unsigned int)usec);
	(void)snprintf(ret, CORRAL_STATE_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u%.7s+00:00",
	               (unsigned int)(tm.tm_year + 1900) % 10000u, (unsigned int)tm.tm_mon + 1,
	               (unsigned int)tm.tm_mday, (unsigned int)tm.tm_hour, (unsigned int)tm.tm_min,
	               (unsigned int)tm.tm_sec, fraction);
}

/* n digits of the text, which moves on; -1 when there are fewer. */
static int digits(const char **text, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		char c = **text;

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
		(*text)++;
	}
	return value;
}

static bool skip(const char **text, const char *one_of)
{
	if (!**text || !strchr(one_of, **text))
		return false;
	(*text)++;
	return true;
}

/* ".123456", up to nine digits of it; 0 without. */
static int64_t fraction_nsec(const char **text)
{
	int64_t value = 0, unit = 100000000;

	if (!skip(text, ".,"))
		return 0;
	for (int d; (d = digits(text, 1)) >= 0; unit /= 10)
		value += d * unit;
	return value;
}

/* "Z", "+01:00", "-0130"; none is UTC. Seconds east, or INT_MAX for what is none of these. */
static int zone_seconds(const char *text)
{
	int sign = *text == '-' ? -1 : 1, hours, minutes;

	if (!strcmp(text, "") || !strcmp(text, "Z") || !strcmp(text, "z"))
		return 0;
	if (!skip(&text, "+-"))
		return INT32_MAX;
	hours = digits(&text, 2);
	(void)skip(&text, ":");
	minutes = digits(&text, 2);
	return hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || *text
	               ? INT32_MAX
	               : sign * (hours * 3600 + minutes * 60);
}

int corral_state_time_parse(const char *text, int64_t *ret_nsec)
{
	struct tm tm = { 0 };
	int64_t nsec;
	int zone;

	tm.tm_year = digits(&text, 4) - 1900;
	tm.tm_mon = skip(&text, "-") ? digits(&text, 2) - 1 : -1;
	tm.tm_mday = skip(&text, "-") ? digits(&text, 2) : 0;
	tm.tm_hour = skip(&text, "T ") ? digits(&text, 2) : -1;
	tm.tm_min = skip(&text, ":") ? digits(&text, 2) : -1;
	tm.tm_sec = skip(&text, ":") ? digits(&text, 2) : -1;
	nsec = fraction_nsec(&text);
	zone = zone_seconds(text);
	/* Years that 64 bits of nanoseconds can tell. */
	if (tm.tm_year < 1700 - 1900 || tm.tm_year > 2200 - 1900 || tm.tm_mon < 0 ||
	    tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 ||
	    tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60 ||
	    zone == INT32_MAX)
		return -EINVAL;
	*ret_nsec = ((int64_t)timegm(&tm) - zone) * 1000000000 + nsec;
	return 0;
}
