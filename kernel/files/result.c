#include "kernel/files/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/files/internal.h"

void corral_files_rows_done(struct corral_files_rows *r)
{
	files_arena_free(r->arena);
	free(r->rows);
	memset(r, 0, sizeof(*r));
}

void corral_files_matches_done(struct corral_files_matches *m)
{
	files_arena_free(m->arena);
	free(m->matches);
	memset(m, 0, sizeof(*m));
}

/* Room for one more of the array's elements. */
static int grow(void *array, size_t element, size_t n, size_t *size)
{
	void *now, *more;
	size_t want = *size ? *size * 2 : 16;

	if (n < *size)
		return 0;
	memcpy(&now, array, sizeof(now));
	more = realloc(now, want * element);
	if (!more)
		return -ENOMEM;
	memcpy(array, &more, sizeof(more));
	*size = want;
	return 0;
}

int corral_files_rows_add(struct corral_files_rows *r, const char *path, size_t path_len,
                          const struct corral_files_stat *stat)
{
	struct corral_files_row *row;
	const char *slash;
	char *copy;

	if (!r->arena)
		r->arena = files_arena_new();
	if (!r->arena || grow(&r->rows, sizeof(*r->rows), r->n, &r->size) < 0)
		return -ENOMEM;
	if (r->n >= CORRAL_FILES_ROWS_MAX ||
	    files_arena_used(r->arena) + path_len > CORRAL_FILES_RESULT_MAX) {
		r->truncated = true;
		return -EFBIG;
	}
	copy = files_arena_dup(r->arena, path, path_len);
	if (!copy)
		return -ENOMEM;
	row = &r->rows[r->n++];
	slash = strrchr(copy, '/');
	row->path = copy;
	row->name = slash ? slash + 1 : copy;
	row->stat = *stat;
	return 0;
}

int files_rows_append(struct corral_files_rows *r, struct corral_files_rows *more)
{
	int e = 0;

	if (!r->n) {
		corral_files_rows_done(r);
		*r = *more;
		memset(more, 0, sizeof(*more));
		return 0;
	}
	if (!more->n)
		return 0;
	if (r->n + more->n > CORRAL_FILES_ROWS_MAX ||
	    files_arena_used(r->arena) + files_arena_used(more->arena) > CORRAL_FILES_RESULT_MAX) {
		for (size_t i = 0; e == 0 && i < more->n; i++)
			e = corral_files_rows_add(r, more->rows[i].path, strlen(more->rows[i].path),
			                          &more->rows[i].stat);
		return e;
	}
	for (size_t i = 0; i < more->n; i++) {
		if (grow(&r->rows, sizeof(*r->rows), r->n, &r->size) < 0)
			return -ENOMEM;
		r->rows[r->n++] = more->rows[i];
	}
	files_arena_take(r->arena, more->arena);
	more->arena = NULL;
	corral_files_rows_done(more);
	return 0;
}

int corral_files_rows_rename(struct corral_files_rows *r, corral_files_rename_fn *name, void *ctx)
{
	struct corral_files_arena *arena;
	size_t n = 0, len;
	int e;

	if (!r->n)
		return 0;
	arena = files_arena_new();
	e = arena ? 0 : -ENOMEM;
	for (size_t i = 0; e == 0 && i < r->n; i++) {
		struct corral_files_row row = r->rows[i];
		const char *path = NULL, *slash;
		char *copy;

		e = name(ctx, row.path, &path, &len);
		if (e < 0 || !path)
			continue;
		if (files_arena_used(arena) + len > CORRAL_FILES_RESULT_MAX) {
			r->truncated = true;
			break;
		}
		copy = files_arena_dup(arena, path, len);
		if (!copy) {
			e = -ENOMEM;
			continue;
		}
		slash = strrchr(copy, '/');
		row.path = copy;
		row.name = slash ? slash + 1 : copy;
		r->rows[n++] = row;
	}
	if (e < 0) {
		/* Some rows are moved already: none are left. */
		files_arena_free(arena);
		corral_files_rows_done(r);
		return e;
	}
	files_arena_free(r->arena);
	r->arena = arena;
	r->n = n;
	return 0;
}

int corral_files_matches_add(struct corral_files_matches *m, const char *path, size_t path_len,
                             uint64_t line_number, const char *line, size_t line_len, bool cut)
{
	struct corral_files_match *match;
	const char *same = NULL;
	char *copy;

	if (!m->arena)
		m->arena = files_arena_new();
	if (!m->arena || grow(&m->matches, sizeof(*m->matches), m->n, &m->size) < 0)
		return -ENOMEM;
	if (files_arena_used(m->arena) + path_len + line_len > CORRAL_FILES_RESULT_MAX) {
		m->truncated = true;
		return -EFBIG;
	}
	/* One file's matches come together, and share its path. */
	if (m->n)
		same = m->matches[m->n - 1].path;
	if (!same || strncmp(same, path, path_len) != 0 || same[path_len])
		same = files_arena_dup(m->arena, path, path_len);
	copy = files_arena_dup(m->arena, line, line_len);
	if (!copy || !same)
		return -ENOMEM;
	match = &m->matches[m->n++];
	match->path = same;
	match->line_number = line_number;
	match->line = copy;
	match->line_len = line_len;
	match->cut = cut;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct corral_files_row *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int dirs_then_path(const void *a, const void *b)
{
	const struct corral_files_row *x = a, *y = b;
	int x_file = x->stat.type != CORRAL_FILES_DIRECTORY;
	int y_file = y->stat.type != CORRAL_FILES_DIRECTORY;

	return x_file != y_file ? x_file - y_file : strcmp(x->path, y->path);
}

void corral_files_rows_sort(struct corral_files_rows *r, bool dirs_first)
{
	int (*compare)(const void *, const void *) = dirs_first ? dirs_then_path : by_path;
	size_t i = 1;

	/* A walk in order needs no more than a look. */
	while (i < r->n && compare(&r->rows[i - 1], &r->rows[i]) <= 0)
		i++;
	if (i < r->n)
		qsort(r->rows, r->n, sizeof(*r->rows), compare);
}

char *corral_files_edit_text(const struct corral_files_edit *edit, uint64_t occurrences)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	corral_buf_str(&b, "String '");
	corral_buf_add(&b, edit->old_text, edit->old_len);
	if (!occurrences)
		corral_buf_str(&b, "' not found in file");
	else
		corral_buf_fmt(
		        &b,
		        "' found %llu times. Use replace_all=True to replace all, or provide "
		        "more context.",
		        (unsigned long long)occurrences);
	return corral_buf_take(&b);
}
