/*
 * corral_files_glob(): a walk that carries, for each directory, the places in the patterns that its
 * path has reached, so that only those directories are read in which something can still match.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/glob.h"
#include "kernel/files/internal.h"

struct finder {
	const struct corral_files *f;
	const struct files_glob *glob;
	const struct corral_files_stop *stop;
	struct corral_files_rows rows;
	struct corral_buf path; /* as the rows show it */
	bool full;
};

static size_t states_words(const struct finder *w)
{
	return (w->glob->n_states + 63) / 64;
}

static bool states_have(const uint64_t *s, size_t i)
{
	return s[i / 64] >> (i % 64) & 1;
}

/* A place, and those behind "**" that matches no directory at all. */
static void states_add(const struct files_glob_pattern *p, uint64_t *s, size_t i)
{
	for (;; i++) {
		size_t state = p->first_state + i;

		s[state / 64] |= 1ull << (state % 64);
		if (i >= p->n || !p->segments[i].any_depth)
			return;
	}
}

struct outcome {
	bool matches;      /* the path, if it is a file */
	bool descends;     /* something may match below, if it is a directory */
	bool through_link; /* also when it is a link to one: not by "**" alone */
};

static void step(const struct finder *w, const uint64_t *now, const char *name, uint64_t *next,
                 struct outcome *ret)
{
	bool hidden = w->glob->flags & FILES_GLOB_HIDDEN;

	memset(ret, 0, sizeof(*ret));
	memset(next, 0, states_words(w) * sizeof(*next));
	for (size_t k = 0; k < w->glob->n; k++) {
		const struct files_glob_pattern *p = &w->glob->patterns[k];

		for (size_t i = 0; i < p->n; i++) {
			if (!states_have(now, p->first_state + i))
				continue;
			if (p->segments[i].any_depth) {
				if (name[0] == '.' && !hidden)
					continue;
				states_add(p, next, i);
				ret->descends = true;
			} else if (files_glob_name(&p->segments[i], name, hidden)) {
				states_add(p, next, i + 1);
				ret->matches |= i + 1 == p->n;
				if (i + 1 < p->n)
					ret->descends = ret->through_link = true;
			}
		}
	}
}

static int add_match(struct finder *w, int dir_fd, const char *name, unsigned char type)
{
	corral_autofd int fd = -1;
	struct corral_files_stat row;
	struct stat st;
	int r;

	if (type == DT_LNK && (w->f->flags & CORRAL_FILES_CONFINED)) {
		fd = files_open_at(w->f, w->path.data, O_PATH);
		if (fd < 0 || fstat(fd, &st) < 0)
			return 0;
	} else if (fstatat(dir_fd, name, &st, type == DT_LNK ? 0 : AT_SYMLINK_NOFOLLOW) < 0) {
		/* It may have gone since, or lead nowhere. */
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	files_stat_from(&st, &row);
	row.is_link = type == DT_LNK;
	r = corral_files_rows_add(&w->rows, w->path.data, w->path.len, &row);
	if (r == -EFBIG)
		w->full = true;
	return r == -EFBIG ? 0 : r;
}

static int open_below(struct finder *w, int dir_fd, const char *name, unsigned char type)
{
	int fd;

	if (type == DT_LNK && (w->f->flags & CORRAL_FILES_CONFINED))
		return files_open_at(w->f, w->path.data, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	fd = openat(dir_fd, name,
	            O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC |
	                    (type == DT_LNK ? 0 : O_NOFOLLOW));
	return fd < 0 ? -errno : fd;
}

static int walk(struct finder *w, int dir_fd, const uint64_t *now, unsigned int depth)
{
	corral_auto(files_names_done) struct files_names names = { 0 };
	corral_autofree uint64_t *next = calloc(states_words(w), sizeof(*next));
	size_t base = w->path.len;
	int r;

	if (!next)
		return -ENOMEM;
	r = files_names_read(dir_fd, w->stop, &names);
	if (r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
		return r;
	w->rows.incomplete |= r < 0 || names.truncated;
	for (size_t i = 0; i < names.n && !w->full; i++) {
		const char *name = names.v[i].name;
		unsigned char type = names.v[i].type;
		struct outcome o;

		step(w, now, name, next, &o);
		if (!o.matches && !o.descends)
			continue;
		w->path.len = base;
		corral_buf_str(&w->path, name);
		if (w->path.failed)
			return -ENOMEM;
		if (o.matches && (type == DT_REG || type == DT_LNK)) {
			r = add_match(w, dir_fd, name, type);
			if (r < 0)
				return r;
		}
		if ((type == DT_DIR && o.descends) || (type == DT_LNK && o.through_link)) {
			corral_autofd int fd = open_below(w, dir_fd, name, type);

			if (fd < 0 || depth == CORRAL_FILES_DEPTH_MAX) {
				w->rows.incomplete |= type == DT_DIR;
				continue;
			}
			corral_buf_str(&w->path, "/");
			r = w->path.failed ? -ENOMEM : walk(w, fd, next, depth + 1);
			if (r < 0)
				return r;
		}
	}
	return files_stopped(w->stop, NULL);
}

int corral_files_glob(const struct corral_files *f, const char *pattern, const char *path,
                      unsigned int flags, const struct corral_files_stop *stop,
                      struct corral_files_rows *ret, struct corral_error *err)
{
	struct finder w = { .f = f, .stop = stop };
	bool root = files_is_root(f, path, true);
	corral_autofd int fd = -1;
	corral_autofree uint64_t *first = NULL;
	struct files_glob *glob = NULL;
	int r;

	r = files_glob_compile(pattern, flags & CORRAL_FILES_HIDDEN ? FILES_GLOB_HIDDEN : 0, &glob,
	                       err);
	if (r < 0)
		return r;
	w.glob = glob;
	files_shown(&w.path, path, root);
	first = calloc(states_words(&w), sizeof(*first));
	fd = files_open_at(f, root ? "." : path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (!first || w.path.failed) {
		r = -ENOMEM;
	} else if (fd < 0) {
		r = fd;
	} else {
		for (size_t i = 0; i < glob->n; i++)
			states_add(&glob->patterns[i], first, 0);
		r = walk(&w, fd, first, 0);
	}
	corral_buf_done(&w.path);
	files_glob_free(glob);
	if (r < 0) {
		corral_files_rows_done(&w.rows);
		return files_fail(err, -r, path);
	}
	corral_files_rows_sort(&w.rows, false);
	*ret = w.rows;
	return 0;
}
