/*
 * The names of our groups, and the removal of those whose owner died without removing them.
 *
 * A group has an owner as long as somebody holds a shared flock(2) on its directory: the lock dies
 * with the last holder of the descriptor, whatever its pid and its pid namespace, and costs its
 * owner one system call. The name alone covers the instant between mkdir and flock: it holds the
 * owner's pid and when it opened the host, so that a process which got the same pid later is not
 * taken for the owner.
 */
#include "kernel/cgroup_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"

void corral_cgroup_name_format(char *ret, size_t size, pid_t pid, uint64_t opened_ms,
                               unsigned int serial, uint32_t salt)
{
	(void)snprintf(ret, size, "%d-%llu-%u-%08x", (int)pid, (unsigned long long)opened_ms,
	               serial, salt);
}

int corral_cgroup_name_parse(const char *name, pid_t *ret_pid, uint64_t *ret_opened_ms)
{
	unsigned long long opened;
	unsigned int serial, salt;
	char again[64];
	int pid;

	/* Written back and compared, sscanf() alone would take signs, blanks and overflow. */
	if (strlen(name) >= sizeof(again) ||
	    sscanf(name, "%d-%llu-%u-%x", &pid, &opened, &serial, &salt) != 4 || pid <= 0)
		return -EINVAL;
	corral_cgroup_name_format(again, sizeof(again), pid, opened, serial, salt);
	if (strcmp(again, name) != 0)
		return -EINVAL;
	*ret_pid = pid;
	*ret_opened_ms = opened;
	return 0;
}

/* "7 (name) Z 1 ...", where the name may hold anything: it has ended, and only its parent has not
 * asked for it yet. A thread that it left would still hold the lock. */
static bool is_zombie(const char *stat)
{
	const char *end = strrchr(stat, ')');

	return end && end[1] == ' ' && (end[2] == 'Z' || end[2] == 'X');
}

static bool owner_lives(pid_t pid, uint64_t opened_ms)
{
	char path[32], text[1024];
	uint64_t started_ms;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (corral_cgroup_slurp(AT_FDCWD, path, text, sizeof(text)) < 0)
		return true;
	if (is_zombie(text))
		return false;
	if (corral_cgroup_parse_start(text, (uint64_t)sysconf(_SC_CLK_TCK), &started_ms) < 0)
		return true; /* when in doubt, it lives */
	return started_ms <= opened_ms;
}

/* One server may own hundreds of groups in each hierarchy: who lives is asked once in a sweep. */
static bool owner_known(struct corral_cgroup_owners *owners, pid_t pid, uint64_t opened_ms)
{
	for (unsigned int i = 0; i < CORRAL_COUNT(owners->living); i++)
		if (owners->living[i].pid == pid && owners->living[i].opened_ms == opened_ms)
			return true;
	if (!owner_lives(pid, opened_ms))
		return false;
	owners->living[owners->next].pid = pid;
	owners->living[owners->next].opened_ms = opened_ms;
	owners->next = (owners->next + 1) % CORRAL_COUNT(owners->living);
	return true;
}

static bool sweep_one(int parent_fd, const char *entry, const char *name,
                      struct corral_cgroup_owners *owners)
{
	corral_autofd int fd = -1;
	uint64_t opened_ms;
	pid_t pid;

	if (corral_cgroup_name_parse(name, &pid, &opened_ms) < 0 ||
	    owner_known(owners, pid, opened_ms))
		return false;
	fd = openat(parent_fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	/* EBUSY while a process is in it: it goes with a later sweep. */
	if (unlinkat(parent_fd, entry, AT_REMOVEDIR) < 0) {
		if (errno != EBUSY)
			return false;
		/* Frozen or held up when its owner died, it has not seen that yet. Nobody else's
		 * processes are in it. */
		(void)corral_cgroup_write(fd, "cgroup.freeze", "0");
		(void)corral_cgroup_write(fd, "freezer.state", "THAWED");
		if (corral_cgroup_write(fd, "cgroup.kill", "1") < 0)
			(void)corral_cgroup_kill_listed(fd);
		return true;
	}
	corral_trace(CORRAL_TRACE_CGROUP, "swept %s", entry);
	return false;
}

static void dir_closep(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* The groups in one directory, whose names have this prefix. */
static bool sweep_dir(int base_fd, const char *path, const char *prefix,
                      struct corral_cgroup_owners *owners)
{
	corral_auto(dir_closep) DIR *dir = NULL;
	size_t skip = strlen(prefix);
	const struct dirent *entry;
	unsigned int seen = 0;
	bool again = false;
	int fd;

	fd = openat(base_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return false;
	}
	while (seen < CORRAL_CGROUP_SWEEP_MAX && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || strncmp(entry->d_name, prefix, skip) != 0)
			continue;
		seen++;
		again |= sweep_one(dirfd(dir), entry->d_name, entry->d_name + skip, owners);
	}
	return again;
}

bool corral_cgroup_sweep(int base_fd, struct corral_cgroup_owners *owners)
{
	bool again = sweep_dir(base_fd, ".", CORRAL_CGROUP_FLAT, owners);

	return sweep_dir(base_fd, CORRAL_CGROUP_PARENT, "", owners) || again;
}
