#include "kernel/layers/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/files/names.h"

/* Directories that are open at once, in all trees; but four in each. */
#define HELD 120

struct names {
	const char **v; /* of lists */
	size_t n, at;
};

struct trail_level {
	int fd[TRAIL_WIDTH]; /* -1: not there, or closed since */
	mode_t closed_mode[TRAIL_WIDTH];
	uint32_t mask;
	size_t path_len;
	struct names names;
	struct files_names *lists;
	size_t n_lists;
	void *own;
};

static struct trail_level *top_of(const struct trail *t)
{
	return &t->levels[t->depth];
}

static int out_of_memory(struct corral_error *err)
{
	return corral_error_set(err, ENOMEM, "read layers: out of memory");
}

static int level_begin(struct trail *t, size_t at)
{
	struct trail_level *l;

	if (at == t->size) {
		size_t size = t->size ? t->size * 2 : 16;
		struct trail_level *more = reallocarray(t->levels, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->levels = more;
		t->size = size;
	}
	l = &t->levels[at];
	memset(l, 0, sizeof(*l));
	for (size_t i = 0; i < TRAIL_WIDTH; i++) {
		l->fd[i] = -1;
		l->closed_mode[i] = FILES_MODE_KEPT;
	}
	l->own = calloc(1, t->own_size + 1);
	return l->own ? 0 : -ENOMEM;
}

static void level_close(struct trail *t, size_t at)
{
	for (size_t i = 0; at > 0 && i < t->width; i++)
		corral_fd_closep(&t->levels[at].fd[i]);
}

static void level_end(struct trail *t, size_t at)
{
	struct trail_level *l = &t->levels[at];

	for (size_t i = 0; i < t->width; i++)
		if (l->closed_mode[i] != FILES_MODE_KEPT && l->fd[i] >= 0)
			(void)fchmod(l->fd[i], l->closed_mode[i]);
	level_close(t, at);
	for (size_t i = 0; i < l->n_lists; i++)
		files_names_done(&l->lists[i]);
	free(l->lists);
	free(l->names.v);
	free(l->own);
	l->own = NULL;
	l->lists = NULL;
	l->names.v = NULL;
	l->n_lists = 0;
}

int trail_init(struct trail *t, const int *tops, size_t width, size_t own_size, bool opens_closed,
               struct corral_error *err)
{
	size_t n = 0;

	memset(t, 0, sizeof(*t));
	t->own_size = own_size;
	if (level_begin(t, 0) < 0)
		return out_of_memory(err);
	t->width = width;
	t->opens_closed = opens_closed;
	corral_buf_str(&t->path, "");
	for (size_t i = 0; i < width; i++) {
		t->tops[i] = t->levels[0].fd[i] = tops[i];
		t->levels[0].mask |= tops[i] >= 0 ? 1u << i : 0;
		n += tops[i] >= 0;
	}
	t->held = HELD / (n > HELD / 4 ? HELD / 4 : n ? n : 1);
	return t->path.failed ? out_of_memory(err) : 0;
}

void trail_done(struct trail *t)
{
	/* The way back, so that no directory stays accessible that was not. */
	while (t->opens_closed && t->depth && trail_up(t, NULL) == 0)
		;
	for (size_t at = t->levels ? t->depth + 1 : 0; at-- > 0;)
		level_end(t, at);
	free(t->levels);
	corral_buf_done(&t->path);
	memset(t, 0, sizeof(*t));
}

int trail_fd(const struct trail *t, size_t i)
{
	return top_of(t)->fd[i];
}

void *trail_own(const struct trail *t)
{
	return top_of(t)->own;
}

uint32_t trail_mask(const struct trail *t)
{
	return top_of(t)->mask;
}

static int name_push(struct trail *t, const char *name)
{
	if (t->path.len)
		corral_buf_str(&t->path, "/");
	corral_buf_str(&t->path, name);
	return t->path.failed ? -ENOMEM : 0;
}

static void path_cut(struct trail *t, size_t len)
{
	t->path.len = len;
	t->path.data[len] = '\0';
}

int trail_down(struct trail *t, const char *name, uint32_t mask, struct corral_error *err)
{
	struct trail_level *above, *l;

	if (t->depth == TRAIL_DEPTH_MAX)
		return corral_error_set(err, ENAMETOOLONG,
		                        "read layers: '%.100s...' lies deeper than %d directories",
		                        t->path.data, TRAIL_DEPTH_MAX);
	if (name_push(t, name) < 0 || level_begin(t, t->depth + 1) < 0)
		return out_of_memory(err);
	above = top_of(t);
	l = above + 1;
	t->depth++;
	l->path_len = t->path.len;
	for (size_t i = 0; i < t->width; i++) {
		int fd = -1;

		if (!(mask >> i & 1) || above->fd[i] < 0)
			continue;
		fd = files_open_dir(above->fd[i], name, t->opens_closed, &l->closed_mode[i]);
		if (fd == -EACCES)
			continue;
		if (fd < 0)
			return corral_error_sys(err, -fd, "read layers: '%.300s'", t->path.data);
		l->fd[i] = fd;
		l->mask |= 1u << i;
	}
	if (t->depth > t->held)
		level_close(t, t->depth - t->held);
	return 0;
}

/* Opens, in one tree, the directories of the last levels that it has. */
static int open_again(struct trail *t, size_t tree)
{
	int at = t->tops[tree];
	bool ours = false;

	for (size_t k = 1; k <= t->depth && t->levels[k].mask >> tree & 1; k++) {
		struct trail_level *l = &t->levels[k];
		size_t from = t->levels[k - 1].path_len;
		char saved = t->path.data[l->path_len];
		int next;

		t->path.data[l->path_len] = '\0';
		next = openat(at, t->path.data + from + (from ? 1 : 0),
		              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		t->path.data[l->path_len] = saved;
		if (ours)
			(void)close(at);
		if (next < 0)
			return -errno;
		at = next;
		ours = k + t->held <= t->depth;
		if (!ours)
			l->fd[tree] = at;
	}
	/* The tree ended before the last levels. */
	if (ours)
		(void)close(at);
	return 0;
}

int trail_up(struct trail *t, struct corral_error *err)
{
	struct trail_level *l;
	bool closed = true;

	level_end(t, t->depth--);
	l = top_of(t);
	path_cut(t, l->path_len);
	for (size_t i = 0; i < t->width; i++)
		closed = closed && l->fd[i] < 0;
	for (size_t i = 0; closed && t->depth && i < t->width; i++) {
		int r = open_again(t, i);

		if (r < 0)
			return corral_error_sys(err, -r, "read layers: '%.300s'", t->path.data);
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_once(struct names *names)
{
	size_t n = 0;

	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	for (size_t i = 0; i < names->n; i++)
		if (!n || strcmp(names->v[n - 1], names->v[i]) != 0)
			names->v[n++] = names->v[i];
	names->n = n;
}

int trail_read(struct trail *t, uint32_t mask, struct corral_error *err)
{
	struct trail_level *l = top_of(t);
	size_t n = 0;

	l->lists = calloc(t->width, sizeof(*l->lists));
	if (!l->lists)
		return out_of_memory(err);
	for (size_t i = 0; i < t->width; i++) {
		struct files_names *list = &l->lists[l->n_lists];
		int r;

		if (!(mask >> i & 1) || l->fd[i] < 0)
			continue;
		l->n_lists++;
		r = lseek(l->fd[i], 0, SEEK_SET) < 0 ? -errno
		                                     : files_names_read(l->fd[i], NULL, list);
		if (r == 0 && list->truncated)
			r = -EFBIG;
		if (r < 0)
			return corral_error_sys(err, -r, "read layers: '%.300s'", t->path.data);
		n += list->n;
	}
	l->names.v = calloc(n ? n : 1, sizeof(*l->names.v));
	if (!l->names.v)
		return out_of_memory(err);
	for (size_t i = 0; i < l->n_lists; i++)
		for (size_t k = 0; k < l->lists[i].n; k++)
			l->names.v[l->names.n++] = l->lists[i].v[k].name;
	sort_once(&l->names);
	return 0;
}

const char *trail_next(struct trail *t)
{
	struct names *names = &top_of(t)->names;

	return names->at < names->n ? names->v[names->at++] : NULL;
}
