#include "kernel/host_facts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/host.h"

/* Enough for a mountinfo of some thousands of lines; what does not fit is not looked at. */
#define FILE_MAX_BYTES (4u << 20)

static const char *const namespaces[CORRAL_HOST_NAMESPACES] = { "user", "mnt",    "pid", "ipc",
	                                                        "uts",  "cgroup", "net" };

const char *corral_host_namespace_name(unsigned int i)
{
	return i < CORRAL_HOST_NAMESPACES ? namespaces[i] : NULL;
}

/* The file's text or NULL; the caller frees. */
static char *read_text(const char *path)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	if (fd < 0 || corral_buf_read_fd(&b, fd, FILE_MAX_BYTES) < 0)
		return NULL;
	return corral_buf_take(&b);
}

static int64_t read_number(const char *path)
{
	corral_autofree char *text = read_text(path);
	uint64_t value;

	if (!text)
		return -1;
	text[strcspn(text, " \t\n")] = '\0';
	return corral_parse_u64(text, INT64_MAX, &value, NULL) == 0 ? (int64_t)value : -1;
}

/* Copies the first line of a file, without its newline; leaves an empty string without one. */
static void read_line(const char *path, char *ret, size_t size)
{
	corral_autofree char *text = read_text(path);

	ret[0] = '\0';
	if (text)
		(void)snprintf(ret, size, "%.*s", (int)strcspn(text, "\n"), text);
}

/* Where the value of "Key:" begins in the text of /proc/self/status, or NULL. */
static const char *status_value(const char *status, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = status; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

static void read_status(struct corral_host_facts *f)
{
	corral_autofree char *status = read_text("/proc/self/status");
	const char *value;

	if (!status)
		return;
	f->has_proc = true;
	value = status_value(status, "Seccomp");
	f->seccomp_filtered = value && *value == '2';
	value = status_value(status, "NoNewPrivs");
	f->no_new_privs = value && *value == '1';
	value = status_value(status, "CapEff");
	f->has_sys_admin = value && strtoull(value, NULL, 16) & (UINT64_C(1) << CAP_SYS_ADMIN);
}

/* Walks the fields of a line of a colon-separated file; copies field n. */
static bool colon_field(const char *line, unsigned int n, char *ret, size_t size)
{
	size_t len;

	for (; n; n--) {
		line += strcspn(line, ":\n");
		if (*line++ != ':')
			return false;
	}
	len = strcspn(line, ":\n");
	if (len >= size)
		return false;
	memcpy(ret, line, len);
	ret[len] = '\0';
	return true;
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : NULL;
}

/* By hand: getpwuid() would load whatever name service the host is set up for. */
static void read_user(struct corral_host_facts *f)
{
	corral_autofree char *text = read_text("/etc/passwd");
	char id[16], wanted[16];

	(void)snprintf(wanted, sizeof(wanted), "%u", f->uid);
	for (const char *line = text; line; line = next_line(line))
		if (colon_field(line, 2, id, sizeof(id)) && strcmp(id, wanted) == 0 &&
		    colon_field(line, 0, f->user, sizeof(f->user)))
			return;
	f->user[0] = '\0';
}

bool corral_host_subid_in(const char *text, const char *user, uint32_t uid, uint32_t *ret_start,
                          uint32_t *ret_count)
{
	char owner[64], start[16], count[16], number[16];
	uint64_t first, n;

	(void)snprintf(number, sizeof(number), "%u", uid);
	for (const char *line = text; line; line = next_line(line)) {
		if (!colon_field(line, 0, owner, sizeof(owner)) ||
		    !colon_field(line, 1, start, sizeof(start)) ||
		    !colon_field(line, 2, count, sizeof(count)))
			continue;
		if (strcmp(owner, number) != 0 && (!*user || strcmp(owner, user) != 0))
			continue;
		if (corral_parse_u64(start, UINT32_MAX, &first, NULL) < 0 ||
		    corral_parse_u64(count, UINT32_MAX, &n, NULL) < 0 || n == 0)
			continue;
		*ret_start = (uint32_t)first;
		*ret_count = (uint32_t)n;
		return true;
	}
	return false;
}

static bool tool_can_map(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	if (st.st_uid == 0 && (st.st_mode & S_ISUID))
		return true;
	return getxattr(path, "security.capability", NULL, 0) > 0;
}

uint32_t corral_host_subid_free(const char *text)
{
	uint64_t next = 100000;

	for (const char *line = text; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : "") {
		unsigned long long first, count;

		if (sscanf(line, "%*[^:\n]:%llu:%llu", &first, &count) == 2 && first < UINT32_MAX &&
		    count < UINT32_MAX && first + count > next)
			next = first + count;
	}
	return next < UINT32_MAX - 65536 ? (uint32_t)next : 0;
}

static void read_subids(struct corral_host_facts *f)
{
	corral_autofree char *uids = read_text("/etc/subuid"), *gids = read_text("/etc/subgid");

	if (access("/usr/bin/newuidmap", X_OK) == 0 && access("/usr/bin/newgidmap", X_OK) == 0) {
		f->has_newuidmap = true;
		f->newuidmap_can =
		        tool_can_map("/usr/bin/newuidmap") && tool_can_map("/usr/bin/newgidmap");
	}
	(void)corral_host_subid_in(uids, f->user, f->uid, &f->subuid_start, &f->subuid_count);
	(void)corral_host_subid_in(gids, f->user, f->uid, &f->subgid_start, &f->subgid_count);
	f->subid_free = corral_host_subid_free(uids);
	if (corral_host_subid_free(gids) > f->subid_free)
		f->subid_free = corral_host_subid_free(gids);
}

enum corral_host_container corral_host_container_in(const char *cgroup_text)
{
	static const struct {
		const char *word;
		enum corral_host_container kind;
	} signs[] = {
		{ "kubepods", CORRAL_HOST_KUBERNETES }, { "libpod", CORRAL_HOST_PODMAN },
		{ "/docker/", CORRAL_HOST_DOCKER },     { "/docker-", CORRAL_HOST_DOCKER },
		{ "/lxc/", CORRAL_HOST_LXC },           { "/lxc.payload", CORRAL_HOST_LXC },
	};

	for (size_t i = 0; cgroup_text && i < CORRAL_COUNT(signs); i++)
		if (strstr(cgroup_text, signs[i].word))
			return signs[i].kind;
	return CORRAL_HOST_BARE;
}

/* The number that the kernel gives to the first pid namespace of a boot (PID_NS_INIT_INO). */
#define FIRST_PID_NAMESPACE 0xEFFFFFFCu

/* A virtual machine made from a container image has the files of one, and is none. */
static bool in_first_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == FIRST_PID_NAMESPACE;
}

static void read_container(struct corral_host_facts *f)
{
	corral_autofree char *cgroup = read_text("/proc/self/cgroup");
	char manager[32];

	f->in_service = cgroup && strstr(cgroup, ".service");
	f->container = corral_host_container_in(cgroup);
	if (access("/run/secrets/kubernetes.io", F_OK) == 0)
		f->container = CORRAL_HOST_KUBERNETES;
	if (f->container != CORRAL_HOST_BARE || in_first_pid_namespace())
		return;
	read_line("/run/systemd/container", manager, sizeof(manager));
	if (access("/run/.containerenv", F_OK) == 0 || strcmp(manager, "podman") == 0)
		f->container = CORRAL_HOST_PODMAN;
	else if (access("/.dockerenv", F_OK) == 0 || strcmp(manager, "docker") == 0)
		f->container = CORRAL_HOST_DOCKER;
	else if (strncmp(manager, "lxc", 3) == 0)
		f->container = CORRAL_HOST_LXC;
	else if (strcmp(manager, "systemd-nspawn") == 0)
		f->container = CORRAL_HOST_NSPAWN;
	else if (manager[0])
		f->container = CORRAL_HOST_OTHER_CONTAINER;
}

/* Mount point and type of a line "36 35 98:0 /root /mnt options [tags] - type source ...". */
static bool mountinfo_fields(const char *line, char *point, size_t point_size, char *type,
                             size_t type_size)
{
	const char *end = line + strcspn(line, "\n"), *at = line, *dash;
	size_t len;

	for (int i = 0; i < 4; i++) {
		at += strcspn(at, " \n");
		if (at >= end)
			return false;
		at++;
	}
	len = strcspn(at, " \n");
	dash = strstr(at, " - ");
	if (len >= point_size || !dash || dash >= end)
		return false;
	memcpy(point, at, len);
	point[len] = '\0';
	dash += 3;
	len = strcspn(dash, " \n");
	if (len >= type_size)
		return false;
	memcpy(type, dash, len);
	type[len] = '\0';
	return true;
}

void corral_host_facts_mounts(struct corral_host_facts *f, const char *mountinfo_text)
{
	char point[256], type[32];
	bool has_root = false;

	for (const char *line = mountinfo_text; line; line = next_line(line)) {
		if (!mountinfo_fields(line, point, sizeof(point), type, sizeof(type)))
			continue;
		if (strcmp(point, "/") == 0) {
			/* The last one covers those before it. */
			has_root = true;
			f->root_is_initramfs = strcmp(type, "rootfs") == 0;
		}
		/* Directories that the kernel keeps empty for mounts do not count as masked. */
		if (strncmp(point, "/proc/", 6) == 0 && strcmp(type, "binfmt_misc") != 0 &&
		    strcmp(type, "autofs") != 0 && !f->proc_submount[0])
			(void)snprintf(f->proc_submount, sizeof(f->proc_submount), "%.*s",
			               (int)sizeof(f->proc_submount) - 1, point);
	}
	/* Under a chroot the list shows what lies below, but no "/" (unless that is a mount). */
	f->chrooted = mountinfo_text && *mountinfo_text && !has_root;
}

/* Against process 1, for those who may look: a chroot onto a mount point has a "/" in its list. */
static bool root_differs_from_init(void)
{
	struct stat own, init, own_ns, init_ns;

	return stat("/proc/1/root/", &init) == 0 && stat("/", &own) == 0 &&
	       stat("/proc/1/ns/mnt", &init_ns) == 0 && stat("/proc/self/ns/mnt", &own_ns) == 0 &&
	       own_ns.st_ino == init_ns.st_ino &&
	       (own.st_dev != init.st_dev || own.st_ino != init.st_ino);
}

static void read_security_modules(struct corral_host_facts *f)
{
	f->apparmor_limits_userns =
	        read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1;
	f->selinux_enforcing = read_number("/sys/fs/selinux/enforce") == 1;
	read_line("/proc/self/attr/apparmor/current", f->apparmor_profile,
	          sizeof(f->apparmor_profile));
	/* "name (mode)"; a bare name is "unconfined". */
	f->apparmor_profile[strcspn(f->apparmor_profile, " ")] = '\0';
}

void corral_host_facts_read(struct corral_host_facts *ret)
{
	struct corral_host_facts f = { .userns_clone = -1, .memfd_noexec = -1 };
	corral_autofree char *mounts = read_text("/proc/self/mountinfo");
	struct corral_host h = { 0 };
	char path[64];
	ssize_t n;

	(void)corral_host_probe(&h, NULL);
	f.kernel_major = h.kernel_major;
	f.kernel_minor = h.kernel_minor;
	f.privileged = h.features & CORRAL_HOST_PRIVILEGED;
	f.uid = geteuid();
	read_status(&f);
	read_user(&f);
	read_subids(&f);
	read_container(&f);
	read_security_modules(&f);
	corral_host_facts_mounts(&f, mounts);
	f.chrooted = f.chrooted || root_differs_from_init();
	f.userns_clone = (int)read_number("/proc/sys/kernel/unprivileged_userns_clone");
	f.memfd_noexec = (int)read_number("/proc/sys/vm/memfd_noexec");
	for (unsigned int i = 0; i < CORRAL_HOST_NAMESPACES; i++) {
		(void)snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces",
		               namespaces[i]);
		f.max_namespaces[i] = read_number(path);
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		if (access(path, F_OK) == 0)
			f.built_namespaces |= 1u << i;
	}
	n = readlink("/proc/self/exe", f.exe, sizeof(f.exe) - 1);
	f.exe[n > 0 ? n : 0] = '\0';
	*ret = f;
}
