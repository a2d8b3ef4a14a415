/*
 * A host for network "allow": this process, in namespaces of its own where world.h plays everybody
 * else, and where names are asked of that. Include after <cmocka.h>, tests/support.h and
 * tests/real/sandbox_support.h.
 */
#ifndef CORRAL_TESTS_REAL_ALLOW_SUPPORT_H
#define CORRAL_TESTS_REAL_ALLOW_SUPPORT_H

#include <sched.h>
#include <sys/mount.h>

#include "tests/real/world.h"

static struct world world;
static const char *missing;
static bool resolv_put;
static char dir[] = "/tmp/corral-test-allow-XXXXXX"; /* for what the guest gets to see */

static inline bool can(void)
{
	if (!missing)
		return true;
	if (!corral_test_needs_root("a network that is the test's"))
		corral_test_skip("%s", missing);
	return false;
}

/* Lines NAME=WHAT, of which each name begins with what is expected ("yes-curl=yes"), or skip. */
static inline unsigned int lines_check(const char *out)
{
	unsigned int n = 0;

	for (const char *line = out; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *said = memchr(line, '=', strcspn(line, "\n"));
		size_t expected = strcspn(line, "-");

		if (!said)
			fail_msg("no check: %.*s", (int)strcspn(line, "\n"), line);
		said++;
		n++;
		if (!strncmp(said, "skip", 4))
			continue;
		if (strncmp(said, line, expected) != 0 || said[expected] != '\n')
			fail_msg("%.*s", (int)strcspn(line, "\n"), line);
	}
	return n;
}

static inline const json_t *denial_find(const struct run *r, const char *destination)
{
	const json_t *list = json_object_get(r->receipt, "denials"), *d;
	size_t i;

	json_array_foreach(list, i, d)
	{
		const char *text = json_string_value(json_object_get(d, "destination"));

		if (text && !strcmp(text, destination))
			return d;
	}
	fail_msg("'%s' is not among the denials", destination);
	return NULL;
}

static inline bool file_put(const char *name, const char *text)
{
	char path[96];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	return f && fputs(text, f) >= 0 && fclose(f) == 0;
}

static inline void put_number(const char *path, const char *number)
{
	FILE *f = fopen(path, "we");

	if (f) {
		(void)fputs(number, f);
		(void)fclose(f);
	}
}

/* What is not there for it is in `missing`. */
static inline int allow_setup(void **state)
{
	char path[96];

	(void)state;
	if (geteuid() != 0) {
		missing = "needs root";
		return 0;
	}
	if (access("/usr/bin/curl", X_OK) < 0) {
		missing = "curl is needed";
		return 0;
	}
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0 ||
	    !file_put("resolv.conf", "nameserver " WORLD_FAR "\n"))
		return -1;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		missing = "no namespaces can be made";
		return 0;
	}
	(void)snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	if (mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		missing = "no file can be put at /etc/resolv.conf";
	else
		resolv_put = true;
	put_number("/proc/sys/net/ipv4/ip_forward", "1");
	put_number("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	world_patience_ms = 2000;
	if (!missing)
		(void)world_open(&world, &missing);
	return 0;
}

static inline int allow_teardown(void **state)
{
	struct run r = { 0 };

	(void)state;
	world_close(&world);
	/* Without a namespace of ours it would be the host's own. */
	if (resolv_put)
		(void)umount2("/etc/resolv.conf", MNT_DETACH);
	run_argv(&r, ARGS("rm", "-rf", "--one-file-system", dir));
	run_done(&r);
	return 0;
}

#endif
