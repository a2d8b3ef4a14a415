#include "policy/limits.h"

#include <assert.h>
#include <stddef.h>

#include "kernel/base/cleanup.h"

const struct corral_limits corral_limits_default = {
	.memory_bytes = 1ull << 30,
	.memory_swap_bytes = 0,
	.cpu_millis = 0, /* all cores, but never more than its share: see the weight */
	.cpu_weight = 100,
	.pids = 512,
	.disk_bytes = 1ull << 30,
	.disk_inodes = 200000,
	.file_size_bytes = 1ull << 30,
	.open_files = 4096,
	.timeout_ms = 0, /* a person at a terminal decides; sessions set their own */
	.output_bytes = 0,
};

#define FIELD(name) offsetof(struct corral_limits, name)

static const struct {
	enum corral_limit limit;
	const char *name;
	size_t offset;
} names[CORRAL_LIMIT_COUNT] = {
	{ CORRAL_LIMIT_MEMORY, "memory", FIELD(memory_bytes) },
	{ CORRAL_LIMIT_MEMORY_SWAP, "memory_swap", FIELD(memory_swap_bytes) },
	{ CORRAL_LIMIT_CPUS, "cpus", FIELD(cpu_millis) },
	{ CORRAL_LIMIT_CPU_WEIGHT, "cpu_weight", FIELD(cpu_weight) },
	{ CORRAL_LIMIT_PIDS, "pids", FIELD(pids) },
	{ CORRAL_LIMIT_DISK, "disk", FIELD(disk_bytes) },
	{ CORRAL_LIMIT_DISK_INODES, "disk_inodes", FIELD(disk_inodes) },
	{ CORRAL_LIMIT_FILE_SIZE, "file_size", FIELD(file_size_bytes) },
	{ CORRAL_LIMIT_OPEN_FILES, "open_files", FIELD(open_files) },
	{ CORRAL_LIMIT_TIMEOUT, "timeout", FIELD(timeout_ms) },
	{ CORRAL_LIMIT_OUTPUT, "output", FIELD(output_bytes) },
};

const char *corral_limit_name(enum corral_limit limit)
{
	for (size_t i = 0; i < CORRAL_COUNT(names); i++)
		if (names[i].limit == limit)
			return names[i].name;
	return NULL;
}

static size_t offset_of(enum corral_limit limit)
{
	size_t i = 0;

	while (i < CORRAL_COUNT(names) && names[i].limit != limit)
		i++;
	assert(i < CORRAL_COUNT(names));
	return names[i].offset;
}

uint64_t corral_limit_get(const struct corral_limits *l, enum corral_limit limit)
{
	return *(const uint64_t *)(const void *)((const char *)l + offset_of(limit));
}

void corral_limit_set(struct corral_limits *l, enum corral_limit limit, uint64_t value)
{
	*(uint64_t *)(void *)((char *)l + offset_of(limit)) = value;
}
