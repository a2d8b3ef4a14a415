/*
 * Layers and the overlays over them: one that is written, in the scratch or kept on the host, and
 * beneath it those that earlier sandboxes kept, and what every sandbox begins with.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "kernel/init/mount.h"
#include "kernel/init/root.h"

#define AT_FDCWD_  (-100)
#define O_PATH_    010000000
#define O_CLOEXEC_ 02000000

static const char *indexed(char *buf, char letter, uint32_t n)
{
	buf[0] = letter;
	(void)text_add_number(buf, 8, 1, n);
	return buf;
}

long step_layer(struct init *in, const struct corral_step *s)
{
	char name[8];
	long object, target, r;

	/* As it came: an overlay takes as layers roots of what is attached nowhere, by descriptor
	 * (6.13). */
	if (s->flags & CORRAL_STEP_DETACHED) {
		in->layer_fd = init_fd(in, s->fd);
		return in->layer_fd < 0 ? -EBADF : 0;
	}
	(void)indexed(name, 'l', s->n[0]);
	/* The root itself, which is there already, or beside it. */
	if (s->flags & CORRAL_STEP_KEPT)
		(void)text_add(name, sizeof(name), 0, s->n[0] ? "r" : "k");
	r = s->flags & CORRAL_STEP_KEPT && s->n[0] ? 0 : dir_make(in, name, 0755, 0, 0);
	if (r < 0)
		return r;
	object = s->fd >= 0 ? init_fd(in, s->fd)
	                    : mount_clone(in, AT_FDCWD_, init_text(in, s->s[0]), 0);
	if (object < 0)
		return object;
	target = sys4(__NR_openat, in->scratch_fd, name, O_PATH_ | O_CLOEXEC_, 0);
	if (target < 0)
		return target;
	if (in->features & CORRAL_WIRE_NEW_MOUNT_API)
		r = mount_move((int)object, (int)target);
	else {
		char from[32], to[32];

		r = sys5(__NR_mount, text_fd_path(from, (int)object), text_fd_path(to, (int)target),
		         0, 4096 /* MS_BIND */, 0);
	}
	if (r < 0 && object_is_file((int)object))
		r = -ENOTDIR;
	(void)sys1(__NR_close, target);
	if (s->fd < 0)
		(void)sys1(__NR_close, object);
	return r;
}

/* fsconfig(2) takes no longer text. */
#define LOWER_SIZE 256

struct stack {
	char lower[LOWER_SIZE], upper[16], work[16];
};

static int object_is_directory(int dir, const char *path)
{
	struct statx sx;

	return sys5(__NR_statx, dir, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &sx) == 0 &&
	       (sx.stx_mode & S_IFMT) == S_IFDIR;
}

/* "l2/u0:l3/u0:l0": paths of the scratch, as short as they can be. A layer of a sandbox that never
 * came to be has no such part. */
static long lower_name(struct init *in, const struct corral_step *s, struct stack *k)
{
	char name[24], *lower = k->lower;
	size_t len = 0;

	for (uint32_t i = 0; i < s->attr; i++) {
		size_t at = text_len(indexed(name, 'l', 2 + i));

		at = text_add(name, sizeof(name), at, "/u");
		(void)text_add_number(name, sizeof(name), at, s->n[1]);
		if (!object_is_directory(in->scratch_fd, name))
			continue;
		len = text_add(lower, LOWER_SIZE, len, len ? ":" : "");
		len = text_add(lower, LOWER_SIZE, len, name);
	}
	if (s->flags & CORRAL_STEP_BENEATH && s->blob_len)
		len = text_add(lower, LOWER_SIZE, len, len ? ":b" : "b");
	if (s->n[0] != ~0u) {
		len = text_add(lower, LOWER_SIZE, len, len ? ":" : "");
		len = text_add(lower, LOWER_SIZE, len, indexed(name, 'l', s->n[0]));
	}
	lower[len < LOWER_SIZE ? len : 0] = '\0';
	return len < LOWER_SIZE ? (long)len : -ENAMETOOLONG;
}

static long stack_name(struct init *in, const struct corral_step *s, struct stack *k)
{
	size_t kept = 0;

	if (s->flags & CORRAL_STEP_KEPT) {
		(void)text_add(k->upper, sizeof(k->upper), 0, "k/");
		kept = text_add(k->work, sizeof(k->work), 0, "k/");
	}
	(void)indexed(k->upper + kept, 'u', s->n[1]);
	(void)indexed(k->work + kept, 'w', s->n[1]);
	return lower_name(in, s, k);
}

static long stack_make(struct init *in, const struct corral_step *s, const struct stack *k)
{
	int kept = s->flags & CORRAL_STEP_KEPT, beneath = s->flags & CORRAL_STEP_BENEATH;
	long r = 0;

	if (!kept)
		r = dir_make(in, k->upper, 0755, s->uid, s->gid);
	if (r >= 0 && !kept)
		r = dir_make(in, k->work, 0755, s->uid, s->gid);
	if (r >= 0 && s->blob_len && beneath)
		r = dir_make(in, "b", 0755, s->uid, s->gid);
	if (r >= 0 && s->blob_len)
		r = entries_make(in, s, beneath ? "b" : k->upper);
	return r;
}

static unsigned int stack_options(struct init *in, const struct corral_step *s,
                                  const struct stack *k, struct fs_option *o)
{
	unsigned int n = 0;

	o[n++] = s->flags & CORRAL_STEP_DETACHED
	                 ? (struct fs_option) { "lowerdir+", 0, in->layer_fd }
	                 : (struct fs_option) { "lowerdir", k->lower, 0 };
	o[n++] = (struct fs_option) { "upperdir", k->upper, 0 };
	o[n++] = (struct fs_option) { "workdir", k->work, 0 };
	if (s->flags & CORRAL_STEP_USERXATTR)
		o[n++] = (struct fs_option) { "userxattr", 0, 0 };
	if (!(s->flags & CORRAL_STEP_KEPT))
		return n;
	/* Whatever this host's module has as defaults: kernel/layers/ reads no redirects, and what
	 * was merged lies beneath another layer's files than an index would know. */
	o[n++] = (struct fs_option) { "index", "off", 0 };
	if (!(s->flags & CORRAL_STEP_USERXATTR)) { /* which implies these */
		o[n++] = (struct fs_option) { "redirect_dir", "nofollow", 0 };
		o[n++] = (struct fs_option) { "metacopy", "off", 0 };
	}
	return n;
}

long step_overlay(struct init *in, const struct corral_step *s)
{
	struct fs_option options[8];
	const uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	int detached = s->flags & CORRAL_STEP_DETACHED;
	unsigned int n;
	struct stack k;
	long r, target;

	r = stack_name(in, s, &k);
	if (r >= 0)
		r = stack_make(in, s, &k);
	if (r < 0)
		return r;
	if (!k.lower[0])
		return s->s[0] ? scratch_bind(in, s, k.upper, init_text(in, s->s[0]), attr)
		               : kept_root_bind(in, k.upper, s->flags);
	n = stack_options(in, s, &k, options);
	if (s->flags & CORRAL_STEP_KEPT)
		maker_is(s->uid, s->gid);
	if (!s->s[0]) { /* it is the root */
		target = sys4(__NR_openat, detached ? AT_FDCWD_ : in->scratch_fd,
		              detached ? LAUNCHPAD_PLACE : "r", O_PATH_ | O_CLOEXEC_, 0);
		if (target < 0) {
			maker_is(0, 0);
			return target;
		}
		r = mount_new(in, "overlay", options, n, attr, (int)target);
		(void)sys1(__NR_close, target);
		if (r == -EAGAIN)
			r = sys4(__NR_openat, in->scratch_fd, "r", O_PATH_ | O_CLOEXEC_, 0);
		if (r >= 0)
			in->root_fd = (int)r;
	} else {
		r = mount_new_at(in, "overlay", options, n, attr, init_text(in, s->s[0]), s->uid,
		                 s->gid);
		if (r >= 0) {
			made_add(in, (int)r);
			(void)sys1(__NR_close, r);
		}
	}
	maker_is(0, 0);
	return r < 0 ? r : 0;
}
