#include "kernel/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <linux/securebits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/child.h"
#include "kernel/host_reason.h"

static int lease_open(const char *runtime_dir, uint32_t *ret_slot, int *ret_fd,
                      struct corral_error *err)
{
	corral_autofd int fd = -1;
	char path[256];
	uint32_t start = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/ids", runtime_dir) >= sizeof(path))
		return corral_error_set(err, ENAMETOOLONG, "runtime directory '%s'", runtime_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return corral_error_sys(err, errno, "open '%s'", path);
	/* Anywhere to begin with, so that many starters do not queue for the first free one. */
	(void)!getrandom(&start, sizeof(start), GRND_NONBLOCK);
	for (uint32_t i = 0; i < CORRAL_IDS_SLOTS; i++) {
		uint32_t slot = (start + i) % CORRAL_IDS_SLOTS;
		struct flock lock = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1
		};

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
			*ret_slot = slot;
			*ret_fd = corral_take_fd(&fd);
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return corral_error_sys(err, errno, "lock '%s'", path);
	}
	return corral_error_set(err, EBUSY, "all %u id ranges are taken by live sandboxes",
	                        CORRAL_IDS_SLOTS);
}

static int map_write(pid_t pid, const char *file, const char *text, struct corral_error *err)
{
	corral_autofd int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(err, errno, "open '%s'", path);
	if (write(fd, text, strlen(text)) < 0)
		return corral_error_sys(err, errno, "write '%s' to '%s'", text, path);
	return 0;
}

static int extents_write(pid_t pid, const char *file, const struct corral_id_extent *e,
                         unsigned int n, struct corral_error *err)
{
	char text[256];
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u %u\n", e[i].inside,
		                        e[i].outside, e[i].count);
	return map_write(pid, file, text, err);
}

static void holder_end(int pidfd, pid_t pid)
{
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/*
 * This thread as another user, all capabilities kept, for the making of a namespace: what is
 * counted for each user climbs to whoever made the namespace (inotify instances, bytes of message
 * queues, pending signals; user_namespaces(7)), which would be the host's root, and one guest could
 * take all that root has. The range is the sandbox's own, so nobody else runs as this user.
 */
struct maker {
	int securebits, dumpable, death_signal;
};

static void maker_become(struct maker *m, uint32_t owner)
{
	m->securebits = prctl(PR_GET_SECUREBITS);
	m->dumpable = prctl(PR_GET_DUMPABLE);
	(void)prctl(PR_GET_PDEATHSIG, &m->death_signal);
	(void)prctl(PR_SET_SECUREBITS, (unsigned long)m->securebits | SECBIT_NO_SETUID_FIXUP);
	/* The calls themselves: the C library would change every thread. */
	(void)syscall(SYS_setresgid, -1, owner, -1);
	(void)syscall(SYS_setresuid, -1, owner, -1);
}

/* Both of the last are lost with a change of ids (prctl(2)). */
static void maker_return(const struct maker *m, uid_t uid, gid_t gid)
{
	(void)syscall(SYS_setresuid, -1, uid, -1);
	(void)syscall(SYS_setresgid, -1, gid, -1);
	(void)prctl(PR_SET_SECUREBITS, (unsigned long)m->securebits);
	if (m->dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1);
	if (m->death_signal)
		(void)prctl(PR_SET_PDEATHSIG, m->death_signal);
}

int corral_userns_open(uint32_t owner, const struct corral_id_extent *uids, unsigned int n_uids,
                       const struct corral_id_extent *gids, unsigned int n_gids, int *ret_fd,
                       struct corral_error *err)
{
	char stack[CORRAL_CHILD_STACK_SIZE] __attribute__((aligned(16)));
	corral_autofd int pidfd = -1;
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	struct maker maker = { 0 };
	sigset_t all, old;
	char path[64];
	long pid;
	int fd, r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	if (owner)
		maker_become(&maker, owner);
	pid = corral_child_hold(CLONE_NEWUSER, 0, -1, stack, &pidfd);
	if (owner)
		maker_return(&maker, uid, gid);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return corral_error_sys(err, (int)-pid, "create a user namespace");
	r = extents_write((pid_t)pid, "uid_map", uids, n_uids, err);
	if (r == 0)
		r = extents_write((pid_t)pid, "gid_map", gids, n_gids, err);
	if (r == 0) {
		(void)snprintf(path, sizeof(path), "/proc/%ld/ns/user", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? corral_error_sys(err, errno, "open '%s'", path) : 0;
		if (r == 0)
			*ret_fd = fd;
	}
	holder_end(pidfd, (pid_t)pid);
	return r;
}

int corral_ids_open(const char *runtime_dir, struct corral_ids *ret, struct corral_error *err)
{
	uint32_t slot = 0;
	int fd = -1, r;

	r = lease_open(runtime_dir, &slot, &fd, err);
	if (r < 0)
		return corral_error_wrap(err, r, "lease a range of ids");
	*ret = (struct corral_ids) { CORRAL_IDS_FIRST + slot * CORRAL_IDS_COUNT, fd, -1 };
	return 0;
}

int corral_ids_map(struct corral_ids *ids, struct corral_error *err)
{
	struct corral_id_extent map = { 0, ids->base, CORRAL_IDS_COUNT };

	return ids->userns_fd >= 0
	               ? 0
	               : corral_userns_open(ids->base, &map, 1, &map, 1, &ids->userns_fd, err);
}

void corral_ids_close(struct corral_ids *ids)
{
	corral_fd_closep(&ids->userns_fd);
	corral_fd_closep(&ids->lease_fd);
}

int corral_ids_map_single(pid_t pid, uint32_t host_uid, uint32_t host_gid, struct corral_error *err)
{
	struct corral_id_extent uid = { 0, host_uid, 1 }, gid = { 0, host_gid, 1 };
	int r;

	/* Without it the gid map is refused, and with groups one could drop a group that forbids
	 * (CVE-2014-8989). */
	r = map_write(pid, "setgroups", "deny", err);
	if (r == 0)
		r = extents_write(pid, "gid_map", &gid, 1, err);
	if (r == 0)
		r = extents_write(pid, "uid_map", &uid, 1, err);
	return r;
}

/* The first range of 65535 or more that belongs to the user, by number or by name. */
static int subid_find(const char *file, uint32_t host_uid, struct corral_id_extent *ret,
                      struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT, users = CORRAL_BUF_INIT;
	corral_autofd int fd = -1, users_fd = -1;
	char number[16], name[64] = "";
	char *line, *save = NULL;

	(void)snprintf(number, sizeof(number), "%u", host_uid);
	users_fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	if (users_fd >= 0 && corral_buf_read_fd(&users, users_fd, 1 << 20) == 0 && users.data)
		for (line = strtok_r(users.data, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			char user[64], uid[16];

			if (sscanf(line, "%63[^:]:%*[^:]:%15[0-9]:", user, uid) == 2 &&
			    !strcmp(uid, number))
				(void)snprintf(name, sizeof(name), "%s", user);
		}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || corral_buf_read_fd(&text, fd, 1 << 20) < 0 || !text.data)
		return corral_error_set(err, ENOENT, "no readable '%s'", file);
	save = NULL;
	for (line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char who[64];
		unsigned int first, count;

		if (sscanf(line, "%63[^:]:%u:%u", who, &first, &count) != 3 ||
		    count < CORRAL_IDS_COUNT - 1)
			continue;
		if (strcmp(who, number) != 0 && (!name[0] || strcmp(who, name) != 0))
			continue;
		*ret = (struct corral_id_extent) { 1, first, CORRAL_IDS_COUNT - 1 };
		return 0;
	}
	return corral_error_set(err, ENOENT,
	                        "'%s' gives no range of 65536 ids to user %s: corral doctor prints "
	                        "the line that does",
	                        file, name[0] ? name : number);
}

static int helper_run(const char *program, pid_t pid, const struct corral_id_extent *e,
                      uint32_t host_id, struct corral_error *err)
{
	char words[7][16];
	char *argv[9] = { (char *)(uintptr_t)program };
	char *envp[] = { NULL };
	char path[64];
	const uint32_t numbers[7] = {
		(uint32_t)pid, 0, host_id, 1, e->inside, e->outside, e->count
	};
	pid_t helper;
	int status, r;

	for (int i = 0; i < 7; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "%u", numbers[i]);
		argv[i + 1] = words[i];
	}
	argv[8] = NULL;
	(void)snprintf(path, sizeof(path), "/usr/bin/%s", program);
	r = posix_spawn(&helper, path, NULL, NULL, argv, envp);
	if (r)
		return corral_error_sys(err, r, "run '%s' (package uidmap)", path);
	while (waitpid(helper, &status, 0) < 0)
		if (errno != EINTR)
			return corral_error_sys(err, errno, "wait for '%s'", path);
	if (status)
		return corral_error_set(err, EPERM, "'%s' refused the map %u %u %u", path,
		                        e->inside, e->outside, e->count);
	return 0;
}

int corral_ids_map_subids(pid_t pid, uint32_t host_uid, uint32_t host_gid, struct corral_error *err)
{
	struct corral_id_extent uids, gids;
	int r;

	r = subid_find("/etc/subuid", host_uid, &uids, err);
	if (r == 0)
		r = subid_find("/etc/subgid", host_uid, &gids, err);
	if (r == 0)
		r = helper_run("newuidmap", pid, &uids, host_uid, err);
	if (r == 0)
		r = helper_run("newgidmap", pid, &gids, host_gid, err);
	return r;
}
