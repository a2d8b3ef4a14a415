#include "kernel/etc.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/*
 * /etc/ssl as a whole would bring /etc/ssl/private, which the guest's root may read where layers
 * are id-mapped; the same goes for /etc/pki.
 */
static const struct {
	const char *path;
	bool is_dir;
} wanted[] = {
	{ "/etc/ld.so.cache", false },
	{ "/etc/alternatives", true },
	{ "/etc/ssl/certs", true },
	{ "/etc/ssl/openssl.cnf", false },
	{ "/etc/pki/ca-trust/extracted", true },
	{ "/etc/pki/tls/certs", true },
	{ "/etc/crypto-policies", true },
	{ "/etc/fonts", true },
	{ "/etc/mime.types", false },
	{ "/etc/protocols", false },
	{ "/etc/services", false },
	{ "/etc/java-11-openjdk", true },
	{ "/etc/java-17-openjdk", true },
	{ "/etc/java-21-openjdk", true },
	{ "/etc/java-25-openjdk", true },
};

static const char *const tops[] = { "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32" };

static void top_scan(struct corral_etc *e, const char *path)
{
	char target[24];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		e->top_dirs[e->n_top_dirs++] = path;
		return;
	}
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	/* Only into what the guest sees anyway. */
	if (strncmp(target, "usr/", 4) != 0 && strncmp(target, "/usr/", 5) != 0)
		return;
	(void)snprintf(e->top_links[e->n_top_links][0], sizeof(e->top_links[0][0]), "%s", path);
	(void)snprintf(e->top_links[e->n_top_links][1], sizeof(e->top_links[0][1]), "%s", target);
	e->n_top_links++;
}

void corral_etc_scan(struct corral_etc *ret)
{
	char target[sizeof(ret->localtime)];
	const char *usr;
	struct stat st;
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < CORRAL_COUNT(wanted); i++)
		if (access(wanted[i].path, F_OK) == 0) {
			ret->bind[ret->n_bind] = wanted[i].path;
			ret->bind_is_dir[ret->n_bind++] = wanted[i].is_dir;
		}
	for (size_t i = 0; i < CORRAL_COUNT(tops); i++)
		top_scan(ret, tops[i]);
	n = readlink("/etc/localtime", target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		usr = strstr(target, "/usr/share/zoneinfo/");
		if (usr && !strstr(usr, ".."))
			(void)snprintf(ret->localtime, sizeof(ret->localtime), "%s", usr);
	} else if (lstat("/etc/localtime", &st) == 0 && S_ISREG(st.st_mode)) {
		ret->bind[ret->n_bind++] = "/etc/localtime";
	}
}
