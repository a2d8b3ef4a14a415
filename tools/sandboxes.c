#include "tools/sandboxes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/cgroup.h"
#include "tools/sandboxes_scan.h"
#include "tools/write_all.h"

#define LOCK_MS 5000
#define BACKLOG 64
/* How long a holder that does not take connections is waited for. */
#define CONNECT_S 5

/* By descriptor, as anybody may have made it before us. mask: the bits of its mode that nobody else
 * may have. */
static int own_open(int at_fd, const char *name, const char *shown, mode_t mask, int *ret_fd,
                    struct corral_error *err)
{
	corral_autofd int fd = -1;
	struct stat st;

	if (mkdirat(at_fd, name, 0700) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "make the directory '%s'", shown);
	fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(err, errno, "open the directory '%s'", shown);
	if (fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "look at '%s'", shown);
	if (st.st_uid != geteuid() || (st.st_mode & mask))
		return corral_error_set(
		        err, EPERM,
		        "'%s' is not this user's alone (owner %u, mode %03o): remove "
		        "it, or set XDG_RUNTIME_DIR to a directory that is",
		        shown, st.st_uid, st.st_mode & 07777);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

/* The user's own runtime directory; one that su(1) or sudo(8) left in the environment is somebody
 * else's. */
static int runtime_dir_open(const char *path)
{
	corral_autofd int fd = -1;
	struct stat st;

	if (!path || path[0] != '/')
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022))
		return -1;
	return corral_take_fd(&fd);
}

static int base_open(struct corral_sandboxes *s, int *ret_fd, struct corral_error *err)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	corral_autofd int fd = -1;

	if (geteuid() == 0) {
		int r;

		(void)snprintf(s->path, sizeof(s->path), "/run/corral");
		r = own_open(AT_FDCWD, s->path, s->path, 022, ret_fd, err);
		/* Root in name, of a user namespace or over a read-only file system. */
		if (r != -EACCES && r != -EROFS && r != -EPERM)
			return r;
	}
	fd = runtime_dir_open(xdg);
	if (fd >= 0) {
		(void)snprintf(s->path, sizeof(s->path), "%.120s/corral", xdg);
		return own_open(fd, "corral", s->path, 022, ret_fd, err);
	}
	(void)snprintf(s->path, sizeof(s->path), "/tmp/corral-%u", geteuid());
	return own_open(AT_FDCWD, s->path, s->path, 077, ret_fd, err);
}

int corral_sandboxes_open(struct corral_sandboxes *s, struct corral_error *err)
{
	corral_autofd int base_fd = -1;
	size_t len;
	int r;

	s->dir_fd = -1;
	r = base_open(s, &base_fd, err);
	if (r < 0)
		return r;
	len = strlen(s->path);
	(void)snprintf(s->path + len, sizeof(s->path) - len, "/sandboxes");
	return own_open(base_fd, "sandboxes", s->path, 077, &s->dir_fd, err);
}

void corral_sandboxes_close(struct corral_sandboxes *s)
{
	corral_fd_closep(&s->dir_fd);
}

/* Whoever has it lets go at once, unless it was stopped right then: no reason to stop all others
 * for good. */
static int lock_within(int fd, const struct corral_sandboxes *s, const char *what,
                       struct corral_error *err)
{
	const struct timespec nap = { 0, 10000000 };

	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 10) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return corral_error_sys(err, errno, "lock '%s%s'", s->path, what);
		if (waited >= LOCK_MS)
			return corral_error_set(
			        err, EBUSY,
			        "'%s%s' has been locked by another corral for %d s: see which "
			        "one is stopped (ps -C corral), and end it",
			        s->path, what, LOCK_MS / 1000);
		(void)nanosleep(&nap, NULL);
	}
	return 0;
}

/* Held while names are compared and files appear or go. */
static int dir_lock(const struct corral_sandboxes *s, int *ret_fd, struct corral_error *err)
{
	/* A file description of its own, since a lock belongs to that. */
	corral_autofd int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "open the directory '%s'", s->path);
	r = lock_within(fd, s, "", err);
	if (r == 0)
		*ret_fd = corral_take_fd(&fd);
	return r;
}

void corral_sandboxes_sweep(void)
{
	struct corral_cgroup_host *groups = NULL;

	if (corral_cgroup_host_open(&groups, NULL) < 0)
		return;
	corral_cgroup_host_sweep(groups);
	corral_cgroup_host_close(groups);
}

int corral_sandboxes_list(const struct corral_sandboxes *s, struct corral_record **ret,
                          size_t *ret_n, struct corral_error *err)
{
	corral_autofd int lock_fd = -1;
	struct corral_record *records;
	bool stale = false;
	size_t n;
	int r;

	r = corral_sandboxes_scan(s, CORRAL_SCAN_LIVE, &records, &n, &stale, err);
	if (r < 0)
		return r;
	if (stale && dir_lock(s, &lock_fd, NULL) == 0) {
		corral_records_free(records, n);
		r = corral_sandboxes_scan(s, CORRAL_SCAN_LIVE | CORRAL_SCAN_CLEAN, &records, &n,
		                          NULL, err);
		if (r < 0)
			return r;
		corral_sandboxes_sweep();
	}
	*ret = records;
	*ret_n = n;
	return 0;
}

const char *corral_record_called(const struct corral_record *r)
{
	if (r->session)
		return r->session;
	return r->name[0] ? r->name : r->id;
}

/* Sessions that are kept in different directories may have the same id. */
static int choose_session(const struct corral_record *records, size_t n, const char *word,
                          size_t *ret, char *both, size_t size)
{
	size_t found = 0;

	both[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		size_t at = strlen(both);

		if (!records[i].session || strcmp(records[i].session, word) != 0)
			continue;
		*ret = i;
		if (found++ < 3)
			(void)snprintf(both + at, size - at, "%s%s", at ? ", " : "", records[i].id);
	}
	return (int)found;
}

/* All of those whose id, name or session begins with the word; the whole of one is what was meant.
 */
static int choose(struct corral_record *records, size_t n, const char *word, size_t *ret,
                  char *both, size_t size)
{
	size_t len = strlen(word), found;

	for (int by = 0; by < 2; by++)
		for (size_t i = 0; i < n; i++)
			if (!strcmp(by ? records[i].name : records[i].id, word)) {
				*ret = i;
				return 1;
			}
	found = (size_t)choose_session(records, n, word, ret, both, size);
	if (found)
		return (int)found;
	both[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		size_t at = strlen(both);

		if (strncmp(records[i].id, word, len) != 0 &&
		    strncmp(records[i].name, word, len) != 0 &&
		    (!records[i].session || strncmp(records[i].session, word, len) != 0))
			continue;
		*ret = i;
		if (found++ < 3)
			(void)snprintf(both + at, size - at, "%s%s", at ? ", " : "",
			               corral_record_called(&records[i]));
	}
	return (int)found;
}

int corral_sandboxes_find(const struct corral_sandboxes *s, const char *word,
                          struct corral_record *ret, struct corral_error *err)
{
	struct corral_record *records;
	char both[3 * 64 + 16];
	size_t n, which = 0;
	int r, found;

	if (!*word)
		return corral_error_set(err, EINVAL,
		                        "an empty word where a sandbox's id or name is expected");
	r = corral_sandboxes_list(s, &records, &n, err);
	if (r < 0)
		return r;
	found = choose(records, n, word, &which, both, sizeof(both));
	if (found == 1) {
		*ret = records[which];
		records[which].words = NULL;
	} else if (found == 0) {
		r = corral_error_set(
		        err, ENOENT,
		        "no sandbox '%.64s' is alive: corral sandbox list shows those that "
		        "are, and corral session exec %.64s true wakes a session",
		        word, word);
	} else {
		r = corral_error_set(err, ENOTUNIQ,
		                     "'%.64s' may be %s%s: write more of its id or name", word,
		                     both, found > 3 ? ", ..." : "");
	}
	corral_records_free(records, n);
	return r;
}

/* How many of those kinds may be meant; the id of one. */
static int choose_of(const struct corral_sandboxes *s, unsigned int flags, const char *word,
                     char ret_id[CORRAL_SANDBOX_ID_SIZE])
{
	struct corral_record *records;
	char both[3 * 64 + 16];
	size_t n, which = 0;
	int found;

	if (corral_sandboxes_scan(s, flags, &records, &n, NULL, NULL) < 0)
		return -1;
	found = choose(records, n, word, &which, both, sizeof(both));
	if (found)
		memcpy(ret_id, records[which].id, CORRAL_SANDBOX_ID_SIZE);
	corral_records_free(records, n);
	return found;
}

int corral_sandboxes_clear(const struct corral_sandboxes *s, const char *word)
{
	corral_autofd int lock_fd = -1;
	char id[CORRAL_SANDBOX_ID_SIZE];

	if (!*word || dir_lock(s, &lock_fd, NULL) < 0 ||
	    choose_of(s, CORRAL_SCAN_LIVE, word, id) != 0 ||
	    choose_of(s, CORRAL_SCAN_DEAD, word, id) != 1)
		return 0;
	corral_sandboxes_remove(s, id);
	return 1;
}

int corral_sandboxes_name_free(const struct corral_sandboxes *s, const char *name,
                               struct corral_error *err)
{
	struct corral_record *records;
	size_t n;
	int r;

	if (!*name)
		return 0;
	r = corral_sandboxes_scan(s, CORRAL_SCAN_LIVE, &records, &n, NULL, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		if (!strcmp(records[i].name, name) || !strcmp(records[i].id, name))
			r = corral_error_set(
			        err, EEXIST,
			        "sandbox %s has the name '%s' already: take another, or corral "
			        "sandbox stop %s",
			        records[i].id, name, name);
	corral_records_free(records, n);
	return r;
}

int corral_sandboxes_begin(const struct corral_sandboxes *s, char ret_id[CORRAL_SANDBOX_ID_SIZE],
                           int *ret_lock_fd, struct corral_error *err)
{
	corral_autofd int lock_fd = -1, fd = -1;
	unsigned char random[CORRAL_SANDBOX_ID_SIZE / 2];
	char name[64];
	int r;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return corral_error_sys(err, errno, "getrandom");
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(ret_id + 2 * i, 3, "%02x", random[i]);
	/* The lock on the directory keeps away who would take an unlocked record for a dead one's.
	 */
	r = dir_lock(s, &lock_fd, err);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "/%s.new", ret_id);
	fd = openat(s->dir_fd, name + 1, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return corral_error_sys(err, errno, "make '%s%s'", s->path, name);
	r = lock_within(fd, s, name, err);
	if (r < 0)
		return r;
	*ret_lock_fd = corral_take_fd(&fd);
	return 0;
}

/* Longer paths than a socket's address holds: by the directory's descriptor. */
static void address_of(const struct corral_sandboxes *s, const char *id, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s.sock", s->dir_fd,
	               id);
}

int corral_sandboxes_listen(const struct corral_sandboxes *s, const char *id, int *ret_fd,
                            struct corral_error *err)
{
	corral_autofd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	address_of(s, id, &address);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return corral_error_sys(err, errno, "listen on '%s/%s.sock'", s->path, id);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

int corral_sandboxes_publish(const struct corral_sandboxes *s, const char *id, const char *name,
                             int lock_fd, json_t *words, struct corral_error *err)
{
	corral_autofree char *text = words ? json_dumps(words, JSON_COMPACT) : NULL;
	corral_autofd int dir_lock_fd = -1;
	char from[64], to[64];
	int r;

	json_decref(words);
	if (!text)
		return corral_error_sys(err, ENOMEM, "make the sandbox's record");
	(void)snprintf(from, sizeof(from), "%s.new", id);
	(void)snprintf(to, sizeof(to), "%s.json", id);
	r = corral_write_all(lock_fd, text, strlen(text));
	if (r < 0)
		return corral_error_sys(err, -r, "write '%s/%s'", s->path, from);
	r = dir_lock(s, &dir_lock_fd, err);
	if (r == 0)
		r = corral_sandboxes_name_free(s, name, err);
	if (r < 0)
		return r;
	if (renameat(s->dir_fd, from, s->dir_fd, to) < 0)
		return corral_error_sys(err, errno, "make '%s/%s'", s->path, to);
	return 0;
}

void corral_sandboxes_remove(const struct corral_sandboxes *s, const char *id)
{
	/* The socket first: without a record nobody would look for it. */
	static const char *const ends[] = { "sock", "json", "new" };
	char name[64];

	for (size_t i = 0; i < CORRAL_COUNT(ends); i++) {
		(void)snprintf(name, sizeof(name), "%s.%s", id, ends[i]);
		(void)unlinkat(s->dir_fd, name, 0);
	}
}

int corral_record_silent(const struct corral_record *r, struct corral_error *err)
{
	return corral_error_set(err, ETIMEDOUT,
	                        "sandbox %s: its holder, process %d, is stopped or busy (corral "
	                        "sandbox rm -f %s ends it)",
	                        r->id, r->holder_pid, r->id);
}

int corral_record_ended(const struct corral_record *r, struct corral_error *err)
{
	return corral_error_set(err, ENOENT, "sandbox %s has just ended", r->id);
}

int corral_sandboxes_connect(const struct corral_sandboxes *s, const struct corral_record *r,
                             int *ret_fd, struct corral_error *err)
{
	corral_autofd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = CONNECT_S };
	socklen_t size = sizeof(struct ucred);
	struct sockaddr_un address;
	struct ucred peer;

	address_of(s, r->id, &address);
	if (fd < 0)
		return corral_error_sys(err, errno, "make a socket");
	/* A stopped holder with a full queue would be waited for without an end. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EAGAIN)
			return corral_record_silent(r, err);
		if (errno == ENOENT || errno == ECONNREFUSED)
			return corral_record_ended(r, err);
		return corral_error_sys(err, errno, "connect to '%s/%s.sock'", s->path, r->id);
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid())
		return corral_error_set(
		        err, EPERM, "whoever listens on '%s/%s.sock' is not this user's: remove it",
		        s->path, r->id);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}
