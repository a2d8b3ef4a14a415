#include "policy/caps.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "kernel/base/cleanup.h"

/* libcap answers names in memory of its own and in lower case; receipts and messages want these. */
static const char *const names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};
_Static_assert(CORRAL_COUNT(names) == 41, "CORRAL_CAPS_ALL and the names cover the same");

int corral_caps_parse(const char *name, uint64_t *ret_set, struct corral_error *err)
{
	char full[64];
	bool prefixed = strncasecmp(name, "cap_", 4) == 0;
	cap_value_t value;
	int n;

	if (strcasecmp(name, "all") == 0) {
		*ret_set = CORRAL_CAPS_ALL;
		return 0;
	}
	n = snprintf(full, sizeof(full), "%s%s", prefixed ? "" : "cap_", name);
	if (n < 0 || (size_t)n >= sizeof(full))
		return corral_error_set(err, EINVAL, "no capability '%.64s'", name);
	for (char *c = full; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	/* libcap takes a name at the front of other text ("cap_chown=ep") and bare numbers as well.
	 */
	if (cap_from_name(full, &value) < 0 || value < 0 || (size_t)value >= CORRAL_COUNT(names) ||
	    strcasecmp(full, names[value]) != 0)
		return corral_error_set(err, EINVAL, "no capability '%s'", name);
	*ret_set = 1ull << value;
	return 0;
}

static int parse_all(char *const *list, size_t n, uint64_t *ret_set, struct corral_error *err)
{
	uint64_t set = 0, one;
	int r;

	for (size_t i = 0; i < n; i++) {
		r = corral_caps_parse(list[i], &one, err);
		if (r < 0)
			return r;
		set |= one;
	}
	*ret_set = set;
	return 0;
}

int corral_caps_compose(char *const *add, size_t n_add, char *const *drop, size_t n_drop,
                        uint64_t *ret_set, struct corral_error *err)
{
	uint64_t added, dropped;
	int r;

	r = parse_all(add, n_add, &added, err);
	if (r < 0)
		return corral_error_wrap(err, r, "cap_add");
	r = parse_all(drop, n_drop, &dropped, err);
	if (r < 0)
		return corral_error_wrap(err, r, "cap_drop");
	*ret_set = added & ~dropped;
	return 0;
}

const char *corral_caps_name(unsigned int cap)
{
	return cap < CORRAL_COUNT(names) ? names[cap] : NULL;
}
