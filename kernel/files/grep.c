/*
 * corral_files_grep(): one walk in order, several threads that search. A job is a few files of one
 * directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/crew.h"
#include "kernel/files/internal.h"
#include "kernel/files/search.h"
#include "kernel/files/sieve.h"

#define BATCH_FILES 32
#define QUEUE_MAX   64 /* jobs, each of which holds a directory open */

struct batch {
	struct files_job job;
	struct files_folder *folder;
	char *dir; /* what rows show, with the slash */
	const char *names[BATCH_FILES];
	size_t n;
	struct corral_files_arena *arena;
	struct corral_files_matches found;
};

struct grepper {
	const struct corral_files *f;
	const struct corral_files_grep *ask;
	const struct corral_files_stop *stop;
	const struct files_pattern *pattern;
	struct files_sieve sieve;
	uint64_t max;
	const char *shown;      /* in front of paths below the search path; "" or with a slash */
	size_t norm_base;       /* where these begin in norm */
	struct corral_buf norm; /* the walk's path as .gitignore files see it */

	struct files_crew crew;
	/* Under its lock: */
	bool incomplete;
	uint64_t matches, bytes;
};

static int search_file(struct grepper *g, struct files_searcher *s, struct batch *b,
                       const char *name, struct corral_buf *path)
{
	corral_autofd int fd = openat(b->folder->fd, name,
	                              O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct files_content c = files_content_open(fd);

	if (fd < 0)
		return -errno;
	if (files_gate(g->stop, fd, NULL, NULL, NULL) < 0)
		return 0;
	path->len = 0;
	corral_buf_str(path, b->dir);
	corral_buf_str(path, name);
	if (path->failed)
		return -ENOMEM;
	return files_search(s, &c, path->data, path->len, g->max - b->found.n, g->stop, &b->found);
}

static bool fatal(int r)
{
	return r == -ENOMEM || r == -ECANCELED || r == -ETIMEDOUT || r == -E2BIG;
}

static void run_batch(void *ctx, void *tools, struct files_job *job)
{
	struct grepper *g = ctx;
	struct batch *b = (struct batch *)job;
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	bool incomplete = false;
	int r = 0;

	for (size_t i = 0; i < b->n && b->found.n < g->max && !b->found.truncated; i++) {
		r = search_file(g, tools, b, b->names[i], &path);
		if (fatal(r))
			break;
		incomplete |= r < 0;
	}
	(void)pthread_mutex_lock(&g->crew.lock);
	files_folder_put(b->folder);
	b->folder = NULL;
	files_arena_free(b->arena);
	b->arena = NULL;
	g->incomplete |= incomplete;
	g->matches += b->found.n;
	g->bytes += b->found.arena ? files_arena_used(b->found.arena) : 0;
	g->crew.full |=
	        g->matches >= g->max || g->bytes > CORRAL_FILES_RESULT_MAX || b->found.truncated;
	if (fatal(r) && !g->crew.failed)
		g->crew.failed = r;
	(void)pthread_mutex_unlock(&g->crew.lock);
}

static void *searcher_new(void *ctx)
{
	return files_searcher_new(((struct grepper *)ctx)->pattern);
}

static void searcher_free(void *tools)
{
	files_searcher_free(tools);
}

/* Takes the batch, also on failure. */
static int submit(struct grepper *g, struct files_searcher *s, struct batch *b)
{
	(void)pthread_mutex_lock(&g->crew.lock);
	b->folder->users++;
	(void)pthread_mutex_unlock(&g->crew.lock);
	return files_crew_submit(&g->crew, s, &b->job);
}

static void batch_free(struct batch *b)
{
	free(b->dir);
	files_arena_free(b->arena);
	corral_files_matches_done(&b->found);
	free(b);
}

/* The directory's path as rows show it, from norm's first len bytes. */
static struct batch *batch_new(const struct grepper *g, struct files_folder *folder, size_t len)
{
	struct batch *b = calloc(1, sizeof(*b));
	size_t shown = strlen(g->shown), rest = len - g->norm_base;

	if (!b)
		return NULL;
	b->folder = folder;
	b->arena = files_arena_new();
	b->dir = malloc(shown + rest + 1);
	if (!b->arena || !b->dir) {
		batch_free(b);
		return NULL;
	}
	memcpy(b->dir, g->shown, shown);
	if (rest)
		memcpy(b->dir + shown, g->norm.data + g->norm_base, rest);
	b->dir[shown + rest] = '\0';
	return b;
}

static void leave_out(struct grepper *g)
{
	(void)pthread_mutex_lock(&g->crew.lock);
	g->incomplete = true;
	(void)pthread_mutex_unlock(&g->crew.lock);
}

static int walk(struct grepper *g, struct files_searcher *s, struct files_folder *folder,
                struct files_ignore *above, unsigned int depth);

static int descend(struct grepper *g, struct files_searcher *s, struct files_folder *parent,
                   const char *name, struct files_ignore *ignore, unsigned int depth)
{
	struct files_folder *folder;
	int fd, r;

	fd = openat(parent->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || depth >= CORRAL_FILES_DEPTH_MAX) {
		if (fd >= 0)
			(void)close(fd);
		leave_out(g);
		return 0;
	}
	folder = files_folder_new(fd);
	if (!folder)
		return -ENOMEM;
	corral_buf_str(&g->norm, "/");
	r = g->norm.failed ? -ENOMEM : walk(g, s, folder, ignore, depth + 1);
	(void)pthread_mutex_lock(&g->crew.lock);
	files_folder_put(folder);
	(void)pthread_mutex_unlock(&g->crew.lock);
	return r;
}

static int walk_names(struct grepper *g, struct files_searcher *s, struct files_folder *folder,
                      const struct files_names *names, struct files_ignore *ignore,
                      unsigned int depth)
{
	size_t base = g->norm.len;
	struct batch *b = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < names->n; i++) {
		const char *name = names->v[i].name;
		bool dir = names->v[i].type == DT_DIR;

		g->norm.len = base;
		corral_buf_str(&g->norm, name);
		if (g->norm.failed) {
			r = -ENOMEM;
			break;
		}
		if ((!dir && names->v[i].type != DT_REG) ||
		    !files_sieve_passes(&g->sieve, g->norm.data, g->norm.data + g->norm_base, name,
		                        dir, ignore))
			continue;
		/* What comes before a directory is handed out before what is in it. */
		if (b && (dir || b->n == BATCH_FILES)) {
			r = submit(g, s, corral_take_ptr(&b));
			if (r < 0)
				break;
		}
		if (dir) {
			r = descend(g, s, folder, name, ignore, depth);
			continue;
		}
		if (!b)
			b = batch_new(g, folder, base);
		if (b)
			b->names[b->n] = files_arena_dup(b->arena, name, strlen(name));
		if (!b || !b->names[b->n++])
			r = -ENOMEM;
	}
	g->norm.len = base;
	if (b && r == 0)
		return submit(g, s, b);
	if (b)
		batch_free(b);
	return r;
}

static int walk(struct grepper *g, struct files_searcher *s, struct files_folder *folder,
                struct files_ignore *above, unsigned int depth)
{
	struct files_ignore *ignore = above;
	struct files_names names = { 0 };
	int r;

	if (files_crew_full(&g->crew))
		return 0;
	r = files_names_read(folder->fd, g->stop, &names);
	if (r < 0 && !fatal(r)) {
		leave_out(g);
		r = 0;
	}
	if (r == 0 && !(g->ask->flags & CORRAL_FILES_NO_GITIGNORE))
		r = files_ignore_load(folder->fd, g->norm.len, above, &ignore);
	if (r == 0)
		r = files_stopped(g->stop, NULL);
	if (r == 0)
		r = walk_names(g, s, folder, &names, ignore, depth);
	files_ignore_free(ignore, above);
	files_names_done(&names);
	return r;
}

/* The .gitignore files of the directories from the root down to the search path, which is in norm.
 */
static int ignore_above(struct grepper *g, struct files_ignore **ret)
{
	char part[CORRAL_FILES_PATH_MAX];
	size_t len = 0;
	int r = 0;

	while (r == 0 && len < g->norm.len && g->norm.len < sizeof(part)) {
		corral_autofd int fd = -1;

		memcpy(part, g->norm.data, len);
		part[len] = '\0';
		fd = files_open_at(g->f, part, O_PATH | O_DIRECTORY);
		if (fd >= 0)
			r = files_ignore_load(fd, len, *ret, ret);
		len += strcspn(g->norm.data + len, "/") + 1;
	}
	return r;
}

/* The path without "." and doubled slashes, as below the root; left empty when it is not. */
static void normalize(struct grepper *g, const char *path)
{
	corral_buf_str(&g->norm, "");
	if (path[0] == '/' && !(g->f->flags & CORRAL_FILES_CONFINED))
		return;
	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			g->norm.len = 0;
			return;
		}
		if (len != 1 || path[0] != '.') {
			corral_buf_add(&g->norm, path, len);
			corral_buf_str(&g->norm, "/");
		}
		path += len;
	}
}

static int walk_all(struct grepper *g, struct files_searcher *s, int dir_fd)
{
	/* Never put to an end by a batch. */
	struct files_folder folder = { .fd = dir_fd, .users = 2 };
	struct files_ignore *above = NULL;
	int r = 0;

	if (!(g->ask->flags & CORRAL_FILES_NO_GITIGNORE))
		r = ignore_above(g, &above);
	if (r == 0)
		r = walk(g, s, &folder, above, 0);
	files_ignore_free(above, NULL);
	r = files_crew_finish(&g->crew, s, r);
	/* Those that nobody wanted any more. */
	for (struct files_job *job = g->crew.queue; job; job = job->next)
		files_folder_put(((struct batch *)job)->folder);
	return r;
}

/* All batches' matches, in order, into one result. */
static int gather(struct grepper *g, struct corral_files_matches *ret)
{
	int r = 0;

	for (struct files_job *job = g->crew.first; job && r == 0; job = job->next) {
		struct batch *b = (struct batch *)job;

		for (size_t i = 0; i < b->found.n && r == 0; i++) {
			const struct corral_files_match *m = &b->found.matches[i];

			if (ret->n == g->max)
				return 0;
			r = corral_files_matches_add(ret, m->path, strlen(m->path), m->line_number,
			                             m->line, m->line_len, m->cut);
		}
		ret->incomplete |= b->found.incomplete;
		corral_files_matches_done(&b->found);
	}
	ret->truncated |= g->crew.full;
	ret->incomplete |= g->incomplete;
	return r == -EFBIG ? 0 : r;
}

static int grep_tree(struct grepper *g, struct files_searcher *s, int dir_fd,
                     struct corral_files_matches *ret)
{
	int r;

	g->crew = (struct files_crew) { .tools_new = searcher_new,
		                        .tools_free = searcher_free,
		                        .run = run_batch,
		                        .ctx = g,
		                        .queue_max = QUEUE_MAX };
	files_crew_init(&g->crew);
	r = walk_all(g, s, dir_fd);
	if (r == 0)
		r = gather(g, ret);
	for (struct files_job *job = g->crew.first, *next; job; job = next) {
		next = job->next;
		batch_free((struct batch *)job);
	}
	files_crew_done(&g->crew);
	return r;
}

static int grep_path(struct grepper *g, struct corral_files_matches *ret, struct corral_error *err)
{
	bool root = files_is_root(g->f, g->ask->path, true);
	const char *path = root ? "." : g->ask->path;
	corral_autofd int fd = files_open_at(g->f, path, O_RDONLY | O_NONBLOCK);
	struct files_content c = files_content_open(fd);
	struct corral_buf shown = CORRAL_BUF_INIT;
	struct files_searcher *s;
	struct stat st;
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return corral_error_set(err, ENOENT, "Path '%s' not found", g->ask->path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return files_fail(err, fd < 0 ? -fd : errno, g->ask->path);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return corral_error_set(err, EINVAL, "'%s' is not a regular file", g->ask->path);
	r = S_ISREG(st.st_mode) ? files_gate(g->stop, fd, NULL, path, err) : 0;
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		files_shown(&shown, path, root);
	else
		corral_buf_str(&shown, path);
	if (!root)
		normalize(g, path);
	else
		corral_buf_str(&g->norm, "");
	g->norm_base = g->norm.len;
	g->shown = shown.data;
	s = files_searcher_new(g->pattern);
	if (!s || shown.failed || g->norm.failed)
		r = -ENOMEM;
	else if (S_ISREG(st.st_mode))
		r = files_search(s, &c, shown.data, shown.len, g->max, g->stop, ret);
	else
		r = grep_tree(g, s, fd, ret);
	files_searcher_free(s);
	corral_buf_done(&shown);
	corral_buf_done(&g->norm);
	if (r == -E2BIG)
		return corral_error_set(err, E2BIG, "Regex pattern is too expensive to match");
	return r < 0 ? files_fail(err, -r, g->ask->path) : 0;
}

int corral_files_grep(const struct corral_files *f, const struct corral_files_grep *grep,
                      const struct corral_files_stop *stop, struct corral_files_matches *ret,
                      struct corral_error *err)
{
	struct corral_files_grep ask = *grep;
	struct grepper g = { .f = f, .ask = &ask, .stop = stop };
	struct corral_files_matches found = { 0 };
	struct files_pattern *pattern = NULL;
	int r;

	if (!ask.path)
		ask.path = "";
	g.max = files_matches_wanted(grep);
	r = files_pattern_new(grep->pattern, grep->flags & CORRAL_FILES_IGNORE_CASE, &pattern, err);
	if (r < 0)
		return r;
	g.pattern = pattern;
	r = files_sieve_init(&g.sieve, grep, err);
	if (r == 0)
		r = grep_path(&g, &found, err);
	files_sieve_done(&g.sieve);
	files_pattern_free(pattern);
	if (r < 0) {
		corral_files_matches_done(&found);
		return r;
	}
	files_matches_cut(grep, &found);
	*ret = found;
	return 0;
}
