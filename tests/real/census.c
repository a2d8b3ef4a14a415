#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tests/real/census.h"
#include "tests/support.h"

#define SETTLE_MS (int)corral_test_most_ms(5000)

/* Objects of the kernel's that are freed late and in batches: a leak of one a sandbox is far more.
 */
#define SLAB_SLACK 100

static const char *const kind_names[KINDS] = {
	[MOUNTS] = "mounts",
	[CGROUPS] = "cgroups",
	[NET_NAMESPACES] = "network namespaces",
	[PROCESSES] = "processes",
	[DESCRIPTORS] = "descriptors",
	[RUNTIME_FILES] = "runtime files",
};

static void note(struct census *c, enum census_kind kind, const char *what)
{
	c->count[kind]++;
	(void)snprintf(c->last[kind], sizeof(c->last[kind]), "%.255s", what);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512], *end;
	corral_autofd int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	end = strrchr(text, ')'); /* "pid (any name) state parent ..." */
	return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

bool census_is_descendant(pid_t pid)
{
	int depth;

	for (depth = 0; pid > 1 && depth < 64; depth++) {
		pid = parent_of(pid);
		if (pid == getpid())
			return true;
	}
	return false;
}

static void count_mounts(struct census *c)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		note(c, MOUNTS, line);
	(void)fclose(f);
}

/* nftw(3) has no argument for its callback. */
static struct census *walking;
static enum census_kind walking_kind;

/* Names begin with their owner's pid: groups of other living callers are not ours to count. */
static bool is_foreign(const char *name)
{
	pid_t owner = (pid_t)strtol(name, NULL, 10);

	return owner > 0 && owner != getpid() && kill(owner, 0) == 0 &&
	       !census_is_descendant(owner);
}

static int walk_group(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *name = path + at->base;
	bool flat = strncmp(name, "corral-", 7) == 0 && name[7] >= '0' && name[7] <= '9';

	(void)st;
	if (type == FTW_D && (flat || strstr(path, "/corral/")) &&
	    !is_foreign(name + (flat ? 7 : 0)))
		note(walking, walking_kind, path);
	return 0;
}

static int walk_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	if (at->level > 0)
		note(walking, walking_kind, path);
	return 0;
}

static void count_tree(struct census *c, enum census_kind kind, const char *root,
                       int (*visit)(const char *, const struct stat *, int, struct FTW *))
{
	walking = c;
	walking_kind = kind;
	(void)nftw(root, visit, 16, FTW_PHYS);
}

static void count_runtime_files(struct census *c)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[4096];

	count_tree(c, RUNTIME_FILES, "/run/corral", walk_file);
	if (runtime && *runtime) {
		(void)snprintf(path, sizeof(path), "%s/corral", runtime);
		count_tree(c, RUNTIME_FILES, path, walk_file);
	}
}

struct inodes {
	unsigned long seen[4096];
	size_t n;
};

/* link: "net:[4026531840]" */
static void note_net(struct census *c, struct inodes *set, const char *link, const char *where)
{
	unsigned long inode = strncmp(link, "net:[", 5) ? 0 : strtoul(link + 5, NULL, 10);
	size_t i;

	if (!inode)
		return;
	for (i = 0; i < set->n; i++)
		if (set->seen[i] == inode)
			return;
	if (set->n < CORRAL_COUNT(set->seen))
		set->seen[set->n++] = inode;
	note(c, NET_NAMESPACES, where);
}

static void link_read(const char *path, char target[256])
{
	ssize_t n = readlink(path, target, 255);

	target[n > 0 ? n : 0] = '\0';
}

/* Descendants and the namespaces they are in. */
static void count_processes(struct census *c, struct inodes *nets)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		char path[300], target[256];

		if (pid <= 0 || (pid != getpid() && !census_is_descendant(pid)))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
		link_read(path, target);
		note_net(c, nets, target, path);
		if (pid != getpid())
			note(c, PROCESSES, entry->d_name);
	}
	(void)closedir(dir);
}

/* Descriptors, and the network namespaces that nothing but a descriptor holds. */
static void count_descriptors(struct census *c, struct inodes *nets)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[300], target[256], what[600];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		link_read(path, target);
		(void)snprintf(what, sizeof(what), "%s -> %s", entry->d_name, target);
		note(c, DESCRIPTORS, what);
		note_net(c, nets, target, path);
	}
	(void)closedir(dir);
}

/* Also those that a mount, a socket or a descriptor of another process keeps alive. */
static long net_slab_read(void)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512];
	long active = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "net_namespace %ld", &active) == 1)
			break;
	if (f)
		(void)fclose(f);
	return active;
}

bool census_adopt(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
		return true;
	perror("PR_SET_CHILD_SUBREAPER");
	return false;
}

void census_take(struct census *c)
{
	static struct inodes nets;

	nets.n = 0;
	memset(c, 0, sizeof(*c));
	count_mounts(c);
	count_tree(c, CGROUPS, "/sys/fs/cgroup", walk_group);
	count_runtime_files(c);
	count_descriptors(c, &nets);
	count_processes(c, &nets);
	c->net_slab = net_slab_read();
}

void census_reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static bool census_same(const struct census *before, const struct census *now)
{
	int kind;

	for (kind = 0; kind < KINDS; kind++)
		if (now->count[kind] > before->count[kind])
			return false;
	return before->net_slab < 0 || now->net_slab <= before->net_slab + SLAB_SLACK;
}

void assert_nothing_left(const struct census *before)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct census now;
	int waited, kind;

	for (waited = 0; waited <= SETTLE_MS; waited += 50) {
		census_reap();
		census_take(&now);
		if (census_same(before, &now))
			return;
		(void)nanosleep(&pause, NULL);
	}
	for (kind = 0; kind < KINDS; kind++)
		if (now.count[kind] > before->count[kind])
			print_error("%s: %ld before, %ld now; one of them: %s\n", kind_names[kind],
			            before->count[kind], now.count[kind], now.last[kind]);
	print_error("network namespaces of the kernel: %ld before, %ld now\n", before->net_slab,
	            now.net_slab);
	fail_msg("something is left %d ms after the last sandbox", SETTLE_MS);
}
