/*
 * A refused call in words: its name with the argument that mattered, the rule of the built-in
 * profile that speaks of it, and what would allow it. Arguments behind pointers are another
 * process's memory and stay unread.
 */
#include "policy/seccomp.h"

#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/syscalls.h"

#define BY_PROFILE "--seccomp FILE with a profile that allows the call"

struct rule {
	const char *name, *remedy;
};

static const struct rule kernel_surface = { "kernel-surface", BY_PROFILE };
static const struct rule keyrings = { "keyrings", BY_PROFILE };
static const struct rule namespaces = {
	"namespaces", "run the command without namespaces of its own; or " BY_PROFILE
};
static const struct rule mounts = { "mounts",
	                            "--bind, --ro-bind or --tmpfs when the sandbox is made" };
static const struct rule file_handles = { "file-handles", BY_PROFILE };
static const struct rule processes = { "other-processes", "--cap-add SYS_PTRACE" };
static const struct rule pages = { "other-processes", "--cap-add SYS_NICE" };
static const struct rule change_root = { "change-root", "--cap-add SYS_CHROOT" };
static const struct rule host_control = { "host-control",
	                                  "nothing: it would act on the whole host" };
static const struct rule socket_family = {
	"socket-family", "AF_UNIX, AF_INET, AF_INET6 or NETLINK_ROUTE; or " BY_PROFILE
};
static const struct rule terminal = { "terminal", BY_PROFILE };
static const struct rule disk_quota = { "disk-quota", BY_PROFILE };
static const struct rule set_id = { "set-id",
	                            "leave out the set-user-id and set-group-id bits of the mode" };
static const struct rule listener = { "seccomp-listener", BY_PROFILE };
static const struct rule resource_limits = {
	"resource-limits", "a process may change its own limits, but for that on core dumps"
};
static const struct rule personality_rule = { "personality", BY_PROFILE };
static const struct rule foreign = { "foreign-architecture",
	                             "a program built for " CORRAL_NATIVE_NAME };
static const struct rule pointer_argument = {
	"pointer-argument", "the older call, to which libraries fall back on ENOSYS"
};
static const struct rule unknown = { "unknown-call",
	                             "the older call, to which libraries fall back on ENOSYS" };
static const struct rule not_listed = { "not-listed", BY_PROFILE };

static const struct {
	const char *call;
	const struct rule *rule;
} by_call[] = {
	{ "bpf", &kernel_surface },
	{ "perf_event_open", &kernel_surface },
	{ "io_uring_setup", &kernel_surface },
	{ "io_uring_enter", &kernel_surface },
	{ "io_uring_register", &kernel_surface },
	{ "userfaultfd", &kernel_surface },
	{ "fanotify_init", &kernel_surface },
	{ "fanotify_mark", &kernel_surface },
	{ "lookup_dcookie", &kernel_surface },
	{ "modify_ldt", &kernel_surface },
	{ "add_key", &keyrings },
	{ "request_key", &keyrings },
	{ "keyctl", &keyrings },
	{ "unshare", &namespaces },
	{ "setns", &namespaces },
	{ "clone", &namespaces },
	{ "clone3", &pointer_argument },
	{ "openat2", &pointer_argument },
	{ "mount", &mounts },
	{ "umount2", &mounts },
	{ "pivot_root", &mounts },
	{ "open_tree", &mounts },
	{ "open_tree_attr", &mounts },
	{ "move_mount", &mounts },
	{ "fsopen", &mounts },
	{ "fsconfig", &mounts },
	{ "fsmount", &mounts },
	{ "fspick", &mounts },
	{ "mount_setattr", &mounts },
	{ "statmount", &mounts },
	{ "listmount", &mounts },
	{ "name_to_handle_at", &file_handles },
	{ "open_by_handle_at", &file_handles },
	{ "ptrace", &processes },
	{ "process_vm_readv", &processes },
	{ "process_vm_writev", &processes },
	{ "kcmp", &processes },
	{ "pidfd_getfd", &kernel_surface },
	{ "process_madvise", &kernel_surface },
	{ "move_pages", &pages },
	{ "migrate_pages", &pages },
	{ "chroot", &change_root },
	{ "kexec_load", &host_control },
	{ "kexec_file_load", &host_control },
	{ "init_module", &host_control },
	{ "finit_module", &host_control },
	{ "delete_module", &host_control },
	{ "reboot", &host_control },
	{ "swapon", &host_control },
	{ "swapoff", &host_control },
	{ "acct", &host_control },
	{ "settimeofday", &host_control },
	{ "clock_settime", &host_control },
	{ "adjtimex", &host_control },
	{ "clock_adjtime", &host_control },
	{ "iopl", &host_control },
	{ "ioperm", &host_control },
	{ "syslog", &host_control },
	{ "sync", &host_control },
	{ "syncfs", &host_control },
	{ "sethostname", &host_control },
	{ "setdomainname", &host_control },
	{ "quotactl", &disk_quota },
	{ "quotactl_fd", &disk_quota },
	{ "file_setattr", &disk_quota },
	{ "socket", &socket_family },
	{ "socketpair", &socket_family },
	{ "seccomp", &listener },
	{ "personality", &personality_rule },
	{ "setrlimit", &resource_limits },
	{ "prlimit64", &resource_limits },
	{ "creat", &set_id },
	{ "open", &set_id },
	{ "openat", &set_id },
	{ "chmod", &set_id },
	{ "fchmod", &set_id },
	{ "fchmodat", &set_id },
	{ "fchmodat2", &set_id },
	{ "mknod", &set_id },
	{ "mknodat", &set_id },
};

struct word {
	uint64_t value;
	const char *name;
};

/* By number and not by header: the headers of an older system lack the newer ones. */
static const struct word families[] = {
	{ 0, "AF_UNSPEC" }, { 1, "AF_UNIX" },      { 2, "AF_INET" },    { 3, "AF_AX25" },
	{ 4, "AF_IPX" },    { 5, "AF_APPLETALK" }, { 9, "AF_X25" },     { 10, "AF_INET6" },
	{ 15, "AF_KEY" },   { 16, "AF_NETLINK" },  { 17, "AF_PACKET" }, { 21, "AF_RDS" },
	{ 23, "AF_IRDA" },  { 24, "AF_PPPOX" },    { 26, "AF_LLC" },    { 27, "AF_IB" },
	{ 28, "AF_MPLS" },  { 29, "AF_CAN" },      { 30, "AF_TIPC" },   { 31, "AF_BLUETOOTH" },
	{ 33, "AF_RXRPC" }, { 35, "AF_PHONET" },   { 37, "AF_CAIF" },   { 38, "AF_ALG" },
	{ 39, "AF_NFC" },   { 40, "AF_VSOCK" },    { 41, "AF_KCM" },    { 42, "AF_QIPCRTR" },
	{ 43, "AF_SMC" },   { 44, "AF_XDP" },      { 45, "AF_MCTP" },
};

static const struct word netlinks[] = {
	{ 0, "NETLINK_ROUTE" },       { 2, "NETLINK_USERSOCK" },
	{ 4, "NETLINK_SOCK_DIAG" },   { 6, "NETLINK_XFRM" },
	{ 7, "NETLINK_SELINUX" },     { 9, "NETLINK_AUDIT" },
	{ 10, "NETLINK_FIB_LOOKUP" }, { 11, "NETLINK_CONNECTOR" },
	{ 12, "NETLINK_NETFILTER" },  { 15, "NETLINK_KOBJECT_UEVENT" },
	{ 16, "NETLINK_GENERIC" },    { 20, "NETLINK_RDMA" },
	{ 21, "NETLINK_CRYPTO" },
};

static const struct word clone_flags[] = {
	{ 0x00000080, "CLONE_NEWTIME" },   { 0x00020000, "CLONE_NEWNS" },
	{ 0x02000000, "CLONE_NEWCGROUP" }, { 0x04000000, "CLONE_NEWUTS" },
	{ 0x08000000, "CLONE_NEWIPC" },    { 0x10000000, "CLONE_NEWUSER" },
	{ 0x20000000, "CLONE_NEWPID" },    { 0x40000000, "CLONE_NEWNET" },
};

static const struct word ioctls[] = {
	{ 0x5412, "TIOCSTI" },
	{ 0x541C, "TIOCLINUX" },
	{ 0x541D, "TIOCCONS" },
	{ 0x401C5820, "FS_IOC_FSSETXATTR" },
};

static const char *word_name(const struct word *words, size_t n, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		if (words[i].value == value)
			return words[i].name;
	return NULL;
}

#define WORD(words, value) word_name(words, CORRAL_COUNT(words), value)

/* "(" name or number ")" after what is there. */
static void add_word(char *call, size_t size, const char *name, uint32_t value)
{
	size_t len = strlen(call);

	if (name)
		(void)snprintf(call + len, size - len, "(%s)", name);
	else
		(void)snprintf(call + len, size - len, "(0x%x)", value);
}

static void add_flags(char *call, size_t size, uint64_t flags, bool time_too)
{
	const char *before = "(";

	/* In clone() bit 0x80 is part of the exit signal. */
	for (size_t i = time_too ? 0 : 1; i < CORRAL_COUNT(clone_flags); i++) {
		size_t len = strlen(call);

		if (!(flags & clone_flags[i].value))
			continue;
		(void)snprintf(call + len, size - len, "%s%s", before, clone_flags[i].name);
		before = "|";
	}
	if (*before == '|')
		(void)snprintf(call + strlen(call), size - strlen(call), ")");
}

static void add_mode(char *call, size_t size, uint64_t mode)
{
	(void)snprintf(call + strlen(call), size - strlen(call), "(mode %04o)",
	               (unsigned int)(mode & 07777));
}

static const struct {
	const char *call;
	uint8_t mode_arg;
} modes[] = {
	{ "creat", 1 },    { "chmod", 1 },     { "fchmod", 1 },  { "mknod", 1 },  { "open", 2 },
	{ "fchmodat", 2 }, { "fchmodat2", 2 }, { "mknodat", 2 }, { "openat", 3 },
};

static void add_args(const struct seccomp_data *data, char *call, size_t size,
                     const struct rule **rule)
{
	const uint64_t *args = (const uint64_t *)data->args;
	uint32_t first = (uint32_t)args[0], second = (uint32_t)args[1];

	if (strncmp(call, "socket", 6) == 0) {
		if (first == 16 && WORD(netlinks, (uint32_t)args[2]))
			(void)snprintf(call + strlen(call), size - strlen(call), "(AF_NETLINK, %s)",
			               WORD(netlinks, (uint32_t)args[2]));
		else
			add_word(call, size, WORD(families, first), first);
	} else if (strcmp(call, "clone") == 0) {
		add_flags(call, size, args[0], false);
	} else if (strcmp(call, "unshare") == 0) {
		add_flags(call, size, args[0], true);
	} else if (strcmp(call, "setns") == 0) {
		add_flags(call, size, args[1], true);
	} else if (strcmp(call, "ioctl") == 0) {
		*rule = second == 0x401C5820   ? &disk_quota
		        : WORD(ioctls, second) ? &terminal
		                               : &not_listed;
		add_word(call, size, WORD(ioctls, second), second);
	} else if (strcmp(call, "personality") == 0) {
		add_word(call, size, NULL, first);
	} else if (strcmp(call, "seccomp") == 0 && (args[1] & 8)) {
		add_word(call, size, "SECCOMP_FILTER_FLAG_NEW_LISTENER", 0);
	}
	for (size_t i = 0; i < CORRAL_COUNT(modes); i++) {
		if (strcmp(modes[i].call, call) == 0) {
			add_mode(call, size, args[modes[i].mode_arg]);
			break;
		}
	}
}

static void explain_foreign(const struct seccomp_data *data, struct corral_denial_text *ret)
{
	uint32_t nr = (uint32_t)data->nr & ~(CORRAL_NATIVE_HAS_X32 ? CORRAL_X32_BIT : 0u);
	bool x32 = data->arch == CORRAL_NATIVE_ARCH;
	corral_autofree char *name =
	        seccomp_syscall_resolve_num_arch(x32 ? SCMP_ARCH_X32 : data->arch, (int)nr);
	const char *arch = x32 ? "x32" : data->arch == AUDIT_ARCH_I386 ? "i386" : "foreign";

	if (name)
		(void)snprintf(ret->call, sizeof(ret->call), "%s %s", arch, name);
	else
		(void)snprintf(ret->call, sizeof(ret->call), "%s call %u", arch, nr);
	ret->rule = foreign.name;
	ret->remedy = foreign.remedy;
}

void corral_seccomp_explain(const struct seccomp_data *data, struct corral_denial_text *ret)
{
	const struct rule *rule = &not_listed;

	if (data->arch != CORRAL_NATIVE_ARCH ||
	    (CORRAL_NATIVE_HAS_X32 && (uint32_t)data->nr >= CORRAL_X32_BIT)) {
		explain_foreign(data, ret);
		return;
	}
	if (!corral_syscall_name((uint32_t)data->nr, ret->call, sizeof(ret->call))) {
		(void)snprintf(ret->call, sizeof(ret->call), "call %u", (unsigned int)data->nr);
		rule = &unknown;
	} else {
		for (size_t i = 0; i < CORRAL_COUNT(by_call); i++)
			if (strcmp(by_call[i].call, ret->call) == 0)
				rule = by_call[i].rule;
		add_args(data, ret->call, sizeof(ret->call), &rule);
	}
	ret->rule = rule->name;
	ret->remedy = rule->remedy;
}
