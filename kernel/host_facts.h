/*
 * What there is to know about a host that refused something: switches, fences around the caller,
 * entries in files. Read only after a failure, or by the doctor; kernel/host_reason.h makes
 * sentences of it.
 */
#ifndef CORRAL_KERNEL_HOST_FACTS_H
#define CORRAL_KERNEL_HOST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

enum corral_host_container {
	CORRAL_HOST_BARE, /* none that we know of */
	CORRAL_HOST_DOCKER,
	CORRAL_HOST_PODMAN,
	CORRAL_HOST_KUBERNETES,
	CORRAL_HOST_LXC,
	CORRAL_HOST_NSPAWN,
	CORRAL_HOST_OTHER_CONTAINER,
};

/* In the order of corral_host_namespace_name(). */
#define CORRAL_HOST_NAMESPACES 7

struct corral_host_facts {
	unsigned int kernel_major, kernel_minor;
	uint32_t uid;
	char user[64];      /* login name from /etc/passwd; empty when it has none */
	char exe[160];      /* of this process: what an AppArmor profile is attached to */
	bool privileged;    /* as CORRAL_HOST_PRIVILEGED */
	bool has_sys_admin; /* CAP_SYS_ADMIN, wherever we are */
	bool no_new_privs;
	bool seccomp_filtered;       /* "Seccomp: 2": somebody's filter is upon us */
	bool apparmor_limits_userns; /* kernel.apparmor_restrict_unprivileged_userns = 1 */
	char apparmor_profile[96];   /* without its mode; empty without AppArmor */
	bool selinux_enforcing;
	int userns_clone; /* kernel.unprivileged_userns_clone; -1 where there is none */
	int memfd_noexec; /* vm.memfd_noexec; -1 where there is none */
	int64_t max_namespaces[CORRAL_HOST_NAMESPACES]; /* user.max_*_namespaces; -1 unknown */
	uint32_t built_namespaces;                      /* 1u << i: the kernel was built with it */
	bool has_proc;                                  /* a /proc to read all this from */
	char proc_submount[96]; /* something mounted over a part of /proc; empty without */
	bool chrooted;
	bool root_is_initramfs;
	enum corral_host_container container;
	bool in_service;    /* a systemd unit *.service */
	bool has_newuidmap; /* and newgidmap, in /usr/bin or /bin */
	bool newuidmap_can; /* set-user-ID root or with file capabilities */
	uint32_t subuid_start, subuid_count, subgid_start,
	        subgid_count; /* first entries; 0: none */
	uint32_t subid_free;  /* where a new range can begin, of both */
};

/* Whatever cannot be read counts as "not so", so that no cause is made up. */
void corral_host_facts_read(struct corral_host_facts *ret);

/* "user", "mnt", "pid", "ipc", "uts", "cgroup", "net". */
const char *corral_host_namespace_name(unsigned int i);

/* The words that follow, for the reader's tests: each takes the text of a file. */
enum corral_host_container corral_host_container_in(const char *cgroup_text);
/* The first id from 100000 on that no line of the text of /etc/subuid gives to anybody. NULL is an
 * empty text. */
uint32_t corral_host_subid_free(const char *text);
/* First range of `user` or `uid` in the text of /etc/subuid. */
bool corral_host_subid_in(const char *text, const char *user, uint32_t uid, uint32_t *ret_start,
                          uint32_t *ret_count);
/* Fills proc_submount, chrooted (only as far as a missing "/" tells) and root_is_initramfs. */
void corral_host_facts_mounts(struct corral_host_facts *f, const char *mountinfo_text);

#endif
