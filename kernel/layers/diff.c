/*
 * What the topmost layers of a stack change. Only what they hold is walked; but where one of them
 * hides what lies below as a whole (an opaque directory, one in the place of a file), both sides
 * are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "kernel/layers/textdiff.h"
#include "kernel/layers/view.h"

#define TEXT_MAX_DEFAULT (64u << 10)
#define CHUNK            (64u << 10)

/* Of each level of the trail. */
struct sides {
	uint32_t before, after; /* trees of a directory, as each saw it */
};

struct differ {
	const struct corral_layer_stack *stack;
	const struct corral_layers_diff_options *options;
	int (*told)(void *ctx, const struct corral_change *change);
	void *ctx;
	struct corral_error *err;
	enum corral_layer_part part;
	struct view view;
	struct trail trail;
	uint32_t top; /* trees that make the difference */
	uint64_t n;
	bool unread; /* what is told next is a directory whose contents are not */
	struct corral_buf path, text;
};

char corral_change_letter(enum corral_change_kind kind)
{
	switch (kind) {
	case CORRAL_CHANGE_ADDED:
		return 'A';
	case CORRAL_CHANGE_CHANGED:
		return 'C';
	case CORRAL_CHANGE_DELETED:
		return 'D';
	}
	return '?';
}

static int file_open(const struct differ *d, const struct found *f, const char *name)
{
	int fd = openat(trail_fd(&d->trail, f->tree), name,
	                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static ssize_t read_whole(int fd, char *data, size_t size, off_t at)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = pread(fd, data + n, size - n, at + (off_t)n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* Where, from at on, either of them has anything that is not a hole: a hole costs a guest nothing,
 * and reading it would cost us as much as what is written. -1: nowhere. */
static off_t data_next(int a, int b, off_t at)
{
	off_t x = lseek(a, at, SEEK_DATA), y;

	if (x < 0 && errno != ENXIO)
		return at; /* it does not know holes */
	y = lseek(b, at, SEEK_DATA);
	if (y < 0 && errno != ENXIO)
		return at;
	if (x < 0 || y < 0)
		return x < 0 ? y : x;
	return x < y ? x : y;
}

/* 1 where they differ; both are of that size. */
static int contents_compare(int a, int b, off_t size)
{
	corral_autofree char *data = malloc((size_t)2 * CHUNK);
	off_t at = 0;

	if (!data)
		return -ENOMEM;
	while (at < size && (at = data_next(a, b, at)) >= 0) {
		ssize_t n = read_whole(a, data, CHUNK, at),
		        m = read_whole(b, data + CHUNK, CHUNK, at);

		if (n < 0 || m < 0)
			return n < 0 ? (int)n : (int)m;
		if (n != m || memcmp(data, data + CHUNK, (size_t)n) != 0)
			return 1;
		if (!n)
			break;
		at += n;
	}
	return 0;
}

static int files_differ(const struct differ *d, const struct found *before,
                        const struct found *after, const char *name)
{
	corral_autofd int a = -1, b = -1;

	if (before->st.st_size != after->st.st_size)
		return 1;
	a = file_open(d, before, name);
	b = file_open(d, after, name);
	/* Closed by who owns it, as is no business of root's: overlayfs keeps the time of what it
	 * copies up. */
	if (a == -EACCES || b == -EACCES)
		return before->st.st_mtim.tv_sec != after->st.st_mtim.tv_sec ||
		       before->st.st_mtim.tv_nsec != after->st.st_mtim.tv_nsec;
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	return contents_compare(a, b, after->st.st_size);
}

static int links_differ(const struct differ *d, const struct found *before,
                        const struct found *after, const char *name)
{
	char a[4096], b[4096];
	ssize_t n = readlinkat(trail_fd(&d->trail, before->tree), name, a, sizeof(a)),
	        m = readlinkat(trail_fd(&d->trail, after->tree), name, b, sizeof(b));

	if (n < 0 || m < 0)
		return -errno;
	return n != m || memcmp(a, b, (size_t)n) != 0;
}

static int content_differs(const struct differ *d, const struct found *before,
                           const struct found *after, const char *name)
{
	switch (after->st.st_mode & S_IFMT) {
	case S_IFREG:
		return files_differ(d, before, after, name);
	case S_IFLNK:
		return links_differ(d, before, after, name);
	case S_IFCHR:
	case S_IFBLK:
		return before->st.st_rdev != after->st.st_rdev;
	default:
		return 0;
	}
}

/* Set of enum corral_change_what; -errno. */
static int compare(const struct differ *d, const struct found *before, const struct found *after,
                   const char *name)
{
	const struct stat *a = &before->st, *b = &after->st;
	int what = 0, r = 0;

	if (a->st_dev == b->st_dev && a->st_ino == b->st_ino)
		return 0;
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		what |= CORRAL_CHANGE_TYPE;
	else if (name)
		r = content_differs(d, before, after, name);
	if (r < 0)
		return r;
	what |= r ? CORRAL_CHANGE_CONTENT : 0;
	/* A link's mode is nobody's choice. */
	if ((a->st_mode & 07777) != (b->st_mode & 07777) && !S_ISLNK(b->st_mode))
		what |= CORRAL_CHANGE_MODE;
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		what |= CORRAL_CHANGE_OWNER;
	return what;
}

/* A name as git(1) shows it: in quotes where it would not be read as one otherwise. */
static void name_put(struct corral_buf *out, char side, const char *path)
{
	size_t len = strlen(path);
	bool plain = corral_utf8_valid(path, len);

	for (const char *p = path; plain && *p; p++)
		plain = (unsigned char)*p >= ' ' && *p != '"' && *p != '\\' && *p != 127;
	if (plain) {
		corral_buf_fmt(out, "%c%s", side, path);
		return;
	}
	corral_buf_fmt(out, "\"%c", side);
	for (const char *p = path; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"' || c == '\\')
			corral_buf_fmt(out, "\\%c", c);
		else if (c < ' ' || c >= 127)
			corral_buf_fmt(out, "\\%03o", c);
		else
			corral_buf_add(out, p, 1);
	}
	corral_buf_str(out, "\"");
}

/* 0 and the text, with *ret_is false when it is none to be shown. */
static int side_read(const struct differ *d, const struct found *f, const char *name,
                     struct corral_buf *ret, bool *ret_is)
{
	uint64_t max = d->options->text_max ? d->options->text_max : TEXT_MAX_DEFAULT;
	corral_autofd int fd = -1;
	int r;

	*ret_is = !f->there || (S_ISREG(f->st.st_mode) && (uint64_t)f->st.st_size <= max);
	if (!f->there || !*ret_is)
		return 0;
	fd = file_open(d, f, name);
	*ret_is = fd != -EACCES;
	if (fd < 0)
		return *ret_is ? fd : 0;
	r = corral_buf_read_fd(ret, fd, (size_t)max);
	*ret_is = r == 0 && corral_textdiff_is_text(ret->data, ret->len);
	return r == -EFBIG ? 0 : r;
}

static int text_make(struct differ *d, const struct found *before, const struct found *after,
                     const char *name, struct corral_change *c)
{
	corral_autobuf struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT;
	bool is_text = false;
	size_t head;
	int r = side_read(d, before, name, &a, &is_text);

	if (r == 0 && is_text)
		r = side_read(d, after, name, &b, &is_text);
	if (r < 0 || !is_text)
		return r;
	d->text.len = 0;
	corral_buf_str(&d->text, "--- ");
	if (before->there)
		name_put(&d->text, 'a', c->guest_path);
	corral_buf_str(&d->text, before->there ? "\n+++ " : "/dev/null\n+++ ");
	if (after->there)
		name_put(&d->text, 'b', c->guest_path);
	corral_buf_str(&d->text, after->there ? "\n" : "/dev/null\n");
	head = d->text.len;
	r = corral_textdiff(a.data, a.len, b.data, b.len, &d->text);
	if (r < 0 || d->text.len == head)
		return r;
	c->text = d->text.data;
	c->text_len = d->text.len;
	return 0;
}

/* The part's own path, and what the trail says below it. */
static int path_make(struct differ *d, const char *name)
{
	const char *top = d->stack->guest_paths[d->part];

	d->path.len = 0;
	corral_buf_str(&d->path, strcmp(top, "/") != 0 || !name ? top : "");
	if (d->trail.path.len)
		corral_buf_fmt(&d->path, "/%s", d->trail.path.data);
	if (name)
		corral_buf_fmt(&d->path, "/%s", name);
	return d->path.failed ? -ENOMEM : 0;
}

/* What every sandbox has something of its own mounted on, which an image may lack. */
static const char *const mounted[] = { "/dev", "/proc", "/tmp" };

/* Directories on the way to where another part is mounted are there for that, and so are those. */
static bool is_way(const struct differ *d)
{
	for (size_t i = 0; i < CORRAL_COUNT(mounted); i++)
		if (!strcmp(d->path.data, mounted[i]))
			return true;
	for (size_t i = 0; i < CORRAL_LAYER_PARTS; i++) {
		const char *other = d->stack->guest_paths[i];

		if (other && i != d->part && !strncmp(other, d->path.data, d->path.len) &&
		    (other[d->path.len] == '/' || !other[d->path.len]))
			return true;
	}
	return false;
}

static int fail(struct differ *d, int r, const char *name)
{
	if (path_make(d, name) < 0)
		return corral_error_set(d->err, ENOMEM, "compare layers: out of memory");
	return corral_error_sys(d->err, -r, "compare '%.300s'", d->path.data);
}

static int text_add(struct differ *d, const struct found *before, const struct found *after,
                    const char *name, struct corral_change *c)
{
	const struct found none = { 0 };

	if (!d->options->text || !name)
		return 0;
	if (c->kind == CORRAL_CHANGE_CHANGED &&
	    !(c->what & (CORRAL_CHANGE_TYPE | CORRAL_CHANGE_CONTENT)))
		return 0;
	/* A file in the place of something else came, or went. */
	if (c->what & CORRAL_CHANGE_TYPE)
		return S_ISREG(after->st.st_mode) ? text_make(d, &none, after, name, c)
		                                  : text_make(d, before, &none, name, c);
	return text_make(d, before, after, name, c);
}

static int tell(struct differ *d, const struct found *before, const struct found *after,
                const char *name)
{
	struct corral_change c = { .kind = CORRAL_CHANGE_CHANGED };
	int what = before->there && after->there ? compare(d, before, after, name) : 0, r;

	if (what < 0)
		return fail(d, what, name);
	if (before->there == after->there && !what && !d->unread)
		return 0;
	r = path_make(d, name);
	if (r < 0)
		return fail(d, r, name);
	if (!before->there || !after->there)
		c.kind = after->there ? CORRAL_CHANGE_ADDED : CORRAL_CHANGE_DELETED;
	if (c.kind == CORRAL_CHANGE_ADDED && S_ISDIR(after->st.st_mode) && !d->unread && is_way(d))
		return 0;
	if (d->options->changes_max && d->n++ >= d->options->changes_max)
		return corral_error_set(d->err, E2BIG, "more than %llu changes",
		                        (unsigned long long)d->options->changes_max);
	c.guest_path = d->path.data;
	c.what = (uint32_t)what | (d->unread ? CORRAL_CHANGE_UNREAD : 0);
	c.mode_before = before->there ? before->st.st_mode : 0;
	c.mode_after = after->there ? after->st.st_mode : 0;
	c.size_before = before->there ? (uint64_t)before->st.st_size : 0;
	c.size_after = after->there ? (uint64_t)after->st.st_size : 0;
	r = text_add(d, before, after, name, &c);
	return r < 0 ? fail(d, r, name) : d->told(d->ctx, &c);
}

static struct sides *sides_of(const struct differ *d)
{
	return trail_own(&d->trail);
}

/*
 * Where both sides are made of the same trees but for those on top, only what these have can
 * differ.
 */
static int names_read(struct differ *d)
{
	struct sides s = *sides_of(d);
	bool all = s.before != (s.after & ~d->top);

	return trail_read(&d->trail, all ? s.before | s.after : s.after & d->top, d->err);
}

/* One name; goes down where there is a directory on either side. */
static int visit(struct differ *d, const char *name)
{
	struct sides here = *sides_of(d), below;
	struct found before = { 0 }, after = { 0 };
	int r;

	d->unread = false;
	r = view_find(&d->trail, here.before, name, d->view.trusted, &before);
	if (r == 0)
		r = view_find(&d->trail, here.after, name, d->view.trusted, &after);
	if (r < 0)
		return fail(d, r, name);
	below = (struct sides) { found_dir(&before) ? before.mask : 0,
		                 found_dir(&after) ? after.mask : 0 };
	d->unread = below.before != below.after && d->trail.depth == TRAIL_DEPTH_MAX;
	r = tell(d, &before, &after, name);
	if (r != 0 || d->unread || below.before == below.after)
		return r;
	r = trail_down(&d->trail, name, below.before | below.after, d->err);
	if (r < 0)
		return r;
	*sides_of(d) = below;
	r = names_read(d);
	if (r != -EFBIG)
		return r;
	/* A guest's doing, which is to hide nothing else. */
	r = trail_up(&d->trail, d->err);
	d->unread = true;
	return r < 0 ? r : tell(d, &before, &after, name);
}

static int walk(struct differ *d)
{
	int r = names_read(d);

	while (r == 0) {
		const char *name = trail_next(&d->trail);

		if (name)
			r = visit(d, name);
		else if (d->trail.depth)
			r = trail_up(&d->trail, d->err);
		else
			break;
	}
	return r;
}

static int top_find(const struct view *v, uint32_t mask, struct found *ret,
                    struct corral_error *err)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < v->n && !ret->there; i++) {
		if (!(mask >> i & 1) || v->fds[i] < 0)
			continue;
		if (fstat(v->fds[i], &ret->st) < 0)
			return corral_error_sys(err, errno, "read layers");
		ret->there = true;
		ret->tree = i;
	}
	return 0;
}

/*
 * No guest saw the base's own directory: its overlay shows the topmost layer's, which the first
 * sandbox began with (kernel/keep.c) 0755 and its maker's, a work directory with whom commands run
 * as. Nobody knows any more who that was; and an ordinary user's guest has no other ids to give.
 */
static void begun_as(const struct differ *d, const struct found *after, struct found *ret)
{
	bool known = d->view.trusted && d->part != CORRAL_LAYER_PART_WORK_DIR;

	ret->st.st_mode = S_IFDIR | 0755;
	ret->st.st_uid = known ? 0 : after->st.st_uid;
	ret->st.st_gid = known ? 0 : after->st.st_gid;
}

/* The part's own directory is there before and after; whether it is as it was. */
static int part_tell(struct differ *d, struct sides s)
{
	struct found before = { 0 }, after = { 0 };
	int r = top_find(&d->view, s.before, &before, d->err);

	if (r == 0)
		r = top_find(&d->view, s.after, &after, d->err);
	if (r < 0 || !before.there || !after.there)
		return r;
	if (before.tree >= d->view.base)
		begun_as(d, &after, &before);
	return tell(d, &before, &after, NULL);
}

static int part_diff(struct differ *d)
{
	size_t n_after = d->options->n_after;
	uint32_t present = 0;
	struct sides s;
	int r = trail_init(&d->trail, d->view.fds, d->view.n, sizeof(struct sides), false, d->err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < d->view.n; i++)
		present |= d->view.fds[i] >= 0 ? 1u << i : 0;
	d->top = (1u << n_after) - 1;
	s = (struct sides) { present & ~d->top, present };
	/* Who has it copied has it all. */
	if (d->view.base_is_copied)
		s.after &= ~d->view.base_mask;
	if (d->view.base_is_copied && d->view.base_of >= n_after)
		s.before &= ~d->view.base_mask;
	*sides_of(d) = s;
	d->unread = false;
	r = part_tell(d, s);
	return r == 0 ? walk(d) : r;
}

int corral_layers_diff(const struct corral_layer_stack *stack,
                       const struct corral_layers_diff_options *options,
                       int (*told)(void *ctx, const struct corral_change *change), void *ctx,
                       struct corral_error *err)
{
	struct differ d = { .stack = stack,
		            .options = options,
		            .told = told,
		            .ctx = ctx,
		            .err = err,
		            .path = CORRAL_BUF_INIT,
		            .text = CORRAL_BUF_INIT };
	int r = 0;

	if (options->n_after > stack->n)
		return corral_error_set(err, EINVAL, "%zu of %zu layers cannot make a difference",
		                        options->n_after, stack->n);
	for (size_t i = 0; r == 0 && i < CORRAL_LAYER_PARTS; i++) {
		if (!stack->guest_paths[i])
			continue;
		d.part = (enum corral_layer_part)i;
		r = view_open(stack, d.part, &d.view, err);
		if (r != 0)
			break;
		r = part_diff(&d);
		trail_done(&d.trail);
		view_close(&d.view);
	}
	corral_buf_done(&d.path);
	corral_buf_done(&d.text);
	return r;
}
