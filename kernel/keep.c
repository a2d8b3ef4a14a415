#include "kernel/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/life.h"
#include "kernel/plan_build.h"
#include "kernel/skeleton.h"
#include "kernel/template.h"
#include "policy/policy.h"

/*
 * What a layer holds (kernel/layers/layers.h). The lowest has as well, as "b0", what a root of the
 * host's is made of beside /usr, for whoever asks what was changed since. An ordinary user's u0
 * starts out as a copy of that, and is complete when b0 is there.
 */
static const char *const parts[] = { "u0", "w0", "u1", "w1", "u2", "w2", "b0" };
/* Whoever only looks whether a directory is locked holds it for microseconds. */
#define LOOKS_MAX 10
#define LOOK_NSEC 1000000
/* Whoever is killed lets go of the lock at once; his guests, who are killed for that, end within
 * milliseconds, or as many more as there are of them. */
#define ENDS_MAX  1000
#define LIFE      "user.corral.init"
#define LIFE_SIZE 96
#define BEGIN     "b0"
#define DRAFT     "b"
/* What a root has from the first moment on. */
static const char *const roots[] = { "usr", "etc", "proc" };

bool corral_keep_has_parts(const struct corral_policy *p, bool is_root)
{
	return is_root || !p->rootfs_is_host || p->keep_work_dir;
}

_Static_assert(CORRAL_CONFIG_LAYERS_MAX <= CORRAL_LAYERS_MAX, "a policy has no more of them");

int corral_keep_check(const struct corral_policy *p, const struct corral_plan_facts *f,
                      struct corral_error *err)
{
	if ((p->keep_work_dir && (!p->keep_path || p->workspace_path)) ||
	    (p->n_layers && !p->keep_work_dir))
		return corral_error_set(err, EINVAL,
		                        "keep: a work directory is kept beside the root, and "
		                        "without a workspace; layers lie beneath both");
	if (!p->keep_path)
		return 0;
	if (f->scheme == CORRAL_ID_RANGE && p->rootfs_is_host && !f->template_path)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "keep: as root it takes id-mapped mounts (Linux 5.19), of "
		        "/run/corral or of /var/lib/corral, which must be root's alone: "
		        "run as an ordinary user");
	if (f->scheme == CORRAL_ID_RANGE && !(f->host->features & CORRAL_HOST_ID_MAPPED))
		return corral_error_set(err, EOPNOTSUPP,
		                        "keep: as root it takes id-mapped mounts (Linux 5.19): run "
		                        "as an ordinary user");
	if (f->scheme == CORRAL_ID_SUBIDS && p->keep_work_dir)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "ids: with 'range' an ordinary user could neither read nor remove what is "
		        "kept of them: leave it out, or run as root");
	return 0;
}

/* A new layer's root and work directory are as they were in the one beneath: no guest sees that a
 * layer was put upon its own. */
static int part_make(const struct corral_keep *k, const char *path, const char *name,
                     struct corral_error *err)
{
	struct stat st = { .st_mode = 0755 }, now;
	bool like = false;

	if (mkdirat(k->fd, name, 0755) < 0) {
		if (errno != EEXIST)
			return corral_error_sys(err, errno, "--keep '%s': create '%s'", path, name);
		if (fstatat(k->fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
			return corral_error_sys(err, errno, "--keep '%s': look at '%s'", path,
			                        name);
		if (!S_ISDIR(now.st_mode))
			return corral_error_set(
			        err, ENOTDIR,
			        "--keep '%s': '%s' in it is no directory: choose an empty one",
			        path, name);
		return 0;
	}
	for (size_t i = 0; name[0] == 'u' && !like && i < k->n_layers; i++)
		like = fstatat(k->layer_fds[i], name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		       S_ISDIR(st.st_mode);
	if (like && k->is_root && fchownat(k->fd, name, st.st_uid, st.st_gid, 0) < 0)
		return corral_error_sys(err, errno, "--keep '%s': chown '%s'", path, name);
	/* As it is, whatever the caller's umask. */
	if (fchmodat(k->fd, name, like ? st.st_mode & 07777 : 0755, 0) < 0)
		return corral_error_sys(err, errno, "--keep '%s': chmod '%s'", path, name);
	return 0;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Empty, or as a sandbox of this kind left it: nobody's home or root becomes a sandbox's by a slip
 * of the finger. */
static int contents_check(const struct corral_keep *k, const char *path, struct corral_error *err)
{
	/* A file description of its own, for its own position. */
	int fd = openat(k->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool empty = true, kept = false;
	const struct dirent *entry;

	if (!dir) {
		int code = errno;

		if (fd >= 0)
			(void)close(fd);
		return corral_error_sys(err, code, "--keep '%s'", path);
	}
	while (!kept && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		empty = false;
		kept = k->overlays ? is_one_of(entry->d_name, parts, CORRAL_COUNT(parts))
		                   : is_one_of(entry->d_name, roots, CORRAL_COUNT(roots));
	}
	(void)closedir(dir);
	if (empty || kept)
		return 0;
	return corral_error_set(err, ENOTEMPTY,
	                        "--keep '%s': what is in it was not kept by a sandbox%s: choose an "
	                        "empty directory",
	                        path, k->is_root ? " of root's" : " of an ordinary user's");
}

/* Nobody but the caller may be able to change what a root is made of. */
static int open_own(const char *label, const char *path, int *ret_fd, struct stat *st,
                    struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) < 0)
		return corral_error_sys(err, errno, "%s '%s'", label, path);
	if (st->st_uid != geteuid())
		return corral_error_set(err, EPERM,
		                        "%s '%s': it is not yours (its owner is %u, you are "
		                        "%u): choose a directory of your own, or chown it",
		                        label, path, st->st_uid, geteuid());
	if (st->st_mode & 022)
		return corral_error_set(err, EPERM,
		                        "%s '%s': others may write to it: chmod go-w '%s'", label,
		                        path, path);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

static int layer_open(struct corral_keep *k, const char *path, const struct stat *top,
                      struct corral_error *err)
{
	int *fd = &k->layer_fds[k->n_layers];
	struct stat st, other;
	bool twice;
	int r = open_own("layer", path, fd, &st, err);

	if (r < 0)
		return r;
	k->n_layers++;
	twice = st.st_dev == top->st_dev && st.st_ino == top->st_ino;
	for (size_t i = 0; i + 1 < k->n_layers && !twice; i++)
		twice = fstat(k->layer_fds[i], &other) == 0 && other.st_dev == st.st_dev &&
		        other.st_ino == st.st_ino;
	if (twice)
		return corral_error_set(err, EINVAL, "layer '%s': it is there twice: leave one out",
		                        path);
	if (flock(*fd, LOCK_SH | LOCK_NB) < 0)
		return corral_error_set(err, EBUSY,
		                        "layer '%s': a sandbox still writes to it, or it is being "
		                        "taken away: end that first",
		                        path);
	return 0;
}

static bool has_begun(const struct corral_keep *k)
{
	if (faccessat(k->fd, BEGIN, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	for (size_t i = 0; i < k->n_layers; i++)
		if (faccessat(k->layer_fds[i], BEGIN, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* Whether what the root was made of is kept as well. */
static bool begins(const struct corral_policy *p)
{
	return p->keep_work_dir && p->rootfs_is_host;
}

/*
 * For a user, whose root begins as a copy of it, nobody ran in it as long as BEGIN is not there, so
 * what a killed one left is as we made it. Root's begins with the template: BEGIN is for who
 * compares.
 */
static int begin(const struct corral_keep *k, const struct corral_policy *p,
                 const struct corral_etc *etc, struct corral_error *err)
{
	corral_autobuf struct corral_buf entries = CORRAL_BUF_INIT;
	static const char *const places[] = { "u0", DRAFT };
	struct corral_etc own = *etc;
	int r = 0;

	if (has_begun(k))
		return 0;
	/* What the template has of the host's is no empty place for a mount. */
	if (k->is_root)
		own.n_bind = 0;
	corral_skeleton_build(&entries, p, &own);
	if (entries.failed)
		return corral_error_set(err, ENOMEM, "compose the root: out of memory");
	if (mkdirat(k->fd, DRAFT, 0755) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "--keep '%s': create '%s'", p->keep_path,
		                        DRAFT);
	for (size_t i = k->is_root ? 1 : 0; r == 0 && i < CORRAL_COUNT(places); i++) {
		corral_autofd int fd =
		        openat(k->fd, places[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return corral_error_sys(err, errno, "--keep '%s': open '%s'", p->keep_path,
			                        places[i]);
		r = corral_template_fill(fd, &entries, err);
	}
	if (r < 0)
		return corral_error_wrap(err, r, "--keep '%s'", p->keep_path);
	if (renameat(k->fd, DRAFT, k->fd, BEGIN) < 0)
		return corral_error_sys(err, errno, "--keep '%s': rename '%s'", p->keep_path,
		                        DRAFT);
	return 0;
}

static bool needs_part(const struct corral_keep *k, const struct corral_policy *p, const char *name)
{
	if (name[0] == 'b' || (name[1] == '1' && (!k->is_root || !p->rootfs_is_host)))
		return false;
	return name[1] != '2' || p->keep_work_dir;
}

static int parts_make(const struct corral_keep *k, const struct corral_policy *p,
                      const struct corral_etc *etc, struct corral_error *err)
{
	struct stat st;
	int r = 0;

	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(parts); i++)
		if (needs_part(k, p, parts[i]))
			r = part_make(k, p->keep_path, parts[i], err);
	/* The guest's user's own; with one id that is the caller. */
	if (r == 0 && p->keep_work_dir && k->is_root &&
	    fstatat(k->fd, "u2", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_uid != p->guest_uid || st.st_gid != p->guest_gid) &&
	    fchownat(k->fd, "u2", p->guest_uid, p->guest_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return corral_error_sys(err, errno, "--keep '%s': chown 'u2'", p->keep_path);
	if (r == 0 && begins(p) && !k->is_root)
		r = begin(k, p, etc, err);
	return r;
}

int corral_keep_begin(const struct corral_keep *k, const struct corral_policy *p,
                      const struct corral_etc *etc, struct corral_error *err)
{
	return k->fd >= 0 && k->overlays && k->is_root && begins(p) ? begin(k, p, etc, err) : 0;
}

/* "PID BEGAN BOOT", of no other process ever; false of one that has ended. */
static bool life_of(pid_t pid, char ret[LIFE_SIZE])
{
	char boot[CORRAL_BOOT_ID_SIZE];
	unsigned long long began = 0;

	if (!corral_life_boot(boot) || corral_life_began((int)pid, &began) <= 0)
		return false;
	(void)snprintf(ret, LIFE_SIZE, "%d %llu %s", (int)pid, began, boot);
	return true;
}

void corral_keep_own(const struct corral_keep *k, pid_t init)
{
	char life[LIFE_SIZE];

	/* Without directories of its own it is the guest's root, whose marks are the guest's. A
	 * file system without attributes has to do without. */
	if (k->fd >= 0 && k->overlays && life_of(init, life))
		(void)fsetxattr(k->fd, LIFE, life, strlen(life), 0);
}

static bool is_lived_in(int fd)
{
	char kept[LIFE_SIZE], now[LIFE_SIZE];
	ssize_t n = fgetxattr(fd, LIFE, kept, sizeof(kept) - 1);
	int pid;

	if (n <= 0)
		return false;
	kept[n] = '\0';
	return sscanf(kept, "%d", &pid) == 1 && life_of(pid, now) && !strcmp(kept, now);
}

int corral_keep_lock(int fd, int operation)
{
	const struct timespec pause = { 0, LOOK_NSEC };

	for (int i = 0; flock(fd, operation | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (i == LOOKS_MAX)
			return -EBUSY;
		(void)nanosleep(&pause, NULL);
	}
	for (int i = 0; operation == LOCK_EX && is_lived_in(fd); i++) {
		if (i == ENDS_MAX) {
			(void)flock(fd, LOCK_UN);
			return -EBUSY;
		}
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static int open_all(const struct corral_policy *p, const struct corral_etc *etc,
                    struct corral_keep *k, struct corral_error *err)
{
	struct stat st;
	int r = open_own("--keep", p->keep_path, &k->fd, &st, err);

	if (r < 0)
		return r;
	if (corral_keep_lock(k->fd, LOCK_EX) < 0)
		return corral_error_set(err, EBUSY,
		                        "--keep '%s': another sandbox has it: end that one first",
		                        p->keep_path);
	/* Seen under the lock: before, somebody may have been freezing it. */
	if (fstat(k->fd, &st) < 0 || !(st.st_mode & 0200))
		return corral_error_set(err, ESTALE,
		                        "--keep '%s': it was frozen meanwhile, and is not to be "
		                        "written to: begin anew from what lies on it now",
		                        p->keep_path);
	r = contents_check(k, p->keep_path, err);
	for (size_t i = 0; r == 0 && i < p->n_layers; i++)
		r = layer_open(k, p->layer_paths[i], &st, err);
	return r == 0 && k->overlays ? parts_make(k, p, etc, err) : r;
}

int corral_keep_open(const struct corral_policy *p, const struct corral_plan_facts *f,
                     struct corral_keep *ret, struct corral_error *err)
{
	struct corral_keep k = CORRAL_KEEP_INIT;
	int r = corral_keep_check(p, f, err);

	if (r < 0)
		return r;
	k.is_root = f->scheme == CORRAL_ID_RANGE;
	k.overlays = corral_keep_has_parts(p, k.is_root);
	r = open_all(p, f->etc, &k, err);
	if (r < 0)
		corral_keep_close(&k);
	else
		*ret = k;
	return r;
}

void corral_keep_close(struct corral_keep *k)
{
	if (k->fd >= 0)
		(void)flock(k->fd, LOCK_UN);
	corral_fd_closep(&k->fd);
	while (k->n_layers) {
		int fd = k->layer_fds[--k->n_layers];

		(void)flock(fd, LOCK_UN);
		(void)close(fd);
	}
}

void corral_keep_undo(struct corral_keep *k)
{
	for (size_t i = 0; k->fd >= 0 && i < CORRAL_COUNT(parts); i++)
		(void)unlinkat(k->fd, parts[i], AT_REMOVEDIR);
}
