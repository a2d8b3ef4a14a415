/*
 * What a sandbox may use up. Zero means "no limit" everywhere but where said. One limit is one bit
 * in a mask, so that "asked for by name", "cannot be enforced here" and "was reached" are sets of
 * limits.
 */
#ifndef CORRAL_POLICY_LIMITS_H
#define CORRAL_POLICY_LIMITS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum corral_limit {
	CORRAL_LIMIT_MEMORY = 1u << 0,
	CORRAL_LIMIT_MEMORY_SWAP = 1u << 1,
	CORRAL_LIMIT_CPUS = 1u << 2,
	CORRAL_LIMIT_CPU_WEIGHT = 1u << 3,
	CORRAL_LIMIT_PIDS = 1u << 4,
	CORRAL_LIMIT_DISK = 1u << 5,
	CORRAL_LIMIT_DISK_INODES = 1u << 6,
	CORRAL_LIMIT_FILE_SIZE = 1u << 7,
	CORRAL_LIMIT_OPEN_FILES = 1u << 8,
	CORRAL_LIMIT_TIMEOUT = 1u << 9,
	CORRAL_LIMIT_OUTPUT = 1u << 10,
};
#define CORRAL_LIMIT_COUNT 11

struct corral_limits {
	uint64_t memory_bytes;
	uint64_t memory_swap_bytes; /* swap on top of memory; 0 = none at all, the default */
	uint64_t cpu_millis;        /* 1000 = one core's worth of time */
	uint64_t cpu_weight;        /* 1..10000 as cpu.weight; 0 = the kernel's default (100) */
	uint64_t pids;
	uint64_t disk_bytes; /* of everything the guest writes outside of directories bound from the
	                        host */
	uint64_t disk_inodes;
	uint64_t file_size_bytes;
	uint64_t open_files;
	uint64_t timeout_ms;
	uint64_t output_bytes; /* stdout and stderr together */
};

/* The defaults of design section 4.5: every limit on, none that an ordinary program meets. */
extern const struct corral_limits corral_limits_default;

/* "memory", "cpus", ...: as in the configuration and in receipts. NULL for no single limit. */
const char *corral_limit_name(enum corral_limit limit);
/* Its number, in the unit of its field. */
uint64_t corral_limit_get(const struct corral_limits *l, enum corral_limit limit);
void corral_limit_set(struct corral_limits *l, enum corral_limit limit, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
