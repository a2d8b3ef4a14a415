/*
 * A small profile out of any bytes: few calls, so that entries meet, and values that differ in few
 * bits, so that their conditions overlap.
 */
#ifndef CORRAL_TESTS_FUZZ_SECCOMP_BYTES_H
#define CORRAL_TESTS_FUZZ_SECCOMP_BYTES_H

#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

struct seccomp_bytes {
	const uint8_t *data;
	size_t left;
};

static inline unsigned int seccomp_byte(struct seccomp_bytes *b)
{
	if (!b->left)
		return 0;
	b->left--;
	return *b->data++;
}

static inline void seccomp_bytes_action(struct seccomp_bytes *b, struct corral_buf *json,
                                        const char *key, const char *number)
{
	static const char *const names[] = { "ALLOW",        "ERRNO", "ALLOW", "ERRNO", "KILL",
		                             "KILL_PROCESS", "LOG",   "TRAP",  "TRACE", "ERRNO" };
	const char *name = names[seccomp_byte(b) % CORRAL_COUNT(names)];

	corral_buf_fmt(json, "\"%s\":\"SCMP_ACT_%s\"", key, name);
	if (name[0] == 'E' || (name[0] == 'T' && name[2] == 'A' && name[3] == 'C'))
		corral_buf_fmt(json, ",\"%s\":%u", number, seccomp_byte(b) % 3);
}

/* Below 63 bits, since jansson's numbers are. */
static inline uint64_t seccomp_bytes_value(struct seccomp_bytes *b)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 4, 0xff, 0xffff, 0xffffffff, 0x100000000, 0x7fffffffffffffff
	};
	unsigned int how = seccomp_byte(b);

	if (how < 128)
		return values[how % CORRAL_COUNT(values)];
	if (how < 192)
		return 1ull << how % 63;
	return (uint64_t)seccomp_byte(b) << how % 40;
}

static inline void seccomp_bytes_args(struct seccomp_bytes *b, struct corral_buf *json)
{
	static const char *const ops[] = { "NE", "LT", "LE",        "EQ",
		                           "GE", "GT", "MASKED_EQ", "MASKED_EQ" };
	unsigned int n = seccomp_byte(b) % 4, used = 0;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int index = seccomp_byte(b) % 6, op = seccomp_byte(b) % 8;
		uint64_t value = seccomp_bytes_value(b), two = 0;

		if (used & 1u << index)
			continue;
		if (op >= 6)
			two = value & seccomp_bytes_value(b);
		corral_buf_fmt(json, "%s{\"index\":%u,\"op\":\"SCMP_CMP_%s\",\"value\":%llu,",
		               used ? "," : "", index, ops[op], (unsigned long long)value);
		corral_buf_fmt(json, "\"valueTwo\":%llu}", (unsigned long long)two);
		used |= 1u << index;
	}
}

static inline void seccomp_bytes_profile(const uint8_t *data, size_t size, struct corral_buf *json)
{
	static const char *const calls[] = { "ioctl", "socket", "prctl", "open\",\"openat" };
	struct seccomp_bytes b = { data, size };
	unsigned int n = 0;

	corral_buf_str(json, "{");
	seccomp_bytes_action(&b, json, "defaultAction", "defaultErrnoRet");
	corral_buf_str(json, ",\"syscalls\":[");
	for (; b.left && n < 24; n++) {
		corral_buf_fmt(json, "%s{\"names\":[\"%s\"],", n ? "," : "",
		               calls[seccomp_byte(&b) % CORRAL_COUNT(calls)]);
		seccomp_bytes_action(&b, json, "action", "errnoRet");
		corral_buf_str(json, ",\"args\":[");
		seccomp_bytes_args(&b, json);
		corral_buf_str(json, "]}");
	}
	corral_buf_str(json, "]}");
}

#endif
