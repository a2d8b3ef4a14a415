#include "policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/caps.h"
#include "policy/egress.h"
#include "policy/environment.h"
#include "policy/guest_path.h"
#include "policy/limits_check.h"

#define HOSTNAME_MAX     63
#define PROFILE_SIZE_MAX ((size_t)1 << 20)
/* A range of ids has 65536; the last two stand for "nobody" by custom, and are still there. */
#define RANGE_IDS 65536u

static void mounts_free(struct corral_config_mount *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(mounts[i].host_path);
		free(mounts[i].guest_path);
	}
	free(mounts);
}

void corral_policy_free(struct corral_policy *p)
{
	if (!p || __atomic_fetch_sub(&p->shares, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(p->rootfs_path);
	if (p->rootfs_is_image)
		corral_fd_closep(&p->rootfs_lease_fd);
	if (p->has_disk)
		corral_fd_closep(&p->disk_fd);
	free(p->workspace_path);
	free(p->work_dir);
	free(p->work_dir_base);
	free(p->keep_path);
	for (size_t i = 0; i < p->n_layers; i++)
		free(p->layer_paths[i]);
	free(p->layer_paths);
	free(p->hostname);
	for (size_t i = 0; i < p->n_allow; i++)
		free(p->allow[i]);
	free(p->allow);
	for (size_t i = 0; i < p->n_publish; i++)
		corral_publish_done(&p->publish[i]);
	free(p->publish);
	mounts_free(p->mounts, p->n_mounts);
	for (size_t i = 0; i < p->n_env; i++)
		free(p->env[i]);
	free(p->env);
	corral_seccomp_done(&p->seccomp);
	free(p);
}

/*
 * A host path made absolute, and no more: ".." and symbolic links are left for the kernel, which
 * alone knows where they lead.
 */
static int host_path_absolute(const char *path, char **ret, struct corral_error *err)
{
	corral_autofree char *cwd = NULL;
	char *out = NULL;

	while (path[0] == '.' && path[1] == '/')
		path += 1 + strspn(path + 1, "/");
	if (path[0] == '/') {
		out = strdup(path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return corral_error_sys(err, errno,
			                        "'%.*s' is relative, and the current "
			                        "directory has no path",
			                        200, path);
		if (!*path || !strcmp(path, "."))
			out = corral_take_ptr(&cwd);
		else if (asprintf(&out, "%s/%s", strcmp(cwd, "/") ? cwd : "", path) < 0)
			out = NULL;
	}
	if (!out)
		return corral_error_sys(err, ENOMEM, "path");
	if (strlen(out) >= PATH_MAX) {
		free(out);
		return corral_error_set(err, EINVAL, "a path of more than %d bytes", PATH_MAX - 1);
	}
	*ret = out;
	return 0;
}

/* Above what is given to a program, as a holder keeps it at its number. */
#define DISK_FD_MIN 16

static int disk_compile(const struct corral_config *c, struct corral_policy *p,
                        struct corral_error *err)
{
	if (!c->has_disk)
		return 0;
	p->disk_fd = fcntl(c->disk_fd, F_DUPFD_CLOEXEC, DISK_FD_MIN);
	if (p->disk_fd < 0)
		return corral_error_sys(err, errno, "disk");
	p->has_disk = true;
	return 0;
}

/* Of what is kept: by the disk's root, where there is one, as that is mounted nowhere. */
static int kept_path(const struct corral_policy *p, const char *path, char **ret,
                     struct corral_error *err)
{
	if (!p->has_disk)
		return host_path_absolute(path, ret, err);
	if (asprintf(ret, "/proc/self/fd/%d/%s", p->disk_fd, path) < 0) {
		*ret = NULL;
		return corral_error_sys(err, ENOMEM, "path");
	}
	return 0;
}

/* Letters, digits and hyphens in labels between dots (RFC 1123). */
static int hostname_check(const char *name, struct corral_error *err)
{
	size_t len = strlen(name), label = 0;

	if (len > HOSTNAME_MAX)
		return corral_error_set(err, EINVAL, "hostname: %zu characters: at most %d", len,
		                        HOSTNAME_MAX);
	for (size_t i = 0; i <= len; i++) {
		char c = name[i];

		if (c == '.' || c == '\0') {
			if (label == 0 || name[i - 1] == '-')
				break;
			if (c == '\0')
				return 0;
			label = 0;
		} else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		           (c >= '0' && c <= '9') || (c == '-' && label > 0)) {
			label++;
		} else {
			break;
		}
	}
	return corral_error_set(err, EINVAL,
	                        "hostname: '%.*s' is not a host name: letters, digits and inner "
	                        "hyphens, in parts between dots",
	                        HOSTNAME_MAX, name);
}

static int layers_compile(const struct corral_config *c, struct corral_policy *p,
                          struct corral_error *err)
{
	int r;

	if ((c->n_layers || c->keep_work_dir) && !c->keep)
		return corral_error_set(err, EINVAL, "%s: only with keep",
		                        c->n_layers ? "layers" : "keep_work_dir");
	if (c->keep_work_dir && c->workspace)
		return corral_error_set(err, EINVAL,
		                        "keep_work_dir: the work directory is a workspace, which "
		                        "keeps its own changes: leave one of them out");
	p->keep_work_dir = c->keep_work_dir;
	p->layer_paths = calloc(c->n_layers + 1, sizeof(*p->layer_paths));
	if (!p->layer_paths)
		return corral_error_sys(err, ENOMEM, "layers");
	for (; p->n_layers < c->n_layers; p->n_layers++) {
		r = kept_path(p, c->layers[p->n_layers], &p->layer_paths[p->n_layers], err);
		if (r < 0)
			return corral_error_wrap(err, r, "layers[%zu]", p->n_layers);
	}
	return 0;
}

static int image_compile(const struct corral_config *c, struct corral_policy *p,
                         struct corral_error *err)
{
	if (c->image && !c->rootfs_is_image)
		return corral_error_set(err, EINVAL,
		                        "image: '%.200s' has not been looked for in a store",
		                        c->image);
	if (!c->rootfs_is_image)
		return 0;
	p->rootfs_lease_fd = fcntl(c->rootfs_lease_fd, F_DUPFD_CLOEXEC, 3);
	if (p->rootfs_lease_fd < 0)
		return corral_error_sys(err, errno, "image");
	p->rootfs_is_image = true;
	return 0;
}

static int texts_compile(const struct corral_config *c, struct corral_policy *p,
                         struct corral_error *err)
{
	int r;

	if (c->runtime && strcmp(c->runtime, "host") != 0)
		return corral_error_set(err, EINVAL, "unknown runtime '%.*s': known here: host", 64,
		                        c->runtime);
	r = hostname_check(c->hostname ? c->hostname : CORRAL_HOSTNAME_DEFAULT, err);
	if (r < 0)
		return r;
	p->hostname = strdup(c->hostname ? c->hostname : CORRAL_HOSTNAME_DEFAULT);
	if (!p->hostname)
		return corral_error_sys(err, ENOMEM, "hostname");

	/* What is the sandbox's own, or is kept, lies over the root's. */
	p->bare_work_dir = c->bare_work_dir && !c->workspace && !c->keep_work_dir;
	r = corral_guest_path_normalise(c->work_dir ? c->work_dir : CORRAL_WORK_DIR_DEFAULT,
	                                &p->work_dir, err);
	if (r == 0 && !p->bare_work_dir)
		r = corral_guest_path_free(p->work_dir, false, err);
	if (r == 0 && c->keep_work_dir && c->rootfs_is_image && c->work_dir_base) {
		p->work_dir_base = strdup(c->work_dir_base);
		if (!p->work_dir_base)
			r = corral_error_set(err, ENOMEM, "out of memory");
	}
	if (r < 0)
		return corral_error_wrap(err, r, "work_dir");

	p->rootfs_is_host = !c->rootfs || !strcmp(c->rootfs, "host");
	if (!p->rootfs_is_host) {
		r = host_path_absolute(c->rootfs, &p->rootfs_path, err);
		if (r < 0)
			return corral_error_wrap(err, r, "rootfs");
	}
	r = image_compile(c, p, err);
	if (r == 0)
		r = disk_compile(c, p, err);
	if (r < 0)
		return r;
	if (c->workspace) {
		r = kept_path(p, c->workspace, &p->workspace_path, err);
		if (r < 0)
			return corral_error_wrap(err, r, "workspace");
	}
	if (c->keep) {
		r = kept_path(p, c->keep, &p->keep_path, err);
		if (r < 0)
			return corral_error_wrap(err, r, "keep");
	}
	return layers_compile(c, p, err);
}

/* With one of these a program could send what no rule sees, or change the rules. */
#define CAPS_NET ((uint64_t)1 << CAP_NET_ADMIN | (uint64_t)1 << CAP_NET_RAW)

static int allow_compile(const struct corral_config *c, struct corral_policy *p,
                         struct corral_error *err)
{
	struct corral_egress *checked = NULL;
	int r;

	if (c->network != CORRAL_NETWORK_ALLOW && c->allow_said)
		return corral_error_set(
		        err, EINVAL,
		        "allow: only network 'allow' holds to it, and the network is "
		        "'%s': leave one of them out",
		        c->network_pasta ? "pasta" : corral_network_name(c->network));
	if (c->network != CORRAL_NETWORK_ALLOW)
		return 0;
	if (p->caps & CAPS_NET)
		return corral_error_set(err, EINVAL,
		                        "network: 'allow' does not hold against CAP_NET_RAW and "
		                        "CAP_NET_ADMIN: leave them out of cap_add");
	r = corral_egress_compile(c->allow, c->n_allow, &checked, err);
	corral_egress_free(checked);
	if (r < 0)
		return r;
	p->allow = calloc(c->n_allow + 1, sizeof(*p->allow));
	if (!p->allow)
		return corral_error_sys(err, ENOMEM, "allow");
	for (; p->n_allow < c->n_allow; p->n_allow++) {
		p->allow[p->n_allow] = strdup(c->allow[p->n_allow]);
		if (!p->allow[p->n_allow])
			return corral_error_sys(err, ENOMEM, "allow");
	}
	return 0;
}

static int publish_compile(const struct corral_config *c, struct corral_policy *p,
                           struct corral_error *err)
{
	int r;

	if (!c->n_publish)
		return 0;
	if (c->network == CORRAL_NETWORK_HOST)
		return corral_error_set(err, EINVAL,
		                        "publish: with network 'host' the sandbox's ports are the "
		                        "host's already: leave one of them out");
	p->publish = calloc(c->n_publish, sizeof(*p->publish));
	if (!p->publish)
		return corral_error_sys(err, ENOMEM, "publish");
	for (; p->n_publish < c->n_publish; p->n_publish++) {
		for (size_t i = 0; i < p->n_publish; i++)
			if (corral_publish_same_place(&c->publish[i], &c->publish[p->n_publish]))
				return corral_error_set(err, EINVAL,
				                        "publish[%zu]: the same place of the host "
				                        "as publish[%zu]",
				                        p->n_publish, i);
		r = corral_publish_dup(&c->publish[p->n_publish], &p->publish[p->n_publish], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Of names, on the host's root: its accounts are composed, and no other's are known here. */
static int names_find(const struct corral_config *c, struct corral_policy *p,
                      struct corral_error *err)
{
	static const struct corral_account_text text = {
		CORRAL_ACCOUNT_HOST_PASSWD,
		CORRAL_ACCOUNT_HOST_GROUP,
		sizeof(CORRAL_ACCOUNT_HOST_PASSWD) - 1,
		sizeof(CORRAL_ACCOUNT_HOST_GROUP) - 1,
	};
	corral_auto(corral_account_done) struct corral_account a = { 0 };
	struct corral_error why = { 0 };
	int r;

	if (!p->rootfs_is_host)
		return corral_error_set(err, EINVAL,
		                        "user: '%.64s' is a name, and nobody has looked for it in "
		                        "the root's /etc/passwd and /etc/group: give numbers, as "
		                        "1000:1000",
		                        c->user);
	r = corral_account_find(&text, c->user, false, &a, &why);
	if (r == -EINVAL)
		return corral_error_set(
		        err, EINVAL,
		        "user: '%.64s' is not in the /etc/passwd and /etc/group of a sandbox on "
		        "the host's root, which has users root and nobody, groups root, tty and "
		        "nogroup, and none of the host's: give numbers, as 1000:1000, or take a "
		        "root that has it (--image, --rootfs)",
		        c->user);
	if (r < 0)
		return corral_error_set(err, -r, "user: %.300s", why.text);
	/* HOME and USER are those of the number, under which it may as well be asked for. */
	p->guest_uid = a.guest_uid;
	p->guest_gid = !a.name && !strchr(c->user, ':') ? a.guest_uid : a.guest_gid;
	return 0;
}

static int ids_compile(const struct corral_config *c, struct corral_policy *p,
                       struct corral_error *err)
{
	int r;

	p->ids = c->ids;
	if (c->has_user) {
		p->guest_uid = c->guest_uid;
		p->guest_gid = c->guest_gid;
	} else if (c->user) {
		r = names_find(c, p, err);
		if (r < 0)
			return r;
	}
	if (c->ids != CORRAL_IDS_SINGLE && (p->guest_uid >= RANGE_IDS || p->guest_gid >= RANGE_IDS))
		return corral_error_set(
		        err, EINVAL,
		        "user: %u:%u lies outside of the sandbox's ids 0 to %u: choose a "
		        "smaller one",
		        p->guest_uid, p->guest_gid, RANGE_IDS - 1);
	/* Nothing in a sandbox belongs to a number above its range, so that being in such a group
	 * gives nothing. */
	for (uint32_t i = 0; i < c->n_groups && i < CORRAL_ACCOUNT_GROUPS_MAX; i++)
		if (c->guest_groups[i] < RANGE_IDS)
			p->guest_groups[p->n_groups++] = c->guest_groups[i];
		else
			p->n_groups_beyond++;
	return 0;
}

/* Appends m to the policy or, when m is a flag's, puts it in the place of the JSON's mount on the
 * same path. Takes guest_path. */
static int mount_put(struct corral_policy *p, const struct corral_config_mount *m, char *guest_path,
                     struct corral_error *err)
{
	corral_autofree char *guest = guest_path;
	corral_autofree char *host = NULL;
	struct corral_config_mount *slot = NULL;
	int r;

	for (size_t i = 0; i < p->n_mounts; i++) {
		if (strcmp(p->mounts[i].guest_path, guest) != 0)
			continue;
		if (m->from_json || !p->mounts[i].from_json)
			return corral_error_set(err, EINVAL,
			                        "'%.*s' is mounted on twice: leave one out", 200,
			                        guest);
		slot = &p->mounts[i];
	}
	if (m->host_path) {
		r = host_path_absolute(m->host_path, &host, err);
		if (r < 0)
			return r;
	}
	if (slot) {
		free(slot->host_path);
		free(slot->guest_path);
	} else {
		slot = &p->mounts[p->n_mounts++];
	}
	*slot = *m;
	slot->host_path = corral_take_ptr(&host);
	slot->guest_path = corral_take_ptr(&guest);
	return 0;
}

static unsigned int depth(const char *path)
{
	unsigned int n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Outer before inner, else in the order given: a mount made later would hide those below it. */
static void mounts_sort(struct corral_policy *p)
{
	for (size_t i = 1; i < p->n_mounts; i++) {
		struct corral_config_mount m = p->mounts[i];
		size_t k = i;

		for (; k > 0 && depth(p->mounts[k - 1].guest_path) > depth(m.guest_path); k--)
			p->mounts[k] = p->mounts[k - 1];
		p->mounts[k] = m;
	}
}

static int mounts_compile(const struct corral_config *c, struct corral_policy *p,
                          struct corral_error *err)
{
	p->mounts = calloc(c->n_mounts ? c->n_mounts : 1, sizeof(*p->mounts));
	if (!p->mounts)
		return corral_error_sys(err, ENOMEM, "mounts");
	p->n_mounts = 0;
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct corral_config_mount *m = &c->mounts[i];
		corral_autofree char *guest = NULL;
		int r;

		r = corral_guest_path_normalise(m->guest_path, &guest, err);
		if (r == 0)
			r = corral_guest_path_free(guest, m->kind == CORRAL_MOUNT_TMPFS, err);
		if (r == 0 && p->workspace_path && corral_guest_path_within(p->work_dir, guest))
			r = corral_error_set(
			        err, EINVAL,
			        "'%.*s' would hide the workspace at '%.*s': choose another "
			        "work_dir, or leave the workspace out",
			        150, guest, 150, p->work_dir);
		if (r == 0 && m->size_bytes && m->size_bytes < 4096)
			r = corral_error_set(err, EINVAL,
			                     "a size below one page: give at least 4K");
		if (r == 0)
			r = mount_put(p, m, corral_take_ptr(&guest), err);
		if (r < 0)
			return corral_error_wrap(err, r, "mounts[%zu]", i);
	}
	mounts_sort(p);
	return 0;
}

/* Regular files only: a pipe or a device as a profile would block, or never end. */
static int profile_read(const char *path, struct corral_buf *ret, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "'%.*s'", 200, path);
	if (!S_ISREG(st.st_mode))
		return corral_error_set(err, EINVAL, "'%.*s' is not a regular file", 200, path);
	r = corral_buf_read_fd(ret, fd, PROFILE_SIZE_MAX);
	if (r == -EFBIG)
		return corral_error_set(err, EFBIG, "'%.*s' is larger than 1M", 200, path);
	if (r < 0)
		return corral_error_sys(err, -r, "read '%.*s'", 200, path);
	return 0;
}

static int seccomp_compile(const struct corral_config *c, const char *cache_dir,
                           struct corral_policy *p, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	const char *base;
	int r;

	if (!c->seccomp || !strcmp(c->seccomp, "default")) {
		r = corral_seccomp_default(p->caps, cache_dir, &p->seccomp, err);
		return r < 0 ? corral_error_wrap(err, r, "seccomp") : 0;
	}
	r = profile_read(c->seccomp, &text, err);
	if (r < 0)
		return corral_error_wrap(err, r, "seccomp");
	base = strrchr(c->seccomp, '/');
	base = base ? base + 1 : c->seccomp;
	r = corral_seccomp_load(text.data ? text.data : "", text.len, base, p->caps, cache_dir,
	                        &p->seccomp, err);
	if (r < 0)
		return corral_error_wrap(err, r, "seccomp");
	r = corral_seccomp_check_needs(&p->seccomp, err);
	return r < 0 ? corral_error_wrap(err, r, "seccomp: '%s'", c->seccomp) : 0;
}

int corral_policy_compile(const struct corral_config *c, const char *cache_dir,
                          struct corral_policy **ret, struct corral_error *err)
{
	corral_auto(corral_policy_freep) struct corral_policy *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return corral_error_sys(err, ENOMEM, "policy");
	p->network = c->network;
	p->network_pasta = c->network_pasta;
	p->limits = c->limits;
	p->limits_asked = c->limits_asked;
	p->allow_weaker = c->allow_weaker;

	r = texts_compile(c, p, err);
	if (r == 0)
		r = ids_compile(c, p, err);
	if (r == 0)
		r = publish_compile(c, p, err);
	if (r == 0)
		r = corral_limits_check(&p->limits, err);
	if (r == 0)
		r = mounts_compile(c, p, err);
	if (r == 0)
		r = corral_environment_compose(c, p, err);
	if (r < 0)
		return r;
	r = corral_caps_compose(c->cap_add, c->n_cap_add, c->cap_drop, c->n_cap_drop, &p->caps,
	                        err);
	if (r < 0)
		return corral_error_wrap(err, r, "capabilities");
	r = allow_compile(c, p, err);
	if (r < 0)
		return r;
	r = seccomp_compile(c, cache_dir, p, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&p);
	return 0;
}
