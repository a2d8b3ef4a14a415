#include "policy/limits_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/cleanup.h"

/* Sizes end up in signed 64-bit numbers of the kernel (loff_t, rlimits, page counters). */
#define SIZE_LIMIT_MAX ((uint64_t)1 << 60)

static const struct range {
	enum corral_limit limit;
	uint64_t min, max; /* 0 is always allowed: see limits.h */
	const char *least; /* as one types it */
	const char *most;
	const char *why; /* what happens below the least */
} ranges[] = {
	{ CORRAL_LIMIT_MEMORY, 4u << 20, SIZE_LIMIT_MAX, "4M", "1048576T",
	  "no program could start" },
	{ CORRAL_LIMIT_MEMORY_SWAP, 1, SIZE_LIMIT_MAX, "1", "1048576T", "" },
	{ CORRAL_LIMIT_CPUS, 10, 1000000000, "0.01", "1000000",
	  "the kernel cannot deal out less than 0.01" },
	{ CORRAL_LIMIT_CPU_WEIGHT, 1, 10000, "1", "10000", "" },
	{ CORRAL_LIMIT_PIDS, 2, 4194304, "2", "4194304", "the sandbox's own init is one of them" },
	{ CORRAL_LIMIT_DISK, 64u << 10, SIZE_LIMIT_MAX, "64K", "1048576T",
	  "the root's own files need more" },
	{ CORRAL_LIMIT_DISK_INODES, 64, UINT32_MAX, "64", "4294967295",
	  "the root's own files need more" },
	{ CORRAL_LIMIT_FILE_SIZE, 4096, SIZE_LIMIT_MAX, "4K", "1048576T", "a page is 4K" },
	{ CORRAL_LIMIT_OPEN_FILES, 16, 1u << 20, "16", "1048576",
	  "no program could load its libraries" },
	{ CORRAL_LIMIT_TIMEOUT, 1, 3650ull * 86400 * 1000, "1ms", "3650d", "" },
	{ CORRAL_LIMIT_OUTPUT, 1, SIZE_LIMIT_MAX, "1", "1048576T", "" },
};

int corral_limits_check(const struct corral_limits *l, struct corral_error *err)
{
	for (size_t i = 0; i < CORRAL_COUNT(ranges); i++) {
		const struct range *g = &ranges[i];
		uint64_t value = corral_limit_get(l, g->limit);

		if (!value && g->limit == CORRAL_LIMIT_CPU_WEIGHT)
			return corral_error_set(
			        err, EINVAL,
			        "limit 'cpu_weight': 0 is no share: give 1 to 10000 "
			        "(100 is everybody's)");
		if (value && value < g->min)
			return corral_error_set(err, EINVAL,
			                        "limit '%s': %" PRIu64
			                        "%s is too little (%s): give at "
			                        "least %s, or 0 for no limit",
			                        corral_limit_name(g->limit), value,
			                        g->limit == CORRAL_LIMIT_CPUS ? " thousandths" : "",
			                        g->why, g->least);
		if (value > g->max)
			return corral_error_set(err, EINVAL,
			                        "limit '%s': %" PRIu64
			                        " is too much: give at most %s",
			                        corral_limit_name(g->limit), value, g->most);
	}
	return 0;
}
