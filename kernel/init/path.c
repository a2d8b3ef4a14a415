/*
 * Guest paths while the root is being built. The guest does not run yet, but somebody else may
 * change a directory bound from the host at this very moment, so nothing is looked at and opened
 * afterwards: a path is opened, and the descriptor asked.
 *
 * Walking uses O_PATH, for which search permission is enough (parents of mode 0711 are common), and
 * resolves symbolic links inside the guest's root, as /var/run -> /run is common as well.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <linux/stat.h>

#include "kernel/init/init.h"

#define O_PATH_    010000000
#define O_CLOEXEC_ 02000000

#define LINKS_MAX 40
#define PATH_SIZE 4096

static long device_of(int fd, uint64_t *ret)
{
	struct statx sx;
	long r = sys5(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx);

	if (r < 0)
		return r;
	*ret = (uint64_t)sx.stx_dev_major << 32 | sx.stx_dev_minor;
	return 0;
}

void made_add(struct init *in, int fd)
{
	if (in->n_made < INIT_MADE_MAX && device_of(fd, &in->made[in->n_made]) == 0)
		in->n_made++;
}

/* Since Linux 5.8; 0 before. */
static uint64_t mount_of(int fd)
{
	struct statx sx;

	if (sys5(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0 ||
	    !(sx.stx_mask & STATX_MNT_ID))
		return 0;
	return sx.stx_mnt_id;
}

void made_mount_is(struct init *in, int fd)
{
	in->made_mount = mount_of(fd);
}

static int is_made(const struct init *in, int fd)
{
	uint64_t device;

	if (in->made_mount && mount_of(fd) == in->made_mount)
		return 1;
	if (device_of(fd, &device) < 0)
		return 0;
	for (unsigned int i = 0; i < in->n_made; i++)
		if (in->made[i] == device)
			return 1;
	return 0;
}

/*
 * Where a layer is id-mapped our own id 0 has no place in it: every file made there would be
 * EOVERFLOW. And an overlay works on its upper layer as who mounted it. So both are done with the
 * guest's ids for files, and with all capabilities, which setfsuid(2) would take; 0 takes it back.
 */
void maker_is(uint32_t uid, uint32_t gid)
{
	(void)sys2(__NR_prctl, PR_SET_SECUREBITS,
	           uid || gid ? SECBIT_NO_SETUID_FIXUP : SECUREBITS_DEFAULT);
	(void)sys1(__NR_setfsgid, gid);
	(void)sys1(__NR_setfsuid, uid);
}

static long missing_make(int dir, const char *name, int as_file)
{
	long r;

	if (!as_file)
		return sys3(__NR_mkdirat, dir, name, 0755);
	r = sys4(__NR_openat, dir, name, 0100 | 0200 | 01 | O_NOFOLLOW_ | O_CLOEXEC_, 0644);
	if (r < 0)
		return r;
	(void)sys1(__NR_close, r);
	return 0;
}

/* Creates one missing component; only where the file system is one of ours. */
static long component_make(struct init *in, int dir, const char *name, uint32_t uid, uint32_t gid,
                           int as_file)
{
	long r;

	if (!is_made(in, dir))
		return -EXDEV;
	r = missing_make(dir, name, as_file);
	if (r == -EOVERFLOW) {
		maker_is(uid, gid);
		r = missing_make(dir, name, as_file);
		maker_is(0, 0);
		return r == -EEXIST ? 0 : r;
	}
	if (r < 0 && r != -EEXIST)
		return r;
	if (r == 0 && (uid || gid))
		r = sys5(__NR_fchownat, dir, name, uid, gid, AT_SYMLINK_NOFOLLOW);
	return r == -EEXIST ? 0 : r;
}

/*
 * rest = link target + "/" + what follows; absolute targets start at the root again, others at
 * prefix.
 */
static long link_expand(int link, char *path, const char *prefix, const char *rest)
{
	static char target[PATH_SIZE], joined[PATH_SIZE];
	size_t len = 0;
	long n;

	n = sys4(__NR_readlinkat, link, "", target, sizeof(target) - 1);
	if (n < 0)
		return n;
	target[n] = '\0';
	if (target[0] != '/') {
		len = text_add(joined, sizeof(joined), len, prefix);
		len = text_add(joined, sizeof(joined), len, "/");
	}
	len = text_add(joined, sizeof(joined), len, target);
	len = text_add(joined, sizeof(joined), len, "/");
	len = text_add(joined, sizeof(joined), len, rest);
	if (len >= sizeof(joined))
		return -ENAMETOOLONG;
	memcpy(path, joined, len + 1);
	return 0;
}

/* Takes the last component off a resolved prefix. */
static void prefix_pop(char *prefix)
{
	size_t len = text_len(prefix);

	while (len && prefix[len - 1] != '/')
		len--;
	prefix[len ? len - 1 : 0] = '\0';
}

struct walk {
	char path[PATH_SIZE];   /* what is still to walk when starting from the root */
	char prefix[PATH_SIZE]; /* what has been walked, without links */
	unsigned int links;
	int foreign; /* one of them lay on a file system that is not ours */
};

/* One attempt from the root: a descriptor, -errno, or 1 when a link changed the path and it must
 * start over. */
static long walk_once(struct init *in, struct walk *w, int create, uint32_t uid, uint32_t gid,
                      int is_file)
{
	long fd, next, r;
	char *p = w->path, *end, saved;
	struct statx sx;

	w->prefix[0] = '\0';
	fd = sys4(__NR_openat, in->root_fd, ".", O_PATH_ | O_CLOEXEC_ | O_DIRECTORY_, 0);
	while (fd >= 0) {
		while (*p == '/')
			p++;
		if (!*p)
			return fd;
		for (end = p; *end && *end != '/'; end++)
			;
		saved = *end;
		*end = '\0';
		if (text_equal(p, ".")) {
			*end = saved;
			p = end;
			continue;
		}
		if (text_equal(p, "..")) {
			/* Never handed to the kernel: what the prefix says is what ".." means, and
			 * it stops at the root. */
			static char tail[PATH_SIZE];

			*end = saved;
			(void)text_add(tail, sizeof(tail), 0, end);
			prefix_pop(w->prefix);
			r = (long)text_add(w->path, PATH_SIZE, 0, w->prefix);
			r = (long)text_add(w->path, PATH_SIZE, (size_t)r, "/");
			r = (long)text_add(w->path, PATH_SIZE, (size_t)r, tail);
			(void)sys1(__NR_close, fd);
			return ++w->links > LINKS_MAX * 4 || r >= PATH_SIZE ? -ELOOP : 1;
		}
		next = sys4(__NR_openat, fd, p, O_PATH_ | O_NOFOLLOW_ | O_CLOEXEC_, 0);
		if (next == -ENOENT && create) {
			int last = 1;

			for (const char *q = saved ? end + 1 : end; *q; q++)
				if (*q != '/')
					last = 0;
			r = w->foreign ? -ELOOP
			               : component_make(in, (int)fd, p, uid, gid, is_file && last);
			next = r < 0 ? r
			             : sys4(__NR_openat, fd, p, O_PATH_ | O_NOFOLLOW_ | O_CLOEXEC_,
			                    0);
		}
		if (next < 0) {
			(void)sys1(__NR_close, fd);
			return next;
		}
		r = sys5(__NR_statx, next, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE,
		         &sx);
		if (r == 0 && (sx.stx_mode & S_IFMT) == S_IFLNK) {
			*end = saved;
			w->foreign |= !is_made(in, (int)fd);
			r = ++w->links > LINKS_MAX
			            ? -ELOOP
			            : link_expand((int)next, w->path, w->prefix, end);
			(void)sys1(__NR_close, next);
			(void)sys1(__NR_close, fd);
			return r < 0 ? r : 1;
		}
		r = (long)text_add(w->prefix, PATH_SIZE, text_len(w->prefix), "/");
		r = (long)text_add(w->prefix, PATH_SIZE, (size_t)r, p);
		*end = saved;
		p = end;
		(void)sys1(__NR_close, fd);
		if (r >= PATH_SIZE) {
			(void)sys1(__NR_close, next);
			return -ENAMETOOLONG;
		}
		fd = next;
	}
	return fd;
}

/*
 * An O_PATH descriptor of guest_path beneath the root. With create, missing components are made on
 * file systems of ours; -EXDEV when one is missing in somebody else's, -ELOOP when one is missing
 * behind a symbolic link of somebody else's.
 */
long guest_open(struct init *in, const char *guest_path, int create, uint32_t uid, uint32_t gid,
                int is_file)
{
	static struct walk w;
	long r;

	if (in->features & CORRAL_WIRE_OPENAT2) {
		struct open_how how = { O_PATH_ | O_CLOEXEC_, 0,
			                RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
		const char *relative = guest_path;

		while (*relative == '/')
			relative++;
		r = sys4(__NR_openat2, in->root_fd, *relative ? relative : ".", &how, sizeof(how));
		if (r != -ENOENT || !create)
			return r;
	}
	w.links = 0;
	w.foreign = 0;
	if (text_add(w.path, sizeof(w.path), 0, guest_path) >= sizeof(w.path))
		return -ENAMETOOLONG;
	do {
		r = walk_once(in, &w, create, uid, gid, is_file);
	} while (r == 1);
	return r;
}
