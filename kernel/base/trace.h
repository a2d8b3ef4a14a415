/*
 * What happens, told on stderr when CORRAL_TRACE asks for it ("spawn,cgroup" or "all"). The words
 * are set once by tools/ (only tools/ reads the environment); a library that nobody told to trace
 * is silent.
 */
#ifndef CORRAL_KERNEL_BASE_TRACE_H
#define CORRAL_KERNEL_BASE_TRACE_H

enum corral_trace_topic {
	CORRAL_TRACE_SPAWN = 1u << 0,
	CORRAL_TRACE_CGROUP = 1u << 1,
	CORRAL_TRACE_HOST = 1u << 2,
	CORRAL_TRACE_POLICY = 1u << 3,
	CORRAL_TRACE_BACKEND = 1u << 4,
};

#define CORRAL_TRACE_TOPICS "spawn, cgroup, host, policy, backend or all"

/* Comma-separated topics or "all"; NULL turns nothing on. Returns where the last word begins that
 * is none of these, or NULL. Not thread-safe: call first. */
const char *corral_trace_enable(const char *topics);

/* One line "corral: topic: text". Keeps errno. */
void corral_trace(enum corral_trace_topic topic, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

#endif
