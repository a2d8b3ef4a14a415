/*
 * Two layers become one: a tree of directories of its own, with the files of both linked into it.
 *
 *     upper          lower                  both
 *     nothing        anything               as in lower
 *     whiteout       anything               whiteout, or nothing where there is nothing below
 *     file           anything               the file
 *     directory      directory              the directory, with what both have
 *     directory      whiteout, file         the directory, opaque
 *     opaque dir.    anything               as in upper
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/files/names.h"
#include "kernel/layers/view.h"

enum { UPPER, LOWER, BOTH, TREES };

#define XATTRS_MAX (64u << 10) /* of the kernel: names in a list, and one value */

/* Of each directory on the trail. */
struct place {
	struct stat st; /* what it is to be */
	uint32_t from;  /* which of the two it has anything of */
	bool opaque;    /* to be marked so */
	bool below;     /* what lies beneath both layers is seen through it */
	bool whiteouts; /* there are some in it */
};

struct merger {
	struct trail trail;
	bool trusted;
	struct corral_error *err;
	char *names, *value; /* XATTRS_MAX each */
};

/* What one layer says of a name, whatever lies above or below. */
struct word {
	enum { NOTHING, WHITEOUT, FILE_, DIRECTORY } kind;
	bool opaque;
	struct stat st;
};

static int fail(struct merger *m, int code, const char *doing, const char *name)
{
	return corral_error_sys(m->err, code, "merge layers: %s '%s%s%s'%s", doing,
	                        m->trail.path.len ? m->trail.path.data : "",
	                        m->trail.path.len ? "/" : "", name,
	                        code == EXDEV ? " (both layers and what they become must be on one "
	                                        "file system)"
	                                      : "");
}

static int look(struct merger *m, int tree, const char *name, struct word *ret)
{
	int fd = trail_fd(&m->trail, (size_t)tree);

	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		return 0;
	if (fstatat(fd, name, &ret->st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(m, errno, "look at", name);
	if (mark_whiteout(fd, name, &ret->st, m->trusted))
		ret->kind = WHITEOUT;
	else
		ret->kind = S_ISDIR(ret->st.st_mode) ? DIRECTORY : FILE_;
	ret->opaque = ret->kind == DIRECTORY && mark_opaque(fd, name, m->trusted) == 'y';
	return 0;
}

static struct place *place_of(const struct merger *m)
{
	return trail_own(&m->trail);
}

static int whiteout_put(struct merger *m, const char *name)
{
	struct place *here = place_of(m);

	if (!here->below)
		return 0;
	here->whiteouts = true;
	if (mknodat(trail_fd(&m->trail, BOTH), name, S_IFCHR, makedev(0, 0)) < 0)
		return fail(m, errno, "make a whiteout of", name);
	return 0;
}

static int file_put(struct merger *m, int tree, const char *name)
{
	if (linkat(trail_fd(&m->trail, (size_t)tree), name, trail_fd(&m->trail, BOTH), name, 0) < 0)
		return fail(m, errno, "link", name);
	return 0;
}

/* The directory is made so that it can be filled; what it is to be comes when it is left. */
static int directory_put(struct merger *m, const char *name, const struct place *p)
{
	int r;

	if (mkdirat(trail_fd(&m->trail, BOTH), name, 0700) < 0)
		return fail(m, errno, "create", name);
	r = trail_down(&m->trail, name, p->from | 1u << BOTH, m->err);
	if (r < 0)
		return r;
	*place_of(m) = *p;
	if ((trail_mask(&m->trail) & p->from) != p->from)
		return fail(m, EACCES, "read", "");
	return trail_read(&m->trail, p->from, m->err);
}

static int visit(struct merger *m, const char *name)
{
	const struct place *here = place_of(m);
	struct place p = { 0 };
	struct word u = { 0 }, l = { 0 };
	int r = look(m, UPPER, name, &u);

	if (r == 0)
		r = look(m, LOWER, name, &l);
	if (r < 0)
		return r;
	switch (u.kind == NOTHING ? l.kind : u.kind) {
	case NOTHING:
		return 0;
	case WHITEOUT:
		return whiteout_put(m, name);
	case FILE_:
		return file_put(m, u.kind == NOTHING ? LOWER : UPPER, name);
	case DIRECTORY:
		break;
	}
	p.st = u.kind == DIRECTORY ? u.st : l.st;
	p.opaque = u.kind == DIRECTORY ? u.opaque : l.opaque;
	p.from = u.kind == DIRECTORY ? 1u << UPPER : 1u << LOWER;
	if (u.kind == DIRECTORY && !u.opaque && l.kind == DIRECTORY) {
		p.from |= 1u << LOWER;
		p.opaque = l.opaque;
	} else if (u.kind == DIRECTORY && l.kind != NOTHING) {
		p.opaque = true;
	}
	p.below = here->below && !p.opaque;
	p.opaque = p.opaque && here->below;
	return directory_put(m, name, &p);
}

/* "trusted.overlay.opaque" where root made the layers. */
static const char *mark_name(const struct merger *m, const char *name, char key[64])
{
	(void)snprintf(key, 64, "%s.overlay.%s", m->trusted ? "trusted" : "user", name);
	return key;
}

static int xattrs_copy(struct merger *m, int from, int to)
{
	ssize_t len = flistxattr(from, m->names, XATTRS_MAX), n;
	char key[64];

	if (len < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = m->names; name < m->names + len; name += strlen(name) + 1) {
		if (!strcmp(name, mark_name(m, "opaque", key)))
			continue;
		n = fgetxattr(from, name, m->value, XATTRS_MAX);
		if (n < 0 && errno == ENODATA)
			continue;
		if (n < 0)
			return -errno;
		/* Labels of the host's, which an ordinary user does not choose. */
		if (fsetxattr(to, name, m->value, (size_t)n, 0) < 0 &&
		    (geteuid() == 0 || strncmp(name, "security.", 9) != 0))
			return -errno;
	}
	return 0;
}

static int marks_put(struct merger *m, const struct place *p, int to)
{
	char key[64];

	if (p->opaque && fsetxattr(to, mark_name(m, "opaque", key), "y", 1, 0) < 0)
		return -errno;
	/* A directory of one layer alone is shown as it is, whiteouts and all, unless overlayfs
	 * knows it for a copy: this is such a mark, "of an unknown origin". */
	if (p->whiteouts && fgetxattr(to, mark_name(m, "origin", key), NULL, 0) < 0 &&
	    fsetxattr(to, key, "", 0, 0) < 0)
		return -errno;
	return 0;
}

/* What the directory that is left now is to be. */
static int finish(struct merger *m)
{
	const struct place *p = place_of(m);
	int from = trail_fd(&m->trail, p->from & 1u << UPPER ? UPPER : LOWER),
	    to = trail_fd(&m->trail, BOTH);
	const struct timespec times[2] = { p->st.st_atim, p->st.st_mtim };
	int r = xattrs_copy(m, from, to);

	if (r == 0)
		r = marks_put(m, p, to);
	if (r == 0 && geteuid() == 0 && fchown(to, p->st.st_uid, p->st.st_gid) < 0)
		r = -errno;
	if (r == 0 && fchmod(to, p->st.st_mode & 07777) < 0)
		r = -errno;
	if (r == 0 && futimens(to, times) < 0)
		r = -errno;
	return r < 0 ? fail(m, -r, "complete", "") : 0;
}

static int walk(struct merger *m, const struct place *top)
{
	int r;

	*place_of(m) = *top;
	r = trail_read(&m->trail, top->from, m->err);
	while (r == 0) {
		const char *name = trail_next(&m->trail);

		if (name) {
			r = visit(m, name);
			continue;
		}
		r = finish(m);
		if (r < 0 || !m->trail.depth)
			break;
		r = trail_up(&m->trail, m->err);
	}
	return r;
}

/* A part of both, or of one; -1 where there is none. modes: as files_open_dir() gave them. */
static int tops_merge(struct merger *m, const int fds[TREES], const mode_t modes[TREES], bool below)
{
	int like = fds[UPPER] >= 0 ? UPPER : LOWER;
	struct place top = { .from = (fds[UPPER] >= 0 ? 1u << UPPER : 0) |
		                     (fds[LOWER] >= 0 ? 1u << LOWER : 0),
		             .below = below };
	int r;

	if (fstat(fds[like], &top.st) < 0)
		return fail(m, errno, "look at", "");
	if (modes[like] != FILES_MODE_KEPT)
		top.st.st_mode = S_IFDIR | modes[like];
	r = trail_init(&m->trail, fds, TREES, sizeof(top), true, m->err);
	if (r == 0)
		r = walk(m, &top);
	trail_done(&m->trail);
	return r;
}

static int part_merge(struct merger *m, const int layers[TREES], const char *name, bool below)
{
	int fds[TREES] = { -1, -1, -1 }, r = 0;
	mode_t modes[TREES];

	for (int i = UPPER; i <= LOWER && r == 0; i++) {
		fds[i] = layers[i] < 0 ? -ENOENT : files_open_dir(layers[i], name, true, &modes[i]);
		if (fds[i] < 0 && fds[i] != -ENOENT)
			r = fail(m, -fds[i], "open", name);
	}
	if (r == 0 && (fds[UPPER] >= 0 || fds[LOWER] >= 0)) {
		if (mkdirat(layers[BOTH], name, 0700) < 0)
			r = fail(m, errno, "create", name);
		else
			fds[BOTH] = openat(layers[BOTH], name,
			                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (r == 0)
			r = fds[BOTH] < 0 ? fail(m, errno, "open", name)
			                  : tops_merge(m, fds, modes, below);
	}
	for (int i = 0; i < TREES; i++) {
		if (i != BOTH && fds[i] >= 0 && modes[i] != FILES_MODE_KEPT)
			(void)fchmod(fds[i], modes[i]);
		corral_fd_closep(&fds[i]);
	}
	return r;
}

static int layers_merge(struct merger *m, const int layers[TREES], bool has_below)
{
	int only[TREES] = { -1, layers[LOWER], layers[BOTH] }, r = 0;
	bool begins = true, has_base;

	if (faccessat(layers[LOWER], LAYER_BEGIN, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		only[LOWER] = layers[UPPER];
		begins = faccessat(layers[UPPER], LAYER_BEGIN, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	}
	/* Of the root; an ordinary user's is a copy of it (view.h). */
	has_base = m->trusted || !begins;
	for (size_t i = 0; r == 0 && i < CORRAL_LAYER_PARTS; i++)
		r = part_merge(m, layers, layer_part_names[i],
		               has_below || (i != CORRAL_LAYER_PART_WORK_DIR && has_base));
	return r == 0 ? part_merge(m, only, LAYER_BEGIN, false) : r;
}

int corral_layer_merge(const char *upper, const char *lower, const char *path, bool has_below,
                       struct corral_error *err)
{
	corral_autofd int u = -1, l = -1, both = -1;
	corral_autofree char *names = malloc(XATTRS_MAX), *value = malloc(XATTRS_MAX);
	struct merger m = { .trusted = geteuid() == 0, .err = err, .names = names, .value = value };
	int r = layer_open(upper, &u, err);

	if (!names || !value)
		return corral_error_set(err, ENOMEM, "merge layers: out of memory");
	if (r == 0)
		r = layer_open(lower, &l, err);
	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0)
		return corral_error_sys(err, errno, "create layer '%s'", path);
	both = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (both < 0)
		return corral_error_sys(err, errno, "open layer '%s'", path);
	return layers_merge(&m, (const int[TREES]) { u, l, both }, has_below);
}
