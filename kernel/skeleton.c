#include "kernel/skeleton.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/init/wire.h"

static void entry_add(struct corral_buf *out, char kind, unsigned int mode, const char *path,
                      const char *data)
{
	struct corral_wire_entry e = { 0 };
	static const char zeros[4];
	size_t size, fixed = offsetof(struct corral_wire_entry, path);

	while (*path == '/')
		path++;
	e.kind = kind;
	e.mode = (uint16_t)mode;
	e.path_len = (uint16_t)strlen(path);
	e.data_len = (uint16_t)strlen(data);
	size = fixed + e.path_len + 1u + e.data_len + 1u;
	e.size = (uint16_t)((size + 3) & ~(size_t)3);
	corral_buf_add(out, &e, fixed);
	corral_buf_add(out, path, e.path_len + 1u);
	corral_buf_add(out, data, e.data_len + 1u);
	corral_buf_add(out, zeros, e.size - size);
}

static const struct {
	const char *path;
	unsigned int mode;
} dirs[] = {
	{ "dev", 0755 },     { "etc", 0755 },      { "etc/ssl", 0755 },   { "home", 0755 },
	{ "mnt", 0755 },     { "opt", 0755 },      { "proc", 0555 },      { "root", 0700 },
	{ "run", 0755 },     { "srv", 0755 },      { "sys", 0555 },       { "tmp", 01777 },
	{ "usr", 0755 },     { "var", 0755 },      { "var/cache", 0755 }, { "var/lib", 0755 },
	{ "var/log", 0755 }, { "var/tmp", 01777 },
};

static const struct {
	const char *path, *text;
} files[] = {
	{ "etc/nsswitch.conf",
	  "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
	  "protocols: files\nservices: files\n" },
	{ "etc/shells", "/bin/sh\n/bin/bash\n" },
};

/* Beside those that every sandbox has. */
static bool is_own_user(uint32_t uid)
{
	return uid != 0 && uid != 65534;
}

static bool is_own_group(uint32_t gid)
{
	return gid != 0 && gid != 5 && gid != 65534;
}

static void accounts_add(struct corral_buf *out, uint32_t uid, uint32_t gid, const char *work_dir)
{
	char passwd[512], group[256];
	int n, g;

	n = snprintf(passwd, sizeof(passwd), "%s", CORRAL_ACCOUNT_HOST_PASSWD);
	g = snprintf(group, sizeof(group), "%s", CORRAL_ACCOUNT_HOST_GROUP);
	if (is_own_user(uid))
		(void)snprintf(passwd + n, sizeof(passwd) - (size_t)n,
		               "user:x:%u:%u:user:%s:/bin/sh\n", uid, gid,
		               strlen(work_dir) < 256 ? work_dir : "/");
	if (is_own_group(gid))
		(void)snprintf(group + g, sizeof(group) - (size_t)g, "user:x:%u:\n", gid);
	entry_add(out, 'f', 0644, "etc/passwd", passwd);
	entry_add(out, 'f', 0644, "etc/group", group);
}

void corral_skeleton_hosts(const char *hostname, char *ret, size_t size)
{
	(void)snprintf(ret, size,
	               "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t%s\n",
	               hostname);
}

static void host_names_add(struct corral_buf *out, const char *hostname)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s\n", hostname);
	entry_add(out, 'f', 0644, "etc/hostname", text);
	corral_skeleton_hosts(hostname, text, sizeof(text));
	entry_add(out, 'f', 0644, "etc/hosts", text);
}

/* What no policy changes. */
static void common_add(struct corral_buf *out, const struct corral_etc *etc)
{
	for (size_t i = 0; i < CORRAL_COUNT(dirs); i++)
		entry_add(out, 'd', dirs[i].mode, dirs[i].path, "");
	for (unsigned int i = 0; i < etc->n_top_links; i++)
		entry_add(out, 'l', 0777, etc->top_links[i][0], etc->top_links[i][1]);
	/* Mount points made here cost less than those that guest init finds missing. */
	for (unsigned int i = 0; i < etc->n_bind; i++)
		if (strncmp(etc->bind[i], "/etc/pki/", 9) != 0)
			entry_add(out, etc->bind_is_dir[i] ? 'd' : 'f',
			          etc->bind_is_dir[i] ? 0755 : 0644, etc->bind[i], "");
	entry_add(out, 'l', 0777, "etc/mtab", "../proc/self/mounts");
	entry_add(out, 'l', 0777, "etc/os-release", "../usr/lib/os-release");
	entry_add(out, 'l', 0777, "var/run", "/run");
	if (etc->localtime[0])
		entry_add(out, 'l', 0777, "etc/localtime", etc->localtime);
	for (size_t i = 0; i < CORRAL_COUNT(files); i++)
		entry_add(out, 'f', 0644, files[i].path, files[i].text);
}

void corral_skeleton_build(struct corral_buf *out, const struct corral_policy *p,
                           const struct corral_etc *etc)
{
	common_add(out, etc);
	if (!strcmp(p->work_dir, CORRAL_WORK_DIR_DEFAULT))
		entry_add(out, 'd', 0755, CORRAL_WORK_DIR_DEFAULT, "");
	accounts_add(out, p->guest_uid, p->guest_gid, p->work_dir);
	host_names_add(out, p->hostname);
	if (p->network != CORRAL_NETWORK_HOST)
		entry_add(out, 'f', 0644, "etc/resolv.conf", "");
}

void corral_skeleton_template(struct corral_buf *out, const struct corral_etc *etc)
{
	common_add(out, etc);
	entry_add(out, 'd', 0755, CORRAL_WORK_DIR_DEFAULT, "");
	accounts_add(out, 0, 0, "/");
	host_names_add(out, CORRAL_HOSTNAME_DEFAULT);
	entry_add(out, 'f', 0644, "etc/resolv.conf", "");
}

void corral_skeleton_beside_template(struct corral_buf *out, const struct corral_policy *p)
{
	bool accounts = is_own_user(p->guest_uid) || is_own_group(p->guest_gid),
	     names = strcmp(p->hostname, CORRAL_HOSTNAME_DEFAULT) != 0;

	if (accounts || names)
		entry_add(out, 'd', 0755, "etc", "");
	if (accounts)
		accounts_add(out, p->guest_uid, p->guest_gid, p->work_dir);
	if (names)
		host_names_add(out, p->hostname);
}
