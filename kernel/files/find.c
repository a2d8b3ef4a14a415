/*
 * corral_files_glob(): a walk that carries, for each directory, the places in the patterns that its
 * path has reached, so that only those directories are read in which something can still match.
 * What it matches is looked at by several threads: that is most of the work. A job is some rows
 * that follow each other, of a few directories. With CORRAL_FILES_NAMES only links are looked at,
 * which is too little to wake a thread for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/crew.h"
#include "kernel/files/glob.h"
#include "kernel/files/internal.h"

#define BATCH_ROWS    128
#define BATCH_FOLDERS 8
#define QUEUE_MAX     16 /* jobs, each of which holds its directories open */

struct batch {
	struct files_job job;
	struct corral_files_rows rows; /* of matches: what they are is seen by run_batch() */
	struct {
		struct files_folder *folder;
		size_t end; /* of its rows */
	} parts[BATCH_FOLDERS];
	size_t n_parts;
};

struct finder {
	const struct corral_files *f;
	const struct files_glob *glob;
	const struct corral_files_stop *stop;
	bool names_only;
	struct corral_files_rows names; /* then it needs no batches */
	struct corral_buf path;         /* as the rows show it */
	struct batch *batch;            /* the walk fills it; or NULL */
	bool incomplete;

	struct files_crew crew;
	uint64_t n, bytes; /* of rows; under its lock */
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

/* Sets what the row tells of its file; false when there is nothing to tell. */
static bool look_at(const struct finder *w, int dir_fd, struct corral_files_row *row)
{
	corral_autofd int fd = -1;
	bool link = row->stat.is_link;
	struct stat st;

	if (link && (w->f->flags & CORRAL_FILES_CONFINED)) {
		fd = files_open_at(w->f, row->path, O_PATH);
		if (fd < 0 || fstat(fd, &st) < 0)
			return false;
	} else if (fstatat(dir_fd, row->name, &st, link ? 0 : AT_SYMLINK_NOFOLLOW) < 0) {
		/* It may have gone since, or lead nowhere. */
		return false;
	}
	if (!S_ISREG(st.st_mode))
		return false;
	files_stat_from(&st, &row->stat);
	row->stat.is_link = link;
	return true;
}

static void run_batch(void *ctx, void *tools, struct files_job *job)
{
	struct finder *w = ctx;
	struct batch *b = (struct batch *)job;
	int r = files_stopped(w->stop, NULL);
	size_t n = 0, at = 0;

	(void)tools;
	for (size_t i = 0; r == 0 && i < b->n_parts; i++)
		for (; at < b->parts[i].end; at++)
			if (look_at(w, b->parts[i].folder->fd, &b->rows.rows[at]))
				b->rows.rows[n++] = b->rows.rows[at];
	b->rows.n = n;
	(void)pthread_mutex_lock(&w->crew.lock);
	for (size_t i = 0; i < b->n_parts; i++)
		files_folder_put(b->parts[i].folder);
	b->n_parts = 0;
	w->n += n;
	w->bytes += files_arena_used(b->rows.arena);
	w->crew.full |= w->n > CORRAL_FILES_ROWS_MAX || w->bytes > CORRAL_FILES_RESULT_MAX;
	if (r < 0 && !w->crew.failed)
		w->crew.failed = r;
	(void)pthread_mutex_unlock(&w->crew.lock);
}

static int submit(struct finder *w)
{
	struct batch *b = corral_take_ptr(&w->batch);

	return b ? files_crew_submit(&w->crew, NULL, &b->job) : 0;
}

static int add_match(struct finder *w, struct files_folder *folder, unsigned char type)
{
	const struct corral_files_stat unseen = { .is_link = type == DT_LNK };
	struct batch *b = w->batch;
	bool other = !b || b->parts[b->n_parts - 1].folder != folder;
	int r;

	if (b && (b->rows.n == BATCH_ROWS || (other && b->n_parts == BATCH_FOLDERS))) {
		r = submit(w);
		if (r < 0)
			return r;
		b = NULL;
		other = true;
	}
	if (!b)
		b = w->batch = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	if (other) {
		(void)pthread_mutex_lock(&w->crew.lock);
		folder->users++;
		(void)pthread_mutex_unlock(&w->crew.lock);
		b->parts[b->n_parts++].folder = folder;
	}
	r = corral_files_rows_add(&b->rows, w->path.data, w->path.len, &unseen);
	b->parts[b->n_parts - 1].end = b->rows.n;
	return r;
}

static int add_name(struct finder *w, int dir_fd, const char *name, unsigned char type)
{
	const struct corral_files_stat told = { .type = CORRAL_FILES_REGULAR,
		                                .is_link = type == DT_LNK };
	struct corral_files_row row = { .path = w->path.data, .name = name, .stat = told };
	int r;

	if (told.is_link && !look_at(w, dir_fd, &row))
		return 0;
	r = corral_files_rows_add(&w->names, w->path.data, w->path.len, &told);
	if (r != -EFBIG)
		return r;
	(void)pthread_mutex_lock(&w->crew.lock);
	w->crew.full = true;
	(void)pthread_mutex_unlock(&w->crew.lock);
	return 0;
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

static int walk(struct finder *w, struct files_folder *folder, const uint64_t *now,
                unsigned int depth);

static int descend(struct finder *w, int dir_fd, const char *name, unsigned char type,
                   const uint64_t *now, unsigned int depth)
{
	struct files_folder *folder;
	int fd = open_below(w, dir_fd, name, type), r;

	if (fd < 0 || depth == CORRAL_FILES_DEPTH_MAX) {
		if (fd >= 0)
			(void)close(fd);
		w->incomplete |= type == DT_DIR;
		return 0;
	}
	folder = files_folder_new(fd);
	if (!folder)
		return -ENOMEM;
	corral_buf_str(&w->path, "/");
	r = w->path.failed ? -ENOMEM : walk(w, folder, now, depth + 1);
	(void)pthread_mutex_lock(&w->crew.lock);
	files_folder_put(folder);
	(void)pthread_mutex_unlock(&w->crew.lock);
	return r;
}

static int walk(struct finder *w, struct files_folder *folder, const uint64_t *now,
                unsigned int depth)
{
	corral_auto(files_names_done) struct files_names names = { 0 };
	corral_autofree uint64_t *next = calloc(states_words(w), sizeof(*next));
	size_t base = w->path.len;
	int r;

	if (!next)
		return -ENOMEM;
	if (files_crew_full(&w->crew))
		return 0;
	r = files_names_read(folder->fd, w->stop, &names);
	if (r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
		return r;
	w->incomplete |= r < 0 || names.truncated;
	r = 0;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
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
		if (o.matches && (type == DT_REG || type == DT_LNK))
			r = w->names_only ? add_name(w, folder->fd, name, type)
			                  : add_match(w, folder, type);
		if (r == 0 &&
		    ((type == DT_DIR && o.descends) || (type == DT_LNK && o.through_link)))
			r = descend(w, folder->fd, name, type, next, depth);
	}
	return r < 0 ? r : files_stopped(w->stop, NULL);
}

static void batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->n_parts; i++)
		files_folder_put(b->parts[i].folder);
	corral_files_rows_done(&b->rows);
	free(b);
}

/* All jobs' rows, in order, into one result. */
static int gather(struct finder *w, struct corral_files_rows *ret)
{
	int r = files_rows_append(ret, &w->names);

	for (struct files_job *job = w->crew.first; job && job != w->crew.queue && r == 0;
	     job = job->next)
		r = files_rows_append(ret, &((struct batch *)job)->rows);
	ret->truncated |= w->crew.full;
	ret->incomplete |= w->incomplete;
	return r == -EFBIG ? 0 : r;
}

static int walk_all(struct finder *w, int dir_fd, struct corral_files_rows *ret)
{
	/* Never put to an end by a batch. */
	struct files_folder folder = { .fd = dir_fd, .users = 2 };
	corral_autofree uint64_t *first = calloc(states_words(w), sizeof(*first));
	int r;

	if (!first)
		return -ENOMEM;
	for (size_t i = 0; i < w->glob->n; i++)
		states_add(&w->glob->patterns[i], first, 0);
	w->crew = (struct files_crew) { .run = run_batch, .ctx = w, .queue_max = QUEUE_MAX };
	files_crew_init(&w->crew);
	r = walk(w, &folder, first, 0);
	if (r == 0)
		r = submit(w);
	r = files_crew_finish(&w->crew, NULL, r);
	if (r == 0)
		r = gather(w, ret);
	corral_files_rows_done(&w->names);
	if (w->batch)
		batch_free(w->batch);
	for (struct files_job *job = w->crew.first, *next; job; job = next) {
		next = job->next;
		batch_free((struct batch *)job);
	}
	files_crew_done(&w->crew);
	return r;
}

int corral_files_glob(const struct corral_files *f, const char *pattern, const char *path,
                      unsigned int flags, const struct corral_files_stop *stop,
                      struct corral_files_rows *ret, struct corral_error *err)
{
	struct finder w = { .f = f, .stop = stop, .names_only = flags & CORRAL_FILES_NAMES };
	bool root = files_is_root(f, path, true);
	struct corral_files_rows rows = { 0 };
	corral_autofd int fd = -1;
	struct files_glob *glob = NULL;
	int r;

	r = files_glob_compile(pattern, flags & CORRAL_FILES_HIDDEN ? FILES_GLOB_HIDDEN : 0, &glob,
	                       err);
	if (r < 0)
		return r;
	w.glob = glob;
	files_shown(&w.path, path, root);
	fd = files_open_at(f, root ? "." : path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (w.path.failed)
		r = -ENOMEM;
	else
		r = fd < 0 ? fd : walk_all(&w, fd, &rows);
	corral_buf_done(&w.path);
	files_glob_free(glob);
	if (r < 0) {
		corral_files_rows_done(&rows);
		return files_fail(err, -r, path);
	}
	corral_files_rows_sort(&rows, false);
	*ret = rows;
	return 0;
}
