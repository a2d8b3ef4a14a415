#include "policy/limits.h"

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

static const struct {
	enum corral_limit limit;
	const char *name;
} names[CORRAL_LIMIT_COUNT] = {
	{ CORRAL_LIMIT_MEMORY, "memory" },
	{ CORRAL_LIMIT_MEMORY_SWAP, "memory_swap" },
	{ CORRAL_LIMIT_CPUS, "cpus" },
	{ CORRAL_LIMIT_CPU_WEIGHT, "cpu_weight" },
	{ CORRAL_LIMIT_PIDS, "pids" },
	{ CORRAL_LIMIT_DISK, "disk" },
	{ CORRAL_LIMIT_DISK_INODES, "disk_inodes" },
	{ CORRAL_LIMIT_FILE_SIZE, "file_size" },
	{ CORRAL_LIMIT_OPEN_FILES, "open_files" },
	{ CORRAL_LIMIT_TIMEOUT, "timeout" },
	{ CORRAL_LIMIT_OUTPUT, "output" },
};

const char *corral_limit_name(enum corral_limit limit)
{
	for (size_t i = 0; i < CORRAL_COUNT(names); i++)
		if (names[i].limit == limit)
			return names[i].name;
	return NULL;
}
