#include "kernel/base/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static const struct {
	enum corral_trace_topic topic;
	const char *name;
} topics_known[] = {
	{ CORRAL_TRACE_SPAWN, "spawn" },     { CORRAL_TRACE_CGROUP, "cgroup" },
	{ CORRAL_TRACE_HOST, "host" },       { CORRAL_TRACE_POLICY, "policy" },
	{ CORRAL_TRACE_BACKEND, "backend" },
};

/* The one global: diagnostics have no owner to be passed through. Written once, before any thread.
 */
static unsigned int trace_on;

/* 0: none of that name. */
static unsigned int topic_of(const char *name, size_t len)
{
	if (len == 3 && !strncmp(name, "all", 3))
		return ~0u;
	for (size_t i = 0; i < CORRAL_COUNT(topics_known); i++)
		if (strlen(topics_known[i].name) == len &&
		    !strncmp(name, topics_known[i].name, len))
			return topics_known[i].topic;
	return 0;
}

const char *corral_trace_enable(const char *topics)
{
	const char *unknown = NULL;

	for (const char *p = topics; p && *p;) {
		size_t len = strcspn(p, ",");
		unsigned int topic = topic_of(p, len);

		if (len && !topic)
			unknown = p;
		trace_on |= topic;
		p += len;
		p += *p == ',';
	}
	return unknown;
}

void corral_trace(enum corral_trace_topic topic, const char *fmt, ...)
{
	char line[600];
	const char *name = "";
	int saved = errno, n;
	va_list ap;
	size_t i;

	if (!(trace_on & topic))
		return;
	for (i = 0; i < CORRAL_COUNT(topics_known); i++)
		if (topics_known[i].topic == topic)
			name = topics_known[i].name;
	n = snprintf(line, sizeof(line), "corral: %s: ", name);
	va_start(ap, fmt);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = (int)strlen(line);
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n);
	errno = saved;
}
